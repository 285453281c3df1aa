// SPDX-License-Identifier: GPL-2.0-only
/*
 * Retained pages: unmapped, owned by the pool, waiting for its next request. (Those
 * that stay with their region are in kept.c.)
 *
 * They are kept in magazines, arrays of page pointers, stacked newest first, huge
 * pages apart from others: a request takes the newest pages, age and limits take
 * the oldest. The shrinker takes whole magazines wherever it finds them (shrink.c).
 */

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "age.h"
#include "magazine.h"
#include "segpool.h"

static struct workqueue_struct *age_queue;

/* Oldest pages are given back in portions, the lock released between them. */
#define TRIM_PORTION 64U

static bool magazine_accepts(const struct segpool_pool *pool, const struct magazine *magazine)
{
	return !magazine_full(magazine) &&
	       age_accepts(magazine->begun, READ_ONCE(pool->retain_age), jiffies);
}

/* How many pages may be retained now. */
static u64 retain_most(const struct segpool_pool *pool)
{
	lockdep_assert_held(&pool->retain.lock);

	/*
	 * Read under the lock: whoever lowers a limit trims afterwards under
	 * the same lock, so nothing slips in above the new limit.
	 */
	return pool->retain.closed ? 0 : READ_ONCE(pool->retain_limit);
}

/*
 * Makes physical pages retained ones, as many of @nr entries as there is room for. Kept
 * regions take from the same room, without this lock.
 */
static u32 retain_share(struct segpool_pool *pool, u32 nr, u32 order)
{
	u64 limit;

	do {
		/* Once for both: a limit raised in between would keep us here for ever. */
		limit = retain_most(pool);
		nr = min_t(u64, nr, account_retain_room(&pool->account, limit) >> order);
	} while (nr && !account_try_retain(&pool->account, (u64)nr << order, limit));
	return nr;
}

/*
 * Adds to the newest magazine, or begins @spare; returns how many fitted, and the limits
 * have room for, unless they are @retained already.
 */
static u32 magazine_fill(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order,
			 bool retained, struct magazine **spare)
{
	struct retain *retain = &pool->retain;
	struct retain_stack *stack = retain_stack(retain, order);
	struct magazine *magazine;
	bool begin;

	lockdep_assert_held(&retain->lock);

	magazine = list_first_entry_or_null(&stack->magazines, struct magazine, node);
	begin = !magazine || !magazine_accepts(pool, magazine);
	if (begin)
		magazine = *spare;
	if (!magazine)
		return 0;
	nr = min(nr, magazine_room(order) - magazine->nr);
	if (!retained)
		nr = retain_share(pool, nr, order);
	if (!nr)
		return 0;
	if (begin) {
		*spare = NULL;
		magazine->pool = pool;
		magazine->begun = jiffies;
		list_add(&magazine->node, &stack->magazines);
		magazine_watch(magazine);
		retain_age_begins(pool);
	}

	magazine_push(magazine, pages, nr);
	stack->nr += nr;
	magazine->touched = jiffies;
	return nr;
}

/* Keeps pages, accounted as physical so far, or as @retained already; as retain_put(). */
static u32 retain_keep(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order,
		       bool retained)
{
	struct magazine *spare = NULL;
	u32 done = 0;
	bool room;
	u32 part;

	do {
		spin_lock(&pool->retain.lock);
		do {
			room = retained ? !pool->retain.closed :
				  account_retain_room(&pool->account, retain_most(pool)) >> order;
			part = 0;
			if (room && done < nr)
				part = magazine_fill(pool, pages + done, nr - done, order,
						     retained, &spare);
			done += part;
		} while (part);
		spin_unlock(&pool->retain.lock);

		if (done == nr || !room)
			break;
		if (!spare)
			spare = magazine_alloc(order);
	} while (spare);

	if (spare)
		magazine_free(spare);
	return done;
}

/**
 * retain_put() - keep unmapped pages for the next request
 * @pool: the pool; the pages are accounted to it as physical.
 * @pages: pages that nobody else holds.
 * @nr: how many entries.
 * @order: each stands for 2^order pages.
 *
 * Context: may sleep.
 * Return: how many were kept, from the first on; they are accounted as retained
 * now. The others stay the caller's.
 */
u32 retain_put(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order)
{
	return retain_keep(pool, pages, nr, order, false);
}

/* The same with pages that are retained, and accounted so, already. */
u32 retain_move(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order)
{
	return retain_keep(pool, pages, nr, order, true);
}

/* Takes the last pages of a magazine; it goes to @empty when it has no more. */
static u32 magazine_draw(struct retain *retain, struct magazine *magazine, struct page **pages,
			 u32 nr, struct list_head *empty)
{
	lockdep_assert_held(&retain->lock);

	nr = magazine_pop(magazine, pages, nr);
	retain_stack(retain, magazine->order)->nr -= nr;
	if (!magazine->nr) {
		magazine_unwatch(magazine);
		list_move(&magazine->node, empty);
	}
	return nr;
}

static void magazines_free(struct list_head *magazines)
{
	struct magazine *magazine, *next;

	list_for_each_entry_safe(magazine, next, magazines, node)
		magazine_free(magazine);
}

/* Draws @nr entries, newest first, into the arrays of @want. */
static void retain_draw(struct retain *retain, const struct pages_want *want, u32 nr,
			struct list_head *empty)
{
	struct magazine *magazine;
	u32 done = 0;
	u32 part;

	lockdep_assert_held(&retain->lock);

	while (done < nr) {
		magazine = list_first_entry(&retain_stack(retain, want->order)->magazines,
					    struct magazine, node);
		part = min(nr - done, want->per_array - done % want->per_array);
		done += magazine_draw(retain, magazine, pages_slot(want, done), part, empty);
	}
}

/**
 * retain_reserve() - reserve the budgets for a request, retained pages first
 * @pool: the pool.
 * @want: where the pages shall go, and how many.
 * @retained: set to how many entries were retained: the first ones of @want.
 * @leaving: set to the pages that were on their way out, which still counted, and
 *	to how many had left before; to none where the request would not fit without
 *	all retained pages either.
 *
 * Takes retained pages and charges what is missing, to the pool and to the
 * ceiling: all or nothing, in one step, so that of two requests of which one
 * fits one gets it. All pages are accounted as physical then; what is missing
 * the caller has to bring.
 *
 * That a lowered budget is exceeded by retained pages, until they are trimmed, is no
 * reason to refuse: a request that takes all there are leaves none to exceed it, and
 * one that takes fewer adds nothing.
 *
 * Return: SEGPOOL_REASON_NONE, _PHYSICAL or _CEILING.
 */
enum segpool_reason retain_reserve(struct segpool_pool *pool, const struct pages_want *want,
				   u32 *retained, struct retain_leaving *leaving)
{
	enum segpool_reason reason = SEGPOOL_REASON_PHYSICAL;
	struct retain *retain = &pool->retain;
	LIST_HEAD(empty);

	spin_lock(&retain->lock);
	*retained = min(want->nr, retain_stack(retain, want->order)->nr);
	leaving->nr = 0;
	leaving->fits = account_could_fit(&pool->account, want_pages(want));
	if (leaving->fits) {
		leaving->nr = retain->nr_leaving;
		leaving->nr_left = retain->nr_left;
		reason = ceiling_charge(&pool->account,
					(u64)(want->nr - *retained) << want->order);
	}
	if (!reason && *retained) {
		retain_draw(retain, want, *retained, &empty);
		account_unretain(&pool->account, (u64)*retained << want->order);
	}
	spin_unlock(&retain->lock);

	magazines_free(&empty);
	return reason;
}

/**
 * retain_take() - take single retained pages for a region: all or none
 * @pool: the pool.
 * @pages: room for @nr.
 * @nr: how many.
 *
 * Return: whether they are there, physical pages from now on. Not where magazines have
 * fewer, or the budget has no room for them.
 */
bool retain_take(struct segpool_pool *pool, struct page **pages, u32 nr)
{
	const struct pages_want want = { .arrays = &pages, .per_array = nr, .nr = nr };
	struct retain *retain = &pool->retain;
	LIST_HEAD(empty);
	bool there;

	spin_lock(&retain->lock);
	there = retain_stack(retain, 0)->nr >= nr && account_could_fit(&pool->account, nr);
	if (there) {
		retain_draw(retain, &want, nr, &empty);
		account_unretain(&pool->account, nr);
	}
	spin_unlock(&retain->lock);

	magazines_free(&empty);
	return there;
}

/**
 * retain_announce() - pages that are retained are about to be taken from where they are
 * @pool: the pool.
 * @nr: how many; to be followed by retain_settle().
 */
void retain_announce(struct segpool_pool *pool, u32 nr)
{
	spin_lock(&pool->retain.lock);
	pool->retain.nr_leaving += nr;
	spin_unlock(&pool->retain.lock);
}

/**
 * retain_settle() - what has become of pages that were leaving
 * @pool: the pool.
 * @gone: so many are no longer the pool's.
 * @stayed: so many are still retained.
 *
 * Context: may be called in reclaim.
 */
void retain_settle(struct segpool_pool *pool, u32 gone, u32 stayed)
{
	struct retain *retain = &pool->retain;

	if (gone) {
		ceiling_uncharge(gone);
		/* Before they are no longer retained. Pairs with ceiling_make_room(). */
		smp_mb__after_atomic();
	}

	spin_lock(&retain->lock);
	/* Under the lock, so that who computes with both finds a page in both or in none. */
	account_drop_retained(&pool->account, gone);
	retain->nr_leaving -= gone + stayed;
	/* Wraps, and is only compared with what it was. */
	WRITE_ONCE(retain->nr_left, retain->nr_left + gone + stayed);
	wake_up_all(&retain->left);
	spin_unlock(&retain->lock);
	if (gone)
		budget_wake(pool);
}

/* Since retain_reserve(), have pages begun to leave, or left? */
bool retain_has_moved(struct segpool_pool *pool, const struct retain_leaving *leaving)
{
	struct retain *retain = &pool->retain;
	bool moved;

	spin_lock(&retain->lock);
	moved = retain->nr_leaving || retain->nr_left != leaving->nr_left;
	spin_unlock(&retain->lock);
	return moved;
}

/**
 * retained_release() - give pages that were retained to the system
 * @pool: the pool.
 * @pages: in no magazine any more, and counted in nr_leaving.
 * @nr: how many entries.
 * @order: each stands for 2^order pages.
 * @why: what to count them under, before anybody can see them gone.
 *
 * Context: may be called in reclaim.
 */
void retained_release(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order,
		      enum segpool_counter why)
{
	if (!nr)
		return;
	count(pool, why, nr << order);
	pages_free(pages, nr, order);
	retain_settle(pool, nr << order, 0);
}

/**
 * retain_wait_leaving() - wait until some of the pages on their way out are gone
 * @pool: the pool.
 * @leaving: from retain_reserve().
 *
 * They still count against the budget, but are no reason to refuse. Who has them
 * waits for no lock that a caller can hold, and has those of one magazine or region.
 *
 * Context: sleeps; killable.
 * Return: whether there were any, and some are; not where the task was killed.
 */
bool retain_wait_leaving(struct segpool_pool *pool, const struct retain_leaving *leaving)
{
	struct retain *retain = &pool->retain;

	return leaving->nr && !wait_event_killable(retain->left, READ_ONCE(retain->nr_left) !=
						   leaving->nr_left);
}

/* The magazine that was not touched for longest; NULL where nothing is retained. */
static struct magazine *oldest_magazine(struct retain *retain)
{
	struct magazine *oldest = NULL;
	struct magazine *last;
	u32 i;

	lockdep_assert_held(&retain->lock);

	for (i = 0; i < ARRAY_SIZE(retain->stacks); i++) {
		if (list_empty(&retain->stacks[i].magazines))
			continue;
		last = list_last_entry(&retain->stacks[i].magazines, struct magazine, node);
		if (!oldest || time_before(last->touched, oldest->touched))
			oldest = last;
	}
	return oldest;
}

/*
 * Draws the oldest pages, to be given to retained_release(): @nr of them, or a
 * huge page where that is the oldest, and fewer where the magazine has no more;
 * only pages last touched at @cutoff or before, where there is one. Returns how
 * many entries of @pages these are, of what @order.
 */
static u32 retain_draw_oldest(struct retain *retain, struct page **pages, u32 nr, u32 *order,
			      const unsigned long *cutoff, struct list_head *empty)
{
	struct magazine *magazine = nr ? oldest_magazine(retain) : NULL;

	lockdep_assert_held(&retain->lock);

	if (!magazine || (cutoff && !age_reached(magazine->touched, *cutoff)))
		return 0;
	*order = magazine->order;
	nr = magazine_draw(retain, magazine, pages, DIV_ROUND_UP(nr, 1U << *order), empty);
	retain->nr_leaving += nr << *order;
	return nr;
}

/* How many pages are above @target, or above what the budget leaves to them. */
static u64 retain_surplus(const struct segpool_pool *pool, u64 target)
{
	u32 leaving = pool->retain.nr_leaving;
	u64 retained = owned_retained(account_read(&pool->account));

	lockdep_assert_held(&pool->retain.lock);
	/* Who takes a region's pages announces them first, and may not get them. */
	return account_surplus(&pool->account, retained - min_t(u64, retained, leaving), leaving,
			       target);
}

/* Is @region, kept @since, older than @magazine? Either may be NULL. */
static bool region_is_older(const struct region *region, unsigned long since,
			    const struct magazine *magazine)
{
	return region && (!magazine || time_before(since, magazine->touched));
}

/*
 * Gives a portion of the oldest pages back, or those of a region, counted as what @why
 * says; returns how many: 0, too, where the task is killed, if it is @killable. Of a
 * huge page all go, also where fewer would do.
 */
static u32 retain_drop(struct segpool_pool *pool, u64 target, const unsigned long *cutoff,
		       enum segpool_counter why, bool killable)
{
	struct retain *retain = &pool->retain;
	struct page *pages[TRIM_PORTION];
	unsigned long since = 0;
	struct region *region;
	LIST_HEAD(empty);
	u32 order = 0;
	bool kept;
	u32 nr;

	do {
		cond_resched();
		region = kept_oldest(pool, &since);
		spin_lock(&retain->lock);
		nr = min_t(u64, retain_surplus(pool, target), U32_MAX);
		kept = nr && region_is_older(region, since, oldest_magazine(retain)) &&
		       (!cutoff || age_reached(since, *cutoff));
		/* With what is surplus, so that not two give back for the same reason. */
		if (kept)
			retain->nr_leaving += pool->region_pages;
		else
			nr = retain_draw_oldest(retain, pages, min(nr, TRIM_PORTION), &order,
						cutoff, &empty);
		spin_unlock(&retain->lock);
		if (kept)
			nr = kept_drop(pool, region, nr, cutoff, why);
	} while (kept && !nr && !(killable && fatal_signal_pending(current)));

	if (kept)
		return nr;
	magazines_free(&empty);
	retained_release(pool, pages, nr, order, why);
	return nr << order;
}

/**
 * retain_drop_huge() - give a retained huge page back, for single pages
 * @pool: the pool, whose budget has no room for them.
 * @nr: how many single pages are wanted, retained ones included.
 *
 * None goes where all that are retained would not make room enough.
 *
 * Context: may sleep.
 * Return: whether one went.
 */
bool retain_drop_huge(struct segpool_pool *pool, u32 nr)
{
	struct retain *retain = &pool->retain;
	struct retain_stack *stack = retain_stack(retain, HUGE_ORDER);
	struct magazine *magazine;
	struct page *huge;
	LIST_HEAD(empty);
	bool found;

	spin_lock(&retain->lock);
	found = stack->nr && account_could_fit(&pool->account, nr);
	if (found) {
		magazine = list_last_entry(&stack->magazines, struct magazine, node);
		magazine_draw(retain, magazine, &huge, 1, &empty);
		retain->nr_leaving += 1U << HUGE_ORDER;
	}
	spin_unlock(&retain->lock);

	if (!found)
		return false;
	magazines_free(&empty);
	retained_release(pool, &huge, 1, HUGE_ORDER, SEGPOOL_C_TRIMMED_PAGES);
	return true;
}

/* Is more retained than may be? For a moment. */
static bool is_above(const struct segpool_pool *pool, u64 target)
{
	u64 retained = owned_retained(account_read(&pool->account));

	return retained && (retained > target || account_excess(&pool->account));
}

/*
 * Gives retained pages back until at most @target are left, and the budget holds; if it
 * is @killable, it stops early where the task is killed, or when as many went as there
 * were: the program may retain others all the time. Returns how many went.
 */
static u64 drop_surplus(struct segpool_pool *pool, u64 target, bool killable)
{
	struct retain *retain = &pool->retain;
	u64 most = killable ? owned_retained(account_read(&pool->account)) : U64_MAX;
	struct retain_leaving leaving;
	u64 released = 0;
	u32 part;

	do {
		leaving.nr_left = READ_ONCE(retain->nr_left);
		do {
			part = retain_drop(pool, target, NULL, SEGPOOL_C_TRIMMED_PAGES, killable);
			released += part;
		} while (part && released < most && !(killable && fatal_signal_pending(current)));

		if (released >= most || !is_above(pool, target))
			break;
		/* Also those that others are giving back; or have only moved, so look again. */
		if (!killable)
			wait_event(retain->left, !READ_ONCE(retain->nr_leaving));
		else if (wait_event_killable(retain->left, !READ_ONCE(retain->nr_leaving)))
			break;
	} while (is_above(pool, target) && retain_has_moved(pool, &leaving) &&
		 !(killable && fatal_signal_pending(current)));
	return released;
}

/**
 * retain_trim() - give retained pages back until the pool fits
 * @pool: the pool.
 * @target: pages that may stay; fewer do if the physical budget asks for it.
 *
 * Context: may sleep; stops early when the task is killed.
 * Return: how many pages went.
 */
u64 retain_trim(struct segpool_pool *pool, u64 target)
{
	return drop_surplus(pool, target, true);
}

/*
 * Arms the work for what is the oldest now. What was retained while it ran has armed it
 * for itself, which is later. Under the lock: see retain_limits_changed().
 */
static void retain_age_goes_on(struct segpool_pool *pool)
{
	struct retain *retain = &pool->retain;
	struct magazine *magazine;
	unsigned long since = 0;
	struct region *region = kept_oldest(pool, &since);
	unsigned long delay = 0;
	unsigned long age;

	spin_lock(&retain->lock);
	age = READ_ONCE(pool->retain_age);
	magazine = oldest_magazine(retain);
	if (region_is_older(region, since, magazine))
		delay = age_delay(since, age, jiffies);
	else if (magazine)
		delay = age_delay(magazine->touched, age, jiffies);
	if (age && delay)
		mod_delayed_work(age_queue, &retain->age_work, delay);
	spin_unlock(&retain->lock);
}

/**
 * retain_look() - after something was retained by who holds locks: as kept_limits(), later
 * @pool: the pool.
 *
 * Context: may be called in reclaim.
 */
void retain_look(struct segpool_pool *pool)
{
	struct retain *retain = &pool->retain;

	/* Pairs with retain_limits_changed(). */
	smp_mb();
	if (!is_above(pool, READ_ONCE(pool->retain_limit)))
		return;
	spin_lock(&retain->lock);
	if (!retain->closed)
		mod_delayed_work(age_queue, &retain->age_work, 0);
	spin_unlock(&retain->lock);
}

/* Work that must not begin once the pool retains nothing any more; in @delay from now. */
void retain_queue(struct segpool_pool *pool, struct delayed_work *work, unsigned long delay)
{
	spin_lock(&pool->retain.lock);
	if (!pool->retain.closed)
		mod_delayed_work(age_queue, work, delay);
	spin_unlock(&pool->retain.lock);
}

/* Something is retained from now on that was not. */
void retain_age_begins(struct segpool_pool *pool)
{
	unsigned long age = READ_ONCE(pool->retain_age);

	/* One that is pending looks for the oldest when it runs. */
	if (age && !delayed_work_pending(&pool->retain.age_work))
		queue_delayed_work(age_queue, &pool->retain.age_work, age);
}

static void retain_age(struct work_struct *work)
{
	struct retain *retain = container_of(to_delayed_work(work), struct retain, age_work);
	struct segpool_pool *pool = container_of(retain, struct segpool_pool, retain);
	unsigned long age = READ_ONCE(pool->retain_age);
	unsigned long cutoff = jiffies - age;

	/* For retain_look(), and who was killed while he lowered a limit. */
	kept_limits(pool);
	if (!age)
		return;
	while (retain_drop(pool, 0, &cutoff, SEGPOOL_C_AGED_PAGES, false))
		;
	retain_age_goes_on(pool);
}

/* The retain limit, the age or the physical budget is another one. */
void retain_limits_changed(struct segpool_pool *pool)
{
	/* The limits are what they are before we look. Pairs with kept_limits(). */
	smp_mb();
	retain_trim(pool, READ_ONCE(pool->retain_limit));
	/*
	 * Under the lock: who begins a magazine, or arms the work, afterwards sees the new age;
	 * and who closes the pool meanwhile, which another process may be changing, finds the
	 * work armed or keeps it from being. What a process that was killed has left undone
	 * the work does.
	 */
	spin_lock(&pool->retain.lock);
	if (!pool->retain.closed &&
	    (is_above(pool, READ_ONCE(pool->retain_limit)) ||
	     (pool->retain_age && owned_retained(account_read(&pool->account)))))
		mod_delayed_work(age_queue, &pool->retain.age_work, 0);
	spin_unlock(&pool->retain.lock);
}

void retain_init(struct segpool_pool *pool)
{
	u32 i;

	spin_lock_init(&pool->retain.lock);
	for (i = 0; i < ARRAY_SIZE(pool->retain.stacks); i++)
		INIT_LIST_HEAD(&pool->retain.stacks[i].magazines);
	init_waitqueue_head(&pool->retain.left);
	INIT_DELAYED_WORK(&pool->retain.age_work, retain_age);
}

/**
 * retain_close() - give everything back and retain nothing from now on
 * @pool: the pool.
 *
 * May be called more than once. Context: may sleep; not killable, since nobody
 * else would do it.
 */
void retain_close(struct segpool_pool *pool)
{
	spin_lock(&pool->retain.lock);
	pool->retain.closed = true;
	spin_unlock(&pool->retain.lock);

	cancel_delayed_work_sync(&pool->retain.age_work);
	drop_surplus(pool, 0, false);
}

int retain_queue_init(void)
{
	age_queue = alloc_workqueue("segpool", WQ_UNBOUND, 0);
	return age_queue ? 0 : -ENOMEM;
}

void retain_queue_exit(void)
{
	destroy_workqueue(age_queue);
}
