// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 8: pages from the system are zeroed before a program can see them;
 * retained pages never leave their pool unzeroed; a caller that asks for zeroes
 * gets zeroes.
 *
 * Another process first fills memory with a secret and exits, so that the page
 * allocator has dirty pages to give (the kernel must run with init_on_alloc=0,
 * otherwise it zeroes for the module). Then every page that the pool hands out
 * is searched.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS		8
#define DIRTY_BYTES	(48 * SP_MIB)
#define SECRET		0x5ec7e75ec7e75ec7ULL

static int dirty_memory(void *unused)
{
	char *bytes = mmap(NULL, DIRTY_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (bytes == MAP_FAILED)
		return 1;
	for (i = 0; i < DIRTY_BYTES; i += sizeof(uint64_t))
		*(volatile uint64_t *)(bytes + i) = SECRET;
	return 0;
}

/* Pages of the range that show anything but zeroes. */
static size_t count_dirty(const char *start, size_t length)
{
	size_t offset, dirty = 0;

	for (offset = 0; offset < length; offset += SP_PAGE)
		dirty += !sp_is_zero(start + offset, SP_PAGE);
	return dirty;
}

static bool shows_secret(const char *start, size_t length, uint64_t secret)
{
	size_t offset;

	for (offset = 0; offset < length; offset += sizeof(secret))
		if (*(const uint64_t *)(start + offset) == secret)
			return true;
	return false;
}

static void fill(char *start, size_t length, uint64_t secret)
{
	size_t offset;

	for (offset = 0; offset < length; offset += sizeof(secret))
		*(uint64_t *)(start + offset) = secret;
}

FIXTURE(zeroed) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
};

SP_MODE_VARIANTS(zeroed);

FIXTURE_SETUP(zeroed)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_BIG, REGIONS * SP_BIG,
				  REGIONS * SP_BIG, REGIONS * SP_BIG));
	ASSERT_EQ(0, sp_in_child(dirty_memory, NULL));
}

FIXTURE_TEARDOWN(zeroed)
{
	sp_pool_close(&self->pool);
}

TEST_F(zeroed, populated_by_alloc)
{
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	EXPECT_EQ(0, count_dirty(self->pool.base, self->pool.length));
}

TEST_F(zeroed, brought_by_faults)
{
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, 0, REGIONS, self->regions));
	EXPECT_EQ(0, count_dirty(self->pool.base, self->pool.length));
	EXPECT_EQ(self->pool.length, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
}

TEST_F(zeroed, populated_by_ranges)
{
	int i;

	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, 0, REGIONS, self->regions));
	for (i = 0; i < REGIONS; i++)
		ASSERT_EQ(0, sp_populate(self->pool.fd, self->regions[i].handle, 0, SP_BIG, 0));
	EXPECT_EQ(0, count_dirty(self->pool.base, self->pool.length));
	EXPECT_EQ(self->pool.length / SP_PAGE, sp_counter(self->pool.fd, SEGPOOL_C_ZEROED_PAGES));
}

/* Pages that had been this pool's own, went to the system and came back. */
TEST_F(zeroed, after_a_round_through_the_system)
{
	int fd = self->pool.fd;

	ASSERT_EQ(REGIONS, sp_alloc(fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	fill(self->pool.base, self->pool.length, SECRET);
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS / 2, SEGPOOL_NOW));
	ASSERT_EQ(0, sp_free_regions(fd, self->regions + REGIONS / 2, REGIONS / 2, 0));
	ASSERT_EQ(0, sp_trim(fd, 0, NULL));
	ASSERT_EQ(REGIONS, sp_alloc(fd, 1, SEGPOOL_POPULATE, REGIONS, self->regions));
	EXPECT_EQ(0, count_dirty(self->pool.base, self->pool.length));
}

TEST_F(zeroed, after_retained_pages_aged_out)
{
	struct segpool_limits limits = { .retain_age_ms = 100 };
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_AGE, &limits));
	ASSERT_EQ(REGIONS, sp_alloc(fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	fill(self->pool.base, self->pool.length, SECRET);
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS, 0));
	ASSERT_TRUE(sp_wait_until(sp_retains_nothing, &self->pool, 30000));
	ASSERT_EQ(REGIONS, sp_alloc(fd, 1, SEGPOOL_POPULATE, REGIONS, self->regions));
	EXPECT_EQ(0, count_dirty(self->pool.base, self->pool.length));
}

/* The four ways to ask for zeroes; @region is a released one, and what was got. */
static int take_zeroed(int fd, int way, struct segpool_region *region)
{
	int error;

	switch (way) {
	case 0:
		return sp_alloc_one(fd, 0, SEGPOOL_POPULATE | SEGPOOL_ZERO, 0, region, NULL);
	case 1:
		return sp_reuse(fd, region->handle, 0, SEGPOOL_POPULATE | SEGPOOL_ZERO, region);
	case 2:
		error = sp_alloc_one(fd, 0, 0, 0, region, NULL);
		return error ? error : sp_populate(fd, region->handle, 0, SP_BIG, SEGPOOL_ZERO);
	default:
		return sp_alloc_one(fd, 0, SEGPOOL_ZERO, 0, region, NULL);
	}
}

/* Retained pages, on request: by an allocation, by a reuse, by a range, by later faults. */
TEST_F(zeroed, retained_pages_on_request)
{
	int fd = self->pool.fd, i;
	uint64_t zeroed;

	ASSERT_EQ(REGIONS, sp_alloc(fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	fill(self->pool.base, self->pool.length, SECRET);
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS, 0));
	zeroed = sp_counter(fd, SEGPOOL_C_ZEROED_PAGES);

	for (i = 0; i < REGIONS; i++) {
		ASSERT_EQ(0, take_zeroed(fd, i % 4, &self->regions[i]));
		EXPECT_EQ(0, count_dirty(sp_region_at(&self->pool, &self->regions[i]), SP_BIG));
	}
	EXPECT_EQ(zeroed + self->pool.length / SP_PAGE, sp_counter(fd, SEGPOOL_C_ZEROED_PAGES));
	EXPECT_EQ(self->pool.length / SP_PAGE, sp_counter(fd, SEGPOOL_C_SYSTEM_PAGES));
}

/* Without the request retained pages are not zeroed: their content is the pool's own, or zero. */
TEST_F(zeroed, retained_pages_stay_in_the_pool)
{
	struct segpool_region *others = calloc(REGIONS, sizeof(*others));
	struct sp_pool other;
	size_t i;
	int fd = self->pool.fd;

	ASSERT_NE(NULL, others);
	ASSERT_EQ(0, sp_pool_make(&other, variant->mode, SP_BIG, REGIONS * SP_BIG,
				  REGIONS * SP_BIG, REGIONS * SP_BIG));
	ASSERT_EQ(REGIONS, sp_alloc(fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	fill(self->pool.base, self->pool.length, ~SECRET);
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS, 0));

	/* Another pool of the same process sees nothing of it while it is retained... */
	ASSERT_EQ(REGIONS, sp_alloc(other.fd, 0, SEGPOOL_POPULATE, REGIONS, others));
	EXPECT_FALSE(shows_secret(other.base, other.length, ~SECRET));
	EXPECT_EQ(0, count_dirty(other.base, other.length));
	ASSERT_EQ(0, sp_free_regions(other.fd, others, REGIONS, SEGPOOL_NOW));

	/* ... the pool itself sees its own bytes or zeroes only ... */
	ASSERT_EQ(REGIONS, sp_alloc(fd, 1, SEGPOOL_POPULATE, REGIONS, self->regions));
	EXPECT_EQ(self->pool.length / SP_PAGE, sp_counter(fd, SEGPOOL_C_RETAINED_REUSED_PAGES));
	for (i = 0; i < self->pool.length; i += sizeof(uint64_t)) {
		uint64_t word = *(const uint64_t *)(self->pool.base + i);

		if (word && word != ~SECRET)
			break;
	}
	EXPECT_EQ(self->pool.length, i);

	/* ... and after its close the other one gets them zeroed. */
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS, 0));
	sp_pool_close(&self->pool);
	ASSERT_EQ(REGIONS, sp_alloc(other.fd, 0, SEGPOOL_POPULATE, REGIONS, others));
	EXPECT_EQ(0, count_dirty(other.base, other.length));
	sp_pool_close(&other);
	free(others);
}

TEST_HARNESS_MAIN
