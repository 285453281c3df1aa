/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything but the ioctls, in the table of calls to be failed. */
#ifndef SEGPOOL_FAULTS_CASE_FILE_H
#define SEGPOOL_FAULTS_CASE_FILE_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include "case_ioctl.h"
#include "inject.h"

/* --- from nothing to a mapped pool --- */

static int call_open(struct scene *scene)
{
	scene->pool.fd = sp_open();
	return scene->pool.fd;
}

static int call_setup(struct scene *scene)
{
	return scene_setup(scene);
}

static int call_mmap(struct scene *scene)
{
	return scene_mmap(scene);
}

/* A call that failed can be made again, and the next ones follow. */
static const char *check_rest(struct scene *scene, int result)
{
	enum scene_stage from = scene->what->stage + (result >= 0);

	/* The answer did not arrive, but it was done. */
	if (result == -EFAULT && from == SCENE_OPEN && scene_setup(scene) == -EBUSY)
		return scene_mmap(scene) ? "mmap fails after SETUP" : scene_trial(scene);
	if (result == -EFAULT && from == SCENE_OPEN)
		from = SCENE_SETUP;
	if (scene_advance(scene, from, SCENE_MAPPED))
		return "the call cannot be made again, or the next ones fail";
	return scene_judge(scene);
}

/* --- the end of a mapping, of a file, of a process --- */

static int call_munmap(struct scene *scene)
{
	return munmap(scene->pool.base, scene->pool.length) ? -errno : 0;
}

static const char *check_munmap(struct scene *scene, int result)
{
	if (result)
		return scene_judge(scene);
	scene->pool.base = NULL;
	return sp_counter(scene->pool.fd, SEGPOOL_C_PHYSICAL_BYTES) ? "pages are left" : NULL;
}

static int with_unmapped(struct scene *scene)
{
	int error = with_full_regions(scene);

	if (!error && munmap(scene->pool.base, scene->pool.length))
		error = -errno;
	scene->pool.base = NULL;
	return error;
}

static int call_close(struct scene *scene)
{
	int error = close(scene->pool.fd) ? -errno : 0;

	scene->pool.fd = -1;
	return error;
}

static int exit_while_armed(void *argument)
{
	struct scene *scene = argument;
	int error = scene_advance(scene, SCENE_NOTHING, SCENE_MAPPED);

	if (error || with_full_regions(scene) || inject_open())
		return 1;
	sp_free(scene->pool.fd, scene->regions[0].handle, 0);
	inject_arm(scene->nth);
	return 0;
}

static int call_exit(struct scene *scene)
{
	return sp_in_child(exit_while_armed, scene) ? -ECHILD : 0;
}

/* --- touching --- */

static int call_touch(struct scene *scene)
{
	char *address = sp_region_at(&scene->pool, &scene->regions[0]) + 3 * SP_PAGE;
	int seen = scene->what->flags ? sp_touch_write(address) : sp_touch(address);

	return seen ? -EIO : 0;
}

static const char *check_touch(struct scene *scene, int result)
{
	int seen = sp_touch_write(sp_region_at(&scene->pool, &scene->regions[0]) + 3 * SP_PAGE);

	if (scene_growth(scene, SEGPOOL_C_SIGBUS_FAULTS) != (result == -EIO))
		return "sigbus_faults does not count the signals";
	return seen ? "the page cannot be touched afterwards" : NULL;
}

static int with_file(struct scene *scene, int flags)
{
	scene->fd = open(scene->what->path, flags | O_CLOEXEC);
	return scene->fd < 0 ? -errno : with_bare_regions(scene);
}

static int with_readable(struct scene *scene)
{
	return with_file(scene, O_RDONLY);
}

/* The kernel stores into pages that are not there yet. */
static int call_read(struct scene *scene)
{
	ssize_t got = read(scene->fd, sp_region_at(&scene->pool, &scene->regions[0]), 8 * SP_PAGE);

	return got < 0 ? -errno : 0;
}

static int with_pipe(struct scene *scene)
{
	if (pipe2(scene->pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	return scene->what->flags ? with_full_regions(scene) : with_bare_regions(scene);
}

/* The kernel loads from pages that are not there yet. */
static int call_write(struct scene *scene)
{
	ssize_t put = write(scene->pipe[1], sp_region_at(&scene->pool, &scene->regions[0]),
			    8 * SP_PAGE);

	return put < 0 ? -errno : 0;
}

static int call_vmsplice(struct scene *scene)
{
	struct iovec range = { sp_region_at(&scene->pool, &scene->regions[0]), 8 * SP_PAGE };

	return vmsplice(scene->pipe[1], &range, 1, SPLICE_F_NONBLOCK) < 0 ? -errno : 0;
}

static const char *check_vmsplice(struct scene *scene, int result SP_UNUSED)
{
	scene_close_fd(&scene->pipe[0]);
	scene_close_fd(&scene->pipe[1]);
	return NULL;
}

/* --- others who look at the memory --- */

static int with_memory_file(struct scene *scene)
{
	scene->fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	return scene->fd < 0 ? -errno : with_full_regions(scene);
}

static int call_memory_file(struct scene *scene)
{
	char buffer[2 * SP_PAGE] = "";
	off_t at = (uintptr_t)sp_region_at(&scene->pool, &scene->regions[0]) + SP_PAGE;
	ssize_t done = scene->what->flags ? pwrite(scene->fd, buffer, sizeof(buffer), at) :
					    pread(scene->fd, buffer, sizeof(buffer), at);

	return done < 0 ? -errno : 0;
}

static int call_process_vm(struct scene *scene)
{
	char buffer[2 * SP_PAGE];
	struct iovec to = { buffer, sizeof(buffer) };
	struct iovec from = { sp_region_at(&scene->pool, &scene->regions[0]), sizeof(buffer) };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) < 0 ? -errno : 0;
}

/* --- the mapping as a whole --- */

static int call_mprotect(struct scene *scene)
{
	return mprotect(scene->pool.base, scene->pool.length, PROT_READ) ? -errno : 0;
}

static const char *check_mprotect(struct scene *scene, int result SP_UNUSED)
{
	return mprotect(scene->pool.base, scene->pool.length, PROT_READ | PROT_WRITE) ?
	       "mprotect fails afterwards" : NULL;
}

static int with_elsewhere(struct scene *scene)
{
	void *address = mmap(NULL, scene->pool.length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);

	if (address == MAP_FAILED)
		return -errno;
	scene->elsewhere = address;
	return with_full_regions(scene);
}

/* Always refused, which the kernel notices late, with a copy of the mapping to be undone. */
static int call_mremap(struct scene *scene)
{
	void *address = mremap(scene->pool.base, scene->pool.length, scene->pool.length,
			       MREMAP_MAYMOVE | MREMAP_FIXED, scene->elsewhere);

	if (address != MAP_FAILED)
		return -ENOTRECOVERABLE;
	return errno == EINVAL ? 0 : -errno;
}

static int with_shared(struct scene *scene)
{
	return madvise(scene->pool.base, scene->pool.length, MADV_DOFORK) ? -errno :
	       with_full_regions(scene);
}

static int call_fork(struct scene *scene)
{
	scene->child = fork();
	if (!scene->child)
		_exit(0);
	return scene->child < 0 ? -errno : 0;
}

static const char *check_fork(struct scene *scene, int result)
{
	return !result && sp_wait_child(scene->child) ? "the child fails" : NULL;
}

/* --- looking at the pool --- */

static int call_poll(struct scene *scene)
{
	struct pollfd entry = { .fd = scene->pool.fd, .events = POLLPRI };

	return poll(&entry, 1, 0) < 0 ? -errno : 0;
}

static int with_epoll(struct scene *scene)
{
	scene->fd = epoll_create1(EPOLL_CLOEXEC);
	return scene->fd < 0 ? -errno : 0;
}

static int call_epoll(struct scene *scene)
{
	struct epoll_event event = { .events = EPOLLPRI };

	return epoll_ctl(scene->fd, EPOLL_CTL_ADD, scene->pool.fd, &event) ? -errno : 0;
}

/* @path with %u for the pool's number. */
static int call_debugfs(struct scene *scene)
{
	char path[128], buffer[1024];
	ssize_t got;
	int fd, error = 0;

	snprintf(path, sizeof(path), scene->what->path, scene->pool.id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		got = read(fd, buffer, sizeof(buffer));
		if (got < 0)
			error = -errno;
	} while (got > 0);
	close(fd);
	return error;
}

static int call_parameter(struct scene *scene SP_UNUSED)
{
	return sp_set_module_parameter("ceiling_mib", 0);
}

#define FILE_DEBUGFS(path_) \
	.stage = SCENE_MAPPED, .prepare = with_full_regions, .count = 6, .call = call_debugfs, \
	.errors = { ENOMEM }, .path = path_

static const struct fault_case cases_file[] = {
	{ "open", .stage = SCENE_NOTHING, .call = call_open, .check = check_rest,
	  .errors = { ENOMEM, ENFILE }, .ends_pool = true },
	{ "setup", .stage = SCENE_OPEN, .call = call_setup, .check = check_rest,
	  .ends_pool = true },
	{ "mmap", .stage = SCENE_SETUP, .call = call_mmap, .check = check_rest,
	  .errors = { ENOMEM }, .ends_pool = true },
	{ "munmap", .stage = SCENE_MAPPED, .prepare = with_full_regions, .count = 4,
	  .call = call_munmap, .check = check_munmap, .errors = { ENOMEM }, .ends_pool = true },
	{ "close", .stage = SCENE_MAPPED, .prepare = with_unmapped, .count = 4,
	  .call = call_close, .never_fails = true, .ends_pool = true,
	  .no_places = "closing a pool takes no memory" },
	{ "exit", .stage = SCENE_NOTHING, .count = 4, .call = call_exit, .arms_itself = true,
	  .never_fails = true, .ends_pool = true },
	{ "touch_read", .stage = SCENE_MAPPED, .prepare = with_bare_regions,
	  .call = call_touch, .check = check_touch, .errors = { EIO } },
	{ "touch_write", .stage = SCENE_MAPPED, .prepare = with_bare_regions, .flags = 1,
	  .call = call_touch, .check = check_touch, .errors = { EIO } },
	/* EFAULT: a copy meets a page that cannot be had. */
	{ "kernel_stores", .stage = SCENE_MAPPED, .prepare = with_readable,
	  .path = "/dev/zero", .call = call_read, .errors = { EFAULT } },
	{ "kernel_loads", .stage = SCENE_MAPPED, .prepare = with_pipe, .call = call_write,
	  .errors = { ENOMEM, EFAULT } },
	{ "vmsplice", .stage = SCENE_MAPPED, .prepare = with_pipe, .flags = 1,
	  .call = call_vmsplice, .check = check_vmsplice, .errors = { ENOMEM },
	  .perhaps_no_places = true, .only_mode = SCENE_ONLY_PINNABLE },
	{ "vmsplice_of_missing_pages", .stage = SCENE_MAPPED, .prepare = with_pipe,
	  .call = call_vmsplice, .check = check_vmsplice, .errors = { ENOMEM, EFAULT },
	  .only_mode = SCENE_ONLY_PINNABLE },
	{ "debugger_reads", .stage = SCENE_MAPPED, .prepare = with_memory_file,
	  .call = call_memory_file, .errors = { ENOMEM, EIO } },
	{ "debugger_writes", .stage = SCENE_MAPPED, .prepare = with_memory_file, .flags = 1,
	  .call = call_memory_file, .errors = { ENOMEM, EIO } },
	{ "process_vm_readv", .stage = SCENE_MAPPED, .prepare = with_full_regions,
	  .call = call_process_vm, .errors = { ENOMEM }, .only_mode = SCENE_ONLY_PINNABLE },
	{ "mprotect", .stage = SCENE_MAPPED, .prepare = with_full_regions,
	  .call = call_mprotect, .check = check_mprotect, .errors = { ENOMEM },
	  .no_places = "protecting a whole mapping takes no memory" },
	{ "mremap", .stage = SCENE_MAPPED, .prepare = with_elsewhere, .call = call_mremap,
	  .errors = { ENOMEM } },
	{ "fork", .stage = SCENE_MAPPED, .prepare = with_full_regions, .call = call_fork,
	  .check = check_fork, .errors = { ENOMEM, EAGAIN }, .step = 4 },
	{ "fork_shared", .stage = SCENE_MAPPED, .prepare = with_shared, .count = 2,
	  .call = call_fork, .check = check_fork, .errors = { ENOMEM, EAGAIN },
	  .only_mode = SCENE_ONLY_PINNABLE, .step = 4 },
	{ "poll", .stage = SCENE_MAPPED, .call = call_poll, .errors = { ENOMEM } },
	{ "epoll", .stage = SCENE_MAPPED, .prepare = with_epoll, .call = call_epoll,
	  .errors = { ENOMEM } },
	{ "debugfs_counters", FILE_DEBUGFS(SP_DEBUGFS "/counters") },
	{ "debugfs_pools", FILE_DEBUGFS(SP_DEBUGFS "/pools") },
	{ "debugfs_pool_counters", FILE_DEBUGFS(SP_DEBUGFS "/pool/%u/counters") },
	{ "debugfs_classes", FILE_DEBUGFS(SP_DEBUGFS "/pool/%u/classes") },
	{ "debugfs_regions", FILE_DEBUGFS(SP_DEBUGFS "/pool/%u/regions") },
	{ "parameter", .stage = SCENE_MAPPED, .call = call_parameter, .errors = { ENOMEM } },
};

#endif /* SEGPOOL_FAULTS_CASE_FILE_H */
