// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The pages of a part of a region, and nothing of the book: without the lock. */
#include <errno.h>

#include "syscall.h"
#include "user.h"

static char *address(const struct segpool *pool, uint32_t index, uint64_t offset)
{
	return pool->base + index * pool->region_size + offset;
}

/* They are handed out for the first time. */
int segpool_user_allow(const struct segpool *pool, uint32_t index, uint64_t length)
{
	return segpool_sys_allow(address(pool, index, 0), length);
}

/* To the system. Where that fails (the program has locked its memory), they stay. */
int segpool_user_give(const struct segpool *pool, uint32_t index, uint64_t offset,
		      uint64_t length)
{
	return segpool_sys_give(address(pool, index, offset), length);
}

/* A write fault for each page, where the kernel cannot do it in one call (before Linux 5.14). */
static void touch(char *start, uint64_t length)
{
	uint64_t offset;

	for (offset = 0; offset < length; offset += SEGPOOL_PAGE)
		__atomic_fetch_or((volatile char *)start + offset, 0, __ATOMIC_RELAXED);
}

/* From the system, those that are missing; zeroed. */
int segpool_user_bring(const struct segpool *pool, uint32_t index, uint64_t offset,
		       uint64_t length)
{
	char *start = address(pool, index, offset);
	int error = segpool_sys_bring(start, length);

	if (error != -EINVAL)
		return error;
	touch(start, length);
	return 0;
}
