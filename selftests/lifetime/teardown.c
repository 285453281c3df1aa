// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 13: exit, SIGKILL, close and munmap in any order, in the middle of
 * anything, leave nothing behind: no page, no counter, no pool. Promise 2: all
 * counters are zero once the pool is closed.
 */
#include "testing.h"
#include <sys/resource.h>
#include "testing_harness.h"

#define REGION		(2 * SP_MIB)
#define REGIONS		8
#define BUDGET		(16 * REGION)
#define OWNER		0x7ea7000000000001ULL
/* What the system itself may take or give back meanwhile. */
#define SLACK		(6 * SP_MIB)

FIXTURE(teardown) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
	uint64_t free_at_first;
};

FIXTURE_VARIANT(teardown) {
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(teardown, strict) { .mode = SEGPOOL_MODE_STRICT };
FIXTURE_VARIANT_ADD(teardown, pinnable) { .mode = SEGPOOL_MODE_PINNABLE };
FIXTURE_VARIANT_ADD(teardown, huge) { .mode = SEGPOOL_MODE_HUGE };

static int fill(struct sp_pool *pool, uint32_t mode, struct segpool_region *regions)
{
	unsigned int i;
	int error;

	error = sp_pool_make(pool, mode, REGION, BUDGET, BUDGET, BUDGET);
	if (error)
		return error;
	if (sp_alloc(pool->fd, 0, SEGPOOL_POPULATE, REGIONS, regions) != REGIONS)
		return -ENOMEM;
	for (i = 0; i < REGIONS; i++)
		sp_pattern_write(sp_region_at(pool, &regions[i]), REGION, OWNER + i);
	/* A quarter of them released, so that there are retained pages as well. */
	return sp_free_regions(pool->fd, regions + 3 * REGIONS / 4, REGIONS / 4, 0);
}

FIXTURE_SETUP(teardown)
{
	ASSERT_EQ(1, sp_wait_module_idle(5000));
	self->free_at_first = sp_free_bytes();
	ASSERT_EQ(0, fill(&self->pool, variant->mode, self->regions));
}

FIXTURE_TEARDOWN(teardown)
{
	sp_pool_close(&self->pool);
}

/* Everything is as it was before the pool. */
static void expect_nothing_left(struct __test_metadata *_metadata, uint32_t id,
				uint64_t free_at_first)
{
	EXPECT_TRUE(sp_wait_module_idle(30000)) {
		TH_LOG("virtual %llu physical %llu retained %llu",
		       (unsigned long long)sp_module_counter("virtual_bytes"),
		       (unsigned long long)sp_module_counter("physical_bytes"),
		       (unsigned long long)sp_module_counter("retained_bytes"));
	}
	EXPECT_EQ(0, sp_module_counter("pools"));
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	EXPECT_FALSE(sp_pool_listed(id));
	EXPECT_TRUE(sp_wait_free_bytes(free_at_first - SLACK, 30000)) {
		TH_LOG("free at first %llu KiB, now %llu KiB",
		       (unsigned long long)free_at_first / 1024,
		       (unsigned long long)sp_free_bytes() / 1024);
	}
}

TEST_F(teardown, munmap_then_close)
{
	EXPECT_GT(self->free_at_first, sp_free_bytes() + REGIONS * REGION / 2);
	ASSERT_EQ(0, munmap(self->pool.base, self->pool.length));
	self->pool.base = NULL;
	ASSERT_EQ(0, close(self->pool.fd));
	self->pool.fd = -1;
	expect_nothing_left(_metadata, self->pool.id, self->free_at_first);
}

/* The mapping keeps the pool: it goes on working until munmap(). */
TEST_F(teardown, close_then_use_then_munmap)
{
	unsigned int i;

	ASSERT_EQ(0, close(self->pool.fd));
	self->pool.fd = -1;
	EXPECT_TRUE(sp_pool_listed(self->pool.id));
	for (i = 0; i < 3 * REGIONS / 4; i++) {
		char *at = sp_region_at(&self->pool, &self->regions[i]);

		EXPECT_EQ(0, sp_pattern_check(at, REGION, OWNER + i));
		EXPECT_EQ(0, sp_touch_write(at));
	}
	EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->regions[REGIONS - 1])));
	ASSERT_EQ(0, munmap(self->pool.base, self->pool.length));
	self->pool.base = NULL;
	expect_nothing_left(_metadata, self->pool.id, self->free_at_first);
}

/* munmap() gives the pages back at once, retained ones included; the file then only tells. */
TEST_F(teardown, munmap_with_the_file_alive)
{
	struct segpool_limits limits = { .virtual_budget = BUDGET / 2 };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct segpool_region region;
	char *base = self->pool.base;

	ASSERT_EQ(0, munmap(self->pool.base, self->pool.length));
	self->pool.base = NULL;
	EXPECT_LT(self->free_at_first, sp_free_bytes() + SLACK);
	EXPECT_EQ(SIGSEGV, sp_touch(base));
	EXPECT_EQ(-ENXIO, sp_alloc_one(self->pool.fd, 0, 0, 0, &region, NULL));
	EXPECT_EQ(-ENXIO, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	EXPECT_EQ(-ENXIO, sp_alloc_one(self->pool.fd, 0, SEGPOOL_WAIT, 100, &region, NULL));
	EXPECT_EQ(-ENXIO, sp_free(self->pool.fd, self->regions[0].handle, 0));
	EXPECT_EQ(-ENXIO, sp_reuse(self->pool.fd, self->regions[REGIONS - 1].handle, 0,
				   SEGPOOL_POPULATE, &region));
	EXPECT_EQ(-ENXIO, sp_discard(self->pool.fd, self->regions[0].handle, 0, SP_PAGE, 0));
	EXPECT_EQ(-ENXIO, sp_populate(self->pool.fd, self->regions[0].handle, 0, SP_PAGE, 0));
	EXPECT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	EXPECT_EQ(0, sp_trim(self->pool.fd, 0, NULL));
	ASSERT_EQ(0, sp_stat(self->pool.fd, values));
	EXPECT_EQ(0, values[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_EQ(0, values[SEGPOOL_C_RETAINED_BYTES]);
	close(self->pool.fd);
	self->pool.fd = -1;
	expect_nothing_left(_metadata, self->pool.id, self->free_at_first);
}

static void *wait_for_region(void *argument)
{
	struct segpool_alloc call = { .flags = SEGPOOL_WAIT, .timeout_ms = SEGPOOL_MAX_WAIT_MS };
	struct segpool_region region;
	struct sp_pool *pool = argument;

	call.count = 1;
	return (void *)(intptr_t)sp_alloc_call(pool->fd, &call, &region);
}

/* A request that waits when the mapping goes does not wait on. */
TEST_F(teardown, munmap_under_a_waiter)
{
	struct segpool_limits limits = { .virtual_budget = REGIONS * REGION };
	struct segpool_region more[REGIONS];
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	ASSERT_LT(0, sp_alloc(self->pool.fd, 0, 0, REGIONS, more));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_region, &self->pool));
	EXPECT_TRUE(sp_wait_until(sp_has_one_waiter, &self->pool, 60000));
	ASSERT_EQ(0, munmap(self->pool.base, self->pool.length));
	self->pool.base = NULL;
	pthread_join(thread, &result);
	EXPECT_EQ(-ENXIO, (intptr_t)result);
	close(self->pool.fd);
	self->pool.fd = -1;
	expect_nothing_left(_metadata, self->pool.id, self->free_at_first);
}

struct plan {
	uint32_t mode;
	uint32_t *id;		/* shared with the child */
	unsigned int seed;
};

/* The pool of a child that ends without cleaning up. */
static int leave_without_cleanup(void *argument)
{
	struct plan *plan = argument;
	struct segpool_region regions[REGIONS];
	struct sp_pool pool;

	if (fill(&pool, plan->mode, regions))
		return 1;
	*plan->id = pool.id;
	return 0;
}

FIXTURE(process) {
	uint32_t *id;
	uint64_t free_at_first;
};

FIXTURE_VARIANT(process) {
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(process, strict) { .mode = SEGPOOL_MODE_STRICT };
FIXTURE_VARIANT_ADD(process, pinnable) { .mode = SEGPOOL_MODE_PINNABLE };
FIXTURE_VARIANT_ADD(process, huge) { .mode = SEGPOOL_MODE_HUGE };

FIXTURE_SETUP(process)
{
	self->id = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->id);
	ASSERT_EQ(1, sp_wait_module_idle(5000));
	self->free_at_first = sp_free_bytes();
}

FIXTURE_TEARDOWN(process)
{
	munmap(self->id, SP_PAGE);
}

TEST_F(process, exit_without_cleanup)
{
	struct plan plan = { .mode = variant->mode, .id = self->id };

	ASSERT_EQ(0, sp_in_child(leave_without_cleanup, &plan));
	EXPECT_NE(0, *self->id);
	expect_nothing_left(_metadata, *self->id, self->free_at_first);
}

/* In one call, again and again, until somebody kills us. */
static int populate_a_gibibyte(void *argument)
{
	struct plan *plan = argument;
	static struct segpool_region regions[SP_GIB / REGION];
	struct sp_pool pool;
	int got;

	if (sp_pool_make(&pool, plan->mode, REGION, SP_GIB, SP_GIB, 0))
		return 1;
	*plan->id = pool.id;
	do {
		got = sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, SP_GIB / REGION, regions);
	} while (got > 0 && !sp_free_regions(pool.fd, regions, got, SEGPOOL_NOW));
	return 2;
}

/* One long call, one signal: it does not go on to its end, and the pages are back. */
TEST_F(process, kill_in_the_middle_of_a_populate)
{
	struct plan plan = { .mode = variant->mode, .id = self->id };
	uint64_t ceiling = sp_module_parameter("ceiling_mib");
	uint64_t reached, highest = 0, end = sp_now_ms() + 60000;
	pid_t child;

	sp_set_module_parameter("ceiling_mib", 2048);
	child = sp_start_child(populate_a_gibibyte, &plan);
	ASSERT_LT(0, child);
	/* What is left to do takes longer than to die. */
	do {
		reached = *self->id ? sp_pool_counter(*self->id, "physical_bytes") : 0;
	} while ((reached == UINT64_MAX || reached < SP_GIB / 16 || reached > SP_GIB / 2) &&
		 sp_now_ms() < end);
	EXPECT_LE(SP_GIB / 16, reached);
	EXPECT_GE(SP_GIB / 2, reached);
	kill(child, SIGKILL);
	do {
		reached = sp_pool_counter(*self->id, "physical_bytes");
		if (reached != UINT64_MAX && reached > highest)
			highest = reached;
	} while (sp_pool_listed(*self->id) && sp_now_ms() < end);
	EXPECT_GT(SP_GIB, highest);
	EXPECT_EQ(128 + SIGKILL, sp_wait_child(child));
	sp_set_module_parameter("ceiling_mib", ceiling);
	expect_nothing_left(_metadata, *self->id, self->free_at_first);
}

/* Random calls of several threads until somebody kills them. */
struct worker {
	struct sp_pool *pool;
	unsigned int seed;
};

static void *work_forever(void *argument)
{
	struct worker *worker = argument;
	struct segpool_region mine[8];
	int fd = worker->pool->fd;
	unsigned int seed = worker->seed, i, n = 0;
	int got;

	for (;;) {
		switch (rand_r(&seed) % 8) {
		case 0:
		case 1:
		case 2:
			if (n > 4)
				break;
			got = sp_alloc(fd, rand_r(&seed) % 7,
				       rand_r(&seed) % 4 /* ZERO, POPULATE */, 4, mine + n);
			n += got > 0 ? got : 0;
			break;
		case 3:
		case 4:
			if (n && !sp_free(fd, mine[n - 1].handle, rand_r(&seed) % 2))
				n--;
			break;
		case 5:
			if (n)
				sp_populate(fd, mine[rand_r(&seed) % n].handle, 0,
					    (1 + rand_r(&seed) % 512) * SP_PAGE, 0);
			break;
		case 6:
			if (n)
				sp_discard(fd, mine[rand_r(&seed) % n].handle, 0,
					   (1 + rand_r(&seed) % 512) * SP_PAGE,
					   rand_r(&seed) % 2);
			break;
		default:
			if (n) {
				i = rand_r(&seed) % n;
				sp_touch_write(sp_region_at(worker->pool, &mine[i]) +
					       rand_r(&seed) % 512 * SP_PAGE);
			}
			sp_trim(fd, rand_r(&seed) % 64 * SP_PAGE, NULL);
		}
	}
	return NULL;
}

static int mixed_work(void *argument)
{
	struct plan *plan = argument;
	struct worker workers[3];
	struct sp_pool pool;
	pthread_t thread;
	unsigned int i;

	if (sp_pool_make(&pool, plan->mode, REGION, 12 * REGION, 8 * REGION, 4 * REGION))
		return 1;
	*plan->id = pool.id;
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		workers[i] = (struct worker){ .pool = &pool, .seed = plan->seed + i };
		if (pthread_create(&thread, NULL, work_forever, &workers[i]))
			return 2;
	}
	pause();
	return 3;
}

#define KILLS	30

TEST_F(process, kill_at_random_points_of_mixed_work)
{
	unsigned int seed = getpid(), i;
	struct plan plan = { .mode = variant->mode, .id = self->id };
	pid_t child;

	TH_LOG("seed %u", seed);
	for (i = 0; i < KILLS; i++) {
		*self->id = 0;
		plan.seed = rand_r(&seed);
		child = sp_start_child(mixed_work, &plan);
		ASSERT_LT(0, child);
		sp_sleep_ms(20 + rand_r(&seed) % 180);
		kill(child, SIGKILL);
		ASSERT_EQ(128 + SIGKILL, sp_wait_child(child));
		EXPECT_TRUE(sp_wait_module_idle(2000)) {
			TH_LOG("pages left behind by kill %u", i);
			break;
		}
	}
	expect_nothing_left(_metadata, *self->id, self->free_at_first);
}

/* Waiters are interruptible: a kill of the whole thread group ends them at once. */
static int group_of_waiters(void *argument)
{
	struct plan *plan = argument;
	struct segpool_region regions[REGIONS];
	struct sp_pool pool;
	pthread_t thread;
	unsigned int i;

	if (sp_pool_make(&pool, plan->mode, REGION, REGIONS * REGION, BUDGET, BUDGET) ||
	    sp_alloc(pool.fd, 0, 0, REGIONS, regions) != REGIONS)
		return 1;
	*plan->id = pool.id;
	for (i = 0; i < 8; i++)
		if (pthread_create(&thread, NULL, wait_for_region, &pool))
			return 2;
	pause();
	return 3;
}

struct waiters_goal {
	uint32_t id;
	uint64_t waiters;
};

static int waiters_reached(void *argument)
{
	struct waiters_goal *goal = argument;

	return sp_pool_counter(goal->id, "waiters") == goal->waiters;
}

static int id_is_known(void *argument)
{
	return *(volatile uint32_t *)argument != 0;
}

TEST_F(process, kill_a_group_of_waiters)
{
	struct plan plan = { .mode = variant->mode, .id = self->id };
	struct waiters_goal goal = { .waiters = 8 };
	pid_t child;

	child = sp_start_child(group_of_waiters, &plan);
	ASSERT_LT(0, child);
	ASSERT_TRUE(sp_wait_until(id_is_known, self->id, 60000));
	goal.id = *self->id;
	EXPECT_TRUE(sp_wait_until(waiters_reached, &goal, 60000));
	kill(child, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, sp_wait_child(child));
	expect_nothing_left(_metadata, *self->id, self->free_at_first);
}

/* Names and files of debugfs go after a grace period, which a busy machine puts off. */
static int slab_is_below(void *bytes)
{
	sp_write_file("/proc/sys/vm/drop_caches", "2");
	return sp_meminfo("Slab") < *(uint64_t *)bytes;
}

/* Thousands of files, at once and one after the other. */
TEST_F(process, thousands_of_opens_leak_nothing)
{
	static int fds[500];
	struct segpool_setup setup;
	uint64_t slab = 0;
	unsigned int i, n;

	for (i = 0; i < 2000; i++) {
		fds[0] = sp_open();
		ASSERT_LE(0, fds[0]);
		if (i % 2) {
			memset(&setup, 0, sizeof(setup));
			ASSERT_EQ(0, sp_setup(fds[0], &setup));
		}
		close(fds[0]);
		if (i == 200)
			slab = sp_meminfo("Slab") + 2 * SP_MIB;
	}
	EXPECT_TRUE(sp_wait_until(slab_is_below, &slab, 10000)) {
		TH_LOG("%llu bytes of slab, not below %llu",
		       (unsigned long long)sp_meminfo("Slab"), (unsigned long long)slab);
	}

	for (n = 0; n < ARRAY_SIZE(fds); n++) {
		fds[n] = sp_open();
		ASSERT_LE(0, fds[n]);
		memset(&setup, 0, sizeof(setup));
		ASSERT_EQ(0, sp_setup(fds[n], &setup));
	}
	EXPECT_EQ(n, sp_module_counter("pools"));
	while (n--)
		close(fds[n]);
	expect_nothing_left(_metadata, setup.pool_id, self->free_at_first);
}

/* And pools with pages, quickly one after the other. */
TEST_F(process, hundreds_of_pools_leak_nothing)
{
	struct segpool_region regions[4];
	struct sp_pool pool;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, sp_pool_make(&pool, variant->mode, 64 * SP_KIB, SP_MIB, SP_MIB,
					  SP_MIB));
		ASSERT_EQ(4, sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 4, regions));
		ASSERT_EQ(0, sp_free(pool.fd, regions[1].handle, 0));
		/* Half of them close the file first. */
		if (i % 2) {
			close(pool.fd);
			pool.fd = -1;
		}
		sp_pool_close(&pool);
	}
	expect_nothing_left(_metadata, pool.id, self->free_at_first);
}

TEST_HARNESS_MAIN
