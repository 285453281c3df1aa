// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replay as storage engines do without segpool: sizes are rounded up to powers of two,
 * addresses are kept for the next request of the size, and madvise(MADV_DONTNEED) gives
 * the memory back at each free.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "array.h"
#include "history.h"
#include "place.h"

#define PAGE		4096ULL
#define PAGE_SHIFT	12
#define MAX_SHIFT	41	/* HISTORY_MAX_BYTES, and an alignment of as much */
#define LONGEST		(1ULL << 44)
#define SHORTEST	(1ULL << 30)

struct size_list {
	struct array unused;	/* void * */
	uint64_t nr_unused;
};

static struct {
	char *base;
	uint64_t length;
	uint64_t next;		/* offset of what was never used */
	uint64_t virtual_bytes;
	uint64_t virtual_budget;
	uint64_t live_bytes;	/* in whole pages */
	uint64_t budget;
	uint64_t fresh, reused;
	struct size_list lists[MAX_SHIFT + 1];
} space;

static uint64_t pages(uint64_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

static uint32_t shift_for(uint64_t bytes)
{
	uint32_t shift = bytes > PAGE ? 64 - (uint32_t)__builtin_clzll(bytes - 1) : PAGE_SHIFT;

	return shift < PAGE_SHIFT ? PAGE_SHIFT : shift;
}

/* As long as the system allows. Huge pages would bring back what was not asked for. */
static int open_madvise(const struct place_limits *limits, char *why, size_t length)
{
	void *base = MAP_FAILED;

	memset(&space, 0, sizeof(space));
	for (space.length = LONGEST; base == MAP_FAILED && space.length >= SHORTEST;) {
		base = mmap(NULL, space.length, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (base == MAP_FAILED)
			space.length /= 2;
	}
	if (base == MAP_FAILED) {
		snprintf(why, length, "no addresses: %s", strerror(errno));
		return -1;
	}
	madvise(base, space.length, MADV_NOHUGEPAGE);
	space.base = base;
	space.budget = limits->budget;
	space.virtual_budget = limits->virtual_budget;
	return 0;
}

/* Aligned to its size, as far as the reservation itself is. */
static void *carve(uint32_t shift)
{
	uint64_t size = 1ULL << shift, address = (uint64_t)space.base + space.next;
	uint64_t offset = ((address + size - 1) & ~(size - 1)) - (uint64_t)space.base;

	if (offset > space.length || size > space.length - offset ||
	    (space.virtual_budget && size > space.virtual_budget - space.virtual_bytes))
		return NULL;
	space.next = offset + size;
	space.virtual_bytes += size;
	space.fresh++;
	return space.base + offset;
}

static void **unused_entry(struct size_list *list, uint64_t index)
{
	void **entries = list->unused.entries;

	return entries + index;
}

static void *take_shift(uint32_t shift)
{
	struct size_list *list = &space.lists[shift];

	if (!list->nr_unused)
		return carve(shift);
	space.reused++;
	return *unused_entry(list, --list->nr_unused);
}

static int over_budget(uint64_t old_bytes, uint64_t bytes)
{
	return space.budget && space.live_bytes - pages(old_bytes) + pages(bytes) > space.budget;
}

static void *take(char kind, uint64_t bytes, uint64_t alignment, enum place_reason *reason)
{
	uint32_t shift = shift_for(alignment > bytes ? alignment : bytes);
	void *block;

	/* New pages are zero anyway. */
	(void)kind;
	*reason = REFUSED_VIRTUAL;
	if (over_budget(0, bytes)) {
		*reason = REFUSED_PHYSICAL;
		return NULL;
	}
	if (shift > MAX_SHIFT)
		return NULL;
	/* A larger one than @bytes because of its alignment goes to the list of its bytes. */
	block = take_shift(shift);
	if (block)
		space.live_bytes += pages(bytes);
	return block;
}

static int give(void *block, uint64_t bytes)
{
	struct size_list *list = &space.lists[shift_for(bytes)];

	if (array_room(&list->unused, list->nr_unused + 1, sizeof(void *)))
		return -1;
	*unused_entry(list, list->nr_unused++) = block;
	space.live_bytes -= pages(bytes);
	return madvise(block, pages(bytes), MADV_DONTNEED);
}

static void *resize(void *block, uint64_t old_bytes, uint64_t bytes, enum place_reason *reason)
{
	uint64_t least = old_bytes < bytes ? old_bytes : bytes;
	void *other;

	if (shift_for(old_bytes) != shift_for(bytes)) {
		other = take(HISTORY_MALLOC, bytes, 0, reason);
		if (!other)
			return NULL;
		memcpy(other, block, least);
		give(block, old_bytes);
		return other;
	}
	if (bytes > old_bytes && over_budget(old_bytes, bytes)) {
		*reason = REFUSED_PHYSICAL;
		return NULL;
	}
	if (pages(bytes) < pages(old_bytes))
		madvise((char *)block + pages(bytes), pages(old_bytes) - pages(bytes),
			MADV_DONTNEED);
	space.live_bytes += pages(bytes) - pages(old_bytes);
	return block;
}

static void numbers(struct place_numbers *numbers)
{
	numbers->has_virtual = 1;
	numbers->virtual_bytes = space.virtual_bytes;
	numbers->fresh = space.fresh;
	numbers->reused = space.reused;
	numbers->unit = "blocks";
}

static void close_madvise(void)
{
	munmap(space.base, space.length);
	for (uint32_t shift = 0; shift <= MAX_SHIFT; shift++)
		array_drop(&space.lists[shift].unused);
}

const struct place place_madvise = {
	.name = "madvise", .open = open_madvise, .alloc = take, .resize = resize, .free = give,
	.numbers = numbers, .close = close_madvise,
};
