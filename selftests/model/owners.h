/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes that end while their pool has pages in use: by the model, and by what it prints. */
#ifndef SEGPOOL_MODEL_OWNERS_H
#define SEGPOOL_MODEL_OWNERS_H

#include "attempts.h"

#define OWNER_REGIONS	4
#define OWNER_BY_EXEC	"--owner-by-exec"
/* What is killed may take its time to go, on a machine that is busy. */
#define OWNER_GONE_MS	30000

enum { OWNER_EXITS, OWNER_IS_KILLED, OWNER_EXECS, OWNER_LEAVES_FILE, NR_OWNER_ENDINGS };

static const char *const owner_endings[] SP_UNUSED = {
	"exits", "is killed", "calls execve()", "leaves its file to another",
};

/* In memory that the owner and its parent share. */
struct owner {
	uint32_t mode, regions, ending, id;
	int sockets[2];
};

static int pool_has_no_pages(void *id)
{
	return sp_pool_counter(*(uint32_t *)id, "physical_bytes") == 0 &&
	       sp_pool_counter(*(uint32_t *)id, "retained_bytes") == 0;
}

static int pool_is_gone(void *id)
{
	return !sp_pool_listed(*(uint32_t *)id);
}

/* The file of a pool whose owner's address space is gone: no say, and no pages. */
static int try_what_is_left(int fd, uint32_t id)
{
	int refused = try_as_a_stranger(fd);

	if (refused || access(SP_DEBUGFS, R_OK))
		return refused;
	return sp_wait_until(pool_has_no_pages, &id, OWNER_GONE_MS) ? 0 : 50;
}

/* The program that the owner has become; it has inherited the file. */
static SP_UNUSED int owner_by_exec(const char *fd, const char *id)
{
	return try_what_is_left(atoi(fd), atoi(id));
}

static int become_another_program(const struct sp_pool *pool)
{
	char fd[16], id[16];

	snprintf(fd, sizeof(fd), "%d", pool->fd);
	snprintf(id, sizeof(id), "%u", pool->id);
	fcntl(pool->fd, F_SETFD, 0);
	execl("/proc/self/exe", "owner", OWNER_BY_EXEC, fd, id, NULL);
	return 40;
}

/* Pages in use, a retained region, and one that waits for its first touch. */
static int make_live_state(struct sp_pool *pool, const struct owner *owner)
{
	struct segpool_region regions[OWNER_REGIONS + 2];
	uint32_t i, nr = owner->regions + 1;

	if (sp_pool_make(pool, owner->mode, SP_SMALL, 16 * SP_SMALL, 16 * SP_SMALL, 16 * SP_SMALL))
		return 41;
	if (sp_alloc(pool->fd, 0, SEGPOOL_POPULATE, nr, regions) != (int)nr)
		return 42;
	for (i = 0; i < nr; i++)
		sp_pattern_write(sp_region_at(pool, &regions[i]), SP_SMALL, i);
	if (sp_free(pool->fd, regions[0].handle, 0) || sp_alloc(pool->fd, 1, 0, 1, regions) != 1)
		return 43;
	return 0;
}

static int be_an_owner(void *argument)
{
	struct owner *owner = argument;
	struct sp_pool pool;
	int error = make_live_state(&pool, owner);

	if (error)
		return error;
	owner->id = pool.id;
	if (owner->ending == OWNER_IS_KILLED)
		raise(SIGKILL);
	if (owner->ending == OWNER_EXECS)
		return become_another_program(&pool);
	if (owner->ending == OWNER_LEAVES_FILE)
		return sp_send_file(owner->sockets[1], pool.fd) ? 44 : 0;
	return 0;
}

/* The pool's file is ours now, and its owner is dead. */
static int look_at_legacy(int fd, uint32_t id)
{
	int left = try_what_is_left(fd, id);

	close(fd);
	return left;
}

static int wait_for_owner(struct owner *owner, pid_t child)
{
	int fd = -1, status;

	if (owner->ending == OWNER_LEAVES_FILE)
		fd = sp_receive_file(owner->sockets[0]);
	status = sp_wait_child(child);
	if (owner->ending == OWNER_LEAVES_FILE && !status)
		status = fd < 0 ? 45 : look_at_legacy(fd, owner->id);
	if (owner->id && !access(SP_DEBUGFS, R_OK) &&
	    !sp_wait_until(pool_is_gone, &owner->id, OWNER_GONE_MS))
		return 46;
	return status;
}

/* How the owner ended (128 + its signal), 0, the number of what was wrong afterwards, or -errno. */
static SP_UNUSED int end_an_owner(uint32_t mode, uint32_t regions, uint32_t ending)
{
	struct owner *owner = mmap(NULL, sizeof(*owner), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = -ENOMEM;
	pid_t child;

	if (owner == MAP_FAILED)
		return -errno;
	*owner = (struct owner){ .mode = mode, .regions = regions, .ending = ending };
	if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, owner->sockets)) {
		child = sp_start_child(be_an_owner, owner);
		close(owner->sockets[1]);
		status = child < 0 ? child : wait_for_owner(owner, child);
		close(owner->sockets[0]);
	}
	munmap(owner, sizeof(*owner));
	return status;
}

#endif /* SEGPOOL_MODEL_OWNERS_H */
