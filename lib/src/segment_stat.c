// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Counters of the segments and their names. */
#include <errno.h>

#include "record.h"
#include "segment.h"

#define NAME(id, name, text)	#name,

static const char *const names[] = { SEGPOOL_SEGMENT_COUNTERS(NAME) };

/* A class in a heap, with somebody inside who is not in the middle of anything. */
static void add_cache(const struct segpool_segments *segments, const struct segpool_heap *heap,
		      uint32_t class_index, uint64_t *values)
{
	const struct segpool_cache *cache = &heap->caches[class_index];
	uint64_t live = cache->allocs - cache->frees;

	values[SEGPOOL_S_ALLOCS] += cache->allocs;
	values[SEGPOOL_S_FREES] += cache->frees;
	values[SEGPOOL_S_LIVE] += live;
	values[SEGPOOL_S_LIVE_BYTES] += live << segments->shift_of[class_index];
	values[SEGPOOL_S_ASKED_BYTES] += cache->asked;
	values[SEGPOOL_S_REGIONS] += cache->regions;
	values[SEGPOOL_S_CACHE_HITS] += cache->allocs - cache->misses;
	values[SEGPOOL_S_REGIONS_NEW] += cache->regions_new;
	values[SEGPOOL_S_REGIONS_REUSED] += cache->regions_reused;
	values[SEGPOOL_S_REGIONS_RELEASED] += cache->regions_released;
	values[SEGPOOL_S_REGIONS_HOT] += cache->hot != SEGPOOL_NONE &&
					 !segments->pool->slabs[cache->hot].live;
	values[SEGPOOL_S_REFUSALS] += cache->refusals;
}

static void add_heap(const struct segpool_segments *segments, const struct segpool_heap *heap,
		     uint32_t class_index, uint64_t *values)
{
	uint32_t i;

	for (i = 0; i < segments->pool->nr_classes; i++)
		if (class_index == SEGPOOL_ALL_CLASSES || class_index == i)
			add_cache(segments, heap, i, values);
}

static void add_large(const struct segpool_segments *segments, uint64_t *values)
{
	/* In this order: none is freed that was not given. */
	uint64_t frees = __atomic_load_n(&segments->large.frees, __ATOMIC_ACQUIRE);
	uint64_t allocs = segpool_read(&segments->large.allocs);
	uint64_t regions = segpool_read(&segments->large.regions);

	values[SEGPOOL_S_ALLOCS] += allocs;
	values[SEGPOOL_S_FREES] += frees;
	values[SEGPOOL_S_LIVE] += allocs - frees;
	values[SEGPOOL_S_LIVE_BYTES] += regions << segments->pool->region_shift;
	values[SEGPOOL_S_ASKED_BYTES] += segpool_read(&segments->large.asked);
	values[SEGPOOL_S_REGIONS] += regions;
	values[SEGPOOL_S_REGIONS_NEW] += segpool_read(&segments->large.regions_new);
	values[SEGPOOL_S_REGIONS_REUSED] += segpool_read(&segments->large.regions_reused);
	values[SEGPOOL_S_REGIONS_RELEASED] += segpool_read(&segments->large.regions_released);
	values[SEGPOOL_S_REFUSALS] += segpool_read(&segments->large.refusals);
	values[SEGPOOL_S_DOUBLE_FREES] = segpool_read(&segments->double_frees);
	values[SEGPOOL_S_FOREIGN_FREES] = segpool_read(&segments->foreign_frees);
	values[SEGPOOL_S_WRONG_RELEASES] = segpool_read(&segments->wrong_releases);
	values[SEGPOOL_S_WRITTEN_AFTER_FREE] = segpool_read(&segments->written_after_free);
	values[SEGPOOL_S_STALE_FREES] = segpool_read(&segments->stale_frees);
	values[SEGPOOL_S_DEFERRED] = segpool_read(&segments->deferred);
}

static void read_segments(struct segpool_segments *segments, uint32_t class_index,
			  uint64_t *values)
{
	struct segpool_heap *heap;

	segpool_heaps_collect(segments);
	pthread_mutex_lock(&segments->lock);
	for (heap = segments->heaps; heap; heap = heap->next) {
		segpool_heap_intrude(heap);
		add_heap(segments, heap, class_index, values);
		segpool_heap_withdraw(heap);
	}
	pthread_mutex_unlock(&segments->lock);
	if (class_index == SEGPOOL_ALL_CLASSES)
		add_large(segments, values);
}

int segpool_segment_stat(struct segpool *pool, uint32_t class_index, uint64_t *values,
			 uint32_t count)
{
	uint64_t all[SEGPOOL_NR_SEGMENT_COUNTERS] = { 0 };
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_STAT);
	struct segpool_segments *segments;
	uint32_t i;

	if (error)
		return error;
	if (class_index != SEGPOOL_ALL_CLASSES && class_index >= pool->nr_classes)
		return -EINVAL;
	if (count && !values)
		return segpool_record_fault(-EFAULT, "there is no place for the counters: @values is NULL");
	segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	if (segments)
		read_segments(segments, class_index, all);
	for (i = 0; i < count; i++)
		values[i] = i < SEGPOOL_NR_SEGMENT_COUNTERS ? all[i] : 0;
	return SEGPOOL_NR_SEGMENT_COUNTERS;
}

const char *segpool_segment_counter_name(uint32_t counter)
{
	return counter < SEGPOOL_NR_SEGMENT_COUNTERS ? names[counter] : NULL;
}
