// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where pages come from and go to: the pool's retained ones first, then the
 * system, both under the budgets. Nothing here knows of mappings.
 */

#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "segpool.h"

/*
 * Pages for programs: zeroed, charged to the caller's memory cgroup, not
 * movable (they may stay for long), refused rather than fetched with the OOM
 * killer.
 */
#define PAGE_GFP (GFP_HIGHUSER | __GFP_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* A 64th of the memory is left for others: 256 MiB of 16 GiB. */
#define SYSTEM_MARGIN_SHARE 64

/**
 * pages_array_alloc() - an array of page pointers, all NULL
 * @nr: how many.
 * @reason: set where there is none to be had.
 *
 * Context: may sleep.
 * Return: the array, to be ended by pages_array_free(), or NULL.
 */
struct page **pages_array_alloc(u32 nr, u32 *reason)
{
	struct page **pages;

	if (!metadata_charge(array_size(nr, sizeof(*pages)))) {
		*reason = SEGPOOL_REASON_CEILING;
		return NULL;
	}
	pages = kvcalloc(nr, sizeof(*pages), SEGPOOL_GFP);
	if (!pages) {
		metadata_uncharge(array_size(nr, sizeof(*pages)));
		*reason = SEGPOOL_REASON_SYSTEM;
	}
	return pages;
}

/* NULL is ignored. */
void pages_array_free(struct page **pages, u32 nr)
{
	if (!pages)
		return;
	kvfree(pages);
	metadata_uncharge(array_size(nr, sizeof(*pages)));
}

static void uncharge(struct segpool_pool *pool, u32 nr)
{
	account_uncharge(&pool->account, nr);
	ceiling_uncharge(nr);
	budget_wake(pool);
}

/*
 * Takes retained pages from all pools, or lets those go on who are taking the
 * last. Returns how many it took.
 */
static u64 take_retained(u64 nr)
{
	u64 taken = shrink_all(nr);

	if (taken)
		cond_resched();
	else
		schedule_timeout_killable(1);
	return taken;
}

/*
 * Pages that some pool only retains are no reason to refuse; but a request that
 * would not fit without them either must not cost the others theirs.
 */
static bool ceiling_make_room(u32 nr)
{
	/* In this order: pages that go meanwhile count as retained only, so never against us. */
	u64 retained = pools_retained();
	u64 used = ceiling_used();
	u64 limit = ceiling_limit();

	/* Since the refusal somebody has given enough back. */
	if (used + nr <= limit)
		return true;
	if (!retained || used + nr > limit + retained)
		return false;
	take_retained(used + nr - limit);
	return true;
}

/**
 * pages_reserve() - the budgets for a request
 * @pool: the pool.
 * @want: where the pages shall go, and how many.
 * @retained: set to how many of them are there already.
 *
 * To be followed by pages_bring() or pages_unreserve().
 *
 * Context: may sleep; killable.
 * Return: SEGPOOL_REASON_NONE; _PHYSICAL or _CEILING with nothing reserved.
 */
enum segpool_reason pages_reserve(struct segpool_pool *pool, const struct pages_want *want,
				  u32 *retained)
{
	enum segpool_reason reason;
	struct retain_leaving leaving;

	do {
		reason = retain_reserve(pool, want, retained, &leaving);
	} while (!fatal_signal_pending(current) &&
		 ((reason == SEGPOOL_REASON_PHYSICAL && retain_wait_leaving(pool, &leaving)) ||
		  (reason == SEGPOOL_REASON_CEILING && ceiling_make_room(want->nr))));
	return reason;
}

/* Puts the pages from @first up to @end back. */
static void put_slots(struct segpool_pool *pool, const struct pages_want *want, u32 first, u32 end,
		      bool retain)
{
	u32 part;

	for (; first < end; first += part) {
		part = min(end - first, want->per_array - first % want->per_array);
		pages_put(pool, pages_slot(want, first), part, retain);
		cond_resched();
	}
}

/* Takes back what pages_reserve() did. */
void pages_unreserve(struct segpool_pool *pool, const struct pages_want *want, u32 retained)
{
	put_slots(pool, want, 0, retained, true);
	if (retained < want->nr)
		uncharge(pool, want->nr - retained);
}

/*
 * Would the system have anything left for others? Without this the pages are to
 * be had down to the last, and somebody else's next page fault calls the OOM
 * killer. An estimate, and no reservation: requests of other pools at the same
 * moment can go some way into the margin, which is there for that.
 *
 * What was taken counts: freed pages wait in a list of the processor's for a
 * while, and the estimate does not know those.
 */
static bool system_has(u32 nr)
{
	u64 needed = totalram_pages() / SYSTEM_MARGIN_SHARE + nr;
	u64 retained, available;
	u64 taken = 0;

	while (si_mem_available() + taken < needed) {
		/* In this order, so that pages that go meanwhile count at least once. */
		retained = pools_retained();
		available = si_mem_available() + taken;
		if (available + retained < needed || fatal_signal_pending(current))
			return false;
		if (available < needed)
			taken += take_retained(needed - available);
	}
	return true;
}

static int system_page(struct page **page, u32 number)
{
	if (!(number % 32)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	*page = alloc_page(PAGE_GFP);
	return *page ? 0 : -ENOMEM;
}

/**
 * pages_bring() - fill a reservation with pages: all or none
 * @pool: the pool.
 * @want: as reserved.
 * @retained: as reserved.
 * @zero: whether retained pages must be zeroed; those of the system always are.
 *
 * The pool holds the only reference to each page. The reservation is gone where
 * this fails.
 *
 * Context: may sleep; killable.
 * Return: 0, -ENOMEM (the system has none), -EINTR.
 */
int pages_bring(struct segpool_pool *pool, const struct pages_want *want, u32 retained, bool zero)
{
	int err = 0;
	u32 i;

	for (i = 0; zero && !err && i < retained; i++) {
		clear_highpage(*pages_slot(want, i));
		cond_resched();
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	count(pool, SEGPOOL_C_ZEROED_PAGES, i);

	if (!err && retained < want->nr && !system_has(want->nr - retained))
		err = -ENOMEM;
	for (i = retained; !err && i < want->nr; i += !err)
		err = system_page(pages_slot(want, i), i - retained);
	count(pool, SEGPOOL_C_SYSTEM_PAGES, i - retained);
	count(pool, SEGPOOL_C_ZEROED_PAGES, i - retained);
	if (err) {
		/* What is short now is not for us to keep. */
		put_slots(pool, want, retained, i, false);
		put_slots(pool, want, 0, retained, true);
		uncharge(pool, want->nr - i);
		return err;
	}
	count(pool, SEGPOOL_C_RETAINED_REUSED_PAGES, retained);
	pressure_check(pool, want->nr);
	return 0;
}

/* One request of pages_get(). */
struct pages_request {
	struct segpool_pool *pool;
	const struct pages_want *want;
	u32 retained;
	u32 reason;
};

static int try_reserve(void *data)
{
	struct pages_request *request = data;

	request->reason = pages_reserve(request->pool, request->want, &request->retained);
	return request->reason ? -ENOMEM : 0;
}

/**
 * pages_get() - admit(), pages_reserve() and pages_bring() at once
 * @pool: the pool.
 * @pages: room for @nr pages.
 * @nr: how many.
 * @zero: as pages_bring().
 * @reason: set where the return value is -ENOMEM.
 *
 * Return: 0, -ENOMEM, -EINTR.
 */
int pages_get(struct segpool_pool *pool, struct page **pages, u32 nr, bool zero, u32 *reason)
{
	struct pages_want want = { .arrays = &pages, .per_array = nr, .nr = nr };
	struct pages_request request = { .pool = pool, .want = &want };
	int err;

	err = admit(pool, try_reserve, &request);
	*reason = err == -ENOMEM ? request.reason : SEGPOOL_REASON_NONE;
	if (err)
		return err;
	err = pages_bring(pool, &want, request.retained, zero);
	if (err == -ENOMEM)
		*reason = SEGPOOL_REASON_SYSTEM;
	return err;
}

/* Page tables of a region of the largest size, and those above them. */
#define MAX_TABLES (SEGPOOL_MAX_REGION_SIZE / PMD_SIZE + 3)

/**
 * table_headroom() - make room for page tables in the memory cgroup
 * @nr: how many, at most %MAX_TABLES.
 *
 * The kernel allocates page tables with a flag that lets the cgroup's OOM killer
 * loose. So as many pages are charged in the way we want, and given back at
 * once: if that works the tables fit, unless somebody else of the cgroup is
 * faster.
 *
 * Context: may sleep.
 * Return: whether there was room.
 */
bool table_headroom(u32 nr)
{
	struct page *pages[MAX_TABLES];
	u32 got = 0;

	while (got < nr) {
		pages[got] = alloc_page(PAGE_GFP & ~__GFP_ZERO);
		if (!pages[got])
			break;
		got++;
	}
	if (got)
		release_pages(pages, got);
	return got == nr;
}

/* The same for all of a region's; one that was mapped as a whole before has its tables. */
bool region_table_headroom(const struct segpool_pool *pool, const struct region *region)
{
	return test_bit(REGION_TABLE, &region->flags) ||
	       table_headroom(DIV_ROUND_UP_ULL(pool_region_size(pool), PMD_SIZE) + 3);
}

/*
 * Drops the pages that somebody still holds (direct I/O, a pipe, a debugger):
 * the pool's reference goes, the page lives on with its holder, and nobody else
 * ever gets it from us. So do pages that the machine found to be broken. Closes
 * the gaps; returns how many pages are left.
 *
 * The pages are unmapped and the translations flushed, so a reference that is
 * not there now can only be a short one that finds the page unmapped and goes
 * away without having looked at it.
 */
static u32 drop_pinned(struct segpool_pool *pool, struct page **pages, u32 nr)
{
	u32 pinned = 0;
	u32 kept = 0;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!pages[i])
			continue;
		if (likely(page_ref_count(pages[i]) == 1 && !PageHWPoison(pages[i]))) {
			pages[kept++] = pages[i];
			continue;
		}
		put_page(pages[i]);
		pinned++;
	}
	if (pinned) {
		uncharge(pool, pinned);
		count(pool, SEGPOOL_C_PINNED_PAGES, pinned);
	}
	return kept;
}

/**
 * pages_put() - take unmapped pages back from a region
 * @pool: the pool; the pages are accounted to it as physical.
 * @pages: the pages, with gaps (NULL) or without; overwritten.
 * @nr: entries of @pages.
 * @retain: keep them for the next request, as far as the limits allow.
 *
 * Context: may sleep.
 */
void pages_put(struct segpool_pool *pool, struct page **pages, u32 nr, bool retain)
{
	u32 kept = 0;

	nr = drop_pinned(pool, pages, nr);
	if (retain && nr) {
		kept = retain_put(pool, pages, nr);
		if (kept)
			budget_wake(pool);
	}
	if (kept < nr) {
		release_pages(pages + kept, nr - kept);
		uncharge(pool, nr - kept);
	}
}
