/* SPDX-License-Identifier: GPL-2.0-only */
/* What a pool looked like at one moment of a replay. */
#ifndef DEMO_SAMPLE_H
#define DEMO_SAMPLE_H

#include <stdint.h>
#include <segpool.h>

struct sample {
	uint64_t ms;			/* since the start, in the history's own time */
	uint32_t round;
	uint64_t live_bytes;		/* what the program asked for and did not free */
	uint64_t counters[SEGPOOL_NR_COUNTERS];
};

/* 0 or a negative errno value. */
int sample_take(struct segpool *pool, struct sample *sample);
uint64_t sample_refused(const struct sample *sample);

#endif
