// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 1: virtual bytes never exceed the virtual budget, not for an instant,
 * not for a batch, not while the budget is being changed; and they never go
 * down. Eight threads carve while another looks.
 */
#include "testing.h"
#include <stdatomic.h>
#include "testing_harness.h"

#define REGION		SEGPOOL_MIN_REGION_SIZE
#define THREADS		8
#define RESERVED	16384		/* regions in the reservation */
#define ODD		5003		/* a budget that no batch size divides */

FIXTURE(budget) {
	struct sp_pool pool;
};

FIXTURE_SETUP(budget)
{
	memset(&self->pool, 0, sizeof(self->pool));
	self->pool.setup.region_size = REGION;
	self->pool.setup.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	self->pool.setup.limits.virtual_budget = ODD * REGION;
	self->pool.setup.limits.physical_budget = 64 * SP_MIB;
	ASSERT_EQ(0, sp_pool_open(&self->pool, RESERVED * REGION));
}

FIXTURE_TEARDOWN(budget)
{
	sp_pool_close(&self->pool);
}

struct carver {
	struct sp_pool *pool;
	atomic_uchar *owners;		/* by region: how many were told that it is theirs */
	unsigned int seed;
	unsigned int got;
	unsigned int odd_refusals;	/* refusals for another reason than the virtual budget */
	int contiguous;
	atomic_int *stop;
};

static void *carve(void *argument)
{
	struct carver *carver = argument;
	struct segpool_region regions[64];
	struct segpool_alloc call;
	unsigned int i;
	int error;

	while (!atomic_load(carver->stop)) {
		call = (struct segpool_alloc){ .count = 1 + rand_r(&carver->seed) % 64 };
		if (carver->contiguous && rand_r(&carver->seed) % 2)
			call.flags = SEGPOOL_CONTIGUOUS;
		error = sp_alloc_call(carver->pool->fd, &call, regions);
		for (i = 0; !error && i < call.done; i++)
			atomic_fetch_add(&carver->owners[regions[i].offset / REGION], 1);
		carver->got += error ? 0 : call.done;
		if (!error && call.done == call.count)
			continue;
		if (call.reason != SEGPOOL_REASON_VIRTUAL || (error && error != -ENOMEM))
			carver->odd_refusals++;
		if (call.flags & SEGPOOL_CONTIGUOUS && call.count > 1)
			continue;
		break;
	}
	return NULL;
}

struct watcher {
	struct sp_pool *pool;
	atomic_int *stop;
	unsigned int samples, above, backwards;
};

static void *watch(void *argument)
{
	struct watcher *watcher = argument;
	uint64_t values[SEGPOOL_NR_COUNTERS], last = 0;

	while (!atomic_load(watcher->stop)) {
		sp_stat(watcher->pool->fd, values);
		watcher->samples++;
		watcher->above += values[SEGPOOL_C_VIRTUAL_BYTES] >
				  values[SEGPOOL_C_VIRTUAL_BUDGET_BYTES];
		watcher->backwards += values[SEGPOOL_C_VIRTUAL_BYTES] < last;
		last = values[SEGPOOL_C_VIRTUAL_BYTES];
	}
	return NULL;
}

struct contest {
	struct carver carvers[THREADS];
	struct watcher watcher;
	pthread_t threads[THREADS], watching;
	atomic_int stop_carving, stop_watching;
	atomic_uchar owners[RESERVED];
};

static void contest_begin(struct contest *contest, struct sp_pool *pool, int contiguous)
{
	unsigned int i;

	memset(contest, 0, sizeof(*contest));
	contest->watcher = (struct watcher){ .pool = pool, .stop = &contest->stop_watching };
	pthread_create(&contest->watching, NULL, watch, &contest->watcher);
	for (i = 0; i < THREADS; i++) {
		contest->carvers[i] = (struct carver){ .pool = pool, .owners = contest->owners,
						       .seed = i + 1, .contiguous = contiguous,
						       .stop = &contest->stop_carving };
		pthread_create(&contest->threads[i], NULL, carve, &contest->carvers[i]);
	}
}

/* Waits for the carvers (they end when they are refused); the number of regions given. */
static unsigned int contest_end(struct contest *contest)
{
	unsigned int i, got = 0;

	for (i = 0; i < THREADS; i++) {
		pthread_join(contest->threads[i], NULL);
		got += contest->carvers[i].got;
	}
	atomic_store(&contest->stop_watching, 1);
	pthread_join(contest->watching, NULL);
	return got;
}

/* Nobody was told of a region that somebody else has, or that lies outside. */
static void expect_single_owners(struct __test_metadata *_metadata, struct contest *contest,
				 unsigned int got)
{
	unsigned int i, owned = 0;

	for (i = 0; i < RESERVED; i++) {
		EXPECT_GE(1, contest->owners[i]) {
			TH_LOG("region %u has %u owners", i, contest->owners[i]);
		}
		owned += contest->owners[i];
	}
	EXPECT_EQ(got, owned);
	for (i = 0; i < THREADS; i++)
		EXPECT_EQ(0, contest->carvers[i].odd_refusals);
	EXPECT_EQ(0, contest->watcher.above);
	EXPECT_EQ(0, contest->watcher.backwards);
	EXPECT_LT(10, contest->watcher.samples);
}

static struct contest contest;

TEST_F(budget, never_exceeded_by_racing_batches)
{
	unsigned int got;

	contest_begin(&contest, &self->pool, 0);
	got = contest_end(&contest);
	EXPECT_EQ(ODD, got);
	EXPECT_EQ(ODD * REGION, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	expect_single_owners(_metadata, &contest, got);
}

TEST_F(budget, never_exceeded_by_contiguous_batches)
{
	unsigned int got;

	contest_begin(&contest, &self->pool, 1);
	got = contest_end(&contest);
	EXPECT_EQ(ODD, got);
	EXPECT_EQ(ODD * REGION, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	expect_single_owners(_metadata, &contest, got);
}

/* Raised and lowered while eight threads push against it. */
TEST_F(budget, moves_while_in_use)
{
	struct segpool_limits limits;
	unsigned int i, got, round, n;
	uint64_t carved;

	got = 0;
	for (round = 0; round < 3; round++) {
		/* A third more room, cut down again while it is being taken. */
		carved = sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES);
		limits = (struct segpool_limits){ .virtual_budget = carved + 4001 * REGION };
		ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
		contest_begin(&contest, &self->pool, 0);
		for (i = 0; i < 20; i++) {
			limits = (struct segpool_limits){ .virtual_budget = carved +
							  (4000 - 100 * i) * REGION };
			ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
			/* What is in force is never below what is carved. */
			EXPECT_LE(sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES),
				  limits.virtual_budget);
		}
		n = contest_end(&contest);
		expect_single_owners(_metadata, &contest, n);
		got += n;
		EXPECT_EQ(got * REGION, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	}
}

/* Below what is carved: no new region, but every released one can be had. */
TEST_F(budget, lowered_below_use)
{
	struct segpool_limits limits = { .virtual_budget = 0 };
	static struct segpool_region regions[100];
	struct segpool_region region;
	uint32_t reason;

	ASSERT_EQ(100, sp_alloc(self->pool.fd, 0, 0, 100, regions));
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, 0, 0, &region, &reason));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	ASSERT_EQ(0, sp_free(self->pool.fd, regions[7].handle, 0));
	EXPECT_EQ(0, sp_alloc_one(self->pool.fd, 2, 0, 0, &region, NULL));
	EXPECT_EQ(regions[7].offset, region.offset);
	EXPECT_EQ(100 * REGION, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
}

/* The budget may be larger than the reservation; the reservation is then the limit. */
TEST_F(budget, reservation_is_the_last_limit)
{
	struct segpool_limits limits = { .virtual_budget = 2 * RESERVED * REGION };
	struct sp_pool pool = { 0 };
	struct segpool_region regions[8];
	uint32_t reason;

	pool.setup.region_size = REGION;
	ASSERT_EQ(0, sp_pool_open(&pool, 4 * REGION));
	ASSERT_EQ(0, sp_set_budget(pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	EXPECT_EQ(4, sp_alloc(pool.fd, 0, 0, 8, regions));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(pool.fd, 0, 0, 0, regions, &reason));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	EXPECT_EQ(4 * REGION, sp_counter(pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	sp_pool_close(&pool);
}

/* A budget below one region is a budget of none. */
TEST_F(budget, smaller_than_a_region)
{
	struct segpool_region region;
	struct sp_pool pool = { 0 };
	uint32_t reason;

	pool.setup.region_size = REGION;
	pool.setup.flags = SEGPOOL_SET_VIRTUAL;
	pool.setup.limits.virtual_budget = REGION - 1;
	ASSERT_EQ(0, sp_pool_open(&pool, REGION));
	EXPECT_EQ(0, pool.setup.limits.virtual_budget);
	EXPECT_EQ(-ENOMEM, sp_alloc_one(pool.fd, 0, 0, 0, &region, &reason));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	sp_pool_close(&pool);
}

TEST_HARNESS_MAIN
