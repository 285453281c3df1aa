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

/* Room under the ceiling; pages that some pool only retains have to go first. */
static bool ceiling_reserve(u32 nr)
{
	return ceiling_charge(nr) || (shrink_all(nr) && ceiling_charge(nr));
}

static void uncharge(struct segpool_pool *pool, u32 nr)
{
	account_uncharge(&pool->account, nr);
	ceiling_uncharge(nr);
	budget_wake(pool);
}

/* The system's pages; returns how many it gave. -EINTR when killed. */
static int system_pages(struct page **pages, u32 nr, u32 *got)
{
	for (*got = 0; *got < nr; ++*got) {
		if (!(*got % 32)) {
			if (fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
		}
		pages[*got] = alloc_page(PAGE_GFP);
		if (!pages[*got])
			return -ENOMEM;
	}
	return 0;
}

static void clear_pages(struct page **pages, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		clear_highpage(pages[i]);
		cond_resched();
	}
}

/**
 * pages_get() - get pages for a request: all or none
 * @pool: the pool.
 * @pages: room for @nr pages; the pool holds the only reference to each.
 * @nr: how many.
 * @zero: whether retained pages must be zeroed; those of the system always are.
 * @reason: set where the return value is -ENOMEM.
 *
 * Context: may sleep; killable.
 * Return: 0 (the pages are accounted as physical), -ENOMEM, -EINTR.
 */
int pages_get(struct segpool_pool *pool, struct page **pages, u32 nr, bool zero, u32 *reason)
{
	u32 got = 0;
	int retained;
	u32 need;
	int err;

	*reason = SEGPOOL_REASON_NONE;
	retained = retain_take(pool, pages, nr);
	if (retained < 0) {
		*reason = SEGPOOL_REASON_PHYSICAL;
		return retained;
	}
	need = nr - retained;
	if (need && !ceiling_reserve(need)) {
		*reason = SEGPOOL_REASON_CEILING;
		account_uncharge(&pool->account, need);
		budget_wake(pool);
		err = -ENOMEM;
		goto err_put_retained;
	}

	err = system_pages(pages + retained, need, &got);
	count(pool, SEGPOOL_C_SYSTEM_PAGES, got);
	count(pool, SEGPOOL_C_ZEROED_PAGES, got);
	if (err) {
		if (err == -ENOMEM)
			*reason = SEGPOOL_REASON_SYSTEM;
		goto err_free_pages;
	}

	if (zero) {
		clear_pages(pages, retained);
		count(pool, SEGPOOL_C_ZEROED_PAGES, retained);
	}
	pressure_check(pool, nr);
	return 0;

err_free_pages:
	release_pages(pages + retained, got);
	uncharge(pool, need);
err_put_retained:
	pages_put(pool, pages, retained, true);
	return err;
}

/*
 * Drops the pages that somebody still holds (direct I/O, a pipe, a debugger):
 * the pool's reference goes, the page lives on with its holder, and nobody else
 * ever gets it from us. Closes the gaps; returns how many pages are left.
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
		if (likely(page_ref_count(pages[i]) == 1)) {
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
