// SPDX-License-Identifier: GPL-2.0-only
/* The queue of a class: its order, one winner, and all short sequences against a plain list. */

#include <kunit/test.h>

#include "region.h"

#define NR_REGIONS 3
#define SERVED 2
#define NR_CHOICES (4 * NR_REGIONS + 3)
#define NR_SEQUENCES (NR_CHOICES * NR_CHOICES * NR_CHOICES * NR_CHOICES)
/* Of each region that is kept. */
#define PAGES 4

/**
 * struct order - numbers of regions that wait
 * @of: from the beginning of the list on.
 * @nr: how many.
 */
struct order {
	u32 of[NR_REGIONS];
	u32 nr;
};

/**
 * struct queued - a queue, and the same as plain numbers
 * @queue: what is tested.
 * @account: of its pool.
 * @regions: active or claimed at first, so that they can be put into it.
 * @freed: those that wait without pages, oldest first.
 * @kept: those that wait with pages, newest first.
 */
struct queued {
	struct class_queue queue;
	struct account account;
	struct region regions[NR_REGIONS];
	struct order freed;
	struct order kept;
};

static void queued_init(struct queued *queued)
{
	u32 i;

	memset(queued, 0, sizeof(*queued));
	class_queue_init(&queued->queue);
	queued->account.budget = NR_REGIONS * PAGES;
	for (i = 0; i < NR_REGIONS; i++) {
		queued->regions[i].index = i;
		atomic64_set(&queued->regions[i].word, word_make(i + 1, SERVED, REGION_ACTIVE));
	}
}

static int position(const struct order *order, u32 number)
{
	u32 i;

	for (i = 0; i < order->nr; i++)
		if (order->of[i] == number)
			return i;
	return -1;
}

static bool waits(const struct queued *queued, u32 number)
{
	return position(&queued->freed, number) >= 0 || position(&queued->kept, number) >= 0;
}

static void plain_insert(struct order *order, u32 number, u32 at)
{
	memmove(order->of + at + 1, order->of + at, (order->nr - at) * sizeof(order->of[0]));
	order->of[at] = number;
	order->nr++;
}

static void plain_remove(struct order *order, u32 at)
{
	order->nr--;
	memmove(order->of + at, order->of + at + 1, (order->nr - at) * sizeof(order->of[0]));
}

static void plain_forget(struct order *order, u32 number)
{
	if (position(order, number) >= 0)
		plain_remove(order, position(order, number));
}

static void expect_claimed(struct kunit *test, const struct region *region)
{
	KUNIT_ASSERT_EQ(test, region_word(region),
			word_make(region->index + 1, SERVED, REGION_CLAIMED));
}

static void do_put(struct queued *queued, u32 number, bool first)
{
	if (waits(queued, number))
		return;
	class_queue_put(&queued->queue, &queued->regions[number], first);
	plain_insert(&queued->freed, number, first ? 0 : queued->freed.nr);
}

/* What is claimed with its pages gives them back here, so that it can be put either way. */
static void give_pages_back(struct queued *queued, struct region *region)
{
	account_uncharge(&queued->account, region->nr_pages);
	region->nr_pages = 0;
}

static void do_put_kept(struct kunit *test, struct queued *queued, u32 number)
{
	struct region *region = &queued->regions[number];
	u64 retained;

	if (waits(queued, number))
		return;
	KUNIT_ASSERT_NE(test, account_charge(&queued->account, PAGES), 0ULL);
	region->nr_pages = PAGES;
	retained = owned_retained(account_read(&queued->account));
	KUNIT_ASSERT_FALSE(test, class_queue_put_kept(&queued->queue, region, &queued->account,
						      retained, 0));
	KUNIT_ASSERT_TRUE(test, class_queue_put_kept(&queued->queue, region, &queued->account,
						     U64_MAX, 7));
	KUNIT_ASSERT_EQ(test, region->since, 7UL);
	plain_insert(&queued->kept, number, 0);
}

static void do_claim(struct kunit *test, struct queued *queued, u32 number)
{
	struct region *region = &queued->regions[number];
	struct class_queue *queue = &queued->queue;
	u64 word = region_word(region);

	if (position(&queued->kept, number) >= 0)
		KUNIT_ASSERT_EQ(test, class_queue_claim(queue, region, word, NULL), -EEXIST);
	KUNIT_ASSERT_EQ(test, class_queue_claim(queue, region, word, &queued->account),
			waits(queued, number) ? 0 : -EAGAIN);
	if (!waits(queued, number))
		return;
	plain_forget(&queued->freed, number);
	plain_forget(&queued->kept, number);
	expect_claimed(test, region);
	give_pages_back(queued, region);
}

static void do_claim_first(struct kunit *test, struct queued *queued)
{
	struct region *region = class_queue_claim_first(&queued->queue);

	if (!queued->freed.nr) {
		KUNIT_ASSERT_NULL(test, region);
		return;
	}
	KUNIT_ASSERT_NOT_NULL(test, region);
	KUNIT_ASSERT_EQ(test, region->index, queued->freed.of[0]);
	expect_claimed(test, region);
	plain_remove(&queued->freed, 0);
}

static void do_claim_kept(struct kunit *test, struct queued *queued)
{
	struct region *region = class_queue_claim_kept(&queued->queue, &queued->account);

	if (!queued->kept.nr) {
		KUNIT_ASSERT_NULL(test, region);
		return;
	}
	KUNIT_ASSERT_NOT_NULL(test, region);
	KUNIT_ASSERT_EQ(test, region->index, queued->kept.of[0]);
	expect_claimed(test, region);
	plain_remove(&queued->kept, 0);
	give_pages_back(queued, region);
}

/* The pages of the oldest go, and it waits on, as the newest of those without. */
static void do_strip(struct kunit *test, struct queued *queued)
{
	struct class_queue *queue = &queued->queue;
	unsigned long since = 0;
	struct region *region = class_queue_oldest_kept(queue, &since);

	if (!queued->kept.nr) {
		KUNIT_ASSERT_NULL(test, region);
		return;
	}
	KUNIT_ASSERT_NOT_NULL(test, region);
	KUNIT_ASSERT_EQ(test, region->index, queued->kept.of[queued->kept.nr - 1]);
	KUNIT_ASSERT_EQ(test, since, 7UL);
	spin_lock(&queue->lock);
	class_queue_strip_locked(queue, region);
	region->nr_pages = 0;
	spin_unlock(&queue->lock);
	account_drop_retained(&queued->account, PAGES);
	plain_remove(&queued->kept, queued->kept.nr - 1);
	plain_insert(&queued->freed, region->index, queued->freed.nr);
}

static void expect_list(struct kunit *test, struct list_head *list, const struct order *order)
{
	struct region *region;
	u32 i = 0;

	list_for_each_entry(region, list, node) {
		KUNIT_ASSERT_LT(test, i, order->nr);
		KUNIT_ASSERT_EQ(test, region->index, order->of[i]);
		KUNIT_ASSERT_EQ(test, word_state(region_word(region)), REGION_FREED);
		i++;
	}
	KUNIT_ASSERT_EQ(test, i, order->nr);
}

static void expect_order(struct kunit *test, struct queued *queued)
{
	u64 owned = account_read(&queued->account);

	KUNIT_ASSERT_EQ(test, queued->queue.nr_freed, queued->freed.nr + queued->kept.nr);
	KUNIT_ASSERT_EQ(test, queued->queue.nr_kept, queued->kept.nr);
	KUNIT_ASSERT_EQ(test, owned_physical(owned), 0ULL);
	KUNIT_ASSERT_EQ(test, owned_retained(owned), (u64)queued->kept.nr * PAGES);
	expect_list(test, &queued->queue.freed, &queued->freed);
	expect_list(test, &queued->queue.kept, &queued->kept);
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
	else if (choice < 4 * NR_REGIONS)
		do_put_kept(test, queued, number);
	else if (choice == 4 * NR_REGIONS)
		do_claim_first(test, queued);
	else if (choice == 4 * NR_REGIONS + 1)
		do_claim_kept(test, queued);
	else
		do_strip(test, queued);
	expect_order(test, queued);
}

static void all_sequences_of_four_calls(struct kunit *test)
{
	struct queued *queued = kunit_kzalloc(test, sizeof(*queued), GFP_KERNEL);
	u32 sequence, code, i;

	KUNIT_ASSERT_NOT_NULL(test, queued);
	for (sequence = 0; sequence < NR_SEQUENCES; sequence++) {
		queued_init(queued);
		code = sequence;
		for (i = 0; i < 4; i++) {
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
	KUNIT_ASSERT_EQ(test, class_queue_claim(&queued->queue, region, seen, NULL), 0);
	KUNIT_ASSERT_EQ(test, class_queue_claim(&queued->queue, region, seen, NULL), -EAGAIN);
	word_activate(&region->word, SERVED);
	class_queue_put(&queued->queue, region, false);
	KUNIT_ASSERT_EQ(test, class_queue_claim(&queued->queue, region, seen, NULL), -EAGAIN);
	KUNIT_ASSERT_EQ(test, queued->queue.nr_freed, 1U);
}

/* With its pages only if the budget, which was lowered, has room for them. */
static void not_above_the_budget(struct kunit *test)
{
	struct queued *queued = kunit_kzalloc(test, sizeof(*queued), GFP_KERNEL);
	struct region *region;

	KUNIT_ASSERT_NOT_NULL(test, queued);
	queued_init(queued);
	do_put_kept(test, queued, 0);
	region = &queued->regions[0];
	queued->account.budget = PAGES - 1;
	KUNIT_ASSERT_NULL(test, class_queue_claim_kept(&queued->queue, &queued->account));
	KUNIT_ASSERT_EQ(test, class_queue_claim(&queued->queue, region, region_word(region),
						&queued->account), -ENOMEM);
	expect_order(test, queued);
	queued->account.budget = PAGES;
	KUNIT_ASSERT_PTR_EQ(test, class_queue_claim_kept(&queued->queue, &queued->account),
			    region);
	KUNIT_ASSERT_EQ(test, owned_physical(account_read(&queued->account)), (u64)PAGES);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(oldest_first),
	KUNIT_CASE(put_back_where_it_was),
	KUNIT_CASE(claimed_once),
	KUNIT_CASE(not_above_the_budget),
	KUNIT_CASE(all_sequences_of_four_calls),
	{}
};

static struct kunit_suite suite = { .name = "segpool_region", .test_cases = cases };

kunit_test_suite(suite);
