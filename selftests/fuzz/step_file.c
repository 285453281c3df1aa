// SPDX-License-Identifier: GPL-2.0-only
/* What can be done with a pool's open file. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "helpers.h"
#include "step_words.h"
#include "system_calls.h"
#include "world.h"

static int result(long value)
{
	return value < 0 ? -errno : 0;
}

/* There is nothing to read or write. */
int do_read_write(struct world *world, const struct step *step)
{
	int fd = pool_fd(step_pool(world, step));
	char bytes[64] = { 0 };

	switch (step_word(step, 0) % 4) {
	case 0:
		return result(read(fd, bytes, sizeof(bytes)));
	case 1:
		return result(write(fd, bytes, sizeof(bytes)));
	case 2:
		return result(pread(fd, bytes, sizeof(bytes), step_word(step, 1)));
	default:
		return result(lseek(fd, step_word(step, 1), step_word(step, 2) % 5));
	}
}

int do_poll(struct world *world, const struct step *step)
{
	struct pollfd waiting = { .fd = pool_fd(step_pool(world, step)),
				  .events = step_word(step, 0) };

	return result(poll(&waiting, 1, step_word(step, 1) & 1));
}

int do_file(struct world *world, const struct step *step)
{
	int fd = pool_fd(step_pool(world, step));
	uint64_t value = step_word(step, 1);
	int copy;

	switch (step_word(step, 0) % 8) {
	case 0:
		return result(posix_fadvise(fd, 0, value, value & 7));
	case 1:
		return result(fallocate(fd, value & 0x7f, 0, value));
	case 2:
		return result(ftruncate(fd, value));
	case 3:
		return result(fsync(fd));
	case 4:
		return result(flock(fd, value & 7 ? LOCK_UN : LOCK_SH | LOCK_NB));
	case 5:
		return result(fcntl(fd, F_SETFL, value & (O_NONBLOCK | O_APPEND | O_DIRECT)));
	case 6:
		return result(splice(fd, NULL, world->pipe[1], NULL, SP_PAGE, SPLICE_F_NONBLOCK));
	default:
		copy = dup(fd);
		return copy < 0 ? -errno : result(close(copy));
	}
}

/* The mapping may live on without its file, and the next call opens a new one. */
int do_close(struct world *world, const struct step *step)
{
	struct pool_slot *pool = step_pool(world, step);
	int fd = __atomic_exchange_n(&pool->fd, -1, __ATOMIC_SEQ_CST);

	if (step_word(step, 0) & 1)
		pool_close(pool);
	/*
	 * What is mapped is no longer the pool of the file that the next call
	 * opens, and a SETUP on another thread may tell of the old one.
	 */
	pool->set_up = false;
	pool->lost = true;
	return fd < 0 ? -EBADF : result(close(fd));
}

/* In the child: a call, which must be refused, and a touch, which must not show anything. */
static void child_calls(struct world *world, const struct step *step)
{
	struct pool_slot *pool = step_pool(world, step);
	uint64_t target = step_word(step, 0);
	struct segpool_trim trim = { .size = sizeof(trim), .target = target };
	int error = sp_ioctl(pool->fd, SEGPOOL_IOC_TRIM, &trim);

	if (pool->base)
		memory_touch(pool->base, false);
	_exit(error != -EPERM && error != -ENXIO && error != -EBADF);
}

int do_fork(struct world *world, const struct step *step)
{
	pid_t child = fork();
	int status = 0;

	if (child < 0)
		return -errno;
	if (!child)
		child_calls(world, step);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status))
		problem_note(world->shared, "a forked child's TRIM was not refused");
	return 0;
}
