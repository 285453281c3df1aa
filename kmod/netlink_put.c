// SPDX-License-Identifier: GPL-2.0-only
/* Pools, classes and counters as attributes. Only the sums of the module take a lock. */

#include <linux/build_bug.h>
#include <linux/mm.h>

#include "netlink.h"

/* The specification has the names of the table, in its order. */
#define COUNTER_FITS(id, name, kind, text) \
	static_assert(SEGPOOL_A_COUNTERS_##id == SEGPOOL_A_COUNTERS_PAD + 1 + SEGPOOL_C_##id);
#define CLASS_COUNTER_FITS(id, name, kind, text) \
	static_assert(SEGPOOL_A_CLASS_COUNTERS_##id == \
		      SEGPOOL_A_CLASS_COUNTERS_PAD + 1 + SEGPOOL_CC_##id);

SEGPOOL_COUNTERS(COUNTER_FITS)
SEGPOOL_CLASS_COUNTERS(CLASS_COUNTER_FITS)
static_assert(SEGPOOL_A_COUNTERS_MAX == SEGPOOL_A_COUNTERS_PAD + SEGPOOL_NR_COUNTERS);
static_assert(SEGPOOL_A_CLASS_COUNTERS_MAX ==
	      SEGPOOL_A_CLASS_COUNTERS_PAD + SEGPOOL_NR_CLASS_COUNTERS);

/* All sets have it as their first one. */
#define PAD 1
static_assert(SEGPOOL_A_POOL_PAD == PAD && SEGPOOL_A_LIMITS_PAD == PAD &&
	      SEGPOOL_A_COUNTERS_PAD == PAD && SEGPOOL_A_CLASS_PAD == PAD &&
	      SEGPOOL_A_CLASS_COUNTERS_PAD == PAD && SEGPOOL_A_REFUSALS_PAD == PAD &&
	      SEGPOOL_A_MODULE_PAD == PAD);

int put_u64(struct sk_buff *skb, int attribute, u64 value)
{
	return nla_put_u64_64bit(skb, attribute, value, PAD);
}

/* @wanted: of which counters; NULL for all. */
static int put_counters(struct sk_buff *skb, int attribute, const u64 *values, u32 nr,
			bool (*wanted)(u32 counter))
{
	struct nlattr *nest = nla_nest_start(skb, attribute);
	u32 i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < nr; i++)
		if ((!wanted || wanted(i)) && put_u64(skb, PAD + 1 + i, values[i]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_limits(struct sk_buff *skb, const struct segpool_pool *pool)
{
	struct nlattr *nest = nla_nest_start(skb, SEGPOOL_A_POOL_LIMITS);
	struct segpool_limits limits;

	if (!nest)
		return -EMSGSIZE;
	pool_limits(pool, &limits);
	if (put_u64(skb, SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES, limits.virtual_budget) ||
	    put_u64(skb, SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES, limits.physical_budget) ||
	    put_u64(skb, SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES, limits.retain_limit) ||
	    nla_put_u32(skb, SEGPOOL_A_LIMITS_RETAIN_AGE_MS, limits.retain_age_ms) ||
	    nla_put_u32(skb, SEGPOOL_A_LIMITS_WATERMARK, limits.watermark))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Whose it is. */
int put_pool_name(struct sk_buff *skb, const struct segpool_pool *pool)
{
	if (nla_put_u32(skb, SEGPOOL_A_POOL_ID, pool->id) ||
	    nla_put_u32(skb, SEGPOOL_A_POOL_PID, pool->owner_pid) ||
	    nla_put_string(skb, SEGPOOL_A_POOL_COMM, pool->owner_comm))
		return -EMSGSIZE;
	return 0;
}

int put_pool_counters(struct sk_buff *skb, const struct segpool_pool *pool)
{
	u64 values[SEGPOOL_NR_COUNTERS];

	counters_read(pool, values);
	return put_counters(skb, SEGPOOL_A_POOL_COUNTERS, values, SEGPOOL_NR_COUNTERS, NULL);
}

/**
 * put_pool() - all there is to say about a pool
 * @skb: the message.
 * @pool: set up, and kept from going by a reference or pools_lock.
 *
 * Return: 0; -EMSGSIZE, the message is full then and has a part of it.
 */
int put_pool(struct sk_buff *skb, const struct segpool_pool *pool)
{
	if (put_pool_name(skb, pool) || nla_put_u32(skb, SEGPOOL_A_POOL_MODE, pool->mode) ||
	    put_u64(skb, SEGPOOL_A_POOL_REGION_BYTES, pool_region_size(pool)) ||
	    put_limits(skb, pool) || put_pool_counters(skb, pool) ||
	    nla_put_u8(skb, SEGPOOL_A_POOL_PRESSURE, pressure_is_on(pool)) ||
	    nla_put_u32(skb, SEGPOOL_A_POOL_NR_CLASSES, pool->nr_classes))
		return -EMSGSIZE;
	return 0;
}

int put_class(struct sk_buff *skb, const struct segpool_pool *pool, u32 class)
{
	u64 values[SEGPOOL_NR_CLASS_COUNTERS];

	if (nla_put_u32(skb, SEGPOOL_A_CLASS_POOL_ID, pool->id) ||
	    nla_put_u32(skb, SEGPOOL_A_CLASS_INDEX, class))
		return -EMSGSIZE;
	class_counters_read(pool, class, values);
	return put_counters(skb, SEGPOOL_A_CLASS_COUNTERS, values, SEGPOOL_NR_CLASS_COUNTERS, NULL);
}

/* Limits and peaks have no sum. */
static bool counter_has_sum(u32 counter)
{
	return !counter_is_setting(counter) && !counter_is_peak(counter);
}

int put_module(struct sk_buff *skb)
{
	u64 totals[SEGPOOL_NR_COUNTERS];

	pools_totals(totals);
	if (nla_put_u32(skb, SEGPOOL_A_MODULE_POOLS, pools_count()) ||
	    nla_put_u32(skb, SEGPOOL_A_MODULE_POOLS_CREATED, pools_created()) ||
	    put_u64(skb, SEGPOOL_A_MODULE_CEILING_BYTES, ceiling_limit() << PAGE_SHIFT) ||
	    put_u64(skb, SEGPOOL_A_MODULE_CEILING_USED_BYTES, ceiling_used() << PAGE_SHIFT) ||
	    put_u64(skb, SEGPOOL_A_MODULE_METADATA_BYTES, metadata_used()))
		return -EMSGSIZE;
	return put_counters(skb, SEGPOOL_A_MODULE_COUNTERS, totals, SEGPOOL_NR_COUNTERS,
			    counter_has_sum);
}
