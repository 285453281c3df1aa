// SPDX-License-Identifier: GPL-2.0-only
/*
 * Retained pages: unmapped, owned by the pool, waiting for its next request.
 *
 * They are kept in magazines, arrays of page pointers, stacked newest first: a
 * request takes the newest pages, age and limits take the oldest. The shrinker
 * takes whole magazines wherever it finds them (shrink.c).
 */

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "age.h"
#include "magazine.h"
#include "segpool.h"

static struct workqueue_struct *age_queue;

/* Oldest pages are given back in portions, the lock released between them. */
#define TRIM_PORTION 64

static bool magazine_accepts(const struct segpool_pool *pool, const struct magazine *magazine)
{
	return magazine->nr < MAGAZINE_PAGES &&
	       age_accepts(magazine->begun, READ_ONCE(pool->retain_age), jiffies);
}

/* How many more pages may be retained now. */
static u64 retain_room(const struct segpool_pool *pool)
{
	lockdep_assert_held(&pool->retain.lock);

	/*
	 * Read under the lock: whoever lowers a limit trims afterwards under
	 * the same lock, so nothing slips in above the new limit.
	 */
	if (pool->retain.closed)
		return 0;
	return account_retain_room(&pool->account, READ_ONCE(pool->retain_limit));
}

/* Adds to the newest magazine, or begins @spare; returns how many fitted. */
static u32 magazine_fill(struct segpool_pool *pool, struct page **pages, u32 nr,
			 struct magazine **spare)
{
	struct retain *retain = &pool->retain;
	struct magazine *magazine;

	lockdep_assert_held(&retain->lock);

	if (!nr)
		return 0;
	magazine = list_first_entry_or_null(&retain->magazines, struct magazine, node);
	if (!magazine || !magazine_accepts(pool, magazine)) {
		if (!*spare)
			return 0;
		magazine = *spare;
		*spare = NULL;
		magazine->pool = pool;
		magazine->begun = jiffies;
		list_add(&magazine->node, &retain->magazines);
		magazine_watch(magazine);
		if (pool->retain_age)
			queue_delayed_work(age_queue, &retain->age_work, pool->retain_age);
	}

	nr = magazine_push(magazine, pages, nr);
	retain->nr_pages += nr;
	magazine->touched = jiffies;
	return nr;
}

/**
 * retain_put() - keep unmapped pages for the next request
 * @pool: the pool; the pages are accounted to it as physical.
 * @pages: pages that nobody else holds.
 * @nr: how many.
 *
 * Context: may sleep.
 * Return: how many were kept, from the first on; they are accounted as retained
 * now. The others stay the caller's.
 */
u32 retain_put(struct segpool_pool *pool, struct page **pages, u32 nr)
{
	struct magazine *spare = NULL;
	u32 done = 0;
	u32 part;
	u64 room;

	do {
		spin_lock(&pool->retain.lock);
		do {
			room = retain_room(pool);
			part = magazine_fill(pool, pages + done, min_t(u64, nr - done, room),
					     &spare);
			account_retain(&pool->account, part);
			done += part;
		} while (part && done < nr);
		spin_unlock(&pool->retain.lock);

		if (done == nr || !room)
			break;
		spare = magazine_alloc();
	} while (spare);

	if (spare)
		magazine_free(spare);
	return done;
}

/* Takes the last pages of a magazine; it goes to @empty when it has no more. */
static u32 magazine_draw(struct retain *retain, struct magazine *magazine, struct page **pages,
			 u32 nr, struct list_head *empty)
{
	lockdep_assert_held(&retain->lock);

	nr = magazine_pop(magazine, pages, nr);
	retain->nr_pages -= nr;
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

/* Draws @nr pages, newest first, into the arrays of @want. */
static void retain_draw(struct retain *retain, const struct pages_want *want, u32 nr,
			struct list_head *empty)
{
	struct magazine *magazine;
	u32 done = 0;
	u32 part;

	lockdep_assert_held(&retain->lock);

	while (done < nr) {
		magazine = list_first_entry(&retain->magazines, struct magazine, node);
		part = min(nr - done, want->per_array - done % want->per_array);
		done += magazine_draw(retain, magazine, pages_slot(want, done), part, empty);
	}
}

/**
 * retain_reserve() - reserve the budgets for a request, retained pages first
 * @pool: the pool.
 * @want: where the pages shall go, and how many.
 * @retained: set to how many pages were retained: the first ones of @want.
 * @leaving: set to the pages that were on their way out, which still counted, and
 *	to how many had left before.
 *
 * Takes retained pages and charges what is missing, to the pool and to the
 * ceiling: all or nothing, in one step, so that of two requests of which one
 * fits one gets it. All pages are accounted as physical then; what is missing
 * the caller has to bring.
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
	*retained = min(want->nr, retain->nr_pages);
	leaving->nr = retain->nr_leaving;
	leaving->nr_left = retain->nr_left;
	if (!account_excess(&pool->account))
		reason = ceiling_charge(&pool->account, want->nr - *retained);
	if (!reason) {
		retain_draw(retain, want, *retained, &empty);
		account_unretain(&pool->account, *retained);
	}
	spin_unlock(&retain->lock);

	magazines_free(&empty);
	return reason;
}

/**
 * retained_release() - give pages that were retained to the system
 * @pool: the pool.
 * @pages: in no magazine any more, and counted in nr_leaving.
 * @nr: how many.
 *
 * Context: may be called in reclaim.
 */
void retained_release(struct segpool_pool *pool, struct page **pages, u32 nr)
{
	struct retain *retain = &pool->retain;

	if (!nr)
		return;
	release_pages(pages, nr);
	/* Before they are no longer retained: see ceiling_make_room(). */
	ceiling_uncharge(nr);

	spin_lock(&retain->lock);
	/* Under the lock, so that who computes with both finds a page in both or in none. */
	account_drop_retained(&pool->account, nr);
	retain->nr_leaving -= nr;
	/* Wraps, and is only compared with what it was. */
	WRITE_ONCE(retain->nr_left, retain->nr_left + nr);
	wake_up_all(&retain->left);
	spin_unlock(&retain->lock);
	budget_wake(pool);
}

/**
 * retain_wait_leaving() - wait until some of the pages on their way out are gone
 * @pool: the pool.
 * @leaving: from retain_reserve().
 *
 * They still count against the budget, but are no reason to refuse. Who releases
 * them needs no lock that a caller can hold, and has one magazine of them.
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

/*
 * Draws up to @nr of the oldest pages, to be given to retained_release(); only
 * pages last touched at @cutoff or before, where there is one.
 */
static u32 retain_draw_oldest(struct retain *retain, struct page **pages, u32 nr,
			      const unsigned long *cutoff, struct list_head *empty)
{
	struct magazine *magazine;
	u32 done = 0;

	lockdep_assert_held(&retain->lock);

	while (done < nr && !list_empty(&retain->magazines)) {
		magazine = list_last_entry(&retain->magazines, struct magazine, node);
		if (cutoff && !age_reached(magazine->touched, *cutoff))
			break;
		done += magazine_draw(retain, magazine, pages + done, nr - done, empty);
	}
	retain->nr_leaving += done;
	return done;
}

/* How many pages are above @target, or above what the budget leaves to them. */
static u32 retain_surplus(const struct segpool_pool *pool, u64 target)
{
	const struct retain *retain = &pool->retain;

	lockdep_assert_held(&retain->lock);
	return account_surplus(&pool->account, retain->nr_pages, retain->nr_leaving, target);
}

/* Gives a portion of the oldest pages back; returns how many. */
static u32 retain_drop(struct segpool_pool *pool, u64 target, const unsigned long *cutoff)
{
	struct retain *retain = &pool->retain;
	struct page *pages[TRIM_PORTION];
	LIST_HEAD(empty);
	u32 nr;

	spin_lock(&retain->lock);
	nr = min_t(u32, retain_surplus(pool, target), TRIM_PORTION);
	nr = retain_draw_oldest(retain, pages, nr, cutoff, &empty);
	spin_unlock(&retain->lock);

	magazines_free(&empty);
	retained_release(pool, pages, nr);
	cond_resched();
	return nr;
}

/**
 * retain_trim() - give retained pages back until the pool fits
 * @pool: the pool.
 * @target: pages that may stay; fewer do if the physical budget asks for it.
 * @counter: what to count them under.
 *
 * Context: may sleep; stops early when the task is killed.
 * Return: how many pages went.
 */
u64 retain_trim(struct segpool_pool *pool, u64 target, enum segpool_counter counter)
{
	u64 released = 0;
	u32 part;

	do {
		part = retain_drop(pool, target, NULL);
		released += part;
	} while (part && !fatal_signal_pending(current));

	/* Also those that others are giving back. */
	wait_event_killable(pool->retain.left, !READ_ONCE(pool->retain.nr_leaving));
	count(pool, counter, released);
	return released;
}

/* In jiffies from now; 0: nothing is waiting. */
static unsigned long retain_next_expiry(struct segpool_pool *pool, unsigned long age)
{
	struct retain *retain = &pool->retain;
	struct magazine *magazine;
	unsigned long delay = 0;

	spin_lock(&retain->lock);
	if (!list_empty(&retain->magazines)) {
		magazine = list_last_entry(&retain->magazines, struct magazine, node);
		delay = age_delay(magazine->touched, age, jiffies);
	}
	spin_unlock(&retain->lock);
	return delay;
}

static void retain_age(struct work_struct *work)
{
	struct retain *retain = container_of(to_delayed_work(work), struct retain, age_work);
	struct segpool_pool *pool = container_of(retain, struct segpool_pool, retain);
	unsigned long age = READ_ONCE(pool->retain_age);
	unsigned long cutoff = jiffies - age;
	unsigned long delay;
	u32 part;

	if (!age)
		return;
	do {
		part = retain_drop(pool, 0, &cutoff);
		count(pool, SEGPOOL_C_AGED_PAGES, part);
	} while (part);

	/* What comes later queues the work itself. */
	delay = retain_next_expiry(pool, age);
	if (delay)
		queue_delayed_work(age_queue, &retain->age_work, delay);
}

/* The retain limit, the age or the physical budget is another one. */
void retain_limits_changed(struct segpool_pool *pool)
{
	bool ages;

	retain_trim(pool, READ_ONCE(pool->retain_limit), SEGPOOL_C_TRIMMED_PAGES);
	/* Under the lock: who begins a magazine afterwards sees the new age. */
	spin_lock(&pool->retain.lock);
	ages = pool->retain_age && pool->retain.nr_pages && !pool->retain.closed;
	spin_unlock(&pool->retain.lock);
	if (ages)
		mod_delayed_work(age_queue, &pool->retain.age_work, 0);
}

void retain_init(struct segpool_pool *pool)
{
	spin_lock_init(&pool->retain.lock);
	INIT_LIST_HEAD(&pool->retain.magazines);
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
	u32 part;

	spin_lock(&pool->retain.lock);
	pool->retain.closed = true;
	spin_unlock(&pool->retain.lock);

	cancel_delayed_work_sync(&pool->retain.age_work);
	do {
		part = retain_drop(pool, 0, NULL);
		count(pool, SEGPOOL_C_TRIMMED_PAGES, part);
	} while (part);
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
