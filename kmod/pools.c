// SPDX-License-Identifier: GPL-2.0-only
/* The list of all pools that are set up, and what is left of closed ones. */

#include <linux/list.h>
#include <linux/mutex.h>

#include "segpool.h"

static DEFINE_MUTEX(pools_lock);
static LIST_HEAD(pools);
static u32 nr_pools;
static u32 last_id;
/* Another one whenever a pool has come or gone, and never 0; pools_lock. */
static u32 pools_generation = 1;
/* Events of pools that are closed; pools_lock. */
static u64 closed_totals[SEGPOOL_NR_COUNTERS];

/**
 * pools_for_each() - visit all pools that are set up
 * @visit: called for each, with pools_lock held.
 * @context: handed on.
 *
 * Context: may sleep.
 */
void pools_for_each(void (*visit)(struct segpool_pool *pool, void *context), void *context)
{
	struct segpool_pool *pool;

	mutex_lock(&pools_lock);
	list_for_each_entry(pool, &pools, node)
		visit(pool, context);
	mutex_unlock(&pools_lock);
}

/**
 * pools_visit() - visit pools in the order of their numbers, until a visit has enough
 * @from: the number of the first one.
 * @generation: set to a number that is another one once a pool has come or gone.
 * @visit: called for each, with pools_lock held; returns whether to go on.
 * @context: handed on.
 *
 * Context: may sleep.
 * Return: whether all were visited.
 */
bool pools_visit(u32 from, u32 *generation, bool (*visit)(struct segpool_pool *pool, void *context),
		 void *context)
{
	struct segpool_pool *pool;
	bool go_on = true;

	mutex_lock(&pools_lock);
	*generation = pools_generation;
	list_for_each_entry(pool, &pools, node) {
		if (pool->id < from)
			continue;
		go_on = visit(pool, context);
		if (!go_on)
			break;
	}
	mutex_unlock(&pools_lock);
	return go_on;
}

/**
 * pools_get() - the pool with this number
 * @id: any number.
 * @may: whether it may be had.
 * @context: handed on to @may.
 *
 * The end of a pool waits for who has a reference, so nobody gets one who has no
 * business with the pool.
 *
 * Context: may sleep.
 * Return: the pool, for pool_put(); NULL where there is none, or it is about to end.
 */
struct segpool_pool *pools_get(u32 id, bool (*may)(const struct segpool_pool *pool,
						   const void *context), const void *context)
{
	struct segpool_pool *found = NULL;
	struct segpool_pool *pool;

	mutex_lock(&pools_lock);
	list_for_each_entry(pool, &pools, node) {
		if (pool->id != id)
			continue;
		if (may(pool, context) && pool_tryget(pool))
			found = pool;
		break;
	}
	mutex_unlock(&pools_lock);
	return found;
}

static void totals_add(struct segpool_pool *pool, u64 totals[SEGPOOL_NR_COUNTERS])
{
	u64 values[SEGPOOL_NR_COUNTERS];
	u32 i;

	counters_read(pool, values);
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		totals[i] += values[i];
}

/* The next pool that lends regions, which stays until pool_put(); NULL: there is none. */
static struct segpool_pool *pool_after(u32 id)
{
	struct segpool_pool *pool;

	mutex_lock(&pools_lock);
	list_for_each_entry(pool, &pools, node)
		if (pool->id > id && pool->lent && pool_tryget(pool))
			goto out;
	pool = NULL;
out:
	mutex_unlock(&pools_lock);
	return pool;
}

/**
 * pools_settle() - release the idle regions of all pools
 *
 * Those that are locked are left. Context: may sleep; a region's lock may be held.
 */
void pools_settle(void)
{
	struct segpool_pool *pool;
	u32 id = 0;

	while ((pool = pool_after(id))) {
		id = pool->id;
		lent_settle_all(pool, false);
		pool_put(pool);
	}
}

/**
 * pools_totals() - the counters of all pools, and the events of closed ones
 * @totals: indexed by enum segpool_counter; settings and peaks mean nothing.
 *
 * Context: may sleep.
 */
void pools_totals(u64 totals[SEGPOOL_NR_COUNTERS])
{
	struct segpool_pool *pool;

	pools_settle();
	mutex_lock(&pools_lock);
	memcpy(totals, closed_totals, sizeof(closed_totals));
	list_for_each_entry(pool, &pools, node)
		totals_add(pool, totals);
	mutex_unlock(&pools_lock);
}

/* Pages that all pools retain. */
u64 pools_retained(void)
{
	struct segpool_pool *pool;
	u64 pages = 0;

	pools_settle();
	mutex_lock(&pools_lock);
	list_for_each_entry(pool, &pools, node)
		pages += owned_retained(account_read(&pool->account));
	mutex_unlock(&pools_lock);
	return pages;
}

u32 pools_count(void)
{
	return READ_ONCE(nr_pools);
}

u32 pools_created(void)
{
	return READ_ONCE(last_id);
}

static void generation_next(void)
{
	lockdep_assert_held(&pools_lock);
	if (!++pools_generation)
		pools_generation = 1;
}

/* Gives the pool its number. */
void pools_add(struct segpool_pool *pool)
{
	mutex_lock(&pools_lock);
	pool->id = ++last_id;
	list_add_tail(&pool->node, &pools);
	WRITE_ONCE(nr_pools, nr_pools + 1);
	generation_next();
	mutex_unlock(&pools_lock);
}

void pools_remove(struct segpool_pool *pool)
{
	u64 values[SEGPOOL_NR_COUNTERS];
	u32 i;

	mutex_lock(&pools_lock);
	list_del(&pool->node);
	WRITE_ONCE(nr_pools, nr_pools - 1);
	generation_next();
	counters_read(pool, values);
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		if (counter_is_event(i))
			closed_totals[i] += values[i];
	mutex_unlock(&pools_lock);
}
