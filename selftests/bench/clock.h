/* SPDX-License-Identifier: GPL-2.0-only */
/* Measuring one thing several times. */
#ifndef SEGPOOL_BENCH_CLOCK_H
#define SEGPOOL_BENCH_CLOCK_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* Nanoseconds; where the machine's clock counts them, instructions. */
static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A timer interrupt in one round does not count. Sorts the values. */
__attribute__((__unused__))
static uint64_t median(uint64_t *values, unsigned int nr)
{
	qsort(values, nr, sizeof(values[0]), by_value);
	return values[nr / 2];
}

#endif /* SEGPOOL_BENCH_CLOCK_H */
