// SPDX-License-Identifier: GPL-2.0-only
/* FREE and REUSE. */
#include "operations.h"

/* --- FREE: arguments flags, count, handles --- */

void free_generate(struct actor *actor, struct op *op)
{
	uint32_t i;

	op->arg[0] = one_in(actor, 12) ? SEGPOOL_NOW : one_in(actor, 3) ? SEGPOOL_LAZY : 0;
	op->arg[1] = one_in(actor, 4) ? 1 + pick(actor, MAX_COUNT) : 1;
	for (i = 0; i < op->arg[1]; i++)
		op->arg[2 + i] = pick_handle(actor, op, ACTIVE);
}

/* Whoever may get it next must not find it owned. */
static void disown_shared(struct actor *actor, const struct op *op, uint32_t operand)
{
	uint32_t index = operand_index(operand);

	if (actor->shared && operand_kind(operand) == PRESENT_HANDLE && index < MAX_REGIONS &&
	    actor->pool[op->pool].region[index].state == ACTIVE)
		atomic_store(&actor->owners[op->pool].owner[index], 0);
}

void free_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct segpool_free_entry entries[MAX_COUNT] = { 0 };
	uint32_t i;

	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	for (i = 0; i < op->arg[1]; i++) {
		entries[i].handle = handle_of(actor, op, op->arg[2 + i]);
		entries[i].reserved = operand_kind(op->arg[2 + i]) == BAD_RESERVED;
		disown_shared(actor, op, op->arg[2 + i]);
	}
	answer->error = sp_free_batch(actor->kernel[op->pool].fd, entries, op->arg[1], op->arg[0],
				      &answer->done);
	for (i = 0; i < op->arg[1]; i++)
		answer->errors[i] = entries[i].error;
}

/* Somebody may have taken a region that is not this actor's. */
static int active_error(struct actor *actor, const struct op *op, uint32_t operand, int got)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	uint64_t handle = handle_of(actor, op, operand);
	uint32_t index = SEGPOOL_HANDLE_INDEX(handle);

	if (operand_kind(operand) == BAD_RESERVED)
		return -EINVAL;
	if (actor->shared && index < pool->nr_regions && pool->region[index].state == OTHER)
		return got == -ENOENT || got == -ESTALE || got == -EALREADY ? got : -ESTALE;
	if (pool->life == UNMAPPED)
		return index < pool->carved ? -ENXIO : -ENOENT;
	return ref_check_active(pool, handle);
}

static int apply_free_one(struct actor *actor, const struct op *op, uint32_t operand, int got)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	int wanted = active_error(actor, op, operand, got);
	struct ref_region *region;

	if (got != wanted)
		mismatch(actor, "free of %#llx: %s, expected %s",
			 (unsigned long long)handle_of(actor, op, operand),
			 got ? strerrorname_np(-got) : "success",
			 wanted ? strerrorname_np(-wanted) : "success");
	if (wanted == -EALREADY)
		pool->events[SEGPOOL_C_DOUBLE_FREES]++;
	if (wanted == -ESTALE)
		pool->events[SEGPOOL_C_STALE_FREES]++;
	if (!wanted) {
		region = &pool->region[operand_index(operand)];
		region->kept = op->arg[0] & SEGPOOL_LAZY && ref_can_be_kept(region);
		give_pages_back(actor, op->pool, operand_index(operand), 0, REGION_PAGES,
				!(op->arg[0] & SEGPOOL_NOW));
		ref_retire(pool, operand_index(operand), actor->shared);
	}
	return wanted;
}

void free_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	uint32_t i, done = 0;
	int first = 0, error;

	for (i = 0; i < op->arg[1]; i++) {
		error = apply_free_one(actor, op, op->arg[2 + i], answer->errors[i]);
		done += !error;
		first = first ? first : error;
	}
	expect_error(actor, "free", answer->error, first);
	if (answer->done != done)
		mismatch(actor, "free: %u done, expected %u", answer->done, done);
}

void free_print(struct actor *actor, const struct op *op, FILE *file)
{
	uint32_t i;

	fprintf(file, "release(%u, %#x, %u", op->pool, op->arg[0], op->arg[1]);
	for (i = 0; i < op->arg[1]; i++)
		fprintf(file, ", %#llxULL, %dU",
			(unsigned long long)handle_of(actor, op, op->arg[2 + i]),
			operand_kind(op->arg[2 + i]) == BAD_RESERVED);
	fprintf(file, ")");
}

/* --- REUSE: arguments handle, class, flags, timeout --- */

void reuse_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick_handle(actor, op, actor->shared ? OTHER : FREED);
	op->arg[1] = pick_class(actor);
	op->arg[2] = pick_request_flags(actor);
	op->arg[3] = pick_timeout(actor, op->arg[2]);
}

void reuse_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct segpool_reuse call = { .handle = handle_of(actor, op, op->arg[0]),
				      .reserved = operand_kind(op->arg[0]) == BAD_RESERVED,
				      .class_index = op->arg[1], .flags = op->arg[2],
				      .timeout_ms = op->arg[3] };

	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = sp_reuse_call(actor->kernel[op->pool].fd, &call);
	answer->reason = call.reason;
	answer->regions[0] = call.region;
}

static int reuse_error_shared(struct actor *actor, const struct op *op, int got)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t index = operand_index(op->arg[0]);

	if (index >= pool->nr_regions || pool->region[index].state != OTHER)
		return got == -ENOMEM ? -ENOENT :
					ref_check_freed(pool, handle_of(actor, op, op->arg[0]));
	if (got == -EBUSY || got == -ESTALE || got == -ENOENT || got == -ENOMEM)
		return got;
	return 0;
}

static int reuse_error(struct actor *actor, const struct op *op, const struct answer *answer)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	uint64_t handle = handle_of(actor, op, op->arg[0]);
	int error;

	if (operand_kind(op->arg[0]) == BAD_RESERVED)
		return -EINVAL;
	if (pool->life == UNMAPPED)
		return handle ? -ENXIO : -ENOENT;
	if (actor->shared)
		return reuse_error_shared(actor, op, answer->error);
	error = ref_check_freed(pool, handle);
	if (!error && op->arg[2] & SEGPOOL_POPULATE && !ref_fits(pool, REGION_PAGES))
		return -ENOMEM;
	return error;
}

static void check_reuse_reason(struct actor *actor, const struct op *op,
			       const struct answer *answer)
{
	if (actor->shared && !refusal_allowed(actor, answer->reason))
		return;
	if (!actor->shared && answer->reason != SEGPOOL_REASON_PHYSICAL)
		mismatch(actor, "reuse refused for reason %u, expected physical", answer->reason);
	ref_refuse(&actor->pool[op->pool], op->arg[1], answer->reason);
	apply_wait(actor, op, op->arg[2], answer->reason);
}

void reuse_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	int error = reuse_error(actor, op, answer);

	if (!expect_error(actor, "reuse", answer->error, error))
		return;
	if (error == -ENOMEM)
		check_reuse_reason(actor, op, answer);
	if (error)
		return;
	if (SEGPOOL_HANDLE_INDEX(answer->regions[0].handle) != operand_index(op->arg[0]))
		mismatch(actor, "reuse gave another region: %#llx",
			 (unsigned long long)answer->regions[0].handle);
	else if (take_region(actor, op, answer->regions, op->arg[1], op->arg[2]))
		take_pages(actor, op, answer->regions, 1, op->arg[2]);
}

void reuse_print(struct actor *actor, const struct op *op, FILE *file)
{
	fprintf(file, "reuse(%u, %#llxULL, %u, %#x, %u, %u)", op->pool,
		(unsigned long long)handle_of(actor, op, op->arg[0]), op->arg[1], op->arg[2],
		op->arg[3], operand_kind(op->arg[0]) == BAD_RESERVED);
}
