// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system's memory pressure, of the machine and of each memory cgroup, takes
 * retained pages: a shrinker walks the list of all magazines, then that of all
 * descriptors of kept regions.
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

/**
 * struct taking - magazines to be taken
 * @magazines: those that are.
 * @left: how many more may be.
 */
struct taking {
	struct list_head magazines;
	unsigned long left;
};

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
	struct taking *taking = context;

	if (!taking->left)
		return LRU_SKIP;
	if (!spin_trylock(&pool->retain.lock))
		return LRU_ROTATE;
	list_lru_isolate_move(list, item, &taking->magazines);
	taking->left--;
	list_del(&magazine->node);
	retain_stack(&pool->retain, magazine->order)->nr -= magazine->nr;
	pool->retain.nr_leaving += magazine_pages(magazine);
	/* The pool stays until its pages are freed and accounted. */
	pool_get(pool);
	spin_unlock(&pool->retain.lock);
	return LRU_REMOVED;
}

/* Pages of a pool have been taken. */
void shrunk(struct segpool_pool *pool, u32 pages)
{
	trace_segpool_shrink(pool->id, pages);
	WRITE_ONCE(pool->last_shrink, jiffies);
	WRITE_ONCE(pool->shrunk, true);
	pressure_signal(pool);
}

static u64 magazines_dispose(struct list_head *taken)
{
	struct magazine *magazine, *next;
	struct segpool_pool *pool;
	u64 pages = 0;
	u32 part;

	list_for_each_entry_safe(magazine, next, taken, lru) {
		pool = magazine->pool;
		part = magazine_pages(magazine);
		retained_release(pool, magazine->pages, magazine->nr, magazine->order,
				 SEGPOOL_C_SHRUNK_PAGES);
		shrunk(pool, part);
		pages += part;
		pool_put(pool);
		magazine_free(magazine);
		cond_resched();
	}
	return pages;
}

/* As magazine_isolate(); what keeps the pool is that its descriptors leave the list first. */
static enum lru_status chunk_isolate(struct list_head *item,
				     struct list_lru_one *list COMPAT_LRU_WALK_LOCK,
				     void *context)
{
	struct region_chunk *chunk = container_of(item, struct region_chunk, lru);
	struct region_chunk **taken = context;

	if (!pool_tryget(chunk->pool))
		return LRU_ROTATE;
	list_lru_isolate(list, item);
	chunk->next = *taken;
	*taken = chunk;
	return LRU_REMOVED;
}

static u64 chunks_dispose(struct region_chunk *taken, u64 wanted)
{
	struct segpool_pool *pool;
	struct region_chunk *next;
	u64 pages = 0;

	for (; taken; taken = next) {
		next = taken->next;
		pool = taken->pool;
		pages += kept_shrink_chunk(taken, wanted - min(wanted, pages));
		pool_put(pool);
		cond_resched();
	}
	return pages;
}

/* Adds the kept pages of a chunk to a sum; one that has none, and lends none, leaves the list. */
static enum lru_status chunk_count(struct list_head *item,
				   struct list_lru_one *list COMPAT_LRU_WALK_LOCK, void *context)
{
	struct region_chunk *chunk = container_of(item, struct region_chunk, lru);
	unsigned long *pages = context;
	u32 kept;

	chunk_taken(chunk);
	kept = kept_in_chunk(chunk);
	*pages += kept * chunk->pool->region_pages;
	if (kept && chunk_keep(chunk))
		return LRU_SKIP;
	/* Others first, next time. */
	if (!kept && chunk_lends(chunk) && chunk_keep(chunk))
		return LRU_ROTATE;
	list_lru_isolate(list, item);
	return LRU_REMOVED;
}

/* So many chunks are looked at to know what all have: 4,608 regions. */
#define COUNT_CHUNKS 64UL

static unsigned long chunks_count(struct shrink_control *control)
{
	unsigned long chunks, looked_at, left;
	unsigned long pages = 0;
	unsigned long all = list_lru_shrink_count(chunk_list(), control);
	unsigned long seen = 0;

	/* Each time it finds something, or there are fewer, or fewer that it has not seen. */
	do {
		cond_resched();
		chunks = list_lru_shrink_count(chunk_list(), control);
		looked_at = min(chunks, COUNT_CHUNKS);
		left = looked_at;
		seen += looked_at;
		if (!chunks)
			return 0;
		list_lru_walk_one(chunk_list(), control->nid, control->memcg, chunk_count, &pages,
				  &left);
	} while (!pages && seen < all);
	return pages * chunks / looked_at;
}

static unsigned long shrink_count(struct shrinker *unused, struct shrink_control *control)
{
	unsigned long pages;

	/* Pairs with the release in shrink_init(). */
	if (!smp_load_acquire(&lru_ready))
		return 0;
	pages = list_lru_shrink_count(magazine_list(), control) * MAGAZINE_PAGES +
		chunks_count(control);
	if (pages)
		return pages;
	/*
	 * Of a cgroup that says so nobody asks again until something is added to an empty list:
	 * not where regions are lent, which will be released without a call.
	 */
	return list_lru_shrink_count(chunk_list(), control) ? 0 : SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *unused, struct shrink_control *control)
{
	unsigned long items = DIV_ROUND_UP(control->nr_to_scan, MAGAZINE_PAGES);
	unsigned long left = items;
	struct taking taking = { LIST_HEAD_INIT(taking.magazines), items };
	struct region_chunk *chunks = NULL;
	u64 pages;

	list_lru_walk_one(magazine_list(), control->nid, control->memcg, magazine_isolate, &taking,
			  &left);
	pages = magazines_dispose(&taking.magazines);
	if (pages < control->nr_to_scan)
		list_lru_walk_one(chunk_list(), control->nid, control->memcg, chunk_isolate,
				  &chunks, &left);
	control->nr_scanned = (items - left) * MAGAZINE_PAGES;
	pages += chunks_dispose(chunks, control->nr_to_scan - min_t(u64, control->nr_to_scan,
								    pages));
	return left < items ? pages : SHRINK_STOP;
}

/* So many magazines, or chunks, are looked at for one. */
#define WALK 16

/* Takes pages of the regions of one chunk; returns how many. */
static u64 chunk_take(u64 pages)
{
	struct region_chunk *chunk;
	u64 taken = 0;
	u32 i;

	for (i = 0; !taken && i < WALK; i++) {
		chunk = NULL;
		list_lru_walk(chunk_list(), chunk_isolate, &chunk, 1);
		if (!chunk)
			break;
		taken = chunks_dispose(chunk, pages);
	}
	return taken;
}

/**
 * shrink_all() - take retained pages from all pools, for one that needs memory
 * @pages: how many are needed.
 *
 * One magazine, or chunk, after the other: the requests of its pool wait for what is
 * on its way (retain_wait_leaving()), and so does its end. Stops early where the locks
 * of %WALK magazines' pools in a row are busy.
 *
 * Context: may sleep.
 * Return: how many were taken.
 */
u64 shrink_all(u64 pages)
{
	u64 taken = 0;
	u64 part;

	do {
		struct taking taking = { LIST_HEAD_INIT(taking.magazines), 1 };

		list_lru_walk(magazine_list(), magazine_isolate, &taking, WALK);
		part = magazines_dispose(&taking.magazines) ?: chunk_take(pages - taken);
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
	if (err)
		goto err_shrinker;
	err = chunks_init(shrinker);
	if (err)
		goto err_magazines;
	/* Pairs with the acquire in shrink_count(). */
	smp_store_release(&lru_ready, true);
	compat_shrinker_start(shrinker);
	return 0;

err_magazines:
	magazines_exit();
err_shrinker:
	compat_shrinker_free(shrinker);
	return err;
}

void shrink_exit(void)
{
	compat_shrinker_free(shrinker);
	chunks_exit();
	magazines_exit();
}
