// SPDX-License-Identifier: GPL-2.0-only
/* Pools come and go, their mapping and their file in either order. */
#include "operations.h"

/* --- open: arguments mode, regions of the reservation, budgets, retain limit --- */

static uint32_t pick_mode(struct actor *actor)
{
	uint32_t mode;

	do {
		mode = pick(actor, nr_mapping_modes);
	} while (!(actor->modes & (1U << mode)));
	return mode;
}

void open_generate(struct actor *actor, struct op *op)
{
	uint32_t regions = actor->shared ? 8 + pick(actor, 17) : 2 + pick(actor, 7);
	uint32_t pages = regions * REGION_PAGES;

	op->arg[0] = pick_mode(actor);
	op->arg[1] = regions;
	op->arg[2] = one_in(actor, 4) ? 1 + pick(actor, regions + 2) : regions;
	op->arg[3] = one_in(actor, 4) ? pages : pages / 4 + pick(actor, pages);
	op->arg[4] = one_in(actor, 8) ? pick(actor, 24) : pages;
}

void open_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct sp_pool *pool = &actor->kernel[op->pool];

	if (actor->pool[op->pool].life != CLOSED) {
		answer->skipped = true;
		return;
	}
	memset(pool, 0, sizeof(*pool));
	pool->setup.mode = mapping_modes[op->arg[0]].mode;
	pool->setup.region_size = REGION_BYTES;
	pool->setup.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN |
			    SEGPOOL_SET_AGE;
	pool->setup.limits.virtual_budget = op->arg[2] * REGION_BYTES;
	pool->setup.limits.physical_budget = op->arg[3] * SP_PAGE;
	pool->setup.limits.retain_limit = op->arg[4] * SP_PAGE;
	answer->error = sp_pool_open(pool, op->arg[1] * REGION_BYTES);
}

void open_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	const struct sp_pool *kernel = &actor->kernel[op->pool];

	if (!expect_error(actor, "open, SETUP and mmap", answer->error, 0))
		return;
	memset(pool, 0, sizeof(*pool));
	pool->life = OPEN;
	pool->mode = &mapping_modes[op->arg[0]];
	pool->id = kernel->id;
	pool->nr_regions = op->arg[1];
	pool->virtual_budget = op->arg[2];
	pool->budget = op->arg[3];
	pool->retain_limit = op->arg[4];
	pool->watermark = 90;
	if (kernel->setup.nr_classes != NR_CLASSES)
		mismatch(actor, "SETUP made %u classes, expected %u", kernel->setup.nr_classes,
			 NR_CLASSES);
}

void open_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "open_pool(%u, %s, %u, %u, %u, %u)", op->pool,
		mapping_modes[op->arg[0]].constant, op->arg[1], op->arg[2], op->arg[3], op->arg[4]);
}

/* --- unmap --- */

void unmap_generate(struct actor *actor, struct op *op)
{
	(void)actor;
	(void)op;
}

void unmap_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct sp_pool *pool = &actor->kernel[op->pool];

	if (!is_mapped(actor, op)) {
		answer->skipped = true;
		return;
	}
	if (munmap(pool->base, pool->length))
		answer->error = -errno;
	pool->base = NULL;
}

void unmap_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t i;

	expect_error(actor, "munmap", answer->error, 0);
	pool->events[SEGPOOL_C_TRIMMED_PAGES] += pool->retained;
	kept_take_oldest(pool, pool->retained);
	pool->retained = 0;
	for (i = 0; i < pool->nr_regions; i++)
		give_pages_back(actor, op->pool, i, 0, REGION_PAGES, false);
	pool->life = pool->life == OPEN ? UNMAPPED : CLOSED;
}

void unmap_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "unmap_pool(%u)", op->pool);
}

/* --- close --- */

void close_generate(struct actor *actor, struct op *op)
{
	(void)actor;
	(void)op;
}

void close_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct sp_pool *pool = &actor->kernel[op->pool];

	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	if (close(pool->fd))
		answer->error = -errno;
	pool->fd = -1;
}

void close_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct ref_pool *pool = &actor->pool[op->pool];

	expect_error(actor, "close", answer->error, 0);
	pool->life = pool->life == OPEN ? ORPHAN : CLOSED;
}

void close_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "close_pool(%u)", op->pool);
}
