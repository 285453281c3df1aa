// SPDX-License-Identifier: GPL-2.0-only
/* The region calls of the library, their errors and their sentences. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "pool.h"
#include "testing_harness.h"

FIXTURE(region) {
	struct segpool *pool;
	struct segpool_region regions[REGIONS + 4];
};

FIXTURE_SETUP(region)
{
	ASSERT_EQ(0, small_pool(&self->pool));
}

FIXTURE_TEARDOWN(region)
{
	segpool_close(self->pool);
}

TEST_F(region, take_release_take_again)
{
	struct segpool_region *given = self->regions;
	struct segpool_region again;
	char *memory;

	ASSERT_EQ(2, segpool_region_alloc(self->pool, 3, SEGPOOL_POPULATE, 0, given, 2));
	EXPECT_EQ(SEGPOOL_REASON_NONE, segpool_last_reason());
	EXPECT_EQ(SEGPOOL_REGION_NEW, given[0].flags);
	EXPECT_NE(given[0].offset, given[1].offset);
	memory = segpool_region_address(self->pool, given[1].handle);
	EXPECT_EQ((char *)segpool_base(self->pool) + given[1].offset, memory);
	EXPECT_EQ(REGION / SP_PAGE, (size_t)present(memory, REGION));
	EXPECT_TRUE(sp_is_zero(memory, REGION));
	sp_pattern_write(memory, REGION, 1);

	EXPECT_EQ(0, segpool_region_free(self->pool, given[1].handle, 0));
	if (can(self->pool, SEGPOOL_CAN_STOP_TOUCHES))
		EXPECT_EQ(SIGBUS, sp_touch(memory));
	EXPECT_EQ(2 * REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));

	ASSERT_EQ(1, segpool_region_alloc(self->pool, 3, SEGPOOL_ZERO | SEGPOOL_POPULATE, 0,
					  &again, 1));
	EXPECT_EQ(SEGPOOL_REGION_REUSED, again.flags);
	EXPECT_EQ(given[1].offset, again.offset);
	EXPECT_NE(given[1].handle, again.handle);
	EXPECT_TRUE(sp_is_zero(memory, REGION));
	EXPECT_EQ(2 * REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(2, class_counter(self->pool, 3, SEGPOOL_CC_NEW_REGIONS));
	EXPECT_EQ(1, class_counter(self->pool, 3, SEGPOOL_CC_REUSED_REGIONS));
	EXPECT_EQ(0, class_counter(self->pool, 2, SEGPOOL_CC_NEW_REGIONS));
}

TEST_F(region, release_now_keeps_nothing)
{
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_NOW));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
}

TEST_F(region, virtual_budget)
{
	struct segpool_region more[2];

	ASSERT_EQ(REGIONS, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, REGIONS + 4));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, segpool_last_reason());
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, 0, 0, more, 1));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, segpool_last_reason());
	EXPECT_STREQ("virtual budget of 1 MiB reached: 1 MiB carved, no released region to take; "
		     "free a region, or raise it", sentence(self->pool, -ENOMEM));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, segpool_last_reason());

	/* Two released regions with one between them are no neighbours. */
	EXPECT_EQ(0, segpool_region_free(self->pool, self->regions[3].handle, 0));
	EXPECT_EQ(SEGPOOL_REASON_NONE, segpool_last_reason());
	EXPECT_EQ(0, segpool_region_free(self->pool, self->regions[5].handle, 0));
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, SEGPOOL_CONTIGUOUS, 0, more, 2));
	EXPECT_STREQ("virtual budget of 1 MiB had no room for the request: now 1 MiB carved, 2 "
		     "released regions; try again, ask for fewer neighbouring regions, or raise it",
		     sentence(self->pool, -ENOMEM));
	EXPECT_EQ(2, segpool_region_alloc(self->pool, 0, 0, 0, more, 2));
}

TEST_F(region, physical_budget)
{
	struct segpool_region *given = self->regions;

	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
	ASSERT_EQ(BACKED, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, given, BACKED));
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0,
						given + BACKED, 1));
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, segpool_last_reason());
	EXPECT_STREQ("physical budget of 512 KiB reached: 512 KiB mapped, 0 bytes retained; trim, "
		     "free, or raise it", sentence(self->pool, -ENOMEM));
}

TEST_F(region, contiguous)
{
	int i;

	ASSERT_EQ(5, segpool_region_alloc(self->pool, 0, SEGPOOL_CONTIGUOUS, 0, self->regions, 5));
	for (i = 1; i < 5; i++)
		EXPECT_EQ(self->regions[i - 1].offset + REGION, self->regions[i].offset);
}

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

TEST_F(region, wait_times_out)
{
	uint64_t start;

	ASSERT_EQ(REGIONS, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, REGIONS));
	start = milliseconds();
	EXPECT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, SEGPOOL_WAIT, 100,
						self->regions + REGIONS, 1));
	EXPECT_LE(start + 99, milliseconds());
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, segpool_last_reason());
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_WAITS));
}

struct later {
	struct segpool *pool;
	uint64_t handle;
	int result;
};

static void *release_once_waited_for(void *argument)
{
	struct later *later = argument;
	int tries = 5000;

	while (!counter(later->pool, SEGPOOL_C_WAITERS) && tries--)
		usleep(1000);
	later->result = segpool_region_free(later->pool, later->handle, 0);
	return NULL;
}

TEST_F(region, wait_ends_with_a_release)
{
	struct later later = { .pool = self->pool, .result = -1 };
	struct segpool_region region;
	pthread_t thread;

	ASSERT_EQ(REGIONS, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, REGIONS));
	later.handle = self->regions[9].handle;
	ASSERT_EQ(0, pthread_create(&thread, NULL, release_once_waited_for, &later));
	EXPECT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_WAIT, 10000, &region, 1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, later.result);
	EXPECT_EQ(self->regions[9].offset, region.offset);
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_WAITS));
}

static void nothing(int signal_number)
{
	(void)signal_number;
}

/* SA_RESTART lets some system calls go on; this one tells its caller. */
TEST_F(region, signal_ends_a_wait)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	/* Again and again: the first one may come before the wait does. */
	struct itimerspec in_100_ms = { .it_value.tv_nsec = 100000000,
					.it_interval.tv_nsec = 100000000 };
	timer_t timer;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, NULL, &timer));
	ASSERT_EQ(REGIONS, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, REGIONS));
	ASSERT_EQ(0, timer_settime(timer, 0, &in_100_ms, NULL));
	EXPECT_EQ(-EINTR, segpool_region_alloc(self->pool, 0, SEGPOOL_WAIT, 10000,
					       self->regions + REGIONS, 1));
	timer_delete(timer);
	EXPECT_STREQ("a signal arrived before anything was done: call again, or give up as the "
		     "signal asks", sentence(self->pool, -EINTR));
}

TEST_F(region, wrong_releases)
{
	uint64_t old, present, never;
	struct segpool_region region;

	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	old = region.handle;
	never = old + 5;
	EXPECT_EQ(-ENOENT, segpool_region_free(self->pool, never, 0));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -ENOENT), "never handed out"));
	EXPECT_EQ(0, segpool_region_free(self->pool, old, 0));
	EXPECT_EQ(-EALREADY, segpool_region_free(self->pool, old, 0));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EALREADY), "second release"));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	present = region.handle;
	sp_pattern_write(segpool_region_address(self->pool, present), REGION, 2);
	EXPECT_EQ(-ESTALE, segpool_region_free(self->pool, old, 0));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -ESTALE), "its new owner keeps it"));
	EXPECT_EQ(0, sp_pattern_check(segpool_region_address(self->pool, present), REGION, 2));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_DOUBLE_FREES));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_STALE_FREES));
}

TEST_F(region, batch_reports_each_entry)
{
	struct segpool_free_entry entries[4] = { 0 };

	ASSERT_EQ(3, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, 3));
	entries[0].handle = self->regions[0].handle;
	entries[1].handle = self->regions[0].handle;
	entries[2].handle = self->regions[1].handle + 9;
	entries[3].handle = self->regions[2].handle;
	EXPECT_EQ(-EALREADY, segpool_region_free_batch(self->pool, entries, 4, 0));
	EXPECT_EQ(0, entries[0].error);
	EXPECT_EQ(-EALREADY, entries[1].error);
	EXPECT_EQ(-ENOENT, entries[2].error);
	EXPECT_EQ(0, entries[3].error);
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
	entries[0] = (struct segpool_free_entry){ .handle = self->regions[1].handle };
	EXPECT_EQ(0, segpool_region_free_batch(self->pool, entries, 1, SEGPOOL_NOW));
}

TEST_F(region, reuse)
{
	struct segpool_region first, again, other;

	ASSERT_EQ(1, segpool_region_alloc(self->pool, 1, SEGPOOL_POPULATE, 0, &first, 1));
	EXPECT_EQ(-EBUSY, segpool_region_reuse(self->pool, first.handle, 1, 0, 0, &again));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EBUSY), "segpool_region_alloc"));
	ASSERT_EQ(0, segpool_region_free(self->pool, first.handle, 0));
	ASSERT_EQ(0, segpool_region_reuse(self->pool, first.handle, 2,
					  SEGPOOL_POPULATE | SEGPOOL_ZERO, 0, &again));
	EXPECT_EQ(first.offset, again.offset);
	EXPECT_NE(first.handle, again.handle);
	EXPECT_EQ(SEGPOOL_REGION_REUSED | SEGPOOL_REGION_CROSS, again.flags);
	EXPECT_EQ(1, class_counter(self->pool, 2, SEGPOOL_CC_CROSS_CLASS_REUSES));
	EXPECT_EQ(-EBUSY, segpool_region_reuse(self->pool, first.handle, 2, 0, 0, &other));
	ASSERT_EQ(0, segpool_region_free(self->pool, again.handle, 0));
	EXPECT_EQ(-ESTALE, segpool_region_reuse(self->pool, first.handle, 2, 0, 0, &other));
	EXPECT_EQ(-ENOENT, segpool_region_reuse(self->pool, first.handle + 7, 2, 0, 0, &other));
	EXPECT_EQ(-EINVAL, segpool_region_reuse(self->pool, again.handle, 99, 0, 0, &other));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EINVAL), "segpool_region_reuse: class_index"));
	EXPECT_EQ(-EFAULT, segpool_region_reuse(self->pool, again.handle, 2, 0, 0, NULL));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
}

TEST_F(region, arguments_out_of_range)
{
	struct segpool *pool = self->pool;
	struct segpool_region *regions = self->regions;
	struct segpool_free_entry entry = { .reserved = 1 };

	EXPECT_EQ(-EINVAL, segpool_region_alloc(pool, 0, 0, 0, regions, 0));
	EXPECT_EQ(-EINVAL, segpool_region_alloc(pool, 0, 0, 0, regions, SEGPOOL_MAX_BATCH + 1));
	EXPECT_EQ(-EINVAL, segpool_region_alloc(pool, 0, 0, 0, regions, UINT32_MAX));
	EXPECT_EQ(-EINVAL, segpool_region_alloc(pool, SEGPOOL_DEFAULT_CLASSES, 0, 0, regions, 1));
	EXPECT_EQ(-EINVAL, segpool_region_alloc(pool, UINT32_MAX, 0, 0, regions, 1));
	EXPECT_EQ(-EINVAL, segpool_region_alloc(pool, 0, 1U << 31, 0, regions, 1));
	EXPECT_EQ(-EINVAL, segpool_region_alloc(pool, 0, 0, 5, regions, 1));
	EXPECT_EQ(-EINVAL, segpool_region_alloc(pool, 0, SEGPOOL_WAIT, SEGPOOL_MAX_WAIT_MS + 1,
						regions, 1));
	EXPECT_NE(NULL, strstr(sentence(pool, -EINVAL), "timeout_ms at most 10000"));
	EXPECT_EQ(-EFAULT, segpool_region_alloc(pool, 0, 0, 0, NULL, 1));
	EXPECT_EQ(-EINVAL, segpool_region_free_batch(pool, &entry, 1, 0));
	entry.reserved = 0;
	EXPECT_EQ(-EINVAL, segpool_region_free_batch(pool, &entry, 0, 0));
	EXPECT_EQ(-EINVAL, segpool_region_free_batch(pool, &entry, 1, SEGPOOL_WAIT));
	EXPECT_EQ(-EFAULT, segpool_region_free_batch(pool, NULL, 1, 0));
	EXPECT_EQ(0, counter(pool, SEGPOOL_C_VIRTUAL_BYTES));
}

TEST_HARNESS_MAIN
