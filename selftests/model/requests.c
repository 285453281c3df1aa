// SPDX-License-Identifier: GPL-2.0-only
/* What ALLOC and REUSE share: their arguments, and what is given out. */
#include "operations.h"

uint32_t pick_request_flags(struct actor *actor)
{
	uint32_t flags = 0;

	if (one_in(actor, 4))
		flags |= SEGPOOL_ZERO;
	if (one_in(actor, 4))
		flags |= SEGPOOL_POPULATE;
	if (one_in(actor, actor->shared ? 8 : 128))
		flags |= SEGPOOL_WAIT;
	return flags;
}

uint32_t pick_timeout(struct actor *actor, uint32_t flags)
{
	return flags & SEGPOOL_WAIT ? pick(actor, actor->shared ? 20 : 2) : 0;
}

uint32_t pick_class(struct actor *actor)
{
	return one_in(actor, 8) ? pick(actor, NR_CLASSES) : pick(actor, 2);
}

/* A request that was refused with WAIT has waited, unless the clock ticked in between. */
void apply_wait(struct actor *actor, const struct op *op, uint32_t flags, uint32_t reason)
{
	struct ref_pool *pool = &actor->pool[op->pool];

	if (!actor->shared && flags & SEGPOOL_WAIT && reason)
		pool->events[SEGPOOL_C_WAITS] = sp_counter(actor->kernel[op->pool].fd,
							   SEGPOOL_C_WAITS);
}

/* --- what is given out, alone and shared --- */

/* Another actor has it, or this one was told of an old generation. */
static void claim_shared(struct actor *actor, const struct op *op, uint32_t index,
			 uint32_t generation)
{
	struct ownership *owners = &actor->owners[op->pool];
	uint32_t nobody = 0, before = generation - 1;

	if (!atomic_compare_exchange_strong(&owners->owner[index], &nobody, actor->number))
		mismatch(actor, "region %u was given out while actor %u has it", index, nobody);
	if (!atomic_compare_exchange_strong(&owners->generation[index], &before, generation))
		mismatch(actor, "region %u was given out with generation %u after %u", index,
			 generation, before);
}

static void hand_out_shared(struct actor *actor, const struct op *op,
			    const struct segpool_region *region, uint32_t class_index, bool zero)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t index = SEGPOOL_HANDLE_INDEX(region->handle);
	struct ref_region *ref = &pool->region[index];

	claim_shared(actor, op, index, SEGPOOL_HANDLE_GENERATION(region->handle));
	/* Which class it had before only the kernel knows. */
	ref->state = region->flags & SEGPOOL_REGION_NEW ? UNUSED : OTHER;
	ref->class_index = region->flags & SEGPOOL_REGION_CROSS ? NR_CLASSES : class_index;
	ref_hand_out(pool, index, class_index, zero);
	ref->generation = SEGPOOL_HANDLE_GENERATION(region->handle);
}

static bool region_makes_sense(struct actor *actor, const struct op *op,
			       const struct segpool_region *region)
{
	uint32_t index = SEGPOOL_HANDLE_INDEX(region->handle);

	if (index < actor->pool[op->pool].nr_regions && !region->reserved &&
	    region->offset == index * REGION_BYTES)
		return true;
	mismatch(actor, "given handle %#llx at offset %#llx, reserved %u",
		 (unsigned long long)region->handle, (unsigned long long)region->offset,
		 region->reserved);
	return false;
}

/* The flags that a region must be given out with, if it may be given out at all. */
static void check_given(struct actor *actor, const struct op *op,
			const struct segpool_region *region, uint32_t class_index)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t index = SEGPOOL_HANDLE_INDEX(region->handle), flags;
	const struct ref_region *ref = &pool->region[index];

	if (ref->state == UNUSED && index == pool->carved)
		flags = SEGPOOL_REGION_NEW;
	else if (ref->state == FREED)
		flags = SEGPOOL_REGION_REUSED |
			(ref->class_index != class_index ? SEGPOOL_REGION_CROSS : 0);
	else
		return mismatch(actor, "given region %u, which is not to be had", index);
	if (region->flags != flags)
		mismatch(actor, "region %u was given with flags %#x, expected %#x", index,
			 region->flags, flags);
	if (SEGPOOL_HANDLE_GENERATION(region->handle) != ref->generation + 1)
		mismatch(actor, "region %u was given with generation %u after %u", index,
			 SEGPOOL_HANDLE_GENERATION(region->handle), ref->generation);
}

/* Make the reference have it too. False: it makes no sense to go on. */
bool take_region(struct actor *actor, const struct op *op, const struct segpool_region *region,
		 uint32_t class_index, uint32_t flags)
{
	if (!region_makes_sense(actor, op, region))
		return false;
	if (actor->shared) {
		hand_out_shared(actor, op, region, class_index, flags & SEGPOOL_ZERO);
		return true;
	}
	check_given(actor, op, region, class_index);
	if (actor->failed)
		return false;
	ref_hand_out(&actor->pool[op->pool], SEGPOOL_HANDLE_INDEX(region->handle), class_index,
		     flags & SEGPOOL_ZERO);
	return true;
}

void take_pages(struct actor *actor, const struct op *op, const struct segpool_region *regions,
		uint32_t count, uint32_t flags)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	uint64_t used = 0, pages = count * REGION_PAGES;
	uint32_t i;

	if (!(flags & SEGPOOL_POPULATE))
		return;
	used = ref_bring(pool, pages, flags & SEGPOOL_ZERO);
	if (flags & SEGPOOL_ZERO)
		used = 0;
	else if (actor->shared)
		used = pages;
	for (i = 0; i < count; i++)
		found_new_pages(actor, op->pool, SEGPOOL_HANDLE_INDEX(regions[i].handle), 0,
				REGION_PAGES, used);
}
