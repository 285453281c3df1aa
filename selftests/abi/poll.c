// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll() tells a program that it should give something up before it is refused:
 * EPOLLPRI at the watermark, while a request waits, and for a second after the
 * system took retained pages; and nothing otherwise.
 */
#include "testing.h"
#include <poll.h>
#include <sys/epoll.h>
#include "testing_harness.h"

#define REGION		(256 * SP_KIB)
#define BUDGET		(16 * REGION)
#define WATERMARK	50
#define AT_WATERMARK	8	/* populated regions */

FIXTURE(pressure) {
	struct sp_pool pool;
	struct segpool_region regions[16];
};

FIXTURE_SETUP(pressure)
{
	memset(&self->pool, 0, sizeof(self->pool));
	self->pool.setup.region_size = REGION;
	self->pool.setup.flags = SEGPOOL_SET_ALL;
	self->pool.setup.limits = (struct segpool_limits){
		.virtual_budget = BUDGET, .physical_budget = BUDGET, .retain_limit = BUDGET,
		.watermark = WATERMARK,
	};
	ASSERT_EQ(0, sp_pool_open(&self->pool, BUDGET));
}

FIXTURE_TEARDOWN(pressure)
{
	sp_pool_close(&self->pool);
}

static int events_now(int fd)
{
	struct pollfd entry = { .fd = fd, .events = POLLPRI | POLLIN | POLLOUT };
	int n = poll(&entry, 1, 0);

	return n < 0 ? -errno : entry.revents;
}

TEST_F(pressure, none_below_the_watermark_and_some_at_it)
{
	struct segpool_range page;

	EXPECT_EQ(0, events_now(self->pool.fd));
	ASSERT_EQ(AT_WATERMARK, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, AT_WATERMARK,
					 self->regions));
	EXPECT_EQ(POLLPRI, events_now(self->pool.fd));
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_PRESSURE_EVENTS));

	/* One page less is below. */
	page = (struct segpool_range){ .handle = self->regions[0].handle, .length = SP_PAGE };
	ASSERT_EQ(0, sp_ranges(self->pool.fd, SEGPOOL_IOC_DISCARD, &page, 1, 0, NULL));
	EXPECT_EQ(0, events_now(self->pool.fd));
	/* And the page that is touched again is at it. */
	ASSERT_EQ(0, sp_touch_write(sp_region_at(&self->pool, &self->regions[0])));
	EXPECT_EQ(POLLPRI, events_now(self->pool.fd));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	EXPECT_EQ(0, events_now(self->pool.fd));
}

/* Retained pages are no reason to evict: the pool itself gives them up first. */
TEST_F(pressure, retained_pages_are_no_pressure)
{
	ASSERT_EQ(16, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 16, self->regions));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, 16, 0));
	EXPECT_LT(BUDGET / 2, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, events_now(self->pool.fd));
}

TEST_F(pressure, watermark_follows_set_budget)
{
	struct segpool_limits limits = { .watermark = 100 };

	ASSERT_EQ(AT_WATERMARK, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, AT_WATERMARK,
					 self->regions));
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_WATERMARK, &limits));
	EXPECT_EQ(0, events_now(self->pool.fd));
	limits = (struct segpool_limits){ .physical_budget = AT_WATERMARK * REGION };
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_PHYSICAL, &limits));
	EXPECT_EQ(POLLPRI, events_now(self->pool.fd));
}

/* A poll whose time is over looks once more: so it ends sooner where it was woken. */
#define WAKE_UP_MS 30000

struct sleeper {
	int fd;
	int events;
	uint64_t woken_ms;
};

static void *sleep_in_poll(void *argument)
{
	struct sleeper *sleeper = argument;
	struct pollfd entry = { .fd = sleeper->fd, .events = POLLPRI };

	sleeper->events = poll(&entry, 1, 2 * WAKE_UP_MS) == 1 ? entry.revents : 0;
	sleeper->woken_ms = sp_now_ms();
	return NULL;
}

/* Who sleeps in poll() is woken when the watermark is crossed. */
TEST_F(pressure, crossing_wakes_a_sleeper)
{
	struct sleeper sleeper = { .fd = self->pool.fd };
	pthread_t thread;
	uint64_t start;

	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_poll, &sleeper));
	sp_sleep_ms(300);
	start = sp_now_ms();
	ASSERT_EQ(AT_WATERMARK, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, AT_WATERMARK,
					 self->regions));
	pthread_join(thread, NULL);
	EXPECT_EQ(POLLPRI, sleeper.events);
	EXPECT_GT(start + WAKE_UP_MS, sleeper.woken_ms);
}

static void *wait_for_region(void *argument)
{
	struct sp_pool *pool = argument;
	struct segpool_region region;

	sp_alloc_one(pool->fd, 0, SEGPOOL_WAIT, SEGPOOL_MAX_WAIT_MS, &region, NULL);
	return NULL;
}

/* A request that waits for a region is pressure too, however little is populated. */
TEST_F(pressure, waiting_request_is_pressure)
{
	struct sleeper sleeper = { .fd = self->pool.fd };
	pthread_t threads[2];

	ASSERT_EQ(16, sp_alloc(self->pool.fd, 0, 0, 16, self->regions));
	EXPECT_EQ(0, events_now(self->pool.fd));
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, sleep_in_poll, &sleeper));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, wait_for_region, &self->pool));
	pthread_join(threads[0], NULL);
	EXPECT_EQ(POLLPRI, sleeper.events);
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_WAITERS));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	pthread_join(threads[1], NULL);
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_WAITERS));
	EXPECT_EQ(0, events_now(self->pool.fd));
}

TEST_F(pressure, epoll_sees_the_same)
{
	struct epoll_event event = { .events = EPOLLPRI }, seen;
	int set = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, set);
	ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_ADD, self->pool.fd, &event));
	EXPECT_EQ(0, epoll_wait(set, &seen, 1, 0));
	ASSERT_EQ(AT_WATERMARK, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, AT_WATERMARK,
					 self->regions));
	ASSERT_EQ(1, epoll_wait(set, &seen, 1, 0));
	EXPECT_EQ(EPOLLPRI, seen.events);
	close(set);
}

/* Closing the file while it is in an epoll set leaves nothing behind. */
TEST_F(pressure, close_inside_an_epoll_set)
{
	struct epoll_event event = { .events = EPOLLPRI }, seen;
	int set = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, set);
	ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_ADD, self->pool.fd, &event));
	sp_pool_close(&self->pool);
	EXPECT_EQ(0, epoll_wait(set, &seen, 1, 0));
	close(set);
	EXPECT_FALSE(sp_pool_listed(self->pool.id));
}

/* A file that is no pool yet is under no pressure and does not oops. */
TEST_F(pressure, bare_file_can_be_polled)
{
	int fd = sp_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, events_now(fd) & POLLPRI);
	close(fd);
}

TEST_HARNESS_MAIN
