// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memory cgroup in which there is room for a page but not for the page table
 * that maps it: a request is refused, and the OOM killer is not called. Which
 * page is the first that does not fit depends on the limit, so the limit, or
 * what is left of it, is swept page by page.
 */
#include "testing.h"
#include <stdbool.h>
#include "testing_harness.h"

#define REGION		(2 * SP_MIB)
/* A page table of the next level serves this many regions. */
#define PER_GIB		((unsigned int)(SP_GIB / REGION))
#define REGIONS		(2 * PER_GIB)
/* Enough for the process, and for hundreds of pages with their tables. */
#define LIMIT		(8 * SP_MIB)
#define SWEEP		(24U)
/* More pages than a request for one can need, with all that is made for it. */
#define SPARE		(10U)

FIXTURE(edge) {
	struct sp_cgroup cgroup;
	uint64_t oom_kills;
};

FIXTURE_VARIANT(edge) {
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(edge, strict) { .mode = SEGPOOL_MODE_STRICT };
FIXTURE_VARIANT_ADD(edge, pinnable) { .mode = SEGPOOL_MODE_PINNABLE };
FIXTURE_VARIANT_ADD(edge, huge) { .mode = SEGPOOL_MODE_HUGE };

FIXTURE_SETUP(edge)
{
	self->oom_kills = sp_vmstat("oom_kill");
}

FIXTURE_TEARDOWN(edge)
{
	EXPECT_EQ(self->oom_kills, sp_vmstat("oom_kill"));
}

struct plan {
	struct sp_cgroup *cgroup;
	uint32_t mode;
	unsigned int spare;
	bool another_gib;
};

/* Exit statuses of the child beside 0. */
enum { NO_POOL = 1, NO_REGIONS, NEVER_REFUSED, OTHER_REASON, NOT_FULL, DRIFT, NOT_BACKED };

static int populate_page(struct sp_pool *pool, const struct segpool_region *region, uint64_t page,
			 uint32_t *reason)
{
	struct segpool_range range = { .handle = region->handle, .offset = page * SP_PAGE,
				       .length = SP_PAGE };
	struct segpool_ranges call = { .size = sizeof(call), .count = 1,
				       .ranges = (uintptr_t)&range };
	int error = sp_ioctl(pool->fd, SEGPOOL_IOC_POPULATE, &call);

	*reason = call.reason;
	return error;
}

static int open_in_cgroup(struct plan *plan, struct sp_pool *pool, struct segpool_region *regions)
{
	unsigned int given;

	if (sp_cgroup_enter(plan->cgroup) ||
	    sp_pool_make(pool, plan->mode, REGION, REGIONS * REGION, SP_GIB, 0))
		return NO_POOL;
	for (given = 0; given < REGIONS; given += PER_GIB)
		if (sp_alloc(pool->fd, 0, 0, PER_GIB, regions + given) != (int)PER_GIB)
			return NO_REGIONS;
	return 0;
}

/* A page in each region: as many page tables as pages. */
static int page_in_each_region(void *argument)
{
	static struct segpool_region regions[REGIONS];
	struct plan *plan = argument;
	struct sp_pool pool;
	uint32_t reason = 0;
	int error = open_in_cgroup(plan, &pool, regions);
	unsigned int i;

	for (i = 0; !error && i < REGIONS; i++)
		if (populate_page(&pool, &regions[i], 0, &reason))
			break;
	if (error || i == REGIONS)
		return error ? error : NEVER_REFUSED;
	if (reason != SEGPOOL_REASON_SYSTEM)
		return OTHER_REASON;
	return sp_counter(pool.fd, SEGPOOL_C_PHYSICAL_BYTES) == i * SP_PAGE ? 0 : DRIFT;
}

/* Up to the limit in regions that have their page tables, and then into one that has none. */
static int page_in_a_new_region(void *argument)
{
	static struct segpool_region regions[REGIONS];
	struct plan *plan = argument;
	unsigned int i, pages = REGION / SP_PAGE, filled, tables = 8, target;
	struct sp_pool pool;
	uint32_t reason = 0;
	int error = open_in_cgroup(plan, &pool, regions);

	/* The next region lacks one table, unless a GiB begins there. */
	tables += !error && (uintptr_t)sp_region_at(&pool, &regions[tables]) % SP_GIB == 0;
	target = plan->another_gib ? REGIONS - 1 : tables;
	for (i = 0; !error && i < tables; i++)
		if (populate_page(&pool, &regions[i], 0, &reason))
			error = NOT_FULL;
	for (i = 0; !error && i < tables * pages; i++)
		if (populate_page(&pool, &regions[i / pages], i % pages, &reason))
			break;
	if (error || i == tables * pages)
		return error ? error : NEVER_REFUSED;
	/* The last pages that went in, all of one region. */
	filled = i % pages < plan->spare ? i / pages * pages : i;
	if (plan->spare && sp_discard(pool.fd, regions[(filled - plan->spare) / pages].handle,
				      (filled - plan->spare) % pages * SP_PAGE,
				      plan->spare * SP_PAGE, SEGPOOL_NOW))
		return NOT_FULL;
	if (populate_page(&pool, &regions[target], 0, &reason))
		return reason == SEGPOOL_REASON_SYSTEM ? 0 : OTHER_REASON;
	return sp_touch(sp_region_at(&pool, &regions[target])) ? NOT_BACKED : 0;
}

static void in_cgroup(struct __test_metadata *_metadata, FIXTURE_DATA(edge) *self, uint64_t limit,
		      int (*work)(void *argument), struct plan *plan)
{
	ASSERT_EQ(0, sp_cgroup_make(&self->cgroup, "segpool-edge", limit)) {
		TH_LOG("a cgroup v2 with the memory controller is needed at " SP_CGROUP_ROOT);
	}
	sp_cgroup_set(&self->cgroup, "memory.swap.max", "0");
	plan->cgroup = &self->cgroup;
	EXPECT_EQ(0, sp_in_child(work, plan)) {
		TH_LOG("at a limit of %llu KiB, %u pages to spare",
		       (unsigned long long)(limit / SP_KIB), plan->spare);
	}
	EXPECT_EQ(0, sp_cgroup_field(&self->cgroup, "memory.events", "oom_kill"));
	EXPECT_EQ(0, sp_cgroup_field(&self->cgroup, "memory.events", "oom"));
	/* The limit was really met, or nothing was tested. */
	EXPECT_LT(0, sp_cgroup_field(&self->cgroup, "memory.events", "max"));
	EXPECT_EQ(0, sp_cgroup_remove(&self->cgroup));
}

TEST_F(edge, limit_swept)
{
	struct plan plan = { .mode = variant->mode };
	unsigned int step;

	for (step = 0; step < SWEEP; step++)
		in_cgroup(_metadata, self, LIMIT + step * SP_PAGE, page_in_each_region, &plan);
}

static void sweep_room(struct __test_metadata *_metadata, FIXTURE_DATA(edge) *self,
		       struct plan *plan)
{
	for (plan->spare = 0; plan->spare < SPARE; plan->spare++)
		in_cgroup(_metadata, self, LIMIT, page_in_a_new_region, plan);
}

/* The region lacks its page table. */
TEST_F(edge, room_swept)
{
	struct plan plan = { .mode = variant->mode };

	sweep_room(_metadata, self, &plan);
}

/* And the table of the next level. */
TEST_F(edge, room_swept_in_another_gib)
{
	struct plan plan = { .mode = variant->mode, .another_gib = true };

	sweep_room(_metadata, self, &plan);
}

TEST_HARNESS_MAIN
