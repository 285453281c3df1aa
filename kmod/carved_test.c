// SPDX-License-Identifier: GPL-2.0-only
/* Carved regions and the virtual budget, in one word. */

#include <kunit/test.h>

#include "carved.h"

/* Beyond any number that the sweep below goes through. */
#define FEW 6

static void check_room(struct kunit *test, u32 count, u32 budget, u32 reserved, u32 nr)
{
	u64 carved = carved_make(count, budget);

	KUNIT_ASSERT_EQ_MSG(test, carved_has_room(carved, reserved, nr),
			    count + nr <= budget && count + nr <= reserved,
			    "%u carved, budget %u, %u reserved, %u more", count, budget, reserved,
			    nr);
}

static void room_for_all_small_numbers(struct kunit *test)
{
	u32 count, budget, reserved, nr;

	for (count = 0; count < FEW; count++)
		for (budget = 0; budget < FEW; budget++)
			for (reserved = 0; reserved < FEW; reserved++)
				for (nr = 1; nr < FEW; nr++)
					check_room(test, count, budget, reserved, nr);
}

static void room_near_the_largest_number(struct kunit *test)
{
	u64 full = carved_make(U32_MAX, U32_MAX);
	u64 nearly = carved_make(U32_MAX - 1, U32_MAX);

	KUNIT_EXPECT_FALSE(test, carved_has_room(full, U32_MAX, 1));
	KUNIT_EXPECT_FALSE(test, carved_has_room(full, U32_MAX, U32_MAX));
	KUNIT_EXPECT_TRUE(test, carved_has_room(nearly, U32_MAX, 1));
	KUNIT_EXPECT_FALSE(test, carved_has_room(nearly, U32_MAX, 2));
	KUNIT_EXPECT_FALSE(test, carved_has_room(nearly, U32_MAX, U32_MAX));
	KUNIT_EXPECT_TRUE(test, carved_has_room(carved_make(0, U32_MAX), U32_MAX, U32_MAX));
}

static void numbers_do_not_mix(struct kunit *test)
{
	u64 carved = carved_make(U32_MAX, 0);

	KUNIT_EXPECT_EQ(test, carved_count(carved), U32_MAX);
	KUNIT_EXPECT_EQ(test, carved_budget(carved), 0U);
	carved = carved_make(0, U32_MAX);
	KUNIT_EXPECT_EQ(test, carved_count(carved), 0U);
	KUNIT_EXPECT_EQ(test, carved_budget(carved), U32_MAX);
}

static void advance_goes_as_far_as_asked(struct kunit *test)
{
	atomic64_t carved;
	s64 seen;

	atomic64_set(&carved, carved_make(2, 9));
	seen = atomic64_read(&carved);
	KUNIT_EXPECT_TRUE(test, carved_advance(&carved, &seen, 7));
	KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&carved), carved_make(9, 9));
}

/* Another request, or another budget, was faster. */
static void advance_needs_what_was_seen(struct kunit *test)
{
	static const u32 present[][2] = { { 3, 9 }, { 2, 8 }, { 2, 10 } };
	atomic64_t carved;
	s64 seen;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(present); i++) {
		atomic64_set(&carved, carved_make(present[i][0], present[i][1]));
		seen = carved_make(2, 9);
		KUNIT_EXPECT_FALSE(test, carved_advance(&carved, &seen, 1));
		KUNIT_EXPECT_EQ(test, (u64)seen, carved_make(present[i][0], present[i][1]));
		KUNIT_EXPECT_EQ(test, atomic64_read(&carved), seen);
	}
}

static void check_budget(struct kunit *test, u32 count, u32 old, u32 asked, u32 expected)
{
	atomic64_t carved;

	atomic64_set(&carved, carved_make(count, old));
	KUNIT_EXPECT_EQ(test, carved_set_budget(&carved, asked), expected);
	KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&carved), carved_make(count, expected));
}

static void budget_is_never_below_what_is_carved(struct kunit *test)
{
	check_budget(test, 0, 0, 0, 0);
	check_budget(test, 0, 0, 5, 5);
	check_budget(test, 3, 5, 9, 9);
	check_budget(test, 3, 5, 3, 3);
	check_budget(test, 3, 5, 2, 3);
	check_budget(test, 3, 5, 0, 3);
	check_budget(test, 3, 5, U32_MAX, U32_MAX);
	check_budget(test, U32_MAX, U32_MAX, 0, U32_MAX);
	check_budget(test, 0x80000000, U32_MAX, 1, 0x80000000);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(room_for_all_small_numbers),
	KUNIT_CASE(room_near_the_largest_number),
	KUNIT_CASE(numbers_do_not_mix),
	KUNIT_CASE(advance_goes_as_far_as_asked),
	KUNIT_CASE(advance_needs_what_was_seen),
	KUNIT_CASE(budget_is_never_below_what_is_carved),
	{}
};

static struct kunit_suite suite = { .name = "segpool_carved", .test_cases = cases };

kunit_test_suite(suite);
