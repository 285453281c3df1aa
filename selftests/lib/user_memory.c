// SPDX-License-Identifier: GPL-2.0-only
/* What is different with plain memory: what counts when, where retained pages are, their age. */
#define PLAIN_MEMORY
#include <stdio.h>
#include <sys/mman.h>

#include "pool.h"
#include "testing_harness.h"

#define PAGES	((long)(REGION / SP_PAGE))

FIXTURE(memory) {
	struct segpool *pool;
	struct segpool_region regions[REGIONS];
	char *memory;
};

FIXTURE_SETUP(memory)
{
	ASSERT_EQ(0, small_pool(&self->pool));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	self->memory = segpool_region_address(self->pool, self->regions[0].handle);
	sp_pattern_write(self->memory, REGION, 5);
}

FIXTURE_TEARDOWN(memory)
{
	segpool_close(self->pool);
}

static int set_age(struct segpool *pool, uint32_t ms)
{
	struct segpool_limits limits = { .retain_age_ms = ms };

	return segpool_set_budget(pool, SEGPOOL_SET_AGE, &limits);
}

TEST_F(memory, a_region_counts_whole)
{
	char *second;

	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, 0, 0, self->regions + 1, 1));
	second = segpool_region_address(self->pool, self->regions[1].handle);
	EXPECT_EQ(0, present(second, REGION));
	EXPECT_EQ(2 * REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(2 * PAGES, counter(self->pool, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_TRUE(sp_is_zero(second, REGION));
	EXPECT_EQ(2 * REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

/* A released region keeps its pages, and whoever asks for zeroes gets them. */
TEST_F(memory, retained_pages_stay_in_their_region)
{
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_KEPT_REGIONS));
	EXPECT_EQ(PAGES, present(self->memory, REGION));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 1, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(SEGPOOL_REGION_NEW, self->regions[0].flags);
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(SEGPOOL_REGION_REUSED, self->regions[0].flags);
	EXPECT_EQ(0, sp_pattern_check(self->memory, REGION, 5));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_KEPT_REUSES));
	EXPECT_EQ(PAGES, counter(self->pool, SEGPOOL_C_RETAINED_REUSED_PAGES));
	EXPECT_EQ(2 * PAGES, counter(self->pool, SEGPOOL_C_SYSTEM_PAGES));
}

TEST_F(memory, zeroes)
{
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_LAZY));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_ZERO | SEGPOOL_POPULATE, 0,
					  self->regions, 1));
	EXPECT_EQ(PAGES, present(self->memory, REGION));
	EXPECT_TRUE(sp_is_zero(self->memory, REGION));
	sp_pattern_write(self->memory, REGION, 6);
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_ZERO, 0, self->regions, 1));
	EXPECT_EQ(0, present(self->memory, REGION));
	EXPECT_TRUE(sp_is_zero(self->memory, REGION));
	/* What was never there is brought when it is asked for. */
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_NOW));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, 1));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(PAGES, present(self->memory, REGION));
}

TEST_F(memory, release_now_and_beyond_the_limit)
{
	struct segpool_limits limits = { .retain_limit = REGION - 1 };

	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_RETAIN, &limits));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, present(self->memory, REGION));
	limits.retain_limit = REGION;
	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_RETAIN, &limits));
	ASSERT_EQ(2, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 2));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[1].handle, 0));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(2, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 2));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_NOW));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

/* The oldest goes first, and goes with the first call after its time. */
TEST_F(memory, ages)
{
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_EQ(0, set_age(self->pool, 50));
	usleep(60000);
	EXPECT_EQ(PAGES, present(self->memory, REGION));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, present(self->memory, REGION));
	EXPECT_EQ(PAGES, counter(self->pool, SEGPOOL_C_AGED_PAGES));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_REGIONS_FREED));
	ASSERT_EQ(0, set_age(self->pool, SEGPOOL_MAX_AGE_MS));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
}

/* A request for which the budget has room only without what others retain. */
TEST_F(memory, retained_pages_make_room)
{
	int i;

	ASSERT_EQ(0, set_physical(self->pool, BACKED * REGION));
	ASSERT_EQ(BACKED - 1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0,
						   self->regions + 1, BACKED - 1));
	for (i = 0; i < BACKED; i++)
		ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[i].handle, 0));
	EXPECT_EQ(BACKED * REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(3, segpool_region_alloc(self->pool, 1, SEGPOOL_POPULATE, 0, self->regions, 3));
	EXPECT_EQ(SEGPOOL_REGION_NEW, self->regions[2].flags);
	EXPECT_EQ((BACKED - 3) * REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(3 * REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	/* The oldest. */
	EXPECT_EQ(0, present(self->memory, REGION));
	/* Of its own class the request takes what was kept last, and nothing has to go. */
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ((BACKED - 1) * REGION, self->regions[0].offset);
	EXPECT_EQ((BACKED - 4) * REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
}

/* Of a region with discarded pages nothing is retained: who knows what was touched. */
TEST_F(memory, discarded_pages)
{
	struct segpool_range range = { .handle = self->regions[0].handle, .offset = SP_PAGE,
				       .length = 2 * SP_PAGE };

	ASSERT_EQ(0, segpool_discard(self->pool, &range, 1, 0));
	ASSERT_EQ(0, segpool_discard(self->pool, &range, 1, 0));
	EXPECT_EQ(PAGES - 2, present(self->memory, REGION));
	EXPECT_EQ(REGION - 2 * SP_PAGE, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	range.length = SP_PAGE;
	ASSERT_EQ(0, segpool_populate(self->pool, &range, 1, 0, 0));
	ASSERT_EQ(0, segpool_populate(self->pool, &range, 1, 0, 0));
	EXPECT_EQ(REGION - SP_PAGE, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(PAGES - 1, present(self->memory, REGION));
	EXPECT_EQ(0, sp_pattern_check(self->memory, SP_PAGE, 5));
	ASSERT_EQ(0, segpool_region_free(self->pool, range.handle, 0));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, present(self->memory, REGION));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, 0, 0, self->regions, 1));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

/* Released, discarded and taken again by a program that has locked all of its memory. */
TEST_F(memory, locked_memory)
{
	struct segpool_range range = { .handle = self->regions[0].handle, .length = SP_PAGE };

	if (mlock(self->memory, REGION))
		SKIP(return, "mlock: %s", strerror(errno));
	ASSERT_EQ(0, segpool_discard(self->pool, &range, 1, 0));
	EXPECT_EQ(PAGES - 1, present(self->memory, REGION));
	ASSERT_EQ(0, segpool_region_free(self->pool, range.handle, SEGPOOL_NOW));
	EXPECT_EQ(0, present(self->memory, REGION));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

/* Whoever touches what is not its own does no harm to the next who asks for zeroes. */
TEST_F(memory, zeroes_after_a_wrong_touch)
{
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_NOW));
	*self->memory = 9;
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_ZERO, 0, self->regions, 1));
	EXPECT_TRUE(sp_is_zero(self->memory, REGION));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_NOW));
	*self->memory = 9;
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_ZERO | SEGPOOL_POPULATE, 0,
					  self->regions, 1));
	EXPECT_EQ(PAGES, present(self->memory, REGION));
	EXPECT_TRUE(sp_is_zero(self->memory, REGION));
}

/* What was given back is brought again where it is asked for. */
TEST_F(memory, pages_come_back)
{
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, SEGPOOL_NOW));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(PAGES, present(self->memory, REGION));
	ASSERT_EQ(0, segpool_region_free(self->pool, self->regions[0].handle, 0));
	ASSERT_EQ(0, segpool_trim_retained(self->pool, 0, NULL));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, SEGPOOL_POPULATE, 0, self->regions, 1));
	EXPECT_EQ(PAGES, present(self->memory, REGION));
}

/* A program that locks all that it will ever map locks what it is handed out, not what it reserves. */
TEST_F(memory, all_memory_locked)
{
	struct segpool_options options;
	struct segpool_region region;
	struct segpool *pool;
	char *memory;

	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		SKIP(return, "mlockall: %s", strerror(errno));
	segpool_options_init(&options);
	options.backend = BACKEND;
	options.reservation = SP_GIB;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	EXPECT_EQ(0, present(segpool_base(pool), SP_GIB));
	ASSERT_EQ(1, segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	memory = segpool_region_address(pool, region.handle);
	EXPECT_EQ(512, present(segpool_base(pool), SP_GIB));
	ASSERT_EQ(0, segpool_region_free(pool, region.handle, SEGPOOL_NOW));
	EXPECT_EQ(0, present(memory, 2 * SP_MIB));
	segpool_close(pool);
	munlockall();
}

/* No huge page of the system makes a region larger than it counts; in huge pools they may come. */
TEST_F(memory, huge_pages)
{
	struct segpool_options options;
	struct segpool_region region;
	struct segpool *pool;
	char *memory;

	segpool_options_init(&options);
	options.backend = BACKEND;
	options.mode = SEGPOOL_MODE_HUGE;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	ASSERT_EQ(1, segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	memory = segpool_region_address(pool, region.handle);
	EXPECT_EQ(0, (uintptr_t)memory % (2 * SP_MIB));
	EXPECT_EQ(512, present(memory, 2 * SP_MIB));
	EXPECT_EQ(0, segpool_region_free(pool, region.handle, SEGPOOL_NOW));
	EXPECT_EQ(0, present(memory, 2 * SP_MIB));
	segpool_close(pool);
	*self->memory = 1;
	EXPECT_EQ(PAGES, present(segpool_base(self->pool), REGIONS * REGION));
}

TEST_HARNESS_MAIN
