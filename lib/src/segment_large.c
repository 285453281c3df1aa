// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Pieces that are larger than the largest class: whole neighbouring regions. */
#include <errno.h>
#include <stdlib.h>

#include "callback.h"
#include "record.h"
#include "segment.h"
#include "segment_inside.h"

#define AT_A_TIME	32U

static void begin(struct segpool_segments *segments, const struct segpool_region *regions,
		  uint32_t nr, size_t bytes)
{
	uint32_t first = SEGPOOL_HANDLE_INDEX(regions[0].handle), i;
	struct segpool_segment *segment = segpool_segment_at(segments, first, 0);
	struct segpool_slab *slab = &segments->pool->slabs[first];

	for (i = 0; i < nr; i++) {
		__atomic_add_fetch(regions[i].flags & SEGPOOL_REGION_NEW ?
				   &segments->large.regions_new : &segments->large.regions_reused,
				   1, __ATOMIC_RELAXED);
		slab[i].generation = SEGPOOL_HANDLE_GENERATION(regions[i].handle);
	}
	slab->large_asked = bytes;
	slab->shift = (uint8_t)segments->pool->region_shift;
	__atomic_add_fetch(&segments->large.allocs, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&segments->large.regions, nr, __ATOMIC_RELAXED);
	__atomic_add_fetch(&segments->large.asked, bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&segment->generation, segpool_read(&segment->generation) + 1,
			 __ATOMIC_RELEASE);
	/* What makes it one: the rest is there. */
	__atomic_store_n(&slab->large, nr, __ATOMIC_RELEASE);
	segpool_fence(__ATOMIC_RELEASE);
}

struct request {
	struct segpool_segments *segments;
	struct segpool *pool;
	struct segpool_region *regions;
	uint32_t nr;
};

static int take_regions(void *argument)
{
	const struct request *request = argument;
	uint32_t flags = SEGPOOL_POPULATE | (request->nr > 1 ? SEGPOOL_CONTIGUOUS : 0);
	int taken = segpool_region_alloc(request->pool, request->pool->nr_classes - 1, flags, 0,
					 request->regions, request->nr);

	return taken < 0 ? taken : 0;
}

/* Of the pool's, first those that are there, then with all that is there without need. */
static int take_or_scrape(void *argument)
{
	struct request *request = argument;
	int error;

	pthread_rwlock_rdlock(&request->segments->taking);
	error = take_regions(request);
	pthread_rwlock_unlock(&request->segments->taking);
	return error == -ENOMEM ? segpool_in_shortage(request->segments, take_regions, request) :
				  error;
}

/* NULL, with the error in errno. */
void *segpool_large_alloc(struct segpool_segments *segments, size_t size, size_t asked)
{
	uint64_t nr = (size - 1) >> segments->pool->region_shift;
	struct request request = { .segments = segments, .pool = segments->pool };
	void *address = NULL;
	uint32_t i;
	int error;

	if (nr >= SEGPOOL_MAX_BATCH) {
		errno = -segpool_record_fault(-EINVAL,
			"a piece of memory has 1024 regions at most: ask for a smaller one, or open the pool with larger regions");
		return NULL;
	}
	request.nr = (uint32_t)nr + 1;
	request.regions = calloc(request.nr, sizeof(*request.regions));
	if (!request.regions) {
		errno = -segpool_record_fault(-ENOMEM, "no memory for the list of the regions");
		return NULL;
	}
	error = take_or_scrape(&request);
	if (error == -ENOMEM)
		error = segpool_insist(segments->pool, SEGPOOL_ALL_CLASSES, asked, take_or_scrape,
				       &request);
	if (!error) {
		begin(segments, request.regions, request.nr, asked);
		address = segments->pool->base + request.regions[0].offset;
		for (i = 0; i < request.nr; i++)
			segpool_tell_of_region(segments->pool, SEGPOOL_ALL_CLASSES,
					       &request.regions[i]);
	} else if (error == -ENOMEM) {
		__atomic_add_fetch(&segments->large.refusals, 1, __ATOMIC_RELAXED);
	}
	free(request.regions);
	if (error)
		errno = -error;
	return address;
}

/* @slab: the first region of a large piece, which is free, and nobody else is at it. */
void segpool_large_end(struct segpool_segments *segments, struct segpool_slab *slab)
{
	struct segpool_segment *segment =
		segpool_segment_at(segments, segpool_slab_index(segments, slab), 0);
	struct segpool_free_entry entries[AT_A_TIME];
	uint32_t nr = slab->large, n, done = 0;

	__atomic_add_fetch(&segments->large.frees, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&segments->large.regions, nr, __ATOMIC_RELAXED);
	__atomic_add_fetch(&segments->large.regions_released, nr, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&segments->large.asked, slab->large_asked, __ATOMIC_RELAXED);
	segpool_add(&segment->generation, 1);
	__atomic_store_n(&slab->large, 0, __ATOMIC_RELAXED);
	segpool_nobody_is_at(segment);
	while (done < nr) {
		for (n = 0; n < AT_A_TIME && done < nr; n++, done++)
			entries[n] = (struct segpool_free_entry){
				.handle = segpool_slab_handle(segments->pool, &slab[done]) };
		segpool_region_free_batch(segments->pool, entries, n,
					  segments->checks ? SEGPOOL_NOW : SEGPOOL_LAZY);
	}
}
