/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room that grows, made of mappings: a replay that measures malloc() must not have
 * used it itself for anything large.
 */
#ifndef SEGPOOL_ARRAY_H
#define SEGPOOL_ARRAY_H

#include <stddef.h>

struct array {
	void *entries;
	size_t room;	/* bytes */
};

/* Makes room for @count entries of @bytes each; new ones are zero. 0, or -1 without memory. */
int array_room(struct array *array, size_t count, size_t bytes);
void array_drop(struct array *array);

#endif
