/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a history is replayed: a pool of either backend, malloc(), or addresses that are
 * kept and whose memory madvise() gives back. One is open at a time in a process.
 */
#ifndef SEGPOOL_PLACE_H
#define SEGPOOL_PLACE_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct place_limits - what a place may use
 * @budget: bytes of memory; 0: as much as there is.
 * @virtual_budget: bytes of addresses; 0: no limit that matters.
 * @region_size: of a pool; 0: the default.
 * @peak_live: most bytes that the history has allocated at a time.
 */
struct place_limits {
	uint64_t budget;
	uint64_t virtual_budget;
	uint64_t region_size;
	uint64_t peak_live;
};

/* Reasons for a refusal. */
enum place_reason {
	REFUSED_VIRTUAL,
	REFUSED_PHYSICAL,
	REFUSED_CEILING,
	REFUSED_SYSTEM,
	NR_REFUSED,
};

/**
 * struct place_numbers - what a place says about itself
 * @has_virtual: it knows @virtual_bytes; otherwise the process's mapped bytes are taken.
 * @virtual_bytes: addresses in use or kept for the next use.
 * @has_owned: it knows @owned_bytes, physical and retained ones.
 * @fresh: how often addresses that were not used before were taken.
 * @reused: how often such were taken that had been given up.
 * @unit: what @fresh and @reused count; NULL: it does not know.
 */
struct place_numbers {
	int has_virtual;
	uint64_t virtual_bytes;
	int has_owned;
	uint64_t owned_bytes;
	uint64_t fresh, reused;
	const char *unit;
};

/**
 * struct place - a way of allocating
 * @name: as it is called on the command line.
 * @open: 0, or -1 with a sentence in @why.
 * @alloc: @kind is enum history_kind. NULL: refused, and @reason says why.
 * @resize: as realloc().
 * @free: 0, or -1 where it was refused.
 * @numbers: as they are now.
 * @close: everything goes.
 */
struct place {
	const char *name;
	int (*open)(const struct place_limits *limits, char *why, size_t length);
	void *(*alloc)(char kind, uint64_t bytes, uint64_t alignment, enum place_reason *reason);
	void *(*resize)(void *block, uint64_t old_bytes, uint64_t bytes,
			enum place_reason *reason);
	int (*free)(void *block, uint64_t bytes);
	void (*numbers)(struct place_numbers *numbers);
	void (*close)(void);
};

extern const struct place place_kernel;
extern const struct place place_user;
extern const struct place place_auto;	/* the one of the two that there is */
extern const struct place place_malloc;
extern const struct place place_madvise;

/* The name of the backend of the pool that is open; NULL: there is none. */
const char *place_pool_backend(void);

#endif
