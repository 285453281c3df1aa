// SPDX-License-Identifier: GPL-2.0-only
/* Sentences for people, on standard error. */
#include <stdarg.h>
#include <stdio.h>

#include <getopt.h>

#include "command.h"

static void say(const char *format, va_list args)
{
	fflush(stdout);
	fputs("segpool: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return -1;
}

int failed(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return STATUS_FAILED;
}

int misused(const struct command *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	fprintf(stderr, "segpool %s --help explains it\n", command->name);
	return STATUS_USAGE;
}

int misused_option(const struct command *command, char **argv, int option)
{
	const char *word = argv[optind - 1];

	if (option == ':')
		return misused(command, "option %s needs a value", word);
	if (optopt && word[0] == '-' && word[1] != '-')
		return misused(command, "there is no option -%c", optopt);
	return misused(command, "option %s is not known, or its value is wrong", word);
}

int helped(const struct command *command)
{
	fputs(command->help, stdout);
	return STATUS_OK;
}
