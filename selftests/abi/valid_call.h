/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One valid call of every kind, for tests that spoil one thing in it: what is
 * wrong with the call is then only what the test changed.
 */
#ifndef SEGPOOL_ABI_VALID_CALL_H
#define SEGPOOL_ABI_VALID_CALL_H

#include "testing.h"

#define VC_REGION_SIZE	(256 * SP_KIB)
#define VC_BUDGET	(16 * SP_MIB)
#define VC_PATTERN	0x5e9f001cafe0001ULL

/* Largest structure of the interface; every member is reached through it. */
union vc_body {
	__u32 size;
	struct segpool_setup setup;
	struct segpool_alloc alloc;
	struct segpool_free free;
	struct segpool_reuse reuse;
	struct segpool_ranges ranges;
	struct segpool_set_budget set_budget;
	struct segpool_trim trim;
	struct segpool_stat stat;
};

/* A pool with something to lose: a region with a pattern, and a released one. */
struct vc_scene {
	struct sp_pool pool;
	int bare_fd;			/* open, not set up: for SETUP */
	struct segpool_region witness;
	struct segpool_region freed;
	/* What the calls point to. */
	struct segpool_region results[4];
	struct segpool_free_entry entries[4];
	struct segpool_range ranges[4];
	uint64_t values[SEGPOOL_NR_COUNTERS];
};

struct vc_kind {
	const char *name;
	unsigned long command;
	uint32_t size;
	uint32_t known_flags;
	uint32_t flags_offset;
	int reserved_offset;		/* -1: no reserved member */
	int array_offset;		/* of the pointer; -1: no array */
	int count_offset;
	uint32_t entry_size;
	int (*fill)(struct vc_scene *scene, union vc_body *body);
};

static inline int vc_fd(const struct vc_scene *scene, const struct vc_kind *kind)
{
	return kind->command == SEGPOOL_IOC_SETUP ? scene->bare_fd : scene->pool.fd;
}

static inline int vc_fill_setup(struct vc_scene *scene, union vc_body *body)
{
	(void)scene;
	body->setup = (struct segpool_setup){ .size = sizeof(body->setup) };
	return 0;
}

static inline int vc_fill_alloc(struct vc_scene *scene, union vc_body *body)
{
	memset(scene->results, 0, sizeof(scene->results));
	body->alloc = (struct segpool_alloc){ .size = sizeof(body->alloc), .count = 2,
					      .results = (uintptr_t)scene->results };
	return 0;
}

static inline int vc_fill_free(struct vc_scene *scene, union vc_body *body)
{
	struct segpool_region regions[2];
	int i, n = sp_alloc(scene->pool.fd, 0, SEGPOOL_POPULATE, 2, regions);

	if (n != 2)
		return n < 0 ? n : -ENOMEM;
	memset(scene->entries, 0, sizeof(scene->entries));
	for (i = 0; i < 2; i++)
		scene->entries[i].handle = regions[i].handle;
	body->free = (struct segpool_free){ .size = sizeof(body->free), .count = 2,
					    .entries = (uintptr_t)scene->entries };
	return 0;
}

static inline int vc_fill_reuse(struct vc_scene *scene, union vc_body *body)
{
	struct segpool_region region;
	int error = sp_alloc_one(scene->pool.fd, 0, 0, 0, &region, NULL);

	if (!error)
		error = sp_free(scene->pool.fd, region.handle, 0);
	body->reuse = (struct segpool_reuse){ .size = sizeof(body->reuse),
					      .handle = region.handle };
	return error;
}

static inline int vc_fill_ranges(struct vc_scene *scene, union vc_body *body)
{
	struct segpool_region region;
	int error = sp_alloc_one(scene->pool.fd, 0, 0, 0, &region, NULL);

	if (!error)
		error = sp_populate(scene->pool.fd, region.handle, 0, 4 * SP_PAGE, 0);
	memset(scene->ranges, 0, sizeof(scene->ranges));
	/* One page that is there and one that is not: both calls have work. */
	scene->ranges[0] = (struct segpool_range){ .handle = region.handle,
						   .offset = 3 * SP_PAGE, .length = 2 * SP_PAGE };
	scene->ranges[1] = (struct segpool_range){ .handle = region.handle, .length = SP_PAGE };
	body->ranges = (struct segpool_ranges){ .size = sizeof(body->ranges), .count = 2,
						.ranges = (uintptr_t)scene->ranges };
	return 0;
}

static inline int vc_fill_set_budget(struct vc_scene *scene, union vc_body *body)
{
	(void)scene;
	body->set_budget = (struct segpool_set_budget){
		.size = sizeof(body->set_budget), .flags = SEGPOOL_SET_PHYSICAL,
		.limits.physical_budget = VC_BUDGET / 2,
	};
	return 0;
}

static inline int vc_fill_trim(struct vc_scene *scene, union vc_body *body)
{
	(void)scene;
	body->trim = (struct segpool_trim){ .size = sizeof(body->trim) };
	return 0;
}

static inline int vc_fill_stat(struct vc_scene *scene, union vc_body *body)
{
	memset(scene->values, 0, sizeof(scene->values));
	body->stat = (struct segpool_stat){ .size = sizeof(body->stat),
					    .count = SEGPOOL_NR_COUNTERS,
					    .values = (uintptr_t)scene->values };
	return 0;
}

#define VC_RANGES_KIND(which, mask) \
	{ .name = #which, .command = SEGPOOL_IOC_##which, .size = sizeof(struct segpool_ranges), \
	  .known_flags = (mask), .flags_offset = offsetof(struct segpool_ranges, flags), \
	  .reserved_offset = -1, .array_offset = offsetof(struct segpool_ranges, ranges), \
	  .count_offset = offsetof(struct segpool_ranges, count), \
	  .entry_size = sizeof(struct segpool_range), .fill = vc_fill_ranges }

enum vc_index {
	VC_SETUP, VC_ALLOC, VC_FREE, VC_REUSE, VC_DISCARD, VC_POPULATE, VC_SET_BUDGET, VC_TRIM,
	VC_STAT, VC_KINDS
};

static const struct vc_kind vc_kinds[VC_KINDS] = {
	[VC_SETUP] = { .name = "SETUP", .command = SEGPOOL_IOC_SETUP,
		       .size = sizeof(struct segpool_setup),
		       .known_flags = SEGPOOL_SET_ALL | SEGPOOL_WORDS,
		       .flags_offset = offsetof(struct segpool_setup, flags),
		       .reserved_offset = offsetof(struct segpool_setup, reserved),
		       .array_offset = -1, .fill = vc_fill_setup },
	[VC_ALLOC] = { .name = "ALLOC", .command = SEGPOOL_IOC_ALLOC,
		       .size = sizeof(struct segpool_alloc),
		       .known_flags = SEGPOOL_ZERO | SEGPOOL_POPULATE | SEGPOOL_WAIT |
				      SEGPOOL_CONTIGUOUS,
		       .flags_offset = offsetof(struct segpool_alloc, flags),
		       .reserved_offset = offsetof(struct segpool_alloc, reserved),
		       .array_offset = offsetof(struct segpool_alloc, results),
		       .count_offset = offsetof(struct segpool_alloc, count),
		       .entry_size = sizeof(struct segpool_region), .fill = vc_fill_alloc },
	[VC_FREE] = { .name = "FREE", .command = SEGPOOL_IOC_FREE,
		      .size = sizeof(struct segpool_free), .known_flags = SEGPOOL_NOW | SEGPOOL_LAZY,
		      .flags_offset = offsetof(struct segpool_free, flags),
		      .reserved_offset = -1,
		      .array_offset = offsetof(struct segpool_free, entries),
		      .count_offset = offsetof(struct segpool_free, count),
		      .entry_size = sizeof(struct segpool_free_entry), .fill = vc_fill_free },
	[VC_REUSE] = { .name = "REUSE", .command = SEGPOOL_IOC_REUSE,
		       .size = sizeof(struct segpool_reuse),
		       .known_flags = SEGPOOL_ZERO | SEGPOOL_POPULATE | SEGPOOL_WAIT,
		       .flags_offset = offsetof(struct segpool_reuse, flags),
		       .reserved_offset = offsetof(struct segpool_reuse, reserved),
		       .array_offset = -1, .fill = vc_fill_reuse },
	[VC_DISCARD] = VC_RANGES_KIND(DISCARD, SEGPOOL_NOW),
	[VC_POPULATE] = VC_RANGES_KIND(POPULATE, SEGPOOL_ZERO | SEGPOOL_WAIT),
	[VC_SET_BUDGET] = { .name = "SET_BUDGET", .command = SEGPOOL_IOC_SET_BUDGET,
			    .size = sizeof(struct segpool_set_budget),
			    .known_flags = SEGPOOL_SET_ALL,
			    .flags_offset = offsetof(struct segpool_set_budget, flags),
			    .reserved_offset = -1, .array_offset = -1,
			    .fill = vc_fill_set_budget },
	[VC_TRIM] = { .name = "TRIM", .command = SEGPOOL_IOC_TRIM,
		      .size = sizeof(struct segpool_trim), .known_flags = 0,
		      .flags_offset = offsetof(struct segpool_trim, flags),
		      .reserved_offset = -1, .array_offset = -1, .fill = vc_fill_trim },
	[VC_STAT] = { .name = "STAT", .command = SEGPOOL_IOC_STAT,
		      .size = sizeof(struct segpool_stat), .known_flags = SEGPOOL_STAT_CLASS,
		      .flags_offset = offsetof(struct segpool_stat, flags),
		      .reserved_offset = -1,
		      .array_offset = offsetof(struct segpool_stat, values),
		      .count_offset = offsetof(struct segpool_stat, count),
		      .entry_size = sizeof(__u64), .fill = vc_fill_stat },
};

static inline void vc_scene_close(struct vc_scene *scene)
{
	sp_pool_close(&scene->pool);
	if (scene->bare_fd >= 0)
		close(scene->bare_fd);
}

static inline int vc_scene_open(struct vc_scene *scene)
{
	int error;

	memset(scene, 0, sizeof(*scene));
	scene->bare_fd = sp_open();
	if (scene->bare_fd < 0)
		return scene->bare_fd;
	error = sp_pool_make(&scene->pool, SEGPOOL_MODE_STRICT, VC_REGION_SIZE, VC_BUDGET,
			     VC_BUDGET, VC_BUDGET / 2);
	if (error)
		return error;
	error = sp_alloc_one(scene->pool.fd, 0, SEGPOOL_POPULATE, 0, &scene->witness, NULL);
	if (!error)
		error = sp_alloc_one(scene->pool.fd, 1, SEGPOOL_POPULATE, 0, &scene->freed, NULL);
	if (!error)
		error = sp_free(scene->pool.fd, scene->freed.handle, 0);
	if (!error)
		sp_pattern_write(sp_region_at(&scene->pool, &scene->witness), VC_REGION_SIZE,
				 VC_PATTERN);
	return error;
}

/* Everything that a refused call may not change. */
struct vc_snapshot {
	uint64_t counters[SEGPOOL_NR_COUNTERS];
	uint64_t class_counters[SEGPOOL_DEFAULT_CLASSES][SEGPOOL_NR_CLASS_COUNTERS];
	long present;
	size_t bad_pages;
	int bare_stat;
};

static inline void vc_snapshot_take(struct vc_scene *scene, struct vc_snapshot *snapshot)
{
	uint64_t unused[SEGPOOL_NR_COUNTERS];
	unsigned int i;

	memset(snapshot, 0, sizeof(*snapshot));
	sp_stat(scene->pool.fd, snapshot->counters);
	for (i = 0; i < SEGPOOL_DEFAULT_CLASSES; i++)
		sp_class_stat(scene->pool.fd, i, snapshot->class_counters[i]);
	snapshot->present = sp_present(scene->pool.base, 8 * VC_REGION_SIZE, NULL);
	snapshot->bad_pages = sp_pattern_check(sp_region_at(&scene->pool, &scene->witness),
					       VC_REGION_SIZE, VC_PATTERN);
	snapshot->bare_stat = sp_stat(scene->bare_fd, unused);
}

/* The name of the first thing that differs, or NULL. */
static inline const char *vc_snapshot_difference(const struct vc_snapshot *before,
						 const struct vc_snapshot *after)
{
	unsigned int i;

	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		if (before->counters[i] != after->counters[i])
			return sp_counter_names[i];
	if (memcmp(before->class_counters, after->class_counters, sizeof(before->class_counters)))
		return "a class counter";
	if (before->present != after->present)
		return "the mapped pages";
	if (before->bad_pages || after->bad_pages)
		return "the content of a region";
	if (before->bare_stat != after->bare_stat)
		return "the state of the other file";
	return NULL;
}

#endif /* SEGPOOL_ABI_VALID_CALL_H */
