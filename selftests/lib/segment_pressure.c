// SPDX-License-Identifier: GPL-2.0-only
/* What the program is asked and told before a segment is refused, and what is counted. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "pool.h"
#include "testing_memory.h"
#include "testing_harness.h"

#define BYTES	(16 * SP_KIB)
#define ALL	(BACKED * REGION / BYTES)

/* The program's own memory, which it can free when it is asked. */
struct owner {
	struct segpool *pool;
	void *held[ALL];
	int nr, asked, told[4], inner_errno;
	uint64_t wanted;
	struct segpool_log last;
	bool lies, takes, calls, logs_more;
};

static void *use_the_pool(void *argument)
{
	struct owner *owner = argument;
	void *segment = segpool_alloc(owner->pool, BYTES);

	segpool_free(owner->pool, segment);
	all(owner->pool, SEGPOOL_S_LIVE);
	segpool_trim(owner->pool, 0, NULL);
	return NULL;
}

static uint64_t relieve(struct segpool *pool, uint64_t bytes, void *context)
{
	struct owner *owner = context;
	pthread_t other;

	owner->asked++;
	owner->wanted = bytes;
	if (owner->lies)
		return 1;
	if (owner->takes) {
		errno = 0;
		if (!segpool_alloc(pool, bytes))
			owner->inner_errno = errno;
		return 0;
	}
	if (!owner->nr)
		return 0;
	segpool_free(pool, owner->held[--owner->nr]);
	/* With a lock held nobody would get through. */
	if (owner->calls && (pthread_create(&other, NULL, use_the_pool, owner) ||
			     pthread_join(other, NULL)))
		abort();
	return BYTES;
}

static void note(struct segpool *pool, const struct segpool_log *log, void *context)
{
	struct owner *owner = context;

	if (log->kind < 4)
		owner->told[log->kind]++;
	owner->last = *log;
	if (owner->logs_more)
		segpool_free(pool, segpool_alloc(pool, REGION));
}

FIXTURE(pressure) {
	struct segpool *pool;
	struct owner owner;
};

/* All memory is in segments of the program's. */
FIXTURE_SETUP(pressure)
{
	memset(&self->owner, 0, sizeof(self->owner));
	ASSERT_EQ(0, small_pool(&self->pool));
	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
	self->owner.pool = self->pool;
	ASSERT_EQ(0, segpool_on_log(self->pool, note, &self->owner));
	self->owner.nr = segpool_alloc_batch(self->pool, BYTES, self->owner.held, ALL);
	ASSERT_EQ((int)ALL, self->owner.nr);
	EXPECT_EQ(BACKED, self->owner.told[SEGPOOL_LOG_NEW_REGION]);
	ASSERT_EQ(0, segpool_on_pressure(self->pool, relieve, &self->owner));
}

FIXTURE_TEARDOWN(pressure)
{
	segpool_on_log(self->pool, NULL, NULL);
	segpool_close(self->pool);
}

TEST_F(pressure, program_frees_something)
{
	char *segment;

	self->owner.calls = true;
	segment = segpool_alloc(self->pool, BYTES - 1);
	ASSERT_NE(NULL, segment);
	EXPECT_EQ(1, self->owner.asked);
	EXPECT_EQ(BYTES - 1, self->owner.wanted);
	EXPECT_EQ(1, self->owner.told[SEGPOOL_LOG_PRESSURE]);
	EXPECT_EQ(0, self->owner.told[SEGPOOL_LOG_REFUSAL]);
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_REFUSALS));
	/* Of another class: a whole region has to be free, which is the one before. */
	segment = segpool_alloc(self->pool, 4 * SP_KIB);
	ASSERT_NE(NULL, segment);
	EXPECT_EQ(1 + 7, self->owner.asked);
	/* And one that has more than all that is freed in eight times. */
	EXPECT_EQ(NULL, segpool_alloc(self->pool, 4 * REGION));
	EXPECT_EQ(1 + 7 + 8, self->owner.asked);
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, segpool_last_reason());
	EXPECT_EQ(1, self->owner.told[SEGPOOL_LOG_REFUSAL]);
	EXPECT_EQ(SEGPOOL_LOG_REFUSAL, self->owner.last.kind);
	EXPECT_EQ(SEGPOOL_ALL_CLASSES, self->owner.last.class_index);
	EXPECT_EQ(4 * REGION, self->owner.last.bytes);
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_REFUSALS));
}

TEST_F(pressure, nothing_to_free)
{
	int nr = self->owner.nr;

	self->owner.nr = 0;
	EXPECT_EQ(NULL, segpool_alloc(self->pool, BYTES));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, segpool_last_reason());
	EXPECT_NE(NULL, strstr(sentence(self->pool, -ENOMEM), "physical budget of 512 KiB reached"));
	EXPECT_EQ(1, self->owner.asked);
	EXPECT_EQ(1, self->owner.told[SEGPOOL_LOG_REFUSAL]);
	EXPECT_EQ(1, segment_counter(self->pool, segpool_class_for(self->pool, BYTES),
				     SEGPOOL_S_REFUSALS));
	self->owner.nr = nr;
}

TEST_F(pressure, program_that_lies)
{
	self->owner.lies = true;
	EXPECT_EQ(NULL, segpool_alloc(self->pool, BYTES));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(8, self->owner.asked);
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_REFUSALS));
}

/* A request in the function is refused at once, and nobody is asked again. */
TEST_F(pressure, program_that_takes)
{
	self->owner.takes = true;
	EXPECT_EQ(NULL, segpool_alloc(self->pool, BYTES));
	EXPECT_EQ(1, self->owner.asked);
	EXPECT_EQ(ENOMEM, self->owner.inner_errno);
	EXPECT_EQ(2, all(self->pool, SEGPOOL_S_REFUSALS));
	/* And afterwards it is asked again. */
	EXPECT_EQ(NULL, segpool_alloc(self->pool, BYTES));
	EXPECT_EQ(2, self->owner.asked);
}

TEST_F(pressure, what_the_log_does_is_not_told)
{
	self->owner.logs_more = true;
	EXPECT_EQ(0, segpool_free_batch(self->pool, self->owner.held, ALL));
	self->owner.nr = 0;
	memset(self->owner.told, 0, sizeof(self->owner.told));
	/* One region of the class is there, and another one has to come. */
	ASSERT_EQ(8, segpool_alloc_batch(self->pool, BYTES, self->owner.held, 8));
	EXPECT_EQ(1, self->owner.told[SEGPOOL_LOG_REUSE]);
	EXPECT_EQ(0, self->owner.told[SEGPOOL_LOG_NEW_REGION]);
	EXPECT_EQ(0, (uintptr_t)self->owner.last.address % REGION);
	EXPECT_EQ(REGION, self->owner.last.bytes);
	EXPECT_EQ(segpool_class_for(self->pool, BYTES), (int)self->owner.last.class_index);
}

TEST_F(pressure, wrong)
{
	EXPECT_EQ(-EINVAL, segpool_on_pressure(NULL, relieve, NULL));
	EXPECT_EQ(-EINVAL, segpool_on_log(NULL, note, NULL));
	/* Nobody is asked any more, nobody told. */
	EXPECT_EQ(0, segpool_on_pressure(self->pool, NULL, NULL));
	EXPECT_EQ(0, segpool_on_log(self->pool, NULL, NULL));
	EXPECT_EQ(NULL, segpool_alloc(self->pool, BYTES));
	EXPECT_EQ(0, self->owner.asked);
	EXPECT_EQ(0, self->owner.told[SEGPOOL_LOG_REFUSAL]);
}

/* --- waiting --- */

static int waiting_pool(uint32_t wait_ms, struct segpool **pool)
{
	struct segpool_options options;

	small_options(&options);
	options.wait_ms = wait_ms;
	options.limits.physical_budget = REGION;
	return segpool_open(&options, pool);
}

struct late {
	struct segpool *pool;
	void *segment;
};

static void *free_late(void *argument)
{
	struct late *late = argument;

	usleep(30000);
	segpool_free(late->pool, late->segment);
	return NULL;
}

TEST(who_waits_gets_what_comes)
{
	struct segpool *pool;
	struct late late;
	pthread_t other;
	void *segment;

	ASSERT_EQ(0, waiting_pool(SEGPOOL_MAX_WAIT_MS, &pool));
	late = (struct late){ pool, segpool_alloc(pool, REGION) };
	ASSERT_NE(NULL, late.segment);
	ASSERT_EQ(0, pthread_create(&other, NULL, free_late, &late));
	segment = segpool_alloc(pool, BYTES);
	EXPECT_NE(NULL, segment);
	EXPECT_EQ(0, all(pool, SEGPOOL_S_REFUSALS));
	ASSERT_EQ(0, pthread_join(other, NULL));
	EXPECT_EQ(0, segpool_free(pool, segment));
	segpool_close(pool);
}

TEST(who_waits_in_vain)
{
	struct timespec start, end;
	struct segpool *pool;
	void *segment;

	EXPECT_EQ(-EINVAL, waiting_pool(SEGPOOL_MAX_WAIT_MS + 1, &pool));
	ASSERT_EQ(0, waiting_pool(40, &pool));
	segment = segpool_alloc(pool, REGION);
	ASSERT_NE(NULL, segment);
	clock_gettime(CLOCK_MONOTONIC, &start);
	EXPECT_EQ(NULL, segpool_alloc(pool, BYTES));
	EXPECT_EQ(ENOMEM, errno);
	clock_gettime(CLOCK_MONOTONIC, &end);
	EXPECT_LE(40000000, (end.tv_sec - start.tv_sec) * 1000000000L + end.tv_nsec - start.tv_nsec);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, segpool_last_reason());
	EXPECT_EQ(1, all(pool, SEGPOOL_S_REFUSALS));
	EXPECT_EQ(0, segpool_free(pool, segment));
	segpool_close(pool);
}

/* --- all threads until they are refused --- */

#define THREADS		8
#define LIMIT		(100 * SP_MIB)
#define PIECE		(256 * SP_KIB)
#define PIECES		(LIMIT / PIECE)

struct rush {
	struct segpool *pool;
	void *held[THREADS][PIECES];
	int nr[THREADS];
	_Atomic int bad, arrived;
};

static void take_all(void *argument, unsigned int member)
{
	struct rush *rush = argument;
	void *segment;
	int *nr = &rush->nr[member];

	while (*nr < (int)PIECES) {
		segment = segpool_alloc(rush->pool, PIECE);
		if (!segment)
			break;
		*(volatile uint64_t *)segment = (uintptr_t)segment + member;
		rush->held[member][(*nr)++] = segment;
	}
	rush->bad += errno != ENOMEM || segpool_last_reason() != SEGPOOL_REASON_PHYSICAL;
	/* Another thread's: what it was given last. */
	rush->arrived++;
	while (rush->arrived < THREADS)
		sched_yield();
	member = (member + 1) % THREADS;
	nr = &rush->nr[member];
	while (*nr) {
		segment = rush->held[member][--*nr];
		rush->bad += *(volatile uint64_t *)segment != (uintptr_t)segment + member;
		rush->bad += segpool_free(rush->pool, segment) != 0;
	}
}

static bool regions_add_up(struct segpool *pool)
{
	return all(pool, SEGPOOL_S_REGIONS_NEW) + all(pool, SEGPOOL_S_REGIONS_REUSED) -
	       all(pool, SEGPOOL_S_REGIONS_RELEASED) == all(pool, SEGPOOL_S_REGIONS) &&
	       all(pool, SEGPOOL_S_REGIONS) == counter(pool, SEGPOOL_C_REGIONS_ACTIVE);
}

/* The sums of the classes, where there is nothing that is larger than those. */
static bool classes_add_up(struct segpool *pool)
{
	uint64_t sum;
	uint32_t i, which;

	for (which = SEGPOOL_S_LIVE; which <= SEGPOOL_S_FREES; which++) {
		for (i = 0, sum = 0; i < segpool_nr_classes(pool); i++)
			sum += segment_counter(pool, i, which);
		if (sum != all(pool, which))
			return false;
	}
	return true;
}

TEST(all_threads_until_refused)
{
	static struct rush rush;
	struct segpool_options options;
	int round, i, sum;

	segpool_options_init(&options);
	options.backend = BACKEND;
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.limits.virtual_budget = 4 * LIMIT;
	options.limits.physical_budget = LIMIT;
	ASSERT_EQ(0, segpool_open(&options, &rush.pool));
	for (round = 1; round <= 3; round++) {
		rush.arrived = 0;
		sp_team_run(THREADS, take_all, &rush);
		EXPECT_EQ(0, rush.bad);
		for (i = 0, sum = 0; i < THREADS; i++)
			sum += rush.nr[i];
		EXPECT_EQ(0, sum);
		EXPECT_EQ(0, all(rush.pool, SEGPOOL_S_LIVE_BYTES));
		EXPECT_EQ(0, all(rush.pool, SEGPOOL_S_ASKED_BYTES));
		EXPECT_EQ(round * PIECES, all(rush.pool, SEGPOOL_S_ALLOCS));
		EXPECT_EQ(round * PIECES, all(rush.pool, SEGPOOL_S_FREES));
		EXPECT_EQ(round * THREADS, all(rush.pool, SEGPOOL_S_REFUSALS));
		EXPECT_GE(LIMIT, counter(rush.pool, SEGPOOL_C_PHYSICAL_PEAK_BYTES));
		EXPECT_TRUE(classes_add_up(rush.pool));
		EXPECT_TRUE(regions_add_up(rush.pool));
	}
	EXPECT_EQ(0, segpool_trim(rush.pool, 0, NULL));
	EXPECT_EQ(0, counter(rush.pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, counter(rush.pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, all(rush.pool, SEGPOOL_S_REGIONS));
	segpool_close(rush.pool);
}

TEST(what_was_at_hand)
{
	struct segpool *pool;
	void *held[8];

	ASSERT_EQ(0, small_pool(&pool));
	ASSERT_EQ(8, segpool_alloc_batch(pool, 4 * SP_KIB, held, 8));
	EXPECT_EQ(7, all(pool, SEGPOOL_S_CACHE_HITS));
	EXPECT_EQ(1, all(pool, SEGPOOL_S_REGIONS_NEW));
	EXPECT_EQ(0, all(pool, SEGPOOL_S_REGIONS_HOT));
	EXPECT_EQ(0, segpool_free_batch(pool, held, 8));
	EXPECT_EQ(1, all(pool, SEGPOOL_S_REGIONS_HOT));
	EXPECT_EQ(0, segpool_trim(pool, 0, NULL));
	EXPECT_EQ(0, all(pool, SEGPOOL_S_REGIONS_HOT));
	EXPECT_EQ(1, all(pool, SEGPOOL_S_REGIONS_RELEASED));
	held[0] = segpool_alloc(pool, 3 * REGION);
	ASSERT_NE(NULL, held[0]);
	EXPECT_EQ(4, all(pool, SEGPOOL_S_REGIONS_NEW) + all(pool, SEGPOOL_S_REGIONS_REUSED));
	EXPECT_EQ(0, segpool_free(pool, held[0]));
	EXPECT_EQ(4, all(pool, SEGPOOL_S_REGIONS_RELEASED));
	EXPECT_EQ(7, all(pool, SEGPOOL_S_CACHE_HITS));
	EXPECT_TRUE(regions_add_up(pool));
	segpool_close(pool);
}

TEST_HARNESS_MAIN
