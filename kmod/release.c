// SPDX-License-Identifier: GPL-2.0-only
/* Releasing regions (FREE). */

#include <linux/err.h>
#include <linux/mm.h>

#include "segpool.h"
#include "trace.h"

/* Returns whether the region waits with its pages now. */
static bool release_kept(struct segpool_pool *pool, struct vm_area_struct *vma,
			 struct region *region, enum release_how how)
{
	if (how == RELEASE_LAZY && kept_release_lazily(pool, vma, region))
		return true;
	if (region->nr_pages)
		map_zap(vma, pool, region->index, 0, pool->region_pages);
	return how != RELEASE_NOW && kept_release(pool, region);
}

static void count_release(struct segpool_pool *pool, const struct region *region, u32 class,
			  u32 nr_pages)
{
	count(pool, SEGPOOL_C_RELEASED_REGIONS, 1);
	count_class(pool, class, SEGPOOL_CC_RELEASED_REGIONS);
	trace_segpool_region_release(pool->id, region->index, class, nr_pages);
}

static void release_locked(struct segpool_pool *pool, struct vm_area_struct *vma,
			   struct region *region, enum release_how how)
{
	u32 class = word_class(region_word(region));
	u32 nr_pages = region->nr_pages;

	if (!release_kept(pool, vma, region, how)) {
		/* Before the region can be taken, so that its taker finds the pages. */
		region_unback(pool, region, how != RELEASE_NOW);
		region_retire(pool, region);
	}
	count_release(pool, region, class, nr_pages);
}

/**
 * region_release_lent() - release a region lazily that the program has released by its word
 * @pool: the pool.
 * @region: active, locked, and its word is the kernel's.
 *
 * Without the mmap lock. What the limits have no room for goes to the system.
 *
 * Context: may be called in reclaim.
 */
void region_release_lent(struct segpool_pool *pool, struct region *region)
{
	u32 class = word_class(region_word(region));
	u32 nr_pages = region->nr_pages;

	region_assert_locked(region);
	if (!kept_release_lazily(pool, NULL, region)) {
		if (nr_pages)
			map_zap_region(pool, region->index);
		region_unback(pool, region, false);
		region_retire(pool, region);
	}
	count_release(pool, region, class, nr_pages);
}

/**
 * region_release() - FREE of one region
 * @pool: the pool of the calling process.
 * @handle: as handed out.
 * @how: what becomes of its pages.
 *
 * Context: may sleep; takes the mmap lock.
 * Return: 0, -ENOENT, -EALREADY, -ESTALE, -ENXIO, -EINTR.
 */
int region_release(struct segpool_pool *pool, u64 handle, enum release_how how)
{
	struct vm_area_struct *vma;
	struct region *region;
	int err;

	region = region_lookup(pool, handle_index(handle));
	if (!region)
		return -ENOENT;
	vma = map_lock(pool);
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	err = region_lock_killable(region);
	if (err)
		goto out_map_unlock;

	err = lent_withdraw(pool, region, handle);
	if (!err)
		release_locked(pool, vma, region, how);
	else if (err == -EALREADY)
		count(pool, SEGPOOL_C_DOUBLE_FREES, 1);
	else if (err == -ESTALE)
		count(pool, SEGPOOL_C_STALE_FREES, 1);

	region_unlock(region);
out_map_unlock:
	map_unlock(pool);
	if (err && pool->lent)
		lent_settled(pool);
	if (err)
		return err;
	if (how != RELEASE_NOW)
		kept_limits(pool);
	budget_wake(pool);
	return 0;
}
