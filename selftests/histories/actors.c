// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coroutines that are switched without a system call, since it happens many
 * million times. Where an actor begins is remembered in a frame that stays, so
 * that one which is left half-way is simply begun again.
 */
#include "actors.h"

#include <sanitizer/asan_interface.h>
#include <string.h>
#include <ucontext.h>

#define STACK_BYTES 65536

/* As __builtin_setjmp() wants it. */
typedef void *place[5];

struct actor actors[NR_ACTORS];

static char stacks[NR_ACTORS][STACK_BYTES] __attribute__((aligned(64)));
static place beginnings[NR_ACTORS], places[NR_ACTORS], explorer;
static void (*actor_run)(unsigned int actor);
/* Which actor runs; NR_ACTORS: none. */
static unsigned int current = NR_ACTORS;

uint64_t hash_step(uint64_t hash, uint64_t value)
{
	hash = ((hash ^ value) + 0xd1b54a32d192ed03ULL) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/*
 * AddressSanitizer knows one stack, and is not to clean it up before a jump to
 * another: hence its absence here, and no "noreturn". "noipa": who calls must
 * not think that it knows what happens meanwhile.
 */
__attribute__((noipa, no_sanitize_address)) static void jump(place to)
{
	__builtin_longjmp(to, 1);
}

__attribute__((noipa, no_sanitize_address)) static void switch_places(place from, place to)
{
	if (!__builtin_setjmp(from))
		jump(to);
}

__attribute__((noipa, no_sanitize_address)) static void begin(void)
{
	if (!__builtin_setjmp(beginnings[current]))
		jump(explorer);
	for (;;) {
		actor_run(current);
		actors[current].done = true;
		switch_places(places[current], explorer);
	}
}

__attribute__((noipa, no_sanitize_address)) static void create(unsigned int number)
{
	static ucontext_t context;

	current = number;
	getcontext(&context);
	context.uc_stack.ss_sp = stacks[number];
	context.uc_stack.ss_size = STACK_BYTES;
	context.uc_link = NULL;
	makecontext(&context, begin, 0);
	if (!__builtin_setjmp(explorer))
		setcontext(&context);
}

void actors_restart(void (*run)(unsigned int actor))
{
	static bool created;
	unsigned int i;

	for (i = 0; i < NR_ACTORS && !created; i++)
		create(i);
	created = true;
	current = NR_ACTORS;
	actor_run = run;
	for (i = 0; i < NR_ACTORS; i++) {
		/* Frames that were left half-way have no owner any more. */
		if (!actors[i].done)
			__asan_unpoison_memory_region(stacks[i], STACK_BYTES);
		actors[i] = (struct actor){ .seen = i };
		memcpy(places[i], beginnings[i], sizeof(place));
	}
}

bool actor_can_run(unsigned int number)
{
	const struct actor *actor = &actors[number];

	return !actor->done && (!actor->blocked_by || !*actor->blocked_by);
}

void actor_step(unsigned int number)
{
	current = number;
	/* One step further, also where it sees nothing. */
	observe(0);
	switch_places(explorer, places[number]);
	current = NR_ACTORS;
}

void actor_abandon(void)
{
	if (current < NR_ACTORS)
		jump(explorer);
}

void wait_until_zero(const uint64_t *value)
{
	if (current == NR_ACTORS)
		return;
	actors[current].blocked_by = value;
	switch_places(places[current], explorer);
	actors[current].blocked_by = NULL;
}

void scheduling_point(void)
{
	wait_until_zero(NULL);
}

uint64_t observe(uint64_t value)
{
	if (current < NR_ACTORS)
		actors[current].seen = hash_step(actors[current].seen, value);
	return value;
}
