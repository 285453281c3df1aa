// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The backend "kernel": a pool is an open /dev/segpool. */
#include <errno.h>

#include "backend.h"
#include "record.h"
#include "syscall.h"
#include "words.h"

/* A kernel that does not know words, or not in this mode, does without them if it may. */
static int set_up(struct segpool *pool, uint32_t words, struct segpool_setup *setup)
{
	const struct segpool_setup plain = *setup;
	int error;

	pool->lends = words != SEGPOOL_WORDS_NEVER;
	if (pool->lends)
		setup->flags |= SEGPOOL_WORDS;
	error = segpool_sys_ioctl(pool->fd, SEGPOOL_IOC_SETUP, setup);
	if (words == SEGPOOL_WORDS_ALWAYS && (error == -EINVAL || error == -EOPNOTSUPP))
		return segpool_record_fault(error,
			"options.words is SEGPOOL_WORDS_ALWAYS, which this kernel cannot do in options.mode");
	if (words != SEGPOOL_WORDS_IF_POSSIBLE || (error != -EINVAL && error != -EOPNOTSUPP))
		return error;
	pool->lends = false;
	*setup = plain;
	return segpool_sys_ioctl(pool->fd, SEGPOOL_IOC_SETUP, setup);
}

static int kernel_open(struct segpool *pool, const struct segpool_options *options,
		       struct segpool_setup *setup)
{
	int error;

	pool->fd = segpool_sys_open(options->device);
	if (pool->fd < 0)
		return pool->fd;
	pool->creator = segpool_sys_getpid();
	error = set_up(pool, options->words, setup);
	if (error)
		segpool_sys_close(pool->fd);
	return error;
}

static int kernel_map(struct segpool *pool, uint64_t length)
{
	void *base;
	int error = segpool_sys_map(pool->fd, length, &base);

	if (error)
		return error;
	pool->base = base;
	return pool->lends ? segpool_words_open(pool) : 0;
}

static int kernel_call(const struct segpool *pool, unsigned long request, void *argument)
{
	return segpool_sys_ioctl(pool->fd, request, argument);
}

/*
 * A forked child inherits the structure and the file, not the mapping, and may
 * have mapped something of its own at that address by now. The process id alone
 * does not tell the two apart (a child in a new pid namespace can have its
 * parent's number), so the kernel, which knows the address space, is asked too.
 */
static bool mapping_is_ours(const struct segpool *pool)
{
	if (!pool->base || segpool_sys_getpid() != pool->creator)
		return false;
	return segpool_read_counters(pool, 0, 0, NULL, 0) != -EPERM;
}

static void kernel_close(struct segpool *pool)
{
	bool ours = mapping_is_ours(pool);

	segpool_words_close(pool, ours);
	if (ours)
		segpool_sys_unmap(pool->base, pool->reservation);
	segpool_sys_close(pool->fd);
}

static int kernel_pressure_fd(const struct segpool *pool)
{
	return pool->fd;
}

const struct segpool_backend segpool_kernel_backend = {
	.name = "kernel",
	.capabilities = SEGPOOL_CAN_ALL & ~SEGPOOL_CAN_SKIP_CALLS,
	.open = kernel_open,
	.map = kernel_map,
	.call = kernel_call,
	.close = kernel_close,
	.pressure_fd = kernel_pressure_fd,
};
