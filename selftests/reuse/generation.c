// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 6: every handle carries a generation. Releasing twice is refused,
 * counted and harmless; a handle of an earlier owner is refused and the present
 * owner keeps its bytes.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS	4
#define ATTEMPTS 2000

FIXTURE(generation) {
	struct sp_pool pool;
};

SP_MODE_VARIANTS(generation);

FIXTURE_SETUP(generation)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, REGIONS * SP_SMALL,
				  REGIONS * SP_SMALL, REGIONS * SP_SMALL));
}

FIXTURE_TEARDOWN(generation)
{
	sp_pool_close(&self->pool);
}

TEST_F(generation, double_release)
{
	struct segpool_region region, again[2];
	uint64_t before[SEGPOOL_NR_COUNTERS], after[SEGPOOL_NR_COUNTERS];
	int fd = self->pool.fd;

	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &region));
	ASSERT_EQ(0, sp_free(fd, region.handle, 0));
	ASSERT_EQ(0, sp_stat(fd, before));
	EXPECT_EQ(-EALREADY, sp_free(fd, region.handle, 0));
	EXPECT_EQ(-EALREADY, sp_free(fd, region.handle, SEGPOOL_NOW));
	EXPECT_EQ(-EALREADY, sp_discard(fd, region.handle, 0, SP_PAGE, 0));
	EXPECT_EQ(-EALREADY, sp_populate(fd, region.handle, 0, SP_PAGE, 0));
	ASSERT_EQ(0, sp_stat(fd, after));
	EXPECT_EQ(before[SEGPOOL_C_DOUBLE_FREES] + 2, after[SEGPOOL_C_DOUBLE_FREES]);
	EXPECT_EQ(before[SEGPOOL_C_RELEASED_REGIONS], after[SEGPOOL_C_RELEASED_REGIONS]);
	EXPECT_EQ(before[SEGPOOL_C_REGIONS_FREED], after[SEGPOOL_C_REGIONS_FREED]);
	EXPECT_EQ(before[SEGPOOL_C_RETAINED_BYTES], after[SEGPOOL_C_RETAINED_BYTES]);
	/* Listed once, so given once. */
	ASSERT_EQ(2, sp_alloc(fd, 0, 0, 2, again));
	EXPECT_NE(again[0].offset, again[1].offset);
	EXPECT_NO_DRIFT(&self->pool);
}

struct stale {
	struct sp_pool *pool;
	struct segpool_region present;
	uint64_t handle;
	atomic_int wrong_results;
	atomic_int damaged_pages;
};

/* Member 0 owns the region and rewrites it without end; the others use the handle of before. */
static void owner_and_stale_releasers(void *argument, unsigned int member)
{
	struct stale *stale = argument;
	char *bytes = sp_region_at(stale->pool, &stale->present);
	int fd = stale->pool->fd, i;

	for (i = 0; i < ATTEMPTS; i++) {
		if (!member) {
			sp_pattern_write(bytes, SP_SMALL, i);
			stale->damaged_pages += sp_pattern_check(bytes, SP_SMALL, i);
		} else if (sp_free(fd, stale->handle, i & 1 ? SEGPOOL_NOW : 0) != -ESTALE) {
			stale->wrong_results++;
		}
	}
}

TEST_F(generation, stale_release_while_the_owner_writes)
{
	struct stale stale = { .pool = &self->pool };
	struct segpool_region first;
	int fd = self->pool.fd;

	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &first));
	ASSERT_EQ(0, sp_free(fd, first.handle, 0));
	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &stale.present));
	ASSERT_EQ(first.offset, stale.present.offset);
	ASSERT_GT(SEGPOOL_HANDLE_GENERATION(stale.present.handle),
		  SEGPOOL_HANDLE_GENERATION(first.handle));
	stale.handle = first.handle;
	/* A damaged region may be gone: a touch then ends the test with SIGBUS, which fails it. */
	sp_team_run(3, owner_and_stale_releasers, &stale);
	EXPECT_EQ(0, stale.wrong_results);
	EXPECT_EQ(0, stale.damaged_pages);
	EXPECT_EQ(2 * ATTEMPTS, sp_counter(fd, SEGPOOL_C_STALE_FREES));
	EXPECT_EQ(16, sp_present(sp_region_at(&self->pool, &stale.present), SP_SMALL, NULL));
	EXPECT_NO_DRIFT(&self->pool);
	EXPECT_EQ(0, sp_free(fd, stale.present.handle, 0));
}

TEST_F(generation, stale_handle_in_every_call)
{
	struct segpool_region first, second, result;
	int fd = self->pool.fd;
	char *bytes;

	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &first));
	ASSERT_EQ(0, sp_free(fd, first.handle, 0));
	ASSERT_EQ(0, sp_reuse(fd, first.handle, 0, SEGPOOL_POPULATE, &second));
	ASSERT_EQ(first.offset, second.offset);
	bytes = sp_region_at(&self->pool, &second);
	sp_pattern_write(bytes, SP_SMALL, 7);

	EXPECT_EQ(-ESTALE, sp_free(fd, first.handle, 0));
	EXPECT_EQ(-ESTALE, sp_discard(fd, first.handle, 0, SP_SMALL, 0));
	EXPECT_EQ(-ESTALE, sp_populate(fd, first.handle, 0, SP_SMALL, SEGPOOL_ZERO));
	EXPECT_EQ(-EBUSY, sp_reuse(fd, first.handle, 0, 0, &result));
	EXPECT_EQ(0, sp_pattern_check(bytes, SP_SMALL, 7));

	ASSERT_EQ(0, sp_free(fd, second.handle, 0));
	EXPECT_EQ(-ESTALE, sp_reuse(fd, first.handle, 0, 0, &result));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(0, sp_reuse(fd, second.handle, 0, 0, &result));
}

TEST_F(generation, handles_that_were_never_given)
{
	struct segpool_region region;
	int fd = self->pool.fd;
	char *bytes;

	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &region));
	bytes = sp_region_at(&self->pool, &region);
	sp_pattern_write(bytes, SP_SMALL, 9);
	/* The next index, one far outside, and a generation of the future. */
	EXPECT_EQ(-ENOENT, sp_free(fd, region.handle + 1, 0));
	EXPECT_EQ(-ENOENT, sp_free(fd, region.handle + REGIONS, 0));
	EXPECT_EQ(-ENOENT, sp_free(fd, region.handle | 0xffffffffULL, 0));
	EXPECT_NE(0, sp_free(fd, region.handle + (1ULL << 32), 0));
	EXPECT_NE(0, sp_free(fd, region.handle & 0xffffffffULL, 0));
	EXPECT_EQ(0, sp_pattern_check(bytes, SP_SMALL, 9));
	EXPECT_EQ(1, sp_counter(fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(0, sp_free(fd, region.handle, 0));
}

TEST_F(generation, grows_with_every_owner)
{
	struct segpool_region region;
	uint32_t last = 0;
	int fd = self->pool.fd, i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &region));
		EXPECT_EQ(0, region.offset);
		EXPECT_GT(SEGPOOL_HANDLE_GENERATION(region.handle), last);
		last = SEGPOOL_HANDLE_GENERATION(region.handle);
		ASSERT_EQ(0, sp_free(fd, region.handle, 0));
	}
}

TEST_HARNESS_MAIN
