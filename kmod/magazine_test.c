// SPDX-License-Identifier: GPL-2.0-only
/* Magazines: pages go in and come out at one end, and none is lost or doubled. */

#include <kunit/test.h>
#include <linux/overflow.h>

#include "magazine.h"

#define NR_NAMES (MAGAZINE_PAGES + 8)

/**
 * struct filled - a magazine and something to fill it with
 * @magazine: what is tested.
 * @names: addresses that are never looked at, all different.
 * @taken: what came out.
 */
struct filled {
	struct magazine *magazine;
	struct page *names[NR_NAMES];
	struct page *taken[NR_NAMES];
};

static struct filled *filled_create(struct kunit *test, u32 order)
{
	struct filled *filled = kunit_kzalloc(test, sizeof(*filled), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, filled);
	/* No larger than it must be, so that the sanitizer sees its end. */
	filled->magazine = kunit_kzalloc(test, struct_size(filled->magazine, pages,
							   magazine_room(order)), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, filled->magazine);
	filled->magazine->order = order;
	for (i = 0; i < NR_NAMES; i++)
		filled->names[i] = (struct page *)(unsigned long)(i + 1);
	return filled;
}

static void newest_first(struct kunit *test)
{
	struct filled *filled = filled_create(test, 0);
	struct magazine *magazine = filled->magazine;

	KUNIT_ASSERT_EQ(test, magazine_push(magazine, filled->names, 3), 3U);
	KUNIT_ASSERT_EQ(test, magazine_push(magazine, filled->names + 3, 2), 2U);
	KUNIT_ASSERT_EQ(test, magazine_pop(magazine, filled->taken, 2), 2U);
	KUNIT_ASSERT_PTR_EQ(test, filled->taken[0], filled->names[3]);
	KUNIT_ASSERT_PTR_EQ(test, filled->taken[1], filled->names[4]);
	KUNIT_ASSERT_EQ(test, magazine_pop(magazine, filled->taken, 9), 3U);
	KUNIT_ASSERT_PTR_EQ(test, filled->taken[0], filled->names[0]);
	KUNIT_ASSERT_PTR_EQ(test, filled->taken[2], filled->names[2]);
	KUNIT_ASSERT_EQ(test, magazine_pop(magazine, filled->taken, 1), 0U);
}

/* Neither writes past its end: the sanitizer would see it. */
static void full_and_empty(struct kunit *test)
{
	struct filled *filled = filled_create(test, 0);
	struct magazine *magazine = filled->magazine;

	KUNIT_ASSERT_EQ(test, magazine_push(magazine, filled->names, NR_NAMES), MAGAZINE_PAGES);
	KUNIT_ASSERT_EQ(test, magazine_push(magazine, filled->names, 1), 0U);
	KUNIT_ASSERT_EQ(test, magazine_pop(magazine, filled->taken, 1), 1U);
	KUNIT_ASSERT_PTR_EQ(test, filled->taken[0], filled->names[MAGAZINE_PAGES - 1]);
	KUNIT_ASSERT_EQ(test, magazine_push(magazine, filled->names, 2), 1U);
	KUNIT_ASSERT_EQ(test, magazine_pop(magazine, filled->taken, NR_NAMES), MAGAZINE_PAGES);
	KUNIT_ASSERT_EQ(test, magazine->nr, 0U);
	KUNIT_ASSERT_EQ(test, magazine_pop(magazine, filled->taken, NR_NAMES), 0U);
	KUNIT_ASSERT_EQ(test, magazine_push(magazine, filled->names, 0), 0U);
}

/* All portions in and all portions out; @nr is unsigned, and none must wrap. */
static void all_portions(struct kunit *test)
{
	struct filled *filled = filled_create(test, 0);
	struct magazine *magazine = filled->magazine;
	u32 in, out, there, i;

	for (in = 0; in <= NR_NAMES; in++)
		for (out = 0; out <= NR_NAMES; out += 13) {
			magazine->nr = 0;
			there = magazine_push(magazine, filled->names, in);
			KUNIT_ASSERT_EQ(test, there, min(in, MAGAZINE_PAGES));
			i = magazine_pop(magazine, filled->taken, out);
			KUNIT_ASSERT_EQ(test, i, min(out, there));
			KUNIT_ASSERT_EQ(test, magazine->nr, there - i);
			while (i--)
				KUNIT_ASSERT_PTR_EQ(test, filled->taken[i],
						    filled->names[magazine->nr + i]);
		}
}

/* One for which a huge page is all there is room for. */
static void of_a_huge_page(struct kunit *test)
{
	struct filled *filled = filled_create(test, 9);
	struct magazine *magazine = filled->magazine;

	KUNIT_EXPECT_EQ(test, magazine_room(9), 1U);
	KUNIT_EXPECT_EQ(test, magazine_pages(magazine), 0U);
	KUNIT_EXPECT_FALSE(test, magazine_full(magazine));
	KUNIT_EXPECT_EQ(test, magazine_push(magazine, filled->names, 2), 1U);
	KUNIT_EXPECT_EQ(test, magazine_pages(magazine), 512U);
	KUNIT_EXPECT_TRUE(test, magazine_full(magazine));
	KUNIT_EXPECT_EQ(test, magazine_push(magazine, filled->names, 1), 0U);
	KUNIT_EXPECT_EQ(test, magazine_pop(magazine, filled->taken, 5), 1U);
	KUNIT_EXPECT_PTR_EQ(test, filled->taken[0], filled->names[0]);
	KUNIT_EXPECT_FALSE(test, magazine_full(magazine));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(newest_first),
	KUNIT_CASE(full_and_empty),
	KUNIT_CASE(of_a_huge_page),
	KUNIT_CASE(all_portions),
	{}
};

static struct kunit_suite suite = { .name = "segpool_magazine", .test_cases = cases };

kunit_test_suite(suite);
