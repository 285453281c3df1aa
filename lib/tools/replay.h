/* SPDX-License-Identifier: GPL-2.0-only */
/* Replays a history in a place, in a process of its own, and measures. */
#ifndef SEGPOOL_REPLAY_H
#define SEGPOOL_REPLAY_H

#include <stdint.h>

#include "history.h"
#include "place.h"
#include "size.h"

#define REPLAY_SAMPLES	1024
#define REPLAY_ROUNDS	1000

struct replay_options {
	struct place_limits limits;
	int real_time;
	int write_all;
	uint32_t rounds;
	uint32_t settle_ms;
	int progress;		/* on standard error */
};

struct replay_sample {
	uint64_t us;		/* of the history, and of the time after it */
	uint64_t live_bytes;
	uint64_t virtual_bytes;
	uint64_t physical_bytes;
};

/**
 * struct replay_result - what a replay was like
 * @error: a sentence; "" if it went to its end.
 * @backend: what it really was.
 * @virtual_peak: most bytes of addresses.
 * @virtual_steady: mean of the samples in the second half of the events.
 * @physical_peak: most resident bytes, of which none is the replay's own.
 * @physical_steady: likewise the mean.
 * @physical_freed: when all was freed.
 * @physical_settled: settle_ms later.
 * @owned_peak: most bytes that the pool itself says it owned, of the samples.
 * @refused: requests, by enum place_reason.
 * @wrong_pages: whose content was not what was written there.
 * @wrong_frees: that were refused.
 * @elapsed_ns: without what the measuring took.
 */
struct replay_result {
	char error[256];
	char backend[32];
	uint64_t allocations, resizes, frees;
	uint64_t live_peak;
	uint64_t virtual_peak, virtual_steady;
	uint64_t physical_peak, physical_steady, physical_freed, physical_settled;
	uint64_t owned_peak;
	uint64_t refused[NR_REFUSED];
	uint64_t wrong_pages, wrong_frees;
	uint64_t minor_faults, major_faults;
	uint64_t elapsed_ns, user_ns, system_ns;
	struct place_numbers numbers;
	uint32_t nr_samples;
	struct replay_sample samples[REPLAY_SAMPLES];
};

/* Runs it here: in a process that does nothing else. */
void replay_run(const struct history *history, const struct place *place,
		const struct replay_options *options, struct replay_result *result);

/* A column for each result. */
void report_table(const struct history *history, const struct replay_result *const *results,
		  int count, enum size_style style);
void report_json(const char *name, const struct history *history,
		 const struct replay_options *options, const struct replay_result *const *results,
		 int count);
/* With gnuplot. 0, or -1 after a message. */
int report_plot(const char *output, const char *name, const struct history *history,
		const struct replay_result *const *results, int count);

#endif
