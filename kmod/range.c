// SPDX-License-Identifier: GPL-2.0-only
/* Page ranges inside active regions: releasing them (DISCARD), backing them (POPULATE). */

#include <linux/err.h>
#include <linux/mm.h>

#include "segpool.h"
#include "valid.h"

/**
 * struct range_at - a range that was found, and stays
 * @vma: the mapping.
 * @region: the region, locked.
 * @first: first page.
 * @end: page after the last; more than @first.
 */
struct range_at {
	struct vm_area_struct *vma;
	struct region *region;
	u32 first;
	u32 end;
};

static int range_find(struct segpool_pool *pool, const struct segpool_range *range,
		      struct range_at *at)
{
	if (!range_valid(range, pool_region_size(pool)))
		return -EINVAL;
	at->first = range->offset >> PAGE_SHIFT;
	at->end = at->first + (range->length >> PAGE_SHIFT);
	at->region = region_lookup(pool, handle_index(range->handle));
	return at->region ? 0 : -ENOENT;
}

static int range_lock(struct segpool_pool *pool, const struct segpool_range *range,
		      struct range_at *at)
{
	int err;

	err = range_find(pool, range, at);
	if (err)
		return err;
	at->vma = map_lock(pool);
	if (IS_ERR(at->vma))
		return PTR_ERR(at->vma);
	err = region_lock_killable(at->region);
	if (err)
		goto err_map_unlock;
	err = word_check_active(region_word(at->region), range->handle);
	if (err)
		goto err_region_unlock;
	return 0;

err_region_unlock:
	region_unlock(at->region);
err_map_unlock:
	map_unlock(pool);
	return err;
}

static void range_unlock(struct segpool_pool *pool, struct range_at *at)
{
	region_unlock(at->region);
	map_unlock(pool);
}

/* Pages are handed back in portions, so that a release needs no memory. */
#define DISCARD_PORTION 64

static void discard_locked(struct segpool_pool *pool, struct range_at *at, bool retain)
{
	struct page *pages[DISCARD_PORTION];
	struct region *region = at->region;
	u32 found = 0;
	u32 i;

	region_assert_locked(region);
	if (!region->nr_pages)
		return;

	map_zap(at->vma, pool, region->index, at->first, at->end - at->first);
	for (i = at->first; i < at->end; i++) {
		if (region->pages[i]) {
			pages[found++] = region->pages[i];
			region->pages[i] = NULL;
			region->nr_pages--;
		}
		if (found == DISCARD_PORTION || (found && i == at->end - 1)) {
			pages_put(pool, pages, found, retain);
			found = 0;
		}
	}
}

/**
 * range_discard() - DISCARD of one range
 * @pool: the pool of the calling process.
 * @range: from user space, unchecked.
 * @retain: keep its pages for the next request, as far as the limits allow.
 *
 * Context: may sleep; takes the mmap lock.
 * Return: 0, -EINVAL, -ENOENT, -EALREADY, -ESTALE, -ENXIO, -EINTR.
 */
int range_discard(struct segpool_pool *pool, const struct segpool_range *range, bool retain)
{
	struct range_at at;
	int err;

	err = range_lock(pool, range, &at);
	if (err)
		return err;
	discard_locked(pool, &at, retain);
	range_unlock(pool, &at);
	return 0;
}

/* The next run of missing pages from @from on; false where there is none. */
static bool next_hole(const struct region *region, u32 from, u32 end, u32 *start, u32 *nr)
{
	while (from < end && region->pages[from])
		from++;
	*start = from;
	while (from < end && !region->pages[from])
		from++;
	*nr = from - *start;
	return *nr;
}

/* Maps @pages into the holes between @first and @end: all or none. */
static int fill_holes(struct segpool_pool *pool, struct vm_area_struct *vma,
		      struct region *region, u32 first, u32 end, struct page **pages)
{
	u32 start, nr, next;
	u32 used = 0;
	int err;

	for (next = first; next_hole(region, next, end, &start, &nr); next = start + nr) {
		err = map_insert(vma, pool, region->index, start, pages + used, nr);
		if (err) {
			end = start;
			goto err_unmap;
		}
		used += nr;
	}

	used = 0;
	for (next = first; next < end; next++) {
		if (region->pages[next])
			continue;
		region->pages[next] = pages[used++];
		region->nr_pages++;
	}
	return 0;

err_unmap:
	for (next = first; next_hole(region, next, end, &start, &nr); next = start + nr)
		map_zap(vma, pool, region->index, start, nr);
	return -ENOMEM;
}

static u32 count_holes(const struct region *region, u32 first, u32 end)
{
	u32 start, nr, next;
	u32 missing = 0;

	if (!region->pages)
		return end - first;
	for (next = first; next_hole(region, next, end, &start, &nr); next = start + nr)
		missing += nr;
	return missing;
}

/**
 * struct backing - pages for the missing ones of a range
 * @array: the region's array, where it had none.
 * @pages: the pages.
 * @nr: how many.
 */
struct backing {
	struct page **array;
	struct page **pages;
	u32 nr;
};

static void backing_put(struct segpool_pool *pool, struct backing *backing)
{
	pages_put(pool, backing->pages, backing->nr, true);
	pages_array_free(backing->pages, backing->nr);
	pages_array_free(backing->array, pool->region_pages);
}

static int backing_get(struct segpool_pool *pool, struct backing *backing, u32 nr,
		       bool with_array, bool zero, u32 *reason)
{
	int err = -ENOMEM;

	backing->nr = nr;
	backing->array = NULL;
	if (with_array) {
		backing->array = pages_array_alloc(pool->region_pages, reason);
		if (!backing->array)
			return -ENOMEM;
	}
	backing->pages = pages_array_alloc(nr, reason);
	if (!backing->pages)
		goto err_free_array;
	err = pages_get(pool, backing->pages, nr, zero, reason);
	if (err)
		goto err_free_pages;
	return 0;

err_free_pages:
	pages_array_free(backing->pages, nr);
err_free_array:
	pages_array_free(backing->array, pool->region_pages);
	return err;
}

/*
 * Backs the missing pages of the range from @backing, which is left with what it
 * did not need. -EAGAIN: there are more missing than it has.
 */
static int backing_use(struct segpool_pool *pool, struct range_at *at, struct backing *backing)
{
	struct region *region = at->region;
	u32 missing = count_holes(region, at->first, at->end);
	int err;

	region_assert_locked(region);
	if (missing > backing->nr)
		return -EAGAIN;
	if (!region_table_headroom(pool, region))
		return -ENOMEM;
	if (!region->pages) {
		region->pages = backing->array;
		backing->array = NULL;
	}
	err = fill_holes(pool, at->vma, region, at->first, at->end, backing->pages);
	if (!err) {
		memset(backing->pages, 0, missing * sizeof(*backing->pages));
		set_bit(REGION_TABLE, &region->flags);
	}
	return err;
}

/*
 * Backs a range, as far as it is not. Faults may bring pages of it meanwhile, and
 * DISCARD may take some: what is missing is counted anew before and after each
 * try. Sets @class to the region's once that is known.
 */
static int populate_missing(struct segpool_pool *pool, const struct segpool_range *range,
			    bool zero, u32 *class, u32 *reason)
{
	/* So many were not to be had. */
	u32 refused = U32_MAX;
	struct backing backing;
	struct range_at at;
	bool with_array;
	u32 missing;
	int err;

	for (;;) {
		err = range_lock(pool, range, &at);
		if (err)
			return err;
		*class = word_class(region_word(at.region));
		zero |= test_bit(REGION_ZERO, &at.region->flags);
		missing = count_holes(at.region, at.first, at.end);
		with_array = !at.region->pages;
		range_unlock(pool, &at);
		if (!missing)
			return 0;
		if (missing >= refused)
			return -ENOMEM;

		/* Without locks: faults of the whole process would wait for us. */
		err = backing_get(pool, &backing, missing, with_array, zero, reason);
		if (err == -ENOMEM) {
			refused = missing;
			continue;
		}
		if (err)
			return err;
		refused = U32_MAX;
		err = range_lock(pool, range, &at);
		if (!err) {
			err = backing_use(pool, &at, &backing);
			range_unlock(pool, &at);
		}
		if (err == -ENOMEM)
			*reason = SEGPOOL_REASON_SYSTEM;
		backing_put(pool, &backing);
		if (err != -EAGAIN)
			return err;
	}
}

/*
 * One try to back a range. Two of one region come one after the other: both would
 * reserve the budget for the same pages.
 */
static int populate_try(struct segpool_pool *pool, const struct segpool_range *range, bool zero,
			u32 *class, u32 *reason)
{
	struct range_at at;
	int err;

	err = range_find(pool, range, &at) ?: region_fill_begin(at.region);
	if (err)
		return err;
	err = populate_missing(pool, range, zero, class, reason);
	region_fill_end(at.region);
	return err;
}

/**
 * range_populate() - POPULATE of one range
 * @pool: the pool of the calling process.
 * @range: from user space, unchecked.
 * @zero: every page it brings reads as zero.
 * @wait: how to wait for budget, with what is left of its time.
 * @reason: set where the return value is -ENOMEM.
 *
 * Context: may sleep; takes the mmap lock; killable.
 * Return: 0, -EINVAL, -ENOENT, -EALREADY, -ESTALE, -ENOMEM, -EINTR, -ENXIO.
 */
int range_populate(struct segpool_pool *pool, const struct segpool_range *range, bool zero,
		   struct budget_wait *wait, u32 *reason)
{
	u32 class = 0;
	int err;

	do {
		err = populate_try(pool, range, zero, &class, reason);
	} while (err == -ENOMEM && !(err = budget_wait(wait, *reason)));

	if (err == -ENOMEM)
		count_refusal(pool, class, *reason);
	return err;
}
