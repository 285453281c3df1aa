// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Counters and their names. */
#include <string.h>

#include "backend.h"
#include "record.h"

#define NAME(id, name, kind, text)	#name,

static const char *const counter_names[] = { SEGPOOL_COUNTERS(NAME) };
static const char *const class_counter_names[] = { SEGPOOL_CLASS_COUNTERS(NAME) };

int segpool_read_counters(const struct segpool *pool, uint32_t flags, uint32_t class_index,
			  uint64_t *values, uint32_t count)
{
	struct segpool_stat call = {
		.size = sizeof(call),
		.flags = flags,
		.class_index = class_index,
		.count = count < SEGPOOL_MAX_BATCH ? count : SEGPOOL_MAX_BATCH,
		.values = (uintptr_t)values,
	};
	int error = segpool_call(pool, SEGPOOL_IOC_STAT, &call);

	if (error)
		return error;
	if (count > call.count)
		memset(values + call.count, 0, (count - (size_t)call.count) * sizeof(*values));
	return (int)call.count;
}

static int read_recorded(const struct segpool *pool, uint32_t flags, uint32_t class_index,
			 uint64_t *values, uint32_t count)
{
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_STAT);

	return error ? error : segpool_read_counters(pool, flags, class_index, values, count);
}

int segpool_stat(struct segpool *pool, uint64_t *values, uint32_t count)
{
	return read_recorded(pool, 0, 0, values, count);
}

int segpool_class_stat(struct segpool *pool, uint32_t class_index, uint64_t *values, uint32_t count)
{
	return read_recorded(pool, SEGPOOL_STAT_CLASS, class_index, values, count);
}

const char *segpool_counter_name(uint32_t counter)
{
	return counter < SEGPOOL_NR_COUNTERS ? counter_names[counter] : NULL;
}

const char *segpool_class_counter_name(uint32_t counter)
{
	return counter < SEGPOOL_NR_CLASS_COUNTERS ? class_counter_names[counter] : NULL;
}
