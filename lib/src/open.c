// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* A pool from its beginning to its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "syscall.h"

static int setup(int fd, const struct segpool_options *options, struct segpool_setup *setup)
{
	int error;

	memset(setup, 0, sizeof(*setup));
	setup->size = sizeof(*setup);
	setup->flags = options->flags;
	setup->limits = options->limits;
	setup->region_size = options->region_size;
	setup->mode = options->mode;
	setup->nr_classes = options->nr_classes;
	memcpy(setup->classes, options->classes, sizeof(setup->classes));
	error = segpool_sys_ioctl(fd, SEGPOOL_IOC_SETUP, setup);
	if (error)
		return error;
	/* All later arithmetic rests on these two. */
	if (setup->region_size != options->region_size || setup->nr_classes > SEGPOOL_MAX_CLASSES)
		return segpool_record_fault(-ENOTTY, "the device answers, but not as segpool does");
	return 0;
}

static int map(struct segpool *pool, uint64_t wanted, uint64_t virtual_budget)
{
	void *base;
	int error;

	error = segpool_options_length(wanted, pool->region_size, virtual_budget,
				       &pool->reservation);
	if (error)
		return error;
	error = segpool_sys_map(pool->fd, pool->reservation, &base);
	if (error == -ENOMEM)
		return segpool_record_fault(error,
			"the reservation does not fit into the address space of this process: set a smaller options.reservation or virtual budget, or raise RLIMIT_AS (ulimit -v)");
	if (error)
		return error;
	pool->base = base;
	return 0;
}

static int create(const struct segpool_options *options, struct segpool *pool)
{
	struct segpool_setup answer;
	int error;

	pool->fd = segpool_sys_open(options->device);
	if (pool->fd < 0)
		return pool->fd;
	error = setup(pool->fd, options, &answer);
	if (error)
		goto err_close;
	pool->creator = segpool_sys_getpid();
	pool->id = answer.pool_id;
	pool->region_size = answer.region_size;
	pool->nr_classes = answer.nr_classes;
	memcpy(pool->classes, answer.classes, sizeof(pool->classes));
	error = map(pool, options->reservation, answer.limits.virtual_budget);
	if (error)
		goto err_close;
	return 0;

err_close:
	segpool_sys_close(pool->fd);
	return error;
}

int segpool_open(const struct segpool_options *options, struct segpool **pool)
{
	struct segpool_options checked;
	struct segpool *created;
	int error;

	segpool_record_start(SEGPOOL_CALL_OPEN);
	if (!pool)
		return segpool_record_fault(-EINVAL, "there is no place for the pool: @pool is NULL");
	*pool = NULL;
	error = segpool_options_check(options, &checked);
	if (error)
		return error;
	snprintf(segpool_record()->device, sizeof(segpool_record()->device), "%s", checked.device);

	created = calloc(1, sizeof(*created));
	if (!created)
		return segpool_record_fault(-ENOMEM, "no memory for the pool's own structure");
	error = create(&checked, created);
	if (error) {
		free(created);
		return error;
	}
	*pool = created;
	return 0;
}

/*
 * A forked child inherits the structure and the file, not the mapping, and may
 * have mapped something of its own at that address by now. The process id alone
 * does not tell the two apart (a child in a new pid namespace can have its
 * parent's number), so the kernel, which knows the address space, is asked too.
 */
static bool mapping_is_ours(const struct segpool *pool)
{
	if (segpool_sys_getpid() != pool->creator)
		return false;
	return segpool_read_counters(pool, 0, 0, NULL, 0) != -EPERM;
}

void segpool_close(struct segpool *pool)
{
	if (!pool)
		return;
	if (mapping_is_ours(pool))
		segpool_sys_unmap(pool->base, pool->reservation);
	segpool_sys_close(pool->fd);
	free(pool);
}
