// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Which backend a pool gets, and what it says of itself. */

/* For secure_getenv(). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "record.h"

#define VARIABLE	"SEGPOOL_BACKEND"

static const struct {
	const char *name;
	enum segpool_backend_kind kind;
} kinds[] = {
	{ "auto", SEGPOOL_BACKEND_AUTO },
	{ "kernel", SEGPOOL_BACKEND_KERNEL },
	{ "user", SEGPOOL_BACKEND_USER },
};

/* Not that of a program with more rights than who set the variable. */
int segpool_backend_wanted(const struct segpool_options *options)
{
	const char *name = secure_getenv(VARIABLE);
	size_t i;

	if (!name || !name[0])
		return (int)options->backend;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(name, kinds[i].name))
			return (int)kinds[i].kind;
	return segpool_record_fault(-EINVAL,
		"the environment variable " VARIABLE " must be auto, kernel or user");
}

const char *segpool_backend_name(const struct segpool *pool)
{
	return pool ? pool->backend->name : NULL;
}

uint32_t segpool_capabilities(const struct segpool *pool)
{
	if (!pool)
		return 0;
	return pool->backend->capabilities | (pool->words ? SEGPOOL_CAN_SKIP_CALLS : 0);
}

int segpool_pressure_fd(const struct segpool *pool)
{
	return pool ? pool->backend->pressure_fd(pool) : -EINVAL;
}
