/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Places of the module where a thread waits for another one until it is killed:
 * what the other one does to be in the way, and what the one that waits does.
 */
#ifndef SEGPOOL_FAULTS_CASE_CONTENDED_H
#define SEGPOOL_FAULTS_CASE_CONTENDED_H

#include "case_ioctl.h"

#define AREA_BYTES	(8 * SP_MIB)
/* A request for neighbours looks through all of them. */
#define MANY_REGIONS	8192

/* What the threads and processes of one attempt share. */
struct contention {
	const struct contended_place *place;
	struct scene scene;
	/* Of who waits, where that is a process of its own. */
	int file;
	pid_t process;
	atomic_int holder, waiter, over;
	/* How often each has done what it does. */
	atomic_ulong held, waited;
	char wrong[256];
};

struct contended_place {
	const char *name;
	/* The pool, and what is in it. */
	struct fault_case what;
	/* One turn; the holder's is frozen somewhere in it. */
	void (*hold)(struct contention *contention);
	void (*wait)(struct contention *contention);
	/* Where who waits sleeps, and a caller of that; the first is a beginning. */
	const char *in, *under;
	/* So many places of that name. */
	unsigned int places;
	/* Who waits is a process that does not have the pool; it survives. */
	bool outside;
	/* Not where pages of a strict pool can be had like others. */
	bool only_without_gup;
};

/* --- scenes --- */

static int with_area(struct scene *scene)
{
	scene->elsewhere = mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (scene->elsewhere != MAP_FAILED)
		return with_full_regions(scene);
	scene->elsewhere = NULL;
	return -errno;
}

/* The first entry has a handle from before. */
static int with_stale_handle(struct scene *scene)
{
	int error = with_full_regions(scene);

	scene->entries[0].handle = scene->regions[0].handle;
	error = error ?: sp_free(scene->pool.fd, scene->entries[0].handle, 0);
	return error ?: sp_reuse(scene->pool.fd, scene->entries[0].handle, 0, SEGPOOL_POPULATE,
				 &scene->regions[0]);
}

/* The whole reservation is handed out, without pages. */
static int with_all_handed_out(struct scene *scene)
{
	static struct segpool_region regions[SEGPOOL_MAX_BATCH];
	int got;

	do {
		got = sp_alloc(scene->pool.fd, 0, 0, SEGPOOL_MAX_BATCH, regions);
	} while (got > 0);
	return got == -ENOMEM ? 0 : -ENOSPC;
}

/* One region can have pages, or its pages can be retained. */
static int with_budget_for_one(struct scene *scene)
{
	struct segpool_limits limits = { .physical_budget = scene_region_size(scene) };

	return sp_set_budget(scene->pool.fd, SEGPOOL_SET_PHYSICAL, &limits);
}

/* --- who is in the way --- */

static void hold_region(struct contention *contention)
{
	struct scene *scene = &contention->scene;

	sp_discard(scene->pool.fd, scene->regions[0].handle, 0, scene_region_size(scene), 0);
	sp_populate(scene->pool.fd, scene->regions[0].handle, 0, scene_region_size(scene), 0);
}

/* For writing, which takes long for so many pages. */
static void hold_mmap_lock(struct contention *contention)
{
	mprotect(contention->scene.elsewhere, AREA_BYTES, PROT_READ);
	mprotect(contention->scene.elsewhere, AREA_BYTES, PROT_READ | PROT_WRITE);
}

/* Never to be had: looked for once together with others, and once alone. */
static void ask_for_neighbours(struct contention *contention)
{
	struct segpool_region regions[2];

	sp_alloc(contention->scene.pool.fd, 0, SEGPOOL_CONTIGUOUS, 2, regions);
}

static void hold_leaving_pages(struct contention *contention)
{
	struct scene *scene = &contention->scene;
	struct segpool_region region;

	if (!sp_alloc_one(scene->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
		sp_free(scene->pool.fd, region.handle, 0);
	sp_trim(scene->pool.fd, 0, NULL);
}

/* --- who waits --- */

static void wait_discard(struct contention *contention)
{
	struct scene *scene = &contention->scene;

	sp_discard(scene->pool.fd, scene->regions[0].handle, 0, SP_PAGE, 0);
}

static void wait_populate(struct contention *contention)
{
	struct scene *scene = &contention->scene;

	sp_populate(scene->pool.fd, scene->regions[0].handle, 0, SP_PAGE, 0);
}

/* With retained pages at hand it would not wait; zeroing them it does not do under locks. */
static void wait_populate_zeroed(struct contention *contention)
{
	struct scene *scene = &contention->scene;

	sp_populate(scene->pool.fd, scene->regions[0].handle, 0, SP_PAGE, SEGPOOL_ZERO);
}

/* Refused, but only once the region has been looked at. */
static void wait_free_stale(struct contention *contention)
{
	struct scene *scene = &contention->scene;

	sp_free(scene->pool.fd, scene->entries[0].handle, 0);
}

static void wait_alloc_and_free(struct contention *contention)
{
	struct scene *scene = &contention->scene;
	struct segpool_region region;

	if (!sp_alloc_one(scene->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
		sp_free(scene->pool.fd, region.handle, SEGPOOL_NOW);
}

static void wait_trim(struct contention *contention)
{
	sp_trim(contention->scene.pool.fd, 0, NULL);
}

static void wait_debugger(struct contention *contention)
{
	struct scene *scene = &contention->scene;
	char path[64], page[SP_PAGE];

	snprintf(path, sizeof(path), "/proc/%d/mem", contention->process);
	if (contention->file < 0)
		contention->file = open(path, O_RDONLY | O_CLOEXEC);
	pread(contention->file, page, sizeof(page),
	      (uintptr_t)sp_region_at(&scene->pool, &scene->regions[0]));
}

static void wait_table_of_regions(struct contention *contention)
{
	struct sp_region_sums sums;

	sp_regions_walk(contention->scene.pool.id, &sums);
}

#define ONE_BIG_REGION(prepare_) \
	.what = { .stage = SCENE_MAPPED, .prepare = prepare_, .count = 1, .regions = 2, \
		  .region_size = SP_BIG }
#define REGION_LOCK(prepare_) \
	ONE_BIG_REGION(prepare_), .hold = hold_region, .in = "region_lock_killable+"
#define MMAP_LOCK(count_) \
	.what = { .stage = SCENE_MAPPED, .prepare = with_area, .count = count_ }, \
	.hold = hold_mmap_lock, .in = "map_lock+"

static const struct contended_place contended_places[] = {
	{ "discard_waits_for_the_region", REGION_LOCK(with_full_regions), .wait = wait_discard,
	  .under = "range_discard+" },
	{ "populate_waits_for_the_region", REGION_LOCK(with_full_regions), .wait = wait_populate,
	  .under = "range_populate+" },
	{ "populate_waits_for_another", ONE_BIG_REGION(with_full_regions), .hold = hold_region,
	  .wait = wait_populate_zeroed, .in = "region_fill_begin+", .under = "range_populate+" },
	{ "free_waits_for_the_region", REGION_LOCK(with_stale_handle), .wait = wait_free_stale,
	  .under = "region_release+" },
	{ "debugger_waits_for_the_region", REGION_LOCK(with_full_regions), .wait = wait_debugger,
	  .under = "vma_access+", .outside = true, .only_without_gup = true },
	{ "table_waits_for_the_region", REGION_LOCK(with_full_regions),
	  .wait = wait_table_of_regions, .under = "pool_regions_show+", .outside = true },
	{ "discard_waits_for_the_mapping", MMAP_LOCK(1), .wait = wait_discard,
	  .under = "range_discard+" },
	{ "populate_waits_for_the_mapping", MMAP_LOCK(1), .wait = wait_populate,
	  .under = "range_populate+" },
	{ "free_waits_for_the_mapping", MMAP_LOCK(1), .wait = wait_alloc_and_free,
	  .under = "region_release+" },
	{ "alloc_waits_for_the_mapping", MMAP_LOCK(1), .wait = wait_alloc_and_free,
	  .under = "request_alloc+" },
	/* For reading behind one that looks alone, and for writing behind any. */
	{ "alloc_waits_for_admission",
	  .what = { .stage = SCENE_MAPPED, .prepare = with_all_handed_out,
		    .regions = MANY_REGIONS },
	  .hold = ask_for_neighbours, .wait = ask_for_neighbours, .in = "",
	  .under = "request_alloc+", .places = 2 },
	{ "trim_waits_for_leaving_pages", ONE_BIG_REGION(NULL), .hold = hold_leaving_pages,
	  .wait = wait_trim, .in = "drop_surplus+", .under = "ioctl_trim+" },
	/* Small, so that a turn is short in which both get their pages one after the other. */
	{ "alloc_waits_for_leaving_pages",
	  .what = { .stage = SCENE_MAPPED, .prepare = with_budget_for_one, .regions = 2,
		    .region_size = 4 * SP_SMALL },
	  .hold = hold_leaving_pages, .wait = wait_alloc_and_free,
	  .in = "retain_wait_leaving+", .under = "pages_reserve+" },
};

#endif /* SEGPOOL_FAULTS_CASE_CONTENDED_H */
