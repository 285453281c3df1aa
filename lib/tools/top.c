// SPDX-License-Identifier: GPL-2.0-only
/* segpool top: where the memory is now, and was lately. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "pools_report.h"
#include "terminal.h"
#include "top_draw.h"
#include "top_history.h"
#include "words.h"

struct top {
	struct client client;
	uint32_t interval_ms, pool, wanted;
	int as_json, live;
	enum size_style style;
	enum top_charset charset;
	struct pool_list pools;
	struct pool_module module;
	int has_module;
	struct top_histories histories;
	uint32_t samples;
	int keys;	/* -1: nobody presses any */
};

static volatile sig_atomic_t ended, resized, stopped;

static void note_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else if (number == SIGTSTP)
		stopped = 1;
	else
		ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* --- the state --- */

static int keep_one(struct top *top)
{
	for (size_t i = 0; i < top->pools.count; i++) {
		if (top->pools.items[i].id != top->pool)
			continue;
		top->pools.items[0] = top->pools.items[i];
		top->pools.count = 1;
		return 0;
	}
	return -ENOENT;
}

static int sample(struct top *top)
{
	int error = module_get(&top->client, &top->module);

	top->has_module = !error;
	if (error && error != -EPERM)
		return error;
	pools_drop(&top->pools);
	error = pools_get(&top->client, &top->pools);
	if (!error && top->pool)
		error = keep_one(top);
	if (!error && top_note(&top->histories, &top->pools))
		error = -ENOMEM;
	top->samples++;
	return error;
}

/* --- lines --- */

static void print_lines(const struct top *top, const char *stamp)
{
	char name[NAME_TEXT];

	for (size_t i = 0; i < top->pools.count; i++) {
		const struct pool *pool = &top->pools.items[i];

		printf("%s pool %u (%s): ", stamp, pool->id, name_text(pool->comm, name));
		report_state(pool, top->style);
		puts(pool->pressure ? " (pressure)" : "");
	}
	if (!top->pools.count)
		printf("%s there are no pools\n", stamp);
}

static void print_object(const struct top *top, const struct timespec *now)
{
	struct json json = { .file = stdout, .flat = 1 };

	json_object(&json, NULL);
	json_real(&json, "time", (double)now->tv_sec + (double)now->tv_nsec / 1e9);
	if (top->has_module) {
		json_object(&json, "module");
		json_number(&json, "pools", top->module.pools);
		json_number(&json, "ceiling_bytes", top->module.ceiling_bytes);
		json_number(&json, "ceiling_used_bytes", top->module.ceiling_used_bytes);
		json_number(&json, "metadata_bytes", top->module.metadata_bytes);
		json_object(&json, "counters");
		report_counters_json(&json, pool_counters, top->module.counters,
				     SEGPOOL_NR_COUNTERS);
		json_end_object(&json);
		json_end_object(&json);
	} else {
		json_null(&json, "module");
	}
	json_array(&json, "pools");
	for (size_t i = 0; i < top->pools.count; i++)
		report_pool_json(&json, &top->pools.items[i], NULL);
	json_end_array(&json);
	json_end_object(&json);
}

static int print(const struct top *top)
{
	char seconds[16], stamp[32];
	struct timespec now;
	struct tm local;

	clock_gettime(CLOCK_REALTIME, &now);
	if (top->as_json) {
		print_object(top, &now);
	} else {
		localtime_r(&now.tv_sec, &local);
		strftime(seconds, sizeof(seconds), "%H:%M:%S", &local);
		snprintf(stamp, sizeof(stamp), "%s.%03ld", seconds, now.tv_nsec / 1000000);
		print_lines(top, stamp);
	}
	/* Who reads it may have gone. */
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

/* --- the screen --- */

static void fill_sums(const struct pool_module *module, struct top_sums *sums)
{
	*sums = (struct top_sums){
		.pools = module->pools,
		.ceiling_used = module->ceiling_used_bytes,
		.ceiling = module->ceiling_bytes,
		.metadata = module->metadata_bytes,
		.virtual_bytes = module->counters[SEGPOOL_C_VIRTUAL_BYTES],
		.physical_bytes = module->counters[SEGPOOL_C_PHYSICAL_BYTES],
		.retained_bytes = module->counters[SEGPOOL_C_RETAINED_BYTES],
	};
}

static void fill_row(const struct pool *pool, const struct top_history *history, const char *name,
		     struct top_row *row)
{
	*row = (struct top_row){
		.id = pool->id,
		.pressure = pool->pressure,
		.name = name,
		.virtual_bytes = pool->counters[SEGPOOL_C_VIRTUAL_BYTES],
		.virtual_budget = pool->counters[SEGPOOL_C_VIRTUAL_BUDGET_BYTES],
		.physical_bytes = pool->counters[SEGPOOL_C_PHYSICAL_BYTES],
		.retained_bytes = pool->counters[SEGPOOL_C_RETAINED_BYTES],
		.physical_budget = pool->counters[SEGPOOL_C_PHYSICAL_BUDGET_BYTES],
		.history = history,
	};
}

static int show_rows(const struct top *top, struct top_row *rows, char (*names)[NAME_TEXT])
{
	struct top_view view = { .rows = rows, .count = top->pools.count };
	struct top_size size;
	struct top_sums sums;
	size_t length;
	char *text;
	FILE *file;
	int error;

	for (size_t i = 0; i < view.count; i++)
		fill_row(&top->pools.items[i], &top->histories.items[i],
			 name_text(top->pools.items[i].comm, names[i]), &rows[i]);
	if (top->has_module) {
		fill_sums(&top->module, &sums);
		view.sums = &sums;
	}
	terminal_size(&size.width, &size.height);
	file = open_memstream(&text, &length);
	if (!file)
		return -errno;
	top_draw(file, &view, size, top->charset);
	if (fclose(file))
		return -ENOMEM;
	error = terminal_show(text) ? -EIO : 0;
	free(text);
	return error;
}

static int show(const struct top *top)
{
	struct top_row *rows = calloc(top->pools.count + 1, sizeof(*rows));
	char (*names)[NAME_TEXT] = calloc(top->pools.count + 1, sizeof(*names));
	int error = rows && names ? show_rows(top, rows, names) : -ENOMEM;

	free(rows);
	free(names);
	return error;
}

static int present(const struct top *top)
{
	return top->live ? show(top) : print(top);
}

/* --- waiting --- */

static void read_key(struct top *top)
{
	char key;
	ssize_t length = read(STDIN_FILENO, &key, 1);

	if (!length || (length < 0 && errno != EINTR && errno != EAGAIN))
		top->keys = -1;
	if (length == 1 && (key == 'q' || key == 'Q'))
		ended = 1;
}

/* ^Z: whoever continues finds his screen, and after that ours. */
static void stop(void)
{
	stopped = 0;
	terminal_leave();
	kill(getpid(), SIGSTOP);
	terminal_enter();
	resized = 1;
}

/* Until @until_ns, or until it ends. @before: the mask without our signals. */
static int rest(struct top *top, uint64_t until_ns, const sigset_t *before)
{
	uint64_t now;
	int error = 0;

	while (!error && !ended && (now = now_ns()) < until_ns) {
		struct pollfd poll_fd = { .fd = top->keys, .events = POLLIN };
		struct timespec time = {
			.tv_sec = (time_t)((until_ns - now) / 1000000000U),
			.tv_nsec = (long)((until_ns - now) % 1000000000U),
		};

		if (ppoll(&poll_fd, 1, &time, before) > 0)
			read_key(top);
		if (stopped)
			stop();
		if (resized && top->live) {
			resized = 0;
			error = present(top);
		}
	}
	return error;
}

static int watch(struct top *top, const sigset_t *before)
{
	uint64_t next = now_ns();
	int error;

	for (;;) {
		error = sample(top);
		if (error || ended)
			return error;
		if (!top->has_module && !top->live && top->samples == 1)
			complain("only your own pools: root sees all");
		error = present(top);
		if (error || top->samples == top->wanted)
			return error;
		next += (uint64_t)top->interval_ms * 1000000;
		/* Who is late does not hurry. */
		if (next < now_ns())
			next = now_ns();
		error = rest(top, next, before);
		if (error || ended)
			return error;
	}
}

static void take_signals(const struct top *top, sigset_t *before)
{
	static const int always[] = { SIGINT, SIGTERM, SIGHUP };
	static const int live[] = { SIGWINCH, SIGTSTP };
	struct sigaction action = { .sa_handler = note_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		sigaddset(&blocked, always[i]);
		sigaction(always[i], &action, NULL);
	}
	for (size_t i = 0; top->live && i < sizeof(live) / sizeof(live[0]); i++) {
		sigaddset(&blocked, live[i]);
		sigaction(live[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, before);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		sigdelset(before, always[i]);
	sigdelset(before, SIGWINCH);
	sigdelset(before, SIGTSTP);
}

/* What cannot be read is said after the screen was given back. */
static int run_top(struct top *top)
{
	sigset_t before;
	int error;

	take_signals(top, &before);
	if (top->live) {
		/* A screen is one write. */
		setvbuf(stdout, NULL, _IOFBF, 1 << 16);
		terminal_enter();
	}
	error = watch(top, &before);
	terminal_leave();
	if (error == -ENOENT && top->pool && top->samples > 1) {
		fprintf(stderr, "segpool: pool %u is gone\n", top->pool);
		return STATUS_OK;
	}
	/* main() says that standard output cannot be written. */
	return error && error != -EIO ? client_failed(&top->client, error, top->pool) : STATUS_OK;
}

static int set_option(struct top *top, int option, const char *text)
{
	switch (option) {
	case 'j':
		top->as_json = 1;
		return 0;
	case 'b':
		top->style = SIZE_EXACT;
		return 0;
	case 'a':
		top->charset = TOP_ASCII;
		return 0;
	case 'i':
		if (number_parse(text, 1, 3600000, &top->interval_ms))
			return misused(&command_top, "--interval needs milliseconds from 1 to "
				       "3600000, not \"%s\"", text);
		return 0;
	case 'n':
		if (number_parse(text, 1, UINT32_MAX, &top->wanted))
			return misused(&command_top, "--count needs a number, not \"%s\"", text);
		return 0;
	case 'p':
		if (pool_parse(text, &top->pool))
			return misused(&command_top, "\"%s\" is no number of a pool", text);
		return 0;
	}
	return STATUS_USAGE;
}

/* A system may not have the locale that the user's terminal has: then its name has to do. */
static const char *charset_name(void)
{
	static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value;

	if (setlocale(LC_CTYPE, ""))
		return nl_langinfo(CODESET);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		value = getenv(variables[i]);
		if (value && *value)
			return strchr(value, '.') ? strchr(value, '.') + 1 : "";
	}
	return "";
}

static enum top_charset charset_of_locale(void)
{
	const char *name = charset_name();

	return strcasecmp(name, "UTF-8") && strcasecmp(name, "utf8") ? TOP_ASCII : TOP_UTF8;
}

static int run(int argc, char **argv)
{
	static const struct option names[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "pool", required_argument, NULL, 'p' },
		{ "ascii", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct top top = { .interval_ms = 1000, .charset = charset_of_locale(), .keys = -1 };
	int option, status = 0;

	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, ":i:n:jh", names, NULL)) != -1) {
		if (option == 'h')
			return helped(&command_top);
		if (option == '?' || option == ':')
			return misused_option(&command_top, argv, option);
		status = set_option(&top, option, optarg);
	}
	if (status)
		return status;
	if (optind != argc)
		return misused(&command_top, "it takes no argument: segpool top --pool %s",
			       argv[optind]);
	top.live = !top.as_json && isatty(STDOUT_FILENO);
	if (top.live && isatty(STDIN_FILENO))
		top.keys = STDIN_FILENO;
	if (client_open(&top.client))
		return STATUS_FAILED;
	status = run_top(&top);
	top_histories_drop(&top.histories);
	pools_drop(&top.pools);
	client_close(&top.client);
	return status;
}

const struct command command_top = {
	.name = "top",
	.summary = "where the memory is now and was lately, live",
	.run = run,
	.help =
"Usage: segpool top [OPTION]...\n"
"\n"
"All pools that you may see, one a row, anew every second: virtual bytes of the virtual\n"
"budget; physical and retained bytes of the physical budget, as numbers and as charts of\n"
"what they were, as high as the budget, the newest on the right. ! is pressure. Above,\n"
"the sums of the module (root only). Ends at q or ^C. Where standard output is no\n"
"terminal: a line for each pool every time.\n"
"\n"
"  -i, --interval MS  milliseconds between two samples (1000)\n"
"  -n, --count N      end after N samples\n"
"      --pool POOL    only that pool, until it is gone\n"
"      --ascii        charts in ASCII; so they are where the locale is not UTF-8\n"
"  -j, --json         a JSON object on a line every time, also on a terminal\n"
"      --bytes        exact numbers of bytes, in lines\n",
};
