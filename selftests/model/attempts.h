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

/* Whose address space is not the pool's is refused everything. */
static SP_UNUSED int try_as_a_stranger(int fd)
{
	struct segpool_region region = { .handle = 1ULL << 32 };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	char *base;

	if (sp_stat(fd, values) != -EPERM)
		return 1;
	if (sp_alloc(fd, 0, 0, 1, &region) != -EPERM)
		return 2;
	if (sp_free(fd, region.handle, 0) != -EPERM)
		return 3;
	if (sp_discard(fd, region.handle, 0, SP_PAGE, 0) != -EPERM)
		return 4;
	if (sp_mmap(fd, SP_SMALL, &base) != -EPERM)
		return 5;
	return sp_trim(fd, 0, NULL) == -EPERM ? 0 : 6;
}

/* A forked child has no mapping and no say. */
static SP_UNUSED int be_a_child(void *argument)
{
	struct child *child = argument;
	int refused = try_as_a_stranger(child->pool->fd);

	if (refused)
		return refused;
	if (child->pool->base && sp_touch(child->pool->base) != SIGSEGV)
		return 7;
	if (child->ending == CHILD_IS_KILLED)
		raise(SIGKILL);
	if (child->ending == CHILD_UNMAPS && child->pool->base)
		munmap(child->pool->base, child->pool->length);
	return 0;
}

struct receiver {
	const struct sp_pool *pool;
	int sockets[2];
};

static int be_a_receiver(void *argument)
{
	struct receiver *receiver = argument;
	int fd;

	close(receiver->pool->fd);
	close(receiver->sockets[0]);
	fd = sp_receive_file(receiver->sockets[1]);
	return fd < 0 ? 8 : try_as_a_stranger(fd);
}

/* Another process is handed the file: 0, what it was not refused, or -errno. */
static SP_UNUSED int try_to_pass(const struct sp_pool *pool)
{
	struct receiver receiver = { .pool = pool };
	int error = 0;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, receiver.sockets))
		return -errno;
	child = sp_start_child(be_a_receiver, &receiver);
	if (child > 0)
		error = sp_send_file(receiver.sockets[0], pool->fd);
	close(receiver.sockets[0]);
	close(receiver.sockets[1]);
	if (child < 0)
		return child;
	return sp_wait_child(child) ?: error;
}

/* A child that inherits the mapping; @tags and @mapped, which may be NULL: what it must see. */
struct heir {
	char *region;
	const uint64_t *tags;
	const bool *mapped;
};

/* How many pages of the region raise SIGBUS; 100 and more: what is wrong. */
static int be_an_heir(void *argument)
{
	const struct heir *heir = argument;
	uint32_t i, refused = 0;
	char *page;
	int seen;

	for (i = 0; i < SP_SMALL / SP_PAGE; i++) {
		page = heir->region + i * SP_PAGE;
		seen = sp_touch(page);
		if (seen && seen != SIGBUS)
			return 100;
		refused += seen == SIGBUS;
		if (heir->mapped && heir->mapped[i] != !seen)
			return 101;
		if (heir->mapped && !seen && *(volatile uint64_t *)page != heir->tags[i])
			return 102;
	}
	return refused;
}

/* -errno where the kernel lets nobody inherit the mapping. */
static SP_UNUSED int try_to_inherit(const struct sp_pool *pool, struct heir *heir)
{
	int result;

	if (madvise(pool->base, pool->length, MADV_DOFORK))
		return -errno;
	result = sp_in_child(be_an_heir, heir);
	return madvise(pool->base, pool->length, MADV_DONTFORK) ? 103 : result;
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
