// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>

#include "series.h"

void series_start(FILE *file)
{
	fputs("time_ms,round,virtual_bytes,physical_bytes,retained_bytes,virtual_budget_bytes,"
	      "physical_budget_bytes,live_bytes,new_regions,reused_regions,released_regions\n",
	      file);
}

void series_add(FILE *file, const struct sample *sample)
{
	static const enum segpool_counter before_live[] = {
		SEGPOOL_C_VIRTUAL_BYTES, SEGPOOL_C_PHYSICAL_BYTES, SEGPOOL_C_RETAINED_BYTES,
		SEGPOOL_C_VIRTUAL_BUDGET_BYTES, SEGPOOL_C_PHYSICAL_BUDGET_BYTES,
	};

	fprintf(file, "%" PRIu64 ",%" PRIu32, sample->ms, sample->round);
	for (size_t i = 0; i < sizeof(before_live) / sizeof(before_live[0]); i++)
		fprintf(file, ",%" PRIu64, sample->counters[before_live[i]]);
	fprintf(file, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", sample->live_bytes,
		sample->counters[SEGPOOL_C_NEW_REGIONS],
		sample->counters[SEGPOOL_C_REUSED_REGIONS],
		sample->counters[SEGPOOL_C_RELEASED_REGIONS]);
}
