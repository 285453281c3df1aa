// SPDX-License-Identifier: GPL-2.0-only
#include "programs.h"

#include <linux/errno.h>

#include <stdio.h>
#include <string.h>

#include "calls.h"

static const struct scenario *present;
static struct world initial;
static char report[2048];

const char *scenario_finding(void)
{
	return report;
}

/**
 * struct hand - what an actor has in hand
 * @handle: given to it last.
 * @pages: reserved without a lock.
 * @nr: how many.
 */
struct hand {
	u64 handle;
	u32 pages[NR_PAGES];
	u32 nr;
};

static u64 handle_named(const struct hand *hand, char name)
{
	if (name == '*')
		return hand->handle;
	return handle_make(name - '0', present->beginning.generation);
}

static s64 charge(struct hand *hand, u32 nr)
{
	enum segpool_reason reason = account_charge_both(&world.account, nr, &world.ceiling,
							 world.ceiling_limit);

	if (reason)
		return -ENOMEM;
	while (nr--) {
		hand->pages[hand->nr] = page_from_system();
		page_moves(hand->pages[hand->nr++], ON_THE_WAY, IN_REGION);
	}
	return 0;
}

static s64 uncharge(struct hand *hand)
{
	u32 nr = hand->nr;

	while (hand->nr) {
		page_moves(hand->pages[--hand->nr], IN_REGION, ON_THE_WAY);
		page_moves(hand->pages[hand->nr], ON_THE_WAY, IN_SYSTEM);
	}
	if (nr) {
		account_uncharge(&world.account, nr);
		atomic64_sub(nr, &world.ceiling);
	}
	return nr;
}

/* After it has returned, whatever it has returned, the handle is good for nothing. */
static s64 free_handle(u64 handle, bool lazily)
{
	u32 index = handle_index(handle);
	s64 result = call_free(handle, lazily);

	if (world.truth.holder[index] == HANDED_OUT &&
	    world.truth.generation[index] == handle_generation(handle))
		found("a release of region %u was refused with %d", index, (int)result);
	return result;
}

static s64 given(struct hand *hand, int err)
{
	return err ? err : (s64)hand->handle;
}

static s64 do_call(struct hand *hand, char call, char argument)
{
	u32 number = argument - '0';

	switch (call) {
	case 'A':
		return given(hand, call_alloc(number, &hand->handle));
	case 'R':
		return given(hand, call_reuse(handle_named(hand, argument), 0, &hand->handle));
	case 'F':
	case 'L':
		return handle_named(hand, argument) ?
		       free_handle(handle_named(hand, argument), call == 'L') : -ENOENT;
	case 'T':
		return call_trim();
	case 'V':
		return call_set_virtual(number);
	case 'P':
		return call_set_physical(number);
	case 'C':
		return charge(hand, number);
	default:
		return uncharge(hand);
	}
}

static void run(unsigned int actor)
{
	const char *program = present->programs[actor];
	struct hand hand = { .handle = NO_HANDLE };
	unsigned int i;

	for (i = 0; program[2 * i]; i++)
		world.results[actor][i] = do_call(&hand, program[2 * i], program[2 * i + 1]);
}

static void tell(const char *text)
{
	const struct beginning *beginning = &present->beginning;

	snprintf(report, sizeof(report),
		 "%s | regions \"%s\", generation %u, budgets: %u regions, %u pages, %u of all pools; %u pages retained, at most %u | A: %s, B: %s",
		 text, beginning->regions, beginning->generation, beginning->virtual,
		 beginning->physical, beginning->ceiling, beginning->retained, beginning->retain,
		 present->programs[0], present->programs[1]);
}

bool scenario_run(const struct scenario *scenario, uint64_t most, struct totals *totals)
{
	const struct subject subject = {
		.state = &world, .initial = &initial, .size = sizeof(world), .run = run,
		.after_step = world_check, .at_end = world_check_quiet,
	};
	struct outcome merged, single;

	present = scenario;
	world_begin(&scenario->beginning);
	memcpy(&initial, &world, sizeof(world));
	merged = explore(&subject, true);
	totals->scenarios++;
	totals->merged_states += merged.states;
	totals->merged_histories += merged.histories;
	totals->end_states += merged.end_states;
	if (merged.broken || merged.histories > most) {
		tell(finding());
		return !merged.broken;
	}

	single = explore(&subject, false);
	totals->run_scenarios++;
	totals->run_histories += single.histories;
	totals->run_steps += single.steps;
	tell(single.broken ? finding() : "histories run on their own end in other states");
	return !single.broken && single.histories == merged.histories &&
	       single.end_states == merged.end_states;
}
