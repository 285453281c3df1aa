/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pool as one call finds it, with everything that the call needs and what was
 * true before it.
 */
#ifndef SEGPOOL_FAULTS_SCENE_H
#define SEGPOOL_FAULTS_SCENE_H

#include "../testing_memory.h"

#define SCENE_REGIONS	8
#define SCENE_BATCH	320
#define SCENE_OWNER	0xfa17000000000001ULL
/* An entry that the kernel has not written to. */
#define SCENE_UNSEEN	0x5eed

enum scene_stage { SCENE_NOTHING, SCENE_OPEN, SCENE_SETUP, SCENE_MAPPED };

struct scene {
	const struct fault_case *what;
	uint32_t mode;
	unsigned int nth;
	struct sp_pool pool;
	/* Handed out while it was prepared; @held of them. */
	struct segpool_region regions[SCENE_BATCH];
	unsigned int held;
	/* Arguments and results of the call. */
	struct segpool_region results[SCENE_BATCH];
	struct segpool_free_entry entries[SCENE_BATCH];
	struct segpool_range ranges[SCENE_BATCH];
	struct segpool_alloc alloc;
	struct segpool_reuse reuse;
	uint32_t done;
	uint64_t before[SEGPOOL_NR_COUNTERS];
	long present_before;
	int fd, pipe[2];
	pid_t child;
	/* Addresses for the call to move to. */
	char *elsewhere;
};

/* One call to be failed at each place; tables of them are in the case_*.h. */
struct fault_case {
	const char *name;
	/* How far the scene is made before @prepare; what @geometry asks for. */
	enum scene_stage stage;
	/* All may be NULL but @call, which gives 0, a positive result, or -errno. */
	int (*prepare)(struct scene *scene);
	int (*call)(struct scene *scene);
	/* NULL, or what is wrong with the state that the call left. */
	const char *(*check)(struct scene *scene, int result);
	/* Errors that the call may give; and EFAULT, but only if a copy to or from user space fails. */
	int errors[6];
	/* For the call. */
	unsigned long command;
	uint32_t flags, count;
	/* 0: 8 regions of 64 KiB. */
	uint32_t regions;
	uint64_t region_size;
	const char *path;
	/* Only in this mode, plus 1. */
	uint32_t only_mode;
	/* So many places that can fail that a round takes only each @step-th; 0: all. */
	unsigned int step;
	/* Only the last so many places, which come after those of another case; 0: all. */
	unsigned int last;
	/* Why nothing in it can fail; otherwise something must. */
	const char *no_places;
	/* With some kernels nothing in it takes memory. */
	bool perhaps_no_places;
	/* It arms the injection by itself, in another process. */
	bool arms_itself;
	/* It must succeed whatever fails. */
	bool never_fails;
	/* There is no pool afterwards, or @check has judged it. */
	bool ends_pool;
};

#define SCENE_ONLY_STRICT	(SEGPOOL_MODE_STRICT + 1)
#define SCENE_ONLY_PINNABLE	(SEGPOOL_MODE_PINNABLE + 1)
/* A huge pool has these cases and no others. */
#define SCENE_ONLY_HUGE		(SEGPOOL_MODE_HUGE + 1)

static uint64_t scene_region_size(const struct scene *scene)
{
	return scene->what->region_size ?: SP_SMALL;
}

static uint32_t scene_regions(const struct scene *scene)
{
	return scene->what->regions ?: SCENE_REGIONS;
}

/* Room for the call, and one region more for the trial afterwards. */
static void scene_wishes(struct scene *scene)
{
	struct segpool_setup *setup = &scene->pool.setup;
	uint64_t bytes = (scene_regions(scene) + 1) * scene_region_size(scene);

	memset(setup, 0, sizeof(*setup));
	setup->mode = scene->mode;
	setup->region_size = scene_region_size(scene);
	setup->flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN |
		       SEGPOOL_SET_AGE;
	setup->limits.virtual_budget = bytes;
	setup->limits.physical_budget = bytes;
	setup->limits.retain_limit = bytes;
}

static int scene_setup(struct scene *scene)
{
	int error = sp_setup(scene->pool.fd, &scene->pool.setup);

	scene->pool.id = scene->pool.setup.pool_id;
	scene->pool.region_size = scene_region_size(scene);
	scene->pool.length = (scene_regions(scene) + 1) * scene_region_size(scene);
	return error;
}

static int scene_mmap(struct scene *scene)
{
	return sp_mmap(scene->pool.fd, scene->pool.length, &scene->pool.base);
}

/* The rest of the way to a pool that can be used. */
static int scene_advance(struct scene *scene, enum scene_stage from, enum scene_stage to)
{
	int error = 0;

	if (from < SCENE_OPEN && to >= SCENE_OPEN) {
		scene->pool.fd = sp_open();
		error = scene->pool.fd < 0 ? scene->pool.fd : 0;
	}
	if (!error && from < SCENE_SETUP && to >= SCENE_SETUP)
		error = scene_setup(scene);
	if (!error && from < SCENE_MAPPED && to >= SCENE_MAPPED)
		error = scene_mmap(scene);
	return error;
}

static int scene_make(struct scene *scene, const struct fault_case *what, uint32_t mode,
		      unsigned int nth)
{
	memset(scene, 0, sizeof(*scene));
	scene->what = what;
	scene->mode = mode;
	scene->nth = nth;
	scene->pool.fd = scene->fd = scene->pipe[0] = scene->pipe[1] = -1;
	scene_wishes(scene);
	return scene_advance(scene, SCENE_NOTHING, what->stage) ?:
	       what->prepare ? what->prepare(scene) : 0;
}

static void scene_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static SP_UNUSED void scene_end(struct scene *scene)
{
	if (scene->elsewhere)
		munmap(scene->elsewhere, scene->pool.length);
	sp_pool_close(&scene->pool);
	scene_close_fd(&scene->fd);
	scene_close_fd(&scene->pipe[0]);
	scene_close_fd(&scene->pipe[1]);
}

static SP_UNUSED void scene_remember(struct scene *scene)
{
	if (scene->what->stage < SCENE_MAPPED)
		return;
	sp_stat(scene->pool.fd, scene->before);
	scene->present_before = sp_present(scene->pool.base, scene->pool.length, NULL);
}

/* How much a counter has grown since the call. */
static SP_UNUSED long scene_growth(struct scene *scene, enum segpool_counter counter)
{
	return (long)(sp_counter(scene->pool.fd, counter) - scene->before[counter]);
}

/* Debugfs entries are made as far as there is memory; without them nothing can be walked. */
static bool scene_can_be_walked(const struct scene *scene)
{
	char path[128];

	sp_pool_path(path, sizeof(path), scene->pool.id, "regions");
	return !access(path, F_OK);
}

/* Whatever happened before, a region can be had, written, looked at and released. */
static const char *scene_trial(struct scene *scene)
{
	struct segpool_region region;
	char *bytes;

	if (sp_alloc_one(scene->pool.fd, 1, SEGPOOL_ZERO, 0, &region, NULL))
		return "afterwards ALLOC of a region fails";
	bytes = sp_region_at(&scene->pool, &region);
	if (sp_populate(scene->pool.fd, region.handle, 0, 2 * SP_PAGE, 0))
		return "afterwards POPULATE fails";
	if (!sp_is_zero(bytes, 2 * SP_PAGE))
		return "afterwards a region has bytes that are not zero";
	sp_pattern_write(bytes, 3 * SP_PAGE, SCENE_OWNER);
	if (sp_pattern_check(bytes, 3 * SP_PAGE, SCENE_OWNER))
		return "afterwards a region does not keep what is written";
	if (sp_discard(scene->pool.fd, region.handle, 0, SP_PAGE, 0))
		return "afterwards DISCARD fails";
	if (sp_free(scene->pool.fd, region.handle, 0))
		return "afterwards FREE fails";
	if (sp_touch(bytes + SP_PAGE) != SIGBUS)
		return "afterwards a released region can be read";
	if (sp_trim(scene->pool.fd, 0, NULL) ||
	    sp_counter(scene->pool.fd, SEGPOOL_C_RETAINED_BYTES))
		return "afterwards TRIM fails";
	return NULL;
}

/* The pool that the call left, whatever it gave: counters, pages, use. */
static SP_UNUSED const char *scene_judge(struct scene *scene)
{
	const char *wrong = NULL;

	if (scene_can_be_walked(scene))
		wrong = sp_drift(&scene->pool);
	return wrong ?: scene_trial(scene);
}

#endif /* SEGPOOL_FAULTS_SCENE_H */
