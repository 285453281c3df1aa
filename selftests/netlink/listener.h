/* SPDX-License-Identifier: GPL-2.0-only */
/* Hearing events. */
#ifndef SEGPOOL_NETLINK_LISTENER_H
#define SEGPOOL_NETLINK_LISTENER_H

#include "pools.h"

/* An event must come within this time; on a slow machine it takes long. */
#define NL_PATIENCE_S	60

static SP_UNUSED int nl_listen(struct nl *nl, enum nl_group group)
{
	struct timeval limit = { .tv_sec = NL_PATIENCE_S };
	/* For all that may come before it is read. */
	int room = 16 << 20;
	int error = nl_open(nl);

	if (!error)
		error = nl_join(nl, group);
	if (!error && setsockopt(nl_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		error = -errno;
	if (!error && setsockopt(nl_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		error = -errno;
	return error;
}

/* The next event: 0, or -errno; ENOBUFS where some were lost, EAGAIN where none comes. */
static SP_UNUSED int nl_hear(struct nl *nl, struct nl_pool *event)
{
	int length = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer));

	if (length < 0)
		return -errno;
	memset(event, 0, sizeof(*event));
	nl_read_pool((void *)nl->buffer, event);
	return 0;
}

/* The next event of this kind; the others are passed over. */
static SP_UNUSED int nl_hear_of(struct nl *nl, uint8_t command, uint32_t id, struct nl_pool *event)
{
	int error;

	do {
		error = nl_hear(nl, event);
	} while (!error && (event->command != command || event->id != id));
	return error;
}

/* Whether nothing more comes within @ms. */
static SP_UNUSED bool nl_is_silent(struct nl *nl, unsigned int ms)
{
	struct nl_pool event;

	sp_sleep_ms(ms);
	return recv(nl_fd(nl), &event, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

#endif /* SEGPOOL_NETLINK_LISTENER_H */
