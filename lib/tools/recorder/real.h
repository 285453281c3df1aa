/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The functions that the program would have called without the recorder: those of the
 * next library that has them, which need not be the C library's.
 */
#ifndef SEGPOOL_REAL_H
#define SEGPOOL_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct real_functions {
	void *(*malloc)(size_t bytes);
	void *(*calloc)(size_t count, size_t bytes);
	void *(*realloc)(void *block, size_t bytes);
	void *(*reallocarray)(void *block, size_t count, size_t bytes);
	void *(*memalign)(size_t alignment, size_t bytes);
	void *(*aligned_alloc)(size_t alignment, size_t bytes);
	int (*posix_memalign)(void **block, size_t alignment, size_t bytes);
	void *(*valloc)(size_t bytes);
	void *(*pvalloc)(size_t bytes);
	void (*free)(void *block);
	void *(*mmap)(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
	int (*munmap)(void *address, size_t bytes);
	void *(*mremap)(void *address, size_t old_bytes, size_t bytes, int flags, ...);
};

extern struct real_functions real;

/*
 * False while they are being looked for, which may itself allocate: early_alloc()
 * serves that. NULL where it has no more room.
 */
bool real_ready(void);
void *early_alloc(size_t bytes);
bool early_block(const void *block);
/* Bytes from @block on that can be read. */
size_t early_left(const void *block);

#endif
