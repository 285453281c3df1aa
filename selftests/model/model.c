// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations, compared with a reference: see model.h. Without options a
 * short run of each kind and mapping mode, as TAP.
 */
#include "model.h"
#include "owners.h"
#include <getopt.h>
#include <stdlib.h>
#include "kselftest.h"

#define SHORT_OPERATIONS	3000
#define SHORT_KILLS		8
/* What is killed may take its time to go, on a machine that is busy. */
#define IDLE_MS			60000

static const struct option long_options[] = {
	{ "operations", required_argument, NULL, 'o' },
	{ "seed", required_argument, NULL, 's' },
	{ "threads", required_argument, NULL, 't' },
	{ "processes", required_argument, NULL, 'p' },
	{ "mode", required_argument, NULL, 'm' },
	{ "replay", required_argument, NULL, 'r' },
	{ "kill", no_argument, NULL, 'k' },
	{ "pressure", no_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

static void usage(void)
{
	unsigned int i;

	printf("Usage: model [OPTION]...\n\n"
	       "Without options: a short run of everything, as TAP. With any, one run:\n\n"
	       "  --operations N   how many (default %u); with --kill, how many kills\n"
	       "  --seed N         where the random numbers begin (default: printed)\n"
	       "  --processes N    how many at the same time (default 1)\n"
	       "  --threads N      N threads of each process share its pools, and are compared\n"
	       "                   when all pause; without it each step of one thread is\n"
	       "  --mode MODE      pools of this mode only:", SHORT_OPERATIONS);
	for (i = 0; i < nr_mapping_modes; i++)
		printf(" %s", mapping_modes[i].name);
	printf("\n  --replay FILE    run the lines \"# replay ...\" of an output\n"
	       "  --kill           kill the processes at random moments (with --threads)\n"
	       "  --pressure       in a memory cgroup that is too small (with --threads)\n\n"
	       "Exit status: 0, 1: a mismatch was found, 2: it could not be tried.\n");
}

/* A number from 1 to @max, or the program ends. */
static uint64_t number_option(const char *name, const char *text, uint64_t max)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (*text && !*end && value && value <= max)
		return value;
	fprintf(stderr, "model: --%s needs a number from 1 to %llu, not %s\n", name,
		(unsigned long long)max, text);
	exit(2);
}

static uint32_t mode_option(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_mapping_modes; i++)
		if (!strcmp(mapping_modes[i].name, name))
			return 1U << i;
	fprintf(stderr, "model: there is no mode %s; see --help\n", name);
	exit(2);
}

static void parse(int argc, char **argv, struct options *options)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (letter) {
		case 'o':
			options->operations = number_option("operations", optarg, UINT64_MAX);
			break;
		case 's':
			options->seed = number_option("seed", optarg, UINT64_MAX);
			break;
		case 't':
			options->threads = number_option("threads", optarg, MAX_THREADS);
			break;
		case 'p':
			options->processes = number_option("processes", optarg, 64);
			break;
		case 'm':
			options->modes = mode_option(optarg);
			break;
		case 'r':
			options->replay = optarg;
			break;
		case 'k':
			options->kill = true;
			break;
		case 'c':
			options->pressed = true;
			break;
		case 'h':
			usage();
			exit(0);
		default:
			exit(2);
		}
	}
	if ((options->kill || options->pressed) && !options->threads)
		options->threads = 2;
}

static void print_shared_totals(const struct totals *totals)
{
	printf("# compared at %llu pauses; %llu kills; ", (unsigned long long)totals->pauses,
	       (unsigned long long)totals->kills);
	printf("refused: %llu virtual, %llu physical, %llu system\n",
	       (unsigned long long)totals->refused[SEGPOOL_REASON_VIRTUAL],
	       (unsigned long long)totals->refused[SEGPOOL_REASON_PHYSICAL],
	       (unsigned long long)totals->refused[SEGPOOL_REASON_SYSTEM]);
}

static void print_totals(const struct totals *totals, const struct options *options,
			 uint64_t milliseconds)
{
	uint64_t skipped = 0;
	uint32_t i;

	printf("# operations run and checked, by kind:");
	for (i = 0; i < nr_op_kinds; i++) {
		printf("%s %s %llu", i % 6 ? "," : "\n#  ", op_kinds[i].name,
		       (unsigned long long)totals->ran[i]);
		skipped += totals->skipped[i];
	}
	printf("\n# %llu operations in %llu %s, %llu.%03llu s, seed %llu; %llu had nothing to do\n",
	       (unsigned long long)totals->operations, (unsigned long long)totals->histories,
	       options->threads ? "sessions" : "histories",
	       (unsigned long long)milliseconds / 1000, (unsigned long long)milliseconds % 1000,
	       (unsigned long long)options->seed, (unsigned long long)skipped);
	if (options->threads)
		print_shared_totals(totals);
	printf("# mismatches: %llu\n", (unsigned long long)totals->mismatches);
}

/* Nothing is left of pools that are closed or whose owners are dead. */
static bool nothing_is_left(const struct leftovers *before, struct totals *totals)
{
	if (access(SP_DEBUGFS, R_OK) || leftovers_none(before, IDLE_MS))
		return true;
	totals->mismatches++;
	return false;
}

/* 0, 1: it found something, -1: it could not be tried. */
static int run(const struct options *options)
{
	struct totals *totals = shared_memory(sizeof(*totals));
	struct leftovers before;
	uint64_t start;
	int failed;

	leftovers_before(&before);
	start = sp_now_ms();
	failed = options->threads ? run_concurrent(options, totals) : run_single(options, totals);
	start = sp_now_ms() - start;
	if (failed >= 0) {
		failed |= !nothing_is_left(&before, totals);
		print_totals(totals, options, start);
	}
	munmap(totals, sizeof(*totals));
	return failed > 0 ? 1 : failed;
}

static int replay(const struct options *options)
{
	struct history *history = shared_memory(sizeof(*history));
	int length = history_read(history, options->replay);

	if (length <= 0) {
		fprintf(stderr, "model: %s has no lines that begin with \"# replay\"\n",
			options->replay);
		return 2;
	}
	history_print(history, options->seed, options->modes);
	printf("# %d operations: %s\n", length,
	       history->failed ? history->mismatch : "as expected");
	return history->failed;
}

static void test(const char *name, const char *mode, const struct options *options)
{
	int result = run(options);

	if (result < 0)
		ksft_test_result_skip("%s_%s # SKIP memory cgroups cannot be had\n", name, mode);
	else
		ksft_test_result(!result, "%s_%s\n", name, mode);
}

static void run_short(uint64_t seed)
{
	struct options options = { .seed = seed };
	unsigned int i;

	ksft_print_header();
	ksft_set_plan(4 * nr_mapping_modes);
	for (i = 0; i < nr_mapping_modes; i++) {
		options = (struct options){ .seed = seed, .modes = 1U << i, .processes = 2,
					    .operations = SHORT_OPERATIONS };
		test("each_step", mapping_modes[i].name, &options);
		options.threads = 3;
		test("concurrent", mapping_modes[i].name, &options);
		options.pressed = true;
		test("pressed", mapping_modes[i].name, &options);
		options.pressed = false;
		options.kill = true;
		options.operations = SHORT_KILLS;
		test("killed", mapping_modes[i].name, &options);
	}
	ksft_finished();
}

int main(int argc, char **argv)
{
	struct options options = { .operations = SHORT_OPERATIONS, .seed = 1 };

	if (argc == 4 && !strcmp(argv[1], OWNER_BY_EXEC))
		return owner_by_exec(argv[2], argv[3]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	disturbances = shared_memory(sizeof(*disturbances));
	options.modes = (1U << nr_mapping_modes) - 1;
	parse(argc, argv, &options);
	if (access(SEGPOOL_DEVICE, R_OK | W_OK)) {
		printf("1..0 # SKIP %s cannot be opened: is the module loaded?\n", SEGPOOL_DEVICE);
		return argc > 1 ? 2 : KSFT_SKIP;
	}
	if (argc == 1)
		run_short(options.seed);
	if (options.replay)
		return replay(&options);
	return run(&options) ? 1 : 0;
}
