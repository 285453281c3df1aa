// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Releasing and backing pages inside active regions. */
#include "backend.h"
#include "record.h"

int segpool_discard(struct segpool *pool, struct segpool_range *ranges, uint32_t count,
		    uint32_t flags)
{
	struct segpool_ranges call = {
		.size = sizeof(call),
		.flags = flags,
		.count = count,
		.ranges = (uintptr_t)ranges,
	};
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_DISCARD);

	if (error)
		return error;
	error = segpool_call(pool, SEGPOOL_IOC_DISCARD, &call);
	segpool_record()->reason = call.reason;
	return error;
}

int segpool_populate(struct segpool *pool, struct segpool_range *ranges, uint32_t count,
		     uint32_t flags, uint32_t timeout_ms)
{
	struct segpool_ranges call = {
		.size = sizeof(call),
		.flags = flags,
		.count = count,
		.ranges = (uintptr_t)ranges,
		.timeout_ms = timeout_ms,
	};
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_POPULATE);

	if (error)
		return error;
	error = segpool_call(pool, SEGPOOL_IOC_POPULATE, &call);
	segpool_record()->reason = call.reason;
	return error;
}
