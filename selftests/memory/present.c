// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 9: after an alloc or reuse that asked for it every page is there; a
 * freed region is not: its pages are unmapped, and a touch raises SIGBUS. The
 * truth is in the page tables, in the fault counter and in the RSS.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS	8
#define PAGES	(SP_BIG / SP_PAGE)

FIXTURE(present) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
};

SP_MODE_VARIANTS(present);

FIXTURE_SETUP(present)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_BIG, REGIONS * SP_BIG,
				  REGIONS * SP_BIG, REGIONS * SP_BIG));
}

FIXTURE_TEARDOWN(present)
{
	sp_pool_close(&self->pool);
}

/* Faults taken while every page of the range is written. */
static long faults_of_writing(char *bytes, size_t length)
{
	long before = sp_thread_faults();
	size_t offset;

	for (offset = 0; offset < length; offset += SP_PAGE)
		*(volatile char *)(bytes + offset) = 1;
	return sp_thread_faults() - before;
}

static uint64_t resident(void)
{
	return sp_file_value("/proc/self/status", "VmRSS") * SP_KIB;
}

TEST_F(present, no_fault_after_populate)
{
	/* A huge page comes as a whole. */
	long faults = variant->mode == SEGPOOL_MODE_HUGE ? 1 : PAGES;
	char *bytes;
	int fd = self->pool.fd, i;

	/* The counter is alive: without the request each page faults. */
	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &self->regions[0]));
	bytes = sp_region_at(&self->pool, &self->regions[0]);
	EXPECT_EQ(0, sp_present(bytes, SP_BIG, NULL));
	EXPECT_EQ(faults, faults_of_writing(bytes, SP_BIG));
	EXPECT_EQ(faults, sp_counter(fd, SEGPOOL_C_FAULTS));

	/* New pages, then reused regions with retained pages, with fresh ones, with half. */
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &self->regions[1]));
		bytes = sp_region_at(&self->pool, &self->regions[1]);
		EXPECT_EQ(PAGES, sp_present(bytes, SP_BIG, NULL));
		EXPECT_EQ(0, faults_of_writing(bytes, SP_BIG));
		ASSERT_EQ(0, sp_free(fd, self->regions[1].handle, i == 1 ? SEGPOOL_NOW : 0));
		if (i == 2)
			ASSERT_EQ(0, sp_trim(fd, SP_BIG / 2, NULL));
	}
	ASSERT_EQ(0, sp_reuse(fd, self->regions[1].handle, 2, SEGPOOL_POPULATE, &self->regions[1]));
	EXPECT_EQ(0, faults_of_writing(bytes, SP_BIG));
	EXPECT_EQ(faults, sp_counter(fd, SEGPOOL_C_FAULTS));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Half of the pages are there already: they stay, with their content. */
TEST_F(present, populate_fills_the_gaps)
{
	char *bytes;
	int fd = self->pool.fd;
	size_t page;

	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &self->regions[0]));
	bytes = sp_region_at(&self->pool, &self->regions[0]);
	for (page = 0; page < PAGES; page += 2)
		bytes[page * SP_PAGE] = 0x77;
	ASSERT_EQ(0, sp_populate(fd, self->regions[0].handle, 0, SP_BIG, 0));
	EXPECT_EQ(PAGES, sp_present(bytes, SP_BIG, NULL));
	for (page = 0; page < PAGES; page += 2)
		ASSERT_EQ(0x77, bytes[page * SP_PAGE]);
	EXPECT_EQ(0, faults_of_writing(bytes, SP_BIG));
	EXPECT_NO_DRIFT(&self->pool);
}

/* A release really unmaps: this fails if the zap does nothing, whatever the counters say. */
TEST_F(present, freed_region_is_unmapped)
{
	uint64_t resident_before;
	char *bytes;
	int fd = self->pool.fd, i;

	ASSERT_EQ(REGIONS, sp_alloc(fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	memset(self->pool.base, 0x33, self->pool.length);
	resident_before = resident();
	for (i = 0; i < REGIONS; i += 2)
		ASSERT_EQ(0, sp_free(fd, self->regions[i].handle, i & 2 ? SEGPOOL_NOW : 0));
	for (i = 0; i < REGIONS; i++) {
		bytes = sp_region_at(&self->pool, &self->regions[i]);
		if (i & 1) {
			EXPECT_EQ(PAGES, sp_present(bytes, SP_BIG, NULL));
			EXPECT_EQ(0x33, bytes[SP_BIG - 1]);
		} else {
			EXPECT_EQ(0, sp_present(bytes, SP_BIG, NULL));
			EXPECT_EQ(PAGES, sp_count_refused(bytes, SP_BIG));
			EXPECT_EQ(SIGBUS, sp_touch_write(bytes));
		}
	}
	/* The kernel sums RSS up in lots, hence the slack. */
	EXPECT_LE(resident(), resident_before - REGIONS / 2 * SP_BIG + SP_MIB);
	EXPECT_GE(sp_counter(fd, SEGPOOL_C_SIGBUS_FAULTS), REGIONS / 2 * PAGES);
	EXPECT_NO_DRIFT(&self->pool);
}

/* A region that was never handed out, and the whole reservation of a fresh pool. */
TEST_F(present, unused_regions_raise_sigbus)
{
	size_t offset;

	for (offset = 0; offset < self->pool.length; offset += SP_BIG / 2)
		EXPECT_EQ(SIGBUS, sp_touch(self->pool.base + offset));
	EXPECT_EQ(0, sp_present(self->pool.base, self->pool.length, NULL));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(2 * REGIONS, sp_counter(self->pool.fd, SEGPOOL_C_SIGBUS_FAULTS));
}

/* Page ranges: the pages named go, no others; a touch brings a new one. */
TEST_F(present, discard)
{
	struct segpool_range ranges[4];
	unsigned char map[PAGES];
	size_t page, gone = 0;
	int fd = self->pool.fd, i;
	uint32_t done;
	char *bytes;

	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE | SEGPOOL_ZERO, 1, &self->regions[0]));
	bytes = sp_region_at(&self->pool, &self->regions[0]);
	sp_pattern_write(bytes, SP_BIG, 5);
	memset(ranges, 0, sizeof(ranges));
	for (i = 0; i < 4; i++) {
		ranges[i].handle = self->regions[0].handle;
		ranges[i].offset = i * 100 * SP_PAGE;
		ranges[i].length = (1 + i) * SP_PAGE;
	}
	ASSERT_EQ(0, sp_ranges(fd, SEGPOOL_IOC_DISCARD, ranges, 4, 0, &done));
	EXPECT_EQ(4, done);
	EXPECT_EQ(PAGES - 10, sp_present(bytes, SP_BIG, map));
	for (page = 0; page < PAGES; page++) {
		bool named = page / 100 < 4 && page % 100 <= page / 100;

		ASSERT_EQ(!named, map[page]);
		gone += named;
		if (!named)
			ASSERT_EQ(0, sp_pattern_check(bytes + page * SP_PAGE, SP_PAGE,
						      5 ^ page * SP_PAGE));
	}
	EXPECT_EQ(10, gone);
	EXPECT_EQ(10 * SP_PAGE, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ((PAGES - 10) * SP_PAGE, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	/* The region's owner asked for zeroes: that holds for pages that come later. */
	EXPECT_TRUE(sp_is_zero(bytes, SP_PAGE));
	EXPECT_EQ(0, sp_touch_write(bytes + 100 * SP_PAGE));
	EXPECT_EQ((PAGES - 8) * SP_PAGE, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	/* Twice is no error, and to the system at once. */
	ASSERT_EQ(0, sp_ranges(fd, SEGPOOL_IOC_DISCARD, ranges, 4, SEGPOOL_NOW, &done));
	ASSERT_EQ(0, sp_discard(fd, self->regions[0].handle, 0, SP_BIG, SEGPOOL_NOW));
	EXPECT_EQ(0, sp_present(bytes, SP_BIG, NULL));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	ASSERT_EQ(0, sp_populate(fd, self->regions[0].handle, 0, SP_BIG, 0));
	EXPECT_EQ(PAGES, sp_present(bytes, SP_BIG, NULL));
	EXPECT_NO_DRIFT(&self->pool);
}

struct touchers {
	char *bytes;
	atomic_int refused;
};

static void touch_all(void *argument, unsigned int member)
{
	struct touchers *touchers = argument;
	size_t page;

	for (page = 0; page < PAGES; page++)
		touchers->refused += sp_touch_write(touchers->bytes + page * SP_PAGE) != 0;
}

/* Several threads fault the same pages at once: one page each, none lost, none counted twice. */
TEST_F(present, racing_faults)
{
	struct touchers touchers = { 0 };

	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &self->regions[0]));
	touchers.bytes = sp_region_at(&self->pool, &self->regions[0]);
	sp_team_run(8, touch_all, &touchers);
	EXPECT_EQ(0, touchers.refused);
	EXPECT_EQ(SP_BIG, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

/*
 * madvise(MADV_DONTNEED) takes the page tables of a pinnable pool, not its
 * pages: a touch maps the same page with the same bytes again. In strict mode
 * the kernel refuses it up to 7.1.
 */
TEST_F(present, madvise_dontneed)
{
	uint64_t frame;
	char *bytes;
	int fd = self->pool.fd;

	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &self->regions[0]));
	bytes = sp_region_at(&self->pool, &self->regions[0]);
	sp_pattern_write(bytes, SP_BIG, 21);
	frame = sp_page_frame(bytes + 3 * SP_PAGE);
	if (!sp_kernel_knows_pages(variant->mode)) {
		EXPECT_EQ(-1, madvise(bytes, SP_BIG, MADV_DONTNEED));
		EXPECT_EQ(EINVAL, errno);
	} else {
		ASSERT_EQ(0, madvise(bytes, SP_BIG, MADV_DONTNEED));
		EXPECT_EQ(0, sp_present(bytes, SP_BIG, NULL));
	}
	EXPECT_EQ(SP_BIG, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_pattern_check(bytes, SP_BIG, 21));
	EXPECT_EQ(frame, sp_page_frame(bytes + 3 * SP_PAGE));
	EXPECT_EQ(PAGES, sp_counter(fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_NO_DRIFT(&self->pool);
}

/* What only pinnable pools have to show. */
struct thrower {
	struct sp_pool *pool;
	atomic_bool over;
	unsigned int refused;
};

/* One or two of so many met the moment; not all of them where the machine is slow. */
#define THROWS		200000
#define THROWS_MS	30000

/* One throws the page tables' entries away, and newer kernels the tables; the other touches. */
static void throw_and_touch(void *argument, unsigned int member)
{
	struct thrower *thrower = argument;
	char *base = thrower->pool->base;
	uint64_t end = sp_now_ms() + THROWS_MS;
	unsigned int i;

	for (i = 0; member && !thrower->over; i++)
		madvise(base, 2 * SP_BIG, MADV_DONTNEED);
	for (i = 0; !member && i < THROWS && sp_now_ms() < end; i++)
		thrower->refused += sp_touch_write(base + i % (2 * PAGES) * SP_PAGE) != 0;
	thrower->over |= !member;
}

/* What the program throws out of its page tables comes back with the next touch, always. */
TEST_F(present, touches_race_madvise_dontneed)
{
	struct thrower thrower = { .pool = &self->pool };

	ASSERT_EQ(2, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 2, self->regions));
	sp_team_run(2, throw_and_touch, &thrower);
	EXPECT_EQ(0, thrower.refused);
	EXPECT_EQ(0, sp_count_refused(self->pool.base, 2 * SP_BIG));
	EXPECT_NO_DRIFT(&self->pool);
}

FIXTURE(pinnable) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
};

FIXTURE_SETUP(pinnable)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_PINNABLE, SP_BIG, REGIONS * SP_BIG,
				  REGIONS * SP_BIG, REGIONS * SP_BIG));
}

FIXTURE_TEARDOWN(pinnable)
{
	sp_pool_close(&self->pool);
}

/* Promise 9 by pagemap and mincore(), which do not look into strict pools (VM_PFNMAP). */
TEST_F(pinnable, pagemap_agrees)
{
	unsigned char residence[PAGES];
	size_t page, set = 0;
	int fd = self->pool.fd;
	char *bytes;

	ASSERT_EQ(2, sp_alloc(fd, 0, SEGPOOL_POPULATE, 2, self->regions));
	bytes = sp_region_at(&self->pool, &self->regions[0]);
	EXPECT_EQ(2 * PAGES, sp_pagemap_present(bytes, 2 * SP_BIG));
	ASSERT_EQ(0, sp_free(fd, self->regions[0].handle, 0));
	EXPECT_EQ(0, sp_pagemap_present(bytes, SP_BIG));
	EXPECT_EQ(PAGES, sp_pagemap_present(bytes + SP_BIG, SP_BIG));
	/* mincore() asks the file where no page is mapped; a mapped page it always sees. */
	ASSERT_EQ(0, mincore(bytes + SP_BIG, SP_BIG, residence));
	for (page = 0; page < PAGES; page++)
		set += residence[page] & 1;
	EXPECT_EQ(PAGES, set);
}

/* A populate after madvise(MADV_DONTNEED) needs no new page, and loses none. */
TEST_F(pinnable, populate_after_madvise)
{
	char *bytes;
	int fd = self->pool.fd;

	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &self->regions[0]));
	bytes = sp_region_at(&self->pool, &self->regions[0]);
	sp_pattern_write(bytes, SP_BIG, 22);
	ASSERT_EQ(0, madvise(bytes + SP_BIG / 2, SP_BIG / 4, MADV_DONTNEED));
	ASSERT_EQ(0, sp_populate(fd, self->regions[0].handle, 0, SP_BIG, 0));
	EXPECT_EQ(0, sp_pattern_check(bytes, SP_BIG, 22));
	EXPECT_EQ(PAGES, sp_counter(fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_NO_DRIFT(&self->pool);
	ASSERT_EQ(0, madvise(bytes, SP_BIG, MADV_DONTNEED));
	ASSERT_EQ(0, sp_free(fd, self->regions[0].handle, 0));
	EXPECT_EQ(SIGBUS, sp_touch(bytes));
	EXPECT_EQ(SP_BIG, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
