// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Where a heap has no segment at hand: from its own regions, from what others have freed of them,
 * a region of the pool's, and where the pool has none left, from what all heaps have without need.
 */
#include <errno.h>

#include "segment.h"
#include "segment_inside.h"
#include "syscall.h"

/* So often somebody looks again who is short, because regions were on the move. */
#define MOST_LOOKS	1000

/* Does @what in each heap, with all others outside. */
static void in_all_heaps(struct segpool_segments *segments,
			 void (*what)(struct segpool_heap *heap, struct segpool_leaving *leaving))
{
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	struct segpool_heap *heap;

	pthread_mutex_lock(&segments->lock);
	for (heap = segments->heaps; heap; heap = heap->next) {
		segpool_heap_intrude(heap);
		what(heap, &leaving);
		segpool_heap_withdraw(heap);
	}
	pthread_mutex_unlock(&segments->lock);
	segpool_leave(segments, &leaving);
}

/* What has been freed is free: twice, since a heap may pass on what has another owner by now. */
void segpool_heaps_collect(struct segpool_segments *segments)
{
	in_all_heaps(segments, segpool_heap_collect);
	in_all_heaps(segments, segpool_heap_collect);
}

static void empty(struct segpool_segments *segments)
{
	segpool_heaps_collect(segments);
	in_all_heaps(segments, segpool_heap_empty);
}

/* Regions that no heap needs, and segments at hand, go back: their pages can serve anybody. */
void segpool_heaps_empty(struct segpool_segments *segments)
{
	pthread_mutex_lock(&segments->shortage);
	empty(segments);
	pthread_mutex_unlock(&segments->shortage);
}

/*
 * Everything that is there without need serves: @attempt is made until it has another result than
 * -ENOMEM, or had that while nothing was on the move.
 */
int segpool_in_shortage(struct segpool_segments *segments, int (*attempt)(void *argument),
			void *argument)
{
	uint32_t looks, moved;
	int error;

	pthread_mutex_lock(&segments->shortage);
	for (looks = 0; looks < MOST_LOOKS; looks++) {
		empty(segments);
		moved = __atomic_load_n(&segments->moved, __ATOMIC_SEQ_CST);
		error = attempt(argument);
		if (error != -ENOMEM ||
		    (!__atomic_load_n(&segments->moving, __ATOMIC_SEQ_CST) &&
		     __atomic_load_n(&segments->moved, __ATOMIC_SEQ_CST) == moved))
			break;
		segpool_sys_yield();
	}
	pthread_mutex_unlock(&segments->shortage);
	return error;
}

/* Whether there is something at hand, and the heap's thread is inside. */
static bool fill_from_own(struct segpool_heap *heap, uint32_t class_index)
{
	struct segpool_cache *cache = &heap->caches[class_index];
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;

	segpool_heap_enter(heap);
	segpool_heap_collect(heap, &leaving);
	if (cache->top == cache->slots)
		segpool_cache_fill(heap, class_index);
	if (cache->top != cache->slots && leaving.first == SEGPOOL_NONE)
		return true;
	segpool_heap_exit(heap);
	segpool_leave(heap->segments, &leaving);
	segpool_heap_enter(heap);
	if (cache->top == cache->slots)
		segpool_cache_fill(heap, class_index);
	if (cache->top != cache->slots)
		return true;
	segpool_heap_exit(heap);
	return false;
}

/* 0: as above. */
static int fill_from_pool(struct segpool_heap *heap, uint32_t class_index)
{
	struct segpool_segments *segments = heap->segments;
	struct segpool_region region;
	int taken;

	segpool_move_begins(segments);
	taken = segpool_region_alloc(segments->pool, class_index, SEGPOOL_POPULATE, 0, &region, 1);
	if (taken < 0) {
		segpool_move_fails(segments);
		return taken;
	}
	segpool_heap_enter(heap);
	segpool_slab_adopt(heap, &region, class_index);
	segpool_cache_fill(heap, class_index);
	segpool_move_ends(segments);
	return 0;
}

/*
 * A region with free segments that another heap has. Only who holds segments->lock goes inside
 * a heap that is not its thread's: nobody sees this region in between. Whether: as above.
 */
static bool fill_from_others(struct segpool_heap *heap, uint32_t class_index)
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
		segpool_cache_fill(heap, class_index);
	}
	pthread_mutex_unlock(&segments->lock);
	return index != SEGPOOL_NONE;
}

struct refill {
	struct segpool_heap *heap;
	uint32_t class_index;
};

/* The pool last: what it says of a refusal is what the program is told. */
static int fill_from_anywhere(void *argument)
{
	const struct refill *refill = argument;

	if (fill_from_own(refill->heap, refill->class_index) ||
	    fill_from_others(refill->heap, refill->class_index))
		return 0;
	return fill_from_pool(refill->heap, refill->class_index);
}

/*
 * By the heap's thread, outside: 0 where the class's cache has something and the thread is inside,
 * or why not.
 */
int segpool_heap_refill(struct segpool_heap *heap, uint32_t class_index)
{
	struct refill refill = { heap, class_index };
	int error;

	if (fill_from_own(heap, class_index))
		return 0;
	error = fill_from_pool(heap, class_index);
	return error == -ENOMEM ?
	       segpool_in_shortage(heap->segments, fill_from_anywhere, &refill) : error;
}
