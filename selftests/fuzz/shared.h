/* SPDX-License-Identifier: GPL-2.0-only */
/* What the process that judges and the processes that call have in common. */
#ifndef FUZZ_SHARED_H
#define FUZZ_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "calls.h"
#include "input.h"

#define MAX_ERRNO	134
#define MAX_CORPUS	512
/* Inputs that one process runs before what it left behind is looked at. */
#define BATCH		64
#define EDGE_BITS	16
#define MAX_PCS		(1U << 14)
#define MAX_CONSTANTS	256

/**
 * struct shared - in memory that all processes see
 * @calls: made so far.
 * @progress: grows with every step: who stands still hangs.
 * @problem: what is wrong; empty: nothing.
 * @last_call: name of the call that was begun last.
 * @errnos: what each call returned, how often.
 * @edges: pairs of places in the module's code that followed each other.
 * @pcs: places in the module's code, 0 where the table is empty.
 * @constants: numbers that the module compared with something.
 * @corpus: inputs that showed something new.
 * @batch: inputs of the present process.
 */
struct shared {
	_Atomic uint64_t calls;
	_Atomic uint64_t progress;
	_Atomic(const char *) last_call;
	_Atomic bool has_problem;
	char problem[256];
	_Atomic uint32_t errnos[MAX_CALL_TYPES][MAX_ERRNO];
	uint8_t edges[1U << EDGE_BITS];
	uint64_t pcs[MAX_PCS];
	uint32_t nr_pcs;
	uint32_t nr_edges;
	bool traced;
	uint64_t constants[MAX_CONSTANTS];
	uint32_t nr_constants;
	uint32_t nr_corpus;
	uint32_t nr_batch;
	uint64_t nr_inputs;
	struct input corpus[MAX_CORPUS];
	struct input batch[BATCH];
};

/* coverage.c; the calling thread is traced. */
void coverage_open(struct shared *shared);
void coverage_begin(void);
void coverage_end(struct shared *shared);
bool coverage_is_new(void);
void coverage_feature(struct shared *shared, uint32_t call, uint32_t error);
void coverage_compare(bool on);

/* corpus.c */
struct shared *shared_make(void);
void corpus_add(struct shared *shared, const struct input *input, struct dice *dice);

/* run.c */
struct fuzz_options {
	uint64_t calls;
	uint64_t seed;
	bool print;
};

bool run_fuzz(struct shared *shared, const struct fuzz_options *options);
bool run_one(struct shared *shared, const struct input *input);

/* kernel_log.c */
void kernel_log_open(void);
void kernel_log_renew(void);
bool kernel_log_problem(char *line, unsigned int size);

/* minimise.c */
void input_minimise(struct shared *shared, struct input *input);

/* report.c */
void report(const struct shared *shared);

#endif /* FUZZ_SHARED_H */
