// SPDX-License-Identifier: GPL-2.0-only
/* The queue of a class: its order, one winner, and all short sequences against a plain list. */

#include <kunit/test.h>

#include "region.h"

#define NR_REGIONS 3
#define SERVED 2
#define NR_CHOICES (3 * NR_REGIONS + 1)

/**
 * struct queued - a queue, and the same as plain numbers
 * @queue: what is tested.
 * @regions: active or claimed at first, so that they can be put into it.
 * @order: numbers of the regions that wait, oldest first.
 * @nr: how many wait.
 */
struct queued {
	struct class_queue queue;
	struct region regions[NR_REGIONS];
	u32 order[NR_REGIONS];
	u32 nr;
};

static void queued_init(struct queued *queued)
{
	u32 i;

	memset(queued, 0, sizeof(*queued));
	class_queue_init(&queued->queue);
	for (i = 0; i < NR_REGIONS; i++) {
		queued->regions[i].index = i;
		atomic64_set(&queued->regions[i].word, word_make(i + 1, SERVED, REGION_ACTIVE));
	}
}

static int position(const struct queued *queued, u32 number)
{
	u32 i;

	for (i = 0; i < queued->nr; i++)
		if (queued->order[i] == number)
			return i;
	return -1;
}

static void plain_insert(struct queued *queued, u32 number, u32 at)
{
	memmove(queued->order + at + 1, queued->order + at,
		(queued->nr - at) * sizeof(queued->order[0]));
	queued->order[at] = number;
	queued->nr++;
}

static void plain_remove(struct queued *queued, u32 at)
{
	queued->nr--;
	memmove(queued->order + at, queued->order + at + 1,
		(queued->nr - at) * sizeof(queued->order[0]));
}

static void expect_claimed(struct kunit *test, const struct region *region)
{
	KUNIT_ASSERT_EQ(test, region_word(region),
			word_make(region->index + 1, SERVED, REGION_CLAIMED));
}

static void do_put(struct queued *queued, u32 number, bool first)
{
	if (position(queued, number) >= 0)
		return;
	class_queue_put(&queued->queue, &queued->regions[number], first);
	plain_insert(queued, number, first ? 0 : queued->nr);
}

static void do_claim(struct kunit *test, struct queued *queued, u32 number)
{
	struct region *region = &queued->regions[number];
	bool there = position(queued, number) >= 0;

	KUNIT_ASSERT_EQ(test, class_queue_claim(&queued->queue, region, region_word(region)),
			there);
	if (there) {
		plain_remove(queued, position(queued, number));
		expect_claimed(test, region);
	}
}

static void do_claim_first(struct kunit *test, struct queued *queued)
{
	struct region *region = class_queue_claim_first(&queued->queue);

	if (!queued->nr) {
		KUNIT_ASSERT_NULL(test, region);
		return;
	}
	KUNIT_ASSERT_NOT_NULL(test, region);
	KUNIT_ASSERT_EQ(test, region->index, queued->order[0]);
	expect_claimed(test, region);
	plain_remove(queued, 0);
}

static void expect_order(struct kunit *test, struct queued *queued)
{
	struct region *region;
	u32 i = 0;

	KUNIT_ASSERT_EQ(test, queued->queue.nr_freed, queued->nr);
	list_for_each_entry(region, &queued->queue.freed, node) {
		KUNIT_ASSERT_LT(test, i, queued->nr);
		KUNIT_ASSERT_EQ(test, region->index, queued->order[i]);
		KUNIT_ASSERT_EQ(test, word_state(region_word(region)), REGION_FREED);
		i++;
	}
	KUNIT_ASSERT_EQ(test, i, queued->nr);
}

static void do_choice(struct kunit *test, struct queued *queued, u32 choice)
{
	u32 number = choice % NR_REGIONS;

	if (choice < NR_REGIONS)
		do_put(queued, number, false);
	else if (choice < 2 * NR_REGIONS)
		do_put(queued, number, true);
	else if (choice < 3 * NR_REGIONS)
		do_claim(test, queued, number);
	else
		do_claim_first(test, queued);
	expect_order(test, queued);
}

static void all_sequences_of_five_calls(struct kunit *test)
{
	struct queued *queued = kunit_kzalloc(test, sizeof(*queued), GFP_KERNEL);
	u32 sequence, code, i;

	KUNIT_ASSERT_NOT_NULL(test, queued);
	for (sequence = 0; sequence < 100000; sequence++) {
		queued_init(queued);
		code = sequence;
		for (i = 0; i < 5; i++) {
			do_choice(test, queued, code % NR_CHOICES);
			code /= NR_CHOICES;
		}
	}
}

static void oldest_first(struct kunit *test)
{
	struct queued *queued = kunit_kzalloc(test, sizeof(*queued), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, queued);
	queued_init(queued);
	for (i = 0; i < NR_REGIONS; i++)
		class_queue_put(&queued->queue, &queued->regions[i], false);
	for (i = 0; i < NR_REGIONS; i++)
		KUNIT_ASSERT_PTR_EQ(test, class_queue_claim_first(&queued->queue),
				    &queued->regions[i]);
	KUNIT_ASSERT_NULL(test, class_queue_claim_first(&queued->queue));
}

/* A request that fails leaves the order as it was. */
static void put_back_where_it_was(struct kunit *test)
{
	struct queued *queued = kunit_kzalloc(test, sizeof(*queued), GFP_KERNEL);
	struct region *region;

	KUNIT_ASSERT_NOT_NULL(test, queued);
	queued_init(queued);
	do_put(queued, 0, false);
	do_put(queued, 1, false);
	region = class_queue_claim_first(&queued->queue);
	KUNIT_ASSERT_PTR_EQ(test, region, &queued->regions[0]);
	class_queue_put(&queued->queue, region, true);
	expect_order(test, queued);
}

/* Of two who saw the same word one wins, also when it is free again by then. */
static void claimed_once(struct kunit *test)
{
	struct queued *queued = kunit_kzalloc(test, sizeof(*queued), GFP_KERNEL);
	struct region *region;
	u64 seen;

	KUNIT_ASSERT_NOT_NULL(test, queued);
	queued_init(queued);
	region = &queued->regions[0];
	class_queue_put(&queued->queue, region, false);
	seen = region_word(region);
	KUNIT_ASSERT_TRUE(test, class_queue_claim(&queued->queue, region, seen));
	KUNIT_ASSERT_FALSE(test, class_queue_claim(&queued->queue, region, seen));
	word_activate(&region->word, SERVED);
	class_queue_put(&queued->queue, region, false);
	KUNIT_ASSERT_FALSE(test, class_queue_claim(&queued->queue, region, seen));
	KUNIT_ASSERT_EQ(test, queued->queue.nr_freed, 1U);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(oldest_first),
	KUNIT_CASE(put_back_where_it_was),
	KUNIT_CASE(claimed_once),
	KUNIT_CASE(all_sequences_of_five_calls),
	{}
};

static struct kunit_suite suite = { .name = "segpool_region", .test_cases = cases };

kunit_test_suite(suite);
