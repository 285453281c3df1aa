// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 5: of any number of threads that race for one freed region one wins,
 * the others get another region or a clean error. Promise 6: of any number of
 * threads that release one handle one does it.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define THREADS	64
#define ROUNDS	8

struct racer {
	int result;
	uint32_t reason;
	struct segpool_region region;
};

struct race {
	struct sp_pool *pool;
	uint64_t handle;
	struct racer racers[THREADS];
};

static void racer_alloc(void *argument, unsigned int member)
{
	struct race *race = argument;
	struct racer *me = &race->racers[member];

	me->result = sp_alloc_one(race->pool->fd, member % 5, 0, 0, &me->region, &me->reason);
}

static void racer_reuse(void *argument, unsigned int member)
{
	struct race *race = argument;
	struct racer *me = &race->racers[member];

	me->result = sp_reuse(race->pool->fd, race->handle, member % 5, 0, &me->region);
}

static void racer_either(void *argument, unsigned int member)
{
	if (member & 1)
		racer_alloc(argument, member);
	else
		racer_reuse(argument, member);
}

static void racer_free(void *argument, unsigned int member)
{
	struct race *race = argument;

	race->racers[member].result = sp_free(race->pool->fd, race->handle, 0);
}

static int count_results(const struct race *race, int result)
{
	int i, count = 0;

	for (i = 0; i < THREADS; i++)
		count += race->racers[i].result == result;
	return count;
}

FIXTURE(race) {
	struct sp_pool pool;
	struct race race;
};

SP_MODE_VARIANTS(race);

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, THREADS * SP_SMALL,
				  THREADS * SP_SMALL, THREADS * SP_SMALL));
	self->race.pool = &self->pool;
}

FIXTURE_TEARDOWN(race)
{
	sp_pool_close(&self->pool);
}

static int limit_regions(struct sp_pool *pool, uint64_t regions)
{
	struct segpool_limits limits = { .virtual_budget = regions * SP_SMALL };

	return sp_set_budget(pool->fd, SEGPOOL_SET_VIRTUAL, &limits);
}

TEST_F(race, alloc_of_the_only_region)
{
	struct race *race = &self->race;
	struct segpool_region region;
	int round, i;

	ASSERT_EQ(0, limit_regions(&self->pool, 1));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &region));
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, sp_free(self->pool.fd, region.handle, 0));
		sp_team_run(THREADS, racer_alloc, race);
		ASSERT_EQ(1, count_results(race, 0));
		ASSERT_EQ(THREADS - 1, count_results(race, -ENOMEM));
		for (i = 0; i < THREADS; i++) {
			if (race->racers[i].result) {
				EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, race->racers[i].reason);
			} else {
				region = race->racers[i].region;
			}
		}
		EXPECT_EQ(0, region.offset);
	}
	EXPECT_EQ(SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(ROUNDS * (THREADS - 1), sp_counter(self->pool.fd, SEGPOOL_C_REFUSED_VIRTUAL));
	EXPECT_NO_DRIFT(&self->pool);
}

/* One freed region and room for 31 new ones: 32 threads win, no two the same region. */
TEST_F(race, losers_get_other_regions)
{
	bool owned[THREADS] = { false };
	struct race *race = &self->race;
	struct segpool_region region;
	unsigned int i, index;

	ASSERT_EQ(0, limit_regions(&self->pool, 32));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &region));
	ASSERT_EQ(0, sp_free(self->pool.fd, region.handle, 0));
	sp_team_run(THREADS, racer_alloc, race);
	EXPECT_EQ(32, count_results(race, 0));
	EXPECT_EQ(32, count_results(race, -ENOMEM));
	for (i = 0; i < THREADS; i++) {
		if (race->racers[i].result)
			continue;
		index = race->racers[i].region.offset / SP_SMALL;
		ASSERT_LT(index, 32);
		EXPECT_FALSE(owned[index]);
		owned[index] = true;
	}
	EXPECT_EQ(32 * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(race, reuse_of_one_named_region)
{
	struct race *race = &self->race;
	struct segpool_region region;
	int round, i;

	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &region));
	for (round = 0; round < ROUNDS; round++) {
		race->handle = region.handle;
		ASSERT_EQ(0, sp_free(self->pool.fd, region.handle, 0));
		sp_team_run(THREADS, racer_reuse, race);
		ASSERT_EQ(1, count_results(race, 0));
		ASSERT_EQ(THREADS - 1, count_results(race, -EBUSY));
		for (i = 0; i < THREADS; i++)
			if (!race->racers[i].result)
				region = race->racers[i].region;
		EXPECT_EQ(0, region.offset);
		EXPECT_NE(race->handle, region.handle);
	}
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_FREED));
	EXPECT_NO_DRIFT(&self->pool);
}

/* By name and by class at once: still one winner. */
TEST_F(race, alloc_against_reuse)
{
	struct race *race = &self->race;
	struct segpool_region region;
	int round, i;

	ASSERT_EQ(0, limit_regions(&self->pool, 1));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &region));
	for (round = 0; round < ROUNDS; round++) {
		race->handle = region.handle;
		ASSERT_EQ(0, sp_free(self->pool.fd, region.handle, 0));
		sp_team_run(THREADS, racer_either, race);
		ASSERT_EQ(1, count_results(race, 0));
		for (i = 0; i < THREADS; i++) {
			if (!race->racers[i].result) {
				region = race->racers[i].region;
			} else {
				EXPECT_EQ(i & 1 ? -ENOMEM : -EBUSY, race->racers[i].result);
			}
		}
	}
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(race, release_of_one_region)
{
	struct race *race = &self->race;
	struct segpool_region region;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &region));
		race->handle = region.handle;
		sp_team_run(THREADS, racer_free, race);
		ASSERT_EQ(1, count_results(race, 0));
		ASSERT_EQ(THREADS - 1, count_results(race, -EALREADY));
	}
	EXPECT_EQ(ROUNDS, sp_counter(self->pool.fd, SEGPOOL_C_RELEASED_REGIONS));
	EXPECT_EQ(ROUNDS * (THREADS - 1), sp_counter(self->pool.fd, SEGPOOL_C_DOUBLE_FREES));
	EXPECT_EQ(SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_FREED));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
