/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls to be interrupted: those that wait, which a signal ends, and long ones,
 * which only a deadly signal ends.
 */
#ifndef SEGPOOL_FAULTS_CASE_SIGNAL_H
#define SEGPOOL_FAULTS_CASE_SIGNAL_H

#include <sys/time.h>
#include "case_ioctl.h"

#define WAIT_MS		25
#define MANY		64
/* A table of descriptors worth interrupting: 8 bytes for 85 regions. */
#define HUGE_REGIONS	(1ULL << 23)

/* How many signals the handler has seen. */
static volatile sig_atomic_t signals_seen;

/* --- waiting --- */

/* All of both budgets is in use but for what @leave regions need. */
static int with_budget_used(struct scene *scene, uint32_t leave)
{
	struct segpool_region regions[SCENE_REGIONS + 1];
	int count = SCENE_REGIONS + 1 - leave;
	int got = sp_alloc(scene->pool.fd, 0, SEGPOOL_POPULATE, count, regions);

	scene->regions[0] = regions[0];
	return got == count ? 0 : -ENOSPC;
}

static int with_nothing_left(struct scene *scene)
{
	return with_budget_used(scene, 0);
}

static int with_two_left(struct scene *scene)
{
	return with_budget_used(scene, 2);
}

static int lower_budget(struct scene *scene, uint64_t room)
{
	struct segpool_limits limits = {
		.physical_budget = sp_counter(scene->pool.fd, SEGPOOL_C_PHYSICAL_BYTES) + room,
	};

	return sp_set_budget(scene->pool.fd, SEGPOOL_SET_PHYSICAL, &limits);
}

static int with_no_pages_to_reuse(struct scene *scene)
{
	return with_released(scene) ?: lower_budget(scene, SP_PAGE);
}

/* Room for the first range, and half of the second. */
static int with_room_for_one_range(struct scene *scene)
{
	return with_bare_regions(scene) ?: lower_budget(scene, RANGE_PAGES * SP_PAGE * 3 / 2);
}

/* The one region that is in use is all that the ceiling allows. */
static int with_ceiling_reached(struct scene *scene)
{
	return sp_set_module_parameter("ceiling_mib", 1) ?: with_budget_used(scene, SCENE_REGIONS);
}

static int call_alloc_wait(struct scene *scene)
{
	scene->alloc = (struct segpool_alloc){
		.flags = scene->what->flags | SEGPOOL_WAIT, .count = scene->what->count ?: 1,
		.timeout_ms = WAIT_MS,
	};
	return sp_alloc_call(scene->pool.fd, &scene->alloc, scene->results);
}

/* What was there was given; the reason is the signal or the budget. */
static const char *check_alloc_wait(struct scene *scene, int result)
{
	unsigned int given = handles_given(scene);
	unsigned int expected = scene->what->prepare == with_two_left ? 2 : 0;
	bool interrupted = result == -EINTR || (!result && !scene->alloc.reason);

	if (given != expected || scene->alloc.done != given || !result != !!given)
		return "other regions are given than there was room for";
	if (interrupted && (!signals_seen || scene->alloc.reason))
		return "it was interrupted without a signal, or gives another reason as well";
	if (sp_counter(scene->pool.fd, SEGPOOL_C_WAITERS))
		return "somebody still waits";
	return check_handles(scene, given);
}

static int call_reuse_wait(struct scene *scene)
{
	scene->reuse = (struct segpool_reuse){
		.handle = scene->regions[0].handle, .timeout_ms = WAIT_MS,
		.flags = SEGPOOL_POPULATE | SEGPOOL_WAIT,
	};
	return sp_reuse_call(scene->pool.fd, &scene->reuse);
}

static const char *check_reuse_wait(struct scene *scene, int result)
{
	if (!result || scene_growth(scene, SEGPOOL_C_REGIONS_ACTIVE))
		return "it is handed out although there is no budget";
	if (result == -EINTR && (!signals_seen || scene->reuse.reason))
		return "it was interrupted without a signal, or gives another reason as well";
	return sp_reuse(scene->pool.fd, scene->regions[0].handle, 0, 0, NULL) ?
	       "the old handle does not name the region any more" : NULL;
}

static int call_populate_wait(struct scene *scene)
{
	struct segpool_ranges call = {
		.size = sizeof(call), .flags = SEGPOOL_WAIT, .count = scene->held,
		.ranges = (uintptr_t)scene->ranges, .timeout_ms = WAIT_MS,
	};
	unsigned int i;
	int error;

	for (i = 0; i < scene->held; i++)
		scene->ranges[i] = (struct segpool_range){
			.handle = scene->regions[i].handle, .offset = SP_PAGE,
			.length = RANGE_PAGES * SP_PAGE,
		};
	error = sp_ioctl(scene->pool.fd, SEGPOOL_IOC_POPULATE, &call);
	scene->done = call.done;
	return error;
}

/* The second entry says what ended it; after a signal the third was not tried. */
static const char *check_populate_wait(struct scene *scene, int result)
{
	const struct segpool_range *ranges = scene->ranges;

	if (ranges[0].error || ranges[1].error != result || scene->done != 1)
		return "the entries do not say what was done";
	if (result == -EINTR && (!signals_seen || ranges[2].error != -ECANCELED))
		return "it was interrupted without a signal, or went on";
	return check_ranges(scene, result);
}

/* --- what takes long --- */

static int call_mmap_huge(struct scene *scene)
{
	scene->pool.length = HUGE_REGIONS * scene_region_size(scene);
	return sp_mmap(scene->pool.fd, scene->pool.length, &scene->pool.base);
}

static int call_touch_all(struct scene *scene)
{
	return sp_count_refused(sp_region_at(&scene->pool, &scene->regions[0]),
				scene_region_size(scene)) ? -EIO : 0;
}

static const char *check_whole(struct scene *scene, int result)
{
	if (result)
		return "a signal that is handled has ended it";
	return scene->what->call == call_alloc && handles_given(scene) != scene->what->count ?
	       "a signal that is handled has cut it short" : NULL;
}

#define WAITS(prepare_, call_, check_, ...) \
	.stage = SCENE_MAPPED, .prepare = prepare_, .call = call_, .check = check_, \
	.errors = { EINTR, ENOMEM }, ##__VA_ARGS__
#define TAKES_LONG(prepare_, call_, ...) \
	.stage = SCENE_MAPPED, .prepare = prepare_, .call = call_, .check = check_whole, \
	##__VA_ARGS__
#define TAKES_LONG_FOR_MANY(prepare_, call_, ...) \
	TAKES_LONG(prepare_, call_, .regions = MANY, .count = MANY, ##__VA_ARGS__)

static const struct fault_case cases_waiting[] = {
	{ "alloc_waits_for_pages", WAITS(with_nothing_left, call_alloc_wait, check_alloc_wait,
					 .flags = SEGPOOL_POPULATE) },
	{ "alloc_waits_for_the_rest", WAITS(with_two_left, call_alloc_wait, check_alloc_wait,
					    .flags = SEGPOOL_POPULATE, .count = 4) },
	{ "alloc_waits_for_a_region", WAITS(with_nothing_left, call_alloc_wait,
					    check_alloc_wait, .count = 2) },
	{ "alloc_waits_for_neighbours", WAITS(with_nothing_left, call_alloc_wait,
					      check_alloc_wait, .flags = SEGPOOL_CONTIGUOUS,
					      .count = 2) },
	{ "alloc_waits_for_the_ceiling", WAITS(with_ceiling_reached, call_alloc_wait,
					       check_alloc_wait, .flags = SEGPOOL_POPULATE,
					       .region_size = SP_MIB) },
	{ "reuse_waits", WAITS(with_no_pages_to_reuse, call_reuse_wait, check_reuse_wait) },
	{ "populate_waits", WAITS(with_room_for_one_range, call_populate_wait,
				  check_populate_wait, .command = SEGPOOL_IOC_POPULATE,
				  .count = 3) },
};

static const struct fault_case cases_long[] = {
	{ "alloc", TAKES_LONG_FOR_MANY(NULL, call_alloc) },
	{ "alloc_populate", TAKES_LONG_FOR_MANY(NULL, call_alloc, .flags = SEGPOOL_POPULATE) },
	{ "alloc_contiguous", TAKES_LONG_FOR_MANY(NULL, call_alloc, .flags = SEGPOOL_POPULATE |
					 SEGPOOL_CONTIGUOUS) },
	{ "free", TAKES_LONG_FOR_MANY(with_full_regions, call_free) },
	{ "discard", TAKES_LONG_FOR_MANY(with_full_regions, call_ranges,
				.command = SEGPOOL_IOC_DISCARD, .flags = SEGPOOL_NOW) },
	{ "populate", TAKES_LONG_FOR_MANY(with_bare_regions, call_ranges,
				 .command = SEGPOOL_IOC_POPULATE) },
	{ "trim", TAKES_LONG_FOR_MANY(with_retained, call_trim) },
	{ "set_budget", TAKES_LONG_FOR_MANY(with_retained, call_set_budget) },
	{ "mmap", .stage = SCENE_SETUP, .call = call_mmap_huge, .check = check_whole,
	  .ends_pool = true },
	{ "touch", TAKES_LONG(with_bare_regions, call_touch_all, .regions = 1, .count = 1,
			      .region_size = SP_BIG) },
};

#endif /* SEGPOOL_FAULTS_CASE_SIGNAL_H */
