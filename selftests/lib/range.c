// SPDX-License-Identifier: GPL-2.0-only
/* segpool_discard() and segpool_populate(). */
#include <stdio.h>

#include "pool.h"
#include "testing_harness.h"

FIXTURE(range) {
	struct segpool *pool;
	struct segpool_region region;
	char *memory;
};

FIXTURE_SETUP(range)
{
	ASSERT_EQ(0, small_pool(&self->pool));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, &self->region, 1));
	self->memory = segpool_region_address(self->pool, self->region.handle);
	sp_pattern_write(self->memory, REGION, 3);
}

FIXTURE_TEARDOWN(range)
{
	segpool_close(self->pool);
}

TEST_F(range, discard_and_populate)
{
	struct segpool_range ranges[2] = {
		{ .handle = self->region.handle, .offset = SP_PAGE, .length = SP_PAGE },
		{ .handle = self->region.handle, .offset = 8 * SP_PAGE, .length = 8 * SP_PAGE },
	};

	EXPECT_EQ(0, segpool_discard(self->pool, ranges, 2, 0));
	EXPECT_EQ(7, present(self->memory, REGION));
	EXPECT_EQ(7 * SP_PAGE, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(can(self->pool, SEGPOOL_CAN_MOVE_PAGES) ? 9 * SP_PAGE : 0,
		  counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, segpool_populate(self->pool, ranges, 2, SEGPOOL_ZERO, 0));
	EXPECT_EQ(16, present(self->memory, REGION));
	EXPECT_EQ(0, sp_pattern_check(self->memory, SP_PAGE, 3));
	EXPECT_TRUE(sp_is_zero(self->memory + SP_PAGE, SP_PAGE));
	EXPECT_TRUE(sp_is_zero(self->memory + 8 * SP_PAGE, 8 * SP_PAGE));
	EXPECT_EQ(0, segpool_discard(self->pool, ranges, 2, SEGPOOL_NOW));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
}

TEST_F(range, each_range_has_its_error)
{
	const uint64_t handle = self->region.handle;
	struct segpool_range ranges[] = {
		{ .handle = handle, .offset = 0, .length = SP_PAGE },
		{ .handle = handle, .offset = 1, .length = SP_PAGE },
		{ .handle = handle, .offset = 0, .length = 0 },
		{ .handle = handle, .offset = SP_PAGE, .length = REGION },
		{ .handle = handle, .offset = UINT64_MAX - SP_PAGE + 1, .length = 2 * SP_PAGE },
		{ .handle = handle + 3, .offset = 0, .length = SP_PAGE },
		{ .handle = handle, .offset = 15 * SP_PAGE, .length = SP_PAGE },
	};

	EXPECT_EQ(-EINVAL, segpool_discard(self->pool, ranges, 7, 0));
	EXPECT_EQ(0, ranges[0].error);
	EXPECT_EQ(-EINVAL, ranges[1].error);
	EXPECT_EQ(-EINVAL, ranges[2].error);
	EXPECT_EQ(-EINVAL, ranges[3].error);
	EXPECT_EQ(-EINVAL, ranges[4].error);
	EXPECT_EQ(-ENOENT, ranges[5].error);
	EXPECT_EQ(0, ranges[6].error);
	EXPECT_EQ(14, present(self->memory, REGION));
	EXPECT_EQ(0, segpool_region_free(self->pool, handle, 0));
	EXPECT_EQ(-EALREADY, segpool_discard(self->pool, ranges, 1, 0));
	EXPECT_EQ(-EALREADY, segpool_populate(self->pool, ranges, 1, 0, 0));
}

TEST_F(range, populate_beyond_the_budget)
{
	struct segpool_region others[BACKED - 1];
	struct segpool_range ranges[2];

	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
	ASSERT_EQ(BACKED - 1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, others,
						   BACKED - 1));
	ranges[0] = (struct segpool_range){ .handle = others[0].handle, .length = SP_PAGE };
	ASSERT_EQ(0, segpool_discard(self->pool, ranges, 1, SEGPOOL_NOW));
	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION - SP_PAGE));
	ranges[1] = ranges[0];
	ranges[0].handle = 1ULL << 63;
	/* The first error is returned; the reason is there for the second. */
	EXPECT_NE(-ENOMEM, segpool_populate(self->pool, ranges, 2, 0, 0));
	EXPECT_EQ(-ENOMEM, ranges[1].error);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, segpool_last_reason());
	EXPECT_STREQ("physical budget of 508 KiB reached: 508 KiB mapped, 0 bytes retained; trim, "
		     "free, or raise it", sentence(self->pool, ranges[1].error));
	ranges[1].error = 0;
	EXPECT_EQ(-ENOMEM, segpool_populate(self->pool, ranges + 1, 1, SEGPOOL_WAIT, 20));
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, segpool_last_reason());
	EXPECT_EQ(2, counter(self->pool, SEGPOOL_C_REFUSED_PHYSICAL));
	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
	EXPECT_EQ(0, segpool_populate(self->pool, ranges + 1, 1, 0, 0));
	EXPECT_EQ(BACKED * REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

TEST_F(range, arguments_out_of_range)
{
	struct segpool_range range = { .handle = self->region.handle, .length = SP_PAGE };

	EXPECT_EQ(-EINVAL, segpool_discard(self->pool, &range, 0, 0));
	EXPECT_EQ(-EINVAL, segpool_discard(self->pool, &range, SEGPOOL_MAX_BATCH + 1, 0));
	EXPECT_EQ(-EINVAL, segpool_discard(self->pool, &range, 1, SEGPOOL_WAIT));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EINVAL), "segpool_discard: "));
	EXPECT_EQ(-EINVAL, segpool_populate(self->pool, &range, 0, 0, 0));
	EXPECT_EQ(-EINVAL, segpool_populate(self->pool, &range, 1, SEGPOOL_CONTIGUOUS, 0));
	EXPECT_EQ(-EINVAL, segpool_populate(self->pool, &range, 1, 0, 5));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EINVAL), "segpool_populate: "));
	EXPECT_EQ(-EFAULT, segpool_discard(self->pool, NULL, 1, 0));
	EXPECT_EQ(-EFAULT, segpool_populate(self->pool, NULL, 1, 0, 0));
	range.reserved = 1;
	EXPECT_EQ(-EINVAL, segpool_discard(self->pool, &range, 1, 0));
	EXPECT_EQ(0, sp_pattern_check(self->memory, REGION, 3));
}

TEST_HARNESS_MAIN
