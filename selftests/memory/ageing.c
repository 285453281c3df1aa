// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 11: retained pages age out by themselves while the program sleeps,
 * not before their time and not much after it. The truth is the machine's free
 * memory, watched by another process. Retained pages are unmapped, so one mode
 * stands for both.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS	24
#define TOTAL	(REGIONS * SP_BIG)
#define AGE_MS	2000
/* What a busy emulated machine may be late, and take to give the pages back. */
#define LATE_MS	30000
/* Before this much is left nothing may have happened; a later look tells nothing. */
#define MARGIN_MS	100

FIXTURE(ageing) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
};

FIXTURE_SETUP(ageing)
{
	struct segpool_limits limits = { .retain_age_ms = AGE_MS };

	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, SP_BIG, TOTAL, TOTAL, TOTAL));
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_AGE, &limits));
	EXPECT_EQ(AGE_MS, limits.retain_age_ms);
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
}

FIXTURE_TEARDOWN(ageing)
{
	sp_pool_close(&self->pool);
}

struct watch {
	uint64_t start, goal;
};

/* Exit status: tenths of a second from the start until the goal was reached, at most 126; 127 for never. */
static int watch_free_memory(void *argument)
{
	struct watch *watch = argument;
	uint64_t tenths;

	if (!sp_wait_free_bytes(watch->goal, AGE_MS + LATE_MS))
		return 127;
	tenths = (sp_now_ms() - watch->start) / 100;
	return tenths < 126 ? tenths : 126;
}

static void wake_up(int number)
{
}

TEST_F(ageing, memory_comes_back_while_the_program_sleeps)
{
	struct watch watch;
	uint64_t retained;
	int status, fd = self->pool.fd;
	sigset_t blocked, open;
	pid_t watcher;

	signal(SIGCHLD, wake_up);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &open);
	sigdelset(&open, SIGCHLD);

	watch.goal = sp_free_bytes() + TOTAL - 8 * SP_MIB;
	/* By the clock that pages age by: late ticks come all at once. */
	watch.start = sp_ticks_ms();
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS, 0));
	retained = sp_counter(fd, SEGPOOL_C_RETAINED_BYTES);
	if (sp_now_ms() < watch.start + AGE_MS - MARGIN_MS)
		ASSERT_EQ(TOTAL, retained);
	watcher = sp_start_child(watch_free_memory, &watch);
	ASSERT_GT(watcher, 0);
	/* Asleep: no thread of the program does anything until the watcher ends. */
	sigsuspend(&open);
	status = sp_wait_child(watcher);
	EXPECT_NE(127, status);
	EXPECT_GE(status, AGE_MS / 100 - 3);
	/* The watcher was content some pages earlier. */
	EXPECT_TRUE(sp_wait_until(sp_retains_nothing, &self->pool, LATE_MS));
	EXPECT_EQ(TOTAL / SP_PAGE, sp_counter(fd, SEGPOOL_C_AGED_PAGES));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(ageing, nothing_ages_before_its_time)
{
	uint64_t start = sp_ticks_ms(), seen = 0;
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS, 0));
	while (sp_now_ms() < start + AGE_MS - MARGIN_MS) {
		uint64_t retained = sp_counter(fd, SEGPOOL_C_RETAINED_BYTES);

		/* Only a look that was surely in time counts. */
		if (sp_now_ms() >= start + AGE_MS - MARGIN_MS)
			break;
		ASSERT_EQ(TOTAL, retained);
		seen++;
		sp_sleep_ms(20);
	}
	EXPECT_GT(seen, 2);
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_TRIMMED_PAGES));
}

/* Pages that are used again and again in time never age: no page comes anew from the system. */
TEST_F(ageing, use_keeps_pages_young)
{
	uint64_t system = sp_counter(self->pool.fd, SEGPOOL_C_SYSTEM_PAGES), end;
	int fd = self->pool.fd;

	end = sp_now_ms() + 2 * AGE_MS;
	while (sp_now_ms() < end) {
		ASSERT_EQ(0, sp_free(fd, self->regions[0].handle, 0));
		ASSERT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &self->regions[0]));
		sp_sleep_ms(20);
	}
	EXPECT_EQ(system, sp_counter(fd, SEGPOOL_C_SYSTEM_PAGES));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_AGED_PAGES));
	EXPECT_EQ(TOTAL, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
}

static int half_is_retained(void *fd)
{
	return sp_counter(*(int *)fd, SEGPOOL_C_RETAINED_BYTES) <= TOTAL / 2;
}

/* Old pages go although younger ones come: a second between the halves. */
TEST_F(ageing, old_pages_go_before_young_ones)
{
	uint64_t second, retained;
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS / 2, 0));
	sp_sleep_ms(AGE_MS / 2);
	second = sp_ticks_ms();
	ASSERT_EQ(0, sp_free_regions(fd, self->regions + REGIONS / 2, REGIONS / 2, 0));
	ASSERT_TRUE(sp_wait_until(half_is_retained, &fd, AGE_MS + LATE_MS));
	retained = sp_counter(fd, SEGPOOL_C_RETAINED_BYTES);
	/* Only a look that was surely in time counts. */
	if (sp_now_ms() < second + AGE_MS - MARGIN_MS)
		EXPECT_EQ(TOTAL / 2, retained);
	EXPECT_TRUE(sp_wait_until(sp_retains_nothing, &self->pool, AGE_MS + LATE_MS));
	EXPECT_EQ(TOTAL / SP_PAGE, sp_counter(fd, SEGPOOL_C_AGED_PAGES));
}

/* Age 0 keeps pages until someone needs the memory; a shorter age set later holds for old pages. */
TEST_F(ageing, age_can_be_changed)
{
	struct segpool_limits limits = { .retain_age_ms = 0 };
	int fd = self->pool.fd;

	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_AGE, &limits));
	ASSERT_EQ(0, sp_free_regions(fd, self->regions, REGIONS, 0));
	sp_sleep_ms(2 * AGE_MS);
	EXPECT_EQ(TOTAL, sp_counter(fd, SEGPOOL_C_RETAINED_BYTES));
	limits = (struct segpool_limits){ .retain_age_ms = 100 };
	ASSERT_EQ(0, sp_set_budget(fd, SEGPOOL_SET_AGE, &limits));
	EXPECT_TRUE(sp_wait_until(sp_retains_nothing, &self->pool, LATE_MS));
}

TEST_HARNESS_MAIN
