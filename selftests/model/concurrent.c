// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many actors that share pools. In rounds: all of them operate, then pause, and
 * everything is compared (session.c). After some rounds the pools are made anew.
 * Any number of processes does that at the same time; they may be killed.
 */
#include "concurrent.h"
#include <stdlib.h>

#define STEPS_A_ROUND	64
#define ROUNDS		16
/* A session that has not ended after so many seconds hangs. */
#define SESSION_SECONDS	240
#define PRESSED_BYTES	(1536 * SP_KIB)

struct process {
	const struct options *options;
	struct totals *totals;
	struct session_report *report;
	uint64_t seed;
	uint32_t number;
	const struct sp_cgroup *group;
};

static void note_step(struct session *session, struct actor *actor, const struct op *op, bool ran)
{
	if (ran) {
		session->totals->ran[op->kind]++;
		session->totals->operations++;
	} else {
		session->totals->skipped[op->kind]++;
	}
	(void)actor;
}

static void note_mismatch(struct session *session, const struct actor *actor, const struct op *op)
{
	uint32_t nobody = 0;

	if (!atomic_compare_exchange_strong(&session->report->failed, &nobody, actor->number))
		return;
	snprintf(session->report->text, sizeof(session->report->text), "actor %u, %s: %s",
		 actor->number, op ? op_kinds[op->kind].name : "at rest", actor->mismatch);
	session->totals->mismatches++;
}

static void operate(struct session *session, struct actor *actor)
{
	struct answer answer;
	struct op op;
	uint32_t i;

	for (i = 0; i < STEPS_A_ROUND && !session->report->failed; i++) {
		actor_generate(actor, &op);
		note_step(session, actor, &op, actor_step(actor, &op, &answer));
		if (actor->failed)
			note_mismatch(session, actor, &op);
	}
}

static void compare_at_rest(struct session *session)
{
	if (session->report->failed)
		return;
	session_compare(session);
	session->totals->pauses++;
	if (session->actor[0].failed)
		note_mismatch(session, &session->actor[0], NULL);
}

static void be_an_actor(void *argument, unsigned int member)
{
	struct session *session = argument;
	uint32_t round;

	for (round = 0; round < ROUNDS; round++) {
		operate(session, &session->actor[member]);
		pthread_barrier_wait(&session->rest);
		if (!member)
			compare_at_rest(session);
		pthread_barrier_wait(&session->rest);
	}
}

static void run_session(struct process *process, uint64_t seed)
{
	static struct session session;

	int error = session_begin(&session, process->options, seed, process->number * MAX_THREADS,
				  process->totals, process->report);

	if (!error) {
		alarm(SESSION_SECONDS);
		sp_team_run(session.nr_actors, be_an_actor, &session);
		alarm(0);
	} else if (error != -ENOMEM || !process->options->pressed) {
		note_mismatch(&session, &session.actor[0], NULL);
	}
	session_end(&session);
	process->totals->histories++;
}

static bool goes_on(const struct process *process)
{
	return !process->totals->mismatches &&
	       (process->options->kill ||
		process->totals->operations < process->options->operations);
}

static int be_a_process(void *argument)
{
	struct process *process = argument;
	uint64_t seed = process->seed;

	if (process->group && sp_cgroup_enter(process->group))
		return 2;
	while (goes_on(process))
		run_session(process, seed++);
	return process->report->failed ? 1 : 0;
}

static void report_process(const struct process *process, int status)
{
	printf("# MISMATCH, seed %llu, %u threads: %s\n", (unsigned long long)process->seed,
	       process->options->threads, process->report->failed ? process->report->text :
	       "the process ended early");
	if (status > 1)
		printf("# the process ended with status %d%s\n", status,
		       status == 128 + SIGALRM ? ": somebody did not come back" : "");
}

/* Kill each process at some moment, start another in its place, until there were enough. */
static void kill_them(struct process *processes, pid_t *children, uint32_t nr, uint64_t kills)
{
	uint64_t random = processes[0].seed;
	uint32_t victim;

	for (; kills && !processes[0].totals->mismatches; kills--) {
		victim = sp_random(&random) % nr;
		sp_sleep_ms(20 + sp_random(&random) % 200);
		kill(children[victim], SIGKILL);
		if (sp_wait_child(children[victim]) != 128 + SIGKILL)
			break;
		processes[0].totals->kills++;
		processes[victim].seed += 1000;
		children[victim] = sp_start_child(be_a_process, &processes[victim]);
	}
	for (victim = 0; victim < nr; victim++)
		kill(children[victim], SIGKILL);
}

/*
 * In a cgroup without memory it may come to the worst, by page tables, stacks
 * and pipes, which are not the module's to refuse: then another one goes on.
 */
static int wait_for_process(struct process *process, pid_t child)
{
	int status = sp_wait_child(child);

	while (process->options->pressed && status == 128 + SIGKILL && goes_on(process)) {
		process->totals->kills++;
		process->seed += 1000;
		status = sp_in_child(be_a_process, process);
	}
	return status;
}

static int finish_processes(struct process *processes, const pid_t *children, uint32_t nr)
{
	int failed = 0, status;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		status = wait_for_process(&processes[i], children[i]);
		if (!status || (status == 128 + SIGKILL &&
				(processes[i].options->kill || processes[i].options->pressed)))
			continue;
		report_process(&processes[i], status);
		if (!processes[i].report->failed)
			processes[i].totals->mismatches++;
		failed++;
	}
	return failed;
}

/* Room for what the processes need themselves, and not for all that their pools may want. */
static int begin_pressure(struct sp_cgroup *group, uint32_t processes)
{
	return sp_cgroup_make(group, "segpool-model", processes * PRESSED_BYTES);
}

int run_concurrent(const struct options *options, struct totals *totals)
{
	uint32_t i, nr = options->processes ? options->processes : 1;
	struct process *processes = shared_memory(nr * sizeof(*processes));
	struct sp_cgroup group;
	pid_t children[64];
	int failed;

	if (options->pressed && begin_pressure(&group, nr))
		return -1;
	for (i = 0; i < nr; i++) {
		processes[i] = (struct process){
			.options = options, .totals = totals, .seed = options->seed + i * 1000000,
			.number = i,
			.report = shared_memory(sizeof(struct session_report)),
			.group = options->pressed ? &group : NULL };
		children[i] = sp_start_child(be_a_process, &processes[i]);
		if (children[i] < 0)
			return 1;
	}
	if (options->kill)
		kill_them(processes, children, nr, options->operations);
	failed = finish_processes(processes, children, nr);
	if (options->pressed) {
		printf("# the cgroup's oom_kill: %llu\n", (unsigned long long)
		       sp_cgroup_field(&group, "memory.events", "oom_kill"));
		sp_cgroup_remove(&group);
	}
	return failed;
}
