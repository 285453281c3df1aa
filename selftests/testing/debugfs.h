/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters and regions as /sys/kernel/debug/segpool shows them. */
#ifndef SEGPOOL_TESTING_DEBUGFS_H
#define SEGPOOL_TESTING_DEBUGFS_H

#include <stdio.h>
#include <sys/stat.h>
#include "calls.h"
#include "system.h"

#define SP_DEBUGFS	"/sys/kernel/debug/segpool"

#define SP_COUNTER_NAME_(id, name, kind, text)	#name,

static const char *const sp_counter_names[] SP_UNUSED = { SEGPOOL_COUNTERS(SP_COUNTER_NAME_) };
static const char *const sp_class_counter_names[] SP_UNUSED = {
	SEGPOOL_CLASS_COUNTERS(SP_COUNTER_NAME_)
};

static SP_UNUSED const char *sp_counter_name(unsigned int counter)
{
	return counter < SEGPOOL_NR_COUNTERS ? sp_counter_names[counter] : "?";
}

static SP_UNUSED const char *sp_class_counter_name(unsigned int counter)
{
	return counter < SEGPOOL_NR_CLASS_COUNTERS ? sp_class_counter_names[counter] : "?";
}

/* A counter of the whole module; all bits set if there is none of that name. */
static SP_UNUSED uint64_t sp_module_counter(const char *name)
{
	return sp_file_value(SP_DEBUGFS "/counters", name);
}

/* What is 0 while no pool is open. */
static const char *const sp_gauges[] SP_UNUSED = {
	"virtual_bytes", "physical_bytes", "retained_bytes", "regions_active", "regions_freed",
	"huge_regions", "kept_regions", "waiters", "pools", "ceiling_used_bytes", "metadata_bytes",
};

#define SP_NR_GAUGES	(sizeof(sp_gauges) / sizeof(sp_gauges[0]))

/* The name of a gauge that is not 0, or NULL. In one look at the file, since some look often. */
static SP_UNUSED const char *sp_gauge_left(void)
{
	char text[4096], name[64], *at;
	unsigned int i;

	text[0] = '\n';
	if (sp_read_file(SP_DEBUGFS "/counters", text + 1, sizeof(text) - 1) <= 0)
		return "the file of the counters";
	for (i = 0; i < SP_NR_GAUGES; i++) {
		snprintf(name, sizeof(name), "\n%s ", sp_gauges[i]);
		at = strstr(text, name);
		if (!at || strtoull(at + strlen(name), NULL, 10))
			return sp_gauges[i];
	}
	return NULL;
}

static SP_UNUSED void sp_pool_path(char *path, size_t size, uint32_t id, const char *file)
{
	snprintf(path, size, SP_DEBUGFS "/pool/%u%s%s", id, file[0] ? "/" : "", file);
}

/* A counter of one pool; all bits set if there is no such pool or name. */
static SP_UNUSED uint64_t sp_pool_counter(uint32_t id, const char *name)
{
	char path[128];

	sp_pool_path(path, sizeof(path), id, "counters");
	return sp_file_value(path, name);
}

static SP_UNUSED int sp_pool_listed(uint32_t id)
{
	struct stat status;
	char path[128];

	sp_pool_path(path, sizeof(path), id, "");
	return !stat(path, &status);
}

/*
 * The files pools, pool/<id>/classes and pool/<id>/regions are tables: a line
 * of column names, then a line of values for each row. Call @row for each; it
 * looks values up with sp_column(). Returns the number of rows or -errno.
 */
#define SP_MAX_COLUMNS	32

struct sp_table {
	char names[SP_MAX_COLUMNS][40];
	char values[SP_MAX_COLUMNS][40];
	int columns;
};

/* The text in column @name of the present row, or NULL. */
static SP_UNUSED const char *sp_column(const struct sp_table *table, const char *name)
{
	int i;

	for (i = 0; i < table->columns; i++)
		if (!strcmp(table->names[i], name))
			return table->values[i];
	return NULL;
}

static SP_UNUSED uint64_t sp_column_value(const struct sp_table *table, const char *name)
{
	const char *text = sp_column(table, name);

	return text ? strtoull(text, NULL, 0) : UINT64_MAX;
}

static SP_UNUSED int sp_split(char *line, char words[SP_MAX_COLUMNS][40])
{
	char *save, *word;
	int n = 0;

	for (word = strtok_r(line, " \t\n", &save); word && n < SP_MAX_COLUMNS;
	     word = strtok_r(NULL, " \t\n", &save))
		snprintf(words[n++], 40, "%s", word);
	return n;
}

static SP_UNUSED int sp_table_walk(const char *path,
				   void (*row)(const struct sp_table *table, void *argument),
				   void *argument)
{
	static __thread struct sp_table table;
	char line[1024];
	int rows = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	table.columns = fgets(line, sizeof(line), file) ? sp_split(line, table.names) : 0;
	while (fgets(line, sizeof(line), file)) {
		memset(table.values, 0, sizeof(table.values));
		if (!sp_split(line, table.values))
			continue;
		rows++;
		if (row)
			row(&table, argument);
	}
	fclose(file);
	return rows;
}

/* What a walk over the carved regions of a pool finds. */
struct sp_region_sums {
	uint64_t rows;
	uint64_t active;
	uint64_t freed;
	uint64_t active_pages;
	uint64_t kept;
	uint64_t kept_pages;
};

static SP_UNUSED void sp_region_sum_row(const struct sp_table *table, void *argument)
{
	struct sp_region_sums *sums = argument;
	const char *state = sp_column(table, "state");
	uint64_t pages = sp_column_value(table, "pages");

	sums->rows++;
	if (state && !strcmp(state, "active")) {
		sums->active++;
		sums->active_pages += pages;
	} else if (state && !strcmp(state, "freed")) {
		sums->freed++;
		sums->kept += pages != 0;
		sums->kept_pages += pages;
	}
}

static SP_UNUSED int sp_regions_walk(uint32_t id, struct sp_region_sums *sums)
{
	char path[128];

	memset(sums, 0, sizeof(*sums));
	sp_pool_path(path, sizeof(path), id, "regions");
	return sp_table_walk(path, sp_region_sum_row, sums);
}

/* The sum of a counter over all pools is 0 once none is open; these gauges must be. */
static SP_UNUSED uint64_t sp_module_memory(void)
{
	return sp_module_counter("virtual_bytes") + sp_module_counter("physical_bytes") +
	       sp_module_counter("retained_bytes") + sp_module_counter("waiters");
}

static int sp_module_is_idle(void *unused SP_UNUSED)
{
	return sp_module_memory() == 0;
}

/* Wait until no pool holds anything: 1, or 0 after @timeout_ms. */
static SP_UNUSED int sp_wait_module_idle(unsigned int timeout_ms)
{
	return sp_wait_until(sp_module_is_idle, NULL, timeout_ms);
}

#endif /* SEGPOOL_TESTING_DEBUGFS_H */
