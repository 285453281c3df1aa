/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A region's descriptor, and the queues in which released regions wait: who
 * takes one out of its queue has changed its state word first, and owns it
 * alone. Needs nothing of the kernel but atomics, a lock and lists.
 */
#ifndef SEGPOOL_REGION_H
#define SEGPOOL_REGION_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <linux/segpool.h>

#include "word.h"

struct page;

/**
 * struct region - one slice of the reservation
 * @word: state word (word.h).
 * @flags: REGION_LOCK, REGION_ZERO, REGION_TABLE, REGION_FILL.
 * @pages: region_pages pointers, NULL where there is no page; NULL where the
 *	region has none at all. Region lock while active, the claimer's own
 *	while claimed.
 * @node: in the queue of its class while freed; queue.lock.
 * @nr_pages: pages in @pages; as @pages.
 * @index: constant.
 */
struct region {
	atomic64_t word;
	unsigned long flags;
	struct page **pages;
	struct list_head node;
	u32 nr_pages;
	u32 index;
};

/* Bits of region.flags. */
#define REGION_LOCK 0
/* Its present owner asked for zeroes: pages that come later are zeroed too. */
#define REGION_ZERO 1
/* It had pages before, so its page table is there. */
#define REGION_TABLE 2
/* A POPULATE brings pages for it. */
#define REGION_FILL 3

/**
 * struct class_queue - released regions of one class, oldest first
 * @lock: protects @freed and @nr_freed.
 * @freed: list of region.node.
 * @nr_freed: length of @freed; read without the lock as a hint.
 * @nr_active: regions handed out for the class.
 * @events: counters, indexed by enum segpool_class_counter.
 */
struct class_queue {
	spinlock_t lock;
	struct list_head freed;
	u32 nr_freed;
	atomic_t nr_active;
	atomic64_t events[SEGPOOL_NR_CLASS_COUNTERS];
};

static inline u64 region_word(const struct region *region)
{
	return word_read(&region->word);
}

static inline void class_queue_init(struct class_queue *queue)
{
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->freed);
}

/* Puts a region that is the caller's alone into the queue of its class. */
static inline void class_queue_put(struct class_queue *queue, struct region *region, bool first)
{
	spin_lock(&queue->lock);
	word_free(&region->word);
	if (first)
		list_add(&region->node, &queue->freed);
	else
		list_add_tail(&region->node, &queue->freed);
	WRITE_ONCE(queue->nr_freed, queue->nr_freed + 1);
	spin_unlock(&queue->lock);
}

static inline bool class_queue_claim_locked(struct class_queue *queue, struct region *region,
					    u64 seen)
{
	lockdep_assert_held(&queue->lock);

	if (!word_claim(&region->word, seen))
		return false;
	list_del(&region->node);
	WRITE_ONCE(queue->nr_freed, queue->nr_freed - 1);
	return true;
}

/**
 * class_queue_claim() - take one region out of its queue
 * @queue: of the class in @seen.
 * @region: the region.
 * @seen: its word, freed.
 *
 * Return: whether it was still so, and is claimed now.
 */
static inline bool class_queue_claim(struct class_queue *queue, struct region *region, u64 seen)
{
	bool claimed;

	spin_lock(&queue->lock);
	claimed = class_queue_claim_locked(queue, region, seen);
	spin_unlock(&queue->lock);
	return claimed;
}

/* Takes the region that has waited longest; NULL where none waits. */
static inline struct region *class_queue_claim_first(struct class_queue *queue)
{
	struct region *region;

	if (!READ_ONCE(queue->nr_freed))
		return NULL;

	spin_lock(&queue->lock);
	region = list_first_entry_or_null(&queue->freed, struct region, node);
	if (region && WARN_ON_ONCE(!class_queue_claim_locked(queue, region, region_word(region))))
		region = NULL;
	spin_unlock(&queue->lock);
	return region;
}

#endif
