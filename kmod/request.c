// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests: handing regions out (ALLOC, REUSE) and backing parts of them
 * (POPULATE).
 *
 * Pages are got before a region is: a page can be put back without a trace, a
 * carved region cannot.
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "segpool.h"
#include "trace.h"

/**
 * struct unit - what is handed out together: one region, or neighbours
 * @pool: the pool.
 * @class: the class they will serve.
 * @flags: of the request.
 * @nr: number of regions.
 * @carved: they were carved for this request.
 * @regions: the regions, once claimed.
 * @pages: a page array for each, with SEGPOOL_POPULATE.
 */
struct unit {
	struct segpool_pool *pool;
	u32 class;
	u32 flags;
	u32 nr;
	bool carved;
	struct region **regions;
	struct page ***pages;
};

static void unit_put_pages(struct unit *unit)
{
	u32 i;

	for (i = 0; i < unit->nr; i++) {
		pages_put(unit->pool, unit->pages[i], unit->pool->region_pages, true);
		pages_array_free(unit->pages[i], unit->pool->region_pages);
	}
}

static void unit_free_arrays(struct unit *unit)
{
	u32 i;

	for (i = 0; i < unit->nr; i++)
		pages_array_free(unit->pages[i], unit->pool->region_pages);
}

static int unit_alloc_arrays(struct unit *unit, u32 *reason)
{
	u32 i;

	memset(unit->pages, 0, unit->nr * sizeof(*unit->pages));
	for (i = 0; i < unit->nr; i++) {
		unit->pages[i] = pages_array_alloc(unit->pool->region_pages, reason);
		if (!unit->pages[i]) {
			unit_free_arrays(unit);
			return -ENOMEM;
		}
	}
	return 0;
}

/*
 * For all regions at once: two requests that got theirs one by one could each
 * have half of a budget that is enough for one of them.
 */
static int unit_get_pages_many(struct unit *unit, u32 *reason)
{
	u32 region_pages = unit->pool->region_pages;
	u32 total = unit->nr * region_pages;
	struct page **all;
	u32 i;
	int err;

	all = pages_array_alloc(total, reason);
	if (!all)
		return -ENOMEM;
	err = pages_get(unit->pool, all, total, unit->flags & SEGPOOL_ZERO, reason);
	for (i = 0; !err && i < unit->nr; i++)
		memcpy(unit->pages[i], all + i * region_pages, region_pages * sizeof(*all));
	pages_array_free(all, total);
	return err;
}

static int unit_get_pages(struct unit *unit, u32 *reason)
{
	int err;

	err = unit_alloc_arrays(unit, reason);
	if (err)
		return err;
	if (unit->nr > 1)
		err = unit_get_pages_many(unit, reason);
	else
		err = pages_get(unit->pool, unit->pages[0], unit->pool->region_pages,
				unit->flags & SEGPOOL_ZERO, reason);
	if (err)
		unit_free_arrays(unit);
	return err;
}

static bool unit_carve(struct unit *unit, u32 *reason)
{
	unit->carved = region_carve(unit->pool, unit->class, unit->nr, unit->regions, reason);
	return unit->carved;
}

static bool unit_claim_other_class(struct unit *unit)
{
	u32 class;

	for (class = 0; class < unit->pool->nr_classes; class++)
		if (region_claim_freed(unit->pool, class, unit->regions))
			return true;
	return false;
}

/* The order of taking: released by the class, new, released by another class. */
static int unit_claim(struct unit *unit, u32 *reason)
{
	unit->carved = false;
	if (unit->nr > 1) {
		if (region_claim_run(unit->pool, unit->nr, unit->regions))
			return 0;
		return unit_carve(unit, reason) ? 0 : -ENOMEM;
	}
	if (region_claim_freed(unit->pool, unit->class, unit->regions) ||
	    unit_carve(unit, reason) || unit_claim_other_class(unit))
		return 0;
	return -ENOMEM;
}

static void unit_unclaim(struct unit *unit)
{
	u32 i;

	for (i = unit->nr; i--;)
		region_unclaim(unit->pool, unit->regions[i]);
	/* Somebody may have been refused, and wait, because we had them. */
	budget_wake(unit->pool);
}

/* The pages become the regions'; nothing has changed where this fails. */
static int unit_map(struct unit *unit, u32 *reason)
{
	struct segpool_pool *pool = unit->pool;
	struct vm_area_struct *vma;
	struct region *region;
	int err = 0;
	u32 i;

	vma = map_lock(pool);
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	for (i = 0; i < unit->nr; i++) {
		err = map_insert(vma, pool, unit->regions[i]->index, 0, unit->pages[i],
				 pool->region_pages);
		if (err)
			goto err_unmap;
	}
	/* Under the mmap lock, so that an munmap() finds all that was mapped. */
	for (i = 0; i < unit->nr; i++) {
		region = unit->regions[i];
		region->pages = unit->pages[i];
		region->nr_pages = pool->region_pages;
	}
	map_unlock(pool);
	return 0;

err_unmap:
	while (i--)
		map_zap(vma, pool, unit->regions[i]->index, 0, pool->region_pages);
	map_unlock(pool);
	*reason = SEGPOOL_REASON_SYSTEM;
	return -ENOMEM;
}

static void count_reuse(struct unit *unit, u32 index, u32 old_class)
{
	struct segpool_pool *pool = unit->pool;

	count(pool, SEGPOOL_C_REUSED_REGIONS, 1);
	count_class(pool, unit->class, SEGPOOL_CC_REUSED_REGIONS);
	trace_segpool_region_reuse(pool->id, index, unit->class,
				   (u64)regions_carved(pool) << pool->region_shift);
	if (old_class == unit->class)
		return;
	count(pool, SEGPOOL_C_CROSS_CLASS_REUSES, 1);
	count_class(pool, unit->class, SEGPOOL_CC_CROSS_CLASS_REUSES);
	trace_segpool_region_cross_class(pool->id, index, old_class, unit->class);
}

static void unit_hand_out(struct unit *unit, struct segpool_region *results)
{
	struct segpool_pool *pool = unit->pool;
	struct region *region;
	u32 old_class;
	u32 i;

	for (i = 0; i < unit->nr; i++) {
		region = unit->regions[i];
		old_class = word_class(region_word(region));
		assign_bit(REGION_ZERO, &region->flags, unit->flags & SEGPOOL_ZERO);

		results[i].offset = (u64)region->index << pool->region_shift;
		results[i].reserved = 0;
		results[i].flags = unit->carved ? SEGPOOL_REGION_NEW : SEGPOOL_REGION_REUSED;
		if (!unit->carved) {
			if (old_class != unit->class)
				results[i].flags |= SEGPOOL_REGION_CROSS;
			count_reuse(unit, region->index, old_class);
		}
		results[i].handle = region_activate(pool, region, unit->class);
	}
}

/* One try to hand a unit out. */
static int unit_alloc(struct unit *unit, struct segpool_region *results, u32 *reason)
{
	bool populate = unit->flags & SEGPOOL_POPULATE;
	int err;

	if (READ_ONCE(unit->pool->gone))
		return -ENXIO;
	if (!regions_available(unit->pool, unit->nr)) {
		*reason = SEGPOOL_REASON_VIRTUAL;
		return -ENOMEM;
	}
	if (populate) {
		err = unit_get_pages(unit, reason);
		if (err)
			return err;
	}
	err = unit_claim(unit, reason);
	if (err)
		goto err_put_pages;
	if (populate) {
		err = unit_map(unit, reason);
		if (err)
			goto err_unclaim;
	}
	unit_hand_out(unit, results);
	return 0;

err_unclaim:
	unit_unclaim(unit);
err_put_pages:
	if (populate)
		unit_put_pages(unit);
	return err;
}

static int unit_alloc_wait(struct unit *unit, struct segpool_region *results,
			   struct budget_wait *wait, u32 *reason)
{
	int err;

	do {
		err = unit_alloc(unit, results, reason);
		if (err == -ENOMEM) {
			err = budget_wait(wait, *reason);
			if (!err)
				err = -EAGAIN;
		}
	} while (err == -EAGAIN);
	return err;
}

/* All regions of the request as one unit. */
static int alloc_contiguous(struct unit *unit, struct segpool_region *results,
			    struct budget_wait *wait, u32 *reason)
{
	int err = -ENOMEM;

	unit->regions = kvcalloc(unit->nr, sizeof(*unit->regions), SEGPOOL_GFP);
	unit->pages = kvcalloc(unit->nr, sizeof(*unit->pages), SEGPOOL_GFP);
	if (unit->regions && unit->pages)
		err = unit_alloc_wait(unit, results, wait, reason);
	else
		*reason = SEGPOOL_REASON_SYSTEM;
	kvfree(unit->pages);
	kvfree(unit->regions);
	return err;
}

/**
 * request_alloc() - ALLOC
 * @pool: the pool of the calling process.
 * @class: checked by the caller.
 * @flags: checked by the caller.
 * @timeout_ms: with SEGPOOL_WAIT.
 * @results: room for @count.
 * @count: how many regions, at least 1.
 * @done: set to how many were handed out.
 * @reason: set where that is less than @count for want of something.
 *
 * Context: may sleep; takes the mmap lock; killable.
 * Return: 0 if any was handed out (all with SEGPOOL_CONTIGUOUS), -ENOMEM,
 * -EINTR, -ENXIO.
 */
int request_alloc(struct segpool_pool *pool, u32 class, u32 flags, u32 timeout_ms,
		  struct segpool_region *results, u32 count, u32 *done, u32 *reason)
{
	struct region *region;
	struct page **pages;
	struct unit unit = { .pool = pool, .class = class, .flags = flags, .nr = 1,
			     .regions = &region, .pages = &pages };
	struct budget_wait wait;
	int err = 0;

	*done = 0;
	budget_wait_begin(&wait, pool, flags, timeout_ms);
	if (flags & SEGPOOL_CONTIGUOUS) {
		unit.nr = count;
		err = alloc_contiguous(&unit, results, &wait, reason);
		*done = err ? 0 : count;
	} else {
		while (*done < count && !err) {
			if (fatal_signal_pending(current)) {
				err = -EINTR;
				break;
			}
			err = unit_alloc_wait(&unit, results + *done, &wait, reason);
			if (!err)
				++*done;
			cond_resched();
		}
	}
	budget_wait_end(&wait);

	if (err == -ENOMEM)
		count_refusal(pool, class, *reason);
	else
		*reason = SEGPOOL_REASON_NONE;
	return *done ? 0 : err;
}

/* One try to take back a named region. */
static int unit_reuse(struct unit *unit, u64 handle, struct segpool_region *result, u32 *reason)
{
	bool populate = unit->flags & SEGPOOL_POPULATE;
	int err;

	if (READ_ONCE(unit->pool->gone))
		return -ENXIO;
	err = region_claim_named(unit->pool, handle, unit->regions);
	if (err)
		return err;
	if (populate) {
		err = unit_get_pages(unit, reason);
		if (err)
			goto err_unclaim;
		err = unit_map(unit, reason);
		if (err)
			goto err_put_pages;
	}
	unit_hand_out(unit, result);
	return 0;

err_put_pages:
	unit_put_pages(unit);
err_unclaim:
	unit_unclaim(unit);
	return err;
}

/**
 * request_reuse() - REUSE
 * @pool: the pool of the calling process.
 * @handle: under which the region was released.
 * @class: checked by the caller.
 * @flags: checked by the caller.
 * @timeout_ms: with SEGPOOL_WAIT.
 * @result: set to the region.
 * @reason: set where the return value is -ENOMEM.
 *
 * Context: may sleep; takes the mmap lock; killable.
 * Return: 0, -EBUSY, -ESTALE, -ENOENT, -ENOMEM, -EINTR, -ENXIO.
 */
int request_reuse(struct segpool_pool *pool, u64 handle, u32 class, u32 flags, u32 timeout_ms,
		  struct segpool_region *result, u32 *reason)
{
	struct region *region;
	struct page **pages;
	struct unit unit = { .pool = pool, .class = class, .flags = flags, .nr = 1,
			     .regions = &region, .pages = &pages };
	struct budget_wait wait;
	int err;

	budget_wait_begin(&wait, pool, flags, timeout_ms);
	do {
		err = unit_reuse(&unit, handle, result, reason);
		if (err == -ENOMEM) {
			err = budget_wait(&wait, *reason);
			if (!err)
				err = -EAGAIN;
		}
	} while (err == -EAGAIN);
	budget_wait_end(&wait);

	if (err == -ENOMEM)
		count_refusal(pool, class, *reason);
	else
		*reason = SEGPOOL_REASON_NONE;
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

static int populate_locked(struct segpool_pool *pool, struct vm_area_struct *vma,
			   struct region *region, u32 first, u32 end, bool zero, u32 *reason)
{
	u32 start, nr, next;
	struct page **pages;
	u32 missing = 0;
	int err;

	region_assert_locked(region);
	if (!region->pages)
		region->pages = pages_array_alloc(pool->region_pages, reason);
	if (!region->pages)
		return -ENOMEM;

	for (next = first; next_hole(region, next, end, &start, &nr); next = start + nr)
		missing += nr;
	if (!missing)
		return 0;
	pages = pages_array_alloc(missing, reason);
	if (!pages)
		return -ENOMEM;

	err = pages_get(pool, pages, missing, zero, reason);
	if (err)
		goto out_free_array;
	err = fill_holes(pool, vma, region, first, end, pages);
	if (err) {
		*reason = SEGPOOL_REASON_SYSTEM;
		pages_put(pool, pages, missing, true);
	}
out_free_array:
	pages_array_free(pages, missing);
	return err;
}

/* One try to back a range. Sets @class to the region's once that is known. */
static int range_populate(struct segpool_pool *pool, const struct segpool_range *range, u32 flags,
			  u32 *class, u32 *reason)
{
	struct vm_area_struct *vma;
	struct region *region;
	u32 first;
	bool zero;
	u32 nr;
	int err;

	err = range_check(pool, range, &first, &nr);
	if (err)
		return err;
	region = region_lookup(pool, handle_index(range->handle));
	if (!region)
		return -ENOENT;
	vma = map_lock(pool);
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	err = region_lock_killable(region);
	if (err)
		goto out_map_unlock;

	err = word_check_active(region_word(region), range->handle);
	if (err)
		goto out_region_unlock;
	*class = word_class(region_word(region));
	zero = (flags & SEGPOOL_ZERO) || test_bit(REGION_ZERO, &region->flags);
	err = populate_locked(pool, vma, region, first, first + nr, zero, reason);

out_region_unlock:
	region_unlock(region);
out_map_unlock:
	map_unlock(pool);
	return err;
}

/**
 * request_populate() - POPULATE of one range
 * @pool: the pool of the calling process.
 * @range: from user space, unchecked.
 * @flags: checked by the caller.
 * @timeout_ms: with SEGPOOL_WAIT.
 * @reason: set where the return value is -ENOMEM.
 *
 * Context: may sleep; takes the mmap lock; killable.
 * Return: 0, -EINVAL, -ENOENT, -EALREADY, -ESTALE, -ENOMEM, -EINTR, -ENXIO.
 */
int request_populate(struct segpool_pool *pool, const struct segpool_range *range, u32 flags,
		     u32 timeout_ms, u32 *reason)
{
	struct budget_wait wait;
	u32 class = 0;
	int err;

	budget_wait_begin(&wait, pool, flags, timeout_ms);
	do {
		err = range_populate(pool, range, flags, &class, reason);
		if (err == -ENOMEM) {
			err = budget_wait(&wait, *reason);
			if (!err)
				err = -EAGAIN;
		}
	} while (err == -EAGAIN);
	budget_wait_end(&wait);

	if (err == -ENOMEM)
		count_refusal(pool, class, *reason);
	return err;
}
