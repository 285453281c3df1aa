/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Somebody who takes memory from a pool in every way in which pages come, and
 * looks at all of it by every route. What he gave up himself bears his own mark:
 * that may come back; whatever else is not zero is not his.
 *
 * What a way needs is prepared before the secret is given up, so that the first
 * pages that the system hands out afterwards are those of the secret.
 */
#ifndef SEGPOOL_SECURITY_HUNTER_H
#define SEGPOOL_SECURITY_HUNTER_H

#include "frames.h"
#include "looks.h"
#include "marks.h"

/* One for each route, and one more. */
#define HUNT_REGIONS	8
#define HUNT_BYTES	(HUNT_REGIONS * LOOK_LENGTH)
#define HUNT_PAGES	(HUNT_BYTES / SP_PAGE)
/* One region gets pages of both kinds, and each route brings some of the system's. */
#define HUNT_RETAINED	(LOOK_LENGTH + LOOK_LENGTH / 2)
#define HUNT_MARK	MARK_STRANGER

struct hunter {
	struct eyes eyes;
	struct sp_pool pool;
	struct segpool_region regions[HUNT_REGIONS];
	uint64_t frames[HUNT_PAGES];		/* of what he took */
	uint64_t retained;			/* bytes of his own that he has before */
	struct {
		unsigned int regions;		/* that the route showed whole */
		unsigned long own, foreign;	/* words */
	} seen[NR_LOOKS];
};

/**
 * struct way - how pages come
 * @prepare: before the secret is given up.
 * @take: the region of this number, afterwards.
 * @touched: a look brings the pages, each route's a share of them.
 * @own: bytes that the hunter's own pool retains.
 */
struct way {
	int (*prepare)(struct hunter *hunter);
	int (*take)(struct hunter *hunter, unsigned int number);
	bool touched;
	uint64_t own;
};

static SP_UNUSED int hunter_open(struct hunter *hunter, uint32_t mode)
{
	memset(hunter->seen, 0, sizeof(hunter->seen));
	return sp_pool_make(&hunter->pool, mode, LOOK_LENGTH, 2 * HUNT_BYTES, HUNT_BYTES,
			    HUNT_BYTES);
}

/* --- before --- */

static int prepare_nothing(struct hunter *hunter SP_UNUSED)
{
	return 0;
}

static int hunter_marks_all(struct hunter *hunter)
{
	int i, got = sp_alloc(hunter->pool.fd, 0, SEGPOOL_POPULATE, HUNT_REGIONS,
			      hunter->regions);

	for (i = 0; i < got; i++)
		mark_fill(sp_region_at(&hunter->pool, &hunter->regions[i]), LOOK_LENGTH, HUNT_MARK);
	return got < 0 ? got : got == HUNT_REGIONS ? 0 : -ENOMEM;
}

static int hunter_releases(struct hunter *hunter, uint32_t flags)
{
	int error = hunter_marks_all(hunter);

	return error ?: sp_free_regions(hunter->pool.fd, hunter->regions, HUNT_REGIONS, flags);
}

static int prepare_retained(struct hunter *hunter)
{
	return hunter_releases(hunter, 0) ?: sp_trim(hunter->pool.fd, HUNT_RETAINED, NULL);
}

/* One region has its pages still; half a region's are without one. */
static int prepare_kept(struct hunter *hunter)
{
	return hunter_releases(hunter, SEGPOOL_LAZY) ?:
	       sp_trim(hunter->pool.fd, HUNT_RETAINED, NULL);
}

static int prepare_aged(struct hunter *hunter)
{
	struct segpool_limits limits = { .retain_age_ms = 10 };
	int error = sp_set_budget(hunter->pool.fd, SEGPOOL_SET_AGE, &limits) ?:
		    hunter_releases(hunter, 0);

	if (!error && !sp_wait_until(sp_retains_nothing, &hunter->pool, 20000))
		error = -ETIME;
	return error;
}

static int hunter_discards(struct hunter *hunter, uint32_t flags)
{
	int i, error = hunter_marks_all(hunter);

	for (i = 0; !error && i < HUNT_REGIONS; i++)
		error = sp_discard(hunter->pool.fd, hunter->regions[i].handle, 0, LOOK_LENGTH,
				   flags);
	return error;
}

static int prepare_discarded(struct hunter *hunter)
{
	return hunter_discards(hunter, 0) ?: sp_trim(hunter->pool.fd, HUNT_RETAINED, NULL);
}

static int prepare_discarded_now(struct hunter *hunter)
{
	return hunter_discards(hunter, SEGPOOL_NOW);
}

/* --- afterwards --- */

static int take_populated(struct hunter *hunter, unsigned int number)
{
	return sp_alloc_one(hunter->pool.fd, 0, SEGPOOL_POPULATE, 0, &hunter->regions[number],
			    NULL);
}

static int take_empty(struct hunter *hunter, unsigned int number)
{
	return sp_alloc_one(hunter->pool.fd, 0, 0, 0, &hunter->regions[number], NULL);
}

static int take_by_name(struct hunter *hunter, unsigned int number)
{
	return sp_reuse(hunter->pool.fd, hunter->regions[number].handle, 0, SEGPOOL_POPULATE,
			&hunter->regions[number]);
}

static int take_pages_back(struct hunter *hunter, unsigned int number)
{
	return sp_populate(hunter->pool.fd, hunter->regions[number].handle, 0, LOOK_LENGTH, 0);
}

static int take_nothing(struct hunter *hunter SP_UNUSED, unsigned int number SP_UNUSED)
{
	return 0;
}

static const struct way
	way_new = { .prepare = prepare_nothing, .take = take_populated },
	way_new_touched = { .prepare = prepare_nothing, .take = take_empty, .touched = true },
	way_reused = { .prepare = prepare_retained, .take = take_by_name, .own = HUNT_RETAINED },
	way_retained = { .prepare = prepare_retained, .take = take_populated,
			 .own = HUNT_RETAINED },
	way_kept = { .prepare = prepare_kept, .take = take_populated, .own = HUNT_RETAINED },
	way_retained_touched = { .prepare = prepare_retained, .take = take_empty, .touched = true,
				 .own = HUNT_RETAINED },
	way_aged = { .prepare = prepare_aged, .take = take_by_name },
	way_discarded = { .prepare = prepare_discarded, .take = take_pages_back,
			  .own = HUNT_RETAINED },
	way_discarded_touched = { .prepare = prepare_discarded, .take = take_nothing,
				  .touched = true, .own = HUNT_RETAINED },
	way_discarded_now = { .prepare = prepare_discarded_now, .take = take_pages_back };

#define FOR_EACH_WAY(test) \
	test(new) test(new_touched) test(reused) test(retained) test(kept) \
	test(retained_touched) test(aged) test(discarded) test(discarded_touched) test(discarded_now)

static void hunter_counts(struct hunter *hunter, unsigned int route, ssize_t length)
{
	const uint64_t *word = (const uint64_t *)hunter->eyes.copy;
	uint64_t own = mark_word(HUNT_MARK);
	ssize_t i;

	if (length <= 0 || sp_is_zero(hunter->eyes.copy, length))
		return;
	for (i = 0; i < length / 8; i++) {
		hunter->seen[route].own += word[i] == own;
		hunter->seen[route].foreign += word[i] && word[i] != own;
	}
}

static SP_UNUSED void hunter_looks(struct hunter *hunter, char *at, unsigned int route)
{
	ssize_t n = looks[route].go(&hunter->eyes, at);

	hunter->seen[route].regions += n == (ssize_t)LOOK_LENGTH;
	hunter_counts(hunter, route, n);
}

/* The route brings the pages; a load those that it does not. */
static void hunter_touches(struct hunter *hunter, char *at, unsigned int number)
{
	looks[number % NR_LOOKS].go(&hunter->eyes, at);
	looks[0].go(&hunter->eyes, at);
}

static int hunter_takes(struct hunter *hunter, const struct way *way)
{
	unsigned int i;
	int error = 0;
	char *at;

	for (i = 0; !error && i < HUNT_REGIONS; i++) {
		go_to_processor(i, HUNT_REGIONS);
		error = way->take(hunter, i);
		if (error)
			break;
		at = sp_region_at(&hunter->pool, &hunter->regions[i]);
		if (way->touched)
			hunter_touches(hunter, at, i);
		sp_page_frames(at, LOOK_LENGTH / SP_PAGE,
			       hunter->frames + i * (LOOK_LENGTH / SP_PAGE));
	}
	go_anywhere();
	return error;
}

/* Take everything in this way, and look at all of it by all routes. */
static SP_UNUSED int hunt(struct hunter *hunter, const struct way *way)
{
	unsigned int i, route;
	int error;

	hunter->retained = sp_counter(hunter->pool.fd, SEGPOOL_C_RETAINED_BYTES);
	error = hunter_takes(hunter, way);
	for (i = 0; !error && i < HUNT_REGIONS; i++)
		for (route = 0; route < NR_LOOKS; route++)
			hunter_looks(hunter, sp_region_at(&hunter->pool, &hunter->regions[i]),
				     route);
	return error;
}

#endif /* SEGPOOL_SECURITY_HUNTER_H */
