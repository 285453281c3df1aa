/* SPDX-License-Identifier: GPL-2.0-only */
/* Has the kernel called a module's init function? A tracepoint says so. */
#ifndef SEGPOOL_FAULTS_INITCALL_H
#define SEGPOOL_FAULTS_INITCALL_H

#include <stdbool.h>
#include "../testing.h"

/* NULL, or why this kernel does not tell. */
static SP_UNUSED const char *initcall_begin(void)
{
	if (sp_trace_begin())
		return "no trace can be made in " SP_TRACEFS "/instances";
	sp_write_file(SP_TRACE "/buffer_size_kb", "16");
	return sp_trace_enable("initcall/initcall_start") ?
	       "the kernel has no tracepoint initcall_start" : NULL;
}

/* How many init functions have been called since initcall_begin(), by the trace's counts. */
static SP_UNUSED uint64_t initcall_count(void)
{
	uint64_t entries, overrun, sum = 0;
	char path[128];
	int cpu;

	for (cpu = 0;; cpu++) {
		snprintf(path, sizeof(path), SP_TRACE "/per_cpu/cpu%d/stats", cpu);
		if (access(path, R_OK))
			return sum;
		entries = sp_file_value(path, "entries");
		overrun = sp_file_value(path, "overrun");
		sum += entries + overrun;
	}
}

#endif /* SEGPOOL_FAULTS_INITCALL_H */
