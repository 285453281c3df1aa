// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kept regions: released ones whose pages stay with them until the next request of
 * the class takes the region back, or somebody needs the pages: requests of other
 * classes, the pool's limits, age, the system. They are retained pages all that time.
 * After a lazy release they even stay mapped.
 *
 * Of a request that takes the region back and somebody who takes its pages one wins:
 * who is the first to have queue.lock. The other one has unmapped the pages by then,
 * with the region locked. So who takes the region back locks it, too, and maps the
 * pages again where they no longer are.
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "age.h"
#include "segpool.h"

/* Mapped once, and with no references but those of the pool and of the page table. */
static bool is_at_rest(struct page *page)
{
	return page_ref_count(page) == 2 && !atomic_read(&page->_mapcount);
}

/* Are all pages mapped, and held by nobody else? Looks at each: a few instructions. */
static bool all_at_rest(struct page **pages, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (unlikely(!is_at_rest(pages[i])))
			return false;
	return true;
}

/* The shrinker and the age know of it from now on. */
static void can_be_taken(struct segpool_pool *pool, const struct region *region)
{
	chunk_watch(pool, region);
	retain_age_begins(pool);
}

/**
 * kept_release_lazily() - release a region with its pages, mapped as they are
 * @pool: the pool.
 * @vma: from map_lock(); NULL: nobody can hold a page of the pool's by its address.
 * @region: active, locked.
 *
 * Return: whether it is; not where it has not all its pages, one of them is not mapped or
 * somebody holds it, or the limits have no room for them. Nothing has changed then.
 */
bool kept_release_lazily(struct segpool_pool *pool, struct vm_area_struct *vma,
			 struct region *region)
{
	region_assert_locked(region);

	if (region->nr_pages != pool->region_pages)
		return false;
	if (vma && map_can_be_pinned(vma) && !all_at_rest(region->pages, pool->region_pages))
		return false;
	set_bit(REGION_MAPPED, &region->flags);
	if (!region_retire_kept(pool, region)) {
		clear_bit(REGION_MAPPED, &region->flags);
		return false;
	}
	can_be_taken(pool, region);
	return true;
}

/**
 * kept_release() - release a region with its huge page, which is unmapped
 * @pool: the pool.
 * @region: active, locked.
 *
 * Single pages are not kept so: those that somebody holds would have to be replaced, and
 * other requests find them in the pool's magazines more easily.
 *
 * Return: as kept_release_lazily().
 */
bool kept_release(struct segpool_pool *pool, struct region *region)
{
	if (!region_is_huge(region) || !region_retire_kept(pool, region))
		return false;
	can_be_taken(pool, region);
	return true;
}

/**
 * kept_limits() - after a region was kept: may the pool retain what it does?
 * @pool: the pool.
 *
 * Somebody may have lowered a limit meanwhile, and found nothing to trim yet.
 *
 * Context: may sleep; no locks held.
 */
void kept_limits(struct segpool_pool *pool)
{
	/*
	 * Letting the shrinker know of the region was a full barrier. Pairs with
	 * retain_limits_changed(), and with pool_drain(): where the mapping is gone nothing
	 * is retained.
	 */
	u64 limit = READ_ONCE(pool->gone) ? 0 : READ_ONCE(pool->retain_limit);

	if (unlikely(owned_retained(account_read(&pool->account)) > limit ||
		     account_excess(&pool->account)))
		retain_trim(pool, limit);
}

/* The region of all classes that was kept before all others, and since when; or NULL. */
struct region *kept_oldest(struct segpool_pool *pool, unsigned long *since)
{
	struct region *oldest = NULL;
	struct region *region;
	unsigned long kept;
	u32 class;

	for (class = 0; class < pool->nr_classes; class++) {
		region = class_queue_oldest_kept(&pool->queues[class], &kept);
		if (region && (!oldest || time_before(kept, *since))) {
			oldest = region;
			*since = kept;
		}
	}
	return oldest;
}

/*
 * Takes the pages from a region, unless it is no longer kept, or only since a time
 * after @cutoff. It goes on waiting without them.
 */
static bool detach(struct segpool_pool *pool, struct region *region, const unsigned long *cutoff,
		   struct region_pages *taken)
{
	u64 word = region_word(region);
	struct class_queue *queue = &pool->queues[word_class(word)];
	bool won;

	region_assert_locked(region);
	if (!region_is_kept(region) ||
	    (cutoff && !age_reached(READ_ONCE(region->since), *cutoff)))
		return false;

	if (test_bit(REGION_MAPPED, &region->flags)) {
		map_zap_region(pool, region->index);
		clear_bit(REGION_MAPPED, &region->flags);
	}
	spin_lock(&queue->lock);
	/* Who has claimed it waits for the lock of the region. */
	won = region_word(region) == word;
	if (won) {
		class_queue_strip_locked(queue, region);
		region_detach(pool, region, taken);
	}
	spin_unlock(&queue->lock);
	return won;
}

/*
 * So many pages of a region to the system, a huge one as a whole, counted as what @why
 * says, and the others to where all requests of the pool find them. All have been
 * announced to be leaving. Returns how many went to the system.
 */
static u32 give(struct segpool_pool *pool, struct region_pages *taken, u32 to_system,
		enum segpool_counter why)
{
	u32 order = taken->huge ? HUGE_ORDER : 0;
	struct page **pages = order ? &taken->huge : taken->pages;
	u32 nr = order ? 1 : pool->region_pages;
	u32 pinned;
	u32 left = pages_drop_pinned(pool, pages, nr, order, &pinned);
	u32 going = min(left, DIV_ROUND_UP(to_system, 1U << order));
	u32 stayed = retain_move(pool, pages, left - going, order);

	count(pool, why, (left - stayed) << order);
	pages_free(pages + stayed, left - stayed, order);
	retain_settle(pool, (nr - stayed) << order, stayed << order);
	if (taken->pages)
		pages_array_free(taken->pages, pool->region_pages);
	return (left - stayed) << order;
}

/*
 * Takes the pages of a region, which have been announced to be leaving: so a request
 * that finds neither them nor room waits, perhaps with the lock of this very region
 * (a touch, once somebody has taken the region). Hence this only tries that lock.
 * Returns whether it got the pages; @gone: how many of them went to the system.
 */
static bool take_announced(struct segpool_pool *pool, struct region *region,
			   const unsigned long *cutoff, u32 to_system, enum segpool_counter why,
			   u32 *gone)
{
	struct region_pages taken;
	bool won = false;

	if (region_trylock(region)) {
		won = detach(pool, region, cutoff, &taken);
		region_unlock(region);
	}
	if (won)
		*gone = give(pool, &taken, to_system, why);
	else
		retain_settle(pool, 0, pool->region_pages);
	return won;
}

static bool take(struct segpool_pool *pool, struct region *region, u32 to_system,
		 enum segpool_counter why)
{
	u32 gone;

	retain_announce(pool, pool->region_pages);
	return take_announced(pool, region, NULL, to_system, why, &gone);
}

/**
 * kept_drop() - give pages of a region to the system
 * @pool: the pool; the pages of a region have been announced to be leaving.
 * @region: kept, or it was.
 * @nr: how many; a huge page goes as a whole.
 * @cutoff: only if it was kept then, or before; NULL: in any case.
 * @why: what to count them under.
 *
 * Context: may sleep; takes the region's lock.
 * Return: how many went; 0: somebody was faster, or holds them.
 */
u32 kept_drop(struct segpool_pool *pool, struct region *region, u32 nr,
	      const unsigned long *cutoff, enum segpool_counter why)
{
	u32 gone;

	nr = region_is_huge(region) ? pool->region_pages : min(nr, pool->region_pages);
	if (take_announced(pool, region, cutoff, nr, why, &gone))
		return gone;
	/* The caller tries again. */
	region_lock(region);
	region_unlock(region);
	return 0;
}

/* For a request, which holds the admission: the lock of a region comes before that. */
static void take_for_request(struct segpool_pool *pool, struct region *region, bool retain)
{
	if (take(pool, region, retain ? 0 : pool->region_pages, SEGPOOL_C_TRIMMED_PAGES))
		return;
	/* Who has the lock maps or unmaps one region; or is a reader of debugfs. */
	if (region_is_kept(region))
		schedule_timeout_killable(1);
}

/**
 * kept_make_room() - pages of the oldest region, for a request for single pages
 * @pool: the pool. A huge page goes to the system.
 *
 * Context: may sleep; takes no lock that comes before the admission.
 * Return: whether there was a region; another look is worth it then.
 */
bool kept_make_room(struct segpool_pool *pool)
{
	unsigned long since;
	struct region *region = kept_oldest(pool, &since);

	if (!region)
		return false;
	take_for_request(pool, region, !region_is_huge(region));
	return true;
}

/**
 * kept_move() - pages of the oldest region, to where all requests of the pool find them
 * @pool: the pool.
 * @order: of the pages wanted.
 *
 * Context: as kept_make_room().
 * Return: whether there was a region with such pages.
 */
bool kept_move(struct segpool_pool *pool, u32 order)
{
	unsigned long since;
	struct region *region = kept_oldest(pool, &since);

	if (!region || region_is_huge(region) != !!order)
		return false;
	take_for_request(pool, region, true);
	return true;
}

/**
 * kept_strip() - make a region one without pages, for a request that wants none
 * @pool: the pool.
 * @region: kept, or it was.
 *
 * Context: as kept_make_room().
 */
void kept_strip(struct segpool_pool *pool, struct region *region)
{
	take_for_request(pool, region, true);
}

/* The same with the oldest region of a class. */
void kept_strip_class(struct segpool_pool *pool, u32 class)
{
	unsigned long since;
	struct region *region = class_queue_oldest_kept(&pool->queues[class], &since);

	if (region)
		kept_strip(pool, region);
}

/**
 * kept_shrink_chunk() - take pages of kept regions for the system
 * @chunk: taken out of the shrinker's list.
 * @wanted: how many pages.
 *
 * Context: may be called in reclaim.
 * Return: how many were taken.
 */
u64 kept_shrink_chunk(struct region_chunk *chunk, u64 wanted)
{
	struct segpool_pool *pool = chunk->pool;
	struct region *left = NULL;
	struct region *region;
	u64 taken = 0;
	u32 i;

	chunk_taken(chunk);
	for (i = 0; i < REGIONS_PER_CHUNK; i++) {
		region = &chunk->regions[i];
		if (region->index >= pool->nr_regions)
			break;
		if (taken < wanted)
			lent_try_settle(pool, region);
		if (lent_is_lent(pool, region))
			left = region;
		if (!region_is_kept(region))
			continue;
		if (taken >= wanted ||
		    !take(pool, region, pool->region_pages, SEGPOOL_C_SHRUNK_PAGES)) {
			left = region;
			continue;
		}
		taken += pool->region_pages;
		shrunk(pool, pool->region_pages);
	}
	if (left)
		chunk_watch(pool, left);
	return taken;
}

static int zero(struct segpool_pool *pool, struct region *region)
{
	if (region_is_huge(region))
		return pages_zero(pool, &region->huge, 1, HUGE_ORDER);
	return pages_zero(pool, region->pages, pool->region_pages, 0);
}

static int map_again(struct segpool_pool *pool, struct vm_area_struct *vma, struct region *region)
{
	int err;

	if (region_is_huge(region))
		err = region_map_huge(pool, vma, region, region->huge);
	else if (!region_table_headroom(pool, region))
		err = -ENOMEM;
	else
		err = map_insert(vma, pool, region->index, 0, region->pages, pool->region_pages);
	return err ? -ENOMEM : 0;
}

static int take_back_locked(struct segpool_pool *pool, struct vm_area_struct *vma,
			    struct region *region, bool zeroed)
{
	int err = 0;

	region_assert_locked(region);
	if (zeroed)
		err = zero(pool, region);
	if (!err && !test_bit(REGION_MAPPED, &region->flags))
		err = map_again(pool, vma, region);
	else if (!err)
		clear_bit(REGION_MAPPED, &region->flags);
	return err;
}

/**
 * kept_take_back() - make a region that was kept one to be handed out
 * @pool: the pool.
 * @region: claimed with its pages, which are physical ones.
 * @zeroed: every byte shall read as zero.
 *
 * Context: may sleep; takes the mmap lock; killable.
 * Return: 0; -ENOMEM (no page tables), -EINTR, -ENXIO: kept_put_back() is to follow.
 */
int kept_take_back(struct segpool_pool *pool, struct region *region, bool zeroed)
{
	struct vm_area_struct *vma = map_lock(pool);
	int err;

	if (IS_ERR(vma))
		return PTR_ERR(vma);
	err = region_lock_killable(region);
	if (!err) {
		err = take_back_locked(pool, vma, region, zeroed);
		region_unlock(region);
	}
	map_unlock(pool);
	if (err)
		return err;
	count(pool, SEGPOOL_C_RETAINED_REUSED_PAGES, pool->region_pages);
	count(pool, SEGPOOL_C_KEPT_REUSES, 1);
	pressure_check(pool, pool->region_pages);
	return 0;
}

/**
 * kept_put_back() - put a region that was kept back as it was
 * @pool: the pool.
 * @region: claimed with its pages, which are physical ones; unless an munmap() has
 *	taken them.
 *
 * Context: may sleep.
 */
void kept_put_back(struct segpool_pool *pool, struct region *region)
{
	region_lock(region);
	if (region->nr_pages && region_unclaim_kept(pool, region)) {
		can_be_taken(pool, region);
	} else {
		/* A limit was lowered meanwhile. */
		if (test_bit(REGION_MAPPED, &region->flags))
			map_zap_region(pool, region->index);
		region_unback(pool, region, true);
		region_unclaim(pool, region);
	}
	region_unlock(region);
	kept_limits(pool);
}
