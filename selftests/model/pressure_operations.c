// SPDX-License-Identifier: GPL-2.0-only
/* The system's memory pressure, and the ceiling of all pools. */
#include "operations.h"
#include "scarcity.h"

/* --- shrink: argument how --- */

void shrink_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick(actor, NR_SHRINK_WAYS);
}

void shrink_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	disturb_begin();
	shrink(op->arg[0]);
	disturb_end();
}

void shrink_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	(void)op;
	(void)answer;
	actor->expected = 0;
}

void shrink_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "shrink(%u)", op->arg[0]);
}

/*
 * --- ceiling: argument mode. It is for all pools of the machine, so nobody else of the run may be
 * at work; retained pages of all of them go before the new pool is refused any ---
 */

void ceiling_generate(struct actor *actor, struct op *op)
{
	do {
		op->arg[0] = pick(actor, nr_mapping_modes);
	} while (!(actor->modes & (1U << op->arg[0])));
}

void ceiling_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (access(SP_DEBUGFS, R_OK)) {
		answer->skipped = true;
		return;
	}
	step_alone(actor->steps);
	disturb_begin();
	answer->values[0] = sp_module_counter("physical_bytes") / SP_PAGE;
	answer->values[1] = sp_module_counter("aged_pages");
	answer->error = try_ceiling(mapping_modes[op->arg[0]].mode, &answer->reason);
	answer->values[1] -= sp_module_counter("aged_pages");
	disturb_end();
}

void ceiling_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	uint64_t used = answer->values[0];

	(void)op;
	actor->expected = used < CEILING_PAGES ? (CEILING_PAGES - used) / REGION_PAGES : 0;
	/* Pages that leave for their age just then count until they are gone. */
	if (answer->values[1] && answer->error >= 0 && answer->error < actor->expected)
		actor->expected = answer->error;
	if (answer->error != actor->expected || answer->reason != SEGPOOL_REASON_CEILING)
		mismatch(actor,
			 "ceiling of %u pages, %llu in use: %d regions, reason %u; not %ld, %u",
			 CEILING_PAGES, (unsigned long long)used, answer->error, answer->reason,
			 actor->expected, SEGPOOL_REASON_CEILING);
}

void ceiling_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "ceiling(%s)", mapping_modes[op->arg[0]].constant);
}
