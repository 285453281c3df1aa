// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page ranges inside active regions: a walk from one to the next, and their release
 * (DISCARD). What backs them (POPULATE) is in populate.c.
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>

#include "segpool.h"
#include "valid.h"

/**
 * range_find() - where a range is
 * @pool: the pool of the calling process.
 * @range: from user space, unchecked.
 * @at: set to that.
 *
 * Return: 0, -EINVAL, -ENOENT.
 */
int range_find(struct segpool_pool *pool, const struct segpool_range *range, struct range_at *at)
{
	if (!range_valid(range, pool_region_size(pool)))
		return -EINVAL;
	at->first = range->offset >> PAGE_SHIFT;
	at->end = at->first + (range->length >> PAGE_SHIFT);
	at->region = region_lookup(pool, handle_index(range->handle));
	return at->region ? 0 : -ENOENT;
}

/**
 * range_walk_to() - lock a range's region, if that is not the one before's
 * @walk: set to the range.
 * @range: from user space, unchecked.
 * @withdraw: pages are about to leave, so that the program must not release the region
 *	with all of them by its word.
 *
 * To be followed, some time, by range_walk_unlock(); also where this fails.
 *
 * Context: may sleep; takes the mmap lock.
 * Return: 0, -EINVAL, -ENOENT, -EALREADY, -ESTALE, -ENXIO, -EINTR.
 */
int range_walk_to(struct range_walk *walk, const struct segpool_range *range, bool withdraw)
{
	struct vm_area_struct *vma;
	int err;

	err = range_find(walk->pool, range, &walk->at);
	if (err)
		return err;
	/* Who waits for the mmap lock waits for one region, not for all of the call. */
	if (walk->locked && walk->locked != walk->at.region &&
	    mmap_lock_is_contended(walk->pool->mm))
		range_walk_unlock(walk);
	if (!walk->vma) {
		vma = map_lock(walk->pool);
		if (IS_ERR(vma))
			return PTR_ERR(vma);
		walk->vma = vma;
	}
	if (walk->locked != walk->at.region) {
		if (walk->locked)
			region_unlock(walk->locked);
		walk->locked = NULL;
		err = region_lock_killable(walk->at.region);
		if (err)
			return err;
		walk->locked = walk->at.region;
	}
	if (withdraw) {
		err = lent_withdraw(walk->pool, walk->locked, range->handle);
	} else {
		lent_settle(walk->pool, walk->locked);
		err = word_check_active(region_word(walk->locked), range->handle);
	}
	/* Then it may have been settled. */
	if (err && walk->pool->lent)
		walk->settled = true;
	return err;
}

void range_walk_unlock(struct range_walk *walk)
{
	if (walk->locked)
		region_unlock(walk->locked);
	if (walk->vma)
		map_unlock(walk->pool);
	walk->locked = NULL;
	walk->vma = NULL;
	if (walk->settled)
		lent_settled(walk->pool);
	walk->settled = false;
}

/* Of the range that was walked to. */
bool range_is_whole(const struct range_walk *walk)
{
	return walk->at.end - walk->at.first == walk->pool->region_pages;
}

static void put_pages(struct range_walk *walk, bool retain)
{
	pages_put(walk->pool, walk->pages, walk->nr, 0, retain);
	walk->nr = 0;
}

/**
 * range_discard() - DISCARD of one range
 * @walk: of the calls before, if there were any; range_discard_end() ends it.
 * @range: from user space, unchecked.
 * @retain: keep its pages for the next request, as far as the limits allow.
 * @reason: set where the return value is -ENOMEM.
 *
 * The pages are unmapped, and go on counting as physical until the walk has so many
 * that it hands them back, or ends.
 *
 * Context: may sleep; takes the mmap lock.
 * Return: 0, -EINVAL, -ENOENT, -EALREADY, -ESTALE, -ENXIO, -EINTR; -ENOMEM: a huge
 * page cannot be split, and nothing has changed.
 */
int range_discard(struct range_walk *walk, const struct segpool_range *range, bool retain,
		  u32 *reason)
{
	struct segpool_pool *pool = walk->pool;
	struct region *region;
	int err;
	u32 i;

	err = range_walk_to(walk, range, true);
	if (err)
		return err;
	region = walk->locked;
	if (!region->nr_pages)
		return 0;
	if (region_is_huge(region) && range_is_whole(walk)) {
		map_zap(walk->vma, pool, region->index, 0, pool->region_pages);
		region_unback(pool, region, retain);
		return 0;
	}
	err = region_is_huge(region) ? region_split(pool, walk->vma, region, reason) : 0;
	if (err)
		return err;

	map_zap(walk->vma, pool, region->index, walk->at.first, walk->at.end - walk->at.first);
	for (i = walk->at.first; i < walk->at.end; i++) {
		if (!region->pages[i])
			continue;
		walk->pages[walk->nr++] = region->pages[i];
		region->pages[i] = NULL;
		region->nr_pages--;
		if (walk->nr == RANGE_WALK_PAGES)
			put_pages(walk, retain);
	}
	return 0;
}

/* Context: may sleep. */
void range_discard_end(struct range_walk *walk, bool retain)
{
	range_walk_unlock(walk);
	put_pages(walk, retain);
}
