// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which retained pages have reached an age. The pool uses the newest first and
 * gives the oldest back, so a stack of batches says how old they are at most:
 * the times are those before the calls that retained them.
 */
#include "model.h"
#include <time.h>

/* The module counts in the kernel's ticks, which are 10 ms at most, and rounds once each way. */
#define AGE_SLACK_MS 30

/* What is there when an operation begins, and when that is. */
void kept_note(struct ref_pool *pool, uint64_t now)
{
	pool->now = now;
	pool->kept_before.nr = pool->kept.nr;
	memcpy(pool->kept_before.batch, pool->kept.batch,
	       pool->kept.nr * sizeof(pool->kept.batch[0]));
}

/* Where there is no room for another batch, they count as older than they are. */
void kept_add(struct ref_pool *pool, uint64_t pages)
{
	struct kept *kept = &pool->kept;
	struct kept_batch *newest = kept->batch + kept->nr - 1;

	if (!pages)
		return;
	if (kept->nr == MAX_KEPT || (kept->nr && newest->since == pool->now))
		newest->pages += pages;
	else
		kept->batch[kept->nr++] = (struct kept_batch){ .since = pool->now, .pages = pages };
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void kept_take_newest(struct ref_pool *pool, uint64_t pages)
{
	struct kept *kept = &pool->kept;
	struct kept_batch *newest;
	uint64_t part;

	for (; pages && kept->nr; pages -= part) {
		newest = kept->batch + kept->nr - 1;
		part = smaller(pages, newest->pages);
		newest->pages -= part;
		kept->nr -= !newest->pages;
	}
}

void kept_take_oldest(struct ref_pool *pool, uint64_t pages)
{
	struct kept *kept = &pool->kept;
	uint64_t part;

	for (; pages && kept->nr; pages -= part) {
		part = smaller(pages, kept->batch[0].pages);
		kept->batch[0].pages -= part;
		if (!kept->batch[0].pages)
			memmove(kept->batch, kept->batch + 1,
				--kept->nr * sizeof(kept->batch[0]));
	}
}

static bool is_old(const struct ref_pool *pool, const struct kept_batch *batch, uint64_t now)
{
	return batch->condemned ||
	       (pool->age_ms && batch->since + pool->age_ms <= now + AGE_SLACK_MS);
}

static void condemn(const struct ref_pool *pool, struct kept *kept, uint64_t now)
{
	uint32_t i;

	for (i = 0; i < kept->nr; i++)
		kept->batch[i].condemned = is_old(pool, &kept->batch[i], now);
}

/* The age is about to change: what has reached the present one may still go for it. */
void kept_condemn(struct ref_pool *pool)
{
	uint64_t now = sp_now_ms();

	condemn(pool, &pool->kept, now);
	condemn(pool, &pool->kept_before, now);
}

/* How many of the pages that were there before the operation, or came with it, may have gone. */
uint64_t kept_old(const struct ref_pool *pool)
{
	const struct kept *kept = &pool->kept, *before = &pool->kept_before;
	uint64_t old = 0, now = sp_now_ms();
	uint32_t i;

	for (i = 0; i < before->nr; i++)
		old += is_old(pool, &before->batch[i], now) ? before->batch[i].pages : 0;
	for (i = 0; i < kept->nr; i++)
		if (kept->batch[i].since >= pool->now && is_old(pool, &kept->batch[i], now))
			old += kept->batch[i].pages;
	return old;
}
