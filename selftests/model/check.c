// SPDX-License-Identifier: GPL-2.0-only
/* Comparing a pool with its reference: counters, page tables, contents, the table of regions. */
#include "model.h"

/* Not specified exactly: how often pressure was signalled. */
static bool is_compared(uint32_t counter)
{
	return counter != SEGPOOL_C_PRESSURE_EVENTS;
}

/* Age and the shrinker are counted a moment before or after the pages are gone. */
#define DEPARTURE_MS 5000

/**
 * struct departures - retained pages that went by age or by the shrinker
 * @gone: counted since the last look.
 * @fewer: so many fewer were used again than the reference expected.
 * @less_trimmed: so many fewer were there to be trimmed.
 * @deficit: so many fewer are retained; negative: more, for want of others.
 */
struct departures {
	int64_t gone, fewer, less_trimmed, deficit;
};

static struct departures find_departures(const struct ref_pool *pool, const uint64_t *got)
{
	const uint64_t *events = pool->events;

	return (struct departures){
		.gone = got[SEGPOOL_C_AGED_PAGES] + got[SEGPOOL_C_SHRUNK_PAGES] -
			events[SEGPOOL_C_AGED_PAGES] - events[SEGPOOL_C_SHRUNK_PAGES],
		.fewer = events[SEGPOOL_C_RETAINED_REUSED_PAGES] -
			 got[SEGPOOL_C_RETAINED_REUSED_PAGES],
		.less_trimmed = events[SEGPOOL_C_TRIMMED_PAGES] - got[SEGPOOL_C_TRIMMED_PAGES],
		.deficit = pool->retained - got[SEGPOOL_C_RETAINED_BYTES] / SP_PAGE,
	};
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t to_be_explained(const struct departures *departures)
{
	return larger(larger(departures->fewer, departures->less_trimmed),
		      larger(departures->deficit, -departures->deficit));
}

/* What the pool had less of retained pages it took from the system more. */
static void adopt_departures(struct ref_pool *pool, const struct departures *departures,
			     const uint64_t *got)
{
	if (!departures->gone && !to_be_explained(departures))
		return;
	pool->departing = larger(0, pool->departing + departures->gone -
				    larger(0, departures->deficit));
	pool->events[SEGPOOL_C_AGED_PAGES] = got[SEGPOOL_C_AGED_PAGES];
	pool->events[SEGPOOL_C_SHRUNK_PAGES] = got[SEGPOOL_C_SHRUNK_PAGES];
	pool->events[SEGPOOL_C_RETAINED_REUSED_PAGES] -= departures->fewer;
	pool->events[SEGPOOL_C_SYSTEM_PAGES] += departures->fewer;
	pool->events[SEGPOOL_C_TRIMMED_PAGES] -= departures->less_trimmed;
	if (got[SEGPOOL_C_ZEROED_PAGES] ==
	    pool->events[SEGPOOL_C_ZEROED_PAGES] + departures->fewer)
		pool->events[SEGPOOL_C_ZEROED_PAGES] += departures->fewer;
	pool->retained -= departures->deficit;
	pool->retained_peak = got[SEGPOOL_C_RETAINED_PEAK_BYTES] / SP_PAGE;
}

/*
 * Age and the shrinker take retained pages when they like: read the counters
 * until what is missing is explained by what they count.
 */
static bool read_counters(struct actor *actor, uint32_t number, uint64_t *got)
{
	struct ref_pool *pool = &actor->pool[number];
	uint64_t end = 0;
	struct departures departures;

	for (;;) {
		if (sp_stat(actor->kernel[number].fd, got))
			return false;
		departures = find_departures(pool, got);
		if (to_be_explained(&departures) <= departures.gone + pool->departing) {
			adopt_departures(pool, &departures, got);
			return true;
		}
		/* The comparison will tell what is wrong. */
		if (end && sp_now_ms() > end)
			return true;
		end = end ? end : sp_now_ms() + (pool->age_ms || departures.gone ? DEPARTURE_MS :
						 DEPARTURE_MS / 10);
		sp_sleep_ms(1);
	}
}

void check_counters(struct actor *actor, uint32_t number)
{
	uint64_t got[SEGPOOL_NR_COUNTERS], wanted[SEGPOOL_NR_COUNTERS];
	struct ref_pool *pool = &actor->pool[number];
	uint32_t i;

	if (pool->life != OPEN && pool->life != UNMAPPED)
		return;
	if (!read_counters(actor, number, got)) {
		mismatch(actor, "STAT failed");
		return;
	}
	ref_counters(pool, wanted);
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		if (is_compared(i) && got[i] != wanted[i])
			mismatch(actor, "pool %u: %s is %llu, expected %llu", number,
				 sp_counter_name(i), (unsigned long long)got[i],
				 (unsigned long long)wanted[i]);
}

static void check_page(struct actor *actor, uint32_t pool, uint32_t region, uint32_t number,
		       bool present)
{
	const struct ref_page *page = &actor->pool[pool].region[region].page[number];
	uint64_t seen[2];

	if (present != page->mapped) {
		mismatch(actor, "pool %u: page %u of region %u is %s", pool, number, region,
			 present ? "mapped and should not be" : "not mapped and should be");
		return;
	}
	if (!present)
		return;
	read_words(page_address(actor, pool, region, number), seen);
	expect_words(actor, pool, region, number, seen, page->tag);
}

/* Pages in a row, counted from the first of region 0. */
static void check_pages(struct actor *actor, uint32_t pool, uint32_t first, uint32_t nr)
{
	unsigned char present[MAX_REGIONS * REGION_PAGES];
	uint32_t i;

	if (sp_present(page_address(actor, pool, 0, first), nr * SP_PAGE, present) < 0) {
		mismatch(actor, "move_pages failed");
		return;
	}
	for (i = 0; i < nr; i++)
		check_page(actor, pool, (first + i) / REGION_PAGES, (first + i) % REGION_PAGES,
			   present[i]);
}

static bool is_mapped_pool(const struct actor *actor, uint32_t pool)
{
	return actor->pool[pool].life == OPEN || actor->pool[pool].life == ORPHAN;
}

/* What the last operation touched, and what lies between: page tables and contents. */
void check_touched(struct actor *actor, uint32_t pool)
{
	uint32_t region, first, end;

	if (!is_mapped_pool(actor, pool))
		return;
	for (region = 0; region < MAX_REGIONS && !actor->failed; region++) {
		if (!actor->touched[region])
			continue;
		first = __builtin_ctz(actor->touched[region]);
		end = 32 - __builtin_clz(actor->touched[region]);
		check_pages(actor, pool, region * REGION_PAGES + first, end - first);
	}
}

static void check_class_counters(struct actor *actor, uint32_t number)
{
	uint64_t got[SEGPOOL_NR_CLASS_COUNTERS], wanted[SEGPOOL_NR_CLASS_COUNTERS];
	const struct ref_pool *pool = &actor->pool[number];
	uint32_t class_index, i;

	if (pool->life != OPEN && pool->life != UNMAPPED)
		return;
	for (class_index = 0; class_index < NR_CLASSES; class_index++) {
		if (sp_class_stat(actor->kernel[number].fd, class_index, got))
			mismatch(actor, "STAT of class %u failed", class_index);
		ref_class_counters(pool, class_index, wanted);
		for (i = 0; i < SEGPOOL_NR_CLASS_COUNTERS; i++)
			if (got[i] != wanted[i])
				mismatch(actor, "pool %u, class %u: %s is %llu, expected %llu",
					 number, class_index, sp_class_counter_name(i),
					 (unsigned long long)got[i], (unsigned long long)wanted[i]);
	}
}

/* The module's own table of regions against its counters. */
void check_walk(struct actor *actor, uint32_t number)
{
	const struct ref_pool *pool = &actor->pool[number];
	struct sp_region_sums sums;

	if (pool->life != OPEN || access(SP_DEBUGFS, R_OK))
		return;
	if (sp_regions_walk(pool->id, &sums) < 0)
		mismatch(actor, "debugfs has no table of the regions of pool %u", pool->id);
	else if (sums.rows != pool->carved || sums.active != ref_count(pool, ACTIVE, -1) ||
		 sums.freed != ref_count(pool, FREED, -1) || sums.active_pages != pool->physical)
		mismatch(actor,
			 "walk: %llu regions, %llu active, %llu freed, %llu pages; not %u, %u, %u, %llu",
			 (unsigned long long)sums.rows, (unsigned long long)sums.active,
			 (unsigned long long)sums.freed, (unsigned long long)sums.active_pages,
			 pool->carved, ref_count(pool, ACTIVE, -1), ref_count(pool, FREED, -1),
			 (unsigned long long)pool->physical);
}

/* Everything but the walk. */
void check_all(struct actor *actor)
{
	uint32_t i;

	for (i = 0; i < MAX_POOLS && !actor->failed; i++) {
		check_counters(actor, i);
		check_class_counters(actor, i);
		if (is_mapped_pool(actor, i))
			check_pages(actor, i, 0, actor->pool[i].nr_regions * REGION_PAGES);
	}
}
