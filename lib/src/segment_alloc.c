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

/* Of the smallest class with so large segments; SEGPOOL_LARGE: there is none. */
static inline uint32_t class_for(const struct segpool_segments *segments, size_t bytes)
{
	/* 0 for 4 KiB and less, 1 for 8 KiB, ... */
	uint32_t size = 64 - (uint32_t)__builtin_clzll((((uint64_t)bytes - 1) >> 12 << 1) | 1) - 1;

	return size < SEGPOOL_NR_SIZES ? segments->class_of[size] : SEGPOOL_LARGE;
}

/* The program has it from now on; inside the heap. */
static inline void hand_out(struct segpool_segments *segments, struct segpool_cache *cache,
			    const void *address, size_t bytes)
{
	uint64_t offset = (uint64_t)((const char *)address - segments->base);
	uint32_t index = (uint32_t)(offset >> segments->region_shift);
	struct segpool_slab *slab = &segments->slabs[index];
	uint64_t inner = offset & ((1ULL << segments->region_shift) - 1);
	struct segpool_segment *segment =
		segpool_segment_at(segments, index, (uint32_t)(inner >> slab->shift));

	segpool_add(&segment->generation, 1);
	segpool_write(&segment->asked, (uint32_t)bytes);
	slab->live++;
	segpool_add(&cache->allocs, 1);
	segpool_add(&cache->asked, bytes);
}

static void *alloc(struct segpool *pool, size_t bytes, size_t least)
{
	struct segpool_heap *heap = segpool_heap_mine(pool);
	struct segpool_cache *cache;
	uint32_t class_index;
	void *address;
	int error;

	if (segpool_rarely(!heap))
		return no_heap();
	class_index = class_for(heap->segments, least);
	if (segpool_rarely(class_index == SEGPOOL_LARGE)) {
		segpool_record_start(SEGPOOL_CALL_SEGMENT);
		return segpool_large_alloc(heap->segments, bytes > least ? bytes : least);
	}
	cache = &heap->caches[class_index];
	segpool_heap_enter(heap);
	while (segpool_rarely(!cache->nr)) {
		segpool_heap_exit(heap);
		error = segpool_heap_refill(heap, class_index);
		if (error)
			return fail(error);
		/* Somebody may have emptied it in between, but not for ever. */
		segpool_heap_enter(heap);
	}
	address = cache->slots[--cache->nr];
	hand_out(heap->segments, cache, address, bytes);
	segpool_heap_exit(heap);
	return address;
}

void *segpool_alloc(struct segpool *pool, size_t bytes)
{
	if (segpool_rarely(!pool))
		return no_pool();
	if (segpool_rarely(!bytes))
		return no_bytes();
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
	return alloc(pool, bytes, bytes > alignment ? bytes : alignment);
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

/* By its owner, inside the heap: 0, or what is wrong with it. */
static inline int free_own(struct segpool_heap *heap, struct segpool_slab *slab, void *address,
			   uint64_t inner, struct segpool_leaving *leaving)
{
	struct segpool_segments *segments = heap->segments;
	struct segpool_cache *cache = &heap->caches[slab->class_index];
	struct segpool_segment *segment;
	uint32_t generation;

	if (segpool_rarely(inner & ((1ULL << slab->shift) - 1)))
		return -EINVAL;
	segment = segpool_segment_at(segments, segpool_slab_index(segments, slab),
				     (uint32_t)(inner >> slab->shift));
	generation = segpool_read(&segment->generation);
	/* Free, or on its way to us since another thread has freed it. */
	if (segpool_rarely(!(generation & 1) || segpool_read(&segment->remote) == generation))
		return -EALREADY;
	segpool_write(&segment->generation, generation + 1);
	segpool_add(&cache->frees, 1);
	segpool_add(&cache->given_back, segpool_read(&segment->asked));
	if (segpool_rarely(cache->nr == cache->capacity))
		segpool_cache_flush(heap, slab->class_index, cache->capacity / 2);
	cache->slots[cache->nr++] = address;
	if (segpool_rarely(!--slab->live))
		segpool_slab_emptied(heap, slab, leaving);
	return 0;
}

/* Whether it was not in a list yet, and is to be put into one. */
static int mark_remote(struct segpool_segment *segment, uint32_t generation, bool *link)
{
	uint32_t seen = segpool_read(&segment->remote);

	do {
		if (seen == generation)
			return -EALREADY;
	} while (!__atomic_compare_exchange_n(&segment->remote, &seen, generation, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	/*
	 * One that is in the list already is there for a free that was wrong: its owner had freed
	 * it, too. It stands for this one now, which is right.
	 */
	*link = !seen;
	return 0;
}

static void push_segment(struct segpool_segments *segments, struct segpool_slab *slab,
			 struct segpool_segment *segment, uint32_t number)
{
	uint32_t first = segpool_read(&slab->remote), index, head;
	struct segpool_heap *owner;

	do {
		segpool_write(&segment->next, first);
	} while (!__atomic_compare_exchange_n(&slab->remote, &first, number + 1, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (first)
		return;
	/* The first one: the owner is told. Where it is not the owner any more, it tells who is. */
	owner = __atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE);
	if (!owner)
		return;
	index = segpool_slab_index(segments, slab);
	head = segpool_read(&owner->remote);
	do {
		segpool_write(&slab->next_remote, head);
	} while (!__atomic_compare_exchange_n(&owner->remote, &head, index + 1, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* By another thread than its region's. */
static int free_remote(struct segpool_segments *segments, struct segpool_slab *slab,
		       uint64_t inner)
{
	uint32_t number = (uint32_t)(inner >> slab->shift), generation;
	struct segpool_segment *segment;
	bool link = false;
	int error;

	if (inner & ((1ULL << slab->shift) - 1))
		return -EINVAL;
	segment = segpool_segment_at(segments, segpool_slab_index(segments, slab), number);
	generation = segpool_read(&segment->generation);
	if (!(generation & 1))
		return -EALREADY;
	error = mark_remote(segment, generation, &link);
	if (error)
		return error;
	if (link)
		push_segment(segments, slab, segment, number);
	else
		__atomic_add_fetch(&segments->double_frees, 1, __ATOMIC_RELAXED);
	return 0;
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

/* Not the calling thread's. */
static int free_other(struct segpool_segments *segments, struct segpool_slab *slab, uint64_t inner)
{
	int error;

	if (__atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE))
		error = free_remote(segments, slab, inner);
	else
		error = free_in_nobodys(segments, slab, inner);
	return error ? wrong_free(segments, error) : 0;
}

static int foreign_free(struct segpool *pool)
{
	struct segpool_segments *segments = segpool_segments_of(pool);

	if (!segments)
		return -EINVAL;
	return wrong_free(segments, -EINVAL);
}

int segpool_free(struct segpool *pool, void *segment)
{
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	struct segpool_segments *segments;
	struct segpool_heap *heap;
	struct segpool_slab *slab;
	uint64_t offset, inner;
	int error;

	if (segpool_rarely(!pool))
		return segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
	if (segpool_rarely(!segment))
		return 0;
	segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	offset = (uint64_t)((uintptr_t)segment - (uintptr_t)pool->base);
	if (segpool_rarely(offset >= pool->reservation || !segments))
		return foreign_free(pool);
	slab = &segments->slabs[offset >> segments->region_shift];
	inner = offset & ((1ULL << segments->region_shift) - 1);
	heap = segpool_last_heap.heap;
	if (segpool_rarely(segpool_last_heap.serial != pool->serial))
		heap = segpool_heap_if_mine(pool);
	if (segpool_rarely(!heap || segpool_read(&slab->owner) != heap))
		return free_other(segments, slab, inner);
	segpool_heap_enter(heap);
	/* It may have been given to another heap in the last moment. */
	if (segpool_rarely(segpool_read(&slab->owner) != heap)) {
		segpool_heap_exit(heap);
		return free_other(segments, slab, inner);
	}
	error = free_own(heap, slab, segment, inner, &leaving);
	segpool_heap_exit(heap);
	if (segpool_rarely(leaving.first != SEGPOOL_NONE))
		segpool_leave(segments, &leaving);
	return segpool_rarely(error) ? wrong_free(segments, error) : 0;
}

/* --- sizes --- */

/* Of what the program has; 0: it has not. */
static size_t size_of(const struct segpool *pool, const void *address)
{
	const struct segpool_segments *segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	const struct segpool_segment *segment;
	const struct segpool_slab *slab;
	uint32_t index, shift, generation;
	uint64_t offset, inner;

	offset = (uint64_t)((uintptr_t)address - (uintptr_t)pool->base);
	if (!segments || offset >= pool->reservation)
		return 0;
	index = (uint32_t)(offset >> segments->region_shift);
	inner = offset & ((1ULL << segments->region_shift) - 1);
	slab = &segments->slabs[index];
	if (!__atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE) &&
	    !__atomic_load_n(&slab->large, __ATOMIC_ACQUIRE))
		return 0;
	shift = slab->shift;
	segment = segpool_segment_at(segments, index, (uint32_t)(inner >> shift));
	generation = segpool_read(&segment->generation);
	if (inner & ((1ULL << shift) - 1) || !(generation & 1) ||
	    segpool_read(&segment->remote) == generation)
		return 0;
	return slab->large ? (size_t)slab->large << shift : (size_t)1 << shift;
}

size_t segpool_usable_size(struct segpool *pool, const void *segment)
{
	return pool && segment ? size_of(pool, segment) : 0;
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
	/* Where it stays a segment of that size: half of it and less may be had cheaper. */
	if (bytes <= size && bytes > size / 2)
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
