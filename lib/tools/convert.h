/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes a history of what the recorder left. */
#ifndef SEGPOOL_CONVERT_H
#define SEGPOOL_CONVERT_H

#include <stdint.h>
#include <sys/types.h>

/**
 * struct conversion - what became of the records of a process
 * @programs: how many it was, one after the other; 0: it was not recorded.
 * @events: lines of the history.
 * @lost: events that the recorder had no room for.
 * @unknown: frees and moves of what was not recorded, of which a forked child has many.
 */
struct conversion {
	uint32_t programs;
	uint64_t events;
	uint64_t lost;
	uint64_t unknown;
};

/*
 * Reads the records of process @pid in @directory and writes its history. @program is
 * what the history says it is of. Returns 0, or -1 after a message.
 */
int convert(const char *directory, pid_t pid, const char *program, const char *output,
	    struct conversion *conversion);

#endif
