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
static int mark(struct segpool_segments *segments, struct segpool_segment *segment,
		uint32_t generation, bool *link)
{
	uint32_t seen = segpool_read(&segment->remote);

	do {
		/* Freed by somebody else, or a free that was wrong, and is late. */
		if (seen & 1 && (int32_t)(generation - seen) <= 0)
			return -EALREADY;
		/* Since it was looked at somebody has come to hold it: that is arbitrated there. */
		if (seen && !(seen & 1))
			return -EAGAIN;
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

/*
 * One of a list that nobody else has: whether its free was right, and it is free by that. Then this
 * becomes of it; otherwise it is in no list from now on.
 */
static bool is_right(struct segpool_segments *segments, struct segpool_segment *segment,
		     bool stays_listed)
{
	uint32_t seen = segpool_read(&segment->remote), becomes;
	bool right;

	do {
		right = seen == segpool_read(&segment->generation);
		becomes = stays_listed ? seen : SEGPOOL_FREED;
	} while (!__atomic_compare_exchange_n(&segment->remote, &seen, right ? becomes : 0, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (!right)
		__atomic_add_fetch(&segments->double_frees, 1, __ATOMIC_RELAXED);
	return right;
}

/*
 * The list of a region that went home meanwhile: the frees in there were wrong. But the region may
 * have a new owner by now, and right ones with them in the list: those are put in again.
 * Whether there are any that the owner has to be told of.
 */
static bool throw_out(struct segpool_segments *segments, struct segpool_slab *slab)
{
	struct segpool_segment *segment;
	uint32_t next, number;
	bool told = false;

	next = __atomic_exchange_n(&slab->remote, 0, __ATOMIC_ACQ_REL);
	while (next) {
		number = next - 1;
		segment = segment_of(segments, slab, number);
		/* Before it may be put into a list again. */
		next = segpool_read(&segment->next);
		if (is_right(segments, segment, true))
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

/* Nobody else is at it: it is the owner's to collect. */
void segpool_remote_put(struct segpool_segments *segments, struct segpool_slab *slab,
			uint32_t number)
{
	if (push_segment(segments, slab, number))
		tell_owner(segments, slab);
}

/* 0; -EALREADY: somebody has freed it before. */
int segpool_remote_free(struct segpool_segments *segments, struct segpool_slab *slab,
			uint32_t number, uint32_t generation)
{
	bool link = false;
	int error = mark(segments, segment_of(segments, slab, number), generation, &link);

	if (error == -EAGAIN)
		return segpool_careful_free(segments, slab, number, generation, NULL);
	if (!error && link)
		segpool_remote_put(segments, slab, number);
	return error;
}

static void collect_slab(struct segpool_heap *heap, struct segpool_slab *slab,
			 struct segpool_leaving *leaving)
{
	struct segpool_segments *segments = heap->segments;
	struct segpool_segment *segment;
	uint32_t next, number;

	next = __atomic_exchange_n(&slab->remote, 0, __ATOMIC_ACQ_REL);
	while (next) {
		number = next - 1;
		segment = segment_of(segments, slab, number);
		/* Before it may be put into a list again. */
		next = segpool_read(&segment->next);
		if (is_right(segments, segment, false))
			segpool_slab_take_back(heap, slab, number, leaving);
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
