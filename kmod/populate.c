// SPDX-License-Identifier: GPL-2.0-only
/* Backing page ranges inside active regions (POPULATE). */

#include <linux/mm.h>

#include "segpool.h"

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

/* Takes the first @nr of @pages, which are the region's, in this order, out of it again. */
static void empty_holes(struct segpool_pool *pool, struct vm_area_struct *vma,
			struct region *region, u32 first, struct page **pages, u32 nr)
{
	u32 i = 0;

	for (; i < nr; first++) {
		if (region->pages[first] != pages[i])
			continue;
		map_zap(vma, pool, region->index, first, 1);
		region->pages[first] = NULL;
		region->nr_pages--;
		i++;
	}
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
			empty_holes(pool, vma, region, first, pages, used);
			return -ENOMEM;
		}
		memcpy(region->pages + start, pages + used, nr * sizeof(*pages));
		region->nr_pages += nr;
		used += nr;
	}
	return 0;
}

static u32 count_holes(const struct region *region, u32 first, u32 end)
{
	u32 missing = 0;

	if (region_is_huge(region))
		return 0;
	if (!region->pages)
		return end - first;
	for (; first < end; first++)
		missing += !region->pages[first];
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
static int backing_use_huge(struct range_walk *walk, struct backing *backing)
{
	struct segpool_pool *pool = walk->pool;
	struct region *region = walk->locked;

	region_assert_locked(region);
	if (region->pages)
		return -EAGAIN;
	if (region_map_huge(pool, walk->vma, region, backing->huge))
		return -ENOMEM;
	region_back_huge(pool, region, backing->huge);
	backing->huge = NULL;
	return 0;
}

/*
 * Backs the missing pages of the range from @backing, which is left with what it
 * did not need. -EAGAIN: there are more missing than it has.
 */
static int backing_use(struct range_walk *walk, struct backing *backing)
{
	struct segpool_pool *pool = walk->pool;
	struct region *region = walk->locked;
	const struct range_at *at = &walk->at;
	u32 missing = count_holes(region, at->first, at->end);
	int err;

	region_assert_locked(region);
	if (!missing)
		return 0;
	if (backing->huge)
		return backing_use_huge(walk, backing);
	if (missing > backing->nr)
		return -EAGAIN;
	if (!region_table_headroom(pool, region))
		return -ENOMEM;
	if (!region->pages) {
		region->pages = backing->array;
		backing->array = NULL;
	}
	err = fill_holes(pool, walk->vma, region, at->first, at->end, backing->pages);
	if (!err) {
		memset(backing->pages, 0, missing * sizeof(*backing->pages));
		/* A larger region has more tables. */
		if (range_is_whole(walk) || pool_region_size(pool) <= PMD_SIZE)
			set_bit(REGION_TABLE, &region->flags);
	}
	return err;
}

/*
 * Backs a range from retained pages, without letting the region go. -EAGAIN: not that
 * way; nothing has changed.
 */
static int populate_retained(struct range_walk *walk, bool zero)
{
	struct segpool_pool *pool = walk->pool;
	struct region *region = walk->locked;
	u32 missing = count_holes(region, walk->at.first, walk->at.end);

	if (!missing)
		return 0;
	/* Zeroing takes long, and room for page tables memory: not while faults wait. */
	if (zero || test_bit(REGION_ZERO, &region->flags) ||
	    !test_bit(REGION_TABLE, &region->flags) || !region->pages ||
	    missing > RANGE_WALK_PAGES || !pages_get_retained(pool, walk->pages, missing))
		return -EAGAIN;
	if (!fill_holes(pool, walk->vma, region, walk->at.first, walk->at.end, walk->pages)) {
		lent_offer(pool, region, word_generation(region_word(region)));
		return 0;
	}
	pages_put(pool, walk->pages, missing, 0, true);
	return -EAGAIN;
}

/*
 * Backs a range, as far as it is not. Faults may bring pages of it meanwhile, and
 * DISCARD may take some: what is missing is counted anew before and after each
 * try. Sets @class to the region's once that is known.
 */
static int populate_missing(struct range_walk *walk, const struct segpool_range *range, bool zero,
			    u32 *class, u32 *reason)
{
	struct segpool_pool *pool = walk->pool;
	/* So many were not to be had. */
	u32 refused = U32_MAX;
	bool try_huge = pool->huge;
	struct backing backing;
	struct region *region;
	bool with_array;
	u32 missing;
	int err;

	for (;;) {
		err = range_walk_to(walk, range, false);
		if (!err) {
			region = walk->locked;
			*class = word_class(region_word(region));
			zero |= test_bit(REGION_ZERO, &region->flags);
			missing = count_holes(region, walk->at.first, walk->at.end);
			with_array = !region->pages;
			try_huge &= with_array && range_is_whole(walk);
		}
		range_walk_unlock(walk);
		if (err || !missing)
			return err;
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
		err = range_walk_to(walk, range, false);
		if (!err) {
			err = backing_use(walk, &backing);
			region = walk->locked;
			if (!err)
				lent_offer(pool, region, word_generation(region_word(region)));
		}
		range_walk_unlock(walk);
		if (err == -ENOMEM)
			*reason = SEGPOOL_REASON_SYSTEM;
		backing_put(pool, &backing);
		if (err != -EAGAIN)
			return err;
	}
}

/* Is there anything to do? 0: no; -EAGAIN: yes; otherwise why there will not be. */
static int populate_look(struct range_walk *walk, const struct segpool_range *range)
{
	int err = range_walk_to(walk, range, false);

	if (!err && count_holes(walk->locked, walk->at.first, walk->at.end))
		err = -EAGAIN;
	range_walk_unlock(walk);
	return err;
}

/*
 * One try to back a range. Two of one region come one after the other: both would
 * reserve the budget for the same pages. Who needs nothing does not wait for that.
 */
static int populate_try(struct range_walk *walk, const struct segpool_range *range, bool zero,
			u32 *class, u32 *reason)
{
	struct range_at at;
	int err;

	err = range_find(walk->pool, range, &at);
	if (err)
		return err;
	if (!region_fill_trybegin(at.region)) {
		err = populate_look(walk, range);
		if (err != -EAGAIN)
			return err;
		err = region_fill_begin(at.region);
		if (err)
			return err;
	}
	err = populate_missing(walk, range, zero, class, reason);
	region_fill_end(at.region);
	return err;
}

/**
 * range_populate() - POPULATE of one range
 * @walk: of the calls before, if there were any; range_walk_unlock() ends it.
 * @range: from user space, unchecked.
 * @zero: every page it brings reads as zero.
 * @wait: how to wait for budget, with what is left of its time.
 * @reason: set where the return value is -ENOMEM.
 *
 * Context: may sleep; takes the mmap lock; killable.
 * Return: 0, -EINVAL, -ENOENT, -EALREADY, -ESTALE, -ENOMEM, -EINTR, -ENXIO.
 */
int range_populate(struct range_walk *walk, const struct segpool_range *range, bool zero,
		   struct budget_wait *wait, u32 *reason)
{
	u32 class = 0;
	int err;

	err = range_walk_to(walk, range, false);
	if (!err)
		err = populate_retained(walk, zero);
	if (err != -EAGAIN)
		return err;

	/* The locks before this one's come first. */
	range_walk_unlock(walk);
	do {
		err = populate_try(walk, range, zero, &class, reason);
	} while (err == -ENOMEM && !(err = budget_wait(wait, *reason)));

	if (err == -ENOMEM)
		count_refusal(walk->pool, class, *reason);
	return err;
}
