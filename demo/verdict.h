/* SPDX-License-Identifier: GPL-2.0-only */
/* Looks at every sample of a replay and says in the end whether it kept the promises. */
#ifndef DEMO_VERDICT_H
#define DEMO_VERDICT_H

#include <stdio.h>

#include "sample.h"

#define VERDICT_MAX_GROWTH	1.0	/* per cent of virtual bytes, in the last half */
#define VERDICT_MIN_REUSE	95.0	/* per cent of the regions handed out, in the last half */

struct verdict {
	struct sample half;		/* when half of the events were done */
	struct sample last;
	uint64_t samples;
	uint64_t over_virtual;		/* samples that showed more than the budget */
	uint64_t over_physical;
	uint64_t shrunk_virtual;	/* samples that showed less than the one before */
	uint64_t live_peak;
	uint64_t owner_errors;
	uint64_t resident_difference;	/* largest, from physical bytes */
	uint64_t resident_wrong;	/* comparisons with too large a difference */
};

void verdict_look(struct verdict *verdict, const struct sample *sample);
void verdict_half(struct verdict *verdict, const struct sample *sample);
/* Compares physical bytes with the process's resident ones, which the kernel counts by itself. */
void verdict_resident(struct verdict *verdict, const struct sample *sample, uint64_t resident,
		      uint64_t tolerance);
/* The table of what happened. */
void verdict_table(const struct verdict *verdict, FILE *file);
/* Did it reach the virtual budget, and take regions of other classes then? */
int verdict_crossed(const struct verdict *verdict);
/* One sentence for each broken promise; returns how many there are. */
int verdict_judge(const struct verdict *verdict, FILE *file);

#endif
