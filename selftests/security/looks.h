/* SPDX-License-Identifier: GPL-2.0-only */
/* Every route by which a process may look at its own memory: one region a look. */
#ifndef SEGPOOL_SECURITY_LOOKS_H
#define SEGPOOL_SECURITY_LOOKS_H

#include "testing_memory.h"
#include <liburing.h>
#include <sys/uio.h>
#include "promised.h"

#define LOOK_LENGTH	SP_SMALL

struct eyes {
	int pipe[2], mem, disk;
	struct io_uring ring;
	bool has_ring;
	char copy[LOOK_LENGTH];		/* what was seen last */
};

static SP_UNUSED int eyes_open(struct eyes *eyes)
{
	memset(eyes, 0, sizeof(*eyes));
	eyes->mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	eyes->disk = open("/dev/ram1", O_RDWR | O_DIRECT | O_CLOEXEC);
	eyes->has_ring = !io_uring_queue_init(4, &eyes->ring, 0);
	return eyes->mem < 0 || pipe2(eyes->pipe, O_CLOEXEC | O_NONBLOCK) ? -errno : 0;
}

static SP_UNUSED void eyes_close(struct eyes *eyes)
{
	close(eyes->mem);
	close(eyes->disk);
	close(eyes->pipe[0]);
	close(eyes->pipe[1]);
	if (eyes->has_ring)
		io_uring_queue_exit(&eyes->ring);
}

static ssize_t look_by_load(struct eyes *eyes, char *at)
{
	memcpy(eyes->copy, at, LOOK_LENGTH);
	return LOOK_LENGTH;
}

static ssize_t read_from_pipe(struct eyes *eyes, ssize_t length)
{
	ssize_t done, n;

	for (done = 0; done < length; done += n) {
		n = read(eyes->pipe[0], eyes->copy + done, length - done);
		if (n <= 0)
			break;
	}
	return length < 0 ? length : done;
}

static ssize_t look_by_pipe(struct eyes *eyes, char *at)
{
	struct iovec vector = { .iov_base = at, .iov_len = LOOK_LENGTH };

	return read_from_pipe(eyes, vmsplice(eyes->pipe[1], &vector, 1, 0));
}

static ssize_t look_by_vm_read(struct eyes *eyes, char *at)
{
	struct iovec near = { .iov_base = eyes->copy, .iov_len = LOOK_LENGTH };
	struct iovec far = { .iov_base = at, .iov_len = LOOK_LENGTH };

	return process_vm_readv(getpid(), &near, 1, &far, 1, 0);
}

static ssize_t look_by_proc_mem(struct eyes *eyes, char *at)
{
	return pread(eyes->mem, eyes->copy, LOOK_LENGTH, (off_t)(uintptr_t)at);
}

static ssize_t look_by_direct_io(struct eyes *eyes, char *at)
{
	static char block[LOOK_LENGTH] __attribute__((aligned(4096)));
	ssize_t n = pwrite(eyes->disk, at, LOOK_LENGTH, 0);

	if (n > 0)
		n = pread(eyes->disk, block, n, 0);
	if (n > 0)
		memcpy(eyes->copy, block, n);
	return n;
}

/* io_uring, as a plain write and from a registered buffer; a file would need a worker. */
static ssize_t ring_writes(struct eyes *eyes, char *at, bool registered)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&eyes->ring);
	struct io_uring_cqe *result;
	ssize_t n;

	if (registered)
		io_uring_prep_write_fixed(entry, eyes->pipe[1], at, LOOK_LENGTH, 0, 0);
	else
		io_uring_prep_write(entry, eyes->pipe[1], at, LOOK_LENGTH, 0);
	if (io_uring_submit_and_wait(&eyes->ring, 1) < 0 ||
	    io_uring_peek_cqe(&eyes->ring, &result))
		return -1;
	n = result->res;
	io_uring_cqe_seen(&eyes->ring, result);
	return read_from_pipe(eyes, n);
}

static ssize_t look_by_ring(struct eyes *eyes, char *at)
{
	return eyes->has_ring ? ring_writes(eyes, at, false) : -1;
}

static ssize_t look_by_registered_buffer(struct eyes *eyes, char *at)
{
	struct iovec vector = { .iov_base = at, .iov_len = LOOK_LENGTH };
	ssize_t n;

	if (!eyes->has_ring || io_uring_register_buffers(&eyes->ring, &vector, 1))
		return -1;
	n = ring_writes(eyes, at, true);
	io_uring_unregister_buffers(&eyes->ring);
	return n;
}

/* Does it go through? What this machine has not (a RAM disk, io_uring) cannot. */

static bool always_works(const struct eyes *eyes SP_UNUSED, uint32_t mode SP_UNUSED)
{
	return true;
}

static bool pipe_works(const struct eyes *eyes SP_UNUSED, uint32_t mode)
{
	return page_can_be_pinned(mode);
}

static bool vm_read_works(const struct eyes *eyes SP_UNUSED, uint32_t mode)
{
	return mapping_can_be_pinned(mode);
}

static bool direct_io_works(const struct eyes *eyes, uint32_t mode)
{
	return eyes->disk >= 0 && page_can_be_pinned(mode);
}

static bool ring_works(const struct eyes *eyes, uint32_t mode SP_UNUSED)
{
	return eyes->has_ring;
}

static bool registered_buffer_works(const struct eyes *eyes, uint32_t mode)
{
	return eyes->has_ring && hold_by_ring(mode) == 1;
}

/**
 * struct look - one route
 * @go: looks at the LOOK_LENGTH bytes at an address: how many came, or < 0.
 * @works: whether it must go through where the pages are there; if not, it
 *	must be refused.
 */
struct look {
	const char *name;
	ssize_t (*go)(struct eyes *eyes, char *at);
	bool (*works)(const struct eyes *eyes, uint32_t mode);
};

static const struct look looks[] = {
	{ "load", look_by_load, always_works },
	{ "vmsplice()", look_by_pipe, pipe_works },
	{ "process_vm_readv()", look_by_vm_read, vm_read_works },
	{ "/proc/self/mem", look_by_proc_mem, always_works },
	{ "direct I/O", look_by_direct_io, direct_io_works },
	{ "io_uring", look_by_ring, ring_works },
	{ "a registered buffer", look_by_registered_buffer, registered_buffer_works },
};

#define NR_LOOKS	(sizeof(looks) / sizeof(looks[0]))

#endif /* SEGPOOL_SECURITY_LOOKS_H */
