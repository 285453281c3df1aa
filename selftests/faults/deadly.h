/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls that are killed: at many moments, and soon enough. */
#ifndef SEGPOOL_FAULTS_DEADLY_H
#define SEGPOOL_FAULTS_DEADLY_H

#include <sched.h>
#include "interrupt.h"

/* A kill must land in the middle of a call once in so many tries. */
#define DEADLY_TRIES	100
/* Of MANY entries, or of their pages: then it is killed. */
#define DEADLY_BEGUN	4

/* Of the child's, in memory that it shares with its parent. */
struct deadly {
	struct scene scene;
	uint64_t delay_ns, spent_ns;
	const struct fault_case *what;
	uint32_t mode;
	atomic_int calling, returned;
};

static struct deadly *deadly_make(const struct fault_case *what)
{
	struct deadly *deadly = mmap(NULL, sizeof(*deadly), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (deadly == MAP_FAILED)
		abort();
	deadly->what = what;
	return deadly;
}

static void deadly_end(struct deadly *deadly)
{
	munmap(deadly, sizeof(*deadly));
}

/* Its own SIGKILL comes after a delay; with the delay 0 it is left to the parent. */
static int deadly_call(void *argument)
{
	struct deadly *deadly = argument;
	uint64_t begun;

	if (scene_make(&deadly->scene, deadly->what, deadly->mode, 0))
		return 1;
	if (deadly->delay_ns)
		interrupt_arm(SIGKILL, deadly->delay_ns);
	deadly->calling = 1;
	begun = interrupt_now_ns();
	deadly->what->call(&deadly->scene);
	deadly->spent_ns = interrupt_now_ns() - begun;
	deadly->returned = 1;
	for (;;)
		pause();
	return 0;
}

/* How long the call takes: it is killed later and later until it had ended before. */
static const char *deadly_measure(struct deadly *deadly)
{
	deadly->delay_ns = 50000000;
	do {
		deadly->delay_ns *= 2;
		if (sp_in_child(deadly_call, deadly) != 128 + SIGKILL)
			return "the process has failed, or has not been killed";
	} while (!deadly->returned);
	return gauges_left();
}

static SP_UNUSED const char *deadly_sweep(const struct fault_case *what, unsigned int steps)
{
	struct deadly *deadly = deadly_make(what);
	const char *wrong = deadly_measure(deadly);
	unsigned int i;

	for (i = 0; i < steps && !wrong; i++) {
		deadly->mode = i % 2;
		deadly->delay_ns = deadly->spent_ns * 5 / 4 * i / steps + 1;
		if (sp_in_child(deadly_call, deadly) != 128 + SIGKILL)
			wrong = "the process has failed, or has not been killed";
		wrong = wrong ?: gauges_left();
	}
	/* What the scene changed for all pools. */
	sp_set_module_parameter("ceiling_mib", 0);
	deadly_end(deadly);
	return wrong;
}

/* --- soon enough: the call must not go on to its end --- */

/* How many of its entries, or regions, the call has done. */
static unsigned int deadly_progress(const struct deadly *deadly, uint64_t pages_before)
{
	volatile const struct scene *scene = &deadly->scene;
	unsigned int i, done = 0;

	if (deadly->what->call == call_alloc)
		return (sp_module_counter("system_pages") - pages_before) * SP_PAGE / SP_SMALL;
	for (i = 0; i < scene->held; i++)
		done += deadly->what->call == call_free ? !scene->entries[i].error :
							  !scene->ranges[i].error;
	return done;
}

/* Returns how much was done when it was dead, or MANY. */
static unsigned int deadly_once(struct deadly *deadly)
{
	uint64_t pages_before = sp_module_counter("system_pages");
	pid_t child;

	deadly->calling = deadly->returned = 0;
	child = sp_start_child(deadly_call, deadly);
	while (!deadly->calling && !kill(child, 0))
		sched_yield();
	/* What the scene itself needed is not the call's. */
	if (deadly->what->prepare)
		pages_before = sp_module_counter("system_pages");
	while (!deadly->returned && deadly_progress(deadly, pages_before) < DEADLY_BEGUN)
		sched_yield();
	kill(child, SIGKILL);
	sp_wait_child(child);
	return deadly->returned ? MANY : deadly_progress(deadly, pages_before);
}

static SP_UNUSED const char *deadly_soon(const struct fault_case *what)
{
	struct deadly *deadly = deadly_make(what);
	const char *wrong = NULL;
	unsigned int i, done = MANY;

	for (i = 0; i < DEADLY_TRIES && done >= MANY && !wrong; i++) {
		deadly->mode = i % 2;
		done = deadly_once(deadly);
		wrong = gauges_left();
	}
	if (!wrong && done >= MANY)
		wrong = "it goes on to its end although it was killed";
	deadly_end(deadly);
	return wrong;
}

#endif /* SEGPOOL_FAULTS_DEADLY_H */
