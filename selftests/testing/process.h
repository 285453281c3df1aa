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

#endif /* SEGPOOL_TESTING_PROCESS_H */
