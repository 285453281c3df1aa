/* SPDX-License-Identifier: GPL-2.0-only */
/* A small pool through the library, and short ways to look at it. */
#ifndef SEGPOOL_SELFTESTS_LIB_POOL_H
#define SEGPOOL_SELFTESTS_LIB_POOL_H

#include <stdbool.h>
#include "testing.h"
#include <segpool.h>

/* Each program is there for both backends: user_*.c include those without it in their name; words_*.c, too. */
#ifdef PLAIN_MEMORY
#define BACKEND		SEGPOOL_BACKEND_USER
#else
#define BACKEND		SEGPOOL_BACKEND_KERNEL
#endif

#define REGION		(64 * SP_KIB)
#define REGIONS		16
#define BACKED		8

/* 16 regions of 64 KiB, more memory than for all of them; of what is released 8 regions' stays. */
static SP_UNUSED void small_options(struct segpool_options *options)
{
	segpool_options_init(options);
	options->backend = BACKEND;
	options->region_size = REGION;
	options->flags = SEGPOOL_SET_ALL;
	options->limits = (struct segpool_limits){
		.virtual_budget = REGIONS * REGION,
		.physical_budget = 2 * REGIONS * REGION,
		.retain_limit = BACKED * REGION,
		.retain_age_ms = 0,
		.watermark = 100,
	};
#ifdef WITH_WORDS
	options->mode = SEGPOOL_MODE_HUGE;
	options->words = SEGPOOL_WORDS_ALWAYS;
#endif
}

static SP_UNUSED int small_pool(struct segpool **pool)
{
	struct segpool_options options;

	small_options(&options);
	return segpool_open(&options, pool);
}

/* Memory for so many bytes. */
static SP_UNUSED int set_physical(struct segpool *pool, uint64_t bytes)
{
	struct segpool_limits limits = { .physical_budget = bytes };

	return segpool_set_budget(pool, SEGPOOL_SET_PHYSICAL, &limits);
}

static SP_UNUSED bool can(const struct segpool *pool, uint32_t what)
{
	return (segpool_capabilities(pool) & what) == what;
}

/*
 * Number of pages that are there. Plain memory is no secret to the page map, and up to Linux 6.1
 * move_pages() takes what is missing there for a mistake.
 */
static SP_UNUSED long present(const char *start, size_t length)
{
	if (BACKEND == SEGPOOL_BACKEND_USER)
		return sp_present_in_file("/proc/self/pagemap", sizeof(uint64_t), start, length,
					  NULL);
	return sp_present(start, length, NULL);
}

static SP_UNUSED uint64_t counter(struct segpool *pool, enum segpool_counter which)
{
	uint64_t values[SEGPOOL_NR_COUNTERS] = { 0 };

	return segpool_stat(pool, values, SEGPOOL_NR_COUNTERS) < 0 ? UINT64_MAX : values[which];
}

static SP_UNUSED uint64_t class_counter(struct segpool *pool, uint32_t class_index,
					enum segpool_class_counter which)
{
	uint64_t values[SEGPOOL_NR_CLASS_COUNTERS] = { 0 };

	return segpool_class_stat(pool, class_index, values, SEGPOOL_NR_CLASS_COUNTERS) < 0 ?
	       UINT64_MAX : values[which];
}

static SP_UNUSED uint64_t segment_counter(struct segpool *pool, uint32_t class_index,
					  enum segpool_segment_counter which)
{
	uint64_t values[SEGPOOL_NR_SEGMENT_COUNTERS] = { 0 };

	return segpool_segment_stat(pool, class_index, values, SEGPOOL_NR_SEGMENT_COUNTERS) ==
	       SEGPOOL_NR_SEGMENT_COUNTERS ? values[which] : UINT64_MAX;
}

/* The same of all classes. */
static SP_UNUSED uint64_t all(struct segpool *pool, enum segpool_segment_counter which)
{
	return segment_counter(pool, SEGPOOL_ALL_CLASSES, which);
}

static SP_UNUSED const char *sentence(struct segpool *pool, int error)
{
	static __thread char buffer[256];

	return segpool_strerror(pool, error, buffer, sizeof(buffer));
}

/* Whether /proc/self/maps has a mapping that starts at @address. */
static SP_UNUSED int is_mapped(const void *address)
{
	unsigned long start, found = 0;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-", &start) == 1 && start == (uintptr_t)address)
			found++;
	if (maps)
		fclose(maps);
	return found == 1;
}

#endif /* SEGPOOL_SELFTESTS_LIB_POOL_H */
