/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A third process that copies between its own memory and another's with
 * process_vm_readv() and process_vm_writev(), and stops half-way: its own side
 * is missing and its page fault is answered (userfaultfd) when the test wants.
 * Until then the kernel holds the other side's pages.
 */
#ifndef SEGPOOL_SECURITY_READER_H
#define SEGPOOL_SECURITY_READER_H

#include "testing_memory.h"
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/uio.h>
#include "scene.h"

struct reader {
	pid_t victim;
	struct whereabouts *at;
	char *near, *source;		/* our side; what the missing pages will be */
	char *seen;			/* shared: what was read */
	bool writes;
	int fault_fd, done[2];
	pthread_t thread;
	long result;
};

static void *reader_copies(void *argument)
{
	struct reader *reader = argument;
	struct iovec near = { .iov_base = reader->near, .iov_len = TARGET };
	struct iovec far = { .iov_base = reader->at->target, .iov_len = TARGET };
	ssize_t n = reader->writes ? process_vm_writev(reader->victim, &near, 1, &far, 1, 0) :
				     process_vm_readv(reader->victim, &near, 1, &far, 1, 0);

	reader->result = n < 0 ? -errno : n;
	if (write(reader->done[1], "d", 1) != 1)
		abort();
	return NULL;
}

static int reader_prepares(struct reader *reader)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	reader->near = map_anonymous(TARGET);
	reader->source = map_anonymous(TARGET);
	reader->fault_fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (reader->fault_fd < 0)
		return -ENOSYS;
	range.range.start = (uintptr_t)reader->near;
	range.range.len = TARGET;
	mark_fill(reader->source, TARGET, MARK_TRANSFER);
	return ioctl(reader->fault_fd, UFFDIO_API, &api) ||
	       ioctl(reader->fault_fd, UFFDIO_REGISTER, &range) || pipe(reader->done) ? -errno : 0;
}

/* 1 when the copy waits for our memory, holding theirs; else how it ended. */
static long reader_starts(void *state, long writes)
{
	struct reader *reader = state;
	struct pollfd events[2];
	long error = reader_prepares(reader);

	if (error)
		return error;
	reader->writes = writes;
	pthread_create(&reader->thread, NULL, reader_copies, reader);
	events[0] = (struct pollfd){ .fd = reader->fault_fd, .events = POLLIN };
	events[1] = (struct pollfd){ .fd = reader->done[0], .events = POLLIN };
	if (poll(events, 2, 60000) <= 0)
		return -ETIME;
	return events[0].revents & POLLIN ? 1 : reader->result;
}

/* Lets the copy go on; returns how many bytes it had copied in the end. */
static long reader_ends(void *state, long unused)
{
	struct reader *reader = state;
	struct uffdio_copy copy = { .dst = (uintptr_t)reader->near, .len = TARGET,
				    .src = (uintptr_t)reader->source };

	if (ioctl(reader->fault_fd, UFFDIO_COPY, &copy))
		return -errno;
	pthread_join(reader->thread, NULL);
	if (!reader->writes && reader->result > 0)
		memcpy(reader->seen, reader->near, reader->result);
	return reader->result;
}

#endif /* SEGPOOL_SECURITY_READER_H */
