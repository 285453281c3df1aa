// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "gnuplot.h"

/* In single quotes, in which two of them are one. */
void gnuplot_quoted(FILE *script, const char *text)
{
	fputc('\'', script);
	for (; *text; text++) {
		if (*text == '\'')
			fputc('\'', script);
		fputc((unsigned char)*text < 0x20 ? ' ' : *text, script);
	}
	fputc('\'', script);
}

static int ends_with(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && !strcmp(text + strlen(text) - strlen(end), end);
}

static void set_terminal(FILE *script, const char *output, int width, int height)
{
	if (ends_with(output, ".txt"))
		fprintf(script, "set terminal dumb noenhanced size 80,%d\n", height / 20);
	else if (ends_with(output, ".png"))
		fprintf(script, "set terminal png noenhanced size %d,%d\n", width, height);
	else
		fprintf(script, "set terminal svg noenhanced size %d,%d font 'sans-serif,13' "
			"background '#ffffff'\n", width, height);
}

FILE *gnuplot_begin(const char *output, int width, int height)
{
	FILE *script;

	if (access(output, F_OK) && errno == ENOENT) {
		script = fopen(output, "we");
		if (!script) {
			complain("%s: %s", output, strerror(errno));
			return NULL;
		}
		fclose(script);
	}
	fflush(stdout);
	/* A gnuplot that is not there reads nothing. */
	signal(SIGPIPE, SIG_IGN);
	script = popen("gnuplot", "we");
	if (!script) {
		complain("gnuplot could not be started: %s", strerror(errno));
		return NULL;
	}
	set_terminal(script, output, width, height);
	fputs("set output ", script);
	gnuplot_quoted(script, output);
	fputc('\n', script);
	return script;
}

int gnuplot_end(FILE *script, const char *output)
{
	int status = pclose(script);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return complain("plots need gnuplot: apt-get install gnuplot-nox");
	if (status)
		return complain("%s: gnuplot could not draw it; its message is above", output);
	return 0;
}
