// SPDX-License-Identifier: GPL-2.0-only
/*
 * Neighbouring regions of one request: ascending, all or none (promises 4 and
 * 1), found again among freed ones so that virtual bytes do not grow.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define BUDGET	8

FIXTURE(contiguous) {
	struct sp_pool pool;
	struct segpool_region regions[BUDGET];
};

SP_MODE_VARIANTS(contiguous);

FIXTURE_SETUP(contiguous)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, BUDGET * SP_SMALL,
				  BUDGET * SP_SMALL, BUDGET * SP_SMALL));
}

FIXTURE_TEARDOWN(contiguous)
{
	sp_pool_close(&self->pool);
}

static int take_run(struct sp_pool *pool, uint32_t class_index, uint32_t flags, uint32_t count,
		    struct segpool_region *regions, uint32_t *reason)
{
	struct segpool_alloc call = { .flags = flags | SEGPOOL_CONTIGUOUS, .count = count,
				      .class_index = class_index };
	int error = sp_alloc_call(pool->fd, &call, regions);

	if (reason)
		*reason = call.reason;
	return error ? error : (int)call.done;
}

static bool are_neighbours(const struct segpool_region *regions, int count)
{
	int i;

	for (i = 1; i < count; i++)
		if (regions[i].offset != regions[0].offset + i * SP_SMALL)
			return false;
	return true;
}

TEST_F(contiguous, neighbours_make_one_buffer)
{
	struct segpool_region single;
	char *bytes;

	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &single));
	ASSERT_EQ(4, take_run(&self->pool, 0, SEGPOOL_POPULATE | SEGPOOL_ZERO, 4, self->regions,
			      NULL));
	ASSERT_TRUE(are_neighbours(self->regions, 4));
	bytes = sp_region_at(&self->pool, &self->regions[0]);
	EXPECT_EQ(64, sp_present(bytes, 4 * SP_SMALL, NULL));
	EXPECT_TRUE(sp_is_zero(bytes, 4 * SP_SMALL));
	memset(bytes, 0x5a, 4 * SP_SMALL);
	EXPECT_NO_DRIFT(&self->pool);
	/* Each is released for itself. */
	EXPECT_EQ(0, sp_free(self->pool.fd, self->regions[1].handle, 0));
	EXPECT_EQ(SIGBUS, sp_touch(bytes + SP_SMALL));
	EXPECT_EQ(0x5a, bytes[0]);
	EXPECT_EQ(0x5a, bytes[2 * SP_SMALL]);
}

TEST_F(contiguous, all_or_none)
{
	uint64_t before[SEGPOOL_NR_COUNTERS], after[SEGPOOL_NR_COUNTERS];
	uint32_t reason;

	ASSERT_EQ(6, sp_alloc(self->pool.fd, 0, 0, 6, self->regions));
	ASSERT_EQ(0, sp_stat(self->pool.fd, before));
	EXPECT_EQ(-ENOMEM, take_run(&self->pool, 0, 0, 3, self->regions, &reason));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	ASSERT_EQ(0, sp_stat(self->pool.fd, after));
	EXPECT_EQ(before[SEGPOOL_C_VIRTUAL_BYTES], after[SEGPOOL_C_VIRTUAL_BYTES]);
	EXPECT_EQ(before[SEGPOOL_C_REGIONS_ACTIVE], after[SEGPOOL_C_REGIONS_ACTIVE]);
	EXPECT_EQ(before[SEGPOOL_C_REGIONS_FREED], after[SEGPOOL_C_REGIONS_FREED]);
	EXPECT_EQ(2, take_run(&self->pool, 0, 0, 2, self->regions, NULL));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Refused for pages: the regions go back too, and pages that were there already are not lost. */
TEST_F(contiguous, all_or_none_for_pages)
{
	struct segpool_limits limits = { .physical_budget = 3 * SP_SMALL };
	struct segpool_region one;
	uint32_t reason;

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_PHYSICAL, &limits));
	EXPECT_EQ(-ENOMEM, take_run(&self->pool, 0, SEGPOOL_POPULATE, 4, self->regions, &reason));
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, reason);
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
	EXPECT_EQ(3, take_run(&self->pool, 0, SEGPOOL_POPULATE, 3, self->regions, NULL));
	EXPECT_EQ(-ENOMEM, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &one));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(contiguous, freed_runs_are_used_again)
{
	uint64_t carved = 0;
	int epoch;

	for (epoch = 0; epoch < 200; epoch++) {
		ASSERT_EQ(4, take_run(&self->pool, epoch % 3, 0, 4, self->regions, NULL));
		ASSERT_TRUE(are_neighbours(self->regions, 4));
		ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, 4, 0));
		if (epoch == 10)
			carved = sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES);
	}
	EXPECT_EQ(carved, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* A run of one class is found again by the same class although new room is left. */
TEST_F(contiguous, virtual_does_not_grow_for_one_class)
{
	int epoch;

	for (epoch = 0; epoch < 100; epoch++) {
		ASSERT_EQ(3, take_run(&self->pool, 1, 0, 3, self->regions, NULL));
		ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, 3, 0));
	}
	EXPECT_EQ(3 * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
}

TEST_F(contiguous, regions_taken_one_by_one_form_a_run)
{
	int i;

	for (i = 0; i < BUDGET; i++)
		ASSERT_EQ(1, sp_alloc(self->pool.fd, i % 5, 0, 1, &self->regions[i]));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, BUDGET, 0));
	ASSERT_EQ(BUDGET, take_run(&self->pool, 2, SEGPOOL_POPULATE, BUDGET, self->regions, NULL));
	EXPECT_TRUE(are_neighbours(self->regions, BUDGET));
	EXPECT_EQ(BUDGET * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(contiguous, refused_when_fragmented)
{
	struct segpool_region run[3];
	uint32_t reason;
	int i;

	ASSERT_EQ(BUDGET, sp_alloc(self->pool.fd, 0, 0, BUDGET, self->regions));
	for (i = 0; i < BUDGET; i += 2)
		ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[i].handle, 0));
	EXPECT_EQ(-ENOMEM, take_run(&self->pool, 0, 0, 2, run, &reason));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	EXPECT_EQ(BUDGET / 2, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_FREED));
	EXPECT_NO_DRIFT(&self->pool);
	/* One more release closes a gap of three. */
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[3].handle, 0));
	ASSERT_EQ(3, take_run(&self->pool, 0, 0, 3, run, NULL));
	EXPECT_TRUE(are_neighbours(run, 3));
	EXPECT_EQ(self->regions[2].offset, run[0].offset);
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
