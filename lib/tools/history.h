/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocation histories: what a program asked for, in the order in which it did. The
 * format is in Documentation/userspace-api/trace-format.rst.
 */
#ifndef SEGPOOL_HISTORY_H
#define SEGPOOL_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "array.h"

#define HISTORY_FIRST_LINE	"segpool-trace 1"
#define HISTORY_MAX_ID		((1U << 24) - 1)
#define HISTORY_MAX_THREAD	UINT16_MAX
#define HISTORY_MAX_BYTES	(1ULL << 40)
#define HISTORY_MAX_LIVE	(1ULL << 47)	/* all of a process's addresses */

enum history_kind {
	HISTORY_MALLOC = 'a',
	HISTORY_CALLOC = 'z',
	HISTORY_ALIGNED = 'l',
	HISTORY_MAP = 'm',
	HISTORY_RESIZE = 'r',
	HISTORY_FREE = 'f',
};

struct history_event {
	uint64_t us;		/* since the start */
	uint64_t bytes;		/* 0 for a free */
	uint32_t id;
	uint16_t thread;
	uint8_t kind;		/* enum history_kind */
	uint8_t alignment;	/* of HISTORY_ALIGNED: log2 */
};

struct history {
	const struct history_event *events;
	size_t count;
	uint32_t nr_ids;		/* ids are 0 ... nr_ids - 1 */
	uint32_t nr_threads;		/* likewise */
	uint64_t allocations;
	uint64_t resizes;
	uint64_t frees;
	uint64_t allocated_bytes;	/* a resize counts as an allocation here */
	uint64_t peak_live_bytes;
	uint64_t left;			/* allocations that are never freed */
	uint64_t duration_us;
	char program[256];		/* "" where the file does not say */
	struct array room;
};

/*
 * Reads a whole history, plain or compressed, and checks that it makes sense. @name "-"
 * is standard input. Returns 0, or -1 after a message.
 */
int history_read(const char *name, struct history *history);
void history_drop(struct history *history);

#endif
