// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promises 1 and 2: 64 threads race for the last free budget. Exactly as many
 * succeed as fit, and afterwards nothing has drifted: reserve first, roll back
 * on failure.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define THREADS	64
#define FIT	10
#define RUN	16
#define ROUNDS	5
/* Two that race seldom meet in the wrong moment. */
#define NEIGHBOUR_ROUNDS	200

struct contest {
	struct sp_pool *pool;
	uint32_t flags;
	struct segpool_region shared[THREADS / 16];
	struct segpool_region regions[THREADS];
	struct segpool_region runs[2 * RUN];
	int results[THREADS];
	uint32_t reasons[THREADS];
};

static void take_region(void *argument, unsigned int member)
{
	struct contest *contest = argument;

	contest->results[member] = sp_alloc_one(contest->pool->fd, member % 5, contest->flags, 0,
						&contest->regions[member],
						&contest->reasons[member]);
}

static void touch_page(void *argument, unsigned int member)
{
	struct contest *contest = argument;

	contest->results[member] = sp_touch_write(sp_region_at(contest->pool,
							       &contest->shared[member / 16]) +
						  member % 16 * SP_PAGE);
}

/* The winners' number; their regions are released again. */
static int settle(struct contest *contest, int refusal, uint32_t reason, int *wrong)
{
	int i, winners = 0;

	for (i = 0; i < THREADS; i++) {
		if (contest->results[i]) {
			*wrong += contest->results[i] != refusal || contest->reasons[i] != reason;
			continue;
		}
		winners++;
		*wrong += sp_free(contest->pool->fd, contest->regions[i].handle,
				  i & 1 ? SEGPOOL_NOW : 0) != 0;
	}
	return winners;
}

FIXTURE(last_budget) {
	struct sp_pool pool;
	struct contest contest;
};

SP_MODE_VARIANTS(last_budget);

FIXTURE_SETUP(last_budget)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, THREADS * SP_SMALL,
				  FIT * SP_SMALL + 7 * SP_PAGE, 4 * SP_SMALL));
	self->contest.pool = &self->pool;
}

FIXTURE_TEARDOWN(last_budget)
{
	sp_pool_close(&self->pool);
}

TEST_F(last_budget, physical)
{
	struct contest *contest = &self->contest;
	int round, wrong = 0;

	contest->flags = SEGPOOL_POPULATE;
	for (round = 0; round < ROUNDS; round++) {
		sp_team_run(THREADS, take_region, contest);
		EXPECT_EQ(FIT * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
		EXPECT_NO_DRIFT(&self->pool);
		EXPECT_EQ(FIT, settle(contest, -ENOMEM, SEGPOOL_REASON_PHYSICAL, &wrong));
		EXPECT_EQ(0, wrong);
		EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
		EXPECT_LE(sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES), 4 * SP_SMALL);
		EXPECT_NO_DRIFT(&self->pool);
	}
	EXPECT_EQ(ROUNDS * (THREADS - FIT), sp_counter(self->pool.fd, SEGPOOL_C_REFUSED_PHYSICAL));
	EXPECT_LE(sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_PEAK_BYTES),
		  FIT * SP_SMALL + 7 * SP_PAGE);
}

TEST_F(last_budget, virtual)
{
	struct segpool_limits limits = { .virtual_budget = FIT * SP_SMALL };
	struct contest *contest = &self->contest;
	int round, wrong = 0;

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	for (round = 0; round < ROUNDS; round++) {
		sp_team_run(THREADS, take_region, contest);
		EXPECT_EQ(FIT * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
		EXPECT_NO_DRIFT(&self->pool);
		EXPECT_EQ(FIT, settle(contest, -ENOMEM, SEGPOOL_REASON_VIRTUAL, &wrong));
		EXPECT_EQ(0, wrong);
	}
	EXPECT_EQ(FIT * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

static void take_neighbours(void *argument, unsigned int member)
{
	struct contest *contest = argument;
	struct segpool_alloc call = { .flags = SEGPOOL_CONTIGUOUS | SEGPOOL_POPULATE,
				      .count = RUN };

	contest->results[member] = sp_alloc_call(contest->pool->fd, &call,
						 &contest->runs[member * RUN]);
}

/*
 * All or none: two requests for sixteen neighbours must not stand in each other's
 * way with halves that neither can complete. One fits, so one succeeds.
 */
TEST_F(last_budget, neighbours)
{
	struct segpool_limits limits = { .physical_budget = RUN * SP_SMALL };
	struct contest *contest = &self->contest;
	int round, i, winners, none = 0;

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_PHYSICAL, &limits));
	for (round = 0; round < NEIGHBOUR_ROUNDS; round++) {
		sp_team_run(2, take_neighbours, contest);
		for (i = 0, winners = 0; i < 2; i++) {
			if (contest->results[i]) {
				EXPECT_EQ(-ENOMEM, contest->results[i]);
				continue;
			}
			winners++;
			ASSERT_EQ(0, sp_free_regions(self->pool.fd, &contest->runs[i * RUN], RUN,
						     round & 1 ? SEGPOOL_NOW : 0));
		}
		none += !winners;
		EXPECT_LE(winners, 1);
	}
	EXPECT_EQ(0, none);
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* The same for the last neighbours of a reservation that is carved to its end. */
TEST_F(last_budget, released_neighbours)
{
	struct segpool_limits limits = { .virtual_budget = (RUN + 3) * SP_SMALL,
					 .physical_budget = 3 * RUN * SP_SMALL };
	struct contest *contest = &self->contest;
	int round, i, winners, none = 0;

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL,
				   &limits));
	ASSERT_EQ(RUN + 3, sp_alloc(self->pool.fd, 0, 0, RUN + 3, contest->regions));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, contest->regions, RUN + 3, 0));
	for (round = 0; round < NEIGHBOUR_ROUNDS / 4; round++) {
		sp_team_run(2, take_neighbours, contest);
		for (i = 0, winners = 0; i < 2; i++) {
			if (contest->results[i]) {
				EXPECT_EQ(-ENOMEM, contest->results[i]);
				continue;
			}
			winners++;
			ASSERT_EQ(0, sp_free_regions(self->pool.fd, &contest->runs[i * RUN], RUN,
						     0));
		}
		none += !winners;
		EXPECT_LE(winners, 1);
	}
	EXPECT_EQ(0, none);
	EXPECT_EQ((RUN + 3) * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* By faults: exactly as many pages as fit, SIGBUS for the other threads. */
TEST_F(last_budget, faults)
{
	struct segpool_limits limits = { .physical_budget = 21 * SP_PAGE };
	struct contest *contest = &self->contest;
	int round, i, backed;

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_EQ(THREADS / 16, sp_alloc(self->pool.fd, 0, 0, THREADS / 16, contest->shared));
	for (round = 0; round < 2 * ROUNDS; round++) {
		sp_team_run(THREADS, touch_page, contest);
		for (i = 0, backed = 0; i < THREADS; i++) {
			if (contest->results[i]) {
				EXPECT_EQ(SIGBUS, contest->results[i]);
			} else {
				backed++;
			}
		}
		EXPECT_EQ(21, backed);
		EXPECT_EQ(21 * SP_PAGE, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
		EXPECT_NO_DRIFT(&self->pool);
		for (i = 0; i < THREADS / 16; i++)
			ASSERT_EQ(0, sp_discard(self->pool.fd, contest->shared[i].handle, 0,
						SP_SMALL, round & 1 ? SEGPOOL_NOW : 0));
	}
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
}

/* A batch that gets some of its regions keeps those whole and leaves nothing of the others. */
TEST_F(last_budget, batch_ends_on_a_whole_region)
{
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE, .count = THREADS };

	ASSERT_EQ(0, sp_alloc_call(self->pool.fd, &call, self->contest.regions));
	EXPECT_EQ(FIT, call.done);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, call.reason);
	EXPECT_EQ(FIT * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(FIT, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
