// SPDX-License-Identifier: GPL-2.0-only
/* Replay in a pool: segpool_alloc() and its family. */
#include <errno.h>
#include <stdlib.h>

#include <segpool.h>

#include "history.h"
#include "place.h"

/* Enough never to be reached without --budget. */
#define ROOM_TIMES	4
#define ROOM_MORE	(1ULL << 30)

static struct segpool *pool;

static uint64_t whole_regions(uint64_t bytes, uint64_t region_size)
{
	return (bytes + region_size - 1) / region_size * region_size;
}

static void set_limits(struct segpool_options *options, const struct place_limits *limits)
{
	uint64_t region = limits->region_size ? limits->region_size : SEGPOOL_DEFAULT_REGION_SIZE;
	uint64_t room = ROOM_TIMES * limits->peak_live + ROOM_MORE;
	uint64_t most = SEGPOOL_MAX_PHYSICAL;

	if (room > most)
		room = most;
	options->region_size = limits->region_size;
	options->flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options->limits.virtual_budget =
		whole_regions(limits->virtual_budget ? limits->virtual_budget : room, region);
	options->limits.physical_budget =
		whole_regions(limits->budget ? limits->budget : room, region);
	options->reservation = options->limits.virtual_budget;
}

static int open_with(const struct place_limits *limits, enum segpool_backend_kind backend,
		     char *why, size_t length)
{
	struct segpool_options options;
	int error;

	segpool_options_init(&options);
	set_limits(&options, limits);
	options.backend = backend;
	/* What is asked for here is what is compared. */
	if (backend != SEGPOOL_BACKEND_AUTO)
		unsetenv("SEGPOOL_BACKEND");
	error = segpool_open(&options, &pool);
	if (error)
		segpool_strerror(NULL, error, why, length);
	return error ? -1 : 0;
}

static int open_kernel(const struct place_limits *limits, char *why, size_t length)
{
	return open_with(limits, SEGPOOL_BACKEND_KERNEL, why, length);
}

static int open_user(const struct place_limits *limits, char *why, size_t length)
{
	return open_with(limits, SEGPOOL_BACKEND_USER, why, length);
}

static int open_auto(const struct place_limits *limits, char *why, size_t length)
{
	return open_with(limits, SEGPOOL_BACKEND_AUTO, why, length);
}

static enum place_reason last_reason(void)
{
	switch (segpool_last_reason()) {
	case SEGPOOL_REASON_VIRTUAL:
		return REFUSED_VIRTUAL;
	case SEGPOOL_REASON_PHYSICAL:
		return REFUSED_PHYSICAL;
	case SEGPOOL_REASON_CEILING:
		return REFUSED_CEILING;
	}
	return REFUSED_SYSTEM;
}

static void *take(char kind, uint64_t bytes, uint64_t alignment, enum place_reason *reason)
{
	void *block;

	if (kind == HISTORY_CALLOC || kind == HISTORY_MAP)
		block = segpool_calloc(pool, 1, bytes);
	else if (kind == HISTORY_ALIGNED)
		block = segpool_aligned_alloc(pool, alignment, bytes);
	else
		block = segpool_alloc(pool, bytes);
	if (!block)
		*reason = last_reason();
	return block;
}

static void *resize(void *block, uint64_t old_bytes, uint64_t bytes, enum place_reason *reason)
{
	void *other = segpool_realloc(pool, block, bytes);

	(void)old_bytes;
	if (!other)
		*reason = last_reason();
	return other;
}

static int give(void *block, uint64_t bytes)
{
	(void)bytes;
	return segpool_free(pool, block) ? -1 : 0;
}

static void numbers(struct place_numbers *numbers)
{
	uint64_t counters[SEGPOOL_NR_COUNTERS] = { 0 };

	segpool_stat(pool, counters, SEGPOOL_NR_COUNTERS);
	numbers->has_virtual = 1;
	numbers->virtual_bytes = counters[SEGPOOL_C_VIRTUAL_BYTES];
	numbers->has_owned = 1;
	numbers->owned_bytes = counters[SEGPOOL_C_PHYSICAL_BYTES] +
			       counters[SEGPOOL_C_RETAINED_BYTES];
	numbers->fresh = counters[SEGPOOL_C_NEW_REGIONS];
	numbers->reused = counters[SEGPOOL_C_REUSED_REGIONS];
	numbers->unit = "regions";
}

static void close_pool(void)
{
	segpool_close(pool);
	pool = NULL;
}

const char *place_pool_backend(void)
{
	return segpool_backend_name(pool);
}

#define POOL(name_, open_) {							\
	.name = name_, .open = open_, .alloc = take, .resize = resize,		\
	.free = give, .numbers = numbers, .close = close_pool,			\
}

const struct place place_kernel = POOL("kernel", open_kernel);
const struct place place_user = POOL("user", open_user);
const struct place place_auto = POOL("auto", open_auto);
