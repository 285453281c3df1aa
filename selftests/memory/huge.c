// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge pools: a region of 2 MiB is one page of the machine where the kernel can do
 * that, and single pages where it cannot or where no huge page is to be had. No
 * promise depends on which.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS		16
#define PAGES		(SP_BIG / SP_PAGE)
/* Part of a region that goes. */
#define HOLE_AT		(64 * SP_PAGE)
#define HOLE		(16 * SP_PAGE)

FIXTURE(huge) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
	char *bytes;
};

FIXTURE_SETUP(huge)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_HUGE, SP_BIG, REGIONS * SP_BIG,
				  REGIONS * SP_BIG, REGIONS * SP_BIG));
}

FIXTURE_TEARDOWN(huge)
{
	sp_pool_close(&self->pool);
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
}

static uint64_t counter(const struct sp_pool *pool, enum segpool_counter which)
{
	return sp_counter(pool->fd, which);
}

/* The first region, populated and written to. */
static int take_one(struct sp_pool *pool, struct segpool_region *region, char **bytes)
{
	int error = sp_alloc_one(pool->fd, 0, SEGPOOL_POPULATE, 0, region, NULL);

	if (error)
		return error;
	*bytes = sp_region_at(pool, region);
	sp_pattern_write(*bytes, SP_BIG, region->handle);
	return 0;
}

/* Page tables of the process, bytes: a region mapped by one entry has none of its own. */
static uint64_t page_tables(void)
{
	return sp_file_value("/proc/self/status", "VmPTE") * SP_KIB;
}

TEST_F(huge, one_entry_for_a_region)
{
	uint64_t before = page_tables(), free_before = sp_free_bytes(), tables;
	unsigned int i;

	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	tables = (page_tables() - before) / SP_PAGE;
	if (sp_kernel_maps_huge()) {
		EXPECT_GE(3, tables);
	} else {
		EXPECT_LE(REGIONS, tables);
	}
	EXPECT_EQ(REGIONS, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_HUGE_FALLBACKS));
	EXPECT_GE(free_before, sp_free_bytes() + REGIONS * SP_BIG - SP_MIB);
	for (i = 0; i < REGIONS; i++)
		EXPECT_EQ(1, sp_is_zero(sp_region_at(&self->pool, &self->regions[i]), SP_BIG));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_FAULTS));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(huge, release_is_real)
{
	uint64_t free_before;

	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	free_before = sp_free_bytes();
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, REGIONS, SEGPOOL_NOW));
	EXPECT_LE(free_before + REGIONS * SP_BIG - SP_MIB, sp_free_bytes());
	EXPECT_EQ(REGIONS * PAGES, sp_count_refused(self->pool.base, REGIONS * SP_BIG));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Retained as a whole: the same memory comes back, unzeroed unless asked for. */
TEST_F(huge, retained_and_reused)
{
	uint64_t before = page_tables();

	ASSERT_EQ(0, take_one(&self->pool, self->regions, &self->bytes));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	EXPECT_EQ(SP_BIG, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(SIGBUS, sp_touch(self->bytes));
	ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, self->regions + 1, NULL));
	EXPECT_EQ(self->regions[0].offset, self->regions[1].offset);
	EXPECT_EQ(0, sp_pattern_check(self->bytes, SP_BIG, self->regions[0].handle));
	EXPECT_EQ(PAGES, counter(&self->pool, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_EQ(PAGES, counter(&self->pool, SEGPOOL_C_RETAINED_REUSED_PAGES));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[1].handle, 0));
	ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE | SEGPOOL_ZERO, 0,
				  self->regions, NULL));
	EXPECT_EQ(1, sp_is_zero(self->bytes, SP_BIG));
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	if (sp_kernel_maps_huge()) {
		EXPECT_GE(3, (page_tables() - before) / SP_PAGE);
	}
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(huge, first_touch_backs_all)
{
	long faults;

	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, self->regions));
	self->bytes = sp_region_at(&self->pool, self->regions);
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	faults = sp_thread_faults();
	EXPECT_EQ(1, sp_is_zero(self->bytes, SP_BIG));
	/* Some of them the stack's, and of what the test itself touches first. */
	EXPECT_GE(8, sp_thread_faults() - faults);
	EXPECT_EQ(SP_BIG, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_FAULTS));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(huge, populate_backs_all)
{
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, self->regions));
	ASSERT_EQ(0, sp_populate(self->pool.fd, self->regions[0].handle, 0, SP_BIG, 0));
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_EQ(1, sp_is_zero(sp_region_at(&self->pool, self->regions), SP_BIG));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_FAULTS));
	/* Nothing to do. */
	ASSERT_EQ(0, sp_populate(self->pool.fd, self->regions[0].handle, SP_PAGE, SP_PAGE, 0));
	EXPECT_EQ(SP_BIG, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Less than a region is asked for, and less is brought. */
TEST_F(huge, populate_of_a_part)
{
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, self->regions));
	ASSERT_EQ(0, sp_populate(self->pool.fd, self->regions[0].handle, HOLE_AT, HOLE, 0));
	EXPECT_EQ(HOLE, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	self->bytes = sp_region_at(&self->pool, self->regions);
	EXPECT_EQ(0, sp_touch_write(self->bytes));
	EXPECT_EQ(HOLE + SP_PAGE, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* The rest stays, with its content, and without a fault. */
TEST_F(huge, discard_of_a_part_splits)
{
	uint64_t free_before;
	uint64_t handle;

	ASSERT_EQ(0, take_one(&self->pool, self->regions, &self->bytes));
	handle = self->regions[0].handle;
	free_before = sp_free_bytes();
	ASSERT_EQ(0, sp_discard(self->pool.fd, handle, HOLE_AT, HOLE, SEGPOOL_NOW));
	/* Pages that nobody discarded were not copied: they are many more than that. */
	EXPECT_LE(free_before, sp_free_bytes() + SP_MIB);
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_SPLIT_REGIONS));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_EQ(SP_BIG - HOLE, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(PAGES - HOLE / SP_PAGE, sp_present(self->bytes, SP_BIG, NULL));
	EXPECT_EQ(0, sp_pattern_check(self->bytes, HOLE_AT, handle));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_FAULTS));
	EXPECT_NO_DRIFT(&self->pool);

	/* What is gone comes back as new pages, by touch and by request. */
	EXPECT_EQ(1, sp_is_zero(self->bytes + HOLE_AT, SP_PAGE));
	ASSERT_EQ(0, sp_populate(self->pool.fd, handle, HOLE_AT, HOLE, 0));
	EXPECT_EQ(1, sp_is_zero(self->bytes + HOLE_AT, HOLE));
	EXPECT_EQ(SP_BIG, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_FAULTS));
	EXPECT_NO_DRIFT(&self->pool);

	/* The last part: nothing is left, and the next owner has a huge page again. */
	ASSERT_EQ(0, sp_free(self->pool.fd, handle, SEGPOOL_NOW));
	EXPECT_EQ(PAGES, sp_count_refused(self->bytes, SP_BIG));
	ASSERT_EQ(0, take_one(&self->pool, self->regions, &self->bytes));
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_EQ(0, sp_pattern_check(self->bytes, SP_BIG, self->regions[0].handle));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(huge, discard_of_all)
{
	ASSERT_EQ(0, take_one(&self->pool, self->regions, &self->bytes));
	ASSERT_EQ(0, sp_discard(self->pool.fd, self->regions[0].handle, 0, SP_BIG, 0));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_SPLIT_REGIONS));
	EXPECT_EQ(SP_BIG, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, sp_present(self->bytes, SP_BIG, NULL));
	EXPECT_EQ(0, sp_touch(self->bytes));
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

static int set_physical(struct sp_pool *pool, uint64_t bytes)
{
	struct segpool_limits limits = { .physical_budget = bytes };

	return sp_set_budget(pool->fd, SEGPOOL_SET_PHYSICAL, &limits);
}

/* The budget is full of single pages that are retained: they serve. */
TEST_F(huge, retained_single_pages_serve)
{
	ASSERT_EQ(0, set_physical(&self->pool, SP_BIG));
	ASSERT_EQ(0, take_one(&self->pool, self->regions, &self->bytes));
	ASSERT_EQ(0, sp_discard(self->pool.fd, self->regions[0].handle, 0, SP_PAGE, 0));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	EXPECT_EQ(SP_BIG, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, take_one(&self->pool, self->regions, &self->bytes));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_EQ(1, counter(&self->pool, SEGPOOL_C_HUGE_FALLBACKS));
	EXPECT_EQ(PAGES, counter(&self->pool, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_EQ(0, sp_pattern_check(self->bytes, SP_BIG, self->regions[0].handle));
	EXPECT_NO_DRIFT(&self->pool);
}

/* And full of a huge one, where single ones are wanted: it goes. */
TEST_F(huge, retained_huge_page_gives_way)
{
	ASSERT_EQ(0, set_physical(&self->pool, SP_BIG));
	ASSERT_EQ(0, take_one(&self->pool, self->regions, &self->bytes));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, self->regions));
	/* More than all of the budget: nothing is given up for that. */
	ASSERT_EQ(0, set_physical(&self->pool, SP_BIG - SP_PAGE));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, set_physical(&self->pool, SP_BIG));
	ASSERT_EQ(0, sp_populate(self->pool.fd, self->regions[0].handle, 0, SP_BIG, 0));
	ASSERT_EQ(0, sp_discard(self->pool.fd, self->regions[0].handle, 0, SP_BIG, 0));
	EXPECT_EQ(SP_BIG, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(0, sp_populate(self->pool.fd, self->regions[0].handle, 0, HOLE, 0));
	EXPECT_EQ(HOLE, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* There is budget for some pages, and not for all: a touch brings one. */
TEST_F(huge, budget_below_a_region)
{
	uint32_t reason;

	ASSERT_EQ(0, set_physical(&self->pool, SP_MIB));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, self->regions));
	self->bytes = sp_region_at(&self->pool, self->regions);
	EXPECT_EQ(0, sp_touch_write(self->bytes));
	EXPECT_EQ(SP_PAGE, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, self->regions + 1,
					&reason));
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, reason);
	EXPECT_EQ(SP_PAGE, counter(&self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Age, TRIM and the system take huge pages like others, and the machine has them again. */
TEST_F(huge, retained_ones_go)
{
	struct segpool_limits limits = { .retain_age_ms = 20 };
	uint64_t free_before, released;

	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, REGIONS, 0));
	EXPECT_EQ(REGIONS * SP_BIG, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	free_before = sp_free_bytes();
	/* Not half a huge page: the whole goes. */
	ASSERT_EQ(0, sp_trim(self->pool.fd, (REGIONS - 1) * SP_BIG + SP_PAGE, &released));
	EXPECT_EQ(SP_BIG, released);
	EXPECT_EQ((REGIONS - 1) * SP_BIG, counter(&self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_TRUE(sp_drop_slab(self->pool.fd));
	EXPECT_LT(0, counter(&self->pool, SEGPOOL_C_SHRUNK_PAGES));
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_AGE, &limits));
	EXPECT_TRUE(sp_wait_free_bytes(free_before + REGIONS * SP_BIG - SP_MIB, 30000));
	/* Pages are free a moment before they are no longer counted. */
	EXPECT_TRUE(sp_wait_until(sp_retains_nothing, &self->pool, 30000));
	EXPECT_NO_DRIFT(&self->pool);
}

/*
 * Mapped while nothing may be accessed, by one entry and, where a region once had
 * single pages, by many: with access the pages are the region's and nobody else's.
 */
TEST_F(huge, mapped_without_access)
{
	struct segpool_region *regions = self->regions;
	unsigned int i;

	ASSERT_EQ(4, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 4, regions));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, sp_discard(self->pool.fd, regions[i].handle, 0, SP_PAGE, SEGPOOL_NOW));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, regions, 4, SEGPOOL_NOW));
	ASSERT_EQ(0, mprotect(self->pool.base, self->pool.length, PROT_NONE));
	ASSERT_EQ(4, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 4, regions));
	EXPECT_EQ(4, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_EQ(SIGSEGV, sp_touch(sp_region_at(&self->pool, regions)));
	ASSERT_EQ(0, mprotect(self->pool.base, self->pool.length, PROT_READ | PROT_WRITE));
	for (i = 0; i < 4; i++) {
		self->bytes = sp_region_at(&self->pool, regions + i);
		EXPECT_EQ(1, sp_is_zero(self->bytes, SP_BIG));
		sp_pattern_write(self->bytes, SP_BIG, i);
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, regions + i), SP_BIG, i));
	EXPECT_EQ(0, counter(&self->pool, SEGPOOL_C_FAULTS));
	ASSERT_EQ(0, mprotect(self->pool.base, self->pool.length, PROT_READ));
	EXPECT_EQ(0, sp_pattern_check(self->bytes, SP_BIG, 3));
	EXPECT_EQ(SIGSEGV, sp_touch_write(self->bytes));
	EXPECT_NO_DRIFT(&self->pool);
}

static int write_to_it(void *at)
{
	/* The write would be tried again for ever. */
	alarm(20);
	return sp_touch_write(at);
}

/*
 * The kernel may have taken the right to write from the entry and given it to the
 * mapping again: as here, where it looks for pages that are written to.
 */
TEST_F(huge, writable_again)
{
	struct sp_pool *pool = &self->pool;

	ASSERT_EQ(0, take_one(pool, self->regions, &self->bytes));
	/* Fails where the kernel has no such thing. */
	sp_write_file("/proc/self/clear_refs", "4");
	ASSERT_EQ(0, mprotect(pool->base, pool->length, PROT_READ));
	ASSERT_EQ(0, mprotect(pool->base, pool->length, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, write_to_it(self->bytes));
	alarm(0);
	sp_pattern_write(self->bytes, SP_BIG, 7);
	EXPECT_EQ(0, sp_pattern_check(self->bytes, SP_BIG, 7));
	EXPECT_EQ(1, counter(pool, SEGPOOL_C_HUGE_REGIONS));
	EXPECT_NO_DRIFT(pool);
}

/* Neighbours are huge, too, and one buffer. */
TEST_F(huge, neighbours)
{
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS, .count = 4 };

	ASSERT_EQ(0, sp_alloc_call(self->pool.fd, &call, self->regions));
	EXPECT_EQ(4, counter(&self->pool, SEGPOOL_C_HUGE_REGIONS));
	self->bytes = sp_region_at(&self->pool, self->regions);
	sp_pattern_write(self->bytes, 4 * SP_BIG, 1);
	EXPECT_EQ(0, sp_pattern_check(self->bytes, 4 * SP_BIG, 1));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Regions of other sizes are what they are in other modes. */
TEST_F(huge, other_region_sizes)
{
	static const uint64_t sizes[] = { SP_SMALL, SP_MIB, 4 * SP_MIB };
	struct sp_pool pool;
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_HUGE, sizes[i], 4 * sizes[i],
					  4 * sizes[i], 4 * sizes[i]));
		EXPECT_EQ(0, sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE, 0, self->regions, NULL));
		EXPECT_EQ(0, sp_alloc_one(pool.fd, 0, 0, 0, self->regions + 1, NULL));
		EXPECT_EQ(0, sp_touch_write(sp_region_at(&pool, self->regions + 1)));
		EXPECT_EQ(sizes[i] + SP_PAGE, sp_counter(pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
		EXPECT_EQ(0, sp_counter(pool.fd, SEGPOOL_C_HUGE_REGIONS));
		EXPECT_NO_DRIFT(&pool);
		sp_pool_close(&pool);
	}
}

/* Threads that split, bring back, release and reuse the same few regions, each its own. */
struct crowd {
	struct sp_pool *pool;
	atomic_uint wrong;
};

#define ROUNDS	60

static void use_regions(void *argument, unsigned int member)
{
	struct crowd *crowd = argument;
	struct sp_pool *pool = crowd->pool;
	uint64_t random = member + 1;
	struct segpool_region region;
	unsigned int round, at;
	char *bytes;

	for (round = 0; round < ROUNDS; round++) {
		if (take_one(pool, &region, &bytes)) {
			crowd->wrong++;
			continue;
		}
		at = sp_random(&random) % (PAGES - 1);
		if (round % 3 && sp_discard(pool->fd, region.handle, at * SP_PAGE, SP_PAGE, 0))
			crowd->wrong++;
		if (sp_pattern_check(bytes, at * SP_PAGE, region.handle))
			crowd->wrong++;
		if (round % 3 == 2 && sp_populate(pool->fd, region.handle, 0, SP_BIG, SEGPOOL_ZERO))
			crowd->wrong++;
		if (sp_free(pool->fd, region.handle, round % 5 ? 0 : SEGPOOL_NOW))
			crowd->wrong++;
	}
}

TEST_F(huge, threads)
{
	struct crowd crowd = { .pool = &self->pool };

	sp_team_run(4, use_regions, &crowd);
	EXPECT_EQ(0, crowd.wrong);
	EXPECT_LT(0, counter(&self->pool, SEGPOOL_C_SPLIT_REGIONS));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
