// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "live.h"

/* How often a line is written: often enough to look alive, rarely enough for a serial console. */
#define LINE_MS		100
#define LINES_MS	400

int live_mode_named(const char *name)
{
	if (!strcmp(name, "none"))
		return LIVE_NONE;
	if (!strcmp(name, "line"))
		return LIVE_LINE;
	if (!strcmp(name, "lines"))
		return LIVE_LINES;
	if (!strcmp(name, "auto"))
		return isatty(STDERR_FILENO) ? LIVE_LINE : LIVE_LINES;
	return -1;
}

static int is_time(enum live_mode mode)
{
	static uint64_t last_ms;
	struct timespec now;
	uint64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (last_ms && ms - last_ms < (mode == LIVE_LINE ? LINE_MS : LINES_MS))
		return 0;
	last_ms = ms;
	return 1;
}

static uint64_t mib(const struct sample *sample, enum segpool_counter counter)
{
	return sample->counters[counter] >> 20;
}

void live_show(enum live_mode mode, const struct sample *sample, int now)
{
	if (mode == LIVE_NONE || (!is_time(mode) && !now))
		return;
	/* At most 79 columns, up to 9999 of each, so that a terminal can write over it. */
	fprintf(stderr,
		"%s%5.1f s virtual %4" PRIu64 "/%" PRIu64 "  (physical %4" PRIu64 " + retained %3"
		PRIu64 ")/%" PRIu64 " MiB  reused %" PRIu64 "%s",
		mode == LIVE_LINE ? "\r" : "", (double)sample->ms / 1000,
		mib(sample, SEGPOOL_C_VIRTUAL_BYTES), mib(sample, SEGPOOL_C_VIRTUAL_BUDGET_BYTES),
		mib(sample, SEGPOOL_C_PHYSICAL_BYTES), mib(sample, SEGPOOL_C_RETAINED_BYTES),
		mib(sample, SEGPOOL_C_PHYSICAL_BUDGET_BYTES),
		sample->counters[SEGPOOL_C_REUSED_REGIONS], mode == LIVE_LINE ? "" : "\n");
	fflush(stderr);
}

void live_end(enum live_mode mode)
{
	if (mode == LIVE_LINE)
		fputc('\n', stderr);
}
