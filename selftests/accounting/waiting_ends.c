// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a wait: one timeout for the whole call, however much it asks for,
 * and at once when the mapping goes.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

/* More than a try takes, so that a sleep follows. */
#define TIMEOUT_MS	1500
/* Who is woken does not wait so long, however busy the emulated machine is. */
#define LONG_MS		SEGPOOL_MAX_WAIT_MS
#define LATE_MS		(LONG_MS - 1000)
#define RANGES		8

FIXTURE(ends) {
	struct sp_pool pool, other;
	struct segpool_region full, empty;
	uint64_t ceiling;
};

SP_MODE_VARIANTS(ends);

/* One region has all of the physical budget, another has none of it. */
FIXTURE_SETUP(ends)
{
	self->other.fd = -1;
	self->ceiling = sp_module_parameter("ceiling_mib");
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, 4 * SP_SMALL, SP_SMALL,
				  SP_SMALL));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &self->full));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &self->empty));
}

FIXTURE_TEARDOWN(ends)
{
	sp_pool_close(&self->pool);
	sp_pool_close(&self->other);
	sp_set_module_parameter("ceiling_mib", self->ceiling);
}

static int populate_waiting(int fd, struct segpool_range *ranges, uint32_t count,
			    uint32_t timeout_ms, uint32_t *done, uint32_t *reason)
{
	struct segpool_ranges call = { .size = sizeof(call), .flags = SEGPOOL_WAIT,
				       .count = count, .ranges = (uintptr_t)ranges,
				       .timeout_ms = timeout_ms };
	int error = sp_ioctl(fd, SEGPOOL_IOC_POPULATE, &call);

	if (done)
		*done = call.done;
	if (reason)
		*reason = call.reason;
	return error;
}

TEST_F(ends, one_timeout_for_all_ranges)
{
	struct segpool_range ranges[RANGES];
	uint64_t start, took;
	uint32_t done, reason;
	unsigned int i;

	for (i = 0; i < RANGES; i++)
		ranges[i] = (struct segpool_range){ .handle = self->empty.handle,
						    .offset = i * SP_PAGE, .length = SP_PAGE };
	/* One that is backed already is not in need of any budget: every entry is tried. */
	ranges[5].handle = self->full.handle;
	start = sp_now_ms();
	EXPECT_EQ(-ENOMEM, populate_waiting(self->pool.fd, ranges, RANGES, TIMEOUT_MS, &done,
					    &reason));
	took = sp_now_ms() - start;
	EXPECT_GE(took, TIMEOUT_MS - 1);
	EXPECT_LT(took, TIMEOUT_MS + LATE_MS);
	EXPECT_EQ(1, done);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, reason);
	for (i = 0; i < RANGES; i++)
		EXPECT_EQ(i == 5 ? 0 : -ENOMEM, ranges[i].error);
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_WAITS));
	EXPECT_NO_DRIFT(&self->pool);
}

/* A batch of regions: what could be had is kept, and the wait for the next ends the call. */
TEST_F(ends, one_timeout_for_all_regions)
{
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE | SEGPOOL_WAIT, .count = RANGES,
				      .timeout_ms = TIMEOUT_MS };
	struct segpool_limits limits = { .physical_budget = 2 * SP_SMALL };
	struct segpool_region regions[RANGES];
	uint64_t start, took;

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_PHYSICAL, &limits));
	start = sp_now_ms();
	EXPECT_EQ(0, sp_alloc_call(self->pool.fd, &call, regions));
	took = sp_now_ms() - start;
	EXPECT_GE(took, TIMEOUT_MS - 1);
	EXPECT_LT(took, TIMEOUT_MS + LATE_MS);
	EXPECT_EQ(1, call.done);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, call.reason);
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_WAITS));
	EXPECT_NO_DRIFT(&self->pool);
}

struct waiter {
	int fd;
	uint32_t flags;
	uint64_t populate;
	int result;
	uint64_t end_ms;
};

static void *waiter_main(void *argument)
{
	struct waiter *waiter = argument;
	struct segpool_range range = { .handle = waiter->populate, .length = SP_PAGE };
	struct segpool_region region;

	if (waiter->populate) {
		waiter->result = populate_waiting(waiter->fd, &range, 1, LONG_MS, NULL, NULL);
	} else {
		waiter->result = sp_alloc_one(waiter->fd, 0, waiter->flags | SEGPOOL_WAIT, LONG_MS,
					      &region, NULL);
	}
	waiter->end_ms = sp_now_ms();
	return NULL;
}

/* The waiter sleeps; its mapping goes; it learns of that soon, and the pool owns nothing. */
static void expect_munmap_ends_it(struct __test_metadata *_metadata, struct sp_pool *pool,
				  uint32_t flags, uint64_t populate)
{
	struct waiter waiter = { .fd = pool->fd, .flags = flags, .populate = populate };
	pthread_t thread;
	uint64_t start;

	ASSERT_EQ(0, pthread_create(&thread, NULL, waiter_main, &waiter));
	ASSERT_TRUE(sp_wait_until(sp_has_one_waiter, pool, LATE_MS));
	/* From the queue into its sleep. */
	sp_sleep_ms(100);
	start = sp_now_ms();
	ASSERT_EQ(0, munmap(pool->base, pool->length));
	pool->base = NULL;
	pthread_join(thread, NULL);
	EXPECT_EQ(-ENXIO, waiter.result);
	EXPECT_LT(waiter.end_ms - start, LATE_MS);
	EXPECT_EQ(0, sp_counter(pool->fd, SEGPOOL_C_WAITERS));
	EXPECT_EQ(0, sp_counter(pool->fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_counter(pool->fd, SEGPOOL_C_RETAINED_BYTES));
}

TEST_F(ends, munmap_while_waiting_for_virtual_budget)
{
	struct segpool_limits limits = { .virtual_budget = 2 * SP_SMALL };

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	expect_munmap_ends_it(_metadata, &self->pool, 0, 0);
}

TEST_F(ends, munmap_while_waiting_for_physical_budget)
{
	expect_munmap_ends_it(_metadata, &self->pool, SEGPOOL_POPULATE, 0);
}

TEST_F(ends, munmap_while_waiting_for_pages_of_a_range)
{
	expect_munmap_ends_it(_metadata, &self->pool, 0, self->empty.handle);
}

TEST_F(ends, munmap_while_waiting_for_the_ceiling)
{
	struct segpool_region taken;

	sp_pool_close(&self->pool);
	ASSERT_TRUE(sp_wait_module_idle(5000));
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 1));
	ASSERT_EQ(0, sp_pool_make(&self->other, variant->mode, SP_MIB, SP_MIB, SP_MIB, SP_MIB));
	ASSERT_EQ(1, sp_alloc(self->other.fd, 0, SEGPOOL_POPULATE, 1, &taken));
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, SP_SMALL, SP_SMALL, 0));
	expect_munmap_ends_it(_metadata, &self->pool, SEGPOOL_POPULATE, 0);
}

TEST_HARNESS_MAIN
