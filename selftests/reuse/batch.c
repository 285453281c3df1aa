// SPDX-License-Identifier: GPL-2.0-only
/* Promise 7: a batch reports per entry, and a bad entry never damages a good one. */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS	8

FIXTURE(batch) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
	uint64_t stale;
};

SP_MODE_VARIANTS(batch);

/* Eight populated regions, each with a pattern of its own; the first has had an owner before. */
FIXTURE_SETUP(batch)
{
	int fd, i;

	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, 2 * REGIONS * SP_SMALL,
				  2 * REGIONS * SP_SMALL, REGIONS * SP_SMALL));
	fd = self->pool.fd;
	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, self->regions));
	self->stale = self->regions[0].handle;
	ASSERT_EQ(0, sp_free(fd, self->stale, 0));
	ASSERT_EQ(REGIONS, sp_alloc(fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	ASSERT_EQ(self->regions[0].offset, 0);
	for (i = 0; i < REGIONS; i++)
		sp_pattern_write(sp_region_at(&self->pool, &self->regions[i]), SP_SMALL, i);
}

FIXTURE_TEARDOWN(batch)
{
	sp_pool_close(&self->pool);
}

TEST_F(batch, release)
{
	struct segpool_free_entry entries[] = {
		{ .handle = self->regions[1].handle },
		{ .handle = self->regions[1].handle + 100 },
		{ .handle = self->regions[2].handle },
		{ .handle = self->stale },
		{ .handle = self->regions[1].handle },
		{ .handle = self->regions[3].handle },
	};
	const int expected[] = { 0, -ENOENT, 0, -ESTALE, -EALREADY, 0 };
	uint32_t done = 0;
	unsigned int i;

	EXPECT_EQ(-ENOENT, sp_free_batch(self->pool.fd, entries, ARRAY_SIZE(entries), 0, &done));
	EXPECT_EQ(3, done);
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		EXPECT_EQ(expected[i], entries[i].error);
	for (i = 0; i < REGIONS; i++) {
		const char *bytes = sp_region_at(&self->pool, &self->regions[i]);

		if (i >= 1 && i <= 3) {
			EXPECT_EQ(SIGBUS, sp_touch(bytes));
			EXPECT_EQ(0, sp_present(bytes, SP_SMALL, NULL));
		} else {
			EXPECT_EQ(0, sp_pattern_check(bytes, SP_SMALL, i));
		}
	}
	EXPECT_EQ(3 * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Neighbours in any order with a bad one among them: those are unmapped, no more, no less. */
TEST_F(batch, release_of_neighbours)
{
	struct segpool_free_entry entries[] = {
		{ .handle = self->regions[6].handle },
		{ .handle = self->regions[4].handle },
		{ .handle = self->stale },
		{ .handle = self->regions[5].handle },
		{ .handle = self->regions[2].handle },
	};
	unsigned int i;

	EXPECT_EQ(-ESTALE, sp_free_batch(self->pool.fd, entries, ARRAY_SIZE(entries), 0, NULL));
	for (i = 0; i < REGIONS; i++) {
		const char *bytes = sp_region_at(&self->pool, &self->regions[i]);

		if (i == 2 || (i >= 4 && i <= 6)) {
			EXPECT_EQ(16, sp_count_refused(bytes, SP_SMALL));
		} else {
			EXPECT_EQ(0, sp_pattern_check(bytes, SP_SMALL, i));
		}
	}
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(batch, discard)
{
	struct segpool_range ranges[] = {
		{ .handle = self->regions[1].handle, .offset = 0, .length = SP_PAGE },
		{ .handle = self->regions[2].handle, .offset = 1, .length = SP_PAGE },
		{ .handle = self->regions[2].handle, .offset = 0, .length = SP_SMALL + SP_PAGE },
		{ .handle = self->stale, .offset = 0, .length = SP_SMALL },
		{ .handle = self->regions[3].handle + 100, .offset = 0, .length = SP_PAGE },
		{ .handle = self->regions[3].handle, .offset = ~0ULL << 12, .length = 2 * SP_PAGE },
		{ .handle = self->regions[3].handle, .offset = 8 * SP_PAGE, .length = 8 * SP_PAGE },
	};
	const int expected[] = { 0, -EINVAL, -EINVAL, -ESTALE, -ENOENT, -EINVAL, 0 };
	uint32_t done = 0;
	unsigned int i;
	char *bytes;

	EXPECT_EQ(-EINVAL, sp_ranges(self->pool.fd, SEGPOOL_IOC_DISCARD, ranges,
				     ARRAY_SIZE(ranges), 0, &done));
	EXPECT_EQ(2, done);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		EXPECT_EQ(expected[i], ranges[i].error);
	EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, &self->regions[0]), SP_SMALL, 0));
	EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, &self->regions[2]), SP_SMALL, 2));
	bytes = sp_region_at(&self->pool, &self->regions[1]);
	EXPECT_EQ(15, sp_present(bytes, SP_SMALL, NULL));
	EXPECT_EQ(0, sp_present(bytes, SP_PAGE, NULL));
	bytes = sp_region_at(&self->pool, &self->regions[3]);
	EXPECT_EQ(8, sp_present(bytes, SP_SMALL, NULL));
	EXPECT_EQ(0, sp_pattern_check(bytes, 8 * SP_PAGE, 3));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(batch, populate)
{
	struct segpool_region empty[2];
	struct segpool_range ranges[] = {
		{ .handle = 0, .offset = SP_PAGE, .length = 2 * SP_PAGE },
		{ .handle = self->stale, .offset = 0, .length = SP_SMALL },
		{ .handle = self->regions[2].handle, .offset = 0, .length = SP_SMALL },
		{ .handle = self->regions[2].handle, .offset = 0, .length = 0 },
		{ .handle = 0, .offset = 15 * SP_PAGE, .length = SP_PAGE },
	};
	const int expected[] = { 0, -ESTALE, 0, -EINVAL, 0 };
	uint32_t done = 0;
	unsigned int i;
	char *bytes;

	ASSERT_EQ(2, sp_alloc(self->pool.fd, 0, 0, 2, empty));
	ranges[0].handle = empty[0].handle;
	ranges[4].handle = empty[1].handle;
	EXPECT_EQ(-ESTALE, sp_ranges(self->pool.fd, SEGPOOL_IOC_POPULATE, ranges,
				     ARRAY_SIZE(ranges), SEGPOOL_ZERO, &done));
	EXPECT_EQ(3, done);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		EXPECT_EQ(expected[i], ranges[i].error);
	bytes = sp_region_at(&self->pool, &empty[0]);
	EXPECT_EQ(2, sp_present(bytes, SP_SMALL, NULL));
	EXPECT_EQ(2, sp_present(bytes + SP_PAGE, 2 * SP_PAGE, NULL));
	EXPECT_TRUE(sp_is_zero(bytes + SP_PAGE, 2 * SP_PAGE));
	bytes = sp_region_at(&self->pool, &empty[1]);
	EXPECT_EQ(1, sp_present(bytes, SP_SMALL, NULL));
	/* Pages that were there keep their content, also with the request for zeroes. */
	for (i = 0; i < REGIONS; i++)
		EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, &self->regions[i]),
					      SP_SMALL, i));
	EXPECT_NO_DRIFT(&self->pool);
}

/* A range that the budget cannot back is left as it was; the ranges around it are backed. */
TEST_F(batch, populate_beyond_the_budget)
{
	struct segpool_limits limits = { .physical_budget = REGIONS * SP_SMALL + 4 * SP_PAGE };
	struct segpool_region empty;
	struct segpool_range ranges[3];
	uint32_t done = 0;

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &empty));
	memset(ranges, 0, sizeof(ranges));
	ranges[0] = (struct segpool_range){ .handle = empty.handle, .length = 2 * SP_PAGE };
	ranges[1] = (struct segpool_range){ .handle = empty.handle, .offset = 2 * SP_PAGE,
					    .length = 10 * SP_PAGE };
	ranges[2] = (struct segpool_range){ .handle = empty.handle, .offset = 14 * SP_PAGE,
					    .length = 2 * SP_PAGE };
	EXPECT_EQ(-ENOMEM, sp_ranges(self->pool.fd, SEGPOOL_IOC_POPULATE, ranges, 3, 0, &done));
	EXPECT_EQ(2, done);
	EXPECT_EQ(0, ranges[0].error);
	EXPECT_EQ(-ENOMEM, ranges[1].error);
	EXPECT_EQ(0, ranges[2].error);
	EXPECT_EQ(4, sp_present(sp_region_at(&self->pool, &empty), SP_SMALL, NULL));
	EXPECT_EQ(REGIONS * SP_SMALL + 4 * SP_PAGE,
		  sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
