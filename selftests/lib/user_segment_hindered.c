// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread that frees what is not its own, wrongly, and is held up after it has looked at the segment:
 * the function that goes on from there is replaced (see the makefile).
 */
#define PLAIN_MEMORY
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include "pool.h"
#include "testing_harness.h"

struct segpool_segments;
struct segpool_slab;

int __real_segpool_remote_free(struct segpool_segments *segments, struct segpool_slab *slab,
			       uint32_t number, uint32_t generation);
int __wrap_segpool_remote_free(struct segpool_segments *segments, struct segpool_slab *slab,
			       uint32_t number, uint32_t generation);

static _Atomic bool stops;
static sem_t is_there, may_go;

int __wrap_segpool_remote_free(struct segpool_segments *segments, struct segpool_slab *slab,
			       uint32_t number, uint32_t generation)
{
	if (stops) {
		stops = false;
		sem_post(&is_there);
		sem_wait(&may_go);
	}
	return __real_segpool_remote_free(segments, slab, number, generation);
}

#define SEGMENTS	(REGION / SP_PAGE)

FIXTURE(wrong) {
	struct segpool *pool;
	/* Of the region that stays with the thread, and of the one that it is about. */
	void *hot[SEGMENTS], *held[SEGMENTS];
	pthread_t thread;
};

static void *free_one(void *argument)
{
	void **what = argument;

	segpool_free(what[0], what[1]);
	return NULL;
}

static void *argument[2];

FIXTURE_SETUP(wrong)
{
	ASSERT_EQ(0, sem_init(&is_there, 0, 0));
	ASSERT_EQ(0, sem_init(&may_go, 0, 0));
	ASSERT_EQ(0, small_pool(&self->pool));
	ASSERT_EQ(SEGMENTS, segpool_alloc_batch(self->pool, SP_PAGE, self->hot, SEGMENTS));
	ASSERT_EQ(SEGMENTS, segpool_alloc_batch(self->pool, SP_PAGE, self->held, SEGMENTS));
	ASSERT_EQ(0, segpool_free_batch(self->pool, self->hot, SEGMENTS));
	argument[0] = self->pool;
	argument[1] = self->held[0];
	stops = true;
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, free_one, argument));
	ASSERT_EQ(0, sem_wait(&is_there));
}

FIXTURE_TEARDOWN(wrong)
{
	segpool_close(self->pool);
}

static void *free_all(void *what)
{
	void **held = what;

	segpool_free_batch(argument[0], held, SEGMENTS);
	return NULL;
}

/* Right frees by others find their way afterwards, in the region that it was about, too. */
static void use_it_again(struct __test_metadata *_metadata, FIXTURE_DATA(wrong) *self)
{
	void *again[2 * SEGMENTS];
	pthread_t other;
	int i;

	ASSERT_EQ(2 * SEGMENTS, (unsigned long)segpool_alloc_batch(self->pool, SP_PAGE, again,
								   2 * SEGMENTS));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_create(&other, NULL, free_all, again + i * SEGMENTS));
		ASSERT_EQ(0, pthread_join(other, NULL));
	}
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_REGIONS));
}

/* The region has gone home before the wrong free goes on. */
TEST_F(wrong, free_in_a_region_that_went_home)
{
	ASSERT_EQ(0, segpool_free_batch(self->pool, self->held, SEGMENTS));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
	sem_post(&may_go);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	use_it_again(_metadata, self);
	EXPECT_EQ(2 * REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
}

/* It goes home with the wrong free in its list, and its owner's. */
TEST_F(wrong, free_that_waits_in_a_region_that_goes_home)
{
	ASSERT_EQ(0, segpool_free(self->pool, self->held[0]));
	sem_post(&may_go);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	ASSERT_EQ(0, segpool_free_batch(self->pool, self->held + 1, SEGMENTS - 1));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
	use_it_again(_metadata, self);
}

/* The segment is somebody's again, whom the wrong free does not concern. */
TEST_F(wrong, free_that_waits_while_the_segment_is_given_again)
{
	void *again = NULL;
	int i;

	ASSERT_EQ(0, segpool_free(self->pool, self->held[0]));
	sem_post(&may_go);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	for (i = 0; i < 2 * (int)SEGMENTS && again != self->held[0]; i++)
		again = segpool_alloc(self->pool, SP_PAGE);
	ASSERT_EQ(self->held[0], again);
	EXPECT_EQ(SEGMENTS - 1 + i, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(SP_PAGE, segpool_usable_size(self->pool, again));
	EXPECT_EQ(0, segpool_free(self->pool, again));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, again));
}

static void *take_all(void *held)
{
	segpool_alloc_batch(argument[0], SP_PAGE, held, 2 * SEGMENTS);
	return NULL;
}

/* Likewise, and another thread has the region next, with right frees behind the wrong one. */
TEST_F(wrong, free_that_waits_for_the_next_owner)
{
	void *again[2 * SEGMENTS];
	pthread_t other;

	ASSERT_EQ(0, segpool_free(self->pool, self->held[0]));
	sem_post(&may_go);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	ASSERT_EQ(0, segpool_free_batch(self->pool, self->held + 1, SEGMENTS - 1));
	ASSERT_EQ(0, pthread_create(&other, NULL, take_all, again));
	ASSERT_EQ(0, pthread_join(other, NULL));
	ASSERT_EQ(0, segpool_free_batch(self->pool, again, SEGMENTS));
	ASSERT_EQ(0, segpool_free_batch(self->pool, again + SEGMENTS, SEGMENTS));
	use_it_again(_metadata, self);
}

TEST_HARNESS_MAIN
