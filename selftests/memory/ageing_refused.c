// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 11: retained pages age out although requests that they do not suffice
 * for are refused all the time, and are not taken from the system by those.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define AGE_MS		2000
/* How late the timer may be on a busy emulated machine. */
#define LATE_MS		30000
#define RETAINED	100

FIXTURE(refused) {
	struct sp_pool pool;
	struct segpool_region full, kept, empty;
};

SP_MODE_VARIANTS(refused);

/* Budget for a region and the pages that are retained: never for another region. */
FIXTURE_SETUP(refused)
{
	struct segpool_limits limits = { .retain_age_ms = AGE_MS };
	int fd;

	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_BIG, 8 * SP_BIG,
				  SP_BIG + RETAINED * SP_PAGE, SP_BIG));
	fd = self->pool.fd;
	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_AGE, &limits));
	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &self->full));
	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &self->empty));
	ASSERT_EQ(1, sp_alloc(fd, 0, 0, 1, &self->kept));
	ASSERT_EQ(0, sp_populate(fd, self->kept.handle, 0, RETAINED * SP_PAGE, 0));
	ASSERT_EQ(0, sp_free(fd, self->kept.handle, 0));
	ASSERT_EQ(RETAINED * SP_PAGE, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
}

FIXTURE_TEARDOWN(refused)
{
	sp_pool_close(&self->pool);
}

static int alloc(FIXTURE_DATA(refused) *self)
{
	struct segpool_region region;

	return sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL);
}

static int alloc_neighbours(FIXTURE_DATA(refused) *self)
{
	struct segpool_region regions[2];

	return sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS, 2, regions);
}

static int reuse(FIXTURE_DATA(refused) *self)
{
	return sp_reuse(self->pool.fd, self->kept.handle, 0, SEGPOOL_POPULATE, NULL);
}

static int populate(FIXTURE_DATA(refused) *self)
{
	return sp_populate(self->pool.fd, self->empty.handle, 0, SP_BIG, 0);
}

static void expect_ageing(struct __test_metadata *_metadata, FIXTURE_DATA(refused) *self,
			  int (*request)(FIXTURE_DATA(refused) *self))
{
	uint64_t system = sp_counter(self->pool.fd, SEGPOOL_C_SYSTEM_PAGES);
	uint64_t end = sp_now_ms() + AGE_MS + LATE_MS;
	int fd = self->pool.fd, requests = 0;

	/* Much more often than pages age. */
	while (sp_counter(fd, SEGPOOL_C_RETAINED_BYTES) && sp_now_ms() < end) {
		ASSERT_EQ(-ENOMEM, request(self));
		requests++;
		sp_sleep_ms(20);
	}
	/* As many as a slow machine can do in that time. */
	EXPECT_LE(3, requests);
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(RETAINED, sp_counter(fd, SEGPOOL_C_AGED_PAGES));
	EXPECT_EQ(system, sp_counter(fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_EQ(requests, sp_counter(fd, SEGPOOL_C_REFUSED_PHYSICAL));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(refused, alloc)
{
	expect_ageing(_metadata, self, alloc);
}

TEST_F(refused, alloc_of_neighbours)
{
	expect_ageing(_metadata, self, alloc_neighbours);
}

TEST_F(refused, reuse)
{
	expect_ageing(_metadata, self, reuse);
}

TEST_F(refused, populate)
{
	expect_ageing(_metadata, self, populate);
}

TEST_HARNESS_MAIN
