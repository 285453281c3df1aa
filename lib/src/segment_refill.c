// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Where a heap has no segment at hand: from its own regions, from what others have freed of them,
 * a region of the pool's, and where the pool has none left, from what all heaps have without need.
 */
#include <errno.h>

#include "callback.h"
#include "segment.h"
#include "segment_inside.h"
#include "syscall.h"

/* --- all heaps at once: who does this is inside all of them, and nobody else in any --- */

static void enter_all(struct segpool_segments *segments)
{
	struct segpool_heap *heap;

	pthread_mutex_lock(&segments->lock);
	for (heap = segments->heaps; heap; heap = heap->next)
		segpool_heap_intrude(heap);
}

static void exit_all(struct segpool_segments *segments)
{
	struct segpool_heap *heap;

	for (heap = segments->heaps; heap; heap = heap->next)
		segpool_heap_withdraw(heap);
	pthread_mutex_unlock(&segments->lock);
}

/* What has been freed is free: twice, since a heap may pass on what has another owner by now. */
static void collect_all(struct segpool_segments *segments, struct segpool_leaving *leaving)
{
	struct segpool_heap *heap;
	int i;

	for (i = 0; i < 2; i++)
		for (heap = segments->heaps; heap; heap = heap->next)
			segpool_heap_collect(heap, leaving);
}

static void empty_all(struct segpool_segments *segments, struct segpool_leaving *leaving)
{
	struct segpool_heap *heap;

	collect_all(segments, leaving);
	for (heap = segments->heaps; heap; heap = heap->next)
		segpool_heap_empty(heap, leaving);
}

static bool anything_to_collect(const struct segpool_segments *segments)
{
	const struct segpool_heap *heap;

	for (heap = segments->heaps; heap; heap = heap->next)
		if (segpool_read(&heap->remote))
			return true;
	return false;
}

static void do_in_all(struct segpool_segments *segments,
		      void (*what)(struct segpool_segments *segments,
				   struct segpool_leaving *leaving))
{
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;

	enter_all(segments);
	what(segments, &leaving);
	exit_all(segments);
	segpool_leave(segments, &leaving);
}

void segpool_heaps_collect(struct segpool_segments *segments)
{
	do_in_all(segments, collect_all);
}

/* Regions that no heap needs, and segments at hand, go back: their pages can serve anybody. */
void segpool_heaps_empty(struct segpool_segments *segments)
{
	do_in_all(segments, empty_all);
}

/*
 * Everything that is there without need serves: @attempt is made inside all heaps, which have
 * nothing without need, while nobody takes regions from the pool, and those that were on
 * their way to it have arrived. What can happen meanwhile is that threads free each other's segments:
 * then once more.
 */
int segpool_in_shortage(struct segpool_segments *segments, int (*attempt)(void *argument),
			void *argument)
{
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	int error;

	pthread_rwlock_wrlock(&segments->taking);
	enter_all(segments);
	do {
		empty_all(segments, &leaving);
		segpool_leave(segments, &leaving);
		while (__atomic_load_n(&segments->moving, __ATOMIC_ACQUIRE))
			segpool_sys_nap();
		error = attempt(argument);
	} while (error == -ENOMEM && anything_to_collect(segments));
	exit_all(segments);
	pthread_rwlock_unlock(&segments->taking);
	return error;
}

/* --- for one heap --- */

/* Whether there is something at hand, and the heap's thread is inside. */
static bool fill_from_own(struct segpool_heap *heap, uint32_t class_index, bool *at_hand)
{
	struct segpool_cache *cache = &heap->caches[class_index];
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;

	segpool_heap_enter(heap);
	*at_hand = cache->top != cache->slots;
	if (*at_hand)
		return true;
	segpool_heap_collect(heap, &leaving);
	if (leaving.first != SEGPOOL_NONE) {
		segpool_heap_exit(heap);
		segpool_leave(heap->segments, &leaving);
		segpool_heap_enter(heap);
	}
	if (cache->top == cache->slots)
		segpool_cache_fill(heap, class_index);
	if (cache->top != cache->slots)
		return true;
	segpool_heap_exit(heap);
	return false;
}

static int take_region(struct segpool_heap *heap, uint32_t class_index,
		       struct segpool_region *region)
{
	int taken = segpool_region_alloc(heap->segments->pool, class_index, SEGPOOL_POPULATE, 0,
					 region, 1);

	return taken < 0 ? taken : 0;
}

/* A request for a segment; @region: the one that was taken for it, or nothing (its flags are 0). */
struct refill {
	struct segpool_heap *heap;
	uint32_t class_index;
	size_t asked;
	void *address;
	struct segpool_region region;
};

/* 0: as above. */
static int fill_from_pool(struct refill *refill)
{
	struct segpool_heap *heap = refill->heap;
	struct segpool_segments *segments = heap->segments;
	int error;

	pthread_rwlock_rdlock(&segments->taking);
	error = take_region(heap, refill->class_index, &refill->region);
	if (!error) {
		segpool_heap_enter(heap);
		segpool_slab_adopt(heap, &refill->region, refill->class_index);
		segpool_cache_fill(heap, refill->class_index);
	}
	pthread_rwlock_unlock(&segments->taking);
	return error;
}

/* Inside all heaps, whose caches are empty: a region with free segments that another heap has. */
static void take_from_others(struct segpool_heap *heap, uint32_t class_index)
{
	struct segpool_heap *other;
	uint32_t index;

	for (other = heap->segments->heaps; other; other = other->next) {
		index = other->caches[class_index].partial;
		if (index == SEGPOOL_NONE)
			continue;
		segpool_slab_move(other, heap, index);
		return;
	}
}

/* The pool last: what it says of a refusal is what the program is told. */
static int fill_from_anywhere(void *argument)
{
	struct refill *refill = argument;
	struct segpool_heap *heap = refill->heap;
	struct segpool_cache *cache = &heap->caches[refill->class_index];
	int error;

	if (cache->partial == SEGPOOL_NONE)
		take_from_others(heap, refill->class_index);
	if (cache->partial == SEGPOOL_NONE) {
		error = take_region(heap, refill->class_index, &refill->region);
		if (error)
			return error;
		segpool_slab_adopt(heap, &refill->region, refill->class_index);
	}
	segpool_cache_fill(heap, refill->class_index);
	/* At once: outside, somebody might take it away again. */
	refill->address = segpool_hand_out(cache, refill->asked);
	cache->misses++;
	return 0;
}

/* All that can be done without the program's help. */
static int do_refill(void *argument)
{
	struct refill *refill = argument;
	struct segpool_heap *heap = refill->heap;
	struct segpool_cache *cache = &heap->caches[refill->class_index];
	bool at_hand;
	int error = 0;

	if (!fill_from_own(heap, refill->class_index, &at_hand))
		error = fill_from_pool(refill);
	if (error == -ENOMEM)
		return segpool_in_shortage(heap->segments, fill_from_anywhere, refill);
	if (error)
		return error;
	refill->address = segpool_hand_out(cache, refill->asked);
	cache->misses += !at_hand;
	segpool_heap_exit(heap);
	return 0;
}

static void count_refusal(struct segpool_heap *heap, uint32_t class_index)
{
	segpool_heap_enter(heap);
	heap->caches[class_index].refusals++;
	segpool_heap_exit(heap);
}

/* By the heap's thread, outside: 0 and a segment, or why there is none. */
int segpool_heap_refill(struct segpool_heap *heap, uint32_t class_index, size_t asked,
			void **address)
{
	struct refill refill = { .heap = heap, .class_index = class_index, .asked = asked };
	struct segpool *pool = heap->segments->pool;
	int error = do_refill(&refill);

	if (error == -ENOMEM)
		error = segpool_insist(pool, class_index, asked, do_refill, &refill);
	if (error == -ENOMEM)
		count_refusal(heap, class_index);
	else if (refill.region.flags)
		segpool_tell_of_region(pool, class_index, &refill.region);
	*address = refill.address;
	return error;
}
