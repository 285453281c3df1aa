/* SPDX-License-Identifier: GPL-2.0-only */
/* What the pools had lately, for "segpool top". */
#ifndef SEGPOOL_TOP_HISTORY_H
#define SEGPOOL_TOP_HISTORY_H

#include "array.h"
#include "pools.h"
#include "top_draw.h"

/* In the order of the pools' numbers. */
struct top_histories {
	struct array array;
	struct top_history *items;
	size_t count;
};

/* A sample of each pool; forgets those that are gone. 0, or -1 without memory. */
int top_note(struct top_histories *histories, const struct pool_list *pools);
void top_histories_drop(struct top_histories *histories);

#endif
