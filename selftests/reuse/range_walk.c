// SPDX-License-Identifier: GPL-2.0-only
/*
 * DISCARD and POPULATE of many ranges in one call: in whatever order, of however many
 * regions, and whatever is between them, each range gets pages of its own, or none.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS		5
#define REGION_SIZE	(2 * SP_MIB)
#define REGION_PAGES	(REGION_SIZE / SP_PAGE)
/* So many ranges of a region, and as much between them. */
#define PER_REGION	16
#define RANGE_PAGES	3
#define RANGES		(REGIONS * PER_REGION)

FIXTURE(range_walk) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
	struct segpool_range ranges[RANGES];
};

SP_MODE_VARIANTS(range_walk);

FIXTURE_SETUP(range_walk)
{
	uint64_t bytes = REGIONS * REGION_SIZE;

	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, REGION_SIZE, bytes, bytes, bytes));
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
}

FIXTURE_TEARDOWN(range_walk)
{
	sp_pool_close(&self->pool);
}

static char *page_at(const struct sp_pool *pool, const struct segpool_region *region,
		     uint32_t page)
{
	return sp_region_at(pool, region) + page * SP_PAGE;
}

static bool is_in_range(uint32_t page)
{
	return page < 2 * PER_REGION * RANGE_PAGES && page / RANGE_PAGES % 2 == 0;
}

/* Each page of a pattern of its own; @in_ranges: those in ranges, or those between. */
static void write_pages(const struct sp_pool *pool, const struct segpool_region *regions,
			bool in_ranges)
{
	uint32_t i, page;

	for (i = 0; i < REGIONS; i++)
		for (page = 0; page < REGION_PAGES; page++)
			if (is_in_range(page) == in_ranges)
				sp_pattern_write(page_at(pool, &regions[i], page), SP_PAGE,
						 (uint64_t)i << 32 | page << 16 | in_ranges);
}

static size_t wrong_pages(const struct sp_pool *pool, const struct segpool_region *regions,
			  bool in_ranges)
{
	size_t wrong = 0;
	uint32_t i, page;

	for (i = 0; i < REGIONS; i++)
		for (page = 0; page < REGION_PAGES; page++)
			if (is_in_range(page) == in_ranges)
				wrong += sp_pattern_check(page_at(pool, &regions[i], page), SP_PAGE,
							  (uint64_t)i << 32 | page << 16 |
							  in_ranges);
	return wrong;
}

/* @number of all ranges. */
static struct segpool_range range_number(const struct segpool_region *region, uint32_t number)
{
	return (struct segpool_range){ .handle = region->handle,
				       .offset = 2 * number * RANGE_PAGES * SP_PAGE,
				       .length = RANGE_PAGES * SP_PAGE };
}

/* Neighbours in the call are of different regions. */
static void in_turn(const struct segpool_region *regions, struct segpool_range *ranges)
{
	uint32_t i;

	for (i = 0; i < RANGES; i++)
		ranges[i] = range_number(&regions[i % REGIONS], i / REGIONS);
}

/* One region after the other, each from its end on. */
static void downwards(const struct segpool_region *regions, struct segpool_range *ranges)
{
	uint32_t i;

	for (i = 0; i < RANGES; i++)
		ranges[i] = range_number(&regions[i / PER_REGION], PER_REGION - 1 - i % PER_REGION);
}

static size_t pages_present(const struct sp_pool *pool, const struct segpool_region *regions)
{
	size_t present = 0;
	uint32_t i;

	for (i = 0; i < REGIONS; i++)
		present += sp_present(sp_region_at(pool, &regions[i]), REGION_SIZE, NULL);
	return present;
}

#define ALL_PAGES	(REGIONS * REGION_PAGES)
#define RANGED_PAGES	(RANGES * RANGE_PAGES)

/* By two orders: pages that are retained in one serve in the other. */
TEST_F(range_walk, each_range_has_its_own_pages)
{
	void (*const orders[])(const struct segpool_region *regions,
			       struct segpool_range *ranges) = { in_turn, downwards, in_turn };
	uint64_t before, flags;
	uint32_t done, i;
	long faults;

	write_pages(&self->pool, self->regions, false);
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		orders[i](self->regions, self->ranges);
		ASSERT_EQ(0, sp_ranges(self->pool.fd, SEGPOOL_IOC_DISCARD, self->ranges, RANGES, 0,
				       &done));
		ASSERT_EQ(RANGES, done);
		ASSERT_EQ(ALL_PAGES - RANGED_PAGES, pages_present(&self->pool, self->regions));
		ASSERT_EQ(RANGED_PAGES * SP_PAGE,
			  sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));

		before = sp_counter(self->pool.fd, SEGPOOL_C_SYSTEM_PAGES);
		flags = i == 1 ? SEGPOOL_ZERO : 0;
		orders[i](self->regions, self->ranges);
		ASSERT_EQ(0, sp_ranges(self->pool.fd, SEGPOOL_IOC_POPULATE, self->ranges, RANGES,
				       flags, &done));
		ASSERT_EQ(RANGES, done);
		ASSERT_EQ(ALL_PAGES, pages_present(&self->pool, self->regions));
		ASSERT_EQ(before, sp_counter(self->pool.fd, SEGPOOL_C_SYSTEM_PAGES));
		ASSERT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
		faults = sp_thread_faults();
		write_pages(&self->pool, self->regions, true);
		ASSERT_EQ(faults, sp_thread_faults());
		ASSERT_EQ(0, wrong_pages(&self->pool, self->regions, true));
		ASSERT_EQ(0, wrong_pages(&self->pool, self->regions, false));
		EXPECT_NO_DRIFT(&self->pool);
	}
}

/* Bad entries, of regions that the call has locked, has not, and of none. */
TEST_F(range_walk, bad_ranges_between)
{
	const uint64_t gone = self->regions[REGIONS - 1].handle;
	const int expected[] = { 0, -EINVAL, 0, -ENOENT, 0, -EALREADY, 0, -ESTALE, 0 };
	const unsigned long calls[] = { SEGPOOL_IOC_DISCARD, SEGPOOL_IOC_POPULATE };
	const size_t present[] = { ALL_PAGES - REGION_PAGES - 5 * RANGE_PAGES,
				   ALL_PAGES - REGION_PAGES };
	struct segpool_range ranges[ARRAY_SIZE(expected)];
	uint32_t done, call, i;

	write_pages(&self->pool, self->regions, false);
	ASSERT_EQ(0, sp_free(self->pool.fd, gone, SEGPOOL_NOW));
	for (call = 0; call < ARRAY_SIZE(calls); call++) {
		for (i = 0; i < ARRAY_SIZE(ranges); i++)
			ranges[i] = range_number(&self->regions[i / 4], i);
		ranges[1].length = 1;
		ranges[3].handle = self->regions[0].handle + 1000;
		ranges[5].handle = gone;
		ranges[7].handle = self->regions[1].handle + (1ULL << 32);
		EXPECT_EQ(-EINVAL, sp_ranges(self->pool.fd, calls[call], ranges, ARRAY_SIZE(ranges),
					     0, &done));
		EXPECT_EQ(5, done);
		for (i = 0; i < ARRAY_SIZE(ranges); i++)
			EXPECT_EQ(expected[i], ranges[i].error);
		EXPECT_EQ(present[call], pages_present(&self->pool, self->regions));
		EXPECT_NO_DRIFT(&self->pool);
	}
}

TEST_HARNESS_MAIN
