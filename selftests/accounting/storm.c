// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promises 1 and 2 under concurrency: eight threads take, touch, release and
 * discard while another looks at every moment whether a budget is passed; when
 * they have ended the counters equal a walk.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define THREADS		8
#define REGIONS		28
#define PAGES		300
#define RETAIN_PAGES	48
#define SPAN_MS		2500
#define LONGEST_MS	60000
#define ENOUGH		100
#define ENOUGH_SAMPLES	20

struct storm {
	struct sp_pool pool;
	uint64_t start_ms;
	atomic_ulong operations, refused, samples;
	atomic_int above_physical, above_virtual, above_retain, wrong_results, running;
	bool move_budget;
};

static void sample(struct storm *storm)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];

	if (sp_stat(storm->pool.fd, values)) {
		storm->wrong_results++;
		return;
	}
	storm->samples++;
	storm->above_virtual += values[SEGPOOL_C_VIRTUAL_BYTES] > REGIONS * SP_SMALL;
	storm->above_physical += values[SEGPOOL_C_PHYSICAL_BYTES] +
				 values[SEGPOOL_C_RETAINED_BYTES] > PAGES * SP_PAGE;
	storm->above_retain += values[SEGPOOL_C_RETAINED_BYTES] > RETAIN_PAGES * SP_PAGE;
}

/* Budgets change between the full one and two thirds of it, while the storm goes on. */
static void shake_budget(struct storm *storm)
{
	struct segpool_limits limits = { .physical_budget = PAGES * SP_PAGE * 2 / 3 };

	storm->wrong_results += sp_set_budget(storm->pool.fd, SEGPOOL_SET_PHYSICAL, &limits) != 0;
	sp_sleep_ms(3);
	limits = (struct segpool_limits){ .physical_budget = PAGES * SP_PAGE };
	storm->wrong_results += sp_set_budget(storm->pool.fd, SEGPOOL_SET_PHYSICAL, &limits) != 0;
}

static void watch(struct storm *storm)
{
	while (storm->running) {
		sample(storm);
		if (storm->move_budget && !(storm->samples % 16))
			shake_budget(storm);
		usleep(200);
	}
}

static int storm_alloc(struct storm *storm, uint64_t *random, struct segpool_region *regions)
{
	struct segpool_alloc call = { .class_index = sp_random(random) % 5,
				      .count = 1 + sp_random(random) % 4 };
	int error;

	if (sp_random(random) % 2)
		call.flags |= SEGPOOL_POPULATE;
	if (!(sp_random(random) % 4)) {
		call.flags |= SEGPOOL_WAIT;
		call.timeout_ms = 5;
	}
	error = sp_alloc_call(storm->pool.fd, &call, regions);
	if (error && error != -ENOMEM)
		storm->wrong_results++;
	storm->refused += error != 0;
	return error ? 0 : call.done;
}

static void storm_use(struct storm *storm, uint64_t *random, const struct segpool_region *region)
{
	char *bytes = sp_region_at(&storm->pool, region);
	uint32_t i, first = sp_random(random) % 12;

	for (i = 0; i < 16; i += 1 + sp_random(random) % 4)
		sp_touch_write(bytes + i * SP_PAGE);
	if (sp_discard(storm->pool.fd, region->handle, first * SP_PAGE, 4 * SP_PAGE,
		       sp_random(random) % 2 ? SEGPOOL_NOW : 0))
		storm->wrong_results++;
}

static void storm_release(struct storm *storm, uint64_t *random,
			  const struct segpool_region *regions, int count)
{
	static const uint32_t flags[] = { 0, 0, SEGPOOL_LAZY, SEGPOOL_NOW };

	if (count && sp_free_regions(storm->pool.fd, regions, count, flags[sp_random(random) % 4]))
		storm->wrong_results++;
}

/* On a busy machine the threads may long take turns, so that no budget is ever short. */
static bool goes_on(const struct storm *storm)
{
	uint64_t spent_ms = sp_now_ms() - storm->start_ms;

	return spent_ms < SPAN_MS || ((!storm->refused || storm->operations <= ENOUGH ||
				       storm->samples <= ENOUGH_SAMPLES) && spent_ms < LONGEST_MS);
}

static void storm_member(void *argument, unsigned int member)
{
	struct storm *storm = argument;
	struct segpool_region regions[2][4];
	uint64_t random = member * 77 + 1;
	int got = 0, held, turn, i;

	if (member == THREADS) {
		watch(storm);
		return;
	}
	/* The regions of one turn are kept over the next, so that the budgets are always short. */
	for (turn = 0; goes_on(storm); turn ^= 1) {
		held = got;
		got = storm_alloc(storm, &random, regions[turn]);
		for (i = 0; i < got; i++)
			storm_use(storm, &random, &regions[turn][i]);
		storm_release(storm, &random, regions[!turn], held);
		storm->operations += 1 + got;
	}
	storm_release(storm, &random, regions[!turn], got);
	storm->running--;
}

FIXTURE(storm) {
	struct storm *storm;
};

SP_MODE_VARIANTS(storm);

FIXTURE_SETUP(storm)
{
	self->storm = calloc(1, sizeof(*self->storm));
	ASSERT_NE(NULL, self->storm);
	self->storm->running = THREADS;
	ASSERT_EQ(0, sp_pool_make(&self->storm->pool, variant->mode, SP_SMALL, REGIONS * SP_SMALL,
				  PAGES * SP_PAGE, RETAIN_PAGES * SP_PAGE));
}

FIXTURE_TEARDOWN(storm)
{
	sp_pool_close(&self->storm->pool);
	free(self->storm);
}

TEST_F(storm, budgets_hold_at_every_moment)
{
	struct storm *storm = self->storm;

	storm->start_ms = sp_now_ms();
	sp_team_run(THREADS + 1, storm_member, storm);
	EXPECT_EQ(0, storm->above_virtual);
	EXPECT_EQ(0, storm->above_physical);
	EXPECT_EQ(0, storm->above_retain);
	EXPECT_EQ(0, storm->wrong_results);
	EXPECT_GT(storm->operations, ENOUGH);
	EXPECT_GT(storm->refused, 0);
	EXPECT_GT(storm->samples, ENOUGH_SAMPLES);
	EXPECT_LE(sp_counter(storm->pool.fd, SEGPOOL_C_PHYSICAL_PEAK_BYTES), PAGES * SP_PAGE);
	EXPECT_LE(sp_counter(storm->pool.fd, SEGPOOL_C_RETAINED_PEAK_BYTES),
		  RETAIN_PAGES * SP_PAGE);
	EXPECT_EQ(0, sp_counter(storm->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_counter(storm->pool.fd, SEGPOOL_C_WAITERS));
	EXPECT_NO_DRIFT(&storm->pool);
}

/* Promise 3: the same while the budget itself is lowered and raised under load. */
TEST_F(storm, budget_moves_under_load)
{
	struct storm *storm = self->storm;
	struct segpool_region regions[REGIONS];

	storm->move_budget = true;
	storm->start_ms = sp_now_ms();
	sp_team_run(THREADS + 1, storm_member, storm);
	EXPECT_EQ(0, storm->above_virtual);
	EXPECT_EQ(0, storm->above_physical);
	EXPECT_EQ(0, storm->above_retain);
	EXPECT_EQ(0, storm->wrong_results);
	EXPECT_GT(storm->samples, ENOUGH_SAMPLES);
	EXPECT_EQ(0, sp_counter(storm->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&storm->pool);
	/* Exactly the budget can still be had, no page less. */
	ASSERT_EQ(PAGES / 16, sp_alloc(storm->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, regions));
	EXPECT_NO_DRIFT(&storm->pool);
}

TEST_HARNESS_MAIN
