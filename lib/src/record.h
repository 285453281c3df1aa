/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What each thread remembers of its last call, for segpool_strerror(). */
#ifndef SEGPOOL_RECORD_H
#define SEGPOOL_RECORD_H

#include "internal.h"

enum segpool_call {
	SEGPOOL_CALL_NONE,
	SEGPOOL_CALL_OPEN,
	SEGPOOL_CALL_ALLOC,
	SEGPOOL_CALL_FREE,
	SEGPOOL_CALL_REUSE,
	SEGPOOL_CALL_DISCARD,
	SEGPOOL_CALL_POPULATE,
	SEGPOOL_CALL_SET_BUDGET,
	SEGPOOL_CALL_TRIM,
	SEGPOOL_CALL_STAT,
	SEGPOOL_CALL_SEGMENT,
	SEGPOOL_CALL_CALLBACK,
};

struct segpool_record {
	enum segpool_call call;
	uint32_t reason;
	/* What was wrong with the arguments, where the library knows it itself. */
	const char *detail;
	int detail_error;
	/* The device that segpool_open() was given; cut off where too long. */
	char device[64];
};

/* The present thread's record; never NULL. */
struct segpool_record *segpool_record(void);

/* Every function that can fail begins with this. */
void segpool_record_start(enum segpool_call call);

/* Notes @detail, a constant text, and returns @error. */
int segpool_record_fault(int error, const char *detail);

/* -EINVAL with its detail where there is no pool; 0 otherwise. */
int segpool_record_start_on(const struct segpool *pool, enum segpool_call call);

#endif /* SEGPOOL_RECORD_H */
