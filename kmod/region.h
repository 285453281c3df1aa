/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A region's descriptor, and the queues in which released regions wait: who
 * takes one out of its queue has changed its state word first, and owns it
 * alone. A kept region waits with all its pages, which are retained pages of the
 * pool: it is claimed together with them, or they are taken from it and it goes
 * on waiting. Needs nothing of the kernel but atomics,
 * a lock and lists.
 */
#ifndef SEGPOOL_REGION_H
#define SEGPOOL_REGION_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <linux/segpool.h>

#include "account.h"
#include "word.h"

struct page;

/**
 * struct region - one slice of the reservation
 * @word: state word (word.h).
 * @flags: REGION_LOCK, REGION_ZERO, REGION_TABLE, REGION_FILL, REGION_HUGE,
 *	REGION_MAPPED, REGION_CONTENDED.
 * @pages: region_pages pointers, NULL where there is no page; NULL where the
 *	region has none at all. Region lock while active, the claimer's own
 *	while claimed, region lock and queue.lock while freed.
 * @huge: with REGION_HUGE: the first of region_pages pages in one piece.
 * @node: in the queue of its class while freed; queue.lock.
 * @since: jiffies when it was kept; queue.lock.
 * @nr_pages: pages in @pages; as @pages.
 * @index: constant.
 */
struct region {
	atomic64_t word;
	unsigned long flags;
	union {
		struct page **pages;
		struct page *huge;
	};
	struct list_head node;
	unsigned long since;
	u32 nr_pages;
	u32 index;
};

/* Bits of region.flags. */
#define REGION_LOCK 0
/* Its present owner asked for zeroes: pages that come later are zeroed too. */
#define REGION_ZERO 1
/* It was mapped as a whole, so its page tables are there. */
#define REGION_TABLE 2
/* A POPULATE brings pages for it. */
#define REGION_FILL 3
/* A huge page backs it; as region.pages. */
#define REGION_HUGE 4
/* Kept, and its pages are still mapped; region lock. */
#define REGION_MAPPED 5
/* Somebody has had to wait for one of its locks. */
#define REGION_CONTENDED 6

/**
 * struct class_queue - released regions of one class
 * @lock: protects @freed, @kept, @nr_freed and @nr_kept.
 * @freed: list of region.node, oldest first: those without pages.
 * @kept: those that have all their pages, newest first: who takes pages from them takes
 *	the oldest.
 * @nr_freed: length of both; read without the lock as a hint.
 * @nr_kept: length of @kept, likewise.
 * @nr_active: regions handed out for the class.
 * @events: counters, indexed by enum segpool_class_counter.
 */
struct class_queue {
	spinlock_t lock;
	struct list_head freed;
	struct list_head kept;
	u32 nr_freed;
	u32 nr_kept;
	atomic_t nr_active;
	atomic64_t events[SEGPOOL_NR_CLASS_COUNTERS];
};

static inline u64 region_word(const struct region *region)
{
	return word_read(&region->word);
}

/*
 * Released, with all its pages? For a moment, unless queue.lock is held. The pages of
 * such a region go nowhere without its lock, also if somebody claims it.
 */
static inline bool region_is_kept(const struct region *region)
{
	u64 word = region_word(region);

	if (word_state(word) != REGION_FREED)
		return false;
	/* Who claims one without pages brings some, without the lock: see that nobody has. */
	return smp_load_acquire(&region->nr_pages) && region_word(region) == word;
}

static inline void class_queue_init(struct class_queue *queue)
{
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->freed);
	INIT_LIST_HEAD(&queue->kept);
}

static inline void class_queue_add(struct class_queue *queue, struct region *region,
				   struct list_head *after)
{
	lockdep_assert_held(&queue->lock);

	word_free(&region->word);
	list_add(&region->node, after);
	WRITE_ONCE(queue->nr_freed, queue->nr_freed + 1);
}

/* Puts a region that is the caller's alone, without pages, into the queue of its class. */
static inline void class_queue_put(struct class_queue *queue, struct region *region, bool first)
{
	spin_lock(&queue->lock);
	class_queue_add(queue, region, first ? &queue->freed : queue->freed.prev);
	spin_unlock(&queue->lock);
}

/**
 * class_queue_put_kept() - put a region with all its pages into the queue of its class
 * @queue: of its class.
 * @region: the caller's alone.
 * @account: the pool's, which has the pages as physical ones.
 * @limit: of the retained pages.
 * @now: jiffies.
 *
 * In one step, so that who looks at the queue under its lock finds the region if it has
 * found its pages to be retained.
 *
 * Return: whether it is released, and its pages are retained; otherwise nothing has changed.
 */
static inline bool class_queue_put_kept(struct class_queue *queue, struct region *region,
					struct account *account, u64 limit, unsigned long now)
{
	bool retained;

	spin_lock(&queue->lock);
	retained = account_try_retain(account, region->nr_pages, limit);
	if (retained) {
		region->since = now;
		WRITE_ONCE(queue->nr_kept, queue->nr_kept + 1);
		class_queue_add(queue, region, &queue->kept);
	}
	spin_unlock(&queue->lock);
	return retained;
}

static inline bool class_queue_claim_locked(struct class_queue *queue, struct region *region,
					    u64 seen)
{
	lockdep_assert_held(&queue->lock);

	if (!word_claim(&region->word, seen))
		return false;
	list_del(&region->node);
	WRITE_ONCE(queue->nr_freed, queue->nr_freed - 1);
	if (region->nr_pages)
		WRITE_ONCE(queue->nr_kept, queue->nr_kept - 1);
	return true;
}

/* The pages of a kept region are about to be taken; it goes on waiting. */
static inline void class_queue_strip_locked(struct class_queue *queue, struct region *region)
{
	lockdep_assert_held(&queue->lock);

	list_move_tail(&region->node, &queue->freed);
	WRITE_ONCE(queue->nr_kept, queue->nr_kept - 1);
}

/**
 * class_queue_claim() - take one region out of its queue
 * @queue: of the class in @seen.
 * @region: the region.
 * @seen: its word, freed.
 * @account: the pool's, whose retained pages those of the region become physical ones
 *	of; NULL: only a region without pages will do.
 *
 * Return: 0: it is claimed; -EAGAIN: its word was another one; -EEXIST: it has pages;
 * -ENOMEM: the budget has no room for its pages.
 */
static inline int class_queue_claim(struct class_queue *queue, struct region *region, u64 seen,
				    struct account *account)
{
	int err = -EAGAIN;

	spin_lock(&queue->lock);
	if (word_state(seen) != REGION_FREED || region_word(region) != seen)
		goto out;
	err = -EEXIST;
	if (region->nr_pages && !account)
		goto out;
	err = -ENOMEM;
	if (region->nr_pages && !account_try_unretain(account, region->nr_pages))
		goto out;
	err = WARN_ON_ONCE(!class_queue_claim_locked(queue, region, seen)) ? -EAGAIN : 0;
out:
	spin_unlock(&queue->lock);
	return err;
}

/* Takes the first region of a list; of a kept one the pages are physical ones then. */
static inline struct region *class_queue_claim_head(struct class_queue *queue,
						    struct list_head *list, struct account *account)
{
	struct region *region;

	spin_lock(&queue->lock);
	region = list_first_entry_or_null(list, struct region, node);
	if (region && region->nr_pages && !account_try_unretain(account, region->nr_pages))
		region = NULL;
	if (region && WARN_ON_ONCE(!class_queue_claim_locked(queue, region, region_word(region))))
		region = NULL;
	spin_unlock(&queue->lock);
	return region;
}

/* Takes the region without pages that has waited longest; NULL where none waits. */
static inline struct region *class_queue_claim_first(struct class_queue *queue)
{
	if (!READ_ONCE(queue->nr_freed))
		return NULL;
	return class_queue_claim_head(queue, &queue->freed, NULL);
}

/* Takes the region that was kept last; NULL where none is, or the budget has no room. */
static inline struct region *class_queue_claim_kept(struct class_queue *queue,
						    struct account *account)
{
	if (!READ_ONCE(queue->nr_kept))
		return NULL;
	return class_queue_claim_head(queue, &queue->kept, account);
}

/* The region that was kept before all others of the class, and when; or NULL. */
static inline struct region *class_queue_oldest_kept(struct class_queue *queue,
						     unsigned long *since)
{
	struct region *region = NULL;

	if (!READ_ONCE(queue->nr_kept))
		return NULL;

	spin_lock(&queue->lock);
	if (!list_empty(&queue->kept)) {
		region = list_last_entry(&queue->kept, struct region, node);
		*since = region->since;
	}
	spin_unlock(&queue->lock);
	return region;
}

#endif
