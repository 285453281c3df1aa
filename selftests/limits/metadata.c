// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the module keeps to manage pages is limited, too: an eighth of the
 * ceiling. Without that a program could have a large array made for each single
 * page that it touches, and descriptors for regions that it never uses.
 */
#include "testing.h"
#include "testing_harness.h"

#define CEILING_MIB	16
#define METADATA	(CEILING_MIB * SP_MIB / 8)
/* Its array of page pointers takes a page, whatever it holds. */
#define REGION		(2 * SP_MIB)
/* More than there can be arrays for, and less than there are pages for. */
#define REGIONS		1024

FIXTURE(metadata) {
	uint64_t saved;
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
};

FIXTURE_SETUP(metadata)
{
	ASSERT_EQ(1, sp_wait_module_idle(5000));
	self->saved = sp_module_parameter("ceiling_mib");
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", CEILING_MIB));
}

FIXTURE_TEARDOWN(metadata)
{
	sp_pool_close(&self->pool);
	sp_set_module_parameter("ceiling_mib", self->saved);
}

TEST_F(metadata, arrays_for_single_pages)
{
	uint32_t populated = 0;
	int result;

	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, REGIONS * REGION,
				  REGIONS * REGION, 0));
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, 0, REGIONS, self->regions));
	do {
		result = sp_populate(self->pool.fd, self->regions[populated].handle, 0, SP_PAGE, 0);
	} while (!result && ++populated < REGIONS);
	EXPECT_EQ(-ENOMEM, result);
	EXPECT_GE(METADATA / SP_PAGE, populated);
	EXPECT_LT(0, sp_counter(self->pool.fd, SEGPOOL_C_REFUSED_CEILING));
	EXPECT_EQ(populated * SP_PAGE, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	/* A fault needs an array as well. */
	EXPECT_EQ(SIGBUS, sp_touch_write(sp_region_at(&self->pool, &self->regions[REGIONS - 1])));
	/* Where there is one, there is room for another page; and an array that is given back is free. */
	EXPECT_EQ(0, sp_populate(self->pool.fd, self->regions[0].handle, SP_PAGE, SP_PAGE, 0));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, SEGPOOL_NOW));
	EXPECT_EQ(0, sp_populate(self->pool.fd, self->regions[populated].handle, 0, SP_PAGE, 0));
}

/* A page in each region, until there is no array for another one. */
static int use_up_arrays(int fd, const struct segpool_region *regions, int nr)
{
	int result, i = 0;

	do {
		result = sp_populate(fd, regions[i].handle, 0, SP_PAGE, 0);
	} while (!result && ++i < nr);
	return result;
}

/* It has all its pages, and their array. */
TEST_F(metadata, kept_region_needs_no_array)
{
	struct segpool_region *kept = &self->regions[0];
	uint64_t handle;

	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, REGIONS * REGION,
				  REGIONS * REGION, REGION));
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, 0, REGIONS, self->regions));
	handle = kept->handle;
	ASSERT_EQ(0, sp_populate(self->pool.fd, handle, 0, REGION, 0));
	sp_pattern_write(sp_region_at(&self->pool, kept), REGION, handle);
	ASSERT_EQ(-ENOMEM, use_up_arrays(self->pool.fd, self->regions + 1, REGIONS - 1));
	ASSERT_EQ(0, sp_free(self->pool.fd, handle, SEGPOOL_LAZY));
	ASSERT_EQ(0, sp_reuse(self->pool.fd, handle, 0, SEGPOOL_POPULATE, kept));
	EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, kept), REGION, handle));
	ASSERT_EQ(0, sp_free(self->pool.fd, kept->handle, SEGPOOL_LAZY));
	EXPECT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, kept, NULL));
	EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, kept), REGION, handle));
	EXPECT_EQ(2, sp_counter(self->pool.fd, SEGPOOL_C_KEPT_REUSES));
}

TEST_F(metadata, wrong_handles_need_no_array)
{
	struct segpool_region *first = &self->regions[0], again;
	uint64_t old;

	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, 2 * REGIONS * REGION,
				  REGIONS * REGION, 0));
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, 0, REGIONS, self->regions));
	old = first->handle;
	ASSERT_EQ(0, sp_free(self->pool.fd, old, 0));
	ASSERT_EQ(0, sp_reuse(self->pool.fd, old, 0, 0, first));
	ASSERT_EQ(-ENOMEM, use_up_arrays(self->pool.fd, self->regions + 1, REGIONS - 1));
	EXPECT_EQ(-EBUSY, sp_reuse(self->pool.fd, old, 0, SEGPOOL_POPULATE, &again));
	EXPECT_EQ(-EBUSY, sp_reuse(self->pool.fd, first->handle, 0, SEGPOOL_POPULATE, &again));
	ASSERT_EQ(0, sp_free(self->pool.fd, first->handle, 0));
	EXPECT_EQ(-ESTALE, sp_reuse(self->pool.fd, old, 0, SEGPOOL_POPULATE, &again));
	EXPECT_EQ(-ENOENT, sp_reuse(self->pool.fd, first->handle + REGIONS, 0, SEGPOOL_POPULATE,
				    &again));
	EXPECT_EQ(-ENOMEM, sp_reuse(self->pool.fd, first->handle, 0, SEGPOOL_POPULATE, &again));
}

/* What the pool may never have takes no arrays from others, not even for a moment. */
TEST_F(metadata, neighbours_beyond_the_budget)
{
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS,
				      .count = REGIONS };

	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, REGIONS * REGION,
				  (REGIONS - 1) * REGION, 0));
	EXPECT_EQ(-ENOMEM, sp_alloc_call(self->pool.fd, &call, self->regions));
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, call.reason);
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_REFUSED_CEILING));
}

TEST_F(metadata, descriptors_of_unused_regions)
{
	struct segpool_alloc call;
	uint64_t carved = 0;

	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_PINNABLE, SEGPOOL_MIN_REGION_SIZE,
				  SEGPOOL_MAX_REGIONS / 16 * SEGPOOL_MIN_REGION_SIZE, REGION, 0));
	do {
		call = (struct segpool_alloc){ .count = REGIONS };
		if (sp_alloc_call(self->pool.fd, &call, self->regions))
			break;
		carved += call.done;
	} while (call.done == REGIONS);
	EXPECT_EQ(SEGPOOL_REASON_CEILING, call.reason);
	/* Tens of them fit into a page. */
	EXPECT_LT(REGIONS, carved);
	EXPECT_GT(METADATA / 16, carved);
	EXPECT_EQ(carved * SEGPOOL_MIN_REGION_SIZE,
		  sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	/* What is there can go on being used. */
	EXPECT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	EXPECT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, self->regions, NULL));
}

TEST_HARNESS_MAIN
