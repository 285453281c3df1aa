/* SPDX-License-Identifier: GPL-2.0-only */
/* Events have numbers, each pool's its own in each group: a listener sees where some are missing. */
#ifndef SEGPOOL_EVENTS_H
#define SEGPOOL_EVENTS_H

#include "pools.h"

/* The last number seen, of each pool that has not gone; 0: none. */
struct seen {
	uint32_t pool;
	uint64_t seq[CLIENT_GROUPS];
};

struct seen_list {
	struct array array;
	struct seen *items;
	size_t count;
};

/* Sets how many events of its group are @missing before this one. 0, or -1 without memory. */
int seen_note(struct seen_list *list, const struct pool *event, uint64_t *missing);
void seen_drop(struct seen_list *list);

#endif
