// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that run inputs, and the one that judges: each process runs a batch,
 * and when it has gone nothing may be left of it.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "helpers.h"
#include "world.h"

/* Whoever makes no step for so long will never make one. Once that was seen, less will do. */
#define STANDSTILL_MS	60000
#define STANDSTILL_AGAIN_MS	10000

static unsigned int standstill_ms = STANDSTILL_MS;

static void ignored(int signal_number SP_UNUSED)
{
}

static void threads_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

/* Signals interrupt calls and do nothing else. */
static void prepare_signals(void)
{
	struct sigaction action = { .sa_handler = ignored };

	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void prepare(struct world *world, struct shared *shared)
{
	prepare_signals();
	/* Only the main thread is to be interrupted by the timer. */
	threads_signals(SIG_BLOCK);
	if (world_make(world, shared)) {
		problem_note(shared, "cannot make the fuzzer's own memory and threads");
		_exit(1);
	}
	threads_signals(SIG_UNBLOCK);
	coverage_open(shared);
}

static void learn(struct world *world, struct shared *shared, const struct input *input,
		  struct dice *dice)
{
	corpus_add(shared, input, dice);
	if (!dice_one_in(dice, 4))
		return;
	coverage_compare(true);
	input_run(world, input);
	coverage_compare(false);
}

static void run_batch(struct shared *shared, const struct fuzz_options *options)
{
	struct world world;
	struct input *input;
	struct dice dice;

	prepare(&world, shared);
	while (shared->nr_batch < BATCH && atomic_load(&shared->calls) < options->calls) {
		dice.state = options->seed * 0x100000001b3ULL + shared->nr_inputs++;
		input = &shared->batch[shared->nr_batch++];
		input_make(shared, input, &dice);
		if (options->print) {
			input_print(stdout, input, "# input");
			fflush(stdout);
		}
		input_run(&world, input);
		if (atomic_load(&shared->has_problem))
			_exit(1);
		if (coverage_is_new())
			learn(&world, shared, input, &dice);
	}
	_exit(0);
}

static void run_single(struct shared *shared, const struct input *input)
{
	struct world world;

	prepare(&world, shared);
	input_run(&world, input);
	_exit(0);
}

static void kill_child(pid_t child)
{
	unsigned int i;

	kill(child, SIGKILL);
	for (i = 0; i < 500 && waitpid(child, NULL, WNOHANG) == 0; i++)
		sp_sleep_ms(10);
}

static void judge_status(struct shared *shared, int status)
{
	if (WIFSIGNALED(status))
		problem_note(shared, "the process was ended by signal %d, in or after %s",
			     WTERMSIG(status), atomic_load(&shared->last_call));
}

/* Waits for its end, as long as it makes progress. */
static void watch(struct shared *shared, pid_t child)
{
	uint64_t seen = 0, moved = sp_now_ms(), progress;
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		progress = atomic_load(&shared->progress);
		if (progress != seen)
			moved = sp_now_ms();
		seen = progress;
		if (sp_now_ms() - moved > standstill_ms) {
			problem_note(shared, "hangs: %s does not return",
				     atomic_load(&shared->last_call));
			standstill_ms = STANDSTILL_AGAIN_MS;
			kill_child(child);
			return;
		}
		sp_sleep_ms(5);
	}
	judge_status(shared, status);
}

static bool watch_child(struct shared *shared, pid_t child)
{
	if (child < 0)
		problem_note(shared, "cannot fork: errno %d", errno);
	else
		watch(shared, child);
	return check_module(shared);
}

/* Runs @input in a process of its own; whether all is well. */
bool run_one(struct shared *shared, const struct input *input)
{
	pid_t child;

	atomic_store(&shared->has_problem, false);
	kernel_log_renew();
	check_baseline();
	fflush(NULL);
	child = fork();
	if (!child)
		run_single(shared, input);
	return watch_child(shared, child);
}

/* Runs batches until there were enough calls (true), or a problem (false). */
bool run_fuzz(struct shared *shared, const struct fuzz_options *options)
{
	pid_t child;

	while (atomic_load(&shared->calls) < options->calls) {
		shared->nr_batch = 0;
		fflush(NULL);
		child = fork();
		if (!child)
			run_batch(shared, options);
		if (!watch_child(shared, child))
			return false;
	}
	return true;
}
