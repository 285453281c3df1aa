// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a segment costs, and what the same costs by malloc(), whosever that is:
 *
 *   segments segpool|malloc pair|replace|mixed OPERATIONS
 *
 * prints nanoseconds for each operation: one free and one alloc, with a write to its first word.
 */
#include <stdio.h>
#include <string.h>

#include <segpool.h>
#include "clock.h"

#define PLACES		512
#define BYTES		65536
#define NR_SIZES	7

static struct segpool *pool;

static inline void *take(size_t bytes)
{
	return pool ? segpool_alloc(pool, bytes) : malloc(bytes);
}

static inline void give(void *memory)
{
	if (pool)
		segpool_free(pool, memory);
	else
		free(memory);
}

/* Of George Marsaglia: good enough to choose a place. */
static inline uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline void *take_and_touch(size_t bytes)
{
	void *memory = take(bytes);

	if (!memory) {
		fprintf(stderr, "no memory\n");
		exit(1);
	}
	*(volatile uint64_t *)memory = bytes;
	return memory;
}

static void pairs(uint64_t operations)
{
	while (operations--)
		give(take_and_touch(BYTES));
}

static size_t size_of(uint64_t random, int mixed)
{
	return mixed ? (size_t)4096 << (random >> 32) % NR_SIZES : BYTES;
}

/* One of many is given back, and another one taken in its place. */
static void replacements(void **places, uint64_t operations, int mixed)
{
	uint64_t state = 88172645463325252ULL, random;

	while (operations--) {
		random = next(&state);
		give(places[random % PLACES]);
		places[random % PLACES] = take_and_touch(size_of(random, mixed));
	}
}

static int open_pool(void)
{
	struct segpool_options options;
	char why[256];
	int error;

	segpool_options_init(&options);
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.limits.virtual_budget = 512 << 20;
	options.limits.physical_budget = 512 << 20;
	error = segpool_open(&options, &pool);
	if (error)
		fprintf(stderr, "%s\n", segpool_strerror(NULL, error, why, sizeof(why)));
	return error;
}

int main(int argc, char **argv)
{
	int mixed = argc == 4 && !strcmp(argv[2], "mixed");
	uint64_t operations, start, state = 1;
	void *places[PLACES];
	int i;

	if (argc != 4 || (strcmp(argv[1], "segpool") && strcmp(argv[1], "malloc"))) {
		fprintf(stderr, "usage: segments segpool|malloc pair|replace|mixed OPERATIONS\n");
		return 2;
	}
	operations = strtoull(argv[3], NULL, 10);
	if (!operations || (!strcmp(argv[1], "segpool") && open_pool()))
		return 1;
	for (i = 0; i < PLACES; i++)
		places[i] = take_and_touch(size_of(next(&state), mixed));
	start = now();
	if (!strcmp(argv[2], "pair"))
		pairs(operations);
	else
		replacements(places, operations, mixed);
	printf("%.1f\n", (double)(now() - start) / operations);
	for (i = 0; i < PLACES; i++)
		give(places[i]);
	segpool_close(pool);
	return 0;
}
