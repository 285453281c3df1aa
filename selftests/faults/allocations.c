// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call with its 1st, 2nd, ... n-th allocation, or copy to or from user
 * space, failing, until none is left to fail: a documented error or success,
 * counters that equal a walk, nothing half done, a pool that works, nothing lost.
 *
 *   allocations [--rounds N] [--case NAME]
 */
#include "run.h"
#include "case_access.h"
#include "case_file.h"
#include "case_netlink.h"
#include "leak.h"
#include "sweep.h"

/* A further table of calls is one line here. */
static const struct table {
	const struct fault_case *cases;
	unsigned int count;
} tables[] = {
	{ cases_file, ARRAY_SIZE(cases_file) },
	{ cases_ioctl, ARRAY_SIZE(cases_ioctl) },
	{ cases_access, ARRAY_SIZE(cases_access) },
	{ cases_netlink, ARRAY_SIZE(cases_netlink) },
};

static const char *const mode_names[] = { "strict", "pinnable", "huge" };

static unsigned long rounds = 1;
static const char *only;

static const struct run_option options[] = {
	{ "--rounds", &rounds, "how often all is done", NULL },
	{ "--case", NULL, "only this one, for example alloc_populate", &only },
	{ NULL, NULL, NULL, NULL },
};

/*
 * Processes go through a case until nothing is left of them. What the first one leaves
 * the kernel may keep ready from then on; it is counted anew from there, with so many
 * more. One page or one object lost by each of those is more than is tolerated; the
 * kernel's own caches were seen to grow by two pages meanwhile.
 */
#define JUDGED		4
#define TOLERATED	(3 * SP_PAGE)

struct job {
	const struct fault_case *what;
	uint32_t mode;
	unsigned int number;
	/* Shared with the parent. */
	struct sweep_result *result;
};

static struct leak leak;

/* In rounds of their own, which for a case with a step fail other places. */
static int do_job(void *argument)
{
	struct job *job = argument;
	unsigned long round;

	if (leak_enter(&leak) || inject_open())
		return 1;
	/* What happens once in a process is no part of the call. */
	sp_touch(job);
	for (round = 0; round < rounds && !job->result->wrong[0]; round++)
		sweep_round(job->what, job->mode, job->number * rounds + round, job->result);
	return 0;
}

/* In a child, so that all that it was charged with must be gone afterwards. */
static const char *job_run_once(struct job *job)
{
	static char text[96];
	int status = sp_in_child(do_job, job);

	if (job->result->wrong[0])
		return job->result->wrong;
	snprintf(text, sizeof(text), "its process ended with status %d", status);
	return status ? text : NULL;
}

/* @lost: by those together that were counted last. */
static const char *job_run(struct job *job, uint64_t *lost)
{
	const char *wrong = NULL;
	static char text[96];

	*lost = 1;
	for (job->number = 0; job->number <= JUDGED && *lost && !wrong; job->number++) {
		if (job->number <= 1)
			leak_mark(&leak);
		wrong = job_run_once(job);
		/* Not worth waiting for where more will follow. */
		*lost = leak_bytes(&leak, job->number ? TOLERATED : UINT64_MAX / 2);
	}
	snprintf(text, sizeof(text), "%llu bytes are lost", (unsigned long long)*lost);
	return wrong ?: *lost > TOLERATED ? text : NULL;
}

static void test_case(const struct fault_case *what, uint32_t mode, struct sweep_result *result)
{
	struct job job = { .what = what, .mode = mode, .result = result };
	uint64_t begun = sp_now_ms(), lost;
	const char *wrong;
	char name[96];

	memset(result, 0, sizeof(*result));
	snprintf(name, sizeof(name), "%s.%s", mode_names[mode], what->name);
	wrong = job_run(&job, &lost);
	ksft_print_msg("%s: %u failures: tolerated %u, refused %u; %llu bytes left, %llu ms\n", name,
		       result->places, result->succeeded, result->refused, (unsigned long long)lost,
		       (unsigned long long)(sp_now_ms() - begun));
	if (what->no_places)
		ksft_print_msg("%s: %s\n", name, what->no_places);
	run_result(name, wrong);
}

static bool selected(const struct fault_case *what, uint32_t mode)
{
	if (only && strcmp(only, what->name))
		return false;
	return what->only_mode ? what->only_mode == mode + 1 : mode != SEGPOOL_MODE_HUGE;
}

/* Returns how many there are; without a @result they are only counted. */
static unsigned int test_table(const struct table *table, uint32_t mode,
			       struct sweep_result *result)
{
	unsigned int i, count = 0;

	for (i = 0; i < table->count; i++) {
		if (!selected(&table->cases[i], mode))
			continue;
		count++;
		if (result)
			test_case(&table->cases[i], mode, result);
	}
	return count;
}

static unsigned int test_all(struct sweep_result *result)
{
	unsigned int i, mode, count = 0;

	for (mode = 0; mode < ARRAY_SIZE(mode_names); mode++)
		for (i = 0; i < ARRAY_SIZE(tables); i++)
			count += test_table(&tables[i], mode, result);
	return count;
}

/* As the kernel counts them. */
static void report_failures(uint64_t spent_ms)
{
	uint64_t all = inject_count_all();

	ksft_print_msg("%llu injected failures (%llu slab, %llu page, %llu user copy), %.1f a second\n",
		       (unsigned long long)all, (unsigned long long)inject_count(INJECT_SLAB),
		       (unsigned long long)inject_count(INJECT_PAGE),
		       (unsigned long long)inject_count(INJECT_USERCOPY),
		       all * 1000.0 / (spent_ms + 1));
}

int main(int argc, char **argv)
{
	const char *missing, *no_kmemleak;
	struct sweep_result *result;
	uint64_t begun;

	run_options(argc, argv, options);
	ksft_print_header();
	missing = inject_begin();
	if (missing)
		ksft_exit_skip("%s\n", missing);
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (result == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	ksft_set_plan(test_all(NULL) + 2);
	no_kmemleak = leak_scan_begin();
	leak_begin(&leak);
	if (!leak.works)
		ksft_print_msg("no memory cgroups: lost pages go unnoticed\n");

	begun = sp_now_ms();
	test_all(result);
	report_failures(sp_now_ms() - begun);
	run_result("failures_were_injected", inject_count(INJECT_SLAB) + inject_count(INJECT_PAGE) ?
		   NULL : "the kernel has not failed any allocation");
	leak_result(no_kmemleak, "[segpool]");
	leak_end(&leak);
	ksft_finished();
}
