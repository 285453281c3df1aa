/* SPDX-License-Identifier: GPL-2.0-only */
/* Magazines: what retained pages are kept in. */
#ifndef SEGPOOL_MAGAZINE_H
#define SEGPOOL_MAGAZINE_H

#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>

struct list_lru;
struct page;
struct segpool_pool;
struct shrinker;

/* A region of the default size fills one, as does one huge page. */
#define MAGAZINE_PAGES 512U

/**
 * struct magazine - up to MAGAZINE_PAGES retained pages of one pool
 * @node: in the pool's stack; retain.lock.
 * @lru: in the shrinker's list; the list's own lock.
 * @pool: whose pages; constant while in the stack.
 * @begun: jiffies when it was begun; constant while in the stack.
 * @touched: jiffies when a page was last added; retain.lock.
 * @nr: entries of @pages in use; retain.lock.
 * @order: each entry stands for 2^order pages, in one piece; constant.
 * @pages: magazine_room() of them, taken from the end; retain.lock.
 */
struct magazine {
	struct list_head node;
	struct list_head lru;
	struct segpool_pool *pool;
	unsigned long begun;
	unsigned long touched;
	u32 nr;
	u32 order;
	struct page *pages[];
};

/* Entries a magazine has room for. */
static inline u32 magazine_room(u32 order)
{
	return MAGAZINE_PAGES >> order;
}

static inline u32 magazine_pages(const struct magazine *magazine)
{
	return magazine->nr << magazine->order;
}

static inline bool magazine_full(const struct magazine *magazine)
{
	return magazine->nr == magazine_room(magazine->order);
}

/* Adds pages; returns how many fitted, from the first on. */
static inline u32 magazine_push(struct magazine *magazine, struct page **pages, u32 nr)
{
	nr = min(nr, magazine_room(magazine->order) - magazine->nr);
	memcpy(magazine->pages + magazine->nr, pages, nr * sizeof(*pages));
	magazine->nr += nr;
	return nr;
}

/* Takes the last pages out; returns how many there were, at most @nr. */
static inline u32 magazine_pop(struct magazine *magazine, struct page **pages, u32 nr)
{
	nr = min(nr, magazine->nr);
	magazine->nr -= nr;
	memcpy(pages, magazine->pages + magazine->nr, nr * sizeof(*pages));
	return nr;
}

struct magazine *magazine_alloc(u32 order);
void magazine_free(struct magazine *magazine);
void magazine_watch(struct magazine *magazine);
void magazine_unwatch(struct magazine *magazine);
struct list_lru *magazine_list(void);
int magazines_init(struct shrinker *shrinker);
void magazines_exit(void);

#endif
