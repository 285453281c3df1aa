// SPDX-License-Identifier: GPL-2.0-only
/* What must hold after an input, and after the process that ran it. */

#include <stdarg.h>

#include "helpers.h"
#include "testing_memory.h"
#include "world.h"

/* A walk over more takes too long to be made after each input. */
#define WALK_REGIONS	2000
#define WALK_BYTES	(4 * SP_MIB)

/* The last work of a process that has ended. */
#define SETTLE_MS	60000

/* The first problem counts. */
void problem_note(struct shared *shared, const char *format, ...)
{
	bool noted = false;
	va_list arguments;

	if (!atomic_compare_exchange_strong(&shared->has_problem, &noted, true))
		return;
	va_start(arguments, format);
	vsnprintf(shared->problem, sizeof(shared->problem), format, arguments);
	va_end(arguments);
}

/* Counters against the table of regions, for a pool whose page tables say nothing. */
static const char *regions_drift(const struct pool_slot *pool, const uint64_t *values)
{
	struct sp_region_sums sums;

	if (sp_regions_walk(pool->id, &sums) < 0)
		return "debugfs has no table of the pool's regions";
	if (sums.active_pages * SP_PAGE != values[SEGPOOL_C_PHYSICAL_BYTES])
		return "physical_bytes are not the pages of the regions";
	if (sums.rows * pool->region_size != values[SEGPOOL_C_VIRTUAL_BYTES])
		return "virtual_bytes are not the regions";
	if (sums.active != values[SEGPOOL_C_REGIONS_ACTIVE] ||
	    sums.freed != values[SEGPOOL_C_REGIONS_FREED])
		return "active and freed regions are not those of the table";
	return NULL;
}

/* Quiet now: nobody uses the pool. */
void check_pool(struct world *world, const struct pool_slot *pool)
{
	struct sp_pool view = { .fd = pool->fd, .base = pool->base, .length = pool->length,
				.region_size = pool->region_size, .id = pool->id };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	const char *drift;

	if (!pool->set_up || pool->lost || pool->fd < 0)
		return;
	if (sp_stat(pool->fd, values))
		return problem_note(world->shared, "STAT of a pool that is set up failed");
	if (values[SEGPOOL_C_WAITERS])
		return problem_note(world->shared, "a request waits that nobody makes");
	if (values[SEGPOOL_C_VIRTUAL_BYTES] / pool->region_size > WALK_REGIONS)
		return;
	if (pool->base && !pool->odd && pool->length <= WALK_BYTES)
		drift = sp_drift(&view);
	else
		drift = regions_drift(pool, values);
	if (drift)
		problem_note(world->shared, "%s", drift);
}

/* What the gauges are while no pool is open: 0, unless a defect was found already. */
static uint64_t baseline[SP_NR_GAUGES];

/* Is nothing left of the pools? Names what is. */
static int module_is_empty(void *left)
{
	size_t i;

	for (i = 0; i < SP_NR_GAUGES; i++)
		if (sp_module_counter(sp_gauges[i]) != baseline[i])
			break;
	*(const char **)left = i < SP_NR_GAUGES ? sp_gauges[i] : NULL;
	return i == SP_NR_GAUGES;
}

void check_baseline(void)
{
	size_t i;

	for (i = 0; i < SP_NR_GAUGES; i++)
		baseline[i] = sp_module_counter(sp_gauges[i]);
}

/* No pool is open: every gauge must come to 0, and the kernel must have nothing to say. */
bool check_module(struct shared *shared)
{
	const char *left = NULL;
	char line[200];

	if (kernel_log_problem(line, sizeof(line)))
		problem_note(shared, "the kernel says: %s", line);
	else if (!sp_wait_until(module_is_empty, &left, SETTLE_MS))
		problem_note(shared, "no pool is open, but %s is %llu", left,
			     (unsigned long long)sp_module_counter(left));
	return !atomic_load(&shared->has_problem);
}
