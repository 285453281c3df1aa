/* SPDX-License-Identifier: GPL-2.0-only */
/* The actors as coroutines. */
#ifndef HISTORIES_ACTORS_H
#define HISTORIES_ACTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "schedule.h"

/**
 * struct actor - one coroutine
 * @seen: a hash of all that it has observed, and how far it is.
 * @blocked_by: runs again when this is 0; NULL: at once.
 * @done: it has come to its end.
 */
struct actor {
	uint64_t seen;
	const uint64_t *blocked_by;
	bool done;
};

extern struct actor actors[NR_ACTORS];

uint64_t hash_step(uint64_t hash, uint64_t value);

/* Both are at their beginning afterwards, wherever they were. */
void actors_restart(void (*run)(unsigned int actor));

bool actor_can_run(unsigned int number);

/* Runs it to its next scheduling point, or its end. */
void actor_step(unsigned int number);

/* Ends the running actor's history; returns at once where none runs. */
void actor_abandon(void);

#endif
