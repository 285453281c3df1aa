/* SPDX-License-Identifier: GPL-2.0-only */
/* A trace of one's own. */
#ifndef SEGPOOL_TESTING_TRACING_H
#define SEGPOOL_TESTING_TRACING_H

#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>
#include "system.h"

#define SP_TRACEFS	"/sys/kernel/tracing"
#define SP_TRACE	SP_TRACEFS "/instances/segpool-selftest"
#define SP_TRACE_NAMES	SP_TRACEFS "/options/record-cmd"

/* An empty trace, SP_TRACE, in which nothing is enabled. */
static SP_UNUSED int sp_trace_begin(void)
{
	/*
	 * Names of programs are learnt by tracing the scheduler as well. We do
	 * not need them, and patching the scheduler's code while another
	 * processor runs it is more than QEMU's translator always survives. An
	 * instance takes this option over when it is made.
	 */
	int error = sp_write_file(SP_TRACE_NAMES, "0");

	rmdir(SP_TRACE);
	return error ?: mkdir(SP_TRACE, 0755) ? -errno : 0;
}

/* @event: "system/name", or "system" for all of it. */
static SP_UNUSED int sp_trace_enable(const char *event)
{
	char path[256];

	snprintf(path, sizeof(path), SP_TRACE "/events/%s/enable", event);
	return sp_write_file(path, "1");
}

static SP_UNUSED void sp_trace_end(void)
{
	sp_write_file(SP_TRACE "/events/enable", "0");
	rmdir(SP_TRACE);
	sp_write_file(SP_TRACE_NAMES, "1");
}

#endif /* SEGPOOL_TESTING_TRACING_H */
