// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Retained pages: which may be, and giving them back. With the lock held, which is let
 * go while pages leave.
 */
#include <errno.h>

#include "user.h"

/* So many regions a call gives back for their age at most, on its way to something else. */
#define AGED_PER_CALL	8

uint64_t segpool_user_budget(const struct segpool_user *user)
{
	return user->limits.physical_budget / SEGPOOL_PAGE;
}

/* Pages that are retained still, and on their way to the system: regions lose all of theirs. */
static uint64_t leaving(const struct segpool_user *user)
{
	return (uint64_t)user->nr_leaving * user->region_pages;
}

/* May a region that is released keep so many pages, which are in use now? */
bool segpool_user_may_retain(const struct segpool_user *user, uint64_t pages)
{
	return segpool_user_owned(user) <= segpool_user_budget(user) &&
	       user->retained + pages <= user->limits.retain_limit / SEGPOOL_PAGE;
}

/*
 * The oldest retained pages go, and are counted as @counter: whether any went. Where the
 * system does not take them they stay, as the youngest, and nobody is told of anything new.
 */
static bool drop_oldest(const struct segpool *pool, enum segpool_counter counter)
{
	struct segpool_user *user = pool->user;
	uint32_t index = user->ages.first;
	struct segpool_user_region *region = &user->regions[index];
	struct segpool_user_class *queue = &user->classes[region->class_index];
	int error;

	segpool_user_dequeue(user, region);
	region->busy = true;
	region->leaving = true;
	queue->nr_leaving++;
	user->nr_leaving++;
	pthread_mutex_unlock(&user->lock);

	error = segpool_user_give(pool, index, 0, user->region_size);

	pthread_mutex_lock(&user->lock);
	region->busy = false;
	region->leaving = false;
	/* A part may have gone all the same. */
	region->present = false;
	queue->nr_leaving--;
	user->nr_leaving--;
	if (error) {
		region->since = segpool_user_now_ms();
		segpool_user_enqueue(user, region);
		segpool_user_moved(user);
		return false;
	}
	region->pages = 0;
	user->retained -= user->region_pages;
	user->events[counter] += user->region_pages;
	segpool_user_enqueue(user, region);
	segpool_user_changed(user);
	return true;
}

static bool any_retained(const struct segpool_user *user)
{
	return user->ages.first != SEGPOOL_NO_REGION;
}

static bool oldest_is_due(const struct segpool_user *user)
{
	return any_retained(user) && user->limits.retain_age_ms &&
	       segpool_user_now_ms() - user->regions[user->ages.first].since >=
		       user->limits.retain_age_ms;
}

/* What has reached its age goes. */
void segpool_user_age(const struct segpool *pool)
{
	int i;

	for (i = 0; i < AGED_PER_CALL && oldest_is_due(pool->user); i++)
		drop_oldest(pool, SEGPOOL_C_AGED_PAGES);
}

/*
 * Room in the budget for @pages more than the pool owns: 0 where it is there, -EAGAIN where
 * the lock was let go, so that the caller has to look at everything again, -ENOMEM where it was
 * not. @failures counts, for the caller's whole request, regions that the system did not take.
 */
int segpool_user_make_room(const struct segpool *pool, uint64_t pages, uint32_t *failures)
{
	struct segpool_user *user = pool->user;
	uint64_t wanted = segpool_user_owned(user) + pages, budget = segpool_user_budget(user);

	if (wanted <= budget)
		return 0;
	if (wanted - leaving(user) > budget) {
		if (*failures >= user->nr_kept)
			return -ENOMEM;
		*failures += !drop_oldest(pool, SEGPOOL_C_TRIMMED_PAGES);
		return -EAGAIN;
	}
	segpool_user_settle(user);
	return -EAGAIN;
}

/* Not counting @gone of them. */
static bool is_above(const struct segpool_user *user, uint64_t target, uint64_t gone)
{
	return user->retained - gone > target ||
	       segpool_user_owned(user) - gone > segpool_user_budget(user);
}

/* Until @target pages are retained at most, and the budget holds: how many this call gave back. */
uint64_t segpool_user_drop_above(const struct segpool *pool, uint64_t target)
{
	struct segpool_user *user = pool->user;
	uint32_t failures = 0;
	uint64_t gone = 0;

	while (is_above(user, target, 0)) {
		if (is_above(user, target, leaving(user)) && failures < user->nr_kept) {
			if (drop_oldest(pool, SEGPOOL_C_TRIMMED_PAGES))
				gone += user->region_pages;
			else
				failures++;
		} else if (user->nr_leaving) {
			segpool_user_settle(user);
		} else {
			break;
		}
	}
	return gone;
}
