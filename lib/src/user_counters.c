// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Counters, all of one instant: with the lock held. */
#include <string.h>

#include "user.h"

void segpool_user_count_refusal(struct segpool_user *user, uint32_t class_index, uint32_t reason)
{
	static const enum segpool_counter counters[] = {
		[SEGPOOL_REASON_VIRTUAL] = SEGPOOL_C_REFUSED_VIRTUAL,
		[SEGPOOL_REASON_PHYSICAL] = SEGPOOL_C_REFUSED_PHYSICAL,
		[SEGPOOL_REASON_CEILING] = SEGPOOL_C_REFUSED_CEILING,
		[SEGPOOL_REASON_SYSTEM] = SEGPOOL_C_REFUSED_SYSTEM,
	};

	segpool_user_count(user, class_index, counters[reason], SEGPOOL_CC_REFUSALS);
}

/* Filled: SEGPOOL_NR_COUNTERS. */
void segpool_user_counters(const struct segpool_user *user, uint64_t *values)
{
	uint32_t i;

	memcpy(values, user->events, sizeof(user->events));
	values[SEGPOOL_C_VIRTUAL_BYTES] = user->carved * user->region_size;
	values[SEGPOOL_C_VIRTUAL_BUDGET_BYTES] = user->virtual_budget * user->region_size;
	values[SEGPOOL_C_RESERVATION_BYTES] = user->nr_regions * user->region_size;
	values[SEGPOOL_C_PHYSICAL_BYTES] = user->physical * SEGPOOL_PAGE;
	values[SEGPOOL_C_PHYSICAL_PEAK_BYTES] = user->physical_peak * SEGPOOL_PAGE;
	values[SEGPOOL_C_PHYSICAL_BUDGET_BYTES] = user->limits.physical_budget;
	values[SEGPOOL_C_RETAINED_BYTES] = user->retained * SEGPOOL_PAGE;
	values[SEGPOOL_C_RETAINED_PEAK_BYTES] = user->retained_peak * SEGPOOL_PAGE;
	values[SEGPOOL_C_RETAIN_LIMIT_BYTES] = user->limits.retain_limit;
	values[SEGPOOL_C_RETAIN_AGE_MS] = user->limits.retain_age_ms;
	for (i = 0; i < user->nr_classes; i++) {
		values[SEGPOOL_C_REGIONS_ACTIVE] += user->classes[i].nr_active;
		values[SEGPOOL_C_REGIONS_FREED] += user->classes[i].nr_freed;
	}
	values[SEGPOOL_C_KEPT_REGIONS] = user->nr_kept;
	values[SEGPOOL_C_WAITERS] = user->waiters;
}

/* Filled: SEGPOOL_NR_CLASS_COUNTERS. */
void segpool_user_class_counters(const struct segpool_user *user, uint32_t class_index,
				 uint64_t *values)
{
	const struct segpool_user_class *queue = &user->classes[class_index];

	memcpy(values, queue->events, sizeof(queue->events));
	values[SEGPOOL_CC_SEGMENT_BYTES] = user->segment_bytes[class_index];
	values[SEGPOOL_CC_REGIONS_ACTIVE] = queue->nr_active;
	values[SEGPOOL_CC_REGIONS_FREED] = queue->nr_freed;
}
