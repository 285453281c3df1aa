// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* A pool from its beginning to its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "record.h"
#include "segment.h"

/* Pools of this process so far: of those with the same address one after the other, each has its own. */
static uint64_t last_serial;

static int begin(struct segpool *pool, const struct segpool_backend *backend,
		 const struct segpool_options *options, struct segpool_setup *setup)
{
	memset(setup, 0, sizeof(*setup));
	setup->size = sizeof(*setup);
	setup->flags = options->flags & SEGPOOL_SET_ALL;
	setup->limits = options->limits;
	setup->region_size = options->region_size;
	setup->mode = options->mode;
	setup->nr_classes = options->nr_classes;
	memcpy(setup->classes, options->classes, sizeof(setup->classes));
	pool->backend = backend;
	pool->mode = options->mode;
	return backend->open(pool, options, setup);
}

/* Is it that there is no module, or none for us, rather than something that is wrong with it? */
static bool no_module(int error)
{
	return error == -ENOENT || error == -ENXIO || error == -ENODEV || error == -EACCES ||
	       error == -EPERM;
}

/* Who names a device wants the module. */
static int begin_any(struct segpool *pool, const struct segpool_options *options,
		     bool device_is_named, struct segpool_setup *setup)
{
	int wanted = segpool_backend_wanted(options);
	int error;

	if (wanted < 0)
		return wanted;
	if (wanted == SEGPOOL_BACKEND_USER)
		return begin(pool, &segpool_user_backend, options, setup);
	error = begin(pool, &segpool_kernel_backend, options, setup);
	if (wanted == SEGPOOL_BACKEND_AUTO && !device_is_named && no_module(error))
		error = begin(pool, &segpool_user_backend, options, setup);
	return error;
}

static int map(struct segpool *pool, uint64_t wanted, uint64_t virtual_budget)
{
	int error;

	error = segpool_options_length(wanted, pool->region_size, virtual_budget,
				       &pool->reservation);
	if (error)
		return error;
	error = pool->backend->map(pool, pool->reservation);
	/* EAGAIN: the program locks all that it will map, and may not lock so much. */
	if (error == -ENOMEM || error == -EAGAIN)
		return segpool_record_fault(-ENOMEM,
			"the reservation does not fit into the address space of this process: set a smaller options.reservation or virtual budget, or raise RLIMIT_AS (ulimit -v), or RLIMIT_MEMLOCK (ulimit -l) after mlockall()");
	return error;
}

static int create(const struct segpool_options *options, bool device_is_named,
		  struct segpool *pool)
{
	struct segpool_setup setup;
	int error;

	error = begin_any(pool, options, device_is_named, &setup);
	if (error)
		return error;
	/* All later arithmetic rests on these two. */
	if (setup.region_size != options->region_size || setup.nr_classes > SEGPOOL_MAX_CLASSES) {
		error = segpool_record_fault(-ENOTTY, "the device answers, but not as segpool does");
		goto err_close;
	}
	pool->id = setup.pool_id;
	pool->region_size = setup.region_size;
	pool->region_mask = (uint32_t)(setup.region_size - 1);
	pool->region_shift = (uint32_t)__builtin_ctzll(setup.region_size);
	pool->nr_classes = setup.nr_classes;
	memcpy(pool->classes, setup.classes, sizeof(pool->classes));
	pool->wait_ms = options->wait_ms;
	pool->is_checked = options->flags & SEGPOOL_CHECKED;
	error = map(pool, options->reservation, setup.limits.virtual_budget);
	if (error)
		goto err_close;
	return 0;

err_close:
	pool->backend->close(pool);
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
	error = create(&checked, options && options->device, created);
	if (error) {
		free(created);
		return error;
	}
	created->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
	*pool = created;
	return 0;
}

void segpool_close(struct segpool *pool)
{
	if (!pool)
		return;
	segpool_segments_end(pool);
	pool->backend->close(pool);
	free(pool);
}
