// SPDX-License-Identifier: GPL-2.0-only
/* Limits of a living pool, trimming, pressure. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "pool.h"
#include "testing_harness.h"

#define CEILING	"/sys/module/segpool/parameters/ceiling_mib"

FIXTURE(budget) {
	struct segpool *pool;
	struct segpool_region regions[REGIONS];
	struct segpool_limits limits;
};

FIXTURE_SETUP(budget)
{
	ASSERT_EQ(0, small_pool(&self->pool));
	memset(&self->limits, 0, sizeof(self->limits));
}

FIXTURE_TEARDOWN(budget)
{
	segpool_close(self->pool);
}

TEST_F(budget, only_what_has_a_flag_changes)
{
	struct segpool_limits before = { 0 };

	ASSERT_EQ(0, segpool_set_budget(self->pool, 0, &before));
	EXPECT_EQ(REGIONS * REGION, before.virtual_budget);
	memset(&self->limits, 0xff, sizeof(self->limits));
	self->limits.retain_limit = 3 * REGION;
	self->limits.watermark = 44;
	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_RETAIN | SEGPOOL_SET_WATERMARK,
					&self->limits));
	before.retain_limit = 3 * REGION;
	before.watermark = 44;
	EXPECT_EQ(0, memcmp(&before, &self->limits, sizeof(before)));
	EXPECT_EQ(3 * REGION, counter(self->pool, SEGPOOL_C_RETAIN_LIMIT_BYTES));
}

TEST_F(budget, raised_and_lowered)
{
	struct segpool_region more[2];

	ASSERT_EQ(REGIONS, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, REGIONS));
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, 0, 0, more, 1));
	self->limits.virtual_budget = (REGIONS + 1) * REGION + 1;
	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_VIRTUAL, &self->limits));
	EXPECT_EQ((REGIONS + 1) * REGION, self->limits.virtual_budget);
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, 0, 0, more, 2));
	/* Carved regions stay, so the budget is at least theirs. */
	self->limits.virtual_budget = 2 * REGION;
	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_VIRTUAL, &self->limits));
	EXPECT_EQ((REGIONS + 1) * REGION, self->limits.virtual_budget);
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, 0, 0, more, 1));
	EXPECT_STREQ("virtual budget of 1088 KiB reached: 1088 KiB carved, no released region to "
		     "take; free a region, or raise it", sentence(self->pool, -ENOMEM));
}

TEST_F(budget, lowered_below_what_is_in_use)
{
	ASSERT_EQ(6, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 6));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[5].handle, 0));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	self->limits.physical_budget = 4 * REGION;
	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_PHYSICAL, &self->limits));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0,
						self->regions + 5, 1));
	EXPECT_STREQ("physical budget of 256 KiB reached: 320 KiB mapped, 0 bytes retained; trim, "
		     "free, or raise it", sentence(self->pool, -ENOMEM));
}

TEST_F(budget, values_out_of_range)
{
	struct segpool_limits before = { 0 };

	ASSERT_EQ(0, segpool_set_budget(self->pool, 0, &before));
	self->limits.watermark = 101;
	EXPECT_EQ(-EINVAL, segpool_set_budget(self->pool, SEGPOOL_SET_WATERMARK, &self->limits));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EINVAL), "watermark 1 to 100"));
	self->limits.physical_budget = SEGPOOL_MAX_PHYSICAL + SP_PAGE;
	EXPECT_EQ(-EINVAL, segpool_set_budget(self->pool, SEGPOOL_SET_PHYSICAL, &self->limits));
	self->limits.virtual_budget = SEGPOOL_MAX_REGIONS * REGION + 1;
	EXPECT_EQ(-EINVAL, segpool_set_budget(self->pool, SEGPOOL_SET_VIRTUAL, &self->limits));
	self->limits.retain_age_ms = SEGPOOL_MAX_AGE_MS + 1;
	EXPECT_EQ(-EINVAL, segpool_set_budget(self->pool, SEGPOOL_SET_AGE, &self->limits));
	EXPECT_EQ(-EINVAL, segpool_set_budget(self->pool, SEGPOOL_SET_ALL + 1, &self->limits));
	EXPECT_EQ(-EFAULT, segpool_set_budget(self->pool, 0, NULL));
	EXPECT_EQ(101, self->limits.watermark);
	ASSERT_EQ(0, segpool_set_budget(self->pool, 0, &self->limits));
	EXPECT_EQ(0, memcmp(&before, &self->limits, sizeof(before)));
}

TEST_F(budget, trim_to_a_target)
{
	uint64_t released = 0;
	int i;

	ASSERT_EQ(4, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 4));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[i].handle, 0));
	ASSERT_EQ(4 * REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, segpool_trim_retained(self->pool, REGION, &released));
	EXPECT_EQ(3 * REGION, released);
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, segpool_trim_retained(self->pool, UINT64_MAX, &released));
	EXPECT_EQ(0, released);
	ASSERT_EQ(0, segpool_trim_retained(self->pool, 0, NULL));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(4 * REGION, counter(self->pool, SEGPOOL_C_VIRTUAL_BYTES));
}

TEST_F(budget, pressure_descriptor)
{
	struct pollfd waiting = { .fd = segpool_pressure_fd(self->pool), .events = POLLPRI };

	if (!can(self->pool, SEGPOOL_CAN_POLL_PRESSURE)) {
		EXPECT_EQ(-EOPNOTSUPP, waiting.fd);
		return;
	}
	ASSERT_LE(0, waiting.fd);
	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
	EXPECT_EQ(0, poll(&waiting, 1, 0));
	self->limits.watermark = 50;
	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_WATERMARK, &self->limits));
	ASSERT_EQ(BACKED / 2, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0,
						   self->regions, BACKED / 2));
	EXPECT_EQ(1, poll(&waiting, 1, 10000));
	EXPECT_EQ(POLLPRI, waiting.revents & POLLPRI);
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_PRESSURE_EVENTS));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_NOW));
	EXPECT_EQ(0, poll(&waiting, 1, 0));
}

/* Where there is debugfs, every counter of the library is the one of that name there. */
TEST_F(budget, counters)
{
	uint64_t values[SEGPOOL_NR_COUNTERS + 4];
	uint32_t id = segpool_pool_id(self->pool);
	uint32_t i;

	ASSERT_EQ(3, segpool_region_alloc(self->pool, 2, SEGPOOL_POPULATE, 0, self->regions, 3));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[1].handle, 0));
	ASSERT_EQ(-EALREADY, segpool_region_free(self->pool, self->regions[1].handle, 0));
	memset(values, 0xff, sizeof(values));
	ASSERT_LE(SEGPOOL_NR_COUNTERS, segpool_stat(self->pool, values, SEGPOOL_NR_COUNTERS + 4));
	for (i = 0; i < SEGPOOL_NR_COUNTERS && can(self->pool, SEGPOOL_CAN_BE_WATCHED); i++)
		EXPECT_EQ(sp_pool_counter(id, segpool_counter_name(i)), values[i])
			TH_LOG("%s", segpool_counter_name(i));
	for (i = SEGPOOL_NR_COUNTERS; i < SEGPOOL_NR_COUNTERS + 4; i++)
		EXPECT_EQ(0, values[i]);
	EXPECT_EQ(3 * REGION, values[SEGPOOL_C_VIRTUAL_BYTES]);
	EXPECT_EQ(1, values[SEGPOOL_C_DOUBLE_FREES]);
	EXPECT_EQ(2, class_counter(self->pool, 2, SEGPOOL_CC_REGIONS_ACTIVE));
	EXPECT_EQ(1, class_counter(self->pool, 2, SEGPOOL_CC_REGIONS_FREED));
	EXPECT_EQ(SEGPOOL_NR_CLASS_COUNTERS, segpool_class_stat(self->pool, 2, NULL, 0));
	EXPECT_EQ(-EINVAL, segpool_class_stat(self->pool, 99, values, 1));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EINVAL), "class_index must be below"));
	EXPECT_EQ(-EFAULT, segpool_stat(self->pool, NULL, 1));
}

static void *other_threads_reason(void *seen)
{
	*(uint32_t *)seen = segpool_last_reason();
	return NULL;
}

TEST_F(budget, reason_belongs_to_the_thread)
{
	struct segpool_region more;
	uint32_t seen = UINT32_MAX;
	pthread_t thread;

	ASSERT_EQ(REGIONS, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, REGIONS));
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(self->pool, 0, 0, 0, &more, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, other_threads_reason, &seen));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(SEGPOOL_REASON_NONE, seen);
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, segpool_last_reason());
}

/* The ceiling of all pools is the module's. */
#ifndef PLAIN_MEMORY

static int write_ceiling(const char *text)
{
	int fd = open(CEILING, O_WRONLY | O_CLOEXEC);
	int good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good ? 0 : -1;
}

FIXTURE(ceiling) {
	char before[32];
};

FIXTURE_SETUP(ceiling)
{
	FILE *file = fopen(CEILING, "re");

	ASSERT_NE(NULL, file);
	ASSERT_NE(NULL, fgets(self->before, sizeof(self->before), file));
	fclose(file);
	ASSERT_EQ(0, write_ceiling("4\n"));
}

FIXTURE_TEARDOWN(ceiling)
{
	EXPECT_EQ(0, write_ceiling(self->before));
}

/* A pool that may use more than the ceiling, and gets what the ceiling allows. */
TEST_F(ceiling, names_the_parameter)
{
	struct segpool_region regions[3];
	struct segpool_options options;
	struct segpool *pool;

	segpool_options_init(&options);
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.limits.virtual_budget = 16 * SP_MIB;
	options.limits.physical_budget = 16 * SP_MIB;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	ASSERT_EQ(2, segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, regions, 3));
	EXPECT_EQ(SEGPOOL_REASON_CEILING, segpool_last_reason());
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, regions + 2, 1));
	EXPECT_EQ(SEGPOOL_REASON_CEILING, segpool_last_reason());
	EXPECT_STREQ("ceiling of all pools together reached: this pool has 4 MiB mapped, 0 bytes "
		     "retained; free or trim in any pool (/sys/kernel/debug/segpool/counters shows "
		     "the use), or raise the module's parameter ceiling_mib",
		     sentence(pool, -ENOMEM));
	segpool_close(pool);
}

#endif

TEST_HARNESS_MAIN
