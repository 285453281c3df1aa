// SPDX-License-Identifier: GPL-2.0-only
/* Segments: sizes, alignment, wrong frees, regions that go home. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "pool.h"
#include "testing_harness.h"

/* Of the pools here, whose regions have 64 KiB. */
#define LARGEST		(32 * SP_KIB)

FIXTURE(segment) {
	struct segpool *pool;
};

FIXTURE_SETUP(segment)
{
	struct segpool_options options;

	small_options(&options);
	options.nr_classes = 3;
	options.classes[0] = 4 * SP_KIB;
	options.classes[1] = 16 * SP_KIB;
	options.classes[2] = LARGEST;
	ASSERT_EQ(0, segpool_open(&options, &self->pool));
}

FIXTURE_TEARDOWN(segment)
{
	segpool_close(self->pool);
}

TEST_F(segment, sizes)
{
	static const struct {
		size_t asked, given;
	} sizes[] = {
		{ 1, 4 * SP_KIB }, { 4 * SP_KIB, 4 * SP_KIB }, { 4 * SP_KIB + 1, 16 * SP_KIB },
		{ 8 * SP_KIB + 1, 16 * SP_KIB }, { 16 * SP_KIB, 16 * SP_KIB },
		{ 16 * SP_KIB + 1, LARGEST }, { LARGEST, LARGEST }, { LARGEST + 1, REGION },
		{ REGION, REGION }, { REGION + 1, 2 * REGION }, { 3 * REGION, 3 * REGION },
	};
	char *address;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		address = segpool_alloc(self->pool, sizes[i].asked);
		ASSERT_NE(NULL, address);
		EXPECT_EQ(sizes[i].given, segpool_usable_size(self->pool, address));
		EXPECT_EQ(0, (uintptr_t)address % (sizes[i].given < REGION ? sizes[i].given : REGION));
		EXPECT_EQ(sizes[i].given / SP_PAGE, (size_t)present(address, sizes[i].given));
		sp_pattern_write(address, sizes[i].given, i + 1);
		EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
		EXPECT_EQ(sizes[i].asked, all(self->pool, SEGPOOL_S_ASKED_BYTES));
		EXPECT_EQ(sizes[i].given, all(self->pool, SEGPOOL_S_LIVE_BYTES));
		EXPECT_EQ(0, segpool_free(self->pool, address));
		EXPECT_EQ(0, segpool_usable_size(self->pool, address));
	}
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_ASKED_BYTES));
	EXPECT_EQ(i, all(self->pool, SEGPOOL_S_ALLOCS));
	EXPECT_EQ(i, all(self->pool, SEGPOOL_S_FREES));
	/* One region of each class stays; the others go back where they came from. */
	EXPECT_EQ(3, all(self->pool, SEGPOOL_S_REGIONS));
	EXPECT_EQ(3, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
}

TEST_F(segment, refused)
{
	struct segpool *pool = self->pool;
	char *one = segpool_alloc(pool, 1);

	ASSERT_NE(NULL, one);
#define REFUSED(error, call)	do { errno = 0; EXPECT_EQ(NULL, call); EXPECT_EQ(error, errno); } while (0)
	REFUSED(EINVAL, segpool_alloc(pool, 0));
	EXPECT_NE(NULL, strstr(sentence(pool, -EINVAL), "at least 1 byte"));
	REFUSED(EINVAL, segpool_alloc(NULL, 1));
	REFUSED(EINVAL, segpool_alloc(pool, SIZE_MAX));
	EXPECT_NE(NULL, strstr(sentence(pool, -EINVAL), "1024 regions"));
	REFUSED(EINVAL, segpool_alloc(pool, 1024 * REGION + 1));
	REFUSED(ENOMEM, segpool_alloc(pool, 1024 * REGION));
	EXPECT_NE(NULL, strstr(sentence(pool, -ENOMEM), "budget"));
	REFUSED(EINVAL, segpool_calloc(pool, SIZE_MAX / 2, 3));
	REFUSED(EINVAL, segpool_calloc(pool, 0, 3));
	REFUSED(EINVAL, segpool_aligned_alloc(pool, 0, 1));
	REFUSED(EINVAL, segpool_aligned_alloc(pool, 3 * SP_KIB, 1));
	REFUSED(EINVAL, segpool_aligned_alloc(pool, 2 * REGION, 1));
	REFUSED(EINVAL, segpool_realloc(pool, one, 0));
	REFUSED(EINVAL, segpool_realloc(pool, one + SP_PAGE, 1));
	REFUSED(EINVAL, segpool_realloc(NULL, one, 1));
#undef REFUSED
	EXPECT_EQ(-EINVAL, segpool_free(NULL, one));
	EXPECT_EQ(1, all(pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_free(pool, NULL));
	EXPECT_EQ(0, segpool_free(pool, one));
}

TEST_F(segment, wrong_frees)
{
	struct segpool_region region;
	char *small, *large, *other;
	int local;

	small = segpool_alloc(self->pool, 16 * SP_KIB);
	other = segpool_alloc(self->pool, 16 * SP_KIB);
	large = segpool_alloc(self->pool, 2 * REGION);
	ASSERT_TRUE(small && other && large);
	sp_pattern_write(other, 16 * SP_KIB, 9);
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, small + SP_PAGE));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EINVAL), "no segment"));
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, small + 1));
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, large + SP_PAGE));
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, &local));
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, (char *)segpool_base(self->pool) - 1));
	EXPECT_EQ(5, all(self->pool, SEGPOOL_S_FOREIGN_FREES));
	EXPECT_EQ(0, segpool_free(self->pool, small));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, small));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EALREADY), "second free"));
	EXPECT_EQ(0, segpool_free(self->pool, large));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, large));
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, large + REGION));
	EXPECT_EQ(2, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	/* A region that is the program's own, by its handle. */
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	EXPECT_NE(0, segpool_free(self->pool, segpool_region_address(self->pool, region.handle)));
	EXPECT_EQ(0, segpool_region_free(self->pool, region.handle, 0));
	EXPECT_EQ(0, sp_pattern_check(other, 16 * SP_KIB, 9));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
}

TEST_F(segment, zeroed_aligned_resized)
{
	char *address, *moved;

	address = segpool_alloc(self->pool, LARGEST);
	ASSERT_NE(NULL, address);
	sp_pattern_write(address, LARGEST, 3);
	EXPECT_EQ(0, segpool_free(self->pool, address));
	address = segpool_calloc(self->pool, 8, 4 * SP_KIB);
	ASSERT_NE(NULL, address);
	EXPECT_TRUE(sp_is_zero(address, LARGEST));
	/* It stays while another one would be as large. */
	EXPECT_EQ(address, segpool_realloc(self->pool, address, LARGEST / 2 + 1));
	address[0] = 7;
	address[LARGEST / 2] = 8;
	moved = segpool_realloc(self->pool, address, 1);
	ASSERT_NE(NULL, moved);
	EXPECT_NE(address, moved);
	EXPECT_EQ(7, moved[0]);
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, address));
	address = segpool_realloc(self->pool, moved, 5 * REGION);
	ASSERT_NE(NULL, address);
	EXPECT_EQ(7, address[0]);
	EXPECT_EQ(address, segpool_realloc(self->pool, address, 4 * REGION + 1));
	EXPECT_EQ(0, segpool_free(self->pool, address));
	address = segpool_aligned_alloc(self->pool, REGION, 1);
	ASSERT_NE(NULL, address);
	EXPECT_EQ(0, (uintptr_t)address % REGION);
	EXPECT_EQ(0, segpool_free(self->pool, address));
	address = segpool_aligned_alloc(self->pool, 8 * SP_KIB, 1);
	ASSERT_NE(NULL, address);
	EXPECT_EQ(16 * SP_KIB, segpool_usable_size(self->pool, address));
	EXPECT_EQ(0, segpool_free(self->pool, address));
	address = segpool_realloc(self->pool, NULL, 1);
	ASSERT_NE(NULL, address);
	EXPECT_EQ(0, segpool_free(self->pool, address));
}

TEST_F(segment, regions_go_home)
{
	void *held[REGIONS * 2];
	uint64_t released = 0;

	ASSERT_EQ(32, segpool_alloc_batch(self->pool, LARGEST, held, 32));
	EXPECT_EQ(16, all(self->pool, SEGPOOL_S_REGIONS));
	EXPECT_EQ(16 * REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, segpool_free_batch(self->pool, held, 32));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_REGIONS));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(15, counter(self->pool, SEGPOOL_C_REGIONS_FREED));
	EXPECT_EQ(BACKED * REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, segpool_trim(self->pool, 0, &released));
	EXPECT_LE(BACKED * REGION, released);
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_REGIONS));
	/* And it goes on. */
	ASSERT_EQ(32, segpool_alloc_batch(self->pool, LARGEST, held, 32));
	EXPECT_EQ(16, counter(self->pool, SEGPOOL_C_REUSED_REGIONS));
	EXPECT_EQ(0, segpool_free_batch(self->pool, held, 32));
}

/* At the limit each thing that is free serves, whatever class it was; then a clean refusal. */
TEST_F(segment, at_the_limit)
{
	void *held[512];
	int n, half;

	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
	n = segpool_alloc_batch(self->pool, 4 * SP_KIB, held, 512);
	ASSERT_EQ((int)(BACKED * REGION / (4 * SP_KIB)), n);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, segpool_last_reason());
	EXPECT_EQ(NULL, segpool_alloc(self->pool, 1));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_NE(NULL, strstr(sentence(self->pool, -ENOMEM), "physical budget of 512 KiB reached"));
	EXPECT_EQ(NULL, segpool_alloc(self->pool, LARGEST));
	half = n / 2;
	EXPECT_EQ(0, segpool_free_batch(self->pool, held + half, n - half));
	EXPECT_EQ(BACKED, segpool_alloc_batch(self->pool, LARGEST, held + half, 512 - half));
	EXPECT_EQ(0, segpool_free_batch(self->pool, held, half + BACKED));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	ASSERT_NE(NULL, held[0] = segpool_alloc(self->pool, BACKED * REGION));
	EXPECT_EQ(0, segpool_free(self->pool, held[0]));
}

struct errand {
	struct segpool *pool;
	void **held;
	int nr;
};

static void *free_all(void *argument)
{
	struct errand *errand = argument;

	errand->nr = segpool_free_batch(errand->pool, errand->held, errand->nr);
	return NULL;
}

static void *take_all(void *argument)
{
	struct errand *errand = argument;

	errand->nr = segpool_alloc_batch(errand->pool, 4 * SP_KIB, errand->held, errand->nr);
	return NULL;
}

static int run(void *(*function)(void *), struct errand *errand)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, errand) || pthread_join(thread, NULL))
		return -EAGAIN;
	return errand->nr;
}

/* Freed by another thread: free for all purposes, at once. */
TEST_F(segment, freed_by_another)
{
	void *held[64], *again[64];
	struct errand errand = { self->pool, held, 64 };

	ASSERT_EQ(64, segpool_alloc_batch(self->pool, 4 * SP_KIB, held, 64));
	ASSERT_EQ(0, run(free_all, &errand));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, held[5]));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(64, all(self->pool, SEGPOOL_S_FREES));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, held[6]));
	EXPECT_EQ(2, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	ASSERT_EQ(64, segpool_alloc_batch(self->pool, 4 * SP_KIB, again, 64));
	EXPECT_EQ(4 * REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
	errand = (struct errand){ self->pool, again, 64 };
	ASSERT_EQ(0, run(free_all, &errand));
	errand = (struct errand){ self->pool, again, 64 };
	ASSERT_EQ(-EALREADY, run(free_all, &errand));
	EXPECT_EQ(66, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	ASSERT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

/* What a thread leaves behind is the program's; what it had without need is not. */
TEST_F(segment, thread_that_ends)
{
	void *held[64];
	struct errand errand = { self->pool, held, 20 };
	int i;

	ASSERT_EQ(20, run(take_all, &errand));
	EXPECT_EQ(20, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(2 * REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, segpool_free(self->pool, held[i]));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	ASSERT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	/* Threads come and go: the next one takes over what the last had. */
	for (i = 0; i < 50; i++) {
		errand = (struct errand){ self->pool, held, 20 };
		ASSERT_EQ(20, run(take_all, &errand));
		ASSERT_EQ(0, segpool_free_batch(self->pool, held, 20));
	}
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_GE(5 * REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
}

/* Budget that is in another thread's free segments is there for all. */
TEST_F(segment, idle_thread_keeps_nothing_from_others)
{
	void *held[512];
	struct errand errand = { self->pool, held, 512 };
	int mine;

	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
	mine = segpool_alloc_batch(self->pool, 4 * SP_KIB, held, 512);
	ASSERT_EQ(128, mine);
	/* Of each region one segment stays: no region is free, and 15 segments of each are. */
	for (int i = 0; i < mine; i++)
		if ((uintptr_t)held[i] % REGION)
			ASSERT_EQ(0, segpool_free(self->pool, held[i]));
	EXPECT_EQ(BACKED, all(self->pool, SEGPOOL_S_LIVE));
	ASSERT_EQ(128 - BACKED, run(take_all, &errand));
	EXPECT_EQ(128, all(self->pool, SEGPOOL_S_LIVE));
}

/* What stays for its thread does not stay for ever, only because there was a trim in between. */
TEST_F(segment, one_region_stays)
{
	void *held[64];
	int i, round;

	for (round = 0; round < 4; round++) {
		ASSERT_EQ(64, segpool_alloc_batch(self->pool, 4 * SP_KIB, held, 64));
		/* The one that stayed is in use now. */
		ASSERT_EQ(0, segpool_trim(self->pool, 0, NULL));
		for (i = 0; i < 64; i++)
			ASSERT_EQ(0, segpool_free(self->pool, held[i]));
		EXPECT_GE(1, all(self->pool, SEGPOOL_S_REGIONS));
	}
}

/* Neither the pool nor the kernel hears of it. */
TEST_F(segment, steady_state)
{
	void *held[40];
	uint64_t before;
	int round;

	ASSERT_EQ(40, segpool_alloc_batch(self->pool, 4 * SP_KIB, held, 40));
	before = counter(self->pool, SEGPOOL_C_REUSED_REGIONS) +
		 counter(self->pool, SEGPOOL_C_NEW_REGIONS);
	for (round = 0; round < 10000; round++) {
		ASSERT_EQ(0, segpool_free(self->pool, held[round % 40]));
		held[round % 40] = segpool_alloc(self->pool, 4 * SP_KIB);
		ASSERT_NE(NULL, held[round % 40]);
	}
	EXPECT_EQ(before, counter(self->pool, SEGPOOL_C_REUSED_REGIONS) +
			  counter(self->pool, SEGPOOL_C_NEW_REGIONS));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RELEASED_REGIONS));
	EXPECT_EQ(0, segpool_free_batch(self->pool, held, 40));
}

/* Classes with nothing between them, one as large as a region, and the most segments that a region has. */
TEST_F(segment, odd_classes)
{
	struct segpool_options options;
	struct segpool *pool;
	char *one, *two;

	segpool_options_init(&options);
	options.backend = BACKEND;
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.region_size = SEGPOOL_MAX_REGION_SIZE;
	options.limits.virtual_budget = 2 * SEGPOOL_MAX_REGION_SIZE;
	options.limits.physical_budget = 2 * SEGPOOL_MAX_REGION_SIZE;
	options.nr_classes = 2;
	options.classes[0] = 4096;
	options.classes[1] = SEGPOOL_MAX_REGION_SIZE;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	one = segpool_alloc(pool, 1);
	two = segpool_alloc(pool, 4097);
	ASSERT_TRUE(one && two);
	EXPECT_EQ(SEGPOOL_MAX_REGION_SIZE, segpool_usable_size(pool, two));
	EXPECT_EQ(0, (uintptr_t)two % SEGPOOL_MAX_REGION_SIZE);
	EXPECT_EQ(NULL, segpool_alloc(pool, SEGPOOL_MAX_REGION_SIZE));
	EXPECT_EQ(0, segpool_free(pool, one));
	EXPECT_EQ(-EALREADY, segpool_free(pool, one));
	one = segpool_alloc(pool, SEGPOOL_MAX_REGION_SIZE);
	ASSERT_NE(NULL, one);
	EXPECT_EQ(0, segpool_free(pool, two));
	EXPECT_EQ(0, segpool_free(pool, one));
	one = segpool_alloc(pool, SEGPOOL_MAX_REGION_SIZE + 1);
	ASSERT_NE(NULL, one);
	EXPECT_EQ(2 * SEGPOOL_MAX_REGION_SIZE, segpool_usable_size(pool, one));
	EXPECT_EQ(0, segpool_free(pool, one));
	segpool_close(pool);
}

TEST_F(segment, many_pools)
{
	struct segpool *pools[12];
	void *held[12];
	int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 12; i++) {
			ASSERT_EQ(0, small_pool(&pools[i]));
			held[i] = segpool_alloc(pools[i], 4 * SP_KIB);
			ASSERT_NE(NULL, held[i]);
			memset(held[i], i, 4 * SP_KIB);
		}
		for (i = 0; i < 12; i++) {
			EXPECT_EQ(i, *(char *)held[i]);
			if (i < 11)
				EXPECT_EQ(-EINVAL, segpool_free(pools[i + 1], held[i]));
			EXPECT_EQ(0, segpool_free(pools[i], held[i]));
			segpool_close(pools[i]);
		}
	}
}

TEST_F(segment, counters)
{
	uint64_t values[SEGPOOL_NR_SEGMENT_COUNTERS + 2];
	void *held;
	uint32_t i;

	/* Before the first segment, too. */
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_REGIONS));
	held = segpool_alloc(self->pool, 5000);
	ASSERT_NE(NULL, held);
	memset(values, 0xff, sizeof(values));
	EXPECT_EQ(SEGPOOL_NR_SEGMENT_COUNTERS,
		  segpool_segment_stat(self->pool, 1, values, SEGPOOL_NR_SEGMENT_COUNTERS + 2));
	EXPECT_EQ(1, values[SEGPOOL_S_LIVE]);
	EXPECT_EQ(16 * SP_KIB, values[SEGPOOL_S_LIVE_BYTES]);
	EXPECT_EQ(5000, values[SEGPOOL_S_ASKED_BYTES]);
	EXPECT_EQ(0, values[SEGPOOL_NR_SEGMENT_COUNTERS + 1]);
	EXPECT_EQ(0, segment_counter(self->pool, 0, SEGPOOL_S_LIVE));
	EXPECT_EQ(-EINVAL, segpool_segment_stat(self->pool, 3, values, 1));
	EXPECT_EQ(-EINVAL, segpool_segment_stat(NULL, 0, values, 1));
	EXPECT_EQ(-EFAULT, segpool_segment_stat(self->pool, 0, NULL, 1));
	EXPECT_EQ(SEGPOOL_NR_SEGMENT_COUNTERS, segpool_segment_stat(self->pool, 0, NULL, 0));
	for (i = 0; i < SEGPOOL_NR_SEGMENT_COUNTERS; i++)
		EXPECT_NE(NULL, segpool_segment_counter_name(i));
	EXPECT_EQ(NULL, segpool_segment_counter_name(i));
	EXPECT_STREQ("live", segpool_segment_counter_name(SEGPOOL_S_LIVE));
}

TEST_HARNESS_MAIN
