// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system's memory pressure, of the machine and of each memory cgroup, takes
 * retained pages: a list_lru knows the magazines of all pools by node and
 * cgroup, a shrinker walks it.
 */

#include <linux/jiffies.h>
#include <linux/list_lru.h>
#include <linux/slab.h>

#include "magazine.h"
#include "segpool.h"
#include "trace.h"

static struct kmem_cache *magazine_cache;
static struct list_lru magazine_lru;
static struct shrinker *shrinker;
/* The shrinker may be called before its list is made (compat.h). */
static bool lru_ready;

/* May return NULL: the pages then go to the system. May sleep. */
struct magazine *magazine_alloc(void)
{
	struct magazine *magazine;

	magazine = kmem_cache_alloc_lru(magazine_cache, &magazine_lru, SEGPOOL_GFP);
	if (magazine) {
		INIT_LIST_HEAD(&magazine->lru);
		magazine->nr = 0;
	}
	return magazine;
}

void magazine_free(struct magazine *magazine)
{
	kmem_cache_free(magazine_cache, magazine);
}

/* The shrinker may take it from now on. Caller holds retain.lock. */
void magazine_watch(struct magazine *magazine)
{
	list_lru_add_obj(&magazine_lru, &magazine->lru);
}

/* The shrinker may not take it any more. Caller holds retain.lock. */
void magazine_unwatch(struct magazine *magazine)
{
	list_lru_del_obj(&magazine_lru, &magazine->lru);
}

/*
 * Called with the list's lock held, which keeps the magazine, and so its pool,
 * from going away: whoever takes a magazine down must unwatch it first. The
 * order of the locks is the other way round here, hence the try.
 */
static enum lru_status magazine_isolate(struct list_head *item, struct list_lru_one *list,
					spinlock_t *lock, void *context)
{
	struct magazine *magazine = container_of(item, struct magazine, lru);
	struct segpool_pool *pool = magazine->pool;
	struct list_head *taken = context;

	if (!spin_trylock(&pool->retain.lock))
		return LRU_SKIP;
	list_lru_isolate_move(list, item, taken);
	list_del(&magazine->node);
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
	magazines = list_lru_shrink_count(&magazine_lru, control);
	return magazines ? magazines * MAGAZINE_PAGES : SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *unused, struct shrink_control *control)
{
	unsigned long magazines = DIV_ROUND_UP(control->nr_to_scan, MAGAZINE_PAGES);
	LIST_HEAD(taken);

	list_lru_walk_one(&magazine_lru, control->nid, control->memcg, magazine_isolate, &taken,
			  &magazines);
	control->nr_scanned = control->nr_to_scan;
	return magazines_dispose(&taken) ?: SHRINK_STOP;
}

/**
 * shrink_all() - take retained pages from all pools, for the ceiling
 * @pages: how many are needed.
 *
 * Context: may sleep.
 * Return: how many went.
 */
u64 shrink_all(u64 pages)
{
	LIST_HEAD(taken);

	list_lru_walk(&magazine_lru, magazine_isolate, &taken, DIV_ROUND_UP(pages, MAGAZINE_PAGES));
	return magazines_dispose(&taken);
}

int shrink_init(void)
{
	int err = -ENOMEM;

	magazine_cache = KMEM_CACHE(magazine, SLAB_ACCOUNT | SLAB_RECLAIM_ACCOUNT);
	if (!magazine_cache)
		return -ENOMEM;
	/*
	 * Seeks 0: retained pages are the cheapest there are to get back, so
	 * they go before anything that would have to be read again.
	 */
	shrinker = compat_shrinker_alloc(shrink_count, shrink_scan, 0);
	if (!shrinker)
		goto err_destroy_cache;
	err = list_lru_init_memcg(&magazine_lru, shrinker);
	if (err)
		goto err_free_shrinker;
	/* Pairs with the acquire in shrink_count(). */
	smp_store_release(&lru_ready, true);
	compat_shrinker_start(shrinker);
	return 0;

err_free_shrinker:
	compat_shrinker_free(shrinker);
err_destroy_cache:
	kmem_cache_destroy(magazine_cache);
	return err;
}

void shrink_exit(void)
{
	compat_shrinker_free(shrinker);
	list_lru_destroy(&magazine_lru);
	kmem_cache_destroy(magazine_cache);
}
