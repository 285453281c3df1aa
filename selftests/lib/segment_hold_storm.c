// SPDX-License-Identifier: GPL-2.0-only
/* Readers that hold segments which others free at that moment: what is held stays as it is. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "pool.h"
#include "testing_memory.h"
#include "testing_harness.h"

#define THREADS		6
#define ROUNDS		4000
#define PLACES		12
#define BYTES		(8 * SP_KIB)
#define WORDS		(BYTES / 8)

struct storm {
	struct segpool *pool;
	/* What readers find there they may hold; whoever takes it away frees it. */
	_Atomic uintptr_t places[PLACES];
	_Atomic int evicting;
	_Atomic unsigned long bad, read;
	char first[160];
};

static void complain(struct storm *storm, const char *what, long value)
{
	if (!storm->bad++)
		snprintf(storm->first, sizeof(storm->first), "%s: %ld", what, value);
}

/* Each 64th word has the number of who wrote it all, which is nobody else's. */
static void fill(uintptr_t segment, uint64_t number)
{
	unsigned int i;

	for (i = 0; i < WORDS; i += 64)
		((volatile uint64_t *)segment)[i] = number;
}

static void evict(struct storm *storm, uint64_t *random, uint64_t number)
{
	uintptr_t segment = (uintptr_t)segpool_alloc(storm->pool, BYTES);
	int error;

	if (!segment) {
		complain(storm, "alloc", errno);
		return;
	}
	fill(segment, number);
	segment = atomic_exchange(&storm->places[sp_random(random) % PLACES], segment);
	if (!segment)
		return;
	error = segpool_free(storm->pool, (void *)segment);
	if (error)
		complain(storm, "free", error);
}

static void read_one(struct storm *storm, uint64_t *random)
{
	_Atomic uintptr_t *place = &storm->places[sp_random(random) % PLACES];
	uintptr_t segment = *place;
	volatile uint64_t *words = (volatile uint64_t *)segment;
	unsigned int i;
	int error;

	if (!segment)
		return;
	error = segpool_hold(storm->pool, (void *)segment);
	if (error == -ENOENT)
		return;
	if (error)
		complain(storm, "hold", error);
	/* Still there: what is held is what was there, whatever comes now. */
	if (*place == segment) {
		for (i = 0; i < WORDS; i += 64)
			if (words[i] != words[0])
				complain(storm, "changed at", i);
		sched_yield();
		for (i = 0; i < WORDS; i += 64)
			if (words[i] != words[0])
				complain(storm, "changed later at", i);
		storm->read++;
	}
	error = segpool_release(storm->pool, (void *)segment);
	if (error)
		complain(storm, "release", error);
}

static void work(void *argument, unsigned int member)
{
	struct storm *storm = argument;
	uint64_t random = member + 1;
	unsigned int i;

	if (member % 2) {
		while (storm->evicting || !storm->read)
			read_one(storm, &random);
		return;
	}
	for (i = 0; i < ROUNDS; i++)
		evict(storm, &random, (uint64_t)member << 32 | (i + 1));
	storm->evicting--;
}

TEST(readers_and_evictions)
{
	struct storm storm = { .evicting = THREADS / 2 };
	uintptr_t left;
	int i;

	ASSERT_EQ(0, small_pool(&storm.pool));
	sp_team_run(THREADS, work, &storm);
	EXPECT_EQ(0, storm.bad)
		TH_LOG("%lu times, first %s", storm.bad, storm.first);
	for (i = 0; i < PLACES; i++) {
		left = storm.places[i];
		if (left)
			EXPECT_EQ(0, segpool_free(storm.pool, (void *)left));
	}
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_ASKED_BYTES));
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_DEFERRED));
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_WRONG_RELEASES));
	EXPECT_EQ(THREADS / 2 * ROUNDS, all(storm.pool, SEGPOOL_S_ALLOCS));
	EXPECT_EQ(0, segpool_trim(storm.pool, 0, NULL));
	EXPECT_EQ(0, counter(storm.pool, SEGPOOL_C_PHYSICAL_BYTES));
	segpool_close(storm.pool);
}

/* One segment after the other, and what each of several threads was told of it. */
struct contest {
	struct segpool *pool;
	pthread_barrier_t start, end;
	void *segment;
	_Atomic int freed, held, free_refused;
	unsigned long bad;
};

static void compete(void *argument, unsigned int member)
{
	struct contest *contest = argument;
	void *held[2];
	int i, error;

	for (i = 0; i < ROUNDS / 2; i++) {
		if (!member) {
			contest->segment = segpool_alloc(contest->pool, BYTES);
			contest->freed = contest->held = contest->free_refused = 0;
			if (i & 1)
				contest->bad += segpool_hold(contest->pool, contest->segment) ||
						segpool_release(contest->pool, contest->segment);
		}
		pthread_barrier_wait(&contest->start);
		/* 0 is the owner; 0 and 1 free it, 2 and 3 hold it. */
		if (member < 2) {
			error = segpool_free(contest->pool, contest->segment);
			contest->freed += !error;
			contest->free_refused += error == -EALREADY;
		} else {
			error = segpool_hold(contest->pool, contest->segment);
			contest->held += !error;
		}
		pthread_barrier_wait(&contest->end);
		/* It is free for all others as long as nobody holds it, and for none otherwise. */
		if (!member) {
			contest->bad += all(contest->pool, SEGPOOL_S_LIVE) != !!contest->held;
			contest->bad += contest->freed + contest->free_refused != 2;
			/* Once for certain, where the region is known to be held now and then. */
			contest->bad += contest->freed < 1 || (i && contest->freed != 1);
		}
		pthread_barrier_wait(&contest->end);
		if (member >= 2 && !error)
			error = segpool_release(contest->pool, contest->segment);
		pthread_barrier_wait(&contest->end);
		if (!member) {
			contest->bad += all(contest->pool, SEGPOOL_S_LIVE) != 0;
			held[0] = segpool_alloc(contest->pool, BYTES);
			held[1] = segpool_alloc(contest->pool, BYTES);
			contest->bad += held[0] == held[1];
			segpool_free_batch(contest->pool, held, 2);
		}
	}
}

TEST(two_frees_and_two_holds)
{
	struct contest contest = { 0 };

	ASSERT_EQ(0, small_pool(&contest.pool));
	pthread_barrier_init(&contest.start, NULL, 4);
	pthread_barrier_init(&contest.end, NULL, 4);
	sp_team_run(4, compete, &contest);
	EXPECT_EQ(0, contest.bad);
	EXPECT_EQ(0, all(contest.pool, SEGPOOL_S_DEFERRED));
	EXPECT_LE(ROUNDS / 2 - 1, all(contest.pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(0, all(contest.pool, SEGPOOL_S_WRONG_RELEASES));
	segpool_close(contest.pool);
	pthread_barrier_destroy(&contest.start);
	pthread_barrier_destroy(&contest.end);
}

TEST_HARNESS_MAIN
