/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Somebody who takes memory from a pool by every path and looks at it by every
 * route, and never writes: whatever he sees that is not zero is not his.
 */
#ifndef SEGPOOL_SECURITY_HUNTER_H
#define SEGPOOL_SECURITY_HUNTER_H

#include "testing_memory.h"
#include <liburing.h>
#include <sys/uio.h>

#define HUNT_REGION	SP_SMALL
#define HUNT_REGIONS	20
#define HUNT_BYTES	(HUNT_REGIONS * HUNT_REGION)

struct hunter {
	struct sp_pool pool;
	int pipe[2], mem, disk;
	struct io_uring ring;
	bool has_ring;
	unsigned int route;		/* the next look's */
	unsigned long looks[8];		/* that went through, by route */
	unsigned long foreign;		/* words that were not zero */
	char copy[HUNT_REGION];
};

static ssize_t look_by_load(struct hunter *hunter, char *at)
{
	memcpy(hunter->copy, at, HUNT_REGION);
	return HUNT_REGION;
}

static ssize_t look_by_pipe(struct hunter *hunter, char *at)
{
	struct iovec vector = { .iov_base = at, .iov_len = HUNT_REGION };
	ssize_t spliced = vmsplice(hunter->pipe[1], &vector, 1, 0), done, n;

	for (done = 0; done < spliced; done += n) {
		n = read(hunter->pipe[0], hunter->copy + done, spliced - done);
		if (n <= 0)
			break;
	}
	return spliced < 0 ? spliced : done;
}

static ssize_t look_by_vm_read(struct hunter *hunter, char *at)
{
	struct iovec near = { .iov_base = hunter->copy, .iov_len = HUNT_REGION };
	struct iovec far = { .iov_base = at, .iov_len = HUNT_REGION };

	return process_vm_readv(getpid(), &near, 1, &far, 1, 0);
}

static ssize_t look_by_proc_mem(struct hunter *hunter, char *at)
{
	return pread(hunter->mem, hunter->copy, HUNT_REGION, (off_t)(uintptr_t)at);
}

static ssize_t look_by_direct_io(struct hunter *hunter, char *at)
{
	ssize_t n = pwrite(hunter->disk, at, HUNT_REGION, 0);
	static char block[HUNT_REGION] __attribute__((aligned(4096)));

	if (n > 0)
		n = pread(hunter->disk, block, n, 0);
	if (n > 0)
		memcpy(hunter->copy, block, n);
	return n;
}

/* io_uring, as a plain write and from a registered buffer. */
static ssize_t ring_writes(struct hunter *hunter, char *at, int file, bool registered)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&hunter->ring);
	struct io_uring_cqe *result;
	ssize_t n;

	if (registered)
		io_uring_prep_write_fixed(entry, file, at, HUNT_REGION, 0, 0);
	else
		io_uring_prep_write(entry, file, at, HUNT_REGION, 0);
	if (io_uring_submit_and_wait(&hunter->ring, 1) < 0 ||
	    io_uring_peek_cqe(&hunter->ring, &result))
		return -1;
	n = result->res;
	io_uring_cqe_seen(&hunter->ring, result);
	return n < 0 ? -1 : pread(file, hunter->copy, n, 0);
}

static ssize_t look_by_ring(struct hunter *hunter, char *at)
{
	int file = hunter->has_ring ? memfd_create("hunt", MFD_CLOEXEC) : -1;
	ssize_t n = file < 0 ? -1 : ring_writes(hunter, at, file, false);

	close(file);
	return n;
}

static ssize_t look_by_registered_buffer(struct hunter *hunter, char *at)
{
	struct iovec vector = { .iov_base = at, .iov_len = HUNT_REGION };
	ssize_t n = -1;
	int file;

	if (!hunter->has_ring || io_uring_register_buffers(&hunter->ring, &vector, 1))
		return -1;
	file = memfd_create("hunt", MFD_CLOEXEC);
	if (file >= 0)
		n = ring_writes(hunter, at, file, true);
	io_uring_unregister_buffers(&hunter->ring);
	close(file);
	return n;
}

static ssize_t (*const looks[])(struct hunter *hunter, char *at) = {
	look_by_load, look_by_pipe, look_by_vm_read, look_by_proc_mem, look_by_direct_io,
	look_by_ring, look_by_registered_buffer,
};

#define NR_LOOKS	(sizeof(looks) / sizeof(looks[0]))

static void count_foreign(struct hunter *hunter, ssize_t length)
{
	const uint64_t *word = (const uint64_t *)hunter->copy;
	ssize_t i;

	for (i = 0; i < length / 8; i++)
		hunter->foreign += word[i] != 0;
}

/* Look by the next route; where it is refused or stops early, by loading. */
static void hunter_looks(struct hunter *hunter, const struct segpool_region *region)
{
	char *at = sp_region_at(&hunter->pool, region);
	unsigned int route = hunter->route++ % NR_LOOKS;
	ssize_t n = looks[route](hunter, at);

	if (n > 0) {
		hunter->looks[route]++;
		count_foreign(hunter, n);
	}
	if (n != HUNT_REGION)
		count_foreign(hunter, look_by_load(hunter, at));
}

static int hunter_open(struct hunter *hunter, uint32_t mode)
{
	int error = sp_pool_make(&hunter->pool, mode, HUNT_REGION, 2 * HUNT_BYTES, HUNT_BYTES,
				 HUNT_BYTES);

	if (error)
		return error;
	hunter->mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	hunter->disk = open("/dev/ram1", O_RDWR | O_DIRECT | O_CLOEXEC);
	hunter->has_ring = !io_uring_queue_init(4, &hunter->ring, 0);
	return hunter->mem < 0 || pipe2(hunter->pipe, O_CLOEXEC | O_NONBLOCK) ? -errno : 0;
}

static void hunter_close(struct hunter *hunter)
{
	close(hunter->mem);
	close(hunter->disk);
	close(hunter->pipe[0]);
	close(hunter->pipe[1]);
	if (hunter->has_ring)
		io_uring_queue_exit(&hunter->ring);
	sp_pool_close(&hunter->pool);
}

/* One region: new, discarded and back, released and reused. */
static int hunt_region(struct hunter *hunter, unsigned int i, struct segpool_region *region)
{
	uint32_t now = i % 2 ? SEGPOOL_NOW : 0, populate = i % 3 ? SEGPOOL_POPULATE : 0;
	uint64_t handle;

	if (sp_alloc_one(hunter->pool.fd, 0, populate, 0, region, NULL))
		return -ENOMEM;
	hunter_looks(hunter, region);
	if (i % 4)
		return 0;
	if (sp_discard(hunter->pool.fd, region->handle, 0, HUNT_REGION / 2, now))
		return -EINVAL;
	hunter_looks(hunter, region);
	if (sp_discard(hunter->pool.fd, region->handle, HUNT_REGION / 2, HUNT_REGION / 2, now) ||
	    sp_populate(hunter->pool.fd, region->handle, 0, HUNT_REGION, 0))
		return -EINVAL;
	hunter_looks(hunter, region);
	handle = region->handle;
	if (sp_free(hunter->pool.fd, handle, now) ||
	    sp_reuse(hunter->pool.fd, handle, 0, populate, region))
		return -EINVAL;
	hunter_looks(hunter, region);
	return 0;
}

/* All the budget gives; and once more after it was given back. */
static int hunt(struct hunter *hunter)
{
	struct segpool_region regions[HUNT_REGIONS];
	unsigned int i, round;
	int error = 0;

	for (round = 0; round < 2 && !error; round++) {
		for (i = 0; i < HUNT_REGIONS && !error; i++)
			error = hunt_region(hunter, i + round, &regions[i]);
		if (!error)
			error = sp_free_regions(hunter->pool.fd, regions, HUNT_REGIONS,
						round ? 0 : SEGPOOL_NOW);
	}
	return error;
}

#endif /* SEGPOOL_SECURITY_HUNTER_H */
