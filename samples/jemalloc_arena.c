// SPDX-License-Identifier: MIT
/*
 * An arena of jemalloc (5.3) in a pool: what it takes are regions, and what it gives up goes back to the
 * pool, page by page where it must be. So everything in the arena is within the pool's budgets.
 *
 *   cc -o jemalloc_arena jemalloc_arena.c $(pkg-config --cflags --libs libsegpool jemalloc)
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jemalloc/jemalloc.h>
#include <segpool.h>

#define BLOCKS	2000

/*
 * An extent is a number of neighbouring regions at first; later jemalloc splits and merges them as it likes,
 * which needs nothing, because they are parts of one mapping. A region goes when all its bytes have gone.
 */
static struct segpool *pool;
static uint64_t *handles;
static _Atomic size_t *gone;
static size_t region_size;

static size_t offset_of(const void *address)
{
	return (size_t)((const char *)address - (const char *)segpool_base(pool));
}

/* @work for the part of each region that is between @start and @start + @length. */
static bool each_part(size_t start, size_t length, bool (*work)(struct segpool_range *part))
{
	size_t end = start + length, next;
	bool good = true;

	for (; start < end; start = next) {
		struct segpool_range part = { .handle = handles[start / region_size], .offset = start % region_size };

		next = (start / region_size + 1) * region_size;
		next = next < end ? next : end;
		part.length = next - start;
		good &= work(&part);
	}
	return good;
}

static bool discard(struct segpool_range *part)
{
	return !segpool_discard(pool, part, 1, 0);
}

/* What jemalloc commits it takes for zeroes. */
static bool populate(struct segpool_range *part)
{
	return !segpool_populate(pool, part, 1, SEGPOOL_ZERO, 0);
}

static bool give_up(struct segpool_range *part)
{
	size_t index = SEGPOOL_HANDLE_INDEX(part->handle);

	if (atomic_fetch_add(&gone[index], part->length) + part->length < region_size)
		return discard(part);
	atomic_store(&gone[index], 0);
	return !segpool_region_free(pool, part->handle, 0);
}

static void *extent_alloc(extent_hooks_t *hooks, void *wanted, size_t size, size_t alignment, bool *zero,
			  bool *commit, unsigned int arena)
{
	uint32_t flags = SEGPOOL_CONTIGUOUS | (*commit ? SEGPOOL_POPULATE : 0) | (*zero ? SEGPOOL_ZERO : 0);
	size_t count = (size + region_size - 1) / region_size, i;
	struct segpool_region regions[SEGPOOL_MAX_BATCH];

	(void)hooks, (void)arena;
	if (wanted || alignment > region_size || count > SEGPOOL_MAX_BATCH)
		return NULL;
	if (segpool_region_alloc(pool, 0, flags, 0, regions, count) != (int)count)
		return NULL;
	for (i = 0; i < count; i++)
		handles[regions[i].offset / region_size] = regions[i].handle;
	/* Of the last region jemalloc knows a part only. What it did not ask to be there it will commit. */
	each_part(regions[0].offset + size, count * region_size - size, give_up);
	if (!*commit)
		each_part(regions[0].offset, size, discard);
	return segpool_region_address(pool, regions[0].handle);
}

static bool extent_dalloc(extent_hooks_t *hooks, void *address, size_t size, bool committed, unsigned int arena)
{
	(void)hooks, (void)committed, (void)arena;
	return !each_part(offset_of(address), size, give_up);
}

static void extent_destroy(extent_hooks_t *hooks, void *address, size_t size, bool committed, unsigned int arena)
{
	extent_dalloc(hooks, address, size, committed, arena);
}

static bool extent_commit(extent_hooks_t *hooks, void *address, size_t size, size_t offset, size_t length,
			  unsigned int arena)
{
	(void)hooks, (void)size, (void)arena;
	return !each_part(offset_of(address) + offset, length, populate);
}

static bool extent_decommit(extent_hooks_t *hooks, void *address, size_t size, size_t offset, size_t length,
			    unsigned int arena)
{
	(void)hooks, (void)size, (void)arena;
	return !each_part(offset_of(address) + offset, length, discard);
}

static bool extent_split(extent_hooks_t *hooks, void *address, size_t size, size_t first, size_t second,
			 bool committed, unsigned int arena)
{
	(void)hooks, (void)address, (void)size, (void)first, (void)second, (void)committed, (void)arena;
	return false;
}

static bool extent_merge(extent_hooks_t *hooks, void *first, size_t first_size, void *second, size_t second_size,
			 bool committed, unsigned int arena)
{
	(void)hooks, (void)first, (void)first_size, (void)second, (void)second_size, (void)committed, (void)arena;
	return false;
}

/* No purge hooks: what is not wanted any more is decommitted. */
static extent_hooks_t extent_hooks = {
	.alloc = extent_alloc,
	.dalloc = extent_dalloc,
	.destroy = extent_destroy,
	.commit = extent_commit,
	.decommit = extent_decommit,
	.split = extent_split,
	.merge = extent_merge,
};

static uint64_t counter(enum segpool_counter which)
{
	uint64_t values[SEGPOOL_NR_COUNTERS] = { 0 };

	segpool_stat(pool, values, SEGPOOL_NR_COUNTERS);
	return values[which];
}

static void show(const char *when)
{
	printf("%-10s %3lu regions, %4.1f MiB\n", when, (unsigned long)counter(SEGPOOL_C_REGIONS_ACTIVE),
	       counter(SEGPOOL_C_PHYSICAL_BYTES) / 1048576.0);
}

static bool control(unsigned int arena, const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "arena.%u.%s", arena, what);
	return !mallctl(name, NULL, NULL, NULL, 0);
}

/* Blocks of 1 byte to 256 KiB, each full of its number; every other one goes early. */
static bool fill_and_look(int flags)
{
	static unsigned char *blocks[BLOCKS];
	static size_t sizes[BLOCKS];
	bool good = true;
	size_t i, j;

	for (i = 0; i < BLOCKS; i++) {
		sizes[i] = 1 + random() % (i % 10 ? 4096 : 256 << 10);
		blocks[i] = mallocx(sizes[i], flags);
		if (!blocks[i] || offset_of(blocks[i]) >= segpool_reservation(pool)) {
			fprintf(stderr, "block %zu is not in the pool\n", i);
			return false;
		}
		memset(blocks[i], (int)i, sizes[i]);
		if (i % 2)
			dallocx(blocks[i - 1], flags);
	}
	show("allocated");
	for (i = 1; i < BLOCKS; i += 2) {
		for (j = 0; j < sizes[i]; j++)
			good &= blocks[i][j] == (unsigned char)i;
		dallocx(blocks[i], flags);
	}
	return good;
}

static int open_pool(void)
{
	struct segpool_options options;
	char why[256];
	size_t nr;
	int error;

	segpool_options_init(&options);
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.limits.virtual_budget = 256 << 20;
	options.limits.physical_budget = 128 << 20;
	error = segpool_open(&options, &pool);
	if (error) {
		fprintf(stderr, "%s\n", segpool_strerror(NULL, error, why, sizeof(why)));
		return error;
	}
	region_size = segpool_region_size(pool);
	nr = segpool_reservation(pool) / region_size;
	handles = calloc(nr, sizeof(*handles));
	gone = calloc(nr, sizeof(*gone));
	return handles && gone ? 0 : -1;
}

int main(void)
{
	extent_hooks_t *hooks = &extent_hooks;
	unsigned int arena;
	size_t length = sizeof(arena), hooks_length = sizeof(extent_hooks_t *);
	bool good;

	if (open_pool() || mallctl("arenas.create", &arena, &length, &hooks, hooks_length))
		return 1;
	good = fill_and_look(MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE);
	/* Memory goes back by pages ... */
	good &= control(arena, "purge");
	show("purged");
	/* ... and with the arena by regions. */
	good &= control(arena, "destroy");
	show("destroyed");
	good &= !counter(SEGPOOL_C_REGIONS_ACTIVE) && !counter(SEGPOOL_C_PHYSICAL_BYTES);
	segpool_close(pool);
	free(handles);
	free((void *)gone);
	puts(good ? "good" : "bad");
	return !good;
}
