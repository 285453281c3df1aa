/* SPDX-License-Identifier: GPL-2.0-only */
/* Pools for people, and as JSON. */
#ifndef SEGPOOL_POOLS_REPORT_H
#define SEGPOOL_POOLS_REPORT_H

#include <stdio.h>

#include "json.h"
#include "pools.h"
#include "size.h"

#define NAME_TEXT	(4 * POOL_COMM)	/* holds every name_text() */

/* A program names itself as it likes: all but printable ASCII becomes \xHH, and \ becomes \\. */
const char *name_text(const char *name, char text[NAME_TEXT]);
const char *mode_text(uint32_t mode);
/* As --virtual and the like, JSON, and events name them; by enum segpool_reason. */
extern const char *const reason_names[NR_REASONS];

/* Of the regions handed out so many were there already, 0 to 1; below 0 where none was handed out. */
double reuse_ratio_of(uint64_t reused, uint64_t carved);

void report_list(const struct pool_list *list, enum size_style style);
/* A part of a line: its memory and its budgets. */
void report_state(const struct pool *pool, enum size_style style);
/* @classes may have others, too. */
void report_pool(const struct pool *pool, const struct class_list *classes, enum size_style style);

/* An object; @classes may be NULL. */
void report_pool_json(struct json *json, const struct pool *pool,
		      const struct class_list *classes);
void report_counters_json(struct json *json, const struct counter_kind *kinds,
			  const uint64_t *values, uint32_t count);

#endif
