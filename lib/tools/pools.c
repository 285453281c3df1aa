// SPDX-License-Identifier: GPL-2.0-only
/* Attributes as numbers, and numbers as attributes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/genetlink.h>
#include <linux/segpool_netlink.h>

#include "pools.h"

#define COUNTER_KIND(id, word, of_kind, what) \
	{ .name = #word, .text = what, .kind = COUNTER_##of_kind },

const struct counter_kind pool_counters[SEGPOOL_NR_COUNTERS] = { SEGPOOL_COUNTERS(COUNTER_KIND) };
const struct counter_kind class_counters[SEGPOOL_NR_CLASS_COUNTERS] = {
	SEGPOOL_CLASS_COUNTERS(COUNTER_KIND)
};

/* --- reading --- */

/* Of any width: one that is missing or shorter than it should be is no reason to read beyond it. */
static uint64_t number_of(const struct nlattr *attribute)
{
	switch (mnl_attr_get_payload_len(attribute)) {
	case sizeof(uint8_t):
		return mnl_attr_get_u8(attribute);
	case sizeof(uint32_t):
		return mnl_attr_get_u32(attribute);
	case sizeof(uint64_t):
		return mnl_attr_get_u64(attribute);
	}
	return 0;
}

/* Those that this command does not know yet are left out. */
static void read_counters(const struct nlattr *nest, uint64_t *values, uint32_t count)
{
	const struct nlattr *attribute;
	uint32_t index;

	mnl_attr_for_each_nested(attribute, nest) {
		index = mnl_attr_get_type(attribute) - SEGPOOL_A_COUNTERS_PAD - 1U;
		if (index < count)
			values[index] = number_of(attribute);
	}
}

static void read_limits(const struct nlattr *nest, struct segpool_limits *limits)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nest) {
		switch (mnl_attr_get_type(attribute)) {
		case SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES:
			limits->virtual_budget = number_of(attribute);
			break;
		case SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES:
			limits->physical_budget = number_of(attribute);
			break;
		case SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES:
			limits->retain_limit = number_of(attribute);
			break;
		case SEGPOOL_A_LIMITS_RETAIN_AGE_MS:
			limits->retain_age_ms = (uint32_t)number_of(attribute);
			break;
		case SEGPOOL_A_LIMITS_WATERMARK:
			limits->watermark = (uint32_t)number_of(attribute);
			break;
		}
	}
}

static void read_refusals(const struct nlattr *nest, uint64_t refusals[NR_REASONS])
{
	const struct nlattr *attribute;
	uint32_t reason;

	mnl_attr_for_each_nested(attribute, nest) {
		reason = mnl_attr_get_type(attribute) - SEGPOOL_A_REFUSALS_PAD;
		if (reason < NR_REASONS)
			refusals[reason] = number_of(attribute);
	}
}

static void read_pool_attribute(const struct nlattr *attribute, struct pool *pool)
{
	switch (mnl_attr_get_type(attribute)) {
	case SEGPOOL_A_POOL_ID:
		pool->id = (uint32_t)number_of(attribute);
		break;
	case SEGPOOL_A_POOL_PID:
		pool->pid = (uint32_t)number_of(attribute);
		break;
	case SEGPOOL_A_POOL_COMM:
		snprintf(pool->comm, sizeof(pool->comm), "%.*s",
			 (int)mnl_attr_get_payload_len(attribute), mnl_attr_get_str(attribute));
		break;
	case SEGPOOL_A_POOL_MODE:
		pool->mode = (uint32_t)number_of(attribute);
		break;
	case SEGPOOL_A_POOL_REGION_BYTES:
		pool->region_bytes = number_of(attribute);
		break;
	case SEGPOOL_A_POOL_LIMITS:
		read_limits(attribute, &pool->limits);
		break;
	case SEGPOOL_A_POOL_COUNTERS:
		read_counters(attribute, pool->counters, SEGPOOL_NR_COUNTERS);
		break;
	case SEGPOOL_A_POOL_PRESSURE:
		pool->pressure = number_of(attribute) != 0;
		break;
	case SEGPOOL_A_POOL_NR_CLASSES:
		pool->nr_classes = (uint32_t)number_of(attribute);
		break;
	case SEGPOOL_A_POOL_RELEASED_BYTES:
		pool->released_bytes = number_of(attribute);
		break;
	case SEGPOOL_A_POOL_SEQ:
		pool->seq = number_of(attribute);
		break;
	case SEGPOOL_A_POOL_SUPPRESSED:
		pool->suppressed = number_of(attribute);
		break;
	case SEGPOOL_A_POOL_REFUSALS:
		read_refusals(attribute, pool->refusals);
		break;
	}
}

void pool_read(const struct nlmsghdr *message, struct pool *pool)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	memset(pool, 0, sizeof(*pool));
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return;
	pool->command = header->cmd;
	mnl_attr_for_each(attribute, message, sizeof(*header))
		read_pool_attribute(attribute, pool);
}

static int receive_pool(const struct nlmsghdr *message, void *context)
{
	pool_read(message, context);
	return 0;
}

static int receive_class(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute;
	struct class_list *list = context;
	struct pool_class *item;

	if (array_room(&list->array, list->count + 1, sizeof(*list->items)))
		return -ENOMEM;
	list->items = list->array.entries;
	item = &list->items[list->count++];
	memset(item, 0, sizeof(*item));
	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attribute) == SEGPOOL_A_CLASS_POOL_ID)
			item->pool = (uint32_t)number_of(attribute);
		if (mnl_attr_get_type(attribute) == SEGPOOL_A_CLASS_INDEX)
			item->index = (uint32_t)number_of(attribute);
		if (mnl_attr_get_type(attribute) == SEGPOOL_A_CLASS_COUNTERS)
			read_counters(attribute, item->counters, SEGPOOL_NR_CLASS_COUNTERS);
	}
	return 0;
}

static int receive_module(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute;
	struct pool_module *module = context;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attribute)) {
		case SEGPOOL_A_MODULE_POOLS:
			module->pools = (uint32_t)number_of(attribute);
			break;
		case SEGPOOL_A_MODULE_POOLS_CREATED:
			module->pools_created = (uint32_t)number_of(attribute);
			break;
		case SEGPOOL_A_MODULE_CEILING_BYTES:
			module->ceiling_bytes = number_of(attribute);
			break;
		case SEGPOOL_A_MODULE_CEILING_USED_BYTES:
			module->ceiling_used_bytes = number_of(attribute);
			break;
		case SEGPOOL_A_MODULE_METADATA_BYTES:
			module->metadata_bytes = number_of(attribute);
			break;
		case SEGPOOL_A_MODULE_COUNTERS:
			read_counters(attribute, module->counters, SEGPOOL_NR_COUNTERS);
			break;
		}
	}
	return 0;
}

/* --- asking --- */

int pool_get(struct client *client, uint32_t id, struct pool *pool)
{
	struct nlmsghdr *message = client_begin(client, SEGPOOL_CMD_POOL_GET);

	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, id);
	return client_ask(client, message, receive_pool, pool);
}

static int receive_listed(const struct nlmsghdr *message, void *context)
{
	struct pool_list *list = context;

	if (array_room(&list->array, list->count + 1, sizeof(*list->items)))
		return -ENOMEM;
	list->items = list->array.entries;
	pool_read(message, &list->items[list->count++]);
	return 0;
}

static void forget_pools(void *context)
{
	((struct pool_list *)context)->count = 0;
}

static void forget_classes(void *context)
{
	((struct class_list *)context)->count = 0;
}

int pools_get(struct client *client, struct pool_list *list)
{
	memset(list, 0, sizeof(*list));
	return client_dump(client, client_begin(client, SEGPOOL_CMD_POOL_GET), receive_listed,
			   forget_pools, list);
}

void pools_drop(struct pool_list *list)
{
	array_drop(&list->array);
	memset(list, 0, sizeof(*list));
}

int classes_get(struct client *client, uint32_t pool, struct class_list *list)
{
	struct nlmsghdr *message = client_begin(client, SEGPOOL_CMD_CLASS_GET);

	memset(list, 0, sizeof(*list));
	if (pool)
		mnl_attr_put_u32(message, SEGPOOL_A_CLASS_POOL_ID, pool);
	return client_dump(client, message, receive_class, forget_classes, list);
}

void classes_drop(struct class_list *list)
{
	array_drop(&list->array);
	memset(list, 0, sizeof(*list));
}

int module_get(struct client *client, struct pool_module *module)
{
	memset(module, 0, sizeof(*module));
	return client_ask(client, client_begin(client, SEGPOOL_CMD_MODULE_GET), receive_module,
			  module);
}

int pool_set(struct client *client, uint32_t id, uint32_t flags,
	     const struct segpool_limits *limits, struct pool *pool)
{
	struct nlmsghdr *message = client_begin(client, SEGPOOL_CMD_POOL_SET);
	struct nlattr *nest;

	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, id);
	nest = mnl_attr_nest_start(message, SEGPOOL_A_POOL_LIMITS);
	if (flags & SEGPOOL_SET_VIRTUAL)
		mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES,
				 limits->virtual_budget);
	if (flags & SEGPOOL_SET_PHYSICAL)
		mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES,
				 limits->physical_budget);
	if (flags & SEGPOOL_SET_RETAIN)
		mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES,
				 limits->retain_limit);
	if (flags & SEGPOOL_SET_AGE)
		mnl_attr_put_u32(message, SEGPOOL_A_LIMITS_RETAIN_AGE_MS, limits->retain_age_ms);
	if (flags & SEGPOOL_SET_WATERMARK)
		mnl_attr_put_u32(message, SEGPOOL_A_LIMITS_WATERMARK, limits->watermark);
	mnl_attr_nest_end(message, nest);
	return client_ask(client, message, receive_pool, pool);
}

uint32_t pool_set_about(const struct client *client)
{
	const struct nlmsghdr *message = (const void *)client->request;
	const struct nlattr *attribute, *limit;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attribute) != SEGPOOL_A_POOL_LIMITS)
			continue;
		mnl_attr_for_each_nested(limit, attribute)
			if ((const char *)limit == client->request + client->about)
				/* Their numbers are in the order of the flags, behind the pad. */
				return 1U << (mnl_attr_get_type(limit) - SEGPOOL_A_LIMITS_PAD - 1);
	}
	return 0;
}

int pool_trim(struct client *client, uint32_t id, uint64_t target_bytes, struct pool *pool)
{
	struct nlmsghdr *message = client_begin(client, SEGPOOL_CMD_POOL_TRIM);

	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, id);
	mnl_attr_put_u64(message, SEGPOOL_A_POOL_TARGET_BYTES, target_bytes);
	return client_ask(client, message, receive_pool, pool);
}
