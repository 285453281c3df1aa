/* SPDX-License-Identifier: GPL-2.0-only */
/* A table from hashes to numbers. */
#ifndef HISTORIES_TABLE_H
#define HISTORIES_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct table_entry {
	uint64_t key;
	uint64_t value;
	uint32_t round;
};

struct table {
	struct table_entry *entries;
	uint64_t size;
	uint64_t used;
	uint32_t round;
};

void table_clear(struct table *table);
void table_free(struct table *table);

/* NULL where the key is not there. */
uint64_t *table_find(struct table *table, uint64_t key);

void table_set(struct table *table, uint64_t key, uint64_t value);

#endif
