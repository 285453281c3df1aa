/* SPDX-License-Identifier: GPL-2.0-only */
/* Has the kernel called a module's init function? A tracepoint says so. */
#ifndef SEGPOOL_FAULTS_INITCALL_H
#define SEGPOOL_FAULTS_INITCALL_H

#include <stdbool.h>
#include <sys/stat.h>
#include "../testing.h"

/* A trace of our own, which nobody else writes to. */
#define INITCALL_TRACE	"/sys/kernel/tracing/instances/segpool-faults"
#define INITCALL_EVENT	INITCALL_TRACE "/events/initcall/initcall_start/enable"

/* NULL, or why this kernel does not tell. */
static SP_UNUSED const char *initcall_begin(void)
{
	if (mkdir(INITCALL_TRACE, 0700) && errno != EEXIST)
		return "no trace can be made in /sys/kernel/tracing/instances";
	sp_write_file(INITCALL_TRACE "/buffer_size_kb", "16");
	return sp_write_file(INITCALL_EVENT, "1") ? "the kernel has no tracepoint initcall_start" :
	       NULL;
}

static SP_UNUSED void initcall_end(void)
{
	rmdir(INITCALL_TRACE);
}

/* How many init functions have been called since initcall_begin(), by the trace's counts. */
static SP_UNUSED uint64_t initcall_count(void)
{
	uint64_t entries, overrun, sum = 0;
	char path[128];
	int cpu;

	for (cpu = 0;; cpu++) {
		snprintf(path, sizeof(path), INITCALL_TRACE "/per_cpu/cpu%d/stats", cpu);
		if (access(path, R_OK))
			return sum;
		entries = sp_file_value(path, "entries");
		overrun = sp_file_value(path, "overrun");
		sum += entries + overrun;
	}
}

#endif /* SEGPOOL_FAULTS_INITCALL_H */
