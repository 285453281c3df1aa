// SPDX-License-Identifier: GPL-2.0-only
#include "sample.h"

int sample_take(struct segpool *pool, struct sample *sample)
{
	int ret = segpool_stat(pool, sample->counters, SEGPOOL_NR_COUNTERS);

	return ret < 0 ? ret : 0;
}

uint64_t sample_refused(const struct sample *sample)
{
	return sample->counters[SEGPOOL_C_REFUSED_VIRTUAL] +
	       sample->counters[SEGPOOL_C_REFUSED_PHYSICAL] +
	       sample->counters[SEGPOOL_C_REFUSED_CEILING] +
	       sample->counters[SEGPOOL_C_REFUSED_SYSTEM];
}
