// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Taking, releasing and taking back whole regions. */
#include <errno.h>

#include "backend.h"
#include "record.h"
#include "words.h"

/* May what the program has released by words serve the request? The kernel checks the rest of it. */
static bool words_can(const struct segpool *pool, uint32_t class_index, uint32_t flags,
		      uint32_t timeout_ms, const struct segpool_region *regions, uint32_t count)
{
	return pool->words && (flags & ~SEGPOOL_WAIT) == SEGPOOL_POPULATE &&
	       class_index < pool->nr_classes && regions && count && count <= SEGPOOL_MAX_BATCH &&
	       timeout_ms <= ((flags & SEGPOOL_WAIT) ? SEGPOOL_MAX_WAIT_MS : 0);
}

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
	uint32_t taken = 0;

	if (error)
		return error;
	if (words_can(pool, class_index, flags, timeout_ms, regions, count))
		while (taken < count && segpool_words_take(pool, class_index, regions + taken))
			taken++;
	if (taken == count && count)
		return (int)taken;
	call.count -= taken;
	call.results = (uintptr_t)(regions + taken);
	error = segpool_call(pool, SEGPOOL_IOC_ALLOC, &call);
	segpool_record()->reason = call.reason;
	if (!error && pool->words)
		segpool_words_note(pool, class_index, regions + taken, call.done);
	/* What it has is no error, whatever became of the rest: as with any call that gets some. */
	if (error && !taken)
		return error;
	return (int)(taken + (error ? 0 : call.done));
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

	int error = segpool_record_start_on(pool, SEGPOOL_CALL_FREE);

	if (error)
		return error;
	if (pool->words && flags == SEGPOOL_LAZY && segpool_words_release(pool, handle))
		return 0;
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
	if (error)
		return error;
	*region = call.region;
	if (pool->words)
		segpool_words_note(pool, class_index, region, 1);
	return 0;
}
