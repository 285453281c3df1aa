// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 11: under memory pressure, of the machine or of a memory cgroup, the
 * shrinker takes retained pages first, and nobody is killed for them. Design
 * 4.1: poll() reports pressure, so that a program can evict before it is
 * refused.
 */
#include "../testing_memory.h"
#include <poll.h>
#include "testing_harness.h"

#define RETAINED	(256 * SP_MIB)
#define REGIONS		(RETAINED / SP_BIG)
#define BITE		(64 * SP_MIB)

static bool polls(int fd, int timeout_ms)
{
	struct pollfd entry = { .fd = fd, .events = POLLPRI };

	return poll(&entry, 1, timeout_ms) == 1 && entry.revents & POLLPRI;
}

/* A program that waits for pressure. */
struct poller {
	int fd;
	atomic_bool over, polled;
};

static void *poll_until_over(void *argument)
{
	struct poller *poller = argument;

	while (!poller->over && !poller->polled)
		poller->polled = polls(poller->fd, 100);
	return NULL;
}

/* A pool that retains @bytes: 0 or the number of the step that failed. */
static int retain_bytes(struct sp_pool *pool, uint32_t mode, uint64_t bytes)
{
	struct segpool_region regions[REGIONS];
	uint32_t count = bytes / SP_BIG;

	if (sp_pool_make(pool, mode, SP_BIG, bytes, bytes, bytes))
		return 1;
	if (sp_alloc(pool->fd, 0, SEGPOOL_POPULATE, count, regions) != (int)count)
		return 2;
	if (sp_free_regions(pool->fd, regions, count, 0))
		return 3;
	return sp_counter(pool->fd, SEGPOOL_C_RETAINED_BYTES) == bytes ? 0 : 4;
}

FIXTURE(machine) {
	struct sp_pool pool;
};

FIXTURE_SETUP(machine)
{
	if (sp_meminfo("MemAvailable") < 4 * RETAINED)
		SKIP(return, "needs 1 GiB of available memory");
	ASSERT_EQ(0, retain_bytes(&self->pool, SEGPOOL_MODE_STRICT, RETAINED));
}

FIXTURE_TEARDOWN(machine)
{
	sp_pool_close(&self->pool);
}

struct eater {
	int go[2], done[2];
};

/* Eats as many MiB as each number that comes, and says so; huge pages keep that quick. */
static int eat(void *argument)
{
	struct eater *eater = argument;
	uint32_t mib;
	size_t length, i;
	char *bytes;

	sp_write_file("/proc/self/oom_score_adj", "1000");
	close(eater->go[1]);
	while (read(eater->go[0], &mib, sizeof(mib)) == sizeof(mib)) {
		length = mib * SP_MIB;
		bytes = mmap(NULL, length, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (bytes == MAP_FAILED)
			return 1;
		madvise(bytes, length, MADV_HUGEPAGE);
		for (i = 0; i < length; i += SP_PAGE)
			*(volatile char *)(bytes + i) = 1;
		if (write(eater->done[1], &mib, sizeof(mib)) != sizeof(mib))
			return 2;
	}
	return 0;
}

/* One more bite: whether the eater lived to tell. */
static bool feed(struct eater *eater, uint64_t bytes)
{
	struct pollfd entry = { .fd = eater->done[0], .events = POLLIN };
	uint32_t mib = bytes / SP_MIB;

	return write(eater->go[1], &mib, sizeof(mib)) == sizeof(mib) &&
	       poll(&entry, 1, 120000) == 1 &&
	       read(eater->done[0], &mib, sizeof(mib)) == sizeof(mib);
}

/* True once reclaim, which goes on in the background, is between two steps. */
static int retained_or_shrunk(void *pool)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];

	return !sp_stat(((struct sp_pool *)pool)->fd, values) &&
	       values[SEGPOOL_C_RETAINED_BYTES] + values[SEGPOOL_C_SHRUNK_PAGES] * SP_PAGE ==
	       RETAINED;
}

TEST_F(machine, squeeze_takes_retained_pages)
{
	uint64_t kills = sp_vmstat("oom_kill"), spare, eaten, end;
	struct poller poller = { .fd = self->pool.fd };
	struct eater eater;
	pthread_t thread;
	pid_t child;

	ASSERT_EQ(0, pipe(eater.go));
	ASSERT_EQ(0, pipe(eater.done));
	EXPECT_FALSE(polls(self->pool.fd, 0));
	child = sp_start_child(eat, &eater);
	ASSERT_GT(child, 0);
	close(eater.go[0]);
	ASSERT_EQ(0, pthread_create(&thread, NULL, poll_until_over, &poller));
	/* All free memory, and up to half of what is retained: only the shrinker can give that. */
	spare = sp_free_bytes();
	ASSERT_TRUE(feed(&eater, spare - 4 * BITE));
	for (eaten = spare - 4 * BITE; eaten < spare + RETAINED / 2; eaten += BITE)
		if (sp_counter(self->pool.fd, SEGPOOL_C_SHRUNK_PAGES) || !feed(&eater, BITE))
			break;
	EXPECT_GT(sp_counter(self->pool.fd, SEGPOOL_C_SHRUNK_PAGES), 0);
	/* It is told for a second each time: once more where the poller slept through that. */
	for (end = sp_now_ms() + 60000; !poller.polled && sp_now_ms() < end; sp_sleep_ms(1000))
		sp_drop_slab(self->pool.fd);
	poller.over = true;
	pthread_join(thread, NULL);
	EXPECT_TRUE(poller.polled);
	EXPECT_LT(sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES), RETAINED);
	close(eater.go[1]);
	EXPECT_EQ(0, sp_wait_child(child));
	EXPECT_EQ(kills, sp_vmstat("oom_kill"));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_TRUE(sp_wait_until(retained_or_shrunk, &self->pool, 30000));
	EXPECT_NO_DRIFT(&self->pool);
}

FIXTURE(cgroup) {
	struct sp_cgroup group;
};

SP_MODE_VARIANTS(cgroup);

FIXTURE_SETUP(cgroup)
{
	ASSERT_EQ(0, sp_cgroup_make(&self->group, "segpool-pressure", 96 * SP_MIB));
}

FIXTURE_TEARDOWN(cgroup)
{
	sp_cgroup_remove(&self->group);
}

struct squeezed {
	const struct sp_cgroup *group;
	uint32_t mode;
};

/* 64 MiB retained and then 64 MiB of the program's own, in a cgroup of 96 MiB. */
static int outgrow_the_limit(void *argument)
{
	struct squeezed *squeezed = argument;
	struct sp_pool pool;
	bool pressed = false;
	uint64_t taken;
	char *bytes;
	int step;

	if (sp_cgroup_enter(squeezed->group))
		return 9;
	step = retain_bytes(&pool, squeezed->mode, 64 * SP_MIB);
	if (step)
		return step;
	bytes = mmap(NULL, 64 * SP_MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return 5;
	/* Pressure is reported for a second: look as soon as there is any. */
	for (taken = 0; taken < 64 * SP_MIB && !pressed; taken += SP_MIB) {
		memset(bytes + taken, 1, SP_MIB);
		pressed = polls(pool.fd, 0);
	}
	if (!sp_counter(pool.fd, SEGPOOL_C_SHRUNK_PAGES))
		return 6;
	if (!pressed)
		return 7;
	memset(bytes, 1, 64 * SP_MIB);
	return sp_drift(&pool) ? 8 : 0;
}

TEST_F(cgroup, squeeze_takes_retained_pages)
{
	struct squeezed squeezed = { .group = &self->group, .mode = variant->mode };

	EXPECT_EQ(0, sp_in_child(outgrow_the_limit, &squeezed));
	EXPECT_EQ(0, sp_cgroup_field(&self->group, "memory.events", "oom_kill"));
}

/* One magazine in a cgroup that is asked for memory. */
static int retain_a_little(void *argument)
{
	struct squeezed *squeezed = argument;
	struct sp_pool pool;

	if (sp_cgroup_enter(squeezed->group))
		return 9;
	if (retain_bytes(&pool, squeezed->mode, SP_BIG))
		return 1;
	sp_cgroup_set(squeezed->group, "memory.reclaim", "1M");
	return sp_counter(pool.fd, SEGPOOL_C_SHRUNK_PAGES) == SP_BIG / SP_PAGE ? 0 : 2;
}

/* How hard reclaim already tried when it first took pages of a pool: 12, the least, to 0; or -1. */
static int priority_that_took(void)
{
	FILE *file = fopen(SP_TRACE "/trace", "re");
	int priority = -1, taken = -1;
	char line[1024], *at;

	while (file && taken < 0 && fgets(line, sizeof(line), file)) {
		at = strstr(line, " priority ");
		if (at && strstr(line, " [segpool] "))
			priority = atoi(at + strlen(" priority "));
		if (strstr(line, " segpool_shrink: "))
			taken = priority;
	}
	if (file)
		fclose(file);
	return taken;
}

/* The little that a small pool retains goes as early as the much of a large one. */
TEST_F(cgroup, a_single_magazine_goes_at_once)
{
	struct squeezed squeezed = { .group = &self->group, .mode = variant->mode };

	ASSERT_EQ(0, sp_trace_begin());
	EXPECT_EQ(0, sp_trace_enable("vmscan/mm_shrink_slab_start"));
	EXPECT_EQ(0, sp_trace_enable("segpool/segpool_shrink"));
	EXPECT_EQ(0, sp_in_child(retain_a_little, &squeezed));
	EXPECT_EQ(12, priority_that_took());
	sp_trace_end();
}

FIXTURE(watermark) {
	struct sp_pool pool;
	struct segpool_region regions[10];
};

SP_MODE_VARIANTS(watermark);

/* Pressure from seven regions of ten on. */
FIXTURE_SETUP(watermark)
{
	struct segpool_limits limits = { .watermark = 70 };

	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, 20 * SP_SMALL,
				  10 * SP_SMALL, 10 * SP_SMALL));
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_WATERMARK, &limits));
}

FIXTURE_TEARDOWN(watermark)
{
	sp_pool_close(&self->pool);
}

TEST_F(watermark, poll_reports_it)
{
	int fd = self->pool.fd;

	ASSERT_EQ(6, sp_alloc(fd, 0, SEGPOOL_POPULATE, 6, self->regions));
	EXPECT_FALSE(polls(fd, 0));
	ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &self->regions[6]));
	EXPECT_TRUE(polls(fd, 0));
	EXPECT_EQ(1, sp_counter(fd, SEGPOOL_C_PRESSURE_EVENTS));
	/* Retained pages are not pressure: they are what pressure is relieved with. */
	ASSERT_EQ(0, sp_free(fd, self->regions[6].handle, 0));
	EXPECT_FALSE(polls(fd, 0));
	/* The mark moves with the budget. */
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, 2, 0));
	EXPECT_FALSE(polls(fd, 0));
	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_PHYSICAL,
				   &(struct segpool_limits){ .physical_budget = 5 * SP_SMALL }));
	EXPECT_TRUE(polls(fd, 0));
}

/* A poll whose time is over looks once more: so it ends sooner where it was woken. */
#define WAKE_UP_MS 30000

struct sleeper {
	int fd;
	atomic_bool asleep;
	bool woken;
};

static void *sleep_in_poll(void *argument)
{
	struct sleeper *sleeper = argument;

	sleeper->asleep = true;
	sleeper->woken = polls(sleeper->fd, 2 * WAKE_UP_MS);
	return NULL;
}

/* A sleeping poll is woken, by a populate and by faults alike. */
TEST_F(watermark, poll_wakes_up)
{
	struct sleeper sleeper = { .fd = self->pool.fd };
	pthread_t thread;
	uint64_t start;

	ASSERT_EQ(10, sp_alloc(self->pool.fd, 0, 0, 10, self->regions));
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_poll, &sleeper));
	while (!sleeper.asleep)
		sp_sleep_ms(1);
	sp_sleep_ms(100);
	start = sp_now_ms();
	memset(self->pool.base, 1, 8 * SP_SMALL);
	pthread_join(thread, NULL);
	EXPECT_TRUE(sleeper.woken);
	EXPECT_LT(sp_now_ms() - start, WAKE_UP_MS);
}

static void *wait_for_budget(void *argument)
{
	struct segpool_region region;

	sp_alloc_one(*(int *)argument, 0, SEGPOOL_WAIT | SEGPOOL_POPULATE, 10000, &region, NULL);
	return NULL;
}

/* A request that waits is pressure, and its end is the end of it. */
TEST_F(watermark, a_waiting_request_is_pressure)
{
	struct segpool_limits limits = { .virtual_budget = 2 * SP_SMALL };
	int fd = self->pool.fd;
	pthread_t thread;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_VIRTUAL, &limits));
	ASSERT_EQ(2, sp_alloc(fd, 0, SEGPOOL_POPULATE, 2, self->regions));
	EXPECT_FALSE(polls(fd, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_budget, &fd));
	EXPECT_TRUE(polls(fd, 5000));
	ASSERT_EQ(0, sp_free(fd, self->regions[0].handle, 0));
	pthread_join(thread, NULL);
	EXPECT_FALSE(polls(fd, 0));
}

TEST_HARNESS_MAIN
