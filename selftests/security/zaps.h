/* SPDX-License-Identifier: GPL-2.0-only */
/* Every way in which a region's pages leave it. */
#ifndef SEGPOOL_SECURITY_ZAPS_H
#define SEGPOOL_SECURITY_ZAPS_H

#include "scene.h"

static long owner_frees(void *state, long flags)
{
	struct owner *owner = state;

	return sp_free(owner->pool.fd, owner->target.handle, flags);
}

static long owner_discards(void *state, long flags)
{
	struct owner *owner = state;

	owner->discarded = true;
	return sp_discard(owner->pool.fd, owner->target.handle, 0, TARGET, flags);
}

static long retained_went(struct owner *owner)
{
	return sp_wait_until(sp_retains_nothing, &owner->pool, 20000) ? 0 : -ETIME;
}

static long owner_trims(void *state, long flags)
{
	struct owner *owner = state;

	return owner_frees(owner, flags) ?: sp_trim(owner->pool.fd, 0, NULL) ?: retained_went(owner);
}

static long owner_lets_age(void *state, long unused)
{
	struct segpool_limits limits = { .retain_age_ms = 10 };
	struct owner *owner = state;

	return sp_set_budget(owner->pool.fd, SEGPOOL_SET_AGE, &limits) ?:
	       owner_frees(owner, 0) ?: retained_went(owner);
}

static long owner_lowers_the_budget(void *state, long unused)
{
	struct segpool_limits none = { .physical_budget = 0 }, all = { .physical_budget = BUDGET };
	struct owner *owner = state;

	return owner_frees(owner, 0) ?:
	       sp_set_budget(owner->pool.fd, SEGPOOL_SET_PHYSICAL, &none) ?:
	       retained_went(owner) ?: sp_set_budget(owner->pool.fd, SEGPOOL_SET_PHYSICAL, &all);
}

/* The system asks its shrinkers for everything they have. */
static long owner_is_shrunk(void *state, long flags)
{
	struct owner *owner = state;
	uint64_t end = sp_now_ms() + 20000;
	long error = owner_frees(owner, flags);

	while (!error && !sp_retains_nothing(&owner->pool) && sp_now_ms() < end)
		error = sp_write_file("/proc/sys/vm/drop_caches", "2");
	return error ?: retained_went(owner);
}

static long owner_unmaps(void *state, long unused)
{
	struct owner *owner = state;

	if (munmap(owner->pool.base, owner->pool.length))
		return -errno;
	owner->pool.base = NULL;
	return 0;
}

static long owner_closes(void *state, long unused)
{
	struct owner *owner = state;

	close(owner->pool.fd);
	owner->pool.fd = -1;
	return owner_unmaps(owner, 0);
}

static long owner_exits(void *state, long unused)
{
	_exit(0);
	return 0;
}

/*
 * Takes, fills with what must not be seen, and gives up, for ever: to be killed
 * at some point of that. The target goes in the second round.
 */
static long owner_never_stops(void *state, long unused)
{
	struct owner *owner = state;
	atomic_uint *steps = &owner->at->steps;
	static const uint32_t flags[] = { SEGPOOL_NOW, 0, SEGPOOL_LAZY };
	struct segpool_region region;
	unsigned int i;

	for (i = 0;; i++) {
		if (i == 1)
			owner_frees(owner, 0);
		atomic_fetch_add(steps, 1);
		if (sp_alloc_one(owner->pool.fd, 0, i % 2 ? SEGPOOL_POPULATE : 0, 0, &region, NULL))
			continue;
		atomic_fetch_add(steps, 1);
		mark_fill(sp_region_at(&owner->pool, &region), TARGET, MARK_OLD);
		atomic_fetch_add(steps, 1);
		sp_discard(owner->pool.fd, region.handle, 0, TARGET / 2, i % 3 ? 0 : SEGPOOL_NOW);
		atomic_fetch_add(steps, 1);
		sp_free(owner->pool.fd, region.handle, flags[i % 3]);
	}
	return 0;
}

/**
 * struct zap - one way in which pages leave
 * @done_by_owner: NULL: he is killed.
 * @kill_at_step: he is killed when he has begun that many steps of what he
 *	does; 0: while he does nothing.
 * @keeps: the pages stay in the owner's pool.
 * @unmaps: the owner has no pool afterwards.
 */
struct zap {
	long (*done_by_owner)(void *state, long argument);
	long argument;
	unsigned int kill_at_step;
	bool keeps, unmaps, ends_the_owner;
};

static const struct zap
	zap_free = { .done_by_owner = owner_frees, .keeps = true },
	zap_free_now = { .done_by_owner = owner_frees, .argument = SEGPOOL_NOW },
	zap_free_lazily = { .done_by_owner = owner_frees, .argument = SEGPOOL_LAZY, .keeps = true },
	zap_discard = { .done_by_owner = owner_discards, .keeps = true },
	zap_discard_now = { .done_by_owner = owner_discards, .argument = SEGPOOL_NOW },
	zap_trim = { .done_by_owner = owner_trims },
	zap_trim_kept = { .done_by_owner = owner_trims, .argument = SEGPOOL_LAZY },
	zap_ageing = { .done_by_owner = owner_lets_age },
	zap_shrinker = { .done_by_owner = owner_is_shrunk },
	zap_shrinker_kept = { .done_by_owner = owner_is_shrunk, .argument = SEGPOOL_LAZY },
	zap_lowered_budget = { .done_by_owner = owner_lowers_the_budget },
	zap_munmap = { .done_by_owner = owner_unmaps, .unmaps = true },
	zap_close = { .done_by_owner = owner_closes, .unmaps = true },
	zap_exit = { .done_by_owner = owner_exits, .ends_the_owner = true },
	zap_kill = { .ends_the_owner = true },
	zap_kill_at_step_1 = { .kill_at_step = 1, .ends_the_owner = true },
	zap_kill_at_step_8 = { .kill_at_step = 8, .ends_the_owner = true },
	zap_kill_at_step_31 = { .kill_at_step = 31, .ends_the_owner = true };

/* A test of each by @test(name): those that leave the owner a pool, and all. */
#define FOR_EACH_ZAP_OF_A_POOL(test) \
	test(free) test(free_now) test(free_lazily) test(discard) test(discard_now) \
	test(trim) test(trim_kept) test(ageing) test(shrinker) test(shrinker_kept) \
	test(lowered_budget)
#define FOR_EACH_ZAP(test) \
	FOR_EACH_ZAP_OF_A_POOL(test) test(munmap) test(close) test(exit) test(kill) \
	test(kill_at_step_1) test(kill_at_step_8) test(kill_at_step_31)

static int pool_is_gone(void *at)
{
	return !sp_pool_listed(((struct whereabouts *)at)->id);
}

/* He may sleep in a step, for memory say, but has 60 s to get there. */
static int owner_is_at_step(struct actor *owner, struct whereabouts *at, unsigned int step)
{
	uint64_t end = sp_now_ms() + 60000;

	actor_tell(owner, owner_never_stops, 0);
	while (atomic_load(&at->steps) < step && sp_now_ms() < end)
		sched_yield();
	return atomic_load(&at->steps) >= step;
}

/*
 * Make the pages leave. @held: a transfer keeps the owner from ending before it
 * is over, so that there is nothing to wait for.
 */
static SP_UNUSED long zap_do(const struct zap *zap, struct actor *owner, struct whereabouts *at,
			     bool held)
{
	if (!zap->ends_the_owner)
		return actor_ask(owner, zap->done_by_owner, zap->argument);
	if (zap->kill_at_step && !owner_is_at_step(owner, at, zap->kill_at_step))
		return -ETIME;
	if (zap->done_by_owner)
		actor_tell(owner, zap->done_by_owner, zap->argument);
	else
		kill(owner->pid, SIGKILL);
	if (held)
		return 0;
	return sp_wait_until(pool_is_gone, at, 30000) ? 0 : -ETIME;
}

#endif /* SEGPOOL_SECURITY_ZAPS_H */
