// SPDX-License-Identifier: GPL-2.0-only
/* ALLOC: arguments class, flags, count, timeout. */
#include "operations.h"

void alloc_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick_class(actor);
	op->arg[1] = pick_request_flags(actor);
	if (one_in(actor, 8))
		op->arg[1] |= SEGPOOL_CONTIGUOUS;
	op->arg[2] = one_in(actor, 3) ? 1 + pick(actor, MAX_COUNT) : 1;
	op->arg[3] = pick_timeout(actor, op->arg[1]);
}

void alloc_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct segpool_alloc call = { .class_index = op->arg[0], .flags = op->arg[1],
				      .count = op->arg[2], .timeout_ms = op->arg[3] };

	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = sp_alloc_call(actor->kernel[op->pool].fd, &call, answer->regions);
	answer->done = call.done;
	answer->reason = call.reason;
}

/* Why no single region can be given; 0 if one can. */
static uint32_t single_refusal(const struct ref_pool *pool, uint32_t flags)
{
	if (!ref_carvable(pool) && ref_find(pool, FREED, -1) < 0)
		return SEGPOOL_REASON_VIRTUAL;
	if (flags & SEGPOOL_POPULATE && !ref_fits(pool, REGION_PAGES))
		return SEGPOOL_REASON_PHYSICAL;
	return SEGPOOL_REASON_NONE;
}

/* Where the next single region has to come from. */
static void check_order(struct actor *actor, const struct op *op,
			const struct segpool_region *region)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t wanted = SEGPOOL_REGION_REUSED | SEGPOOL_REGION_CROSS;

	if (ref_find(pool, FREED, op->arg[0]) >= 0)
		wanted = SEGPOOL_REGION_REUSED;
	else if (ref_carvable(pool))
		wanted = SEGPOOL_REGION_NEW;
	if (region->flags != wanted)
		mismatch(actor, "alloc took a region with flags %#x, the order asks for %#x",
			 region->flags, wanted);
}

static uint32_t longest_free_run(const struct ref_pool *pool)
{
	uint32_t i, run = 0, longest = 0;

	for (i = 0; i < pool->carved; i++) {
		run = pool->region[i].state == FREED ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

static uint32_t contiguous_refusal(const struct ref_pool *pool, uint32_t flags, uint32_t count)
{
	if (longest_free_run(pool) < count && ref_carvable(pool) < count)
		return SEGPOOL_REASON_VIRTUAL;
	if (flags & SEGPOOL_POPULATE && !ref_fits(pool, count * REGION_PAGES))
		return SEGPOOL_REASON_PHYSICAL;
	return SEGPOOL_REASON_NONE;
}

static void apply_contiguous(struct actor *actor, const struct op *op, const struct answer *answer)
{
	uint32_t i, count = op->arg[2];
	const struct ref_pool *pool = &actor->pool[op->pool];
	bool new = longest_free_run(pool) < count;

	for (i = 0; i < count && !actor->failed; i++) {
		if (i && answer->regions[i].offset != answer->regions[0].offset + i * REGION_BYTES)
			mismatch(actor, "region %u of the batch is no neighbour", i);
		if (!actor->shared && new != !!(answer->regions[i].flags & SEGPOOL_REGION_NEW))
			mismatch(actor, "neighbours: flags %#x, expected %s ones",
				 answer->regions[i].flags, new ? "new" : "released");
		if (!take_region(actor, op, &answer->regions[i], op->arg[0], op->arg[1]))
			return;
	}
	if (!actor->failed)
		take_pages(actor, op, answer->regions, count, op->arg[1]);
}

static void apply_singly(struct actor *actor, const struct op *op, const struct answer *answer)
{
	uint32_t i;

	for (i = 0; i < answer->done && !actor->failed; i++) {
		if (!actor->shared)
			check_order(actor, op, &answer->regions[i]);
		if (!take_region(actor, op, &answer->regions[i], op->arg[0], op->arg[1]))
			return;
		take_pages(actor, op, &answer->regions[i], 1, op->arg[1]);
	}
}

static uint32_t next_refusal(const struct ref_pool *pool, const struct op *op)
{
	return op->arg[1] & SEGPOOL_CONTIGUOUS && op->arg[2] > 1 ?
	       contiguous_refusal(pool, op->arg[1], op->arg[2]) :
	       single_refusal(pool, op->arg[1]);
}

/* The regions that were given are those that could be; now the others. */
static void check_refusal(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t reason = SEGPOOL_REASON_NONE;

	if (answer->done < op->arg[2])
		reason = actor->shared ? answer->reason : next_refusal(pool, op);
	if (actor->shared && answer->done < op->arg[2])
		refusal_allowed(actor, reason);
	else if (answer->done < op->arg[2] && !reason)
		mismatch(actor, "alloc gave %u of %u regions, reason %u; there was room",
			 answer->done, op->arg[2], answer->reason);
	else if (answer->reason != reason)
		mismatch(actor, "alloc gave %u of %u regions for reason %u, expected reason %u",
			 answer->done, op->arg[2], answer->reason, reason);
	ref_refuse(pool, op->arg[0], reason);
	expect_error(actor, "alloc", answer->error, answer->done ? 0 : -ENOMEM);
	apply_wait(actor, op, op->arg[1], reason);
}

void alloc_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	bool contiguous = op->arg[1] & SEGPOOL_CONTIGUOUS && op->arg[2] > 1;

	if (pool->life == UNMAPPED) {
		expect_error(actor, "alloc without a mapping", answer->error, -ENXIO);
		return;
	}
	if (answer->done > op->arg[2] || (contiguous && answer->done % op->arg[2])) {
		mismatch(actor, "alloc gave %u of %u regions", answer->done, op->arg[2]);
		return;
	}
	if (!actor->shared && answer->done && next_refusal(pool, op))
		mismatch(actor, "alloc gave %u regions, expected a refusal for reason %u",
			 answer->done, next_refusal(pool, op));
	if (contiguous && answer->done)
		apply_contiguous(actor, op, answer);
	else
		apply_singly(actor, op, answer);
	if (!actor->failed)
		check_refusal(actor, op, answer);
}

void alloc_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "alloc(%u, %u, %#x, %u, %u)", op->pool, op->arg[0], op->arg[1], op->arg[2],
		op->arg[3]);
}
