// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * A heap's regions: which have free segments, which are not needed any more, and what other
 * threads have freed of them. Inside the heap.
 */
#include "segment.h"

static void list_slab(struct segpool_heap *heap, struct segpool_slab *slab)
{
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	struct segpool_slab *slabs = heap->segments->slabs;
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
	struct segpool_slab *slabs = heap->segments->slabs;

	if (slab->previous == SEGPOOL_NONE)
		cache->partial = slab->next;
	else
		slabs[slab->previous].next = slab->next;
	if (slab->next != SEGPOOL_NONE)
		slabs[slab->next].previous = slab->previous;
	slab->listed = false;
}

/* A new region, or one that was released meanwhile, becomes the heap's: all its segments are free. */
void segpool_slab_adopt(struct segpool_heap *heap, const struct segpool_region *region,
			uint32_t class_index)
{
	struct segpool_segments *segments = heap->segments;
	uint32_t index = SEGPOOL_HANDLE_INDEX(region->handle), i;
	struct segpool_slab *slab = &segments->slabs[index];
	uint64_t *bitmap = segpool_bitmap(segments, index);

	slab->class_index = (uint8_t)class_index;
	slab->shift = segments->shift_of[class_index];
	slab->nr = (uint16_t)(1U << (segments->region_shift - slab->shift));
	slab->nr_free = slab->nr;
	slab->live = 0;
	slab->large = 0;
	slab->handle = region->handle;
	for (i = 0; i < slab->nr; i += 64)
		bitmap[i / 64] = slab->nr - i < 64 ? (1ULL << slab->nr) - 1 : UINT64_MAX;
	/* Release: who finds the owner finds the rest. */
	__atomic_store_n(&slab->owner, heap, __ATOMIC_RELEASE);
	list_slab(heap, slab);
	heap->caches[class_index].regions++;
}

/*
 * A region with free segments changes heaps. Inside @from, which it leaves, and which has no segment
 * of its class at hand:
 */
void segpool_slab_depart(struct segpool_heap *from, struct segpool_heap *to, uint32_t index)
{
	struct segpool_slab *slab = &from->segments->slabs[index];
	struct segpool_cache *cache = &from->caches[slab->class_index];

	if (cache->hot == index)
		cache->hot = SEGPOOL_NONE;
	cache->regions--;
	unlist_slab(from, slab);
	/* What is freed of it from now on goes to its new owner. */
	__atomic_store_n(&slab->owner, to, __ATOMIC_RELEASE);
}

/* Inside its new heap, before anybody else is there: */
void segpool_slab_arrive(struct segpool_heap *to, uint32_t index)
{
	struct segpool_slab *slab = &to->segments->slabs[index];

	list_slab(to, slab);
	to->caches[slab->class_index].regions++;
}

/* Of the segments at hand those of that region go: they were free already. */
static void purge_cache(struct segpool_heap *heap, const struct segpool_slab *slab)
{
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	const char *start = segpool_segment_address(heap->segments,
						    segpool_slab_index(heap->segments, slab), 0, 0);
	const char *end = start + (1ULL << heap->segments->region_shift);
	uint32_t i, kept = 0;

	for (i = 0; i < cache->nr; i++)
		if ((char *)cache->slots[i] < start || (char *)cache->slots[i] >= end)
			cache->slots[kept++] = cache->slots[i];
	cache->nr = kept;
}

static void let_go(struct segpool_heap *heap, struct segpool_slab *slab,
		   struct segpool_leaving *leaving)
{
	purge_cache(heap, slab);
	if (slab->listed)
		unlist_slab(heap, slab);
	heap->caches[slab->class_index].regions--;
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
	struct segpool_segments *segments = heap->segments;
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	uint32_t hot = cache->hot;

	if (hot == SEGPOOL_NONE || segments->slabs[hot].live || &segments->slabs[hot] == slab)
		cache->hot = segpool_slab_index(segments, slab);
	else
		let_go(heap, slab, leaving);
}

/* Segments from the heap's regions to its cache, until that is half full. */
void segpool_cache_fill(struct segpool_heap *heap, uint32_t class_index)
{
	struct segpool_segments *segments = heap->segments;
	struct segpool_cache *cache = &heap->caches[class_index];
	uint32_t wanted = (cache->capacity + 1) / 2, number, word;
	struct segpool_slab *slab;
	uint64_t *bitmap;

	while (cache->nr < wanted && cache->partial != SEGPOOL_NONE) {
		slab = &segments->slabs[cache->partial];
		bitmap = segpool_bitmap(segments, cache->partial);
		for (word = 0; !bitmap[word]; word++)
			;
		number = word * 64 + (uint32_t)__builtin_ctzll(bitmap[word]);
		bitmap[word] &= bitmap[word] - 1;
		cache->slots[cache->nr++] = segpool_segment_address(segments, cache->partial,
								    number, slab->shift);
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
	struct segpool_segments *segments = heap->segments;
	struct segpool_cache *cache = &heap->caches[class_index];
	uint32_t i, surplus = cache->nr > keep ? cache->nr - keep : 0;
	struct segpool_slab *slab;
	uint64_t offset;

	for (i = 0; i < surplus; i++) {
		offset = (uint64_t)((char *)cache->slots[i] - segments->base);
		slab = &segments->slabs[offset >> segments->region_shift];
		offset &= (1ULL << segments->region_shift) - 1;
		put_bit(heap, slab, (uint32_t)(offset >> slab->shift));
	}
	for (i = 0; i < cache->nr - surplus; i++)
		cache->slots[i] = cache->slots[surplus + i];
	cache->nr -= surplus;
}

/* It was freed by another thread, and is in no list any more. */
static void take_remote(struct segpool_heap *heap, struct segpool_slab *slab, uint32_t number,
			uint32_t generation, struct segpool_leaving *leaving)
{
	struct segpool_segments *segments = heap->segments;
	uint32_t index = segpool_slab_index(segments, slab);
	struct segpool_segment *segment = segpool_segment_at(segments, index, number);
	struct segpool_cache *cache;

	/* Freed by its owner too, or all of it is long past. */
	if (segpool_read(&segment->generation) != generation) {
		__atomic_add_fetch(&segments->double_frees, 1, __ATOMIC_RELAXED);
		return;
	}
	cache = &heap->caches[slab->class_index];
	segpool_add(&cache->given_back, segpool_read(&segment->asked));
	segpool_add(&cache->frees, 1);
	segpool_write(&segment->generation, generation + 1);
	put_bit(heap, slab, number);
	if (!--slab->live)
		segpool_slab_emptied(heap, slab, leaving);
}

/* Everything in the remote list of a region. It may be another heap's by now, and then goes there. */
static void collect_slab(struct segpool_heap *heap, struct segpool_slab *slab,
			 struct segpool_leaving *leaving)
{
	struct segpool_segments *segments = heap->segments;
	uint32_t index = segpool_slab_index(segments, slab);
	uint32_t number, generation, next;
	struct segpool_segment *segment;

	next = __atomic_exchange_n(&slab->remote, 0, __ATOMIC_ACQ_REL);
	while (next) {
		number = next - 1;
		segment = segpool_segment_at(segments, index, number);
		/* Before it may be put into a list again. */
		next = segment->next;
		generation = __atomic_exchange_n(&segment->remote, 0, __ATOMIC_ACQ_REL);
		take_remote(heap, slab, number, generation, leaving);
	}
}

static void push_slab(struct segpool_heap *heap, struct segpool_slab *slab)
{
	uint32_t index = segpool_slab_index(heap->segments, slab);
	uint32_t first = segpool_read(&heap->remote);

	do {
		segpool_write(&slab->next_remote, first);
	} while (!__atomic_compare_exchange_n(&heap->remote, &first, index + 1, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* What other threads have freed of the heap's regions. */
void segpool_heap_collect(struct segpool_heap *heap, struct segpool_leaving *leaving)
{
	struct segpool_segments *segments = heap->segments;
	struct segpool_heap *owner;
	struct segpool_slab *slab;
	uint32_t next;

	if (!segpool_read(&heap->remote))
		return;
	next = __atomic_exchange_n(&heap->remote, 0, __ATOMIC_ACQUIRE);
	while (next) {
		slab = &segments->slabs[next - 1];
		next = segpool_read(&slab->next_remote);
		owner = __atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE);
		/* Nobody's: only wrong frees can be in there, and whoever comes next throws them out. */
		if (owner == heap || !owner)
			collect_slab(heap, slab, leaving);
		else
			push_slab(owner, slab);
	}
}

/* Everything that the heap has without need goes: an orphan, or the pool is short. */
void segpool_heap_empty(struct segpool_heap *heap, struct segpool_leaving *leaving)
{
	struct segpool_segments *segments = heap->segments;
	uint32_t class_index, index, next;
	struct segpool_slab *slab;

	segpool_heap_collect(heap, leaving);
	for (class_index = 0; class_index < segments->pool->nr_classes; class_index++) {
		segpool_cache_flush(heap, class_index, 0);
		heap->caches[class_index].hot = SEGPOOL_NONE;
		for (index = heap->caches[class_index].partial; index != SEGPOOL_NONE; index = next) {
			slab = &segments->slabs[index];
			next = slab->next;
			if (!slab->live)
				let_go(heap, slab, leaving);
		}
	}
}

/* Outside: they go home, with their pages, which stay for whoever needs some next. */
void segpool_leave(struct segpool_segments *segments, struct segpool_leaving *leaving)
{
	uint32_t index = leaving->first, next;

	for (; index != SEGPOOL_NONE; index = next) {
		/* Before somebody else gets the region. */
		next = segments->slabs[index].next;
		segpool_region_free(segments->pool, segments->slabs[index].handle, SEGPOOL_LAZY);
	}
	leaving->first = SEGPOOL_NONE;
}
