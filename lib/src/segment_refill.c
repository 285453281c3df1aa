// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Where a heap has no segment at hand: from its own regions, from what others have freed of them,
 * a region of the pool's, and where the pool has none left, from what all heaps have without need.
 */
#include <errno.h>

#include "segment.h"
#include "segment_inside.h"

static bool fill_from_own(struct segpool_heap *heap, uint32_t class_index)
{
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	bool filled;

	segpool_heap_enter(heap);
	segpool_heap_collect(heap, &leaving);
	segpool_cache_fill(heap, class_index);
	filled = heap->caches[class_index].nr;
	segpool_heap_exit(heap);
	segpool_leave(heap->segments, &leaving);
	return filled;
}

/* Regions that no heap needs, and segments at hand, go back: their pages can serve anybody. */
void segpool_heaps_empty(struct segpool_segments *segments)
{
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	struct segpool_heap *heap;

	pthread_mutex_lock(&segments->lock);
	for (heap = segments->heaps; heap; heap = heap->next) {
		segpool_heap_intrude(heap);
		segpool_heap_empty(heap, &leaving);
		segpool_heap_withdraw(heap);
	}
	pthread_mutex_unlock(&segments->lock);
	segpool_leave(segments, &leaving);
}

/* 0, or why there are none: all of them, neighbours. */
int segpool_take_regions(struct segpool_segments *segments, uint32_t class_index,
			 struct segpool_region *regions, uint32_t nr)
{
	uint32_t flags = SEGPOOL_POPULATE | (nr > 1 ? SEGPOOL_CONTIGUOUS : 0);
	int taken;

	taken = segpool_region_alloc(segments->pool, class_index, flags, 0, regions, nr);
	if (taken == -ENOMEM) {
		segpool_heaps_empty(segments);
		taken = segpool_region_alloc(segments->pool, class_index, flags, 0, regions, nr);
	}
	return taken < 0 ? taken : 0;
}

/*
 * A region with free segments that another heap has. Only who holds segments->lock goes inside
 * a heap that is not its thread's: nobody sees this region in between.
 */
static bool take_from_others(struct segpool_heap *heap, uint32_t class_index)
{
	struct segpool_segments *segments = heap->segments;
	uint32_t index = SEGPOOL_NONE;
	struct segpool_heap *other;

	pthread_mutex_lock(&segments->lock);
	for (other = segments->heaps; other && index == SEGPOOL_NONE; other = other->next) {
		if (other == heap)
			continue;
		segpool_heap_intrude(other);
		/* None of the region's segments may stay at hand there. */
		segpool_cache_flush(other, class_index, 0);
		index = other->caches[class_index].partial;
		if (index != SEGPOOL_NONE)
			segpool_slab_depart(other, heap, index);
		segpool_heap_withdraw(other);
	}
	if (index != SEGPOOL_NONE) {
		segpool_heap_enter(heap);
		segpool_slab_arrive(heap, index);
		segpool_heap_exit(heap);
	}
	pthread_mutex_unlock(&segments->lock);
	return index != SEGPOOL_NONE;
}

/* By the heap's thread: 0 where the class's cache has something, or why it has not. */
int segpool_heap_refill(struct segpool_heap *heap, uint32_t class_index)
{
	struct segpool_region region;
	int error;

	if (fill_from_own(heap, class_index))
		return 0;
	error = segpool_take_regions(heap->segments, class_index, &region, 1);
	if (!error) {
		segpool_heap_enter(heap);
		segpool_slab_adopt(heap, &region, class_index);
		segpool_cache_fill(heap, class_index);
		segpool_heap_exit(heap);
		return 0;
	}
	if (error == -ENOMEM && take_from_others(heap, class_index) &&
	    fill_from_own(heap, class_index))
		return 0;
	return error;
}
