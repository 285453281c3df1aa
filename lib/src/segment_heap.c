// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Heaps: which is the calling thread's, and who may be inside one.
 *
 * A heap's thread goes inside by storing that it is busy and looking whether it is wanted;
 * whoever else wants to be inside stores that it is wanted and looks whether the thread is busy.
 * One of the two must see the other. That takes a barrier between store and look on both sides;
 * the thread, which does this a million times a second, has none, and the other makes the
 * kernel execute one for it (membarrier()), wherever it runs. Where the kernel does not
 * do that, heaps are wanted for ever and their threads take the gate like everybody else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "segment.h"
#include "segment_inside.h"
#include "syscall.h"

/* ThreadSanitizer does not know of membarrier(). */
#ifdef __SANITIZE_THREAD__
#define USE_MEMBARRIER	false
#else
#define USE_MEMBARRIER	true
#endif

/* The kernel may be short of memory for a barrier, once in a while. */
#define BARRIER_FAILURES	1000
/* So often the processor is let go before sleeping. */
#define YIELDS		100

/* Bytes of free segments that a class of a heap keeps at hand, or so many segments. */
#define CACHE_BYTES	(1U << 20)
#define CACHE_LEAST	4U

/**
 * struct entry - a thread's heap in one pool
 * @serial: of the pool; no two pools of a process have the same.
 * @heap: valid as long as that pool is there.
 */
struct entry {
	uint64_t serial;
	struct segpool_heap *heap;
};

struct entries {
	uint32_t nr, room;
	struct entry entry[];
};

_Thread_local struct segpool_last segpool_last_heap __attribute__((__tls_model__("initial-exec")));

/* The thread's heaps; the key only tells when it ends. */
static _Thread_local struct entries *my_entries;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;
static bool has_membarrier;

/* Pools with segments; a pool that is closed goes from here first. */
static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static struct segpool *pools;

static struct segpool *pool_of(uint64_t serial)
{
	struct segpool *pool;

	for (pool = pools; pool && pool->serial != serial; pool = pool->next_with_segments)
		;
	return pool;
}

/* What the heap holds for nothing goes; what the program still has of it stays its. */
static void orphan(struct segpool_heap *heap)
{
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	struct segpool_segments *segments = heap->segments;

	pthread_mutex_lock(&segments->lock);
	segpool_heap_intrude(heap);
	segpool_heap_collect(heap, &leaving);
	segpool_heap_empty(heap, &leaving);
	segpool_heap_withdraw(heap);
	heap->orphan = true;
	pthread_mutex_unlock(&segments->lock);
	segpool_leave(segments, &leaving);
}

/* The thread ends. No pool can be closed meanwhile. */
static void end_thread(void *argument)
{
	struct entries *entries = argument;
	uint32_t i;

	segpool_last_heap.serial = 0;
	my_entries = NULL;
	pthread_mutex_lock(&pools_lock);
	for (i = 0; i < entries->nr; i++)
		if (pool_of(entries->entry[i].serial))
			orphan(entries->entry[i].heap);
	pthread_mutex_unlock(&pools_lock);
	free(entries);
}

/* A forked child has pools that are its parent's, and locks that nobody will ever let go. */
static void begin_child(void)
{
	pthread_mutex_init(&pools_lock, NULL);
	pools = NULL;
	segpool_segments_in_child();
}

static void begin_process(void)
{
	key_error = pthread_key_create(&key, end_thread);
	if (!key_error)
		key_error = pthread_atfork(NULL, NULL, begin_child);
	has_membarrier = USE_MEMBARRIER && !segpool_sys_barrier_register();
}

static void drop_closed_pools(struct entries *entries)
{
	uint32_t i, kept = 0;

	pthread_mutex_lock(&pools_lock);
	for (i = 0; i < entries->nr; i++)
		if (pool_of(entries->entry[i].serial))
			entries->entry[kept++] = entries->entry[i];
	pthread_mutex_unlock(&pools_lock);
	entries->nr = kept;
}

/* Room for another entry of the thread. */
static bool make_room(void)
{
	struct entries *larger;
	uint32_t room = 4;

	if (my_entries && my_entries->nr == my_entries->room)
		drop_closed_pools(my_entries);
	if (my_entries && my_entries->nr < my_entries->room)
		return true;
	if (my_entries)
		room = 2 * my_entries->room;
	larger = calloc(1, sizeof(*larger) + room * sizeof(larger->entry[0]));
	if (!larger)
		return false;
	larger->room = room;
	if (pthread_setspecific(key, larger)) {
		free(larger);
		return false;
	}
	if (my_entries) {
		larger->nr = my_entries->nr;
		memcpy(larger->entry, my_entries->entry, larger->nr * sizeof(larger->entry[0]));
	}
	free(my_entries);
	my_entries = larger;
	return true;
}

static uint32_t capacity(uint32_t shift)
{
	return CACHE_BYTES >> shift < CACHE_LEAST ? CACHE_LEAST : CACHE_BYTES >> shift;
}

static void note_sizes(struct segpool_heap *heap, const struct segpool *pool)
{
	uint32_t size, i = 0;

	for (size = 0; size < SEGPOOL_NR_SIZES; size++) {
		while (i < pool->nr_classes && segpool_size_logarithm(pool->classes[i]) < size)
			i++;
		heap->cache_of[size] = (uint16_t)((char *)(i < pool->nr_classes ? &heap->caches[i] :
							   &heap->none) - (char *)heap);
	}
}

/* With all caches' slots behind it. */
static struct segpool_heap *make_heap(struct segpool_segments *segments)
{
	uint32_t i, nr = segments->pool->nr_classes;
	struct segpool_cache *cache;
	struct segpool_heap *heap;
	struct segpool_slot *slot;
	size_t size = sizeof(*heap) + nr * sizeof(heap->caches[0]);

	for (i = 0; i < nr; i++)
		size += capacity(segments->shift_of[i]) * sizeof(*slot);
	heap = aligned_alloc(_Alignof(struct segpool_heap),
			     (size + _Alignof(struct segpool_heap) - 1) &
			     ~(_Alignof(struct segpool_heap) - 1));
	if (!heap)
		return NULL;
	memset(heap, 0, size);
	slot = (struct segpool_slot *)(heap->caches + nr);
	for (i = 0; i < nr; i++) {
		cache = &heap->caches[i];
		cache->slots = slot;
		cache->top = slot;
		slot += capacity(segments->shift_of[i]);
		cache->end = slot;
		cache->unaligned = (1U << segments->shift_of[i]) - 1;
		cache->partial = SEGPOOL_NONE;
		cache->hot = SEGPOOL_NONE;
	}
	heap->segments = segments;
	heap->wanted = !has_membarrier;
	note_sizes(heap, segments->pool);
	pthread_mutex_init(&heap->gate, NULL);
	return heap;
}

/* That of a thread that has ended, with its regions, or a new one. */
static struct segpool_heap *take_heap(struct segpool_segments *segments)
{
	struct segpool_heap *heap;

	pthread_mutex_lock(&segments->lock);
	for (heap = segments->heaps; heap && !heap->orphan; heap = heap->next)
		;
	if (heap) {
		heap->orphan = false;
	} else {
		heap = make_heap(segments);
		if (heap) {
			heap->next = segments->heaps;
			segments->heaps = heap;
		}
	}
	pthread_mutex_unlock(&segments->lock);
	return heap;
}

static struct segpool_heap *find_heap(uint64_t serial)
{
	uint32_t i;

	for (i = 0; my_entries && i < my_entries->nr; i++)
		if (my_entries->entry[i].serial == serial)
			return my_entries->entry[i].heap;
	return NULL;
}

/* The calling thread's heap, where it has one in this pool. */
struct segpool_heap *segpool_heap_if_mine(const struct segpool *pool)
{
	struct segpool_heap *heap = find_heap(pool->serial);

	/* In a checked pool nobody takes the quick ways. */
	if (heap && !pool->is_checked) {
		segpool_last_heap.serial = pool->serial;
		segpool_last_heap.heap = heap;
	}
	return heap;
}

static void note_pool(struct segpool *pool)
{
	pthread_mutex_lock(&pools_lock);
	if (!pool_of(pool->serial)) {
		pool->next_with_segments = pools;
		pools = pool;
	}
	pthread_mutex_unlock(&pools_lock);
}

/* Not the one that it used last: another pool's, or its first in this one. NULL: no memory. */
struct segpool_heap *segpool_heap_new_thread(struct segpool *pool)
{
	struct segpool_heap *heap = segpool_heap_if_mine(pool);
	struct segpool_segments *segments;

	if (heap)
		return heap;
	pthread_once(&once, begin_process);
	if (key_error)
		return NULL;
	segments = segpool_segments_of(pool);
	if (!segments)
		return NULL;
	note_pool(pool);
	heap = make_room() ? take_heap(segments) : NULL;
	if (!heap)
		return NULL;
	my_entries->entry[my_entries->nr++] = (struct entry){ .serial = pool->serial, .heap = heap };
	return segpool_heap_if_mine(pool);
}

/* The pool is closed: no thread that ends looks at its heaps any more. */
void segpool_heaps_forget(struct segpool *pool)
{
	struct segpool_heap *heap, *next;
	struct segpool **link;

	pthread_mutex_lock(&pools_lock);
	for (link = &pools; *link && *link != pool; link = &(*link)->next_with_segments)
		;
	if (*link)
		*link = pool->next_with_segments;
	pthread_mutex_unlock(&pools_lock);
	for (heap = pool->segments->heaps; heap; heap = next) {
		next = heap->next;
		pthread_mutex_destroy(&heap->gate);
		free(heap);
	}
}

/* --- being inside --- */

/* The heap's own thread found that it is wanted. */
void segpool_heap_wait(struct segpool_heap *heap)
{
	do {
		__atomic_store_n(&heap->busy, 0, __ATOMIC_RELEASE);
		pthread_mutex_lock(&heap->gate);
		if (!has_membarrier) {
			heap->is_gated = true;
			return;
		}
		segpool_write(&heap->busy, 1);
		pthread_mutex_unlock(&heap->gate);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&heap->wanted, __ATOMIC_ACQUIRE));
}

/* It goes, and somebody wants in, or it holds the gate itself. */
void segpool_heap_let_wait(struct segpool_heap *heap)
{
	if (!heap->is_gated)
		return;
	heap->is_gated = false;
	pthread_mutex_unlock(&heap->gate);
}

/* Another thread than its own goes inside; segments->lock is held, so there is one at a time. */
void segpool_heap_intrude(struct segpool_heap *heap)
{
	uint32_t looks, failures = 0;

	pthread_mutex_lock(&heap->gate);
	if (!has_membarrier)
		return;
	__atomic_store_n(&heap->wanted, 1, __ATOMIC_SEQ_CST);
	/* It worked when the process began; without it there is no lock. */
	while (segpool_sys_barrier())
		if (++failures == BARRIER_FAILURES)
			abort();
	/* The owner may be off the processor, and we of a priority that keeps it there. */
	for (looks = 0; __atomic_load_n(&heap->busy, __ATOMIC_ACQUIRE); looks++)
		if (looks < YIELDS)
			segpool_sys_yield();
		else
			segpool_sys_nap();
}

void segpool_heap_withdraw(struct segpool_heap *heap)
{
	if (has_membarrier)
		__atomic_store_n(&heap->wanted, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&heap->gate);
}
