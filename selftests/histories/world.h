/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pool of four regions of one page each, made of the module's own core, and
 * beside it the truth: where each region and each page really is.
 */
#ifndef HISTORIES_WORLD_H
#define HISTORIES_WORLD_H

#include <linux/types.h>

#include "account.h"
#include "carved.h"
#include "region.h"

#include "schedule.h"

#define NR_REGIONS 4
#define NR_CLASSES 2
#define MAX_CALLS 3

/*
 * The system has more pages than any budget, so that a budget that does not hold
 * is found and not hidden. Page 0 is no page.
 */
#define NR_PAGES 9

/* Where a page is. */
enum place { IN_SYSTEM, IN_REGION, IN_RETAIN, ON_THE_WAY };

/* Who has a region: nobody, a handle, or one of the actors. */
enum holder { NOBODY, HANDED_OUT, ACTOR };

/**
 * struct store - retained pages
 * @lock: as retain.lock.
 * @nr: how many.
 * @leaving: pages on their way to the system, still accounted as retained.
 * @left: how many have been.
 * @pages: the last is the newest.
 */
struct store {
	spinlock_t lock;
	u32 nr;
	u64 leaving;
	u64 left;
	u32 pages[NR_PAGES + 1];
};

/**
 * struct truth - what the numbers are compared with
 * @holder: of each region.
 * @generation: the last that each region was handed out with.
 * @place: of each page.
 * @carved: regions, when looked at last.
 */
struct truth {
	u32 holder[NR_REGIONS];
	u32 generation[NR_REGIONS];
	u32 place[NR_PAGES + 1];
	u32 carved;
};

/**
 * struct world - all that the two actors share
 * @carved: as in the pool.
 * @reserved: regions in the reservation.
 * @regions: the descriptors.
 * @region_locks: stand for the bit in region.flags.
 * @queues: released regions by class.
 * @account: the pool's pages.
 * @ceiling: pages of all pools.
 * @ceiling_limit: of @ceiling.
 * @retain_limit: pages.
 * @highest_budget: the highest physical budget that there was.
 * @store: retained pages.
 * @page_of: each region's page, or 0.
 * @unmapped: of a kept region: by somebody who wanted its page.
 * @results: of each actor's calls.
 * @truth: what is really so.
 */
struct world {
	atomic64_t carved;
	u64 reserved;
	struct region regions[NR_REGIONS];
	spinlock_t region_locks[NR_REGIONS];
	struct class_queue queues[NR_CLASSES];
	struct account account;
	atomic64_t ceiling;
	u64 ceiling_limit;
	u64 retain_limit;
	u64 highest_budget;
	struct store store;
	u32 page_of[NR_REGIONS];
	u32 unmapped[NR_REGIONS];
	s64 results[NR_ACTORS][MAX_CALLS];
	struct truth truth;
};

/**
 * struct beginning - what a world is at first
 * @regions: a letter for each carved region: a: active, f and g: released, in
 *	the first or second class, k: released and kept, in the first.
 * @virtual: virtual budget, regions.
 * @physical: physical budget, pages.
 * @retained: retained pages, those of kept regions not among them.
 * @ceiling: pages; other pools have none.
 * @retain: retain limit, pages.
 * @generation: of all carved regions.
 */
struct beginning {
	char regions[NR_REGIONS + 1];
	u32 virtual;
	u32 physical;
	u32 retained;
	u32 ceiling;
	u32 retain;
	u32 generation;
};

extern struct world world;

void world_begin(const struct beginning *beginning);

/* What must be so after every step. */
void world_check(void);

/* What must be so besides when nobody is doing anything. */
void world_check_quiet(void);

/* The truth, told by who does it. Each finds out whether it can be true. */
void region_taken(u32 index);
void region_given_back(u32 index);
void region_handed_out(u32 index, u32 generation);
void region_released(u32 index, u32 generation);
void region_handed_out_again(u32 index);
u32 page_from_system(void);
void page_moves(u32 page, enum place from, enum place to);

#endif
