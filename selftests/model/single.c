// SPDX-License-Identifier: GPL-2.0-only
/* One actor with pools of its own: histories that are compared after every step. */
#include "model.h"
#include "dirty.h"
#include <stdlib.h>

/*
 * Everything is compared after so many steps; the counters of all pools, and the pages that a step
 * touched, after each.
 */
#define CHECK_ALL_EVERY 64

/* A history that has not ended after so many seconds hangs. */
#define HISTORY_SECONDS 120

void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		fprintf(stderr, "no memory for %zu bytes\n", size);
		abort();
	}
	return memory;
}

/* The call as C, with the values that hold before it is made. */
static char *describe(struct actor *actor, const struct op *op)
{
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		abort();
	op_kinds[op->kind].print(actor, op, file);
	fclose(file);
	return text;
}

static bool describe_and_step(struct actor *actor, const struct op *op, uint32_t number,
			      FILE *program)
{
	struct answer answer;
	char *text;
	bool ran;

	if (!program)
		return actor_step(actor, op, &answer);
	text = describe(actor, op);
	ran = actor_step(actor, op, &answer);
	if (ran)
		fprintf(program, "\tstep(%u, %s, %ld);\n", number, text, actor->expected);
	free(text);
	return ran;
}

static void run_steps(struct history *history, struct actor *actor, bool generate, FILE *program)
{
	struct op *op;

	for (history->done = 0; history->done < history->length && !actor->failed;
	     history->done += !actor->failed) {
		op = &history->ops[history->done];
		if (generate)
			actor_generate(actor, op);
		if (describe_and_step(actor, op, history->done, program))
			history->ran[op->kind]++;
		else
			history->skipped[op->kind]++;
		if (!actor->failed && history->done % CHECK_ALL_EVERY == CHECK_ALL_EVERY - 1)
			check_all(actor);
	}
	if (!actor->failed)
		check_all(actor);
}

/* -1: what is compared at the end. */
static void note_failed_kind(struct history *history)
{
	history->failed_kind = history->failed && history->done < history->length ?
			       history->ops[history->done].kind : -1;
}

/* In this process; leaves nothing of it behind. */
static void run_here(struct history *history, uint64_t seed, uint32_t block,
		     const struct options *options, bool generate, FILE *program)
{
	static struct sp_pool kernel[MAX_POOLS];
	static struct actor actor;
	uint32_t i;

	memset(&actor, 0, sizeof(actor));
	actor.kernel = kernel;
	actor.block = block;
	actor.modes = options->modes;
	actor.disk = open_disk();
	actor.steps = options->processes > 1 ? open_steps() : -1;
	actor.disturbances_seen = disturbances_seen(0);
	for (i = 0; i < MAX_POOLS; i++)
		kernel[i] = (struct sp_pool){ .fd = -1 };
	if (actor_begin(&actor, seed))
		abort();
	/* Enough to notice sooner or later; a history that is run again has to fail again. */
	dirty_free_memory(generate ? 256 * SP_KIB : 4 * SP_MIB);
	alarm(HISTORY_SECONDS);
	run_steps(history, &actor, generate, program);
	alarm(0);
	history->failed = actor.failed;
	memcpy(history->mismatch, actor.mismatch, sizeof(history->mismatch));
	history->kind_of_mismatch = actor.kind_of_mismatch;
	note_failed_kind(history);
	actor_end(&actor);
	step_with_others(actor.steps);
	for (i = 0; i < MAX_POOLS; i++)
		sp_pool_close(&kernel[i]);
	if (actor.steps >= 0)
		close(actor.steps);
}

struct replay {
	struct history *history;
	uint64_t seed;
	const struct options *options;
	FILE *program;
};

static int replay_in_child(void *argument)
{
	struct replay *replay = argument;

	run_here(replay->history, replay->seed, 0, replay->options, false, replay->program);
	fflush(NULL);
	return 0;
}

static void note_death(struct history *history, int status)
{
	if (!status)
		return;
	history->failed = true;
	history->kind_of_mismatch = "died";
	note_failed_kind(history);
	snprintf(history->mismatch, sizeof(history->mismatch), "the program ended with status %d%s",
		 status, status == 128 + SIGALRM ? ": a call did not return" : "");
}

/* Runs the operations of @history anew, in a process of its own. */
void history_run(struct history *history, uint64_t seed, uint32_t modes, FILE *program)
{
	struct options options = { .modes = modes };
	struct replay replay = { .history = history, .seed = seed, .options = &options,
				 .program = program };

	memset(history->ran, 0, sizeof(history->ran));
	memset(history->skipped, 0, sizeof(history->skipped));
	history->failed = false;
	history->mismatch[0] = '\0';
	note_death(history, sp_in_child(replay_in_child, &replay));
}

static void add_totals(struct totals *totals, const struct history *history)
{
	uint32_t i;

	for (i = 0; i < nr_op_kinds; i++) {
		totals->ran[i] += history->ran[i];
		totals->skipped[i] += history->skipped[i];
		totals->operations += history->ran[i];
	}
	totals->histories++;
}

struct worker {
	const struct options *options;
	struct totals *totals;
	struct history *history;
	uint32_t number;
	_Atomic uint64_t *next_seed;
	uint64_t seed;
};

static int work(void *argument)
{
	struct worker *worker = argument;
	struct history *history = worker->history;

	while (worker->totals->operations < worker->options->operations &&
	       !worker->totals->mismatches) {
		worker->seed = (*worker->next_seed)++;
		memset(history, 0, sizeof(*history));
		history->length = MAX_HISTORY;
		run_here(history, worker->seed, worker->number, worker->options, true, NULL);
		add_totals(worker->totals, history);
		if (history->failed) {
			worker->totals->mismatches++;
			return 1;
		}
	}
	return 0;
}

static void report(struct history *history, uint64_t seed, const struct options *options)
{
	printf("# MISMATCH, seed %llu, step %u: %s\n", (unsigned long long)seed, history->done,
	       history->mismatch);
	fflush(stdout);
	history->length = history->done + 1 < MAX_HISTORY ? history->done + 1 : MAX_HISTORY;
	history_shrink(history, seed, options->modes);
	history_print(history, seed, options->modes);
}

static int finish_workers(struct worker *workers, pid_t *children, uint32_t nr)
{
	int failed = 0;
	uint32_t i;
	int status;

	for (i = 0; i < nr; i++) {
		status = sp_wait_child(children[i]);
		if (!status)
			continue;
		if (status != 1) {
			note_death(workers[i].history, status);
			workers[i].totals->mismatches++;
		}
		if (!failed++)
			report(workers[i].history, workers[i].seed, workers[i].options);
	}
	return failed;
}

/* Histories in @processes processes until there are enough operations: 0, or how many failed. */
int run_single(const struct options *options, struct totals *totals)
{
	uint32_t i, nr = options->processes ? options->processes : 1;
	struct worker *workers = shared_memory(nr * sizeof(*workers));
	_Atomic uint64_t *next_seed = shared_memory(sizeof(*next_seed));
	struct history *histories = shared_memory(nr * sizeof(*histories));
	pid_t children[64];

	*next_seed = options->seed;
	for (i = 0; i < nr; i++) {
		workers[i] = (struct worker){ .options = options, .totals = totals,
					      .history = &histories[i], .number = i,
					      .next_seed = next_seed };
		children[i] = sp_start_child(work, &workers[i]);
		if (children[i] < 0)
			return 1;
	}
	return finish_workers(workers, children, nr);
}
