/* SPDX-License-Identifier: GPL-2.0-only */
/* A session: the threads of one process that share its pools. */
#ifndef SEGPOOL_MODEL_CONCURRENT_H
#define SEGPOOL_MODEL_CONCURRENT_H

#include "model.h"

/* In memory that the parent reads. */
struct session_report {
	/* The number of the actor that found it. */
	_Atomic uint32_t failed;
	char text[600];
};

struct session {
	uint32_t nr_actors;
	struct actor actor[MAX_THREADS];
	struct sp_pool kernel[MAX_POOLS];
	struct ownership owners[MAX_POOLS];
	pthread_barrier_t rest;
	struct totals *totals;
	uint64_t disturbances_seen;
	struct session_report *report;
};

int session_begin(struct session *session, const struct options *options, uint64_t seed,
		  uint32_t first_block, struct totals *totals, struct session_report *report);
void session_end(struct session *session);
void session_compare(struct session *session);

#endif /* SEGPOOL_MODEL_CONCURRENT_H */
