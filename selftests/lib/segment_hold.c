// SPDX-License-Identifier: GPL-2.0-only
/* Segments that somebody holds while they are freed. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "pool.h"
#include "testing_harness.h"

#define BYTES	(16 * SP_KIB)

FIXTURE(hold) {
	struct segpool *pool;
};

FIXTURE_SETUP(hold)
{
	ASSERT_EQ(0, small_pool(&self->pool));
}

FIXTURE_TEARDOWN(hold)
{
	segpool_close(self->pool);
}

struct errand {
	struct segpool *pool;
	void *segment;
	int error;
};

static void *do_free(void *argument)
{
	struct errand *errand = argument;

	errand->error = segpool_free(errand->pool, errand->segment);
	return NULL;
}

static void *do_take(void *argument)
{
	struct errand *errand = argument;

	errand->segment = segpool_alloc(errand->pool, BYTES);
	errand->error = errand->segment ? 0 : -errno;
	return NULL;
}

static void *do_hold(void *argument)
{
	struct errand *errand = argument;

	errand->error = segpool_hold(errand->pool, errand->segment);
	return NULL;
}

static void *do_release(void *argument)
{
	struct errand *errand = argument;

	errand->error = segpool_release(errand->pool, errand->segment);
	return NULL;
}

/* By another thread. */
static int elsewhere(void *(*function)(void *), struct errand *errand)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, errand) || pthread_join(thread, NULL))
		return -EAGAIN;
	return errand->error;
}

/* Whatever is given now, it is not that one. */
static int is_given(struct segpool *pool, const void *segment)
{
	void *held[64];
	int i, found = 0, n = segpool_alloc_batch(pool, BYTES, held, 64);

	for (i = 0; i < n; i++) {
		found |= held[i] == segment;
		memset(held[i], 0xee, BYTES);
	}
	segpool_free_batch(pool, held, n < 0 ? 0 : n);
	return found;
}

TEST_F(hold, free_waits_for_the_last)
{
	char *segment = segpool_alloc(self->pool, BYTES);

	ASSERT_NE(NULL, segment);
	sp_pattern_write(segment, BYTES, 5);
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	EXPECT_EQ(BYTES, segpool_usable_size(self->pool, segment));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_DEFERRED));
	EXPECT_EQ(0, segpool_free(self->pool, segment));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_DEFERRED));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_usable_size(self->pool, segment));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, segment));
	EXPECT_EQ(-ENOENT, segpool_hold(self->pool, segment));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -ENOENT), "in use can be held"));
	EXPECT_FALSE(is_given(self->pool, segment));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	EXPECT_FALSE(is_given(self->pool, segment));
	EXPECT_EQ(0, sp_pattern_check(segment, BYTES, 5));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, sp_pattern_check(segment, BYTES, 5));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_DEFERRED));
	EXPECT_TRUE(is_given(self->pool, segment));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_WRONG_RELEASES));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

/* Each of the four by a thread that is not the owner. */
TEST_F(hold, by_others)
{
	struct errand errand = { .pool = self->pool };
	int i;

	ASSERT_EQ(0, elsewhere(do_take, &errand));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, i & 1 ? segpool_hold(self->pool, errand.segment) :
				     elsewhere(do_hold, &errand));
		EXPECT_EQ(0, i & 1 ? segpool_free(self->pool, errand.segment) :
				     elsewhere(do_free, &errand));
		EXPECT_EQ(-EALREADY, elsewhere(do_free, &errand));
		EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
		EXPECT_EQ(0, i & 2 ? segpool_release(self->pool, errand.segment) :
				     elsewhere(do_release, &errand));
		EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
		EXPECT_EQ(-ENOENT, segpool_hold(self->pool, errand.segment));
		EXPECT_EQ(-EALREADY, segpool_free(self->pool, errand.segment));
		/* From now on it is this thread's. */
		errand.segment = segpool_alloc(self->pool, BYTES);
		ASSERT_NE(NULL, errand.segment);
	}
	EXPECT_EQ(0, segpool_free(self->pool, errand.segment));
	EXPECT_EQ(6, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

TEST_F(hold, large_piece)
{
	char *large = segpool_alloc(self->pool, 3 * REGION);

	ASSERT_NE(NULL, large);
	sp_pattern_write(large, 3 * REGION, 7);
	EXPECT_EQ(-EINVAL, segpool_hold(self->pool, large + SP_PAGE));
	EXPECT_NE(0, segpool_hold(self->pool, large + REGION));
	EXPECT_EQ(0, segpool_hold(self->pool, large));
	EXPECT_EQ(0, segpool_free(self->pool, large));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, large));
	EXPECT_EQ(-ENOENT, segpool_hold(self->pool, large));
	EXPECT_EQ(0, segpool_usable_size(self->pool, large));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(3, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(0, sp_pattern_check(large, 3 * REGION, 7));
	EXPECT_EQ(0, segpool_release(self->pool, large));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(-ENOENT, segpool_hold(self->pool, large));
	EXPECT_EQ(-EALREADY, segpool_release(self->pool, large));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_FREES));
}

TEST_F(hold, wrong)
{
	struct segpool *pool = self->pool;
	struct segpool_region region;
	char *segment;
	int local;

	EXPECT_EQ(-EINVAL, segpool_hold(NULL, &local));
	EXPECT_EQ(-EINVAL, segpool_release(NULL, &local));
	/* Before the first segment, too. */
	EXPECT_EQ(-EINVAL, segpool_hold(pool, segpool_base(pool)));
	EXPECT_EQ(-EINVAL, segpool_release(pool, segpool_base(pool)));
	segment = segpool_alloc(pool, BYTES);
	ASSERT_NE(NULL, segment);
	EXPECT_EQ(-EINVAL, segpool_hold(pool, NULL));
	EXPECT_EQ(-EINVAL, segpool_hold(pool, &local));
	EXPECT_EQ(-EINVAL, segpool_hold(pool, segment + 1));
	EXPECT_EQ(-EINVAL, segpool_hold(pool, segment + SP_PAGE));
	EXPECT_EQ(-EINVAL, segpool_release(pool, segment + SP_PAGE));
	EXPECT_EQ(-EINVAL, segpool_release(pool, &local));
	EXPECT_EQ(0, all(pool, SEGPOOL_S_WRONG_RELEASES));
	EXPECT_EQ(-EALREADY, segpool_release(pool, segment));
	EXPECT_NE(NULL, strstr(sentence(pool, -EALREADY), "nobody holds"));
	EXPECT_EQ(0, segpool_hold(pool, segment));
	EXPECT_EQ(0, segpool_release(pool, segment));
	EXPECT_EQ(-EALREADY, segpool_release(pool, segment));
	EXPECT_EQ(2, all(pool, SEGPOOL_S_WRONG_RELEASES));
	EXPECT_EQ(1, all(pool, SEGPOOL_S_LIVE));
	/* Beside it, at hand and free. */
	EXPECT_EQ(-ENOENT, segpool_hold(pool, segment - BYTES));
	EXPECT_EQ(0, segpool_free(pool, segment));
	EXPECT_EQ(-ENOENT, segpool_hold(pool, segment));
	EXPECT_EQ(-EALREADY, segpool_release(pool, segment));
	/* A region that is the program's own, by its handle. */
	ASSERT_EQ(1, segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	EXPECT_NE(0, segpool_hold(pool, segpool_region_address(pool, region.handle)));
	EXPECT_EQ(0, segpool_region_free(pool, region.handle, 0));
}

/* A region in which somebody held something once serves as any other, in any shape, for any thread. */
TEST_F(hold, region_in_another_shape)
{
	static const size_t sizes[] = { 4 * SP_KIB, 32 * SP_KIB, REGION, 8 * SP_KIB };
	struct segpool_limits limits = { .virtual_budget = REGION };
	struct errand errand = { .pool = self->pool };
	void *held[REGION / SP_PAGE];
	int i, n, count;

	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_VIRTUAL, &limits));
	for (i = 0; i < 4; i++) {
		count = REGION / sizes[i];
		ASSERT_EQ(count, segpool_alloc_batch(self->pool, sizes[i], held, count + 1 < 16 ?
						     count + 1 : 16));
		EXPECT_EQ(0, segpool_hold(self->pool, held[count - 1]));
		for (n = 0; n < count; n++) {
			errand.segment = held[n];
			EXPECT_EQ(0, n & 1 ? segpool_free(self->pool, held[n]) :
					     elsewhere(do_free, &errand));
			EXPECT_EQ(-EALREADY, segpool_free(self->pool, held[n]));
		}
		EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
		EXPECT_EQ(0, segpool_release(self->pool, held[count - 1]));
		EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	}
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
}

/* What is moved is there for who holds it, as it was. */
TEST_F(hold, moved)
{
	char *segment = segpool_alloc(self->pool, BYTES), *moved;

	ASSERT_NE(NULL, segment);
	sp_pattern_write(segment, BYTES, 3);
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	EXPECT_EQ(segment, segpool_realloc(self->pool, segment, BYTES - 1));
	moved = segpool_realloc(self->pool, segment, 2 * BYTES);
	ASSERT_NE(NULL, moved);
	ASSERT_NE(segment, moved);
	memset(moved, 0, 2 * BYTES);
	EXPECT_EQ(0, sp_pattern_check(segment, BYTES, 3));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_free(self->pool, moved));
}

/* The owner ends while others hold what it had, and have freed it. */
TEST_F(hold, owner_that_ends)
{
	struct errand errand = { .pool = self->pool };

	ASSERT_EQ(0, elsewhere(do_take, &errand));
	EXPECT_EQ(0, segpool_hold(self->pool, errand.segment));
	EXPECT_EQ(0, segpool_free(self->pool, errand.segment));
	sp_pattern_write(errand.segment, BYTES, 4);
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, sp_pattern_check(errand.segment, BYTES, 4));
	EXPECT_EQ(0, segpool_release(self->pool, errand.segment));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_REGIONS));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

TEST_HARNESS_MAIN
