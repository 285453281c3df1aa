// SPDX-License-Identifier: GPL-2.0-only
/* segpool set, segpool trim: changing a pool from outside its process. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "pools_report.h"
#include "words.h"

struct set_command {
	const struct command *command;
	uint32_t id;
	uint32_t flags;
	struct segpool_limits limits;
	int as_json;
	enum size_style style;
};

static const struct option set_options[] = {
	{ "virtual", required_argument, NULL, 'v' },
	{ "physical", required_argument, NULL, 'p' },
	{ "retain", required_argument, NULL, 'r' },
	{ "age", required_argument, NULL, 'a' },
	{ "watermark", required_argument, NULL, 'w' },
	{ "json", no_argument, NULL, 'j' },
	{ "bytes", no_argument, NULL, 'b' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct option trim_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "bytes", no_argument, NULL, 'b' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* In the order of the flags. */
static const char *const limit_names[] = { "virtual", "physical", "retain", "age", "watermark" };

static const char *limit_name(uint32_t flag)
{
	for (size_t i = 0; i < sizeof(limit_names) / sizeof(limit_names[0]); i++)
		if (flag == 1U << i)
			return limit_names[i];
	return NULL;
}

static int set_size(struct set_command *set, uint32_t flag, const char *text, __u64 *limit)
{
	uint64_t bytes;

	if (size_parse(text, &bytes))
		return misused(set->command, "--%s needs a size such as 512M or 2G, not \"%s\"",
			       limit_name(flag), text);
	*limit = bytes;
	set->flags |= flag;
	return 0;
}

static int set_limit(struct set_command *set, int option, const char *text)
{
	struct segpool_limits *limits = &set->limits;

	switch (option) {
	case 'v':
		return set_size(set, SEGPOOL_SET_VIRTUAL, text, &limits->virtual_budget);
	case 'p':
		return set_size(set, SEGPOOL_SET_PHYSICAL, text, &limits->physical_budget);
	case 'r':
		return set_size(set, SEGPOOL_SET_RETAIN, text, &limits->retain_limit);
	case 'a':
		if (duration_parse(text, &limits->retain_age_ms))
			return misused(set->command, "--age needs a time such as 500ms, 10s or 2m, "
				       "or 0, not \"%s\"", text);
		set->flags |= SEGPOOL_SET_AGE;
		return 0;
	case 'w':
		if (number_parse(text, 1, 100, &limits->watermark))
			return misused(set->command, "--watermark needs a percentage from 1 to 100, "
				       "not \"%s\"", text);
		set->flags |= SEGPOOL_SET_WATERMARK;
		return 0;
	}
	return STATUS_USAGE;
}

/* Leaves optind behind the pool's number. */
static int parse(struct set_command *set, const struct option *options, int argc, char **argv)
{
	int option, status = 0;

	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		if (option == 'h')
			return WORDS_HELP;
		if (option == '?' || option == ':')
			return misused_option(set->command, argv, option);
		if (option == 'j')
			set->as_json = 1;
		else if (option == 'b')
			set->style = SIZE_EXACT;
		else
			status = set_limit(set, option, optarg);
	}
	if (status)
		return status;
	if (optind == argc)
		return misused(set->command, "name a pool: segpool list shows them");
	if (pool_parse(argv[optind], &set->id))
		return misused(set->command, "\"%s\" is no number of a pool", argv[optind]);
	optind++;
	return 0;
}

static void report(const struct set_command *set, const struct pool *pool)
{
	struct json json = { .file = stdout };

	if (set->as_json)
		report_pool_json(&json, pool, NULL);
	else
		report_pool(pool, NULL, set->style);
}

static int set_failed(const struct set_command *set, const struct client *client, int error)
{
	const char *name = limit_name(pool_set_about(client));

	if (name && client->sentence[0])
		return failed("pool %u: --%s: %s (%s)", set->id, name, client->sentence,
			      strerror(-error));
	return client_failed(client, error, set->id);
}

static int run_set(int argc, char **argv)
{
	struct set_command set = { .command = &command_set };
	int status = parse(&set, set_options, argc, argv);
	struct client client;
	struct pool pool;
	int error;

	if (status)
		return status == WORDS_HELP ? helped(&command_set) : status;
	if (optind != argc)
		return misused(&command_set, "one pool at a time");
	if (!set.flags)
		return misused(&command_set, "say what to set: --virtual, --physical, --retain, "
			       "--age or --watermark");
	if (client_open(&client))
		return STATUS_FAILED;
	error = pool_set(&client, set.id, set.flags, &set.limits, &pool);
	if (error)
		status = set_failed(&set, &client, error);
	else
		report(&set, &pool);
	client_close(&client);
	return status;
}

static void report_trim(const struct set_command *set, const struct pool *pool)
{
	char went[SIZE_TEXT], stays[SIZE_TEXT];

	if (set->as_json)
		report(set, pool);
	else
		printf("pool %u: %s went back to the system, %s retained\n", pool->id,
		       size_text(pool->released_bytes, set->style, went),
		       size_text(pool->counters[SEGPOOL_C_RETAINED_BYTES], set->style, stays));
}

static int run_trim(int argc, char **argv)
{
	struct set_command set = { .command = &command_trim };
	int status = parse(&set, trim_options, argc, argv);
	uint64_t target = 0;
	struct client client;
	struct pool pool;
	int error;

	if (status)
		return status == WORDS_HELP ? helped(&command_trim) : status;
	if (optind < argc && size_parse(argv[optind], &target))
		return misused(&command_trim, "what may stay is a size such as 512M, not \"%s\"",
			       argv[optind]);
	if (optind + 1 < argc)
		return misused(&command_trim, "one pool at a time");
	if (client_open(&client))
		return STATUS_FAILED;
	error = pool_trim(&client, set.id, target, &pool);
	if (error)
		status = client_failed(&client, error, set.id);
	else
		report_trim(&set, &pool);
	client_close(&client);
	return status;
}

const struct command command_set = {
	.name = "set",
	.summary = "change the limits of a pool",
	.run = run_set,
	.help =
"Usage: segpool set POOL LIMIT... [OPTION]...\n"
"\n"
"Changes limits of the pool of that number, as its program could, and shows what has\n"
"become of it. Root only. If one of them is out of range, none is changed. What is handed\n"
"out stays: the pool may be above a lowered budget until the program releases something.\n"
"\n"
"      --virtual SIZE       addresses that may ever be carved\n"
"      --physical SIZE      memory that the pool may own, retained pages included\n"
"      --retain SIZE        released memory that is kept for the next reuse; 0: none\n"
"      --age TIME           for how long (500ms, 10s, 2m); 0: until somebody needs it\n"
"      --watermark PERCENT  of the physical budget, from which on there is pressure\n"
"  -j, --json               the new state as JSON\n"
"      --bytes              exact numbers of bytes\n",
};

const struct command command_trim = {
	.name = "trim",
	.summary = "give a pool's retained memory back to the system",
	.run = run_trim,
	.help =
"Usage: segpool trim POOL [BYTES] [OPTION]...\n"
"\n"
"Gives retained pages of the pool back to the system, the oldest first, until no more\n"
"than BYTES (0) of them are left. What is handed out is not touched. Root only.\n"
"\n"
"  -j, --json   the new state as JSON, with released_bytes\n"
"      --bytes  exact numbers of bytes\n",
};
