// SPDX-License-Identifier: GPL-2.0-only
/*
 * Retained pages that go by themselves: by age, and by the shrinker. Which and
 * when is the kernel's affair, so the reference follows what is counted, but only
 * as far as there was a reason to go.
 */
#include "model.h"

/* What has a reason to go is counted a moment before or after it is gone. */
#define DEPARTURE_MS	5000

/**
 * struct departures - retained pages that went by age or by the shrinker
 * @aged: counted since the last look.
 * @shrunk: likewise.
 * @fewer: so many fewer were used again than the reference expected.
 * @less_trimmed: so many fewer were there to be trimmed.
 * @deficit: so many fewer are retained; negative: more, for want of others.
 */
struct departures {
	int64_t aged, shrunk, fewer, less_trimmed, deficit;
};

static struct departures find_departures(const struct ref_pool *pool, const uint64_t *got)
{
	const uint64_t *events = pool->events;

	return (struct departures){
		.aged = got[SEGPOOL_C_AGED_PAGES] - events[SEGPOOL_C_AGED_PAGES],
		.shrunk = got[SEGPOOL_C_SHRUNK_PAGES] - events[SEGPOOL_C_SHRUNK_PAGES],
		.fewer = events[SEGPOOL_C_RETAINED_REUSED_PAGES] -
			 got[SEGPOOL_C_RETAINED_REUSED_PAGES],
		.less_trimmed = events[SEGPOOL_C_TRIMMED_PAGES] - got[SEGPOOL_C_TRIMMED_PAGES],
		.deficit = pool->retained - got[SEGPOOL_C_RETAINED_BYTES] / SP_PAGE,
	};
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t to_be_explained(const struct departures *departures)
{
	return larger(larger(departures->fewer, departures->less_trimmed),
		      larger(departures->deficit, -departures->deficit));
}

/* Is there a reason for so many to have gone by age, and for any to have gone by the shrinker? */
static bool check_reasons(struct actor *actor, uint32_t number, const struct departures *departures)
{
	const struct ref_pool *pool = &actor->pool[number];

	if (departures->aged && departures->aged > (int64_t)kept_old(pool))
		mismatch(actor, "pool %u: %lld pages went for their age, %llu were old enough",
			 number, (long long)departures->aged,
			 (unsigned long long)kept_old(pool));
	if (departures->shrunk && !disturbed_since(actor->disturbances_seen))
		mismatch(actor, "pool %u: the shrinker took %lld pages; nobody had it run", number,
			 (long long)departures->shrunk);
	return !actor->failed;
}

static void adjust_kept(struct ref_pool *pool, int64_t deficit)
{
	if (deficit > 0)
		kept_take_oldest(pool, deficit);
	else
		kept_add(pool, -deficit);
}

/* What the pool had less of retained pages it took from the system more. */
static void adopt_departures(struct ref_pool *pool, const struct departures *departures,
			     const uint64_t *got)
{
	int64_t counted = departures->aged + departures->shrunk;
	/* Where pages had left before the request, it could neither use nor trim them. */
	int64_t left = departures->deficit + departures->fewer + departures->less_trimmed;
	int64_t zeroed = got[SEGPOOL_C_ZEROED_PAGES] - pool->events[SEGPOOL_C_ZEROED_PAGES];

	if (!counted && !to_be_explained(departures))
		return;
	pool->departing = larger(0, pool->departing + counted - left);
	pool->events[SEGPOOL_C_AGED_PAGES] = got[SEGPOOL_C_AGED_PAGES];
	pool->events[SEGPOOL_C_SHRUNK_PAGES] = got[SEGPOOL_C_SHRUNK_PAGES];
	pool->events[SEGPOOL_C_RETAINED_REUSED_PAGES] -= departures->fewer;
	pool->events[SEGPOOL_C_SYSTEM_PAGES] += departures->fewer;
	pool->events[SEGPOOL_C_TRIMMED_PAGES] -= departures->less_trimmed;
	/* Of those for regions with zeroes all are zeroed anyway; a call may be about several regions. */
	if (zeroed > 0 && zeroed <= departures->fewer)
		pool->events[SEGPOOL_C_ZEROED_PAGES] += zeroed;
	adjust_kept(pool, departures->deficit);
	pool->retained -= departures->deficit;
	pool->retained_peak = got[SEGPOOL_C_RETAINED_PEAK_BYTES] / SP_PAGE;
}

/* Could what is missing be on its way, and only not counted yet? */
static bool more_may_be_counted(const struct actor *actor, const struct ref_pool *pool)
{
	return kept_old(pool) || pool->departing || disturbed_since(actor->disturbances_seen);
}

/*
 * Read the counters until what is missing is explained by what they count. Where
 * it is not, the comparison will tell what is wrong.
 */
bool read_counters(struct actor *actor, uint32_t number, uint64_t *got)
{
	struct ref_pool *pool = &actor->pool[number];
	uint64_t end = 0;
	struct departures departures;
	int64_t gone;

	for (;;) {
		if (sp_stat(actor->kernel[number].fd, got))
			return false;
		departures = find_departures(pool, got);
		gone = departures.aged + departures.shrunk;
		if (to_be_explained(&departures) <= gone + pool->departing) {
			if (check_reasons(actor, number, &departures))
				adopt_departures(pool, &departures, got);
			return true;
		}
		if (!more_may_be_counted(actor, pool) || (end && sp_now_ms() > end))
			return true;
		end = end ? end : sp_now_ms() + DEPARTURE_MS;
		sp_sleep_ms(1);
	}
}
