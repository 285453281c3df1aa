// SPDX-License-Identifier: GPL-2.0-only
/* segpool record: all pools, again and again, as a table for later. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "pools_report.h"
#include "words.h"

#define NOT_STARTED	127

struct record {
	struct client client;
	const char *output;
	uint32_t interval_ms;
	char **program;
	FILE *file;
	uint64_t began_ns, rows, samples;
	pid_t pid;
	int pid_fd;
};

static volatile sig_atomic_t ended;

static void end(int number)
{
	ended = number;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* --- the table --- */

static void write_head(struct record *record)
{
	fputs("ms,pool,pid,comm,pressure", record->file);
	for (int i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		fprintf(record->file, ",%s", pool_counters[i].name);
	fputc('\n', record->file);
}

/* As RFC 4180 has it: in quotes, which are doubled in it. */
static void write_name(FILE *file, const char *comm)
{
	char name[NAME_TEXT];

	fputc('"', file);
	for (const char *text = name_text(comm, name); *text; text++) {
		if (*text == '"')
			fputc('"', file);
		fputc(*text, file);
	}
	fputc('"', file);
}

static void write_pool(struct record *record, uint64_t ms, const struct pool *pool)
{
	fprintf(record->file, "%" PRIu64 ",%u,%u,", ms, pool->id, pool->pid);
	write_name(record->file, pool->comm);
	fprintf(record->file, ",%d", pool->pressure);
	for (int i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		fprintf(record->file, ",%" PRIu64, (uint64_t)pool->counters[i]);
	fputc('\n', record->file);
	record->rows++;
}

static int sample(struct record *record)
{
	uint64_t ms = (now_ns() - record->began_ns) / 1000000;
	struct pool_list pools;
	int error = pools_get(&record->client, &pools);

	for (size_t i = 0; !error && i < pools.count; i++)
		write_pool(record, ms, &pools.items[i]);
	pools_drop(&pools);
	record->samples++;
	/* What there is so far can be read, and plotted, meanwhile. */
	fflush(record->file);
	return error;
}

/* --- the program --- */

static void __attribute__((noreturn)) become(char **program, int report)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	execvp(program[0], program);
	if (write(report, &errno, sizeof(errno)) < 0)
		_exit(NOT_STARTED);
	_exit(NOT_STARTED);
}

/* Whether it could be started comes through a pipe that a successful exec() closes. */
static int start_program(struct record *record)
{
	int pipes[2], error = 0;

	record->pid_fd = -1;
	if (!record->program)
		return 0;
	if (pipe2(pipes, O_CLOEXEC))
		return complain("pipe: %s", strerror(errno));
	fflush(NULL);
	record->pid = fork();
	if (!record->pid)
		become(record->program, pipes[1]);
	close(pipes[1]);
	if (record->pid < 0)
		error = errno;
	else if (read(pipes[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
		error = 0;
	close(pipes[0]);
	if (error) {
		if (record->pid > 0)
			waitpid(record->pid, NULL, 0);
		return complain("%s: %s", record->program[0], strerror(error));
	}
	record->pid_fd = (int)syscall(SYS_pidfd_open, record->pid, 0);
	return 0;
}

/* Signals, and the end of the program, end the wait. @before: the mask without ours. */
static int rest(const struct record *record, uint64_t until_ns, const sigset_t *before)
{
	struct pollfd poll_fd = { .fd = record->pid_fd, .events = POLLIN };
	uint64_t now = now_ns();
	uint64_t left = until_ns > now ? until_ns - now : 0;
	struct timespec time = {
		.tv_sec = (time_t)(left / 1000000000U), .tv_nsec = (long)(left % 1000000000U),
	};

	return ppoll(&poll_fd, 1, &time, before) > 0;
}

static int record_all(struct record *record, const sigset_t *before)
{
	uint64_t next = record->began_ns;
	int over = 0, error;

	for (;;) {
		error = sample(record);
		if (error || over || ended || ferror(record->file))
			return error;
		next += (uint64_t)record->interval_ms * 1000000;
		/* Who is late does not hurry. */
		if (next < now_ns())
			next = now_ns();
		over = rest(record, next, before);
	}
}

/* A ^C is for the program, too; SIGTERM was for us alone, and goes on to it. */
static int status_of_program(const struct record *record)
{
	int status;

	if (!record->program)
		return STATUS_OK;
	if (ended)
		kill(record->pid, SIGTERM);
	while (waitpid(record->pid, &status, 0) < 0)
		if (errno != EINTR)
			return STATUS_FAILED;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_record(struct record *record)
{
	struct sigaction action = { .sa_handler = end };
	sigset_t blocked, before;
	int error, status;

	record->began_ns = now_ns();
	write_head(record);
	if (start_program(record))
		return NOT_STARTED;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	error = record_all(record, &before);
	status = status_of_program(record);
	if (error)
		return client_failed(&record->client, error, 0);
	return status;
}

static int record_to(struct record *record)
{
	int status;

	record->file = fopen(record->output, "we");
	if (!record->file)
		return failed("%s: %s", record->output, strerror(errno));
	status = run_record(record);
	if (ferror(record->file) | fclose(record->file))
		return failed("%s cannot be written: %s", record->output, strerror(errno));
	if (status == NOT_STARTED && !record->samples)
		return status;
	fprintf(stderr, "segpool: %s: %" PRIu64 " samples, %" PRIu64 " rows\n", record->output,
		record->samples, record->rows);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option names[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "interval", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct record record = { .interval_ms = 100, .pid_fd = -1 };
	int option, status;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:o:i:h", names, NULL)) != -1) {
		if (option == 'h')
			return helped(&command_record);
		if (option == '?' || option == ':')
			return misused_option(&command_record, argv, option);
		if (option == 'o')
			record.output = optarg;
		else if (number_parse(optarg, 1, 3600000, &record.interval_ms))
			return misused(&command_record, "--interval needs milliseconds from 1 to "
				       "3600000, not \"%s\"", optarg);
	}
	if (!record.output)
		return misused(&command_record, "name a file for the table with -o");
	if (optind < argc)
		record.program = argv + optind;
	if (client_open(&record.client))
		return STATUS_FAILED;
	status = record_to(&record);
	client_close(&record.client);
	return status;
}

const struct command command_record = {
	.name = "record",
	.summary = "all counters of all pools, again and again, as CSV",
	.run = run,
	.help =
"Usage: segpool record -o FILE [-i MS] [[--] PROGRAM [ARGUMENT]...]\n"
"\n"
"Writes a row with all counters of each pool that you may see, every MS milliseconds,\n"
"until PROGRAM ends, or until ^C. The columns are named in the first line; ms is the time\n"
"since the beginning. Ends with PROGRAM's status, or 127 if it could not be started.\n"
"\n"
"  -o, --output FILE  where the table goes; segpool plot draws it\n"
"  -i, --interval MS  milliseconds between two samples (100)\n",
};
