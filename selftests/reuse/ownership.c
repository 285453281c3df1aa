// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 5: no address ever has two owners. Threads take, release and reuse
 * regions in disorder; a shadow map knows whose each region is, and every owner
 * fills its regions with a pattern that it finds again before it gives them up.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define THREADS	12
#define REGIONS	48
#define HELD	4
#define SPAN_MS	3000
/* On a slow machine longer, until the test has done something. */
#define LONGEST_MS	60000
#define ENOUGH_TAKEN	50
#define ENOUGH_REUSED	5

struct stress {
	struct sp_pool pool;
	atomic_uint owner[REGIONS];
	atomic_ulong taken, reused, refused;
	atomic_int two_owners, damaged_pages, wrong_results, not_zero;
	uint64_t start_ms;
};

struct worker {
	struct stress *stress;
	unsigned int id;
	uint64_t random;
	struct segpool_region held[HELD];
	uint64_t pattern[HELD];
	int nr;
};

static void own(struct worker *me, const struct segpool_region *region, bool zeroed)
{
	struct stress *stress = me->stress;
	char *bytes = sp_region_at(&stress->pool, region);
	unsigned int nobody = 0;

	if (!atomic_compare_exchange_strong(&stress->owner[region->offset / SP_SMALL], &nobody,
					    me->id)) {
		stress->two_owners++;
		return;
	}
	if (zeroed && !sp_is_zero(bytes, SP_SMALL))
		stress->not_zero++;
	me->held[me->nr] = *region;
	me->pattern[me->nr] = (uint64_t)me->id << 48 | (uint64_t)sp_random(&me->random) << 16;
	sp_pattern_write(bytes, SP_SMALL, me->pattern[me->nr]);
	me->nr++;
}

static struct segpool_region disown(struct worker *me, int slot)
{
	struct stress *stress = me->stress;
	struct segpool_region region = me->held[slot];

	stress->damaged_pages += sp_pattern_check(sp_region_at(&stress->pool, &region), SP_SMALL,
						  me->pattern[slot]);
	me->nr--;
	me->held[slot] = me->held[me->nr];
	me->pattern[slot] = me->pattern[me->nr];
	if (atomic_exchange(&stress->owner[region.offset / SP_SMALL], 0) != me->id)
		stress->two_owners++;
	return region;
}

static void take(struct worker *me)
{
	struct stress *stress = me->stress;
	struct segpool_region regions[HELD];
	uint32_t zero = sp_random(&me->random) % 4 ? 0 : SEGPOOL_ZERO;
	int i, got = sp_alloc(stress->pool.fd, sp_random(&me->random) % 5, SEGPOOL_POPULATE | zero,
			      1 + sp_random(&me->random) % (HELD - me->nr), regions);

	if (got < 0) {
		stress->refused++;
		stress->wrong_results += got != -ENOMEM;
		/* Let those run who can release something. */
		sp_sleep_ms(1);
		return;
	}
	stress->taken += got;
	for (i = 0; i < got; i++)
		own(me, &regions[i], zero);
}

static void give_up(struct worker *me)
{
	struct stress *stress = me->stress;
	struct segpool_region region = disown(me, sp_random(&me->random) % me->nr), again;
	uint32_t now = sp_random(&me->random) % 8 ? 0 : SEGPOOL_NOW;
	int error = sp_free(stress->pool.fd, region.handle, now);

	stress->wrong_results += error != 0;
	if (sp_random(&me->random) % 3)
		return;
	error = sp_reuse(stress->pool.fd, region.handle, sp_random(&me->random) % 5,
			 SEGPOOL_POPULATE, &again);
	if (!error) {
		stress->reused++;
		own(me, &again, false);
	} else {
		stress->wrong_results += error != -EBUSY && error != -ESTALE && error != -ENOMEM;
	}
}

static bool goes_on(const struct stress *stress)
{
	uint64_t spent_ms = sp_now_ms() - stress->start_ms;

	return spent_ms < SPAN_MS ||
	       ((stress->taken <= ENOUGH_TAKEN || stress->reused <= ENOUGH_REUSED ||
		 !stress->refused) && spent_ms < LONGEST_MS);
}

static void churn(void *argument, unsigned int member)
{
	struct stress *stress = argument;
	struct worker me = { .stress = stress, .id = member + 1, .random = member + 1 };

	while (goes_on(stress)) {
		if (!me.nr || (me.nr < HELD && sp_random(&me.random) % 2))
			take(&me);
		else
			give_up(&me);
	}
	while (me.nr)
		stress->wrong_results += sp_free(stress->pool.fd, disown(&me, 0).handle, 0) != 0;
}

FIXTURE(ownership) {
	struct stress *stress;
};

SP_MODE_VARIANTS(ownership);

/* The physical budget is short of the virtual one: some requests are refused and rolled back. */
FIXTURE_SETUP(ownership)
{
	self->stress = calloc(1, sizeof(*self->stress));
	ASSERT_NE(NULL, self->stress);
	ASSERT_EQ(0, sp_pool_make(&self->stress->pool, variant->mode, SP_SMALL,
				  REGIONS * SP_SMALL, 32 * SP_SMALL, 8 * SP_SMALL));
}

FIXTURE_TEARDOWN(ownership)
{
	sp_pool_close(&self->stress->pool);
	free(self->stress);
}

TEST_F(ownership, no_address_has_two_owners)
{
	struct stress *stress = self->stress;
	uint64_t values[SEGPOOL_NR_COUNTERS];

	stress->start_ms = sp_now_ms();
	sp_team_run(THREADS, churn, stress);
	TH_LOG("%lu regions taken, %lu reused by name, %lu requests refused", stress->taken,
	       stress->reused, stress->refused);
	EXPECT_EQ(0, stress->two_owners);
	EXPECT_EQ(0, stress->damaged_pages);
	EXPECT_EQ(0, stress->not_zero);
	EXPECT_EQ(0, stress->wrong_results);
	/* The test has done something: threads met refusals and won regions back by name. */
	EXPECT_GT(stress->taken, ENOUGH_TAKEN);
	EXPECT_GT(stress->reused, ENOUGH_REUSED);
	EXPECT_GT(stress->refused, 0);
	ASSERT_EQ(0, sp_stat(stress->pool.fd, values));
	EXPECT_EQ(0, values[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_EQ(0, values[SEGPOOL_C_REGIONS_ACTIVE]);
	EXPECT_EQ(stress->taken + stress->reused,
		  values[SEGPOOL_C_NEW_REGIONS] + values[SEGPOOL_C_REUSED_REGIONS]);
	EXPECT_EQ(values[SEGPOOL_C_NEW_REGIONS] + values[SEGPOOL_C_REUSED_REGIONS],
		  values[SEGPOOL_C_RELEASED_REGIONS]);
	EXPECT_LE(values[SEGPOOL_C_RETAINED_BYTES], 8 * SP_SMALL);
	EXPECT_LE(values[SEGPOOL_C_PHYSICAL_PEAK_BYTES], 32 * SP_SMALL);
	EXPECT_LE(values[SEGPOOL_C_RETAINED_PEAK_BYTES], 8 * SP_SMALL);
	EXPECT_NO_DRIFT(&stress->pool);
}

TEST_HARNESS_MAIN
