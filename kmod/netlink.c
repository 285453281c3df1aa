// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family "segpool": its operations, what their attributes may be,
 * and who may ask. Specified in Documentation/netlink/specs/segpool.yaml.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/net.h>
#include <net/sock.h>

#include "netlink.h"

/* Not constant for Linux 6.1's sake. */
static struct netlink_range_validation physical_range = { .max = SEGPOOL_MAX_PHYSICAL };
static struct netlink_range_validation age_range = { .max = SEGPOOL_MAX_AGE_MS };

static const struct nla_policy limits_policy[SEGPOOL_A_LIMITS_MAX + 1] = {
	[SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES] = { .type = NLA_U64 },
	[SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES] = NLA_POLICY_FULL_RANGE(NLA_U64, &physical_range),
	[SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES] = { .type = NLA_U64 },
	[SEGPOOL_A_LIMITS_RETAIN_AGE_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &age_range),
	[SEGPOOL_A_LIMITS_WATERMARK] = NLA_POLICY_RANGE(NLA_U32, 1, 100),
};

/* One for each operation, so that an attribute that it does not know is refused. */
static const struct nla_policy get_policy[] = {
	[SEGPOOL_A_POOL_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy set_policy[] = {
	[SEGPOOL_A_POOL_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[SEGPOOL_A_POOL_LIMITS] = NLA_POLICY_NESTED(limits_policy),
};

static const struct nla_policy trim_policy[] = {
	[SEGPOOL_A_POOL_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[SEGPOOL_A_POOL_TARGET_BYTES] = { .type = NLA_U64 },
};

static const struct nla_policy class_policy[] = {
	[SEGPOOL_A_CLASS_POOL_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[SEGPOOL_A_CLASS_INDEX] = NLA_POLICY_MAX(NLA_U32, SEGPOOL_MAX_CLASSES - 1),
};

static const struct nla_policy no_policy[] = {
	[SEGPOOL_A_MODULE_PAD] = { .type = NLA_REJECT },
};

static const struct genl_ops ops[] = {
	{
		.cmd = SEGPOOL_CMD_POOL_GET,
		.doit = netlink_pool_get,
		.start = netlink_begin_dump,
		.dumpit = netlink_pool_dump,
		.policy = get_policy,
		.maxattr = ARRAY_SIZE(get_policy) - 1,
	},
	{
		.cmd = SEGPOOL_CMD_POOL_SET,
		.doit = netlink_pool_set,
		.policy = set_policy,
		.maxattr = ARRAY_SIZE(set_policy) - 1,
	},
	{
		.cmd = SEGPOOL_CMD_POOL_TRIM,
		.doit = netlink_pool_trim,
		.policy = trim_policy,
		.maxattr = ARRAY_SIZE(trim_policy) - 1,
	},
	{
		.cmd = SEGPOOL_CMD_CLASS_GET,
		.doit = netlink_class_get,
		.start = netlink_begin_dump,
		.dumpit = netlink_class_dump,
		.policy = class_policy,
		.maxattr = ARRAY_SIZE(class_policy) - 1,
	},
	{
		.cmd = SEGPOOL_CMD_MODULE_GET,
		.doit = netlink_module_get,
		.policy = no_policy,
		.maxattr = ARRAY_SIZE(no_policy) - 1,
	},
};

/* The kernel asks for the right when somebody joins, of who joins. */
static const struct genl_multicast_group groups[] = {
	[EVENTS_MGMT] = { .name = SEGPOOL_MCGRP_MGMT, .flags = GENL_MCAST_CAP_SYS_ADMIN },
	[EVENTS_ALERT] = { .name = SEGPOOL_MCGRP_ALERT, .flags = GENL_MCAST_CAP_SYS_ADMIN },
	[EVENTS_STATS] = { .name = SEGPOOL_MCGRP_STATS, .flags = GENL_MCAST_CAP_SYS_ADMIN },
};

/*
 * In the initial network namespace only: what it tells is of the whole machine. Its
 * operations run side by side. But a family that comes or goes waits for all of them, and
 * what is asked after that waits for it: none of them may go on for as long as somebody likes.
 */
struct genl_family netlink_family = {
	.name = SEGPOOL_FAMILY_NAME,
	.version = SEGPOOL_FAMILY_VERSION,
	.module = THIS_MODULE,
	.parallel_ops = true,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/*
 * CAP_SYS_ADMIN, of who sends; and of who has opened the socket, unless the sender has named
 * the kernel as the receiver: it may be a program that was made to write to it. Not
 * CAP_NET_ADMIN, which programs are given for the sake of networks, and which is no right over
 * memory.
 */
static bool is_administrator(struct sk_buff *request)
{
	return netlink_capable(request, CAP_SYS_ADMIN);
}

/**
 * viewer_init() - find out whose pools a request may tell of
 * @viewer: set.
 * @request: as it arrived; its sender is the calling process.
 *
 * Likewise two must be the owner: sender and opener.
 */
void viewer_init(struct viewer *viewer, struct sk_buff *request)
{
	const struct file *file = NETLINK_CB(request).sk->sk_socket->file;

	viewer->all = is_administrator(request);
	viewer->uid = INVALID_UID;
	if (file && uid_eq(file->f_cred->euid, current_euid()))
		viewer->uid = current_euid();
}

int netlink_check_administrator(struct sk_buff *request, struct genl_info *info)
{
	if (is_administrator(request))
		return 0;
	GENL_SET_ERR_MSG(info, "needs CAP_SYS_ADMIN in the initial user namespace");
	return -EPERM;
}

static bool sees(const struct segpool_pool *pool, const void *viewer)
{
	return viewer_sees(viewer, pool);
}

/* With a reference; NULL: none that he sees. */
struct segpool_pool *netlink_get_pool(const struct viewer *viewer, u32 id)
{
	return pools_get(id, sees, viewer);
}

/**
 * netlink_find_pool() - the pool that a request names
 * @request: as it arrived.
 * @info: its attributes.
 * @attribute: the one with the number.
 * @pool: set to it, with a reference.
 *
 * Who may not see a pool is told the same as if there were none.
 *
 * Return: 0, -EINVAL, -ENOENT.
 */
int netlink_find_pool(struct sk_buff *request, struct genl_info *info, u32 attribute,
		      struct segpool_pool **pool)
{
	struct viewer viewer;

	if (GENL_REQ_ATTR_CHECK(info, attribute)) {
		GENL_SET_ERR_MSG(info, "the pool's number is missing");
		return -EINVAL;
	}
	viewer_init(&viewer, request);
	*pool = netlink_get_pool(&viewer, nla_get_u32(info->attrs[attribute]));
	if (*pool)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attribute], "there is no such pool");
	return -ENOENT;
}

/**
 * reply_begin() - make a reply to the command of @info; ends with reply_end()
 * @reply: set.
 * @info: the request.
 *
 * Return: 0 or -ENOMEM.
 */
int reply_begin(struct reply *reply, struct genl_info *info)
{
	reply->skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply->skb)
		return -ENOMEM;
	reply->header = genlmsg_put_reply(reply->skb, info, &netlink_family, 0,
					  info->genlhdr->cmd);
	if (reply->header)
		return 0;
	nlmsg_free(reply->skb);
	return -EMSGSIZE;
}

/* Sends it, or forgets it where there was an error. */
int reply_end(struct reply *reply, struct genl_info *info, int err)
{
	if (err) {
		nlmsg_free(reply->skb);
		return err;
	}
	genlmsg_end(reply->skb, reply->header);
	return genlmsg_reply(reply->skb, info);
}

int netlink_init(void)
{
	return genl_register_family(&netlink_family);
}

/* Waits for requests under way; those that dump keep the module loaded. */
void netlink_exit(void)
{
	events_exit();
	genl_unregister_family(&netlink_family);
}
