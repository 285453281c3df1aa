// SPDX-License-Identifier: GPL-2.0-only
/* Comparing a pool with its reference: counters, page tables, contents, the table of regions. */
#include "model.h"

/* Not specified exactly: how often pressure was signalled, which regions keep their pages. */
static bool is_compared(uint32_t counter)
{
	return counter != SEGPOOL_C_PRESSURE_EVENTS && counter != SEGPOOL_C_KEPT_REGIONS &&
	       counter != SEGPOOL_C_KEPT_REUSES;
}

/* A region that can be kept need not be, any more; others never are. */
static void check_kept_regions(struct actor *actor, uint32_t number, const uint64_t *got)
{
	const struct ref_pool *pool = &actor->pool[number];
	uint32_t i, n = 0;

	for (i = 0; i < pool->nr_regions; i++)
		n += pool->region[i].state == FREED && pool->region[i].kept;
	if (got[SEGPOOL_C_KEPT_REGIONS] > n ||
	    got[SEGPOOL_C_KEPT_REGIONS] * REGION_BYTES > got[SEGPOOL_C_RETAINED_BYTES])
		mismatch(actor, "pool %u: kept_regions is %llu, %u can be; retained_bytes is %llu",
			 number, (unsigned long long)got[SEGPOOL_C_KEPT_REGIONS], n,
			 (unsigned long long)got[SEGPOOL_C_RETAINED_BYTES]);
	if (got[SEGPOOL_C_KEPT_REUSES] > got[SEGPOOL_C_REUSED_REGIONS])
		mismatch(actor, "pool %u: kept_reuses is %llu, of %llu", number,
			 (unsigned long long)got[SEGPOOL_C_KEPT_REUSES],
			 (unsigned long long)got[SEGPOOL_C_REUSED_REGIONS]);
}

static void check_counters_of(struct actor *actor, uint32_t number)
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
	check_kept_regions(actor, number, got);
}

/* Of all pools: what is done to one must not show in another. */
void check_counters(struct actor *actor)
{
	uint64_t over = disturbances_seen(actor->disturbances_seen);
	uint32_t i;

	for (i = 0; i < MAX_POOLS && !actor->failed; i++)
		check_counters_of(actor, i);
	actor->disturbances_seen = over;
}

struct look {
	const char *page;
	uint64_t words[2];
};

static void look_at(void *argument)
{
	struct look *look = argument;

	read_words(look->page, look->words);
}

static void check_page(struct actor *actor, uint32_t pool, uint32_t region, uint32_t number,
		       bool present)
{
	struct look look = { .page = page_address(actor, pool, region, number) };
	const struct ref_region *ref = &actor->pool[pool].region[region];
	const struct ref_page *page = &ref->page[number];
	bool perhaps = ref->state == FREED && ref->kept;

	if (present != page->mapped && !perhaps) {
		mismatch(actor, "pool %u: page %u of region %u is %s", pool, number, region,
			 present ? "mapped and should not be" : "not mapped and should be");
		return;
	}
	if (!present)
		return;
	if (!sp_probe(look_at, &look))
		expect_words(actor, pool, region, number, look.words, page->tag);
	else if (perhaps)
		/* Its age was reached, or the system took it, since it was seen to be there. */
		actor->pool[pool].events[SEGPOOL_C_SIGBUS_FAULTS]++;
	else
		mismatch(actor, "pool %u: page %u of region %u cannot be read", pool, number,
			 region);
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

struct walk {
	struct actor *actor;
	uint32_t pool, rows;
	uint64_t pages;
};

static uint32_t owned_pages(const struct ref_region *region)
{
	uint32_t i, n = 0;

	for (i = 0; i < REGION_PAGES; i++)
		n += region->page[i].owned;
	return n;
}

static void check_row(const struct sp_table *table, void *argument)
{
	struct walk *walk = argument;
	const struct ref_pool *pool = &walk->actor->pool[walk->pool];
	const struct ref_region *region = &pool->region[walk->rows % MAX_REGIONS];
	const char *state = sp_column(table, "state");
	uint64_t pages = sp_column_value(table, "pages");
	bool active = region->state == ACTIVE;

	if (!active && region->kept && pages == REGION_PAGES)
		pages = 0;
	if (!state || strcmp(state, active ? "active" : "freed") ||
	    sp_column_value(table, "region") != walk->rows ||
	    sp_column_value(table, "generation") != region->generation ||
	    sp_column_value(table, "class") != region->class_index ||
	    pages != (active ? owned_pages(region) : 0))
		mismatch(walk->actor,
			 "pool %u: region %u is %s, generation %llu, class %llu, %llu pages; not %s, %u, %u, %u",
			 walk->pool, walk->rows, state ? state : "nothing",
			 (unsigned long long)sp_column_value(table, "generation"),
			 (unsigned long long)sp_column_value(table, "class"),
			 (unsigned long long)pages, active ? "active" : "freed", region->generation, region->class_index,
			 active ? owned_pages(region) : 0);
	walk->pages += pages;
	walk->rows++;
}

/* The module's own table of regions: each row, and their sum, against the reference. */
static void check_walk(struct actor *actor, uint32_t number)
{
	const struct ref_pool *pool = &actor->pool[number];
	struct walk walk = { .actor = actor, .pool = number };
	char path[128];

	if (pool->life != OPEN || access(SP_DEBUGFS, R_OK))
		return;
	sp_pool_path(path, sizeof(path), pool->id, "regions");
	if (sp_table_walk(path, check_row, &walk) < 0)
		mismatch(actor, "debugfs has no table of the regions of pool %u", pool->id);
	else if (walk.rows != pool->carved || walk.pages != pool->physical)
		mismatch(actor, "pool %u: the table has %u regions, %llu pages; not %u, %llu",
			 number, walk.rows, (unsigned long long)walk.pages, pool->carved,
			 (unsigned long long)pool->physical);
}

void check_all(struct actor *actor)
{
	uint32_t i;

	check_counters(actor);
	for (i = 0; i < MAX_POOLS && !actor->failed; i++) {
		check_class_counters(actor, i);
		if (is_mapped_pool(actor, i))
			check_pages(actor, i, 0, actor->pool[i].nr_regions * REGION_PAGES);
		check_walk(actor, i);
	}
}
