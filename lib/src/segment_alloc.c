// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Handing segments out, one and many, and what there is to know of one. */
#include <errno.h>
#include <string.h>

#include "record.h"
#include "segment_check.h"
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

/* NULL, with the error in errno. */
static void *take_slowly(struct segpool_heap *heap, size_t size, size_t asked)
{
	struct segpool_cache *cache =
		(void *)((char *)heap + heap->cache_of[segpool_size_logarithm(size)]);
	void *address;
	int error;

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

/*
 * In all cases. @size: of the segment, @asked: what the program asked for, @site: where it called
 * from.
 */
static void * __attribute__((__noinline__)) alloc_slowly(struct segpool *pool, size_t size,
							 size_t asked, const void *site)
{
	struct segpool_heap *heap;
	void *address;

	if (!pool)
		return no_pool();
	if (!asked)
		return no_bytes();
	heap = segpool_heap_mine(pool);
	if (!heap)
		return no_heap();
	address = take_slowly(heap, size, asked);
	if (address && pool->is_checked)
		segpool_check_given(heap->segments, address, site);
	return address;
}

/* The ends of the quick ways where they end otherwise: outside in any case. */

static void * __attribute__((__noinline__)) alloc_from_inside(struct segpool *pool, size_t size,
							       size_t asked,
							       struct segpool_heap *heap,
							       const void *site)
{
	segpool_heap_exit(heap);
	return alloc_slowly(pool, size, asked, site);
}

static void * __attribute__((__noinline__)) let_in_and_give(struct segpool_heap *heap,
							     void *segment)
{
	segpool_heap_let_wait(heap);
	return segment;
}

/*
 * Nothing here calls a function and comes back: so nothing has to be saved. It is part of the function
 * that the program called: only where it ends otherwise does it ask where from.
 */
static inline void * __attribute__((__always_inline__)) alloc(struct segpool *pool, size_t size,
							       size_t asked)
{
	struct segpool_heap *heap = segpool_last_heap.heap;
	struct segpool_cache *cache;
	void *address;

	if (segpool_rarely(!pool || segpool_last_heap.serial != pool->serial))
		return alloc_slowly(pool, size, asked, __builtin_return_address(0));
	cache = (void *)((char *)heap + heap->cache_of[segpool_size_logarithm(size)]);
	if (segpool_rarely(!segpool_heap_try_enter(heap) || cache->top == cache->slots))
		return alloc_from_inside(pool, size, asked, heap, __builtin_return_address(0));
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
	address = alloc(pool, all, all);
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
	if (inner & ((1ULL << slab->shift) - 1) || segpool_is_free(segment))
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

/* A realloc of what the program has not. */
static void *not_had(const struct segpool *pool, const void *segment, const void *site)
{
	struct segpool_segments *segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);

	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	if (segments && segments->checks)
		segpool_check_wrong(segments, segment, "realloc", site);
	return fail(-EINVAL);
}

void *segpool_realloc(struct segpool *pool, void *segment, size_t bytes)
{
	size_t size;
	void *moved;

	if (!pool)
		return no_pool();
	if (!segment)
		return alloc(pool, bytes, bytes);
	if (!bytes)
		return no_bytes();
	size = size_of(pool, segment);
	if (!size)
		return not_had(pool, segment, __builtin_return_address(0));
	if (size_for(pool, bytes) == size)
		return segment;
	moved = alloc(pool, bytes, bytes);
	if (!moved)
		return NULL;
	memcpy(moved, segment, bytes < size ? bytes : size);
	segpool_free_from(pool, segment, __builtin_return_address(0));
	return moved;
}

/* --- many at once --- */

int segpool_alloc_batch(struct segpool *pool, size_t bytes, void **segments, uint32_t count)
{
	uint32_t done;

	for (done = 0; done < count; done++) {
		segments[done] = alloc(pool, bytes, bytes);
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
		error = segpool_free_from(pool, segments[i], __builtin_return_address(0));
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
