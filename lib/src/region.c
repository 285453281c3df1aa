// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Taking, releasing and taking back whole regions. */
#include <errno.h>

#include "backend.h"
#include "record.h"

int segpool_region_alloc(struct segpool *pool, uint32_t class_index, uint32_t flags,
			 uint32_t timeout_ms, struct segpool_region *regions, uint32_t count)
{
	struct segpool_alloc call = {
		.size = sizeof(call),
		.flags = flags,
		.class_index = class_index,
		.count = count,
		.results = (uintptr_t)regions,
		.timeout_ms = timeout_ms,
	};
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_ALLOC);

	if (error)
		return error;
	error = segpool_call(pool, SEGPOOL_IOC_ALLOC, &call);
	segpool_record()->reason = call.reason;
	return error ? error : (int)call.done;
}

static int free_entries(struct segpool *pool, struct segpool_free_entry *entries, uint32_t count,
			uint32_t flags)
{
	struct segpool_free call = {
		.size = sizeof(call),
		.flags = flags,
		.count = count,
		.entries = (uintptr_t)entries,
	};
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_FREE);

	return error ? error : segpool_call(pool, SEGPOOL_IOC_FREE, &call);
}

int segpool_region_free(struct segpool *pool, uint64_t handle, uint32_t flags)
{
	struct segpool_free_entry entry = { .handle = handle };

	return free_entries(pool, &entry, 1, flags);
}

int segpool_region_free_batch(struct segpool *pool, struct segpool_free_entry *entries,
			      uint32_t count, uint32_t flags)
{
	return free_entries(pool, entries, count, flags);
}

int segpool_region_reuse(struct segpool *pool, uint64_t handle, uint32_t class_index,
			 uint32_t flags, uint32_t timeout_ms, struct segpool_region *region)
{
	struct segpool_reuse call = {
		.size = sizeof(call),
		.flags = flags,
		.handle = handle,
		.class_index = class_index,
		.timeout_ms = timeout_ms,
	};
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_REUSE);

	if (error)
		return error;
	/* Found out afterwards, it would cost the region: nobody would know its handle. */
	if (!region)
		return segpool_record_fault(-EFAULT, "there is no place for the region: @region is NULL");
	error = segpool_call(pool, SEGPOOL_IOC_REUSE, &call);
	segpool_record()->reason = call.reason;
	if (!error)
		*region = call.region;
	return error;
}
