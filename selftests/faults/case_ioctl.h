/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls, in the table of calls to be failed. */
#ifndef SEGPOOL_FAULTS_CASE_IOCTL_H
#define SEGPOOL_FAULTS_CASE_IOCTL_H

#include "scene.h"

/* --- scenes --- */

static SP_UNUSED int with_regions(struct scene *scene, uint32_t flags, uint32_t class)
{
	uint32_t count = scene->what->count ?: 1;
	int got = sp_alloc(scene->pool.fd, class, flags, count, scene->regions);

	scene->held = got < 0 ? 0 : got;
	if (flags & SEGPOOL_POPULATE)
		for (got = 0; got < (int)scene->held; got++)
			sp_pattern_write(sp_region_at(&scene->pool, &scene->regions[got]),
					 scene_region_size(scene), SCENE_OWNER + got);
	return scene->held == count ? 0 : -ENOSPC;
}

static SP_UNUSED int with_full_regions(struct scene *scene)
{
	return with_regions(scene, SEGPOOL_POPULATE, 0);
}

static SP_UNUSED int with_bare_regions(struct scene *scene)
{
	return with_regions(scene, 0, 0);
}

/* Every second page is there. */
static SP_UNUSED int with_half_regions(struct scene *scene)
{
	int error = with_regions(scene, 0, 0);
	uint64_t offset;
	unsigned int i;

	for (i = 0; !error && i < scene->held; i++)
		for (offset = 0; offset < scene_region_size(scene); offset += 2 * SP_PAGE)
			if (sp_touch_write(sp_region_at(&scene->pool, &scene->regions[i]) + offset))
				error = -EFAULT;
	return error;
}

/* Released, their pages retained: a quarter more than the call asks for is not there. */
static SP_UNUSED int with_retained(struct scene *scene)
{
	return with_full_regions(scene) ?:
	       sp_free_regions(scene->pool.fd, scene->regions, scene->held, 0) ?:
	       sp_trim(scene->pool.fd, scene->held * scene_region_size(scene) * 3 / 4, NULL);
}

static SP_UNUSED int with_released(struct scene *scene)
{
	return with_full_regions(scene) ?:
	       sp_free_regions(scene->pool.fd, scene->regions, scene->held, SEGPOOL_NOW);
}

/* Released with their pages. */
static SP_UNUSED int with_kept(struct scene *scene)
{
	int error = with_full_regions(scene) ?:
		    sp_free_regions(scene->pool.fd, scene->regions, scene->held, SEGPOOL_LAZY);

	if (!error && sp_counter(scene->pool.fd, SEGPOOL_C_KEPT_REGIONS) != scene->held)
		error = -EDOM;
	return error;
}

/* All of the reservation has been carved, and released by another class. */
static SP_UNUSED int with_other_class(struct scene *scene)
{
	struct segpool_region regions[SCENE_REGIONS + 1];
	int got = sp_alloc(scene->pool.fd, 3, 0, ARRAY_SIZE(regions), regions);

	if (got != ARRAY_SIZE(regions))
		return -ENOSPC;
	return sp_free_regions(scene->pool.fd, regions, got, 0);
}

/* --- ALLOC, REUSE --- */

static SP_UNUSED int call_alloc(struct scene *scene)
{
	scene->alloc = (struct segpool_alloc){
		.flags = scene->what->flags, .count = scene->what->count ?: 1,
		.timeout_ms = scene->what->flags & SEGPOOL_WAIT ? 5000 : 0,
	};
	return sp_alloc_call(scene->pool.fd, &scene->alloc, scene->results);
}

static SP_UNUSED unsigned int handles_given(const struct scene *scene)
{
	unsigned int i, given = 0;

	for (i = 0; i < ARRAY_SIZE(scene->results); i++)
		given += scene->results[i].handle != 0;
	return given;
}

/* Regions whose handles arrived, and no others, are handed out, with all their pages. */
static SP_UNUSED const char *check_handles(struct scene *scene, unsigned int given)
{
	uint64_t size = scene_region_size(scene);
	long pages = scene->what->flags & SEGPOOL_POPULATE ? size / SP_PAGE : 0;
	unsigned int i;

	if (scene_growth(scene, SEGPOOL_C_REGIONS_ACTIVE) != given)
		return "regions are handed out whose handles nobody has";
	for (i = 0; i < ARRAY_SIZE(scene->results); i++)
		if (scene->results[i].handle &&
		    sp_present(sp_region_at(&scene->pool, &scene->results[i]), size, NULL) != pages)
			return "a region is handed out without its pages, or with pages nobody wants";
	/* Before, those of kept regions were. */
	if (sp_present(scene->pool.base, scene->pool.length, NULL) >
	    scene->present_before + given * pages)
		return "other pages are mapped than those of the regions";
	return NULL;
}

static SP_UNUSED const char *check_alloc(struct scene *scene, int result)
{
	unsigned int given = handles_given(scene), count = scene->what->count ?: 1;

	if (!result && scene->alloc.done != given)
		return "done is not the number of handles";
	if (!result && given < count && scene->alloc.reason != SEGPOOL_REASON_SYSTEM)
		return "regions are missing for another reason than the system's memory";
	if (!result && (!given || (given < count && scene->what->flags & SEGPOOL_CONTIGUOUS)))
		return "success without the regions";
	if (result == -ENOMEM && (given || scene->alloc.reason != SEGPOOL_REASON_SYSTEM))
		return "ENOMEM with handles, or for another reason than the system's memory";
	return check_handles(scene, given);
}

static SP_UNUSED int call_reuse(struct scene *scene)
{
	scene->reuse = (struct segpool_reuse){
		.handle = scene->regions[0].handle, .class_index = 2, .flags = scene->what->flags,
		.timeout_ms = scene->what->flags & SEGPOOL_WAIT ? 5000 : 0,
	};
	return sp_reuse_call(scene->pool.fd, &scene->reuse);
}

static SP_UNUSED const char *check_reuse(struct scene *scene, int result)
{
	long active = scene_growth(scene, SEGPOOL_C_REGIONS_ACTIVE);
	int again;

	if (result == -ENOMEM && scene->reuse.reason != SEGPOOL_REASON_SYSTEM)
		return "ENOMEM for another reason than the system's memory";
	if (active != !result && result != -EFAULT)
		return "the region is handed out although the call failed, or not at all";
	/* The handle must name the region still, unless somebody has it. */
	again = sp_reuse(scene->pool.fd, scene->regions[0].handle, 0, 0, NULL);
	if (again != (active ? -EBUSY : 0))
		return "the old handle does not name the region any more";
	return NULL;
}

/* --- FREE --- */

static SP_UNUSED int call_free(struct scene *scene)
{
	unsigned int i;

	for (i = 0; i < scene->held; i++)
		scene->entries[i] = (struct segpool_free_entry){
			.handle = scene->regions[i].handle, .error = SCENE_UNSEEN,
		};
	return sp_free_batch(scene->pool.fd, scene->entries, scene->held, scene->what->flags,
			     &scene->done);
}

/* What says that it was released was, and nothing else. */
static SP_UNUSED const char *check_free(struct scene *scene, int result)
{
	unsigned int i, released = 0;

	for (i = 0; i < scene->held; i++)
		released += !scene->entries[i].error;
	if (!result && (released != scene->held || scene->done != released))
		return "success, but not all entries say so";
	if (scene_growth(scene, SEGPOOL_C_RELEASED_REGIONS) != released)
		return "other regions are released than the entries say";
	for (i = 0; i < scene->held; i++)
		if (sp_free(scene->pool.fd, scene->regions[i].handle, 0) !=
		    (scene->entries[i].error ? 0 : -EALREADY))
			return "a region is in another state than its entry says";
	return NULL;
}

/* --- DISCARD, POPULATE --- */

#define RANGE_PAGES	8UL

static SP_UNUSED int call_ranges(struct scene *scene)
{
	struct segpool_ranges call = {
		.size = sizeof(call), .flags = scene->what->flags, .count = scene->held,
		.ranges = (uintptr_t)scene->ranges,
		.timeout_ms = scene->what->flags & SEGPOOL_WAIT ? 5000 : 0,
	};
	unsigned int i;
	int error;

	for (i = 0; i < scene->held; i++)
		scene->ranges[i] = (struct segpool_range){
			.handle = scene->regions[i].handle, .offset = SP_PAGE,
			.length = RANGE_PAGES * SP_PAGE, .error = SCENE_UNSEEN,
		};
	error = sp_ioctl(scene->pool.fd, scene->what->command, &call);
	scene->done = call.done;
	return error;
}

/* Each range is wholly as its entry says: released or backed, or as it was. */
static SP_UNUSED const char *check_ranges(struct scene *scene, int result)
{
	bool populate = scene->what->command == SEGPOOL_IOC_POPULATE;
	unsigned int i, succeeded = 0;
	long present, was;

	for (i = 0; i < scene->held; i++) {
		was = scene->what->prepare == with_full_regions ? RANGE_PAGES :
		      scene->what->prepare == with_half_regions ? RANGE_PAGES / 2 : 0;
		present = sp_present(sp_region_at(&scene->pool, &scene->regions[i]) + SP_PAGE,
				     RANGE_PAGES * SP_PAGE, NULL);
		if (!scene->ranges[i].error)
			was = populate ? RANGE_PAGES : 0;
		if (present != was)
			return "a range has other pages than its entry says";
		succeeded += !scene->ranges[i].error;
	}
	if (result != -EFAULT && scene->done != succeeded)
		return "done is not the number of ranges that succeeded";
	return !result && succeeded != scene->held ? "success, but not of all ranges" : NULL;
}

/* The last page of the first of two page tables is there. */
static SP_UNUSED int with_one_page(struct scene *scene)
{
	int error = with_regions(scene, 0, 0);

	if (!error && sp_touch_write(sp_region_at(&scene->pool, &scene->regions[0]) + SP_BIG -
				     SP_PAGE))
		error = -EFAULT;
	return error;
}

static SP_UNUSED int call_populate_region(struct scene *scene)
{
	return sp_populate(scene->pool.fd, scene->regions[0].handle, 0, scene_region_size(scene),
			   0);
}

static SP_UNUSED const char *check_populate_region(struct scene *scene, int result)
{
	long grown = sp_present(scene->pool.base, scene->pool.length, NULL) -
		     scene->present_before;
	long missing = scene_region_size(scene) / SP_PAGE - scene->present_before;

	/* The answer may not have arrived although it was done. */
	if (grown != (result ? 0 : missing) && !(result == -EFAULT && grown == missing))
		return "the region has some of its pages, but not all";
	return NULL;
}

/* --- limits and numbers --- */

static SP_UNUSED int call_set_budget(struct scene *scene)
{
	struct segpool_limits limits = { .retain_limit = SP_PAGE, .retain_age_ms = 60000 };

	return sp_set_budget(scene->pool.fd, SEGPOOL_SET_RETAIN | SEGPOOL_SET_AGE, &limits);
}

static SP_UNUSED int call_trim(struct scene *scene)
{
	return sp_trim(scene->pool.fd, SP_PAGE, NULL);
}

/* Done, or (a copy failed before) not even begun. */
static SP_UNUSED const char *check_retained(struct scene *scene, int result)
{
	uint64_t retained = sp_counter(scene->pool.fd, SEGPOOL_C_RETAINED_BYTES);

	/* What a region has more than is to go needs a place to wait in. */
	if (!retained && scene->what->prepare == with_kept)
		return NULL;
	if (retained != SP_PAGE && (!result || retained != scene->before[SEGPOOL_C_RETAINED_BYTES]))
		return "retained pages are neither as before nor as asked for";
	return NULL;
}

static SP_UNUSED int call_stat(struct scene *scene)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];

	return scene->what->flags ? sp_class_stat(scene->pool.fd, 0, values) :
				    sp_stat(scene->pool.fd, values);
}

#define IOCTL_ALLOC(scene_, flags_, count_, ...) \
	.stage = SCENE_MAPPED, .prepare = scene_, .call = call_alloc, .check = check_alloc, \
	.errors = { ENOMEM }, .flags = flags_, .count = count_, ##__VA_ARGS__
#define IOCTL_REUSE(scene_, flags_) \
	.stage = SCENE_MAPPED, .prepare = scene_, .call = call_reuse, .check = check_reuse, \
	.errors = { ENOMEM }, .flags = flags_
/* Giving memory back needs none: no ENOMEM. */
#define IOCTL_FREE(flags_, count_) \
	.stage = SCENE_MAPPED, .prepare = with_full_regions, .call = call_free, \
	.check = check_free, .flags = flags_, .count = count_
#define IOCTL_DISCARD(scene_, flags_, count_) \
	.stage = SCENE_MAPPED, .prepare = scene_, .call = call_ranges, .check = check_ranges, \
	.command = SEGPOOL_IOC_DISCARD, .flags = flags_, .count = count_
#define IOCTL_POPULATE(scene_, flags_, count_) \
	.stage = SCENE_MAPPED, .prepare = scene_, .call = call_ranges, .check = check_ranges, \
	.command = SEGPOOL_IOC_POPULATE, .flags = flags_, .count = count_, .errors = { ENOMEM }
#define TWO_HUGE_REGIONS \
	.only_mode = SCENE_ONLY_HUGE, .regions = 2, .region_size = SP_BIG
/* Two page tables; the second is wanted once all pages, and the first, have been had. */
#define POPULATE_FOUR_MIB(scene_) \
	.stage = SCENE_MAPPED, .prepare = scene_, .call = call_populate_region, \
	.check = check_populate_region, .errors = { ENOMEM }, .count = 1, .regions = 1, \
	.region_size = 2 * SP_BIG, .last = 8

static const struct fault_case cases_ioctl[] = {
	{ "alloc", IOCTL_ALLOC(NULL, 0, 1) },
	{ "alloc_batch", IOCTL_ALLOC(NULL, 0, 300, .regions = 300) },
	{ "alloc_populate", IOCTL_ALLOC(NULL, SEGPOOL_POPULATE, 1) },
	{ "alloc_populate_batch", IOCTL_ALLOC(NULL, SEGPOOL_POPULATE, 4) },
	{ "alloc_populate_retained", IOCTL_ALLOC(with_retained, SEGPOOL_POPULATE, 3) },
	{ "alloc_populate_released", IOCTL_ALLOC(with_released, SEGPOOL_POPULATE, 2) },
	{ "alloc_zero_wait", IOCTL_ALLOC(with_retained, SEGPOOL_POPULATE | SEGPOOL_ZERO |
					 SEGPOOL_WAIT, 2) },
	{ "alloc_kept", IOCTL_ALLOC(with_kept, 0, 2) },
	{ "alloc_populate_kept", IOCTL_ALLOC(with_kept, SEGPOOL_POPULATE, 3) },
	{ "alloc_zero_kept", IOCTL_ALLOC(with_kept, SEGPOOL_POPULATE | SEGPOOL_ZERO, 2) },
	{ "alloc_contiguous_kept", IOCTL_ALLOC(with_kept, SEGPOOL_CONTIGUOUS | SEGPOOL_POPULATE,
					       3) },
	{ "alloc_other_class", IOCTL_ALLOC(with_other_class, SEGPOOL_POPULATE, 2) },
	{ "alloc_contiguous", IOCTL_ALLOC(NULL, SEGPOOL_CONTIGUOUS, 3) },
	{ "alloc_contiguous_populate", IOCTL_ALLOC(NULL, SEGPOOL_CONTIGUOUS |
						   SEGPOOL_POPULATE, 3) },
	{ "alloc_contiguous_released", IOCTL_ALLOC(with_released, SEGPOOL_CONTIGUOUS |
						   SEGPOOL_POPULATE, 3) },
	{ "alloc_two_mib", IOCTL_ALLOC(NULL, SEGPOOL_POPULATE, 1, .regions = 1,
				       .region_size = SP_BIG, .step = 8) },
	{ "alloc_huge", IOCTL_ALLOC(NULL, SEGPOOL_POPULATE, 2, TWO_HUGE_REGIONS) },
	{ "alloc_huge_released", IOCTL_ALLOC(with_released, SEGPOOL_POPULATE, 2, TWO_HUGE_REGIONS) },
	{ "alloc_huge_retained", IOCTL_ALLOC(with_retained, SEGPOOL_POPULATE, 2, TWO_HUGE_REGIONS) },
	{ "alloc_huge_contiguous", IOCTL_ALLOC(NULL, SEGPOOL_CONTIGUOUS | SEGPOOL_POPULATE, 2,
					       TWO_HUGE_REGIONS) },
	{ "populate_huge", .stage = SCENE_MAPPED, .prepare = with_bare_regions,
	  .call = call_populate_region, .check = check_populate_region, .errors = { ENOMEM },
	  .count = 1, TWO_HUGE_REGIONS },
	{ "discard_of_huge", IOCTL_DISCARD(with_full_regions, 0, 1), .errors = { ENOMEM },
	  TWO_HUGE_REGIONS },
	{ "free_huge", IOCTL_FREE(0, 2), TWO_HUGE_REGIONS },
	{ "reuse", IOCTL_REUSE(with_released, 0) },
	{ "reuse_populate", IOCTL_REUSE(with_released, SEGPOOL_POPULATE) },
	{ "reuse_zero_wait", IOCTL_REUSE(with_retained, SEGPOOL_POPULATE | SEGPOOL_ZERO |
					 SEGPOOL_WAIT) },
	{ "reuse_kept", IOCTL_REUSE(with_kept, SEGPOOL_POPULATE | SEGPOOL_ZERO) },
	{ "reuse_kept_bare", IOCTL_REUSE(with_kept, 0) },
	{ "free", IOCTL_FREE(0, 1) },
	{ "free_batch", IOCTL_FREE(0, 6) },
	{ "free_now_batch", IOCTL_FREE(SEGPOOL_NOW, 6) },
	{ "free_lazy_batch", IOCTL_FREE(SEGPOOL_LAZY, 6) },
	{ "discard", IOCTL_DISCARD(with_full_regions, 0, 1) },
	{ "discard_batch", IOCTL_DISCARD(with_half_regions, 0, 6) },
	{ "discard_now_batch", IOCTL_DISCARD(with_full_regions, SEGPOOL_NOW, 6) },
	{ "populate", IOCTL_POPULATE(with_bare_regions, 0, 1) },
	{ "populate_holes", IOCTL_POPULATE(with_half_regions, 0, 3) },
	{ "populate_zero_wait", IOCTL_POPULATE(with_bare_regions, SEGPOOL_ZERO | SEGPOOL_WAIT,
					       2) },
	{ "populate_two_tables", POPULATE_FOUR_MIB(with_bare_regions) },
	{ "populate_second_table", POPULATE_FOUR_MIB(with_one_page) },
	{ "set_budget", .stage = SCENE_MAPPED, .prepare = with_retained,
	  .call = call_set_budget, .check = check_retained, .count = 3 },
	{ "trim", .stage = SCENE_MAPPED, .prepare = with_retained, .call = call_trim,
	  .check = check_retained, .count = 3 },
	{ "trim_kept", .stage = SCENE_MAPPED, .prepare = with_kept, .call = call_trim,
	  .check = check_retained, .count = 3 },
	{ "stat", .stage = SCENE_MAPPED, .call = call_stat },
	{ "stat_class", .stage = SCENE_MAPPED, .call = call_stat, .flags = SEGPOOL_STAT_CLASS },
};

#endif /* SEGPOOL_FAULTS_CASE_IOCTL_H */
