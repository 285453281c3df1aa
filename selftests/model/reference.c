// SPDX-License-Identifier: GPL-2.0-only
/* The reference: what a pool must look like, in its simplest form. */
#include "model.h"

const struct mapping_mode mapping_modes[] = {
	{ "strict", "SEGPOOL_MODE_STRICT", SEGPOOL_MODE_STRICT, PERHAPS, PERHAPS },
	{ "pinnable", "SEGPOOL_MODE_PINNABLE", SEGPOOL_MODE_PINNABLE, ALWAYS, ALWAYS },
	{ "huge", "SEGPOOL_MODE_HUGE", SEGPOOL_MODE_HUGE, NEVER, NEVER },
};

const unsigned int nr_mapping_modes = sizeof(mapping_modes) / sizeof(mapping_modes[0]);

/* How many regions may still be carved. */
uint32_t ref_carvable(const struct ref_pool *pool)
{
	uint32_t limit = pool->virtual_budget < pool->nr_regions ? pool->virtual_budget :
								   pool->nr_regions;

	return limit > pool->carved ? limit - pool->carved : 0;
}

static bool region_is(const struct ref_region *region, enum region_state state, int class_index)
{
	return region->state == state &&
	       (class_index < 0 || region->class_index == (uint32_t)class_index);
}

/* A region in that state, of that class (-1: any), or -1. */
int ref_find(const struct ref_pool *pool, enum region_state state, int class_index)
{
	uint32_t i;

	for (i = 0; i < pool->nr_regions; i++)
		if (region_is(&pool->region[i], state, class_index))
			return i;
	return -1;
}

uint32_t ref_count(const struct ref_pool *pool, enum region_state state, int class_index)
{
	uint32_t i, n = 0;

	for (i = 0; i < pool->nr_regions; i++)
		n += region_is(&pool->region[i], state, class_index);
	return n;
}

static bool above_budget(const struct ref_pool *pool)
{
	return pool->physical + pool->retained > pool->budget;
}

/* Does the physical budget have room for that many more pages in use? */
bool ref_fits(const struct ref_pool *pool, uint64_t pages)
{
	return !above_budget(pool) && pool->physical + pages <= pool->budget;
}

static void raise_to(uint64_t *peak, uint64_t value)
{
	if (value > *peak)
		*peak = value;
}

/* Pages come into use; how many of them had been retained. */
uint64_t ref_bring(struct ref_pool *pool, uint64_t pages, bool zero)
{
	uint64_t used = pages < pool->retained ? pages : pool->retained;

	pool->retained -= used;
	kept_take_newest(pool, used);
	pool->physical += pages;
	raise_to(&pool->physical_peak, pool->physical);
	pool->events[SEGPOOL_C_RETAINED_REUSED_PAGES] += used;
	pool->events[SEGPOOL_C_SYSTEM_PAGES] += pages - used;
	pool->events[SEGPOOL_C_ZEROED_PAGES] += zero ? pages : pages - used;
	return used;
}

/* Pages that nobody holds go out of use. */
void ref_put(struct ref_pool *pool, uint64_t pages, bool retain)
{
	uint64_t room = 0;

	if (retain && !above_budget(pool) && pool->retain_limit > pool->retained)
		room = pool->retain_limit - pool->retained;
	pool->physical -= pages;
	pool->retained += pages < room ? pages : room;
	kept_add(pool, pages < room ? pages : room);
	raise_to(&pool->retained_peak, pool->retained);
}

/* Retained pages go until at most @target are left and the budget holds. */
uint64_t ref_trim(struct ref_pool *pool, uint64_t target)
{
	uint64_t owned = pool->physical + pool->retained, surplus = 0;

	if (pool->retained > target)
		surplus = pool->retained - target;
	if (owned > pool->budget)
		raise_to(&surplus, owned - pool->budget);
	if (surplus > pool->retained)
		surplus = pool->retained;
	pool->retained -= surplus;
	kept_take_oldest(pool, surplus);
	pool->events[SEGPOOL_C_TRIMMED_PAGES] += surplus;
	return surplus;
}

void ref_refuse(struct ref_pool *pool, uint32_t class_index, uint32_t reason)
{
	static const enum segpool_counter counters[] = {
		[SEGPOOL_REASON_VIRTUAL] = SEGPOOL_C_REFUSED_VIRTUAL,
		[SEGPOOL_REASON_PHYSICAL] = SEGPOOL_C_REFUSED_PHYSICAL,
		[SEGPOOL_REASON_CEILING] = SEGPOOL_C_REFUSED_CEILING,
		[SEGPOOL_REASON_SYSTEM] = SEGPOOL_C_REFUSED_SYSTEM,
	};

	if (!reason || reason > SEGPOOL_REASON_SYSTEM)
		return;
	pool->events[counters[reason]]++;
	pool->class_events[class_index][SEGPOOL_CC_REFUSALS]++;
}

static void count_both(struct ref_pool *pool, uint32_t class_index, enum segpool_counter counter,
		       enum segpool_class_counter class_counter)
{
	pool->events[counter]++;
	pool->class_events[class_index][class_counter]++;
}

/* A region that was unused, freed, or (of a shared pool) somebody's before. */
void ref_hand_out(struct ref_pool *pool, uint32_t index, uint32_t class_index, bool zero)
{
	struct ref_region *region = &pool->region[index];

	if (region->state == UNUSED) {
		pool->carved++;
		count_both(pool, class_index, SEGPOOL_C_NEW_REGIONS, SEGPOOL_CC_NEW_REGIONS);
	} else {
		count_both(pool, class_index, SEGPOOL_C_REUSED_REGIONS, SEGPOOL_CC_REUSED_REGIONS);
		if (region->class_index != class_index)
			count_both(pool, class_index, SEGPOOL_C_CROSS_CLASS_REUSES,
				   SEGPOOL_CC_CROSS_CLASS_REUSES);
	}
	region->state = ACTIVE;
	region->class_index = class_index;
	region->zero = zero;
	region->kept = false;
	region->generation++;
}

/* After a lazy release: with all its pages, which nobody holds. */
bool ref_can_be_kept(const struct ref_region *region)
{
	uint32_t i;

	for (i = 0; i < REGION_PAGES; i++)
		if (!region->page[i].owned || region->page[i].pins)
			return false;
	return true;
}

/* Its pages are gone already, or retained with it. */
void ref_retire(struct ref_pool *pool, uint32_t index, bool shared)
{
	struct ref_region *region = &pool->region[index];

	region->state = shared ? OTHER : FREED;
	count_both(pool, region->class_index, SEGPOOL_C_RELEASED_REGIONS,
		   SEGPOOL_CC_RELEASED_REGIONS);
}

void ref_counters(const struct ref_pool *pool, uint64_t values[SEGPOOL_NR_COUNTERS])
{
	memcpy(values, pool->events, sizeof(pool->events));
	values[SEGPOOL_C_VIRTUAL_BYTES] = pool->carved * REGION_BYTES;
	values[SEGPOOL_C_VIRTUAL_BUDGET_BYTES] = pool->virtual_budget * REGION_BYTES;
	values[SEGPOOL_C_RESERVATION_BYTES] = pool->nr_regions * REGION_BYTES;
	values[SEGPOOL_C_PHYSICAL_BYTES] = pool->physical * SP_PAGE;
	values[SEGPOOL_C_PHYSICAL_PEAK_BYTES] = pool->physical_peak * SP_PAGE;
	values[SEGPOOL_C_PHYSICAL_BUDGET_BYTES] = pool->budget * SP_PAGE;
	values[SEGPOOL_C_RETAINED_BYTES] = pool->retained * SP_PAGE;
	values[SEGPOOL_C_RETAINED_PEAK_BYTES] = pool->retained_peak * SP_PAGE;
	values[SEGPOOL_C_RETAIN_LIMIT_BYTES] = pool->retain_limit * SP_PAGE;
	values[SEGPOOL_C_RETAIN_AGE_MS] = pool->age_ms;
	values[SEGPOOL_C_REGIONS_ACTIVE] = ref_count(pool, ACTIVE, -1);
	values[SEGPOOL_C_REGIONS_FREED] = ref_count(pool, FREED, -1);
	values[SEGPOOL_C_WAITERS] = 0;
}

void ref_class_counters(const struct ref_pool *pool, uint32_t class_index,
			uint64_t values[SEGPOOL_NR_CLASS_COUNTERS])
{
	memcpy(values, pool->class_events[class_index], sizeof(pool->class_events[0]));
	values[SEGPOOL_CC_SEGMENT_BYTES] = SP_PAGE << class_index;
	values[SEGPOOL_CC_REGIONS_ACTIVE] = ref_count(pool, ACTIVE, class_index);
	values[SEGPOOL_CC_REGIONS_FREED] = ref_count(pool, FREED, class_index);
}

static const struct ref_region *named_region(const struct ref_pool *pool, uint64_t handle)
{
	uint32_t index = SEGPOOL_HANDLE_INDEX(handle);

	if (index >= pool->carved || !SEGPOOL_HANDLE_GENERATION(handle))
		return NULL;
	return pool->region[index].generation ? &pool->region[index] : NULL;
}

/* What FREE, DISCARD and POPULATE say of a handle. */
int ref_check_active(const struct ref_pool *pool, uint64_t handle)
{
	const struct ref_region *region = named_region(pool, handle);

	if (!region)
		return -ENOENT;
	if (region->generation != SEGPOOL_HANDLE_GENERATION(handle))
		return -ESTALE;
	return region->state == ACTIVE ? 0 : -EALREADY;
}

/* What REUSE says of a handle. */
int ref_check_freed(const struct ref_pool *pool, uint64_t handle)
{
	const struct ref_region *region = named_region(pool, handle);
	uint32_t generation = SEGPOOL_HANDLE_GENERATION(handle);

	if (!region)
		return -ENOENT;
	if (region->generation == generation)
		return region->state == FREED ? 0 : -EBUSY;
	return region->generation == generation + 1 && region->state == ACTIVE ? -EBUSY : -ESTALE;
}
