// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Handing segments out and taking them back. */
#include <errno.h>
#include <string.h>

#include "record.h"
#include "segment.h"
#include "segment_inside.h"

static void *fail(int error)
{
	errno = -error;
	return NULL;
}

static void *no_pool(void)
{
	return fail(segpool_record_start_on(NULL, SEGPOOL_CALL_SEGMENT));
}

static void *no_heap(void)
{
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	return fail(segpool_record_fault(-ENOMEM,
		"no memory for what the library has to note about segments: free memory, or raise RLIMIT_AS (ulimit -v)"));
}

static void *no_bytes(void)
{
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	return fail(segpool_record_fault(-EINVAL, "a segment has at least 1 byte"));
}

/* In all cases. @size: of the segment, @asked: what the program asked for. */
static void * __attribute__((__noinline__)) alloc_slowly(struct segpool *pool, size_t size,
							 size_t asked)
{
	struct segpool_cache *cache;
	struct segpool_heap *heap;
	void *address;
	int error;

	if (!pool)
		return no_pool();
	if (!asked)
		return no_bytes();
	heap = segpool_heap_mine(pool);
	if (!heap)
		return no_heap();
	cache = (void *)((char *)heap + heap->cache_of[segpool_size_logarithm(size)]);
	if (cache == &heap->none) {
		segpool_record_start(SEGPOOL_CALL_SEGMENT);
		return segpool_large_alloc(heap->segments, size, asked);
	}
	error = segpool_heap_refill(heap, (uint32_t)(cache - heap->caches), asked, &address);
	if (error)
		return fail(error);
	/* It may have been refused in between. */
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	return address;
}

/* The ends of the quick ways where they end otherwise: outside in any case. */

static void * __attribute__((__noinline__)) alloc_from_inside(struct segpool *pool, size_t size,
							       size_t asked,
							       struct segpool_heap *heap)
{
	segpool_heap_exit(heap);
	return alloc_slowly(pool, size, asked);
}

static void * __attribute__((__noinline__)) let_in_and_give(struct segpool_heap *heap,
							     void *segment)
{
	segpool_heap_let_wait(heap);
	return segment;
}

/* Nothing here calls a function and comes back: so nothing has to be saved. */
static inline void *alloc(struct segpool *pool, size_t size, size_t asked)
{
	struct segpool_heap *heap = segpool_last_heap.heap;
	struct segpool_cache *cache;
	void *address;

	if (segpool_rarely(!pool || segpool_last_heap.serial != pool->serial))
		return alloc_slowly(pool, size, asked);
	cache = (void *)((char *)heap + heap->cache_of[segpool_size_logarithm(size)]);
	if (segpool_rarely(!segpool_heap_try_enter(heap) || cache->top == cache->slots))
		return alloc_from_inside(pool, size, asked, heap);
	address = segpool_hand_out(cache, asked);
	return segpool_rarely(!segpool_heap_try_exit(heap)) ? let_in_and_give(heap, address) :
							      address;
}

void *segpool_alloc(struct segpool *pool, size_t bytes)
{
	return alloc(pool, bytes, bytes);
}

void *segpool_calloc(struct segpool *pool, size_t count, size_t bytes)
{
	size_t all;
	void *address;

	if (__builtin_mul_overflow(count, bytes, &all)) {
		segpool_record_start(SEGPOOL_CALL_SEGMENT);
		return fail(segpool_record_fault(-EINVAL, "no memory is that large: count times bytes overflows"));
	}
	address = segpool_alloc(pool, all);
	if (address)
		memset(address, 0, all);
	return address;
}

/* Each segment is aligned to its size, and a large piece to the region size. */
void *segpool_aligned_alloc(struct segpool *pool, size_t alignment, size_t bytes)
{
	if (!pool)
		return no_pool();
	if (!bytes)
		return no_bytes();
	if (!alignment || alignment & (alignment - 1) || alignment > pool->region_size) {
		segpool_record_start(SEGPOOL_CALL_SEGMENT);
		return fail(segpool_record_fault(-EINVAL,
			"an alignment is a power of two, and at most the region size"));
	}
	return alloc(pool, bytes > alignment ? bytes : alignment, bytes);
}

/* --- freeing --- */

static int wrong_free(struct segpool_segments *segments, int error)
{
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	__atomic_add_fetch(error == -EALREADY ? &segments->double_frees : &segments->foreign_frees,
			   1, __ATOMIC_RELAXED);
	if (error == -EALREADY)
		segpool_record_fault(error, "the segment is free already: this is a second free");
	return error;
}

/* Free, or on its way to its owner since another thread has freed it. */
static inline bool is_free(const struct segpool_segment *segment)
{
	uint32_t generation = segpool_read(&segment->generation);

	return !(generation & 1) || segpool_read(&segment->remote) == generation;
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

/* By its owner, inside the heap: 0, or what is wrong with it. */
static int free_own(struct segpool_heap *heap, struct segpool_slab *slab, void *address,
		    uint32_t inner, struct segpool_leaving *leaving)
{
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	struct segpool_segment *segment = slab->segments + (inner >> slab->shift);

	if (inner & cache->unaligned)
		return -EINVAL;
	if (is_free(segment))
		return -EALREADY;
	if (cache->top == cache->end)
		segpool_cache_flush(heap, slab->class_index, segpool_cache_capacity(cache) / 2);
	take_back(cache, slab, segment, address);
	if (!slab->live)
		segpool_slab_emptied(heap, slab, leaving);
	return 0;
}

/*
 * By another thread than its region's. The region may change under a free that is wrong: what its
 * segments are now must not be taken for what the free is about. A segment's generation is released
 * when it is given (segpool_hand_out()), and its region's shape was written before.
 */
static int free_remote(struct segpool_segments *segments, struct segpool_slab *slab,
		       uint64_t inner)
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
	return segpool_remote_free(segments, slab, number, generation);
}

/* In a region that no heap has: a large piece, what was a segment once, or nothing of ours. */
static int free_in_nobodys(struct segpool_segments *segments, struct segpool_slab *slab,
			   uint64_t inner)
{
	const struct segpool_segment *segment;

	if (!slab->shift || inner & ((1ULL << slab->shift) - 1))
		return -EINVAL;
	if (!inner && __atomic_load_n(&slab->large, __ATOMIC_ACQUIRE))
		return segpool_large_free(segments, slab);
	segment = segpool_segment_at(segments, segpool_slab_index(segments, slab),
				     (uint32_t)(inner >> slab->shift));
	return segpool_read(&segment->generation) ? -EALREADY : -EINVAL;
}

/* Not the calling thread's, or nobody's. */
static int __attribute__((__noinline__)) free_other(struct segpool *pool, const void *address)
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
			error = free_remote(segments, slab, inner);
		else
			error = free_in_nobodys(segments, slab, inner);
	}
	return error ? wrong_free(segments, error) : 0;
}

/* In all cases. */
static int __attribute__((__noinline__)) free_slowly(struct segpool *pool, void *address)
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
		return free_other(pool, address);
	slab = &pool->slabs[offset >> pool->region_shift];
	segpool_heap_enter(heap);
	/* Inside, it cannot be given to another heap. */
	if (segpool_read(&slab->owner) != heap) {
		segpool_heap_exit(heap);
		return free_other(pool, address);
	}
	error = free_own(heap, slab, address, (uint32_t)offset & pool->region_mask, &leaving);
	segpool_heap_exit(heap);
	segpool_leave(heap->segments, &leaving);
	return error ? wrong_free(heap->segments, error) : 0;
}

static int __attribute__((__noinline__)) let_in(struct segpool_heap *heap)
{
	segpool_heap_let_wait(heap);
	return 0;
}

static int __attribute__((__noinline__)) free_from_inside(struct segpool *pool, void *segment,
							  struct segpool_heap *heap)
{
	segpool_heap_exit(heap);
	return free_slowly(pool, segment);
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
		return free_slowly(pool, segment);
	offset = (uint64_t)((uintptr_t)segment - (uintptr_t)pool->base);
	if (segpool_rarely(offset >= pool->reservation))
		return free_slowly(pool, segment);
	slab = &pool->slabs[offset >> pool->region_shift];
	if (segpool_rarely(!segpool_heap_try_enter(heap) || segpool_read(&slab->owner) != heap))
		return free_from_inside(pool, segment, heap);
	cache = (void *)((char *)heap + slab->cache);
	inner = (uint32_t)offset & pool->region_mask;
	noted = slab->segments + (inner >> slab->shift);
	if (segpool_rarely(inner & cache->unaligned || is_free(noted) || cache->top == cache->end ||
			   slab->live == slab->last))
		return free_from_inside(pool, segment, heap);
	take_back(cache, slab, noted, segment);
	return segpool_rarely(!segpool_heap_try_exit(heap)) ? let_in(heap) : 0;
}

/* --- sizes --- */

/* Of what the program has; 0: it has not. */
static size_t size_of(const struct segpool *pool, const void *address)
{
	const struct segpool_segments *segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	uint64_t offset = (uint64_t)((uintptr_t)address - (uintptr_t)pool->base);
	uint64_t inner = offset & pool->region_mask;
	const struct segpool_segment *segment;
	const struct segpool_slab *slab;
	uint32_t index;

	if (!segments || offset >= pool->reservation)
		return 0;
	index = (uint32_t)(offset >> pool->region_shift);
	slab = &pool->slabs[index];
	if (!__atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE) &&
	    !__atomic_load_n(&slab->large, __ATOMIC_ACQUIRE))
		return 0;
	segment = segpool_segment_at(segments, index, (uint32_t)(inner >> slab->shift));
	if (inner & ((1ULL << slab->shift) - 1) || is_free(segment))
		return 0;
	return slab->large ? (size_t)slab->large << slab->shift : (size_t)1 << slab->shift;
}

size_t segpool_usable_size(struct segpool *pool, const void *segment)
{
	return pool && segment ? size_of(pool, segment) : 0;
}

/* What a segment of so many bytes would really have. */
static uint64_t size_for(const struct segpool *pool, size_t bytes)
{
	int class_index = segpool_class_for(pool, bytes);
	uint64_t regions = ((uint64_t)bytes - 1) >> pool->region_shift;

	return class_index >= 0 ? pool->classes[class_index] : (regions + 1) << pool->region_shift;
}

void *segpool_realloc(struct segpool *pool, void *segment, size_t bytes)
{
	size_t size;
	void *moved;

	if (!pool)
		return no_pool();
	if (!segment)
		return segpool_alloc(pool, bytes);
	if (!bytes)
		return no_bytes();
	size = size_of(pool, segment);
	if (!size) {
		segpool_record_start(SEGPOOL_CALL_SEGMENT);
		return fail(-EINVAL);
	}
	if (size_for(pool, bytes) == size)
		return segment;
	moved = segpool_alloc(pool, bytes);
	if (!moved)
		return NULL;
	memcpy(moved, segment, bytes < size ? bytes : size);
	segpool_free(pool, segment);
	return moved;
}

/* --- many at once --- */

int segpool_alloc_batch(struct segpool *pool, size_t bytes, void **segments, uint32_t count)
{
	uint32_t done;

	for (done = 0; done < count; done++) {
		segments[done] = segpool_alloc(pool, bytes);
		if (!segments[done])
			break;
	}
	return done || !count ? (int)done : -errno;
}

int segpool_free_batch(struct segpool *pool, void *const *segments, uint32_t count)
{
	int error, first_error = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		error = segpool_free(pool, segments[i]);
		if (!first_error)
			first_error = error;
	}
	return first_error;
}

int segpool_trim(struct segpool *pool, uint64_t target, uint64_t *released)
{
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_TRIM);
	struct segpool_segments *segments;

	if (error)
		return error;
	segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	if (segments)
		segpool_heaps_empty(segments);
	return segpool_trim_retained(pool, target, released);
}
