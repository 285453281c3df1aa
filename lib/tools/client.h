/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests to the netlink family "segpool", and what the kernel says to them. What
 * fails returns a negative errno value; client_failed() makes a sentence of it.
 */
#ifndef SEGPOOL_CLIENT_H
#define SEGPOOL_CLIENT_H

#include <stdint.h>

#include <libmnl/libmnl.h>

#define CLIENT_ROOM	32768
#define CLIENT_GROUPS	3

enum client_group { CLIENT_MGMT, CLIENT_ALERT, CLIENT_STATS };

/**
 * struct client - a connection to the kernel
 * @socket: NULL where there is none.
 * @family: number of the family.
 * @groups: numbers of its multicast groups, by enum client_group.
 * @seq: number of the last request.
 * @sentence: what the kernel said to the last request; may be empty.
 * @about: offset in @request of the attribute that the kernel took offence at; 0: none.
 * @interrupted: pools came or went during the last dump.
 * @request: the last request.
 */
struct client {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t groups[CLIENT_GROUPS];
	uint32_t seq;
	char sentence[160];
	uint32_t about;
	int interrupted;
	char request[1024];
	char buffer[CLIENT_ROOM];
};

/* Returns 0 or what goes on to the caller of client_ask(). */
typedef int (*client_receive)(const struct nlmsghdr *message, void *context);

/* Connects; -1 after it has complained. */
int client_open(struct client *client);
void client_close(struct client *client);
/* Events of a group; a socket that listens asks nothing. */
int client_join(struct client *client, enum client_group group);

struct nlmsghdr *client_begin(struct client *client, uint8_t command);
/* Sends it and hands all answers to @receive. */
int client_ask(struct client *client, struct nlmsghdr *message, client_receive receive,
	       void *context);
/*
 * The same for all there is. Where pools came or went meanwhile @restart is called, which forgets
 * what was received, and it is asked anew; in the end it complains that some may be missing.
 */
int client_dump(struct client *client, struct nlmsghdr *message, client_receive receive,
		void (*restart)(void *context), void *context);
/* Says why a request about @pool (0: none) came to nothing, and what to do. Returns STATUS_FAILED. */
int client_failed(const struct client *client, int error, uint32_t pool);

#endif
