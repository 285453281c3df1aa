// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space is free: a reservation costs next to nothing until it is used,
 * and a carved region without pages costs at most 64 bytes, measured by what
 * the system has less.
 */
#include "testing.h"
#include "testing_harness.h"

#define TRIES	3

/* Free memory, and what the kernel calls its own: a cost must show in the first at least. */
struct usage {
	int64_t free;
	int64_t slab;
	int64_t vmalloc;
	int64_t tables;
};

static void usage_read(struct usage *usage)
{
	usage->free = sp_free_bytes();
	usage->slab = sp_meminfo("Slab");
	usage->vmalloc = sp_meminfo("VmallocUsed");
	usage->tables = sp_meminfo("PageTables");
}

/* The larger of what went from free memory and what was added to the kernel's. */
static int64_t usage_since(const struct usage *before)
{
	struct usage now;
	int64_t kernel, gone;

	usage_read(&now);
	gone = before->free - now.free;
	kernel = now.slab - before->slab + now.vmalloc - before->vmalloc + now.tables -
		 before->tables;
	return gone > kernel ? gone : kernel;
}

static int64_t cost_of_reservation(uint64_t length, int *error)
{
	struct usage before;
	struct sp_pool pool;
	int64_t cost;

	usage_read(&before);
	*error = sp_pool_make(&pool, SEGPOOL_MODE_STRICT, 0, length, SP_GIB, SP_GIB);
	cost = usage_since(&before);
	sp_pool_close(&pool);
	return cost;
}

TEST(a_tebibyte_costs_less_than_a_mebibyte)
{
	int64_t cost, least = INT64_MAX;
	int i, error;

	/* Others allocate too: the least of a few tries is ours. */
	for (i = 0; i < TRIES; i++) {
		cost = cost_of_reservation(SP_TIB, &error);
		ASSERT_EQ(0, error);
		least = cost < least ? cost : least;
	}
	EXPECT_GT((int64_t)SP_MIB, least);
}

/* The largest reservation there may be is no danger to the machine either. */
TEST(the_largest_reservation_works)
{
	uint64_t length = SEGPOOL_MAX_REGIONS * SEGPOOL_DEFAULT_REGION_SIZE;
	struct segpool_region region;
	struct sp_pool pool;
	struct usage before;

	usage_read(&before);
	ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_STRICT, 0, length, SP_GIB, SP_GIB));
	EXPECT_EQ(0, sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	EXPECT_EQ(0, sp_touch_write(sp_region_at(&pool, &region)));
	EXPECT_EQ(SIGBUS, sp_touch(pool.base + length - SP_PAGE));
	EXPECT_GT((int64_t)(8 * SP_MIB), usage_since(&before));
	sp_pool_close(&pool);
}

#define CARVED		100000U
#define SMALL		SEGPOOL_MIN_REGION_SIZE
#define SLACK		(512 * SP_KIB)

FIXTURE(carved) {
	struct sp_pool pool;
	struct segpool_region *regions;
};

FIXTURE_SETUP(carved)
{
	size_t bytes = CARVED * sizeof(self->regions[0]);

	self->regions = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, self->regions);
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, SMALL, CARVED * SMALL,
				  64 * SP_MIB, 0));
}

FIXTURE_TEARDOWN(carved)
{
	sp_pool_close(&self->pool);
	munmap(self->regions, CARVED * sizeof(self->regions[0]));
}

static unsigned int carve(FIXTURE_DATA(carved) *self)
{
	unsigned int n = 0;
	int got;

	while (n < CARVED) {
		got = sp_alloc(self->pool.fd, 0, 0, CARVED - n < SEGPOOL_MAX_BATCH ?
			       CARVED - n : SEGPOOL_MAX_BATCH, self->regions + n);
		if (got <= 0)
			break;
		n += got;
	}
	return n;
}

TEST_F(carved, region_without_pages_costs_64_bytes)
{
	/* KASAN puts a border around each object. */
	size_t overhead = sp_kernel_has("kasan_report") ? 64 : 0;
	struct usage before;

	usage_read(&before);
	ASSERT_EQ(CARVED, carve(self));
	EXPECT_GE((int64_t)(CARVED * (64 + overhead) + SLACK), usage_since(&before));
	EXPECT_EQ(CARVED, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(CARVED * SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ(0, sp_present(self->pool.base, 1000 * SMALL, NULL));

	/* Release and reuse of all of them needs no more. */
	usage_read(&before);
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, CARVED, 0));
	EXPECT_EQ(CARVED, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_FREED));
	ASSERT_EQ(CARVED, carve(self));
	EXPECT_GE((int64_t)SLACK, usage_since(&before));
	EXPECT_EQ(CARVED, sp_counter(self->pool.fd, SEGPOOL_C_REUSED_REGIONS));
}

/* What pages needed besides themselves goes with them: the array that names them, too. */
TEST_F(carved, released_regions_keep_nothing_of_their_pages)
{
	struct usage before;
	unsigned int i;

	ASSERT_EQ(CARVED, carve(self));
	usage_read(&before);
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, sp_populate(self->pool.fd, self->regions[i].handle, 0, SMALL, 0));
	/* More than that, were it not for what others give back meanwhile. */
	EXPECT_LT((int64_t)(1000 * SMALL - SLACK), usage_since(&before));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, 1000, SEGPOOL_NOW));
	/* Page tables of 64 MB and slabs may stay. */
	EXPECT_GE((int64_t)SP_MIB, usage_since(&before));
}

TEST_HARNESS_MAIN
