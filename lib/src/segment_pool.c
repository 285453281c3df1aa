// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* A pool's segments as a whole: made with the first request for one, gone with the pool. */

/* For pthread_rwlockattr_setkind_np(). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdlib.h>

#include "record.h"
#include "segment_check.h"
#include "syscall.h"

/* Two threads may come for the first segment at the same time. */
static pthread_mutex_t begin_lock = PTHREAD_MUTEX_INITIALIZER;

static uint32_t logarithm(uint64_t power_of_two)
{
	return (uint32_t)__builtin_ctzll(power_of_two);
}

/* How many it takes to count to one less. */
static uint32_t bits_for(uint64_t count)
{
	return count > 1 ? 64 - (uint32_t)__builtin_clzll(count - 1) : 0;
}

static uint64_t nr_regions(const struct segpool_segments *segments)
{
	return segments->pool->reservation >> segments->pool->region_shift;
}

static uint64_t bitmap_bytes(const struct segpool_segments *segments)
{
	uint32_t words = segments->per_region > 6 ? segments->per_region - 6 : 0;

	return (nr_regions(segments) * sizeof(uint64_t)) << words;
}

static uint64_t metadata_bytes(const struct segpool_segments *segments)
{
	return (nr_regions(segments) * sizeof(struct segpool_segment)) << segments->per_region;
}

static uint64_t slab_bytes(const struct segpool_segments *segments)
{
	return nr_regions(segments) * sizeof(struct segpool_slab);
}

static void note_classes(struct segpool_segments *segments)
{
	const struct segpool *pool = segments->pool;
	uint32_t i;

	for (i = 0; i < pool->nr_classes; i++)
		segments->shift_of[i] = (uint8_t)logarithm(pool->classes[i]);
}

/* Three arrays that cost address space, and memory where they are used. */
static int reserve(struct segpool *pool, struct segpool_segments *segments)
{
	void *slabs, *metadata, *bitmaps;
	int error;

	error = segpool_sys_book(slab_bytes(segments), &slabs);
	if (error)
		return error;
	error = segpool_sys_book(metadata_bytes(segments), &metadata);
	if (error)
		goto err_slabs;
	error = segpool_sys_book(bitmap_bytes(segments), &bitmaps);
	if (error)
		goto err_metadata;
	pool->slabs = slabs;
	segments->metadata = metadata;
	segments->bitmaps = bitmaps;
	return 0;

err_metadata:
	segpool_sys_unmap(metadata, metadata_bytes(segments));
err_slabs:
	segpool_sys_unmap(slabs, slab_bytes(segments));
	return error;
}

static void unreserve(const struct segpool_segments *segments)
{
	segpool_sys_unmap(segments->bitmaps, bitmap_bytes(segments));
	segpool_sys_unmap(segments->metadata, metadata_bytes(segments));
	segpool_sys_unmap(segments->pool->slabs, slab_bytes(segments));
}

/* Who is short is not kept waiting by those who are not yet. */
static void init_taking(pthread_rwlock_t *taking)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(taking, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

static struct segpool_segments *make(struct segpool *pool)
{
	struct segpool_segments *segments = calloc(1, sizeof(*segments));

	if (!segments)
		return NULL;
	segments->pool = pool;
	segments->per_region = pool->region_shift - logarithm(pool->classes[0]);
	segments->place_bits = segments->per_region + bits_for(nr_regions(segments));
	note_classes(segments);
	if (reserve(pool, segments)) {
		free(segments);
		return NULL;
	}
	if (pool->is_checked) {
		segments->checks = segpool_checks_new(segments);
		if (!segments->checks) {
			unreserve(segments);
			free(segments);
			return NULL;
		}
	}
	pthread_mutex_init(&segments->lock, NULL);
	init_taking(&segments->taking);
	return segments;
}

/* NULL, with a sentence: no memory for what has to be written down about them. */
struct segpool_segments *segpool_segments_of(struct segpool *pool)
{
	struct segpool_segments *segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);

	if (segments)
		return segments;
	pthread_mutex_lock(&begin_lock);
	if (!pool->segments)
		__atomic_store_n(&pool->segments, make(pool), __ATOMIC_RELEASE);
	segments = pool->segments;
	pthread_mutex_unlock(&begin_lock);
	return segments;
}

/* Another thread of the parent may have held it at that moment. */
void segpool_segments_in_child(void)
{
	pthread_mutex_init(&begin_lock, NULL);
}

/* The regions themselves go with the pool. */
void segpool_segments_end(struct segpool *pool)
{
	struct segpool_segments *segments = pool->segments;

	if (!segments)
		return;
	if (segments->checks)
		segpool_checks_end(segments);
	segpool_heaps_forget(pool);
	unreserve(segments);
	pthread_rwlock_destroy(&segments->taking);
	pthread_mutex_destroy(&segments->lock);
	free(segments);
}
