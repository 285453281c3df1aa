// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slow memory: an access of the module's to it stops in the middle of a call
 * until a thread of ours has brought the page, and does as it pleases first.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "helpers.h"
#include "world.h"

static void page_bring(struct world *world, uint64_t address)
{
	char *page = (char *)(uintptr_t)(address & ~(SP_PAGE - 1));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page, .len = SP_PAGE,
		.src = (uintptr_t)(world->memory.slow_image + (page - world->memory.slow)),
	};
	struct uffdio_range range = { .start = (uintptr_t)page, .len = SP_PAGE };

	/* It is there already, or the process changes its mappings: let the access try again. */
	if (ioctl(world->server.uffd, UFFDIO_COPY, &copy))
		ioctl(world->server.uffd, UFFDIO_WAKE, &range);
}

static void *server_main(void *argument)
{
	struct world *world = argument;
	const struct step *step;
	struct uffd_msg message;

	while (read(world->server.uffd, &message, sizeof(message)) == sizeof(message)) {
		if (message.event != UFFD_EVENT_PAGEFAULT)
			continue;
		step = atomic_exchange(&world->server.interlude, NULL);
		if (step)
			step_run(world, ACTOR_SERVER, step);
		page_bring(world, message.arg.pagefault.address);
	}
	return NULL;
}

/* 0, also where the kernel has no userfaultfd: then the memory is as any other. */
int slow_start(struct world *world)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { .start = (uintptr_t)world->memory.slow, .len = ARENA_BYTES },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	world->server.uffd = -1;
	if (fd < 0)
		return 0;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &area)) {
		close(fd);
		return 0;
	}
	world->server.uffd = fd;
	return pthread_create(&world->server.thread, NULL, server_main, world);
}

/* The next access will wait. */
void slow_arm(struct world *world)
{
	if (world->server.uffd >= 0)
		madvise(world->memory.slow, ARENA_BYTES, MADV_DONTNEED);
	else
		memcpy(world->memory.slow, world->memory.slow_image, ARENA_BYTES);
}
