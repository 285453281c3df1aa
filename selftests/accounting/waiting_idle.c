// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 4: who waits, sleeps. Whatever a request waits for, it ends in time,
 * with the reason, without having used the processor or taken a page from the
 * system meanwhile; also where several wait that could wake each other.
 */
#include "../testing_memory.h"
#include <sys/resource.h>
#include "testing_harness.h"

#define TIMEOUT_MS	500
/* An emulated machine with two busy processors may be this late, never more. */
#define LATE_MS		20000
/* Unless it is stopped, a request that never ends would take the whole program with it. */
#define STUCK_MS	30000
/*
 * The tries before and after the sleep. On a slow machine so many times what one
 * takes, or most of the time that it took: who does not sleep needs all of it.
 */
#define MAX_PROCESSOR_MS	(TIMEOUT_MS / 2)
#define MAX_TRIES		12
#define MAX_PERCENT		80
/* Who waits for the ceiling looks at it ten times a second; others look when they are woken. */
#define MAX_SLEEPS	40
#define REGIONS		8
#define MAX_WAITERS	2

struct waiter {
	int fd;
	/* One of three calls. */
	struct segpool_alloc alloc;
	uint64_t reuse;
	uint64_t populate;
	/* Only one try. */
	bool impatient;

	pthread_t thread;
	struct segpool_region results[REGIONS];
	int result;
	uint32_t reason;
	uint64_t took_ms, processor_ms;
	long sleeps;
};

static uint64_t thread_processor_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static long thread_sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void call(struct waiter *waiter)
{
	uint32_t wait = waiter->impatient ? 0 : SEGPOOL_WAIT;
	uint32_t timeout_ms = waiter->impatient ? 0 : TIMEOUT_MS;
	struct segpool_reuse reuse = { .flags = SEGPOOL_POPULATE | wait,
				       .handle = waiter->reuse, .timeout_ms = timeout_ms };
	struct segpool_range range = { .handle = waiter->populate, .length = SP_SMALL };
	struct segpool_ranges ranges = { .size = sizeof(ranges), .flags = wait,
					 .count = 1, .ranges = (uintptr_t)&range,
					 .timeout_ms = timeout_ms };

	if (waiter->reuse) {
		waiter->result = sp_reuse_call(waiter->fd, &reuse);
		waiter->reason = reuse.reason;
	} else if (waiter->populate) {
		waiter->result = sp_ioctl(waiter->fd, SEGPOOL_IOC_POPULATE, &ranges);
		waiter->reason = ranges.reason;
	} else {
		waiter->alloc.flags |= wait;
		waiter->alloc.timeout_ms = timeout_ms;
		waiter->result = sp_alloc_call(waiter->fd, &waiter->alloc, waiter->results);
		waiter->reason = waiter->alloc.reason;
	}
}

static void *waiter_main(void *argument)
{
	struct waiter *waiter = argument;
	uint64_t start = sp_now_ms(), processor = thread_processor_ms();
	long sleeps = thread_sleeps();

	call(waiter);
	waiter->took_ms = sp_now_ms() - start;
	waiter->processor_ms = thread_processor_ms() - processor;
	waiter->sleeps = thread_sleeps() - sleeps;
	return NULL;
}

static void interrupt(int number)
{
}

/* Run the calls at the same time; one that does not end is interrupted: see its result. */
static void run_waiters(struct waiter *waiters, unsigned int count)
{
	struct sigaction action = { .sa_handler = interrupt };
	struct timespec end;
	unsigned int i;

	sigaction(SIGUSR1, &action, NULL);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += STUCK_MS / 1000;
	for (i = 0; i < count; i++)
		if (pthread_create(&waiters[i].thread, NULL, waiter_main, &waiters[i]))
			abort();
	for (i = 0; i < count; i++) {
		if (!pthread_timedjoin_np(waiters[i].thread, NULL, &end))
			continue;
		pthread_kill(waiters[i].thread, SIGUSR1);
		pthread_join(waiters[i].thread, NULL);
	}
}

FIXTURE(idle) {
	struct sp_pool pool, other;
	struct segpool_region regions[REGIONS];
	struct waiter waiter;
	uint64_t ceiling;
};

SP_MODE_VARIANTS(idle);

FIXTURE_SETUP(idle)
{
	self->pool.fd = -1;
	self->other.fd = -1;
	self->ceiling = sp_module_parameter("ceiling_mib");
}

FIXTURE_TEARDOWN(idle)
{
	sp_pool_close(&self->pool);
	sp_pool_close(&self->other);
	sp_set_module_parameter("ceiling_mib", self->ceiling);
}

/* Processor time that a call may take which is tried again now and then. */
static uint64_t processor_limit(const struct sp_pool *pool, const struct waiter *like)
{
	struct waiter waiter = *like;
	uint64_t longest = 0;
	unsigned int i;

	waiter.fd = pool->fd;
	waiter.impatient = true;
	for (i = 0; i < 3; i++) {
		waiter_main(&waiter);
		if (waiter.processor_ms > longest)
			longest = waiter.processor_ms;
	}
	return longest * MAX_TRIES > MAX_PROCESSOR_MS ? longest * MAX_TRIES : MAX_PROCESSOR_MS;
}

static void expect_slept(struct __test_metadata *_metadata, const struct waiter *waiter,
			 enum segpool_reason reason, uint64_t processor_ms)
{
	EXPECT_EQ(-ENOMEM, waiter->result);
	EXPECT_EQ(reason, waiter->reason);
	EXPECT_GE(waiter->took_ms, TIMEOUT_MS - 1);
	EXPECT_LT(waiter->took_ms, TIMEOUT_MS + LATE_MS);
	if (waiter->processor_ms * 100 >= waiter->took_ms * MAX_PERCENT) {
		EXPECT_LT(waiter->processor_ms, processor_ms);
	}
	EXPECT_LT(waiter->sleeps, MAX_SLEEPS);
}

/* The same call by one thread, then by several at once. */
static void expect_idle(struct __test_metadata *_metadata, struct sp_pool *pool,
			const struct waiter *like, enum segpool_reason reason)
{
	uint64_t system = sp_counter(pool->fd, SEGPOOL_C_SYSTEM_PAGES);
	uint64_t retained = sp_counter(pool->fd, SEGPOOL_C_RETAINED_BYTES);
	uint64_t freed = sp_counter(pool->fd, SEGPOOL_C_REGIONS_FREED);
	uint64_t waits = sp_counter(pool->fd, SEGPOOL_C_WAITS), waited;
	uint64_t processor_ms = processor_limit(pool, like);
	struct waiter waiters[MAX_WAITERS];
	unsigned int count, i;

	for (count = 1; count <= MAX_WAITERS; count++) {
		for (i = 0; i < count; i++) {
			waiters[i] = *like;
			waiters[i].fd = pool->fd;
		}
		run_waiters(waiters, count);
		for (i = 0; i < count; i++)
			expect_slept(_metadata, &waiters[i], reason, processor_ms);
	}
	/* Each once; one whose time was over with its first try, on a slow machine, did not. */
	waited = sp_counter(pool->fd, SEGPOOL_C_WAITS) - waits;
	EXPECT_LT(0, waited);
	EXPECT_GE(MAX_WAITERS * (MAX_WAITERS + 1) / 2, waited);
	EXPECT_EQ(0, sp_counter(pool->fd, SEGPOOL_C_WAITERS));
	/* Nothing was fetched, and all that was there is there. */
	EXPECT_EQ(system, sp_counter(pool->fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_EQ(retained, sp_counter(pool->fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(freed, sp_counter(pool->fd, SEGPOOL_C_REGIONS_FREED));
	EXPECT_NO_DRIFT(pool);
}

/* A pool whose physical budget is @spare pages above what its first region has. */
static void make_full(struct __test_metadata *_metadata, FIXTURE_DATA(idle) *self, uint32_t mode,
		      uint64_t virtual_regions, uint64_t spare)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, mode, SP_SMALL, virtual_regions * SP_SMALL,
				  SP_SMALL + spare * SP_PAGE, SP_SMALL));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &self->regions[0]));
}

TEST_F(idle, virtual_budget)
{
	make_full(_metadata, self, variant->mode, 1, 16);
	self->waiter.alloc.count = 1;
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_VIRTUAL);
	self->waiter.alloc.flags = SEGPOOL_POPULATE;
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_VIRTUAL);
}

TEST_F(idle, physical_budget_for_a_new_region)
{
	make_full(_metadata, self, variant->mode, REGIONS, 0);
	self->waiter.alloc = (struct segpool_alloc){ .flags = SEGPOOL_POPULATE, .count = 1 };
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_PHYSICAL);
	EXPECT_EQ(SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
}

/* The one region is taken and put back by each try, which must not wake the other's. */
TEST_F(idle, physical_budget_for_a_freed_region)
{
	make_full(_metadata, self, variant->mode, 2, 0);
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &self->regions[1]));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[1].handle, 0));
	self->waiter.alloc = (struct segpool_alloc){ .flags = SEGPOOL_POPULATE, .count = 1 };
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_PHYSICAL);
}

TEST_F(idle, physical_budget_for_a_named_region)
{
	make_full(_metadata, self, variant->mode, REGIONS, 0);
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &self->regions[1]));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[1].handle, 0));
	self->waiter.reuse = self->regions[1].handle;
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_PHYSICAL);
}

TEST_F(idle, retained_pages_that_do_not_suffice)
{
	make_full(_metadata, self, variant->mode, REGIONS, 5);
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &self->regions[1]));
	ASSERT_EQ(0, sp_populate(self->pool.fd, self->regions[1].handle, 0, 5 * SP_PAGE, 0));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[1].handle, 0));
	ASSERT_EQ(5 * SP_PAGE, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	self->waiter.alloc = (struct segpool_alloc){ .flags = SEGPOOL_POPULATE, .count = 1 };
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_PHYSICAL);
}

TEST_F(idle, neighbours_with_budget_for_one)
{
	make_full(_metadata, self, variant->mode, REGIONS, SP_SMALL / SP_PAGE);
	self->waiter.alloc = (struct segpool_alloc){
		.flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS, .count = 2 };
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_PHYSICAL);
}

TEST_F(idle, freed_regions_that_are_no_neighbours)
{
	uint32_t flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS;

	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, 3 * SP_SMALL,
				  REGIONS * SP_SMALL, REGIONS * SP_SMALL));
	ASSERT_EQ(3, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 3, self->regions));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[2].handle, 0));
	self->waiter.alloc = (struct segpool_alloc){ .flags = flags, .count = 2 };
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_VIRTUAL);
}

TEST_F(idle, ranges)
{
	make_full(_metadata, self, variant->mode, REGIONS, 7);
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &self->regions[1]));
	self->waiter.populate = self->regions[1].handle;
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_PHYSICAL);
}

/* The ceiling of all pools, held by another one. */
TEST_F(idle, ceiling)
{
	ASSERT_TRUE(sp_wait_module_idle(5000));
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 1));
	ASSERT_EQ(0, sp_pool_make(&self->other, variant->mode, SP_MIB, SP_MIB, SP_MIB, SP_MIB));
	ASSERT_EQ(1, sp_alloc(self->other.fd, 0, SEGPOOL_POPULATE, 1, self->regions));
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, REGIONS * SP_SMALL,
				  REGIONS * SP_SMALL, REGIONS * SP_SMALL));
	self->waiter.alloc = (struct segpool_alloc){ .flags = SEGPOOL_POPULATE, .count = 1 };
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_CEILING);

	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, self->regions));
	self->waiter = (struct waiter){ .populate = self->regions[0].handle };
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_CEILING);
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	self->waiter = (struct waiter){ .reuse = self->regions[0].handle };
	expect_idle(_metadata, &self->pool, &self->waiter, SEGPOOL_REASON_CEILING);
}

/* One for regions, one for pages: what the first takes and puts back is not the second's. */
TEST_F(idle, two_that_wait_for_different_things)
{
	struct waiter waiters[2];
	uint64_t processor_ms[2];
	unsigned int i;

	make_full(_metadata, self, variant->mode, 2, 0);
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, &self->regions[1]));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[1].handle, 0));
	waiters[0] = (struct waiter){ .fd = self->pool.fd };
	waiters[0].alloc = (struct segpool_alloc){ .flags = SEGPOOL_CONTIGUOUS, .count = 2 };
	waiters[1] = (struct waiter){ .fd = self->pool.fd };
	waiters[1].alloc = (struct segpool_alloc){ .flags = SEGPOOL_POPULATE, .count = 1 };
	for (i = 0; i < 2; i++)
		processor_ms[i] = processor_limit(&self->pool, &waiters[i]);
	run_waiters(waiters, 2);
	expect_slept(_metadata, &waiters[0], SEGPOOL_REASON_VIRTUAL, processor_ms[0]);
	expect_slept(_metadata, &waiters[1], SEGPOOL_REASON_PHYSICAL, processor_ms[1]);
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_FREED));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
