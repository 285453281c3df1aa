/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work in another process. A child must report through its exit status: what
 * EXPECT and ASSERT note there never reaches the harness.
 */
#ifndef SEGPOOL_TESTING_PROCESS_H
#define SEGPOOL_TESTING_PROCESS_H

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "calls.h"

/* Exit status, or 128 + the number of the signal that ended the child. */
static SP_UNUSED int sp_wait_child(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Fork; the child runs @work(@argument), exits with its result and dies with its parent. */
static SP_UNUSED pid_t sp_start_child(int (*work)(void *argument), void *argument)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child)
		return child < 0 ? -errno : child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(work(argument));
}

/* Fork, run, wait: the child's result (0 to 127), 128 + signal, or -errno. */
static SP_UNUSED int sp_in_child(int (*work)(void *argument), void *argument)
{
	pid_t child = sp_start_child(work, argument);

	return child < 0 ? child : sp_wait_child(child);
}

/* Pass a file over a unix socket: 0 or -errno. */
static SP_UNUSED int sp_send_file(int socket, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec vector = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

/* The file that was passed, or -1. */
static SP_UNUSED int sp_receive_file(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

#endif /* SEGPOOL_TESTING_PROCESS_H */
