// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "top_history.h"

static int is_listed(const struct pool_list *pools, uint32_t id)
{
	for (size_t i = 0; i < pools->count; i++)
		if (pools->items[i].id == id)
			return 1;
	return 0;
}

static void forget_others(struct top_histories *histories, const struct pool_list *pools)
{
	size_t kept = 0;

	for (size_t i = 0; i < histories->count; i++)
		if (is_listed(pools, histories->items[i].pool))
			memmove(&histories->items[kept++], &histories->items[i],
				sizeof(histories->items[i]));
	histories->count = kept;
}

/* New pools have higher numbers: both lists have the same order. */
static struct top_history *history_of(struct top_histories *histories, size_t i, uint32_t id)
{
	struct top_history *item = &histories->items[i];

	if (i < histories->count && item->pool == id)
		return item;
	memmove(item + 1, item, (histories->count - i) * sizeof(*item));
	histories->count++;
	memset(item, 0, sizeof(*item));
	item->pool = id;
	return item;
}

int top_note(struct top_histories *histories, const struct pool_list *pools)
{
	struct top_history *item;
	uint64_t at;

	forget_others(histories, pools);
	if (array_room(&histories->array, pools->count, sizeof(*histories->items)))
		return -1;
	histories->items = histories->array.entries;
	for (size_t i = 0; i < pools->count; i++) {
		item = history_of(histories, i, pools->items[i].id);
		at = item->taken++ % TOP_SAMPLES;
		item->physical[at] = pools->items[i].counters[SEGPOOL_C_PHYSICAL_BYTES];
		item->retained[at] = pools->items[i].counters[SEGPOOL_C_RETAINED_BYTES];
	}
	return 0;
}

void top_histories_drop(struct top_histories *histories)
{
	array_drop(&histories->array);
	memset(histories, 0, sizeof(*histories));
}
