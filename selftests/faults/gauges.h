/* SPDX-License-Identifier: GPL-2.0-only */
/* Nothing is in use any more: what must be true of the module between two pools. */
#ifndef SEGPOOL_FAULTS_GAUGES_H
#define SEGPOOL_FAULTS_GAUGES_H

#include <stdbool.h>
#include "../testing.h"

/* A killed or exiting process may still be on its way out. */
#define GAUGES_WAIT_MS	60000

/* In one look at the file, since the programs look after each attempt. */
static int gauges_are_zero(void *unused SP_UNUSED)
{
	static const char *const gauges[] = {
		"pools ", "ceiling_used_bytes ", "metadata_bytes ", "virtual_bytes ",
		"physical_bytes ", "retained_bytes ", "waiters ",
	};
	char text[4096], *at;
	unsigned int i;

	if (sp_read_file(SP_DEBUGFS "/counters", text, sizeof(text)) <= 0)
		return 0;
	for (i = 0; i < ARRAY_SIZE(gauges); i++) {
		at = strncmp(text, gauges[i], strlen(gauges[i])) ? strstr(text, gauges[i]) : text;
		if (!at || strtoull(at + strlen(gauges[i]), NULL, 10))
			return 0;
	}
	return 1;
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

/* NULL, or that something is still in use. */
static SP_UNUSED const char *gauges_left(void)
{
	return sp_wait_until(gauges_are_zero, NULL, GAUGES_WAIT_MS) ?
	       NULL : "the module's gauges are not 0 although no pool is left";
}

#endif /* SEGPOOL_FAULTS_GAUGES_H */
