// SPDX-License-Identifier: GPL-2.0-only
/* Makes an input that fails shorter and simpler, as long as it fails. */

#include <string.h>

#include "helpers.h"
#include "shared.h"

/* A kernel that hangs takes long to be found to. */
#define TIME_LIMIT_MS 90000

/* Two problems that begin like this are one: what follows are numbers and names. */
#define SAME_PROBLEM 6

struct search {
	struct shared *shared;
	struct input *best;
	char problem[SAME_PROBLEM + 1];
	uint64_t end;
};

/* Takes @candidate over if it still fails, and in the same way. */
static bool attempt(struct search *search, const struct input *candidate)
{
	if (sp_now_ms() > search->end || !memcmp(candidate, search->best, sizeof(*candidate)))
		return false;
	if (run_one(search->shared, candidate) ||
	    strncmp(search->shared->problem, search->problem, SAME_PROBLEM))
		return false;
	*search->best = *candidate;
	return true;
}

static bool drop_step(struct search *search, uint32_t at)
{
	struct input candidate = *search->best;

	if (candidate.nr_steps == 1)
		return false;
	candidate.nr_steps--;
	memmove(&candidate.steps[at], &candidate.steps[at + 1],
		(candidate.nr_steps - at) * sizeof(candidate.steps[0]));
	memset(&candidate.steps[candidate.nr_steps], 0, sizeof(candidate.steps[0]));
	return attempt(search, &candidate);
}

static void drop_steps(struct search *search)
{
	uint32_t at = search->best->nr_steps;

	while (at--)
		if (at < search->best->nr_steps)
			drop_step(search, at);
}

static void clear_bytes(struct search *search, uint32_t step, size_t from, size_t length)
{
	struct input candidate = *search->best;

	memset((char *)&candidate.steps[step] + from, 0, length);
	attempt(search, &candidate);
}

static void clear_step(struct search *search, uint32_t step)
{
	size_t at;

	clear_bytes(search, step, offsetof(struct step, pool), offsetof(struct step, bytes) - 1);
	clear_bytes(search, step, offsetof(struct step, bytes), STEP_BYTES);
	for (at = 0; at < STEP_BYTES; at += 8)
		clear_bytes(search, step, offsetof(struct step, bytes) + at, 8);
}

void input_minimise(struct shared *shared, struct input *input)
{
	struct search search = { .shared = shared, .best = input,
				 .end = sp_now_ms() + TIME_LIMIT_MS };
	uint32_t step;

	snprintf(search.problem, sizeof(search.problem), "%.*s", SAME_PROBLEM, shared->problem);
	memset(&input->steps[input->nr_steps], 0,
	       (MAX_STEPS - input->nr_steps) * sizeof(input->steps[0]));
	drop_steps(&search);
	for (step = 0; step < input->nr_steps; step++)
		clear_step(&search, step);
	drop_steps(&search);
}
