// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals at every moment of a call. One that is handled ends a wait, with EINTR
 * or with what was done until then, and nothing else; a deadly one ends anything
 * soon. Nothing is lost.
 *
 *   signals [--steps N] [--kills N]
 */
#include "run.h"
#include "case_signal.h"
#include "interrupt.h"
#include "deadly.h"

static unsigned long steps = 6, kills = 4;

static const struct run_option options[] = {
	{ "--steps", &steps, "moments at which a signal comes", NULL },
	{ "--kills", &kills, "moments at which a deadly one comes", NULL },
	{ NULL, NULL, NULL, NULL },
};

static void test_handled(const struct fault_case *what, int flags)
{
	struct interrupt_sweep sweep = { .calls = 0 };
	char name[96];

	snprintf(name, sizeof(name), "%s.%s", flags & SA_RESTART ? "restarting" : "handled",
		 what->name);
	interrupt_sweep(what, SEGPOOL_MODE_STRICT, flags, steps, &sweep);
	ksft_print_msg("%s: %u calls, a signal in %u of them\n", name, sweep.calls,
		       sweep.interrupted);
	run_result(name, sweep.wrong[0] ? sweep.wrong : NULL);
}

static void test_deadly(const char *kind, const struct fault_case *what, const char *wrong)
{
	char name[96];

	snprintf(name, sizeof(name), "%s.%s", kind, what->name);
	run_result(name, wrong);
}

/* Those whose progress can be seen from outside: neighbours come all at once. */
static bool is_batch(const struct fault_case *what)
{
	return what->call == call_free || what->call == call_ranges ||
	       (what->call == call_alloc && what->flags == SEGPOOL_POPULATE);
}

static void test_all(const struct fault_case *cases, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		test_handled(&cases[i], 0);
		test_handled(&cases[i], SA_RESTART);
		test_deadly("killed", &cases[i], deadly_sweep(&cases[i], kills));
		if (is_batch(&cases[i]))
			test_deadly("killed_soon", &cases[i], deadly_soon(&cases[i]));
	}
}

static unsigned int count_batches(void)
{
	unsigned int i, count = 0;

	for (i = 0; i < ARRAY_SIZE(cases_long); i++)
		count += is_batch(&cases_long[i]);
	return count;
}

int main(int argc, char **argv)
{
	run_options(argc, argv, options);
	if (!steps)
		steps = 1;
	ksft_print_header();
	ksft_set_plan(3 * (ARRAY_SIZE(cases_waiting) + ARRAY_SIZE(cases_long)) + count_batches());
	test_all(cases_waiting, ARRAY_SIZE(cases_waiting));
	test_all(cases_long, ARRAY_SIZE(cases_long));
	ksft_finished();
}
