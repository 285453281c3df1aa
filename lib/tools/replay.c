// SPDX-License-Identifier: GPL-2.0-only
/* segpool replay: what a recorded program's memory would be like elsewhere. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "replay.h"

#define MAX_RUNS	8
#define MAX_SETTLE_S	3600

static const struct place *const places[] = {
	&place_kernel, &place_user, &place_malloc, &place_madvise, &place_auto,
};

struct replay_command {
	const char *history;
	const struct place *runs[MAX_RUNS];
	int nr_runs;
	const char *plot;
	int json;
	enum size_style style;
	struct replay_options options;
};

static const struct place *find_place(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strlen(places[i]->name) == length && !strncmp(places[i]->name, name, length))
			return places[i];
	return NULL;
}

/* Names with commas between them. */
static int set_places(struct replay_command *command, const char *list)
{
	const struct place *place;
	size_t length;

	command->nr_runs = 0;
	for (;; list += length + 1) {
		length = strcspn(list, ",");
		place = find_place(list, length);
		if (!place)
			return misused(&command_replay, "\"%.*s\" is none of kernel, user, malloc, "
				       "madvise and auto", (int)length, list);
		if (command->nr_runs == MAX_RUNS)
			return misused(&command_replay, "no more than %d at a time", MAX_RUNS);
		command->runs[command->nr_runs++] = place;
		if (!list[length])
			return 0;
	}
}

/* The results are in memory that it shares with its parent. */
static int run_alone(const struct replay_command *command, const struct history *history,
		     const struct place *place, struct replay_result *result)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		replay_run(history, place, &command->options, result);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return complain("%s: %s", place->name, strerror(errno));
	if (WIFSIGNALED(status))
		return complain("%s: the replay was ended by signal %d (%s)", place->name,
				WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (result->error[0])
		return complain("%s: %s", place->name, result->error);
	if (result->wrong_pages || result->wrong_frees)
		return complain("%s: memory did not keep what was written to it", place->name);
	return 0;
}

static int report(const struct replay_command *command, const struct history *history,
		  const struct replay_result *const *results, int count)
{
	if (!count)
		return -1;
	if (command->json)
		report_json(command->history, history, &command->options, results, count);
	else
		report_table(history, results, count, command->style);
	if (command->plot)
		return report_plot(command->plot, command->history, history, results, count);
	return 0;
}

/* One after the other: together they would measure each other. */
static int run_all(const struct replay_command *command, const struct history *history,
		   struct replay_result *results)
{
	const struct replay_result *done[MAX_RUNS];
	int error = 0, count = 0;

	for (int i = 0; i < command->nr_runs; i++) {
		error |= run_alone(command, history, command->runs[i], &results[i]);
		if (results[i].nr_samples && !results[i].error[0])
			done[count++] = &results[i];
	}
	error |= report(command, history, done, count);
	return error ? STATUS_FAILED : STATUS_OK;
}

static int replay(struct replay_command *command)
{
	size_t bytes = MAX_RUNS * sizeof(struct replay_result);
	struct replay_result *results;
	struct history history;
	int status;

	if (history_read(command->history, &history))
		return STATUS_FAILED;
	results = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED) {
		history_drop(&history);
		return failed("not enough memory for the results");
	}
	command->options.limits.peak_live = history.peak_live_bytes;
	status = run_all(command, &history, results);
	munmap(results, bytes);
	history_drop(&history);
	return status;
}

static int set_size(const char *name, const char *text, uint64_t *bytes)
{
	if (size_parse(text, bytes) || !*bytes)
		return misused(&command_replay, "--%s needs a size such as 512M or 2G, not \"%s\"",
			       name, text);
	return 0;
}

static int set_number(const char *name, const char *text, uint32_t least, uint32_t most,
		      uint32_t *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || number < least || number > most)
		return misused(&command_replay, "--%s needs a number from %u to %u, not \"%s\"", name,
			       least, most, text);
	*value = (uint32_t)number;
	return 0;
}

static int set_choice(const char *name, const char *text, const char *no, const char *yes,
		      int *value)
{
	if (strcmp(text, no) && strcmp(text, yes))
		return misused(&command_replay, "--%s is %s or %s, not \"%s\"", name, no, yes, text);
	*value = !strcmp(text, yes);
	return 0;
}

static int set_settle(struct replay_options *options, const char *text)
{
	uint32_t seconds;
	int status = set_number("settle", text, 0, MAX_SETTLE_S, &seconds);

	if (!status)
		options->settle_ms = 1000 * seconds;
	return status;
}

/* 0, or the status to end with. */
static int set_option(struct replay_command *command, int option, const char *text)
{
	struct replay_options *options = &command->options;

	switch (option) {
	case 'B':
	case 'C':
		return set_places(command, text);
	case 'b':
		return set_size("budget", text, &options->limits.budget);
	case 'v':
		return set_size("virtual", text, &options->limits.virtual_budget);
	case 'g':
		return set_size("region", text, &options->limits.region_size);
	case 's':
		return set_choice("speed", text, "max", "real", &options->real_time);
	case 'w':
		return set_choice("write", text, "page", "all", &options->write_all);
	case 'n':
		return set_number("rounds", text, 1, REPLAY_ROUNDS, &options->rounds);
	case 't':
		return set_settle(options, text);
	case 'p':
		command->plot = text;
		return 0;
	case 'j':
		command->json = 1;
		return 0;
	case 'x':
		command->style = SIZE_EXACT;
		return 0;
	}
	return STATUS_USAGE;
}

static const struct option names[] = {
	{ "backend", required_argument, NULL, 'B' },
	{ "compare", required_argument, NULL, 'C' },
	{ "budget", required_argument, NULL, 'b' },
	{ "virtual", required_argument, NULL, 'v' },
	{ "region", required_argument, NULL, 'g' },
	{ "speed", required_argument, NULL, 's' },
	{ "write", required_argument, NULL, 'w' },
	{ "rounds", required_argument, NULL, 'n' },
	{ "settle", required_argument, NULL, 't' },
	{ "plot", required_argument, NULL, 'p' },
	{ "json", no_argument, NULL, 'j' },
	{ "bytes", no_argument, NULL, 'x' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int run(int argc, char **argv)
{
	struct replay_command command = {
		.runs = { &place_auto }, .nr_runs = 1, .style = SIZE_HUMAN,
		.options = { .rounds = 1, .settle_ms = 2000, .progress = isatty(STDERR_FILENO) },
	};
	int option, status;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":jh", names, NULL)) != -1) {
		if (option == 'h')
			return helped(&command_replay);
		if (option == '?' || option == ':')
			return misused_option(&command_replay, argv, option);
		status = set_option(&command, option, optarg);
		if (status)
			return status;
	}
	if (optind + 1 != argc)
		return misused(&command_replay, optind == argc ? "name the history to replay" :
			       "one history at a time");
	command.history = argv[optind];
	return replay(&command);
}

const struct command command_replay = {
	.name = "replay",
	.summary = "run what was recorded in a pool, or elsewhere, and compare",
	.run = run,
	.help =
"Usage: segpool replay [OPTION]... FILE\n"
"\n"
"Does with memory what the history in FILE (- for standard input) says, from one thread\n"
"and in its order, and says what that took. Each page is written when it is allocated,\n"
"and its content is checked when it is freed.\n"
"\n"
"      --backend WHERE         kernel or user: a pool with that backend; auto: the one\n"
"                              of these that there is (the default); malloc; madvise:\n"
"                              addresses that are kept, and MADV_DONTNEED at each free\n"
"      --compare WHERE,WHERE   several, one after the other, each in a process of its own\n"
"      --budget SIZE           no more memory than that (a pool's physical budget; of\n"
"                              malloc the limit of mapped bytes, RLIMIT_DATA)\n"
"      --virtual SIZE          no more addresses than that (pools, madvise)\n"
"      --region SIZE           region size of pools (2M)\n"
"      --speed max|real        as fast as it goes, or when the program did it\n"
"      --write page|all        a word in each page, or every byte\n"
"      --rounds N              the program N times, in the same place\n"
"      --settle SECONDS        how long to rest at the end (2)\n"
"      --plot FILE.svg         draw it (needs gnuplot)\n"
"  -j, --json                  as JSON, with all samples\n"
"      --bytes                 exact numbers of bytes\n"
"\n"
"Physical is what /proc/self/status counts more than before; virtual is the addresses\n"
"that the pool has carved, or what malloc has mapped; steady is the mean over the second\n"
"half of the events. \"All freed\" is at the end, \"after a rest\" a moment later.\n",
};
