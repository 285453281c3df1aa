// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Handles of segments: where it is, and what its generation was, in 64 bits.
 *
 *	| generation, without its lowest bit | region | number in the region | 1 |
 *
 * Region and number take as many bits as the pool's reservation needs, 37 at most; the generation has
 * the others, 31 at most. What is noted about a number is not about the same address in each
 * shape of its region, but it has one generation at a time through all of them.
 */
#include <errno.h>

#include "record.h"
#include "segment_check.h"
#include "segment_inside.h"

/* A handle that has been looked up. */
struct named {
	struct segpool_segments *segments;
	struct segpool_place place;
	uint32_t generation;
};

static uint32_t life_mask(const struct segpool_segments *segments)
{
	uint32_t bits = 63 - segments->place_bits;

	return bits < 31 ? (1U << bits) - 1 : (1U << 31) - 1;
}

/* -EINVAL: there is no such place. */
static int locate(struct segpool *pool, segpool_ref_t ref, struct named *named)
{
	uint64_t place, index;

	named->segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	if (!named->segments || !(ref & 1))
		return -EINVAL;
	place = ref >> 1 & ((1ULL << named->segments->place_bits) - 1);
	index = place >> named->segments->per_region;
	if (index >= pool->reservation >> pool->region_shift)
		return -EINVAL;
	named->place.slab = &pool->slabs[index];
	named->place.number = (uint32_t)place & ((1U << named->segments->per_region) - 1);
	return 0;
}

static const struct segpool_segment *segment_of(const struct named *named)
{
	return segpool_segment_at(named->segments,
				  segpool_slab_index(named->segments, named->place.slab),
				  named->place.number);
}

/* 0: it is good; -EALREADY: freed; -ESTALE: and given again since. */
static int judge(segpool_ref_t ref, struct named *named)
{
	const struct segpool_segment *segment = segment_of(named);
	uint64_t life = ref >> (1 + named->segments->place_bits);
	uint32_t mask = life_mask(named->segments), now;

	now = __atomic_load_n(&segment->generation, __ATOMIC_ACQUIRE);
	if (!now)
		return -EINVAL;
	/* Of one that is free: the generation that it had last. */
	if (((now - !(now & 1)) >> 1 & mask) != life)
		return -ESTALE;
	named->generation = now;
	return segpool_is_free(segment) ? -EALREADY : 0;
}

static int look_up(struct segpool *pool, segpool_ref_t ref, struct named *named)
{
	int error = locate(pool, ref, named);

	if (!error)
		error = judge(ref, named);
	if (error)
		return error;
	/* Acquire: if it still is the one afterwards, the region had this shape. */
	named->place.shift = __atomic_load_n(&named->place.slab->shift, __ATOMIC_ACQUIRE);
	return judge(ref, named);
}

static int refuse(int error)
{
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	switch (error) {
	case -ESTALE:
		return segpool_record_fault(error, "the segment was freed and given again since: its new owner keeps it, drop the handle");
	case -EALREADY:
		return segpool_record_fault(error, "the segment was freed already: drop the handle");
	case -EINVAL:
		return segpool_record_fault(error, "this is no handle of the pool: pass handles as segpool_ref gave them");
	}
	return segpool_hold_refused(error);
}

/* Freed is freed, for who reads. */
static int refuse_reader(int error)
{
	if (error != -EALREADY && error != -ENOENT)
		return refuse(error);
	segpool_record_start(SEGPOOL_CALL_SEGMENT);
	return segpool_record_fault(-ESTALE, "the segment was freed: drop the handle");
}

segpool_ref_t segpool_ref(struct segpool *pool, const void *segment)
{
	struct named named;
	uint64_t place;
	int error = -EINVAL;

	if (!pool) {
		errno = -segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
		return 0;
	}
	named.segments = __atomic_load_n(&pool->segments, __ATOMIC_ACQUIRE);
	if (named.segments)
		error = segpool_find(pool, segment, &named.place);
	if (!error && segpool_is_free(segment_of(&named)))
		error = -ENOENT;
	if (error) {
		segpool_record_start(SEGPOOL_CALL_SEGMENT);
		if (error == -ENOENT)
			segpool_record_fault(error, "the segment is free: only what is in use has a handle");
		errno = -error;
		return 0;
	}
	named.generation = segpool_read(&segment_of(&named)->generation);
	place = (uint64_t)segpool_slab_index(named.segments, named.place.slab)
		<< named.segments->per_region | named.place.number;
	return ((uint64_t)(named.generation >> 1 & life_mask(named.segments))
		<< named.segments->place_bits | place) << 1 | 1;
}

static void *address_of(const struct segpool *pool, const struct named *named)
{
	return segpool_slab_address(pool, segpool_slab_index(named->segments, named->place.slab)) +
	       ((uint64_t)named->place.number << named->place.shift);
}

int segpool_ref_free(struct segpool *pool, segpool_ref_t ref)
{
	const void *site = __builtin_return_address(0);
	struct named named;
	int error;

	if (!pool)
		return segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
	error = look_up(pool, ref, &named);
	if (!error && segpool_free_known(named.segments, named.place.slab, named.place.number,
					 named.generation, site)) {
		/* Somebody was faster. */
		error = judge(ref, &named);
		if (!error)
			error = -EALREADY;
	}
	if (!error)
		return 0;
	if (error != -EINVAL && named.segments->checks) {
		named.place.shift = segpool_read(&named.place.slab->shift);
		segpool_check_wrong(named.segments, address_of(pool, &named),
				    error == -ESTALE ? "free by a stale handle" : "double free", site);
	}
	if (error != -EINVAL)
		__atomic_add_fetch(error == -ESTALE ? &named.segments->stale_frees :
						      &named.segments->double_frees,
				   1, __ATOMIC_RELAXED);
	return refuse(error);
}

void *segpool_ref_hold(struct segpool *pool, segpool_ref_t ref)
{
	struct named named;
	int error;

	if (!pool) {
		errno = -segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
		return NULL;
	}
	error = look_up(pool, ref, &named);
	if (!error)
		error = segpool_hold_at(named.segments, &named.place, named.generation);
	if (!error)
		return address_of(pool, &named);
	errno = -refuse_reader(error);
	return NULL;
}

void *segpool_ref_address(struct segpool *pool, segpool_ref_t ref)
{
	struct named named;
	int error;

	if (!pool) {
		errno = -segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
		return NULL;
	}
	error = look_up(pool, ref, &named);
	if (!error)
		return address_of(pool, &named);
	errno = -refuse_reader(error);
	return NULL;
}

int segpool_ref_validate(struct segpool *pool, segpool_ref_t ref)
{
	struct named named;
	int error;

	if (!pool)
		return segpool_record_start_on(pool, SEGPOOL_CALL_SEGMENT);
	/* What the program read before is read: the partner is in segpool_hand_out(). */
	segpool_fence(__ATOMIC_ACQUIRE);
	error = locate(pool, ref, &named);
	if (!error)
		error = judge(ref, &named);
	return error ? refuse_reader(error) : 0;
}
