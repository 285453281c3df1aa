// SPDX-License-Identifier: GPL-2.0-only
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_SIZE 4096

static struct table_entry *slot(struct table *table, uint64_t key)
{
	uint64_t at = key & (table->size - 1);

	while (table->entries[at].round == table->round && table->entries[at].key != key)
		at = (at + 1) & (table->size - 1);
	return &table->entries[at];
}

static void resize(struct table *table, uint64_t size)
{
	struct table old = *table;
	uint64_t i;

	table->entries = calloc(size, sizeof(*table->entries));
	if (!table->entries) {
		fprintf(stderr, "no memory for a table of %llu states\n", (unsigned long long)size);
		exit(2);
	}
	table->size = size;
	for (i = 0; i < old.size; i++)
		if (old.entries[i].round == old.round)
			*slot(table, old.entries[i].key) = old.entries[i];
	free(old.entries);
}

/* Entries of earlier rounds are as good as none. */
void table_clear(struct table *table)
{
	table->used = 0;
	table->round++;
	if (!table->size)
		resize(table, FIRST_SIZE);
}

void table_free(struct table *table)
{
	free(table->entries);
	*table = (struct table){ 0 };
}

uint64_t *table_find(struct table *table, uint64_t key)
{
	struct table_entry *entry = slot(table, key);

	return entry->round == table->round ? &entry->value : NULL;
}

void table_set(struct table *table, uint64_t key, uint64_t value)
{
	struct table_entry *entry = slot(table, key);

	if (entry->round != table->round && ++table->used * 2 > table->size) {
		resize(table, table->size * 2);
		entry = slot(table, key);
	}
	*entry = (struct table_entry){ .key = key, .value = value, .round = table->round };
}
