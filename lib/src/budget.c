// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Changing what a living pool may use and keep. */
#include <errno.h>

#include "backend.h"
#include "record.h"

int segpool_set_budget(struct segpool *pool, uint32_t flags, struct segpool_limits *limits)
{
	struct segpool_set_budget call = {
		.size = sizeof(call),
		.flags = flags,
	};
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_SET_BUDGET);

	if (error)
		return error;
	if (!limits)
		return segpool_record_fault(-EFAULT, "there are no limits: @limits is NULL");
	/* The kernel wants 0 where the flag is not set; callers pass what they read. */
	if (flags & SEGPOOL_SET_VIRTUAL)
		call.limits.virtual_budget = limits->virtual_budget;
	if (flags & SEGPOOL_SET_PHYSICAL)
		call.limits.physical_budget = limits->physical_budget;
	if (flags & SEGPOOL_SET_RETAIN)
		call.limits.retain_limit = limits->retain_limit;
	if (flags & SEGPOOL_SET_AGE)
		call.limits.retain_age_ms = limits->retain_age_ms;
	if (flags & SEGPOOL_SET_WATERMARK)
		call.limits.watermark = limits->watermark;
	error = segpool_call(pool, SEGPOOL_IOC_SET_BUDGET, &call);
	if (!error)
		*limits = call.limits;
	return error;
}

int segpool_trim_retained(struct segpool *pool, uint64_t target, uint64_t *released)
{
	struct segpool_trim call = {
		.size = sizeof(call),
		.target = target,
	};
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_TRIM);

	if (error)
		return error;
	error = segpool_call(pool, SEGPOOL_IOC_TRIM, &call);
	if (!error && released)
		*released = call.released;
	return error;
}
