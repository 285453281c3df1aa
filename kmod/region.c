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

/* What the allocator takes for it. */
#define CHUNK_BYTES PAGE_SIZE

/* The locks of a region are one bit each; these tell lockdep about them. */
#ifdef CONFIG_LOCKDEP
static struct lock_class_key region_lock_key, region_fill_key;
static struct lockdep_map region_lock_map =
	STATIC_LOCKDEP_MAP_INIT("segpool_region", &region_lock_key);
static struct lockdep_map region_fill_map =
	STATIC_LOCKDEP_MAP_INIT("segpool_region_fill", &region_fill_key);
#endif

/* Waits for the lock; -EINTR when the task was killed meanwhile. */
int region_lock_killable(struct region *region)
{
	if (wait_on_bit_lock(&region->flags, REGION_LOCK, TASK_KILLABLE))
		return -EINTR;
	lock_map_acquire(&region_lock_map);
	return 0;
}

void region_lock(struct region *region)
{
	wait_on_bit_lock(&region->flags, REGION_LOCK, TASK_UNINTERRUPTIBLE);
	lock_map_acquire(&region_lock_map);
}

static void bit_unlock(struct region *region, int bit)
{
	clear_bit_unlock(bit, &region->flags);
	/* The waiter's test of the bit must not pass the clearing of it. */
	smp_mb__after_atomic();
	wake_up_bit(&region->flags, bit);
}

void region_unlock(struct region *region)
{
	lock_map_release(&region_lock_map);
	bit_unlock(region, REGION_LOCK);
}

/* One POPULATE of a region at a time. Waits; -EINTR when the task was killed meanwhile. */
int region_fill_begin(struct region *region)
{
	if (wait_on_bit_lock(&region->flags, REGION_FILL, TASK_KILLABLE))
		return -EINTR;
	lock_map_acquire(&region_fill_map);
	return 0;
}

void region_fill_end(struct region *region)
{
	lock_map_release(&region_fill_map);
	bit_unlock(region, REGION_FILL);
}

u32 regions_carved(const struct segpool_pool *pool)
{
	/* Pairs with the compare-and-swap of carved_advance(): chunks before count. */
	return carved_count(atomic64_read_acquire(&pool->carved));
}

u32 regions_budget(const struct segpool_pool *pool)
{
	return carved_budget(atomic64_read(&pool->carved));
}

/* Returns NULL for an index that was never carved. */
struct region *region_lookup(const struct segpool_pool *pool, u64 index)
{
	u32 carved = regions_carved(pool);
	struct region *chunk;

	if (index >= carved)
		return NULL;
	index = array_index_nospec(index, carved);
	/* Pairs with the release in chunk_create(). */
	chunk = smp_load_acquire(&pool->chunks[index / REGIONS_PER_CHUNK]);
	return &chunk[index % REGIONS_PER_CHUNK];
}

void region_queues_init(struct segpool_pool *pool)
{
	u32 class;

	for (class = 0; class < SEGPOOL_MAX_CLASSES; class++)
		class_queue_init(&pool->queues[class]);
}

static u64 table_bytes(u32 nr_regions)
{
	return array_size(DIV_ROUND_UP(nr_regions, REGIONS_PER_CHUNK), sizeof(struct region *));
}

int region_chunks_create(struct segpool_pool *pool, u32 nr_regions)
{
	if (!metadata_charge(table_bytes(nr_regions)))
		return -ENOMEM;
	pool->chunks = kvzalloc(table_bytes(nr_regions), SEGPOOL_GFP);
	if (pool->chunks)
		return 0;
	metadata_uncharge(table_bytes(nr_regions));
	return -ENOMEM;
}

static void chunk_free(struct region *chunk)
{
	kfree(chunk);
	metadata_uncharge(CHUNK_BYTES);
}

void region_chunks_destroy(struct segpool_pool *pool)
{
	u32 i;

	for (i = 0; i < DIV_ROUND_UP(pool->nr_regions, REGIONS_PER_CHUNK); i++) {
		if (pool->chunks[i])
			chunk_free(pool->chunks[i]);
		cond_resched();
	}
	kvfree(pool->chunks);
	metadata_uncharge(table_bytes(pool->nr_regions));
}

/* Makes a chunk of descriptors, if it is not there yet. */
static bool chunk_create(struct segpool_pool *pool, u32 number, u32 *reason)
{
	struct region *chunk;
	u32 i;

	BUILD_BUG_ON(sizeof(struct region) > 64);

	/* Pairs with the release below. */
	if (smp_load_acquire(&pool->chunks[number]))
		return true;
	if (!metadata_charge(CHUNK_BYTES)) {
		*reason = SEGPOOL_REASON_CEILING;
		return false;
	}
	chunk = kcalloc(REGIONS_PER_CHUNK, sizeof(*chunk), SEGPOOL_GFP);
	if (!chunk) {
		metadata_uncharge(CHUNK_BYTES);
		*reason = SEGPOOL_REASON_SYSTEM;
		return false;
	}
	for (i = 0; i < REGIONS_PER_CHUNK; i++)
		chunk[i].index = number * REGIONS_PER_CHUNK + i;

	/* Whoever comes second uses the first one's. */
	if (cmpxchg_release(&pool->chunks[number], NULL, chunk))
		chunk_free(chunk);
	return true;
}

static u32 chunk_of(u64 index)
{
	return index / REGIONS_PER_CHUNK;
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

/* Claims @region if it is (still) freed. */
static bool claim_if_freed(struct segpool_pool *pool, struct region *region)
{
	u64 word = region_word(region);

	while (word_state(word) == REGION_FREED) {
		if (class_queue_claim(queue_of(pool, word), region, word))
			return true;
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
 * @regions: set to the regions, claimed, in ascending order.
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
		else if (++run >= nr && claim_run_at(pool, i + 1 - nr, nr, regions))
			return true;
	}
	return false;
}

/**
 * region_claim_named() - take one named released region
 * @pool: the pool.
 * @handle: the handle under which it was released.
 * @region: set to the region, claimed.
 *
 * Return: 0; -EBUSY: somebody has it; -ESTALE; -ENOENT.
 */
int region_claim_named(struct segpool_pool *pool, u64 handle, struct region **region)
{
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
	} while (!class_queue_claim(queue_of(pool, word), *region, word));
	return 0;
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
	atomic_inc(&pool->queues[class].nr_active);
	return handle_make(region->index, word_activate(&region->word, class));
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
