// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Parts of active regions (DISCARD, POPULATE). */
#include <errno.h>

#include "user.h"

/* The pages of a range: a region's first is 0. */
struct pages {
	uint64_t *bits;
	uint32_t first, end;
};

static struct pages pages_of(const struct segpool_user *user,
			     const struct segpool_user_region *region,
			     const struct segpool_range *range)
{
	size_t words = (user->region_pages + 63) / 64;

	return (struct pages){
		.bits = user->discarded + segpool_user_index(user, region) * words,
		.first = (uint32_t)(range->offset / SEGPOOL_PAGE),
		.end = (uint32_t)((range->offset + range->length) / SEGPOOL_PAGE),
	};
}

static bool is_discarded(const struct pages *pages, uint32_t page)
{
	return pages->bits[page / 64] >> page % 64 & 1;
}

static uint32_t count_discarded(const struct pages *pages)
{
	uint32_t page, n = 0;

	for (page = pages->first; page < pages->end; page++)
		n += is_discarded(pages, page);
	return n;
}

static void mark_discarded(const struct pages *pages, bool discarded)
{
	uint32_t page;

	for (page = pages->first; page < pages->end; page++) {
		pages->bits[page / 64] &= ~(1ULL << page % 64);
		pages->bits[page / 64] |= (uint64_t)discarded << page % 64;
	}
}

/* Where the program has locked its memory, and the kernel is older than 5.18, nothing goes. */
static int discard_locked(const struct segpool *pool, struct segpool_user_region *region,
			  const struct segpool_range *range, uint32_t *reason)
{
	struct segpool_user *user = pool->user;
	struct pages pages = pages_of(user, region, range);
	uint32_t nr = pages.end - pages.first - count_discarded(&pages);
	int error;

	region->busy = true;
	pthread_mutex_unlock(&user->lock);
	error = segpool_user_give(pool, segpool_user_index(user, region), range->offset,
				  range->length);
	pthread_mutex_lock(&user->lock);
	region->busy = false;
	region->present = false;
	if (error) {
		segpool_user_moved(user);
		*reason = SEGPOOL_REASON_SYSTEM;
		return -ENOMEM;
	}
	mark_discarded(&pages, true);
	region->pages -= nr;
	user->physical -= nr;
	segpool_user_changed(user);
	return 0;
}

int segpool_user_discard(const struct segpool *pool, const struct segpool_range *range,
			 uint32_t *reason)
{
	struct segpool_user *user = pool->user;
	struct segpool_user_region *region;
	int error;

	pthread_mutex_lock(&user->lock);
	region = segpool_user_settled(user, range->handle);
	error = segpool_user_check_active(region, range->handle);
	if (!error)
		error = discard_locked(pool, region, range, reason);
	pthread_mutex_unlock(&user->lock);
	return error;
}

/*
 * With the budget in hand. Where the system has not all of them, some may have come: they are
 * like those that a touch has brought, since nobody can tell these from those.
 */
static int bring_range(const struct segpool *pool, struct segpool_user_region *region,
		       const struct segpool_range *range)
{
	uint32_t index = segpool_user_index(pool->user, region);
	struct segpool_user *user = pool->user;
	int error;

	region->busy = true;
	pthread_mutex_unlock(&user->lock);
	error = segpool_user_bring(pool, index, range->offset, range->length);
	pthread_mutex_lock(&user->lock);
	region->busy = false;
	return error;
}

/* -EAGAIN: the lock was let go, look at the region again. */
static int populate_locked(const struct segpool *pool, struct segpool_user_region *region,
			   const struct segpool_range *range, uint32_t *failures,
			   uint32_t *reason)
{
	struct segpool_user *user = pool->user;
	struct pages pages = pages_of(user, region, range);
	uint32_t nr = count_discarded(&pages);
	int error;

	*reason = SEGPOOL_REASON_PHYSICAL;
	if (nr && user->physical + nr > segpool_user_budget(user))
		return -ENOMEM;
	error = nr ? segpool_user_make_room(pool, nr, failures) : 0;
	if (error)
		return error;
	segpool_user_use_pages(user, nr);
	if (!region->present)
		error = bring_range(pool, region, range);
	if (error) {
		*reason = SEGPOOL_REASON_SYSTEM;
		user->physical -= nr;
		error = -ENOMEM;
	} else {
		mark_discarded(&pages, false);
		region->pages += nr;
		user->events[SEGPOOL_C_SYSTEM_PAGES] += nr;
		user->events[SEGPOOL_C_ZEROED_PAGES] += nr;
		region->present |= range->length == user->region_size;
	}
	segpool_user_changed(user);
	return error;
}

static int try_populate(const struct segpool *pool, const struct segpool_range *range,
			uint32_t *reason)
{
	struct segpool_user_region *region;
	uint32_t failures = 0;
	int error;

	do {
		region = segpool_user_settled(pool->user, range->handle);
		error = segpool_user_check_active(region, range->handle);
		if (!error)
			error = populate_locked(pool, region, range, &failures, reason);
	} while (error == -EAGAIN);
	return error;
}

int segpool_user_populate(const struct segpool *pool, const struct segpool_range *range,
			  struct segpool_user_wait *wait, uint32_t *reason)
{
	struct segpool_user *user = pool->user;
	const struct segpool_user_region *region;
	int error;

	pthread_mutex_lock(&user->lock);
	do {
		error = try_populate(pool, range, reason);
	} while (error == -ENOMEM && !(error = segpool_user_wait(user, wait, *reason)));
	if (error == -ENOMEM) {
		region = segpool_user_named(user, range->handle);
		segpool_user_count_refusal(user, region->class_index, *reason);
	}
	pthread_mutex_unlock(&user->lock);
	return error;
}
