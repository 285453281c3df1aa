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
static struct list_lru magazine_lru;

#define MAGAZINE_GFP (GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN)

/*
 * May return NULL: the pages then go to the system. Nothing is reclaimed to get
 * one, since keeping pages is not worth anybody else's.
 */
struct magazine *magazine_alloc(void)
{
	struct magazine *magazine;

	magazine = kmem_cache_alloc_lru(magazine_cache, &magazine_lru, MAGAZINE_GFP);
	if (magazine) {
		INIT_LIST_HEAD(&magazine->lru);
		magazine->nr = 0;
	}
	return magazine;
}

void magazine_free(struct magazine *magazine)
{
	kmem_cache_free(magazine_cache, magazine);
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

int magazines_init(struct shrinker *shrinker)
{
	int err;

	magazine_cache = KMEM_CACHE(magazine, SLAB_ACCOUNT | SLAB_RECLAIM_ACCOUNT);
	if (!magazine_cache)
		return -ENOMEM;
	err = list_lru_init_memcg(&magazine_lru, shrinker);
	if (err)
		kmem_cache_destroy(magazine_cache);
	return err;
}

void magazines_exit(void)
{
	list_lru_destroy(&magazine_lru);
	kmem_cache_destroy(magazine_cache);
}
