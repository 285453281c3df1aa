// SPDX-License-Identifier: GPL-2.0-only
/* A pool's budget: edges, roll-back, and all short sequences against two plain numbers. */

#include <kunit/test.h>

#include "account.h"

/* The largest budget that a pool can have. */
#define MAX_PAGES (SEGPOOL_MAX_PHYSICAL >> 12)

static void account_set(struct account *account, u64 physical, u64 retained, u64 budget)
{
	*account = (struct account){ .budget = budget };
	atomic64_set(&account->owned, retained << 32 | physical);
}

static void expect_owned(struct kunit *test, const struct account *account, u64 physical,
			 u64 retained)
{
	u64 owned = account_read(account);

	KUNIT_ASSERT_EQ(test, owned_physical(owned), physical);
	KUNIT_ASSERT_EQ(test, owned_retained(owned), retained);
	KUNIT_ASSERT_EQ(test, owned_total(owned), physical + retained);
}

static void check_charge(struct kunit *test, u64 physical, u64 retained, u64 budget, u64 pages,
			 bool fits)
{
	atomic64_t shared = ATOMIC64_INIT(0);
	struct account account;

	account_set(&account, physical, retained, budget);
	KUNIT_EXPECT_EQ_MSG(test, account_charge_both(&account, pages, &shared, U64_MAX),
			    fits ? SEGPOOL_REASON_NONE : SEGPOOL_REASON_PHYSICAL,
			    "%llu physical, %llu retained, budget %llu, %llu more", physical,
			    retained, budget, pages);
	expect_owned(test, &account, fits ? physical + pages : physical, retained);
	KUNIT_EXPECT_EQ(test, atomic64_read(&account.physical_peak),
			fits ? (s64)(physical + pages) : 0);
}

static void charge_up_to_the_budget(struct kunit *test)
{
	check_charge(test, 0, 0, 0, 1, false);
	check_charge(test, 0, 0, 1, 1, true);
	check_charge(test, 3, 4, 8, 1, true);
	check_charge(test, 3, 4, 7, 1, false);
	check_charge(test, 3, 4, 9, 2, true);
	check_charge(test, 3, 4, 9, 3, false);
	/* The budget was lowered below what there is. */
	check_charge(test, 3, 4, 6, 1, false);
	check_charge(test, 3, 4, 0, U64_MAX, false);
}

static void charge_near_the_largest_numbers(struct kunit *test)
{
	check_charge(test, 0, 0, MAX_PAGES, MAX_PAGES, true);
	check_charge(test, 0, 0, MAX_PAGES, MAX_PAGES + 1, false);
	check_charge(test, MAX_PAGES - 1, 0, MAX_PAGES, 1, true);
	check_charge(test, 0, MAX_PAGES - 1, MAX_PAGES, 1, true);
	check_charge(test, 1, MAX_PAGES - 1, MAX_PAGES, 1, false);
	check_charge(test, 0, 0, MAX_PAGES, (1ULL << 32) - 1, false);
	check_charge(test, 0, 0, MAX_PAGES, 1ULL << 32, false);
	check_charge(test, 1, 1, MAX_PAGES, U64_MAX, false);
	check_charge(test, 1, 1, MAX_PAGES, U64_MAX - 1, false);
	check_charge(test, 0, 0, U32_MAX, U32_MAX, true);
	check_charge(test, 1, 0, U32_MAX, U32_MAX, false);
}

static void retain(struct kunit *test, struct account *account, u64 pages)
{
	KUNIT_EXPECT_TRUE(test, account_try_retain(account, pages, U64_MAX));
}

/* No carry from one half of the word into the other. */
static void all_pages_move_at_once(struct kunit *test)
{
	struct account account;

	account_set(&account, U32_MAX, 0, U32_MAX);
	retain(test, &account, U32_MAX);
	expect_owned(test, &account, 0, U32_MAX);
	KUNIT_EXPECT_EQ(test, account_charge(&account, 1), 0ULL);
	account_unretain(&account, U32_MAX);
	expect_owned(test, &account, U32_MAX, 0);
	retain(test, &account, U32_MAX - 1);
	account_uncharge(&account, 1);
	account_drop_retained(&account, U32_MAX - 1);
	expect_owned(test, &account, 0, 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&account.physical_peak), (s64)U32_MAX);
	KUNIT_EXPECT_EQ(test, atomic64_read(&account.retained_peak), (s64)U32_MAX);
}

static void expect_charge(struct kunit *test, struct account *account, u64 pages, u64 limit,
			  enum segpool_reason expected)
{
	atomic64_t shared = ATOMIC64_INIT(0);

	KUNIT_EXPECT_EQ(test, account_charge_both(account, pages, &shared, limit), expected);
}

static void peaks_only_rise(struct kunit *test)
{
	struct account account;

	account_set(&account, 0, 0, 10);
	expect_charge(test, &account, 6, 6, SEGPOOL_REASON_NONE);
	retain(test, &account, 4);
	account_drop_retained(&account, 4);
	expect_charge(test, &account, 1, 1, SEGPOOL_REASON_NONE);
	retain(test, &account, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&account.physical_peak), 6LL);
	KUNIT_EXPECT_EQ(test, atomic64_read(&account.retained_peak), 4LL);
	account_unretain(&account, 1);
	expect_charge(test, &account, 4, 4, SEGPOOL_REASON_NONE);
	KUNIT_EXPECT_EQ(test, atomic64_read(&account.physical_peak), 7LL);
	/* What is refused was never there. */
	expect_charge(test, &account, 3, 2, SEGPOOL_REASON_CEILING);
	expect_charge(test, &account, 11, 11, SEGPOOL_REASON_PHYSICAL);
	KUNIT_EXPECT_EQ(test, atomic64_read(&account.physical_peak), 7LL);
}

static void excess_after_the_budget_was_lowered(struct kunit *test)
{
	struct account account;

	account_set(&account, 3, 4, 7);
	KUNIT_EXPECT_EQ(test, account_excess(&account), 0ULL);
	account.budget = 6;
	KUNIT_EXPECT_EQ(test, account_excess(&account), 1ULL);
	account.budget = 0;
	KUNIT_EXPECT_EQ(test, account_excess(&account), 7ULL);
	account_set(&account, U32_MAX, U32_MAX, 1);
	KUNIT_EXPECT_EQ(test, account_excess(&account), 2ULL * U32_MAX - 1);
}

static void room_to_retain(struct kunit *test)
{
	struct account account;

	account_set(&account, 3, 4, 7);
	KUNIT_EXPECT_EQ(test, account_retain_room(&account, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, account_retain_room(&account, 4), 0ULL);
	KUNIT_EXPECT_EQ(test, account_retain_room(&account, 5), 1ULL);
	KUNIT_EXPECT_EQ(test, account_retain_room(&account, U64_MAX), U64_MAX - 4);
	/* Above its budget a pool retains nothing more. */
	account.budget = 6;
	KUNIT_EXPECT_EQ(test, account_retain_room(&account, U64_MAX), 0ULL);
}

static void surplus_of_retained_pages(struct kunit *test)
{
	struct account account;

	account_set(&account, 3, 8, 11);
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 8, 0, 8), 0ULL);
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 8, 0, U64_MAX), 0ULL);
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 8, 0, 5), 3ULL);
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 8, 0, 0), 8ULL);
	/* Two above the budget; those that are leaving bring it down already. */
	account.budget = 9;
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 8, 0, 8), 2ULL);
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 7, 1, 8), 1ULL);
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 5, 3, 8), 0ULL);
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 8, 0, 3), 5ULL);
	/* Never more than there are. */
	account.budget = 0;
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 8, 0, 8), 8ULL);
	KUNIT_EXPECT_EQ(test, account_surplus(&account, 0, 8, 0), 0ULL);
}

static void check_both(struct kunit *test, u64 pages, u64 budget, u64 limit,
		       enum segpool_reason expected)
{
	struct account account;
	bool fits = expected == SEGPOOL_REASON_NONE;
	atomic64_t shared;

	account_set(&account, 2, 1, budget);
	atomic64_set(&shared, 5);
	KUNIT_EXPECT_EQ(test, account_charge_both(&account, pages, &shared, limit), expected);
	expect_owned(test, &account, fits ? 2 + pages : 2, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&shared), fits ? (s64)(5 + pages) : 5);
}

static void both_budgets_or_none(struct kunit *test)
{
	check_both(test, 1, 4, 6, SEGPOOL_REASON_NONE);
	check_both(test, 1, 3, 6, SEGPOOL_REASON_PHYSICAL);
	check_both(test, 1, 4, 5, SEGPOOL_REASON_CEILING);
	check_both(test, 1, 3, 5, SEGPOOL_REASON_PHYSICAL);
	check_both(test, 1, 4, 0, SEGPOOL_REASON_CEILING);
	check_both(test, U64_MAX, U32_MAX, U64_MAX, SEGPOOL_REASON_PHYSICAL);
	/* Nothing always fits, also where the limits were lowered. */
	check_both(test, 0, 0, 0, SEGPOOL_REASON_NONE);
}

static void counters_below_a_limit(struct kunit *test)
{
	atomic64_t counter;

	atomic64_set(&counter, 0);
	KUNIT_EXPECT_FALSE(test, charge_below(&counter, 1, 0));
	KUNIT_EXPECT_TRUE(test, charge_below(&counter, 7, 7));
	KUNIT_EXPECT_FALSE(test, charge_below(&counter, 1, 7));
	/* What a size becomes that did not fit into a number. */
	KUNIT_EXPECT_FALSE(test, charge_below(&counter, SIZE_MAX, 1ULL << 40));
	KUNIT_EXPECT_FALSE(test, charge_below(&counter, SIZE_MAX - 6, 1ULL << 40));
	KUNIT_EXPECT_EQ(test, atomic64_read(&counter), 7LL);
}

/* The same as two plain numbers. */
struct plain {
	u64 physical;
	u64 retained;
};

enum { CHARGE_1, CHARGE_2, UNCHARGE, UNRETAIN, DROP, TRY_RETAIN, TRY_UNRETAIN, NR_STEPS };

#define PLAIN_BUDGET 3
#define PLAIN_LIMIT 2

static void do_step(struct kunit *test, struct account *account, struct plain *plain, u32 step)
{
	u64 pages = step == CHARGE_2 ? 2 : 1;
	bool fits = plain->physical + plain->retained + pages <= PLAIN_BUDGET;

	if (step == CHARGE_1 || step == CHARGE_2) {
		KUNIT_ASSERT_EQ(test, !!account_charge(account, pages), fits);
		plain->physical += fits ? pages : 0;
	} else if (step == UNCHARGE && plain->physical) {
		account_uncharge(account, 1);
		plain->physical--;
	} else if (step == UNRETAIN && plain->retained) {
		account_unretain(account, 1);
		plain->retained--;
		plain->physical++;
	} else if (step == DROP && plain->retained) {
		account_drop_retained(account, 1);
		plain->retained--;
	} else if (step == TRY_RETAIN && plain->physical) {
		fits = plain->retained < PLAIN_LIMIT;
		KUNIT_ASSERT_EQ(test, account_try_retain(account, 1, PLAIN_LIMIT), fits);
		plain->physical -= fits;
		plain->retained += fits;
	} else if (step == TRY_UNRETAIN && plain->retained) {
		KUNIT_ASSERT_TRUE(test, account_try_unretain(account, 1));
		plain->retained--;
		plain->physical++;
	}
	expect_owned(test, account, plain->physical, plain->retained);
}

static void all_sequences_of_five_steps(struct kunit *test)
{
	struct account account;
	struct plain plain;
	u32 sequence, code, i;

	for (sequence = 0; sequence < NR_STEPS * NR_STEPS * NR_STEPS * NR_STEPS * NR_STEPS;
	     sequence++) {
		account_set(&account, 0, 0, PLAIN_BUDGET);
		plain = (struct plain){};
		code = sequence;
		for (i = 0; i < 5; i++) {
			do_step(test, &account, &plain, code % NR_STEPS);
			code /= NR_STEPS;
		}
	}
}

/* All or none, and nothing that the limits, which may have been lowered, do not allow. */
static void pages_of_kept_regions(struct kunit *test)
{
	struct account account;

	account_set(&account, 4, 3, 7);
	KUNIT_EXPECT_FALSE(test, account_try_retain(&account, 2, 4));
	KUNIT_EXPECT_FALSE(test, account_try_retain(&account, 1, 2));
	KUNIT_EXPECT_TRUE(test, account_try_retain(&account, 2, 5));
	expect_owned(test, &account, 2, 5);
	KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&account.retained_peak), 5ULL);
	account.budget = 6;
	KUNIT_EXPECT_FALSE(test, account_try_retain(&account, 1, U64_MAX));
	KUNIT_EXPECT_FALSE(test, account_try_unretain(&account, 5));
	expect_owned(test, &account, 2, 5);
	KUNIT_EXPECT_TRUE(test, account_try_unretain(&account, 4));
	expect_owned(test, &account, 6, 1);
	KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&account.physical_peak), 6ULL);
}

/* Retained pages, which can be taken, do not count; physical ones do, also beyond the budget. */
static void fits_without_what_is_retained(struct kunit *test)
{
	struct account account = { .budget = 10 };

	KUNIT_EXPECT_TRUE(test, account_could_fit(&account, 10));
	KUNIT_EXPECT_FALSE(test, account_could_fit(&account, 11));
	KUNIT_ASSERT_EQ(test, account_charge(&account, 10), 10ULL);
	retain(test, &account, 6);
	KUNIT_EXPECT_TRUE(test, account_could_fit(&account, 6));
	KUNIT_EXPECT_FALSE(test, account_could_fit(&account, 7));
	account.budget = 5;
	KUNIT_EXPECT_TRUE(test, account_could_fit(&account, 1));
	KUNIT_EXPECT_FALSE(test, account_could_fit(&account, 2));
	account.budget = 3;
	KUNIT_EXPECT_FALSE(test, account_could_fit(&account, 0));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(charge_up_to_the_budget),
	KUNIT_CASE(fits_without_what_is_retained),
	KUNIT_CASE(charge_near_the_largest_numbers),
	KUNIT_CASE(all_pages_move_at_once),
	KUNIT_CASE(peaks_only_rise),
	KUNIT_CASE(excess_after_the_budget_was_lowered),
	KUNIT_CASE(room_to_retain),
	KUNIT_CASE(surplus_of_retained_pages),
	KUNIT_CASE(pages_of_kept_regions),
	KUNIT_CASE(both_budgets_or_none),
	KUNIT_CASE(counters_below_a_limit),
	KUNIT_CASE(all_sequences_of_five_steps),
	{}
};

static struct kunit_suite suite = { .name = "segpool_account", .test_cases = cases };

kunit_test_suite(suite);
