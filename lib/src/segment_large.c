// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Pieces that are larger than the largest class: whole neighbouring regions. */
#include <errno.h>
#include <stdlib.h>

#include "record.h"
#include "segment.h"

#define AT_A_TIME	32U

static void begin(struct segpool_segments *segments, const struct segpool_region *regions,
		  uint32_t nr, size_t bytes)
{
	uint32_t first = SEGPOOL_HANDLE_INDEX(regions[0].handle), i;
	struct segpool_segment *segment = segpool_segment_at(segments, first, 0);
	struct segpool_slab *slab = &segments->slabs[first];

	for (i = 0; i < nr; i++)
		slab[i].handle = regions[i].handle;
	slab->large_asked = bytes;
	slab->shift = (uint8_t)segments->region_shift;
	__atomic_add_fetch(&segments->large.allocs, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&segments->large.regions, nr, __ATOMIC_RELAXED);
	__atomic_add_fetch(&segments->large.asked, bytes, __ATOMIC_RELAXED);
	segpool_add(&segment->generation, 1);
	/* What makes it one: the rest is there. */
	__atomic_store_n(&slab->large, nr, __ATOMIC_RELEASE);
}

/* NULL, with the error in errno. */
void *segpool_large_alloc(struct segpool_segments *segments, size_t bytes)
{
	uint64_t nr = (bytes - 1) >> segments->region_shift;
	struct segpool_region *regions;
	void *address = NULL;
	int error;

	if (nr >= SEGPOOL_MAX_BATCH) {
		errno = -segpool_record_fault(-EINVAL,
			"a piece of memory has 1024 regions at most: ask for a smaller one, or open the pool with larger regions");
		return NULL;
	}
	nr++;
	regions = calloc(nr, sizeof(*regions));
	error = regions ? segpool_take_regions(segments, segments->pool->nr_classes - 1, regions,
					       (uint32_t)nr) : -ENOMEM;
	if (!error) {
		begin(segments, regions, (uint32_t)nr, bytes);
		address = segments->base + regions[0].offset;
	}
	free(regions);
	if (error)
		errno = -error;
	return address;
}

/* Of several threads one frees it. */
static bool win(struct segpool_segments *segments, const struct segpool_slab *slab)
{
	struct segpool_segment *segment =
		segpool_segment_at(segments, segpool_slab_index(segments, slab), 0);
	uint32_t generation = segpool_read(&segment->generation);

	return generation & 1 &&
	       __atomic_compare_exchange_n(&segment->generation, &generation, generation + 1, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* @slab: the first region of a large piece. */
int segpool_large_free(struct segpool_segments *segments, struct segpool_slab *slab)
{
	struct segpool_free_entry entries[AT_A_TIME];
	uint32_t nr = slab->large, n, done = 0;

	if (!win(segments, slab))
		return -EALREADY;
	__atomic_add_fetch(&segments->large.frees, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&segments->large.regions, nr, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&segments->large.asked, slab->large_asked, __ATOMIC_RELAXED);
	__atomic_store_n(&slab->large, 0, __ATOMIC_RELAXED);
	while (done < nr) {
		for (n = 0; n < AT_A_TIME && done < nr; n++, done++)
			entries[n] = (struct segpool_free_entry){ .handle = slab[done].handle };
		segpool_region_free_batch(segments->pool, entries, n, SEGPOOL_LAZY);
	}
	return 0;
}
