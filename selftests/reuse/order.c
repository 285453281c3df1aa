// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 4: a request takes a freed region of its class, then a new one, then
 * a freed one of another class; then it is refused with the reason. An idle
 * class can never starve a busy one. Promise 1: virtual bytes never shrink and
 * stay flat over release and reuse.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define BUDGET	8

FIXTURE(order) {
	struct sp_pool pool;
	struct segpool_region regions[BUDGET];
};

SP_MODE_VARIANTS(order);

FIXTURE_SETUP(order)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, BUDGET * SP_SMALL,
				  BUDGET * SP_SMALL, BUDGET * SP_SMALL));
}

FIXTURE_TEARDOWN(order)
{
	sp_pool_close(&self->pool);
}

/* Promise 4, first step: the class' own freed region, although a new one could be had. */
TEST_F(order, own_freed_region_first)
{
	struct segpool_region again;
	int fd = self->pool.fd;

	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &self->regions[0]));
	EXPECT_EQ(SEGPOOL_REGION_NEW, self->regions[0].flags);
	ASSERT_EQ(1, sp_alloc(fd, 1, 0, 1, &self->regions[1]));
	EXPECT_EQ(SEGPOOL_REGION_NEW, self->regions[1].flags);
	ASSERT_EQ(0, sp_free(fd, self->regions[0].handle, 0));
	ASSERT_EQ(0, sp_free(fd, self->regions[1].handle, 0));

	ASSERT_EQ(1, sp_alloc(fd, 1, 0, 1, &again));
	EXPECT_EQ(self->regions[1].offset, again.offset);
	EXPECT_EQ(SEGPOOL_REGION_REUSED, again.flags);
	EXPECT_NE(self->regions[1].handle, again.handle);
	EXPECT_EQ(2 * SP_SMALL, sp_counter(fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(1, sp_counter(fd, SEGPOOL_C_REUSED_REGIONS));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_CROSS_CLASS_REUSES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Promise 4, second step: a new region is preferred to another class' freed one. */
TEST_F(order, new_region_before_another_class)
{
	struct segpool_region other;
	int fd = self->pool.fd;

	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &self->regions[0]));
	ASSERT_EQ(0, sp_free(fd, self->regions[0].handle, 0));
	ASSERT_EQ(1, sp_alloc(fd, 1, 0, 1, &other));
	EXPECT_EQ(SEGPOOL_REGION_NEW, other.flags);
	EXPECT_NE(self->regions[0].offset, other.offset);
	EXPECT_EQ(2 * SP_SMALL, sp_counter(fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(1, sp_counter(fd, SEGPOOL_C_REGIONS_FREED));
}

/*
 * Promise 4, third step: a class that carved everything and gave it all back
 * holds the whole virtual budget and, retained, the whole physical one. Another
 * class must get all of it.
 */
TEST_F(order, idle_class_cannot_starve_a_busy_one)
{
	struct segpool_region regions[BUDGET];
	uint64_t idle[SEGPOOL_NR_CLASS_COUNTERS], busy[SEGPOOL_NR_CLASS_COUNTERS];
	int fd = self->pool.fd, i;

	ASSERT_EQ(BUDGET, sp_alloc(fd, 0, SEGPOOL_POPULATE, BUDGET, self->regions));
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, BUDGET, 0));
	ASSERT_EQ(BUDGET * SP_SMALL, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));

	for (i = 0; i < BUDGET; i++) {
		ASSERT_EQ(1, sp_alloc(fd, 3, SEGPOOL_POPULATE, 1, &regions[i]));
		EXPECT_EQ(SEGPOOL_REGION_REUSED | SEGPOOL_REGION_CROSS, regions[i].flags);
		sp_pattern_write(sp_region_at(&self->pool, &regions[i]), SP_SMALL, i);
	}
	for (i = 0; i < BUDGET; i++)
		EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, &regions[i]), SP_SMALL, i));
	EXPECT_EQ(BUDGET * SP_SMALL, sp_counter(fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(BUDGET, sp_counter(fd, SEGPOOL_C_CROSS_CLASS_REUSES));
	ASSERT_EQ(0, sp_class_stat(fd, 0, idle));
	ASSERT_EQ(0, sp_class_stat(fd, 3, busy));
	EXPECT_EQ(0, idle[SEGPOOL_CC_REGIONS_FREED]);
	EXPECT_EQ(0, idle[SEGPOOL_CC_REGIONS_ACTIVE]);
	EXPECT_EQ(BUDGET, busy[SEGPOOL_CC_REGIONS_ACTIVE]);
	EXPECT_EQ(BUDGET, busy[SEGPOOL_CC_CROSS_CLASS_REUSES]);
	EXPECT_NO_DRIFT(&self->pool);
}

/* Promise 4, last step and promise 1: refused with the reason, and nothing has changed. */
TEST_F(order, virtual_budget_refuses)
{
	uint64_t before[SEGPOOL_NR_COUNTERS], after[SEGPOOL_NR_COUNTERS];
	struct segpool_region region;
	uint32_t reason;
	int fd = self->pool.fd;

	ASSERT_EQ(BUDGET, sp_alloc(fd, 0, 0, BUDGET, self->regions));
	ASSERT_EQ(0, sp_stat(fd, before));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(fd, 1, 0, 0, &region, &reason));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	ASSERT_EQ(0, sp_stat(fd, after));
	EXPECT_EQ(before[SEGPOOL_C_REFUSED_VIRTUAL] + 1, after[SEGPOOL_C_REFUSED_VIRTUAL]);
	EXPECT_EQ(BUDGET * SP_SMALL, after[SEGPOOL_C_VIRTUAL_BYTES]);
	EXPECT_EQ(before[SEGPOOL_C_REGIONS_ACTIVE], after[SEGPOOL_C_REGIONS_ACTIVE]);
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(order, physical_budget_refuses)
{
	struct segpool_limits limits = { .physical_budget = 2 * SP_SMALL + 3 * SP_PAGE };
	uint64_t before[SEGPOOL_NR_COUNTERS], after[SEGPOOL_NR_COUNTERS];
	struct segpool_region region;
	uint32_t reason;
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_EQ(2, sp_alloc(fd, 0, SEGPOOL_POPULATE, 2, self->regions));
	ASSERT_EQ(0, sp_stat(fd, before));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(fd, 0, SEGPOOL_POPULATE, 0, &region, &reason));
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, reason);
	ASSERT_EQ(0, sp_stat(fd, after));
	EXPECT_EQ(before[SEGPOOL_C_REFUSED_PHYSICAL] + 1, after[SEGPOOL_C_REFUSED_PHYSICAL]);
	EXPECT_EQ(before[SEGPOOL_C_PHYSICAL_BYTES], after[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_EQ(before[SEGPOOL_C_REGIONS_ACTIVE], after[SEGPOOL_C_REGIONS_ACTIVE]);
	EXPECT_NO_DRIFT(&self->pool);
	/* The three pages that were left are still to be had. */
	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &region));
	EXPECT_EQ(0, sp_populate(fd, region.handle, 0, 3 * SP_PAGE, 0));
	EXPECT_EQ(-ENOMEM, sp_populate(fd, region.handle, 4 * SP_PAGE, SP_PAGE, 0));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Promise 1, a batch: it takes what fits and says why it stopped. */
TEST_F(order, batch_stops_at_the_budget)
{
	struct segpool_alloc call = { .class_index = 2, .count = 2 * BUDGET };
	struct segpool_region regions[2 * BUDGET];

	ASSERT_EQ(0, sp_alloc_call(self->pool.fd, &call, regions));
	EXPECT_EQ(BUDGET, call.done);
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, call.reason);
	EXPECT_EQ(BUDGET * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Retained pages serve any region, not only the one that had them. */
TEST_F(order, retained_pages_serve_any_region)
{
	struct segpool_limits limits = { .physical_budget = 2 * SP_SMALL };
	struct segpool_region other[2];
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_EQ(2, sp_alloc(fd, 0, SEGPOOL_POPULATE, 2, self->regions));
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, 2, 0));
	ASSERT_EQ(2, sp_alloc(fd, 1, SEGPOOL_POPULATE, 2, other));
	EXPECT_EQ(SEGPOOL_REGION_NEW, other[0].flags);
	EXPECT_EQ(2 * SP_SMALL, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(32, sp_counter(fd, SEGPOOL_C_RETAINED_REUSED_PAGES));
	EXPECT_EQ(32, sp_counter(fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Promise 1: a thousand epochs of churn in changing classes never carve another region. */
TEST_F(order, virtual_flat_over_a_thousand_epochs)
{
	bool seen[BUDGET] = { false };
	uint64_t random = 42, carved;
	int fd = self->pool.fd;
	unsigned int epoch, i, n;

	for (epoch = 0; epoch < 1000; epoch++) {
		n = epoch ? 1 + sp_random(&random) % 6 : 6;
		for (i = 0; i < n; i++) {
			ASSERT_EQ(1, sp_alloc(fd, epoch ? sp_random(&random) % 5 : 0, 0, 1,
					      &self->regions[i]));
			ASSERT_LT(self->regions[i].offset / SP_SMALL, BUDGET);
			seen[self->regions[i].offset / SP_SMALL] = true;
			*(volatile char *)sp_region_at(&self->pool, &self->regions[i]) = 1;
		}
		ASSERT_EQ(0, sp_free_regions(fd, self->regions, n, 0));
	}
	for (i = 0, n = 0; i < BUDGET; i++)
		n += seen[i];
	carved = sp_counter(fd, SEGPOOL_C_VIRTUAL_BYTES);
	EXPECT_EQ(n * SP_SMALL, carved);
	EXPECT_LE(carved, BUDGET * SP_SMALL);
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* The same with one class: six regions are carved in the first epoch and none after it. */
TEST_F(order, one_class_carves_once)
{
	int fd = self->pool.fd;
	unsigned int epoch;

	for (epoch = 0; epoch < 1000; epoch++) {
		ASSERT_EQ(6, sp_alloc(fd, 2, 0, 6, self->regions));
		ASSERT_EQ(0, sp_free_regions(fd, self->regions, 6, 0));
	}
	EXPECT_EQ(6 * SP_SMALL, sp_counter(fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(6, sp_counter(fd, SEGPOOL_C_NEW_REGIONS));
	EXPECT_EQ(6 * 999, sp_counter(fd, SEGPOOL_C_REUSED_REGIONS));
	EXPECT_EQ(6 * 1000, sp_counter(fd, SEGPOOL_C_RELEASED_REGIONS));
}

TEST_HARNESS_MAIN
