// SPDX-License-Identifier: GPL-2.0-only
/* The command segpool(8): finds the subcommand and runs it. */
#include <stdio.h>
#include <string.h>

#include "command.h"

static const struct command *const commands[] = {
	&command_list,
	&command_show,
	&command_set,
	&command_trim,
	&command_metrics,
	&command_monitor,
	&command_top,
	&command_record,
	&command_plot,
	&command_trace,
	&command_replay,
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *file)
{
	fputs("Usage: segpool COMMAND [OPTION]... [ARGUMENT]...\n\n", file);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(file, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
	fputs("\nsegpool COMMAND --help explains a command; segpool --version names the version.\n",
	      file);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int help(int argc, char **argv)
{
	const struct command *command = argc > 2 ? find(argv[2]) : NULL;

	if (command)
		return helped(command);
	usage(stdout);
	return STATUS_OK;
}

static int dispatch(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		usage(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc, argv);
	if (!strcmp(argv[1], "--version")) {
		puts("segpool " SEGPOOL_VERSION);
		return STATUS_OK;
	}
	command = find(argv[1]);
	if (!command) {
		complain("there is no command \"%s\": segpool --help lists them", argv[1]);
		return STATUS_USAGE;
	}
	return command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int status = dispatch(argc, argv);

	/* What was to be read by somebody has to arrive: a full disk is an error. */
	if ((fflush(stdout) || ferror(stdout)) && status == STATUS_OK)
		return failed("standard output cannot be written");
	return status;
}
