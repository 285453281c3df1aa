/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The quick half of what segment_heap.c does: finding one's heap, and going inside. */
#ifndef SEGPOOL_SEGMENT_INSIDE_H
#define SEGPOOL_SEGMENT_INSIDE_H

#include "segment.h"

#define segpool_rarely(condition)	__builtin_expect(!!(condition), 0)

/* The heap that the thread used last; valid where @serial is the pool's. */
struct segpool_last {
	uint64_t serial;
	struct segpool_heap *heap;
};

/* Of the static block: it is read with each alloc and free. */
extern _Thread_local struct segpool_last segpool_last_heap
	__attribute__((__tls_model__("initial-exec"), __visibility__("hidden")));

/* The calling thread's heap; NULL: no memory for one. */
static inline struct segpool_heap *segpool_heap_mine(struct segpool *pool)
{
	if (segpool_rarely(segpool_last_heap.serial != pool->serial))
		return segpool_heap_new_thread(pool);
	return segpool_last_heap.heap;
}

/*
 * By the heap's own thread: whether it is inside. Where it is not, it may leave, or wait. The
 * compiler must not change the order; the processor is told so by who wants in
 * (segpool_heap_intrude()).
 */
static inline bool segpool_heap_try_enter(struct segpool_heap *heap)
{
	segpool_write(&heap->busy, 1);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	/* Acquire: what who was inside before has done. */
	return !__atomic_load_n(&heap->wanted, __ATOMIC_ACQUIRE);
}

/* Whether that was all: false where somebody else wanted in meanwhile. */
static inline bool segpool_heap_try_exit(struct segpool_heap *heap)
{
	__atomic_store_n(&heap->busy, 0, __ATOMIC_RELEASE);
	return !segpool_read(&heap->wanted);
}

static inline void segpool_heap_enter(struct segpool_heap *heap)
{
	if (segpool_rarely(!segpool_heap_try_enter(heap)))
		segpool_heap_wait(heap);
}

static inline void segpool_heap_exit(struct segpool_heap *heap)
{
	if (segpool_rarely(!segpool_heap_try_exit(heap)))
		segpool_heap_let_wait(heap);
}

/* ThreadSanitizer knows no fences; where it runs the processor needs none of these. */
#ifdef __SANITIZE_THREAD__
#define segpool_fence(order)	__atomic_signal_fence(order)
#else
#define segpool_fence(order)	__atomic_thread_fence(order)
#endif

/* The program has the segment on top from now on; inside the heap. */
static inline void *segpool_hand_out(struct segpool_cache *cache, size_t asked)
{
	struct segpool_slot *slot = cache->top - 1;

	segpool_write(&slot->segment->asked, (uint32_t)asked);
	/* Release: who sees it in use sees what shape its region has (segment_alloc.c). */
	__atomic_store_n(&slot->segment->generation,
			 segpool_read(&slot->segment->generation) + 1, __ATOMIC_RELEASE);
	/* Who reads what the program writes next sees it, too (segpool_ref_validate()). */
	segpool_fence(__ATOMIC_RELEASE);
	slot->slab->live++;
	cache->asked += asked;
	cache->allocs++;
	cache->top = slot;
	return slot->address;
}

#endif /* SEGPOOL_SEGMENT_INSIDE_H */
