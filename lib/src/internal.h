/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of the library share. The library is compiled with hidden
 * visibility: only what segpool.h declares leaves it, and the symbol map gives
 * that its version.
 */
#ifndef SEGPOOL_INTERNAL_H
#define SEGPOOL_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#pragma GCC visibility push(default)
#include "segpool.h"
#pragma GCC visibility pop

struct segpool_backend;
struct segpool_user;
struct segpool_segments;
struct segpool_words;

/* Every member is constant from the end of segpool_open() to segpool_close(), unless it says more. */
struct segpool {
	const struct segpool_backend *backend;
	/* Of the backend "kernel": the file, and the process that has its mapping. */
	int fd;
	pid_t creator;
	/* It was set up with SEGPOOL_WORDS. */
	bool lends;
	/* Of the backend "kernel", where it lends regions; otherwise NULL. */
	struct segpool_words *words;
	/* Of the backend "user". */
	struct segpool_user *user;
	/* Of all pools that this process has ever had; never 0. */
	uint64_t serial;
	/* NULL until the first segment is asked for, and so what follows. */
	struct segpool_segments *segments;
	struct segpool_slab *slabs;
	/* Binary logarithm of the region size. */
	uint32_t region_shift;
	/* The region size less 1. */
	uint32_t region_mask;
	/* SEGPOOL_CHECKED. */
	bool is_checked;
	/* How long a request for a segment may take. */
	uint32_t wait_ms;
	/* Functions of the program's, or NULL, and what it wants to be told with them. */
	segpool_log_fn log;
	void *log_context;
	segpool_pressure_fn pressure;
	void *pressure_context;
	/* Under a lock of segment_heap.c. */
	struct segpool *next_with_segments;
	/* NULL until there is a reservation. */
	char *base;
	uint64_t reservation;
	uint64_t region_size;
	uint32_t id;
	uint32_t mode;
	uint32_t nr_classes;
	uint32_t classes[SEGPOOL_MAX_CLASSES];
};

int segpool_options_check(const struct segpool_options *given, struct segpool_options *options);
int segpool_options_length(uint64_t wanted, uint64_t region_size, uint64_t virtual_budget,
			   uint64_t *length);

/* STAT without a trace in the thread's record: segpool_strerror() needs that. */
int segpool_read_counters(const struct segpool *pool, uint32_t flags, uint32_t class_index,
			  uint64_t *values, uint32_t count);

/* Longest text of segpool_format_bytes(), with the terminating 0. */
#define SEGPOOL_BYTES_TEXT	32

/* Writes @bytes exactly, in the largest binary unit that can; returns @text. */
const char *segpool_format_bytes(uint64_t bytes, char text[SEGPOOL_BYTES_TEXT]);

#endif /* SEGPOOL_INTERNAL_H */
