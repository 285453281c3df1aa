/* SPDX-License-Identifier: GPL-2.0-only */
/* One call failed at its first chance, its second, and so on, until none is left. */
#ifndef SEGPOOL_FAULTS_SWEEP_H
#define SEGPOOL_FAULTS_SWEEP_H

#include "gauges.h"
#include "inject.h"
#include "scene.h"

/* A call that never runs out of chances to fail is stuck. */
#define SWEEP_END	200000

/* What became of a call's injected failures. */
struct sweep_result {
	char wrong[512];
	unsigned int places, succeeded, refused;
};

/* What was injected into a call: anything, a copy to or from user space. */
struct sweep_injected {
	bool any, copy;
};

static bool sweep_allows(const struct fault_case *what, int result, bool copy_failed)
{
	unsigned int i;

	if (result >= 0)
		return true;
	if (what->never_fails)
		return false;
	for (i = 0; i < ARRAY_SIZE(what->errors); i++)
		if (what->errors[i] && result == -what->errors[i])
			return true;
	return result == -EFAULT && copy_failed;
}

static const char *sweep_judge(struct scene *scene, int result, struct sweep_injected injected)
{
	const char *wrong = NULL;

	if (!injected.any && result < 0)
		return "it fails without an injected failure";
	if (!sweep_allows(scene->what, result, injected.copy))
		return "this error is not documented for it";
	if (scene->what->check)
		wrong = scene->what->check(scene, result);
	if (wrong || scene->what->ends_pool)
		return wrong;
	return scene_judge(scene);
}

/* Looking at the kernel's counts is no chance to fail: it comes before and afterwards. */
static struct sweep_injected sweep_call(struct scene *scene, int *result)
{
	uint64_t all = inject_count_all(), copies = inject_count(INJECT_USERCOPY);
	struct sweep_injected injected;

	if (scene->what->arms_itself) {
		*result = scene->what->call(scene);
		injected.any = inject_count_all() != all;
	} else {
		inject_arm(scene->nth);
		*result = scene->what->call(scene);
		injected.any = inject_disarm();
	}
	injected.copy = injected.any && inject_count(INJECT_USERCOPY) != copies;
	return injected;
}

static void sweep_note(struct sweep_result *sweep, const char *wrong, unsigned int nth, int result)
{
	snprintf(sweep->wrong, sizeof(sweep->wrong), "failure %u, result %d (%s): %s", nth, result,
		 result < 0 ? strerror(-result) : "success", wrong);
}

/* One attempt; returns whether there was a failure to inject. */
static bool sweep_once(const struct fault_case *what, uint32_t mode, unsigned int nth,
		       struct sweep_result *sweep)
{
	static struct scene scene;
	struct sweep_injected injected;
	const char *wrong;
	int result = 0;

	result = scene_make(&scene, what, mode, nth);
	if (result) {
		sweep_note(sweep, "the scene cannot be made", nth, result);
		scene_end(&scene);
		return false;
	}
	scene_remember(&scene);
	injected = sweep_call(&scene, &result);
	wrong = sweep_judge(&scene, result, injected);
	scene_end(&scene);
	if (wrong)
		sweep_note(sweep, wrong, nth, result);
	sweep->places += injected.any;
	sweep->succeeded += injected.any && result >= 0;
	sweep->refused += injected.any && result < 0;
	return injected.any && !wrong;
}

/* How many places the call has, found by a call in which nothing fails. */
static unsigned int sweep_count(const struct fault_case *what, uint32_t mode)
{
	static struct scene scene;
	unsigned int places = 0;

	if (!scene_make(&scene, what, mode, 0)) {
		inject_arm(SWEEP_END);
		what->call(&scene);
		places = inject_disarm_unreached(SWEEP_END);
	}
	scene_end(&scene);
	return places;
}

static unsigned int sweep_first(const struct fault_case *what, uint32_t mode, unsigned int round)
{
	unsigned int places = what->last ? sweep_count(what, mode) : 0;

	return places > what->last ? places - what->last : 1 + round % (what->step ?: 1);
}

/* One round: all places, or each @step-th, other ones in the next round, or the last ones. */
static SP_UNUSED void sweep_round(const struct fault_case *what, uint32_t mode,
				  unsigned int round, struct sweep_result *sweep)
{
	unsigned int nth = sweep_first(what, mode, round);
	unsigned int step = what->step ?: 1;
	const char *left;

	while (sweep_once(what, mode, nth, sweep) && nth < SWEEP_END)
		nth += step;
	if (nth >= SWEEP_END)
		sweep_note(sweep, "there is no end of places that can fail", nth, 0);
	left = gauges_left();
	if (left && !sweep->wrong[0])
		sweep_note(sweep, left, nth, 0);
	if (!sweep->places && what->perhaps_no_places)
		return;
	if (!sweep->wrong[0] && !sweep->places != !!what->no_places)
		sweep_note(sweep, what->no_places ? "it has places that can fail after all" :
			   "nothing in it can be made to fail", nth, 0);
}

#endif /* SEGPOOL_FAULTS_SWEEP_H */
