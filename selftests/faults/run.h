/* SPDX-License-Identifier: GPL-2.0-only */
/* Options and results (TAP) of programs that are not made of fixtures. */
#ifndef SEGPOOL_FAULTS_RUN_H
#define SEGPOOL_FAULTS_RUN_H

#include <stdbool.h>
#include "../testing.h"
#include "kselftest.h"

/* Takes a number, or else, where @value is NULL, a text. */
struct run_option {
	const char *name;
	unsigned long *value;
	const char *help;
	const char **text;
};

static void run_usage(const char *program, const struct run_option *options)
{
	fprintf(stderr, "Usage: %s [OPTION VALUE]...\n", program);
	for (; options->name; options++)
		if (options->value)
			fprintf(stderr, "  %-12s %s (a number; default %lu)\n", options->name,
				options->help, *options->value);
		else
			fprintf(stderr, "  %-12s %s\n", options->name, options->help);
}

static const struct run_option *run_option(const struct run_option *options, const char *name)
{
	while (options->name && strcmp(options->name, name))
		options++;
	return options->name ? options : NULL;
}

static bool run_option_set(const struct run_option *option, const char *text)
{
	char *end;

	if (!option->value) {
		*option->text = text;
		return true;
	}
	*option->value = strtoul(text, &end, 0);
	return end != text && !*end;
}

/* What is wrong ends the program. */
static SP_UNUSED void run_options(int argc, char **argv, const struct run_option *options)
{
	const struct run_option *option;
	int i;

	for (i = 1; i < argc; i += 2) {
		option = run_option(options, argv[i]);
		if (option && i + 1 < argc && run_option_set(option, argv[i + 1]))
			continue;
		run_usage(argv[0], options);
		exit(2);
	}
}

/* One result: @wrong is NULL or what was wrong. */
static SP_UNUSED void run_result(const char *name, const char *wrong)
{
	if (wrong)
		ksft_print_msg("%s: %s\n", name, wrong);
	ksft_test_result(!wrong, "%s\n", name);
	fflush(stdout);
}

#endif /* SEGPOOL_FAULTS_RUN_H */
