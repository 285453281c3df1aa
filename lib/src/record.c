// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include "record.h"

#include <errno.h>

static _Thread_local struct segpool_record record;

struct segpool_record *segpool_record(void)
{
	return &record;
}

void segpool_record_start(enum segpool_call call)
{
	record.call = call;
	record.reason = SEGPOOL_REASON_NONE;
	record.detail = NULL;
}

int segpool_record_fault(int error, const char *detail)
{
	record.detail = detail;
	record.detail_error = error;
	return error;
}

int segpool_record_start_on(const struct segpool *pool, enum segpool_call call)
{
	segpool_record_start(call);
	if (!pool)
		return segpool_record_fault(-EINVAL, "the pool is NULL: segpool_open() makes one");
	return 0;
}

uint32_t segpool_last_reason(void)
{
	return record.reason;
}
