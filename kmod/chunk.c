// SPDX-License-Identifier: GPL-2.0-only
/*
 * The descriptors of regions. They are made a page at a time, when the first of
 * them is carved, and a list knows all of these pages that have kept regions, by
 * node and memory cgroup: for the shrinker.
 */

#include <linux/list_lru.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "segpool.h"

static struct kmem_cache *chunk_cache;
static struct list_lru chunk_lru;

/* What the allocator takes for one. */
#define CHUNK_BYTES PAGE_SIZE

/* Bits of region_chunk.flags. */
/* It is in the list, or whoever took it out looks at its regions from now on. */
#define CHUNK_WATCHED 0

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
	struct region_chunk *chunk;

	if (index >= carved)
		return NULL;
	index = array_index_nospec(index, carved);
	/* Pairs with the release in chunk_create(). */
	chunk = smp_load_acquire(&pool->chunks[chunk_of(index)]);
	return &chunk->regions[index % REGIONS_PER_CHUNK];
}

static u64 table_bytes(u32 nr_regions)
{
	return array_size(DIV_ROUND_UP(nr_regions, REGIONS_PER_CHUNK),
			  sizeof(struct region_chunk *));
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

static void chunk_free(struct region_chunk *chunk)
{
	kmem_cache_free(chunk_cache, chunk);
	metadata_uncharge(CHUNK_BYTES);
}

/**
 * region_chunks_destroy() - free all descriptors
 * @pool: the pool; nobody uses it any more but a shrinker, which finds that it has ended
 *	(pool_tryget()).
 */
void region_chunks_destroy(struct segpool_pool *pool)
{
	u32 i;

	for (i = 0; i < DIV_ROUND_UP(pool->nr_regions, REGIONS_PER_CHUNK); i++) {
		if (pool->chunks[i]) {
			list_lru_del_obj(&chunk_lru, &pool->chunks[i]->lru);
			chunk_free(pool->chunks[i]);
		}
		cond_resched();
	}
	kvfree(pool->chunks);
	metadata_uncharge(table_bytes(pool->nr_regions));
}

/**
 * chunk_create() - make descriptors, if they are not there yet
 * @pool: the pool.
 * @number: which chunk of them.
 * @reason: set where there are none to be had.
 *
 * Context: may sleep.
 * Return: whether they are there.
 */
bool chunk_create(struct segpool_pool *pool, u32 number, u32 *reason)
{
	struct region_chunk *chunk;
	u32 i;

	BUILD_BUG_ON(sizeof(struct region) > 64);
	BUILD_BUG_ON(sizeof(struct region_chunk) > CHUNK_BYTES);

	/* Pairs with the release below. */
	if (smp_load_acquire(&pool->chunks[number]))
		return true;
	if (!metadata_charge(CHUNK_BYTES)) {
		*reason = SEGPOOL_REASON_CEILING;
		return false;
	}
	chunk = kmem_cache_alloc_lru(chunk_cache, &chunk_lru, SEGPOOL_GFP | __GFP_ZERO);
	if (!chunk) {
		metadata_uncharge(CHUNK_BYTES);
		*reason = SEGPOOL_REASON_SYSTEM;
		return false;
	}
	/* Before the descriptors: who finds a region finds its word. */
	if (!lent_prepare(pool, number * REGIONS_PER_CHUNK,
			  (number + 1) * REGIONS_PER_CHUNK - 1, reason)) {
		chunk_free(chunk);
		return false;
	}
	INIT_LIST_HEAD(&chunk->lru);
	chunk->pool = pool;
	for (i = 0; i < REGIONS_PER_CHUNK; i++)
		chunk->regions[i].index = number * REGIONS_PER_CHUNK + i;

	/* Whoever comes second uses the first one's. */
	if (cmpxchg_release(&pool->chunks[number], NULL, chunk))
		chunk_free(chunk);
	return true;
}

/**
 * chunk_watch() - let the shrinker know that a region has pages to take
 * @pool: the pool.
 * @region: kept, or was a moment ago.
 *
 * Costs nothing where it knows of the chunk already: it forgets one only when it finds
 * no such region in it.
 */
void chunk_watch(struct segpool_pool *pool, const struct region *region)
{
	struct region_chunk *chunk = pool->chunks[chunk_of(region->index)];

	/* A full barrier: the region is in its queue before. Pairs with chunk_taken(). */
	if (!test_and_set_bit(CHUNK_WATCHED, &chunk->flags))
		list_lru_add_obj(&chunk_lru, &chunk->lru);
}

/* The shrinker has it, in the list or not, and looks at its regions now. */
void chunk_taken(struct region_chunk *chunk)
{
	clear_bit(CHUNK_WATCHED, &chunk->flags);
	/* Who releases a region from now on puts the chunk into the list again. */
	smp_mb__after_atomic();
}

/*
 * It goes on being in the list, unless somebody is about to put it there: one that is
 * there already would be put there a second time once it has left. Returns which.
 */
bool chunk_keep(struct region_chunk *chunk)
{
	return !test_and_set_bit(CHUNK_WATCHED, &chunk->flags);
}

/* How many of its regions are in the reservation. */
static u32 regions_in(const struct region_chunk *chunk)
{
	return min(REGIONS_PER_CHUNK, chunk->pool->nr_regions - chunk->regions[0].index);
}

/* How many kept regions it has, and idle ones. */
u32 kept_in_chunk(const struct region_chunk *chunk)
{
	u32 nr = regions_in(chunk);
	u32 kept = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		kept += region_is_kept(&chunk->regions[i]) ||
			lent_is_released(chunk->pool, &chunk->regions[i]);
	return kept;
}

/* May it have some without anybody being told? */
bool chunk_lends(const struct region_chunk *chunk)
{
	u32 nr = regions_in(chunk);
	u32 i;

	if (!chunk->pool->lent)
		return false;
	for (i = 0; i < nr; i++)
		if (lent_is_lent(chunk->pool, &chunk->regions[i]))
			return true;
	return false;
}

/* For the shrinker's walks. */
struct list_lru *chunk_list(void)
{
	return &chunk_lru;
}

int chunks_init(struct shrinker *shrinker)
{
	int err;

	chunk_cache = kmem_cache_create("segpool_regions", CHUNK_BYTES, 0, SLAB_ACCOUNT, NULL);
	if (!chunk_cache)
		return -ENOMEM;
	err = list_lru_init_memcg(&chunk_lru, shrinker);
	if (err)
		kmem_cache_destroy(chunk_cache);
	return err;
}

void chunks_exit(void)
{
	list_lru_destroy(&chunk_lru);
	kmem_cache_destroy(chunk_cache);
}
