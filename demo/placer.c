// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "placer.h"

#define WORD_BITS	64U

struct region {
	struct region *prev, *next;	/* neighbours in the class's list */
	uint64_t handle;		/* 0: not ours at present */
	uint64_t age;			/* order in which regions were taken */
	uint64_t *used;			/* one bit a segment */
	uint32_t nr_free;
	uint32_t class_index;
};

struct placer {
	struct segpool *pool;
	uint64_t region_size;
	uint64_t next_age;
	uint32_t nr_regions;
	uint32_t nr_words;		/* of a region's bitmap */
	uint64_t *bitmaps;
	struct region *regions;
	/*
	 * Per class, the regions that have both used and free segments, oldest
	 * first: allocations crowd into the old ones, so the young ones empty.
	 */
	struct region *partial[SEGPOOL_MAX_CLASSES];
};

void placer_classes(struct segpool_options *options, uint64_t region_size)
{
	uint64_t bytes = SEGPOOL_MIN_CLASS_SIZE;

	options->region_size = region_size;
	options->nr_classes = 0;
	while (bytes <= region_size && options->nr_classes < SEGPOOL_MAX_CLASSES) {
		options->classes[options->nr_classes++] = (uint32_t)bytes;
		bytes *= 2;
	}
}

struct placer *placer_new(struct segpool *pool)
{
	struct placer *placer = calloc(1, sizeof(*placer));
	uint64_t segments;

	if (!placer)
		return NULL;
	placer->pool = pool;
	placer->region_size = segpool_region_size(pool);
	segments = placer->region_size / segpool_class_size(pool, 0);
	placer->nr_regions = (uint32_t)(segpool_reservation(pool) / placer->region_size);
	placer->nr_words = (uint32_t)((segments + WORD_BITS - 1) / WORD_BITS);
	placer->regions = calloc(placer->nr_regions, sizeof(*placer->regions));
	placer->bitmaps = calloc((size_t)placer->nr_regions * placer->nr_words, sizeof(uint64_t));
	if (!placer->regions || !placer->bitmaps) {
		placer_drop(placer);
		return NULL;
	}
	for (uint32_t i = 0; i < placer->nr_regions; i++)
		placer->regions[i].used = placer->bitmaps + (size_t)i * placer->nr_words;
	return placer;
}

void placer_drop(struct placer *placer)
{
	free(placer->bitmaps);
	free(placer->regions);
	free(placer);
}

static uint32_t index_of(const struct placer *placer, const struct region *region)
{
	return (uint32_t)(region - placer->regions);
}

static uint32_t segments_in(const struct placer *placer, uint32_t class_index)
{
	return (uint32_t)(placer->region_size / segpool_class_size(placer->pool, class_index));
}

static uint64_t page_align(uint64_t bytes)
{
	return (bytes + PLACER_PAGE - 1) & ~(uint64_t)(PLACER_PAGE - 1);
}

static void list_add(struct placer *placer, struct region *region)
{
	struct region **head = &placer->partial[region->class_index];
	struct region *prev = NULL, *next = *head;

	while (next && next->age < region->age) {
		prev = next;
		next = next->next;
	}
	region->prev = prev;
	region->next = next;
	if (next)
		next->prev = region;
	if (prev)
		prev->next = region;
	else
		*head = region;
}

static void list_del(struct placer *placer, struct region *region)
{
	if (region->next)
		region->next->prev = region->prev;
	if (region->prev)
		region->prev->next = region->next;
	else
		placer->partial[region->class_index] = region->next;
}

static struct region *adopt(struct placer *placer, const struct segpool_region *taken,
			    uint32_t class_index)
{
	struct region *region = &placer->regions[SEGPOOL_HANDLE_INDEX(taken->handle)];

	region->handle = taken->handle;
	region->age = placer->next_age++;
	region->class_index = class_index;
	region->nr_free = segments_in(placer, class_index);
	memset(region->used, 0, placer->nr_words * sizeof(uint64_t));
	return region;
}

static int take_region(struct placer *placer, uint32_t class_index)
{
	struct segpool_region taken;
	int ret = segpool_region_alloc(placer->pool, class_index, 0, 0, &taken, 1);

	if (ret < 0)
		return ret;
	list_add(placer, adopt(placer, &taken, class_index));
	return 0;
}

static int release(struct placer *placer, struct region *region)
{
	int ret = segpool_region_free(placer->pool, region->handle, 0);

	if (!ret)
		region->handle = 0;
	return ret;
}

static uint32_t first_free_segment(const struct region *region)
{
	uint32_t word = 0;

	while (region->used[word] == UINT64_MAX)
		word++;
	return word * WORD_BITS + (uint32_t)__builtin_ctzll(~region->used[word]);
}

static void mark_used(struct placer *placer, struct region *region, uint32_t segment)
{
	region->used[segment / WORD_BITS] |= 1ULL << (segment % WORD_BITS);
	if (!--region->nr_free)
		list_del(placer, region);
}

static int mark_free(struct placer *placer, struct region *region, uint32_t segment)
{
	region->used[segment / WORD_BITS] &= ~(1ULL << (segment % WORD_BITS));
	if (!region->nr_free++)
		list_add(placer, region);
	if (region->nr_free < segments_in(placer, region->class_index))
		return 0;
	list_del(placer, region);
	return release(placer, region);
}

static struct segpool_range range_of(const struct placer *placer, const struct region *region,
				     uint32_t segment, uint64_t bytes)
{
	return (struct segpool_range) {
		.handle = region->handle,
		.offset = (uint64_t)segment *
			  segpool_class_size(placer->pool, region->class_index),
		.length = page_align(bytes),
	};
}

static int alloc_segment(struct placer *placer, uint32_t class_index, struct placement *placement)
{
	struct segpool_range range;
	struct region *region;
	int ret;

	if (!placer->partial[class_index]) {
		ret = take_region(placer, class_index);
		if (ret)
			return ret;
	}
	region = placer->partial[class_index];
	placement->region = index_of(placer, region);
	placement->segment = first_free_segment(region);
	mark_used(placer, region, placement->segment);

	range = range_of(placer, region, placement->segment, placement->bytes);
	ret = segpool_populate(placer->pool, &range, 1, 0, 0);
	if (ret) {
		mark_free(placer, region, placement->segment);
		return ret;
	}
	placement->address = (char *)segpool_region_address(placer->pool, region->handle) +
			     range.offset;
	return 0;
}

static int free_segment(struct placer *placer, const struct placement *placement)
{
	struct region *region = &placer->regions[placement->region];
	struct segpool_range range;
	int ret;

	/* The release of a whole region takes the pages along. */
	if (region->nr_free + 1 < segments_in(placer, region->class_index)) {
		range = range_of(placer, region, placement->segment, placement->bytes);
		ret = segpool_discard(placer->pool, &range, 1, 0);
		if (ret)
			return ret;
	}
	return mark_free(placer, region, placement->segment);
}

static uint32_t regions_for(const struct placer *placer, uint64_t bytes)
{
	return (uint32_t)((bytes + placer->region_size - 1) / placer->region_size);
}

static int free_neighbours(struct placer *placer, uint32_t first, uint32_t count)
{
	int ret, error = 0;

	for (uint32_t i = first; i < first + count; i++) {
		ret = release(placer, &placer->regions[i]);
		if (!error)
			error = ret;
	}
	return error;
}

static int populate_neighbours(struct placer *placer, const struct segpool_region *taken,
			       uint64_t bytes)
{
	struct segpool_range range = { 0 };
	int ret;

	for (uint64_t done = 0; done < bytes; done += range.length, taken++) {
		range.handle = taken->handle;
		range.length = page_align(bytes - done);
		if (range.length > placer->region_size)
			range.length = placer->region_size;
		ret = segpool_populate(placer->pool, &range, 1, 0, 0);
		if (ret)
			return ret;
	}
	return 0;
}

static int alloc_neighbours(struct placer *placer, struct placement *placement)
{
	uint32_t class_index = segpool_nr_classes(placer->pool) - 1;
	uint32_t count = regions_for(placer, placement->bytes);
	struct segpool_region taken[SEGPOOL_MAX_BATCH];
	int ret;

	if (count > SEGPOOL_MAX_BATCH)
		return -ERANGE;
	ret = segpool_region_alloc(placer->pool, class_index, SEGPOOL_CONTIGUOUS, 0, taken, count);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < count; i++)
		adopt(placer, &taken[i], class_index);
	placement->region = SEGPOOL_HANDLE_INDEX(taken[0].handle);
	placement->address = segpool_region_address(placer->pool, taken[0].handle);

	ret = populate_neighbours(placer, taken, placement->bytes);
	if (ret)
		free_neighbours(placer, placement->region, count);
	return ret;
}

int placer_alloc(struct placer *placer, uint64_t bytes, struct placement *placement)
{
	int class_index = segpool_class_for(placer->pool, bytes);

	placement->bytes = bytes;
	if (class_index < 0)
		return alloc_neighbours(placer, placement);
	return alloc_segment(placer, (uint32_t)class_index, placement);
}

int placer_free(struct placer *placer, const struct placement *placement)
{
	if (segpool_class_for(placer->pool, placement->bytes) < 0)
		return free_neighbours(placer, placement->region,
				       regions_for(placer, placement->bytes));
	return free_segment(placer, placement);
}
