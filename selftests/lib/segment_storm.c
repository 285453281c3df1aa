// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that take segments of all sizes, free their own and each other's, and end, with others
 * that count, trim and free wrongly: no byte has two owners, and everything adds up.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "pool.h"
#include "testing_memory.h"
#include "testing_harness.h"

#define MOST_THREADS	64
#define LIVES		3
/* More by the environment: SEGPOOL_STORM_ROUNDS, SEGPOOL_STORM_THREADS. */
#define ROUNDS		2500
#define THREADS		6
#define PLACES		96
#define LARGEST		(32 * SP_KIB)

/* A segment that lies where any thread may take it from; the smallest unit of what it has. */
struct place {
	_Atomic uintptr_t address;
};

struct storm {
	struct segpool *pool;
	unsigned int threads, rounds;
	struct place places[PLACES];
	/* Who has each 4 KiB of the reservation: 0: nobody. */
	_Atomic uint32_t *owners;
	pthread_barrier_t start;
	_Atomic int running;
	_Atomic unsigned long bad, refused, allocs, wrong, operations;
	char first[160];
};

struct worker {
	struct storm *storm;
	uint64_t random;
	uint32_t number;
	pthread_t thread;
};

static void complain(struct storm *storm, const char *what, long value)
{
	if (!storm->bad++)
		snprintf(storm->first, sizeof(storm->first), "%s: %ld", what, value);
}

static size_t page_of(const struct storm *storm, uintptr_t address)
{
	return (address - (uintptr_t)segpool_base(storm->pool)) / SP_PAGE;
}

/* The head of a segment says how long it is, and the owner that its pages are marked with. */
static void mark(struct storm *storm, uintptr_t address, size_t bytes, uint32_t owner)
{
	size_t i;

	for (i = 0; i < bytes / SP_PAGE; i++) {
		if (atomic_exchange(&storm->owners[page_of(storm, address) + i], owner))
			complain(storm, "two owners of page", page_of(storm, address) + i);
		((volatile uint64_t *)address)[i * (SP_PAGE / 8)] = (uint64_t)owner << 32 | bytes;
	}
}

static void unmark(struct storm *storm, uintptr_t address)
{
	uint64_t head = *(volatile uint64_t *)address, seen;
	size_t i, bytes = (uint32_t)head;

	for (i = 0; i < bytes / SP_PAGE; i++) {
		seen = ((volatile uint64_t *)address)[i * (SP_PAGE / 8)];
		if (seen != head)
			complain(storm, "somebody else wrote to page", page_of(storm, address) + i);
		if (atomic_exchange(&storm->owners[page_of(storm, address) + i], 0) != head >> 32)
			complain(storm, "lost page", page_of(storm, address) + i);
	}
}

static void give(struct storm *storm, uintptr_t address)
{
	int error;

	unmark(storm, address);
	error = segpool_free(storm->pool, (void *)address);
	if (error)
		complain(storm, "free", error);
}

static size_t some_size(struct worker *worker)
{
	uint32_t which = sp_random(&worker->random) % 64;

	if (which == 0)
		return REGION + 1 + sp_random(&worker->random) % REGION;
	if (which < 24)
		return 1 + sp_random(&worker->random) % (4 * SP_KIB);
	return 1 + sp_random(&worker->random) % LARGEST;
}

static void take(struct worker *worker)
{
	struct storm *storm = worker->storm;
	size_t bytes = some_size(worker), given;
	char *address = segpool_alloc(storm->pool, bytes);
	struct place *place;
	uintptr_t before;

	if (!address) {
		if (errno != ENOMEM)
			complain(storm, "alloc", errno);
		storm->refused++;
		return;
	}
	storm->allocs++;
	given = segpool_usable_size(storm->pool, address);
	if (given < bytes)
		complain(storm, "too small", given);
	mark(storm, (uintptr_t)address, given, worker->number);
	place = &storm->places[sp_random(&worker->random) % PLACES];
	before = atomic_exchange(&place->address, (uintptr_t)address);
	if (before)
		give(storm, before);
}

static void clear_a_place(struct worker *worker)
{
	struct storm *storm = worker->storm;
	uintptr_t address;

	address = atomic_exchange(&storm->places[sp_random(&worker->random) % PLACES].address, 0);
	if (address)
		give(storm, address);
}

/* Of what is in nobody's hands: nothing happens to anybody. */
static void free_wrongly(struct worker *worker)
{
	struct storm *storm = worker->storm;
	char *address = segpool_alloc(storm->pool, 1);

	if (!address)
		return;
	if (segpool_free(storm->pool, address + 1) != -EINVAL)
		complain(storm, "free of a middle", 0);
	if (segpool_free(storm->pool, address))
		complain(storm, "free", 1);
	storm->wrong++;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	unsigned int i;

	pthread_barrier_wait(&worker->storm->start);
	for (i = 0; i < worker->storm->rounds; i++) {
		switch (sp_random(&worker->random) % 16) {
		case 0:
			free_wrongly(worker);
			break;
		case 1:
		case 2:
		case 3:
		case 4:
		case 5:
		case 6:
			clear_a_place(worker);
			break;
		default:
			take(worker);
		}
	}
	worker->storm->operations += i;
	return NULL;
}

/* Its threads end, with what they had, and others come. */
static void *live(void *argument)
{
	struct worker *worker = argument;
	int i;

	for (i = 0; i < LIVES; i++)
		if (pthread_create(&worker->thread, NULL, work, worker) ||
		    pthread_join(worker->thread, NULL))
			complain(worker->storm, "no thread", i);
	worker->storm->running--;
	return NULL;
}

static void *trim(void *argument)
{
	uint64_t values[SEGPOOL_NR_SEGMENT_COUNTERS];
	struct storm *storm = argument;
	unsigned int i;

	for (i = 0; storm->running; i++) {
		if (i % 2 && segpool_trim(storm->pool, 0, NULL))
			complain(storm, "trim", 0);
		if (segpool_segment_stat(storm->pool, SEGPOOL_ALL_CLASSES, values,
					 SEGPOOL_NR_SEGMENT_COUNTERS) < 0 ||
		    values[SEGPOOL_S_FREES] > values[SEGPOOL_S_ALLOCS])
			complain(storm, "counters", values[SEGPOOL_S_FREES]);
		usleep(300);
	}
	return NULL;
}

static unsigned int from_environment(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 10) : otherwise;
}

static int begin(struct storm *storm, uint64_t physical)
{
	struct segpool_options options;

	storm->rounds = from_environment("SEGPOOL_STORM_ROUNDS", ROUNDS);
	storm->threads = from_environment("SEGPOOL_STORM_THREADS", THREADS);
	if (!storm->threads || storm->threads > MOST_THREADS)
		return -EINVAL;

	small_options(&options);
	options.nr_classes = 4;
	options.classes[0] = 4 * SP_KIB;
	options.classes[1] = 8 * SP_KIB;
	options.classes[2] = 16 * SP_KIB;
	options.classes[3] = LARGEST;
	options.limits.virtual_budget = 64 * REGION;
	options.limits.physical_budget = physical;
	storm->owners = calloc(16 * 64 * REGION / SP_PAGE, sizeof(*storm->owners));
	storm->running = storm->threads;
	pthread_barrier_init(&storm->start, NULL, storm->threads);
	return storm->owners ? segpool_open(&options, &storm->pool) : -ENOMEM;
}

static void rage(struct storm *storm)
{
	struct worker workers[MOST_THREADS];
	pthread_t threads[MOST_THREADS], trimmer;
	uintptr_t left;
	unsigned int i;

	for (i = 0; i < storm->threads; i++) {
		workers[i] = (struct worker){ .storm = storm, .random = i + 1, .number = i + 1 };
		if (pthread_create(&threads[i], NULL, live, &workers[i]))
			abort();
	}
	if (pthread_create(&trimmer, NULL, trim, storm))
		abort();
	for (i = 0; i < storm->threads; i++)
		pthread_join(threads[i], NULL);
	pthread_join(trimmer, NULL);
	for (i = 0; i < PLACES; i++) {
		left = atomic_exchange(&storm->places[i].address, 0);
		if (left)
			give(storm, left);
	}
}

static void end(struct storm *storm)
{
	segpool_close(storm->pool);
	pthread_barrier_destroy(&storm->start);
	free((void *)storm->owners);
}

#define EXPECT_NOTHING_LEFT(storm)							\
	do {										\
		EXPECT_EQ(0, (storm).bad)						\
			TH_LOG("%lu times, first %s", (storm).bad, (storm).first);	\
		EXPECT_EQ((storm).threads * LIVES * (storm).rounds, (storm).operations); \
		EXPECT_EQ(0, all((storm).pool, SEGPOOL_S_LIVE));			\
		EXPECT_EQ(0, all((storm).pool, SEGPOOL_S_ASKED_BYTES));			\
		EXPECT_EQ(0, all((storm).pool, SEGPOOL_S_DOUBLE_FREES));		\
		EXPECT_EQ((storm).wrong, all((storm).pool, SEGPOOL_S_FOREIGN_FREES));	\
		EXPECT_EQ(all((storm).pool, SEGPOOL_S_REGIONS),				\
			  all((storm).pool, SEGPOOL_S_REGIONS_NEW) +			\
			  all((storm).pool, SEGPOOL_S_REGIONS_REUSED) -			\
			  all((storm).pool, SEGPOOL_S_REGIONS_RELEASED));		\
		EXPECT_EQ((storm).allocs + (storm).wrong, all((storm).pool, SEGPOOL_S_ALLOCS));	\
		EXPECT_EQ(0, segpool_trim((storm).pool, 0, NULL));			\
		EXPECT_EQ(0, all((storm).pool, SEGPOOL_S_REGIONS));			\
		EXPECT_EQ(0, counter((storm).pool, SEGPOOL_C_PHYSICAL_BYTES));		\
		EXPECT_EQ(0, counter((storm).pool, SEGPOOL_C_REGIONS_ACTIVE));		\
		EXPECT_EQ(0, counter((storm).pool, SEGPOOL_C_DOUBLE_FREES));		\
		EXPECT_EQ(0, counter((storm).pool, SEGPOOL_C_STALE_FREES));		\
	} while (0)

TEST(with_enough)
{
	struct storm storm = { 0 };

	ASSERT_EQ(0, begin(&storm, 64 * REGION));
	rage(&storm);
	EXPECT_NOTHING_LEFT(storm);
	end(&storm);
}

/* Segments, caches and regions are taken from each other all the time. */
TEST(with_too_little)
{
	struct storm storm = { 0 };

	ASSERT_EQ(0, begin(&storm, 10 * REGION));
	rage(&storm);
	EXPECT_LT(0, storm.refused);
	EXPECT_NOTHING_LEFT(storm);
	end(&storm);
}

static void *take_and_give_one(void *argument)
{
	struct worker *worker = argument;
	struct storm *storm = worker->storm;
	void *segment;
	unsigned int i;

	pthread_barrier_wait(&storm->start);
	for (i = 0; i < storm->rounds; i++) {
		segment = segpool_alloc(storm->pool, some_size(worker) % LARGEST + 1);
		if (!segment)
			complain(storm, "refused", errno);
		else if (segpool_free(storm->pool, segment))
			complain(storm, "free", i);
	}
	storm->running--;
	return NULL;
}

/* A region for each, of whatever class it was last: nobody is ever refused. */
TEST(room_for_all)
{
	struct segpool_limits limits;
	struct worker workers[MOST_THREADS];
	struct storm storm = { 0 };
	pthread_t trimmer;
	unsigned int i;

	ASSERT_EQ(0, begin(&storm, 64 * REGION));
	limits.virtual_budget = limits.physical_budget = storm.threads * REGION;
	ASSERT_EQ(0, segpool_set_budget(storm.pool, SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_VIRTUAL,
					&limits));
	for (i = 0; i < storm.threads; i++) {
		workers[i] = (struct worker){ .storm = &storm, .random = i + 1, .number = i + 1 };
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, take_and_give_one,
					    &workers[i]));
	}
	ASSERT_EQ(0, pthread_create(&trimmer, NULL, trim, &storm));
	for (i = 0; i < storm.threads; i++)
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
	ASSERT_EQ(0, pthread_join(trimmer, NULL));
	EXPECT_EQ(0, storm.bad)
		TH_LOG("%lu times, first %s", storm.bad, storm.first);
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_LIVE));
	end(&storm);
}

static void *take_one_and_end(void *argument)
{
	struct storm *storm = argument;

	if (segpool_free(storm->pool, segpool_alloc(storm->pool, 1)))
		complain(storm, "free", 0);
	return NULL;
}

static void *end_threads(void *argument)
{
	struct storm *storm = argument;
	pthread_t thread;

	while (storm->running)
		if (!pthread_create(&thread, NULL, take_one_and_end, storm))
			pthread_join(thread, NULL);
	return NULL;
}

/* A child closes what it has of the pool, whatever the parent's threads were doing at that moment. */
TEST(closed_in_a_child)
{
	struct storm storm = { 0 };
	pthread_t threads[2];
	int i, status;
	pid_t child;

	ASSERT_EQ(0, begin(&storm, 64 * REGION));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, end_threads, &storm));
	for (i = 0; i < 60; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			alarm(60);
			segpool_close(storm.pool);
			_exit(0);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_EQ(0, status);
	}
	storm.running = 0;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_EQ(0, storm.bad);
	end(&storm);
}

struct double_free {
	struct storm *storm;
	pthread_barrier_t both;
	char *address;
	_Atomic int given;
};

static void *free_too(void *argument)
{
	struct double_free *twice = argument;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&twice->both);
		twice->given += !segpool_free(twice->storm->pool, twice->address);
		pthread_barrier_wait(&twice->both);
		pthread_barrier_wait(&twice->both);
	}
	return NULL;
}

/* The owner and another thread free the same segment at the same time: it is free once. */
TEST(freed_by_two)
{
	struct double_free twice = { 0 };
	struct storm storm = { 0 };
	void *held[16];
	pthread_t other;
	int i, n;

	ASSERT_EQ(0, begin(&storm, 64 * REGION));
	twice.storm = &storm;
	ASSERT_EQ(0, pthread_barrier_init(&twice.both, NULL, 2));
	ASSERT_EQ(0, pthread_create(&other, NULL, free_too, &twice));
	for (i = 0; i < ROUNDS; i++) {
		twice.address = segpool_alloc(storm.pool, 4 * SP_KIB);
		pthread_barrier_wait(&twice.both);
		twice.given += !segpool_free(storm.pool, twice.address);
		pthread_barrier_wait(&twice.both);
		/* It is free by now, but not twice. */
		for (n = 0; n < 16; n++) {
			held[n] = segpool_alloc(storm.pool, 4 * SP_KIB);
			mark(&storm, (uintptr_t)held[n], 4 * SP_KIB, n + 1);
		}
		pthread_barrier_wait(&twice.both);
		for (n = 0; n < 16; n++)
			give(&storm, (uintptr_t)held[n]);
	}
	ASSERT_EQ(0, pthread_join(other, NULL));
	EXPECT_EQ(0, storm.bad)
		TH_LOG("%lu times, first %s", storm.bad, storm.first);
	/* Whoever is told that it was wrong, one of the two was. */
	EXPECT_LE(ROUNDS, twice.given);
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(17 * ROUNDS, all(storm.pool, SEGPOOL_S_FREES));
	EXPECT_EQ(ROUNDS, all(storm.pool, SEGPOOL_S_DOUBLE_FREES));
	pthread_barrier_destroy(&twice.both);
	end(&storm);
}

TEST_HARNESS_MAIN
