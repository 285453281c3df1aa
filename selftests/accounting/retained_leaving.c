// SPDX-License-Identifier: GPL-2.0-only
/*
 * Retained pages on their way to the system, for their age, a lowered limit, the
 * shrinker or the ceiling: a request that they stand in the way of is not
 * refused for them.
 */
#include "../testing_memory.h"
#include "testing_harness.h"
#include <sched.h>

#define FOR_MS	1500
#define SLOW_MS		60000
#define ENOUGH		20

FIXTURE(leaving) {
	struct sp_pool pool, other;
	struct segpool_region regions[3];
	uint64_t ceiling;
};

SP_MODE_VARIANTS(leaving);

/* Room for exactly the one region that is taken and released all the time. */
FIXTURE_SETUP(leaving)
{
	self->other.fd = -1;
	self->ceiling = sp_module_parameter("ceiling_mib");
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_BIG, 2 * SP_BIG, SP_BIG, SP_BIG));
}

FIXTURE_TEARDOWN(leaving)
{
	sp_pool_close(&self->pool);
	sp_pool_close(&self->other);
	sp_set_module_parameter("ceiling_mib", self->ceiling);
}

struct contest {
	int fd, other_fd;
	char *base;
	const struct segpool_region *regions;
	void (*drive_out)(struct contest *contest);
	void (*use)(struct contest *contest);
	/* Counts what left meanwhile. */
	enum segpool_counter left;
	uint64_t end_ms;
	atomic_bool over;
	unsigned int rounds, refused, others_refused;
};

static void trim(struct contest *contest)
{
	sp_trim(contest->fd, 0, NULL);
}

static void lower_the_limit(struct contest *contest)
{
	struct segpool_limits limits = { .retain_limit = SP_BIG };

	sp_set_budget(contest->fd, SEGPOOL_SET_RETAIN, &limits);
	/* For long enough that something is retained. */
	sp_sleep_ms(3);
	limits = (struct segpool_limits){ .retain_limit = 0 };
	sp_set_budget(contest->fd, SEGPOOL_SET_RETAIN, &limits);
}

static void drop_caches(struct contest *contest)
{
	sp_write_file("/proc/sys/vm/drop_caches", "2");
}

static void wait_for_their_age(struct contest *contest)
{
	sp_sleep_ms(10);
}

/*
 * The pool fills its store, and another pool asks for more than is left besides
 * it. Of the ceiling's 1024 pages neither needs more at a time than is left:
 * 256 + 680 + 40, then 256 + 512 + 40.
 */
#define OTHER_PAGES	256
#define STORE_PAGES	340
#define USED_PAGES	40

static void fill_and_ask(struct contest *contest)
{
	struct segpool_region region;
	unsigned int i;

	for (i = 1; i <= 2; i++)
		contest->others_refused += sp_populate(contest->fd, contest->regions[i].handle, 0,
						       STORE_PAGES * SP_PAGE, 0) != 0;
	for (i = 1; i <= 2; i++)
		sp_discard(contest->fd, contest->regions[i].handle, 0, STORE_PAGES * SP_PAGE, 0);
	if (sp_alloc_one(contest->other_fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
		contest->others_refused++;
	else
		sp_free(contest->other_fd, region.handle, SEGPOOL_NOW);
}

static void use_a_region(struct contest *contest)
{
	struct segpool_region region;

	contest->rounds++;
	if (sp_alloc_one(contest->fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
		contest->refused++;
	else
		sp_free(contest->fd, region.handle, 0);
	/* Long enough to be met by an age of a few milliseconds, or the next shrinker. */
	if (contest->drive_out == wait_for_their_age || contest->drive_out == drop_caches)
		sp_sleep_ms(contest->rounds % 8);
	/* Now and then long enough for any other thread to find something retained. */
	else if (!(contest->rounds % 16))
		sp_sleep_ms(2);
}

static void use_pages(struct contest *contest)
{
	uint64_t handle = contest->regions[0].handle;
	unsigned int i;

	for (i = 0; i < USED_PAGES; i++) {
		contest->rounds++;
		contest->refused += sp_populate(contest->fd, handle, i * SP_PAGE, SP_PAGE, 0) != 0;
	}
	sp_discard(contest->fd, handle, 0, USED_PAGES * SP_PAGE, 0);
}

/* A touch gets one try, and a SIGBUS where that is refused. */
static void touch_a_page(struct contest *contest)
{
	uint64_t handle = contest->regions[0].handle;

	contest->rounds++;
	contest->refused += sp_populate(contest->fd, handle, 0, SP_BIG, 0) != 0;
	sp_discard(contest->fd, handle, 0, SP_BIG, 0);
	contest->refused += sp_touch_write(contest->base) != 0;
	sp_discard(contest->fd, handle, 0, SP_PAGE, 0);
}

static void set_physical(struct contest *contest, uint64_t bytes)
{
	struct segpool_limits limits = { .physical_budget = bytes };

	contest->refused += sp_set_budget(contest->fd, SEGPOOL_SET_PHYSICAL, &limits) != 0;
}

/* Half of the pages stay; of the others, some of which are leaving, as many as there is budget for. */
static void lower_the_budget(struct contest *contest)
{
	const uint64_t lowered = SP_BIG / 8 * 5;
	uint64_t handle = contest->regions[0].handle;
	uint64_t now[SEGPOOL_NR_COUNTERS];

	contest->rounds++;
	contest->refused += sp_populate(contest->fd, handle, 0, SP_BIG, 0) != 0;
	sp_discard(contest->fd, handle, SP_BIG / 2, SP_BIG / 2, 0);
	set_physical(contest, lowered);
	sp_stat(contest->fd, now);
	contest->refused += now[SEGPOOL_C_PHYSICAL_BYTES] + now[SEGPOOL_C_RETAINED_BYTES] > lowered;
	set_physical(contest, SP_BIG);
}

/* Fills the store above what the lowered budget leaves to it. */
static void fill_and_lower(struct contest *contest)
{
	uint64_t handle = contest->regions[1].handle;

	contest->others_refused += sp_populate(contest->fd, handle, 0, SP_BIG / 4 * 3, 0) != 0;
	sp_discard(contest->fd, handle, 0, SP_BIG / 4 * 3, 0);
	set_physical(contest, SP_BIG / 8);
	set_physical(contest, SP_BIG);
}

static void trim_some(struct contest *contest)
{
	sp_trim(contest->fd, SP_BIG / 4, NULL);
}

static void compete(void *argument, unsigned int member)
{
	struct contest *contest = argument;

	if (member) {
		while (!contest->over)
			contest->drive_out(contest);
		return;
	}
	/* Longer where the machine is slow, so that there is a contest at all. */
	while (sp_now_ms() < contest->end_ms ||
	       ((contest->rounds <= ENOUGH || !sp_counter(contest->fd, contest->left)) &&
		sp_now_ms() < contest->end_ms + SLOW_MS))
		contest->use(contest);
	contest->over = true;
}

static void expect_unnoticed(struct __test_metadata *_metadata, FIXTURE_DATA(leaving) *self,
			     void (*drive_out)(struct contest *contest),
			     void (*use)(struct contest *contest), enum segpool_counter left)
{
	struct contest contest = { .fd = self->pool.fd, .other_fd = self->other.fd,
				   .base = self->pool.base,
				   .regions = self->regions, .drive_out = drive_out, .use = use,
				   .left = left,
				   .end_ms = sp_now_ms() + FOR_MS };

	sp_team_run(2, compete, &contest);
	EXPECT_LT(ENOUGH, contest.rounds);
	EXPECT_EQ(0, contest.refused) {
		TH_LOG("of %u requests", contest.rounds);
	}
	EXPECT_EQ(0, contest.others_refused);
	EXPECT_LT(0, sp_counter(self->pool.fd, left));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(leaving, trimmed)
{
	expect_unnoticed(_metadata, self, trim, use_a_region, SEGPOOL_C_TRIMMED_PAGES);
}

TEST_F(leaving, trimmed_under_faults)
{
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, self->regions));
	expect_unnoticed(_metadata, self, trim, touch_a_page, SEGPOOL_C_TRIMMED_PAGES);
}

TEST_F(leaving, budget_lowered)
{
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, 0, 1, self->regions));
	expect_unnoticed(_metadata, self, trim_some, lower_the_budget, SEGPOOL_C_TRIMMED_PAGES);
}

/* What is used always fits, whatever stands in its way until it is trimmed. */
TEST_F(leaving, budget_lowered_by_another)
{
	cpu_set_t first;

	/* On one processor, so that each is often in the middle of the other's work. */
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(first), &first));
	ASSERT_EQ(2, sp_alloc(self->pool.fd, 0, 0, 2, self->regions));
	expect_unnoticed(_metadata, self, fill_and_lower, use_pages, SEGPOOL_C_TRIMMED_PAGES);
}

TEST_F(leaving, limit_lowered)
{
	expect_unnoticed(_metadata, self, lower_the_limit, use_a_region, SEGPOOL_C_TRIMMED_PAGES);
}

TEST_F(leaving, shrunk)
{
	expect_unnoticed(_metadata, self, drop_caches, use_a_region, SEGPOOL_C_SHRUNK_PAGES);
}

TEST_F(leaving, aged)
{
	struct segpool_limits limits = { .retain_age_ms = 4 };

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_AGE, &limits));
	expect_unnoticed(_metadata, self, wait_for_their_age, use_a_region, SEGPOOL_C_AGED_PAGES);
}

TEST_F(leaving, taken_for_the_ceiling)
{
	struct segpool_region other;

	sp_pool_close(&self->pool);
	ASSERT_TRUE(sp_wait_module_idle(5000));
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 4));
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_BIG, 3 * SP_BIG, 2 * SP_BIG,
				  2 * SP_BIG));
	ASSERT_EQ(0, sp_pool_make(&self->other, variant->mode, SP_BIG, 2 * SP_BIG, 2 * SP_BIG, 0));
	ASSERT_EQ(1, sp_alloc(self->other.fd, 0, 0, 1, &other));
	ASSERT_EQ(0, sp_populate(self->other.fd, other.handle, 0, OTHER_PAGES * SP_PAGE, 0));
	ASSERT_EQ(3, sp_alloc(self->pool.fd, 0, 0, 3, self->regions));
	expect_unnoticed(_metadata, self, fill_and_ask, use_pages, SEGPOOL_C_SHRUNK_PAGES);
}

TEST_HARNESS_MAIN
