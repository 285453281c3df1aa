// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fuzzer of the module's interface: random sequences of raw calls, with memory
 * that is missing, moves or changes under the kernel, and every system call that
 * can be aimed at a pool in between.
 *
 *   fuzz [--calls N] [--seed S] [--print] [--replay WORD...]
 *
 * An input that fails is made short and printed; --replay runs it again.
 * --print prints each input before it is run, for a kernel that does not survive.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <kselftest.h>

#include "helpers.h"
#include "world.h"

/* What "make check" has time for on the slowest kernel. */
#define USUAL_CALLS	4000

/* So that no input is refused too early, nor uses up the machine. */
#define PHYSICAL_MIB	1
#define CEILING_MIB	4

struct arguments {
	struct fuzz_options options;
	struct input replay;
	bool replays;
};

static uint64_t old_physical, old_ceiling;

static void restore_limits(void)
{
	sp_set_module_parameter("physical_mib", old_physical);
	sp_set_module_parameter("ceiling_mib", old_ceiling);
}

static void usage(void)
{
	fprintf(stderr, "Usage: fuzz [--calls N] [--seed S] [--print] [--replay WORD...]\n");
	exit(KSFT_FAIL);
}

static void parse(struct arguments *arguments, int argc, char **argv)
{
	int i;

	arguments->options = (struct fuzz_options){ .calls = USUAL_CALLS, .seed = 1 };
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--print")) {
			arguments->options.print = true;
		} else if (i + 1 == argc) {
			usage();
		} else if (!strcmp(argv[i], "--calls")) {
			arguments->options.calls = strtoull(argv[++i], NULL, 0);
		} else if (!strcmp(argv[i], "--seed")) {
			arguments->options.seed = strtoull(argv[++i], NULL, 0);
		} else if (!strcmp(argv[i], "--replay")) {
			arguments->replays = true;
			if (input_parse(&arguments->replay, argc - i - 1, argv + i + 1))
				usage();
			return;
		} else {
			usage();
		}
	}
}

static void limit_module(void)
{
	old_physical = sp_module_parameter("physical_mib");
	old_ceiling = sp_module_parameter("ceiling_mib");
	if (sp_set_module_parameter("physical_mib", PHYSICAL_MIB) ||
	    sp_set_module_parameter("ceiling_mib", CEILING_MIB))
		ksft_exit_skip("the module's parameters cannot be written: load segpool.ko, be root\n");
}

/* The input that is to blame: the last one where it was noticed at once. */
static struct input *culprit(struct shared *shared)
{
	uint32_t i = shared->nr_batch;

	while (i--)
		if (!run_one(shared, &shared->batch[i]))
			return &shared->batch[i];
	return NULL;
}

static void explain(struct shared *shared)
{
	struct input *input;

	printf("# %s\n", shared->problem);
	fflush(stdout);
	input = culprit(shared);
	if (!input) {
		printf("# no input of the last %u fails alone; run the same --seed with --print\n",
		       shared->nr_batch);
		return;
	}
	printf("# alone: %s\n", shared->problem);
	input_print(stdout, input, "# --replay");
	fflush(stdout);
	input_minimise(shared, input);
	input_print(stdout, input, "# made short: --replay");
}

/* No call may always be turned away at the door. */
static bool calls_succeed(const struct shared *shared)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < nr_call_types; i++) {
		if (call_types[i].run || !strcmp(call_types[i].name, "unknown"))
			continue;
		if (!shared->errnos[i][0]) {
			printf("# %s has never succeeded\n", call_types[i].name);
			all = false;
		}
	}
	return all;
}

static void replay(struct shared *shared, const struct input *input)
{
	ksft_set_plan(1);
	if (!run_one(shared, input))
		printf("# %s\n", shared->problem);
	report(shared);
	ksft_test_result(!atomic_load(&shared->has_problem), "replay\n");
}

static void fuzz(struct shared *shared, const struct fuzz_options *options)
{
	bool sound;

	ksft_set_plan(2);
	printf("# seed %llu\n", (unsigned long long)options->seed);
	sound = run_fuzz(shared, options);
	report(shared);
	if (!sound)
		explain(shared);
	ksft_test_result(sound, "calls_do_no_harm\n");
	ksft_test_result(calls_succeed(shared), "calls_get_through\n");
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct shared *shared;

	parse(&arguments, argc, argv);
	ksft_print_header();
	shared = shared_make();
	if (!shared)
		ksft_exit_fail_msg("no memory for the corpus\n");
	limit_module();
	atexit(restore_limits);
	kernel_log_open();
	if (arguments.replays)
		replay(shared, &arguments.replay);
	else
		fuzz(shared, &arguments.options);
	ksft_finished();
}
