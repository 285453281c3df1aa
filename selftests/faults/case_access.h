/* SPDX-License-Identifier: GPL-2.0-only */
/* Ways of the kernel to a pool's pages, in the table of calls to be failed. */
#ifndef SEGPOOL_FAULTS_CASE_ACCESS_H
#define SEGPOOL_FAULTS_CASE_ACCESS_H

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "case_ioctl.h"
#include "gauges.h"
#include "inject.h"

#define ACCESS_BYTES	(8 * SP_PAGE)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

static char *access_at(struct scene *scene)
{
	return sp_region_at(&scene->pool, &scene->regions[0]);
}

/* --- direct I/O --- */

static int with_disk(struct scene *scene)
{
	scene->fd = open(scene->what->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	return scene->fd < 0 ? -errno : scene->what->command ? with_bare_regions(scene) :
					with_full_regions(scene);
}

static int call_direct_io(struct scene *scene)
{
	ssize_t done = scene->what->flags ? pwrite(scene->fd, access_at(scene), ACCESS_BYTES, 0) :
					    pread(scene->fd, access_at(scene), ACCESS_BYTES, 0);

	return done < 0 ? -errno : 0;
}

/* --- another process writes --- */

static int call_process_vm_write(struct scene *scene)
{
	char buffer[2 * SP_PAGE] = "";
	struct iovec from = { buffer, sizeof(buffer) };
	struct iovec to = { access_at(scene), sizeof(buffer) };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) < 0 ? -errno : 0;
}

/* --- io_uring --- */

static int with_ring(struct scene *scene)
{
	struct io_uring_params params = { .flags = 0 };

	scene->fd = syscall(SYS_io_uring_setup, 4, &params);
	return scene->fd < 0 ? -errno : with_full_regions(scene);
}

/* Up to 6.1 buffers of files are refused, late. */
static int call_register_buffer(struct scene *scene)
{
	struct iovec buffer = { access_at(scene), ACCESS_BYTES };
	int error = syscall(SYS_io_uring_register, scene->fd, IORING_REGISTER_BUFFERS, &buffer, 1) ?
		    -errno : 0;

	scene->done = !error;
	return error == -EOPNOTSUPP ? 0 : error;
}

static const char *check_register_buffer(struct scene *scene, int result SP_UNUSED)
{
	if (scene->done &&
	    syscall(SYS_io_uring_register, scene->fd, IORING_UNREGISTER_BUFFERS, NULL, 0))
		return "the buffer cannot be given up";
	return NULL;
}

/* --- madvise --- */

static int call_madvise(struct scene *scene)
{
	return madvise(access_at(scene), ACCESS_BYTES, scene->what->command) ? -errno : 0;
}

/* Pages that only went from the page tables come back when they are touched. */
static const char *check_madvise(struct scene *scene, int result SP_UNUSED)
{
	if (scene->what->command != MADV_DONTNEED)
		return NULL;
	if (sp_count_refused(access_at(scene), ACCESS_BYTES))
		return "a page cannot be touched any more";
	return sp_pattern_check(access_at(scene), ACCESS_BYTES, SCENE_OWNER) ?
	       "a page has lost its content" : NULL;
}

/* --- exec --- */

static int exec_while_armed(void *argument)
{
	struct scene *scene = argument;
	int error = scene_advance(scene, SCENE_NOTHING, SCENE_MAPPED);

	if (error || with_full_regions(scene) || inject_open())
		return 1;
	inject_arm(scene->nth);
	execl("/bin/true", "true", NULL);
	return inject_disarm() ? 0 : 2;
}

/* The new program may fail as well, or be ended by the kernel. */
static int call_exec(struct scene *scene)
{
	int status = sp_in_child(exec_while_armed, scene);

	return status == 2 ? -ENOEXEC : status < 0 ? status : 0;
}

static const char *check_exec(struct scene *scene SP_UNUSED, int result SP_UNUSED)
{
	return gauges_left();
}

#define ACCESS(prepare_, call_, ...) \
	.stage = SCENE_MAPPED, .prepare = prepare_, .call = call_, \
	.only_mode = SCENE_ONLY_PINNABLE, ##__VA_ARGS__

static const struct fault_case cases_access[] = {
	{ "direct_read", ACCESS(with_disk, call_direct_io, .path = "/dev/ram0",
				.errors = { ENOMEM, EIO }) },
	{ "direct_read_to_missing_pages", ACCESS(with_disk, call_direct_io, .path = "/dev/ram0",
						 .command = 1, .errors = { ENOMEM, EIO, EFAULT }) },
	{ "direct_write", ACCESS(with_disk, call_direct_io, .path = "/dev/ram0", .flags = 1,
				 .errors = { ENOMEM, EIO }) },
	{ "process_vm_writev", ACCESS(with_full_regions, call_process_vm_write,
				      .errors = { ENOMEM }) },
	{ "register_buffer", ACCESS(with_ring, call_register_buffer,
				    .check = check_register_buffer, .errors = { ENOMEM }) },
	{ "madvise_dontneed", ACCESS(with_full_regions, call_madvise, .check = check_madvise,
				     .command = MADV_DONTNEED) },
	{ "madvise_populate", ACCESS(with_bare_regions, call_madvise, .check = check_madvise,
				     .command = MADV_POPULATE_WRITE,
				     .errors = { ENOMEM, EFAULT }) },
	{ "exec", .stage = SCENE_NOTHING, .count = 4, .call = call_exec, .check = check_exec,
	  .arms_itself = true, .never_fails = true, .ends_pool = true, .step = 16 },
};

#endif /* SEGPOOL_FAULTS_CASE_ACCESS_H */
