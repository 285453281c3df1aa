// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Handing regions out (ALLOC, REUSE). Admission looks at everything and takes budget and
 * regions in one step under the lock; their pages come afterwards, without it.
 */
#include <errno.h>
#include <string.h>

#include "user.h"

/**
 * struct unit - what is handed out together: one region, or neighbours
 * @pool: the pool.
 * @class_index: that they will serve.
 * @flags: of the request.
 * @nr: how many.
 * @handle: with REUSE: the one that it may be; otherwise 0.
 * @first: index of the first, once admitted.
 * @carved: they are new.
 * @reason: why it was refused.
 */
struct unit {
	const struct segpool *pool;
	uint32_t class_index, flags, nr;
	uint64_t handle;
	uint32_t first;
	bool carved;
	uint32_t reason;
};

static uint64_t unit_pages(const struct unit *unit)
{
	return (uint64_t)unit->nr * unit->pool->user->region_pages;
}

static uint32_t uncarved(const struct segpool_user *user)
{
	uint32_t most = user->virtual_budget < user->nr_regions ? user->virtual_budget :
								  user->nr_regions;

	return most > user->carved ? most - user->carved : 0;
}

static bool found(const struct unit *unit)
{
	return unit->first != SEGPOOL_NO_REGION;
}

/* The order of taking: released by the class, new, released by another class. */
static bool find_regions(struct unit *unit)
{
	const struct segpool_user *user = unit->pool->user;
	uint32_t i;

	unit->carved = false;
	unit->first = unit->nr > 1 ? segpool_user_run(user, unit->nr) :
				     segpool_user_waiting(user, unit->class_index);
	if (found(unit))
		return true;
	if (uncarved(user) >= unit->nr) {
		unit->carved = true;
		unit->first = user->carved;
		return true;
	}
	for (i = 0; i < user->nr_classes && unit->nr == 1 && !found(unit); i++)
		unit->first = segpool_user_waiting(user, i);
	return found(unit);
}

static int find_named(struct unit *unit)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region = segpool_user_settled(user, unit->handle);
	int error = segpool_user_check_freed(region, unit->handle);

	if (error)
		return error;
	unit->carved = false;
	unit->first = segpool_user_index(user, region);
	return 0;
}

static uint64_t retained_in(const struct unit *unit)
{
	const struct segpool_user *user = unit->pool->user;
	uint64_t pages = 0;
	uint32_t i;

	for (i = 0; i < unit->nr && !unit->carved; i++)
		pages += user->regions[unit->first + i].pages;
	return pages;
}

static void carve(struct unit *unit)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region;

	for (; user->carved < unit->first + unit->nr; user->carved++) {
		region = &user->regions[user->carved];
		region->state = SEGPOOL_FREED;
		region->class_index = (uint8_t)unit->class_index;
		user->classes[unit->class_index].nr_freed++;
		segpool_user_count(user, unit->class_index, SEGPOOL_C_NEW_REGIONS,
				   SEGPOOL_CC_NEW_REGIONS);
	}
}

static void claim(struct unit *unit)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region = &user->regions[unit->first];

	user->retained -= retained_in(unit);
	segpool_user_use_pages(user, unit_pages(unit));
	if (unit->carved)
		carve(unit);
	for (; region < &user->regions[unit->first + unit->nr]; region++) {
		if (!unit->carved)
			segpool_user_dequeue(user, region);
		region->busy = true;
	}
}

static int refuse(struct unit *unit, uint32_t reason)
{
	unit->reason = reason;
	return -ENOMEM;
}

/* -EAGAIN: something has changed meanwhile, look again. */
static int try_admit(struct unit *unit)
{
	struct segpool_user *user = unit->pool->user;
	bool fits = user->physical + unit_pages(unit) <= segpool_user_budget(user);
	int error;

	if (unit->handle) {
		error = find_named(unit);
		if (error)
			return error;
	} else if (!find_regions(unit)) {
		if (!user->nr_leaving)
			return refuse(unit, SEGPOOL_REASON_VIRTUAL);
		/* The regions will be there in a moment. */
		segpool_user_settle(user);
		return -EAGAIN;
	}
	/* Not even with all that is retained: then nothing is given back for it. */
	if (!fits)
		return refuse(unit, SEGPOOL_REASON_PHYSICAL);
	error = segpool_user_make_room(unit->pool, unit_pages(unit) - retained_in(unit));
	if (error)
		return error == -ENOMEM ? refuse(unit, SEGPOOL_REASON_PHYSICAL) : error;
	claim(unit);
	return 0;
}

/* What a region of the unit still lacks. */
static bool lacks(const struct unit *unit, const struct segpool_user_region *region)
{
	return (unit->flags & SEGPOOL_POPULATE && !region->present) ||
	       (unit->flags & SEGPOOL_ZERO && region->pages);
}

static bool unit_lacks(const struct unit *unit)
{
	const struct segpool_user *user = unit->pool->user;
	uint32_t i;

	for (i = 0; i < unit->nr; i++)
		if (lacks(unit, &user->regions[unit->first + i]))
			return true;
	return false;
}

/* Zeroes in pages that had something: written where the pages are wanted, otherwise as they come. */
static void clear(const struct unit *unit, uint32_t index)
{
	const struct segpool_user *user = unit->pool->user;

	if (!(unit->flags & SEGPOOL_POPULATE) &&
	    !segpool_user_give(unit->pool, index, 0, user->region_size))
		return;
	memset(unit->pool->base + index * user->region_size, 0, (size_t)user->region_size);
}

/* Without the lock: the regions are busy. */
static int prepare(const struct unit *unit)
{
	const struct segpool_user *user = unit->pool->user;
	const struct segpool_user_region *region;
	uint32_t index;
	int error = 0;

	for (index = unit->first; !error && index < unit->first + unit->nr; index++) {
		region = &user->regions[index];
		if (unit->flags & SEGPOOL_POPULATE && !region->present)
			error = segpool_user_bring(unit->pool, index, 0, user->region_size);
		if (!error && unit->flags & SEGPOOL_ZERO && region->pages)
			clear(unit, index);
	}
	return error;
}

static void hand_out(struct unit *unit, uint32_t index, struct segpool_region *result)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region = &user->regions[index];
	struct segpool_user_class *queue = &user->classes[unit->class_index];
	size_t words = (user->region_pages + 63) / 64;
	uint32_t retained = region->pages;

	result->offset = index * user->region_size;
	result->flags = unit->carved ? SEGPOOL_REGION_NEW : SEGPOOL_REGION_REUSED;
	result->reserved = 0;
	if (!unit->carved) {
		segpool_user_count(user, unit->class_index, SEGPOOL_C_REUSED_REGIONS,
				   SEGPOOL_CC_REUSED_REGIONS);
		user->events[SEGPOOL_C_KEPT_REUSES] += !!retained;
	}
	if (!unit->carved && region->class_index != unit->class_index) {
		result->flags |= SEGPOOL_REGION_CROSS;
		segpool_user_count(user, unit->class_index, SEGPOOL_C_CROSS_CLASS_REUSES,
				   SEGPOOL_CC_CROSS_CLASS_REUSES);
	}
	user->events[SEGPOOL_C_RETAINED_REUSED_PAGES] += retained;
	user->events[SEGPOOL_C_SYSTEM_PAGES] += user->region_pages - retained;
	user->events[SEGPOOL_C_ZEROED_PAGES] +=
		(unit->flags & SEGPOOL_ZERO) ? user->region_pages : user->region_pages - retained;

	user->classes[region->class_index].nr_freed--;
	queue->nr_active++;
	region->class_index = (uint8_t)unit->class_index;
	region->state = SEGPOOL_ACTIVE;
	region->pages = user->region_pages;
	memset(user->discarded + index * words, 0, words * sizeof(*user->discarded));
	/* 0 is no generation. */
	if (!++region->generation)
		region->generation = 1;
	result->handle = (uint64_t)region->generation << 32 | index;
}

/*
 * The system had no page: all goes back. New regions wait as released ones, and count so.
 * Where the retained pages of the others could not be given back (@given), they are retained.
 */
static void put_back(struct unit *unit, bool given)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region;
	uint32_t i;

	user->physical -= unit_pages(unit);
	for (i = unit->first; i < unit->first + unit->nr; i++) {
		region = &user->regions[i];
		region->present = false;
		region->busy = false;
		if (given)
			region->pages = 0;
		user->retained += region->pages;
		segpool_user_enqueue(user, region);
		if (unit->carved)
			segpool_user_count(user, region->class_index, SEGPOOL_C_RELEASED_REGIONS,
					   SEGPOOL_CC_RELEASED_REGIONS);
	}
}

/* After admission: the regions get their pages and their owner. */
static int complete(struct unit *unit, struct segpool_region *results)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region;
	bool given = false;
	int error = 0;
	uint32_t i;

	if (unit_lacks(unit)) {
		pthread_mutex_unlock(&user->lock);
		error = prepare(unit);
		if (error)
			given = !segpool_user_give(unit->pool, unit->first, 0,
						   unit->nr * user->region_size);
		pthread_mutex_lock(&user->lock);
	}
	if (error) {
		put_back(unit, given);
		segpool_user_changed(user);
		return refuse(unit, SEGPOOL_REASON_SYSTEM);
	}
	for (i = 0; i < unit->nr; i++) {
		region = &user->regions[unit->first + i];
		if (unit->flags & SEGPOOL_POPULATE)
			region->present = true;
		else if (unit->flags & SEGPOOL_ZERO && region->pages)
			region->present = false;
		hand_out(unit, unit->first + i, &results[i]);
		region->busy = false;
	}
	/* Only who wants one of these by its handle waits for them. */
	if (user->sleepers)
		segpool_user_changed(user);
	return 0;
}

static int request(struct unit *unit, struct segpool_user_wait *wait,
		   struct segpool_region *results)
{
	int error;

	do {
		do {
			error = try_admit(unit);
		} while (error == -EAGAIN);
		if (!error)
			error = complete(unit, results);
	} while (error == -ENOMEM &&
		 !(error = segpool_user_wait(unit->pool->user, wait, unit->reason)));
	return error;
}

int segpool_user_alloc(const struct segpool *pool, struct segpool_alloc *call)
{
	struct segpool_region *results = (struct segpool_region *)(uintptr_t)call->results;
	bool together = call->flags & SEGPOOL_CONTIGUOUS;
	struct unit unit = { .pool = pool, .class_index = call->class_index,
			     .flags = call->flags, .nr = together ? call->count : 1 };
	struct segpool_user *user = pool->user;
	struct segpool_user_wait wait;
	int error = 0;

	segpool_user_wait_begin(&wait, call->flags, call->timeout_ms);
	pthread_mutex_lock(&user->lock);
	segpool_user_age(pool);
	for (call->done = 0; !error && call->done < call->count; call->done += error ? 0 : unit.nr)
		error = request(&unit, &wait, results + call->done);
	if (error == -ENOMEM) {
		call->reason = unit.reason;
		segpool_user_count_refusal(user, unit.class_index, unit.reason);
	}
	segpool_user_wait_end(user, &wait);
	pthread_mutex_unlock(&user->lock);
	return call->done ? 0 : error;
}

int segpool_user_reuse(const struct segpool *pool, struct segpool_reuse *call)
{
	struct unit unit = { .pool = pool, .class_index = call->class_index,
			     .flags = call->flags, .nr = 1, .handle = call->handle };
	struct segpool_user *user = pool->user;
	struct segpool_user_wait wait;
	int error;

	/* No handle is 0, which here means that any region will do. */
	if (!call->handle)
		return -ENOENT;
	segpool_user_wait_begin(&wait, call->flags, call->timeout_ms);
	pthread_mutex_lock(&user->lock);
	segpool_user_age(pool);
	error = request(&unit, &wait, &call->region);
	if (error == -ENOMEM) {
		call->reason = unit.reason;
		segpool_user_count_refusal(user, unit.class_index, unit.reason);
	}
	segpool_user_wait_end(user, &wait);
	pthread_mutex_unlock(&user->lock);
	return error;
}
