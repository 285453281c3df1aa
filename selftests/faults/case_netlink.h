/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests by netlink, in the table of calls to be failed. Messages are put together by hand, so
 * that the program needs no library.
 */
#ifndef SEGPOOL_FAULTS_CASE_NETLINK_H
#define SEGPOOL_FAULTS_CASE_NETLINK_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/segpool_netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "case_ioctl.h"

#define NETLINK_ROOM	65536

/* A request with one attribute, that holds a number or one more attribute with one. */
struct netlink_request {
	struct nlmsghdr header;
	struct genlmsghdr family;
	char attributes[64];
};

static void netlink_put(struct netlink_request *request, uint16_t type, const void *data,
			uint16_t length)
{
	struct nlattr attribute = { .nla_len = NLA_HDRLEN + length, .nla_type = type };
	char *at = (char *)request + request->header.nlmsg_len;

	memcpy(at, &attribute, sizeof(attribute));
	memcpy(at + NLA_HDRLEN, data, length);
	request->header.nlmsg_len += NLA_HDRLEN + NLA_ALIGN(length);
}

static void netlink_begin(struct netlink_request *request, uint16_t type, uint8_t command,
			  uint16_t flags)
{
	memset(request, 0, sizeof(*request));
	request->header.nlmsg_len = offsetof(struct netlink_request, attributes);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	request->header.nlmsg_seq = 1;
	request->family.cmd = command;
	request->family.version = 1;
}

/* 0 where more is to come, 1 at the end, or -errno. @id may be NULL: set to the family's number. */
static int netlink_judge(char *buffer, int length, uint16_t *id)
{
	struct nlmsghdr *message = (void *)buffer;
	struct nlattr *attribute;
	int at;

	for (; NLMSG_OK(message, (unsigned int)length); message = NLMSG_NEXT(message, length)) {
		if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE)
			return *(int *)NLMSG_DATA(message) ?: 1;
		for (at = NLMSG_HDRLEN + GENL_HDRLEN; id && at < (int)message->nlmsg_len;
		     at += NLA_ALIGN(attribute->nla_len)) {
			attribute = (void *)((char *)message + at);
			if (attribute->nla_type == CTRL_ATTR_FAMILY_ID)
				memcpy(id, (char *)attribute + NLA_HDRLEN, sizeof(*id));
		}
	}
	return 0;
}

static int netlink_talk(int fd, const struct netlink_request *request, uint16_t *id)
{
	static char buffer[NETLINK_ROOM];
	int length, end = 0;

	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	while (!end) {
		length = recv(fd, buffer, sizeof(buffer), 0);
		end = length < 0 ? -errno : netlink_judge(buffer, length, id);
	}
	return end > 0 ? 0 : end;
}

/* Retained pages to be given back, and a socket; @done: the family's number. */
static int with_netlink(struct scene *scene)
{
	struct timeval limit = { .tv_sec = 20 };
	struct netlink_request request;
	uint16_t id = 0;
	int error = with_full_regions(scene);

	scene->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (error || scene->fd < 0)
		return error ? error : -errno;
	setsockopt(scene->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	netlink_begin(&request, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	netlink_put(&request, CTRL_ATTR_FAMILY_NAME, SEGPOOL_FAMILY_NAME,
		    sizeof(SEGPOOL_FAMILY_NAME));
	error = netlink_talk(scene->fd, &request, &id);
	scene->done = id;
	error = error ?: sp_free(scene->pool.fd, scene->regions[0].handle, 0);
	return error ?: sp_free(scene->pool.fd, scene->regions[1].handle, SEGPOOL_LAZY);
}

/* @command of the case, with the pool's number unless it is a dump of pools (@flags). */
static int call_netlink(struct scene *scene)
{
	uint64_t budget = 3 * scene->pool.region_size;
	struct {
		struct nlattr header;
		uint64_t value;
	} __attribute__((__packed__)) limit = {
		{ sizeof(limit), SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES }, budget
	};
	struct netlink_request request;

	netlink_begin(&request, scene->done, scene->what->command, scene->what->flags);
	if (scene->what->command != SEGPOOL_CMD_MODULE_GET &&
	    (!scene->what->flags || scene->what->command != SEGPOOL_CMD_POOL_GET))
		netlink_put(&request, SEGPOOL_A_POOL_ID, &scene->pool.id, sizeof(scene->pool.id));
	if (scene->what->command == SEGPOOL_CMD_POOL_SET)
		netlink_put(&request, SEGPOOL_A_POOL_LIMITS | NLA_F_NESTED, &limit, sizeof(limit));
	return netlink_talk(scene->fd, &request, NULL);
}

/* Done, or refused before anything was done; without its answer where that was lost. */
static const char *check_netlink_set(struct scene *scene, int result)
{
	uint64_t budget = sp_counter(scene->pool.fd, SEGPOOL_C_PHYSICAL_BUDGET_BYTES);
	bool changed = budget != scene->before[SEGPOOL_C_PHYSICAL_BUDGET_BYTES];
	struct segpool_limits limits = {
		.physical_budget = scene->before[SEGPOOL_C_PHYSICAL_BUDGET_BYTES],
	};

	if (!result && !changed)
		return "it succeeds and changes nothing";
	if (result == -ENOMEM && changed)
		return "it fails and has changed the budget";
	/* For the trial afterwards. */
	return sp_set_budget(scene->pool.fd, SEGPOOL_SET_PHYSICAL, &limits) ?
	       "the budget cannot be set back" : NULL;
}

/* ENOBUFS: the kernel lost an answer. */
#define NETLINK(command_, ...) \
	.stage = SCENE_MAPPED, .prepare = with_netlink, .count = 6, .call = call_netlink, \
	.errors = { ENOMEM, ENOBUFS }, .command = command_, ##__VA_ARGS__

static const struct fault_case cases_netlink[] = {
	{ "netlink_pool", NETLINK(SEGPOOL_CMD_POOL_GET) },
	{ "netlink_pools", NETLINK(SEGPOOL_CMD_POOL_GET, .flags = NLM_F_DUMP) },
	{ "netlink_classes", NETLINK(SEGPOOL_CMD_CLASS_GET, .flags = NLM_F_DUMP) },
	{ "netlink_module", NETLINK(SEGPOOL_CMD_MODULE_GET) },
	{ "netlink_set", NETLINK(SEGPOOL_CMD_POOL_SET, .check = check_netlink_set) },
	{ "netlink_trim", NETLINK(SEGPOOL_CMD_POOL_TRIM) },
};

#endif /* SEGPOOL_FAULTS_CASE_NETLINK_H */
