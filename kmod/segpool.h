/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * segpool: the module's own declarations.
 *
 * Lock order, outermost first:
 *
 *   cb_lock (rwsem)		inside the kernel: a request by netlink, for reading; or
 *   cb_mutex (mutex)		inside the kernel: a dump by netlink
 *   setup_lock (mutex)		SETUP happens once
 *   limits_lock (mutex)	one change of a pool's limits at a time
 *   region fill (bit)		one POPULATE of a region at a time
 *   mmap lock of the owner	for reading; whoever looks at the mapping
 *   region lock (bit)		pages, mapping and release of one active or kept region
 *   admission (rwsem)		a request takes its region and its budget
 *   i_mmap_rwsem		inside the kernel: unmapping by the pool's address space
 *   pools_lock (mutex)		list of pools, totals of the closed ones
 *   queue.lock (spinlock)	one class's released regions
 *   retain.lock (spinlock)	a pool's retained pages
 *   list_lru's lock		inside the kernel; the shrinker holds it while it
 *				tries (only tries) retain.lock
 *   events_lock (spinlock)	pools with something to tell
 *
 * queue.lock and retain.lock are never held together. No lock is held across a
 * copy to or from user space, or in budget_wait(). Under the mmap lock
 * and the region lock memory may be allocated: reclaim enters the module only
 * through the shrinker. Who holds the admission, and the shrinker, only try the
 * lock of another region.
 */
#ifndef SEGPOOL_H
#define SEGPOOL_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/segpool.h>

#include "account.h"
#include "carved.h"
#include "ceiling.h"
#include "compat.h"
#include "region.h"
#include "word.h"

struct budget_wait;
struct dentry;
struct file;
struct inode;
struct lent;
struct list_lru;
struct poll_table_struct;
struct shrinker;
struct vm_area_struct;
struct vm_fault;

/*
 * Memory for the module's own use: charged to the caller's memory cgroup, and
 * refused rather than fetched with the OOM killer.
 */
#define SEGPOOL_GFP (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* A huge page is 2^HUGE_ORDER pages in one piece. */
#define HUGE_ORDER (PMD_SHIFT - PAGE_SHIFT)

/**
 * struct region_chunk - a page of descriptors
 * @lru: in the shrinker's list while it may have kept regions.
 * @next: of those that a shrinker has taken; its own.
 * @pool: whose; constant.
 * @flags: CHUNK_WATCHED.
 * @regions: neighbours.
 */
struct region_chunk {
	struct list_head lru;
	struct region_chunk *next;
	struct segpool_pool *pool;
	unsigned long flags;
	struct region regions[];
};

#define REGIONS_PER_CHUNK \
	((u32)((PAGE_SIZE - sizeof(struct region_chunk)) / sizeof(struct region)))

static inline u32 chunk_of(u64 index)
{
	return index / REGIONS_PER_CHUNK;
}

/**
 * enum release_how - what becomes of the pages of a released region or range
 * @RELEASE_NOW: they go to the system.
 * @RELEASE_RETAIN: they are unmapped, and kept for the next request.
 * @RELEASE_LAZY: they stay with the region, mapped, as far as the limits allow.
 */
enum release_how { RELEASE_NOW, RELEASE_RETAIN, RELEASE_LAZY };

/**
 * struct retain_stack - retained pages of one size
 * @magazines: newest first.
 * @nr: entries of all @magazines.
 */
struct retain_stack {
	struct list_head magazines;
	u32 nr;
};

/**
 * struct retain - retained pages of one pool
 * @lock: protects all but @left and @age_work.
 * @stacks: single pages, huge pages; see retain_stack().
 * @nr_leaving: pages that somebody takes from where they are, still accounted as
 *	retained: to the system, or to a magazine.
 * @nr_left: how many have been.
 * @left: woken when @nr_left changes.
 * @closed: the pool is going; nothing is retained any more.
 * @age_work: gives old pages back.
 */
struct retain {
	spinlock_t lock;
	struct retain_stack stacks[2];
	u32 nr_leaving;
	u32 nr_left;
	wait_queue_head_t left;
	bool closed;
	struct delayed_work age_work;
};

/**
 * struct retain_leaving - the retained pages of a pool that are leaving where they were
 * @fits: the request would fit, if nothing were retained.
 * @nr: how many are.
 * @nr_left: how many have been, as in struct retain.
 */
struct retain_leaving {
	bool fits;
	u32 nr;
	u32 nr_left;
};

/* The multicast groups of the netlink family. */
enum events_group { EVENTS_MGMT, EVENTS_ALERT, EVENTS_STATS, NR_EVENTS_GROUPS };

#define NR_REASONS (SEGPOOL_REASON_SYSTEM + 1)

/**
 * struct pool_events - what listeners are to be told of a pool, and were
 * @node: in the list of pools with something to tell, or empty; events_lock.
 * @due: DUE_ADDED, DUE_SUMMARY; atomic.
 * @changes: of limits and mapping, not told yet.
 * @signals: of pressure, not told yet.
 * @refusals: not told yet, by reason.
 * @signals_suppressed: those during the pressure that was told; the work item's.
 * @pressure: it was told that there is; the work items'.
 * @activity: sum of all events at the last summary; the second work item's.
 * @windows: without a summary since the last one.
 * @seq: of the last event in each group; the work item's, in the end who closes the pool's.
 */
struct pool_events {
	struct list_head node;
	unsigned long due;
	atomic_t changes;
	atomic_t signals;
	atomic_t refusals[NR_REASONS];
	u64 signals_suppressed;
	bool pressure;
	u64 activity;
	atomic_t windows;
	u64 seq[NR_EVENTS_GROUPS];
};

/**
 * struct segpool_pool - one open file
 * @inode: carries the address space of the pool's own mapping.
 * @setup_lock: makes SETUP happen once.
 * @ready: published with release once everything up to @owner_comm is set.
 * @mm: the owner's address space (a reference to the structure only).
 * @id: number in debugfs and tracepoints.
 * @mode: enum segpool_mode.
 * @huge: regions may be backed by huge pages.
 * @lends: the program may release and take back regions by itself.
 * @region_shift: log2 of the region size.
 * @region_pages: pages of a region.
 * @nr_classes: number of classes.
 * @class_size: their segment sizes.
 * @owner_pid: thread group that called SETUP, in the initial namespace.
 * @owner_comm: its name.
 * @owner_uid: its effective user.
 * @base: address of the mapping; constant once @nr_regions is set.
 * @nr_regions: regions in the reservation; 0 before mmap(), published with
 *	release.
 * @chunks: region descriptors, REGIONS_PER_CHUNK each, published with release.
 * @lent: with @lends: the words of regions; otherwise NULL. Constant once @nr_regions is set.
 * @gone: the mapping is (being) taken down.
 * @carved: carved regions and the virtual budget (carved.h).
 * @limits_lock: serialises changes of the limits.
 * @retain_limit: pages. Written under @limits_lock.
 * @retain_age: jiffies, 0 for ever. Written under @limits_lock.
 * @watermark: percent. Written under @limits_lock.
 * @account: physical and retained pages.
 * @nr_huge: regions that are backed by a huge page.
 * @admission: held for reading while a request takes what it needs, for writing
 *	to be sure that it is refused for what others have, not for what they
 *	are about to put back.
 * @queues: released regions by class.
 * @retain: retained pages.
 * @wait: requests that wait for budget.
 * @nr_waiters: how many.
 * @pressure_wait: pollers.
 * @last_shrink: jiffies when the system last took retained pages.
 * @shrunk: it ever did.
 * @events: counters, indexed by enum segpool_counter; only events are used.
 * @event: what listeners are told.
 * @users: one for the file, one for each magazine and chunk that a shrinker has taken, and
 *	for who asks or tells by netlink.
 * @unused: completed when @users is 0.
 * @debugfs: the pool's directory.
 * @node: in the list of pools; pools_lock.
 */
struct segpool_pool {
	struct inode *inode;
	struct mutex setup_lock;
	bool ready;

	struct mm_struct *mm;
	u32 id;
	u32 mode;
	bool huge;
	bool lends;
	u32 region_shift;
	u32 region_pages;
	u32 nr_classes;
	u32 class_size[SEGPOOL_MAX_CLASSES];
	pid_t owner_pid;
	char owner_comm[TASK_COMM_LEN];
	kuid_t owner_uid;

	unsigned long base;
	u32 nr_regions;
	struct region_chunk **chunks;
	struct lent *lent;
	bool gone;

	atomic64_t carved;
	struct mutex limits_lock;
	u64 retain_limit;
	unsigned long retain_age;
	u32 watermark;
	struct account account;
	atomic_t nr_huge;

	struct rw_semaphore admission;
	struct class_queue queues[SEGPOOL_MAX_CLASSES];
	struct retain retain;

	wait_queue_head_t wait;
	atomic_t nr_waiters;
	wait_queue_head_t pressure_wait;
	unsigned long last_shrink;
	bool shrunk;

	atomic64_t events[SEGPOOL_NR_COUNTERS];
	struct pool_events event;

	refcount_t users;
	struct completion unused;
	struct dentry *debugfs;
	struct list_head node;
};

static inline u64 pool_region_size(const struct segpool_pool *pool)
{
	return 1ULL << pool->region_shift;
}

/* device.c */
int device_init(void);
void device_exit(void);

/* ioctl.c */
long segpool_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* pool.c */
int pool_mount_init(void);
void pool_mount_exit(void);
struct segpool_pool *pool_create(void);
void pool_destroy(struct segpool_pool *pool);
int pool_setup(struct segpool_pool *pool, struct segpool_setup *setup);
int pool_set_limits(struct segpool_pool *pool, u32 flags, struct segpool_limits *limits);
void pool_limits(const struct segpool_pool *pool, struct segpool_limits *limits);
int pool_reserve(struct segpool_pool *pool, unsigned long base, u32 nr_regions);
void pool_drain(struct segpool_pool *pool);
static inline bool pool_is_ready(const struct segpool_pool *pool)
{
	/* Pairs with the release in pool_setup(). */
	return smp_load_acquire(&pool->ready);
}

static inline u32 pool_nr_regions(const struct segpool_pool *pool)
{
	/* Pairs with the release in pool_reserve(). */
	return smp_load_acquire(&pool->nr_regions);
}

/* For who uses a pool outside its file's calls; ends with pool_put(). */
static inline void pool_get(struct segpool_pool *pool)
{
	refcount_inc(&pool->users);
}

/* The same for who may be too late: the pool stays, but may have ended. */
static inline bool pool_tryget(struct segpool_pool *pool)
{
	return refcount_inc_not_zero(&pool->users);
}

static inline void pool_put(struct segpool_pool *pool)
{
	if (refcount_dec_and_test(&pool->users))
		complete(&pool->unused);
}

/* pools.c */
void pools_add(struct segpool_pool *pool);
void pools_remove(struct segpool_pool *pool);
void pools_for_each(void (*visit)(struct segpool_pool *pool, void *context), void *context);
struct segpool_pool *pools_get(u32 id, bool (*may)(const struct segpool_pool *pool,
						   const void *context), const void *context);
bool pools_visit(u32 from, u32 *generation, bool (*visit)(struct segpool_pool *pool, void *context),
		 void *context);
void pools_totals(u64 totals[SEGPOOL_NR_COUNTERS]);
u64 pools_retained(void);
void pools_settle(void);
u32 pools_count(void);
u32 pools_created(void);

/* request.c */
int request_alloc(struct segpool_pool *pool, u32 class, u32 flags, u32 timeout_ms,
		  struct segpool_region *results, u32 count, u32 *done, u32 *reason);
int request_reuse(struct segpool_pool *pool, u64 handle, u32 class, u32 flags, u32 timeout_ms,
		  struct segpool_region *result, u32 *reason);

/* release.c */
int region_release(struct segpool_pool *pool, u64 handle, enum release_how how);
void region_release_lent(struct segpool_pool *pool, struct region *region);

/* range.c */

/**
 * struct range_at - a range inside a region
 * @region: where, active or not.
 * @first: first page.
 * @end: page after the last; more than @first.
 */
struct range_at {
	struct region *region;
	u32 first;
	u32 end;
};

/* Pages of a walk go back in portions, so that a release needs no memory. */
#define RANGE_WALK_PAGES 64

/**
 * struct range_walk - ranges of one call, one after the other
 * @pool: of the calling process.
 * @vma: the mapping, under the mmap lock; NULL where nothing is locked.
 * @locked: the last range's region; NULL where none is locked.
 * @at: the last range.
 * @settled: regions may have been; to be looked after without locks.
 * @nr: how many @pages.
 * @pages: DISCARD: unmapped, on their way back; POPULATE: room for some.
 *
 * Begins as zeroes, but for @pool. Neighbours in a call are often of one region, and
 * to lock it costs as much as to release some pages.
 */
struct range_walk {
	struct segpool_pool *pool;
	struct vm_area_struct *vma;
	struct region *locked;
	struct range_at at;
	bool settled;
	u32 nr;
	struct page *pages[RANGE_WALK_PAGES];
};

int range_find(struct segpool_pool *pool, const struct segpool_range *range, struct range_at *at);
int range_walk_to(struct range_walk *walk, const struct segpool_range *range, bool withdraw);
void range_walk_unlock(struct range_walk *walk);
bool range_is_whole(const struct range_walk *walk);
int range_discard(struct range_walk *walk, const struct segpool_range *range, bool retain,
		  u32 *reason);
void range_discard_end(struct range_walk *walk, bool retain);

/* populate.c */
int range_populate(struct range_walk *walk, const struct segpool_range *range, bool zero,
		   struct budget_wait *wait, u32 *reason);

/* wait.c */
struct budget_wait {
	struct segpool_pool *pool;
	struct wait_queue_head *queue;
	struct wait_queue_entry entry;
	ktime_t deadline;
	bool allowed;
};

void budget_wait_begin(struct budget_wait *wait, struct segpool_pool *pool, u32 flags,
		       u32 timeout_ms);
int budget_wait(struct budget_wait *wait, enum segpool_reason reason);
void budget_wait_end(struct budget_wait *wait);
void budget_wake(struct segpool_pool *pool);
bool pressure_is_on(const struct segpool_pool *pool);
void pressure_check(struct segpool_pool *pool, u64 pages_added);
void pressure_signal(struct segpool_pool *pool);

/* counters.c */
extern const char *const counter_names[SEGPOOL_NR_COUNTERS];
extern const char *const class_counter_names[SEGPOOL_NR_CLASS_COUNTERS];
bool counter_is_event(enum segpool_counter counter);
bool counter_is_peak(enum segpool_counter counter);
bool counter_is_setting(enum segpool_counter counter);
void counters_read(const struct segpool_pool *pool, u64 values[SEGPOOL_NR_COUNTERS]);
void class_counters_read(const struct segpool_pool *pool, u32 class,
			 u64 values[SEGPOOL_NR_CLASS_COUNTERS]);
void count_refusal(struct segpool_pool *pool, u32 class, enum segpool_reason reason);

static inline void count(struct segpool_pool *pool, enum segpool_counter counter, u64 n)
{
	atomic64_add(n, &pool->events[counter]);
}

static inline void count_class(struct segpool_pool *pool, u32 class,
			       enum segpool_class_counter counter)
{
	atomic64_inc(&pool->queues[class].events[counter]);
}

/* netlink.c */
int netlink_init(void);
void netlink_exit(void);

/* netlink_events.c */
void events_pool_init(struct segpool_pool *pool);
void events_pool_added(struct segpool_pool *pool);
void events_pool_changed(struct segpool_pool *pool);
void events_pool_gone(struct segpool_pool *pool);
void events_pressure(struct segpool_pool *pool);
void events_refusal(struct segpool_pool *pool, enum segpool_reason reason);
void events_exit(void);

/* debugfs.c */
void debugfs_init(void);
void debugfs_exit(void);
void debugfs_add_pool(struct segpool_pool *pool);
void debugfs_remove_pool(struct segpool_pool *pool);

/* chunk.c */
int chunks_init(struct shrinker *shrinker);
void chunks_exit(void);
u32 regions_carved(const struct segpool_pool *pool);
u32 regions_budget(const struct segpool_pool *pool);
struct region *region_lookup(const struct segpool_pool *pool, u64 index);
int region_chunks_create(struct segpool_pool *pool, u32 nr_regions);
void region_chunks_destroy(struct segpool_pool *pool);
bool chunk_create(struct segpool_pool *pool, u32 number, u32 *reason);
void chunk_watch(struct segpool_pool *pool, const struct region *region);
void chunk_taken(struct region_chunk *chunk);
bool chunk_keep(struct region_chunk *chunk);
u32 kept_in_chunk(const struct region_chunk *chunk);
bool chunk_lends(const struct region_chunk *chunk);
struct list_lru *chunk_list(void);

/* region.c */
void region_queues_init(struct segpool_pool *pool);
enum segpool_reason regions_prepare(struct segpool_pool *pool, u32 nr);
int regions_uncarved(const struct segpool_pool *pool, u32 nr);
bool region_carve(struct segpool_pool *pool, u32 class, u32 nr, struct region **regions,
		  u32 *reason);
bool region_waits(const struct segpool_pool *pool, u32 class);
bool region_claim_freed(struct segpool_pool *pool, u32 class, struct region **region);
bool region_claim_kept(struct segpool_pool *pool, u32 class, struct region **region);
bool region_claim_run(struct segpool_pool *pool, u32 nr, struct region **regions);
int region_check_named(struct segpool_pool *pool, u64 handle);
int region_claim_named(struct segpool_pool *pool, u64 handle, bool with_pages,
		       struct region **region);
void region_unclaim(struct segpool_pool *pool, struct region *region);
u64 region_activate(struct segpool_pool *pool, struct region *region, u32 class);
void region_retire(struct segpool_pool *pool, struct region *region);
bool region_retire_kept(struct segpool_pool *pool, struct region *region);
bool region_unclaim_kept(struct segpool_pool *pool, struct region *region);
bool region_trylock(struct region *region);
int region_lock_killable(struct region *region);
void region_lock(struct region *region);
void region_unlock(struct region *region);
bool region_fill_trybegin(struct region *region);
int region_fill_begin(struct region *region);
void region_fill_end(struct region *region);

static inline void region_assert_locked(const struct region *region)
{
	lockdep_assert(test_bit(REGION_LOCK, &region->flags));
}

/**
 * struct region_pages - what backed a region
 * @pages: an array of its pages; or
 * @huge: a huge page; or neither.
 */
struct region_pages {
	struct page **pages;
	struct page *huge;
};

/* backing.c */
void region_detach(struct segpool_pool *pool, struct region *region, struct region_pages *taken);
void region_back(struct segpool_pool *pool, struct region *region, struct page **pages);
void region_back_huge(struct segpool_pool *pool, struct region *region, struct page *huge);
void region_unback(struct segpool_pool *pool, struct region *region, bool retain);
int region_map_huge(struct segpool_pool *pool, struct vm_area_struct *vma,
		    const struct region *region, struct page *huge);
int region_split(struct segpool_pool *pool, struct vm_area_struct *vma, struct region *region,
		 u32 *reason);
struct page *region_page(const struct region *region, u32 index);

static inline bool region_is_huge(const struct region *region)
{
	return test_bit(REGION_HUGE, &region->flags);
}

/* pages.c */

/**
 * struct pages_want - pages that a request wants
 * @arrays: where they go.
 * @per_array: room in each array.
 * @nr: entries in all, from the first array on.
 * @order: each entry stands for 2^order pages: 0, or HUGE_ORDER.
 */
struct pages_want {
	struct page ***arrays;
	u32 per_array;
	u32 nr;
	u32 order;
};

static inline u64 want_pages(const struct pages_want *want)
{
	return (u64)want->nr << want->order;
}

static inline struct page **pages_slot(const struct pages_want *want, u32 number)
{
	return &want->arrays[number / want->per_array][number % want->per_array];
}

enum segpool_reason pages_reserve(struct segpool_pool *pool, const struct pages_want *want,
				  u32 *retained);
int pages_bring(struct segpool_pool *pool, const struct pages_want *want, u32 retained, bool zero);
void pages_unreserve(struct segpool_pool *pool, const struct pages_want *want, u32 retained);
bool table_headroom(u32 nr);
bool region_table_headroom(const struct segpool_pool *pool, const struct region *region);
struct page **pages_array_alloc(u32 nr, u32 *reason);
void pages_array_free(struct page **pages, u32 nr);
int pages_get(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order, bool zero,
	      u32 *reason);
bool pages_get_retained(struct segpool_pool *pool, struct page **pages, u32 nr);
void pages_put(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order, bool retain);
int pages_zero(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order);
u32 pages_drop_pinned(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order,
		      u32 *pinned);
void pages_free(struct page **pages, u32 nr, u32 order);

/* lent.c */
int lent_create(struct segpool_pool *pool, u32 nr_regions);
void lent_destroy(struct segpool_pool *pool);
bool lent_prepare(struct segpool_pool *pool, u32 first, u32 last, u32 *reason);
struct page *lent_page(const struct segpool_pool *pool, unsigned long number);
unsigned long lent_length(const struct segpool_pool *pool);
bool lent_offer_region(struct segpool_pool *pool, const struct region *region, u32 generation);
void lent_watch(struct segpool_pool *pool, const struct region *region);
bool lent_settle(struct segpool_pool *pool, struct region *region);
void lent_settled(struct segpool_pool *pool);
bool lent_is_released(const struct segpool_pool *pool, const struct region *region);
bool lent_is_lent(const struct segpool_pool *pool, const struct region *region);
bool lent_try_settle(struct segpool_pool *pool, struct region *region);
int lent_settle_handle(struct segpool_pool *pool, u64 handle);
int lent_withdraw_region(struct segpool_pool *pool, struct region *region, u64 handle);
void lent_forget(struct segpool_pool *pool, const struct region *region);
bool lent_settle_some(struct segpool_pool *pool);
bool lent_settle_all(struct segpool_pool *pool, bool wait);
void lent_recall(struct segpool_pool *pool);
void lent_limits_changed(struct segpool_pool *pool);
void lent_end(struct segpool_pool *pool);

/* Without words there is nothing to do, and that must cost nothing. */
/* Of an active region. */
static inline void lent_offer(struct segpool_pool *pool, const struct region *region,
			      u32 generation)
{
	if (pool->lent && lent_offer_region(pool, region, generation))
		lent_watch(pool, region);
}

static inline int lent_withdraw(struct segpool_pool *pool, struct region *region, u64 handle)
{
	return pool->lent ? lent_withdraw_region(pool, region, handle) :
			    word_check_active(region_word(region), handle);
}

static inline int lent_settle_named(struct segpool_pool *pool, u64 handle)
{
	return pool->lent ? lent_settle_handle(pool, handle) : 0;
}

/* kept.c */
bool kept_release_lazily(struct segpool_pool *pool, struct vm_area_struct *vma,
			 struct region *region);
bool kept_release(struct segpool_pool *pool, struct region *region);
void kept_limits(struct segpool_pool *pool);
struct region *kept_oldest(struct segpool_pool *pool, unsigned long *since);
u32 kept_drop(struct segpool_pool *pool, struct region *region, u32 nr,
	      const unsigned long *cutoff, enum segpool_counter why);
bool kept_move(struct segpool_pool *pool, u32 order);
bool kept_make_room(struct segpool_pool *pool);
void kept_strip(struct segpool_pool *pool, struct region *region);
void kept_strip_class(struct segpool_pool *pool, u32 class);
u64 kept_shrink_chunk(struct region_chunk *chunk, u64 wanted);
int kept_take_back(struct segpool_pool *pool, struct region *region, bool zero);
void kept_put_back(struct segpool_pool *pool, struct region *region);

/* admission.c */
int admit(struct segpool_pool *pool, int (*try)(void *request), void *request);

/* retain.c */
int retain_queue_init(void);
void retain_queue_exit(void);
void retain_init(struct segpool_pool *pool);
void retain_close(struct segpool_pool *pool);
static inline struct retain_stack *retain_stack(struct retain *retain, u32 order)
{
	return &retain->stacks[!!order];
}

u32 retain_put(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order);
u32 retain_move(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order);
void retain_announce(struct segpool_pool *pool, u32 nr);
void retain_settle(struct segpool_pool *pool, u32 gone, u32 stayed);
bool retain_has_moved(struct segpool_pool *pool, const struct retain_leaving *leaving);
void retain_age_begins(struct segpool_pool *pool);
enum segpool_reason retain_reserve(struct segpool_pool *pool, const struct pages_want *want,
				   u32 *retained, struct retain_leaving *leaving);
bool retain_take(struct segpool_pool *pool, struct page **pages, u32 nr);
bool retain_drop_huge(struct segpool_pool *pool, u32 nr);
u64 retain_trim(struct segpool_pool *pool, u64 target);
void retain_limits_changed(struct segpool_pool *pool);
void retain_look(struct segpool_pool *pool);
void retain_queue(struct segpool_pool *pool, struct delayed_work *work, unsigned long delay);
void retained_release(struct segpool_pool *pool, struct page **pages, u32 nr, u32 order,
		      enum segpool_counter why);
bool retain_wait_leaving(struct segpool_pool *pool, const struct retain_leaving *leaving);

/* shrink.c */
int shrink_init(void);
void shrink_exit(void);
u64 shrink_all(u64 pages);
void shrunk(struct segpool_pool *pool, u32 pages);

/* map.c */
struct vm_area_struct *map_lock(struct segpool_pool *pool);
void map_unlock(struct segpool_pool *pool);
int map_insert(struct vm_area_struct *vma, struct segpool_pool *pool, u32 index, u32 first,
	       struct page **pages, u32 nr);
bool map_has_single_table(const struct vm_area_struct *vma, const struct segpool_pool *pool,
			  u32 index);
u32 map_huge_tables(const struct vm_area_struct *vma, const struct segpool_pool *pool, u32 index);
int map_insert_huge(struct vm_area_struct *vma, struct segpool_pool *pool, u32 index,
		    struct page *huge, bool tables);
bool map_fault_is_own(const struct vm_fault *vmf);
void map_zap(struct vm_area_struct *vma, struct segpool_pool *pool, u32 index, u32 first, u32 nr);
void map_zap_region(struct segpool_pool *pool, u32 index);
void map_zap_all(struct segpool_pool *pool);
bool map_can_be_pinned(const struct vm_area_struct *vma);
bool map_mode_can_be_pinned(u32 mode);
bool map_has_table(const struct vm_fault *vmf);

/* vma.c */
int vma_attach(struct segpool_pool *pool, struct vm_area_struct *vma);
int vma_attach_words(struct segpool_pool *pool, struct vm_area_struct *vma);

#endif
