// SPDX-License-Identifier: GPL-2.0-only
/* Asking for pools, classes and the module as a whole. */

#include <linux/nospec.h>

#include "netlink.h"

/**
 * struct dump - how far a dump has come; in its callback's own memory
 * @viewer: who asked. Who reads the rest may be somebody else.
 * @next_id: the pool to go on with, or the first one after it.
 * @next_class: its class to go on with.
 * @only: the one pool that was asked for, 0 for all.
 */
struct dump {
	struct viewer viewer;
	u32 next_id;
	u32 next_class;
	u32 only;
};

/* What a visit of a pool needs. */
struct dump_visit {
	struct sk_buff *skb;
	struct netlink_callback *cb;
};

static struct dump *dump_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump) > sizeof(cb->ctx));
	return (struct dump *)cb->ctx;
}

int netlink_pool_get(struct sk_buff *request, struct genl_info *info)
{
	struct segpool_pool *pool;
	struct reply reply;
	int err;

	err = netlink_find_pool(request, info, SEGPOOL_A_POOL_ID, &pool);
	if (err)
		return err;
	err = reply_begin(&reply, info);
	if (!err) {
		lent_settle_all(pool, true);
		err = reply_end(&reply, info, put_pool(reply.skb, pool));
	}
	pool_put(pool);
	return err;
}

/* By who asks; what is wrong with the request can be explained only later. */
int netlink_begin_dump(struct netlink_callback *cb)
{
	viewer_init(&dump_of(cb)->viewer, cb->skb);
	return 0;
}

static void *dump_begin(const struct dump_visit *visit, u8 command)
{
	void *header = genlmsg_put(visit->skb, NETLINK_CB(visit->cb->skb).portid,
				   visit->cb->nlh->nlmsg_seq, &netlink_family, NLM_F_MULTI,
				   command);

	if (header)
		genl_dump_check_consistent(visit->cb, header);
	return header;
}

/* Returns whether there was room. */
static bool dump_end(const struct dump_visit *visit, void *header, int err)
{
	if (err)
		genlmsg_cancel(visit->skb, header);
	else
		genlmsg_end(visit->skb, header);
	return !err;
}

static bool dump_pool(struct segpool_pool *pool, void *context)
{
	const struct dump_visit *visit = context;
	struct dump *dump = dump_of(visit->cb);
	void *header;

	if (viewer_sees(&dump->viewer, pool)) {
		header = dump_begin(visit, SEGPOOL_CMD_POOL_GET);
		if (!header || !dump_end(visit, header, put_pool(visit->skb, pool)))
			return false;
	}
	dump->next_id = pool->id + 1;
	return true;
}

/* As many as there is room for; an error where not even one was. */
static int dump_visited(const struct dump_visit *visit, bool complete)
{
	return visit->skb->len || complete ? visit->skb->len : -EMSGSIZE;
}

int netlink_pool_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nlattr **attrs = compat_dump_attrs(cb);
	struct dump_visit visit = { .skb = skb, .cb = cb };

	if (attrs[SEGPOOL_A_POOL_ID]) {
		NL_SET_ERR_MSG_ATTR(cb->extack, attrs[SEGPOOL_A_POOL_ID],
				    "a dump is of all pools: ask without it");
		return -EINVAL;
	}
	pools_settle();
	return dump_visited(&visit, pools_visit(dump_of(cb)->next_id, &cb->seq, dump_pool, &visit));
}

/* The index is a user's. */
static int class_index(const struct segpool_pool *pool, struct genl_info *info, u32 *class)
{
	if (GENL_REQ_ATTR_CHECK(info, SEGPOOL_A_CLASS_INDEX)) {
		GENL_SET_ERR_MSG(info, "the class's number is missing");
		return -EINVAL;
	}
	*class = nla_get_u32(info->attrs[SEGPOOL_A_CLASS_INDEX]);
	if (*class >= pool->nr_classes) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[SEGPOOL_A_CLASS_INDEX],
				    "the pool has no such class");
		return -ENOENT;
	}
	*class = array_index_nospec(*class, pool->nr_classes);
	return 0;
}

int netlink_class_get(struct sk_buff *request, struct genl_info *info)
{
	struct segpool_pool *pool;
	struct reply reply;
	u32 class;
	int err;

	err = netlink_find_pool(request, info, SEGPOOL_A_CLASS_POOL_ID, &pool);
	if (err)
		return err;
	err = class_index(pool, info, &class);
	if (!err)
		err = reply_begin(&reply, info);
	if (!err) {
		lent_settle_all(pool, true);
		err = reply_end(&reply, info, put_class(reply.skb, pool, class));
	}
	pool_put(pool);
	return err;
}

/* Is there a pool that is asked for? */
static int dump_check_pool(struct netlink_callback *cb, struct nlattr *number)
{
	struct dump *dump = dump_of(cb);
	struct segpool_pool *pool = netlink_get_pool(&dump->viewer, nla_get_u32(number));

	if (!pool) {
		NL_SET_ERR_MSG_ATTR(cb->extack, number, "there is no such pool");
		return -ENOENT;
	}
	pool_put(pool);
	dump->only = nla_get_u32(number);
	dump->next_id = dump->only;
	return 0;
}

static int class_dump_check(struct netlink_callback *cb)
{
	struct nlattr **attrs = compat_dump_attrs(cb);

	if (attrs[SEGPOOL_A_CLASS_INDEX]) {
		NL_SET_ERR_MSG_ATTR(cb->extack, attrs[SEGPOOL_A_CLASS_INDEX],
				    "a dump is of all classes: ask without it");
		return -EINVAL;
	}
	if (!attrs[SEGPOOL_A_CLASS_POOL_ID] || dump_of(cb)->only)
		return 0;
	return dump_check_pool(cb, attrs[SEGPOOL_A_CLASS_POOL_ID]);
}

static bool dump_classes(struct segpool_pool *pool, void *context)
{
	const struct dump_visit *visit = context;
	struct dump *dump = dump_of(visit->cb);
	void *header;

	if (dump->only && pool->id != dump->only)
		return true;
	/* The one that the dump has stopped in may be gone. */
	if (pool->id != dump->next_id)
		dump->next_class = 0;
	dump->next_id = pool->id;
	for (; viewer_sees(&dump->viewer, pool) && dump->next_class < pool->nr_classes;
	     dump->next_class++) {
		header = dump_begin(visit, SEGPOOL_CMD_CLASS_GET);
		if (!header ||
		    !dump_end(visit, header, put_class(visit->skb, pool, dump->next_class)))
			return false;
	}
	dump->next_class = 0;
	dump->next_id = pool->id + 1;
	return true;
}

int netlink_class_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_visit visit = { .skb = skb, .cb = cb };
	int err = class_dump_check(cb);

	if (err)
		return err;
	pools_settle();
	return dump_visited(&visit, pools_visit(dump_of(cb)->next_id, &cb->seq, dump_classes,
						&visit));
}

int netlink_module_get(struct sk_buff *request, struct genl_info *info)
{
	struct reply reply;
	int err;

	err = netlink_check_administrator(request, info);
	if (!err)
		err = reply_begin(&reply, info);
	if (err)
		return err;
	return reply_end(&reply, info, put_module(reply.skb));
}
