// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Releasing regions (FREE). */
#include <errno.h>

#include "user.h"

static int check(struct segpool_user *user, const struct segpool_user_region *region,
		 uint64_t handle)
{
	int error = segpool_user_check_active(region, handle);

	user->events[SEGPOOL_C_DOUBLE_FREES] += error == -EALREADY;
	user->events[SEGPOOL_C_STALE_FREES] += error == -ESTALE;
	return error;
}

/*
 * All pages or none stay with the region: of one with discarded pages nobody knows which of
 * those a touch has brought back. Where the system does not take its pages they are
 * retained, whatever the limit says: they are there.
 */
static void release(const struct segpool *pool, struct segpool_user_region *region, bool retain)
{
	struct segpool_user *user = pool->user;
	uint32_t pages = region->pages;
	int error;

	if (!retain || pages < user->region_pages || !segpool_user_may_retain(user, pages)) {
		region->busy = true;
		pthread_mutex_unlock(&user->lock);
		error = segpool_user_give(pool, segpool_user_index(user, region), 0,
					  user->region_size);
		pthread_mutex_lock(&user->lock);
		region->busy = false;
		region->present = false;
		if (error)
			/* Who knows which of them are there. */
			segpool_user_use_pages(user, user->region_pages - pages);
		else
			user->physical -= pages;
		region->pages = error ? user->region_pages : 0;
	}
	segpool_user_retain_pages(user, region->pages);
	region->since = segpool_user_now_ms();
	segpool_user_retire(user, region);
	segpool_user_changed(user);
}

int segpool_user_free(const struct segpool *pool, uint64_t handle, uint32_t flags)
{
	struct segpool_user *user = pool->user;
	struct segpool_user_region *region;
	int error;

	pthread_mutex_lock(&user->lock);
	segpool_user_age(pool);
	region = segpool_user_settled(user, handle);
	error = check(user, region, handle);
	if (!error)
		release(pool, region, !(flags & SEGPOOL_NOW));
	pthread_mutex_unlock(&user->lock);
	return error;
}
