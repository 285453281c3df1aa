/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scene of a theft: an owner with a pool and a target region full of old
 * bytes, which he gives up; and a stranger who takes memory of every kind. Both
 * are actors. What they do is here; what is done to the owner's pages, and how
 * somebody holds on to them, is in zaps.h and routes.h.
 */
#ifndef SEGPOOL_SECURITY_SCENE_H
#define SEGPOOL_SECURITY_SCENE_H

#include "testing_memory.h"
#include <sys/syscall.h>
#include "actor.h"
#include "frames.h"
#include "marks.h"

/* One region: what is given up. A program may choose another size first. */
#ifndef TARGET
#define TARGET		SP_SMALL
#endif
#define TARGET_PAGES	(TARGET / SP_PAGE)
#define BUDGET_REGIONS	8
#define BUDGET		(BUDGET_REGIONS * TARGET)
/* What the stranger takes of each kind. */
#define TAKEN		SP_MIB

/* What the owner lets everybody know, in memory that all share. */
struct whereabouts {
	char *target;
	uint32_t id;
	atomic_uint steps;		/* what he has done since, one by one */
	uint64_t frames[TARGET_PAGES];	/* behind the target; 0: cannot be had */
};

_Static_assert(sizeof(struct whereabouts) <= SP_PAGE, "one shared page");

/* The owner's state. */
struct owner {
	struct whereabouts *at;
	uint32_t mode;
	struct sp_pool pool;
	struct segpool_region target;
	struct segpool_region others[2 * BUDGET_REGIONS];
	int nr_others;
	bool discarded;			/* the target is still his, with holes */
	int pipe[2], ring, disk, io_limited;
	long io_result;
	pthread_t io_thread;
	volatile pid_t io_tid;
};

static long owner_opens(void *state, long shared)
{
	struct whereabouts *at = (struct whereabouts *)shared;
	struct owner *owner = state;
	int error;

	error = sp_pool_make(&owner->pool, owner->mode, TARGET, 2 * BUDGET, BUDGET, BUDGET);
	if (!error)
		error = sp_alloc_one(owner->pool.fd, 0, SEGPOOL_POPULATE, 0, &owner->target, NULL);
	if (error)
		return error;
	owner->at = at;
	at->target = sp_region_at(&owner->pool, &owner->target);
	at->id = owner->pool.id;
	atomic_store(&at->steps, 0);
	mark_fill(at->target, TARGET, MARK_OLD);
	sp_page_frames(at->target, TARGET_PAGES, at->frames);
	return 0;
}

static void owner_keeps(struct owner *owner, const struct segpool_region *region)
{
	mark_fill(sp_region_at(&owner->pool, region), TARGET, MARK_OWNER);
	owner->others[owner->nr_others++] = *region;
}

/* All the pool gives, in every way: touch, named reuse, populated and touched regions. */
static SP_UNUSED long owner_takes(void *state, long unused)
{
	struct segpool_region region;
	struct owner *owner = state;

	if (!owner->pool.base || owner->pool.fd < 0)
		return 0;
	if (owner->discarded) {
		mark_fill(sp_region_at(&owner->pool, &owner->target), TARGET, MARK_OWNER);
		owner->others[owner->nr_others++] = owner->target;
	} else if (!sp_reuse(owner->pool.fd, owner->target.handle, 0, SEGPOOL_POPULATE, &region)) {
		owner_keeps(owner, &region);
	}
	while (owner->nr_others < BUDGET_REGIONS &&
	       !sp_alloc_one(owner->pool.fd, 0, owner->nr_others % 2 ? SEGPOOL_POPULATE : 0, 0,
			     &region, NULL))
		owner_keeps(owner, &region);
	return owner->nr_others;
}

/* Words of what the owner took that are not his: somebody wrote there. */
static SP_UNUSED long owner_checks(void *state, long unused)
{
	struct owner *owner = state;
	long foreign = 0;
	int i;

	for (i = 0; i < owner->nr_others; i++)
		foreign += mark_missing(sp_region_at(&owner->pool, &owner->others[i]), TARGET,
					MARK_OWNER);
	return foreign;
}

/* The stranger's state: pools of both modes, anonymous memory, a file in memory. */
struct stranger {
	struct sp_pool pools[2];
	char *takes[4];
};

static char *map_anonymous(size_t length)
{
	char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	return memory == MAP_FAILED ? NULL : memory;
}

static char *map_file(size_t length)
{
	int file = memfd_create("stranger", MFD_CLOEXEC);
	char *memory = MAP_FAILED;

	if (file >= 0 && !ftruncate(file, length))
		memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	return memory == MAP_FAILED ? NULL : memory;
}

static char *take_pool(struct sp_pool *pool, uint32_t mode)
{
	struct segpool_region region;

	if (sp_pool_make(pool, mode, TAKEN, TAKEN, TAKEN, 0) ||
	    sp_alloc_one(pool->fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
		return NULL;
	return sp_region_at(pool, &region);
}

static SP_UNUSED long stranger_takes(void *state, long unused)
{
	struct stranger *stranger = state;
	int i;

	stranger->takes[0] = take_pool(&stranger->pools[0], SEGPOOL_MODE_STRICT);
	stranger->takes[1] = take_pool(&stranger->pools[1], SEGPOOL_MODE_PINNABLE);
	stranger->takes[2] = map_anonymous(TAKEN);
	stranger->takes[3] = map_file(TAKEN);
	for (i = 0; i < 4; i++) {
		if (!stranger->takes[i])
			return -ENOMEM;
		mark_fill(stranger->takes[i], TAKEN, MARK_STRANGER);
	}
	return 0;
}

static SP_UNUSED long stranger_checks(void *state, long unused)
{
	struct stranger *stranger = state;
	long foreign = 0;
	int i;

	for (i = 0; i < 4; i++)
		foreign += mark_missing(stranger->takes[i], TAKEN, MARK_STRANGER);
	return foreign;
}

#endif /* SEGPOOL_SECURITY_SCENE_H */
