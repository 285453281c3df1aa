// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* What was fixed when the pool was made: no call here enters the kernel. */
#include <errno.h>

#include "internal.h"

void *segpool_base(const struct segpool *pool)
{
	return pool ? pool->base : NULL;
}

uint64_t segpool_reservation(const struct segpool *pool)
{
	return pool ? pool->reservation : 0;
}

uint64_t segpool_region_size(const struct segpool *pool)
{
	return pool ? pool->region_size : 0;
}

uint32_t segpool_pool_id(const struct segpool *pool)
{
	return pool ? pool->id : 0;
}

uint32_t segpool_nr_classes(const struct segpool *pool)
{
	return pool ? pool->nr_classes : 0;
}

uint32_t segpool_class_size(const struct segpool *pool, uint32_t class_index)
{
	return pool && class_index < pool->nr_classes ? pool->classes[class_index] : 0;
}

int segpool_class_for(const struct segpool *pool, uint64_t bytes)
{
	uint32_t i;

	if (!pool)
		return -EINVAL;
	for (i = 0; i < pool->nr_classes; i++)
		if (bytes <= pool->classes[i])
			return (int)i;
	return -ERANGE;
}

void *segpool_region_address(const struct segpool *pool, uint64_t handle)
{
	uint64_t index = SEGPOOL_HANDLE_INDEX(handle);

	if (!pool || !SEGPOOL_HANDLE_GENERATION(handle) ||
	    index >= pool->reservation / pool->region_size)
		return NULL;
	return pool->base + index * pool->region_size;
}
