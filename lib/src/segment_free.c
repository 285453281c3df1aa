// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Taking segments back. */
#include <errno.h>

#include "record.h"
#include "segment_check.h"
#include "segment_inside.h"

static int wrong_free(struct segpool_segments *segments, const void *address, int error,
		      const void *site)
{
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	if (segments->checks)
		segpool_check_wrong(segments, address,
				    error == -EALREADY ? "double free" : "free of no segment", site);
	__atomic_add_fetch(error == -EALREADY ? &segments->double_frees : &segments->foreign_frees,
			   1, __ATOMIC_RELAXED);
	if (error == -EALREADY)
		segpool_record_fault(error, "the segment is free already: this is a second free");
	return error;
}

/* The program has it no more, and there is room for it at hand; inside the heap. */
static inline void take_back(struct segpool_cache *cache, struct segpool_slab *slab,
			     struct segpool_segment *segment, void *address)
{
	segpool_add(&segment->generation, 1);
	cache->frees++;
	cache->asked -= segpool_read(&segment->asked);
	*cache->top++ = (struct segpool_slot){ address, segment, slab };
	slab->live--;
}

static char *slab_start(const struct segpool_segments *segments, const struct segpool_slab *slab)
{
	return segpool_slab_address(segments->pool, segpool_slab_index(segments, slab));
}

/* By its owner, inside the heap: 0, or what is wrong with it. */
static int free_own(struct segpool_heap *heap, struct segpool_slab *slab, void *address,
		    uint32_t inner, struct segpool_leaving *leaving)
{
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	struct segpool_segment *segment = slab->segments + (inner >> slab->shift);

	if (inner & cache->unaligned)
		return -EINVAL;
	if (segpool_is_free(segment))
		return -EALREADY;
	if (cache->top == cache->end)
		segpool_cache_flush(heap, slab->class_index, segpool_cache_capacity(cache) / 2);
	take_back(cache, slab, segment, address);
	if (!slab->live)
		segpool_slab_emptied(heap, slab, leaving);
	return 0;
}

/*
 * One that had this generation when it was looked at. 0; -EALREADY: not any more, or somebody has freed it
 * already.
 */
int segpool_free_known(struct segpool_segments *segments, struct segpool_slab *slab,
		       uint32_t number, uint32_t generation, const void *site)
{
	struct segpool_segment *segment =
		segpool_segment_at(segments, segpool_slab_index(segments, slab), number);
	struct segpool_heap *heap = segpool_heap_if_mine(segments->pool);
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	int error = -EALREADY;
	uint32_t inner;

	if (heap && segpool_read(&slab->owner) == heap) {
		segpool_heap_enter(heap);
		if (segpool_read(&slab->owner) == heap && !slab->careful) {
			inner = number << slab->shift;
			if (segpool_read(&segment->generation) == generation)
				error = free_own(heap, slab, slab_start(segments, slab) + inner,
						 inner, &leaving);
			segpool_heap_exit(heap);
			segpool_leave(segments, &leaving);
			return error;
		}
		segpool_heap_exit(heap);
	}
	if (segpool_read(&slab->careful) || __atomic_load_n(&slab->large, __ATOMIC_ACQUIRE))
		return segpool_careful_free(segments, slab, number, generation, site);
	return segpool_remote_free(segments, slab, number, generation);
}

/* In a region that no heap has: a large piece, what was a segment once, or nothing of ours. */
static int free_in_nobodys(struct segpool_segments *segments, struct segpool_slab *slab,
			   uint64_t inner, const void *site)
{
	struct segpool_segment *segment;
	uint32_t generation;

	if (!slab->shift || inner & ((1ULL << slab->shift) - 1))
		return -EINVAL;
	segment = segpool_segment_at(segments, segpool_slab_index(segments, slab),
				     (uint32_t)(inner >> slab->shift));
	generation = __atomic_load_n(&segment->generation, __ATOMIC_ACQUIRE);
	/* As long as it has this generation it is that piece. */
	if (!inner && generation & 1 && __atomic_load_n(&slab->large, __ATOMIC_ACQUIRE))
		return segpool_careful_free(segments, slab, 0, generation, site);
	return generation ? -EALREADY : -EINVAL;
}

/*
 * By another thread than its region's, or of one whose segments others may hold. The region may
 * change under a free that is wrong: what its segments are now must not be taken for what the free is
 * about. A segment's generation is released when it is given (segpool_hand_out()), and its region's
 * shape was written before.
 */
static int free_noted(struct segpool_segments *segments, struct segpool_slab *slab,
		      uint64_t inner, const void *site)
{
	uint8_t shift = segpool_read(&slab->shift);
	uint32_t number = (uint32_t)(inner >> shift), generation;
	const struct segpool_segment *segment;

	if (inner & ((1ULL << shift) - 1))
		return -EINVAL;
	segment = segpool_segment_at(segments, segpool_slab_index(segments, slab), number);
	generation = __atomic_load_n(&segment->generation, __ATOMIC_ACQUIRE);
	if (!(generation & 1) || segpool_read(&slab->shift) != shift || !segpool_read(&slab->owner))
		return -EALREADY;
	if (segpool_read(&slab->careful))
		return segpool_careful_free(segments, slab, number, generation, site);
	return segpool_remote_free(segments, slab, number, generation);
}

/* Not to be decided by the calling thread's heap alone. */
static int __attribute__((__noinline__)) free_other(struct segpool *pool, const void *address,
							const void *site)
{
	uint64_t offset = (uint64_t)((uintptr_t)address - (uintptr_t)pool->base);
	uint64_t inner = offset & pool->region_mask;
	struct segpool_segments *segments;
	struct segpool_slab *slab;
	int error = -EINVAL;

	segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	if (!segments) {
		segpool_record_start(SEGPOOL_CALL_SEGMENT);
		return -EINVAL;
	}
	if (offset < pool->reservation) {
		slab = &pool->slabs[offset >> pool->region_shift];
		if (__atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE))
			error = free_noted(segments, slab, inner, site);
		else
			error = free_in_nobodys(segments, slab, inner, site);
	}
	return error ? wrong_free(segments, address, error, site) : 0;
}

/* In all cases. */
static int __attribute__((__noinline__)) free_slowly(struct segpool *pool, void *address,
							 const void *site)
{
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	struct segpool_heap *heap;
	struct segpool_slab *slab;
	uint64_t offset;
	int error;

	if (!pool)
		return segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
	if (!address)
		return 0;
	heap = segpool_heap_if_mine(pool);
	offset = (uint64_t)((uintptr_t)address - (uintptr_t)pool->base);
	if (!heap || offset >= pool->reservation)
		return free_other(pool, address, site);
	slab = &pool->slabs[offset >> pool->region_shift];
	segpool_heap_enter(heap);
	/* Inside, it cannot be given to another heap, and nobody begins to be careful. */
	if (segpool_read(&slab->owner) != heap || slab->careful) {
		segpool_heap_exit(heap);
		return free_other(pool, address, site);
	}
	error = free_own(heap, slab, address, (uint32_t)offset & pool->region_mask, &leaving);
	segpool_heap_exit(heap);
	segpool_leave(heap->segments, &leaving);
	return error ? wrong_free(heap->segments, address, error, site) : 0;
}

/* The program has it, and nobody else has done anything with it. */
static inline bool may_be_taken_back(const struct segpool_segment *segment)
{
	return segpool_read(&segment->generation) & 1 && !segpool_read(&segment->remote);
}

static int __attribute__((__noinline__)) let_in(struct segpool_heap *heap)
{
	segpool_heap_let_wait(heap);
	return 0;
}

static int __attribute__((__noinline__)) free_from_inside(struct segpool *pool, void *segment,
							      struct segpool_heap *heap,
							      const void *site)
{
	segpool_heap_exit(heap);
	return free_slowly(pool, segment, site);
}

/*
 * Nothing here calls a function and comes back. What is not as usual is left to the slow way, before
 * anything has changed.
 */
int segpool_free(struct segpool *pool, void *segment)
{
	struct segpool_heap *heap = segpool_last_heap.heap;
	struct segpool_segment *noted;
	struct segpool_cache *cache;
	struct segpool_slab *slab;
	uint64_t offset;
	uint32_t inner;

	if (segpool_rarely(!pool || segpool_last_heap.serial != pool->serial))
		return free_slowly(pool, segment, __builtin_return_address(0));
	offset = (uint64_t)((uintptr_t)segment - (uintptr_t)pool->base);
	if (segpool_rarely(offset >= pool->reservation))
		return free_slowly(pool, segment, __builtin_return_address(0));
	slab = &pool->slabs[offset >> pool->region_shift];
	if (segpool_rarely(!segpool_heap_try_enter(heap) || segpool_read(&slab->owner) != heap))
		return free_from_inside(pool, segment, heap, __builtin_return_address(0));
	cache = (void *)((char *)heap + slab->cache);
	inner = (uint32_t)offset & pool->region_mask;
	noted = slab->segments + (inner >> slab->shift);
	if (segpool_rarely(inner & cache->unaligned || !may_be_taken_back(noted) ||
			   cache->top == cache->end || slab->live == slab->last))
		return free_from_inside(pool, segment, heap, __builtin_return_address(0));
	take_back(cache, slab, noted, segment);
	return segpool_rarely(!segpool_heap_try_exit(heap)) ? let_in(heap) : 0;
}


/* For the program, which called from @site. */
int segpool_free_from(struct segpool *pool, void *segment, const void *site)
{
	return pool && pool->is_checked ? free_slowly(pool, segment, site) :
					  segpool_free(pool, segment);
}
