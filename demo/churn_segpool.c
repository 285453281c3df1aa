// SPDX-License-Identifier: GPL-2.0-only
/* The cure: two numbers, each with its own budget, both kept by the kernel. */
#include <stdio.h>
#include <segpool.h>

#include "churn.h"

static struct segpool *pool;

static int failed(const char *what, int error)
{
	char text[512];

	fprintf(stderr, "churn: segpool: %s: %s\n", what,
		segpool_strerror(pool, error, text, sizeof(text)));
	return -1;
}

static int pool_open(void)
{
	struct segpool_options options;
	int ret;

	segpool_options_init(&options);
	options.region_size = CHURN_REGION;
	options.limits.virtual_budget = CHURN_BUDGET;
	options.limits.physical_budget = CHURN_BUDGET;
	options.limits.retain_limit = CHURN_BUDGET / 8;
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN;
	/* No longer than the budget, so that VmSize can be compared with the other side's. */
	options.reservation = CHURN_BUDGET;
	ret = segpool_open(&options, &pool);
	return ret ? failed("no pool", ret) : 0;
}

static int pool_take(struct churn_region *regions, uint32_t count)
{
	struct segpool_region taken[CHURN_REGIONS];
	int ret;

	for (uint32_t done = 0; done < count; done += (uint32_t)ret) {
		ret = segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, taken, count - done);
		if (ret < 0)
			return failed("no region", ret);
		for (int i = 0; i < ret; i++) {
			regions[done + (uint32_t)i].handle = taken[i].handle;
			regions[done + (uint32_t)i].address =
				segpool_region_address(pool, taken[i].handle);
		}
	}
	return 0;
}

static int pool_release(struct churn_region *regions, uint32_t count)
{
	struct segpool_free_entry entries[CHURN_REGIONS] = { 0 };
	int ret;

	for (uint32_t i = 0; i < count; i++)
		entries[i].handle = regions[i].handle;
	ret = segpool_region_free_batch(pool, entries, count, 0);
	return ret ? failed("a release was refused", ret) : 0;
}

static int pool_says(uint64_t *mapped, uint64_t *physical, uint64_t *retained)
{
	uint64_t counters[SEGPOOL_NR_COUNTERS];
	int ret = segpool_stat(pool, counters, SEGPOOL_NR_COUNTERS);

	if (ret < 0)
		return failed("no counters", ret);
	*mapped = counters[SEGPOOL_C_VIRTUAL_BYTES];
	*physical = counters[SEGPOOL_C_PHYSICAL_BYTES];
	*retained = counters[SEGPOOL_C_RETAINED_BYTES];
	return 0;
}

static void pool_close(void)
{
	segpool_close(pool);
}

const struct churn_allocator churn_segpool = {
	.name = "segpool",
	.open = pool_open,
	.take = pool_take,
	.release = pool_release,
	.says = pool_says,
	.close = pool_close,
};
