// SPDX-License-Identifier: GPL-2.0-only
/* What a shared word says: generations of which it has but a part, and garbage. */

#include <kunit/test.h>
#include <linux/random.h>

#include "lent.h"

#define PART (U32_MAX >> 2)

/* Generations around which bits of the word, or all, begin anew. */
static const u32 generations[] = {
	1, 2, 1000, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 2, 3U * PART,
	U32_MAX - 1, U32_MAX,
};

static void states(struct kunit *test)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(generations); i++) {
		KUNIT_EXPECT_EQ(test, SEGPOOL_WORD_CALL,
				lent_state(SEGPOOL_WORD(generations[i], SEGPOOL_WORD_CALL)));
		KUNIT_EXPECT_EQ(test, SEGPOOL_WORD_HELD,
				lent_state(SEGPOOL_WORD(generations[i], SEGPOOL_WORD_HELD)));
		KUNIT_EXPECT_FALSE(test, lent_is_idle(SEGPOOL_WORD(generations[i], 0)));
		KUNIT_EXPECT_FALSE(test, lent_is_idle(SEGPOOL_WORD(generations[i],
								   SEGPOOL_WORD_HELD)));
		KUNIT_EXPECT_TRUE(test, lent_is_idle(SEGPOOL_WORD(generations[i],
								  SEGPOOL_WORD_IDLE)));
		KUNIT_EXPECT_TRUE(test, lent_is_idle(SEGPOOL_WORD(generations[i],
								  SEGPOOL_WORD_SEEN)));
	}
}

/* As the program counts: 0 is left out. */
static u32 after(u32 generation)
{
	return generation + 1 ?: 1;
}

static void generations_that_were_taken(struct kunit *test)
{
	u32 generation, i, taken;

	for (i = 0; i < ARRAY_SIZE(generations); i++) {
		generation = generations[i];
		for (taken = 0; taken < 1000; taken++) {
			KUNIT_ASSERT_EQ(test, generation,
					lent_generation(SEGPOOL_WORD(generation, SEGPOOL_WORD_HELD),
							generations[i]));
			generation = after(generation);
		}
	}
}

static void garbage_names_no_earlier_one(struct kunit *test)
{
	u32 i, tries, word, generation;

	for (i = 0; i < ARRAY_SIZE(generations); i++)
		for (tries = 0; tries < 10000; tries++) {
			word = get_random_u32();
			generation = lent_generation(word, generations[i]);
			KUNIT_ASSERT_NE(test, 0, generation);
			/* Wrapped to 1, where it would be 0. */
			if (generation != 1)
				KUNIT_ASSERT_LE(test, generation - generations[i], PART);
		}
	KUNIT_EXPECT_EQ(test, 1, lent_generation(SEGPOOL_WORD(0, SEGPOOL_WORD_IDLE), U32_MAX));
}

static void periods(struct kunit *test)
{
	unsigned long age;

	for (age = 1; age < 100UL * HZ; age++) {
		KUNIT_ASSERT_GE(test, lent_period(age, 0), 1UL);
		KUNIT_ASSERT_LE(test, lent_period(age, 0), max3(age / 16, HZ / 50UL, 1UL));
		KUNIT_ASSERT_GE(test, lent_period(age, 10), 80UL);
	}
	/* What does not age is looked at, too: there is a limit to it. */
	KUNIT_EXPECT_EQ(test, lent_period(0, 0), (unsigned long)HZ);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(states),
	KUNIT_CASE(generations_that_were_taken),
	KUNIT_CASE(garbage_names_no_earlier_one),
	KUNIT_CASE(periods),
	{}
};

static struct kunit_suite suite = { .name = "segpool_lent", .test_cases = cases };

kunit_test_suite(suite);
