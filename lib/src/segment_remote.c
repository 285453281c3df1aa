// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What other threads free of a heap's regions. Each region has a list of such segments, and each
 * heap one of regions with such lists. Who puts the first segment into a region's list has to
 * tell the owner: until somebody takes the list, nobody else does.
 */
#include <errno.h>

#include "segment.h"

static struct segpool_segment *segment_of(const struct segpool_segments *segments,
					  const struct segpool_slab *slab, uint32_t number)
{
	return segpool_segment_at(segments, segpool_slab_index(segments, slab), number);
}

static void tell(struct segpool_heap *owner, uint32_t index)
{
	struct segpool_slab *slab = &owner->segments->pool->slabs[index];
	uint32_t first = segpool_read(&owner->remote);

	do {
		segpool_write(&slab->next_remote, first);
	} while (!__atomic_compare_exchange_n(&owner->remote, &first, index + 1, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* Whether somebody has to be told. */
static bool push_segment(struct segpool_segments *segments, struct segpool_slab *slab,
			 uint32_t number)
{
	struct segpool_segment *segment = segment_of(segments, slab, number);
	uint32_t first = segpool_read(&slab->remote);

	do {
		segpool_write(&segment->next, first);
	} while (!__atomic_compare_exchange_n(&slab->remote, &first, number + 1, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return !first;
}

/* Whether it was not in a list yet, and is to be put into one. */
static int mark(struct segpool_segments *segments, struct segpool_slab *slab, uint32_t number,
		uint32_t generation, bool *link)
{
	struct segpool_segment *segment = segment_of(segments, slab, number);
	uint32_t seen = segpool_read(&segment->remote);

	do {
		if (seen == generation)
			return -EALREADY;
	} while (!__atomic_compare_exchange_n(&segment->remote, &seen, generation, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	/*
	 * One that is in the list already is there for a free that was wrong: its owner had freed
	 * it, too. It stands for this one now, which is right.
	 */
	*link = !seen;
	if (seen)
		__atomic_add_fetch(&segments->double_frees, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Takes one out of a list that nobody else has: of which free it is there for. */
static uint32_t unmark(struct segpool_segments *segments, struct segpool_slab *slab,
		       uint32_t number, uint32_t *next)
{
	struct segpool_segment *segment = segment_of(segments, slab, number);

	/* Before it may be put into a list again. */
	*next = segpool_read(&segment->next);
	return __atomic_exchange_n(&segment->remote, 0, __ATOMIC_ACQ_REL);
}

/*
 * The list of a region that went home meanwhile: the frees in there were wrong. But the region may
 * have a new owner by now, and right ones with them in the list: those are put in again.
 * Whether there are any that the owner has to be told of.
 */
static bool throw_out(struct segpool_segments *segments, struct segpool_slab *slab)
{
	uint32_t next, number, generation;
	bool link, told = false;

	next = __atomic_exchange_n(&slab->remote, 0, __ATOMIC_ACQ_REL);
	while (next) {
		number = next - 1;
		generation = unmark(segments, slab, number, &next);
		if (segpool_read(&segment_of(segments, slab, number)->generation) != generation)
			__atomic_add_fetch(&segments->double_frees, 1, __ATOMIC_RELAXED);
		else if (!mark(segments, slab, number, generation, &link) && link)
			told |= push_segment(segments, slab, number);
	}
	return told;
}

/* There is something in the list of a region of which nobody has been told. */
static void tell_owner(struct segpool_segments *segments, struct segpool_slab *slab)
{
	struct segpool_heap *owner;

	do {
		owner = __atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE);
		if (owner) {
			/* Where it is not the owner any more, it tells who is. */
			tell(owner, segpool_slab_index(segments, slab));
			return;
		}
	} while (throw_out(segments, slab));
}

/* 0; -EALREADY: somebody has freed it before. */
int segpool_remote_free(struct segpool_segments *segments, struct segpool_slab *slab,
			uint32_t number, uint32_t generation)
{
	bool link = false;
	int error = mark(segments, slab, number, generation, &link);

	if (!error && link && push_segment(segments, slab, number))
		tell_owner(segments, slab);
	return error;
}

static void collect_slab(struct segpool_heap *heap, struct segpool_slab *slab,
			 struct segpool_leaving *leaving)
{
	struct segpool_segments *segments = heap->segments;
	uint32_t next, number, generation;

	next = __atomic_exchange_n(&slab->remote, 0, __ATOMIC_ACQ_REL);
	while (next) {
		number = next - 1;
		generation = unmark(segments, slab, number, &next);
		segpool_slab_take_back(heap, slab, number, generation, leaving);
	}
}

/* Inside: what other threads have freed of the heap's regions. */
void segpool_heap_collect(struct segpool_heap *heap, struct segpool_leaving *leaving)
{
	struct segpool_segments *segments = heap->segments;
	struct segpool_slab *slab;
	uint32_t next;

	if (!segpool_read(&heap->remote))
		return;
	next = __atomic_exchange_n(&heap->remote, 0, __ATOMIC_ACQUIRE);
	while (next) {
		slab = &segments->pool->slabs[next - 1];
		next = segpool_read(&slab->next_remote);
		/* Inside, what is the heap's stays the heap's. */
		if (__atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE) == heap)
			collect_slab(heap, slab, leaving);
		else
			tell_owner(segments, slab);
	}
}
