// SPDX-License-Identifier: GPL-2.0-only
/* Runs inputs, step by step. */

#include <errno.h>

#include "helpers.h"
#include "world.h"

enum step_when step_when(const struct step *step)
{
	switch (step->when & 15) {
	case 15:
		return WHEN_INSIDE;
	case 14:
	case 13:
		return WHEN_BESIDE;
	default:
		return WHEN_NOW;
	}
}

static void count_call(struct shared *shared, unsigned int type, int error)
{
	unsigned int number = error < 0 ? -error : 0;

	atomic_fetch_add(&shared->calls, 1);
	atomic_fetch_add(&shared->progress, 1);
	atomic_fetch_add(&shared->errnos[type][number < MAX_ERRNO ? number : MAX_ERRNO - 1], 1);
}

/* Errors that any call may give. */
static bool errno_is_usual(const struct step *step, int error)
{
	return error == EFAULT || error == EINVAL || error == E2BIG || error == EPERM ||
	       error == ENXIO || error == EBADF || (error == ENOTTY && step->command);
}

static void check_errno(struct shared *shared, const struct step *step, int error)
{
	const struct call_type *type = step_type(step);
	unsigned int i;

	/* Another number may have made it another call. */
	if (type->run || error >= 0 || step->command || errno_is_usual(step, -error))
		return;
	for (i = 0; type->errnos[i]; i++)
		if (type->errnos[i] == -error)
			return;
	problem_note(shared, "%s failed with errno %d, which it does not document", type->name,
		     -error);
}

void step_run(struct world *world, enum actor actor, const struct step *step)
{
	const struct call_type *type = step_type(step);
	int error;

	if (actor == ACTOR_MAIN) {
		atomic_store(&world->shared->last_call, type->name);
		coverage_begin();
	}
	error = type->run ? type->run(world, step) : step_call(world, actor, step);
	if (actor == ACTOR_MAIN) {
		coverage_end(world->shared);
		coverage_feature(world->shared, type - call_types, error < 0 ? -error : 0);
	}
	count_call(world->shared, type - call_types, error);
	check_errno(world->shared, step, error);
}

void input_run(struct world *world, const struct input *input)
{
	const struct step *step;
	uint32_t i;

	world_begin(world);
	for (i = 0; i < input->nr_steps && !atomic_load(&world->shared->has_problem); i++) {
		step = &input->steps[i];
		if (step_when(step) == WHEN_NOW)
			step_run(world, ACTOR_MAIN, step);
		else if (step_when(step) == WHEN_BESIDE)
			assistant_begin(world, JOB_STEP, step, NULL);
		else
			atomic_store(&world->server.interlude, step);
	}
	world_end(world);
}
