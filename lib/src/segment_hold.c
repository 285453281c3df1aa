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
 * that is not the program's any more. Who has a hold on a segment that is in use looks again: from
 * then on nothing of that can happen.
 */
#include <errno.h>

#include "record.h"
#include "segment_check.h"
#include "segment_inside.h"
#include "syscall.h"

static struct segpool_segment *segment_of(const struct segpool_segments *segments,
					  const struct segpool_slab *slab, uint32_t number)
{
	return segpool_segment_at(segments, segpool_slab_index(segments, slab), number);
}

/* --- frees --- */

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

/*
 * Of several frees one wins: 0, and what was there before in @seen. Odd: a wrong free, which is in the
 * owner's list already, and stands for this one from now on.
 */
static int win(struct segpool_segment *segment, uint32_t generation, uint32_t *seen)
{
	uint32_t becomes;

	*seen = __atomic_load_n(&segment->remote, __ATOMIC_ACQUIRE);
	do {
		/* Somebody is at it, and soon done. */
		while (*seen == SEGPOOL_FREED) {
			segpool_sys_yield();
			*seen = __atomic_load_n(&segment->remote, __ATOMIC_ACQUIRE);
		}
		if (segpool_read(&segment->generation) != generation)
			return -EALREADY;
		if (*seen & 1 ? (int32_t)(generation - *seen) <= 0 : *seen & SEGPOOL_FREED)
			return -EALREADY;
		becomes = *seen & 1 ? generation : *seen | SEGPOOL_FREED;
	} while (!exchange(segment, seen, becomes));
	return 0;
}

/* By any thread. 0: it is free, or will be when the last who holds it lets it go; or -EALREADY. */
int segpool_careful_free(struct segpool_segments *segments, struct segpool_slab *slab,
			 uint32_t number, uint32_t generation, const void *site)
{
	struct segpool_segment *segment = segment_of(segments, slab, number);
	uint32_t seen;
	int error = win(segment, generation, &seen);

	if (error)
		return error;
	if (seen & 1) {
		__atomic_add_fetch(&segments->double_frees, 1, __ATOMIC_RELAXED);
	} else if (seen) {
		__atomic_add_fetch(&segments->deferred, 1, __ATOMIC_RELAXED);
		if (segments->checks)
			segpool_check_note(segments, slab, number, SEGPOOL_WAS_FREED, site);
	} else if (__atomic_load_n(&segment->generation, __ATOMIC_ACQUIRE) != generation) {
		/* It was freed, and may have been given again, in the last moment. */
		segpool_nobody_is_at(segment);
		return -EALREADY;
	} else {
		if (segments->checks)
			segpool_check_note(segments, slab, number, SEGPOOL_WAS_FREED, site);
		tear_down(segments, slab, number);
	}
	return 0;
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

/* With a hold: whether it is on that segment, and the program had that at this moment. */
static bool is_there(const struct segpool_segment *segment,
		     const struct segpool_place *place, uint32_t wanted)
{
	uint32_t generation = __atomic_load_n(&segment->generation, __ATOMIC_ACQUIRE);

	return generation & 1 && (!wanted || generation == wanted) &&
	       segpool_read(&place->slab->shift) == place->shift &&
	       (is_careful(place->slab) || is_large(place->slab));
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
		    uint32_t wanted)
{
	struct segpool_segment *segment = segment_of(segments, place->slab, place->number);
	uint32_t seen = __atomic_load_n(&segment->remote, __ATOMIC_ACQUIRE);
	uint32_t generation = __atomic_load_n(&segment->generation, __ATOMIC_ACQUIRE);

	if (!(generation & 1) || (wanted && generation != wanted) || seen == generation ||
	    segpool_read(&place->slab->shift) != place->shift)
		return -ENOENT;
	/* In a list for a free that was wrong: out of it. */
	if (seen & 1)
		segpool_heaps_collect(segments);
	/* Somebody is at it, and soon done. */
	if (seen & 1 || seen == SEGPOOL_FREED) {
		segpool_sys_yield();
		return -EAGAIN;
	}
	if (seen & SEGPOOL_FREED)
		return -ENOENT;
	if (seen / SEGPOOL_HOLD == SEGPOOL_MOST_HOLDS)
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

/* 0, -ENOENT or -EOVERFLOW. */
int segpool_hold_at(struct segpool_segments *segments, const struct segpool_place *place,
		    uint32_t wanted)
{
	int error;

	do {
		error = try_hold(segments, place, wanted);
	} while (error == -EAGAIN);
	return error;
}

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
		segpool_record_fault(error, "the segment is held 1073741823 times already: release it as often as it is held");
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
	if (error == -EINVAL)
		return error;
	__atomic_add_fetch(&segments->wrong_releases, 1, __ATOMIC_RELAXED);
	if (segments->checks)
		segpool_check_wrong(segments, segment, "release too many",
				    __builtin_return_address(0));
	return segpool_record_fault(-EALREADY, "nobody holds the segment: this is one release too many");
}
