// SPDX-License-Identifier: GPL-2.0-only
/*
 * All short histories of two actors on a pool of four regions of one page: every
 * order of their accesses to shared memory, one after the other. What is beyond:
 * more actors, longer programs, and orders that a processor with a weaker memory
 * model could show.
 *
 *   histories [N]   runs each history of a pair of programs on its own where
 *                   there are at most N of them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "programs.h"

#define DEFAULT_MOST 1000
/* What this whole program stands for. */
#define AT_LEAST_RUN 1000000

static uint64_t most = DEFAULT_MOST;
static struct totals totals;
static unsigned int number, failures;

static void result(bool ok, const char *name)
{
	failures += !ok;
	printf("%sok %u %s\n", ok ? "" : "not ", ++number, name);
}

/* --- the calls that make sense in a beginning --- */

#define MAX_CHOICES 24

struct choices {
	char calls[MAX_CHOICES][3];
	unsigned int nr;
};

static void offer(struct choices *choices, char call, char argument)
{
	char *text = choices->calls[choices->nr++];

	text[0] = call;
	text[1] = argument;
}

static void offer_all(struct choices *choices, const char *calls)
{
	for (; *calls; calls += 2)
		offer(choices, calls[0], calls[1]);
}

/* Both calls on each carved region: one of them is refused at first. */
static void offer_handles(struct choices *choices, const char *regions)
{
	unsigned int i;

	for (i = 0; regions[i]; i++) {
		offer(choices, 'F', '0' + i);
		offer(choices, 'R', '0' + i);
	}
}

/* --- sets of scenarios --- */

static bool run_pair(const struct beginning *beginning, const char *a, const char *b)
{
	struct scenario scenario = { .beginning = *beginning };

	strcpy(scenario.programs[0], a);
	strcpy(scenario.programs[1], b);
	if (scenario_run(&scenario, most, &totals))
		return true;
	printf("# found: %s\n", scenario_finding());
	return false;
}

/* The programs with the numbers @i and @k of those of @length calls, once each pair. */
static bool run_pairs(const struct beginning *beginning, const struct choices *choices,
		      unsigned int length)
{
	unsigned int nr = 1, i, k, call, code;
	char programs[2][2 * MAX_CALLS + 1];

	for (call = 0; call < length; call++)
		nr *= choices->nr;
	for (i = 0; i < nr; i++)
		for (k = i; k < nr; k++) {
			memset(programs, 0, sizeof(programs));
			for (call = 0, code = i; call < length; call++, code /= choices->nr)
				strcat(programs[0], choices->calls[code % choices->nr]);
			for (call = 0, code = k; call < length; call++, code /= choices->nr)
				strcat(programs[1], choices->calls[code % choices->nr]);
			if (!run_pair(beginning, programs[0], programs[1]))
				return false;
		}
	return true;
}

static struct beginning beginning_of(const char *regions, unsigned int virtual,
				     unsigned int physical, unsigned int retained)
{
	struct beginning beginning = {
		.virtual = virtual, .physical = physical, .retained = retained,
		.ceiling = physical, .retain = 1, .generation = 1,
	};

	strcpy(beginning.regions, regions);
	return beginning;
}

/* Those with a page. */
static unsigned int count_active(const char *regions)
{
	unsigned int nr = 0;

	for (; *regions; regions++)
		nr += *regions == 'a' || *regions == 'k';
	return nr;
}

/* Budgets that leave no room, for one more, and for two. */
static bool with_all_budgets(const char *regions, const struct choices *choices,
			     unsigned int length)
{
	unsigned int carved = strlen(regions);
	unsigned int more, spare, retained;
	struct beginning beginning;

	for (more = 0; more < 2; more++)
		for (retained = 0; retained < 2; retained++)
			for (spare = 0; spare < 3; spare++) {
				beginning = beginning_of(regions, carved + more,
							 count_active(regions) + retained + spare,
							 retained);
				if (!run_pairs(&beginning, choices, length))
					return false;
			}
	return true;
}

/* Any call against any other, on up to two regions in all states. */
static bool one_call_each(void)
{
	static const char * const all[] = {
		"", "a", "f", "g", "aa", "af", "ag", "fa", "ff", "fg", "ga", "gf", "gg",
	};
	struct choices choices;
	unsigned int i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		choices = (struct choices){ .nr = 0 };
		offer_all(&choices, "A0A1T0V0V4P0P4C1");
		offer_handles(&choices, all[i]);
		if (!with_all_budgets(all[i], &choices, 1))
			return false;
	}
	return true;
}

static bool two_calls_each(void)
{
	static const char * const some[] = { "a", "f", "af" };
	struct beginning beginning;
	struct choices choices;
	unsigned int i;

	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		choices = (struct choices){ .nr = 0 };
		offer_all(&choices, "A0A1F*");
		offer_handles(&choices, some[i]);
		beginning = beginning_of(some[i], strlen(some[i]), count_active(some[i]) + 1, 0);
		if (!run_pairs(&beginning, &choices, 2))
			return false;
	}
	return true;
}

/* Regions come and go, change their class, and are wanted by name meanwhile. */
static bool three_calls_each(void)
{
	static const char * const programs[] = {
		"A0F*A0", "A1F*A0", "A0F*R*", "R0F*R*", "R0F*A1", "A0T0F*", "A1F*T0", "R0F*F*",
	};
	static const unsigned int nr = sizeof(programs) / sizeof(programs[0]);
	struct beginning beginning;
	unsigned int i, k;

	beginning = beginning_of("fg", 2, 1, 0);
	for (i = 0; i < nr; i++)
		for (k = i; k < nr; k++)
			if (!run_pair(&beginning, programs[i], programs[k]))
				return false;
	return true;
}

/* Regions that still have their page, and who wants them, or the pages. */
static bool kept_regions(void)
{
	static const char * const all[] = { "a", "k", "kg" };
	struct beginning beginning;
	struct choices choices;
	unsigned int i, room;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (room = 0; room < 4; room++) {
			choices = (struct choices){ .nr = 0 };
			offer_all(&choices, "A0A1T0P0L0R0");
			beginning = beginning_of(all[i], strlen(all[i]) + (room & 1),
						 count_active(all[i]) + (room >> 1), 0);
			beginning.retain = 2;
			if (!run_pairs(&beginning, &choices, 1))
				return false;
		}

	/* Room for one retained page, which two ways of releasing compete for. */
	choices = (struct choices){ .nr = 0 };
	offer_all(&choices, "F0L0F1L1");
	beginning = beginning_of("aa", 2, 2, 0);
	return run_pairs(&beginning, &choices, 1);
}

/* The reservation is full, and each call has something to choose from. */
static bool four_regions(void)
{
	static const char * const all[] = { "aaaa", "ffff", "aagf", "fgfg", "affa" };
	struct beginning beginning;
	struct choices choices;
	unsigned int i, spare;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (spare = 0; spare < 2; spare++) {
			choices = (struct choices){ .nr = 0 };
			offer_all(&choices, "A0A1T0P0");
			offer_handles(&choices, all[i]);
			beginning = beginning_of(all[i], 4, count_active(all[i]) + spare, 0);
			if (!run_pairs(&beginning, &choices, 1))
				return false;
		}
	return true;
}

/* New regions only, under a budget that both want to move. */
static bool virtual_budget(void)
{
	struct beginning beginning;
	struct choices choices;
	unsigned int budget;

	for (budget = 0; budget <= 4; budget++) {
		choices = (struct choices){ .nr = 0 };
		offer_all(&choices, "A0V0V1V2V4");
		beginning = beginning_of("", budget, 4, 0);
		if (!run_pairs(&beginning, &choices, 2))
			return false;
	}
	return true;
}

/* Both budgets without the lock that requests have around them. */
static bool physical_budget(void)
{
	struct beginning beginning;
	struct choices choices;
	unsigned int budget, ceiling;

	for (budget = 0; budget <= 4; budget++)
		for (ceiling = 2; ceiling <= 4; ceiling += 2) {
			choices = (struct choices){ .nr = 0 };
			offer_all(&choices, "C1C2C3U0");
			beginning = beginning_of("", 0, budget, 0);
			beginning.ceiling = ceiling;
			if (!run_pairs(&beginning, &choices, 2))
				return false;
		}
	return true;
}

static bool generations_wrap_around(void)
{
	static const char * const programs[] = {
		"A0F*", "A1F*", "R0F*", "F0A0", "F0F*", "F0R0", "R0R*", "A0F0",
	};
	static const unsigned int nr = sizeof(programs) / sizeof(programs[0]);
	static const u32 generations[] = { U32_MAX - 1, U32_MAX };
	struct beginning beginning;
	unsigned int i, k, set;

	for (set = 0; set < 4; set++)
		for (i = 0; i < nr; i++)
			for (k = i; k < nr; k++) {
				beginning = beginning_of(set & 2 ? "a" : "f", 1, 2, 0);
				beginning.generation = generations[set & 1];
				if (!run_pair(&beginning, programs[i], programs[k]))
					return false;
			}
	return true;
}

static void run_set(bool (*set)(void), const char *name)
{
	struct totals before = totals;
	bool ok = set();

	printf("# %s: %llu pairs, %llu states, %llu ends; %llu histories run one by one\n", name,
	       (unsigned long long)(totals.scenarios - before.scenarios),
	       (unsigned long long)(totals.merged_states - before.merged_states),
	       (unsigned long long)(totals.end_states - before.end_states),
	       (unsigned long long)(totals.run_histories - before.run_histories));
	result(ok, name);
	if (!ok) {
		printf("Bail out! What was found first may explain the rest.\n");
		exit(1);
	}
}

static void print_totals(void)
{
	printf("# %llu pairs of programs, %llu states, %llu of them ends, met in %.3g histories\n",
	       (unsigned long long)totals.scenarios, (unsigned long long)totals.merged_states,
	       (unsigned long long)totals.end_states, totals.merged_histories);
	printf("# of these, %llu histories of %llu pairs were run one by one, in %llu steps\n",
	       (unsigned long long)totals.run_histories, (unsigned long long)totals.run_scenarios,
	       (unsigned long long)totals.run_steps);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		most = strtoull(argv[1], NULL, 10);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..9\n");
	run_set(generations_wrap_around, "generations_wrap_around");
	run_set(virtual_budget, "virtual_budget");
	run_set(physical_budget, "physical_budget");
	run_set(one_call_each, "one_call_each");
	run_set(two_calls_each, "two_calls_each");
	run_set(three_calls_each, "three_calls_each");
	run_set(four_regions, "four_regions");
	run_set(kept_regions, "kept_regions");
	print_totals();
	result(totals.run_histories >= AT_LEAST_RUN, "at_least_a_million_run_one_by_one");
	return failures ? 1 : 0;
}
