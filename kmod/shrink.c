// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system's memory pressure, of the machine and of each memory cgroup, takes
 * retained pages: a shrinker walks the list of all magazines.
 */

#include <linux/jiffies.h>
#include <linux/list_lru.h>
#include <linux/sched/signal.h>

#include "magazine.h"
#include "segpool.h"
#include "trace.h"

static struct shrinker *shrinker;
/* The shrinker may be called before its list is made (compat.h). */
static bool lru_ready;

/*
 * Called with the list's lock held, which keeps the magazine, and so its pool,
 * from going away: whoever takes a magazine down must unwatch it first. The
 * order of the locks is the other way round here, hence the try.
 */
static enum lru_status magazine_isolate(struct list_head *item,
					struct list_lru_one *list COMPAT_LRU_WALK_LOCK,
					void *context)
{
	struct magazine *magazine = container_of(item, struct magazine, lru);
	struct segpool_pool *pool = magazine->pool;
	struct list_head *taken = context;

	if (!spin_trylock(&pool->retain.lock))
		return LRU_ROTATE;
	list_lru_isolate_move(list, item, taken);
	list_del(&magazine->node);
	pool->retain.nr_pages -= magazine->nr;
	pool->retain.nr_leaving += magazine->nr;
	/* The pool stays until its pages are freed and accounted. */
	pool_get(pool);
	spin_unlock(&pool->retain.lock);
	return LRU_REMOVED;
}

static u64 magazines_dispose(struct list_head *taken)
{
	struct magazine *magazine, *next;
	struct segpool_pool *pool;
	u64 pages = 0;

	list_for_each_entry_safe(magazine, next, taken, lru) {
		pool = magazine->pool;
		pages += magazine->nr;
		count(pool, SEGPOOL_C_SHRUNK_PAGES, magazine->nr);
		trace_segpool_shrink(pool->id, magazine->nr);
		retained_release(pool, magazine->pages, magazine->nr);
		WRITE_ONCE(pool->last_shrink, jiffies);
		WRITE_ONCE(pool->shrunk, true);
		pressure_signal(pool);
		pool_put(pool);
		magazine_free(magazine);
		cond_resched();
	}
	return pages;
}

static unsigned long shrink_count(struct shrinker *unused, struct shrink_control *control)
{
	unsigned long magazines;

	/* Pairs with the release in shrink_init(). */
	if (!smp_load_acquire(&lru_ready))
		return 0;
	magazines = list_lru_shrink_count(magazine_list(), control);
	return magazines ? magazines * MAGAZINE_PAGES : SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *unused, struct shrink_control *control)
{
	unsigned long left = DIV_ROUND_UP(control->nr_to_scan, MAGAZINE_PAGES);
	unsigned long magazines = left;
	LIST_HEAD(taken);

	list_lru_walk_one(magazine_list(), control->nid, control->memcg, magazine_isolate, &taken,
			  &left);
	control->nr_scanned = (magazines - left) * MAGAZINE_PAGES;
	return magazines_dispose(&taken) ?: SHRINK_STOP;
}

/**
 * shrink_all() - take retained pages from all pools, for one that needs memory
 * @pages: how many are needed.
 *
 * One magazine after the other: the requests of its pool wait for what is on its
 * way (retain_wait_leaving()), and so does its end. Stops early at a pool whose
 * lock is busy.
 *
 * Context: may sleep.
 * Return: how many were taken.
 */
u64 shrink_all(u64 pages)
{
	u64 taken = 0;
	u64 part;

	do {
		LIST_HEAD(magazine);

		list_lru_walk(magazine_list(), magazine_isolate, &magazine, 1);
		part = magazines_dispose(&magazine);
		taken += part;
	} while (part && taken < pages && !fatal_signal_pending(current));
	return taken;
}

int shrink_init(void)
{
	int err;

	/*
	 * Seeks 0: retained pages are the cheapest there are to get back, so
	 * they go before anything that would have to be read again. The kernel
	 * then asks for half of what is there, and not at all for less than a
	 * batch: with half a magazine the last one goes, too.
	 */
	shrinker = compat_shrinker_alloc(shrink_count, shrink_scan, 0, MAGAZINE_PAGES / 2);
	if (!shrinker)
		return -ENOMEM;
	err = magazines_init(shrinker);
	if (err) {
		compat_shrinker_free(shrinker);
		return err;
	}
	/* Pairs with the acquire in shrink_count(). */
	smp_store_release(&lru_ready, true);
	compat_shrinker_start(shrinker);
	return 0;
}

void shrink_exit(void)
{
	compat_shrinker_free(shrinker);
	magazines_exit();
}
