// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lazy release: a region's pages stay with it until the next request takes it
 * back, or somebody needs them. They count as retained all that time, whoever
 * takes them gets all of them, and no promise of a release is weakened but that a
 * touch may still find the old bytes.
 */
#include "../testing_memory.h"
#include "../testing/cgroup.h"
#include <sys/uio.h>
#include "testing_harness.h"

#define REGIONS	8
#define POPULATE SEGPOOL_POPULATE
#define LAZY	SEGPOOL_LAZY

FIXTURE(lazy) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
	uint64_t size;
	int fd;
};

FIXTURE_VARIANT(lazy) {
	uint32_t mode;
	uint64_t region_size;
};
FIXTURE_VARIANT_ADD(lazy, strict) { .mode = SEGPOOL_MODE_STRICT, .region_size = SP_SMALL, };
FIXTURE_VARIANT_ADD(lazy, strict_big) { .mode = SEGPOOL_MODE_STRICT, .region_size = SP_BIG, };
FIXTURE_VARIANT_ADD(lazy, pinnable) { .mode = SEGPOOL_MODE_PINNABLE, .region_size = SP_SMALL, };
FIXTURE_VARIANT_ADD(lazy, huge) { .mode = SEGPOOL_MODE_HUGE, .region_size = SP_BIG, };
FIXTURE_VARIANT_ADD(lazy, huge_single) { .mode = SEGPOOL_MODE_HUGE, .region_size = SP_SMALL, };

/* Room in the reservation for twice the budgets; nothing ages. */
FIXTURE_SETUP(lazy)
{
	self->size = variant->region_size;
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, self->size, REGIONS * self->size,
				  REGIONS * self->size, REGIONS * self->size));
	self->fd = self->pool.fd;
}

FIXTURE_TEARDOWN(lazy)
{
	EXPECT_NO_DRIFT(&self->pool);
	sp_pool_close(&self->pool);
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

#define EXPECT_BYTES(physical, retained) do { \
	EXPECT_EQ((physical) * self->size, sp_counter(self->fd, SEGPOOL_C_PHYSICAL_BYTES)); \
	EXPECT_EQ((retained) * self->size, sp_counter(self->fd, SEGPOOL_C_RETAINED_BYTES)); \
} while (0)

static uint64_t kept_regions(const struct sp_pool *pool)
{
	return sp_counter(pool->fd, SEGPOOL_C_KEPT_REGIONS);
}

/* Regions of class 0, each with a pattern of its own. */
static int take(struct sp_pool *pool, struct segpool_region *regions, int n)
{
	int i;

	if (sp_alloc(pool->fd, 0, POPULATE, n, regions) != n)
		return -1;
	for (i = 0; i < n; i++)
		sp_pattern_write(sp_region_at(pool, &regions[i]), pool->region_size,
				 regions[i].handle);
	return 0;
}

static int take_and_release(struct sp_pool *pool, struct segpool_region *regions, int n)
{
	return take(pool, regions, n) ? -1 : sp_free_regions(pool->fd, regions, n, LAZY);
}

static size_t wrong_bytes(const struct sp_pool *pool, const struct segpool_region *region,
			  uint64_t owner)
{
	return sp_pattern_check(sp_region_at(pool, region), pool->region_size, owner);
}

static long present(const struct sp_pool *pool, const struct segpool_region *region)
{
	return sp_present(sp_region_at(pool, region), pool->region_size, NULL);
}

/* Its pages stay, mapped, and are retained ones. */
TEST_F(lazy, released)
{
	ASSERT_EQ(0, take(&self->pool, self->regions, 2));
	EXPECT_BYTES(2, 0);
	ASSERT_EQ(0, sp_free(self->fd, self->regions[0].handle, LAZY));
	EXPECT_BYTES(1, 1);
	EXPECT_EQ(1, kept_regions(&self->pool));
	EXPECT_EQ((long)(self->size / SP_PAGE), present(&self->pool, &self->regions[0]));
	EXPECT_EQ(0, wrong_bytes(&self->pool, &self->regions[0], self->regions[0].handle));
	EXPECT_EQ(-EALREADY, sp_free(self->fd, self->regions[0].handle, LAZY));
	EXPECT_EQ(-EALREADY, sp_discard(self->fd, self->regions[0].handle, 0, SP_PAGE, 0));
}

TEST_F(lazy, taken_back)
{
	struct segpool_region again;
	long faults;

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 1));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 0, POPULATE, 0, &again, NULL));
	EXPECT_EQ(self->regions[0].offset, again.offset);
	EXPECT_EQ(SEGPOOL_REGION_REUSED, again.flags);
	EXPECT_EQ(SEGPOOL_HANDLE_GENERATION(self->regions[0].handle) + 1,
		  SEGPOOL_HANDLE_GENERATION(again.handle));
	EXPECT_BYTES(1, 0);
	EXPECT_EQ(0, kept_regions(&self->pool));
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_KEPT_REUSES));
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_REUSED_REGIONS));
	EXPECT_EQ(self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_EQ(self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_RETAINED_REUSED_PAGES));
	faults = sp_thread_faults();
	EXPECT_EQ(0, wrong_bytes(&self->pool, &again, self->regions[0].handle));
	sp_pattern_write(sp_region_at(&self->pool, &again), self->size, 7);
	EXPECT_EQ(faults, sp_thread_faults());
	/* The old handle is one of an earlier owner's. */
	EXPECT_EQ(-ESTALE, sp_free(self->fd, self->regions[0].handle, LAZY));
	EXPECT_EQ(0, wrong_bytes(&self->pool, &again, 7));
}

TEST_F(lazy, newest_first)
{
	struct segpool_region again[3];
	int i;

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 3));
	ASSERT_EQ(3, sp_alloc(self->fd, 0, POPULATE, 3, again));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(self->regions[2 - i].offset, again[i].offset);
}

TEST_F(lazy, zeroed_on_request)
{
	struct segpool_region again;

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 1));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 0, POPULATE | SEGPOOL_ZERO, 0, &again, NULL));
	EXPECT_EQ(self->regions[0].offset, again.offset);
	EXPECT_EQ(1, sp_is_zero(sp_region_at(&self->pool, &again), self->size));
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_KEPT_REUSES));
	EXPECT_EQ(2 * self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_ZEROED_PAGES));
}

/* Who asks for no pages gets none; those that were there stay for others. */
TEST_F(lazy, without_pages)
{
	struct segpool_region again;

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 1));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 0, 0, 0, &again, NULL));
	EXPECT_EQ(self->regions[0].offset, again.offset);
	EXPECT_EQ(0, present(&self->pool, &again));
	EXPECT_BYTES(0, 1);
	EXPECT_EQ(0, kept_regions(&self->pool));
	ASSERT_EQ(0, sp_populate(self->fd, again.handle, 0, self->size, 0));
	EXPECT_BYTES(1, 0);
	EXPECT_EQ(self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_SYSTEM_PAGES));
}

TEST_F(lazy, named)
{
	struct segpool_region again;

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 3));
	ASSERT_EQ(0, sp_reuse(self->fd, self->regions[1].handle, 1, POPULATE, &again));
	EXPECT_EQ(self->regions[1].offset, again.offset);
	EXPECT_EQ(0, wrong_bytes(&self->pool, &again, self->regions[1].handle));
	EXPECT_BYTES(1, 2);
	EXPECT_EQ(-EBUSY, sp_reuse(self->fd, self->regions[1].handle, 1, POPULATE, &again));
	ASSERT_EQ(0, sp_reuse(self->fd, self->regions[0].handle, 1, 0, &again));
	EXPECT_EQ(self->regions[0].offset, again.offset);
	EXPECT_EQ(0, present(&self->pool, &again));
	EXPECT_BYTES(1, 2);
	EXPECT_EQ(1, kept_regions(&self->pool));
}

TEST_F(lazy, neighbours)
{
	struct segpool_region again[REGIONS];

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, REGIONS));
	ASSERT_EQ(REGIONS, sp_alloc(self->fd, 1, POPULATE | SEGPOOL_CONTIGUOUS, REGIONS, again));
	EXPECT_BYTES(REGIONS, 0);
	EXPECT_EQ(REGIONS * self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_EQ(REGIONS, sp_counter(self->fd, SEGPOOL_C_NEW_REGIONS));
}

/* Another class takes the region, with its pages, once nothing new is to be had. */
TEST_F(lazy, other_class)
{
	struct segpool_region other;

	ASSERT_EQ(0, take(&self->pool, self->regions, REGIONS));
	ASSERT_EQ(0, sp_free(self->fd, self->regions[3].handle, LAZY));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 1, POPULATE, 0, &other, NULL));
	EXPECT_EQ(self->regions[3].offset, other.offset);
	EXPECT_EQ(SEGPOOL_REGION_REUSED | SEGPOOL_REGION_CROSS, other.flags);
	EXPECT_EQ(0, wrong_bytes(&self->pool, &other, self->regions[3].handle));
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_KEPT_REUSES));
	EXPECT_BYTES(REGIONS, 0);
}

/* A budget that is full of them refuses nobody; the oldest go first, as many as needed. */
TEST_F(lazy, budget_is_for_requests)
{
	struct segpool_limits limits = { .physical_budget = 4 * self->size };
	struct segpool_region other[4];
	int i;

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 4));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, sp_alloc_one(self->fd, 1, POPULATE, 0, &other[i], NULL));
		EXPECT_EQ(SEGPOOL_REGION_NEW, other[i].flags);
		EXPECT_BYTES(1U + i, 3U - i);
		EXPECT_EQ(0, present(&self->pool, &self->regions[i]));
		EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->regions[i])));
		if (i < 3)
			EXPECT_LT(0, present(&self->pool, &self->regions[i + 1]));
	}
	EXPECT_EQ(0, kept_regions(&self->pool));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->fd, 1, POPULATE, 0, &other[0], NULL));
}

/* So does one that touches its pages one by one. */
TEST_F(lazy, touches_take_pages)
{
	struct segpool_limits limits = { .physical_budget = 2 * self->size };
	struct segpool_region other;
	uint64_t offset;

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 2));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 1, 0, 0, &other, NULL));
	for (offset = 0; offset < self->size; offset += SP_PAGE)
		ASSERT_EQ(0, sp_touch_write(sp_region_at(&self->pool, &other) + offset));
	EXPECT_EQ(self->size, sp_counter(self->fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_counter(self->fd, SEGPOOL_C_REFUSED_PHYSICAL));
}

TEST_F(lazy, trimmed)
{
	uint64_t released, before;

	ASSERT_EQ(0, take(&self->pool, self->regions, REGIONS));
	before = sp_free_bytes();
	ASSERT_EQ(0, sp_free_regions(self->fd, self->regions, REGIONS, LAZY));
	ASSERT_EQ(0, sp_trim(self->fd, 2 * self->size, &released));
	EXPECT_EQ((REGIONS - 2) * self->size, released);
	EXPECT_BYTES(0, 2);
	EXPECT_EQ(2, kept_regions(&self->pool));
	EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->regions[0])));
	EXPECT_EQ(0, sp_touch(sp_region_at(&self->pool, &self->regions[REGIONS - 1])));
	ASSERT_EQ(0, sp_trim(self->fd, 0, &released));
	EXPECT_EQ(2 * self->size, released);
	EXPECT_TRUE(sp_wait_free_bytes(before + REGIONS * self->size - SP_MIB, 5000));
	EXPECT_EQ(REGIONS * self->size / SP_PAGE, sp_count_refused(self->pool.base,
								   REGIONS * self->size));
}

/* No more than was asked for; the rest stays for all requests of the pool. */
TEST_F(lazy, trimmed_in_part)
{
	uint64_t released, part = variant->mode == SEGPOOL_MODE_HUGE && self->size == SP_BIG ?
				  self->size : 3 * SP_PAGE;

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 2));
	ASSERT_EQ(0, sp_trim(self->fd, 2 * self->size - 3 * SP_PAGE, &released));
	EXPECT_EQ(part, released);
	EXPECT_EQ(2 * self->size - part, sp_counter(self->fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(1, kept_regions(&self->pool));
	EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->regions[0])));
	EXPECT_EQ(0, sp_touch(sp_region_at(&self->pool, &self->regions[1])));
	ASSERT_EQ(2, sp_alloc(self->fd, 0, POPULATE, 2, self->regions));
	EXPECT_EQ((2 * self->size + part) / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_SYSTEM_PAGES));
}

/* Other classes use what is there before they go to the system. */
TEST_F(lazy, retained_pages_first)
{
	struct segpool_region other[2];

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 2));
	ASSERT_EQ(2, sp_alloc(self->fd, 1, POPULATE, 2, other));
	EXPECT_EQ(SEGPOOL_REGION_NEW, other[0].flags);
	EXPECT_EQ(2 * self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_BYTES(2, 0);
	EXPECT_EQ(0, kept_regions(&self->pool));
	EXPECT_EQ(2 * self->size / SP_PAGE, sp_count_refused(sp_region_at(&self->pool,
									  &self->regions[0]),
							     2 * self->size));
}

TEST_F(lazy, limits_lowered)
{
	struct segpool_limits limits = { .retain_limit = 3 * self->size };

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, REGIONS));
	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_RETAIN, &limits));
	EXPECT_BYTES(0, 3);
	EXPECT_EQ(3, kept_regions(&self->pool));
	limits = (struct segpool_limits){ .physical_budget = 1 * self->size };
	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_PHYSICAL, &limits));
	EXPECT_BYTES(0, 1);
	EXPECT_EQ(1, kept_regions(&self->pool));
}

/* What the retain limit has no room for is released as always. */
TEST_F(lazy, retain_limit)
{
	struct segpool_limits limits = { .retain_limit = 2 * self->size };

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_RETAIN, &limits));
	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 4));
	EXPECT_BYTES(0, 2);
	EXPECT_EQ(2, kept_regions(&self->pool));
	EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->regions[3])));
}

/* Without a thread of the program's. */
TEST_F(lazy, ages)
{
	struct segpool_limits limits = { .retain_age_ms = 200 };
	uint64_t before;

	ASSERT_EQ(0, take(&self->pool, self->regions, REGIONS));
	before = sp_free_bytes();
	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_AGE, &limits));
	ASSERT_EQ(0, sp_free_regions(self->fd, self->regions, REGIONS, LAZY));
	EXPECT_TRUE(sp_wait_until(sp_retains_nothing, &self->pool, 20000));
	EXPECT_EQ(REGIONS * self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_AGED_PAGES));
	EXPECT_EQ(0, sp_present(self->pool.base, REGIONS * self->size, NULL));
	EXPECT_TRUE(sp_wait_free_bytes(before + REGIONS * self->size - SP_MIB, 5000));
	EXPECT_EQ(REGIONS, sp_counter(self->fd, SEGPOOL_C_REGIONS_FREED));
}

/* The age counts from the release, also where the age is given afterwards. */
TEST_F(lazy, age_begins_with_the_release)
{
	struct segpool_limits limits = { .retain_age_ms = 1 };

	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 2));
	sp_sleep_ms(50);
	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_AGE, &limits));
	EXPECT_TRUE(sp_wait_until(sp_retains_nothing, &self->pool, 20000));
}

TEST_F(lazy, shrunk)
{
	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, REGIONS));
	ASSERT_TRUE(sp_drop_slab(self->fd));
	EXPECT_LT(0, sp_counter(self->fd, SEGPOOL_C_SHRUNK_PAGES));
	EXPECT_EQ(sp_counter(self->fd, SEGPOOL_C_RETAINED_BYTES),
		  kept_regions(&self->pool) * self->size);
	EXPECT_EQ(REGIONS * self->size, sp_counter(self->fd, SEGPOOL_C_RETAINED_BYTES) +
					sp_counter(self->fd, SEGPOOL_C_SHRUNK_PAGES) * SP_PAGE);
	/* The shrinker still knows of those that are left, and of later ones. */
	ASSERT_EQ(REGIONS, sp_alloc(self->fd, 0, POPULATE, REGIONS, self->regions));
	ASSERT_EQ(0, sp_free_regions(self->fd, self->regions, REGIONS, LAZY));
	while (kept_regions(&self->pool) && sp_drop_slab(self->fd))
		;
	EXPECT_BYTES(0, 0);
	EXPECT_EQ(0, sp_present(self->pool.base, REGIONS * self->size, NULL));
}

/* A region that lacks a page is released as always. */
TEST_F(lazy, with_a_hole)
{
	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	ASSERT_EQ(0, sp_discard(self->fd, self->regions[0].handle, SP_PAGE, SP_PAGE, SEGPOOL_NOW));
	ASSERT_EQ(0, sp_free(self->fd, self->regions[0].handle, LAZY));
	EXPECT_EQ(0, kept_regions(&self->pool));
	EXPECT_EQ(self->size - SP_PAGE, sp_counter(self->fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->regions[0])));
}

/* So is one of which somebody holds a page; he keeps it, and nobody else gets it. */
TEST_F(lazy, with_a_pinned_page)
{
	struct segpool_region again;
	struct iovec vector;
	char bytes[SP_PAGE];
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	vector.iov_base = sp_region_at(&self->pool, &self->regions[0]) + 2 * SP_PAGE;
	vector.iov_len = SP_PAGE;
	if (vmsplice(pipes[1], &vector, 1, 0) != SP_PAGE) {
		close(pipes[0]);
		close(pipes[1]);
		SKIP(return, "nobody can hold a page of such a pool here");
	}
	ASSERT_EQ(0, sp_free(self->fd, self->regions[0].handle, LAZY));
	EXPECT_EQ(0, kept_regions(&self->pool));
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_PINNED_PAGES));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 0, POPULATE, 0, &again, NULL));
	EXPECT_EQ(self->regions[0].offset, again.offset);
	sp_pattern_write(sp_region_at(&self->pool, &again), self->size, 7);
	ASSERT_EQ(SP_PAGE, read(pipes[0], bytes, SP_PAGE));
	sp_pattern_write(sp_region_at(&self->pool, &self->regions[0]), self->size,
			 self->regions[0].handle);
	EXPECT_EQ(0, memcmp(bytes, vector.iov_base, SP_PAGE));
	close(pipes[0]);
	close(pipes[1]);
}

/* One that is held after the release does not go to anybody else when the pages are taken. */
TEST_F(lazy, pinned_afterwards)
{
	struct iovec vector;
	uint64_t released;
	char bytes[SP_PAGE];
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, take_and_release(&self->pool, self->regions, 1));
	vector.iov_base = sp_region_at(&self->pool, &self->regions[0]);
	vector.iov_len = SP_PAGE;
	if (vmsplice(pipes[1], &vector, 1, 0) != SP_PAGE) {
		close(pipes[0]);
		close(pipes[1]);
		SKIP(return, "nobody can hold a page of such a pool here");
	}
	ASSERT_EQ(0, sp_trim(self->fd, 0, &released));
	EXPECT_BYTES(0, 0);
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_PINNED_PAGES));
	/* It has not gone to the system. */
	EXPECT_EQ(self->size - SP_PAGE, released);
	EXPECT_EQ(self->size / SP_PAGE - 1, sp_counter(self->fd, SEGPOOL_C_TRIMMED_PAGES));
	ASSERT_EQ(0, take(&self->pool, self->regions + 1, 4));
	ASSERT_EQ(SP_PAGE, read(pipes[0], bytes, SP_PAGE));
	EXPECT_EQ(0, sp_pattern_check(bytes, SP_PAGE, self->regions[0].handle));
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(lazy, flags)
{
	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	EXPECT_EQ(-EINVAL, sp_free(self->fd, self->regions[0].handle, LAZY | SEGPOOL_NOW));
	EXPECT_EQ(-EINVAL, sp_discard(self->fd, self->regions[0].handle, 0, SP_PAGE, LAZY));
	EXPECT_EQ(0, wrong_bytes(&self->pool, &self->regions[0], self->regions[0].handle));
	EXPECT_BYTES(1, 0);
}

/* All is given back with the mapping, while the file is still open. */
TEST_F(lazy, unmapped)
{
	uint64_t before;

	ASSERT_EQ(0, take(&self->pool, self->regions, REGIONS));
	before = sp_free_bytes();
	ASSERT_EQ(0, sp_free_regions(self->fd, self->regions, REGIONS, LAZY));
	ASSERT_EQ(0, munmap(self->pool.base, self->pool.length));
	EXPECT_BYTES(0, 0);
	EXPECT_EQ(0, kept_regions(&self->pool));
	EXPECT_TRUE(sp_wait_free_bytes(before + REGIONS * self->size - SP_MIB, 5000));
	EXPECT_EQ(-ENXIO, sp_free(self->fd, self->regions[0].handle, LAZY));
	/* The walk at the end needs a mapping. */
	sp_pool_close(&self->pool);
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, self->size, REGIONS * self->size,
				  REGIONS * self->size, 0));
}

TEST_HARNESS_MAIN
