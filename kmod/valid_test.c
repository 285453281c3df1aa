// SPDX-License-Identifier: GPL-2.0-only
/* What the ABI's structures may hold: the edges of every range, sizes near 2^64. */

#include <kunit/test.h>

#include "valid.h"

#define REGION SEGPOOL_DEFAULT_REGION_SIZE

static bool range_ok(u64 offset, u64 length, u64 region_size)
{
	struct segpool_range range = { .offset = offset, .length = length };

	return range_valid(&range, region_size);
}

static void ranges(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, range_ok(0, PAGE_SIZE, REGION));
	KUNIT_EXPECT_TRUE(test, range_ok(0, REGION, REGION));
	KUNIT_EXPECT_TRUE(test, range_ok(REGION - PAGE_SIZE, PAGE_SIZE, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(0, 0, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(0, REGION + PAGE_SIZE, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(REGION, PAGE_SIZE, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(REGION - PAGE_SIZE, 2 * PAGE_SIZE, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(1, PAGE_SIZE, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(0, PAGE_SIZE - 1, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(0, 1, REGION));
}

/* Sums that wrap around would look small. */
static void ranges_near_the_largest_number(struct kunit *test)
{
	u64 last = -(u64)PAGE_SIZE;

	KUNIT_EXPECT_FALSE(test, range_ok(last, PAGE_SIZE, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(last, 2 * PAGE_SIZE, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(PAGE_SIZE, last, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(2 * PAGE_SIZE, last, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(1ULL << 63, 1ULL << 63, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(0, 1ULL << 32, REGION));
	KUNIT_EXPECT_FALSE(test, range_ok(1ULL << 32, PAGE_SIZE, REGION));
}

static void ranges_with_reserved_members(struct kunit *test)
{
	struct segpool_range range = { .length = PAGE_SIZE, .reserved = 1 };

	KUNIT_EXPECT_FALSE(test, range_valid(&range, REGION));
	range.reserved = 0;
	KUNIT_EXPECT_TRUE(test, range_valid(&range, REGION));
}

static bool region_size_ok(u64 size)
{
	struct segpool_setup setup = { .region_size = size };

	return setup_valid(&setup);
}

static void region_sizes(struct kunit *test)
{
	u64 size;
	u32 bit;

	KUNIT_EXPECT_TRUE(test, region_size_ok(0));
	for (bit = 0; bit < 64; bit++) {
		size = 1ULL << bit;
		KUNIT_EXPECT_EQ_MSG(test, region_size_ok(size), bit >= 16 && bit <= 25,
				    "2^%u bytes", bit);
		KUNIT_EXPECT_FALSE(test, region_size_ok(size + size / 2));
		KUNIT_EXPECT_FALSE(test, region_size_ok(size + 3));
	}
	KUNIT_EXPECT_FALSE(test, region_size_ok(U64_MAX));
}

static void modes_and_reserved_members(struct kunit *test)
{
	struct segpool_setup setup = { .mode = SEGPOOL_MODE_PINNABLE };

	KUNIT_EXPECT_TRUE(test, setup_valid(&setup));
	setup.mode = U32_MAX;
	KUNIT_EXPECT_FALSE(test, setup_valid(&setup));
	setup.mode = SEGPOOL_MODE_STRICT;
	setup.reserved = 1;
	KUNIT_EXPECT_FALSE(test, setup_valid(&setup));
}

static bool classes_ok(u32 nr, u32 first, u32 second, u32 third)
{
	struct segpool_setup setup = { .nr_classes = nr, .classes = { first, second, third } };

	return setup_valid(&setup);
}

static void classes(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, classes_ok(1, 4096, 0, 0));
	KUNIT_EXPECT_TRUE(test, classes_ok(1, REGION, 0, 0));
	KUNIT_EXPECT_TRUE(test, classes_ok(3, 4096, 8192, REGION));
	KUNIT_EXPECT_FALSE(test, classes_ok(1, 2048, 0, 0));
	KUNIT_EXPECT_FALSE(test, classes_ok(1, 2 * REGION, 0, 0));
	KUNIT_EXPECT_FALSE(test, classes_ok(1, 4097, 0, 0));
	KUNIT_EXPECT_FALSE(test, classes_ok(1, U32_MAX, 0, 0));
	KUNIT_EXPECT_FALSE(test, classes_ok(2, 8192, 4096, 0));
	KUNIT_EXPECT_FALSE(test, classes_ok(2, 4096, 4096, 0));
	KUNIT_EXPECT_FALSE(test, classes_ok(2, 4096, 0, 0));
	/* Unused entries must be 0. */
	KUNIT_EXPECT_FALSE(test, classes_ok(0, 4096, 0, 0));
	KUNIT_EXPECT_FALSE(test, classes_ok(1, 4096, 0, 1));
	KUNIT_EXPECT_FALSE(test, classes_ok(SEGPOOL_MAX_CLASSES + 1, 4096, 8192, 16384));
	KUNIT_EXPECT_FALSE(test, classes_ok(U32_MAX, 4096, 8192, 16384));
}

/**
 * struct limit_edge - one limit and the range it may be in
 * @flag: SEGPOOL_SET_*.
 * @min: smallest value.
 * @max: largest value.
 */
struct limit_edge {
	u32 flag;
	u64 min;
	u64 max;
};

static const struct limit_edge limit_edges[] = {
	{ SEGPOOL_SET_VIRTUAL, 0, SEGPOOL_MAX_REGIONS * REGION },
	{ SEGPOOL_SET_PHYSICAL, 0, SEGPOOL_MAX_PHYSICAL },
	{ SEGPOOL_SET_RETAIN, 0, U64_MAX },
	{ SEGPOOL_SET_AGE, 0, SEGPOOL_MAX_AGE_MS },
	{ SEGPOOL_SET_WATERMARK, 1, 100 },
};

static bool limit_ok(u32 flags, u32 flag, u64 value)
{
	struct segpool_limits limits = {};

	if (flag == SEGPOOL_SET_VIRTUAL)
		limits.virtual_budget = value;
	else if (flag == SEGPOOL_SET_PHYSICAL)
		limits.physical_budget = value;
	else if (flag == SEGPOOL_SET_RETAIN)
		limits.retain_limit = value;
	else if (flag == SEGPOOL_SET_AGE)
		limits.retain_age_ms = value;
	else
		limits.watermark = value;
	return limits_valid(&limits, flags, REGION);
}

static void limits_at_their_edges(struct kunit *test)
{
	const struct limit_edge *edge;

	for (edge = limit_edges; edge < limit_edges + ARRAY_SIZE(limit_edges); edge++) {
		KUNIT_EXPECT_TRUE(test, limit_ok(edge->flag, edge->flag, edge->min));
		KUNIT_EXPECT_TRUE(test, limit_ok(edge->flag, edge->flag, edge->max));
		if (edge->min)
			KUNIT_EXPECT_FALSE(test, limit_ok(edge->flag, edge->flag, edge->min - 1));
		if (edge->max != U64_MAX)
			KUNIT_EXPECT_FALSE(test, limit_ok(edge->flag, edge->flag, edge->max + 1));
	}
}

/* A value that no flag names must be 0. */
static void limits_without_their_flag(struct kunit *test)
{
	const struct limit_edge *edge;

	KUNIT_EXPECT_TRUE(test, limit_ok(0, 0, 0));
	for (edge = limit_edges; edge < limit_edges + ARRAY_SIZE(limit_edges); edge++)
		KUNIT_EXPECT_FALSE(test, limit_ok(0, edge->flag, 1));
}

static void unknown_flags(struct kunit *test)
{
	u32 bit;

	for (bit = 0; bit < 32; bit++)
		if (!(SEGPOOL_SET_ALL & 1U << bit))
			KUNIT_EXPECT_FALSE(test, limit_ok(1U << bit, 0, 0));
}

static void counts_and_timeouts(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, count_valid(0));
	KUNIT_EXPECT_TRUE(test, count_valid(1));
	KUNIT_EXPECT_TRUE(test, count_valid(SEGPOOL_MAX_BATCH));
	KUNIT_EXPECT_FALSE(test, count_valid(SEGPOOL_MAX_BATCH + 1));
	KUNIT_EXPECT_FALSE(test, count_valid(U32_MAX));

	KUNIT_EXPECT_TRUE(test, timeout_valid(0, 0));
	KUNIT_EXPECT_FALSE(test, timeout_valid(0, 1));
	KUNIT_EXPECT_TRUE(test, timeout_valid(SEGPOOL_WAIT, 0));
	KUNIT_EXPECT_TRUE(test, timeout_valid(SEGPOOL_WAIT, SEGPOOL_MAX_WAIT_MS));
	KUNIT_EXPECT_FALSE(test, timeout_valid(SEGPOOL_WAIT, SEGPOOL_MAX_WAIT_MS + 1));
	KUNIT_EXPECT_FALSE(test, timeout_valid(SEGPOOL_WAIT, U32_MAX));
}

/* Pages either stay with the region, or go to the system at once, or neither. */
static void releases(struct kunit *test)
{
	u32 bit, other, flags;

	KUNIT_EXPECT_TRUE(test, release_valid(0));
	for (bit = 0; bit < 32; bit++)
		for (other = bit; other < 32; other++) {
			flags = 1U << bit | 1U << other;
			KUNIT_EXPECT_EQ(test, release_valid(flags),
					flags == SEGPOOL_NOW || flags == SEGPOOL_LAZY);
		}
	KUNIT_EXPECT_FALSE(test, release_valid(U32_MAX));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(ranges),
	KUNIT_CASE(ranges_near_the_largest_number),
	KUNIT_CASE(ranges_with_reserved_members),
	KUNIT_CASE(region_sizes),
	KUNIT_CASE(modes_and_reserved_members),
	KUNIT_CASE(classes),
	KUNIT_CASE(limits_at_their_edges),
	KUNIT_CASE(limits_without_their_flag),
	KUNIT_CASE(unknown_flags),
	KUNIT_CASE(counts_and_timeouts),
	KUNIT_CASE(releases),
	{}
};

static struct kunit_suite suite = { .name = "segpool_valid", .test_cases = cases };

kunit_test_suite(suite);
