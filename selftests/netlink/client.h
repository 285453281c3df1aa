/* SPDX-License-Identifier: GPL-2.0-only */
/* A client of the netlink family: sockets, requests, what the kernel says to them. */
#ifndef SEGPOOL_NETLINK_CLIENT_H
#define SEGPOOL_NETLINK_CLIENT_H

#include "../testing_memory.h"
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/segpool_netlink.h>

#define NL_ROOM		65536
#define NL_GROUPS	3

enum nl_group { NL_MGMT, NL_ALERT, NL_STATS };

struct nl {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t groups[NL_GROUPS];
	uint32_t seq;
	/* Of the last request: the kernel's sentence, the attribute it was about, the missing one. */
	char sentence[160];
	uint32_t about, missing;
	/* A message of the last dump said that something has changed. */
	bool interrupted;
	char buffer[NL_ROOM];
	char request[4096];
};

typedef void (*nl_receive)(const struct nlmsghdr *message, void *context);

static SP_UNUSED int nl_fd(const struct nl *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

/* --- requests --- */

static SP_UNUSED struct nlmsghdr *nl_begin(struct nl *nl, uint8_t command, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(nl->request);
	struct genlmsghdr *header;

	message->nlmsg_type = nl->family;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	message->nlmsg_seq = ++nl->seq;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = command;
	header->version = SEGPOOL_FAMILY_VERSION;
	return message;
}

static uint32_t nl_attribute_u32(const struct nlattr *attribute)
{
	return mnl_attr_validate(attribute, MNL_TYPE_U32) < 0 ? 0 : mnl_attr_get_u32(attribute);
}

/* The attributes behind an error, which are the kernel's explanation. */
static int nl_error(struct nl *nl, const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	size_t offset = sizeof(*error);

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return error->error;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		offset += error->msg.nlmsg_len - sizeof(error->msg);
	mnl_attr_for_each(attribute, message, offset) {
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG)
			snprintf(nl->sentence, sizeof(nl->sentence), "%s", mnl_attr_get_str(attribute));
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_OFFS)
			nl->about = nl_attribute_u32(attribute);
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MISS_TYPE)
			nl->missing = nl_attribute_u32(attribute);
	}
	return error->error;
}

/* What ends a dump has its error and explanation likewise. */
static int nl_done(struct nl *nl, const struct nlmsghdr *message)
{
	const struct nlattr *attribute;

	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_for_each(attribute, message, sizeof(int))
			if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG)
				snprintf(nl->sentence, sizeof(nl->sentence), "%s",
					 mnl_attr_get_str(attribute));
	return *(int *)mnl_nlmsg_get_payload(message);
}

/* Reads until the answer to the last request is complete. */
static SP_UNUSED int nl_answer(struct nl *nl, nl_receive receive, void *context)
{
	const struct nlmsghdr *message;
	int length;

	for (;;) {
		length = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer));
		if (length < 0)
			return -errno;
		for (message = (void *)nl->buffer; mnl_nlmsg_ok(message, length);
		     message = mnl_nlmsg_next(message, &length)) {
			if (message->nlmsg_seq != nl->seq)
				continue;
			nl->interrupted |= message->nlmsg_flags & NLM_F_DUMP_INTR;
			if (message->nlmsg_type == NLMSG_ERROR)
				return nl_error(nl, message);
			if (message->nlmsg_type == NLMSG_DONE)
				return nl_done(nl, message);
			if (receive)
				receive(message, context);
		}
	}
}

static SP_UNUSED int nl_send(struct nl *nl, const struct nlmsghdr *message)
{
	nl->sentence[0] = '\0';
	nl->about = 0;
	nl->missing = 0;
	nl->interrupted = false;
	return mnl_socket_sendto(nl->socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

static SP_UNUSED int nl_ask(struct nl *nl, const struct nlmsghdr *message, nl_receive receive,
			    void *context)
{
	int error = nl_send(nl, message);

	return error ? error : nl_answer(nl, receive, context);
}

/* --- the family --- */

static void nl_note_group(struct nl *nl, const struct nlattr *entry)
{
	static const char *const names[NL_GROUPS] = {
		SEGPOOL_MCGRP_MGMT, SEGPOOL_MCGRP_ALERT, SEGPOOL_MCGRP_STATS,
	};
	const struct nlattr *attribute;
	const char *name = "";
	uint32_t number = 0;
	int i;

	mnl_attr_for_each_nested(attribute, entry) {
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(attribute);
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_ID)
			number = nl_attribute_u32(attribute);
	}
	for (i = 0; i < NL_GROUPS; i++)
		if (!strcmp(name, names[i]))
			nl->groups[i] = number;
}

static void nl_note_family(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute, *entry;
	struct nl *nl = context;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
			nl->family = mnl_attr_get_u16(attribute);
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(entry, attribute)
				nl_note_group(nl, entry);
	}
}

static SP_UNUSED int nl_find_family(struct nl *nl)
{
	struct nlmsghdr *message = nl_begin(nl, CTRL_CMD_GETFAMILY, 0);

	message->nlmsg_type = GENL_ID_CTRL;
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, SEGPOOL_FAMILY_NAME);
	return nl_ask(nl, message, nl_note_family, nl);
}

/* A socket that knows no family yet. */
static SP_UNUSED int nl_open_socket(struct nl *nl)
{
	int yes = 1;

	memset(nl, 0, sizeof(*nl));
	nl->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl->socket)
		return -errno;
	if (mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &yes, sizeof(yes)))
		return -errno;
	return 0;
}

static SP_UNUSED int nl_open(struct nl *nl)
{
	int error = nl_open_socket(nl);

	return error ? error : nl_find_family(nl);
}

static SP_UNUSED void nl_close(struct nl *nl)
{
	if (nl->socket)
		mnl_socket_close(nl->socket);
	nl->socket = NULL;
}

static SP_UNUSED int nl_join(struct nl *nl, enum nl_group group)
{
	return mnl_socket_setsockopt(nl->socket, NETLINK_ADD_MEMBERSHIP, &nl->groups[group],
				     sizeof(nl->groups[group])) ? -errno : 0;
}

#endif /* SEGPOOL_NETLINK_CLIENT_H */
