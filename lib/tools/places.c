// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "places.h"

#define SMALLEST_TABLE	4096U

static struct block *entry(const struct blocks *blocks, uint64_t index)
{
	return (struct block *)blocks->table.entries + (index & (blocks->room - 1));
}

static uint64_t home(uint64_t address)
{
	return (address * 0x9e3779b97f4a7c15ULL) >> 20;
}

static void insert(struct blocks *blocks, uint64_t address, uint32_t id)
{
	uint64_t index = home(address);

	while (entry(blocks, index)->address)
		index++;
	*entry(blocks, index) = (struct block) { .address = address, .id = id };
}

static int grow(struct blocks *blocks)
{
	struct blocks larger = { .room = blocks->room ? 2 * blocks->room : SMALLEST_TABLE };

	if (array_room(&larger.table, larger.room, sizeof(struct block)))
		return -1;
	for (uint64_t i = 0; i < blocks->room; i++)
		if (entry(blocks, i)->address)
			insert(&larger, entry(blocks, i)->address, entry(blocks, i)->id);
	larger.count = blocks->count;
	array_drop(&blocks->table);
	*blocks = larger;
	return 0;
}

int blocks_add(struct blocks *blocks, uint64_t address, uint32_t id)
{
	if (2 * (blocks->count + 1) > blocks->room && grow(blocks))
		return -1;
	insert(blocks, address, id);
	blocks->count++;
	return 0;
}

/* What follows moves up, so that there is no hole between an entry and its home. */
static void close_hole(struct blocks *blocks, uint64_t hole)
{
	uint64_t mask = blocks->room - 1;

	for (uint64_t i = hole + 1; entry(blocks, i)->address; i++) {
		if (((i - home(entry(blocks, i)->address)) & mask) < ((i - hole) & mask))
			continue;
		*entry(blocks, hole) = *entry(blocks, i);
		hole = i;
	}
	entry(blocks, hole)->address = 0;
}

uint32_t blocks_take(struct blocks *blocks, uint64_t address)
{
	uint64_t index = home(address);
	uint32_t id;

	if (!blocks->room)
		return NO_ID;
	while (entry(blocks, index)->address != address) {
		if (!entry(blocks, index)->address)
			return NO_ID;
		index++;
	}
	id = entry(blocks, index)->id;
	close_hole(blocks, index);
	blocks->count--;
	return id;
}

void blocks_drop(struct blocks *blocks)
{
	array_drop(&blocks->table);
	memset(blocks, 0, sizeof(*blocks));
}

static struct piece *piece(const struct pieces *pieces, uint64_t index)
{
	return (struct piece *)pieces->array.entries + index;
}

/* The first that ends behind @address. */
static uint64_t find(const struct pieces *pieces, uint64_t address)
{
	uint64_t low = 0, high = pieces->count;

	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (piece(pieces, middle)->end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_at(struct pieces *pieces, uint64_t index, struct piece new)
{
	if (array_room(&pieces->array, pieces->count + 1, sizeof(struct piece)))
		return -1;
	memmove(piece(pieces, index + 1), piece(pieces, index),
		(pieces->count - index) * sizeof(struct piece));
	*piece(pieces, index) = new;
	pieces->count++;
	return 0;
}

int pieces_add(struct pieces *pieces, uint64_t start, uint64_t end, uint32_t id)
{
	return insert_at(pieces, find(pieces, start),
			 (struct piece) { .start = start, .end = end, .id = id });
}

int pieces_cut(struct pieces *pieces, uint64_t start, uint64_t end, struct piece *cut)
{
	uint64_t index = find(pieces, start);
	struct piece whole;

	if (index == pieces->count || piece(pieces, index)->start >= end)
		return 0;
	whole = *piece(pieces, index);
	*cut = whole;
	if (cut->start < start)
		cut->start = start;
	if (cut->end > end)
		cut->end = end;
	memmove(piece(pieces, index), piece(pieces, index + 1),
		(--pieces->count - index) * sizeof(struct piece));
	if (whole.end > end && insert_at(pieces, index,
					 (struct piece) { end, whole.end, whole.id }))
		return -1;
	if (whole.start < start && insert_at(pieces, index,
					     (struct piece) { whole.start, start, whole.id }))
		return -1;
	return 1;
}

void pieces_drop(struct pieces *pieces)
{
	array_drop(&pieces->array);
	memset(pieces, 0, sizeof(*pieces));
}
