/* SPDX-License-Identifier: GPL-2.0-only */
/* What the family says about pools, as numbers; requests about one pool. */
#ifndef SEGPOOL_NETLINK_POOLS_H
#define SEGPOOL_NETLINK_POOLS_H

#include "client.h"

/* A pool as a message describes it. Bit n of @has: attribute n was there. */
struct nl_pool {
	uint8_t command;
	uint64_t has;
	uint32_t id, pid, mode, pressure, nr_classes, window_ms;
	uint64_t region_bytes, released, seq, suppressed;
	char comm[32];
	struct segpool_limits limits;
	uint32_t nr_limits;
	uint64_t counters[SEGPOOL_NR_COUNTERS];
	uint32_t nr_counters;
	uint64_t refusals[SEGPOOL_REASON_SYSTEM + 1];
	/* How many such messages came. */
	unsigned int count;
};

struct nl_class {
	uint32_t pool_id, index;
	uint64_t counters[SEGPOOL_NR_CLASS_COUNTERS];
	uint32_t nr_counters;
	unsigned int count;
};

/* Counters in a nest, whose numbers begin behind that of the pad; returns how many. */
static uint32_t nl_counters(const struct nlattr *nest, uint64_t *values, uint32_t nr)
{
	const struct nlattr *attribute;
	uint32_t found = 0, index;

	mnl_attr_for_each_nested(attribute, nest) {
		index = mnl_attr_get_type(attribute) - SEGPOOL_A_COUNTERS_PAD - 1;
		if (index < nr && mnl_attr_validate(attribute, MNL_TYPE_U64) >= 0) {
			values[index] = mnl_attr_get_u64(attribute);
			found++;
		}
	}
	return found;
}

static void nl_limits(const struct nlattr *nest, struct nl_pool *pool)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nest) {
		pool->nr_limits++;
		switch (mnl_attr_get_type(attribute)) {
		case SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES:
			pool->limits.virtual_budget = mnl_attr_get_u64(attribute);
			break;
		case SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES:
			pool->limits.physical_budget = mnl_attr_get_u64(attribute);
			break;
		case SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES:
			pool->limits.retain_limit = mnl_attr_get_u64(attribute);
			break;
		case SEGPOOL_A_LIMITS_RETAIN_AGE_MS:
			pool->limits.retain_age_ms = mnl_attr_get_u32(attribute);
			break;
		case SEGPOOL_A_LIMITS_WATERMARK:
			pool->limits.watermark = mnl_attr_get_u32(attribute);
			break;
		}
	}
}

static void nl_refusals(const struct nlattr *nest, struct nl_pool *pool)
{
	const struct nlattr *attribute;
	uint32_t reason;

	mnl_attr_for_each_nested(attribute, nest) {
		reason = mnl_attr_get_type(attribute) - SEGPOOL_A_REFUSALS_PAD;
		if (reason <= SEGPOOL_REASON_SYSTEM)
			pool->refusals[reason] = mnl_attr_get_u64(attribute);
	}
}

static void nl_pool_attribute(const struct nlattr *attribute, struct nl_pool *pool)
{
	switch (mnl_attr_get_type(attribute)) {
	case SEGPOOL_A_POOL_ID:
		pool->id = mnl_attr_get_u32(attribute);
		break;
	case SEGPOOL_A_POOL_PID:
		pool->pid = mnl_attr_get_u32(attribute);
		break;
	case SEGPOOL_A_POOL_COMM:
		snprintf(pool->comm, sizeof(pool->comm), "%s", mnl_attr_get_str(attribute));
		break;
	case SEGPOOL_A_POOL_MODE:
		pool->mode = mnl_attr_get_u32(attribute);
		break;
	case SEGPOOL_A_POOL_REGION_BYTES:
		pool->region_bytes = mnl_attr_get_u64(attribute);
		break;
	case SEGPOOL_A_POOL_LIMITS:
		nl_limits(attribute, pool);
		break;
	case SEGPOOL_A_POOL_COUNTERS:
		pool->nr_counters = nl_counters(attribute, pool->counters, SEGPOOL_NR_COUNTERS);
		break;
	case SEGPOOL_A_POOL_PRESSURE:
		pool->pressure = mnl_attr_get_u8(attribute);
		break;
	case SEGPOOL_A_POOL_RELEASED_BYTES:
		pool->released = mnl_attr_get_u64(attribute);
		break;
	case SEGPOOL_A_POOL_SEQ:
		pool->seq = mnl_attr_get_u64(attribute);
		break;
	case SEGPOOL_A_POOL_SUPPRESSED:
		pool->suppressed = mnl_attr_get_u64(attribute);
		break;
	case SEGPOOL_A_POOL_REFUSALS:
		nl_refusals(attribute, pool);
		break;
	case SEGPOOL_A_POOL_WINDOW_MS:
		pool->window_ms = mnl_attr_get_u32(attribute);
		break;
	case SEGPOOL_A_POOL_NR_CLASSES:
		pool->nr_classes = mnl_attr_get_u32(attribute);
		break;
	}
}

/* As nl_receive, with a struct nl_pool. */
static SP_UNUSED void nl_read_pool(const struct nlmsghdr *message, void *context)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	struct nl_pool *pool = context;
	unsigned int count = pool->count;
	const struct nlattr *attribute;

	memset(pool, 0, sizeof(*pool));
	pool->count = count + 1;
	pool->command = header->cmd;
	mnl_attr_for_each(attribute, message, sizeof(*header)) {
		pool->has |= 1ULL << mnl_attr_get_type(attribute);
		nl_pool_attribute(attribute, pool);
	}
}

static SP_UNUSED void nl_read_class(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute;
	struct nl_class *class = context;

	class->count++;
	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attribute) == SEGPOOL_A_CLASS_POOL_ID)
			class->pool_id = mnl_attr_get_u32(attribute);
		if (mnl_attr_get_type(attribute) == SEGPOOL_A_CLASS_INDEX)
			class->index = mnl_attr_get_u32(attribute);
		if (mnl_attr_get_type(attribute) == SEGPOOL_A_CLASS_COUNTERS)
			class->nr_counters = nl_counters(attribute, class->counters,
							 SEGPOOL_NR_CLASS_COUNTERS);
	}
}

static SP_UNUSED int nl_get_pool(struct nl *nl, uint32_t id, struct nl_pool *pool)
{
	struct nlmsghdr *message = nl_begin(nl, SEGPOOL_CMD_POOL_GET, 0);

	memset(pool, 0, sizeof(*pool));
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, id);
	return nl_ask(nl, message, nl_read_pool, pool);
}

/* Changes those of @limits that @flags name, SEGPOOL_SET_*; sets @pool to the reply. */
static SP_UNUSED int nl_set_pool(struct nl *nl, uint32_t id, uint32_t flags,
				 const struct segpool_limits *limits, struct nl_pool *pool)
{
	struct nlmsghdr *message = nl_begin(nl, SEGPOOL_CMD_POOL_SET, 0);
	struct nlattr *nest;

	memset(pool, 0, sizeof(*pool));
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, id);
	nest = mnl_attr_nest_start(message, SEGPOOL_A_POOL_LIMITS);
	if (flags & SEGPOOL_SET_VIRTUAL)
		mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES,
				 limits->virtual_budget);
	if (flags & SEGPOOL_SET_PHYSICAL)
		mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES,
				 limits->physical_budget);
	if (flags & SEGPOOL_SET_RETAIN)
		mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES,
				 limits->retain_limit);
	if (flags & SEGPOOL_SET_AGE)
		mnl_attr_put_u32(message, SEGPOOL_A_LIMITS_RETAIN_AGE_MS, limits->retain_age_ms);
	if (flags & SEGPOOL_SET_WATERMARK)
		mnl_attr_put_u32(message, SEGPOOL_A_LIMITS_WATERMARK, limits->watermark);
	mnl_attr_nest_end(message, nest);
	return nl_ask(nl, message, nl_read_pool, pool);
}

static SP_UNUSED int nl_trim_pool(struct nl *nl, uint32_t id, uint64_t target,
				  struct nl_pool *pool)
{
	struct nlmsghdr *message = nl_begin(nl, SEGPOOL_CMD_POOL_TRIM, 0);

	memset(pool, 0, sizeof(*pool));
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, id);
	mnl_attr_put_u64(message, SEGPOOL_A_POOL_TARGET_BYTES, target);
	return nl_ask(nl, message, nl_read_pool, pool);
}

#endif /* SEGPOOL_NETLINK_POOLS_H */
