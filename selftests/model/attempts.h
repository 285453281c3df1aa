/* SPDX-License-Identifier: GPL-2.0-only */
/* What is tried in vain on a pool: by the model, and by the programs that it prints. */
#ifndef SEGPOOL_MODEL_ATTEMPTS_H
#define SEGPOOL_MODEL_ATTEMPTS_H

#include "../testing_memory.h"

enum { CHILD_EXITS, CHILD_IS_KILLED, CHILD_UNMAPS };

struct child {
	struct sp_pool *pool;
	uint32_t ending;
};

/* A forked child has no mapping and no say. */
static SP_UNUSED int be_a_child(void *argument)
{
	struct child *child = argument;
	struct segpool_region region;
	uint64_t values[SEGPOOL_NR_COUNTERS];

	if (sp_stat(child->pool->fd, values) != -EPERM)
		return 1;
	if (sp_alloc(child->pool->fd, 0, 0, 1, &region) != -EPERM)
		return 2;
	if (sp_free(child->pool->fd, 1ULL << 32, 0) != -EPERM)
		return 3;
	if (child->pool->base && sp_touch(child->pool->base) != SIGSEGV)
		return 4;
	if (child->ending == CHILD_IS_KILLED)
		raise(SIGKILL);
	if (child->ending == CHILD_UNMAPS && child->pool->base)
		munmap(child->pool->base, child->pool->length);
	return 0;
}

static SP_UNUSED int try_to_split(char *region, uint32_t how)
{
	switch (how) {
	case 0:
		return munmap(region + SP_PAGE, SP_PAGE);
	case 1:
		return mprotect(region + SP_PAGE, SP_PAGE, PROT_READ);
	case 2:
		return mprotect(region + SP_SMALL - SP_PAGE, SP_PAGE, PROT_NONE);
	default:
		return mprotect(region, SP_SMALL, PROT_READ | PROT_EXEC);
	}
}

static SP_UNUSED void *try_to_move(const struct sp_pool *pool, uint32_t how)
{
	switch (how) {
	case 0:
		return mremap(pool->base, pool->length, 2 * pool->length, MREMAP_MAYMOVE);
	case 1:
		return mremap(pool->base, pool->length, pool->length - SP_SMALL, 0);
	default:
		return mremap(pool->base, 0, pool->length, MREMAP_MAYMOVE);
	}
}

#endif /* SEGPOOL_MODEL_ATTEMPTS_H */
