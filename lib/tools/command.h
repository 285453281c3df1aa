/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands of segpool(8) share. A subcommand is a file that defines a
 * struct command, and a line in the table of segpool.c.
 */
#ifndef SEGPOOL_COMMAND_H
#define SEGPOOL_COMMAND_H

#include <stdint.h>

/* Exit statuses. "segpool trace" ends with that of the program it has recorded, if that is not 0. */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,	/* it was tried and did not succeed; a sentence says why */
	STATUS_USAGE = 2,	/* the command line makes no sense */
};

/**
 * struct command - a subcommand
 * @name: first word after "segpool".
 * @summary: a line for the list of subcommands.
 * @help: all that "segpool NAME --help" prints.
 * @run: as main(); argv[0] is @name. Returns the exit status.
 */
struct command {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct command command_list;
extern const struct command command_show;
extern const struct command command_set;
extern const struct command command_trim;
extern const struct command command_metrics;
extern const struct command command_monitor;
extern const struct command command_top;
extern const struct command command_record;
extern const struct command command_plot;
extern const struct command command_trace;
extern const struct command command_replay;

/* Prints "segpool: ..." on standard error, with a newline. Returns -1, or STATUS_FAILED. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
int failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a command line that makes no sense: names --help. Returns STATUS_USAGE. */
int misused(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* After getopt_long() has returned '?' or ':', with opterr 0. */
int misused_option(const struct command *command, char **argv, int option);
int helped(const struct command *command);

#endif
