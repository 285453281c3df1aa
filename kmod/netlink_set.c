// SPDX-License-Identifier: GPL-2.0-only
/* Changing a pool from outside its process. */

#include <linux/mm.h>

#include "netlink.h"
#include "valid.h"

/* The limits that a request has; returns which, SEGPOOL_SET_*. */
static u32 limits_get(struct nlattr **attrs, struct segpool_limits *limits)
{
	u32 flags = 0;

	memset(limits, 0, sizeof(*limits));
	if (attrs[SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES]) {
		limits->virtual_budget =
			nla_get_u64(attrs[SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES]);
		flags |= SEGPOOL_SET_VIRTUAL;
	}
	if (attrs[SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES]) {
		limits->physical_budget =
			nla_get_u64(attrs[SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES]);
		flags |= SEGPOOL_SET_PHYSICAL;
	}
	if (attrs[SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES]) {
		limits->retain_limit = nla_get_u64(attrs[SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES]);
		flags |= SEGPOOL_SET_RETAIN;
	}
	if (attrs[SEGPOOL_A_LIMITS_RETAIN_AGE_MS]) {
		limits->retain_age_ms = nla_get_u32(attrs[SEGPOOL_A_LIMITS_RETAIN_AGE_MS]);
		flags |= SEGPOOL_SET_AGE;
	}
	if (attrs[SEGPOOL_A_LIMITS_WATERMARK]) {
		limits->watermark = nla_get_u32(attrs[SEGPOOL_A_LIMITS_WATERMARK]);
		flags |= SEGPOOL_SET_WATERMARK;
	}
	return flags;
}

/* The ranges were looked at already, but for the one that depends on the pool. */
static int limits_check(const struct segpool_pool *pool, struct nlattr **attrs, u32 flags,
			const struct segpool_limits *limits, struct genl_info *info)
{
	if (!flags) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[SEGPOOL_A_POOL_LIMITS],
				    "there is no limit in it");
		return -EINVAL;
	}
	if (!limits_valid(limits, flags, pool_region_size(pool))) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES],
				    "more than 2^24 regions of this pool");
		return -ERANGE;
	}
	return 0;
}

static int pool_set(struct segpool_pool *pool, struct genl_info *info)
{
	struct nlattr *attrs[SEGPOOL_A_LIMITS_MAX + 1];
	struct segpool_limits limits;
	struct reply reply;
	u32 flags;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, SEGPOOL_A_POOL_LIMITS)) {
		GENL_SET_ERR_MSG(info, "the limits are missing");
		return -EINVAL;
	}
	/* Checked with the message, by the policy. */
	err = nla_parse_nested(attrs, SEGPOOL_A_LIMITS_MAX, info->attrs[SEGPOOL_A_POOL_LIMITS],
			       NULL, info->extack);
	if (err)
		return err;
	flags = limits_get(attrs, &limits);
	err = limits_check(pool, attrs, flags, &limits, info);
	if (err)
		return err;
	/* Before anything is changed. */
	err = reply_begin(&reply, info);
	if (err)
		return err;
	err = pool_set_limits(pool, flags, &limits);
	return reply_end(&reply, info, err ?: put_pool(reply.skb, pool));
}

int netlink_pool_set(struct sk_buff *request, struct genl_info *info)
{
	struct segpool_pool *pool;
	int err;

	err = netlink_check_administrator(request, info) ?:
	      netlink_find_pool(request, info, SEGPOOL_A_POOL_ID, &pool);
	if (err)
		return err;
	err = pool_set(pool, info);
	pool_put(pool);
	return err;
}

static int pool_trim(struct segpool_pool *pool, struct genl_info *info)
{
	struct nlattr *target = info->attrs[SEGPOOL_A_POOL_TARGET_BYTES];
	struct reply reply;
	u64 released;
	int err;

	err = reply_begin(&reply, info);
	if (err)
		return err;
	lent_settle_all(pool, true);
	released = retain_trim(pool, target ? nla_get_u64(target) >> PAGE_SHIFT : 0);
	err = put_pool(reply.skb, pool) ?:
	      put_u64(reply.skb, SEGPOOL_A_POOL_RELEASED_BYTES, released << PAGE_SHIFT);
	return reply_end(&reply, info, err);
}

int netlink_pool_trim(struct sk_buff *request, struct genl_info *info)
{
	struct segpool_pool *pool;
	int err;

	err = netlink_check_administrator(request, info) ?:
	      netlink_find_pool(request, info, SEGPOOL_A_POOL_ID, &pool);
	if (err)
		return err;
	err = pool_trim(pool, info);
	pool_put(pool);
	return err;
}
