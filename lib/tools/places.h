/* SPDX-License-Identifier: GPL-2.0-only */
/* Which allocation is where: blocks by their address, mappings by their ranges. */
#ifndef SEGPOOL_PLACES_H
#define SEGPOOL_PLACES_H

#include <stdint.h>

#include "array.h"

#define NO_ID	UINT32_MAX

struct block {
	uint64_t address;	/* 0: none */
	uint32_t id;
};

struct blocks {
	struct array table;
	uint64_t room;		/* entries, a power of two */
	uint64_t count;
};

struct piece {
	uint64_t start, end;
	uint32_t id;
};

/* In order, and no two overlap. */
struct pieces {
	struct array array;
	uint64_t count;
};

/* 0, or -1 without memory. @address is not there yet. */
int blocks_add(struct blocks *blocks, uint64_t address, uint32_t id);
/* Its id, and it is there no longer; NO_ID: it was not there. */
uint32_t blocks_take(struct blocks *blocks, uint64_t address);
void blocks_drop(struct blocks *blocks);

int pieces_add(struct pieces *pieces, uint64_t start, uint64_t end, uint32_t id);
/*
 * Cuts the first piece that overlaps [@start, @end) there, and says what was cut off.
 * 1: there was one; 0: none; -1 without memory.
 */
int pieces_cut(struct pieces *pieces, uint64_t start, uint64_t end, struct piece *cut);
void pieces_drop(struct pieces *pieces);

#endif
