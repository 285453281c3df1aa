// SPDX-License-Identifier: GPL-2.0-only
/*
 * What backs a region: single pages, in an array of its own, or one huge page.
 * The caller owns the region or has it locked; nothing here maps or unmaps,
 * except where a huge page becomes single ones.
 */

#include <linux/gfp.h>
#include <linux/mm.h>

#include "segpool.h"

/* A region has all its pages from now on, and @pages is its array. */
void region_back(struct segpool_pool *pool, struct region *region, struct page **pages)
{
	region->pages = pages;
	region->nr_pages = pool->region_pages;
}

/* The same with a huge page. */
void region_back_huge(struct segpool_pool *pool, struct region *region, struct page *huge)
{
	region->huge = huge;
	region->nr_pages = pool->region_pages;
	set_bit(REGION_HUGE, &region->flags);
	atomic_inc(&pool->nr_huge);
}

static void clear_huge(struct segpool_pool *pool, struct region *region)
{
	clear_bit(REGION_HUGE, &region->flags);
	atomic_dec(&pool->nr_huge);
}

/**
 * region_detach() - take the pages out of a region
 * @pool: the pool.
 * @region: with or without pages, none of which is mapped.
 * @taken: set to what it had.
 *
 * Context: any.
 */
void region_detach(struct segpool_pool *pool, struct region *region, struct region_pages *taken)
{
	*taken = (struct region_pages){};
	if (region_is_huge(region)) {
		taken->huge = region->huge;
		clear_huge(pool, region);
	} else {
		taken->pages = region->pages;
	}
	region->pages = NULL;
	WRITE_ONCE(region->nr_pages, 0);
	if (test_bit(REGION_MAPPED, &region->flags))
		clear_bit(REGION_MAPPED, &region->flags);
}

/**
 * region_unback() - take all pages of a region back
 * @pool: the pool.
 * @region: with or without pages, none of which is mapped.
 * @retain: keep them for the next request, as far as the limits allow.
 *
 * Context: may sleep.
 */
void region_unback(struct segpool_pool *pool, struct region *region, bool retain)
{
	struct region_pages taken;

	region_detach(pool, region, &taken);
	if (taken.huge) {
		pages_put(pool, &taken.huge, 1, HUGE_ORDER, retain);
	} else if (taken.pages) {
		pages_put(pool, taken.pages, pool->region_pages, 0, retain);
		pages_array_free(taken.pages, pool->region_pages);
	}
}

/**
 * region_map_huge() - map a huge page as a whole region
 * @pool: the pool.
 * @vma: from map_lock(), or a fault's.
 * @region: where; nothing else is mapped there.
 * @huge: the page.
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM: there is no room for page tables; -EBUSY: something else is
 * in its place.
 */
int region_map_huge(struct segpool_pool *pool, struct vm_area_struct *vma,
		    const struct region *region, struct page *huge)
{
	int err = map_insert_huge(vma, pool, region->index, huge, false);

	if (err != -EAGAIN)
		return err;
	if (!table_headroom(map_huge_tables(vma, pool, region->index)))
		return -ENOMEM;
	return map_insert_huge(vma, pool, region->index, huge, true);
}

/* A page of a region; NULL where it is not there. */
struct page *region_page(const struct region *region, u32 index)
{
	if (region_is_huge(region))
		return region->huge + index;
	return region->pages ? region->pages[index] : NULL;
}

/**
 * region_split() - make single pages of a region's huge page
 * @pool: the pool.
 * @vma: from map_lock().
 * @region: active, locked, backed by a huge page.
 * @reason: set where that fails.
 *
 * The pages stay mapped, but for a moment in which who touches one waits.
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM: nothing has changed.
 */
int region_split(struct segpool_pool *pool, struct vm_area_struct *vma, struct region *region,
		 u32 *reason)
{
	struct page *huge = region->huge;
	struct page **pages;
	u32 i;

	region_assert_locked(region);
	if (!map_has_single_table(vma, pool, region->index) && !table_headroom(1)) {
		*reason = SEGPOOL_REASON_SYSTEM;
		return -ENOMEM;
	}
	pages = pages_array_alloc(pool->region_pages, reason);
	if (!pages)
		return -ENOMEM;

	for (i = 0; i < pool->region_pages; i++)
		pages[i] = huge + i;
	map_zap(vma, pool, region->index, 0, pool->region_pages);
	if (map_insert(vma, pool, region->index, 0, pages, pool->region_pages))
		goto err_map_again;

	split_page(huge, HUGE_ORDER);
	clear_huge(pool, region);
	region->pages = pages;
	set_bit(REGION_TABLE, &region->flags);
	count(pool, SEGPOOL_C_SPLIT_REGIONS, 1);
	return 0;

err_map_again:
	/* There was no table, so one entry serves again. */
	WARN_ON_ONCE(map_insert_huge(vma, pool, region->index, huge, true));
	pages_array_free(pages, pool->region_pages);
	*reason = SEGPOOL_REASON_SYSTEM;
	return -ENOMEM;
}
