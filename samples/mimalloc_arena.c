// SPDX-License-Identifier: MIT
/*
 * An arena of mimalloc (2.x) in a pool: small blocks from two neighbouring regions of 32 MiB, which is how
 * much mimalloc takes at once, and no byte beyond them.
 *
 *   cc -o mimalloc_arena mimalloc_arena.c $(pkg-config --cflags --libs libsegpool) -lmimalloc
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mimalloc.h>
#include <segpool.h>

#define REGIONS	2
#define BLOCKS	50000

static struct segpool *pool;

static mi_heap_t *make_heap(void)
{
	struct segpool_region regions[REGIONS];
	size_t size = REGIONS * segpool_region_size(pool);
	mi_arena_id_t arena;
	char why[256];
	int n;

	n = segpool_region_alloc(pool, 0, SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS, 0, regions, REGIONS);
	if (n < 0) {
		fprintf(stderr, "%s\n", segpool_strerror(pool, n, why, sizeof(why)));
		return NULL;
	}
	/*
	 * It is told that the pages are large ones, which it takes for pinned: giving pages back is the pool's
	 * business. An arena is for ever, so the regions stay as long as the process.
	 */
	if (!mi_manage_os_memory_ex(segpool_region_address(pool, regions[0].handle), size, true, true, false, -1,
				    true, &arena))
		return NULL;
	return mi_heap_new_in_arena(arena);
}

static bool in_pool(const void *block)
{
	return (size_t)((const char *)block - (const char *)segpool_base(pool)) < segpool_reservation(pool);
}

/* Blocks of all sizes up to 1,000 bytes, each full of its number. */
static bool fill_and_look(mi_heap_t *heap)
{
	static unsigned char *blocks[BLOCKS];
	bool good = true;
	size_t i, j;

	for (i = 0; i < BLOCKS; i++) {
		blocks[i] = mi_heap_malloc(heap, i % 1000 + 1);
		if (!blocks[i] || !in_pool(blocks[i])) {
			fprintf(stderr, "block %zu is not in the pool\n", i);
			return false;
		}
		memset(blocks[i], (int)i, i % 1000 + 1);
	}
	for (i = 0; i < BLOCKS; i++) {
		for (j = 0; j <= i % 1000; j++)
			good &= blocks[i][j] == (unsigned char)i;
		mi_free(blocks[i]);
	}
	return good;
}

int main(void)
{
	struct segpool_options options;
	mi_heap_t *heap;
	char why[256];
	bool good;
	int error;

	segpool_options_init(&options);
	options.region_size = 32 << 20;
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.limits.virtual_budget = options.limits.physical_budget = REGIONS * options.region_size;
	error = segpool_open(&options, &pool);
	if (error) {
		fprintf(stderr, "%s\n", segpool_strerror(NULL, error, why, sizeof(why)));
		return 1;
	}
	heap = make_heap();
	good = heap && fill_and_look(heap);
	/* What does not fit is refused, and taken from nowhere else. */
	good = good && !mi_heap_malloc(heap, 2UL * REGIONS * options.region_size);
	printf("%d blocks of 1 to 1000 bytes in %d regions: %s\n", BLOCKS, REGIONS, good ? "good" : "bad");
	/* The pool is not closed: mimalloc has the arena until the process ends. */
	return !good;
}
