/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two actors, of which one runs at a time: it runs from one scheduling point, an
 * access to memory that both can see, to the next. Outside of actors these calls
 * do nothing.
 */
#ifndef HISTORIES_SCHEDULE_H
#define HISTORIES_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NR_ACTORS 2

/* The other actor may run before what follows. */
void scheduling_point(void);

/* As scheduling_point(); who calls is not run before @value is 0. */
void wait_until_zero(const uint64_t *value);

/*
 * What an actor will do depends on what it has seen. Each value that it takes
 * along from shared memory goes through here, so that it is known whether two
 * actors that are at the same point are in the same state.
 */
uint64_t observe(uint64_t value);

/* A rule is broken. Does not return to an actor. */
void found(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * struct subject - what two actors do
 * @state: all that they share.
 * @initial: what @state is at the beginning of each history.
 * @size: of both; a multiple of 8.
 * @run: what an actor does.
 * @after_step: looks for broken rules after every step.
 * @at_end: looks for broken rules when both actors are done.
 */
struct subject {
	void *state;
	const void *initial;
	size_t size;
	void (*run)(unsigned int actor);
	void (*after_step)(void);
	void (*at_end)(void);
};

/**
 * struct outcome - what was explored
 * @histories: different orders in which the actors' steps can be done.
 * @states: different states met on the way; where they are merged.
 * @end_states: different states in which it all can end.
 * @steps: steps that were really done, those on the way to a choice included.
 * @broken: a rule was broken; the exploration stopped there.
 */
struct outcome {
	uint64_t histories;
	uint64_t states;
	uint64_t end_states;
	uint64_t steps;
	bool broken;
};

/*
 * Goes through all histories. With @merge what follows a state is done once,
 * however many histories lead to that state; without it each history is run on
 * its own, from beginning to end.
 */
struct outcome explore(const struct subject *subject, bool merge);

/* What found() said, and the history in which it did. */
const char *finding(void);

#endif
