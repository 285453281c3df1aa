// SPDX-License-Identifier: GPL-2.0-only
/* DISCARD and POPULATE: arguments flags, count, timeout, then a handle and a range each. */
#include "operations.h"

#define MAX_RANGES 2

/* A range: first page in the low half, pages in the high half. */
static uint32_t range_first(uint32_t operand)
{
	return operand & 0xff;
}

static uint32_t range_pages(uint32_t operand)
{
	return operand >> 8;
}

static uint32_t pick_range(struct actor *actor)
{
	uint32_t first = pick(actor, REGION_PAGES);
	uint32_t pages = 1 + pick(actor, one_in(actor, 4) ? REGION_PAGES - first : 2);

	if (one_in(actor, 32))
		pages = pick(actor, 3) * REGION_PAGES;
	else if (first + pages > REGION_PAGES)
		pages = 1;
	return pages << 8 | first;
}

static void pick_ranges(struct actor *actor, struct op *op)
{
	uint32_t i;

	op->arg[1] = one_in(actor, 4) ? MAX_RANGES : 1;
	for (i = 0; i < op->arg[1]; i++) {
		op->arg[3 + 2 * i] = pick_handle(actor, op, ACTIVE);
		op->arg[4 + 2 * i] = pick_range(actor);
	}
}

static void run_ranges(struct actor *actor, const struct op *op, unsigned long command,
		       struct answer *answer)
{
	struct segpool_range ranges[MAX_RANGES] = { 0 };
	struct segpool_ranges call = { .size = sizeof(call), .flags = op->arg[0],
				       .count = op->arg[1], .timeout_ms = op->arg[2],
				       .ranges = (uintptr_t)ranges };
	uint32_t i;

	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	for (i = 0; i < op->arg[1]; i++) {
		ranges[i].handle = handle_of(actor, op, op->arg[3 + 2 * i]);
		ranges[i].reserved = operand_kind(op->arg[3 + 2 * i]) == BAD_RESERVED;
		ranges[i].offset = range_first(op->arg[4 + 2 * i]) * SP_PAGE;
		ranges[i].length = range_pages(op->arg[4 + 2 * i]) * SP_PAGE;
	}
	answer->error = sp_ioctl(actor->kernel[op->pool].fd, command, &call);
	answer->done = call.done;
	answer->reason = call.reason;
	for (i = 0; i < op->arg[1]; i++)
		answer->errors[i] = ranges[i].error;
}

static int range_error(struct actor *actor, const struct op *op, uint32_t i, int got)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	uint64_t handle = handle_of(actor, op, op->arg[3 + 2 * i]);
	uint32_t index = SEGPOOL_HANDLE_INDEX(handle), range = op->arg[4 + 2 * i];

	if (operand_kind(op->arg[3 + 2 * i]) == BAD_RESERVED || !range_pages(range) ||
	    range_first(range) + range_pages(range) > REGION_PAGES)
		return -EINVAL;
	if (pool->life == UNMAPPED)
		return index < pool->carved ? -ENXIO : -ENOENT;
	if (actor->shared && index < pool->nr_regions && pool->region[index].state == OTHER)
		return got == -ENOENT || got == -ESTALE || got == -EALREADY ? got : -ESTALE;
	return ref_check_active(pool, handle);
}

static void check_ranges(struct actor *actor, const struct op *op, const struct answer *answer,
			 const int wanted[MAX_RANGES])
{
	uint32_t i, done = 0;
	int first = 0;

	for (i = 0; i < op->arg[1]; i++) {
		expect_error(actor, "range", answer->errors[i], wanted[i]);
		done += !wanted[i];
		first = first ? first : wanted[i];
	}
	expect_error(actor, "ranges", answer->error, first);
	if (answer->done != done)
		mismatch(actor, "ranges: %u done, expected %u", answer->done, done);
}

static void print_ranges(struct actor *actor, const struct op *op, const char *command, FILE *file)
{
	uint32_t i;

	fprintf(file, "ranges(%u, %s, %#x, %u, %u", op->pool, command, op->arg[0], op->arg[1],
		op->arg[2]);
	for (i = 0; i < op->arg[1]; i++)
		fprintf(file, ", %#llxULL, %uU, %uU, %dU",
			(unsigned long long)handle_of(actor, op, op->arg[3 + 2 * i]),
			range_first(op->arg[4 + 2 * i]), range_pages(op->arg[4 + 2 * i]),
			operand_kind(op->arg[3 + 2 * i]) == BAD_RESERVED);
	fprintf(file, ")");
}

/* --- DISCARD --- */

void discard_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = one_in(actor, 12) ? SEGPOOL_NOW : 0;
	pick_ranges(actor, op);
}

void discard_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	run_ranges(actor, op, SEGPOOL_IOC_DISCARD, answer);
}

void discard_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	int wanted[MAX_RANGES];
	uint32_t i;

	for (i = 0; i < op->arg[1]; i++) {
		wanted[i] = range_error(actor, op, i, answer->errors[i]);
		if (!wanted[i])
			give_pages_back(actor, op->pool, operand_index(op->arg[3 + 2 * i]),
					range_first(op->arg[4 + 2 * i]),
					range_pages(op->arg[4 + 2 * i]),
					!(op->arg[0] & SEGPOOL_NOW));
	}
	check_ranges(actor, op, answer, wanted);
}

void discard_print(struct actor *actor, const struct op *op, FILE *file)
{
	print_ranges(actor, op, "SEGPOOL_IOC_DISCARD", file);
}

/* --- POPULATE --- */

void populate_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = one_in(actor, 4) ? SEGPOOL_ZERO : 0;
	if (one_in(actor, actor->shared ? 8 : 128)) {
		op->arg[0] |= SEGPOOL_WAIT;
		op->arg[2] = pick(actor, actor->shared ? 20 : 2);
	}
	pick_ranges(actor, op);
}

void populate_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	run_ranges(actor, op, SEGPOOL_IOC_POPULATE, answer);
}

static uint32_t missing_pages(const struct ref_region *region, uint32_t range)
{
	uint32_t i, n = 0;

	for (i = range_first(range); i < range_first(range) + range_pages(range); i++)
		n += !region->page[i].owned;
	return n;
}

/* The range is fine; now the budget. */
static int apply_populate_one(struct actor *actor, const struct op *op, uint32_t i, int got)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t index = operand_index(op->arg[3 + 2 * i]), range = op->arg[4 + 2 * i];
	struct ref_region *region = &pool->region[index];
	uint32_t missing = missing_pages(region, range);
	bool zero = op->arg[0] & SEGPOOL_ZERO || region->zero;
	uint64_t used;

	touched(actor, index, range_first(range), range_pages(range));
	if (!missing)
		return 0;
	if (actor->shared ? got == -ENOMEM : !ref_fits(pool, missing))
		return -ENOMEM;
	if (got)
		return 0;
	used = ref_bring(pool, missing, zero);
	found_new_pages(actor, op->pool, index, range_first(range), range_pages(range),
			zero ? 0 : actor->shared ? missing : used);
	return 0;
}

static void check_populate_reason(struct actor *actor, const struct op *op,
				  const struct answer *answer, const int wanted[MAX_RANGES])
{
	struct ref_pool *pool = &actor->pool[op->pool];
	const struct ref_region *region;
	uint32_t i, refused = 0;

	for (i = 0; i < op->arg[1]; i++) {
		if (wanted[i] != -ENOMEM)
			continue;
		region = &pool->region[operand_index(op->arg[3 + 2 * i])];
		refused = actor->shared ? answer->reason : SEGPOOL_REASON_PHYSICAL;
		ref_refuse(pool, region->class_index, refused);
	}
	if (answer->reason != refused)
		mismatch(actor, "populate: reason %u, expected %u", answer->reason, refused);
	if (actor->shared && refused)
		refusal_allowed(actor, refused);
	if (!actor->shared && op->arg[0] & SEGPOOL_WAIT && refused)
		pool->events[SEGPOOL_C_WAITS] = sp_counter(actor->kernel[op->pool].fd,
							   SEGPOOL_C_WAITS);
}

void populate_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	int wanted[MAX_RANGES];
	uint32_t i;

	for (i = 0; i < op->arg[1]; i++) {
		wanted[i] = range_error(actor, op, i, answer->errors[i]);
		if (!wanted[i])
			wanted[i] = apply_populate_one(actor, op, i, answer->errors[i]);
	}
	check_populate_reason(actor, op, answer, wanted);
	check_ranges(actor, op, answer, wanted);
}

void populate_print(struct actor *actor, const struct op *op, FILE *file)
{
	print_ranges(actor, op, "SEGPOOL_IOC_POPULATE", file);
}
