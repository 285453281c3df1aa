/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the recorder leaves for "segpool trace": a file for each program, named
 * PID.NUMBER. Both come from one build, and nobody else reads it.
 *
 * The file is mapped and shared: what is written is in it, however the program ends.
 * Its first page is struct raw_header. Then come chunks of RAW_CHUNK bytes; a thread
 * fills one at a time. Records are in the order of @seq, which no chunk is.
 */
#ifndef SEGPOOL_RAW_H
#define SEGPOOL_RAW_H

#include <stdint.h>

#define RAW_MAGIC	"segpool-raw 1"
#define RAW_HEADER	4096U
#define RAW_CHUNK	65536U
#define RAW_SMALLEST	4096U	/* bytes: what is smaller is not recorded */
#define RAW_DIR_VARIABLE	"SEGPOOL_TRACE_DIR"

enum raw_kind {
	RAW_MALLOC = 1,		/* address, bytes */
	RAW_CALLOC,		/* likewise */
	RAW_ALIGNED,		/* likewise, and other: the alignment */
	RAW_FREE,		/* address */
	RAW_RESIZE_OLD,		/* address: realloc() gave it up; the thread's RESIZE_NEW follows */
	RAW_RESIZE_NEW,		/* address, bytes */
	RAW_MAP,		/* address, bytes */
	RAW_UNMAP,		/* address, bytes: whatever is mapped there */
	RAW_MOVE_OLD,		/* address, bytes: mremap() gave it up; the thread's MOVE_NEW follows */
	RAW_MOVE_NEW,		/* address, bytes */
	RAW_NR_KINDS,
};

/* The allocator's call lies between the two numbers of a pair, or before or after the one. */
struct raw_record {
	uint64_t seq;		/* written last; 0: nothing here */
	uint64_t ns;		/* CLOCK_MONOTONIC */
	uint64_t address;
	uint64_t bytes;
	uint64_t other;
	uint32_t thread;
	uint32_t kind;
};

#define RAW_PER_CHUNK	(RAW_CHUNK / sizeof(struct raw_record))

struct raw_header {
	char magic[16];
	uint64_t pid;
	uint64_t start_ns;
	uint64_t next_seq;
	uint64_t next_chunk;
	uint64_t lost;		/* events that could not be recorded */
	uint32_t next_thread;
	uint32_t stopped;	/* no room: nothing is recorded from then on */
};

#endif
