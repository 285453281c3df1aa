// SPDX-License-Identifier: GPL-2.0-only
#include "calls.h"

#include <linux/errno.h>

#include "world.h"

/* --- pages --- */

/* As retain_reserve(): a retained page if there is one. */
static int reserve(u32 *page)
{
	enum segpool_reason reason = SEGPOOL_REASON_PHYSICAL;
	struct store *store = &world.store;
	u32 retained;

	*page = 0;
	spin_lock(&store->lock);
	retained = observe(store->nr ? 1 : 0);
	if (!account_excess(&world.account))
		reason = account_charge_both(&world.account, 1 - retained, &world.ceiling,
					     world.ceiling_limit);
	if (!reason && retained) {
		*page = observe(store->pages[--store->nr]);
		page_moves(*page, IN_RETAIN, ON_THE_WAY);
		account_unretain(&world.account, 1);
	}
	spin_unlock(&store->lock);
	return reason ? -ENOMEM : 0;
}

static void retained_to_system(u32 nr)
{
	struct store *store = &world.store;

	account_drop_retained(&world.account, nr);
	atomic64_sub(nr, &world.ceiling);
	spin_lock(&store->lock);
	store->leaving -= nr;
	spin_unlock(&store->lock);
}

/* As retain_trim() does until nothing is left to do. */
static void trim(u32 target)
{
	struct store *store = &world.store;
	u32 taken[NR_PAGES];
	u32 nr, i;

	spin_lock(&store->lock);
	nr = observe(account_surplus(&world.account, store->nr, store->leaving, target));
	store->nr -= nr;
	store->leaving += nr;
	for (i = 0; i < nr; i++) {
		taken[i] = observe(store->pages[i]);
		page_moves(taken[i], IN_RETAIN, ON_THE_WAY);
	}
	for (i = 0; i < store->nr; i++)
		store->pages[i] = store->pages[i + nr];
	spin_unlock(&store->lock);

	for (i = 0; i < nr; i++)
		page_moves(taken[i], ON_THE_WAY, IN_SYSTEM);
	if (nr)
		retained_to_system(nr);
}

/* As retain_put() of one page. */
static bool put_retained(u32 page)
{
	struct store *store = &world.store;
	bool room;

	spin_lock(&store->lock);
	room = account_retain_room(&world.account, READ_ONCE(world.retain_limit));
	if (room) {
		page_moves(page, ON_THE_WAY, IN_RETAIN);
		store->pages[store->nr++] = page;
		account_retain(&world.account, 1);
	}
	spin_unlock(&store->lock);
	return room;
}

/* As pages_put() of one page. */
static void put_page(u32 page)
{
	if (put_retained(page))
		return;
	page_moves(page, ON_THE_WAY, IN_SYSTEM);
	account_uncharge(&world.account, 1);
	atomic64_sub(1, &world.ceiling);
}

static void unreserve(u32 page)
{
	if (page) {
		put_page(page);
		return;
	}
	account_uncharge(&world.account, 1);
	atomic64_sub(1, &world.ceiling);
}

/* --- regions --- */

static struct class_queue *queue_of(u64 word)
{
	return &world.queues[word_class(word)];
}

static void unclaim(struct region *region)
{
	region_given_back(region->index);
	class_queue_put(queue_of(region_word(region)), region, true);
}

/* As region_carve() of one. */
static struct region *carve(u32 class)
{
	s64 seen = atomic64_read(&world.carved);
	struct region *region;
	u32 index;

	do {
		index = carved_count(seen);
		if (!carved_has_room(seen, world.reserved, 1))
			return NULL;
	} while (!carved_advance(&world.carved, &seen, 1));

	region = &world.regions[index];
	if (!word_carve(&region->word, class))
		found("region %u was carved before", index);
	region_taken(index);
	return region;
}

static struct region *claim_first(u32 class)
{
	struct region *region = class_queue_claim_first(&world.queues[class]);

	if (region)
		region_taken(region->index);
	return region;
}

static u64 hand_out(struct region *region, u32 class, u32 page)
{
	u32 generation;

	if (!page)
		page = page_from_system();
	page_moves(page, ON_THE_WAY, IN_REGION);
	world.page_of[region->index] = page;
	atomic_inc(&world.queues[class].nr_active);
	generation = word_activate(&region->word, class);
	region_handed_out(region->index, generation);
	return handle_make(region->index, generation);
}

static int complete_claimed(struct region *region, u32 class, u64 *handle)
{
	u32 page;

	if (reserve(&page)) {
		unclaim(region);
		return -ENOMEM;
	}
	*handle = hand_out(region, class, page);
	return 0;
}

/* As admit_new() and what follows. */
static int complete_new(u32 class, u64 *handle)
{
	struct region *region;
	u32 page;

	if (reserve(&page))
		return -ENOMEM;
	region = carve(class);
	if (!region) {
		unreserve(page);
		return -ENOMEM;
	}
	*handle = hand_out(region, class, page);
	return 0;
}

/* As unit_try_admit(): the order of taking. */
int call_alloc(u32 class, u64 *handle)
{
	struct region *region = claim_first(class);

	if (region)
		return complete_claimed(region, class, handle);
	if (carved_has_room(atomic64_read(&world.carved), world.reserved, 1))
		return complete_new(class, handle);
	region = claim_first(!class);
	return region ? complete_claimed(region, class, handle) : -ENOMEM;
}

static struct region *lookup(u64 handle)
{
	u32 index = handle_index(handle);

	return index < carved_count(atomic64_read_acquire(&world.carved)) ?
	       &world.regions[index] : NULL;
}

/* As region_claim_named() and what follows. */
int call_reuse(u64 handle, u32 class, u64 *new_handle)
{
	struct region *region = lookup(handle);
	u64 word;
	int err;

	if (!region)
		return -ENOENT;
	do {
		word = region_word(region);
		err = word_check_freed(word, handle);
		if (err)
			return err;
	} while (!class_queue_claim(queue_of(word), region, word));
	region_taken(region->index);
	return complete_claimed(region, class, new_handle);
}

static void release_locked(struct region *region, u64 handle)
{
	struct class_queue *queue = queue_of(region_word(region));
	u32 page = observe(world.page_of[region->index]);

	region_released(region->index, handle_generation(handle));
	world.page_of[region->index] = 0;
	page_moves(page, IN_REGION, ON_THE_WAY);
	put_page(page);
	atomic_dec(&queue->nr_active);
	region_given_back(region->index);
	class_queue_put(queue, region, false);
}

/* As region_release(). */
int call_free(u64 handle)
{
	struct region *region = lookup(handle);
	int err;

	if (!region)
		return -ENOENT;
	spin_lock(&world.region_locks[region->index]);
	err = word_check_active(region_word(region), handle);
	if (!err)
		release_locked(region, handle);
	spin_unlock(&world.region_locks[region->index]);
	return err;
}

int call_trim(void)
{
	trim(0);
	return 0;
}

int call_set_virtual(u32 regions)
{
	return carved_set_budget(&world.carved, regions);
}

int call_set_physical(u32 pages)
{
	world.highest_budget = max(world.highest_budget, (u64)pages);
	WRITE_ONCE(world.account.budget, pages);
	trim(READ_ONCE(world.retain_limit));
	return 0;
}
