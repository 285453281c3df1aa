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

/* Where no huge page is to be had without much ado, single ones do. */
#define HUGE_GFP ((PAGE_GFP & ~__GFP_RETRY_MAYFAIL) | __GFP_NORETRY)

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

static void uncharge(struct segpool_pool *pool, u64 nr)
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
 * would not fit without them either must not cost the others theirs. Of its @nr
 * pages @own are retained by its own pool.
 */
static bool ceiling_make_room(u64 nr, u64 own)
{
	/* In this order: pages that go meanwhile count as retained only, so never against us. */
	u64 retained = pools_retained();
	u64 limit = ceiling_limit();
	u64 used;

	/* Pairs with retain_settle(). */
	smp_rmb();
	used = ceiling_used();
	/* Since the refusal somebody has given enough back. */
	if (used + nr - own <= limit)
		return true;
	if (!retained || used + nr > limit + retained)
		return false;
	take_retained(used + nr - own - limit);
	return true;
}

/*
 * Pages that the pool itself only retains are no reason to refuse either. Returns
 * whether another try is worth it.
 */
static bool budget_make_room(struct segpool_pool *pool, const struct pages_want *want,
			     const struct retain_leaving *leaving)
{
	if (lent_settle_some(pool))
		return true;
	if (!leaving->fits)
		return false;
	if (retain_wait_leaving(pool, leaving))
		return true;
	if (!want->order && retain_drop_huge(pool, want->nr))
		return true;
	if (want->order ? kept_move(pool, HUGE_ORDER) : kept_make_room(pool))
		return true;
	/* Somebody may have found what we have not, and not given it back yet. */
	return retain_has_moved(pool, leaving);
}

/*
 * Pages of kept regions that the request will not get otherwise: it wants more than
 * the pool has in magazines, and taking them from there costs less than zeroing others.
 */
static void retained_first(struct segpool_pool *pool, const struct pages_want *want)
{
	while (READ_ONCE(retain_stack(&pool->retain, want->order)->nr) < want->nr &&
	       account_could_fit(&pool->account, want_pages(want)) &&
	       kept_move(pool, want->order) && !fatal_signal_pending(current))
		;
}

/**
 * pages_reserve() - the budgets for a request
 * @pool: the pool.
 * @want: where the pages shall go, and how many.
 * @retained: set to how many of them are there already.
 *
 * A request for single pages may cost the pool retained huge ones, which count
 * against the same budget; not the other way round, since who gets no huge page
 * asks for single ones next.
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

	retained_first(pool, want);
	do {
		reason = retain_reserve(pool, want, retained, &leaving);
	} while (!fatal_signal_pending(current) &&
		 ((reason == SEGPOOL_REASON_PHYSICAL && budget_make_room(pool, want, &leaving)) ||
		  (reason == SEGPOOL_REASON_CEILING &&
		   ceiling_make_room(want_pages(want), (u64)*retained << want->order))));
	return reason;
}

/* Puts the pages from @first up to @end back. */
static void put_slots(struct segpool_pool *pool, const struct pages_want *want, u32 first, u32 end,
		      bool retain)
{
	u32 part;

	for (; first < end; first += part) {
		part = min(end - first, want->per_array - first % want->per_array);
		pages_put(pool, pages_slot(want, first), part, want->order, retain);
		cond_resched();
	}
}

/* Takes back what pages_reserve() did. */
void pages_unreserve(struct segpool_pool *pool, const struct pages_want *want, u32 retained)
{
	put_slots(pool, want, 0, retained, true);
	if (retained < want->nr)
		uncharge(pool, (u64)(want->nr - retained) << want->order);
}

/*
 * Would the system have anything left for others? Without this the pages are to
 * be had down to the last, and somebody else's next page fault calls the OOM
 * killer. An estimate, and no reservation: requests of other pools at the same
 * moment can go some way into the margin, which is there for that.
 *
 * What was taken counts: freed pages wait in a list of the processor's for a
 * while, and the estimate does not know those. It may know some, so the two are
 * not added up.
 */
static bool system_has(u64 nr)
{
	u64 needed = totalram_pages() / SYSTEM_MARGIN_SHARE + nr;
	u64 at_first = si_mem_available();
	u64 available = at_first;
	u64 retained;
	u64 taken = 0;

	while (available < needed) {
		/* In this order, so that pages that go meanwhile count at least once. */
		retained = pools_retained();
		available = max_t(u64, si_mem_available(), at_first + taken);
		if (available + retained < needed || fatal_signal_pending(current))
			return false;
		if (available < needed)
			taken += take_retained(needed - available);
		available = max_t(u64, si_mem_available(), at_first + taken);
	}
	return true;
}

static int system_page(struct page **page, u32 order, u32 number)
{
	if (order || !(number % 32)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	*page = alloc_pages(order ? HUGE_GFP : PAGE_GFP, order);
	return *page ? 0 : -ENOMEM;
}

static void clear_entry(struct page *page, u32 order)
{
	u32 i;

	for (i = 0; i < 1U << order; i++)
		clear_highpage(page + i);
}

static void count_pages(struct segpool_pool *pool, enum segpool_counter counter, u32 nr, u32 order)
{
	if (nr)
		count(pool, counter, (u64)nr << order);
}

/**
 * pages_zero() - zero pages that the pool has kept
 * @pool: the pool.
 * @pages: the pages.
 * @nr: how many entries.
 * @order: each stands for 2^order pages.
 *
 * Context: may sleep; killable.
 * Return: 0, -EINTR.
 */
int pages_zero(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order)
{
	int err = 0;
	u32 i;

	for (i = 0; !err && i < nr; i++) {
		clear_entry(pages[i], order);
		cond_resched();
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	count_pages(pool, SEGPOOL_C_ZEROED_PAGES, i, order);
	return err;
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
	u32 part;
	u32 i;

	for (i = 0; zero && !err && i < retained; i += part) {
		part = min(retained - i, want->per_array - i % want->per_array);
		err = pages_zero(pool, pages_slot(want, i), part, want->order);
	}

	if (!err && retained < want->nr &&
	    !system_has((u64)(want->nr - retained) << want->order))
		err = -ENOMEM;
	for (i = retained; !err && i < want->nr; i += !err)
		err = system_page(pages_slot(want, i), want->order, i - retained);
	count_pages(pool, SEGPOOL_C_SYSTEM_PAGES, i - retained, want->order);
	count_pages(pool, SEGPOOL_C_ZEROED_PAGES, i - retained, want->order);
	if (err) {
		/* What is short now is not for us to keep. */
		put_slots(pool, want, retained, i, false);
		put_slots(pool, want, 0, retained, true);
		uncharge(pool, (u64)(want->nr - i) << want->order);
		return err;
	}
	count_pages(pool, SEGPOOL_C_RETAINED_REUSED_PAGES, retained, want->order);
	pressure_check(pool, want_pages(want));
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
 * @pages: room for @nr entries.
 * @nr: how many.
 * @order: each stands for 2^order pages.
 * @zero: as pages_bring().
 * @reason: set where the return value is -ENOMEM.
 *
 * Return: 0, -ENOMEM, -EINTR.
 */
int pages_get(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order, bool zero,
	      u32 *reason)
{
	struct pages_want want = { .arrays = &pages, .per_array = nr, .nr = nr, .order = order };
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

/**
 * pages_get_retained() - single pages that the pool has at hand: all or none
 * @pool: the pool.
 * @pages: room for @nr.
 * @nr: how many.
 *
 * Their content is what their last owner in the pool left.
 *
 * Context: may be called under the region lock; does not sleep for long.
 * Return: whether they are there. Otherwise pages_get() may get some all the same.
 */
bool pages_get_retained(struct segpool_pool *pool, struct page **pages, u32 nr)
{
	bool there;

	/* Who is alone is about to be refused: see admit(). */
	if (!down_read_trylock(&pool->admission))
		return false;
	there = retain_take(pool, pages, nr);
	up_read(&pool->admission);
	if (!there)
		return false;
	count_pages(pool, SEGPOOL_C_RETAINED_REUSED_PAGES, nr, 0);
	pressure_check(pool, nr);
	return true;
}

/* Page tables of a region of the largest size, and those above them. */
#define MAX_TABLES (DIV_ROUND_UP(SEGPOOL_MAX_REGION_SIZE, PMD_SIZE) + 3)

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

/* Gives pages that nobody else holds back to the system. */
void pages_free(struct page **pages, u32 nr, u32 order)
{
	u32 i;

	if (!order)
		release_pages(pages, nr);
	for (i = 0; order && i < nr; i++)
		__free_pages(pages[i], order);
}

/* The pool's reference to pages that somebody else holds, too. */
static void drop_entry(struct page *page, u32 order)
{
	u32 i;

	/* Only then each page has a reference, and a charge, of its own. */
	if (order)
		split_page(page, order);
	for (i = 0; i < 1U << order; i++)
		put_page(page + i);
}

/**
 * pages_drop_pinned() - part with the pages that somebody still holds
 * @pool: the pool.
 * @pages: unmapped pages, with gaps (NULL) or without; what is left has none.
 * @nr: entries of @pages.
 * @order: each stands for 2^order pages.
 * @pinned: set to how many entries were held (direct I/O, a pipe, a debugger): the
 *	pool's reference goes, the page lives on with its holder, and nobody else ever
 *	gets it from us. So do pages that the machine found to be broken. The accounting
 *	is the caller's.
 *
 * The pages are unmapped and the translations flushed, so a reference that is
 * not there now can only be a short one that finds the page unmapped and goes
 * away without having looked at it.
 *
 * A huge page has one reference, and no way to be pinned by its address. It is
 * not looked at page by page for broken ones: that would cost more than all
 * else.
 *
 * Return: how many entries are left.
 */
u32 pages_drop_pinned(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order,
		      u32 *pinned)
{
	u32 kept = 0;
	u32 i;

	*pinned = 0;

	for (i = 0; i < nr; i++) {
		if (!pages[i])
			continue;
		if (likely(page_ref_count(pages[i]) == 1 && !PageHWPoison(pages[i]))) {
			pages[kept++] = pages[i];
			continue;
		}
		drop_entry(pages[i], order);
		++*pinned;
	}
	count_pages(pool, SEGPOOL_C_PINNED_PAGES, *pinned, order);
	return kept;
}

/**
 * pages_put() - take unmapped pages back from a region
 * @pool: the pool; the pages are accounted to it as physical.
 * @pages: the pages, with gaps (NULL) or without; overwritten.
 * @nr: entries of @pages.
 * @order: each stands for 2^order pages.
 * @retain: keep them for the next request, as far as the limits allow.
 *
 * Context: may sleep.
 */
void pages_put(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order, bool retain)
{
	u32 kept = 0;
	u32 pinned;

	nr = pages_drop_pinned(pool, pages, nr, order, &pinned);
	if (pinned)
		uncharge(pool, (u64)pinned << order);
	if (retain && nr) {
		kept = retain_put(pool, pages, nr, order);
		if (kept)
			budget_wake(pool);
	}
	if (kept < nr) {
		pages_free(pages + kept, nr - kept, order);
		uncharge(pool, (u64)(nr - kept) << order);
	}
}
