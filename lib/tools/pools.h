/* SPDX-License-Identifier: GPL-2.0-only */
/* Pools, their classes and the module, as the kernel tells of them. */
#ifndef SEGPOOL_POOLS_H
#define SEGPOOL_POOLS_H

#include <stddef.h>
#include <stdint.h>

#include <linux/segpool.h>

#include "array.h"
#include "client.h"

#define POOL_COMM	32
#define NR_REASONS	(SEGPOOL_REASON_SYSTEM + 1)

/**
 * struct pool - a pool, or an event of one
 * @command: SEGPOOL_CMD_*: what the message is.
 * @id: its number.
 * @pid: process that set it up.
 * @comm: what that process called itself, as it came: see name_text().
 * @mode: enum segpool_mode.
 * @region_bytes: size of a region.
 * @limits: in force.
 * @counters: by enum segpool_counter.
 * @pressure: there is pressure.
 * @nr_classes: number of classes.
 * @released_bytes: of a TRIM: bytes that went to the system.
 * @seq: of an event: its number among those of the pool in its group.
 * @suppressed: of an event: occurrences that it tells of in addition.
 * @refusals: of an event: by enum segpool_reason.
 */
struct pool {
	uint8_t command;
	uint32_t id, pid;
	char comm[POOL_COMM];
	uint32_t mode;
	uint64_t region_bytes;
	struct segpool_limits limits;
	uint64_t counters[SEGPOOL_NR_COUNTERS];
	int pressure;
	uint32_t nr_classes;
	uint64_t released_bytes;
	uint64_t seq, suppressed;
	uint64_t refusals[NR_REASONS];
};

struct pool_class {
	uint32_t pool, index;
	uint64_t counters[SEGPOOL_NR_CLASS_COUNTERS];
};

struct pool_module {
	uint32_t pools, pools_created;
	uint64_t ceiling_bytes, ceiling_used_bytes, metadata_bytes;
	/* Those that have no sum are 0. */
	uint64_t counters[SEGPOOL_NR_COUNTERS];
};

/* In the order of their numbers. */
struct pool_list {
	struct array array;
	struct pool *items;
	size_t count;
};

struct class_list {
	struct array array;
	struct pool_class *items;
	size_t count;
};

/* What a counter is: of debugfs, one table for all. */
struct counter_kind {
	const char *name;
	const char *text;
	enum { COUNTER_GAUGE, COUNTER_SETTING, COUNTER_PEAK, COUNTER_EVENT } kind;
};

extern const struct counter_kind pool_counters[SEGPOOL_NR_COUNTERS];
extern const struct counter_kind class_counters[SEGPOOL_NR_CLASS_COUNTERS];

/* These return 0 or a negative errno value, for client_failed(). */
int pool_get(struct client *client, uint32_t id, struct pool *pool);
/* Forget with pools_drop(), also after an error. */
int pools_get(struct client *client, struct pool_list *list);
void pools_drop(struct pool_list *list);
/* Of a pool, or with 0 of all. */
int classes_get(struct client *client, uint32_t pool, struct class_list *list);
void classes_drop(struct class_list *list);
int module_get(struct client *client, struct pool_module *module);
/* @flags: SEGPOOL_SET_*. @pool: the new state. */
int pool_set(struct client *client, uint32_t id, uint32_t flags,
	     const struct segpool_limits *limits, struct pool *pool);
/* The flag of the limit that the kernel took offence at; 0: of none. */
uint32_t pool_set_about(const struct client *client);
int pool_trim(struct client *client, uint32_t id, uint64_t target_bytes, struct pool *pool);

/* A message of the family about a pool. */
void pool_read(const struct nlmsghdr *message, struct pool *pool);

#endif
