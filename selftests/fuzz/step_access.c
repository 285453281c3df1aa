// SPDX-License-Identifier: GPL-2.0-only
/* Looks at a pool's pages, from user space and through the kernel. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/uio.h>

#include "helpers.h"
#include "step_words.h"
#include "system_calls.h"
#include "world.h"

int do_touch(struct world *world, const struct step *step)
{
	char *address = pool_address(step_pool(world, step), step_word(step, 0));

	return memory_touch(address, step_word(step, 1) & 1) ? 0 : -EFAULT;
}

static int pin(struct world *world, const struct iovec *area)
{
	return vmsplice(world->pipe[1], area, 1, SPLICE_F_NONBLOCK) < 0 ? -errno : 0;
}

static int pin_end(struct world *world)
{
	char rest[4096];

	return read(world->pipe[0], rest, sizeof(rest)) < 0 ? -errno : 0;
}

/* Holds pages, or copies them by their address from outside. */
int do_pin(struct world *world, const struct step *step)
{
	struct pool_slot *pool = step_pool(world, step);
	uint64_t how = step_word(step, 1);
	char copy[2 * SP_PAGE];
	struct iovec remote = { .iov_base = pool_address(pool, step_word(step, 0)),
				.iov_len = how >> 8 & (2 * SP_PAGE - 1) };
	struct iovec local = { .iov_base = copy, .iov_len = sizeof(copy) };

	memset(copy, 0, sizeof(copy));
	switch (how & 3) {
	case 0:
		return pin_end(world);
	case 1:
		return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
	case 2:
		return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
	default:
		return pin(world, &remote);
	}
}

/* Reads what debugfs says, into memory that may be the pool's own. */
int do_debugfs(struct world *world, const struct step *step)
{
	static const char *const files[] = { "regions", "classes", "counters" };
	struct pool_slot *pool = step_pool(world, step);
	uint64_t how = step_word(step, 1);
	char *address = pool_address(pool, step_word(step, 0));
	char path[128], own[256];
	int fd, error = 0;

	sp_pool_path(path, sizeof(path), pool->id, files[how % 3]);
	fd = open(how & 0x100 ? SP_DEBUGFS "/pools" : path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, how & 0x200 ? own : address, how & 0x200 ? sizeof(own) : 4 * SP_PAGE,
		  how & 0x400 ? (off_t)(how >> 16 & 0xfff) : 0) < 0)
		error = -errno;
	close(fd);
	return error;
}
