// SPDX-License-Identifier: GPL-2.0-only
/*
 * Magazines: making them, and the list that knows those of all pools by node
 * and memory cgroup.
 */

#include <linux/list_lru.h>
#include <linux/slab.h>

#include "magazine.h"
#include "segpool.h"

static struct kmem_cache *magazine_cache;
static struct kmem_cache *huge_magazine_cache;
static struct list_lru magazine_lru;

#define MAGAZINE_GFP (GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN)

static struct kmem_cache *cache_of(u32 order)
{
	return order ? huge_magazine_cache : magazine_cache;
}

/*
 * May return NULL: the pages then go to the system. Nothing is reclaimed to get
 * one, since keeping pages is not worth anybody else's.
 */
struct magazine *magazine_alloc(u32 order)
{
	struct magazine *magazine;

	magazine = kmem_cache_alloc_lru(cache_of(order), &magazine_lru, MAGAZINE_GFP);
	if (magazine) {
		INIT_LIST_HEAD(&magazine->lru);
		magazine->nr = 0;
		magazine->order = order;
	}
	return magazine;
}

void magazine_free(struct magazine *magazine)
{
	kmem_cache_free(cache_of(magazine->order), magazine);
}

/* The shrinker may take it from now on. Caller holds retain.lock. */
void magazine_watch(struct magazine *magazine)
{
	list_lru_add_obj(&magazine_lru, &magazine->lru);
}

/* The shrinker may not take it any more. Caller holds retain.lock. */
void magazine_unwatch(struct magazine *magazine)
{
	list_lru_del_obj(&magazine_lru, &magazine->lru);
}

/* For the shrinker's walks. */
struct list_lru *magazine_list(void)
{
	return &magazine_lru;
}

static struct kmem_cache *cache_create(const char *name, u32 order)
{
	const struct magazine *magazine;

	return kmem_cache_create(name, struct_size(magazine, pages, magazine_room(order)), 0,
				 SLAB_ACCOUNT | SLAB_RECLAIM_ACCOUNT, NULL);
}

int magazines_init(struct shrinker *shrinker)
{
	int err = -ENOMEM;

	magazine_cache = cache_create("segpool_magazine", 0);
	if (!magazine_cache)
		return err;
	huge_magazine_cache = cache_create("segpool_huge_magazine", HUGE_ORDER);
	if (!huge_magazine_cache)
		goto err_magazine_cache;
	err = list_lru_init_memcg(&magazine_lru, shrinker);
	if (err)
		goto err_huge_magazine_cache;
	return 0;

err_huge_magazine_cache:
	kmem_cache_destroy(huge_magazine_cache);
err_magazine_cache:
	kmem_cache_destroy(magazine_cache);
	return err;
}

void magazines_exit(void)
{
	list_lru_destroy(&magazine_lru);
	kmem_cache_destroy(huge_magazine_cache);
	kmem_cache_destroy(magazine_cache);
}
