// SPDX-License-Identifier: GPL-2.0-only
/* segpool metrics: everything, in the text format that Prometheus reads. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "pools_report.h"

struct metrics {
	struct client client;
	struct pool_list pools;
	struct class_list classes;
	struct pool_module module;
	int has_module;
};

static int is_sum(const struct counter_kind *counter)
{
	return counter->kind == COUNTER_EVENT;
}

static void head(const char *prefix, const char *name, const char *text, int sum)
{
	const char *suffix = sum ? "_total" : "";

	printf("# HELP segpool_%s%s%s %s\n# TYPE segpool_%s%s%s %s\n", prefix, name, suffix, text,
	       prefix, name, suffix, sum ? "counter" : "gauge");
}

/* A label's value: \ and " are escaped; what else there may be name_text() has escaped. */
static void label(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			putchar('\\');
		putchar(*text);
	}
}

static void pool_value(const struct pool *pool, const char *name, const char *suffix,
		       uint64_t value)
{
	char comm[NAME_TEXT];

	printf("segpool_pool_%s%s{pool=\"%u\",pid=\"%u\",comm=\"", name, suffix, pool->id, pool->pid);
	label(name_text(pool->comm, comm));
	printf("\"} %" PRIu64 "\n", value);
}

static void print_pools(const struct pool_list *list)
{
	for (int i = 0; i < SEGPOOL_NR_COUNTERS; i++) {
		const struct counter_kind *counter = &pool_counters[i];

		head("pool_", counter->name, counter->text, is_sum(counter));
		for (size_t n = 0; n < list->count; n++)
			pool_value(&list->items[n], counter->name, is_sum(counter) ? "_total" : "",
				   list->items[n].counters[i]);
	}
	head("pool_", "pressure", "1 while the program should give something up", 0);
	for (size_t n = 0; n < list->count; n++)
		pool_value(&list->items[n], "pressure", "", (uint64_t)list->items[n].pressure);
	head("pool_", "watermark_percent", "of the physical budget, from which on there is pressure",
	     0);
	for (size_t n = 0; n < list->count; n++)
		pool_value(&list->items[n], "watermark_percent", "",
			   list->items[n].limits.watermark);
}

static void print_classes(const struct class_list *list)
{
	for (int i = 0; i < SEGPOOL_NR_CLASS_COUNTERS; i++) {
		const struct counter_kind *counter = &class_counters[i];

		head("class_", counter->name, counter->text, is_sum(counter));
		for (size_t n = 0; n < list->count; n++)
			printf("segpool_class_%s%s{pool=\"%u\",class=\"%u\"} %" PRIu64 "\n",
			       counter->name, is_sum(counter) ? "_total" : "", list->items[n].pool,
			       list->items[n].index, list->items[n].counters[i]);
	}
}

static void module_value(const char *name, const char *text, int sum, uint64_t value)
{
	head("module_", name, text, sum);
	printf("segpool_module_%s%s %" PRIu64 "\n", name, sum ? "_total" : "", value);
}

static void print_module(const struct pool_module *module)
{
	module_value("pools", "pools there are", 0, module->pools);
	module_value("pools_created", "pools set up since the module was loaded", 1,
		     module->pools_created);
	module_value("ceiling_bytes", "limit of the pages of all pools", 0, module->ceiling_bytes);
	module_value("ceiling_used_bytes", "pages of all pools", 0, module->ceiling_used_bytes);
	module_value("metadata_bytes", "the module's own memory", 0, module->metadata_bytes);
	for (int i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		if (pool_counters[i].kind == COUNTER_EVENT || pool_counters[i].kind == COUNTER_GAUGE)
			module_value(pool_counters[i].name, pool_counters[i].text,
				     is_sum(&pool_counters[i]), module->counters[i]);
}

static int collect(struct metrics *metrics)
{
	int error = module_get(&metrics->client, &metrics->module);

	metrics->has_module = !error;
	if (error == -EPERM) {
		complain("only your own pools, and nothing of the module: root sees all");
		error = 0;
	}
	if (!error)
		error = pools_get(&metrics->client, &metrics->pools);
	if (!error)
		error = classes_get(&metrics->client, 0, &metrics->classes);
	return error;
}

static int run(int argc, char **argv)
{
	static const struct option names[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct metrics metrics = { .has_module = 0 };
	int option, error, status = STATUS_OK;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", names, NULL)) != -1) {
		if (option == 'h')
			return helped(&command_metrics);
		return misused_option(&command_metrics, argv, option);
	}
	if (optind != argc)
		return misused(&command_metrics, "it takes no argument");
	if (client_open(&metrics.client))
		return STATUS_FAILED;
	error = collect(&metrics);
	if (error)
		status = client_failed(&metrics.client, error, 0);
	if (!error && metrics.has_module)
		print_module(&metrics.module);
	if (!error) {
		print_pools(&metrics.pools);
		print_classes(&metrics.classes);
	}
	pools_drop(&metrics.pools);
	classes_drop(&metrics.classes);
	client_close(&metrics.client);
	return status;
}

const struct command command_metrics = {
	.name = "metrics",
	.summary = "all counters in the text format of Prometheus",
	.run = run,
	.help =
"Usage: segpool metrics\n"
"\n"
"The counters of the module (root only), of all pools that you may see and of their\n"
"classes, in the text format that Prometheus and its node_exporter read:\n"
"\n"
"  segpool metrics >segpool.prom.new && mv segpool.prom.new segpool.prom\n",
};
