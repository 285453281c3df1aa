// SPDX-License-Identifier: GPL-2.0-only
/* A region's state word: every state with every transition, generations, handles. */

#include <kunit/test.h>

#include <linux/segpool.h>

#include "word.h"

#define NR_STATES 4

static const u32 generations[] = { 0, 1, 2, 3, 0x7fffffff, 0x80000000, U32_MAX - 1, U32_MAX };

/* How the generation in a handle and that of a word stand to each other. */
enum relation { NEVER_HANDED_OUT, NO_HANDLE, THE_SAME, ONE_OLDER, ANOTHER };

static enum relation relation_of(u32 generation, u32 named)
{
	if (!generation)
		return NEVER_HANDED_OUT;
	if (!named)
		return NO_HANDLE;
	if (generation == named)
		return THE_SAME;
	if (generation - named == 1 || (generation == 1 && named == U32_MAX))
		return ONE_OLDER;
	return ANOTHER;
}

struct answers {
	int active[NR_STATES];
	int freed[NR_STATES];
};

/* By state: UNUSED, CLAIMED, ACTIVE, FREED. */
static const struct answers contract[] = {
	[NEVER_HANDED_OUT] = { { -ENOENT, -ENOENT, -ENOENT, -ENOENT },
			       { -ENOENT, -ENOENT, -ENOENT, -ENOENT } },
	[NO_HANDLE] = { { -ENOENT, -ENOENT, -ENOENT, -ENOENT },
			{ -ENOENT, -ENOENT, -ENOENT, -ENOENT } },
	[THE_SAME] = { { -EALREADY, -EALREADY, 0, -EALREADY },
		       { -EBUSY, -EBUSY, -EBUSY, 0 } },
	[ONE_OLDER] = { { -ESTALE, -ESTALE, -ESTALE, -ESTALE },
			{ -ESTALE, -ESTALE, -EBUSY, -ESTALE } },
	[ANOTHER] = { { -ESTALE, -ESTALE, -ESTALE, -ESTALE },
		      { -ESTALE, -ESTALE, -ESTALE, -ESTALE } },
};

static void check_handle(struct kunit *test, u32 generation, u32 named, enum region_state state)
{
	const struct answers *expected = &contract[relation_of(generation, named)];
	u64 word = word_make(generation, 5, state);
	u64 handle = handle_make(77, named);

	KUNIT_ASSERT_EQ_MSG(test, word_check_active(word, handle), expected->active[state],
			    "generation %u, handle's %u, state %u", generation, named, state);
	KUNIT_ASSERT_EQ_MSG(test, word_check_freed(word, handle), expected->freed[state],
			    "generation %u, handle's %u, state %u", generation, named, state);
}

static void handles_against_all_states(struct kunit *test)
{
	enum region_state state;
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(generations); i++)
		for (k = 0; k < ARRAY_SIZE(generations); k++)
			for (state = 0; state < NR_STATES; state++)
				check_handle(test, generations[i], generations[k], state);
}

static void fields_do_not_mix(struct kunit *test)
{
	enum region_state state;
	u32 class, i;
	u64 word;

	for (i = 0; i < ARRAY_SIZE(generations); i++)
		for (class = 0; class <= U8_MAX; class++)
			for (state = 0; state < NR_STATES; state++) {
				word = word_make(generations[i], class, state);
				KUNIT_ASSERT_EQ(test, word_generation(word), generations[i]);
				KUNIT_ASSERT_EQ(test, (u32)word_class(word), class);
				KUNIT_ASSERT_EQ(test, word_state(word), state);
				KUNIT_ASSERT_EQ(test, word & 0xffff0000, 0ULL);
			}
}

static void state_alone_changes(struct kunit *test)
{
	enum region_state from, to;

	for (from = 0; from < NR_STATES; from++)
		for (to = 0; to < NR_STATES; to++)
			KUNIT_EXPECT_EQ(test, word_with_state(word_make(U32_MAX, U8_MAX, from), to),
					word_make(U32_MAX, U8_MAX, to));
}

static void carve_takes_untouched_ones(struct kunit *test)
{
	enum region_state state;
	atomic64_t word;
	u64 before;
	u32 i;

	atomic64_set(&word, 0);
	KUNIT_EXPECT_TRUE(test, word_carve(&word, 3));
	KUNIT_EXPECT_EQ(test, word_read(&word), word_make(0, 3, REGION_CLAIMED));

	for (i = 0; i < ARRAY_SIZE(generations); i++)
		for (state = REGION_CLAIMED; state < NR_STATES; state++) {
			before = word_make(generations[i], 1, state);
			atomic64_set(&word, before);
			KUNIT_EXPECT_FALSE(test, word_carve(&word, 3));
			KUNIT_EXPECT_EQ(test, word_read(&word), before);
		}
}

static void claim_takes_freed_ones(struct kunit *test)
{
	enum region_state state;
	atomic64_t word;
	u64 before;

	for (state = 0; state < NR_STATES; state++) {
		before = word_make(9, 2, state);
		atomic64_set(&word, before);
		KUNIT_EXPECT_EQ(test, word_claim(&word, before), state == REGION_FREED);
		KUNIT_EXPECT_EQ(test, word_read(&word),
				state == REGION_FREED ? word_make(9, 2, REGION_CLAIMED) : before);
	}
}

/* Whatever has happened to the word meanwhile, the claim must fail. */
static void claim_needs_what_was_seen(struct kunit *test)
{
	static const u64 present[] = {
		(u64)9 << 32 | 2 << 8 | REGION_CLAIMED,	/* claimed */
		(u64)10 << 32 | 2 << 8 | REGION_ACTIVE,	/* handed out */
		(u64)10 << 32 | 2 << 8 | REGION_FREED,	/* and released again */
		(u64)9 << 32 | 3 << 8 | REGION_FREED,	/* in another queue */
	};
	u64 seen = word_make(9, 2, REGION_FREED);
	atomic64_t word;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(present); i++) {
		atomic64_set(&word, present[i]);
		KUNIT_EXPECT_FALSE(test, word_claim(&word, seen));
		KUNIT_EXPECT_EQ(test, word_read(&word), present[i]);
	}
}

static void free_keeps_generation_and_class(struct kunit *test)
{
	enum region_state state;
	atomic64_t word;

	for (state = REGION_CLAIMED; state <= REGION_ACTIVE; state++) {
		atomic64_set(&word, word_make(U32_MAX, U8_MAX, state));
		word_free(&word);
		KUNIT_EXPECT_EQ(test, word_read(&word), word_make(U32_MAX, U8_MAX, REGION_FREED));
	}
}

static void activate_begins_a_generation(struct kunit *test)
{
	atomic64_t word;
	u32 i, next;

	for (i = 0; i < ARRAY_SIZE(generations); i++) {
		next = generations[i] == U32_MAX ? 1 : generations[i] + 1;
		atomic64_set(&word, word_make(generations[i], 2, REGION_CLAIMED));
		KUNIT_EXPECT_EQ(test, word_activate(&word, 7), next);
		KUNIT_EXPECT_EQ(test, word_read(&word), word_make(next, 7, REGION_ACTIVE));
	}
}

/* Through the wrap-around: never 0, and a handle is good for one life only. */
static void generations_wrap_around(struct kunit *test)
{
	static const u32 expected[] = { U32_MAX, 1, 2 };
	atomic64_t word;
	u64 handle, older = 0;
	u32 i;

	atomic64_set(&word, word_make(U32_MAX - 1, 0, REGION_CLAIMED));
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		handle = handle_make(0, word_activate(&word, 0));
		KUNIT_EXPECT_EQ(test, handle_generation(handle), expected[i]);
		KUNIT_EXPECT_EQ(test, word_check_active(word_read(&word), handle), 0);
		if (older)
			KUNIT_EXPECT_EQ(test, word_check_active(word_read(&word), older), -ESTALE);
		word_free(&word);
		KUNIT_EXPECT_EQ(test, word_check_active(word_read(&word), handle), -EALREADY);
		KUNIT_EXPECT_EQ(test, word_check_freed(word_read(&word), handle), 0);
		KUNIT_EXPECT_TRUE(test, word_claim(&word, word_read(&word)));
		KUNIT_EXPECT_EQ(test, word_check_freed(word_read(&word), handle), -EBUSY);
		older = handle;
	}
}

static void handles_as_in_the_abi(struct kunit *test)
{
	static const u32 indices[] = { 0, 1, SEGPOOL_MAX_REGIONS - 1, U32_MAX };
	u64 handle;
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(indices); i++)
		for (k = 0; k < ARRAY_SIZE(generations); k++) {
			handle = handle_make(indices[i], generations[k]);
			KUNIT_EXPECT_EQ(test, handle_index(handle), indices[i]);
			KUNIT_EXPECT_EQ(test, handle_generation(handle), generations[k]);
			KUNIT_EXPECT_EQ(test, SEGPOOL_HANDLE_INDEX(handle), indices[i]);
			KUNIT_EXPECT_EQ(test, SEGPOOL_HANDLE_GENERATION(handle), generations[k]);
		}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(handles_against_all_states),
	KUNIT_CASE(fields_do_not_mix),
	KUNIT_CASE(state_alone_changes),
	KUNIT_CASE(carve_takes_untouched_ones),
	KUNIT_CASE(claim_takes_freed_ones),
	KUNIT_CASE(claim_needs_what_was_seen),
	KUNIT_CASE(free_keeps_generation_and_class),
	KUNIT_CASE(activate_begins_a_generation),
	KUNIT_CASE(generations_wrap_around),
	KUNIT_CASE(handles_as_in_the_abi),
	{}
};

static struct kunit_suite suite = { .name = "segpool_word", .test_cases = cases };

kunit_test_suite(suite);

MODULE_DESCRIPTION("KUnit tests of segpool's core");
MODULE_LICENSE("GPL");
