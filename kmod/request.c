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
 * @kept: the one region was kept: it has its pages.
 * @regions: the regions.
 * @pages: a page array for each, with SEGPOOL_POPULATE.
 * @huge_pages: or a huge page for each.
 * @huge: which of the two, in this try.
 * @too_many: they would have more pages than the budget; in this try there are no
 *	arrays.
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
	bool kept;
	bool huge;
	bool too_many;
	struct region **regions;
	struct page ***pages;
	struct page **huge_pages;
	u32 retained;
	u32 reason;
	u32 no_descriptors;
};

static bool unit_populates(const struct unit *unit)
{
	return unit->flags & SEGPOOL_POPULATE;
}

static struct pages_want unit_want(struct unit *unit)
{
	u32 region_pages = unit->pool->region_pages;

	if (unit->huge)
		return (struct pages_want){ .arrays = &unit->huge_pages, .per_array = unit->nr,
					    .nr = unit->nr, .order = HUGE_ORDER };
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

/* A kept region, with its pages, for a request that wants pages. */
static bool claim_kept(struct unit *unit, u32 class)
{
	if (unit->nr == 1 && unit_populates(unit))
		unit->kept = region_claim_kept(unit->pool, class, unit->regions);
	return unit->kept;
}

/* Who wants no pages gets none: they go where all requests of the pool find them. */
static bool claim_freed(struct unit *unit, u32 class)
{
	for (;;) {
		if (claim_kept(unit, class) ||
		    region_claim_freed(unit->pool, class, unit->regions))
			return true;
		if (!region_waits(unit->pool, class) || fatal_signal_pending(current))
			return false;
		kept_strip_class(unit->pool, class);
	}
}

/* The same region, if it is kept. */
static void claim_kept_named(struct unit *unit)
{
	struct region *region = region_lookup(unit->pool, handle_index(unit->handle));

	if (!unit_populates(unit) || !region || !region_is_kept(region) ||
	    region_claim_named(unit->pool, unit->handle, true, unit->regions))
		return;
	unit->kept = region->nr_pages;
	/* Somebody has taken its pages since. */
	if (!unit->kept)
		region_unclaim(unit->pool, region);
}

/*
 * Most requests need nothing else, neither arrays nor a look at the budgets. Who is
 * refused must be sure that nobody takes anything in that moment: see admit().
 */
static bool claim_kept_at_once(struct unit *unit)
{
	if (!down_read_trylock(&unit->pool->admission))
		return false;
	if (unit->handle)
		claim_kept_named(unit);
	else
		claim_kept(unit, unit->class);
	up_read(&unit->pool->admission);
	return unit->kept;
}

static bool claim_other_class(struct unit *unit)
{
	u32 class;

	for (class = 0; class < unit->pool->nr_classes; class++)
		if (claim_freed(unit, class))
			return true;
	return false;
}

static bool claim_released(struct unit *unit)
{
	if (unit->nr > 1)
		return region_claim_run(unit->pool, unit->nr, unit->regions);
	return claim_freed(unit, unit->class);
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
	unit->reason = pages_reserve(unit->pool, &want, &unit->retained);
	return unit->reason ? -ENOMEM : 0;
}

/* Budget for regions that are claimed already; that of a kept one's pages came with it. */
static int admit_claimed(struct unit *unit)
{
	int err = unit->kept ? 0 : unit_reserve(unit);

	if (err)
		unit_unclaim(unit);
	return err;
}

static int admit_named(struct unit *unit)
{
	int err = region_claim_named(unit->pool, unit->handle, unit_populates(unit),
				     unit->regions);

	if (err == -ENOMEM)
		unit->reason = SEGPOOL_REASON_PHYSICAL;
	if (err)
		return err;
	unit->kept = unit->regions[0]->nr_pages;
	return admit_claimed(unit);
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

/* Would there be regions for it? For a moment. */
static bool regions_are_to_be_had(const struct unit *unit)
{
	struct segpool_pool *pool = unit->pool;
	u32 class;

	if (regions_uncarved(pool, unit->nr) != -ENOSPC)
		return true;
	if (unit->nr > 1)
		return region_claim_run(pool, unit->nr, NULL);
	for (class = 0; class < pool->nr_classes; class++)
		if (region_waits(pool, class))
			return true;
	return false;
}

/*
 * Not even with all that the pool retains: then it takes nothing. Others would carve new
 * regions while it has released ones, only to put them back.
 */
static bool budget_is_short(const struct unit *unit)
{
	return unit->too_many ||
	       (unit_populates(unit) &&
		!account_could_fit(&unit->pool->account,
				   (u64)unit->nr * unit->pool->region_pages));
}

static int refuse_pages(struct unit *unit)
{
	unit->reason = regions_are_to_be_had(unit) ? SEGPOOL_REASON_PHYSICAL :
						     SEGPOOL_REASON_VIRTUAL;
	return -ENOMEM;
}

/*
 * Regions that the program has released by their words are released ones: they come
 * before what would be taken next. Returns whether there are some now, perhaps.
 */
static bool settle_released(const struct unit *unit)
{
	if (unit->nr > 1 && lent_settle_all(unit->pool, false))
		return true;
	return lent_settle_some(unit->pool);
}

/* The order of taking: released by the class, new, released by another class. */
static int unit_try_admit(void *request)
{
	struct unit *unit = request;
	struct segpool_pool *pool = unit->pool;
	int uncarved;

	if (unit->handle)
		return admit_named(unit);
	while (budget_is_short(unit))
		if (!settle_released(unit))
			return refuse_pages(unit);
	do {
		if (claim_released(unit))
			return admit_claimed(unit);
	} while (settle_released(unit));
	uncarved = regions_uncarved(pool, unit->nr);
	if (!uncarved)
		return admit_new(unit);
	if (uncarved == -EAGAIN && !unit->no_descriptors)
		return uncarved;
	if (unit->nr == 1 && claim_other_class(unit))
		return admit_claimed(unit);
	unit->reason = uncarved == -EAGAIN ? unit->no_descriptors : SEGPOOL_REASON_VIRTUAL;
	return -ENOMEM;
}

static int unit_insert_one(struct unit *unit, struct vm_area_struct *vma, u32 number)
{
	struct region *region = unit->regions[number];

	if (fatal_signal_pending(current))
		return -EINTR;
	if (unit->huge)
		return region_map_huge(unit->pool, vma, region, unit->huge_pages[number]);
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
		if (unit->huge) {
			region_back_huge(pool, region, unit->huge_pages[i]);
		} else {
			region_back(pool, region, unit->pages[i]);
			set_bit(REGION_TABLE, &region->flags);
		}
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

static int unit_try_reserve(void *request)
{
	return unit_reserve(request);
}

static int unit_bring(struct unit *unit)
{
	struct pages_want want = unit_want(unit);
	bool zero = unit->flags & SEGPOOL_ZERO;
	int err;

	err = pages_bring(unit->pool, &want, unit->retained, zero);
	if (err)
		unit->reason = SEGPOOL_REASON_SYSTEM;
	return err;
}

/* Single pages for the same regions, where no huge page was to be had. */
static int unit_bring_single(struct unit *unit)
{
	int err;

	count(unit->pool, SEGPOOL_C_HUGE_FALLBACKS, 1);
	err = unit_alloc_arrays(unit);
	if (err)
		return err;
	/* From here on its arrays are freed with it. */
	unit->huge = false;
	return admit(unit->pool, unit_try_reserve, unit) ?: unit_bring(unit);
}

/* The same for a kept region. */
static int unit_complete_kept(struct unit *unit, struct segpool_region *results)
{
	struct region *region = unit->regions[0];
	int err = kept_take_back(unit->pool, region, unit->flags & SEGPOOL_ZERO);

	if (!err) {
		unit_hand_out(unit, results);
		return 0;
	}
	kept_put_back(unit->pool, region);
	if (err == -ENOMEM)
		unit->reason = SEGPOOL_REASON_SYSTEM;
	/* Somebody may have been refused because we had it. */
	budget_wake(unit->pool);
	return err;
}

/* What was admitted becomes regions in use; all is put back where that fails. */
static int unit_complete(struct unit *unit, struct segpool_region *results)
{
	struct pages_want want;
	int err = 0;

	if (unit->kept)
		return unit_complete_kept(unit, results);
	if (unit_populates(unit)) {
		err = unit_bring(unit);
		if (err == -ENOMEM && unit->huge)
			err = unit_bring_single(unit);
		if (err)
			goto err_unclaim;
		err = unit_map(unit);
		if (err)
			goto err_put_pages;
	}
	unit_hand_out(unit, results);
	return 0;

err_put_pages:
	/* All of them have been brought. */
	want = unit_want(unit);
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
		if (err == -EAGAIN && fatal_signal_pending(current))
			err = -EINTR;
	} while (err == -EAGAIN);
	return err;
}

/*
 * Neighbours with more pages than the pool may have: no arrays are made for
 * those, since the room for arrays is small, and shared by all pools.
 */
static bool unit_exceeds_budget(const struct unit *unit)
{
	return unit_populates(unit) && unit->nr > 1 &&
	       (u64)unit->nr * unit->pool->region_pages > READ_ONCE(unit->pool->account.budget);
}

static bool unit_has_arrays(const struct unit *unit)
{
	return unit_populates(unit) && !unit->too_many && !unit->huge;
}

/* One try to hand a unit out, with huge pages or single ones. */
static int unit_try_with(struct unit *unit, struct segpool_region *results, bool huge)
{
	int err = 0;

	if (READ_ONCE(unit->pool->gone))
		return -ENXIO;
	unit->carved = false;
	unit->kept = false;
	unit->reason = SEGPOOL_REASON_NONE;
	unit->huge = huge;
	if (claim_kept_at_once(unit))
		return unit_complete(unit, results);
	/* Before arrays are made: what is wrong with a handle is no matter of memory. */
	if (unit->handle)
		err = region_check_named(unit->pool, unit->handle);
	if (!err && unit_has_arrays(unit))
		err = unit_alloc_arrays(unit);
	/* A kept region needs none, and the program may have released one by its word. */
	if (err == -ENOMEM && lent_settle_some(unit->pool) && claim_kept_at_once(unit))
		return unit_complete(unit, results);
	if (err)
		return err;
	err = unit_admit(unit);
	if (!err)
		err = unit_complete(unit, results);
	if ((err || unit->kept) && unit_has_arrays(unit))
		unit_free_arrays(unit);
	return err;
}

/* A budget that has no room for new huge pages may have some for retained single ones. */
static bool worth_single_pages(const struct unit *unit, int err)
{
	return err == -ENOMEM && unit->huge && !unit->too_many &&
	       (unit->reason == SEGPOOL_REASON_PHYSICAL || unit->reason == SEGPOOL_REASON_CEILING);
}

static int unit_try(struct unit *unit, struct segpool_region *results)
{
	int err;

	unit->too_many = unit_exceeds_budget(unit);
	err = unit_try_with(unit, results, unit->pool->huge && unit_populates(unit));
	if (!worth_single_pages(unit, err))
		return err;
	err = unit_try_with(unit, results, false);
	if (!err && !unit->kept)
		count(unit->pool, SEGPOOL_C_HUGE_FALLBACKS, 1);
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
	unit->huge_pages = kvcalloc(unit->nr, sizeof(*unit->huge_pages), SEGPOOL_GFP);
	if (unit->regions && unit->pages && unit->huge_pages)
		err = unit_request(unit, results, wait);
	kvfree(unit->huge_pages);
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
	struct page *huge;
	struct unit unit = { .pool = pool, .class = class, .flags = flags, .nr = 1,
			     .regions = &region, .pages = &pages, .huge_pages = &huge };
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
	struct page *huge;
	struct unit unit = { .pool = pool, .class = class, .flags = flags, .nr = 1,
			     .handle = handle, .regions = &region, .pages = &pages,
			     .huge_pages = &huge };
	struct budget_wait wait;
	int err;

	/* No handle at all; in a unit it would mean "any region". */
	if (!handle)
		return -ENOENT;
	err = lent_settle_named(pool, handle);
	if (err)
		return err;
	budget_wait_begin(&wait, pool, flags, timeout_ms);
	err = unit_request(&unit, result, &wait);
	budget_wait_end(&wait);
	unit_count_refusal(&unit, err, reason);
	return err;
}
