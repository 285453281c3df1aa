/* SPDX-License-Identifier: GPL-2.0-only */
/* What "segpool top" shows, as text: of a state and a size alone, so that it can be tested. */
#ifndef SEGPOOL_TOP_DRAW_H
#define SEGPOOL_TOP_DRAW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TOP_SAMPLES	256

enum top_charset { TOP_ASCII, TOP_UTF8 };

/**
 * struct top_history - what a pool had, lately
 * @pool: its number.
 * @taken: number of samples; sample n is at n % TOP_SAMPLES, and the older ones are gone.
 * @physical: bytes that were handed out.
 * @retained: bytes that waited for reuse.
 */
struct top_history {
	uint32_t pool;
	uint64_t taken;
	uint64_t physical[TOP_SAMPLES];
	uint64_t retained[TOP_SAMPLES];
};

/* @name: printable ASCII. */
struct top_row {
	uint32_t id;
	int pressure;
	const char *name;
	uint64_t virtual_bytes, virtual_budget;
	uint64_t physical_bytes, retained_bytes, physical_budget;
	const struct top_history *history;
};

/* Of the whole module. */
struct top_sums {
	uint32_t pools;
	uint64_t ceiling_used, ceiling, metadata;
	uint64_t virtual_bytes, physical_bytes, retained_bytes;
};

/* @sums: NULL where only the pools of the user are to be seen. */
struct top_view {
	const struct top_sums *sums;
	const struct top_row *rows;
	size_t count;
};

struct top_size {
	unsigned int width, height;
};

/* At most @size.height lines of at most @size.width columns, with a newline behind each but the last. */
void top_draw(FILE *file, const struct top_view *view, struct top_size size,
	      enum top_charset charset);

#endif
