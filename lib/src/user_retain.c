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

/* May a region that is released keep so many pages, which are in use now? */
bool segpool_user_may_retain(const struct segpool_user *user, uint64_t pages)
{
	return segpool_user_owned(user) <= segpool_user_budget(user) &&
	       user->retained + pages <= user->limits.retain_limit / SEGPOOL_PAGE;
}

/*
 * The oldest retained pages go, and are counted as @counter: whether any went. Where the
 * system does not take them they stay, as the youngest: nobody tries them again at once.
 */
static bool drop_oldest(const struct segpool *pool, enum segpool_counter counter)
{
	struct segpool_user *user = pool->user;
	uint32_t index = user->ages.first;
	struct segpool_user_region *region = &user->regions[index];
	int error;

	segpool_user_dequeue(user, region);
	region->busy = true;
	user->leaving += user->region_pages;
	user->nr_leaving++;
	pthread_mutex_unlock(&user->lock);

	error = segpool_user_give(pool, index, 0, user->region_size);

	pthread_mutex_lock(&user->lock);
	region->busy = false;
	user->leaving -= user->region_pages;
	user->nr_leaving--;
	if (error) {
		region->since = segpool_user_now_ms();
	} else {
		region->pages = 0;
		region->present = false;
		user->retained -= user->region_pages;
		user->events[counter] += user->region_pages;
	}
	segpool_user_enqueue(user, region);
	segpool_user_changed(user);
	return !error;
}

static bool any_retained(const struct segpool_user *user)
{
	return user->ages.first != SEGPOOL_NO_REGION;
}

/* What has reached its age goes. */
void segpool_user_age(const struct segpool *pool)
{
	struct segpool_user *user = pool->user;
	uint64_t now;
	int i;

	if (!user->limits.retain_age_ms || !any_retained(user))
		return;
	now = segpool_user_now_ms();
	for (i = 0; i < AGED_PER_CALL && any_retained(user); i++)
		if (now - user->regions[user->ages.first].since < user->limits.retain_age_ms ||
		    !drop_oldest(pool, SEGPOOL_C_AGED_PAGES))
			return;
}

/*
 * Room in the budget for @pages more than the pool owns: 0 where it is there, -EAGAIN where
 * something has changed since and the caller has to look at everything again, -ENOMEM.
 */
int segpool_user_make_room(const struct segpool *pool, uint64_t pages)
{
	struct segpool_user *user = pool->user;
	uint64_t wanted = segpool_user_owned(user) + pages, budget = segpool_user_budget(user);

	if (wanted <= budget)
		return 0;
	if (wanted - user->leaving > budget && any_retained(user))
		return drop_oldest(pool, SEGPOOL_C_TRIMMED_PAGES) ? -EAGAIN : -ENOMEM;
	if (!user->leaving)
		return -ENOMEM;
	segpool_user_settle(user);
	return -EAGAIN;
}

static bool is_above(const struct segpool_user *user, uint64_t target)
{
	return user->retained - user->leaving > target ||
	       segpool_user_owned(user) - user->leaving > segpool_user_budget(user);
}

/* Until @target pages are retained at most, and the budget holds: how many went. */
uint64_t segpool_user_drop_above(const struct segpool *pool, uint64_t target)
{
	struct segpool_user *user = pool->user;
	uint64_t gone = 0;

	while (any_retained(user) && is_above(user, target) &&
	       drop_oldest(pool, SEGPOOL_C_TRIMMED_PAGES))
		gone += user->region_pages;
	return gone;
}
