// SPDX-License-Identifier: GPL-2.0-only
/* Reading counters: the table of the uapi header, filled in. */

#include <linux/jiffies.h>
#include <linux/mm.h>

#include "segpool.h"
#include "trace.h"

enum counter_kind { GAUGE, SETTING, PEAK, EVENT };

/* The enums are made from the same lists, hence in the same order. */
#define COUNTER_NAME(id, name, kind, text) #name,
#define COUNTER_KIND(id, name, kind, text) kind,

const char *const counter_names[SEGPOOL_NR_COUNTERS] = { SEGPOOL_COUNTERS(COUNTER_NAME) };

const char *const class_counter_names[SEGPOOL_NR_CLASS_COUNTERS] = {
	SEGPOOL_CLASS_COUNTERS(COUNTER_NAME)
};

static const u8 counter_kinds[SEGPOOL_NR_COUNTERS] = { SEGPOOL_COUNTERS(COUNTER_KIND) };

bool counter_is_event(enum segpool_counter counter)
{
	return counter_kinds[counter] == EVENT;
}

bool counter_is_peak(enum segpool_counter counter)
{
	return counter_kinds[counter] == PEAK;
}

bool counter_is_setting(enum segpool_counter counter)
{
	return counter_kinds[counter] == SETTING;
}

static u64 pages_to_bytes(u64 pages)
{
	return pages << PAGE_SHIFT;
}

/**
 * counters_read() - all counters of a pool
 * @pool: set up.
 * @values: indexed by enum segpool_counter.
 *
 * Context: any; takes no lock.
 */
void counters_read(const struct segpool_pool *pool, u64 values[SEGPOOL_NR_COUNTERS])
{
	u64 carved = atomic64_read(&pool->carved);
	u64 owned = account_read(&pool->account);
	u32 class;
	u32 i;

	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		values[i] = atomic64_read(&pool->events[i]);

	values[SEGPOOL_C_VIRTUAL_BYTES] = (u64)carved_count(carved) << pool->region_shift;
	values[SEGPOOL_C_VIRTUAL_BUDGET_BYTES] = (u64)carved_budget(carved) << pool->region_shift;
	values[SEGPOOL_C_RESERVATION_BYTES] = (u64)pool_nr_regions(pool) << pool->region_shift;
	values[SEGPOOL_C_PHYSICAL_BYTES] = pages_to_bytes(owned_physical(owned));
	values[SEGPOOL_C_PHYSICAL_PEAK_BYTES] =
		pages_to_bytes(atomic64_read(&pool->account.physical_peak));
	values[SEGPOOL_C_PHYSICAL_BUDGET_BYTES] = pages_to_bytes(READ_ONCE(pool->account.budget));
	values[SEGPOOL_C_RETAINED_BYTES] = pages_to_bytes(owned_retained(owned));
	values[SEGPOOL_C_RETAINED_PEAK_BYTES] =
		pages_to_bytes(atomic64_read(&pool->account.retained_peak));
	values[SEGPOOL_C_RETAIN_LIMIT_BYTES] = pages_to_bytes(READ_ONCE(pool->retain_limit));
	values[SEGPOOL_C_RETAIN_AGE_MS] = jiffies_to_msecs(READ_ONCE(pool->retain_age));
	for (class = 0; class < pool->nr_classes; class++) {
		values[SEGPOOL_C_REGIONS_ACTIVE] += atomic_read(&pool->queues[class].nr_active);
		values[SEGPOOL_C_REGIONS_FREED] += READ_ONCE(pool->queues[class].nr_freed);
		values[SEGPOOL_C_KEPT_REGIONS] += READ_ONCE(pool->queues[class].nr_kept);
	}
	values[SEGPOOL_C_HUGE_REGIONS] = atomic_read(&pool->nr_huge);
	values[SEGPOOL_C_WAITERS] = atomic_read(&pool->nr_waiters);
}

/* The same for one class, indexed by enum segpool_class_counter. */
void class_counters_read(const struct segpool_pool *pool, u32 class,
			 u64 values[SEGPOOL_NR_CLASS_COUNTERS])
{
	const struct class_queue *queue = &pool->queues[class];
	u32 i;

	for (i = 0; i < SEGPOOL_NR_CLASS_COUNTERS; i++)
		values[i] = atomic64_read(&queue->events[i]);
	values[SEGPOOL_CC_SEGMENT_BYTES] = pool->class_size[class];
	values[SEGPOOL_CC_REGIONS_ACTIVE] = atomic_read(&queue->nr_active);
	values[SEGPOOL_CC_REGIONS_FREED] = READ_ONCE(queue->nr_freed);
}

/* A request of @class was refused in the end. */
void count_refusal(struct segpool_pool *pool, u32 class, enum segpool_reason reason)
{
	static const enum segpool_counter counters[] = {
		[SEGPOOL_REASON_VIRTUAL] = SEGPOOL_C_REFUSED_VIRTUAL,
		[SEGPOOL_REASON_PHYSICAL] = SEGPOOL_C_REFUSED_PHYSICAL,
		[SEGPOOL_REASON_CEILING] = SEGPOOL_C_REFUSED_CEILING,
		[SEGPOOL_REASON_SYSTEM] = SEGPOOL_C_REFUSED_SYSTEM,
	};

	if (reason == SEGPOOL_REASON_NONE || reason >= ARRAY_SIZE(counters))
		return;
	count(pool, counters[reason], 1);
	count_class(pool, class, SEGPOOL_CC_REFUSALS);
	trace_segpool_refusal(pool->id, class, reason);
	events_refusal(pool, reason);
}
