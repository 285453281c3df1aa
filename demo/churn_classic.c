// SPDX-License-Identifier: GPL-2.0-only
/*
 * The classic mistake, made the way programs make it: one number for what is
 * mapped, lowered when memory is given back. Each check against the budget is
 * right about the number, and the number is wrong about the address space.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "churn.h"

/* Released ranges kept for reuse: as many as the demo can ever release. */
#define MAX_KEPT	(CHURN_EPOCHS * CHURN_RELEASED)

static uint64_t mapped_bytes;
static char *kept[MAX_KEPT];
static uint32_t nr_kept;

static int classic_open(void)
{
	return 0;
}

static char *take_one(void)
{
	char *address;

	if (mapped_bytes + CHURN_REGION <= CHURN_BUDGET) {
		address = mmap(NULL, CHURN_REGION, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (address == MAP_FAILED)
			return NULL;
	} else if (nr_kept) {
		address = kept[--nr_kept];
	} else {
		errno = ENOMEM;
		return NULL;
	}
	mapped_bytes += CHURN_REGION;
	return address;
}

static int classic_take(struct churn_region *regions, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		regions[i].address = take_one();
		if (!regions[i].address) {
			fprintf(stderr, "churn: one counter: no region: %s\n", strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int classic_release(struct churn_region *regions, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (madvise(regions[i].address, CHURN_REGION, MADV_DONTNEED)) {
			fprintf(stderr, "churn: one counter: madvise: %s\n", strerror(errno));
			return -1;
		}
		mapped_bytes -= CHURN_REGION;
		kept[nr_kept++] = regions[i].address;
	}
	return 0;
}

static int classic_says(uint64_t *mapped, uint64_t *physical, uint64_t *retained)
{
	*mapped = mapped_bytes;
	*physical = mapped_bytes;
	*retained = 0;
	return 0;
}

static void classic_close(void)
{
}

const struct churn_allocator churn_classic = {
	.name = "one counter",
	.open = classic_open,
	.take = classic_take,
	.release = classic_release,
	.says = classic_says,
	.close = classic_close,
};
