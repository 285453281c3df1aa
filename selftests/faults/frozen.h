/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread that stands still in the kernel wherever it happens to be, with the
 * locks that it holds: a real-time thread has its processor. Others meet those
 * locks meanwhile, on another processor, and are looked at.
 */
#ifndef SEGPOOL_FAULTS_FROZEN_H
#define SEGPOOL_FAULTS_FROZEN_H

#include <sched.h>
#include <stdbool.h>
#include "../testing_memory.h"

/* Who holds runs here, as long as the calling thread sleeps; who waits runs there. */
#define FROZEN_HOLDER	1
#define FROZEN_WAITER	0

#define FROZEN_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"
#define FROZEN_PREEMPT	"/sys/kernel/debug/sched/preempt"
/* From 6.12 on: what ordinary threads of a processor get although a real-time one has it. */
#define FROZEN_FAIR	"/sys/kernel/debug/sched/fair_server/cpu1/runtime"

static char frozen_runtime[32], frozen_preempt[64], frozen_fair[32];

static SP_UNUSED void frozen_pin(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		abort();
}

/* Of "none voluntary (full)" the word in brackets, or "" where the kernel offers no choice. */
static void frozen_remember_preempt(void)
{
	char text[64] = "", *begin, *end;

	if (sp_read_file(FROZEN_PREEMPT, text, sizeof(text)) <= 0)
		text[0] = '\0';
	begin = strchr(text, '(');
	end = begin ? strchr(begin, ')') : NULL;
	if (!end)
		return;
	*end = '\0';
	snprintf(frozen_preempt, sizeof(frozen_preempt), "%s", begin + 1);
}

/* NULL, or why this kernel cannot do it. Children are ordinary threads again. */
static SP_UNUSED const char *frozen_begin(void)
{
	struct sched_param first = { .sched_priority = 50 };

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return "it takes two processors";
	if (access("/proc/self/stack", R_OK))
		return "only root, on a kernel with CONFIG_STACKTRACE, sees where a thread waits";
	if (sp_read_file(FROZEN_RUNTIME, frozen_runtime, sizeof(frozen_runtime)) <= 0 ||
	    sp_write_file(FROZEN_RUNTIME, "-1"))
		return FROZEN_RUNTIME " cannot be changed";
	/* Then a thread can be stopped anywhere in the kernel but under a spinlock. */
	frozen_remember_preempt();
	if (frozen_preempt[0])
		sp_write_file(FROZEN_PREEMPT, "full");
	if (sp_read_file(FROZEN_FAIR, frozen_fair, sizeof(frozen_fair)) <= 0)
		frozen_fair[0] = '\0';
	if (frozen_fair[0] && sp_write_file(FROZEN_FAIR, "0"))
		return FROZEN_FAIR " cannot be changed";
	frozen_pin(FROZEN_HOLDER);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first))
		return "no real-time thread can be had";
	return NULL;
}

static SP_UNUSED void frozen_end(void)
{
	struct sched_param none = { .sched_priority = 0 };

	sched_setscheduler(0, SCHED_OTHER, &none);
	if (frozen_preempt[0])
		sp_write_file(FROZEN_PREEMPT, frozen_preempt);
	if (frozen_fair[0])
		sp_write_file(FROZEN_FAIR, frozen_fair);
	if (frozen_runtime[0])
		sp_write_file(FROZEN_RUNTIME, frozen_runtime);
}

/* The holder runs for a random time; afterwards it is frozen, until the next sleep. */
static SP_UNUSED void frozen_let_run(uint64_t *random, unsigned int longest_us)
{
	usleep(1 + sp_random(random) % longest_us);
}

/* --- looking at a thread --- */

struct frozen_look {
	/* It sleeps, or is gone. */
	bool asleep, gone;
	char stack[2048];
	/* The innermost function of the module's and the place in it. */
	char place[96];
};

static char frozen_state(pid_t process, pid_t thread)
{
	char path[64], text[512];
	const char *name_end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", process, thread);
	if (sp_read_file(path, text, sizeof(text)) <= 0)
		return 'X';
	name_end = strrchr(text, ')');
	return name_end && name_end[1] ? name_end[2] : 'X';
}

static void frozen_find_place(struct frozen_look *look)
{
	char *line, *next, copy[sizeof(look->stack)];

	look->place[0] = '\0';
	memcpy(copy, look->stack, sizeof(copy));
	for (line = copy; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!strstr(line, "[segpool]"))
			continue;
		sscanf(line, "%*s %95s", look->place);
		return;
	}
}

static SP_UNUSED void frozen_look_at(pid_t process, pid_t thread, struct frozen_look *look)
{
	char path[64], state = frozen_state(process, thread);

	look->gone = strchr("XZ", state);
	look->asleep = state == 'D' || state == 'S';
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stack", process, thread);
	if (look->gone || sp_read_file(path, look->stack, sizeof(look->stack)) <= 0)
		look->stack[0] = '\0';
	frozen_find_place(look);
}

#endif /* SEGPOOL_FAULTS_FROZEN_H */
