/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What makes a pool: the module, or plain memory of the process. Both take the
 * structures of linux/segpool.h, with the same rules for their members.
 */
#ifndef SEGPOOL_BACKEND_H
#define SEGPOOL_BACKEND_H

#include "internal.h"

/**
 * struct segpool_backend - one way to make a pool
 * @name: what segpool_backend_name() says.
 * @capabilities: SEGPOOL_CAN_*.
 * @open: begins a pool and does SEGPOOL_IOC_SETUP; nothing is left where it fails.
 * @map: makes @length bytes of reservation, which must be the pool's only one.
 * @call: does what the module's ioctl of that number does; all but SETUP.
 * @close: the end, after @open, with or without @map.
 * @pressure_fd: what segpool_pressure_fd() says.
 */
struct segpool_backend {
	const char *name;
	uint32_t capabilities;
	int (*open)(struct segpool *pool, const struct segpool_options *options,
		    struct segpool_setup *setup);
	int (*map)(struct segpool *pool, uint64_t length);
	int (*call)(const struct segpool *pool, unsigned long request, void *argument);
	void (*close)(struct segpool *pool);
	int (*pressure_fd)(const struct segpool *pool);
};

extern const struct segpool_backend segpool_kernel_backend;
extern const struct segpool_backend segpool_user_backend;

/* What @options and the environment ask for: -EINVAL with a sentence, or enum segpool_backend_kind. */
int segpool_backend_wanted(const struct segpool_options *options);

static inline int segpool_call(const struct segpool *pool, unsigned long request, void *argument)
{
	return pool->backend->call(pool, request, argument);
}

#endif /* SEGPOOL_BACKEND_H */
