// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ceiling for all pools together (module parameter ceiling_mib): whoever
 * may open the device cannot take the machine, however many files he opens.
 */
#include "testing.h"
#include <stdatomic.h>
#include "testing_harness.h"

#define REGION		(SP_MIB)
#define CEILING_MIB	64
#define CEILING		(CEILING_MIB * SP_MIB)
#define EACH		(CEILING_MIB)		/* regions in either pool's budget */

FIXTURE(ceiling) {
	struct sp_pool a, b;
	uint64_t saved;
	struct segpool_region regions_a[EACH], regions_b[EACH];
};

FIXTURE_SETUP(ceiling)
{
	ASSERT_EQ(1, sp_wait_module_idle(5000));
	self->saved = sp_module_parameter("ceiling_mib");
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", CEILING_MIB));
	ASSERT_EQ(0, sp_pool_make(&self->a, SEGPOOL_MODE_STRICT, REGION, EACH * REGION,
				  EACH * REGION, EACH * REGION));
	ASSERT_EQ(0, sp_pool_make(&self->b, SEGPOOL_MODE_PINNABLE, REGION, EACH * REGION,
				  EACH * REGION, EACH * REGION));
}

FIXTURE_TEARDOWN(ceiling)
{
	sp_pool_close(&self->a);
	sp_pool_close(&self->b);
	sp_set_module_parameter("ceiling_mib", self->saved);
}

TEST_F(ceiling, two_pools_share_it)
{
	uint64_t free_before = sp_free_bytes();
	struct segpool_alloc call;
	struct segpool_region one;
	uint32_t reason;

	ASSERT_EQ(40, sp_alloc(self->a.fd, 0, SEGPOOL_POPULATE, 40, self->regions_a));
	call = (struct segpool_alloc){ .flags = SEGPOOL_POPULATE, .count = EACH };
	ASSERT_EQ(0, sp_alloc_call(self->b.fd, &call, self->regions_b));
	EXPECT_EQ(CEILING_MIB - 40, call.done);
	EXPECT_EQ(SEGPOOL_REASON_CEILING, call.reason);
	EXPECT_EQ(CEILING, sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(CEILING, sp_module_counter("ceiling_bytes"));
	/* Neither pool gets more, by whatever way. */
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->a.fd, 0, SEGPOOL_POPULATE, 0, &one, &reason));
	EXPECT_EQ(SEGPOOL_REASON_CEILING, reason);
	ASSERT_EQ(0, sp_alloc_one(self->a.fd, 0, 0, 0, &one, NULL));
	EXPECT_EQ(-ENOMEM, sp_populate(self->a.fd, one.handle, 0, SP_PAGE, 0));
	EXPECT_EQ(SIGBUS, sp_touch_write(sp_region_at(&self->a, &one)));
	EXPECT_LT(0, sp_counter(self->a.fd, SEGPOOL_C_REFUSED_CEILING));
	EXPECT_LT(0, sp_counter(self->b.fd, SEGPOOL_C_REFUSED_CEILING));
	EXPECT_EQ(0, sp_counter(self->a.fd, SEGPOOL_C_REFUSED_PHYSICAL));
	/* The system has no more of its memory out than the ceiling. */
	EXPECT_LT(free_before, sp_free_bytes() + CEILING + 4 * SP_MIB);

	/* What one gives to the system the other can have. */
	ASSERT_EQ(0, sp_free(self->a.fd, self->regions_a[0].handle, SEGPOOL_NOW));
	EXPECT_EQ(0, sp_alloc_one(self->b.fd, 0, SEGPOOL_POPULATE, 0, &one, NULL));
}

/* Retained pages of one pool give way to another's request. */
TEST_F(ceiling, retained_pages_give_way)
{
	ASSERT_EQ(EACH, sp_alloc(self->a.fd, 0, SEGPOOL_POPULATE, EACH, self->regions_a));
	ASSERT_EQ(0, sp_free_regions(self->a.fd, self->regions_a, EACH, 0));
	EXPECT_EQ(CEILING, sp_counter(self->a.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(32, sp_alloc(self->b.fd, 0, SEGPOOL_POPULATE, 32, self->regions_b));
	EXPECT_GE(CEILING - 32 * REGION, sp_counter(self->a.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_LE(32 * REGION / SP_PAGE, sp_counter(self->a.fd, SEGPOOL_C_SHRUNK_PAGES));
	EXPECT_GE(CEILING, sp_module_counter("ceiling_used_bytes"));
}

/* Lowered below what is out: nobody loses a page, nobody gets one. */
TEST_F(ceiling, lowered_below_use)
{
	struct segpool_region one;
	uint32_t reason;

	ASSERT_EQ(40, sp_alloc(self->a.fd, 0, SEGPOOL_POPULATE, 40, self->regions_a));
	sp_pattern_write(sp_region_at(&self->a, &self->regions_a[3]), REGION, 33);
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", CEILING_MIB / 4));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->b.fd, 0, SEGPOOL_POPULATE, 0, &one, &reason));
	EXPECT_EQ(SEGPOOL_REASON_CEILING, reason);
	EXPECT_EQ(REGION / SP_PAGE, sp_present(sp_region_at(&self->a, &self->regions_a[3]), REGION,
					       NULL));
	EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->a, &self->regions_a[3]), REGION, 33));
	EXPECT_EQ(40 * REGION, sp_counter(self->a.fd, SEGPOOL_C_PHYSICAL_BYTES));
	ASSERT_EQ(0, sp_free_regions(self->a.fd, self->regions_a, 30, SEGPOOL_NOW));
	EXPECT_EQ(0, sp_alloc_one(self->b.fd, 0, SEGPOOL_POPULATE, 0, &one, NULL));
}

struct waiter {
	struct sp_pool *pool;
	int error;
};

static void *wait_at_the_ceiling(void *argument)
{
	struct waiter *waiter = argument;
	struct segpool_region region;

	waiter->error = sp_alloc_one(waiter->pool->fd, 0, SEGPOOL_POPULATE | SEGPOOL_WAIT,
				     SEGPOOL_MAX_WAIT_MS, &region, NULL);
	return NULL;
}

/* A request of one pool that waits at the ceiling is woken by a release of another. */
TEST_F(ceiling, release_of_one_pool_wakes_the_other)
{
	struct waiter waiter = { .pool = &self->b };
	pthread_t thread;

	ASSERT_EQ(EACH, sp_alloc(self->a.fd, 0, SEGPOOL_POPULATE, EACH, self->regions_a));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_at_the_ceiling, &waiter));
	EXPECT_TRUE(sp_wait_until(sp_has_one_waiter, &self->b, 60000));
	ASSERT_EQ(0, sp_free_regions(self->a.fd, self->regions_a, 4, SEGPOOL_NOW));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, waiter.error);
}

struct taker {
	struct sp_pool *pool;
	unsigned int seed;
	unsigned int other_errors;
};

static void *take_and_give(void *argument)
{
	struct taker *taker = argument;
	struct segpool_region regions[16];
	struct segpool_alloc call;
	unsigned int i, round;
	int error;

	for (round = 0; round < 12; round++) {
		call = (struct segpool_alloc){ .flags = SEGPOOL_POPULATE,
					       .count = 1 + rand_r(&taker->seed) % 16 };
		error = sp_alloc_call(taker->pool->fd, &call, regions);
		if (error) {
			taker->other_errors += error != -ENOMEM ||
					       (call.reason != SEGPOOL_REASON_CEILING &&
						call.reason != SEGPOOL_REASON_VIRTUAL &&
						call.reason != SEGPOOL_REASON_PHYSICAL);
			continue;
		}
		for (i = 0; i < call.done; i++)
			taker->other_errors += sp_free(taker->pool->fd, regions[i].handle,
						       rand_r(&taker->seed) % 2) != 0;
	}
	return NULL;
}

struct ceiling_watcher {
	atomic_int stop;
	unsigned int samples, above;
};

static void *watch_the_ceiling(void *argument)
{
	struct ceiling_watcher *watcher = argument;

	while (!atomic_load(&watcher->stop)) {
		watcher->samples++;
		watcher->above += sp_module_counter("ceiling_used_bytes") > CEILING;
	}
	return NULL;
}

/* Four threads in each pool against one ceiling: never passed, and nothing lost of it. */
TEST_F(ceiling, never_passed_by_racing_pools)
{
	struct ceiling_watcher watcher = { .samples = 0 };
	struct taker takers[8];
	pthread_t threads[8], watching;
	unsigned int i;

	ASSERT_EQ(0, pthread_create(&watching, NULL, watch_the_ceiling, &watcher));
	for (i = 0; i < 8; i++) {
		takers[i] = (struct taker){ .pool = i % 2 ? &self->a : &self->b, .seed = i + 1 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, take_and_give, &takers[i]));
	}
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, takers[i].other_errors);
	}
	atomic_store(&watcher.stop, 1);
	pthread_join(watching, NULL);
	EXPECT_LT(5, watcher.samples);
	EXPECT_EQ(0, watcher.above);
	EXPECT_EQ(sp_module_counter("retained_bytes"), sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(0, sp_module_counter("physical_bytes"));
	sp_pool_close(&self->a);
	sp_pool_close(&self->b);
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
}

TEST_HARNESS_MAIN
