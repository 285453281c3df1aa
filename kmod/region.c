// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: their descriptors, their states, and the queues in which released
 * ones wait. Who holds a claimed region owns it alone.
 */

#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "segpool.h"
#include "trace.h"

/* The locks of a region are one bit each; these tell lockdep about them. */
#ifdef CONFIG_LOCKDEP
static struct lock_class_key region_lock_key, region_fill_key;
static struct lockdep_map region_lock_map =
	STATIC_LOCKDEP_MAP_INIT("segpool_region", &region_lock_key);
static struct lockdep_map region_fill_map =
	STATIC_LOCKDEP_MAP_INIT("segpool_region_fill", &region_fill_key);
#endif

/* Inline, so that a stack tells which lock somebody waits for. */
static __always_inline int bit_lock(struct region *region, int bit, unsigned int mode)
{
	might_sleep();
	if (!test_and_set_bit_lock(bit, &region->flags))
		return 0;
	/* For good: others may wait, too, and an unlock wakes only one. */
	set_bit(REGION_CONTENDED, &region->flags);
	/* Pairs with bit_unlock(): either it finds this bit set, or we find the other one clear. */
	smp_mb__after_atomic();
	return wait_on_bit_lock(&region->flags, bit, mode) ? -EINTR : 0;
}

static __always_inline void bit_unlock(struct region *region, int bit)
{
	clear_bit_unlock(bit, &region->flags);
	/* Pairs with bit_lock(). A look for waiters costs several times what the rest does. */
	smp_mb__after_atomic();
	if (unlikely(test_bit(REGION_CONTENDED, &region->flags)))
		wake_up_bit(&region->flags, bit);
}

/* Waits for the lock; -EINTR when the task was killed meanwhile. */
int region_lock_killable(struct region *region)
{
	if (bit_lock(region, REGION_LOCK, TASK_KILLABLE))
		return -EINTR;
	lock_map_acquire(&region_lock_map);
	return 0;
}

void region_lock(struct region *region)
{
	bit_lock(region, REGION_LOCK, TASK_UNINTERRUPTIBLE);
	lock_map_acquire(&region_lock_map);
}

bool region_trylock(struct region *region)
{
	if (test_and_set_bit_lock(REGION_LOCK, &region->flags))
		return false;
	lock_acquire(&region_lock_map, 0, 1, 0, 1, NULL, _THIS_IP_);
	return true;
}

void region_unlock(struct region *region)
{
	lock_map_release(&region_lock_map);
	bit_unlock(region, REGION_LOCK);
}

/* One POPULATE of a region at a time. Returns whether it may begin at once. */
bool region_fill_trybegin(struct region *region)
{
	if (test_and_set_bit_lock(REGION_FILL, &region->flags))
		return false;
	lock_map_acquire(&region_fill_map);
	return true;
}

/* Waits until it may; -EINTR: a signal. */
int region_fill_begin(struct region *region)
{
	if (bit_lock(region, REGION_FILL, TASK_INTERRUPTIBLE))
		return -EINTR;
	lock_map_acquire(&region_fill_map);
	return 0;
}

void region_fill_end(struct region *region)
{
	lock_map_release(&region_fill_map);
	bit_unlock(region, REGION_FILL);
}

void region_queues_init(struct segpool_pool *pool)
{
	u32 class;

	for (class = 0; class < SEGPOOL_MAX_CLASSES; class++)
		class_queue_init(&pool->queues[class]);
}

/**
 * regions_prepare() - make descriptors for the next new regions
 * @pool: the pool.
 * @nr: how many regions.
 *
 * Context: may sleep.
 * Return: SEGPOOL_REASON_NONE, also where there is no room for new regions;
 * _CEILING or _SYSTEM: there are no descriptors to be had.
 */
enum segpool_reason regions_prepare(struct segpool_pool *pool, u32 nr)
{
	u64 carved = atomic64_read(&pool->carved);
	u64 first = carved_count(carved);
	u32 reason;
	u32 i;

	if (!carved_has_room(carved, pool->nr_regions, nr))
		return SEGPOOL_REASON_NONE;
	for (i = chunk_of(first); i <= chunk_of(first + nr - 1); i++)
		if (!chunk_create(pool, i, &reason))
			return reason;
	return SEGPOOL_REASON_NONE;
}

/**
 * regions_uncarved() - may @nr new regions be carved? True for a moment.
 * @pool: the pool.
 * @nr: how many.
 *
 * Return: 0, -ENOSPC (the reservation or the virtual budget has no room), -EAGAIN
 * (it has, but there are no descriptors yet: regions_prepare() makes them).
 */
int regions_uncarved(const struct segpool_pool *pool, u32 nr)
{
	u64 carved = atomic64_read(&pool->carved);
	u64 first = carved_count(carved);
	u32 i;

	if (!carved_has_room(carved, pool->nr_regions, nr))
		return -ENOSPC;
	for (i = chunk_of(first); i <= chunk_of(first + nr - 1); i++)
		if (!READ_ONCE(pool->chunks[i]))
			return -EAGAIN;
	return 0;
}

/**
 * region_carve() - take untouched neighbouring regions out of the reservation
 * @pool: the pool.
 * @class: the class they will serve.
 * @nr: how many.
 * @regions: set to the regions, claimed.
 * @reason: set where there are none to be had.
 *
 * Context: may sleep.
 * Return: whether they were carved; all or none.
 */
bool region_carve(struct segpool_pool *pool, u32 class, u32 nr, struct region **regions,
		  u32 *reason)
{
	s64 old = atomic64_read(&pool->carved);
	u32 first;
	u32 i;

	do {
		first = carved_count(old);
		if (!carved_has_room(old, pool->nr_regions, nr)) {
			*reason = SEGPOOL_REASON_VIRTUAL;
			return false;
		}
		for (i = chunk_of(first); i <= chunk_of((u64)first + nr - 1); i++)
			if (!chunk_create(pool, i, reason))
				return false;
	} while (!carved_advance(&pool->carved, &old, nr));

	for (i = 0; i < nr; i++) {
		regions[i] = region_lookup(pool, first + i);
		word_carve(&regions[i]->word, class);
		count(pool, SEGPOOL_C_NEW_REGIONS, 1);
		count_class(pool, class, SEGPOOL_CC_NEW_REGIONS);
		trace_segpool_region_new(pool->id, first + i, class,
					 (u64)(first + i + 1) << pool->region_shift);
	}
	return true;
}

static struct class_queue *queue_of(struct segpool_pool *pool, u64 word)
{
	return &pool->queues[word_class(word)];
}

/**
 * region_unclaim() - put a claimed region back as it was
 * @pool: the pool.
 * @region: claimed, without pages.
 *
 * A region that was carved for the request waits in the queue of its class from
 * now on. First in its queue, so that the order stays.
 */
void region_unclaim(struct segpool_pool *pool, struct region *region)
{
	class_queue_put(queue_of(pool, region_word(region)), region, true);
}

/* Does a released region of the class wait? For a moment. */
bool region_waits(const struct segpool_pool *pool, u32 class)
{
	return READ_ONCE(pool->queues[class].nr_freed);
}

/**
 * region_claim_freed() - take the region that has waited longest in a class
 * @pool: the pool.
 * @class: whose queue.
 * @region: set to the region, claimed.
 *
 * Return: whether there was one.
 */
bool region_claim_freed(struct segpool_pool *pool, u32 class, struct region **region)
{
	*region = class_queue_claim_first(&pool->queues[class]);
	return *region;
}

/**
 * region_claim_kept() - take the region that a class has kept last
 * @pool: the pool.
 * @class: whose queue.
 * @region: set to the region, claimed, with its pages, which are physical ones now.
 *
 * Return: whether there was one, and the budget has room for its pages.
 */
bool region_claim_kept(struct segpool_pool *pool, u32 class, struct region **region)
{
	*region = class_queue_claim_kept(&pool->queues[class], &pool->account);
	return *region;
}

/* Claims @region if it is (still) freed; without pages. */
static bool claim_if_freed(struct segpool_pool *pool, struct region *region)
{
	u64 word = region_word(region);
	int err;

	while (word_state(word) == REGION_FREED && !fatal_signal_pending(current)) {
		err = class_queue_claim(queue_of(pool, word), region, word, NULL);
		if (!err)
			return true;
		if (err == -EEXIST)
			kept_strip(pool, region);
		/* Claimed and released by somebody else meanwhile: look again. */
		word = region_word(region);
	}
	return false;
}

/* Claims @nr neighbours from @first on, or none. */
static bool claim_run_at(struct segpool_pool *pool, u32 first, u32 nr, struct region **regions)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		regions[i] = region_lookup(pool, first + i);
		if (claim_if_freed(pool, regions[i]))
			continue;
		while (i)
			region_unclaim(pool, regions[--i]);
		return false;
	}
	return true;
}

/**
 * region_claim_run() - take neighbouring released regions, of whatever classes
 * @pool: the pool.
 * @nr: how many.
 * @regions: set to the regions, claimed, in ascending order; NULL: only look whether
 *	there are any.
 *
 * Looks through all carved regions, and takes none before it has seen a whole
 * run, so that requests for single regions are not starved meanwhile.
 *
 * Context: may sleep.
 * Return: whether there was such a run; nothing is claimed otherwise.
 */
bool region_claim_run(struct segpool_pool *pool, u32 nr, struct region **regions)
{
	u32 carved = regions_carved(pool);
	u32 run = 0;
	u32 i;

	for (i = 0; i < carved; i++) {
		if (!(i % 1024)) {
			if (fatal_signal_pending(current))
				return false;
			cond_resched();
		}
		if (word_state(region_word(region_lookup(pool, i))) != REGION_FREED)
			run = 0;
		else if (++run >= nr &&
			 (!regions || claim_run_at(pool, i + 1 - nr, nr, regions)))
			return true;
	}
	return false;
}

/**
 * region_check_named() - could it ever be had?
 * @pool: the pool.
 * @handle: the handle under which it was released.
 *
 * Whoever has claimed it may have to put it back: that is no answer, see admit().
 *
 * Context: any.
 * Return: 0; -EBUSY, -ESTALE, -ENOENT: as region_claim_named(), and for good.
 */
int region_check_named(struct segpool_pool *pool, u64 handle)
{
	struct region *region = region_lookup(pool, handle_index(handle));
	u64 word;
	int err;

	if (!region)
		return -ENOENT;
	word = region_word(region);
	err = word_check_freed(word, handle);
	return err == -EBUSY && word_state(word) == REGION_CLAIMED ? 0 : err;
}

/**
 * region_claim_named() - take one named released region
 * @pool: the pool.
 * @handle: the handle under which it was released.
 * @with_pages: with its pages, if it is kept.
 * @region: set to the region, claimed.
 *
 * Context: may sleep.
 * Return: 0; -EBUSY: somebody has it; -ESTALE; -ENOENT; -ENOMEM: the physical budget has
 * no room for its pages; -EINTR.
 */
int region_claim_named(struct segpool_pool *pool, u64 handle, bool with_pages,
		       struct region **region)
{
	struct account *account = with_pages ? &pool->account : NULL;
	u64 word;
	int err;

	*region = region_lookup(pool, handle_index(handle));
	if (!*region)
		return -ENOENT;
	do {
		word = region_word(*region);
		err = word_check_freed(word, handle);
		if (err)
			return err;
		err = class_queue_claim(queue_of(pool, word), *region, word, account);
		if (err == -EEXIST)
			kept_strip(pool, *region);
		if (fatal_signal_pending(current) && err)
			return -EINTR;
	} while (err == -EAGAIN || err == -EEXIST);
	return err;
}

/**
 * region_activate() - hand a claimed region out
 * @pool: the pool.
 * @region: claimed.
 * @class: the class it serves from now on.
 *
 * Return: its handle.
 */
u64 region_activate(struct segpool_pool *pool, struct region *region, u32 class)
{
	u32 generation;
	bool lent;

	/* Before it is active: what its word said until now means nothing. */
	lent = pool->lent &&
	       lent_offer_region(pool, region,
				 generation_after(word_generation(region_word(region))));
	atomic_inc(&pool->queues[class].nr_active);
	generation = word_activate(&region->word, class);
	if (lent)
		lent_watch(pool, region);
	return handle_make(region->index, generation);
}

/**
 * region_retire() - put an active region into the queue of its class
 * @pool: the pool.
 * @region: active, locked, without pages.
 */
void region_retire(struct segpool_pool *pool, struct region *region)
{
	struct class_queue *queue = queue_of(pool, region_word(region));

	region_assert_locked(region);
	atomic_dec(&queue->nr_active);
	class_queue_put(queue, region, false);
}

static bool put_kept(struct segpool_pool *pool, struct class_queue *queue, struct region *region)
{
	region_assert_locked(region);
	return class_queue_put_kept(queue, region, &pool->account, READ_ONCE(pool->retain_limit),
				    jiffies);
}

/**
 * region_retire_kept() - put an active region with all its pages into its queue
 * @pool: the pool.
 * @region: active, locked.
 *
 * Return: whether it is released, and its pages are retained: not where the limits
 * have no room for them.
 */
bool region_retire_kept(struct segpool_pool *pool, struct region *region)
{
	struct class_queue *queue = queue_of(pool, region_word(region));

	atomic_dec(&queue->nr_active);
	if (put_kept(pool, queue, region))
		return true;
	atomic_inc(&queue->nr_active);
	return false;
}

/* The same with one that was claimed with its pages. */
bool region_unclaim_kept(struct segpool_pool *pool, struct region *region)
{
	return put_kept(pool, queue_of(pool, region_word(region)), region);
}
