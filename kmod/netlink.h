/* SPDX-License-Identifier: GPL-2.0-only */
/* The netlink family: what its files share. */
#ifndef SEGPOOL_NETLINK_H
#define SEGPOOL_NETLINK_H

#include <linux/segpool_netlink.h>
#include <linux/uidgid.h>
#include <net/genetlink.h>

#include "segpool.h"

extern struct genl_family netlink_family;

/**
 * struct viewer - whose pools somebody may see
 * @all: everybody's.
 * @uid: those of this user; may be INVALID_UID.
 */
struct viewer {
	bool all;
	kuid_t uid;
};

/* netlink.c */
void viewer_init(struct viewer *viewer, struct sk_buff *request);
int netlink_check_administrator(struct sk_buff *request, struct genl_info *info);
struct segpool_pool *netlink_get_pool(const struct viewer *viewer, u32 id);
int netlink_find_pool(struct sk_buff *request, struct genl_info *info, u32 attribute,
		      struct segpool_pool **pool);

static inline bool viewer_sees(const struct viewer *viewer, const struct segpool_pool *pool)
{
	return viewer->all || uid_eq(viewer->uid, pool->owner_uid);
}

/* netlink_put.c */
int put_u64(struct sk_buff *skb, int attribute, u64 value);
int put_pool(struct sk_buff *skb, const struct segpool_pool *pool);
int put_pool_name(struct sk_buff *skb, const struct segpool_pool *pool);
int put_pool_counters(struct sk_buff *skb, const struct segpool_pool *pool);
int put_class(struct sk_buff *skb, const struct segpool_pool *pool, u32 class);
int put_module(struct sk_buff *skb);

/* netlink_get.c */
int netlink_pool_get(struct sk_buff *request, struct genl_info *info);
int netlink_begin_dump(struct netlink_callback *cb);
int netlink_pool_dump(struct sk_buff *skb, struct netlink_callback *cb);
int netlink_class_get(struct sk_buff *request, struct genl_info *info);
int netlink_class_dump(struct sk_buff *skb, struct netlink_callback *cb);
int netlink_module_get(struct sk_buff *request, struct genl_info *info);

/* netlink_set.c */
int netlink_pool_set(struct sk_buff *request, struct genl_info *info);
int netlink_pool_trim(struct sk_buff *request, struct genl_info *info);

/**
 * struct reply - the answer to a request
 * @skb: the message.
 * @header: the family's part of it.
 */
struct reply {
	struct sk_buff *skb;
	void *header;
};

/* netlink.c */
int reply_begin(struct reply *reply, struct genl_info *info);
int reply_end(struct reply *reply, struct genl_info *info, int err);

#endif
