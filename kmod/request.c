// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests: handing regions out (ALLOC, REUSE).
 *
 * A request is first admitted: it reserves its budget and takes its region, a
 * released one or a new one. That takes a moment, and is undone without a trace
 * where one of the two is not to be had. Only then are pages brought from the
 * system, which takes long.
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
 * @handle: with REUSE: the one region it may be; otherwise 0.
 * @carved: @regions were carved for this request.
 * @regions: the regions.
 * @pages: a page array for each, with SEGPOOL_POPULATE.
 * @too_many: they would have more pages than the budget; there are no arrays.
 * @retained: so many of the pages are there already, once it is admitted.
 * @reason: why it was refused.
 * @no_descriptors: why no new region can be carved although there is room.
 */
struct unit {
	struct segpool_pool *pool;
	u32 class;
	u32 flags;
	u32 nr;
	u64 handle;
	bool carved;
	bool too_many;
	struct region **regions;
	struct page ***pages;
	u32 retained;
	u32 reason;
	u32 no_descriptors;
};

static bool unit_populates(const struct unit *unit)
{
	return unit->flags & SEGPOOL_POPULATE;
}

static struct pages_want unit_want(const struct unit *unit)
{
	u32 region_pages = unit->pool->region_pages;

	return (struct pages_want){ .arrays = unit->pages, .per_array = region_pages,
				    .nr = unit->nr * region_pages };
}

static void unit_free_arrays(struct unit *unit)
{
	u32 i;

	for (i = 0; i < unit->nr; i++)
		pages_array_free(unit->pages[i], unit->pool->region_pages);
}

static int unit_alloc_arrays(struct unit *unit)
{
	int err = 0;
	u32 i;

	memset(unit->pages, 0, unit->nr * sizeof(*unit->pages));
	for (i = 0; i < unit->nr; i++) {
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
		unit->pages[i] = pages_array_alloc(unit->pool->region_pages, &unit->reason);
		if (!unit->pages[i]) {
			err = -ENOMEM;
			break;
		}
	}
	if (err)
		unit_free_arrays(unit);
	return err;
}

static bool claim_other_class(struct unit *unit)
{
	u32 class;

	for (class = 0; class < unit->pool->nr_classes; class++)
		if (region_claim_freed(unit->pool, class, unit->regions))
			return true;
	return false;
}

static bool claim_released(struct unit *unit)
{
	if (unit->nr > 1)
		return region_claim_run(unit->pool, unit->nr, unit->regions);
	return region_claim_freed(unit->pool, unit->class, unit->regions);
}

static void unit_unclaim(struct unit *unit)
{
	u32 i;

	for (i = unit->nr; i--;)
		region_unclaim(unit->pool, unit->regions[i]);
}

static int unit_reserve(struct unit *unit)
{
	struct pages_want want = unit_want(unit);

	if (!unit_populates(unit))
		return 0;
	if (unit->too_many)
		unit->reason = SEGPOOL_REASON_PHYSICAL;
	else
		unit->reason = pages_reserve(unit->pool, &want, &unit->retained);
	return unit->reason ? -ENOMEM : 0;
}

/* Budget for regions that are claimed already. */
static int admit_claimed(struct unit *unit)
{
	int err = unit_reserve(unit);

	if (err)
		unit_unclaim(unit);
	return err;
}

/* The budget first: a carved region cannot be put back. */
static int admit_new(struct unit *unit)
{
	struct pages_want want = unit_want(unit);
	int err;

	err = unit_reserve(unit);
	if (err)
		return err;
	unit->carved = region_carve(unit->pool, unit->class, unit->nr, unit->regions,
				    &unit->reason);
	if (unit->carved)
		return 0;
	if (unit_populates(unit))
		pages_unreserve(unit->pool, &want, unit->retained);
	return -ENOMEM;
}

/* The order of taking: released by the class, new, released by another class. */
static int unit_try_admit(void *request)
{
	struct unit *unit = request;
	struct segpool_pool *pool = unit->pool;
	int uncarved;
	int err;

	if (unit->handle) {
		err = region_claim_named(pool, unit->handle, unit->regions);
		return err ?: admit_claimed(unit);
	}
	if (claim_released(unit))
		return admit_claimed(unit);
	uncarved = regions_uncarved(pool, unit->nr);
	if (!uncarved)
		return admit_new(unit);
	if (uncarved == -EAGAIN && !unit->no_descriptors)
		return uncarved;
	if (unit->nr == 1 && claim_other_class(unit))
		return admit_claimed(unit);
	unit->reason = unit->no_descriptors ?: SEGPOOL_REASON_VIRTUAL;
	return -ENOMEM;
}

static int unit_insert_one(struct unit *unit, struct vm_area_struct *vma, u32 number)
{
	struct region *region = unit->regions[number];

	if (fatal_signal_pending(current))
		return -EINTR;
	if (!region_table_headroom(unit->pool, region))
		return -ENOMEM;
	cond_resched();
	return map_insert(vma, unit->pool, region->index, 0, unit->pages[number],
			  unit->pool->region_pages);
}

static int unit_insert(struct unit *unit, struct vm_area_struct *vma)
{
	struct segpool_pool *pool = unit->pool;
	int err;
	u32 i;

	for (i = 0; i < unit->nr; i++) {
		err = unit_insert_one(unit, vma, i);
		if (err)
			goto err_unmap;
	}
	return 0;

err_unmap:
	while (i--)
		map_zap(vma, pool, unit->regions[i]->index, 0, pool->region_pages);
	return err == -EINTR ? err : -ENOMEM;
}

/* The pages become the regions'; nothing has changed where this fails. */
static int unit_map(struct unit *unit)
{
	struct segpool_pool *pool = unit->pool;
	struct vm_area_struct *vma;
	struct region *region;
	int err;
	u32 i;

	unit->reason = SEGPOOL_REASON_SYSTEM;
	vma = map_lock(pool);
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	err = unit_insert(unit, vma);
	/* Under the mmap lock, so that an munmap() finds all that was mapped. */
	for (i = 0; !err && i < unit->nr; i++) {
		region = unit->regions[i];
		region->pages = unit->pages[i];
		region->nr_pages = pool->region_pages;
		set_bit(REGION_TABLE, &region->flags);
	}
	map_unlock(pool);
	return err;
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

/* New regions that nobody gets: they count as released, since they wait as such. */
static void count_unused(struct unit *unit)
{
	u32 i;

	count(unit->pool, SEGPOOL_C_RELEASED_REGIONS, unit->nr);
	for (i = 0; i < unit->nr; i++)
		count_class(unit->pool, unit->class, SEGPOOL_CC_RELEASED_REGIONS);
}

/* What was admitted becomes regions in use; all is put back where that fails. */
static int unit_complete(struct unit *unit, struct segpool_region *results)
{
	struct pages_want want = unit_want(unit);
	bool zero = unit->flags & SEGPOOL_ZERO;
	int err = 0;

	if (unit_populates(unit)) {
		err = pages_bring(unit->pool, &want, unit->retained, zero);
		if (err) {
			unit->reason = SEGPOOL_REASON_SYSTEM;
			goto err_unclaim;
		}
		err = unit_map(unit);
		if (err)
			goto err_put_pages;
	}
	unit_hand_out(unit, results);
	return 0;

err_put_pages:
	/* All of them have been brought. */
	pages_unreserve(unit->pool, &want, want.nr);
err_unclaim:
	if (unit->carved)
		count_unused(unit);
	unit_unclaim(unit);
	/* Somebody may have been refused because we had it all. */
	budget_wake(unit->pool);
	return err;
}

/* Descriptors for new regions are made before admission, since that may sleep, and fail. */
static int unit_admit(struct unit *unit)
{
	int err;

	do {
		unit->no_descriptors = regions_prepare(unit->pool, unit->nr);
		err = admit(unit->pool, unit_try_admit, unit);
		/* Others have carved the regions that it made descriptors for. */
	} while (err == -EAGAIN);
	return err;
}

/*
 * Neighbours with more pages than the pool may ever have: no arrays are made for
 * those, since the room for arrays is small, and shared by all pools.
 */
static bool unit_exceeds_budget(const struct unit *unit)
{
	return unit_populates(unit) && unit->nr > 1 &&
	       (u64)unit->nr * unit->pool->region_pages > READ_ONCE(unit->pool->account.budget);
}

/* One try to hand a unit out. */
static int unit_try(struct unit *unit, struct segpool_region *results)
{
	int err = 0;

	if (READ_ONCE(unit->pool->gone))
		return -ENXIO;
	unit->carved = false;
	unit->reason = SEGPOOL_REASON_NONE;
	unit->too_many = unit_exceeds_budget(unit);
	if (unit_populates(unit) && !unit->too_many)
		err = unit_alloc_arrays(unit);
	if (err)
		return err;
	err = unit_admit(unit);
	if (!err)
		err = unit_complete(unit, results);
	if (err && unit_populates(unit) && !unit->too_many)
		unit_free_arrays(unit);
	return err;
}

static int unit_request(struct unit *unit, struct segpool_region *results, struct budget_wait *wait)
{
	int err;

	do {
		err = unit_try(unit, results);
	} while (err == -ENOMEM && !(err = budget_wait(wait, unit->reason)));
	return err;
}

/* All regions of the request as one unit. */
static int alloc_contiguous(struct unit *unit, struct segpool_region *results,
			    struct budget_wait *wait)
{
	int err = -ENOMEM;

	unit->reason = SEGPOOL_REASON_SYSTEM;
	unit->regions = kvcalloc(unit->nr, sizeof(*unit->regions), SEGPOOL_GFP);
	unit->pages = kvcalloc(unit->nr, sizeof(*unit->pages), SEGPOOL_GFP);
	if (unit->regions && unit->pages)
		err = unit_request(unit, results, wait);
	kvfree(unit->pages);
	kvfree(unit->regions);
	return err;
}

/* Regions one by one, as many as can be had. */
static int alloc_singly(struct unit *unit, struct segpool_region *results, u32 count,
			struct budget_wait *wait, u32 *done)
{
	int err;

	for (*done = 0; *done < count; ++*done) {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = unit_request(unit, results + *done, wait);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static void unit_count_refusal(struct unit *unit, int err, u32 *reason)
{
	*reason = err == -ENOMEM ? unit->reason : SEGPOOL_REASON_NONE;
	if (*reason)
		count_refusal(unit->pool, unit->class, *reason);
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
	int err;

	budget_wait_begin(&wait, pool, flags, timeout_ms);
	if (flags & SEGPOOL_CONTIGUOUS) {
		unit.nr = count;
		err = alloc_contiguous(&unit, results, &wait);
		*done = err ? 0 : count;
	} else {
		err = alloc_singly(&unit, results, count, &wait, done);
	}
	budget_wait_end(&wait);

	unit_count_refusal(&unit, err, reason);
	return *done ? 0 : err;
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
			     .handle = handle, .regions = &region, .pages = &pages };
	struct budget_wait wait;
	int err;

	/* No handle at all; in a unit it would mean "any region". */
	if (!handle)
		return -ENOENT;
	budget_wait_begin(&wait, pool, flags, timeout_ms);
	err = unit_request(&unit, result, &wait);
	budget_wait_end(&wait);
	unit_count_refusal(&unit, err, reason);
	return err;
}
