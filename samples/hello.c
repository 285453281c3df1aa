// SPDX-License-Identifier: MIT
#include <segpool.h>
#include <stdio.h>
#include <string.h>

static void show(struct segpool *pool, const char *when)
{
	uint64_t now[SEGPOOL_NR_COUNTERS] = { 0 };

	segpool_stat(pool, now, SEGPOOL_NR_COUNTERS);
	printf("%-9s virtual %2.0f MiB, physical %2.0f MiB\n", when,
	       now[SEGPOOL_C_VIRTUAL_BYTES] / 1048576.0, now[SEGPOOL_C_PHYSICAL_BYTES] / 1048576.0);
}

int main(void)
{
	struct segpool_region regions[8];
	struct segpool_options options;
	struct segpool *pool;
	char why[256];
	int i, n;

	segpool_options_init(&options);
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.limits.virtual_budget = 64 << 20;	/* addresses: 32 regions of 2 MiB */
	options.limits.physical_budget = 16 << 20;	/* memory: for 8 of them at a time */
	n = segpool_open(&options, &pool);
	for (int round = 1; n >= 0 && round <= 3; round++) {
		n = segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, regions, 8);
		for (i = 0; i < n; i++)
			memset(segpool_region_address(pool, regions[i].handle), round, 2 << 20);
		show(pool, "taken:");
		for (i = 0; i < n; i++)
			segpool_region_free(pool, regions[i].handle, 0);
		show(pool, "released:");
	}
	if (n < 0)
		fprintf(stderr, "segpool: %s\n", segpool_strerror(pool, n, why, sizeof(why)));
	segpool_close(pool);
	return n < 0;
}
