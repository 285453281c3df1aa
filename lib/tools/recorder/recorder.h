/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The recorder: calls.c stands before malloc() and mmap(), table.c knows which blocks
 * are large, log.c writes the records. Nothing here allocates with malloc(), takes a
 * lock across a call of the program's, or changes errno.
 */
#ifndef SEGPOOL_RECORDER_H
#define SEGPOOL_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "raw.h"

/* When something happened: taken before what gives up memory, after what takes some. */
struct moment {
	uint64_t seq;
	uint64_t ns;
};

/* False: this program is not recorded. */
bool log_on(void);
struct moment log_now(void);
void log_write(enum raw_kind kind, struct moment moment, const void *address, uint64_t bytes,
	       uint64_t other);
void log_lost(void);

/* False: there is no room for it. */
bool table_put(const void *block);
/* True: it was there, and is no longer. */
bool table_take(const void *block);

#endif
