// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 13: the mapping is made once and whole. It cannot be split, moved,
 * grown, made executable or copied; what is refused leaves every page where it
 * was. (In the best public module for this, one mprotect of a page or a partial
 * munmap ended in an oops.)
 */
#include "testing.h"
#include "testing_harness.h"

#define REGION		(256 * SP_KIB)
#define REGIONS		4
#define BUDGET		(16 * REGION)
#define OWNER		0x3a3a000000000001ULL

FIXTURE(mapping) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
	char *room;		/* some other mapping of ours, as long as the pool's */
};

FIXTURE_VARIANT(mapping) {
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(mapping, strict) { .mode = SEGPOOL_MODE_STRICT };
FIXTURE_VARIANT_ADD(mapping, pinnable) { .mode = SEGPOOL_MODE_PINNABLE };
FIXTURE_VARIANT_ADD(mapping, huge) { .mode = SEGPOOL_MODE_HUGE };

FIXTURE_SETUP(mapping)
{
	unsigned int i;

	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, REGION, BUDGET, BUDGET, BUDGET));
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	for (i = 0; i < REGIONS; i++)
		sp_pattern_write(sp_region_at(&self->pool, &self->regions[i]), REGION, OWNER + i);
	self->room = mmap(NULL, BUDGET, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->room);
}

/* Whatever was tried, the pool can be closed and leaves nothing. */
FIXTURE_TEARDOWN(mapping)
{
	uint32_t id = self->pool.id;

	sp_pool_close(&self->pool);
	munmap(self->room, BUDGET);
	EXPECT_FALSE(sp_pool_listed(id));
	EXPECT_EQ(0, sp_module_memory());
}

static void expect_whole(struct __test_metadata *_metadata, FIXTURE_DATA(mapping) *self)
{
	unsigned int i;
	char *at;

	for (i = 0; i < REGIONS; i++) {
		at = sp_region_at(&self->pool, &self->regions[i]);
		EXPECT_EQ(REGION / SP_PAGE, sp_present(at, REGION, NULL));
		EXPECT_EQ(0, sp_pattern_check(at, REGION, OWNER + i));
		EXPECT_EQ(0, sp_touch_write(at));
	}
	EXPECT_EQ(SIGBUS, sp_touch(self->pool.base + BUDGET - SP_PAGE));
	EXPECT_EQ(BUDGET, sp_counter(self->pool.fd, SEGPOOL_C_RESERVATION_BYTES));
	EXPECT_EQ(REGIONS * REGION, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	/* And calls still find the mapping. */
	EXPECT_EQ(0, sp_discard(self->pool.fd, self->regions[0].handle, 0, SP_PAGE, 0));
	EXPECT_EQ(0, sp_present(sp_region_at(&self->pool, &self->regions[0]), SP_PAGE, NULL));
}

TEST_F(mapping, mremap_is_refused)
{
	char *base = self->pool.base, *part = base + REGION;

	EXPECT_EQ(MAP_FAILED, mremap(base, BUDGET, 2 * BUDGET, 0));
	EXPECT_EQ(MAP_FAILED, mremap(base, BUDGET, 2 * BUDGET, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(base, BUDGET, BUDGET, MREMAP_MAYMOVE | MREMAP_FIXED,
				     self->room));
	EXPECT_EQ(MAP_FAILED, mremap(base, BUDGET, BUDGET / 2, 0));
	EXPECT_EQ(MAP_FAILED, mremap(base, BUDGET, SP_PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(part, SP_PAGE, 2 * SP_PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(part, REGION, REGION, MREMAP_MAYMOVE | MREMAP_FIXED,
				     self->room));
	expect_whole(_metadata, self);
}

/* old_len 0 asks for a second copy of a shared mapping. */
TEST_F(mapping, mremap_copy_is_refused)
{
	EXPECT_EQ(MAP_FAILED, mremap(self->pool.base, 0, BUDGET, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->pool.base, 0, SP_PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->pool.base, 0, BUDGET, MREMAP_MAYMOVE | MREMAP_FIXED,
				     self->room));
	expect_whole(_metadata, self);
}

TEST_F(mapping, mremap_dontunmap_is_refused)
{
	EXPECT_EQ(MAP_FAILED, mremap(self->pool.base, BUDGET, BUDGET,
				     MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */, NULL));
	expect_whole(_metadata, self);
}

TEST_F(mapping, partial_munmap_is_refused)
{
	char *base = self->pool.base;

	EXPECT_EQ(-1, munmap(base, SP_PAGE));
	EXPECT_EQ(-1, munmap(base, REGION));
	EXPECT_EQ(-1, munmap(base + REGION, REGION));
	EXPECT_EQ(-1, munmap(base + SP_PAGE, SP_PAGE));
	EXPECT_EQ(-1, munmap(base + BUDGET - REGION, REGION));
	EXPECT_EQ(-1, munmap(base + BUDGET - SP_PAGE, SP_PAGE));
	EXPECT_EQ(-1, munmap(base, BUDGET - SP_PAGE));
	expect_whole(_metadata, self);
}

/* Over the edge into a neighbour, on either side. */
TEST_F(mapping, munmap_across_the_edge_is_refused)
{
	EXPECT_EQ(-1, munmap(self->pool.base - SP_PAGE, 2 * SP_PAGE));
	EXPECT_EQ(-1, munmap(self->pool.base + BUDGET - SP_PAGE, 2 * SP_PAGE));
	expect_whole(_metadata, self);
}

/* Where the pool's neighbour is nobody's, which differs from run to run. */
static char *map_neighbour(char *at)
{
	return mmap(at, SP_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		    -1, 0);
}

/* The whole and more around it is a munmap of the whole. */
TEST_F(mapping, munmap_of_the_whole_and_its_surroundings_works)
{
	char *base = self->pool.base, *from = base;
	struct segpool_region region;
	uint64_t free_before;

	if (map_neighbour(base + BUDGET) == MAP_FAILED) {
		from = base - SP_PAGE;
		ASSERT_EQ(from, map_neighbour(from));
	}
	ASSERT_EQ(0, sp_trim(self->pool.fd, 0, NULL));
	free_before = sp_free_bytes();
	ASSERT_EQ(0, munmap(from, BUDGET + SP_PAGE));
	self->pool.base = NULL;
	EXPECT_TRUE(sp_wait_free_bytes(free_before + REGIONS * REGION / 2, 2000));
	EXPECT_EQ(SIGSEGV, sp_touch(base));
	EXPECT_EQ(-ENXIO, sp_alloc_one(self->pool.fd, 0, 0, 0, &region, NULL));
}

TEST_F(mapping, exec_protection_is_refused)
{
	EXPECT_EQ(-1, mprotect(self->pool.base, BUDGET, PROT_READ | PROT_EXEC));
	EXPECT_EQ(-1, mprotect(self->pool.base, BUDGET, PROT_READ | PROT_WRITE | PROT_EXEC));
	EXPECT_EQ(-1, mprotect(self->pool.base, REGION, PROT_READ | PROT_EXEC));
	EXPECT_EQ(-1, mprotect(self->pool.base + SP_PAGE, SP_PAGE, PROT_EXEC));
	expect_whole(_metadata, self);
}

TEST_F(mapping, protecting_a_part_is_refused)
{
	EXPECT_EQ(-1, mprotect(self->pool.base, SP_PAGE, PROT_READ));
	EXPECT_EQ(-1, mprotect(self->pool.base + REGION, REGION, PROT_READ));
	EXPECT_EQ(-1, mprotect(self->pool.base + BUDGET - SP_PAGE, SP_PAGE, PROT_NONE));
	expect_whole(_metadata, self);
}

/* Protecting the whole is the owner's right; whatever the answer, no page is lost. */
TEST_F(mapping, protecting_the_whole_loses_nothing)
{
	char *at = sp_region_at(&self->pool, &self->regions[1]);
	struct segpool_region region;

	if (!mprotect(self->pool.base, BUDGET, PROT_READ)) {
		EXPECT_EQ(SIGSEGV, sp_touch_write(at));
		EXPECT_EQ(0, sp_touch(at));
		/* Pages that come in now must obey it too. */
		if (!sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL)) {
			EXPECT_EQ(SIGSEGV, sp_touch_write(sp_region_at(&self->pool, &region)));
			EXPECT_EQ(0, sp_free(self->pool.fd, region.handle, SEGPOOL_NOW));
		}
		EXPECT_EQ(0, mprotect(self->pool.base, BUDGET, PROT_READ | PROT_WRITE));
	}
	expect_whole(_metadata, self);
}

TEST_F(mapping, mapping_over_a_part_is_refused)
{
	EXPECT_EQ(MAP_FAILED, mmap(self->pool.base + REGION, REGION, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(MAP_FAILED, mmap(self->pool.base, SP_PAGE, PROT_READ,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(MAP_FAILED, mmap(self->pool.base, BUDGET / 2, PROT_READ | PROT_WRITE, MAP_SHARED |
				   MAP_FIXED, self->pool.fd, 0));
	/* Moving something else over a part would tear it as well. */
	ASSERT_EQ(0, mprotect(self->room, SP_PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(MAP_FAILED, mremap(self->room, SP_PAGE, SP_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				     self->pool.base + REGION));
	expect_whole(_metadata, self);
}

/* A neighbour that looks the same must not be merged into the mapping, nor the other way round. */
TEST_F(mapping, second_mmap_is_refused)
{
	char *base;

	EXPECT_EQ(-EBUSY, sp_mmap(self->pool.fd, BUDGET, &base));
	EXPECT_EQ(-EBUSY, sp_mmap(self->pool.fd, REGION, &base));
	EXPECT_EQ(MAP_FAILED, mmap(self->room, REGION, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED_NOREPLACE, self->pool.fd, 0));
	expect_whole(_metadata, self);
}

TEST_F(mapping, mmap_after_munmap_is_refused)
{
	char *base;

	ASSERT_EQ(0, munmap(self->pool.base, BUDGET));
	self->pool.base = NULL;
	EXPECT_EQ(-EBUSY, sp_mmap(self->pool.fd, BUDGET, &base));
}

TEST_F(mapping, remap_file_pages_is_refused)
{
	EXPECT_EQ(-1, remap_file_pages(self->pool.base, REGION, 0, REGION / SP_PAGE, 0));
	EXPECT_EQ(-1, remap_file_pages(self->pool.base + REGION, SP_PAGE, 0, 0, 0));
	expect_whole(_metadata, self);
}

/* The mapping has been replaced: its pages are gone, and calls say so. */
static void expect_gone(struct __test_metadata *_metadata, FIXTURE_DATA(mapping) *self)
{
	struct segpool_region region;

	EXPECT_EQ(-ENXIO, sp_alloc_one(self->pool.fd, 0, 0, 0, &region, NULL));
	EXPECT_EQ(-ENXIO, sp_free(self->pool.fd, self->regions[0].handle, 0));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
}

/*
 * Of the whole mapping, the kernel does it by mapping the file anew over the
 * old mapping. That is a munmap() and a second mmap(), which is refused.
 */
TEST_F(mapping, remap_file_pages_of_the_whole_is_a_munmap)
{
	EXPECT_EQ(-1, remap_file_pages(self->pool.base, BUDGET, 0, 0, 0));
	expect_gone(_metadata, self);
}

TEST_F(mapping, mapping_over_the_whole_is_a_munmap)
{
	char *base = self->pool.base;

	ASSERT_EQ(base, mmap(base, BUDGET, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	expect_gone(_metadata, self);
	/* What lies there now is somebody else's and stays so. */
	EXPECT_EQ(0, sp_touch_write(base + REGION));
	sp_pattern_write(base, BUDGET, OWNER);
	EXPECT_EQ(-ENXIO, sp_populate(self->pool.fd, self->regions[0].handle, 0, REGION, 0));
	EXPECT_EQ(-ENXIO, sp_discard(self->pool.fd, self->regions[0].handle, 0, REGION, 0));
	EXPECT_EQ(0, sp_pattern_check(base, BUDGET, OWNER));
}

/* The same file mapped over its own mapping: the old one goes, the new one is the second. */
TEST_F(mapping, mapping_the_file_over_itself_is_a_munmap)
{
	EXPECT_EQ(MAP_FAILED, mmap(self->pool.base, BUDGET, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, self->pool.fd, 0));
	EXPECT_EQ(EBUSY, errno);
	expect_gone(_metadata, self);
}

/* Advice must not take pages away behind the pool's back. */
TEST_F(mapping, advice_harms_nothing)
{
	static const int advice[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
				      MADV_FREE, MADV_REMOVE, MADV_COLD, MADV_PAGEOUT,
				      MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
				      25 /* MADV_COLLAPSE */ };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(self->pool.base, BUDGET, advice[i]);
		madvise(self->pool.base + REGION, REGION, advice[i]);
	}
	expect_whole(_metadata, self);
}

/*
 * MADV_DONTNEED may be refused or may unmap; either way the pool knows its
 * pages, and after the next touch or release nothing is lost or doubled.
 */
TEST_F(mapping, dontneed_keeps_the_accounts)
{
	uint64_t physical;
	long present;
	unsigned int i;

	madvise(self->pool.base, BUDGET, MADV_DONTNEED);
	physical = sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES);
	EXPECT_EQ(REGIONS * REGION, physical);
	for (i = 0; i < REGIONS; i++)
		EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, &self->regions[i]), REGION,
					      OWNER + i));
	present = sp_present(self->pool.base, REGIONS * REGION, NULL);
	EXPECT_EQ(REGIONS * REGION / SP_PAGE, present);
	EXPECT_EQ(physical, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_free_regions(self->pool.fd, self->regions, REGIONS, 0));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
}

TEST_F(mapping, mlock_harms_nothing)
{
	mlock(self->pool.base, BUDGET);
	munlock(self->pool.base, BUDGET);
	mlock2(self->pool.base, BUDGET, MLOCK_ONFAULT);
	munlock(self->pool.base, BUDGET);
	expect_whole(_metadata, self);
}

/* A pool that is set up, not mapped yet. */
FIXTURE(unmapped) {
	int fd;
	struct segpool_setup setup;
};

FIXTURE_SETUP(unmapped)
{
	self->fd = sp_open();
	ASSERT_LE(0, self->fd);
	self->setup.region_size = REGION;
	ASSERT_EQ(0, sp_setup(self->fd, &self->setup));
}

FIXTURE_TEARDOWN(unmapped)
{
	close(self->fd);
}

static int try_map(int fd, void *address, size_t length, int protection, int flags, off_t offset)
{
	void *base = mmap(address, length, protection, flags, fd, offset);
	int error = errno;

	if (base == MAP_FAILED)
		return -error;
	munmap(base, length);
	return 0;
}

/* Each refusal leaves the file mappable. */
TEST_F(unmapped, bad_mappings_are_refused)
{
	const int rw = PROT_READ | PROT_WRITE;
	char *room, *aligned, *base;

	EXPECT_GT(0, try_map(self->fd, NULL, BUDGET, rw, MAP_PRIVATE, 0));
	EXPECT_GT(0, try_map(self->fd, NULL, BUDGET, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_GT(0, try_map(self->fd, NULL, BUDGET, rw | PROT_EXEC, MAP_SHARED, 0));
	EXPECT_GT(0, try_map(self->fd, NULL, BUDGET, PROT_EXEC, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, NULL, BUDGET, rw, MAP_SHARED, SP_PAGE));
	EXPECT_EQ(-EINVAL, try_map(self->fd, NULL, BUDGET, rw, MAP_SHARED, REGION));
	EXPECT_GT(0, try_map(self->fd, NULL, BUDGET, rw, MAP_SHARED,
			     (off_t)0x7ffffffffffff000LL));
	EXPECT_EQ(-EINVAL, try_map(self->fd, NULL, SP_PAGE, rw, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, NULL, BUDGET + SP_PAGE, rw, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, NULL, BUDGET - 1 - SP_PAGE, rw, MAP_SHARED, 0));
	EXPECT_GT(0, try_map(self->fd, NULL, REGION * (SEGPOOL_MAX_REGIONS + 1), rw, MAP_SHARED,
			     0));
	EXPECT_GT(0, try_map(self->fd, NULL, 1UL << 47, rw, MAP_SHARED, 0));
	EXPECT_GT(0, try_map(self->fd, NULL, ~0UL - SP_PAGE + 1, rw, MAP_SHARED, 0));

	/* A fixed address must be aligned to the region size. */
	room = mmap(NULL, 3 * BUDGET, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	aligned = (char *)(((uintptr_t)room + REGION) & ~(REGION - 1));
	EXPECT_EQ(-EINVAL, try_map(self->fd, aligned + SP_PAGE, BUDGET, rw, MAP_SHARED | MAP_FIXED,
				   0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, aligned + REGION / 2, BUDGET, rw,
				   MAP_SHARED | MAP_FIXED, 0));
	base = mmap(aligned, BUDGET, rw, MAP_SHARED | MAP_FIXED, self->fd, 0);
	EXPECT_EQ(aligned, base);
	munmap(room, 3 * BUDGET);
}

TEST_F(unmapped, rounded_up_length_counts)
{
	struct segpool_region region;
	char *base;

	/* mmap() itself rounds up to pages; what arrives is a whole number of regions. */
	base = mmap(NULL, BUDGET - 1, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, base);
	EXPECT_EQ(BUDGET, sp_counter(self->fd, SEGPOOL_C_RESERVATION_BYTES));
	EXPECT_EQ(0, sp_alloc_one(self->fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	EXPECT_EQ(0, munmap(base, BUDGET));
}

TEST_F(unmapped, mapping_is_aligned_to_the_region)
{
	char *base;

	ASSERT_EQ(0, sp_mmap(self->fd, BUDGET, &base));
	EXPECT_EQ(0, (uintptr_t)base % REGION);
	EXPECT_EQ(0, munmap(base, BUDGET));
}

/* A hint that is not aligned is only a hint. */
TEST_F(unmapped, unaligned_hint_is_not_taken_literally)
{
	char *hint = mmap(NULL, 3 * BUDGET, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *base;

	ASSERT_NE(MAP_FAILED, hint);
	munmap(hint, 3 * BUDGET);
	base = mmap(hint + SP_PAGE, BUDGET, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, base);
	EXPECT_EQ(0, (uintptr_t)base % REGION);
}

/* Reading only is a choice, writing to it then is not. */
TEST_F(unmapped, read_only_mapping_is_safe)
{
	char *base = mmap(NULL, BUDGET, PROT_READ, MAP_SHARED, self->fd, 0);
	struct segpool_region region;

	if (base == MAP_FAILED)
		SKIP(return, "the module refuses read-only mappings");
	ASSERT_EQ(0, sp_alloc_one(self->fd, 0, SEGPOOL_POPULATE | SEGPOOL_ZERO, 0, &region, NULL));
	EXPECT_EQ(0, sp_touch(base + region.offset));
	EXPECT_EQ(SIGSEGV, sp_touch_write(base + region.offset));
	EXPECT_TRUE(sp_is_zero(base + region.offset, REGION));
}

TEST_HARNESS_MAIN
