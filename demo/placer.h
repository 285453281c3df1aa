/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Places allocations into a segpool: power-of-two segments inside regions, and
 * neighbouring regions for what is larger than a region. Physical memory
 * follows the allocations: their pages are backed when they are made and
 * discarded when they are freed, and a region without a used segment is
 * released. Not thread-safe.
 */
#ifndef DEMO_PLACER_H
#define DEMO_PLACER_H

#include <stdint.h>
#include <segpool.h>

#define PLACER_PAGE	4096U

struct placer;

struct placement {
	char *address;
	uint64_t bytes;		/* as asked for */
	uint32_t region;	/* index of the first region */
	uint32_t segment;	/* in that region; unused where bytes exceed a region */
};

/* Sets region size and classes; the other options are the caller's. */
void placer_classes(struct segpool_options *options, uint64_t region_size);
/* NULL without memory. The pool stays the caller's. */
struct placer *placer_new(struct segpool *pool);
void placer_drop(struct placer *placer);

/* 0 or the negative errno value of the library call that failed. */
int placer_alloc(struct placer *placer, uint64_t bytes, struct placement *placement);
int placer_free(struct placer *placer, const struct placement *placement);

#endif
