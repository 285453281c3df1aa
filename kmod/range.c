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

static bool range_is_whole(const struct segpool_pool *pool, const struct range_at *at)
{
	return at->end - at->first == pool->region_pages;
}

static int discard_locked(struct segpool_pool *pool, struct range_at *at, bool retain, u32 *reason)
{
	struct page *pages[DISCARD_PORTION];
	struct region *region = at->region;
	u32 found = 0;
	int err;
	u32 i;

	region_assert_locked(region);
	if (!region->nr_pages)
		return 0;
	if (region_is_huge(region) && range_is_whole(pool, at)) {
		map_zap(at->vma, pool, region->index, 0, pool->region_pages);
		region_unback(pool, region, retain);
		return 0;
	}
	err = region_is_huge(region) ? region_split(pool, at->vma, region, reason) : 0;
	if (err)
		return err;

	map_zap(at->vma, pool, region->index, at->first, at->end - at->first);
	for (i = at->first; i < at->end; i++) {
		if (region->pages[i]) {
			pages[found++] = region->pages[i];
			region->pages[i] = NULL;
			region->nr_pages--;
		}
		if (found == DISCARD_PORTION || (found && i == at->end - 1)) {
			pages_put(pool, pages, found, 0, retain);
			found = 0;
		}
	}
	return 0;
}

/**
 * range_discard() - DISCARD of one range
 * @pool: the pool of the calling process.
 * @range: from user space, unchecked.
 * @retain: keep its pages for the next request, as far as the limits allow.
 * @reason: set where the return value is -ENOMEM.
 *
 * Context: may sleep; takes the mmap lock.
 * Return: 0, -EINVAL, -ENOENT, -EALREADY, -ESTALE, -ENXIO, -EINTR; -ENOMEM: a huge
 * page cannot be split, and nothing has changed.
 */
int range_discard(struct segpool_pool *pool, const struct segpool_range *range, bool retain,
		  u32 *reason)
{
	struct range_at at;
	int err;

	err = range_lock(pool, range, &at);
	if (err)
		return err;
	err = discard_locked(pool, &at, retain, reason);
	range_unlock(pool, &at);
	return err;
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

	if (region_is_huge(region))
		return 0;
	if (!region->pages)
		return end - first;
	for (next = first; next_hole(region, next, end, &start, &nr); next = start + nr)
		missing += nr;
	return missing;
}

/**
 * struct backing - pages for the missing ones of a range
 * @array: the region's array, where it had none.
 * @pages: the pages, or
 * @huge: a huge page, for a whole region.
 * @nr: how many @pages.
 */
struct backing {
	struct page **array;
	struct page **pages;
	struct page *huge;
	u32 nr;
};

static void backing_put(struct segpool_pool *pool, struct backing *backing)
{
	if (backing->huge)
		pages_put(pool, &backing->huge, 1, HUGE_ORDER, true);
	if (!backing->pages)
		return;
	pages_put(pool, backing->pages, backing->nr, 0, true);
	pages_array_free(backing->pages, backing->nr);
	pages_array_free(backing->array, pool->region_pages);
}

/* A huge page for a whole region that has no page. */
static int backing_get_huge(struct segpool_pool *pool, struct backing *backing, bool zero)
{
	u32 unused;
	int err;

	*backing = (struct backing){};
	err = pages_get(pool, &backing->huge, 1, HUGE_ORDER, zero, &unused);
	if (!err)
		return 0;
	backing->huge = NULL;
	if (err == -ENOMEM)
		count(pool, SEGPOOL_C_HUGE_FALLBACKS, 1);
	return err;
}

static int backing_get(struct segpool_pool *pool, struct backing *backing, u32 nr,
		       bool with_array, bool zero, u32 *reason)
{
	int err = -ENOMEM;

	*backing = (struct backing){ .nr = nr };
	if (with_array) {
		backing->array = pages_array_alloc(pool->region_pages, reason);
		if (!backing->array)
			return -ENOMEM;
	}
	backing->pages = pages_array_alloc(nr, reason);
	if (!backing->pages)
		goto err_free_array;
	err = pages_get(pool, backing->pages, nr, 0, zero, reason);
	if (err)
		goto err_free_pages;
	return 0;

err_free_pages:
	pages_array_free(backing->pages, nr);
err_free_array:
	pages_array_free(backing->array, pool->region_pages);
	return err;
}

/* -EAGAIN: the region has got pages meanwhile. */
static int backing_use_huge(struct segpool_pool *pool, struct range_at *at,
			    struct backing *backing)
{
	struct region *region = at->region;

	region_assert_locked(region);
	if (region->pages)
		return -EAGAIN;
	if (region_map_huge(pool, at->vma, region, backing->huge))
		return -ENOMEM;
	region_back_huge(pool, region, backing->huge);
	backing->huge = NULL;
	return 0;
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
	if (!missing)
		return 0;
	if (backing->huge)
		return backing_use_huge(pool, at, backing);
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
		/* A larger region has more tables. */
		if (range_is_whole(pool, at) || pool_region_size(pool) <= PMD_SIZE)
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
	bool try_huge = pool->huge;
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
		try_huge &= with_array && range_is_whole(pool, &at);
		range_unlock(pool, &at);
		if (!missing)
			return 0;
		if (missing >= refused)
			return -ENOMEM;

		/* Without locks: faults of the whole process would wait for us. */
		if (try_huge) {
			try_huge = false;
			err = backing_get_huge(pool, &backing, zero);
			if (err == -ENOMEM)
				continue;
		} else {
			err = backing_get(pool, &backing, missing, with_array, zero, reason);
		}
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

/* Is there anything to do? 0: no; -EAGAIN: yes; otherwise why there will not be. */
static int populate_look(struct segpool_pool *pool, const struct segpool_range *range)
{
	struct range_at at;
	u32 missing;
	int err;

	err = range_lock(pool, range, &at);
	if (err)
		return err;
	missing = count_holes(at.region, at.first, at.end);
	range_unlock(pool, &at);
	return missing ? -EAGAIN : 0;
}

/*
 * One try to back a range. Two of one region come one after the other: both would
 * reserve the budget for the same pages. Who needs nothing does not wait for that.
 */
static int populate_try(struct segpool_pool *pool, const struct segpool_range *range, bool zero,
			u32 *class, u32 *reason)
{
	struct range_at at;
	int err;

	err = range_find(pool, range, &at);
	if (err)
		return err;
	if (!region_fill_trybegin(at.region)) {
		err = populate_look(pool, range);
		if (err != -EAGAIN)
			return err;
		err = region_fill_begin(at.region);
		if (err)
			return err;
	}
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
