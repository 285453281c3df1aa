// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replay with malloc(): the C library's, or another by LD_PRELOAD. The only bound that
 * a program can give to it is RLIMIT_DATA, which limits mapped bytes.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "history.h"
#include "place.h"
#include "process_memory.h"

static int open_malloc(const struct place_limits *limits, char *why, size_t length)
{
	struct process_memory memory;
	struct rlimit limit;

	malloc_trim(0);
	if (!limits->budget)
		return 0;
	if (process_memory_read(&memory) || getrlimit(RLIMIT_DATA, &limit)) {
		snprintf(why, length, "/proc/self/status: %s", strerror(errno));
		return -1;
	}
	limit.rlim_cur = memory.data + limits->budget;
	if (setrlimit(RLIMIT_DATA, &limit)) {
		snprintf(why, length, "the budget cannot be set as RLIMIT_DATA: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static void *take(char kind, uint64_t bytes, uint64_t alignment, enum place_reason *reason)
{
	void *block = NULL;

	*reason = REFUSED_VIRTUAL;
	if (kind == HISTORY_CALLOC || kind == HISTORY_MAP)
		return calloc(1, bytes);
	if (kind != HISTORY_ALIGNED)
		return malloc(bytes);
	if (alignment < sizeof(void *))
		alignment = sizeof(void *);
	return posix_memalign(&block, alignment, bytes) ? NULL : block;
}

static void *resize(void *block, uint64_t old_bytes, uint64_t bytes, enum place_reason *reason)
{
	(void)old_bytes;
	*reason = REFUSED_VIRTUAL;
	return realloc(block, bytes);
}

static int give(void *block, uint64_t bytes)
{
	(void)bytes;
	free(block);
	return 0;
}

static void numbers(struct place_numbers *numbers)
{
	(void)numbers;
}

static void close_malloc(void)
{
}

const struct place place_malloc = {
	.name = "malloc", .open = open_malloc, .alloc = take, .resize = resize, .free = give,
	.numbers = numbers, .close = close_malloc,
};
