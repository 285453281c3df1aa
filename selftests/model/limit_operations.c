// SPDX-License-Identifier: GPL-2.0-only
/* SET_BUDGET, TRIM, STAT of a class, poll. */
#include "operations.h"
#include <poll.h>

/* --- set_budget: arguments flags, regions, pages, retained pages, age, watermark --- */

void set_budget_generate(struct actor *actor, struct op *op)
{
	uint32_t regions = actor->pool[op->pool].nr_regions + 1;
	uint32_t pages = regions * REGION_PAGES;

	op->arg[0] = 1U << pick(actor, 5);
	if (one_in(actor, 4))
		op->arg[0] |= 1U << pick(actor, 5);
	op->arg[1] = one_in(actor, 2) ? regions : pick(actor, regions);
	op->arg[2] = one_in(actor, 2) ? pages : pick(actor, pages);
	op->arg[3] = !one_in(actor, 4) ? pages : pick(actor, pages);
	op->arg[4] = one_in(actor, 2) ? AGE_OF_A_DAY : 0;
	if (one_in(actor, 6))
		op->arg[4] = 1 + pick(actor, one_in(actor, 2) ? 30 : 500);
	op->arg[5] = 1 + pick(actor, 100);
}

static struct segpool_limits limits_of(const struct op *op)
{
	struct segpool_limits limits = { 0 };

	if (op->arg[0] & SEGPOOL_SET_VIRTUAL)
		limits.virtual_budget = op->arg[1] * REGION_BYTES;
	if (op->arg[0] & SEGPOOL_SET_PHYSICAL)
		limits.physical_budget = op->arg[2] * SP_PAGE;
	if (op->arg[0] & SEGPOOL_SET_RETAIN)
		limits.retain_limit = op->arg[3] * SP_PAGE;
	if (op->arg[0] & SEGPOOL_SET_AGE)
		limits.retain_age_ms = op->arg[4];
	if (op->arg[0] & SEGPOOL_SET_WATERMARK)
		limits.watermark = op->arg[5];
	return limits;
}

/* The budget that was ever in force bounds what the pool may own, until it is noted here. */
static void note_highest_budget(struct actor *actor, const struct op *op)
{
	uint64_t highest;

	if (!(op->arg[0] & SEGPOOL_SET_PHYSICAL))
		return;
	highest = atomic_load(&actor->owners[op->pool].highest_budget);
	while (highest < op->arg[2] &&
	       !atomic_compare_exchange_weak(&actor->owners[op->pool].highest_budget, &highest,
					     op->arg[2]))
		;
}

static void note_age(struct actor *actor, const struct op *op)
{
	if (op->arg[0] & SEGPOOL_SET_AGE && op->arg[4] && op->arg[4] < AGE_OF_A_DAY)
		actor->owners[op->pool].ages = true;
}

void set_budget_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	if (actor->shared) {
		note_highest_budget(actor, op);
		note_age(actor, op);
	}
	answer->limits = limits_of(op);
	answer->error = sp_set_budget(actor->kernel[op->pool].fd, op->arg[0], &answer->limits);
}

static void check_limits(struct actor *actor, const struct op *op,
			 const struct segpool_limits *limits)
{
	struct ref_pool *pool = &actor->pool[op->pool];

	/* The kernel rounds ages up to its clock tick, of 10 ms at most. */
	if (limits->retain_age_ms < pool->age_ms || limits->retain_age_ms > pool->age_ms + 10)
		mismatch(actor, "retain_age_ms %u, expected %llu", limits->retain_age_ms,
			 (unsigned long long)pool->age_ms);
	pool->age_ms = limits->retain_age_ms;
	if (limits->virtual_budget != pool->virtual_budget * REGION_BYTES ||
	    limits->physical_budget != pool->budget * SP_PAGE ||
	    limits->retain_limit != pool->retain_limit * SP_PAGE ||
	    limits->watermark != pool->watermark)
		mismatch(actor, "limits in force: %llu, %llu, %llu, %u; not %llu, %llu, %llu, %u",
			 (unsigned long long)limits->virtual_budget,
			 (unsigned long long)limits->physical_budget,
			 (unsigned long long)limits->retain_limit, limits->watermark,
			 (unsigned long long)(pool->virtual_budget * REGION_BYTES),
			 (unsigned long long)(pool->budget * SP_PAGE),
			 (unsigned long long)(pool->retain_limit * SP_PAGE), pool->watermark);
}

void set_budget_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct ref_pool *pool = &actor->pool[op->pool];

	if (!expect_error(actor, "SET_BUDGET", answer->error, 0) || actor->shared)
		return;
	if (op->arg[0] & SEGPOOL_SET_VIRTUAL)
		pool->virtual_budget = op->arg[1] > pool->carved ? op->arg[1] : pool->carved;
	if (op->arg[0] & SEGPOOL_SET_PHYSICAL)
		pool->budget = op->arg[2];
	if (op->arg[0] & SEGPOOL_SET_RETAIN)
		pool->retain_limit = op->arg[3];
	if (op->arg[0] & SEGPOOL_SET_AGE) {
		kept_condemn(pool);
		pool->age_ms = op->arg[4];
	}
	if (op->arg[0] & SEGPOOL_SET_WATERMARK)
		pool->watermark = op->arg[5];
	ref_trim(pool, pool->retain_limit);
	check_limits(actor, op, &answer->limits);
}

void set_budget_print(struct actor *actor, const struct op *op, FILE *file)
{
	struct segpool_limits limits = limits_of(op);

	(void)actor;
	fprintf(file, "set_budget(%u, %#x, %llu, %llu, %llu, %u, %u)", op->pool, op->arg[0],
		(unsigned long long)limits.virtual_budget,
		(unsigned long long)limits.physical_budget,
		(unsigned long long)limits.retain_limit, limits.retain_age_ms, limits.watermark);
}

/* --- trim: argument pages that may stay --- */

void trim_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = one_in(actor, 3) ? 0 : pick(actor, 64);
}

void trim_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct segpool_trim call = { .size = sizeof(call), .target = op->arg[0] * SP_PAGE };

	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = sp_ioctl(actor->kernel[op->pool].fd, SEGPOOL_IOC_TRIM, &call);
	answer->released = call.released;
	answer->retained = call.retained;
}

void trim_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	uint64_t released;

	if (!expect_error(actor, "TRIM", answer->error, 0) || actor->shared)
		return;
	released = ref_trim(pool, op->arg[0]);
	/* Fewer than that where age or the shrinker came first. */
	if (answer->released > released * SP_PAGE || answer->retained > pool->retained * SP_PAGE)
		mismatch(actor, "TRIM released %llu bytes, %llu are retained; expected %llu, %llu",
			 (unsigned long long)answer->released,
			 (unsigned long long)answer->retained,
			 (unsigned long long)(released * SP_PAGE),
			 (unsigned long long)(pool->retained * SP_PAGE));
}

void trim_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "trim(%u, %u)", op->pool, op->arg[0]);
}

/* --- class_stat: argument class --- */

void class_stat_generate(struct actor *actor, struct op *op)
{
	op->arg[0] = pick(actor, NR_CLASSES + 1);
}

void class_stat_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = sp_class_stat(actor->kernel[op->pool].fd, op->arg[0], answer->values);
}

void class_stat_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	uint64_t wanted[SEGPOOL_NR_CLASS_COUNTERS];
	uint32_t i;

	if (op->arg[0] >= NR_CLASSES) {
		expect_error(actor, "STAT of a class that is not there", answer->error, -EINVAL);
		return;
	}
	if (!expect_error(actor, "STAT of a class", answer->error, 0) || actor->shared)
		return;
	ref_class_counters(&actor->pool[op->pool], op->arg[0], wanted);
	for (i = 0; i < SEGPOOL_NR_CLASS_COUNTERS; i++)
		if (answer->values[i] != wanted[i])
			mismatch(actor, "class %u: %s is %llu, expected %llu", op->arg[0],
				 sp_class_counter_name(i), (unsigned long long)answer->values[i],
				 (unsigned long long)wanted[i]);
}

void class_stat_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "class_stat(%u, %u)", op->pool, op->arg[0]);
}

/* --- poll --- */

void poll_generate(struct actor *actor, struct op *op)
{
	(void)actor;
	(void)op;
}

void poll_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct pollfd entry = { .fd = actor->kernel[op->pool].fd, .events = POLLPRI };

	if (!takes_calls(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = poll(&entry, 1, 0);
	/* Afterwards: of all pools it may have been at work just now. */
	answer->retained = sp_counter(entry.fd, SEGPOOL_C_SHRUNK_PAGES);
}

void poll_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	bool pressure = pool->physical >= pool->budget * pool->watermark / 100;

	actor->expected = answer->error;
	/* The shrinker's work shows for a second. */
	if (actor->shared || answer->retained)
		return;
	actor->expected = pressure;
	if (answer->error != pressure)
		mismatch(actor, "poll says %d, expected %d", answer->error, pressure);
}

void poll_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "poll_pool(%u)", op->pool);
}
