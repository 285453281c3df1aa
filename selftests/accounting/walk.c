// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promises 1 and 2: after any sequence of calls, of faults and of refusals the
 * counters equal what a walk over page tables and regions finds.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS	24
#define STEPS	1500
#define CHECK_EVERY	75

struct random_user {
	struct sp_pool *pool;
	uint64_t random;
	struct segpool_region active[REGIONS];
	int nr_active;
	uint64_t released;
	unsigned int refusals, successes, other_errors;
};

static uint32_t pick(struct random_user *user, uint32_t below)
{
	return sp_random(&user->random) % below;
}

static void note(struct random_user *user, int result)
{
	if (result >= 0)
		user->successes++;
	else if (result == -ENOMEM || result == -EALREADY || result == -ESTALE || result == -EBUSY)
		user->refusals++;
	else
		user->other_errors++;
}

static void step_alloc(struct random_user *user)
{
	static const uint32_t flags[] = { 0, SEGPOOL_POPULATE, SEGPOOL_ZERO,
					  SEGPOOL_POPULATE | SEGPOOL_ZERO, SEGPOOL_CONTIGUOUS,
					  SEGPOOL_CONTIGUOUS | SEGPOOL_POPULATE };
	int got = sp_alloc(user->pool->fd, pick(user, 5), flags[pick(user, ARRAY_SIZE(flags))],
			   1 + pick(user, 5), &user->active[user->nr_active]);

	note(user, got);
	if (got > 0)
		user->nr_active += got;
}

static void step_release(struct random_user *user)
{
	static const uint32_t flags[] = { 0, 0, SEGPOOL_LAZY, SEGPOOL_NOW };
	int slot = pick(user, user->nr_active);

	user->released = user->active[slot].handle;
	note(user, sp_free(user->pool->fd, user->released, flags[pick(user, 4)]));
	user->active[slot] = user->active[--user->nr_active];
	/* Once in a while a second time, which must change nothing. */
	if (!pick(user, 4))
		note(user, sp_free(user->pool->fd, user->released, 0));
}

static void step_reuse(struct random_user *user)
{
	struct segpool_region region;
	int error = sp_reuse(user->pool->fd, user->released, pick(user, 5),
			     pick(user, 2) ? SEGPOOL_POPULATE : 0, &region);

	note(user, error);
	if (!error)
		user->active[user->nr_active++] = region;
}

static void step_range(struct random_user *user, unsigned long command)
{
	struct segpool_range ranges[3];
	uint32_t i, first;

	memset(ranges, 0, sizeof(ranges));
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		first = pick(user, 16);
		ranges[i].handle = user->active[pick(user, user->nr_active)].handle;
		ranges[i].offset = first * SP_PAGE;
		ranges[i].length = (1 + pick(user, 16 - first)) * SP_PAGE;
	}
	note(user, sp_ranges(user->pool->fd, command, ranges, ARRAY_SIZE(ranges), 0, NULL));
}

/* Touches of regions of the program's own, where a refused page raises SIGBUS, and of others. */
static void step_touch(struct random_user *user)
{
	char *bytes = sp_region_at(user->pool, &user->active[pick(user, user->nr_active)]);
	uint32_t i;

	for (i = pick(user, 16); i < 16; i += 1 + pick(user, 3))
		note(user, sp_touch_write(bytes + i * SP_PAGE) ? -ENOMEM : 0);
	sp_touch(user->pool->base + pick(user, REGIONS * 16) * SP_PAGE);
}

static void step_limits(struct random_user *user)
{
	struct segpool_limits limits = { .physical_budget = (100 + pick(user, 200)) * SP_PAGE,
					 .retain_limit = pick(user, 80) * SP_PAGE };

	if (pick(user, 2))
		note(user, sp_trim(user->pool->fd, pick(user, 50) * SP_PAGE, NULL));
	else
		note(user, sp_set_budget(user->pool->fd, SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN,
					 &limits));
}

static void step(struct random_user *user)
{
	uint32_t kind = pick(user, 100);

	if (!user->nr_active || (kind < 25 && user->nr_active + 5 < REGIONS))
		step_alloc(user);
	else if (kind < 45)
		step_release(user);
	else if (kind < 52 && user->released && user->nr_active < REGIONS)
		step_reuse(user);
	else if (kind < 65)
		step_range(user, SEGPOOL_IOC_DISCARD);
	else if (kind < 78)
		step_range(user, SEGPOOL_IOC_POPULATE);
	else if (kind < 96)
		step_touch(user);
	else
		step_limits(user);
}

FIXTURE(walk) {
	struct sp_pool pool;
};

SP_MODE_VARIANTS(walk);

FIXTURE_SETUP(walk)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, REGIONS * SP_SMALL,
				  200 * SP_PAGE, 64 * SP_PAGE));
}

FIXTURE_TEARDOWN(walk)
{
	sp_pool_close(&self->pool);
}

TEST_F(walk, counters_equal_a_walk_after_random_calls)
{
	struct random_user user = { .pool = &self->pool, .random = 2026 };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	int i;

	for (i = 1; i <= STEPS; i++) {
		step(&user);
		if (i % CHECK_EVERY)
			continue;
		EXPECT_NO_DRIFT(&self->pool) {
			TH_LOG("after step %d", i);
		}
		ASSERT_EQ(0, sp_stat(self->pool.fd, values));
		EXPECT_LE(values[SEGPOOL_C_RETAINED_BYTES], values[SEGPOOL_C_RETAIN_LIMIT_BYTES]);
		EXPECT_LE(values[SEGPOOL_C_VIRTUAL_BYTES], REGIONS * SP_SMALL);
		EXPECT_EQ(user.nr_active, values[SEGPOOL_C_REGIONS_ACTIVE]);
	}
	/* Refusals and successes were both met, and no other error. */
	EXPECT_GT(user.successes, STEPS / 3);
	EXPECT_GT(user.refusals, 20);
	EXPECT_EQ(0, user.other_errors);

	ASSERT_EQ(0, sp_free_regions(self->pool.fd, user.active, user.nr_active, 0));
	ASSERT_EQ(0, sp_trim(self->pool.fd, 0, NULL));
	ASSERT_EQ(0, sp_stat(self->pool.fd, values));
	EXPECT_EQ(0, values[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_EQ(0, values[SEGPOOL_C_RETAINED_BYTES]);
	EXPECT_EQ(0, sp_present(self->pool.base, self->pool.length, NULL));
	EXPECT_EQ(SIGBUS, sp_touch(self->pool.base));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Promise 2, faults: each page that comes with a touch is one page of physical_bytes, once. */
TEST_F(walk, faults_are_counted_once)
{
	struct segpool_region region;
	int fd = self->pool.fd, i;
	char *bytes;

	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &region));
	bytes = sp_region_at(&self->pool, &region);
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	for (i = 0; i < 16; i += 2) {
		ASSERT_EQ(0, i & 2 ? sp_touch(bytes + i * SP_PAGE) :
				     sp_touch_write(bytes + i * SP_PAGE));
		ASSERT_EQ(0, sp_touch_write(bytes + i * SP_PAGE));
		EXPECT_EQ((i / 2 + 1) * SP_PAGE, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	}
	EXPECT_EQ(8, sp_present(bytes, SP_SMALL, NULL));
	EXPECT_GE(sp_counter(fd, SEGPOOL_C_FAULTS), 8);
	EXPECT_EQ(8, sp_counter(fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Promise 2, refused faults: SIGBUS, counted, and nothing stays reserved. */
TEST_F(walk, refused_faults_leave_nothing)
{
	struct segpool_limits limits = { .physical_budget = 10 * SP_PAGE };
	struct segpool_region region;
	int fd = self->pool.fd;
	char *bytes;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &region));
	bytes = sp_region_at(&self->pool, &region);
	EXPECT_EQ(6, sp_count_refused(bytes, SP_SMALL));
	EXPECT_EQ(SIGBUS, sp_touch(bytes + SP_SMALL));
	EXPECT_EQ(10 * SP_PAGE, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_GE(sp_counter(fd, SEGPOOL_C_SIGBUS_FAULTS), 7);
	EXPECT_NO_DRIFT(&self->pool);
	ASSERT_EQ(0, sp_discard(fd, region.handle, 0, SP_PAGE, 0));
	EXPECT_EQ(0, sp_touch(bytes + 15 * SP_PAGE));
	EXPECT_EQ(SIGBUS, sp_touch(bytes));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Peaks are the highest the gauges have been, and stay. */
TEST_F(walk, peaks)
{
	struct segpool_region regions[8];
	int fd = self->pool.fd;

	ASSERT_EQ(8, sp_alloc(fd, 0, SEGPOOL_POPULATE, 8, regions));
	ASSERT_EQ(0, sp_free_regions(fd, regions, 3, 0));
	ASSERT_EQ(0, sp_free_regions(fd, regions + 3, 5, SEGPOOL_NOW));
	ASSERT_EQ(0, sp_trim(fd, SP_PAGE, NULL));
	EXPECT_EQ(8 * SP_SMALL, sp_counter(fd, SEGPOOL_C_PHYSICAL_PEAK_BYTES));
	EXPECT_EQ(3 * SP_SMALL, sp_counter(fd, SEGPOOL_C_RETAINED_PEAK_BYTES));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(SP_PAGE, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
}

TEST_HARNESS_MAIN
