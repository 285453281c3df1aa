/* SPDX-License-Identifier: GPL-2.0-only */
/* Nothing is in use any more: what must be true of the module between two pools. */
#ifndef SEGPOOL_FAULTS_GAUGES_H
#define SEGPOOL_FAULTS_GAUGES_H

#include <stdbool.h>
#include "../testing.h"

/* A killed or exiting process may still be on its way out. */
#define GAUGES_WAIT_MS	60000

/* Names the one that is not. */
static int gauges_are_zero(void *left)
{
	*(const char **)left = sp_gauge_left();
	return !*(const char **)left;
}

/*
 * What free memory may fall short of: the system's own needs, and on a debug
 * kernel the freed objects that KASAN keeps back.
 */
static SP_UNUSED uint64_t gauges_free_slack(void)
{
	bool debug = !access("/proc/self/fail-nth", F_OK);

	return 16 * SP_MIB + (debug ? sp_meminfo("MemTotal") / 16 : 0);
}

/* NULL, or that the memory free @before is not free again. */
static SP_UNUSED const char *gauges_memory(uint64_t before)
{
	uint64_t slack = gauges_free_slack();

	return before < slack || sp_wait_free_bytes(before - slack, 20000) ?
	       NULL : "memory is missing";
}

/* NULL, or what is still in use. */
static SP_UNUSED const char *gauges_left(void)
{
	static char text[96];
	const char *left;

	if (sp_wait_until(gauges_are_zero, &left, GAUGES_WAIT_MS))
		return NULL;
	snprintf(text, sizeof(text), "no pool is left, but %s is not 0", left);
	return text;
}

#endif /* SEGPOOL_FAULTS_GAUGES_H */
