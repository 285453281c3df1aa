// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Segments that others may hold: what is free goes when the last of them lets it go.
 *
 * Who holds a segment is counted in its @remote. A free of such a segment, by whatever thread, and
 * each hold is a compare and exchange there: they have an order. Where a region has had no
 * segment that was held yet, its owner frees by plain stores; who comes to hold one first makes it
 * careful, inside the owner's heap (struct segpool_slab).
 *
 * A region may go home, come back in another shape and be somebody else's under a call with an address
 * that is not the program's any more; and what is counted may be the same as before by then, so
 * that the exchange works. Who has a hold on a segment looks again, therefore: if it is in use, and the
 * one that is meant, then nothing of that can happen from then on. A hold on anything else does no harm
 * until it is let go. A free holds, too, before it says that the segment is free: what is marked
 * SEGPOOL_FREED is free.
 */
#include <errno.h>

#include "record.h"
#include "segment_check.h"
#include "segment_inside.h"
#include "syscall.h"

/* So often at once, before sleeping in between. */
#define TRIES	100

static struct segpool_segment *segment_of(const struct segpool_segments *segments,
					  const struct segpool_slab *slab, uint32_t number)
{
	return segpool_segment_at(segments, segpool_slab_index(segments, slab), number);
}

static bool exchange(struct segpool_segment *segment, uint32_t *seen, uint32_t becomes)
{
	return __atomic_compare_exchange_n(&segment->remote, seen, becomes, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* The program has freed it, and nobody else is at it: it goes where it came from. */
static void tear_down(struct segpool_segments *segments, struct segpool_slab *slab,
		      uint32_t number)
{
	struct segpool_segment *segment = segment_of(segments, slab, number);
	struct segpool_leaving leaving = SEGPOOL_NOBODY_LEAVES;
	struct segpool_heap *heap;

	if (segments->checks)
		segpool_check_poison(segments, slab, number);
	if (slab->large) {
		segpool_large_end(segments, slab);
		return;
	}
	heap = segpool_heap_if_mine(segments->pool);
	if (heap && segpool_read(&slab->owner) == heap) {
		segpool_heap_enter(heap);
		if (segpool_read(&slab->owner) == heap) {
			segpool_slab_take_back(heap, slab, number, &leaving);
			segpool_heap_exit(heap);
			segpool_leave(segments, &leaving);
			return;
		}
		segpool_heap_exit(heap);
	}
	__atomic_store_n(&segment->remote, segpool_read(&segment->generation), __ATOMIC_RELEASE);
	segpool_remote_put(segments, slab, number);
}

/* --- holds --- */

/* Where a segment begins, in the shape that its region has now. */
int segpool_find(const struct segpool *pool, const void *address, struct segpool_place *place)
{
	uint64_t offset = (uint64_t)((uintptr_t)address - (uintptr_t)pool->base);
	uint64_t inner = offset & pool->region_mask;

	if (offset >= pool->reservation)
		return -EINVAL;
	place->slab = &pool->slabs[offset >> pool->region_shift];
	place->shift = segpool_read(&place->slab->shift);
	place->number = (uint32_t)(inner >> place->shift);
	return !place->shift || inner & ((1ULL << place->shift) - 1) ? -EINVAL : 0;
}

static bool is_large(const struct segpool_slab *slab)
{
	return __atomic_load_n(&slab->large, __ATOMIC_ACQUIRE);
}

static bool is_careful(const struct segpool_slab *slab)
{
	return __atomic_load_n(&slab->careful, __ATOMIC_ACQUIRE);
}

/* False: no heap has it. */
static bool make_careful(struct segpool_segments *segments, struct segpool_slab *slab)
{
	struct segpool_heap *owner;

	while (!is_careful(slab)) {
		owner = __atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE);
		if (!owner)
			return false;
		pthread_mutex_lock(&segments->lock);
		segpool_heap_intrude(owner);
		if (segpool_read(&slab->owner) == owner)
			segpool_slab_be_careful(owner, slab);
		segpool_heap_withdraw(owner);
		pthread_mutex_unlock(&segments->lock);
	}
	return true;
}

/*
 * With a hold: whether it is on that segment, and the program had that at this moment. In this order: a
 * region may become careful between a plain free and a second look.
 */
static bool is_there(const struct segpool_segment *segment,
		     const struct segpool_place *place, uint32_t wanted)
{
	bool is_kept = is_careful(place->slab) || is_large(place->slab);
	uint32_t generation = __atomic_load_n(&segment->generation, __ATOMIC_ACQUIRE);

	return is_kept && generation & 1 && (!wanted || generation == wanted) &&
	       segpool_read(&place->slab->shift) == place->shift;
}

static int let_go(struct segpool_segments *segments, struct segpool_slab *slab, uint32_t number)
{
	struct segpool_segment *segment = segment_of(segments, slab, number);
	uint32_t seen = __atomic_load_n(&segment->remote, __ATOMIC_ACQUIRE);
	bool last;

	do {
		if (seen & 1 || seen < SEGPOOL_HOLD)
			return -EALREADY;
		last = seen == (SEGPOOL_HOLD | SEGPOOL_FREED);
	} while (!exchange(segment, &seen, seen - SEGPOOL_HOLD));
	if (last) {
		__atomic_sub_fetch(&segments->deferred, 1, __ATOMIC_RELAXED);
		tear_down(segments, slab, number);
	}
	return 0;
}

/* 0, -ENOENT, -EOVERFLOW, or -EAGAIN: what was seen has changed. @wanted: a generation, or 0. */
static int try_hold(struct segpool_segments *segments, const struct segpool_place *place,
		    uint32_t wanted, uint32_t most)
{
	struct segpool_segment *segment = segment_of(segments, place->slab, place->number);
	uint32_t seen = __atomic_load_n(&segment->remote, __ATOMIC_ACQUIRE);
	uint32_t generation = __atomic_load_n(&segment->generation, __ATOMIC_ACQUIRE);

	if (!(generation & 1) || (wanted && generation != wanted) || seen == generation ||
	    segpool_read(&place->slab->shift) != place->shift)
		return -ENOENT;
	/* In a list for a free that was wrong, or about to be in one: out of it. */
	if (seen & 1) {
		segpool_heaps_collect(segments);
		return -EAGAIN;
	}
	if (seen & SEGPOOL_FREED)
		return -ENOENT;
	if (seen / SEGPOOL_HOLD >= most)
		return -EOVERFLOW;
	if (!make_careful(segments, place->slab) && !is_large(place->slab))
		return -ENOENT;
	if (!exchange(segment, &seen, seen + SEGPOOL_HOLD))
		return -EAGAIN;
	if (is_there(segment, place, wanted))
		return 0;
	let_go(segments, place->slab, place->number);
	return -EAGAIN;
}

static int hold_at(struct segpool_segments *segments, const struct segpool_place *place,
		   uint32_t wanted, uint32_t most)
{
	uint32_t tries = 0;
	int error;

	while ((error = try_hold(segments, place, wanted, most)) == -EAGAIN)
		/* Who is about to put it into a list may be off the processor, and we keep it there. */
		if (++tries > TRIES)
			segpool_sys_nap();
	return error;
}

/* 0, -ENOENT or -EOVERFLOW. */
int segpool_hold_at(struct segpool_segments *segments, const struct segpool_place *place,
		    uint32_t wanted)
{
	return hold_at(segments, place, wanted, SEGPOOL_MOST_HOLDS);
}

/* --- frees --- */

/* With a hold, which goes. 0; -EALREADY: somebody else has freed it; -EAGAIN: there is no hold. */
static int free_held(struct segpool_segments *segments, struct segpool_slab *slab,
		     uint32_t number, const void *site)
{
	struct segpool_segment *segment = segment_of(segments, slab, number);
	uint32_t seen = __atomic_load_n(&segment->remote, __ATOMIC_ACQUIRE);
	bool alone;

	do {
		/* By the program, which has released more than it held. */
		if (seen & 1 || seen < SEGPOOL_HOLD)
			return -EAGAIN;
		if (seen & SEGPOOL_FREED) {
			let_go(segments, slab, number);
			return -EALREADY;
		}
		alone = seen == SEGPOOL_HOLD;
	} while (!exchange(segment, &seen, alone ? SEGPOOL_FREED : seen | SEGPOOL_FREED));
	/* Before it can go. */
	if (segments->checks)
		segpool_check_note(segments, slab, number, SEGPOOL_WAS_FREED, site);
	if (alone) {
		tear_down(segments, slab, number);
	} else {
		__atomic_add_fetch(&segments->deferred, 1, __ATOMIC_RELAXED);
		let_go(segments, slab, number);
	}
	return 0;
}

/* By any thread. 0: it is free, or will be when the last who holds it lets it go; or -EALREADY. */
int segpool_careful_free(struct segpool_segments *segments, struct segpool_slab *slab,
			 uint32_t number, uint32_t generation, const void *site)
{
	const struct segpool_place place = {
		.slab = slab, .number = number, .shift = segpool_read(&slab->shift) };
	int error;

	do {
		/* However many hold it, this is not refused (SEGPOOL_MOST_HOLDS). */
		error = hold_at(segments, &place, generation, UINT32_MAX / SEGPOOL_HOLD);
		if (!error)
			error = free_held(segments, slab, number, site);
	} while (error == -EAGAIN);
	return error ? -EALREADY : 0;
}

/* --- for the program --- */

static int hold(struct segpool *pool, const void *address)
{
	struct segpool_segments *segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	struct segpool_place place;

	if (!segments || segpool_find(pool, address, &place))
		return -EINVAL;
	return segpool_hold_at(segments, &place, 0);
}

/* Notes what @error means; returns it. */
int segpool_hold_refused(int error)
{
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	if (error == -ENOENT)
		segpool_record_fault(error, "the segment is free: only what is in use can be held");
	else if (error == -EOVERFLOW)
		segpool_record_fault(error, "the segment is held 536870912 times already: release it as often as it is held");
	return error;
}

int segpool_hold(struct segpool *pool, const void *segment)
{
	int error;

	if (!pool)
		return segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
	error = hold(pool, segment);
	return error ? segpool_hold_refused(error) : 0;
}

int segpool_release(struct segpool *pool, const void *segment)
{
	struct segpool_segments *segments;
	struct segpool_place place;
	int error = -EINVAL;

	if (!pool)
		return segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
	segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	if (segments)
		error = segpool_find(pool, segment, &place);
	if (!error)
		error = let_go(segments, place.slab, place.number);
	if (!error)
		return 0;
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	if (segments && segments->checks)
		segpool_check_wrong(segments, segment, error == -EINVAL ? "release of no segment" :
				    "release too many", __builtin_return_address(0));
	if (error == -EINVAL)
		return error;
	__atomic_add_fetch(&segments->wrong_releases, 1, __ATOMIC_RELAXED);
	return segpool_record_fault(-EALREADY, "nobody holds the segment: this is one release too many");
}
