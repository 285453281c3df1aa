// SPDX-License-Identifier: GPL-2.0-only
/* What a child may do, and what may not be done to the mapping. */
#include "operations.h"
#include "attempts.h"

/* --- child: argument how it ends --- */

void child_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick(actor, 3);
}

void child_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct child child = { .pool = &actor->kernel[op->pool], .ending = op->arg[0] };

	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = sp_in_child(be_a_child, &child);
}

void child_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	actor->expected = op->arg[0] == CHILD_IS_KILLED ? 128 + SIGKILL : 0;
	if (actor->pressed && answer->error == -ENOMEM)
		return;
	if (answer->error != actor->expected)
		mismatch(actor, "a child ended with %d, expected %ld", answer->error,
			 actor->expected);
}

void child_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "child(%u, %u)", op->pool, op->arg[0]);
}

/* --- split: arguments how, region --- */

void split_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick(actor, 4);
	op->arg[1] = pick_region(actor, op, ACTIVE);
}

void split_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!is_mapped(actor, op)) {
		answer->skipped = true;
		return;
	}
	if (try_to_split(page_address(actor, op->pool, op->arg[1], 0), op->arg[0]))
		answer->error = -errno;
}

void split_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	expect_error(actor, op->arg[0] ? "mprotect of a part" : "munmap of a part", answer->error,
		     op->arg[0] == 3 ? -EACCES : -EINVAL);
}

void split_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "split(%u, %u, %u)", op->pool, op->arg[0], op->arg[1]);
}

/* --- move: argument how --- */

void move_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick(actor, 3);
}

void move_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!is_mapped(actor, op)) {
		answer->skipped = true;
		return;
	}
	if (try_to_move(&actor->kernel[op->pool], op->arg[0]) == MAP_FAILED)
		answer->error = -errno;
}

/* Which errno is the kernel's affair; that nothing moved is ours. */
void move_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	(void)op;
	actor->expected = answer->error;
	if (!answer->error)
		mismatch(actor, "mremap succeeded");
}

void move_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "move(%u, %u)", op->pool, op->arg[0]);
}
