// SPDX-License-Identifier: GPL-2.0-only
#include "calls.h"

#include <linux/errno.h>

#include "world.h"

/* --- pages --- */

static void announce(void)
{
	spin_lock(&world.store.lock);
	world.store.leaving++;
	spin_unlock(&world.store.lock);
}

/* As retain_settle(), of one page. */
static void settle(bool gone)
{
	if (gone)
		atomic64_sub(1, &world.ceiling);
	spin_lock(&world.store.lock);
	if (gone)
		account_drop_retained(&world.account, 1);
	world.store.leaving--;
	world.store.left++;
	spin_unlock(&world.store.lock);
}

static struct region *oldest_kept(void)
{
	struct region *region;
	unsigned long since;
	u32 class;

	for (class = 0; class < NR_CLASSES; class++) {
		region = class_queue_oldest_kept(&world.queues[class], &since);
		if (region)
			return region;
	}
	return NULL;
}

/* As take_announced() of kept.c: the page of a region, or 0. */
static u32 take(struct region *region)
{
	struct class_queue *queue;
	u32 page = 0;
	u64 word;

	spin_lock(&world.region_locks[region->index]);
	word = region_word(region);
	queue = &world.queues[word_class(word)];
	if (region_is_kept(region)) {
		world.unmapped[region->index] = 1;
		spin_lock(&queue->lock);
		if (region_word(region) == word) {
			class_queue_strip_locked(queue, region);
			page = observe(world.page_of[region->index]);
			world.page_of[region->index] = 0;
			WRITE_ONCE(region->nr_pages, 0);
			world.unmapped[region->index] = 0;
			page_moves(page, IN_RETAIN, ON_THE_WAY);
		}
		spin_unlock(&queue->lock);
	}
	spin_unlock(&world.region_locks[region->index]);
	if (!page)
		settle(false);
	return page;
}

/* As retain_reserve(): a retained page if there is one. */
static int try_reserve(u32 *page)
{
	enum segpool_reason reason = SEGPOOL_REASON_PHYSICAL;
	struct store *store = &world.store;
	u32 retained;

	*page = 0;
	spin_lock(&store->lock);
	retained = observe(store->nr ? 1 : 0);
	if (account_could_fit(&world.account, 1))
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

/* As retain_move() of one page. */
static void move_to_store(u32 page)
{
	struct store *store = &world.store;

	spin_lock(&store->lock);
	page_moves(page, ON_THE_WAY, IN_RETAIN);
	store->pages[store->nr++] = page;
	spin_unlock(&store->lock);
	settle(false);
}

/* As pages_reserve(): the pages of kept regions are no reason to refuse. */
static int reserve(u32 *page)
{
	struct region *region;
	u32 taken;

	while (try_reserve(page)) {
		region = account_could_fit(&world.account, 1) ? oldest_kept() : NULL;
		if (!region)
			return -ENOMEM;
		announce();
		taken = take(region);
		if (taken)
			move_to_store(taken);
	}
	return 0;
}

static void retained_to_system(u32 nr)
{
	struct store *store = &world.store;

	account_drop_retained(&world.account, nr);
	atomic64_sub(nr, &world.ceiling);
	spin_lock(&store->lock);
	store->leaving -= nr;
	store->left += nr;
	spin_unlock(&store->lock);
}

/* As in retain.c. */
static u64 retain_surplus(u32 target)
{
	u64 retained = owned_retained(account_read(&world.account));
	u64 leaving = world.store.leaving;

	return account_surplus(&world.account, retained - min(retained, leaving), leaving,
			       target);
}

/* The page of a kept region, which is announced, to the system; whether there was one. */
static bool drop_kept(void)
{
	struct region *region = oldest_kept();
	u32 page = region ? take(region) : 0;

	if (!region)
		settle(false);
	if (!page)
		return false;
	page_moves(page, ON_THE_WAY, IN_SYSTEM);
	settle(true);
	return true;
}

/* As retain_drop(): all that are surplus, or the page of one region. Returns how many went. */
static u32 drop(u32 target)
{
	struct store *store = &world.store;
	u32 taken[NR_PAGES];
	u32 nr, i;
	bool kept;

	do {
		kept = oldest_kept();
		spin_lock(&store->lock);
		nr = observe(retain_surplus(target));
		kept = observe(kept && nr && !store->nr);
		nr = min(nr, store->nr);
		store->nr -= nr;
		store->leaving += kept ? 1 : nr;
		for (i = 0; i < nr; i++) {
			taken[i] = observe(store->pages[i]);
			page_moves(taken[i], IN_RETAIN, ON_THE_WAY);
		}
		for (i = 0; i < store->nr; i++)
			store->pages[i] = store->pages[i + nr];
		spin_unlock(&store->lock);
		if (kept && drop_kept())
			return 1;
	} while (kept);

	for (i = 0; i < nr; i++)
		page_moves(taken[i], ON_THE_WAY, IN_SYSTEM);
	if (nr)
		retained_to_system(nr);
	return nr;
}

/* As retain_trim(). */
static void trim(u32 target)
{
	u64 left;
	u32 nr;

	do {
		scheduling_point();
		left = observe(world.store.left);
		do {
			nr = drop(target);
			left += nr;
		} while (nr);
		wait_until_zero(&world.store.leaving);
	} while (observe(world.store.left) != left);
}

/* As retain_put() of one page. */
static bool put_retained(u32 page)
{
	struct store *store = &world.store;
	u64 limit;
	bool room;

	spin_lock(&store->lock);
	do {
		limit = READ_ONCE(world.retain_limit);
		room = account_retain_room(&world.account, limit);
	} while (room && !account_try_retain(&world.account, 1, limit));
	if (room) {
		page_moves(page, ON_THE_WAY, IN_RETAIN);
		store->pages[store->nr++] = page;
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
	WRITE_ONCE(region->nr_pages, 1);
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

/* As kept_take_back(): who was about to take its page has let go, and may have unmapped it. */
static u64 take_back(struct region *region, u32 class)
{
	u32 page = observe(world.page_of[region->index]);

	spin_lock(&world.region_locks[region->index]);
	world.unmapped[region->index] = 0;
	spin_unlock(&world.region_locks[region->index]);
	page_moves(page, IN_REGION, ON_THE_WAY);
	return hand_out(region, class, page);
}

/* A kept region of the class, with its page. */
static bool take_kept(u32 queue, u32 class, u64 *handle)
{
	struct region *region = class_queue_claim_kept(&world.queues[queue], &world.account);

	if (!region)
		return false;
	region_taken(region->index);
	page_moves(world.page_of[region->index], IN_RETAIN, IN_REGION);
	*handle = take_back(region, class);
	return true;
}

/* As unit_try_admit(): the order of taking. */
int call_alloc(u32 class, u64 *handle)
{
	struct region *region;

	if (take_kept(class, class, handle))
		return 0;
	region = claim_first(class);
	if (region)
		return complete_claimed(region, class, handle);
	if (carved_has_room(atomic64_read(&world.carved), world.reserved, 1))
		return complete_new(class, handle);
	if (take_kept(!class, class, handle))
		return 0;
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
		err = class_queue_claim(queue_of(word), region, word, &world.account);
	} while (err == -EAGAIN);
	if (err)
		return err;
	region_taken(region->index);
	if (!region->nr_pages)
		return complete_claimed(region, class, new_handle);
	page_moves(world.page_of[region->index], IN_RETAIN, IN_REGION);
	*new_handle = take_back(region, class);
	return 0;
}

/* As kept_release_lazily(), after which the limits may be other ones: kept_limits(). */
static bool release_kept(struct region *region, u64 handle)
{
	struct class_queue *queue = queue_of(region_word(region));
	u32 page = observe(world.page_of[region->index]);

	region_released(region->index, handle_generation(handle));
	page_moves(page, IN_REGION, IN_RETAIN);
	atomic_dec(&queue->nr_active);
	region_given_back(region->index);
	if (class_queue_put_kept(queue, region, &world.account, READ_ONCE(world.retain_limit), 0))
		return true;
	atomic_inc(&queue->nr_active);
	page_moves(page, IN_RETAIN, IN_REGION);
	region_handed_out_again(region->index);
	return false;
}

static void release_locked(struct region *region, u64 handle)
{
	struct class_queue *queue = queue_of(region_word(region));
	u32 page = observe(world.page_of[region->index]);

	region_released(region->index, handle_generation(handle));
	world.page_of[region->index] = 0;
	WRITE_ONCE(region->nr_pages, 0);
	page_moves(page, IN_REGION, ON_THE_WAY);
	put_page(page);
	atomic_dec(&queue->nr_active);
	region_given_back(region->index);
	class_queue_put(queue, region, false);
}

/* As region_release(). */
int call_free(u64 handle, bool lazily)
{
	struct region *region = lookup(handle);
	bool kept = false;
	int err;

	if (!region)
		return -ENOENT;
	spin_lock(&world.region_locks[region->index]);
	err = word_check_active(region_word(region), handle);
	if (!err && lazily)
		kept = release_kept(region, handle);
	if (!err && !kept)
		release_locked(region, handle);
	spin_unlock(&world.region_locks[region->index]);
	if (kept && (owned_retained(account_read(&world.account)) > READ_ONCE(world.retain_limit) ||
		     account_excess(&world.account)))
		trim(READ_ONCE(world.retain_limit));
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
