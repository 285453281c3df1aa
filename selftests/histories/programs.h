/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an actor does, as text, so that a finding can be read: calls of a letter
 * and a digit, without anything between.
 *
 *   A0 A1   ALLOC of the class
 *   F0..F3  FREE of the region, with the handle of the beginning;  F*  of the
 *           one that this actor was given last
 *   L0..L3  lazy FREE, likewise;  L*
 *   R0..R3  REUSE of the region, likewise;  R*  of the one it was given last
 *   T0      TRIM to nothing
 *   V0..V4  the virtual budget, regions
 *   P0..P4  the physical budget, pages
 *   C1..C4  so many pages reserved under both budgets, without a lock
 *   U0      and put back
 */
#ifndef HISTORIES_PROGRAMS_H
#define HISTORIES_PROGRAMS_H

#include "schedule.h"
#include "world.h"

/**
 * struct scenario - where two actors begin and what they do
 * @beginning: of the world.
 * @programs: of the actors; at most MAX_CALLS calls each.
 */
struct scenario {
	struct beginning beginning;
	char programs[NR_ACTORS][2 * MAX_CALLS + 1];
};

/* Counters of the whole run. */
struct totals {
	uint64_t scenarios;
	uint64_t merged_states;
	double merged_histories;
	uint64_t run_scenarios;
	uint64_t run_histories;
	uint64_t run_steps;
	uint64_t end_states;
};

/*
 * Explores all histories of @scenario with equal states merged and, if they are
 * at most @most, also each on its own; both must agree. Returns whether nothing
 * was found.
 */
bool scenario_run(const struct scenario *scenario, uint64_t most, struct totals *totals);

/* What was found, in words. */
const char *scenario_finding(void);

#endif
