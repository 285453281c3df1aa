/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The backend "user": a pool of anonymous memory. It keeps the module's rules for
 * states, generations, budgets and the order in which regions are taken. What is
 * different comes from seeing no page fault: a region that was handed out counts
 * whole, and retained pages stay in their region.
 *
 * One lock for each pool, held for book-keeping only: no system call but waking
 * is made under it. A region whose pages are being changed is marked busy
 * instead: it is in no queue, and whoever wants it by its handle waits.
 */
#ifndef SEGPOOL_USER_H
#define SEGPOOL_USER_H

#include <pthread.h>

#include "internal.h"

#define SEGPOOL_PAGE		4096U
#define SEGPOOL_NO_REGION	UINT32_MAX

enum segpool_user_state { SEGPOOL_UNUSED, SEGPOOL_ACTIVE, SEGPOOL_FREED };

/**
 * struct segpool_user_region - a region; all members under the pool's lock
 * @generation: of its last handle; 0: it never had one.
 * @pages: how many count: all but the discarded ones while it is handed out; later
 *	all or none are retained with it.
 * @next: in its queue, or SEGPOOL_NO_REGION.
 * @previous: likewise.
 * @newer: among those with retained pages, likewise.
 * @older: likewise.
 * @since: when it was released, milliseconds of the monotonic clock.
 * @state: enum segpool_user_state.
 * @class_index: that it serves, or was released by.
 * @busy: somebody changes its pages, without the lock.
 * @leaving: that somebody gives its retained pages back: it will wait for its next owner again.
 * @allowed: its memory may be touched: it was handed out, or nearly.
 * @present: all its pages have been brought, and none was given back since.
 */
struct segpool_user_region {
	uint32_t generation;
	uint32_t pages;
	uint32_t next, previous;
	uint32_t newer, older;
	uint64_t since;
	uint8_t state;
	uint8_t class_index;
	bool busy, leaving, allowed, present;
};

/* Regions in the order in which they came. */
struct segpool_user_list {
	uint32_t first, last;
};

/**
 * struct segpool_user_class - a class's released regions
 * @kept: with retained pages: the last to come is the first to go.
 * @bare: without: the first to come is the first to go.
 * @nr_active: regions that serve it.
 * @nr_freed: that it released, and that nobody is being given.
 * @nr_leaving: those among them whose retained pages are leaving.
 * @events: indexed by enum segpool_class_counter.
 */
struct segpool_user_class {
	struct segpool_user_list kept, bare;
	uint32_t nr_active, nr_freed, nr_leaving;
	uint64_t events[SEGPOOL_NR_CLASS_COUNTERS];
};

/**
 * struct segpool_user - a pool
 * @lock: protects everything below that is not constant.
 * @here: 1 in the process that made the pool, 0 in a forked child: of a page that
 *	the kernel wipes there.
 * @regions: one for each region of the reservation; unused ones cost nothing.
 * @discarded: a bit for each page of an active region that was discarded.
 * @region_pages: constant; as are the following four.
 * @region_size: bytes.
 * @nr_regions: of the reservation.
 * @nr_classes: number of @classes.
 * @segment_bytes: of each class.
 * @limits: in force.
 * @carved: how many regions were handed out once: the first so many.
 * @virtual_budget: how many may be.
 * @physical: pages in use.
 * @retained: pages retained, with those that are leaving.
 * @nr_leaving: regions whose retained pages somebody is giving back.
 * @nr_kept: released regions with retained pages that nobody takes away.
 * @physical_peak: highest @physical.
 * @retained_peak: highest @retained.
 * @ages: regions with retained pages, the oldest first.
 * @classes: their released regions.
 * @changes: counts what a request for budget may wait for; a futex.
 * @waiters: how many wait for @changes.
 * @moves: counts what becomes of busy regions, and changes; a futex.
 * @settlers: how many wait for @moves.
 * @events: indexed by enum segpool_counter; what has no place of its own above.
 */
struct segpool_user {
	pthread_mutex_t lock;
	volatile uint32_t *here;
	struct segpool_user_region *regions;
	uint64_t *discarded;
	uint32_t region_pages;
	uint64_t region_size;
	uint32_t nr_regions;
	uint32_t nr_classes;
	uint32_t segment_bytes[SEGPOOL_MAX_CLASSES];
	struct segpool_limits limits;
	uint32_t carved, virtual_budget;
	uint64_t physical, retained;
	uint32_t nr_leaving, nr_kept;
	uint64_t physical_peak, retained_peak;
	struct segpool_user_list ages;
	uint32_t changes, waiters;
	uint32_t moves, settlers;
	struct segpool_user_class classes[SEGPOOL_MAX_CLASSES];
	uint64_t events[SEGPOOL_NR_COUNTERS];
};

/* --- regions: queues, handles, numbers; all with the lock held (user_region.c) --- */

struct segpool_user_region *segpool_user_named(struct segpool_user *user, uint64_t handle);
int segpool_user_check_active(const struct segpool_user_region *region, uint64_t handle);
int segpool_user_check_freed(const struct segpool_user_region *region, uint64_t handle);
uint32_t segpool_user_index(const struct segpool_user *user,
			    const struct segpool_user_region *region);
uint32_t segpool_user_waiting(const struct segpool_user *user, uint32_t class_index);
uint32_t segpool_user_run(const struct segpool_user *user, uint32_t nr, bool *leaving);
uint32_t segpool_user_generation_after(uint32_t generation);
void segpool_user_enqueue(struct segpool_user *user, struct segpool_user_region *region);
void segpool_user_dequeue(struct segpool_user *user, struct segpool_user_region *region);
void segpool_user_retire(struct segpool_user *user, struct segpool_user_region *region);
void segpool_user_use_pages(struct segpool_user *user, uint64_t pages);
void segpool_user_retain_pages(struct segpool_user *user, uint64_t pages);
uint64_t segpool_user_owned(const struct segpool_user *user);
void segpool_user_count(struct segpool_user *user, uint32_t class_index,
			enum segpool_counter counter, enum segpool_class_counter class_counter);

/* --- pages: the system calls on a part of the reservation; without the lock (user_pages.c) --- */

int segpool_user_give(const struct segpool *pool, uint32_t index, uint64_t offset,
		      uint64_t length);
int segpool_user_bring(const struct segpool *pool, uint32_t index, uint64_t offset,
		       uint64_t length);
int segpool_user_allow(const struct segpool *pool, uint32_t index, uint64_t length);

/* --- waiting (user_wait.c) --- */

uint64_t segpool_user_now_ms(void);
void segpool_user_changed(struct segpool_user *user);
void segpool_user_moved(struct segpool_user *user);
void segpool_user_settle(struct segpool_user *user);
struct segpool_user_region *segpool_user_settled(struct segpool_user *user, uint64_t handle);

/**
 * struct segpool_user_wait - a request's wait for budget
 * @allowed: SEGPOOL_WAIT was given.
 * @counted: it has waited.
 * @deadline: for the whole request.
 */
struct segpool_user_wait {
	bool allowed, counted;
	uint64_t deadline;
};

void segpool_user_wait_begin(struct segpool_user_wait *wait, uint32_t flags, uint32_t timeout_ms);
int segpool_user_wait(struct segpool_user *user, struct segpool_user_wait *wait, uint32_t reason);
void segpool_user_wait_end(struct segpool_user *user, const struct segpool_user_wait *wait);

/* --- retained pages (user_retain.c) --- */

bool segpool_user_may_retain(const struct segpool_user *user, uint64_t pages);
int segpool_user_make_room(const struct segpool *pool, uint64_t pages, uint32_t *failures);
void segpool_user_age(const struct segpool *pool);
uint64_t segpool_user_drop_above(const struct segpool *pool, uint64_t target);

/* --- the limits and counters (user_limits.c, user_counters.c) --- */

bool segpool_user_limits_valid(const struct segpool_user *user, uint32_t flags,
			       const struct segpool_limits *limits);
void segpool_user_limits_default(uint32_t flags, uint64_t region_size,
				 struct segpool_limits *limits);
void segpool_user_limits_set(struct segpool_user *user, uint32_t flags,
			     const struct segpool_limits *limits);
void segpool_user_limits_read(const struct segpool_user *user, struct segpool_limits *limits);
uint64_t segpool_user_budget(const struct segpool_user *user);
void segpool_user_count_refusal(struct segpool_user *user, uint32_t class_index, uint32_t reason);
void segpool_user_counters(const struct segpool_user *user, uint64_t *values);
void segpool_user_class_counters(const struct segpool_user *user, uint32_t class_index,
				 uint64_t *values);

/* --- the calls; arguments are checked (user_request.c, user_release.c, user_range.c) --- */

int segpool_user_alloc(const struct segpool *pool, struct segpool_alloc *call);
int segpool_user_reuse(const struct segpool *pool, struct segpool_reuse *call);
int segpool_user_free(const struct segpool *pool, uint64_t handle, uint32_t flags);
int segpool_user_discard(const struct segpool *pool, const struct segpool_range *range,
			 uint32_t *reason);
int segpool_user_populate(const struct segpool *pool, const struct segpool_range *range,
			  struct segpool_user_wait *wait, uint32_t *reason);

int segpool_user_call(const struct segpool *pool, unsigned long request, void *argument);

#endif /* SEGPOOL_USER_H */
