// SPDX-License-Identifier: GPL-2.0-only
/*
 * One table defines the counters: STAT and debugfs show the same names with the
 * same values, for the pool, for each class and for the module as a whole; the
 * list of regions agrees with them (promise 2).
 */
#include "testing.h"
#include "testing_harness.h"

#define REGION	(256 * SP_KIB)
#define BUDGET	(8 * REGION)

FIXTURE(stat) {
	struct sp_pool pool;
};

FIXTURE_SETUP(stat)
{
	struct segpool_region regions[8];
	struct segpool_range range = { .offset = SP_PAGE, .length = 3 * SP_PAGE };
	struct segpool_region more;

	/* A little of everything, so that few counters are zero. */
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_PINNABLE, REGION, BUDGET, BUDGET,
				  2 * REGION));
	ASSERT_EQ(8, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 8, regions));
	ASSERT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 1, 0, 0, &more, NULL));
	ASSERT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 1, SEGPOOL_WAIT, 10, &more, NULL));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, regions, 4, 0));
	ASSERT_EQ(-EALREADY, sp_free(self->pool.fd, regions[0].handle, 0));
	ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 3, 0, 0, &more, NULL));
	ASSERT_EQ(-ESTALE, sp_free(self->pool.fd, regions[0].handle, 0));
	ASSERT_EQ(0, sp_touch_write(sp_region_at(&self->pool, &more)));
	ASSERT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &regions[2])));
	range.handle = regions[5].handle;
	ASSERT_EQ(0, sp_ranges(self->pool.fd, SEGPOOL_IOC_DISCARD, &range, 1, SEGPOOL_NOW, NULL));
	ASSERT_EQ(0, sp_trim(self->pool.fd, REGION, NULL));
}

FIXTURE_TEARDOWN(stat)
{
	sp_pool_close(&self->pool);
}

TEST_F(stat, debugfs_shows_every_counter_with_the_same_value)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];
	unsigned int i;

	ASSERT_EQ(0, sp_stat(self->pool.fd, values));
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		EXPECT_EQ(values[i], sp_pool_counter(self->pool.id, sp_counter_names[i])) {
			TH_LOG("counter %s", sp_counter_name(i));
		}
}

/* Nothing is shown that is not in the table. */
TEST_F(stat, debugfs_shows_nothing_else)
{
	char path[128], line[256];
	unsigned int lines = 0;
	FILE *file;

	sp_pool_path(path, sizeof(path), self->pool.id, "counters");
	file = fopen(path, "re");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file)) {
		char *space = strchr(line, ' ');

		ASSERT_NE(NULL, space);
		*space = '\0';
		ASSERT_GT(SEGPOOL_NR_COUNTERS, lines);
		EXPECT_STREQ(sp_counter_names[lines], line);
		lines++;
	}
	EXPECT_EQ(SEGPOOL_NR_COUNTERS, lines);
	fclose(file);
}

/* The scene of the fixture, number by number. */
TEST_F(stat, values_tell_what_happened)
{
	uint64_t v[SEGPOOL_NR_COUNTERS];

	ASSERT_EQ(0, sp_stat(self->pool.fd, v));
	EXPECT_EQ(BUDGET, v[SEGPOOL_C_VIRTUAL_BYTES]);
	EXPECT_EQ(BUDGET, v[SEGPOOL_C_VIRTUAL_BUDGET_BYTES]);
	EXPECT_EQ(BUDGET, v[SEGPOOL_C_RESERVATION_BYTES]);
	EXPECT_EQ(4 * REGION - 3 * SP_PAGE + SP_PAGE, v[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_EQ(BUDGET, v[SEGPOOL_C_PHYSICAL_PEAK_BYTES]);
	EXPECT_EQ(REGION, v[SEGPOOL_C_RETAINED_BYTES]);
	EXPECT_EQ(2 * REGION, v[SEGPOOL_C_RETAINED_PEAK_BYTES]);
	EXPECT_EQ(2 * REGION, v[SEGPOOL_C_RETAIN_LIMIT_BYTES]);
	EXPECT_EQ(0, v[SEGPOOL_C_RETAIN_AGE_MS]);
	EXPECT_EQ(5, v[SEGPOOL_C_REGIONS_ACTIVE]);
	EXPECT_EQ(3, v[SEGPOOL_C_REGIONS_FREED]);
	EXPECT_EQ(8, v[SEGPOOL_C_NEW_REGIONS]);
	EXPECT_EQ(1, v[SEGPOOL_C_REUSED_REGIONS]);
	EXPECT_EQ(1, v[SEGPOOL_C_CROSS_CLASS_REUSES]);
	EXPECT_EQ(4, v[SEGPOOL_C_RELEASED_REGIONS]);
	EXPECT_EQ(1, v[SEGPOOL_C_WAITS]);
	EXPECT_EQ(0, v[SEGPOOL_C_WAITERS]);
	EXPECT_EQ(2, v[SEGPOOL_C_REFUSED_VIRTUAL]);
	EXPECT_EQ(0, v[SEGPOOL_C_REFUSED_PHYSICAL]);
	EXPECT_EQ(1, v[SEGPOOL_C_DOUBLE_FREES]);
	EXPECT_EQ(1, v[SEGPOOL_C_STALE_FREES]);
	EXPECT_EQ(BUDGET / SP_PAGE, v[SEGPOOL_C_SYSTEM_PAGES]);
	EXPECT_EQ(BUDGET / SP_PAGE, v[SEGPOOL_C_ZEROED_PAGES]);
	EXPECT_EQ(1, v[SEGPOOL_C_RETAINED_REUSED_PAGES]);
	EXPECT_LE(1, v[SEGPOOL_C_FAULTS]);
	EXPECT_EQ(1, v[SEGPOOL_C_SIGBUS_FAULTS]);
	EXPECT_EQ(REGION / SP_PAGE - 1, v[SEGPOOL_C_TRIMMED_PAGES]);
}

struct class_check {
	struct __test_metadata *metadata;
	int fd;
	unsigned int rows;
};

static void check_class_row(const struct sp_table *table, void *argument)
{
	struct class_check *check = argument;
	struct __test_metadata *_metadata = check->metadata;
	uint64_t values[SEGPOOL_NR_CLASS_COUNTERS];
	unsigned int i;

	EXPECT_EQ(check->rows, sp_column_value(table, "class"));
	EXPECT_EQ(0, sp_class_stat(check->fd, check->rows, values));
	for (i = 0; i < SEGPOOL_NR_CLASS_COUNTERS; i++)
		EXPECT_EQ(values[i], sp_column_value(table, sp_class_counter_names[i])) {
			TH_LOG("class %u: %s", check->rows, sp_class_counter_name(i));
		}
	check->rows++;
}

TEST_F(stat, classes_agree_with_debugfs)
{
	struct class_check check = { .metadata = _metadata, .fd = self->pool.fd };
	char path[128];

	sp_pool_path(path, sizeof(path), self->pool.id, "classes");
	EXPECT_EQ(SEGPOOL_DEFAULT_CLASSES, sp_table_walk(path, check_class_row, &check));
	EXPECT_EQ(SEGPOOL_DEFAULT_CLASSES, check.rows);
}

/* What the classes count adds up to what the pool counts. */
TEST_F(stat, classes_add_up)
{
	static const struct {
		enum segpool_class_counter of_class;
		enum segpool_counter of_pool;
	} pairs[] = {
		{ SEGPOOL_CC_REGIONS_ACTIVE, SEGPOOL_C_REGIONS_ACTIVE },
		{ SEGPOOL_CC_REGIONS_FREED, SEGPOOL_C_REGIONS_FREED },
		{ SEGPOOL_CC_NEW_REGIONS, SEGPOOL_C_NEW_REGIONS },
		{ SEGPOOL_CC_REUSED_REGIONS, SEGPOOL_C_REUSED_REGIONS },
		{ SEGPOOL_CC_CROSS_CLASS_REUSES, SEGPOOL_C_CROSS_CLASS_REUSES },
		{ SEGPOOL_CC_RELEASED_REGIONS, SEGPOOL_C_RELEASED_REGIONS },
	};
	uint64_t pool[SEGPOOL_NR_COUNTERS], sums[SEGPOOL_NR_CLASS_COUNTERS] = { 0 };
	uint64_t values[SEGPOOL_NR_CLASS_COUNTERS];
	unsigned int i, j;

	ASSERT_EQ(0, sp_stat(self->pool.fd, pool));
	for (i = 0; i < SEGPOOL_DEFAULT_CLASSES; i++) {
		ASSERT_EQ(0, sp_class_stat(self->pool.fd, i, values));
		EXPECT_EQ(self->pool.setup.classes[i], values[SEGPOOL_CC_SEGMENT_BYTES]);
		for (j = 0; j < SEGPOOL_NR_CLASS_COUNTERS; j++)
			sums[j] += values[j];
	}
	for (i = 0; i < ARRAY_SIZE(pairs); i++)
		EXPECT_EQ(pool[pairs[i].of_pool], sums[pairs[i].of_class]) {
			TH_LOG("counter %s", sp_counter_name(pairs[i].of_pool));
		}
	EXPECT_EQ(2, sums[SEGPOOL_CC_REFUSALS]);
}

/* Promise 2: the counters equal what a walk over the regions, and over the page tables, finds. */
TEST_F(stat, regions_agree_with_the_counters)
{
	uint64_t v[SEGPOOL_NR_COUNTERS];
	struct sp_region_sums sums;

	ASSERT_EQ(0, sp_stat(self->pool.fd, v));
	ASSERT_LT(0, sp_regions_walk(self->pool.id, &sums));
	EXPECT_EQ(v[SEGPOOL_C_VIRTUAL_BYTES], sums.rows * REGION);
	EXPECT_EQ(v[SEGPOOL_C_REGIONS_ACTIVE], sums.active);
	EXPECT_EQ(v[SEGPOOL_C_REGIONS_FREED], sums.freed);
	EXPECT_EQ(v[SEGPOOL_C_PHYSICAL_BYTES], sums.active_pages * SP_PAGE);
	EXPECT_EQ(v[SEGPOOL_C_PHYSICAL_BYTES] / SP_PAGE,
		  sp_present(self->pool.base, BUDGET, NULL));
	EXPECT_EQ(v[SEGPOOL_C_PHYSICAL_BYTES] / SP_PAGE,
		  sp_pagemap_present(self->pool.base, BUDGET));
}

struct pools_check {
	uint32_t id;
	unsigned int seen;
	uint64_t virtual_bytes, physical_bytes;
	int pid;
};

static void check_pools_row(const struct sp_table *table, void *argument)
{
	struct pools_check *check = argument;

	if (sp_column_value(table, "id") != check->id)
		return;
	check->seen++;
	check->virtual_bytes = sp_column_value(table, "virtual_bytes");
	check->physical_bytes = sp_column_value(table, "physical_bytes");
	check->pid = sp_column_value(table, "pid");
}

TEST_F(stat, pools_has_a_line_for_the_pool)
{
	struct pools_check check = { .id = self->pool.id };

	ASSERT_LT(0, sp_table_walk(SP_DEBUGFS "/pools", check_pools_row, &check));
	EXPECT_EQ(1, check.seen);
	EXPECT_EQ(BUDGET, check.virtual_bytes);
	EXPECT_EQ(sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES), check.physical_bytes);
	EXPECT_EQ(getpid(), check.pid);
}

/* The module's events outlive the pool; what it owned goes with it. */
TEST_F(stat, module_counters_sum_the_pools)
{
	uint64_t created = sp_module_counter("new_regions");
	uint64_t physical = sp_module_counter("physical_bytes");
	struct segpool_region region;
	struct sp_pool other;

	ASSERT_NE(UINT64_MAX, created);
	ASSERT_EQ(0, sp_pool_make(&other, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, 0));
	ASSERT_EQ(0, sp_alloc_one(other.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	EXPECT_EQ(created + 1, sp_module_counter("new_regions"));
	EXPECT_EQ(physical + REGION, sp_module_counter("physical_bytes"));
	sp_pool_close(&other);
	EXPECT_EQ(created + 1, sp_module_counter("new_regions"));
	EXPECT_EQ(physical, sp_module_counter("physical_bytes"));
	EXPECT_FALSE(sp_pool_listed(other.id));
}

/* Room for fewer counters gets the first ones; room for more gets all there are. */
TEST_F(stat, count_is_room_and_then_number)
{
	uint64_t values[SEGPOOL_NR_COUNTERS + 8], all[SEGPOOL_NR_COUNTERS];
	struct segpool_stat call = { .size = sizeof(call), .values = (uintptr_t)values };
	unsigned int i;

	ASSERT_EQ(0, sp_stat(self->pool.fd, all));
	call.count = 3;
	memset(values, 0xee, sizeof(values));
	ASSERT_EQ(0, sp_ioctl(self->pool.fd, SEGPOOL_IOC_STAT, &call));
	EXPECT_EQ(SEGPOOL_NR_COUNTERS, call.count);
	EXPECT_EQ(0, memcmp(values, all, 3 * sizeof(values[0])));
	EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, values[3]);

	call.count = ARRAY_SIZE(values);
	ASSERT_EQ(0, sp_ioctl(self->pool.fd, SEGPOOL_IOC_STAT, &call));
	EXPECT_EQ(SEGPOOL_NR_COUNTERS, call.count);
	for (i = SEGPOOL_NR_COUNTERS; i < ARRAY_SIZE(values); i++)
		EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, values[i]);

	call.count = 0;
	call.values = 0;
	ASSERT_EQ(0, sp_ioctl(self->pool.fd, SEGPOOL_IOC_STAT, &call));
	EXPECT_EQ(SEGPOOL_NR_COUNTERS, call.count);
}

TEST_F(stat, class_index_needs_its_flag)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct segpool_stat call = { .size = sizeof(call), .values = (uintptr_t)values,
				     .count = SEGPOOL_NR_COUNTERS, .class_index = 1 };

	EXPECT_EQ(-EINVAL, sp_ioctl(self->pool.fd, SEGPOOL_IOC_STAT, &call));
	call.flags = SEGPOOL_STAT_CLASS;
	EXPECT_EQ(0, sp_ioctl(self->pool.fd, SEGPOOL_IOC_STAT, &call));
	EXPECT_EQ(SEGPOOL_NR_CLASS_COUNTERS, call.count);
}

/* The files tell about other people's memory: they are root's. */
TEST_F(stat, debugfs_files_are_roots)
{
	static const char *const files[] = { "counters", "classes", "regions" };
	char path[128];
	struct stat status;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		sp_pool_path(path, sizeof(path), self->pool.id, files[i]);
		ASSERT_EQ(0, stat(path, &status));
		EXPECT_EQ(0, status.st_mode & 0277);
		EXPECT_EQ(0, status.st_uid);
	}
}

TEST_HARNESS_MAIN
