// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that do everything at once with one pool through the library, each with a pattern of its
 * own in every page that it has: nobody else's may be seen there, and the numbers hold all the time.
 */
#include <pthread.h>
#include <stdio.h>

#include "pool.h"
#include "testing_memory.h"
#include "testing_harness.h"

#define THREADS		6
#define HELD		4
#define ROUNDS		1500
#define CLASSES		3

struct storm {
	struct segpool *pool;
	pthread_barrier_t start;
	_Atomic int running;
	_Atomic unsigned long bad;
	_Atomic unsigned long refused;
	char first[160];
};

struct worker {
	struct storm *storm;
	uint64_t random, owner;
	unsigned int nr;
	struct segpool_region held[HELD];
	/* A bit for each page of each that has the pattern. */
	uint16_t written[HELD];
};

static void complain(struct storm *storm, const char *what, long value)
{
	if (!storm->bad++)
		snprintf(storm->first, sizeof(storm->first), "%s: %ld", what, value);
}

static char *page_of(const struct worker *worker, unsigned int held, unsigned int page)
{
	return (char *)segpool_region_address(worker->storm->pool, worker->held[held].handle) +
	       page * SP_PAGE;
}

static void write_pattern(struct worker *worker, unsigned int held, unsigned int page)
{
	*(volatile uint64_t *)page_of(worker, held, page) = worker->owner + page;
	worker->written[held] |= 1U << page;
}

static void check_patterns(struct worker *worker, unsigned int held)
{
	unsigned int page;

	for (page = 0; page < REGION / SP_PAGE; page++)
		if (worker->written[held] & 1U << page &&
		    *(volatile uint64_t *)page_of(worker, held, page) != worker->owner + page)
			complain(worker->storm, "somebody else wrote to page", page);
}

static void take(struct worker *worker)
{
	uint32_t zero = sp_random(&worker->random) % 2 ? SEGPOOL_ZERO : 0, i;
	uint32_t flags = SEGPOOL_POPULATE | zero;
	unsigned int held = worker->nr;
	int got;

	if (held == HELD)
		return;
	if (sp_random(&worker->random) % 8 == 0)
		flags |= SEGPOOL_WAIT;
	got = segpool_region_alloc(worker->storm->pool, sp_random(&worker->random) % CLASSES,
				   flags, flags & SEGPOOL_WAIT ? 2 : 0, &worker->held[held], 1);
	if (got < 0) {
		if (got != -ENOMEM)
			complain(worker->storm, "alloc", got);
		worker->storm->refused++;
		return;
	}
	worker->nr++;
	worker->written[held] = 0;
	for (i = 0; zero && i < REGION / SP_PAGE; i++)
		if (*(volatile uint64_t *)page_of(worker, held, i))
			complain(worker->storm, "not zeroed: page", i);
	for (i = 0; i < REGION / SP_PAGE; i++)
		write_pattern(worker, held, i);
}

/* Neighbours, and all of them released again in one call. */
static void take_neighbours(struct worker *worker)
{
	struct segpool_free_entry entries[3] = { 0 };
	struct segpool_region regions[3];
	unsigned int i, page, nr = 2 + sp_random(&worker->random) % 2;
	volatile uint64_t *word;
	int got;

	got = segpool_region_alloc(worker->storm->pool, 2, SEGPOOL_CONTIGUOUS | SEGPOOL_POPULATE, 0,
				   regions, nr);
	if (got < 0) {
		if (got != -ENOMEM)
			complain(worker->storm, "alloc of neighbours", got);
		return;
	}
	for (i = 0; i < nr; i++) {
		if (regions[i].offset != regions[0].offset + i * REGION)
			complain(worker->storm, "no neighbours", i);
		entries[i].handle = regions[i].handle;
	}
	word = (void *)((char *)segpool_base(worker->storm->pool) + regions[0].offset);
	for (page = 0; page < nr * (REGION / SP_PAGE); page++)
		word[page * (SP_PAGE / 8)] = worker->owner + page;
	sched_yield();
	for (page = 0; page < nr * (REGION / SP_PAGE); page++)
		if (word[page * (SP_PAGE / 8)] != worker->owner + page)
			complain(worker->storm, "somebody else wrote to neighbouring page", page);
	got = segpool_region_free_batch(worker->storm->pool, entries, nr, 0);
	if (got)
		complain(worker->storm, "free of neighbours", got);
}

static void give(struct worker *worker)
{
	static const uint32_t how[] = { 0, SEGPOOL_NOW, SEGPOOL_LAZY };
	unsigned int held;
	uint64_t handle;
	int error;

	if (!worker->nr)
		return;
	held = sp_random(&worker->random) % worker->nr;
	check_patterns(worker, held);
	handle = worker->held[held].handle;
	error = segpool_region_free(worker->storm->pool, handle, how[sp_random(&worker->random) % 3]);
	if (error)
		complain(worker->storm, "free", error);
	worker->held[held] = worker->held[--worker->nr];
	worker->written[held] = worker->written[worker->nr];
	/* It may be somebody else's by now, who keeps it. */
	if (sp_random(&worker->random) % 8 == 0) {
		error = segpool_region_free(worker->storm->pool, handle, 0);
		if (error != -EALREADY && error != -ESTALE)
			complain(worker->storm, "second free", error);
	}
}

static void take_back(struct worker *worker)
{
	struct segpool_region region;
	uint64_t handle;
	int error;

	if (!worker->nr)
		return;
	worker->nr--;
	handle = worker->held[worker->nr].handle;
	error = segpool_region_free(worker->storm->pool, handle, 0);
	if (error)
		complain(worker->storm, "free", error);
	error = segpool_region_reuse(worker->storm->pool, handle, 1, SEGPOOL_POPULATE, 0, &region);
	if (error == -EBUSY || error == -ESTALE || error == -ENOMEM)
		return;
	if (error) {
		complain(worker->storm, "reuse", error);
		return;
	}
	worker->held[worker->nr] = region;
	worker->written[worker->nr++] = 0;
}

static void split(struct worker *worker)
{
	struct segpool_range range;
	unsigned int held, first, nr, i;
	int error;

	if (!worker->nr)
		return;
	held = sp_random(&worker->random) % worker->nr;
	first = sp_random(&worker->random) % (REGION / SP_PAGE);
	nr = 1 + sp_random(&worker->random) % (REGION / SP_PAGE - first);
	range = (struct segpool_range){ .handle = worker->held[held].handle,
					.offset = first * SP_PAGE, .length = nr * SP_PAGE };
	error = segpool_discard(worker->storm->pool, &range, 1, 0);
	if (error)
		complain(worker->storm, "discard", error);
	worker->written[held] &= ~(((1U << nr) - 1) << first);
	error = segpool_populate(worker->storm->pool, &range, 1, 0, 0);
	if (error && error != -ENOMEM)
		complain(worker->storm, "populate", error);
	for (i = first; !error && i < first + nr; i++)
		write_pattern(worker, held, i);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	unsigned int i;

	pthread_barrier_wait(&worker->storm->start);
	for (i = 0; i < ROUNDS; i++) {
		switch (sp_random(&worker->random) % 9) {
		case 0:
		case 1:
		case 2:
			take(worker);
			break;
		case 3:
		case 4:
			give(worker);
			break;
		case 5:
			take_back(worker);
			break;
		case 6:
			split(worker);
			break;
		case 7:
			take_neighbours(worker);
			break;
		default:
			if (worker->nr)
				check_patterns(worker, worker->nr - 1);
		}
	}
	while (worker->nr)
		give(worker);
	worker->storm->running--;
	return NULL;
}

/* Never above a limit, not for an instant; and now and then the limits move. */
static void *watch(void *argument)
{
	uint64_t values[SEGPOOL_NR_COUNTERS], owned, highest = 0;
	struct segpool_limits limits = { 0 };
	struct storm *storm = argument;
	unsigned int i;

	for (i = 0; storm->running; i++) {
		if (segpool_stat(storm->pool, values, SEGPOOL_NR_COUNTERS) < 0)
			complain(storm, "stat", 0);
		owned = values[SEGPOOL_C_PHYSICAL_BYTES] + values[SEGPOOL_C_RETAINED_BYTES];
		if (owned > BACKED * REGION || values[SEGPOOL_C_RETAINED_BYTES] > 5 * REGION)
			complain(storm, "above a limit", owned);
		if (values[SEGPOOL_C_VIRTUAL_BYTES] > REGIONS * REGION ||
		    values[SEGPOOL_C_VIRTUAL_BYTES] < highest)
			complain(storm, "virtual bytes", values[SEGPOOL_C_VIRTUAL_BYTES]);
		highest = values[SEGPOOL_C_VIRTUAL_BYTES];
		limits.retain_limit = (i % 6) * REGION;
		limits.retain_age_ms = i % 3;
		if (segpool_set_budget(storm->pool, SEGPOOL_SET_RETAIN | SEGPOOL_SET_AGE, &limits))
			complain(storm, "set_budget", 0);
		/* Nobody else changes it: from here on it holds. */
		if (segpool_stat(storm->pool, values, SEGPOOL_NR_COUNTERS) < 0 ||
		    values[SEGPOOL_C_RETAINED_BYTES] > limits.retain_limit)
			complain(storm, "above the new limit", values[SEGPOOL_C_RETAINED_BYTES]);
		if (i % 4 == 0 && segpool_trim_retained(storm->pool, REGION, NULL))
			complain(storm, "trim", 0);
		usleep(200);
	}
	return NULL;
}

TEST(owners_and_numbers)
{
	struct storm storm = { .running = THREADS };
	struct worker workers[THREADS];
	pthread_t threads[THREADS], watcher;
	int i;

	ASSERT_EQ(0, pthread_barrier_init(&storm.start, NULL, THREADS));
	ASSERT_EQ(0, small_pool(&storm.pool));
	ASSERT_EQ(0, set_physical(storm.pool, BACKED * REGION));
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .storm = &storm, .random = i + 1,
					      .owner = (i + 1ULL) << 32 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, work, &workers[i]));
	}
	ASSERT_EQ(0, pthread_create(&watcher, NULL, watch, &storm));
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	ASSERT_EQ(0, pthread_join(watcher, NULL));
	EXPECT_EQ(0, storm.bad)
		TH_LOG("%s", storm.first);
	TH_LOG("%lu refused, %lu reused, %lu of them with their pages", storm.refused,
	       (unsigned long)counter(storm.pool, SEGPOOL_C_REUSED_REGIONS),
	       (unsigned long)counter(storm.pool, SEGPOOL_C_KEPT_REUSES));
	/* Both were met. */
	EXPECT_LT(0, storm.refused);
	EXPECT_LT(0, counter(storm.pool, SEGPOOL_C_DOUBLE_FREES));
	EXPECT_EQ(0, counter(storm.pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, counter(storm.pool, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(counter(storm.pool, SEGPOOL_C_VIRTUAL_BYTES) / REGION,
		  counter(storm.pool, SEGPOOL_C_REGIONS_FREED));
	EXPECT_EQ(0, segpool_trim_retained(storm.pool, 0, NULL));
	EXPECT_EQ(0, counter(storm.pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, present(segpool_base(storm.pool), segpool_reservation(storm.pool)));
	segpool_close(storm.pool);
	pthread_barrier_destroy(&storm.start);
}

static void *take_and_give(void *argument)
{
	struct worker *worker = argument;
	struct segpool_region region;
	unsigned int i;

	pthread_barrier_wait(&worker->storm->start);
	for (i = 0; i < ROUNDS; i++) {
		if (segpool_region_alloc(worker->storm->pool, i % CLASSES, SEGPOOL_POPULATE, 0,
					 &region, 1) != 1)
			complain(worker->storm, "refused for reason", segpool_last_reason());
		else if (segpool_region_free(worker->storm->pool, region.handle,
					     i % 5 ? SEGPOOL_LAZY : SEGPOOL_NOW))
			complain(worker->storm, "free", i);
	}
	worker->storm->running--;
	return NULL;
}

static void *trim(void *argument)
{
	struct storm *storm = argument;

	while (storm->running) {
		segpool_trim_retained(storm->pool, 0, NULL);
		usleep(100);
	}
	return NULL;
}

/* As many regions as threads, and memory for as many: there is one for each, whatever the others do. */
TEST(room_for_all)
{
	struct storm storm = { .running = THREADS };
	struct segpool_limits limits = { .virtual_budget = THREADS * REGION };
	struct worker workers[THREADS];
	pthread_t threads[THREADS], trimmer;
	int i;

	ASSERT_EQ(0, pthread_barrier_init(&storm.start, NULL, THREADS));
	ASSERT_EQ(0, small_pool(&storm.pool));
	ASSERT_EQ(0, segpool_set_budget(storm.pool, SEGPOOL_SET_VIRTUAL, &limits));
	ASSERT_EQ(0, set_physical(storm.pool, THREADS * REGION));
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .storm = &storm };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, take_and_give, &workers[i]));
	}
	ASSERT_EQ(0, pthread_create(&trimmer, NULL, trim, &storm));
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	ASSERT_EQ(0, pthread_join(trimmer, NULL));
	EXPECT_EQ(0, storm.bad)
		TH_LOG("%lu times, first %s", storm.bad, storm.first);
	EXPECT_EQ(0, counter(storm.pool, SEGPOOL_C_PHYSICAL_BYTES));
	segpool_close(storm.pool);
	pthread_barrier_destroy(&storm.start);
}

TEST_HARNESS_MAIN
