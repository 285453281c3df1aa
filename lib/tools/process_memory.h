/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says this process uses: /proc/self/status. */
#ifndef SEGPOOL_PROCESS_MEMORY_H
#define SEGPOOL_PROCESS_MEMORY_H

#include <stdint.h>

struct process_memory {
	uint64_t mapped;	/* VmSize, bytes */
	uint64_t resident;	/* VmRSS, bytes */
	uint64_t peak;		/* VmHWM, bytes */
	uint64_t data;		/* VmData, bytes: what RLIMIT_DATA limits */
};

/* 0, or -1 with errno set. */
int process_memory_read(struct process_memory *memory);
/* VmHWM begins anew with what is resident now. 0, or -1 with errno set. */
int process_memory_forget_peak(void);
/* How far VmRSS may be from the truth, bytes. */
uint64_t process_memory_slack(void);

#endif
