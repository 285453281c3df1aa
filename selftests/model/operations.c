// SPDX-License-Identifier: GPL-2.0-only
/* The table of operations, and actors, which carry them out. */
#include "operations.h"

#define DEAR_OPERATION(name, weight, flags) \
	{ #name, weight, flags, name##_generate, name##_run, name##_apply, name##_print }

/* Those that take as long as a hundred others come the less often. */
#define OPERATION(name, weight, flags)	DEAR_OPERATION(name, 3 * (weight), flags)

const struct op_kind op_kinds[] = {
	OPERATION(open, 20, OP_ALONE),
	OPERATION(unmap, 2, OP_ALONE | OP_CHECK_ALL),
	OPERATION(close, 2, OP_ALONE),
	OPERATION(alloc, 150, 0),
	OPERATION(free, 170, 0),
	OPERATION(reuse, 80, 0),
	OPERATION(discard, 80, 0),
	OPERATION(populate, 80, 0),
	OPERATION(write, 140, 0),
	OPERATION(read, 60, 0),
	OPERATION(drop, 20, 0),
	OPERATION(pin, 20, 0),
	OPERATION(unpin, 20, 0),
	OPERATION(peek, 10, 0),
	OPERATION(direct_write, 6, 0),
	OPERATION(direct_read, 6, 0),
	OPERATION(set_budget, 24, 0),
	OPERATION(trim, 8, 0),
	OPERATION(class_stat, 10, 0),
	OPERATION(poll, 10, 0),
	OPERATION(poke, 10, 0),
	OPERATION(shrink, 2, 0),
	DEAR_OPERATION(ceiling, 1, OP_ALONE | OP_CHECK_ALL),
	DEAR_OPERATION(child, 2, OP_CHECK_ALL),
	DEAR_OPERATION(pass, 1, OP_CHECK_ALL),
	DEAR_OPERATION(heir, 2, OP_ALONE | OP_CHECK_ALL),
	DEAR_OPERATION(owner, 2, OP_CHECK_ALL),
	OPERATION(split, 6, OP_ALONE),
	OPERATION(move, 2, OP_ALONE | OP_CHECK_ALL),
	OPERATION(bad, 40, 0),
};

const unsigned int nr_op_kinds = sizeof(op_kinds) / sizeof(op_kinds[0]);

static uint32_t pick_kind(struct actor *actor)
{
	uint32_t kind, total = 0, number;

	for (kind = 0; kind < nr_op_kinds; kind++)
		total += op_kinds[kind].weight;
	number = pick(actor, total);
	for (kind = 0; number >= op_kinds[kind].weight; kind++)
		number -= op_kinds[kind].weight;
	return kind;
}

/* Would it do anything at all? Most calls need a pool, and "open" needs none. */
static bool kind_suits(const struct actor *actor, const struct op *op)
{
	bool open = op_kinds[op->kind].run == open_run;

	/* A new process needs much: the pressure is to be on the pools. */
	if (actor->pressed && op_kinds[op->kind].flags & OP_CHECK_ALL)
		return false;
	if (actor->shared)
		return !(op_kinds[op->kind].flags & OP_ALONE);
	return open == (actor->pool[op->pool].life == CLOSED);
}

void actor_generate(struct actor *actor, struct op *op)
{
	memset(op, 0, sizeof(*op));
	/* The first pool has most of the attention. */
	op->pool = one_in(actor, 2) ? 0 : pick(actor, MAX_POOLS);
	do {
		op->kind = pick_kind(actor);
	} while (!kind_suits(actor, op));
	op_kinds[op->kind].generate(actor, op);
}

static void check_step(struct actor *actor, const struct op *op)
{
	if (actor->failed || actor->shared)
		return;
	check_counters(actor);
	check_touched(actor, op->pool);
	if (op_kinds[op->kind].flags & OP_CHECK_ALL)
		check_all(actor);
}

static void note_time(struct actor *actor)
{
	/*
	 * By the module's clock pages have been there since then, or for less long. How
	 * late it is by now the precise clock says (kept.c): the ticks may lag behind it,
	 * but never pass it.
	 */
	uint64_t now = sp_ticks_ms();
	struct ref_pool *pool;

	for (pool = actor->pool; pool < actor->pool + MAX_POOLS; pool++)
		kept_note(pool, now);
}

static bool carry_out(struct actor *actor, const struct op *op, struct answer *answer)
{
	const struct op_kind *kind = &op_kinds[op->kind];

	memset(answer, 0, sizeof(*answer));
	memset(actor->touched, 0, sizeof(actor->touched));
	actor->expected = 0;
	note_time(actor);
	kind->run(actor, op, answer);
	if (answer->skipped)
		return false;
	kind->apply(actor, op, answer);
	check_step(actor, op);
	return true;
}

/* Run, apply, compare. False: there was nothing to do. */
bool actor_step(struct actor *actor, const struct op *op, struct answer *answer)
{
	bool ran;

	step_with_others(actor->steps);
	ran = carry_out(actor, op, answer);
	step_over(actor->steps);
	return ran;
}

/* The actor's own things; @actor->kernel, and what else is shared, is the caller's. */
int actor_begin(struct actor *actor, uint64_t seed)
{
	uint32_t i;

	actor->random = seed * 0x9e3779b97f4a7c15ULL + actor->number + 1;
	sp_random(&actor->random);
	for (i = 0; i < MAX_PINS; i++)
		if (pipe2(actor->pin[i].pipe, O_CLOEXEC))
			return -errno;
	return 0;
}

void actor_end(struct actor *actor)
{
	uint32_t i;

	for (i = 0; i < MAX_PINS; i++) {
		close(actor->pin[i].pipe[0]);
		close(actor->pin[i].pipe[1]);
	}
}
