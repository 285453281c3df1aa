/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way to get at pages past the page tables of their owner: to hold them
 * over a zap where the kernel allows that, and to see or change them afterwards.
 */
#ifndef SEGPOOL_SECURITY_ROUTES_H
#define SEGPOOL_SECURITY_ROUTES_H

#include "testing_memory.h"
#include <liburing.h>
#include <sys/ptrace.h>
#include "promised.h"
#include "reader.h"
#include "throttle.h"
#include "zaps.h"

struct theft {
	struct owner owner_state;
	struct stranger stranger_state;
	struct reader reader_state;
	struct actor owner, stranger, reader;
	struct whereabouts *at;
	struct io_uring ring;
	bool has_ring;
	struct throttle throttle;
	char *seen;			/* what came out of the target: TARGET bytes */
};

/**
 * struct route - one way to the pages
 * @prepare: before the actors start; NULL, or what the machine lacks.
 * @pin: 1: the target's pages are held; 0: this route holds nothing; -errno:
 *	refused.
 * @expected: what @pin must return in this mode on this kernel.
 * @finish: after the zap and after everybody took what there is: go through.
 *	Returns the bytes in theft->seen, 0, or -errno.
 * @shows: what is seen are the held pages, so it must be the old bytes.
 * @keeps_the_owner: he does not end before the transfer has.
 * @visible: for a route that holds nothing: how many bytes it must show of what
 *	is there afterwards, where anything is.
 */
struct route {
	const char *(*prepare)(struct theft *theft);
	long (*pin)(struct theft *theft);
	long (*expected)(uint32_t mode);
	long (*finish)(struct theft *theft);
	bool shows;
	bool keeps_the_owner;
	long visible;
};

/* vmsplice() */

static const char *prepare_pipe(struct theft *theft)
{
	return pipe2(theft->owner_state.pipe, O_CLOEXEC | O_NONBLOCK) ? "no pipe" : NULL;
}

static long owner_splices(void *state, long unused)
{
	struct owner *owner = state;
	struct iovec vector = { .iov_base = sp_region_at(&owner->pool, &owner->target),
				.iov_len = TARGET };
	ssize_t n = vmsplice(owner->pipe[1], &vector, 1, 0);

	return n < 0 ? -errno : n == TARGET;
}

static long pin_by_pipe(struct theft *theft)
{
	return actor_ask(&theft->owner, owner_splices, 0);
}

static long see_by_pipe(struct theft *theft)
{
	size_t done;
	ssize_t n;

	for (done = 0; done < TARGET; done += n) {
		n = read(theft->owner_state.pipe[0], theft->seen + done, TARGET - done);
		if (n <= 0)
			break;
	}
	return done;
}

/* io_uring, registered buffers: the ring is ours, the buffer the owner's */

static const char *prepare_ring(struct theft *theft)
{
	if (io_uring_queue_init(4, &theft->ring, 0))
		return "this kernel has no io_uring, or not for us";
	theft->has_ring = true;
	theft->owner_state.ring = theft->ring.ring_fd;
	return NULL;
}

static long owner_registers(void *state, long unused)
{
	struct owner *owner = state;
	struct iovec vector = { .iov_base = sp_region_at(&owner->pool, &owner->target),
				.iov_len = TARGET };
	long error = syscall(SYS_io_uring_register, owner->ring, IORING_REGISTER_BUFFERS, &vector,
			     1);

	return error ? -errno : 1;
}

static long pin_by_ring(struct theft *theft)
{
	return actor_ask(&theft->owner, owner_registers, 0);
}

static long ring_transfer(struct theft *theft, int file, bool writes_the_buffer)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&theft->ring);
	struct io_uring_cqe *result;
	long n;

	if (writes_the_buffer)
		io_uring_prep_read_fixed(entry, file, theft->at->target, TARGET, 0, 0);
	else
		io_uring_prep_write_fixed(entry, file, theft->at->target, TARGET, 0, 0);
	if (io_uring_submit_and_wait(&theft->ring, 1) < 0 ||
	    io_uring_peek_cqe(&theft->ring, &result))
		return -EIO;
	n = result->res;
	io_uring_cqe_seen(&theft->ring, result);
	return n;
}

static long see_by_ring(struct theft *theft)
{
	int file = memfd_create("ring", MFD_CLOEXEC);
	long n = ring_transfer(theft, file, false);

	if (n > 0)
		n = pread(file, theft->seen, TARGET, 0);
	close(file);
	return n;
}

static long write_by_ring(struct theft *theft)
{
	int file = memfd_create("ring", MFD_CLOEXEC);
	long n;

	mark_fill(theft->seen, TARGET, MARK_TRANSFER);
	n = pwrite(file, theft->seen, TARGET, 0);
	if (n == TARGET)
		n = ring_transfer(theft, file, true);
	close(file);
	return n < 0 ? n : 0;
}

/* Direct I/O that is under way */

static const char *prepare_disk(struct theft *theft)
{
	const char *missing = throttle_open(&theft->throttle);

	if (missing)
		return missing;
	mark_fill(theft->seen, TARGET, MARK_TRANSFER);
	if (pwrite(theft->throttle.disk, theft->seen, TARGET, 0) != TARGET)
		return "the RAM disk cannot be written to";
	theft->owner_state.disk = theft->throttle.disk;
	return NULL;
}

static void *owner_reads_disk(void *state)
{
	struct owner *owner = state;

	owner->io_tid = gettid();
	owner->io_result = pread(owner->disk, sp_region_at(&owner->pool, &owner->target), TARGET,
				 0);
	owner->io_result = owner->io_result < 0 ? -errno : owner->io_result;
	owner->io_tid = -1;
	return NULL;
}

static void *owner_writes_disk(void *state)
{
	struct owner *owner = state;

	owner->io_tid = gettid();
	owner->io_result = pwrite(owner->disk, sp_region_at(&owner->pool, &owner->target), TARGET,
				  0);
	owner->io_result = owner->io_result < 0 ? -errno : owner->io_result;
	owner->io_tid = -1;
	return NULL;
}

static int io_is_under_way_or_over(void *state)
{
	struct owner *owner = state;

	return owner->io_tid < 0 || (owner->io_tid > 0 && thread_waits_for_io(owner->io_tid));
}

static long owner_starts_io(void *state, long work)
{
	struct owner *owner = state;

	owner->io_tid = 0;
	pthread_create(&owner->io_thread, NULL, (void *(*)(void *))work, owner);
	if (!sp_wait_until(io_is_under_way_or_over, owner, 60000))
		return -ETIME;
	return owner->io_tid < 0 ? owner->io_result : 1;
}

static long owner_ends_io(void *state, long unused)
{
	struct owner *owner = state;

	pthread_join(owner->io_thread, NULL);
	return owner->io_result;
}

static long owner_enters(void *state, long group)
{
	return sp_cgroup_enter((struct sp_cgroup *)group);
}

static long pin_by_io(struct theft *theft, void *(*work)(void *))
{
	long error = actor_ask(&theft->owner, owner_enters, (long)&theft->throttle.group);

	return error ?: actor_ask(&theft->owner, owner_starts_io, (long)work);
}

static long pin_by_direct_read(struct theft *theft)
{
	return pin_by_io(theft, owner_reads_disk);
}

static long pin_by_direct_write(struct theft *theft)
{
	return pin_by_io(theft, owner_writes_disk);
}

/* An owner who is gone says nothing. */
static long finish_io(struct theft *theft)
{
	long result = throttle_set(&theft->throttle, "max");

	if (!result)
		result = actor_ask(&theft->owner, owner_ends_io, 0);
	return result == -EPIPE ? 0 : result;
}

static long finish_direct_read(struct theft *theft)
{
	long result = finish_io(theft);

	return result < 0 ? result : 0;
}

static long see_by_direct_write(struct theft *theft)
{
	long result = finish_io(theft);

	if (result < 0)
		return result;
	return pread(theft->throttle.disk, theft->seen, TARGET, 0);
}

/* process_vm_readv(), process_vm_writev() */

static long pin_by_vm_read(struct theft *theft)
{
	return actor_ask(&theft->reader, reader_starts, false);
}

static long pin_by_vm_write(struct theft *theft)
{
	return actor_ask(&theft->reader, reader_starts, true);
}

static long see_by_vm_read(struct theft *theft)
{
	return actor_ask(&theft->reader, reader_ends, 0);
}

static long finish_vm_write(struct theft *theft)
{
	long result = actor_ask(&theft->reader, reader_ends, 0);

	return result < 0 ? result : 0;
}

/* A debugger: holds nothing, comes afterwards */

static long pin_nothing(struct theft *theft)
{
	return 0;
}

/* Every so many words: a call for each is slow. */
#define PEEK_EVERY	64
#define PEEKED		(TARGET / PEEK_EVERY)

/* -errno when the owner cannot be attached to. */
static long see_by_ptrace(struct theft *theft)
{
	long *words = (long *)theft->seen;
	size_t i, n = 0;

	if (ptrace(PTRACE_ATTACH, theft->owner.pid, NULL, NULL) ||
	    waitpid(theft->owner.pid, NULL, __WALL) != theft->owner.pid)
		return -errno;
	for (i = 0; i < TARGET / sizeof(long); i += PEEK_EVERY) {
		errno = 0;
		words[n] = ptrace(PTRACE_PEEKDATA, theft->owner.pid,
				  (long *)theft->at->target + i, NULL);
		n += !errno;
	}
	ptrace(PTRACE_DETACH, theft->owner.pid, NULL, NULL);
	return n * sizeof(long);
}

/* -errno when the file cannot be opened; EIO says that nothing is mapped there. */
static long see_by_proc_mem(struct theft *theft)
{
	char path[64];
	long n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", theft->owner.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, theft->seen, TARGET, (off_t)(uintptr_t)theft->at->target);
	n = n < 0 ? -errno : n;
	close(fd);
	return n == -EIO ? 0 : n;
}

static const struct route
	route_pipe = { .prepare = prepare_pipe, .pin = pin_by_pipe, .expected = hold_by_page,
		       .finish = see_by_pipe, .shows = true },
	route_ring_out = { .prepare = prepare_ring, .pin = pin_by_ring, .expected = hold_by_ring,
			   .finish = see_by_ring, .shows = true },
	route_ring_in = { .prepare = prepare_ring, .pin = pin_by_ring, .expected = hold_by_ring,
			  .finish = write_by_ring },
	route_direct_read = { .prepare = prepare_disk, .pin = pin_by_direct_read,
			      .expected = hold_by_page, .finish = finish_direct_read,
			      .keeps_the_owner = true },
	route_direct_write = { .prepare = prepare_disk, .pin = pin_by_direct_write,
			       .expected = hold_by_page, .finish = see_by_direct_write,
			       .shows = true, .keeps_the_owner = true },
	route_vm_read = { .pin = pin_by_vm_read, .expected = hold_by_mapping,
			  .finish = see_by_vm_read, .shows = true, .keeps_the_owner = true },
	route_vm_write = { .pin = pin_by_vm_write, .expected = hold_by_mapping,
			   .finish = finish_vm_write, .keeps_the_owner = true },
	route_ptrace = { .pin = pin_nothing, .expected = hold_nothing, .finish = see_by_ptrace,
			 .visible = PEEKED },
	route_proc_mem = { .pin = pin_nothing, .expected = hold_nothing,
			   .finish = see_by_proc_mem, .visible = TARGET };

#endif /* SEGPOOL_SECURITY_ROUTES_H */
