// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changing a pool from outside its process: each limit, and that it is really kept; TRIM;
 * what is refused, with a sentence, and changes nothing.
 */
#include "pools.h"
#include "testing_harness.h"

#define REGION		SP_SMALL
#define REGION_PAGES	(REGION / SP_PAGE)
#define BUDGET		(8 * REGION)

FIXTURE(set) {
	struct sp_pool pool;
	struct segpool_region regions[8];
	struct nl nl;
	struct nl_pool reply;
};

FIXTURE_SETUP(set)
{
	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET,
				  BUDGET));
	ASSERT_EQ(8, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 8, self->regions));
}

FIXTURE_TEARDOWN(set)
{
	EXPECT_NO_DRIFT(&self->pool);
	sp_pool_close(&self->pool);
	nl_close(&self->nl);
}

static long mapped_pages(const struct sp_pool *pool)
{
	return sp_present(pool->base, pool->length, NULL);
}

/* The pages that are retained are in nobody's page tables: their truth is free memory. */
static bool gives_back(struct nl *nl, struct sp_pool *pool, struct nl_pool *reply, uint64_t bytes,
		       int (*change)(struct nl *, uint32_t, struct nl_pool *))
{
	uint64_t free_before = sp_free_bytes();

	if (change(nl, pool->id, reply))
		return false;
	/* What else the kernel takes meanwhile. */
	return sp_wait_free_bytes(free_before + bytes / 4 * 3, 60000);
}

static int lower_physical_to_nothing(struct nl *nl, uint32_t id, struct nl_pool *reply)
{
	struct segpool_limits limits = { 0 };

	return nl_set_pool(nl, id, SEGPOOL_SET_PHYSICAL, &limits, reply);
}

static int lower_retain_to_nothing(struct nl *nl, uint32_t id, struct nl_pool *reply)
{
	struct segpool_limits limits = { 0 };

	return nl_set_pool(nl, id, SEGPOOL_SET_RETAIN, &limits, reply);
}

static int trim_all(struct nl *nl, uint32_t id, struct nl_pool *reply)
{
	return nl_trim_pool(nl, id, 0, reply);
}

static int age_at_once(struct nl *nl, uint32_t id, struct nl_pool *reply)
{
	struct segpool_limits limits = { .retain_age_ms = 1 };

	return nl_set_pool(nl, id, SEGPOOL_SET_AGE, &limits, reply);
}

/* A pool that retains 64 MiB until it is told not to. */
#define LARGE	(64 * SP_MIB)

FIXTURE(retained) {
	struct sp_pool pool;
	struct nl nl;
	struct nl_pool reply;
};

FIXTURE_VARIANT(retained) {
	uint32_t how;
	int (*change)(struct nl *nl, uint32_t id, struct nl_pool *reply);
};

#define RETAINED_VARIANT(name, flags, what) \
	FIXTURE_VARIANT_ADD(retained, name) { .how = flags, .change = what, }

RETAINED_VARIANT(budget, 0, lower_physical_to_nothing);
RETAINED_VARIANT(limit, 0, lower_retain_to_nothing);
RETAINED_VARIANT(age, 0, age_at_once);
RETAINED_VARIANT(trim, 0, trim_all);
RETAINED_VARIANT(budget_lazy, SEGPOOL_LAZY, lower_physical_to_nothing);
RETAINED_VARIANT(trim_lazy, SEGPOOL_LAZY, trim_all);

FIXTURE_SETUP(retained)
{
	static struct segpool_region regions[LARGE / SP_BIG];
	struct segpool_limits limits = { 0 };
	unsigned int i;

	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, SP_BIG, LARGE, LARGE, LARGE));
	/* Pages do not age by themselves. */
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_AGE, &limits));
	ASSERT_EQ(LARGE / SP_BIG, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, LARGE / SP_BIG,
					   regions));
	for (i = 0; i < LARGE / SP_BIG; i++)
		ASSERT_EQ(0, sp_free(self->pool.fd, regions[i].handle, variant->how));
	ASSERT_EQ(LARGE, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
}

FIXTURE_TEARDOWN(retained)
{
	sp_pool_close(&self->pool);
	nl_close(&self->nl);
}

TEST_F(retained, goes_to_the_system)
{
	EXPECT_TRUE(gives_back(&self->nl, &self->pool, &self->reply, LARGE, variant->change));
	/* Those that age go one after the other. */
	EXPECT_TRUE(sp_wait_until(sp_retains_nothing, &self->pool,
				  variant->change == age_at_once ? 60000 : 0));
	EXPECT_EQ(0, mapped_pages(&self->pool));
	EXPECT_EQ(1, self->reply.count);
	if (variant->change == trim_all) {
		EXPECT_EQ(LARGE, self->reply.released);
	}
	if (variant->change != age_at_once) {
		EXPECT_EQ(0, self->reply.counters[SEGPOOL_C_RETAINED_BYTES]);
	}
	EXPECT_NO_DRIFT(&self->pool);
}

/* The owner is refused from then on, keeps what it has, and can give it back. */
TEST_F(set, lowered_budget_is_kept)
{
	struct segpool_limits limits = { .physical_budget = 4 * REGION };
	struct segpool_region region;
	uint32_t reason;
	unsigned int i;

	ASSERT_EQ(0, nl_set_pool(&self->nl, self->pool.id, SEGPOOL_SET_PHYSICAL, &limits,
				 &self->reply));
	EXPECT_EQ(4 * REGION, self->reply.limits.physical_budget);
	EXPECT_EQ(4 * REGION, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BUDGET_BYTES));
	EXPECT_EQ(8 * REGION_PAGES, mapped_pages(&self->pool));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, sp_free(self->pool.fd, self->regions[i].handle, 0));
	/* Of five released ones one is retained. */
	EXPECT_EQ(REGION, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, &reason));
	EXPECT_EQ(SEGPOOL_REASON_PHYSICAL, reason);
	EXPECT_EQ(4 * REGION_PAGES, mapped_pages(&self->pool));
}

struct waiter {
	struct sp_pool *pool;
	struct segpool_region region;
	int error;
};

static void *wait_for_room(void *argument)
{
	struct waiter *waiter = argument;

	waiter->error = sp_alloc_one(waiter->pool->fd, 0, SEGPOOL_POPULATE | SEGPOOL_WAIT,
				     SEGPOOL_MAX_WAIT_MS, &waiter->region, NULL);
	return NULL;
}

TEST_F(set, raised_budget_wakes_who_waits)
{
	struct segpool_limits limits = { .physical_budget = BUDGET, .virtual_budget = BUDGET };
	struct waiter waiter = { .pool = &self->pool };
	pthread_t thread;

	limits.physical_budget = 7 * REGION;
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	ASSERT_EQ(0, nl_set_pool(&self->nl, self->pool.id, SEGPOOL_SET_PHYSICAL, &limits,
				 &self->reply));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_room, &waiter));
	ASSERT_TRUE(sp_wait_until(sp_has_one_waiter, &self->pool, 60000));
	limits.physical_budget = BUDGET;
	EXPECT_EQ(0, nl_set_pool(&self->nl, self->pool.id, SEGPOOL_SET_PHYSICAL, &limits,
				 &self->reply));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, waiter.error);
	EXPECT_EQ(8 * REGION_PAGES, mapped_pages(&self->pool));
}

TEST_F(set, each_limit_alone)
{
	static const struct segpool_limits wanted = {
		.virtual_budget = 9 * REGION + 1, .physical_budget = 9 * REGION + 1,
		.retain_limit = 3 * REGION, .retain_age_ms = 20000, .watermark = 33,
	};
	struct segpool_limits expected, limits;
	uint32_t flag;

	limits = self->pool.setup.limits;
	for (flag = SEGPOOL_SET_VIRTUAL; flag < SEGPOOL_SET_ALL; flag <<= 1) {
		expected = limits;
		if (flag == SEGPOOL_SET_VIRTUAL)
			expected.virtual_budget = 9 * REGION;
		if (flag == SEGPOOL_SET_PHYSICAL)
			expected.physical_budget = 9 * REGION;
		if (flag == SEGPOOL_SET_RETAIN)
			expected.retain_limit = wanted.retain_limit;
		if (flag == SEGPOOL_SET_AGE)
			expected.retain_age_ms = wanted.retain_age_ms;
		if (flag == SEGPOOL_SET_WATERMARK)
			expected.watermark = wanted.watermark;
		ASSERT_EQ(0, nl_set_pool(&self->nl, self->pool.id, flag, &wanted, &self->reply));
		EXPECT_EQ(0, memcmp(&expected, &self->reply.limits, sizeof(expected)));
		ASSERT_EQ(0, nl_get_pool(&self->nl, self->pool.id, &self->reply));
		EXPECT_EQ(0, memcmp(&expected, &self->reply.limits, sizeof(expected)));
		limits = expected;
	}
	/* Never below what is carved. */
	limits.virtual_budget = 0;
	ASSERT_EQ(0, nl_set_pool(&self->nl, self->pool.id, SEGPOOL_SET_VIRTUAL, &limits,
				 &self->reply));
	EXPECT_EQ(8 * REGION, self->reply.limits.virtual_budget);
}

TEST_F(set, trim_to_a_target)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[i].handle, 0));
	ASSERT_EQ(0, nl_trim_pool(&self->nl, self->pool.id, 3 * REGION, &self->reply));
	EXPECT_EQ(REGION, self->reply.released);
	EXPECT_EQ(3 * REGION, self->reply.counters[SEGPOOL_C_RETAINED_BYTES]);
	ASSERT_EQ(0, nl_trim_pool(&self->nl, self->pool.id, UINT64_MAX, &self->reply));
	EXPECT_EQ(0, self->reply.released);
	EXPECT_EQ(3 * REGION, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
}

/* --- refused --- */

/* Expects @error with a sentence, which stays to be looked at, and that nothing has changed. */
static bool refused(struct nl *nl, struct sp_pool *pool, uint32_t flags,
		    const struct segpool_limits *limits, int error)
{
	struct nl_pool reply, before, after;
	char sentence[sizeof(nl->sentence)];
	uint32_t about;
	bool same;

	if (nl_get_pool(nl, pool->id, &before))
		return false;
	if (nl_set_pool(nl, pool->id, flags, limits, &reply) != error || reply.count)
		return false;
	memcpy(sentence, nl->sentence, sizeof(sentence));
	about = nl->about;
	same = !nl_get_pool(nl, pool->id, &after) &&
	       !memcmp(&before.limits, &after.limits, sizeof(before.limits));
	memcpy(nl->sentence, sentence, sizeof(sentence));
	nl->about = about;
	return same && sentence[0];
}

TEST_F(set, out_of_range)
{
	struct segpool_limits limits = { .virtual_budget = 5 * REGION, .physical_budget = REGION,
					 .retain_limit = REGION, .retain_age_ms = 5,
					 .watermark = 5 };
	struct segpool_limits wrong = limits;

	wrong.physical_budget = SEGPOOL_MAX_PHYSICAL + 1;
	EXPECT_TRUE(refused(&self->nl, &self->pool, SEGPOOL_SET_ALL, &wrong, -ERANGE));
	wrong = limits;
	wrong.virtual_budget = SEGPOOL_MAX_REGIONS * REGION + 1;
	EXPECT_TRUE(refused(&self->nl, &self->pool, SEGPOOL_SET_ALL, &wrong, -ERANGE));
	EXPECT_STREQ("more than 2^24 regions of this pool", self->nl.sentence);
	EXPECT_NE(0, self->nl.about);
	wrong.virtual_budget = UINT64_MAX;
	EXPECT_TRUE(refused(&self->nl, &self->pool, SEGPOOL_SET_VIRTUAL, &wrong, -ERANGE));
	wrong = limits;
	wrong.retain_age_ms = SEGPOOL_MAX_AGE_MS + 1;
	EXPECT_TRUE(refused(&self->nl, &self->pool, SEGPOOL_SET_ALL, &wrong, -ERANGE));
	wrong = limits;
	wrong.watermark = 0;
	EXPECT_TRUE(refused(&self->nl, &self->pool, SEGPOOL_SET_ALL, &wrong, -ERANGE));
	wrong.watermark = 101;
	EXPECT_TRUE(refused(&self->nl, &self->pool, SEGPOOL_SET_ALL, &wrong, -ERANGE));
	EXPECT_TRUE(refused(&self->nl, &self->pool, 0, &wrong, -EINVAL));
	EXPECT_STREQ("there is no limit in it", self->nl.sentence);

	limits.physical_budget = SEGPOOL_MAX_PHYSICAL;
	limits.virtual_budget = SEGPOOL_MAX_REGIONS * REGION;
	limits.retain_limit = UINT64_MAX;
	limits.retain_age_ms = SEGPOOL_MAX_AGE_MS;
	limits.watermark = 100;
	EXPECT_EQ(0, nl_set_pool(&self->nl, self->pool.id, SEGPOOL_SET_ALL, &limits,
				 &self->reply));
	EXPECT_EQ(SEGPOOL_MAX_PHYSICAL, self->reply.limits.physical_budget);
	EXPECT_EQ(SEGPOOL_MAX_REGIONS * REGION, self->reply.limits.virtual_budget);
}

TEST_F(set, pool_that_is_not_there)
{
	struct segpool_limits limits = { .physical_budget = REGION };

	EXPECT_EQ(-ENOENT, nl_set_pool(&self->nl, self->pool.id + 1, SEGPOOL_SET_PHYSICAL, &limits,
				       &self->reply));
	EXPECT_EQ(-ENOENT, nl_trim_pool(&self->nl, self->pool.id + 1, 0, &self->reply));
	EXPECT_STREQ("there is no such pool", self->nl.sentence);
}

/* --- at once with the owner, and with its end --- */

struct storm {
	struct sp_pool *pool;
	_Atomic unsigned int wrong, done;
};

/* Members 0 and 1 use the pool, the others change its limits and trim it. */
static void storm_member(void *argument, unsigned int member)
{
	struct storm *storm = argument;
	struct nl *nl = malloc(sizeof(*nl));
	struct segpool_limits limits = { 0 };
	struct segpool_region region;
	struct nl_pool reply;
	uint64_t state = member + 1;
	unsigned int i;
	int error;

	if (!nl || nl_open(nl))
		abort();
	for (i = 0; i < 2000; i++) {
		if (member < 2) {
			error = sp_alloc_one(storm->pool->fd, 0, SEGPOOL_POPULATE, 0, &region, NULL);
			if (!error)
				error = sp_free(storm->pool->fd, region.handle,
						i & 1 ? SEGPOOL_LAZY : 0);
			storm->wrong += error && error != -ENOMEM;
			continue;
		}
		limits.physical_budget = sp_random(&state) % 9 * REGION;
		limits.retain_limit = sp_random(&state) % 9 * REGION;
		limits.retain_age_ms = sp_random(&state) % 3;
		storm->wrong += !!nl_set_pool(nl, storm->pool->id,
					      SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN |
					      SEGPOOL_SET_AGE, &limits, &reply);
		storm->wrong += !!nl_trim_pool(nl, storm->pool->id, 0, &reply);
	}
	nl_close(nl);
	free(nl);
}

TEST_F(set, while_the_owner_works)
{
	struct storm storm = { .pool = &self->pool };

	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, 8, 0));
	sp_team_run(4, storm_member, &storm);
	EXPECT_EQ(0, storm.wrong);
}

/* A pool that ends while it is changed: its retained pages age, and may have just been told to. */
static void ending_member(void *argument, unsigned int member)
{
	struct storm *storm = argument;
	struct nl *nl = malloc(sizeof(*nl));
	struct segpool_limits limits = { 0 };
	struct segpool_region regions[4];
	struct sp_pool pool;
	struct nl_pool reply;
	unsigned int i;

	if (!nl || nl_open(nl))
		abort();
	for (i = 0; member && i < 400; i++) {
		if (sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, BUDGET) ||
		    sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 4, regions) != 4 ||
		    sp_free_regions(pool.fd, regions, 4, 0))
			storm->wrong++;
		storm->pool->id = pool.id;
		sp_pool_close(&pool);
	}
	storm->done += !!member;
	while (!member && storm->done < 2) {
		limits.retain_age_ms = 1 + i++ % 2;
		/* It may be gone. */
		nl_set_pool(nl, *(volatile uint32_t *)&storm->pool->id, SEGPOOL_SET_AGE, &limits,
			    &reply);
		nl_trim_pool(nl, *(volatile uint32_t *)&storm->pool->id, 0, &reply);
	}
	nl_close(nl);
	free(nl);
}

TEST_F(set, while_pools_end)
{
	struct sp_pool latest = { .id = self->pool.id };
	struct storm storm = { .pool = &latest };

	sp_team_run(3, ending_member, &storm);
	EXPECT_EQ(0, storm.wrong);
	EXPECT_EQ(1, sp_module_counter("pools"));
}

TEST_HARNESS_MAIN
