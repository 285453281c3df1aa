// SPDX-License-Identifier: GPL-2.0-only
/* What other processes may do, owners that end, and what may not be done to the mapping. */
#include "operations.h"
#include "attempts.h"
#include "owners.h"

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

/* --- pass: the file goes to another process by a socket --- */

void pass_generate(struct actor *actor, struct op *op)
{
	(void)actor;
	(void)op;
}

void pass_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = try_to_pass(&actor->kernel[op->pool]);
}

void pass_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	(void)op;
	if (answer->error)
		mismatch(actor, "who was handed the file ended with %d, expected 0", answer->error);
}

void pass_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "pass(%u)", op->pool);
}

/* --- heir: a child that inherits the mapping looks at a region; argument region --- */

void heir_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick_region(actor, op, ACTIVE);
}

void heir_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	const struct ref_region *region = &actor->pool[op->pool].region[op->arg[0]];
	uint64_t tags[REGION_PAGES];
	bool mapped[REGION_PAGES];
	struct heir heir = { .tags = tags, .mapped = mapped };
	uint32_t i;

	if (!is_mapped(actor, op) || op->arg[0] >= actor->pool[op->pool].nr_regions ||
	    region->kept) {
		answer->skipped = true;
		return;
	}
	for (i = 0; i < REGION_PAGES; i++) {
		tags[i] = region->page[i].tag;
		mapped[i] = region->page[i].mapped;
	}
	heir.region = page_address(actor, op->pool, op->arg[0], 0);
	answer->error = try_to_inherit(&actor->kernel[op->pool], &heir);
}

/* The owner's pages are there for it, and it gets no others. */
void heir_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t i, refused = 0;

	actor->expected = -EINVAL;
	if (answer->error == -EINVAL)
		return;
	for (i = 0; i < REGION_PAGES; i++)
		refused += !pool->region[op->arg[0]].page[i].mapped;
	actor->expected = refused;
	pool->events[SEGPOOL_C_SIGBUS_FAULTS] += refused;
	if (pool->mode->dropped != ALWAYS)
		mismatch(actor, "a child may inherit a mapping of mode %s", pool->mode->name);
	else if (answer->error != actor->expected)
		mismatch(actor, "an heir ended with %d, expected %ld", answer->error,
			 actor->expected);
}

void heir_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "heir(%u, %u)", op->pool, op->arg[0]);
}

/* --- owner: a process with a pool of its own; arguments mode, regions, how it ends --- */

void owner_generate(struct actor *actor, struct op *op)
{
	do {
		op->arg[0] = pick(actor, nr_mapping_modes);
	} while (!(actor->modes & (1U << op->arg[0])));
	op->arg[1] = 1 + pick(actor, OWNER_REGIONS);
	op->arg[2] = pick(actor, NR_OWNER_ENDINGS);
}

void owner_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	(void)actor;
	if (!op->arg[1]) {
		answer->skipped = true;
		return;
	}
	answer->error = end_an_owner(mapping_modes[op->arg[0]].mode, op->arg[1], op->arg[2]);
}

void owner_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	actor->expected = op->arg[2] == OWNER_IS_KILLED ? 128 + SIGKILL : 0;
	if (answer->error != actor->expected)
		mismatch(actor, "an owner that %s: %d, expected %ld", owner_endings[op->arg[2]],
			 answer->error, actor->expected);
}

void owner_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "end_an_owner(%s, %u, %u)", mapping_modes[op->arg[0]].constant, op->arg[1],
		op->arg[2]);
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
