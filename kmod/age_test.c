// SPDX-License-Identifier: GPL-2.0-only
/* The arithmetic of ageing, at every place where jiffies wrap around. */

#include <kunit/test.h>

#include "age.h"

/* Moments around which time must go on as everywhere else. */
static const unsigned long moments[] = { 0, 5, 1000, LONG_MAX, ULONG_MAX };

/* Two days of the fastest clock: more than the longest age. */
#define LONG_AGE (2UL * 24 * 3600 * 1000)

static void check_accepts(struct kunit *test, unsigned long age, unsigned long last)
{
	unsigned long begun, since;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(moments); i++)
		for (since = 0; since < last + 3; since++) {
			begun = moments[i] - since / 2;
			KUNIT_ASSERT_EQ_MSG(test, age_accepts(begun, age, begun + since),
					    since < last, "age %lu, %lu later, from %lx", age,
					    since, begun);
		}
}

static void magazines_accept_for_an_eighth(struct kunit *test)
{
	check_accepts(test, 1, 1);
	check_accepts(test, 7, 1);
	check_accepts(test, 8, 1);
	check_accepts(test, 15, 1);
	check_accepts(test, 16, 2);
	check_accepts(test, 80, 10);
	check_accepts(test, 800, 100);
}

static void without_an_age_they_accept_for_ever(struct kunit *test)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		KUNIT_ASSERT_TRUE(test, age_accepts(moments[i], 0, moments[i]));
		KUNIT_ASSERT_TRUE(test, age_accepts(moments[i], 0, moments[i] + 1));
		KUNIT_ASSERT_TRUE(test, age_accepts(moments[i], 0, moments[i] + LONG_AGE));
		KUNIT_ASSERT_TRUE(test, age_accepts(moments[i], 0, moments[i] + LONG_MAX + 2UL));
	}
}

/* What is due, and how long the rest has to wait, must agree. */
static void check_due(struct kunit *test, unsigned long touched, unsigned long age,
		      unsigned long since)
{
	unsigned long now = touched + since;

	KUNIT_ASSERT_EQ_MSG(test, age_reached(touched, now - age), since >= age,
			    "age %lu, %lu later, from %lx", age, since, touched);
	KUNIT_ASSERT_EQ_MSG(test, age_delay(touched, age, now), since < age ? age - since : 1,
			    "age %lu, %lu later, from %lx", age, since, touched);
}

static void due_at_the_age_and_not_before(struct kunit *test)
{
	unsigned long age, since;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(moments); i++)
		for (age = 1; age < 40; age++)
			for (since = 0; since < 50; since++)
				check_due(test, moments[i] - since / 2, age, since);
}

static void due_after_the_longest_age(struct kunit *test)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(moments); i++) {
		check_due(test, moments[i], LONG_AGE, 0);
		check_due(test, moments[i], LONG_AGE, LONG_AGE - 1);
		check_due(test, moments[i], LONG_AGE, LONG_AGE);
		check_due(test, moments[i], LONG_AGE, LONG_AGE + 1);
		check_due(test, moments[i], LONG_AGE, 10 * LONG_AGE);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(magazines_accept_for_an_eighth),
	KUNIT_CASE(without_an_age_they_accept_for_ever),
	KUNIT_CASE(due_at_the_age_and_not_before),
	KUNIT_CASE(due_after_the_longest_age),
	{}
};

static struct kunit_suite suite = { .name = "segpool_age", .test_cases = cases };

kunit_test_suite(suite);
