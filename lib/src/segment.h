/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Segments: the memory that segpool_alloc() hands out, pieces of regions.
 *
 * Each thread has a heap in each pool that it uses. A heap owns regions; a region serves one
 * class, and whatever becomes of its segments is decided by its owner alone, without an atomic
 * instruction. A thread that frees a segment of another heap's region leaves it in the region's
 * remote list, and the owner takes it from there when it runs short.
 *
 * What is written down about a segment is outside of it, in an array with an entry for each
 * possible segment of the reservation, of which only those in use cost memory.
 *
 * Locks: segments->taking, segments->lock, then heaps' in any order, since who is inside one that is
 * not its thread's holds the lock before. A heap's owner takes its own by two plain stores
 * (segment_heap.c). Who makes system calls for regions holds none but the first, as long as
 * the pool is not short.
 */
#ifndef SEGPOOL_SEGMENT_H
#define SEGPOOL_SEGMENT_H

#include <pthread.h>

#include "internal.h"

#define SEGPOOL_NONE	UINT32_MAX

/**
 * struct segpool_segment - one segment
 * @generation: odd while the program has it. The owner of its region alone counts, with each
 *	alloc and each free, through all lives of the region.
 * @remote: what @generation was when another thread freed it, which is odd; even: it is in no remote
 *	list, and this says who holds it (SEGPOOL_FREED, SEGPOOL_HOLD); 0: nobody.
 * @next: in the remote list: the next one's number in the region and 1; 0: none.
 * @asked: bytes that the program asked for.
 */
struct segpool_segment {
	uint32_t generation;
	uint32_t remote;
	uint32_t next;
	uint32_t asked;
};

/* In an even remote: the program has freed it; alone, that who let it go last is about to see to it. */
#define SEGPOOL_FREED		2U
/* Likewise: one more holds it. */
#define SEGPOOL_HOLD		4U
/* By the program. As many again are left for frees, which hold for a moment: one for each thread. */
#define SEGPOOL_MOST_HOLDS	(1U << 29)

/**
 * struct segpool_slab - a region that is cut into segments, or part of a large piece
 * @owner: the heap; NULL: nobody's; changed with the owner's lock held, read by anybody.
 * @segments: what is noted about its first segment, before those of the others.
 * @live: segments that the program has.
 * @last: what @live is before a free that the quick way must not do: 1, since the region goes
 *	home then; 0, which it never is, for the one that stays.
 * @nr_free: segments that are neither live nor in the heap's cache: bits in the bitmap.
 * @cache: offset of its class's cache in a heap; for a careful one, of the heap's @none.
 * @class_index: that it serves.
 * @shift: binary logarithm of the segment size.
 * @listed: it is in the owner's list of regions with free segments.
 * @careful: somebody may hold segments of it: they are freed by compare and exchange alone
 *	(segment_hold.c). It stays so, whoever has it; changed inside the owner's heap.
 * @next: in that list, or SEGPOOL_NONE.
 * @previous: likewise.
 * @remote: number and 1 of the first segment in the remote list; 0: none.
 * @next_remote: in the owner's list of regions with remote frees, likewise for regions.
 * @large: of the first region of a large piece: how many regions it has; otherwise 0.
 * @large_asked: of the same: bytes that the program asked for.
 * @generation: the upper half of the region's handle.
 */
struct segpool_slab {
	struct segpool_heap *owner;
	struct segpool_segment *segments;
	uint32_t live;
	uint16_t nr_free;
	uint16_t cache;
	uint8_t last;
	uint8_t class_index;
	uint8_t shift;
	bool listed, careful;
	uint32_t next, previous;
	uint32_t remote;
	uint32_t next_remote;
	uint32_t large;
	uint32_t generation;
	uint64_t large_asked;
} __attribute__((__aligned__(64)));

_Static_assert(sizeof(struct segpool_slab) == 64, "one cache line for each region");

/* A free segment at hand, with all that has to be touched when it is given. */
struct segpool_slot {
	void *address;
	struct segpool_segment *segment;
	struct segpool_slab *slab;
};

/**
 * struct segpool_cache - a class in a heap
 * @top: behind the last free segment at hand, the one that is given next.
 * @slots: the first, which is given last.
 * @end: behind the place for the last.
 * @asked: bytes that the program asked for with those that it has. A region may come from another
 *	heap with segments in use: less than nothing, then, but right in the sum of all.
 * @allocs: segments handed out so far.
 * @frees: segments of the heap's regions freed so far, by whomever.
 * @regions: how many the heap has for the class.
 * @unaligned: bits that are not set in the offset of a segment.
 * @partial: the owner's regions with bits in their bitmaps, or SEGPOOL_NONE.
 * @hot: the region that stays although the program has none of its segments, or had none when
 *	this was noted; or SEGPOOL_NONE.
 * @misses: how often there was none at hand; this and what follows for statistics only.
 * @refusals: of these, how often there was none to be had.
 * @regions_new: so far.
 * @regions_reused: likewise.
 * @regions_released: likewise.
 */
struct segpool_cache {
	struct segpool_slot *top, *slots, *end;
	uint64_t asked;
	uint64_t allocs, frees;
	uint32_t unaligned;
	uint32_t regions;
	uint32_t partial, hot;
	uint64_t misses, refusals;
	uint64_t regions_new, regions_reused, regions_released;
} __attribute__((__aligned__(64)));

/* Sizes by their binary logarithm in pages: as many as there can be. */
#define SEGPOOL_NR_SIZES	53

/**
 * struct segpool_heap - what a thread has in a pool
 * @busy: its thread is inside.
 * @wanted: somebody else wants to be inside, or is.
 * @is_gated: its thread holds @gate (where the kernel has no membarrier()).
 * @cache_of: by the logarithm of a size in pages, rounded up: where its class's cache is, in bytes
 *	from here on; 0 bytes are a large size here, and for large ones @none is the cache.
 * @segments: of the pool.
 * @remote: index and 1 of the first region with remote frees; 0: none.
 * @orphan: its thread has ended; under segments->lock.
 * @next: of all heaps of the pool, which live as long as it does.
 * @gate: held by who is inside and is not its thread.
 * @none: a cache that has nothing and takes nothing.
 * @caches: one for each class.
 */
struct segpool_heap {
	uint32_t busy;
	uint32_t wanted;
	bool is_gated;
	uint16_t cache_of[SEGPOOL_NR_SIZES];
	struct segpool_segments *segments;
	uint32_t remote;
	bool orphan;
	struct segpool_heap *next;
	pthread_mutex_t gate;
	struct segpool_cache none;
	struct segpool_cache caches[];
};

/**
 * struct segpool_segments - all segments of a pool; constant but for those under @lock
 * @pool: the pool, which has some of this itself, for the quick way.
 * @per_region: likewise, of how many of the smallest segments fit into one.
 * @place_bits: in a handle, for region and number.
 * @shift_of: binary logarithm of each class's segment size.
 * @metadata: 1 << @per_region for each region.
 * @bitmaps: a bit for each possible segment: neither live nor cached.
 * @lock: protects @heaps and their orphan.
 * @taking: who takes regions from the pool reads; who looks everywhere for one writes.
 * @moving: regions on their way to the pool.
 * @heaps: all that there are.
 * @double_frees: frees of what was free.
 * @foreign_frees: frees of what is no segment.
 * @stale_frees: frees by the handle of what has been given again since.
 * @wrong_releases: releases of what nobody held.
 * @deferred: segments that are free but for somebody who holds them.
 * @written_after_free: segments that were not as they had been left when they were freed.
 * @checks: of a checked pool; otherwise NULL.
 * @large: numbers of pieces that are larger than the largest class, as in a heap's cache.
 */
struct segpool_segments {
	struct segpool *pool;
	uint32_t per_region;
	uint32_t place_bits;
	uint8_t shift_of[SEGPOOL_MAX_CLASSES];
	struct segpool_segment *metadata;
	uint64_t *bitmaps;
	pthread_mutex_t lock;
	struct segpool_heap *heaps;
	pthread_rwlock_t taking;
	uint32_t moving;
	uint64_t double_frees, foreign_frees;
	uint64_t stale_frees, wrong_releases, deferred, written_after_free;
	struct segpool_checks *checks;
	struct {
		uint64_t allocs, frees, regions, asked;
		uint64_t refusals, regions_new, regions_reused, regions_released;
	} large;
};

/* --- a pool's segments as a whole (segment_pool.c) --- */

struct segpool_segments *segpool_segments_of(struct segpool *pool);
void segpool_segments_end(struct segpool *pool);
void segpool_segments_in_child(void);

/* --- heaps (segment_heap.c) --- */

struct segpool_heap *segpool_heap_new_thread(struct segpool *pool);
struct segpool_heap *segpool_heap_if_mine(const struct segpool *pool);
void segpool_heap_wait(struct segpool_heap *heap);
void segpool_heap_let_wait(struct segpool_heap *heap);
void segpool_heap_intrude(struct segpool_heap *heap);
void segpool_heap_withdraw(struct segpool_heap *heap);
void segpool_heaps_forget(struct segpool *pool);

/* --- regions of a heap; inside the heap (segment_slab.c) --- */

/* Regions that nobody needs any more, to be released outside of the heap. */
struct segpool_leaving {
	uint32_t first;
};

#define SEGPOOL_NOBODY_LEAVES	{ SEGPOOL_NONE }

void segpool_slab_adopt(struct segpool_heap *heap, const struct segpool_region *region,
			uint32_t class_index);
void segpool_slab_move(struct segpool_heap *from, struct segpool_heap *to, uint32_t index);
void segpool_slab_emptied(struct segpool_heap *heap, struct segpool_slab *slab,
			  struct segpool_leaving *leaving);
void segpool_cache_fill(struct segpool_heap *heap, uint32_t class_index);
void segpool_cache_flush(struct segpool_heap *heap, uint32_t class_index, uint32_t keep);
void segpool_slab_take_back(struct segpool_heap *heap, struct segpool_slab *slab, uint32_t number,
			    struct segpool_leaving *leaving);
void segpool_slab_be_careful(struct segpool_heap *heap, struct segpool_slab *slab);
void segpool_heap_empty(struct segpool_heap *heap, struct segpool_leaving *leaving);
void segpool_leave(struct segpool_segments *segments, struct segpool_leaving *leaving);

/* --- frees by other threads (segment_remote.c) --- */

int segpool_remote_free(struct segpool_segments *segments, struct segpool_slab *slab,
			uint32_t number, uint32_t generation);
void segpool_remote_put(struct segpool_segments *segments, struct segpool_slab *slab,
			uint32_t number);
void segpool_heap_collect(struct segpool_heap *heap, struct segpool_leaving *leaving);

/* --- where a heap has nothing; outside of it (segment_refill.c) --- */

int segpool_heap_refill(struct segpool_heap *heap, uint32_t class_index, size_t asked,
			void **address);
void segpool_heaps_collect(struct segpool_segments *segments);
void segpool_heaps_empty(struct segpool_segments *segments);
int segpool_in_shortage(struct segpool_segments *segments, int (*attempt)(void *argument),
			void *argument);

/* --- frees (segment_free.c) --- */

int segpool_free_known(struct segpool_segments *segments, struct segpool_slab *slab,
		       uint32_t number, uint32_t generation, const void *site);
int segpool_free_from(struct segpool *pool, void *segment, const void *site);

/* --- whole regions (segment_large.c) --- */

void *segpool_large_alloc(struct segpool_segments *segments, size_t size, size_t asked);
void segpool_large_end(struct segpool_segments *segments, struct segpool_slab *slab);

/* --- segments that others may hold (segment_hold.c) --- */

/* Where a segment is, in a region of that shape. */
struct segpool_place {
	struct segpool_slab *slab;
	uint32_t number;
	uint8_t shift;
};

int segpool_find(const struct segpool *pool, const void *address, struct segpool_place *place);
int segpool_hold_at(struct segpool_segments *segments, const struct segpool_place *place,
		    uint32_t wanted);
int segpool_hold_refused(int error);
int segpool_careful_free(struct segpool_segments *segments, struct segpool_slab *slab,
			 uint32_t number, uint32_t generation, const void *site);

/* --- arithmetic --- */

static inline uint32_t segpool_cache_nr(const struct segpool_cache *cache)
{
	return (uint32_t)(cache->top - cache->slots);
}

static inline uint32_t segpool_cache_capacity(const struct segpool_cache *cache)
{
	return (uint32_t)(cache->end - cache->slots);
}

/* 0 for 4 KiB and less, 1 for 8 KiB, ..., 52 for more than half of all that there are, and for 0. */
static inline uint32_t segpool_size_logarithm(uint64_t bytes)
{
	return 63 - (uint32_t)__builtin_clzll((bytes - 1) >> 12 << 1 | 1);
}

static inline uint32_t segpool_slab_index(const struct segpool_segments *segments,
					  const struct segpool_slab *slab)
{
	return (uint32_t)(slab - segments->pool->slabs);
}

/* What is noted about a region's segment with that number. */
static inline struct segpool_segment *segpool_segment_at(const struct segpool_segments *segments,
							  uint32_t index, uint32_t number)
{
	return segments->metadata + ((size_t)index << segments->per_region) + number;
}

static inline uint64_t *segpool_bitmap(const struct segpool_segments *segments, uint32_t index)
{
	size_t words = segments->per_region > 6 ? (size_t)1 << (segments->per_region - 6) : 1;

	return segments->bitmaps + index * words;
}

static inline char *segpool_slab_address(const struct segpool *pool, uint32_t index)
{
	return pool->base + ((uint64_t)index << pool->region_shift);
}

static inline uint64_t segpool_slab_handle(const struct segpool *pool,
					   const struct segpool_slab *slab)
{
	return (uint64_t)slab->generation << 32 | (uint32_t)(slab - pool->slabs);
}

/* --- what is noted --- */

/* Others may look at it at any time; one thread at a time changes it. */
#define segpool_read(pointer)		__atomic_load_n(pointer, __ATOMIC_RELAXED)
#define segpool_write(pointer, value)	__atomic_store_n(pointer, value, __ATOMIC_RELAXED)
#define segpool_add(pointer, value)	segpool_write(pointer, segpool_read(pointer) + (value))

/* Free, or on its way to its owner since another thread has freed it, or only there for who holds it. */
static inline bool segpool_is_free(const struct segpool_segment *segment)
{
	uint32_t generation = segpool_read(&segment->generation);
	uint32_t remote = segpool_read(&segment->remote);

	return !(generation & 1) || remote == generation ||
	       (!(remote & 1) && remote & SEGPOOL_FREED);
}

/* Whoever sees that nobody is at it any more sees the generation that it has by now. */
static inline void segpool_nobody_is_at(struct segpool_segment *segment)
{
	__atomic_store_n(&segment->remote, 0, __ATOMIC_RELEASE);
}

#endif /* SEGPOOL_SEGMENT_H */
