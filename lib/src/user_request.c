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
 * @failures: see segpool_user_make_room().
 * @reason: why it was refused.
 */
struct unit {
	const struct segpool *pool;
	uint32_t class_index, flags, nr;
	uint64_t handle;
	uint32_t first;
	bool carved;
	uint32_t failures;
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

/* Released by the class, or neighbours of whatever class. @leaving: in a moment. */
static void find_released(struct unit *unit, bool *leaving)
{
	const struct segpool_user *user = unit->pool->user;

	if (unit->nr > 1) {
		unit->first = segpool_user_run(user, unit->nr, leaving);
	} else {
		unit->first = segpool_user_waiting(user, unit->class_index);
		*leaving = !found(unit) && user->classes[unit->class_index].nr_leaving;
	}
}

/*
 * The order of taking: released by the class, new, released by another class. Regions whose
 * pages are leaving wait in a moment: new ones would be there for ever.
 */
static int find_regions(struct unit *unit)
{
	const struct segpool_user *user = unit->pool->user;
	bool leaving;
	uint32_t i;

	unit->carved = false;
	find_released(unit, &leaving);
	if (leaving)
		return -EAGAIN;
	if (found(unit))
		return 0;
	if (uncarved(user) >= unit->nr) {
		unit->carved = true;
		unit->first = user->carved;
		return 0;
	}
	for (i = 0; i < user->nr_classes && unit->nr == 1 && !found(unit); i++)
		unit->first = segpool_user_waiting(user, i);
	if (found(unit))
		return 0;
	return unit->nr == 1 && user->nr_leaving ? -EAGAIN : -ENOMEM;
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
		if (!unit->carved) {
			segpool_user_dequeue(user, region);
			user->classes[region->class_index].nr_freed--;
		}
		region->busy = true;
	}
}

static int refuse(struct unit *unit, uint32_t reason)
{
	unit->reason = reason;
	return -ENOMEM;
}

/* -EAGAIN: the lock was let go, look again. */
static int try_admit(struct unit *unit)
{
	struct segpool_user *user = unit->pool->user;
	int error = unit->handle ? find_named(unit) : find_regions(unit);

	if (error == -EAGAIN)
		segpool_user_settle(user);
	if (error == -ENOMEM)
		return refuse(unit, SEGPOOL_REASON_VIRTUAL);
	if (error)
		return error;
	/* Not even with all that is retained: then nothing is given back for it. */
	if (user->physical + unit_pages(unit) > segpool_user_budget(user))
		return refuse(unit, SEGPOOL_REASON_PHYSICAL);
	error = segpool_user_make_room(unit->pool, unit_pages(unit) - retained_in(unit),
				       &unit->failures);
	if (error)
		return error == -ENOMEM ? refuse(unit, SEGPOOL_REASON_PHYSICAL) : error;
	claim(unit);
	return 0;
}

/* May there be something in its pages that a request for zeroes must not see? */
static bool needs_clearing(const struct unit *unit)
{
	return unit->flags & SEGPOOL_ZERO && !unit->carved;
}

static bool unit_lacks(const struct unit *unit)
{
	const struct segpool_user *user = unit->pool->user;
	uint32_t i;

	if (needs_clearing(unit))
		return true;
	for (i = unit->first; i < unit->first + unit->nr; i++)
		if (!user->regions[i].allowed ||
		    (unit->flags & SEGPOOL_POPULATE && !user->regions[i].present))
			return true;
	return false;
}

static void write_zeroes(const struct unit *unit, uint32_t index)
{
	const struct segpool_user *user = unit->pool->user;

	memset(unit->pool->base + index * user->region_size, 0, (size_t)user->region_size);
}

/* Pages that are there and wanted are written to, others go: who touches them finds zeroes. */
static void clear(const struct unit *unit, uint32_t index)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region = &user->regions[index];

	if ((unit->flags & SEGPOOL_POPULATE && region->present) ||
	    segpool_user_give(unit->pool, index, 0, user->region_size)) {
		write_zeroes(unit, index);
		return;
	}
	region->present = false;
	region->pages = 0;
}

static int prepare_region(const struct unit *unit, uint32_t index)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region = &user->regions[index];
	int error;

	if (!region->allowed) {
		error = segpool_user_allow(unit->pool, index, user->region_size);
		if (error)
			return error;
		region->allowed = true;
	}
	if (needs_clearing(unit))
		clear(unit, index);
	if (!(unit->flags & SEGPOOL_POPULATE) || region->present)
		return 0;
	error = segpool_user_bring(unit->pool, index, 0, user->region_size);
	region->present = !error;
	return error;
}

/* Without the lock: the regions are busy, and so nobody else's. */
static int prepare(const struct unit *unit)
{
	uint32_t i;
	int error = 0;

	for (i = 0; !error && i < unit->nr; i++)
		error = prepare_region(unit, unit->first + i);
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

	queue->nr_active++;
	region->class_index = (uint8_t)unit->class_index;
	region->state = SEGPOOL_ACTIVE;
	region->pages = user->region_pages;
	memset(user->discarded + index * words, 0, words * sizeof(*user->discarded));
	region->generation = segpool_user_generation_after(region->generation);
	result->handle = (uint64_t)region->generation << 32 | index;
}

/*
 * The system had no page: all goes back, and what was retained with a region stays with it. New
 * regions wait as released ones, and count so.
 */
static void put_back(struct unit *unit)
{
	struct segpool_user *user = unit->pool->user;
	struct segpool_user_region *region;
	uint32_t i;

	user->physical -= unit_pages(unit);
	for (i = unit->first; i < unit->first + unit->nr; i++) {
		region = &user->regions[i];
		region->busy = false;
		region->since = segpool_user_now_ms();
		user->retained += region->pages;
		user->classes[region->class_index].nr_freed++;
		segpool_user_enqueue(user, region);
		if (unit->carved)
			segpool_user_count(user, region->class_index, SEGPOOL_C_RELEASED_REGIONS,
					   SEGPOOL_CC_RELEASED_REGIONS);
	}
}

/* Pages that a request got, and then did not: the others are retained, or were never there. */
static void give_half_done(const struct unit *unit)
{
	const struct segpool_user *user = unit->pool->user;
	uint32_t i;

	for (i = unit->first; i < unit->first + unit->nr; i++)
		if (!user->regions[i].pages)
			segpool_user_give(unit->pool, i, 0, user->region_size);
}

/* After admission: the regions get their pages and their owner. */
static int complete(struct unit *unit, struct segpool_region *results)
{
	struct segpool_user *user = unit->pool->user;
	int error = 0;
	uint32_t i;

	if (unit_lacks(unit)) {
		pthread_mutex_unlock(&user->lock);
		error = prepare(unit);
		if (error)
			give_half_done(unit);
		pthread_mutex_lock(&user->lock);
	}
	if (error) {
		put_back(unit);
		segpool_user_changed(user);
		return refuse(unit, SEGPOOL_REASON_SYSTEM);
	}
	for (i = 0; i < unit->nr; i++) {
		hand_out(unit, unit->first + i, &results[i]);
		user->regions[unit->first + i].busy = false;
	}
	/* Somebody may want one of these by its handle. */
	if (user->settlers)
		segpool_user_moved(user);
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

static void begin(const struct unit *unit, struct segpool_user_wait *wait, uint32_t timeout_ms)
{
	segpool_user_wait_begin(wait, unit->flags, timeout_ms);
	pthread_mutex_lock(&unit->pool->user->lock);
	segpool_user_age(unit->pool);
}

/* The reason of a refusal, which is counted; SEGPOOL_REASON_NONE where it was none. */
static uint32_t end(const struct unit *unit, const struct segpool_user_wait *wait, int error)
{
	struct segpool_user *user = unit->pool->user;

	if (error == -ENOMEM)
		segpool_user_count_refusal(user, unit->class_index, unit->reason);
	segpool_user_wait_end(user, wait);
	pthread_mutex_unlock(&user->lock);
	return error == -ENOMEM ? unit->reason : SEGPOOL_REASON_NONE;
}

int segpool_user_alloc(const struct segpool *pool, struct segpool_alloc *call)
{
	struct segpool_region *results = (struct segpool_region *)(uintptr_t)call->results;
	bool together = call->flags & SEGPOOL_CONTIGUOUS;
	struct unit unit = { .pool = pool, .class_index = call->class_index,
			     .flags = call->flags, .nr = together ? call->count : 1 };
	struct segpool_user_wait wait;
	int error = 0;

	begin(&unit, &wait, call->timeout_ms);
	for (call->done = 0; !error && call->done < call->count; call->done += error ? 0 : unit.nr)
		error = request(&unit, &wait, results + call->done);
	call->reason = end(&unit, &wait, error);
	return call->done ? 0 : error;
}

int segpool_user_reuse(const struct segpool *pool, struct segpool_reuse *call)
{
	struct unit unit = { .pool = pool, .class_index = call->class_index,
			     .flags = call->flags, .nr = 1, .handle = call->handle };
	struct segpool_user_wait wait;
	int error;

	/* No handle is 0, which here means that any region will do. */
	if (!call->handle)
		return -ENOENT;
	begin(&unit, &wait, call->timeout_ms);
	error = request(&unit, &wait, &call->region);
	call->reason = end(&unit, &wait, error);
	return error;
}
