// SPDX-License-Identifier: GPL-2.0-only
/*
 * SETUP: what it refuses (promise 14), what it sets where the caller leaves a
 * choice, and that a file becomes a pool once only.
 */
#include "testing.h"
#include "testing_harness.h"

FIXTURE(setup) {
	int fd;
	struct segpool_setup call;
};

FIXTURE_SETUP(setup)
{
	self->fd = sp_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(setup)
{
	close(self->fd);
}

/* Refused, and the file can still become a pool: nothing was kept of the attempt. */
static void expect_refused(struct __test_metadata *_metadata, FIXTURE_DATA(setup) *self,
			   const char *what, uint64_t value)
{
	struct segpool_setup before;
	uint64_t values[SEGPOOL_NR_COUNTERS];
	uint64_t pools = sp_module_counter("pools");

	self->call.size = sizeof(self->call);
	before = self->call;
	EXPECT_EQ(-EINVAL, sp_setup(self->fd, &self->call)) {
		TH_LOG("%s %#llx", what, (unsigned long long)value);
	}
	EXPECT_EQ(0, memcmp(&before, &self->call, sizeof(before))) {
		TH_LOG("%s: the structure was written to", what);
	}
	EXPECT_EQ(-ENXIO, sp_stat(self->fd, values));
	EXPECT_EQ(pools, sp_module_counter("pools"));
	memset(&self->call, 0, sizeof(self->call));
}

TEST_F(setup, modes_out_of_range_are_refused)
{
	static const uint32_t modes[] = { SEGPOOL_MODE_HUGE + 1, 7, 1U << 31, UINT32_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		self->call.mode = modes[i];
		expect_refused(_metadata, self, "mode", modes[i]);
	}
	EXPECT_EQ(0, sp_setup(self->fd, &self->call));
}

TEST_F(setup, region_sizes_out_of_range_are_refused)
{
	static const uint64_t sizes[] = {
		1, SP_PAGE, SEGPOOL_MIN_REGION_SIZE / 2, SEGPOOL_MIN_REGION_SIZE - 1,
		SEGPOOL_MIN_REGION_SIZE + 1, SEGPOOL_MIN_REGION_SIZE + SP_PAGE,
		3 * SEGPOOL_MIN_REGION_SIZE, SEGPOOL_MAX_REGION_SIZE + SP_PAGE,
		SEGPOOL_MAX_REGION_SIZE * 2, 1ULL << 32, (1ULL << 32) + SEGPOOL_MIN_REGION_SIZE,
		1ULL << 63, UINT64_MAX,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->call.region_size = sizes[i];
		expect_refused(_metadata, self, "region size", sizes[i]);
	}
	EXPECT_EQ(0, sp_setup(self->fd, &self->call));
}

TEST_F(setup, every_region_size_in_range_is_accepted)
{
	struct sp_pool pool;
	uint64_t size;

	for (size = SEGPOOL_MIN_REGION_SIZE; size <= SEGPOOL_MAX_REGION_SIZE; size *= 2) {
		EXPECT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_STRICT, size, 4 * size, size, 0));
		EXPECT_EQ(size, pool.region_size);
		EXPECT_EQ(0, (uintptr_t)pool.base % size);
		sp_pool_close(&pool);
	}
}

TEST_F(setup, too_many_classes_are_refused)
{
	static const uint32_t counts[] = { SEGPOOL_MAX_CLASSES + 1, 1U << 16, UINT32_MAX };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		self->call.nr_classes = counts[i];
		for (j = 0; j < SEGPOOL_MAX_CLASSES; j++)
			self->call.classes[j] = SEGPOOL_MIN_CLASS_SIZE << (j % 10);
		expect_refused(_metadata, self, "number of classes", counts[i]);
	}
}

TEST_F(setup, bad_class_sizes_are_refused)
{
	static const uint32_t pairs[][2] = {
		{ 0, 8192 }, { 4096, 0 }, { 1, 8192 }, { 2048, 4096 }, { 4095, 8192 },
		{ 4096, 12288 }, { 8192, 4096 }, { 8192, 8192 }, { 4096, 4 << 20 },
		{ 4096, 1U << 31 }, { 4096, UINT32_MAX },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		self->call.nr_classes = 2;
		memcpy(self->call.classes, pairs[i], sizeof(pairs[i]));
		expect_refused(_metadata, self, "classes, pair", i);
	}
}

TEST_F(setup, unused_class_entries_must_be_zero)
{
	self->call.nr_classes = 1;
	self->call.classes[0] = 4096;
	self->call.classes[1] = 8192;
	expect_refused(_metadata, self, "entry behind the last class", 1);
	self->call.nr_classes = 0;
	self->call.classes[0] = 4096;
	expect_refused(_metadata, self, "class without a number of classes", 0);
	self->call.nr_classes = 2;
	self->call.classes[0] = 4096;
	self->call.classes[1] = 8192;
	self->call.classes[SEGPOOL_MAX_CLASSES - 1] = 1;
	expect_refused(_metadata, self, "last entry", SEGPOOL_MAX_CLASSES - 1);
}

TEST_F(setup, limits_out_of_range_are_refused)
{
	self->call.flags = SEGPOOL_SET_PHYSICAL;
	self->call.limits.physical_budget = SEGPOOL_MAX_PHYSICAL + SP_PAGE;
	expect_refused(_metadata, self, "physical budget", SEGPOOL_MAX_PHYSICAL + SP_PAGE);
	self->call.flags = SEGPOOL_SET_PHYSICAL;
	self->call.limits.physical_budget = UINT64_MAX;
	expect_refused(_metadata, self, "physical budget", UINT64_MAX);
	self->call.flags = SEGPOOL_SET_AGE;
	self->call.limits.retain_age_ms = SEGPOOL_MAX_AGE_MS + 1;
	expect_refused(_metadata, self, "age", SEGPOOL_MAX_AGE_MS + 1);
	self->call.flags = SEGPOOL_SET_AGE;
	self->call.limits.retain_age_ms = UINT32_MAX;
	expect_refused(_metadata, self, "age", UINT32_MAX);
	self->call.flags = SEGPOOL_SET_WATERMARK;
	self->call.limits.watermark = 0;
	expect_refused(_metadata, self, "watermark", 0);
	self->call.flags = SEGPOOL_SET_WATERMARK;
	self->call.limits.watermark = 101;
	expect_refused(_metadata, self, "watermark", 101);
	self->call.flags = SEGPOOL_SET_WATERMARK;
	self->call.limits.watermark = UINT32_MAX;
	expect_refused(_metadata, self, "watermark", UINT32_MAX);
}

/* A member that is given without its flag is a mistake to hear of, not to ignore. */
TEST_F(setup, limits_without_their_flag_are_refused)
{
	self->call.limits.virtual_budget = SP_MIB;
	expect_refused(_metadata, self, "virtual budget without flag", SP_MIB);
	self->call.limits.physical_budget = SP_MIB;
	expect_refused(_metadata, self, "physical budget without flag", SP_MIB);
	self->call.limits.retain_limit = SP_MIB;
	expect_refused(_metadata, self, "retain limit without flag", SP_MIB);
	self->call.limits.retain_age_ms = 1;
	expect_refused(_metadata, self, "age without flag", 1);
	self->call.limits.watermark = 50;
	expect_refused(_metadata, self, "watermark without flag", 50);
}

TEST_F(setup, says_what_is_in_force)
{
	static const uint32_t sizes[] = { 4096, 8192, 16384, 32768, 65536, 131072, 262144 };
	unsigned int i;

	ASSERT_EQ(0, sp_setup(self->fd, &self->call));
	EXPECT_EQ(SEGPOOL_DEFAULT_REGION_SIZE, self->call.region_size);
	EXPECT_EQ(SEGPOOL_MODE_STRICT, self->call.mode);
	EXPECT_EQ(SEGPOOL_DEFAULT_CLASSES, self->call.nr_classes);
	for (i = 0; i < SEGPOOL_DEFAULT_CLASSES; i++)
		EXPECT_EQ(sizes[i], self->call.classes[i]);
	for (; i < SEGPOOL_MAX_CLASSES; i++)
		EXPECT_EQ(0, self->call.classes[i]);
	EXPECT_LT(0, self->call.limits.virtual_budget);
	EXPECT_EQ(0, self->call.limits.virtual_budget % self->call.region_size);
	EXPECT_LT(0, self->call.limits.physical_budget);
	EXPECT_EQ(0, self->call.limits.physical_budget % SP_PAGE);
	EXPECT_LE(1, self->call.limits.watermark);
	EXPECT_GE(100, self->call.limits.watermark);
	EXPECT_TRUE(sp_pool_listed(self->call.pool_id));
}

TEST_F(setup, default_classes_fit_into_the_region)
{
	self->call.region_size = 64 * SP_KIB;
	ASSERT_EQ(0, sp_setup(self->fd, &self->call));
	EXPECT_EQ(5, self->call.nr_classes);
	EXPECT_EQ(64 * SP_KIB, self->call.classes[4]);
	EXPECT_EQ(0, self->call.classes[5]);
}

TEST_F(setup, budgets_are_rounded_down)
{
	self->call.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	self->call.limits.virtual_budget = 9 * SP_MIB + 17;
	self->call.limits.physical_budget = 3 * SP_MIB + 4095;
	ASSERT_EQ(0, sp_setup(self->fd, &self->call));
	EXPECT_EQ(8 * SP_MIB, self->call.limits.virtual_budget);
	EXPECT_EQ(3 * SP_MIB, self->call.limits.physical_budget);
	EXPECT_EQ(8 * SP_MIB, sp_counter(self->fd, SEGPOOL_C_VIRTUAL_BUDGET_BYTES));
	EXPECT_EQ(3 * SP_MIB, sp_counter(self->fd, SEGPOOL_C_PHYSICAL_BUDGET_BYTES));
}

/* Sixteen classes, up to the region itself, each served by its index. */
TEST_F(setup, all_class_entries_can_be_used)
{
	struct segpool_region region;
	unsigned int i, n = 0;
	char *base;

	self->call.region_size = SEGPOOL_MAX_REGION_SIZE;
	self->call.flags = SEGPOOL_SET_VIRTUAL;
	self->call.limits.virtual_budget = 16 * SEGPOOL_MAX_REGION_SIZE;
	for (i = SEGPOOL_MIN_CLASS_SIZE; i <= SEGPOOL_MAX_REGION_SIZE; i *= 2)
		self->call.classes[n++] = i;
	self->call.nr_classes = n;
	ASSERT_EQ(0, sp_setup(self->fd, &self->call));
	ASSERT_EQ(0, sp_mmap(self->fd, 16 * SEGPOOL_MAX_REGION_SIZE, &base));
	EXPECT_EQ(0, sp_alloc_one(self->fd, n - 1, 0, 0, &region, NULL));
	EXPECT_EQ(-EINVAL, sp_alloc_one(self->fd, n, 0, 0, &region, NULL));
	EXPECT_EQ(-EINVAL, sp_alloc_one(self->fd, UINT32_MAX, 0, 0, &region, NULL));
}

TEST_F(setup, second_setup_is_refused)
{
	struct segpool_setup again = { .mode = SEGPOOL_MODE_PINNABLE };
	uint64_t before[SEGPOOL_NR_COUNTERS], after[SEGPOOL_NR_COUNTERS];
	char *base;

	self->call.flags = SEGPOOL_SET_VIRTUAL;
	self->call.limits.virtual_budget = 8 * SP_MIB;
	ASSERT_EQ(0, sp_setup(self->fd, &self->call));
	ASSERT_EQ(0, sp_stat(self->fd, before));
	EXPECT_EQ(-EBUSY, sp_setup(self->fd, &again));
	ASSERT_EQ(0, sp_mmap(self->fd, 8 * SP_MIB, &base));
	EXPECT_EQ(-EBUSY, sp_setup(self->fd, &again));
	ASSERT_EQ(0, munmap(base, 8 * SP_MIB));
	EXPECT_EQ(-EBUSY, sp_setup(self->fd, &again));
	ASSERT_EQ(0, sp_stat(self->fd, after));
	after[SEGPOOL_C_RESERVATION_BYTES] = before[SEGPOOL_C_RESERVATION_BYTES];
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
}

/* Two files are two pools, and numbers do not come back while the module is loaded. */
TEST_F(setup, pool_numbers_are_unique)
{
	struct segpool_setup other = { 0 };
	uint32_t last;
	int fd, i;

	ASSERT_EQ(0, sp_setup(self->fd, &self->call));
	last = self->call.pool_id;
	for (i = 0; i < 20; i++) {
		fd = sp_open();
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, sp_setup(fd, &other));
		EXPECT_LT(last, other.pool_id);
		last = other.pool_id;
		close(fd);
		memset(&other, 0, sizeof(other));
	}
}

/* STAT takes no mapping; everything that hands out addresses does. */
TEST_F(setup, calls_before_setup_are_refused)
{
	struct segpool_limits limits = { .virtual_budget = SP_MIB };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct segpool_region region;
	char *base;

	EXPECT_EQ(-ENXIO, sp_alloc_one(self->fd, 0, 0, 0, &region, NULL));
	EXPECT_EQ(-ENXIO, sp_free(self->fd, 1ULL << 32, 0));
	EXPECT_EQ(-ENXIO, sp_reuse(self->fd, 1ULL << 32, 0, 0, &region));
	EXPECT_EQ(-ENXIO, sp_discard(self->fd, 1ULL << 32, 0, SP_PAGE, 0));
	EXPECT_EQ(-ENXIO, sp_populate(self->fd, 1ULL << 32, 0, SP_PAGE, 0));
	EXPECT_EQ(-ENXIO, sp_set_budget(self->fd, SEGPOOL_SET_VIRTUAL, &limits));
	EXPECT_EQ(-ENXIO, sp_trim(self->fd, 0, NULL));
	EXPECT_EQ(-ENXIO, sp_stat(self->fd, values));
	EXPECT_EQ(-ENXIO, sp_mmap(self->fd, 2 * SP_MIB, &base));
	EXPECT_EQ(0, sp_setup(self->fd, &self->call));
}

TEST_F(setup, calls_before_mmap_are_refused)
{
	struct segpool_limits limits = { .virtual_budget = 4 * SP_MIB };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct segpool_region region;

	ASSERT_EQ(0, sp_setup(self->fd, &self->call));
	EXPECT_EQ(-ENXIO, sp_alloc_one(self->fd, 0, 0, 0, &region, NULL));
	EXPECT_EQ(-ENXIO, sp_alloc_one(self->fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	EXPECT_EQ(-ENXIO, sp_free(self->fd, 1ULL << 32, 0));
	EXPECT_EQ(-ENXIO, sp_reuse(self->fd, 1ULL << 32, 0, 0, &region));
	EXPECT_EQ(-ENXIO, sp_discard(self->fd, 1ULL << 32, 0, SP_PAGE, 0));
	EXPECT_EQ(-ENXIO, sp_populate(self->fd, 1ULL << 32, 0, SP_PAGE, 0));
	EXPECT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_VIRTUAL, &limits));
	EXPECT_EQ(4 * SP_MIB, limits.virtual_budget);
	EXPECT_EQ(0, sp_trim(self->fd, 0, NULL));
	EXPECT_EQ(0, sp_stat(self->fd, values));
	EXPECT_EQ(0, values[SEGPOOL_C_VIRTUAL_BYTES]);
	EXPECT_EQ(0, values[SEGPOOL_C_RESERVATION_BYTES]);
}

TEST_HARNESS_MAIN
