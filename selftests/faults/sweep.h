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

static bool sweep_allows(const struct fault_case *what, int result)
{
	unsigned int i;

	if (result >= 0)
		return true;
	if (what->never_fails)
		return false;
	for (i = 0; i < ARRAY_SIZE(what->errors); i++)
		if (what->errors[i] && result == -what->errors[i])
			return true;
	return result == -EFAULT;
}

static const char *sweep_judge(struct scene *scene, int result, bool failed)
{
	const char *wrong = NULL;

	if (!failed && result < 0)
		return "it fails without an injected failure";
	if (!sweep_allows(scene->what, result))
		return "this error is not documented for it";
	if (scene->what->check)
		wrong = scene->what->check(scene, result);
	if (wrong || scene->what->ends_pool)
		return wrong;
	return scene_judge(scene);
}

static bool sweep_call(struct scene *scene, int *result)
{
	uint64_t before;

	if (scene->what->arms_itself) {
		before = inject_count_all();
		*result = scene->what->call(scene);
		return inject_count_all() != before;
	}
	inject_arm(scene->nth);
	*result = scene->what->call(scene);
	return inject_disarm();
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
	const char *wrong;
	int result = 0;
	bool failed;

	result = scene_make(&scene, what, mode, nth);
	if (result) {
		sweep_note(sweep, "the scene cannot be made", nth, result);
		scene_end(&scene);
		return false;
	}
	scene_remember(&scene);
	failed = sweep_call(&scene, &result);
	wrong = sweep_judge(&scene, result, failed);
	scene_end(&scene);
	if (wrong)
		sweep_note(sweep, wrong, nth, result);
	sweep->places += failed;
	sweep->succeeded += failed && result >= 0;
	sweep->refused += failed && result < 0;
	return failed && !wrong;
}

/* One round: all places, or each @step-th, other ones in the next round. */
static SP_UNUSED void sweep_round(const struct fault_case *what, uint32_t mode,
				  unsigned int round, struct sweep_result *sweep)
{
	unsigned int step = what->step ?: 1;
	unsigned int nth = 1 + round % step;
	const char *left;

	while (sweep_once(what, mode, nth, sweep) && nth < SWEEP_END)
		nth += step;
	if (nth >= SWEEP_END)
		sweep_note(sweep, "there is no end of places that can fail", nth, 0);
	left = gauges_left();
	if (left && !sweep->wrong[0])
		sweep_note(sweep, left, nth, 0);
}

#endif /* SEGPOOL_FAULTS_SWEEP_H */
