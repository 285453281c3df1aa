// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Stands before the allocator and mmap(). What the allocator calls itself is its own
 * business: @inside counts how deep in it the thread is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "real.h"
#include "recorder.h"

#define EXPORTED	__attribute__((visibility("default")))
#define UNLIKELY(x)	__builtin_expect(!!(x), 0)
#define PAGE		4096UL

static __thread int inside __attribute__((tls_model("initial-exec")));

static void __attribute__((constructor)) begin(void)
{
	real_ready();
	log_on();
}

static bool wanted(const void *block, size_t bytes)
{
	return bytes >= RAW_SMALLEST && block && !inside && log_on();
}

static void taken(enum raw_kind kind, const void *block, size_t bytes, size_t alignment)
{
	struct moment now;

	if (!wanted(block, bytes))
		return;
	now = log_now();
	if (table_put(block))
		log_write(kind, now, block, bytes, alignment);
	else
		log_lost();
}

EXPORTED void *malloc(size_t bytes)
{
	void *block;

	if (UNLIKELY(!real_ready()))
		return early_alloc(bytes);
	inside++;
	block = real.malloc(bytes);
	inside--;
	taken(RAW_MALLOC, block, bytes, 0);
	return block;
}

EXPORTED void *calloc(size_t count, size_t bytes)
{
	void *block;

	if (UNLIKELY(!real_ready()))
		return early_alloc(count * bytes);
	inside++;
	block = real.calloc(count, bytes);
	inside--;
	/* It would be NULL if the product overflowed. */
	taken(RAW_CALLOC, block, count * bytes, 0);
	return block;
}

EXPORTED void *memalign(size_t alignment, size_t bytes)
{
	void *block;

	real_ready();
	inside++;
	block = real.memalign(alignment, bytes);
	inside--;
	taken(RAW_ALIGNED, block, bytes, alignment);
	return block;
}

EXPORTED void *aligned_alloc(size_t alignment, size_t bytes)
{
	void *block;

	real_ready();
	inside++;
	block = real.aligned_alloc(alignment, bytes);
	inside--;
	taken(RAW_ALIGNED, block, bytes, alignment);
	return block;
}

EXPORTED int posix_memalign(void **block, size_t alignment, size_t bytes)
{
	int error;

	real_ready();
	inside++;
	error = real.posix_memalign(block, alignment, bytes);
	inside--;
	if (!error)
		taken(RAW_ALIGNED, *block, bytes, alignment);
	return error;
}

EXPORTED void *valloc(size_t bytes)
{
	void *block;

	real_ready();
	inside++;
	block = real.valloc(bytes);
	inside--;
	taken(RAW_ALIGNED, block, bytes, PAGE);
	return block;
}

EXPORTED void *pvalloc(size_t bytes)
{
	void *block;

	real_ready();
	inside++;
	block = real.pvalloc(bytes);
	inside--;
	taken(RAW_ALIGNED, block, (bytes + PAGE - 1) & ~(PAGE - 1), PAGE);
	return block;
}

EXPORTED void free(void *block)
{
	if (UNLIKELY(early_block(block)))
		return;
	/* Before it is free: whoever is given it next records that later. */
	if (!inside && table_take(block) && log_on())
		log_write(RAW_FREE, log_now(), block, 0, 0);
	inside++;
	real.free(block);
	inside--;
}

/* A block of the time when the functions were looked for. */
static void *leave_early(const void *block, size_t bytes)
{
	size_t left = early_left(block);
	void *copy = malloc(bytes);

	if (copy)
		memcpy(copy, block, bytes < left ? bytes : left);
	return copy;
}

/* @before is when the old block, which was large if @was_large, could become somebody else's. */
static void resized(const void *old, bool was_large, struct moment before, const void *block,
		    size_t bytes)
{
	bool large = wanted(block, bytes);

	if (large && !table_put(block)) {
		log_lost();
		large = false;
	}
	if (was_large && large) {
		log_write(RAW_RESIZE_OLD, before, old, 0, 0);
		log_write(RAW_RESIZE_NEW, log_now(), block, bytes, 0);
	} else if (was_large) {
		log_write(RAW_FREE, before, old, 0, 0);
	} else if (large) {
		log_write(RAW_MALLOC, log_now(), block, bytes, 0);
	}
}

EXPORTED void *realloc(void *old, size_t bytes)
{
	struct moment before = { 0 };
	bool was_large;
	void *block;

	if (UNLIKELY(early_block(old)))
		return leave_early(old, bytes);
	if (UNLIKELY(!real_ready()))
		return early_alloc(bytes);
	was_large = !inside && table_take(old) && log_on();
	if (was_large)
		before = log_now();
	inside++;
	block = real.realloc(old, bytes);
	inside--;
	if (!block && bytes) {
		/* It is where it was. */
		if (was_large && !table_put(old))
			log_lost();
		return NULL;
	}
	resized(old, was_large, before, block, bytes);
	return block;
}

EXPORTED void *reallocarray(void *old, size_t count, size_t bytes)
{
	size_t product;

	if (__builtin_mul_overflow(count, bytes, &product)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, product);
}

/*
 * Mappings: only those that a program can write to are memory in its eyes. One that it
 * reserves (PROT_NONE, MAP_NORESERVE) is not recorded.
 */
static bool is_memory(int protection, int flags)
{
	return flags & MAP_ANONYMOUS && protection & PROT_WRITE &&
	       !(flags & (MAP_NORESERVE | MAP_STACK | MAP_GROWSDOWN));
}

static void mapped(const void *address, size_t bytes, int protection, int flags)
{
	if (!log_on())
		return;
	/* What was there went in the same moment: nobody else can have been given it. */
	if (flags & MAP_FIXED)
		log_write(RAW_UNMAP, log_now(), address, bytes, 0);
	if (is_memory(protection, flags))
		log_write(RAW_MAP, log_now(), address, bytes, 0);
}

EXPORTED void *mmap(void *wish, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	void *address;

	real_ready();
	address = real.mmap(wish, bytes, protection, flags, fd, offset);
	if (address != MAP_FAILED && !inside)
		mapped(address, bytes, protection, flags);
	return address;
}

EXPORTED void *mmap64(void *wish, size_t bytes, int protection, int flags, int fd, off_t offset)
	__attribute__((alias("mmap")));

EXPORTED int munmap(void *address, size_t bytes)
{
	bool on = !inside && log_on();
	struct moment before = { 0 };
	int error;

	real_ready();
	if (on)
		before = log_now();
	error = real.munmap(address, bytes);
	if (on && !error)
		log_write(RAW_UNMAP, before, address, bytes, 0);
	return error;
}

/* @overrun: when what was mapped where MREMAP_FIXED put it went. */
static void moved(const void *old, size_t old_bytes, const void *address, size_t bytes, int flags,
		  struct moment before, struct moment overrun)
{
	if (flags & MREMAP_FIXED)
		log_write(RAW_UNMAP, overrun, address, bytes, 0);
	if (flags & MREMAP_DONTUNMAP) {
		log_write(RAW_MAP, log_now(), address, bytes, 0);
		return;
	}
	/* Without a length it only shows the same pages a second time. */
	if (!old_bytes)
		return;
	log_write(RAW_MOVE_OLD, before, old, old_bytes, 0);
	log_write(RAW_MOVE_NEW, log_now(), address, bytes, 0);
}

EXPORTED void *mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...)
{
	struct moment before = { 0 }, overrun = { 0 };
	bool on = !inside && log_on();
	void *goal = NULL, *address;
	va_list args;

	if (flags & MREMAP_FIXED) {
		va_start(args, flags);
		goal = va_arg(args, void *);
		va_end(args);
	}
	real_ready();
	if (on) {
		overrun = log_now();
		before = log_now();
	}
	address = real.mremap(old, old_bytes, bytes, flags, goal);
	if (on && address != MAP_FAILED)
		moved(old, old_bytes, address, bytes, flags, before, overrun);
	return address;
}
