// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 12: pages are charged to the owner's memory cgroup while the pool has
 * them, mapped or retained, and uncharged when they leave it. The truth is
 * memory.current of the cgroup.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS	16
#define TOTAL	(REGIONS * SP_BIG)
/* The kernel charges in lots of 64 pages a processor, and charges page tables and regions too. */
#define SLACK	(3 * SP_MIB)

FIXTURE(memcg) {
	struct sp_cgroup group;
};

SP_MODE_VARIANTS(memcg);

FIXTURE_SETUP(memcg)
{
	ASSERT_EQ(0, sp_cgroup_make(&self->group, "segpool-memcg", 0));
	ASSERT_EQ(0, sp_cgroup_enter(&self->group));
}

FIXTURE_TEARDOWN(memcg)
{
	sp_cgroup_leave();
	sp_cgroup_remove(&self->group);
}

struct goal {
	const struct sp_cgroup *group;
	uint64_t bytes;
};

static uint64_t charged(const struct sp_cgroup *group)
{
	return sp_cgroup_value(group, "memory.current");
}

static int is_charged_about(void *argument)
{
	struct goal *goal = argument;
	uint64_t now = charged(goal->group);

	return now + SLACK >= goal->bytes && now <= goal->bytes + SLACK;
}

/* Within SLACK of @bytes, at once or after the kernel has drained its per-processor lots. */
static bool charged_about(const struct sp_cgroup *group, uint64_t bytes)
{
	struct goal goal = { .group = group, .bytes = bytes };

	if (sp_wait_until(is_charged_about, &goal, 1000))
		return true;
	fprintf(stderr, "# memory.current %llu, expected about %llu\n",
		(unsigned long long)charged(group), (unsigned long long)bytes);
	return false;
}

TEST_F(memcg, charged_while_owned)
{
	struct segpool_region regions[REGIONS];
	struct sp_pool pool;
	uint64_t base;
	int i;

	ASSERT_EQ(0, sp_pool_make(&pool, variant->mode, SP_BIG, TOTAL, TOTAL, TOTAL));
	base = charged(&self->group);
	ASSERT_EQ(REGIONS, sp_alloc(pool.fd, 0, 0, REGIONS, regions));
	EXPECT_TRUE(charged_about(&self->group, base));
	/* Half by populate, half by faults. */
	for (i = 0; i < REGIONS / 2; i++)
		ASSERT_EQ(0, sp_populate(pool.fd, regions[i].handle, 0, SP_BIG, 0));
	EXPECT_TRUE(charged_about(&self->group, base + TOTAL / 2));
	memset(sp_region_at(&pool, &regions[REGIONS / 2]), 1, TOTAL / 2);
	EXPECT_TRUE(charged_about(&self->group, base + TOTAL));

	ASSERT_EQ(0, sp_free_regions(pool.fd, regions, 4, SEGPOOL_NOW));
	EXPECT_TRUE(charged_about(&self->group, base + 12 * SP_BIG));
	ASSERT_EQ(0, sp_free_regions(pool.fd, regions + 4, 8, 0));
	EXPECT_TRUE(charged_about(&self->group, base + 12 * SP_BIG));
	ASSERT_EQ(0, sp_trim(pool.fd, 0, NULL));
	EXPECT_TRUE(charged_about(&self->group, base + 4 * SP_BIG));
	sp_pool_close(&pool);
	EXPECT_TRUE(charged_about(&self->group, base));
}

/* Retained pages stay charged, so their reuse charges nothing a second time. */
TEST_F(memcg, reuse_is_charged_once)
{
	struct segpool_region regions[REGIONS];
	struct sp_pool pool;
	uint64_t base;

	ASSERT_EQ(0, sp_pool_make(&pool, variant->mode, SP_BIG, TOTAL, TOTAL, TOTAL));
	base = charged(&self->group);
	ASSERT_EQ(REGIONS, sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, REGIONS, regions));
	EXPECT_TRUE(charged_about(&self->group, base + TOTAL));
	ASSERT_EQ(0, sp_free_regions(pool.fd, regions, REGIONS, 0));
	ASSERT_EQ(REGIONS, sp_alloc(pool.fd, 1, SEGPOOL_POPULATE, REGIONS, regions));
	EXPECT_TRUE(charged_about(&self->group, base + TOTAL));
	sp_pool_close(&pool);
	EXPECT_TRUE(charged_about(&self->group, base));
}

static int refused_at_the_limit(void *argument)
{
	const struct sp_cgroup *group = argument;
	struct segpool_region regions[REGIONS];
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE, .count = 1 };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct sp_pool pool;
	int got = 0;

	if (sp_cgroup_enter(group) ||
	    sp_pool_make(&pool, 0, SP_BIG, TOTAL, TOTAL, TOTAL))
		return 1;
	while (got < REGIONS && !sp_alloc_call(pool.fd, &call, &regions[got]))
		got++;
	if (got == REGIONS)
		return 2;
	if (call.reason != SEGPOOL_REASON_SYSTEM)
		return 3;
	if (sp_stat(pool.fd, values) || !values[SEGPOOL_C_REFUSED_SYSTEM])
		return 4;
	if (sp_drift(&pool))
		return 5;
	/* What it has it can use. */
	memset(pool.base, 1, got * SP_BIG);
	return got < 4 ? 6 : 0;
}

/* A cgroup's limit refuses a request with a reason; nobody is killed for it. */
TEST_F(memcg, limit_refuses)
{
	struct sp_cgroup small;

	ASSERT_EQ(0, sp_cgroup_make(&small, "segpool-small", 20 * SP_MIB));
	EXPECT_EQ(0, sp_in_child(refused_at_the_limit, &small));
	EXPECT_EQ(0, sp_cgroup_field(&small, "memory.events", "oom_kill"));
	EXPECT_EQ(0, sp_cgroup_remove(&small));
}

TEST_HARNESS_MAIN
