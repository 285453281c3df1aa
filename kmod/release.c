// SPDX-License-Identifier: GPL-2.0-only
/* Releasing regions (FREE). */

#include <linux/err.h>
#include <linux/mm.h>

#include "segpool.h"
#include "trace.h"

/* Unmaps the whole region and hands its page array over; NULL if it had none. */
static struct page **detach_pages(struct segpool_pool *pool, struct vm_area_struct *vma,
				  struct region *region)
{
	struct page **pages = region->pages;

	region_assert_locked(region);
	if (region->nr_pages)
		map_zap(vma, pool, region->index, 0, pool->region_pages);
	region->pages = NULL;
	region->nr_pages = 0;
	return pages;
}

static void release_locked(struct segpool_pool *pool, struct vm_area_struct *vma,
			   struct region *region, bool retain)
{
	u32 class = word_class(region_word(region));
	u32 nr_pages = region->nr_pages;
	struct page **pages;

	pages = detach_pages(pool, vma, region);
	if (pages) {
		/* Before the region can be taken, so that its taker finds the pages. */
		pages_put(pool, pages, pool->region_pages, retain);
		pages_array_free(pages, pool->region_pages);
	}
	region_retire(pool, region);
	count(pool, SEGPOOL_C_RELEASED_REGIONS, 1);
	count_class(pool, class, SEGPOOL_CC_RELEASED_REGIONS);
	trace_segpool_region_release(pool->id, region->index, class, nr_pages);
}

/**
 * region_release() - FREE of one region
 * @pool: the pool of the calling process.
 * @handle: as handed out.
 * @retain: keep its pages for the next request, as far as the limits allow.
 *
 * Context: may sleep; takes the mmap lock.
 * Return: 0, -ENOENT, -EALREADY, -ESTALE, -ENXIO, -EINTR.
 */
int region_release(struct segpool_pool *pool, u64 handle, bool retain)
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

	err = word_check_active(region_word(region), handle);
	if (!err)
		release_locked(pool, vma, region, retain);
	else if (err == -EALREADY)
		count(pool, SEGPOOL_C_DOUBLE_FREES, 1);
	else if (err == -ESTALE)
		count(pool, SEGPOOL_C_STALE_FREES, 1);

	region_unlock(region);
out_map_unlock:
	map_unlock(pool);
	if (!err)
		budget_wake(pool);
	return err;
}
