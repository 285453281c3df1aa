// SPDX-License-Identifier: GPL-2.0-only
/* Bad input: each call has one fault, one documented errno, and changes nothing. */
#include "operations.h"
#include "bad_calls.h"

/* bad: argument which */

void bad_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick(actor, NR_BAD_CALLS);
}

void bad_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = bad_calls[op->arg[0]].call(actor->kernel[op->pool].fd);
}

void bad_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	expect_error(actor, bad_calls[op->arg[0]].name, answer->error, bad_calls[op->arg[0]].error);
}

void bad_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "bad(%u, \"%s\")", op->pool, bad_calls[op->arg[0]].name);
}
