// SPDX-License-Identifier: GPL-2.0-only
/*
 * Depth first through all choices of who does the next step. An actor cannot be
 * put back to where it was, so each history begins anew and repeats the choices
 * up to the one that is to be another.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "actors.h"
#include "schedule.h"
#include "table.h"

#define MAX_STEPS 512

/**
 * struct choice - one point of the present history
 * @actor: who does the step.
 * @others: bits of the actors that could do it and are still to be tried.
 * @key: the state in which the choice is made.
 * @histories: that follow from it, as far as known.
 */
struct choice {
	unsigned int actor;
	unsigned int others;
	uint64_t key;
	uint64_t histories;
};

static const struct subject *subject;
static struct table states, ends;
static struct choice path[MAX_STEPS];
static unsigned int depth;
static bool broken;
static char message[256], report[MAX_STEPS * 2 + 512];

const char *finding(void)
{
	return report;
}

void found(const char *format, ...)
{
	va_list arguments;

	if (!broken) {
		va_start(arguments, format);
		vsnprintf(message, sizeof(message), format, arguments);
		va_end(arguments);
	}
	broken = true;
	actor_abandon();
}

static void write_report(void)
{
	size_t length = snprintf(report, sizeof(report), "%s; order of steps: ", message);
	unsigned int i;

	for (i = 0; i < depth && length + 2 < sizeof(report); i++)
		report[length++] = 'A' + path[i].actor;
	report[length] = '\0';
}

static uint64_t hash_state(void)
{
	const uint64_t *words = subject->state;
	uint64_t hash = 0;
	size_t i;

	for (i = 0; i < subject->size / sizeof(*words); i++)
		hash = hash_step(hash, words[i]);
	return hash;
}

/* The shared state, and where both actors are. */
static uint64_t hash_all(void)
{
	uint64_t hash = hash_state();
	unsigned int i;

	for (i = 0; i < NR_ACTORS; i++)
		hash = hash_step(hash, actors[i].seen + actors[i].done);
	return hash;
}

static unsigned int who_can_run(void)
{
	unsigned int mask = 0;
	unsigned int i;

	for (i = 0; i < NR_ACTORS; i++)
		if (actor_can_run(i))
			mask |= 1U << i;
	return mask;
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* @histories more follow from where the present history is. */
static void credit(uint64_t histories)
{
	if (depth)
		path[depth - 1].histories = add_saturating(path[depth - 1].histories, histories);
}

static void choose_first(unsigned int mask)
{
	unsigned int actor = __builtin_ctz(mask);

	path[depth] = (struct choice){ .actor = actor, .others = mask & ~(1U << actor) };
}

static void history_ends(struct outcome *outcome)
{
	uint64_t key;

	subject->at_end();
	key = hash_state();
	if (!table_find(&ends, key)) {
		table_set(&ends, key, 0);
		outcome->end_states++;
	}
	credit(1);
}

static void step(struct outcome *outcome)
{
	actor_step(path[depth].actor);
	depth++;
	outcome->steps++;
	if (!broken)
		subject->after_step();
}

/* Has this been gone through before, from a history that led to the same state? */
static bool met_before(struct outcome *outcome)
{
	uint64_t key = hash_all();
	uint64_t *earlier = table_find(&states, key);

	if (earlier) {
		credit(*earlier);
		return true;
	}
	path[depth].key = key;
	table_set(&states, key, 0);
	outcome->states++;
	return false;
}

/* One history, of which the first @known choices are made. */
static void run_history(unsigned int known, bool merge, struct outcome *outcome)
{
	unsigned int mask;

	memcpy(subject->state, subject->initial, subject->size);
	actors_restart(subject->run);
	for (depth = 0; !broken && (mask = who_can_run()); ) {
		if (depth == MAX_STEPS)
			found("more than %d steps", MAX_STEPS);
		if (!broken && depth >= known) {
			choose_first(mask);
			if (merge && met_before(outcome))
				return;
		}
		if (!broken)
			step(outcome);
	}
	if (!broken && !(actors[0].done && actors[1].done))
		found("both actors wait for each other");
	if (!broken)
		history_ends(outcome);
}

/* Back to the last choice that has another left; false where none has. */
static bool go_back(bool merge, struct outcome *outcome)
{
	struct choice *last;
	unsigned int actor;

	while (depth) {
		last = &path[depth - 1];
		if (last->others) {
			actor = __builtin_ctz(last->others);
			last->others &= ~(1U << actor);
			last->actor = actor;
			return true;
		}
		if (merge)
			table_set(&states, last->key, last->histories);
		depth--;
		credit(last->histories);
		if (!depth)
			outcome->histories = last->histories;
	}
	return false;
}

struct outcome explore(const struct subject *what, bool merge)
{
	struct outcome outcome = { 0 };
	unsigned int known = 0;

	subject = what;
	broken = false;
	table_clear(&states);
	table_clear(&ends);
	do {
		run_history(known, merge, &outcome);
		outcome.broken = broken;
		if (broken)
			write_report();
		else if (!go_back(merge, &outcome))
			break;
		known = depth;
	} while (!broken);
	return outcome;
}
