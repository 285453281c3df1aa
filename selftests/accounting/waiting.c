// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 4: a request that may wait does so, bounded and interruptible; it is
 * woken by whatever makes room (promise 3: a raised budget too).
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define BUDGET	4
/* Who is woken does not wait so long, however busy the emulated machine is. */
#define LONG_MS	SEGPOOL_MAX_WAIT_MS
#define LATE_MS	(LONG_MS - 1000)
/* More than a try takes, so that a sleep follows. */
#define SHORT_MS	1500

struct waiter {
	struct sp_pool *pool;
	uint32_t flags, timeout_ms;
	uint64_t populate;
	pthread_t thread;
	struct segpool_region region;
	int result;
	uint32_t reason;
	uint64_t took_ms;
	atomic_bool done;
};

static void *waiter_main(void *argument)
{
	struct waiter *waiter = argument;
	uint64_t start = sp_now_ms();

	if (waiter->populate) {
		struct segpool_range range = { .handle = waiter->populate, .length = SP_SMALL };
		struct segpool_ranges call = { .size = sizeof(call), .flags = SEGPOOL_WAIT,
					       .count = 1, .ranges = (uintptr_t)&range,
					       .timeout_ms = waiter->timeout_ms };

		waiter->result = sp_ioctl(waiter->pool->fd, SEGPOOL_IOC_POPULATE, &call);
		waiter->reason = call.reason;
	} else {
		waiter->result = sp_alloc_one(waiter->pool->fd, 0, waiter->flags | SEGPOOL_WAIT,
					      waiter->timeout_ms, &waiter->region,
					      &waiter->reason);
	}
	waiter->took_ms = sp_now_ms() - start;
	waiter->done = true;
	return NULL;
}

static int is_waiting(void *pool)
{
	return sp_counter(((struct sp_pool *)pool)->fd, SEGPOOL_C_WAITERS) > 0;
}

/* Start a waiter and see it sleep. */
static bool start_waiter(struct waiter *waiter, struct sp_pool *pool, uint32_t flags,
			 uint32_t timeout_ms)
{
	waiter->pool = pool;
	waiter->flags = flags;
	waiter->timeout_ms = timeout_ms;
	if (pthread_create(&waiter->thread, NULL, waiter_main, waiter))
		return false;
	if (!sp_wait_until(is_waiting, pool, LATE_MS))
		return false;
	sp_sleep_ms(100);
	return !waiter->done;
}

FIXTURE(waiting) {
	struct sp_pool pool;
	struct segpool_region regions[BUDGET];
	struct waiter waiter;
};

SP_MODE_VARIANTS(waiting);

/* All regions are out and populated: nothing is to be had of either budget. */
FIXTURE_SETUP(waiting)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, 2 * BUDGET * SP_SMALL,
				  BUDGET * SP_SMALL, BUDGET * SP_SMALL));
	ASSERT_EQ(BUDGET, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, BUDGET, self->regions));
}

FIXTURE_TEARDOWN(waiting)
{
	sp_pool_close(&self->pool);
}

static void narrow_virtual(struct sp_pool *pool)
{
	struct segpool_limits limits = { .virtual_budget = BUDGET * SP_SMALL };

	sp_set_budget(pool->fd, SEGPOOL_SET_VIRTUAL, &limits);
}

TEST_F(waiting, woken_by_a_release)
{
	struct waiter *waiter = &self->waiter;

	narrow_virtual(&self->pool);
	ASSERT_TRUE(start_waiter(waiter, &self->pool, 0, LONG_MS));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[2].handle, 0));
	pthread_join(waiter->thread, NULL);
	EXPECT_EQ(0, waiter->result);
	EXPECT_LT(waiter->took_ms, LATE_MS);
	EXPECT_EQ(self->regions[2].offset, waiter->region.offset);
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_WAITS));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_WAITERS));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(waiting, woken_by_a_release_for_its_pages)
{
	struct waiter *waiter = &self->waiter;

	ASSERT_TRUE(start_waiter(waiter, &self->pool, SEGPOOL_POPULATE, LONG_MS));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	pthread_join(waiter->thread, NULL);
	EXPECT_EQ(0, waiter->result);
	EXPECT_LT(waiter->took_ms, LATE_MS);
	EXPECT_EQ(BUDGET * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(waiting, woken_by_a_release_to_the_system)
{
	struct waiter *waiter = &self->waiter;

	ASSERT_TRUE(start_waiter(waiter, &self->pool, SEGPOOL_POPULATE, LONG_MS));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, SEGPOOL_NOW));
	pthread_join(waiter->thread, NULL);
	EXPECT_EQ(0, waiter->result);
	EXPECT_LT(waiter->took_ms, LATE_MS);
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(waiting, woken_by_a_discard)
{
	struct waiter *waiter = &self->waiter;

	ASSERT_TRUE(start_waiter(waiter, &self->pool, SEGPOOL_POPULATE, LONG_MS));
	/* Half of what it needs is not enough: it goes on waiting, and gets the rest later. */
	ASSERT_EQ(0, sp_discard(self->pool.fd, self->regions[0].handle, 0, SP_SMALL / 2, 0));
	sp_sleep_ms(200);
	EXPECT_FALSE(waiter->done);
	ASSERT_EQ(0, sp_discard(self->pool.fd, self->regions[0].handle, SP_SMALL / 2, SP_SMALL / 2,
				SEGPOOL_NOW));
	pthread_join(waiter->thread, NULL);
	EXPECT_EQ(0, waiter->result);
	EXPECT_LT(waiter->took_ms, LATE_MS);
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(waiting, woken_by_a_raised_physical_budget)
{
	struct segpool_limits limits = { .physical_budget = 2 * BUDGET * SP_SMALL };
	struct waiter *waiter = &self->waiter;

	ASSERT_TRUE(start_waiter(waiter, &self->pool, SEGPOOL_POPULATE, LONG_MS));
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_PHYSICAL, &limits));
	pthread_join(waiter->thread, NULL);
	EXPECT_EQ(0, waiter->result);
	EXPECT_LT(waiter->took_ms, LATE_MS);
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(waiting, woken_by_a_raised_virtual_budget)
{
	struct segpool_limits limits = { .virtual_budget = 2 * BUDGET * SP_SMALL };
	struct waiter *waiter = &self->waiter;

	narrow_virtual(&self->pool);
	ASSERT_TRUE(start_waiter(waiter, &self->pool, 0, LONG_MS));
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	pthread_join(waiter->thread, NULL);
	EXPECT_EQ(0, waiter->result);
	EXPECT_LT(waiter->took_ms, LATE_MS);
	EXPECT_EQ(SEGPOOL_REGION_NEW, waiter->region.flags);
}

/* A populate of page ranges waits in the same way. */
TEST_F(waiting, populate_waits)
{
	struct waiter *waiter = &self->waiter;
	struct segpool_region empty;

	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &empty));
	waiter->populate = empty.handle;
	ASSERT_TRUE(start_waiter(waiter, &self->pool, 0, LONG_MS));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	pthread_join(waiter->thread, NULL);
	EXPECT_EQ(0, waiter->result);
	EXPECT_LT(waiter->took_ms, LATE_MS);
	EXPECT_EQ(16, sp_present(sp_region_at(&self->pool, &empty), SP_SMALL, NULL));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Not early, not much later; with the reason; for each budget. */
TEST_F(waiting, times_out)
{
	struct segpool_region region;
	uint64_t start, took;
	uint32_t reason;

	start = sp_now_ms();
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, SEGPOOL_WAIT | SEGPOOL_POPULATE,
					SHORT_MS, &region, &reason));
	took = sp_now_ms() - start;
	EXPECT_GE(took, SHORT_MS - 1);
	EXPECT_LT(took, SHORT_MS + LATE_MS);
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, reason);
	EXPECT_NO_DRIFT(&self->pool);

	narrow_virtual(&self->pool);
	start = sp_now_ms();
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, SEGPOOL_WAIT, SHORT_MS, &region,
					&reason));
	took = sp_now_ms() - start;
	EXPECT_GE(took, SHORT_MS - 1);
	EXPECT_LT(took, SHORT_MS + LATE_MS);
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	EXPECT_EQ(2, sp_counter(self->pool.fd, SEGPOOL_C_WAITS));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_WAITERS));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Without the flag nobody waits. */
TEST_F(waiting, only_on_request)
{
	struct segpool_region region;
	uint64_t start = sp_now_ms();

	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	EXPECT_LT(sp_now_ms() - start, LATE_MS);
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_WAITS));
}

static void ignore_signal(int number)
{
}

TEST_F(waiting, ended_by_a_signal)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	struct waiter *waiter = &self->waiter;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_TRUE(start_waiter(waiter, &self->pool, SEGPOOL_POPULATE, LONG_MS));
	ASSERT_EQ(0, pthread_kill(waiter->thread, SIGUSR1));
	pthread_join(waiter->thread, NULL);
	EXPECT_EQ(-EINTR, waiter->result);
	EXPECT_LT(waiter->took_ms, LATE_MS);
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_WAITERS));
	EXPECT_EQ(BUDGET, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Several wait, several regions are freed at once: all are served. */
TEST_F(waiting, every_waiter_is_served)
{
	struct waiter waiters[BUDGET];
	uint64_t end;
	int i;

	memset(waiters, 0, sizeof(waiters));
	for (i = 0; i < BUDGET; i++)
		ASSERT_TRUE(start_waiter(&waiters[i], &self->pool, SEGPOOL_POPULATE, LONG_MS));
	end = sp_now_ms() + LATE_MS;
	while (sp_counter(self->pool.fd, SEGPOOL_C_WAITERS) < BUDGET && sp_now_ms() < end)
		sp_sleep_ms(10);
	EXPECT_EQ(BUDGET, sp_counter(self->pool.fd, SEGPOOL_C_WAITERS));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, BUDGET, 0));
	for (i = 0; i < BUDGET; i++) {
		pthread_join(waiters[i].thread, NULL);
		EXPECT_EQ(0, waiters[i].result);
		EXPECT_LT(waiters[i].took_ms, LATE_MS);
	}
	EXPECT_EQ(BUDGET * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->pool);
}

struct doomed {
	uint32_t mode;
	int ready[2];
};

static int wait_for_the_axe(void *argument)
{
	struct doomed *doomed = argument;
	struct segpool_region regions[BUDGET];
	struct sp_pool pool;

	if (sp_pool_make(&pool, doomed->mode, SP_SMALL, BUDGET * SP_SMALL, BUDGET * SP_SMALL, 0) ||
	    sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, BUDGET, regions) != BUDGET ||
	    write(doomed->ready[1], &pool.id, sizeof(pool.id)) != sizeof(pool.id))
		return 1;
	sp_alloc_one(pool.fd, 0, SEGPOOL_WAIT, LONG_MS, regions, NULL);
	return 2;
}

static int pool_is_gone(void *id)
{
	return !sp_pool_listed(*(uint32_t *)id);
}

static int pool_has_a_waiter(void *id)
{
	return sp_pool_counter(*(uint32_t *)id, "waiters") == 1;
}

TEST_F(waiting, killed)
{
	struct doomed doomed = { .mode = variant->mode };
	uint64_t start;
	uint32_t id;
	pid_t child;

	ASSERT_EQ(0, pipe(doomed.ready));
	child = sp_start_child(wait_for_the_axe, &doomed);
	ASSERT_GT(child, 0);
	ASSERT_EQ((ssize_t)sizeof(id), read(doomed.ready[0], &id, sizeof(id)));
	ASSERT_TRUE(sp_wait_until(pool_has_a_waiter, &id, 30000));
	start = sp_now_ms();
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, sp_wait_child(child));
	EXPECT_LT(sp_now_ms() - start, LATE_MS);
	EXPECT_TRUE(sp_wait_until(pool_is_gone, &id, 30000));
}

TEST_HARNESS_MAIN
