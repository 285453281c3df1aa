/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocation histories: one event a line, in time order,
 *   a <microseconds> <id> <bytes>	an allocation
 *   f <microseconds> <id>		its free
 */
#ifndef DEMO_TRACE_H
#define DEMO_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct trace_event {
	uint64_t us;
	uint32_t id;
	uint32_t bytes;		/* 0: the free of @id */
};

struct trace {
	struct trace_event *events;
	size_t count;
	uint32_t nr_ids;		/* ids are 0 ... nr_ids - 1 */
	uint32_t nr_left;		/* allocations that the trace never frees */
	uint64_t allocations;
	uint64_t allocated_bytes;
	uint64_t peak_live_bytes;
	uint64_t duration_us;
};

/*
 * Reads a whole history and checks that it makes sense: every free has its
 * allocation, no id lives twice. Returns 0, or -1 after a message on stderr.
 */
int trace_read(FILE *file, const char *name, struct trace *trace);
void trace_drop(struct trace *trace);

#endif
