// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include <linux/segpool_netlink.h>

#include "events.h"

static enum client_group group_of(uint8_t command)
{
	switch (command) {
	case SEGPOOL_CMD_PRESSURE_NTF:
	case SEGPOOL_CMD_REFUSAL_NTF:
	case SEGPOOL_CMD_CEILING_NTF:
		return CLIENT_ALERT;
	case SEGPOOL_CMD_STATS_NTF:
		return CLIENT_STATS;
	}
	return CLIENT_MGMT;
}

static struct seen *find(struct seen_list *list, uint32_t pool)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].pool == pool)
			return &list->items[i];
	if (array_room(&list->array, list->count + 1, sizeof(*list->items)))
		return NULL;
	list->items = list->array.entries;
	list->items[list->count] = (struct seen){ .pool = pool };
	return &list->items[list->count++];
}

int seen_note(struct seen_list *list, const struct pool *event, uint64_t *missing)
{
	struct seen *seen = find(list, event->id);
	uint64_t *last;

	*missing = 0;
	if (!seen)
		return -1;
	last = &seen->seq[group_of(event->command)];
	/* Of a pool that was there before, it is not known what its last number was. */
	if (*last && event->seq > *last + 1)
		*missing = event->seq - *last - 1;
	*last = event->seq;
	/* Its number does not come again. */
	if (event->command == SEGPOOL_CMD_POOL_DEL_NTF)
		*seen = list->items[--list->count];
	return 0;
}

void seen_drop(struct seen_list *list)
{
	array_drop(&list->array);
	memset(list, 0, sizeof(*list));
}
