/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways in which a program can give memory back and have it again while the
 * address range stays: the pool's, and what the kernel offers without it.
 */
#ifndef SEGPOOL_BENCH_WAYS_H
#define SEGPOOL_BENCH_WAYS_H

#include <stdbool.h>
#include <stdlib.h>
#include "../testing_memory.h"

#define RANGES_MOST	64

/* Which memory is given back at once: @nr ranges, as far from each other as they are long. */
struct shape {
	const char *name;
	uint64_t length;
	uint32_t nr;
};

struct place;

/**
 * struct way - one way
 * @open: makes @place->base: SP_BIG bytes, aligned to as many, that may be written.
 * @release: gives the ranges back.
 * @reuse: has them again, ready to be written without a fault; NULL: the writes do it.
 * @pool: of a segpool, in this @mode, with these @flags for FREE; @regions: a range is
 *	a whole region, otherwise a part of one.
 * @advice: for madvise().
 * @whole: only where the ranges are one region.
 */
struct way {
	const char *name;
	void (*open)(struct place *place);
	void (*release)(struct place *place);
	void (*reuse)(struct place *place);
	void (*close)(struct place *place);
	bool pool, regions, whole, huge_pages;
	uint32_t mode, flags;
	int advice;
};

/**
 * struct place - memory that is given back and taken again
 * @shared: the pool of all threads; NULL: it has one of its own.
 * @calls: system calls made for that so far.
 */
struct place {
	const struct way *way;
	const struct shape *shape;
	char *base;
	const struct sp_pool *shared;
	struct sp_pool pool;
	struct segpool_region region;
	int fd;
	uint64_t calls;
};

static void way_failed(const struct place *place, const char *what)
{
	fprintf(stderr, "peers: %s: %s: %s\n", place->way->name, what, strerror(errno));
	exit(1);
}

static char *range_at(const struct place *place, uint32_t number)
{
	return place->base + (uint64_t)number * 2 * place->shape->length;
}

static void write_ranges(const struct place *place)
{
	uint64_t length = place->shape->length, offset;
	char *bytes;
	uint32_t i;

	for (i = 0; i < place->shape->nr; i++) {
		bytes = range_at(place, i);
		for (offset = 0; offset < length; offset += SP_PAGE)
			*(volatile char *)(bytes + offset) = 1;
	}
}

/* --- pools --- */

static void pool_call(struct place *place, const char *what, int result)
{
	place->calls++;
	if (result >= 0)
		return;
	errno = -result;
	way_failed(place, what);
}

/* Room for so many places. */
static void make_pool(const struct way *way, struct sp_pool *pool, uint32_t regions)
{
	uint64_t bytes = regions * SP_BIG;
	int error = sp_pool_make(pool, way->mode, SP_BIG, 2 * bytes, bytes, bytes);

	if (!error)
		return;
	fprintf(stderr, "peers: %s: cannot make a pool: %s\n", way->name, strerror(-error));
	exit(1);
}

/* Perhaps another one: it is the class's, not ours. */
static void take_region(struct place *place)
{
	pool_call(place, "ALLOC", sp_alloc(place->pool.fd, 0, SEGPOOL_POPULATE, 1, &place->region));
	place->base = sp_region_at(&place->pool, &place->region);
}

static void open_pool(struct place *place)
{
	struct sp_pool *pool = &place->pool;

	if (place->shared)
		*pool = *place->shared;
	else
		make_pool(place->way, pool, 1);
	take_region(place);
}

static void release_region(struct place *place)
{
	pool_call(place, "FREE", sp_free(place->pool.fd, place->region.handle, place->way->flags));
}

static void call_ranges(struct place *place, const char *what, unsigned long command)
{
	struct segpool_range ranges[RANGES_MOST];
	struct segpool_ranges call = { .size = sizeof(call), .count = place->shape->nr,
				       .ranges = (uintptr_t)ranges };
	uint32_t i;

	for (i = 0; i < place->shape->nr; i++)
		ranges[i] = (struct segpool_range){ .handle = place->region.handle,
						    .offset = range_at(place, i) - place->base,
						    .length = place->shape->length };
	pool_call(place, what, sp_ioctl(place->pool.fd, command, &call));
}

static void release_ranges(struct place *place)
{
	call_ranges(place, "DISCARD", SEGPOOL_IOC_DISCARD);
}

static void reuse_ranges(struct place *place)
{
	call_ranges(place, "POPULATE", SEGPOOL_IOC_POPULATE);
}

static void close_pool(struct place *place)
{
	if (!place->shared)
		sp_pool_close(&place->pool);
}

/* --- the kernel's own --- */

static void open_anonymous(struct place *place)
{
	char *at = mmap(NULL, 2 * SP_BIG, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before;

	if (at == MAP_FAILED)
		way_failed(place, "mmap");
	before = -(uintptr_t)at % SP_BIG;
	if ((before && munmap(at, before)) || munmap(at + before + SP_BIG, SP_BIG - before))
		way_failed(place, "munmap");
	place->base = at + before;
	if (madvise(place->base, SP_BIG, place->way->huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		way_failed(place, "madvise");
}

static void advise(struct place *place, int advice)
{
	uint32_t i;

	for (i = 0; i < place->shape->nr; i++, place->calls++)
		if (madvise(range_at(place, i), place->shape->length, advice))
			way_failed(place, "madvise");
}

static void release_by_advice(struct place *place)
{
	advise(place, place->way->advice);
}

static void reuse_by_populating(struct place *place)
{
	advise(place, MADV_POPULATE_WRITE);
}

static void release_by_munmap(struct place *place)
{
	uint32_t i;

	for (i = 0; i < place->shape->nr; i++, place->calls++)
		if (munmap(range_at(place, i), place->shape->length))
			way_failed(place, "munmap");
}

static void reuse_by_mmap(struct place *place)
{
	uint32_t i;

	for (i = 0; i < place->shape->nr; i++, place->calls++)
		if (mmap(range_at(place, i), place->shape->length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			way_failed(place, "mmap");
}

static void close_mapping(struct place *place)
{
	munmap(place->base, SP_BIG);
}

/* --- holes in a file in memory --- */

static void open_file(struct place *place)
{
	place->fd = memfd_create("bench", MFD_CLOEXEC);
	if (place->fd < 0 || ftruncate(place->fd, SP_BIG))
		way_failed(place, "memfd_create");
	place->base = mmap(NULL, SP_BIG, PROT_READ | PROT_WRITE, MAP_SHARED, place->fd, 0);
	if (place->base == MAP_FAILED)
		way_failed(place, "mmap");
}

static void release_by_hole(struct place *place)
{
	uint32_t i;

	for (i = 0; i < place->shape->nr; i++, place->calls++)
		if (fallocate(place->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      range_at(place, i) - place->base, place->shape->length))
			way_failed(place, "fallocate");
}

static void close_file(struct place *place)
{
	munmap(place->base, SP_BIG);
	close(place->fd);
}

#define OF_REGIONS(mode_, flags_) \
	.open = open_pool, .release = release_region, .reuse = take_region, .close = close_pool, \
	.pool = true, .regions = true, .whole = true, .mode = mode_, .flags = flags_
#define OF_RANGES(mode_) \
	.open = open_pool, .release = release_ranges, .reuse = reuse_ranges, .close = close_pool, \
	.pool = true, .mode = mode_
#define OF_ADVICE(advice_, reuse_) \
	.open = open_anonymous, .release = release_by_advice, .reuse = reuse_, \
	.close = close_mapping, .advice = advice_

/* Of a pool whole regions go by FREE and ALLOC, parts by DISCARD and POPULATE. No commas. */
static const struct way ways[] = {
	{ "strict pool", OF_REGIONS(SEGPOOL_MODE_STRICT, 0) },
	{ "strict pool: lazy", OF_REGIONS(SEGPOOL_MODE_STRICT, SEGPOOL_LAZY) },
	{ "pinnable pool", OF_REGIONS(SEGPOOL_MODE_PINNABLE, 0) },
	{ "pinnable pool: lazy", OF_REGIONS(SEGPOOL_MODE_PINNABLE, SEGPOOL_LAZY) },
	{ "huge pool", OF_REGIONS(SEGPOOL_MODE_HUGE, 0) },
	{ "huge pool: lazy", OF_REGIONS(SEGPOOL_MODE_HUGE, SEGPOOL_LAZY) },
	{ "strict pool", OF_RANGES(SEGPOOL_MODE_STRICT) },
	{ "pinnable pool", OF_RANGES(SEGPOOL_MODE_PINNABLE) },
	{ "huge pool", OF_RANGES(SEGPOOL_MODE_HUGE) },
	{ "MADV_DONTNEED", OF_ADVICE(MADV_DONTNEED, NULL) },
	{ "MADV_DONTNEED + MADV_POPULATE_WRITE", OF_ADVICE(MADV_DONTNEED, reuse_by_populating) },
	{ "MADV_DONTNEED + MADV_HUGEPAGE", OF_ADVICE(MADV_DONTNEED, NULL), .whole = true,
	  .huge_pages = true },
	{ "MADV_FREE", OF_ADVICE(MADV_FREE, NULL) },
	{ "memfd + FALLOC_FL_PUNCH_HOLE", .open = open_file, .release = release_by_hole,
	  .close = close_file },
	{ "munmap() + mmap()", .open = open_anonymous, .release = release_by_munmap,
	  .reuse = reuse_by_mmap, .close = close_mapping },
};

#define NR_WAYS	(sizeof(ways) / sizeof(ways[0]))

#endif /* SEGPOOL_BENCH_WAYS_H */
