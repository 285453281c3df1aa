// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles and ranges that name nothing, the past, or too much (promises 6, 14),
 * and batches in which some entries are bad (promise 7): each entry hears its
 * own error, and the region beside it keeps its bytes.
 */
#include "testing.h"
#include "testing_harness.h"

#define REGION		(256 * SP_KIB)
#define REGIONS		8
#define BUDGET		(16 * REGION)
#define OWNER		0x0a11ce0000000001ULL

static const struct {
	const char *what;
	uint64_t handle;
	int error;
} garbage[] = {
	{ "zero", 0, -ENOENT },
	{ "generation 0 of region 0", 0x0000000000000000ULL, -ENOENT },
	{ "generation 0 of region 1", 0x0000000000000001ULL, -ENOENT },
	{ "untouched region", 0x0000000100000000ULL | (BUDGET / REGION - 1), -ENOENT },
	{ "behind the reservation", 0x0000000100000000ULL | (BUDGET / REGION), -ENOENT },
	{ "far behind", 0x0000000100ffffffULL, -ENOENT },
	{ "largest index", 0x00000001ffffffffULL, -ENOENT },
	{ "all bits", UINT64_MAX, -ENOENT },
	{ "sign bits", 0x8000000080000000ULL, -ENOENT },
};

FIXTURE(handles) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
};

FIXTURE_VARIANT(handles) {
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(handles, strict) { .mode = SEGPOOL_MODE_STRICT };
FIXTURE_VARIANT_ADD(handles, pinnable) { .mode = SEGPOOL_MODE_PINNABLE };
FIXTURE_VARIANT_ADD(handles, huge) { .mode = SEGPOOL_MODE_HUGE };

FIXTURE_SETUP(handles)
{
	unsigned int i;

	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, REGION, BUDGET, BUDGET, BUDGET));
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	for (i = 0; i < REGIONS; i++)
		sp_pattern_write(sp_region_at(&self->pool, &self->regions[i]), REGION, OWNER + i);
}

FIXTURE_TEARDOWN(handles)
{
	sp_pool_close(&self->pool);
}

/* Regions of @mask are gone, all others still show their owner's bytes. */
static void expect_released(struct __test_metadata *_metadata, FIXTURE_DATA(handles) *self,
			    unsigned int mask)
{
	unsigned int i;
	char *at;

	for (i = 0; i < REGIONS; i++) {
		at = sp_region_at(&self->pool, &self->regions[i]);
		if (mask & (1U << i)) {
			EXPECT_EQ(0, sp_present(at, REGION, NULL)) {
				TH_LOG("region %u is still mapped", i);
			}
			EXPECT_EQ(SIGBUS, sp_touch(at));
		} else {
			EXPECT_EQ(REGION / SP_PAGE, sp_present(at, REGION, NULL)) {
				TH_LOG("region %u lost pages", i);
			}
			EXPECT_EQ(0, sp_pattern_check(at, REGION, OWNER + i));
		}
	}
	EXPECT_EQ(REGIONS - __builtin_popcount(mask),
		  sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_ACTIVE));
}

TEST_F(handles, offset_follows_from_the_index)
{
	unsigned int i, j;

	for (i = 0; i < REGIONS; i++) {
		EXPECT_EQ(SEGPOOL_HANDLE_INDEX(self->regions[i].handle) * REGION,
			  self->regions[i].offset);
		EXPECT_NE(0, SEGPOOL_HANDLE_GENERATION(self->regions[i].handle));
		EXPECT_EQ(SEGPOOL_REGION_NEW, self->regions[i].flags);
		EXPECT_EQ(0, self->regions[i].reserved);
		for (j = 0; j < i; j++)
			EXPECT_NE(self->regions[i].offset, self->regions[j].offset);
	}
}

TEST_F(handles, garbage_handles_are_refused)
{
	struct segpool_region region;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(garbage); i++) {
		if (SEGPOOL_HANDLE_GENERATION(garbage[i].handle) == 0 &&
		    SEGPOOL_HANDLE_INDEX(garbage[i].handle) < REGIONS)
			continue;	/* below: what exists was handed out */
		EXPECT_EQ(garbage[i].error, sp_free(self->pool.fd, garbage[i].handle, 0)) {
			TH_LOG("FREE: %s", garbage[i].what);
		}
		EXPECT_EQ(garbage[i].error, sp_reuse(self->pool.fd, garbage[i].handle, 0, 0,
						     &region)) {
			TH_LOG("REUSE: %s", garbage[i].what);
		}
		EXPECT_EQ(garbage[i].error, sp_discard(self->pool.fd, garbage[i].handle, 0,
						       SP_PAGE, 0)) {
			TH_LOG("DISCARD: %s", garbage[i].what);
		}
		EXPECT_EQ(garbage[i].error, sp_populate(self->pool.fd, garbage[i].handle, 0,
							SP_PAGE, 0)) {
			TH_LOG("POPULATE: %s", garbage[i].what);
		}
	}
	expect_released(_metadata, self, 0);
}

/* No handle has generation 0, and none has a generation that is still to come. */
TEST_F(handles, generations_that_were_never_given_are_refused)
{
	uint64_t good = self->regions[0].handle;
	uint64_t wrong[] = { good & UINT32_MAX, good + (1ULL << 32), good + (100ULL << 32),
			     good | 0xffffffff00000000ULL, good ^ (1ULL << 63) };
	struct segpool_region region;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (wrong[i] == good)
			continue;
		EXPECT_GT(0, sp_free(self->pool.fd, wrong[i], 0)) {
			TH_LOG("handle %#llx", (unsigned long long)wrong[i]);
		}
		EXPECT_GT(0, sp_reuse(self->pool.fd, wrong[i], 0, 0, &region));
		EXPECT_GT(0, sp_discard(self->pool.fd, wrong[i], 0, SP_PAGE, 0));
		EXPECT_GT(0, sp_populate(self->pool.fd, wrong[i], 0, SP_PAGE, 0));
	}
	expect_released(_metadata, self, 0);
}

/* Promise 6, first half. */
TEST_F(handles, double_release_is_refused_and_counted)
{
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[2].handle, 0));
	EXPECT_EQ(-EALREADY, sp_free(self->pool.fd, self->regions[2].handle, 0));
	EXPECT_EQ(-EALREADY, sp_free(self->pool.fd, self->regions[2].handle, SEGPOOL_NOW));
	EXPECT_EQ(2, sp_counter(self->pool.fd, SEGPOOL_C_DOUBLE_FREES));
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_RELEASED_REGIONS));
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_FREED));
	EXPECT_EQ(-EALREADY, sp_discard(self->pool.fd, self->regions[2].handle, 0, SP_PAGE, 0));
	EXPECT_EQ(-EALREADY, sp_populate(self->pool.fd, self->regions[2].handle, 0, SP_PAGE, 0));
	expect_released(_metadata, self, 1U << 2);
}

/* Promise 6, second half: the handle of the past, while a new owner's bytes lie there. */
TEST_F(handles, stale_handle_is_refused_and_counted)
{
	uint64_t old = self->regions[2].handle;
	struct segpool_region region;

	ASSERT_EQ(0, sp_free(self->pool.fd, old, 0));
	ASSERT_EQ(0, sp_reuse(self->pool.fd, old, 1, SEGPOOL_POPULATE, &self->regions[2]));
	EXPECT_EQ(SEGPOOL_HANDLE_INDEX(old), SEGPOOL_HANDLE_INDEX(self->regions[2].handle));
	EXPECT_LT(SEGPOOL_HANDLE_GENERATION(old),
		  SEGPOOL_HANDLE_GENERATION(self->regions[2].handle));
	sp_pattern_write(sp_region_at(&self->pool, &self->regions[2]), REGION, OWNER + 2);
	EXPECT_EQ(-ESTALE, sp_free(self->pool.fd, old, 0));
	EXPECT_EQ(-ESTALE, sp_free(self->pool.fd, old, SEGPOOL_NOW));
	EXPECT_EQ(-ESTALE, sp_discard(self->pool.fd, old, 0, REGION, 0));
	EXPECT_EQ(-ESTALE, sp_populate(self->pool.fd, old, 0, REGION, SEGPOOL_ZERO));
	EXPECT_EQ(-EBUSY, sp_reuse(self->pool.fd, self->regions[2].handle, 0, 0, &region));
	EXPECT_EQ(2, sp_counter(self->pool.fd, SEGPOOL_C_STALE_FREES));
	expect_released(_metadata, self, 0);
	/* After the second release the first handle is still older than the second. */
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[2].handle, 0));
	EXPECT_EQ(-ESTALE, sp_reuse(self->pool.fd, old, 0, 0, &region));
	EXPECT_EQ(-ESTALE, sp_free(self->pool.fd, old, 0));
	expect_released(_metadata, self, 1U << 2);
}

/* A handle of one pool means nothing in another, or names that pool's own region. */
TEST_F(handles, handles_do_not_cross_pools)
{
	struct sp_pool other;

	ASSERT_EQ(0, sp_pool_make(&other, variant->mode, REGION, BUDGET, BUDGET, 0));
	EXPECT_EQ(-ENOENT, sp_free(other.fd, self->regions[0].handle, 0));
	EXPECT_EQ(-ENOENT, sp_discard(other.fd, self->regions[0].handle, 0, REGION, 0));
	sp_pool_close(&other);
	expect_released(_metadata, self, 0);
}

/* Promise 7: bad entries in all places of a FREE, the good ones between them go. */
TEST_F(handles, free_batch_with_bad_entries)
{
	struct segpool_free_entry entries[9] = { 0 };
	static const int expected[9] = { -ENOENT, 0, -EALREADY, 0, -ENOENT, -EALREADY, 0,
					 -ESTALE, -ENOENT };
	uint64_t old = self->regions[7].handle;
	uint32_t done = 99;
	unsigned int i;

	ASSERT_EQ(0, sp_free(self->pool.fd, old, 0));
	ASSERT_EQ(0, sp_reuse(self->pool.fd, old, 0, SEGPOOL_POPULATE, &self->regions[7]));
	sp_pattern_write(sp_region_at(&self->pool, &self->regions[7]), REGION, OWNER + 7);
	entries[0].handle = UINT64_MAX;
	entries[1].handle = self->regions[1].handle;
	entries[2].handle = self->regions[1].handle;
	entries[3].handle = self->regions[3].handle;
	entries[4].handle = 0;
	entries[5].handle = self->regions[3].handle;
	entries[6].handle = self->regions[6].handle;
	entries[7].handle = old;
	entries[8].handle = (1ULL << 32) | (BUDGET / REGION);
	for (i = 0; i < 9; i++)
		entries[i].error = 12345;
	EXPECT_EQ(-ENOENT, sp_free_batch(self->pool.fd, entries, 9, 0, &done));
	EXPECT_EQ(3, done);
	for (i = 0; i < 9; i++)
		EXPECT_EQ(expected[i], entries[i].error) {
			TH_LOG("entry %u", i);
		}
	expect_released(_metadata, self, 1U << 1 | 1U << 3 | 1U << 6);
}

/* The error of the call is that of the first bad entry, not of the last. */
TEST_F(handles, first_error_is_returned)
{
	struct segpool_free_entry entries[3] = { 0 };
	uint32_t done;

	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	entries[0].handle = self->regions[1].handle;
	entries[1].handle = self->regions[0].handle;
	entries[2].handle = UINT64_MAX;
	EXPECT_EQ(-EALREADY, sp_free_batch(self->pool.fd, entries, 3, 0, &done));
	EXPECT_EQ(1, done);
	expect_released(_metadata, self, 3);
}

TEST_F(handles, reserved_of_an_entry_must_be_zero)
{
	struct segpool_free_entry entry = { .handle = self->regions[0].handle, .reserved = 1 };
	struct segpool_range range = { .handle = self->regions[0].handle, .length = SP_PAGE,
				       .reserved = 1U << 31 };

	EXPECT_EQ(-EINVAL, sp_free_batch(self->pool.fd, &entry, 1, 0, NULL));
	EXPECT_EQ(-EINVAL, sp_ranges(self->pool.fd, SEGPOOL_IOC_DISCARD, &range, 1, 0, NULL));
	EXPECT_EQ(-EINVAL, sp_ranges(self->pool.fd, SEGPOOL_IOC_POPULATE, &range, 1, 0, NULL));
	expect_released(_metadata, self, 0);
}

/* Promise 14: ranges that are misaligned, empty, too long, or wrap around 2^64. */
TEST_F(handles, ranges_out_of_the_region_are_refused)
{
	static const struct {
		uint64_t offset, length;
	} bad[] = {
		{ 0, 0 }, { REGION, 0 }, { REGION, SP_PAGE }, { 0, REGION + SP_PAGE },
		{ SP_PAGE, REGION }, { 1, SP_PAGE }, { 0, 1 }, { 0, SP_PAGE - 1 },
		{ 0, SP_PAGE + 1 }, { SP_PAGE / 2, SP_PAGE / 2 }, { REGION - SP_PAGE, 2 * SP_PAGE },
		{ UINT64_MAX, SP_PAGE }, { UINT64_MAX - SP_PAGE + 1, SP_PAGE },
		{ UINT64_MAX - SP_PAGE + 1, 2 * SP_PAGE }, { 0, UINT64_MAX },
		{ 0, UINT64_MAX - SP_PAGE + 1 }, { SP_PAGE, UINT64_MAX - SP_PAGE + 1 },
		{ 1ULL << 63, 1ULL << 63 }, { 1ULL << 32, SP_PAGE }, { 0, 1ULL << 32 },
		{ (1ULL << 32) + SP_PAGE, SP_PAGE }, { 0, (1ULL << 32) + SP_PAGE },
		{ 1ULL << 44, SP_PAGE }, { 0, 1ULL << 44 }, { 0, (1ULL << 44) + SP_PAGE },
	};
	uint64_t handle = self->regions[3].handle;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, sp_discard(self->pool.fd, handle, bad[i].offset, bad[i].length,
					      0)) {
			TH_LOG("DISCARD of range %u", i);
		}
		EXPECT_EQ(-EINVAL, sp_populate(self->pool.fd, handle, bad[i].offset,
					       bad[i].length, 0)) {
			TH_LOG("POPULATE of range %u", i);
		}
	}
	expect_released(_metadata, self, 0);
}

/* Promise 7 for DISCARD and POPULATE, seen in the page tables page by page. */
TEST_F(handles, range_batch_with_bad_entries)
{
	char *at = sp_region_at(&self->pool, &self->regions[4]);
	unsigned char present[REGION / SP_PAGE];
	struct segpool_range ranges[5] = { 0 };
	static const int expected[5] = { 0, -EINVAL, -ENOENT, 0, -EALREADY };
	uint32_t done = 99;
	unsigned int i;

	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[5].handle, 0));
	ranges[0] = (struct segpool_range){ self->regions[4].handle, SP_PAGE, SP_PAGE, 1, 0 };
	ranges[1] = (struct segpool_range){ self->regions[4].handle, 8 * SP_PAGE, 1, 1, 0 };
	ranges[2] = (struct segpool_range){ UINT64_MAX, 0, SP_PAGE, 1, 0 };
	ranges[3] = (struct segpool_range){ self->regions[4].handle, REGION - 2 * SP_PAGE,
					    2 * SP_PAGE, 1, 0 };
	ranges[4] = (struct segpool_range){ self->regions[5].handle, 0, SP_PAGE, 1, 0 };
	EXPECT_EQ(-EINVAL, sp_ranges(self->pool.fd, SEGPOOL_IOC_DISCARD, ranges, 5, 0, &done));
	EXPECT_EQ(2, done);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(expected[i], ranges[i].error) {
			TH_LOG("DISCARD entry %u", i);
		}
	EXPECT_EQ(REGION / SP_PAGE - 3, sp_present(at, REGION, present));
	EXPECT_EQ(0, present[1]);
	EXPECT_EQ(0, present[REGION / SP_PAGE - 1]);
	EXPECT_EQ(0, present[REGION / SP_PAGE - 2]);
	EXPECT_EQ(1, present[0]);
	EXPECT_EQ(1, present[2]);
	EXPECT_EQ((REGIONS - 1) * REGION - 3 * SP_PAGE,
		  sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));

	EXPECT_EQ(-EINVAL, sp_ranges(self->pool.fd, SEGPOOL_IOC_POPULATE, ranges, 5, 0, &done));
	EXPECT_EQ(2, done);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(expected[i], ranges[i].error) {
			TH_LOG("POPULATE entry %u", i);
		}
	EXPECT_EQ(REGION / SP_PAGE, sp_present(at, REGION, present));
	EXPECT_EQ((REGIONS - 1) * REGION, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	/* What was there has kept its content. */
	EXPECT_EQ(0, sp_pattern_check(at, SP_PAGE, OWNER + 4));
	EXPECT_EQ(0, sp_pattern_check(at + 2 * SP_PAGE, SP_PAGE, (OWNER + 4) ^ (2 * SP_PAGE)));
}

/* The largest batch there is, in one call each way. */
TEST_F(handles, full_batches_work)
{
	static struct segpool_region regions[SEGPOOL_MAX_BATCH];
	struct sp_pool pool;
	unsigned int i;

	ASSERT_EQ(0, sp_pool_make(&pool, variant->mode, SEGPOOL_MIN_REGION_SIZE,
				  SEGPOOL_MAX_BATCH * SEGPOOL_MIN_REGION_SIZE, SP_MIB, 0));
	ASSERT_EQ(SEGPOOL_MAX_BATCH, sp_alloc(pool.fd, 0, 0, SEGPOOL_MAX_BATCH, regions));
	EXPECT_EQ(0, sp_free_regions(pool.fd, regions, SEGPOOL_MAX_BATCH, 0));
	EXPECT_EQ(0, sp_counter(pool.fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(SEGPOOL_MAX_BATCH, sp_alloc(pool.fd, 0, 0, SEGPOOL_MAX_BATCH, regions));
	for (i = 0; i < SEGPOOL_MAX_BATCH; i++)
		EXPECT_EQ(SEGPOOL_REGION_REUSED, regions[i].flags);
	sp_pool_close(&pool);
}

/* Part of a batch is a success that says how far it got, and why not further. */
TEST_F(handles, partial_alloc_says_how_many_and_why)
{
	struct segpool_region regions[16];
	struct segpool_alloc call = { .count = 16, .done = 77, .reason = 77 };

	ASSERT_EQ(0, sp_alloc_call(self->pool.fd, &call, regions));
	EXPECT_EQ(BUDGET / REGION - REGIONS, call.done);
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, call.reason);
	call.done = 77;
	EXPECT_EQ(-ENOMEM, sp_alloc_call(self->pool.fd, &call, regions));
	EXPECT_EQ(0, call.done);
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, call.reason);
}

TEST_F(handles, waits_out_of_range_are_refused)
{
	struct segpool_region region;
	struct segpool_reuse reuse = { .handle = self->regions[0].handle, .timeout_ms = 1 };
	struct segpool_range range = { .handle = self->regions[0].handle, .length = SP_PAGE };
	struct segpool_ranges ranges = { .size = sizeof(ranges), .count = 1,
					 .ranges = (uintptr_t)&range, .timeout_ms = 1 };

	EXPECT_EQ(-EINVAL, sp_alloc_one(self->pool.fd, 0, 0, 1, &region, NULL));
	EXPECT_EQ(-EINVAL, sp_alloc_one(self->pool.fd, 0, SEGPOOL_WAIT, SEGPOOL_MAX_WAIT_MS + 1,
					&region, NULL));
	EXPECT_EQ(-EINVAL, sp_alloc_one(self->pool.fd, 0, SEGPOOL_WAIT, UINT32_MAX, &region,
					NULL));
	EXPECT_EQ(-EINVAL, sp_reuse_call(self->pool.fd, &reuse));
	reuse.flags = SEGPOOL_WAIT;
	reuse.timeout_ms = SEGPOOL_MAX_WAIT_MS + 1;
	EXPECT_EQ(-EINVAL, sp_reuse_call(self->pool.fd, &reuse));
	EXPECT_EQ(-EINVAL, sp_ioctl(self->pool.fd, SEGPOOL_IOC_POPULATE, &ranges));
	EXPECT_EQ(-EINVAL, sp_ioctl(self->pool.fd, SEGPOOL_IOC_DISCARD, &ranges));
	ranges.flags = SEGPOOL_WAIT;
	ranges.timeout_ms = UINT32_MAX;
	EXPECT_EQ(-EINVAL, sp_ioctl(self->pool.fd, SEGPOOL_IOC_POPULATE, &ranges));
	expect_released(_metadata, self, 0);
}

TEST_F(handles, classes_out_of_range_are_refused)
{
	static const uint32_t classes[] = { SEGPOOL_DEFAULT_CLASSES, SEGPOOL_MAX_CLASSES,
					    1U << 16, 1U << 31, UINT32_MAX };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct segpool_region region;
	unsigned int i;

	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		EXPECT_EQ(-EINVAL, sp_alloc_one(self->pool.fd, classes[i], 0, 0, &region, NULL));
		EXPECT_EQ(-EINVAL, sp_reuse(self->pool.fd, self->regions[0].handle, classes[i], 0,
					    &region));
		EXPECT_EQ(-EINVAL, sp_class_stat(self->pool.fd, classes[i], values));
	}
	expect_released(_metadata, self, 1);
}

TEST_HARNESS_MAIN
