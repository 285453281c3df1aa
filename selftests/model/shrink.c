// SPDX-License-Identifier: GPL-2.0-only
/* Making a failing history short: fewer operations, then simpler ones, each tried for real. */
#include "model.h"

/* Each try is a process with pools of its own. */
#define MAX_TRIES	3000
#define FIRST_CHANCES	20
#define LATER_CHANCES	4

struct shrinking {
	struct history *best, *candidate;
	uint64_t seed;
	uint32_t modes, tries, chances;
	/* Of the failure that is being looked into: others are none of our business. */
	const char *kind_of_mismatch;
	int failed_kind;
};

static bool fails(struct shrinking *shrinking)
{
	struct history *candidate = shrinking->candidate;

	shrinking->tries++;
	history_run(candidate, shrinking->seed, shrinking->modes, NULL);
	return candidate->failed && candidate->kind_of_mismatch == shrinking->kind_of_mismatch &&
	       candidate->failed_kind == shrinking->failed_kind;
}

/* Adopts the candidate if it fails, up to where it fails. */
static bool still_fails(struct shrinking *shrinking)
{
	struct history *candidate = shrinking->candidate;
	uint32_t chance;
	bool failed = false;

	for (chance = 0; chance < shrinking->chances && !failed; chance++)
		failed = shrinking->tries < MAX_TRIES && fails(shrinking);
	if (!failed)
		return false;
	if (candidate->done + 1 < candidate->length)
		candidate->length = candidate->done + 1;
	*shrinking->best = *candidate;
	return true;
}

static bool try_without(struct shrinking *shrinking, uint32_t first, uint32_t nr)
{
	struct history *candidate = shrinking->candidate;
	uint32_t behind;

	*candidate = *shrinking->best;
	if (first + nr > candidate->length)
		nr = candidate->length - first;
	behind = candidate->length - first - nr;
	memmove(candidate->ops + first, candidate->ops + first + nr,
		behind * sizeof(candidate->ops[0]));
	candidate->length -= nr;
	return candidate->length && still_fails(shrinking);
}

/* Without each piece of that length in turn; whether any could go. */
static bool drop_pieces(struct shrinking *shrinking, uint32_t length)
{
	bool shorter = false;
	uint32_t first = 0;

	while (first < shrinking->best->length) {
		if (try_without(shrinking, first, length))
			shorter = true;
		else
			first += length;
	}
	return shorter;
}

static bool try_argument(struct shrinking *shrinking, uint32_t op, uint32_t number, uint32_t value)
{
	if (op >= shrinking->best->length || shrinking->best->ops[op].arg[number] <= value)
		return false;
	*shrinking->candidate = *shrinking->best;
	shrinking->candidate->ops[op].arg[number] = value;
	return still_fails(shrinking);
}

static bool simplify_arguments(struct shrinking *shrinking)
{
	bool simpler = false;
	uint32_t op, number;

	for (op = 0; op < shrinking->best->length; op++)
		for (number = 0; number < 8; number++)
			if (try_argument(shrinking, op, number, 0) ||
			    try_argument(shrinking, op, number, 1) ||
			    try_argument(shrinking, op, number,
					 shrinking->best->ops[op].arg[number] / 2))
				simpler = true;
	return simpler;
}

static bool try_pool(struct shrinking *shrinking, uint32_t from)
{
	uint32_t op;

	*shrinking->candidate = *shrinking->best;
	for (op = 0; op < shrinking->candidate->length; op++)
		if (shrinking->candidate->ops[op].pool == from)
			shrinking->candidate->ops[op].pool = 0;
	return still_fails(shrinking);
}

void history_shrink(struct history *history, uint64_t seed, uint32_t modes)
{
	struct shrinking shrinking = { .best = history, .seed = seed, .modes = modes,
				       .candidate = shared_memory(sizeof(*history)) };
	uint32_t length, before = history->length;
	bool failed;
	char mismatch[sizeof(history->mismatch)];

	shrinking.kind_of_mismatch = history->kind_of_mismatch;
	shrinking.failed_kind = history->failed_kind;
	memcpy(mismatch, history->mismatch, sizeof(mismatch));
	*shrinking.candidate = *history;
	/* What did not fail again at once needs some luck each time. */
	shrinking.chances = FIRST_CHANCES;
	failed = still_fails(&shrinking);
	shrinking.chances = shrinking.tries > 1 ? LATER_CHANCES : 1;
	if (!failed) {
		printf("# It does not fail again with these operations: it needs the moment.\n");
		memcpy(history->mismatch, mismatch, sizeof(mismatch));
	} else {
		for (length = history->length / 2; length; length /= 2)
			drop_pieces(&shrinking, length);
		try_pool(&shrinking, 1);
		try_pool(&shrinking, 2);
		while (simplify_arguments(&shrinking) || drop_pieces(&shrinking, 1))
			;
		printf("# Shrunk from %u to %u steps in %u tries.\n", before, history->length,
		       shrinking.tries);
	}
	munmap(shrinking.candidate, sizeof(*history));
}
