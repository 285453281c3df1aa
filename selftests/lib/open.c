// SPDX-License-Identifier: GPL-2.0-only
/* segpool_open() and segpool_close(): what is in force, and who may. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "pool.h"

#ifdef __SANITIZE_ADDRESS__
#define SP_SANITIZED	true
#else
#define SP_SANITIZED	false
#endif

#include "testing_harness.h"

TEST(defaults)
{
	struct segpool_limits limits = { 0 };
	struct segpool_options options;
	struct segpool *pool;
	uint32_t i;

	segpool_options_init(&options);
	options.backend = BACKEND;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	EXPECT_EQ(SEGPOOL_DEFAULT_REGION_SIZE, segpool_region_size(pool));
	EXPECT_EQ(SEGPOOL_DEFAULT_CLASSES, segpool_nr_classes(pool));
	for (i = 0; i < SEGPOOL_DEFAULT_CLASSES; i++)
		EXPECT_EQ(4096U << i, segpool_class_size(pool, i));
	EXPECT_EQ(0, segpool_class_size(pool, SEGPOOL_DEFAULT_CLASSES));
	EXPECT_EQ(2, segpool_class_for(pool, 8193));
	EXPECT_EQ(-ERANGE, segpool_class_for(pool, 256 * SP_KIB + 1));
	ASSERT_EQ(0, segpool_set_budget(pool, 0, &limits));
	EXPECT_LT(0, limits.virtual_budget);
	EXPECT_LT(0, limits.physical_budget);
	EXPECT_EQ(16 * limits.virtual_budget, segpool_reservation(pool));
	EXPECT_EQ(segpool_reservation(pool), counter(pool, SEGPOOL_C_RESERVATION_BYTES));
	EXPECT_EQ(0, (uintptr_t)segpool_base(pool) % SEGPOOL_DEFAULT_REGION_SIZE);
	EXPECT_TRUE(is_mapped(segpool_base(pool)));
	segpool_close(pool);
}

TEST(options_are_in_force)
{
	struct segpool_options options;
	struct segpool_limits limits = { 0 };
	struct segpool *pool;

	small_options(&options);
	/* Whole ticks of every kernel: the age in force is in ticks. */
	options.limits.retain_age_ms = 3000;
	options.limits.watermark = 55;
	options.mode = SEGPOOL_MODE_PINNABLE;
	options.reservation = 5 * REGION - 1;
	options.nr_classes = 2;
	options.classes[0] = 4096;
	options.classes[1] = REGION;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	ASSERT_EQ(0, segpool_set_budget(pool, 0, &limits));
	EXPECT_EQ(0, memcmp(&limits, &options.limits, sizeof(limits)));
	EXPECT_EQ(REGION, segpool_region_size(pool));
	EXPECT_EQ(5 * REGION, segpool_reservation(pool));
	EXPECT_EQ(5 * REGION, counter(pool, SEGPOOL_C_RESERVATION_BYTES));
	EXPECT_EQ(2, segpool_nr_classes(pool));
	EXPECT_EQ(REGION, segpool_class_size(pool, 1));
	EXPECT_EQ(REGION, class_counter(pool, 1, SEGPOOL_CC_SEGMENT_BYTES));
	segpool_close(pool);
}

TEST(short_reservation)
{
	struct segpool_region regions[3];
	struct segpool_options options;
	struct segpool *pool;

	small_options(&options);
	options.reservation = 2 * REGION;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	ASSERT_EQ(2, segpool_region_alloc(pool, 0, 0, 0, regions, 3));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, segpool_last_reason());
	ASSERT_EQ(-ENOMEM, segpool_region_alloc(pool, 0, 0, 0, regions, 1));
	EXPECT_STREQ("reservation of 128 KiB reached: 128 KiB carved, no released region to take; "
		     "free a region, or open the pool with a longer reservation",
		     sentence(pool, -ENOMEM));
	segpool_close(pool);
}

TEST(two_pools)
{
	struct segpool *one, *two;
	struct segpool_region region;

	ASSERT_EQ(0, small_pool(&one));
	ASSERT_EQ(0, small_pool(&two));
	EXPECT_NE(segpool_pool_id(one), segpool_pool_id(two));
	EXPECT_NE(segpool_base(one), segpool_base(two));
	ASSERT_EQ(1, segpool_region_alloc(one, 0, 0, 0, &region, 1));
	EXPECT_EQ(-ENOENT, segpool_region_free(two, region.handle, 0));
	EXPECT_EQ(0, segpool_region_free(one, region.handle, 0));
	segpool_close(one);
	ASSERT_EQ(1, segpool_region_alloc(two, 0, SEGPOOL_POPULATE, 0, &region, 1));
	EXPECT_EQ(0, sp_touch_write(segpool_region_address(two, region.handle)));
	segpool_close(two);
}

TEST(close_leaves_nothing)
{
	struct segpool_region region;
	struct segpool *pool;
	void *base;
	int fd;

	ASSERT_EQ(0, small_pool(&pool));
	ASSERT_EQ(1, segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	base = segpool_base(pool);
	fd = segpool_pressure_fd(pool);
	if (fd >= 0)
		EXPECT_LE(0, fcntl(fd, F_GETFD));
	EXPECT_TRUE(is_mapped(base));
	segpool_close(pool);
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	EXPECT_EQ(SIGSEGV, sp_touch(base));
}

TEST(address_space_limit)
{
	struct rlimit limit = { SP_GIB, SP_GIB };
	struct segpool_options options;
	struct segpool *pool;

	if (SP_SANITIZED)
		SKIP(return, "the sanitizer needs more address space than the limit leaves");
	small_options(&options);
	options.reservation = 2 * SP_GIB;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	ASSERT_EQ(-ENOMEM, segpool_open(&options, &pool));
	EXPECT_EQ(NULL, pool);
	EXPECT_NE(NULL, strstr(sentence(NULL, -ENOMEM), "RLIMIT_AS"));
	options.reservation = 0;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	segpool_close(pool);
}

/* What every call of a forked child returns; the first that does not, as its line. */
static int child_calls(struct segpool *pool, uint64_t handle)
{
	struct segpool_free_entry entry = { .handle = handle };
	struct segpool_range range = { .handle = handle, .length = SP_PAGE };
	struct segpool_limits limits = { 0 };
	struct segpool_region region;
	uint64_t value;

#define PERMITTED(call)	do { if ((call) != -EPERM) return __LINE__; } while (0)
	PERMITTED(segpool_region_alloc(pool, 0, 0, 0, &region, 1));
	PERMITTED(segpool_region_free(pool, handle, 0));
	PERMITTED(segpool_region_free_batch(pool, &entry, 1, 0));
	PERMITTED(segpool_region_reuse(pool, handle, 0, 0, 0, &region));
	PERMITTED(segpool_discard(pool, &range, 1, 0));
	PERMITTED(segpool_populate(pool, &range, 1, 0, 0));
	PERMITTED(segpool_set_budget(pool, 0, &limits));
	PERMITTED(segpool_trim_retained(pool, 0, &value));
	PERMITTED(segpool_stat(pool, &value, 1));
	PERMITTED(segpool_class_stat(pool, 0, &value, 1));
#undef PERMITTED
	return strstr(sentence(pool, -EPERM), "belongs to another process") ? 0 : __LINE__;
}

/* The child maps something of its own where its parent has the pool, and closes. */
TEST(forked_child)
{
	struct segpool_region region;
	struct segpool *pool;
	int status = -1;
	char *memory;
	pid_t child;

	ASSERT_EQ(0, small_pool(&pool));
	ASSERT_EQ(1, segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	memory = segpool_region_address(pool, region.handle);
	sp_pattern_write(memory, REGION, 7);
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0) {
		char *base = segpool_base(pool);
		int line = child_calls(pool, region.handle);
		char *mine;

		if (line)
			_exit(1);
		mine = mmap(base, SP_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (mine != base)
			_exit(2);
		*mine = 1;
		segpool_close(pool);
		_exit(sp_touch(mine) ? 3 : 0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, sp_pattern_check(memory, REGION, 7));
	EXPECT_EQ(0, segpool_region_free(pool, region.handle, 0));
	segpool_close(pool);
}

TEST_HARNESS_MAIN
