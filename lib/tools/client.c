// SPDX-License-Identifier: GPL-2.0-only
/* The command's end of netlink. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/segpool_netlink.h>

#include "client.h"
#include "command.h"

/* Pools that come and go all the time are no reason to ask for ever. */
#define DUMP_TRIES	16

struct nlmsghdr *client_begin(struct client *client, uint8_t command)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(client->request);
	struct genlmsghdr *header;

	message->nlmsg_type = client->family;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = ++client->seq;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = command;
	header->version = SEGPOOL_FAMILY_VERSION;
	return message;
}

/* --- answers --- */

static void note_explanation(struct client *client, const struct nlmsghdr *message, size_t offset)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, (unsigned int)offset) {
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(client->sentence, sizeof(client->sentence), "%s",
				 mnl_attr_get_str(attribute));
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_OFFS &&
		    mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			client->about = mnl_attr_get_u32(attribute);
	}
}

static int note_error(struct client *client, const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*error);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*error))
		return -EBADMSG;
	if (!(message->nlmsg_flags & NLM_F_CAPPED) && error->error)
		offset += error->msg.nlmsg_len - sizeof(error->msg);
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		note_explanation(client, message, offset);
	return error->error;
}

static int note_done(struct client *client, const struct nlmsghdr *message)
{
	if (mnl_nlmsg_get_payload_len(message) < sizeof(int))
		return 0;
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		note_explanation(client, message, sizeof(int));
	return *(const int *)mnl_nlmsg_get_payload(message);
}

/* 1 where there is more to come. */
static int take(struct client *client, const struct nlmsghdr *message, client_receive receive,
		void *context)
{
	int error;

	if (message->nlmsg_seq != client->seq)
		return 1;
	client->interrupted |= !!(message->nlmsg_flags & NLM_F_DUMP_INTR);
	if (message->nlmsg_type == NLMSG_ERROR)
		return note_error(client, message);
	if (message->nlmsg_type == NLMSG_DONE)
		return note_done(client, message);
	error = receive(message, context);
	return error ? error : 1;
}

static int answer(struct client *client, client_receive receive, void *context)
{
	const struct nlmsghdr *message;
	int length, more = 1;

	while (more > 0) {
		length = (int)mnl_socket_recvfrom(client->socket, client->buffer,
						  sizeof(client->buffer));
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return -errno;
		for (message = (const void *)client->buffer;
		     more > 0 && mnl_nlmsg_ok(message, length);
		     message = mnl_nlmsg_next(message, &length))
			more = take(client, message, receive, context);
	}
	return more;
}

int client_ask(struct client *client, struct nlmsghdr *message, client_receive receive,
	       void *context)
{
	client->sentence[0] = '\0';
	client->about = 0;
	client->interrupted = 0;
	if (mnl_socket_sendto(client->socket, message, message->nlmsg_len) < 0)
		return -errno;
	return answer(client, receive, context);
}

int client_dump(struct client *client, struct nlmsghdr *message, client_receive receive,
		void (*restart)(void *context), void *context)
{
	int error;

	message->nlmsg_flags |= NLM_F_DUMP;
	for (int i = 0; i < DUMP_TRIES; i++) {
		message->nlmsg_seq = ++client->seq;
		restart(context);
		error = client_ask(client, message, receive, context);
		if (error || !client->interrupted)
			return error;
	}
	complain("pools come and go all the time: some of them may be missing");
	return 0;
}

/* --- the family --- */

static void note_group(struct client *client, const struct nlattr *entry)
{
	static const char *const names[CLIENT_GROUPS] = {
		SEGPOOL_MCGRP_MGMT, SEGPOOL_MCGRP_ALERT, SEGPOOL_MCGRP_STATS,
	};
	const struct nlattr *attribute;
	const char *name = "";
	uint32_t number = 0;

	mnl_attr_for_each_nested(attribute, entry) {
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(attribute);
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_ID)
			number = mnl_attr_get_u32(attribute);
	}
	for (int i = 0; i < CLIENT_GROUPS; i++)
		if (!strcmp(name, names[i]))
			client->groups[i] = number;
}

static int note_family(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute, *entry;
	struct client *client = context;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
			client->family = mnl_attr_get_u16(attribute);
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(entry, attribute)
				note_group(client, entry);
	}
	return 0;
}

static int find_family(struct client *client)
{
	struct nlmsghdr *message = client_begin(client, CTRL_CMD_GETFAMILY);

	message->nlmsg_type = GENL_ID_CTRL;
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, SEGPOOL_FAMILY_NAME);
	return client_ask(client, message, note_family, client);
}

static int no_family(int error)
{
	if (error != -ENOENT)
		return complain("the netlink family segpool cannot be asked for: %s",
				strerror(-error));
	if (!access("/sys/module/segpool", F_OK))
		return complain("the module is loaded, but answers in the initial network namespace "
				"only: nsenter --net=/proc/1/ns/net segpool ...");
	return complain("the module segpool is not loaded: modprobe segpool, or insmod segpool.ko, "
			"as root");
}

int client_open(struct client *client)
{
	int yes = 1, error;

	memset(client, 0, sizeof(*client));
	client->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!client->socket)
		return complain("netlink cannot be used: %s", strerror(errno));
	error = mnl_socket_bind(client->socket, 0, MNL_SOCKET_AUTOPID) ? -errno : 0;
	/* Without the kernel's sentences it works, too. */
	mnl_socket_setsockopt(client->socket, NETLINK_EXT_ACK, &yes, sizeof(yes));
	if (!error)
		error = find_family(client);
	if (!error)
		return 0;
	client_close(client);
	return no_family(error);
}

void client_close(struct client *client)
{
	if (client->socket)
		mnl_socket_close(client->socket);
	client->socket = NULL;
}

int client_join(struct client *client, enum client_group group)
{
	return mnl_socket_setsockopt(client->socket, NETLINK_ADD_MEMBERSHIP,
				     &client->groups[group], sizeof(client->groups[group])) ?
	       -errno : 0;
}

int client_failed(const struct client *client, int error, uint32_t pool)
{
	char of[32] = "";

	if (error == -EPERM || error == -EACCES)
		return failed("no permission: this needs root (CAP_SYS_ADMIN in the initial user "
			      "namespace)");
	if (error == -ENOENT && pool)
		return failed("there is no pool %u, or none that you may see: segpool list shows "
			      "them", pool);
	if (pool)
		snprintf(of, sizeof(of), "pool %u: ", pool);
	if (client->sentence[0])
		return failed("%sthe kernel refused: %s (%s)", of, client->sentence,
			      strerror(-error));
	return failed("%s%s", of, strerror(-error));
}
