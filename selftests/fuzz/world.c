// SPDX-License-Identifier: GPL-2.0-only
/* The pools, and the beginning and the end of an input. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "helpers.h"
#include "world.h"

/* All but the file, which another thread may be opening. */
static void pool_forget(struct pool_slot *pool)
{
	pool->base = NULL;
	pool->length = 0;
	pool->set_up = false;
	pool->odd = false;
	pool->lost = false;
	pool->id = 0;
	pool->mode = 0;
	pool->region_size = SEGPOOL_MIN_REGION_SIZE;
	pool->nr_handles = 0;
}

static void pool_init(struct pool_slot *pool, char *area)
{
	pool->fd = -1;
	pool->area = area;
	pool_forget(pool);
}

int world_make(struct world *world, struct shared *shared)
{
	unsigned int i;

	memset(world, 0, sizeof(*world));
	world->shared = shared;
	for (i = 0; i < NR_POOLS; i++)
		pool_init(&world->pools[i], (char *)(POOL_AREA_FIRST + i * POOL_AREA_BYTES));
	if (pipe2(world->pipe, O_CLOEXEC | O_NONBLOCK))
		return -1;
	if (memory_make(&world->memory) || assistant_start(world))
		return -1;
	return slow_start(world);
}

struct pool_slot *step_pool(struct world *world, const struct step *step)
{
	/* One pool is what most programs have, and what most inputs should be about. */
	return &world->pools[step->pool % 8 == 7];
}

/* The pool's file, opened now if it is not: one, even if two threads are the first. */
int pool_fd(struct pool_slot *pool)
{
	int known = __atomic_load_n(&pool->fd, __ATOMIC_SEQ_CST), fd;

	if (known >= 0)
		return known;
	fd = sp_open();
	if (fd < 0 || __atomic_compare_exchange_n(&pool->fd, &known, fd, false, __ATOMIC_SEQ_CST,
						  __ATOMIC_SEQ_CST))
		return fd;
	close(fd);
	return known;
}

void pool_close(struct pool_slot *pool)
{
	int fd = __atomic_exchange_n(&pool->fd, -1, __ATOMIC_SEQ_CST);

	munmap(pool->area, POOL_AREA_BYTES);
	if (fd >= 0)
		close(fd);
	pool_forget(pool);
}

void pool_remember(struct pool_slot *pool, uint64_t handle)
{
	pool->handles[pool->nr_handles++ % NR_HANDLES] = handle;
}

/* A handle that was given out, live or stale, often one of the last; or nearly such a one. */
uint64_t pool_handle(const struct pool_slot *pool, uint64_t choice)
{
	unsigned int known = pool->nr_handles < NR_HANDLES ? pool->nr_handles : NR_HANDLES;
	uint64_t handle;

	if (!known)
		return choice;
	if (choice >> 8 & 1)
		handle = pool->handles[(pool->nr_handles - 1 - choice % 4 % known) % NR_HANDLES];
	else
		handle = pool->handles[choice % known];
	switch (choice >> 16 & 31) {
	case 1:
		return handle + 1;
	case 2:
		return handle + (1ULL << 32);
	case 3:
		return handle - (1ULL << 32);
	case 4:
		return handle | 1ULL << 31;
	default:
		return handle;
	}
}

/* An address in a region that was handed out, or where the pool would be. */
char *pool_address(const struct pool_slot *pool, uint64_t choice)
{
	uint32_t index = SEGPOOL_HANDLE_INDEX(pool_handle(pool, choice & 0xff));
	char *base = pool->base ? pool->base : pool->area;
	uint64_t offset = (choice >> 8 & 0xff) * SP_PAGE + (choice >> 16 & 0xfff);

	if (!pool->nr_handles || !pool->base)
		return base + offset;
	return base + index * pool->region_size + offset % pool->region_size;
}

void world_begin(struct world *world)
{
	pool_fd(&world->pools[0]);
}

void world_end(struct world *world)
{
	char rest[4096];
	unsigned int i;

	atomic_store(&world->server.interlude, NULL);
	assistant_end(world);
	for (i = 0; i < NR_POOLS; i++)
		check_pool(world, &world->pools[i]);
	while (read(world->pipe[0], rest, sizeof(rest)) > 0)
		;
	for (i = 0; i < NR_POOLS; i++)
		pool_close(&world->pools[i]);
}
