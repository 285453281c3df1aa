// SPDX-License-Identifier: GPL-2.0-only
/* segpool list, segpool show: where the memory is. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "pools_report.h"
#include "words.h"

struct list_command {
	const struct command *command;
	struct client client;
	struct json json;
	int as_json;
	int with_classes;
	enum size_style style;
};

/* Who is no administrator sees his own pools, and should know that there may be others. */
static void tell_partial(struct list_command *list)
{
	struct pool_module module;

	if (module_get(&list->client, &module) == -EPERM)
		complain("only your own pools: root sees all");
}

static void report_one(struct list_command *list, const struct pool *pool,
		       const struct class_list *classes)
{
	if (list->as_json)
		report_pool_json(&list->json, pool, classes);
	else
		report_pool(pool, classes, list->style);
}

static void report_many(struct list_command *list, const struct pool_list *pools,
			const struct class_list *classes)
{
	if (!list->as_json && !list->with_classes) {
		report_list(pools, list->style);
		return;
	}
	if (list->as_json)
		json_array(&list->json, NULL);
	for (size_t i = 0; i < pools->count; i++) {
		if (i && !list->as_json)
			putchar('\n');
		report_one(list, &pools->items[i], list->with_classes ? classes : NULL);
	}
	if (list->as_json)
		json_end_array(&list->json);
}

static int list_all(struct list_command *list)
{
	struct class_list classes = { .count = 0 };
	struct pool_list pools;
	int error = pools_get(&list->client, &pools);

	if (!error && list->with_classes)
		error = classes_get(&list->client, 0, &classes);
	if (!error) {
		report_many(list, &pools, &classes);
		tell_partial(list);
		if (!pools.count && !list->as_json)
			complain("there are no pools");
	}
	pools_drop(&pools);
	classes_drop(&classes);
	return error ? client_failed(&list->client, error, 0) : STATUS_OK;
}

static int show_one(struct list_command *list, uint32_t id)
{
	struct class_list classes = { .count = 0 };
	struct pool pool;
	int error = pool_get(&list->client, id, &pool);

	if (!error)
		error = classes_get(&list->client, id, &classes);
	if (!error)
		report_one(list, &pool, &classes);
	classes_drop(&classes);
	return error ? client_failed(&list->client, error, id) : STATUS_OK;
}

static int parse(struct list_command *list, int argc, char **argv)
{
	static const struct option names[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":jh", names, NULL)) != -1) {
		switch (option) {
		case 'j':
			list->as_json = 1;
			break;
		case 'b':
			list->style = SIZE_EXACT;
			break;
		case 'h':
			return WORDS_HELP;
		default:
			return misused_option(list->command, argv, option);
		}
	}
	return 0;
}

static int run_list(int argc, char **argv)
{
	struct list_command list = { .command = &command_list, .json = { .file = stdout } };
	int status = parse(&list, argc, argv);

	if (status)
		return status == WORDS_HELP ? helped(&command_list) : status;
	if (optind != argc)
		return misused(&command_list, "it takes no argument: segpool show %s", argv[optind]);
	if (client_open(&list.client))
		return STATUS_FAILED;
	status = list_all(&list);
	client_close(&list.client);
	return status;
}

static int run_show(int argc, char **argv)
{
	struct list_command list = {
		.command = &command_show, .json = { .file = stdout }, .with_classes = 1,
	};
	int status = parse(&list, argc, argv);
	uint32_t id = 0;

	if (status)
		return status == WORDS_HELP ? helped(&command_show) : status;
	if (optind + 1 < argc)
		return misused(&command_show, "one pool at a time");
	if (optind < argc && pool_parse(argv[optind], &id))
		return misused(&command_show, "\"%s\" is no number of a pool", argv[optind]);
	if (client_open(&list.client))
		return STATUS_FAILED;
	status = id ? show_one(&list, id) : list_all(&list);
	client_close(&list.client);
	return status;
}

const struct command command_list = {
	.name = "list",
	.summary = "all pools, one a line",
	.run = run_list,
	.help =
"Usage: segpool list [OPTION]...\n"
"\n"
"All pools that you may see (root: all; others: their own), one a line. The first budget\n"
"bounds virtual bytes, the second physical and retained bytes together. Reuse is the part\n"
"of the regions handed out that had been there before.\n"
"\n"
"  -j, --json   as JSON: an array of pools with all counters\n"
"      --bytes  exact numbers of bytes\n",
};

const struct command command_show = {
	.name = "show",
	.summary = "all about a pool: memory, classes, why requests were refused",
	.run = run_show,
	.help =
"Usage: segpool show [OPTION]... [POOL]\n"
"\n"
"All about the pool of that number, or about each that you may see: memory against its\n"
"limits, regions, why requests were refused and what would help, and its classes.\n"
"\n"
"  -j, --json   as JSON: the pool with its classes; without POOL an array of them\n"
"      --bytes  exact numbers of bytes\n",
};
