// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread that is killed while it waits for another one, at each place of the
 * module where that can happen: it ends although the other one goes on holding
 * what it waits for, and nothing is lost.
 *
 *   contended [--rounds N] [--seed N] [--seconds N] [--place NAME]
 */
#include "run.h"
#include "case_contended.h"
#include "frozen.h"
#include "gauges.h"

#define LONGEST_US	3000
/* A thread that is not asleep is looked at again, so often. */
#define LOOKS		2000
/* As often it must be found asleep at the same place. */
#define SURE		3
#define DEATH_MS	60000
#define PLACES_MAX	4

static unsigned long rounds = 1, seed = 1, seconds = 240;
static const char *only;

static const struct run_option options[] = {
	{ "--rounds", &rounds, "how often all is done", NULL },
	{ "--seed", &seed, "of the random choices", NULL },
	{ "--seconds", &seconds, "how long a thread is expected at a place", NULL },
	{ "--place", NULL, "only this one, for example free_waits_for_the_region", &only },
	{ NULL, NULL, NULL, NULL },
};

static uint64_t random_state;

/* --- the processes that wait and hold --- */

static void *waiter_main(void *argument)
{
	struct contention *contention = argument;

	frozen_pin(FROZEN_WAITER);
	contention->waiter = gettid();
	for (;;) {
		contention->place->wait(contention);
		contention->waited++;
	}
	return NULL;
}

static int outsider_main(void *argument)
{
	waiter_main(argument);
	return 0;
}

static const char *judge_pool(struct scene *scene)
{
	const char *wrong = sp_drift(&scene->pool);

	return wrong ?: scene_trial(scene);
}

static int holder_main(void *argument)
{
	struct contention *contention = argument;
	const char *wrong;
	pthread_t thread;

	frozen_pin(FROZEN_WAITER);
	contention->process = getpid();
	if (scene_make(&contention->scene, &contention->place->what, contention->scene.mode, 0))
		return 1;
	if (!contention->place->outside && pthread_create(&thread, NULL, waiter_main, contention))
		return 1;
	frozen_pin(FROZEN_HOLDER);
	contention->holder = gettid();
	while (!contention->over) {
		contention->place->hold(contention);
		contention->held++;
	}
	wrong = judge_pool(&contention->scene);
	if (wrong)
		snprintf(contention->wrong, sizeof(contention->wrong), "%s", wrong);
	return wrong != NULL;
}

/* --- while the holder is frozen --- */

static bool is_the_place(const struct contended_place *place, const struct frozen_look *look)
{
	return look->asleep && look->place[0] && !strncmp(look->place, place->in, strlen(place->in)) &&
	       strstr(look->stack, place->under);
}

static void look_at_waiter(struct contention *contention, struct frozen_look *look)
{
	frozen_look_at(contention->place->outside ? contention->waiter : contention->process,
		       contention->waiter, look);
}

/* Does it sleep at the place, and stay there? One that has gone on does not wait for the holder. */
static bool waits_there(struct contention *contention, struct frozen_look *look)
{
	unsigned long waited = contention->waited;
	unsigned int i, sure = 0;
	char first[sizeof(look->place)] = "";

	for (i = 0; i < LOOKS && contention->waited - waited < 2; i++) {
		look_at_waiter(contention, look);
		if (!look->asleep)
			continue;
		if (!is_the_place(contention->place, look) || (sure && strcmp(first, look->place)))
			return false;
		memcpy(first, look->place, sizeof(first));
		if (++sure == SURE)
			return true;
	}
	return false;
}

/* NULL once it waits no longer, with the holder as it was. */
static const char *kill_waiter(struct contention *contention, const struct frozen_look *before)
{
	uint64_t end = sp_now_ms() + DEATH_MS;
	unsigned long held = contention->held;
	struct frozen_look look;

	kill(contention->place->outside ? contention->waiter : contention->process, SIGKILL);
	do {
		look_at_waiter(contention, &look);
		if (sp_now_ms() > end)
			return "it is killed, and goes on waiting";
	} while (strstr(look.stack, before->place));
	return held == contention->held ? NULL : "the holder was not frozen";
}

/* --- one kill at one place --- */

/* Places that were met; another one is wanted. */
struct met {
	char places[PLACES_MAX][96];
	unsigned int count, freezes;
};

static bool is_met(const struct met *met, const char *place)
{
	unsigned int i;

	for (i = 0; i < met->count; i++)
		if (!strcmp(met->places[i], place))
			return true;
	return false;
}

static const char *freeze_until_it_waits(struct contention *contention, struct met *met)
{
	uint64_t end = sp_now_ms() + seconds * 1000;
	struct frozen_look look;

	do {
		frozen_let_run(&random_state, LONGEST_US);
		met->freezes++;
		if (!waits_there(contention, &look) || is_met(met, look.place))
			continue;
		memcpy(met->places[met->count++], look.place, sizeof(look.place));
		return kill_waiter(contention, &look);
	} while (sp_now_ms() < end);
	return "no thread was ever seen to wait there";
}

static int both_run(void *argument)
{
	struct contention *contention = argument;

	return contention->held && contention->waited;
}

static const char *end_of_holder(struct contention *contention, pid_t child, const char *wrong)
{
	int status;

	contention->over = 1;
	if (wrong || !contention->place->outside)
		kill(child, SIGKILL);
	status = sp_wait_child(child);
	if (!wrong && contention->place->outside && status)
		wrong = contention->wrong[0] ? contention->wrong : "the pool's process has failed";
	return wrong ?: gauges_left();
}

static const char *contend_once(struct contention *contention, struct met *met)
{
	pid_t holder, outsider = 0;
	const char *wrong = NULL;

	holder = sp_start_child(holder_main, contention);
	while (contention->place->outside && !contention->holder && !kill(holder, 0))
		sp_sleep_ms(1);
	if (contention->place->outside)
		outsider = sp_start_child(outsider_main, contention);
	if (!sp_wait_until(both_run, contention, 60000))
		wrong = "the scene cannot be made";
	wrong = wrong ?: freeze_until_it_waits(contention, met);
	if (outsider > 0) {
		kill(outsider, SIGKILL);
		sp_wait_child(outsider);
	}
	return end_of_holder(contention, holder, wrong);
}

static const char *contend(const struct contended_place *place, uint32_t mode, struct met *met)
{
	struct contention *contention = mmap(NULL, sizeof(*contention), PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static char text[256];
	const char *wrong;

	if (contention == MAP_FAILED)
		return "no memory";
	contention->place = place;
	contention->scene.mode = mode;
	contention->file = -1;
	wrong = contend_once(contention, met);
	if (wrong)
		snprintf(text, sizeof(text), "%s", wrong);
	munmap(contention, sizeof(*contention));
	return wrong ? text : NULL;
}

/* --- all --- */

static void print_met(const char *name, const struct met *met, uint64_t spent_ms)
{
	unsigned int i;

	for (i = 0; i < met->count; i++)
		ksft_print_msg("%s: killed in %s\n", name, met->places[i]);
	ksft_print_msg("%s: %u times frozen, %llu ms\n", name, met->freezes,
		       (unsigned long long)spent_ms);
}

static void test_place(const struct contended_place *place, uint32_t mode)
{
	struct met met = { .count = 0 };
	uint64_t begun = sp_now_ms();
	const char *wrong = NULL;
	unsigned long round;
	char name[96];

	snprintf(name, sizeof(name), "%s.%s", mode == SEGPOOL_MODE_STRICT ? "strict" : "pinnable",
		 place->name);
	for (round = 0; round < rounds && !wrong; round++) {
		met.count = 0;
		do {
			wrong = contend(place, mode, &met);
		} while (!wrong && met.count < place->places);
	}
	print_met(name, &met, sp_now_ms() - begun);
	run_result(name, wrong);
}

static bool is_wanted(const struct contended_place *place, uint32_t mode)
{
	if (only && strcmp(only, place->name))
		return false;
	return !place->only_without_gup ||
	       (mode == SEGPOOL_MODE_STRICT && sp_kernel_before(7, 2));
}

/* Returns how many there are; without @run they are only counted. */
static unsigned int all_places(bool run)
{
	unsigned int i, count = 0;
	uint32_t mode;

	for (mode = 0; mode < 2; mode++)
		for (i = 0; i < ARRAY_SIZE(contended_places); i++) {
			if (!is_wanted(&contended_places[i], mode))
				continue;
			count++;
			if (run)
				test_place(&contended_places[i], mode);
		}
	return count;
}

int main(int argc, char **argv)
{
	const char *missing;

	run_options(argc, argv, options);
	random_state = seed;
	ksft_print_header();
	missing = frozen_begin();
	if (missing) {
		frozen_end();
		ksft_exit_skip("%s\n", missing);
	}
	ksft_set_plan(all_places(false));
	all_places(true);
	frozen_end();
	ksft_finished();
}
