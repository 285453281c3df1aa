// SPDX-License-Identifier: GPL-2.0-only
/* segpool monitor: what happens to pools, as it happens. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/segpool_netlink.h>

#include "command.h"
#include "events.h"
#include "pools_report.h"
#include "words.h"

/* For what comes while a line is being written; as root more than others may have. */
#define ROOM		(4 << 20)

struct monitor {
	struct client asking, listening;
	struct seen_list seen;
	struct json json;
	int as_json, summaries;
	uint32_t wanted, count;
	enum size_style style;
	int room;
	uint64_t lost;
};

static volatile sig_atomic_t ended;

static void end(int number)
{
	ended = number;
}

/* --- lines --- */

static void begin_line(struct monitor *monitor, const char *name, const struct pool *pool)
{
	char comm[NAME_TEXT], stamp[32];
	struct timespec now;
	struct tm local;

	clock_gettime(CLOCK_REALTIME, &now);
	if (monitor->as_json) {
		monitor->json = (struct json){ .file = stdout, .flat = 1 };
		json_object(&monitor->json, NULL);
		json_real(&monitor->json, "time", (double)now.tv_sec + (double)now.tv_nsec / 1e9);
		json_string(&monitor->json, "event", name);
		if (!pool)
			return;
		json_number(&monitor->json, "pool", pool->id);
		json_number(&monitor->json, "pid", pool->pid);
		json_string(&monitor->json, "comm", pool->comm);
		return;
	}
	localtime_r(&now.tv_sec, &local);
	strftime(stamp, sizeof(stamp), "%H:%M:%S", &local);
	printf("%s.%03ld ", stamp, now.tv_nsec / 1000000);
	if (pool)
		printf("pool %u (%s): ", pool->id, name_text(pool->comm, comm));
}

static void end_line(struct monitor *monitor)
{
	if (monitor->as_json)
		json_end_object(&monitor->json);
	else
		putchar('\n');
	fflush(stdout);
	monitor->count++;
}

static void tell_refusals(const struct pool *pool)
{
	const char *separator = "";

	for (int reason = SEGPOOL_REASON_VIRTUAL; reason < NR_REASONS; reason++) {
		if (!pool->refusals[reason])
			continue;
		printf("%s%" PRIu64 " for %s", separator, pool->refusals[reason],
		       reason_names[reason]);
		separator = ", ";
	}
	printf("; ");
}

static void tell_json(struct monitor *monitor, const struct pool *pool)
{
	struct json *json = &monitor->json;

	json_number(json, "seq", pool->seq);
	json_number(json, "suppressed", pool->suppressed);
	if (pool->command == SEGPOOL_CMD_PRESSURE_NTF)
		json_bool(json, "pressure", pool->pressure);
	if (pool->command == SEGPOOL_CMD_REFUSAL_NTF || pool->command == SEGPOOL_CMD_CEILING_NTF) {
		json_object(json, "refusals");
		for (int reason = SEGPOOL_REASON_VIRTUAL; reason < NR_REASONS; reason++)
			json_number(json, reason_names[reason], pool->refusals[reason]);
		json_end_object(json);
	}
	json_object(json, "counters");
	report_counters_json(json, pool_counters, pool->counters, SEGPOOL_NR_COUNTERS);
	json_end_object(json);
}

static const char *event_name(uint8_t command)
{
	switch (command) {
	case SEGPOOL_CMD_POOL_ADD_NTF:
		return "added";
	case SEGPOOL_CMD_POOL_CHANGE_NTF:
		return "changed";
	case SEGPOOL_CMD_POOL_DEL_NTF:
		return "gone";
	case SEGPOOL_CMD_PRESSURE_NTF:
		return "pressure";
	case SEGPOOL_CMD_REFUSAL_NTF:
		return "refused";
	case SEGPOOL_CMD_CEILING_NTF:
		return "refused at the ceiling";
	case SEGPOOL_CMD_STATS_NTF:
		return "summary";
	case SEGPOOL_CMD_POOL_GET:
		return "state";
	}
	return NULL;
}

static void tell_event(struct monitor *monitor, const struct pool *pool)
{
	const char *name = event_name(pool->command);

	/* Of a later version of the module. */
	if (!name)
		return;
	begin_line(monitor, name, pool);
	if (monitor->as_json) {
		tell_json(monitor, pool);
		end_line(monitor);
		return;
	}
	printf("%s%s: ", name, pool->command != SEGPOOL_CMD_PRESSURE_NTF ? "" :
	       pool->pressure ? " begins" : " ends");
	if (pool->command == SEGPOOL_CMD_REFUSAL_NTF || pool->command == SEGPOOL_CMD_CEILING_NTF)
		tell_refusals(pool);
	report_state(pool, monitor->style);
	if (pool->suppressed)
		printf(" (and %" PRIu64 " more)", pool->suppressed);
	end_line(monitor);
}

/* --- losses --- */

static void tell_loss(struct monitor *monitor, const struct pool *pool, uint64_t events)
{
	begin_line(monitor, "lost", pool);
	monitor->lost += events;
	if (monitor->as_json) {
		if (events)
			json_number(&monitor->json, "events", events);
		else
			json_null(&monitor->json, "events");
	} else if (events) {
		printf("%" PRIu64 " events were lost before this one", events);
	} else {
		printf("events were lost: they came faster than they were read; this is the state now");
	}
	end_line(monitor);
}

/* What was lost nobody knows, but what has become of it. */
static int read_anew(struct monitor *monitor)
{
	struct pool_list pools;
	int error = pools_get(&monitor->asking, &pools);

	for (size_t i = 0; !error && i < pools.count; i++)
		tell_event(monitor, &pools.items[i]);
	pools_drop(&pools);
	return error;
}

static int overrun(struct monitor *monitor)
{
	tell_loss(monitor, NULL, 0);
	return read_anew(monitor);
}

static int is_enough(const struct monitor *monitor)
{
	return monitor->wanted && monitor->count >= monitor->wanted;
}

static int take(struct monitor *monitor, const struct nlmsghdr *message)
{
	struct pool pool;
	uint64_t missing;

	pool_read(message, &pool);
	if (!pool.id)
		return 0;
	if (seen_note(&monitor->seen, &pool, &missing))
		return -ENOMEM;
	if (missing)
		tell_loss(monitor, &pool, missing);
	tell_event(monitor, &pool);
	return 0;
}

static int listen_once(struct monitor *monitor)
{
	struct client *client = &monitor->listening;
	const struct nlmsghdr *message = (const void *)client->buffer;
	int length = (int)mnl_socket_recvfrom(client->socket, client->buffer,
					      sizeof(client->buffer));
	int error = 0;

	if (length < 0)
		return errno == ENOBUFS ? overrun(monitor) : errno == EINTR ? 0 : -errno;
	for (; !error && !is_enough(monitor) && mnl_nlmsg_ok(message, length);
	     message = mnl_nlmsg_next(message, &length))
		error = take(monitor, message);
	return error;
}

static int listen_on(struct monitor *monitor)
{
	struct pollfd poll_fd = {
		.fd = mnl_socket_get_fd(monitor->listening.socket), .events = POLLIN,
	};
	sigset_t blocked, before;
	int error = 0;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	while (!error && !ended && !is_enough(monitor)) {
		/* Signals come in here only. */
		if (ppoll(&poll_fd, 1, NULL, &before) > 0)
			error = listen_once(monitor);
		/* Who reads what it prints may have gone. */
		if (ferror(stdout))
			break;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return error;
}

static int join(struct monitor *monitor)
{
	struct client *client = &monitor->listening;
	int fd = mnl_socket_get_fd(client->socket);
	int error;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &monitor->room, sizeof(monitor->room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &monitor->room, sizeof(monitor->room));
	error = client_join(client, CLIENT_MGMT);
	if (!error)
		error = client_join(client, CLIENT_ALERT);
	if (!error && monitor->summaries)
		error = client_join(client, CLIENT_STATS);
	return error;
}

/* It joins before it reads the state: nothing falls between. */
static int run_monitor(struct monitor *monitor)
{
	struct sigaction action = { .sa_handler = end };
	int error = join(monitor);

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!error)
		error = read_anew(monitor);
	if (!error)
		error = listen_on(monitor);
	if (error)
		return client_failed(&monitor->listening, error, 0);
	if (ended && monitor->lost)
		fprintf(stderr, "segpool: %" PRIu64 " events were lost\n", monitor->lost);
	return STATUS_OK;
}

static int set_option(struct monitor *monitor, int option, const char *text)
{
	uint64_t bytes;

	switch (option) {
	case 'j':
		monitor->as_json = 1;
		return 0;
	case 'b':
		monitor->style = SIZE_EXACT;
		return 0;
	case 's':
		monitor->summaries = 1;
		return 0;
	case 'n':
		if (number_parse(text, 1, UINT32_MAX, &monitor->wanted))
			return misused(&command_monitor, "--count needs a number, not \"%s\"", text);
		return 0;
	case 'r':
		if (size_parse(text, &bytes) || bytes > 1 << 30 || !bytes)
			return misused(&command_monitor, "--buffer needs a size up to 1G, not \"%s\"",
				       text);
		monitor->room = (int)bytes;
		return 0;
	}
	return STATUS_USAGE;
}

static int run(int argc, char **argv)
{
	static const struct option names[] = {
		{ "summaries", no_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'n' },
		{ "buffer", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct monitor monitor = { .room = ROOM };
	int option, status = 0;

	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, ":n:jh", names, NULL)) != -1) {
		if (option == 'h')
			return helped(&command_monitor);
		if (option == '?' || option == ':')
			return misused_option(&command_monitor, argv, option);
		status = set_option(&monitor, option, optarg);
	}
	if (status)
		return status;
	if (optind != argc)
		return misused(&command_monitor, "it takes no argument");
	if (client_open(&monitor.asking))
		return STATUS_FAILED;
	status = STATUS_FAILED;
	if (!client_open(&monitor.listening)) {
		status = run_monitor(&monitor);
		client_close(&monitor.listening);
	}
	seen_drop(&monitor.seen);
	client_close(&monitor.asking);
	return status;
}

const struct command command_monitor = {
	.name = "monitor",
	.summary = "what happens to pools, a line each, as it happens",
	.run = run,
	.help =
"Usage: segpool monitor [OPTION]...\n"
"\n"
"The state of all pools, and then a line for each that comes, changes or goes, when\n"
"pressure begins or ends, and when requests are refused. What happens to a pool within a\n"
"tenth of a second is one line, with \"and N more\". Events that come faster than they are\n"
"read are lost: it says so, and prints the state of all pools anew. Root only. Ends at ^C.\n"
"\n"
"      --summaries    also a line each second for each pool in which something happened\n"
"  -n, --count N      end after N lines\n"
"      --buffer SIZE  room for events that are not read yet (4M)\n"
"  -j, --json         a JSON object on each line\n"
"      --bytes        exact numbers of bytes\n",
};
