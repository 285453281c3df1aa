// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * A heap's regions: which have free segments, which are not needed any more, and what other
 * threads have freed of them. Inside the heap.
 */
#include <string.h>

#include "segment.h"

static void list_slab(struct segpool_heap *heap, struct segpool_slab *slab)
{
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	struct segpool_slab *slabs = heap->segments->pool->slabs;
	uint32_t index = segpool_slab_index(heap->segments, slab);

	slab->previous = SEGPOOL_NONE;
	slab->next = cache->partial;
	if (slab->next != SEGPOOL_NONE)
		slabs[slab->next].previous = index;
	cache->partial = index;
	slab->listed = true;
}

static void unlist_slab(struct segpool_heap *heap, struct segpool_slab *slab)
{
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	struct segpool_slab *slabs = heap->segments->pool->slabs;

	if (slab->previous == SEGPOOL_NONE)
		cache->partial = slab->next;
	else
		slabs[slab->previous].next = slab->next;
	if (slab->next != SEGPOOL_NONE)
		slabs[slab->next].previous = slab->previous;
	slab->listed = false;
}

static uint16_t cache_of(const struct segpool_heap *heap, const struct segpool_cache *cache)
{
	return (uint16_t)((const char *)cache - (const char *)heap);
}

/*
 * From now on no segment of the region is freed without a look at who holds it: the quick way finds
 * no room in the cache that it is sent to.
 */
void segpool_slab_be_careful(struct segpool_heap *heap, struct segpool_slab *slab)
{
	slab->cache = cache_of(heap, &heap->none);
	__atomic_store_n(&slab->careful, true, __ATOMIC_RELEASE);
}

/* A new region, or one that was released meanwhile, becomes the heap's: all its segments are free. */
void segpool_slab_adopt(struct segpool_heap *heap, const struct segpool_region *region,
			uint32_t class_index)
{
	struct segpool_segments *segments = heap->segments;
	uint32_t index = SEGPOOL_HANDLE_INDEX(region->handle), i;
	struct segpool_slab *slab = &segments->pool->slabs[index];
	uint64_t *bitmap = segpool_bitmap(segments, index);
	uint32_t nr;

	slab->segments = segpool_segment_at(segments, index, 0);
	slab->class_index = (uint8_t)class_index;
	if (segments->checks)
		__atomic_store_n(&slab->careful, true, __ATOMIC_RELEASE);
	slab->cache = cache_of(heap, slab->careful ? &heap->none : &heap->caches[class_index]);
	slab->shift = segments->shift_of[class_index];
	nr = 1U << (segments->pool->region_shift - slab->shift);
	slab->nr_free = (uint16_t)nr;
	slab->live = 0;
	slab->last = 1;
	slab->large = 0;
	slab->generation = SEGPOOL_HANDLE_GENERATION(region->handle);
	for (i = 0; i < nr; i += 64)
		bitmap[i / 64] = nr - i < 64 ? (1ULL << nr) - 1 : UINT64_MAX;
	/* Release: who finds the owner finds the rest. */
	__atomic_store_n(&slab->owner, heap, __ATOMIC_RELEASE);
	list_slab(heap, slab);
	heap->caches[class_index].regions++;
	if (region->flags & SEGPOOL_REGION_NEW)
		heap->caches[class_index].regions_new++;
	else
		heap->caches[class_index].regions_reused++;
}

/*
 * A region with free segments changes heaps. Inside both; @from has no segment of its class at
 * hand.
 */
void segpool_slab_move(struct segpool_heap *from, struct segpool_heap *to, uint32_t index)
{
	struct segpool_slab *slab = &from->segments->pool->slabs[index];
	struct segpool_cache *cache = &from->caches[slab->class_index];

	if (cache->hot == index)
		cache->hot = SEGPOOL_NONE;
	slab->last = 1;
	cache->regions--;
	unlist_slab(from, slab);
	/* What is freed of it from now on goes to its new owner. */
	__atomic_store_n(&slab->owner, to, __ATOMIC_RELEASE);
	list_slab(to, slab);
	to->caches[slab->class_index].regions++;
}

/* Of the segments at hand those of that region go: they were free already. */
static void purge_cache(struct segpool_heap *heap, const struct segpool_slab *slab)
{
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	struct segpool_slot *slot, *kept = cache->slots;

	for (slot = cache->slots; slot < cache->top; slot++)
		if (slot->slab != slab)
			*kept++ = *slot;
	cache->top = kept;
}

static void let_go(struct segpool_heap *heap, struct segpool_slab *slab,
		   struct segpool_leaving *leaving)
{
	purge_cache(heap, slab);
	if (slab->listed)
		unlist_slab(heap, slab);
	heap->caches[slab->class_index].regions--;
	heap->caches[slab->class_index].regions_released++;
	__atomic_add_fetch(&heap->segments->moving, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&slab->owner, NULL, __ATOMIC_RELEASE);
	slab->next = leaving->first;
	leaving->first = segpool_slab_index(heap->segments, slab);
}

/*
 * The program has none of the region's segments any more. One such region of each class stays, or
 * who has one segment at a time would need a new region each time.
 */
void segpool_slab_emptied(struct segpool_heap *heap, struct segpool_slab *slab,
			  struct segpool_leaving *leaving)
{
	struct segpool_slab *slabs = heap->segments->pool->slabs;
	struct segpool_cache *cache = &heap->caches[slab->class_index];

	if (cache->hot != SEGPOOL_NONE && &slabs[cache->hot] != slab) {
		if (!slabs[cache->hot].live) {
			let_go(heap, slab, leaving);
			return;
		}
		slabs[cache->hot].last = 1;
	}
	cache->hot = segpool_slab_index(heap->segments, slab);
	slab->last = 0;
}

/* Segments from the heap's regions to its cache, until that is half full. */
void segpool_cache_fill(struct segpool_heap *heap, uint32_t class_index)
{
	struct segpool_segments *segments = heap->segments;
	struct segpool_cache *cache = &heap->caches[class_index];
	struct segpool_slot *enough = cache->slots + (segpool_cache_capacity(cache) + 1) / 2;
	uint32_t number, word;
	struct segpool_slab *slab;
	uint64_t *bitmap;

	while (cache->top < enough && cache->partial != SEGPOOL_NONE) {
		slab = &segments->pool->slabs[cache->partial];
		bitmap = segpool_bitmap(segments, cache->partial);
		for (word = 0; !bitmap[word]; word++)
			;
		number = word * 64 + (uint32_t)__builtin_ctzll(bitmap[word]);
		bitmap[word] &= bitmap[word] - 1;
		*cache->top++ = (struct segpool_slot){
			.address = segpool_slab_address(segments->pool, cache->partial) +
				   ((uint64_t)number << slab->shift),
			.segment = slab->segments + number,
			.slab = slab,
		};
		if (!--slab->nr_free)
			unlist_slab(heap, slab);
	}
}

static void put_bit(struct segpool_heap *heap, struct segpool_slab *slab, uint32_t number)
{
	uint64_t *bitmap = segpool_bitmap(heap->segments,
					  segpool_slab_index(heap->segments, slab));

	bitmap[number / 64] |= 1ULL << number % 64;
	if (!slab->nr_free++)
		list_slab(heap, slab);
}

/* All but @keep of the segments at hand go to their regions, those that wait longest first. */
void segpool_cache_flush(struct segpool_heap *heap, uint32_t class_index, uint32_t keep)
{
	struct segpool_cache *cache = &heap->caches[class_index];
	struct segpool_slot *slot = cache->slots;
	uint32_t nr = segpool_cache_nr(cache);

	for (; nr > keep; nr--, slot++)
		put_bit(heap, slot->slab, (uint32_t)(slot->segment - slot->slab->segments));
	memmove(cache->slots, slot, nr * sizeof(*slot));
	cache->top = cache->slots + nr;
}

/* It is free, by what another thread or a careful free did. Nobody else is at it. */
void segpool_slab_take_back(struct segpool_heap *heap, struct segpool_slab *slab, uint32_t number,
			    struct segpool_leaving *leaving)
{
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	struct segpool_segment *segment = slab->segments + number;

	segpool_add(&segment->generation, 1);
	cache->asked -= segpool_read(&segment->asked);
	cache->frees++;
	put_bit(heap, slab, number);
	segpool_nobody_is_at(segment);
	if (!--slab->live)
		segpool_slab_emptied(heap, slab, leaving);
}

/* Everything that the heap has without need goes: an orphan, or the pool is short. */
void segpool_heap_empty(struct segpool_heap *heap, struct segpool_leaving *leaving)
{
	struct segpool_slab *slabs = heap->segments->pool->slabs;
	uint32_t class_index, index, next;
	struct segpool_cache *cache;

	for (class_index = 0; class_index < heap->segments->pool->nr_classes; class_index++) {
		cache = &heap->caches[class_index];
		segpool_cache_flush(heap, class_index, 0);
		if (cache->hot != SEGPOOL_NONE)
			slabs[cache->hot].last = 1;
		cache->hot = SEGPOOL_NONE;
		for (index = cache->partial; index != SEGPOOL_NONE; index = next) {
			next = slabs[index].next;
			if (!slabs[index].live)
				let_go(heap, &slabs[index], leaving);
		}
	}
}

/*
 * Outside: they go home, with their pages, which stay for whoever needs some next; in a checked pool
 * without, so that who touches them still is stopped where the pool can do that.
 */
void segpool_leave(struct segpool_segments *segments, struct segpool_leaving *leaving)
{
	uint32_t index = leaving->first, next;

	for (; index != SEGPOOL_NONE; index = next) {
		/* Before somebody else gets the region. */
		next = segments->pool->slabs[index].next;
		segpool_region_free(segments->pool,
				    segpool_slab_handle(segments->pool, &segments->pool->slabs[index]),
				    segments->checks ? SEGPOOL_NOW : SEGPOOL_LAZY);
		/* Release: who sees that it has arrived finds it in the pool. */
		__atomic_sub_fetch(&segments->moving, 1, __ATOMIC_RELEASE);
	}
	leaving->first = SEGPOOL_NONE;
}
