// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading the module with the 1st, 2nd, ... n-th allocation
 * failing: it is loaded and works, or it is not and has left nothing.
 *
 * All places from the call of the module's init function on are tried, and all of
 * unloading. The kernel's loader comes first. Its places are left out up to the
 * module's parameters, since it warns (WARN_ON_ONCE) where trace events cannot be
 * registered; of those from there to the module's only each --step-th is tried.
 *
 *   loading [--rounds N] [--step N]
 *
 * SEGPOOL_KO names the module's file; without it /segpool/segpool.ko is tried.
 */
#include "run.h"
#include "initcall.h"
#include "inject.h"
#include "leak.h"
#include "module.h"

static unsigned long rounds = 1, step = 8;

static const struct run_option options[] = {
	{ "--rounds", &rounds, "how often all is done", NULL },
	{ "--step", &step, "of the loader's places, not the module's, only each so many-th", NULL },
	{ NULL, NULL, NULL, NULL },
};

/* More than there can be. */
#define PLACES_END	1000000U
/* The module's init function and what follows have more. */
#define OWN_LEAST	16
/* After so many attempts the module is loaded and used in between. */
#define TRIAL_EVERY	8

struct loading {
	char wrong[256];
	unsigned int failures, tolerated;
	/* The last attempt came to the module's init function. */
	bool in_module;
};

static void note(struct loading *loading, const char *call, unsigned int nth, int result,
		 const char *wrong)
{
	if (!loading->wrong[0])
		snprintf(loading->wrong, sizeof(loading->wrong), "%s, failure %u, result %d: %s", call,
			 nth, result, wrong);
}

/* Returns whether something failed. */
static bool load_failing(unsigned int nth, const char *parameters, int *result)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	bool failed;

	inject_arm(nth);
	*result = module_load_with(fd, parameters);
	failed = inject_disarm();
	close(fd);
	return failed;
}

static bool unload_failing(unsigned int nth, int *result)
{
	inject_arm(nth);
	*result = module_unload();
	return inject_disarm();
}

/* After a load that failed, or did not; the module is unloaded before and afterwards. */
static void judge_load(struct loading *loading, unsigned int nth, int result)
{
	const char *wrong = NULL;
	bool loaded = !result;

	if (result && result != -ENOMEM && result != -EFAULT)
		wrong = "an error other than ENOMEM and EFAULT";
	if (!wrong && result)
		wrong = module_remains();
	if (!wrong && result && !(nth % TRIAL_EVERY)) {
		loaded = true;
		wrong = module_load() ? "it cannot be loaded afterwards" : NULL;
	}
	if (!wrong && loaded)
		wrong = module_trial();
	if (!wrong && loaded && !sp_wait_until(module_is_unloaded, NULL, 60000))
		wrong = "it cannot be unloaded afterwards";
	if (wrong)
		note(loading, "loading", nth, result, wrong);
}

static bool load_once(struct loading *loading, unsigned int nth)
{
	uint64_t called = initcall_count();
	bool failed;
	int result;

	failed = load_failing(nth, module_parameters, &result);
	/* Nobody else loads modules here. */
	loading->in_module = initcall_count() != called;
	loading->failures += failed;
	loading->tolerated += failed && !result;
	if (!failed && result)
		note(loading, "loading", nth, result, "it fails without an injected failure");
	judge_load(loading, nth, result);
	return failed && !loading->wrong[0];
}

/* How many places can fail until loading has come to its end, good or bad. */
static unsigned int count_places(const char *parameters)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	unsigned int places;

	inject_arm(PLACES_END);
	module_load_with(fd, parameters);
	places = inject_disarm_unreached(PLACES_END);
	close(fd);
	return places;
}

/* From the last place back to the first one of which the module's init saw nothing. */
static unsigned int sweep_own(struct loading *loading, unsigned int all)
{
	unsigned int nth = all + 1;

	do {
		load_once(loading, --nth);
	} while (loading->in_module && !loading->wrong[0]);
	return nth;
}

static void sweep_load(struct loading *loading, unsigned int round)
{
	/* Loading comes to its parameters, and one is bad, before it comes to the module. */
	unsigned int parameters = count_places("virtual_mib=none");
	unsigned int all = count_places(module_parameters);
	uint64_t begun = sp_now_ms();
	unsigned int nth, end;

	if (!sp_wait_until(module_is_unloaded, NULL, 60000))
		note(loading, "loading", 0, 0, "it cannot be unloaded");
	end = sweep_own(loading, all);
	ksft_print_msg("loading: %u places, %u before the parameters; %u last ones in %llu ms\n",
		       all, parameters, all - end, (unsigned long long)(sp_now_ms() - begun));
	fflush(stdout);
	for (nth = parameters + 1 + round % step; nth < end && !loading->wrong[0]; nth += step)
		load_once(loading, nth);
	if (end <= parameters || end + OWN_LEAST > all)
		note(loading, "loading", end, 0, "the module's own places have not been found");
}

static bool unload_once(struct loading *loading, unsigned int nth)
{
	const char *wrong = NULL;
	bool failed;
	int result;

	if (module_load() || module_trial()) {
		note(loading, "unloading", nth, 0, "it cannot be loaded and used before");
		return false;
	}
	failed = unload_failing(nth, &result);
	loading->failures += failed;
	loading->tolerated += failed && !result;
	if (result)
		wrong = module_trial();
	if (!wrong && !sp_wait_until(module_is_unloaded, NULL, 20000))
		wrong = "it cannot be unloaded afterwards";
	wrong = wrong ?: module_remains();
	if (wrong)
		note(loading, "unloading", nth, result, wrong);
	return failed && !wrong;
}

static void sweep_unload(struct loading *loading, unsigned int round SP_UNUSED)
{
	unsigned int nth = 1;

	while (unload_once(loading, nth))
		nth++;
}

static void test(const char *name, void (*sweep)(struct loading *loading, unsigned int round))
{
	struct loading loading = { .failures = 0 };
	uint64_t begun = sp_now_ms();
	unsigned int round;

	for (round = 0; round < rounds && !loading.wrong[0]; round++)
		sweep(&loading, round);
	ksft_print_msg("%s: %u failures, %u of them tolerated, in %llu ms\n", name,
		       loading.failures, loading.tolerated,
		       (unsigned long long)(sp_now_ms() - begun));
	run_result(name, loading.wrong[0] ? loading.wrong : NULL);
}

int main(int argc, char **argv)
{
	const char *missing, *no_kmemleak;

	run_options(argc, argv, options);
	ksft_print_header();
	missing = inject_begin();
	missing = missing ?: module_missing();
	missing = missing ?: initcall_begin();
	if (missing)
		ksft_exit_skip("%s\n", missing);
	if (!step)
		step = 1;
	ksft_set_plan(4);
	module_remember();
	no_kmemleak = leak_scan_begin();
	if (!sp_wait_until(module_is_unloaded, NULL, 20000))
		ksft_exit_fail_msg("the module is in use\n");

	test("loading", sweep_load);
	sp_wait_until(module_is_unloaded, NULL, 20000);
	test("unloading", sweep_unload);
	module_load();
	run_result("loaded_again", module_trial());
	leak_result(no_kmemleak, "do_init_module");
	sp_trace_end();
	ksft_finished();
}
