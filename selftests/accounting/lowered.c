// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 3: a budget may be lowered below what is in use. Retained pages go at
 * once, then requests are refused until the pool fits. And the retain limit.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define BUDGET	16

FIXTURE(lowered) {
	struct sp_pool pool;
	struct segpool_region regions[BUDGET];
};

SP_MODE_VARIANTS(lowered);

FIXTURE_SETUP(lowered)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_BIG, BUDGET * SP_BIG,
				  BUDGET * SP_BIG, BUDGET * SP_BIG));
	ASSERT_EQ(BUDGET, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, BUDGET, self->regions));
}

FIXTURE_TEARDOWN(lowered)
{
	sp_pool_close(&self->pool);
}

/* Truth: the machine's free memory grows by what was retained, before the call returns. */
TEST_F(lowered, retained_pages_go_at_once)
{
	struct segpool_limits limits = { .physical_budget = 8 * SP_BIG };
	uint64_t free_before;
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_free_regions(fd, self->regions, 12, 0));
	ASSERT_EQ(12 * SP_BIG, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	free_before = sp_free_bytes();
	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_PHYSICAL, &limits));
	EXPECT_GE(sp_free_bytes(), free_before + 7 * SP_BIG);
	EXPECT_EQ(8 * SP_BIG, limits.physical_budget);
	EXPECT_EQ(4 * SP_BIG, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(4 * SP_BIG, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(8 * SP_BIG / SP_PAGE, sp_counter(fd, SEGPOOL_C_TRIMMED_PAGES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(lowered, refuses_until_it_fits)
{
	struct segpool_limits limits = { .physical_budget = 4 * SP_BIG };
	struct segpool_region region;
	uint32_t reason;
	int fd = self->pool.fd, i;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_PHYSICAL, &limits));
	/* What is in use is left in peace. */
	EXPECT_EQ(BUDGET * SP_BIG, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_touch_write(sp_region_at(&self->pool, &self->regions[15])));
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, sp_free(fd, self->regions[i].handle, 0));
		/* Over budget nothing is retained. */
		EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
		EXPECT_EQ(-ENOMEM, sp_alloc_one(fd, 0, SEGPOOL_POPULATE, 0, &region, &reason));
		EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, reason);
		EXPECT_EQ((BUDGET - 1 - i) * SP_BIG, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	}
	ASSERT_EQ(0, sp_free(fd, self->regions[12].handle, 0));
	EXPECT_EQ(0, sp_alloc_one(fd, 0, SEGPOOL_POPULATE, 0, &region, &reason));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(fd, 0, SEGPOOL_POPULATE, 0, &region, &reason));
	EXPECT_NO_DRIFT(&self->pool);
	/* Raised again, the rest is to be had at once. */
	limits = (struct segpool_limits){ .physical_budget = BUDGET * SP_BIG };
	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_PHYSICAL, &limits));
	EXPECT_EQ(12, sp_alloc(fd, 0, SEGPOOL_POPULATE, 12, self->regions));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Promise 1 holds here too: carved regions stay, so the budget in force never gets below them. */
TEST_F(lowered, virtual_budget_below_what_is_carved)
{
	struct segpool_limits limits = { .virtual_budget = 4 * SP_BIG };
	struct segpool_region region;
	uint32_t reason;
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_VIRTUAL, &limits));
	EXPECT_EQ(BUDGET * SP_BIG, limits.virtual_budget);
	EXPECT_EQ(BUDGET * SP_BIG, sp_counter(fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(fd, 0, 0, 0, &region, &reason));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	/* Reuse does not grow it, so it is not refused. */
	ASSERT_EQ(0, sp_free(fd, self->regions[3].handle, 0));
	EXPECT_EQ(0, sp_alloc_one(fd, 0, 0, 0, &region, &reason));
	EXPECT_EQ(BUDGET * SP_BIG, sp_counter(fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(lowered, retain_limit)
{
	struct segpool_limits limits = { .retain_limit = 3 * SP_BIG + SP_PAGE };
	/* A huge page is retained as a whole or not at all. */
	uint64_t kept = 3 * SP_BIG + (variant->mode == SEGPOOL_MODE_HUGE ? 0 : SP_PAGE);
	uint64_t free_before;
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_RETAIN, &limits));
	free_before = sp_free_bytes();
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, 10, 0));
	EXPECT_EQ(kept, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_GE(sp_free_bytes(), free_before + 6 * SP_BIG);
	EXPECT_EQ(kept, sp_counter(fd, SEGPOOL_C_RETAINED_PEAK_BYTES));
	/* Lowered, what is too much goes at once; 0 keeps none. */
	limits = (struct segpool_limits){ .retain_limit = SP_BIG };
	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_RETAIN, &limits));
	EXPECT_EQ(SP_BIG, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	limits = (struct segpool_limits){ .retain_limit = 0 };
	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_RETAIN, &limits));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, sp_free(fd, self->regions[10].handle, 0));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(lowered, trim_to_a_target)
{
	uint64_t free_before, released = 0;
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_free_regions(fd, self->regions, BUDGET, 0));
	free_before = sp_free_bytes();
	ASSERT_EQ(0, sp_trim(fd, 5 * SP_BIG, &released));
	EXPECT_EQ((BUDGET - 5) * SP_BIG, released);
	EXPECT_EQ(5 * SP_BIG, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_GE(sp_free_bytes(), free_before + (BUDGET - 6) * SP_BIG);
	ASSERT_EQ(0, sp_trim(fd, 6 * SP_BIG, &released));
	EXPECT_EQ(0, released);
	EXPECT_EQ(5 * SP_BIG, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
}

/* The pages of a whole pool are the machine's again, by release, and by close with all mapped. */
TEST_F(lowered, all_memory_comes_back)
{
	uint64_t used, after;

	used = sp_free_bytes();
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, 8, SEGPOOL_NOW));
	EXPECT_GE(sp_free_bytes(), used + 7 * SP_BIG);
	sp_pool_close(&self->pool);
	after = used + BUDGET * SP_BIG - SP_BIG;
	EXPECT_TRUE(sp_wait_free_bytes(after, 2000));
	/* Promise 2: of the counters of the module too nothing is left. */
	EXPECT_TRUE(sp_wait_module_idle(2000));
}

TEST_HARNESS_MAIN
