/* SPDX-License-Identifier: GPL-2.0-only */
/* The line that tells how a replay is going, on stderr. */
#ifndef DEMO_LIVE_H
#define DEMO_LIVE_H

#include "sample.h"

enum live_mode {
	LIVE_NONE,
	LIVE_LINE,	/* one line that is written over */
	LIVE_LINES,	/* a new line each time */
};

/* "none", "line", "lines", "auto" (a line on a terminal, else lines); -1 otherwise. */
int live_mode_named(const char *name);
/* Writes if it is time to, or if @now says so. */
void live_show(enum live_mode mode, const struct sample *sample, int now);
/* Ends a line that was written over. */
void live_end(enum live_mode mode);

#endif
