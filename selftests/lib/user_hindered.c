// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plain memory where the system takes its time, does not take pages, or has none: the two calls by
 * which pages go and come are replaced (see the makefile).
 */
#define PLAIN_MEMORY
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

#include "pool.h"
#include "testing_harness.h"

#define PAGES	((long)(REGION / SP_PAGE))

int __real_segpool_user_give(const struct segpool *pool, uint32_t index, uint64_t offset,
			     uint64_t length);
int __real_segpool_sys_bring(void *start, uint64_t length);
int __wrap_segpool_user_give(const struct segpool *pool, uint32_t index, uint64_t offset,
			     uint64_t length);
int __wrap_segpool_sys_bring(void *start, uint64_t length);

static struct {
	/* The next one to give pages back tells that it is there, and waits. */
	bool stops;
	sem_t is_there, may_go;
	/* Of this region nothing goes. */
	uint32_t stuck;
	_Atomic unsigned long gives;
	/* What bringing pages returns. */
	int bring_error;
} hindrance;

int __wrap_segpool_user_give(const struct segpool *pool, uint32_t index, uint64_t offset,
			     uint64_t length)
{
	hindrance.gives++;
	if (hindrance.stops) {
		hindrance.stops = false;
		sem_post(&hindrance.is_there);
		sem_wait(&hindrance.may_go);
	}
	if (index == hindrance.stuck)
		return -EINVAL;
	return __real_segpool_user_give(pool, index, offset, length);
}

int __wrap_segpool_sys_bring(void *start, uint64_t length)
{
	return hindrance.bring_error ? hindrance.bring_error :
				       __real_segpool_sys_bring(start, length);
}

FIXTURE(hindered) {
	struct segpool *pool;
	struct segpool_region regions[REGIONS];
	pthread_t thread;
};

FIXTURE_SETUP(hindered)
{
	hindrance.stuck = UINT32_MAX;
	ASSERT_EQ(0, sem_init(&hindrance.is_there, 0, 0));
	ASSERT_EQ(0, sem_init(&hindrance.may_go, 0, 0));
	ASSERT_EQ(0, small_pool(&self->pool));
	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
}

FIXTURE_TEARDOWN(hindered)
{
	hindrance.bring_error = 0;
	segpool_close(self->pool);
}

/* --- somebody else, in the middle of giving pages back --- */

struct errand {
	struct segpool *pool;
	uint64_t handle;
};

static struct errand errand;

static void *free_now(void *argument)
{
	struct errand *what = argument;

	segpool_region_free(what->pool, what->handle, SEGPOOL_NOW);
	return NULL;
}

static void *trim(void *argument)
{
	struct errand *what = argument;

	segpool_trim_retained(what->pool, 0, NULL);
	return NULL;
}

static void *go_on_later(void *unused)
{
	usleep(50000);
	sem_post(&hindrance.may_go);
	return unused;
}

/* @function is under way, with pages that are going, and goes on in a moment. */
static bool begin_to(void *(*function)(void *), struct segpool *pool, uint64_t handle,
		     pthread_t *thread)
{
	pthread_t later;

	errand = (struct errand){ pool, handle };
	hindrance.stops = true;
	return !pthread_create(thread, NULL, function, &errand) &&
	       !sem_wait(&hindrance.is_there) && !pthread_create(&later, NULL, go_on_later, NULL) &&
	       !pthread_detach(later);
}

TEST_F(hindered, reuse_of_what_is_being_released)
{
	ASSERT_EQ(BACKED, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions,
					       BACKED));
	ASSERT_TRUE(begin_to(free_now, self->pool, self->regions[3].handle, &self->thread));
	/* There is budget for it only once it is released. */
	EXPECT_EQ(0, segpool_region_reuse(self->pool, self->regions[3].handle, 0, 0, 0,
					  self->regions));
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_REFUSED_PHYSICAL));
}

/* A region whose pages are leaving is released all the time, and nothing is carved in its place. */
TEST_F(hindered, reuse_first)
{
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_TRUE(begin_to(trim, self->pool, 0, &self->thread));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, 1));
	EXPECT_EQ(SEGPOOL_REGION_REUSED, self->regions[0].flags);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
}

TEST_F(hindered, neighbours_first)
{
	ASSERT_EQ(3, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 3));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[1].handle, SEGPOOL_NOW));
	ASSERT_TRUE(begin_to(trim, self->pool, 0, &self->thread));
	/* Three in a row there will never be: that is no reason to wait. */
	EXPECT_EQ(3, segpool_region_alloc(self->pool, 0, SEGPOOL_CONTIGUOUS, 0, self->regions + 4, 3));
	EXPECT_EQ(6 * REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
	ASSERT_EQ(2, segpool_region_alloc(self->pool, 0, SEGPOOL_CONTIGUOUS, 0, self->regions, 2));
	EXPECT_EQ(SEGPOOL_REGION_REUSED, self->regions[0].flags);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	EXPECT_EQ(6 * REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
}

/* Being released under way, a region is nobody's: no run of neighbours has it. */
TEST_F(hindered, no_neighbour_that_is_busy)
{
	ASSERT_EQ(2, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 2));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_NOW));
	ASSERT_TRUE(begin_to(free_now, self->pool, self->regions[1].handle, &self->thread));
	ASSERT_EQ(2, segpool_region_alloc(self->pool, 0, SEGPOOL_CONTIGUOUS, 0, self->regions, 2));
	EXPECT_EQ(SEGPOOL_REGION_NEW, self->regions[0].flags);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
}

/* What somebody else gives back counts as given back when it is. */
TEST_F(hindered, limits_hold_afterwards)
{
	ASSERT_EQ(2, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 2));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_TRUE(begin_to(trim, self->pool, 0, &self->thread));
	ASSERT_EQ(0, segpool_trim_retained(self->pool, 0, NULL));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[1].handle, 0));
	ASSERT_TRUE(begin_to(trim, self->pool, 0, &self->thread));
	ASSERT_EQ(0, set_physical(self->pool, 0));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
}

static void *free_retaining(void *argument)
{
	struct errand *what = argument;

	sem_wait(&hindrance.is_there);
	/* Younger than the look at the clock with which the others' ageing began. */
	usleep(5000);
	segpool_region_free(what->pool, what->handle, 0);
	sem_post(&hindrance.may_go);
	return NULL;
}

TEST_F(hindered, young_pages_do_not_age)
{
	struct segpool_limits limits = { .retain_age_ms = 20 };

	ASSERT_EQ(2, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 2));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_AGE, &limits));
	usleep(30000);
	limits.retain_age_ms = SEGPOOL_MAX_AGE_MS;
	errand = (struct errand){ self->pool, self->regions[1].handle };
	hindrance.stops = true;
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, free_retaining, &errand));
	EXPECT_EQ(PAGES, counter(self->pool, SEGPOOL_C_AGED_PAGES));
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
}

/* --- the system does not take pages --- */

TEST_F(hindered, stuck_region)
{
	int i;

	ASSERT_EQ(BACKED, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions,
					       BACKED));
	hindrance.stuck = SEGPOOL_HANDLE_INDEX(self->regions[0].handle);
	/* It stays, and counts as what it is. */
	for (i = 0; i < BACKED; i++)
		ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[i].handle,
						 i ? 0 : SEGPOOL_NOW));
	EXPECT_EQ(BACKED * REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	/* The others go in its place. */
	ASSERT_EQ(2, segpool_region_alloc(self->pool, 1, SEGPOOL_POPULATE, 0, self->regions, 2));
	EXPECT_EQ(2 * REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	ASSERT_EQ(0, segpool_trim_retained(self->pool, 0, NULL));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(BACKED - 3, segpool_region_alloc(self->pool, 1, SEGPOOL_POPULATE, 0, self->regions,
						   BACKED - 3));
	/* Now it is all that there is; and it is of no use to another class while that can carve. */
	hindrance.gives = 0;
	EXPECT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 1, SEGPOOL_POPULATE | SEGPOOL_WAIT, 100,
						self->regions, 1));
	EXPECT_GE(4, hindrance.gives);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, segpool_last_reason());
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE | SEGPOOL_ZERO, 0,
					  self->regions, 1));
	EXPECT_TRUE(sp_is_zero(segpool_region_address(self->pool, self->regions[0].handle), REGION));
}

static void *wait_in_vain(void *argument)
{
	struct errand *what = argument;
	struct segpool_region region;

	segpool_region_alloc(what->pool, 1, SEGPOOL_POPULATE | SEGPOOL_WAIT, 200, &region, 1);
	return NULL;
}

/* Two who wait do not keep each other awake. */
TEST_F(hindered, waiting_for_a_stuck_region)
{
	pthread_t second;

	ASSERT_EQ(BACKED, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions,
					       BACKED));
	hindrance.stuck = SEGPOOL_HANDLE_INDEX(self->regions[0].handle);
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	errand = (struct errand){ self->pool, 0 };
	hindrance.gives = 0;
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, wait_in_vain, &errand));
	ASSERT_EQ(0, pthread_create(&second, NULL, wait_in_vain, &errand));
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	ASSERT_EQ(0, pthread_join(second, NULL));
	EXPECT_GE(16, hindrance.gives);
}

/* --- the system has no pages --- */

TEST_F(hindered, no_page_to_be_had)
{
	struct segpool_range range = { .length = SP_PAGE };
	char *memory;

	hindrance.bring_error = -ENOMEM;
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(SEGPOOL_REASON_SYSTEM, segpool_last_reason());
	EXPECT_NE(NULL, strstr(sentence(self->pool, -ENOMEM), "has no page to give"));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_REGIONS_FREED));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_RELEASED_REGIONS));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_REFUSED_SYSTEM));
	hindrance.bring_error = 0;
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(SEGPOOL_REGION_REUSED, self->regions[0].flags);
	memory = segpool_region_address(self->pool, self->regions[0].handle);
	sp_pattern_write(memory, REGION, 4);

	/* A range, with a page that a touch has brought. */
	range.handle = self->regions[0].handle;
	ASSERT_EQ(0, segpool_discard(self->pool, &range, 1, 0));
	*memory = 77;
	hindrance.bring_error = -ENOMEM;
	ASSERT_EQ(-ENOMEM, segpool_populate(self->pool, &range, 1, 0, 0));
	EXPECT_EQ(SEGPOOL_REASON_SYSTEM, segpool_last_reason());
	EXPECT_EQ(77, *memory);
	EXPECT_EQ(REGION - SP_PAGE, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	hindrance.bring_error = 0;
	ASSERT_EQ(0, segpool_populate(self->pool, &range, 1, 0, 0));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));

	/* A region with retained pages, of which some are not there. */
	ASSERT_EQ(0, segpool_region_free(self->pool, range.handle, 0));
	hindrance.bring_error = -ENOMEM;
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_KEPT_REGIONS));
}

/* An old kernel, which brings no pages by advice. */
TEST_F(hindered, before_linux_5_14)
{
	hindrance.bring_error = -EINVAL;
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(PAGES, present(segpool_region_address(self->pool, self->regions[0].handle), REGION));
}

TEST_HARNESS_MAIN
