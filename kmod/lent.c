// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lent regions: active ones that the program may release and take back by itself, by
 * a word in memory that it shares with the kernel. Nothing that is read there is
 * believed: an idle word is a request to release the region, which is carried out, as
 * a lazy FREE, before anything depends on it (Documentation/mm/segpool.rst).
 */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "lent.h"
#include "segpool.h"

/* A word that changes more often while the kernel decides is not waited for. */
#define TRIES 4

/* Ticks to wait for somebody who has a region locked, or looks at the same words. */
#define NAPS 16

/* Scans without any note before the scan ends. */
#define QUIET_SCANS 16

/**
 * struct lent_page - a page that is shared with the program
 * @words: its content; NULL: there is none yet.
 * @lookers: who looks at its words now, having cleared their note.
 * @lent: some of its regions may be lent.
 */
struct lent_page {
	u32 *words;
	atomic_t lookers;
	bool lent;
};

/**
 * struct lent - the words of a pool's regions
 * @pool: the pool.
 * @scan: the clock's hand.
 * @quiet: scans that found no note; its own.
 * @nr_words: pages of words.
 * @nr_pages: of them, and of notes.
 * @pages: those of words, then those of notes.
 */
struct lent {
	struct segpool_pool *pool;
	struct delayed_work scan;
	u32 quiet;
	u32 nr_words;
	u32 nr_pages;
	struct lent_page pages[];
};

static u32 *word_of(const struct segpool_pool *pool, const struct region *region)
{
	return &pool->lent->pages[region->index / LENT_WORDS].words[region->index % LENT_WORDS];
}

static u32 *note_of(const struct lent *lent, u32 number)
{
	return &lent->pages[lent->nr_words + number / LENT_WORDS].words[number % LENT_WORDS];
}

/* --- the pages --- */

static bool page_create(struct lent_page *shared, u32 *reason)
{
	struct page *page;

	/* Pairs with the release below. */
	if (smp_load_acquire(&shared->words))
		return true;
	if (!metadata_charge(PAGE_SIZE)) {
		*reason = SEGPOOL_REASON_CEILING;
		return false;
	}
	page = alloc_page(SEGPOOL_GFP | __GFP_ZERO);
	if (!page) {
		metadata_uncharge(PAGE_SIZE);
		*reason = SEGPOOL_REASON_SYSTEM;
		return false;
	}
	/* Whoever comes second uses the first one's. */
	if (cmpxchg_release(&shared->words, NULL, page_address(page))) {
		__free_page(page);
		metadata_uncharge(PAGE_SIZE);
	}
	return true;
}

/**
 * lent_prepare() - make the words of regions, before there are any of these
 * @pool: the pool.
 * @first: region.
 * @last: region, which may be beyond the reservation.
 * @reason: set where there are none to be had.
 *
 * Context: may sleep.
 * Return: whether they are there, or the pool does not lend.
 */
bool lent_prepare(struct segpool_pool *pool, u32 first, u32 last, u32 *reason)
{
	struct lent *lent = pool->lent;
	u32 i;

	if (!lent)
		return true;
	last = min(last, pool->nr_regions - 1);
	for (i = first / LENT_WORDS; i <= last / LENT_WORDS; i++)
		if (!page_create(&lent->pages[lent->nr_words + i / LENT_WORDS], reason) ||
		    !page_create(&lent->pages[i], reason))
			return false;
	return true;
}

/* A page of the words' mapping, for a fault; NULL: none of its regions was ever carved. */
struct page *lent_page(const struct segpool_pool *pool, unsigned long number)
{
	u32 *words;

	if (number >= pool->lent->nr_pages)
		return NULL;
	/* Pairs with the release in page_create(). */
	words = smp_load_acquire(&pool->lent->pages[number].words);
	return words ? virt_to_page(words) : NULL;
}

/* Of their mapping, bytes. */
unsigned long lent_length(const struct segpool_pool *pool)
{
	return (unsigned long)pool->lent->nr_pages << PAGE_SHIFT;
}

/* --- one region --- */

/**
 * lent_is_released() - does its word say so? For a moment
 * @pool: the pool.
 * @region: any region.
 *
 * Context: any.
 * Return: whether lent_settle() may find something to do.
 */
bool lent_is_released(const struct segpool_pool *pool, const struct region *region)
{
	return pool->lent && lent_is_idle(READ_ONCE(*word_of(pool, region))) &&
	       word_state(region_word(region)) == REGION_ACTIVE;
}

/* May it become so without a call? Likewise. */
bool lent_is_lent(const struct segpool_pool *pool, const struct region *region)
{
	return pool->lent && lent_state(READ_ONCE(*word_of(pool, region))) != SEGPOOL_WORD_CALL &&
	       word_state(region_word(region)) == REGION_ACTIVE;
}

/* The program has taken the region back so often as a word says. */
static void learn(struct segpool_pool *pool, struct region *region, u32 word)
{
	u32 known = word_generation(region_word(region));
	u32 generation = lent_generation(word, known);

	if (generation == known)
		return;
	count(pool, SEGPOOL_C_WORD_REUSES, generation - known);
	word_advance(&region->word, generation);
}

/**
 * lent_settle() - carry out what the program has done by a region's word
 * @pool: the pool.
 * @region: locked.
 *
 * Afterwards the region's generation is what it was by its word, and where it was idle
 * it is released. To be followed by lent_settled(), without locks.
 *
 * Context: may be called in reclaim.
 * Return: whether it was released.
 */
bool lent_settle(struct segpool_pool *pool, struct region *region)
{
	u32 tries = TRIES;
	atomic_t *lookers;
	u32 seen, old;
	u32 *word;

	region_assert_locked(region);
	/* Under the lock: see pool_drain(). */
	if (!pool->lent || READ_ONCE(pool->gone) ||
	    word_state(region_word(region)) != REGION_ACTIVE)
		return false;
	word = word_of(pool, region);
	seen = READ_ONCE(*word);
	lookers = &pool->lent->pages[region->index / LENT_WORDS].lookers;
	while (lent_is_idle(seen) && tries--) {
		/* Who finds the word taken, and the region in no queue yet, waits for it. */
		atomic_inc(lookers);
		old = cmpxchg(word, seen, SEGPOOL_WORD_CALL);
		if (old == seen) {
			learn(pool, region, seen);
			region_release_lent(pool, region);
		}
		/* In its queue before: pairs with the acquire in settle_part(). */
		smp_mb__before_atomic();
		atomic_dec(lookers);
		if (old == seen)
			return true;
		seen = old;
	}
	if (lent_state(seen) == SEGPOOL_WORD_HELD)
		learn(pool, region, seen);
	return false;
}

/**
 * lent_settled() - after regions were settled, or may have been
 * @pool: the pool.
 *
 * Context: may sleep; no locks held.
 */
void lent_settled(struct segpool_pool *pool)
{
	kept_limits(pool);
	budget_wake(pool);
}

/* The same with locks held. */
static void settled_with_locks(struct segpool_pool *pool)
{
	retain_look(pool);
	budget_wake(pool);
}

/**
 * lent_try_settle() - settle a region, unless it is locked
 * @pool: the pool.
 * @region: any region.
 *
 * Context: may be called in reclaim, and with another region locked.
 * Return: whether it was released.
 */
bool lent_try_settle(struct segpool_pool *pool, struct region *region)
{
	bool settled;

	if (!lent_is_released(pool, region) || !region_trylock(region))
		return false;
	settled = lent_settle(pool, region);
	region_unlock(region);
	if (settled)
		settled_with_locks(pool);
	return settled;
}

/**
 * lent_settle_handle() - settle the region that a handle names
 * @pool: the pool.
 * @handle: from user space.
 *
 * Context: sleeps; no locks held; killable.
 * Return: 0, -EINTR.
 */
int lent_settle_handle(struct segpool_pool *pool, u64 handle)
{
	struct region *region = region_lookup(pool, handle_index(handle));

	/* Also where the word says nothing: somebody may be settling it. */
	if (!pool->lent || !region || word_state(region_word(region)) != REGION_ACTIVE)
		return 0;
	if (region_lock_killable(region))
		return -EINTR;
	lent_settle(pool, region);
	region_unlock(region);
	lent_settled(pool);
	return 0;
}

/* In force for a moment: what is released is retained, and nobody waits for it. */
static bool may_lend(const struct segpool_pool *pool, const struct region *region)
{
	return region->nr_pages == pool->region_pages &&
	       READ_ONCE(pool->retain_limit) >= pool->region_pages &&
	       !atomic_read(&pool->nr_waiters) && !account_excess(&pool->account);
}

/**
 * lent_watch() - look at a region from now on: the shrinker, and the scan
 * @pool: the pool, which lends.
 * @region: lent, and active: before that they would find nothing, and forget it.
 */
void lent_watch(struct segpool_pool *pool, const struct region *region)
{
	/* After the word: pairs with recall_page(). */
	smp_store_release(&pool->lent->pages[region->index / LENT_WORDS].lent, true);
	chunk_watch(pool, region);
	/* The word is what it is before we look; pairs with scan() beginning, or ending. */
	smp_mb();
	if (!delayed_work_pending(&pool->lent->scan))
		retain_queue(pool, &pool->lent->scan,
			     lent_period(READ_ONCE(pool->retain_age), 0));
}

/**
 * lent_offer_region() - lend a region to the program, if it may be
 * @pool: the pool, which lends.
 * @region: claimed, before it is handed out; or active, and locked.
 * @generation: that it has then.
 *
 * Return: whether it is; to be followed by lent_watch().
 */
bool lent_offer_region(struct segpool_pool *pool, const struct region *region, u32 generation)
{
	u32 held = SEGPOOL_WORD(generation, SEGPOOL_WORD_HELD);
	bool lend = may_lend(pool, region);
	u32 *word = word_of(pool, region);
	u32 seen;

	if (word_state(region_word(region)) == REGION_ACTIVE) {
		seen = READ_ONCE(*word);
		return lend && lent_state(seen) == SEGPOOL_WORD_CALL &&
		       cmpxchg(word, seen, held) == seen;
	}
	WRITE_ONCE(*word, lend ? held : SEGPOOL_WORD_CALL);
	return lend;
}

/**
 * lent_withdraw_region() - is it the caller's, and from now on not to be released by its word?
 * @pool: the pool.
 * @region: locked.
 * @handle: that the caller has.
 *
 * Context: as lent_settle(), and likewise to be followed by lent_settled() where it fails.
 * Return: 0; as word_check_active(): nothing has changed but what the program did.
 */
int lent_withdraw_region(struct segpool_pool *pool, struct region *region, u64 handle)
{
	u32 tries = TRIES;
	u32 *word;
	u32 seen;
	int err;

	do {
		lent_settle(pool, region);
		err = word_check_active(region_word(region), handle);
		if (err)
			return err;
		word = word_of(pool, region);
		seen = READ_ONCE(*word);
		if (lent_state(seen) == SEGPOOL_WORD_CALL)
			return 0;
		/* Of two who release it one has this word. */
		if (seen == SEGPOOL_WORD(handle_generation(handle), SEGPOOL_WORD_HELD) &&
		    cmpxchg(word, seen, SEGPOOL_WORD_CALL) == seen)
			return 0;
	} while (--tries);
	/* Somebody goes on writing there. It is his region, too. */
	WRITE_ONCE(*word, SEGPOOL_WORD_CALL);
	return 0;
}

/* The mapping is gone: there is nothing to lend. */
void lent_forget(struct segpool_pool *pool, const struct region *region)
{
	if (pool->lent)
		WRITE_ONCE(*word_of(pool, region), SEGPOOL_WORD_CALL);
}

/* --- all of them --- */

static u32 pages_in_use(const struct segpool_pool *pool)
{
	return DIV_ROUND_UP(regions_carved(pool), LENT_WORDS);
}

static u32 page_end(const struct segpool_pool *pool, u32 number)
{
	return min((number + 1) * LENT_WORDS, regions_carved(pool));
}

/* Has the program noted something there, or does somebody look for it? */
static bool page_is_noted(const struct lent *lent, u32 number)
{
	if (READ_ONCE(*note_of(lent, number)))
		return true;
	/* Who clears a note says before that he looks: pairs with look_begin(). */
	smp_rmb();
	/* Who has just ended his look may have set it again. */
	return atomic_read_acquire(&lent->pages[number].lookers) ||
	       READ_ONCE(*note_of(lent, number));
}

static void look_begin(struct lent *lent, u32 number)
{
	atomic_inc(&lent->pages[number].lookers);
	/* In this order: pairs with page_is_noted(). */
	smp_mb__after_atomic();
	WRITE_ONCE(*note_of(lent, number), 0);
	/* A program that finds the note set has made its word idle before: we see that. */
	smp_mb();
}

static void look_end(struct lent *lent, u32 number, bool left)
{
	if (left)
		WRITE_ONCE(*note_of(lent, number), 1);
	/* What was settled can be seen by who finds that nobody looks: see page_is_noted(). */
	smp_mb__before_atomic();
	atomic_dec(&lent->pages[number].lookers);
}

/**
 * struct look - a look at the words of a pool
 * @wait: for regions that are locked; they are left otherwise.
 * @settled: regions that were.
 * @left: some that could not be.
 */
struct look {
	bool wait;
	u32 settled;
	bool left;
};

static void look_at(struct segpool_pool *pool, struct region *region, struct look *look)
{
	if (!lent_is_released(pool, region))
		return;
	if (look->wait ? region_lock_killable(region) : !region_trylock(region)) {
		look->left = true;
		return;
	}
	look->settled += lent_settle(pool, region);
	region_unlock(region);
}

/* Settles the idle regions of one page of words; whether it had to leave some. */
static bool collect_page(struct segpool_pool *pool, u32 number, struct look *look)
{
	u32 end = page_end(pool, number);
	bool left;
	u32 i;

	look->left = false;
	look_begin(pool->lent, number);
	for (i = number * LENT_WORDS; i < end; i++) {
		if (!lent_is_idle(READ_ONCE(pool->lent->pages[number].words[i % LENT_WORDS])))
			continue;
		look_at(pool, region_lookup(pool, i), look);
		cond_resched();
	}
	left = look->left;
	look_end(pool->lent, number, left);
	return left;
}

/* Lets those finish who look at the page, too: what they take is on its way. */
static void wait_for_lookers(const struct lent *lent, u32 number)
{
	u32 naps = NAPS;

	while (atomic_read_acquire(&lent->pages[number].lookers) && naps-- &&
	       !fatal_signal_pending(current))
		schedule_timeout_killable(1);
}

/* Whether any was settled; @others: somebody else may be about to settle some. */
static bool settle_part(struct segpool_pool *pool, bool *others)
{
	struct look look = { .wait = false };
	u32 i;

	*others = false;
	for (i = 0; i < pages_in_use(pool); i++) {
		if (!page_is_noted(pool->lent, i))
			continue;
		*others |= collect_page(pool, i, &look);
		if (look.settled) {
			settled_with_locks(pool);
			return true;
		}
		*others |= atomic_read_acquire(&pool->lent->pages[i].lookers);
	}
	return false;
}

/* The same, for as long as the program releases regions behind us, or a few rounds. */
static bool settle_parts(struct segpool_pool *pool, bool *others)
{
	u32 tries = TRIES;
	bool again;
	u32 i;

	do {
		if (settle_part(pool, others))
			return true;
		again = false;
		for (i = 0; i < pages_in_use(pool); i++)
			again |= READ_ONCE(*note_of(pool->lent, i));
	} while (again && --tries);
	return false;
}

/**
 * lent_settle_some() - release idle regions, for a request that found none
 * @pool: the pool.
 *
 * Context: may sleep; the admission, and another region's lock, may be held.
 * Return: whether there was any, or somebody else who was at it has ended: another look is
 * worth it then.
 */
bool lent_settle_some(struct segpool_pool *pool)
{
	bool waited = false;
	u32 naps = NAPS;
	bool others;

	if (!pool->lent)
		return false;
	while (!settle_parts(pool, &others)) {
		if (!others)
			return waited;
		if (!naps-- || fatal_signal_pending(current))
			return false;
		schedule_timeout_killable(1);
		waited = true;
	}
	return true;
}

/**
 * lent_settle_all() - release all idle regions
 * @pool: the pool.
 * @wait: no locks are held; afterwards all that were idle before are released, unless
 *	the task was killed. Otherwise those that are locked are left.
 *
 * Context: may sleep.
 * Return: whether any was released.
 */
bool lent_settle_all(struct segpool_pool *pool, bool wait)
{
	struct look look = { .wait = wait };
	u32 i;

	if (!pool->lent)
		return false;
	for (i = 0; i < pages_in_use(pool) && !fatal_signal_pending(current); i++) {
		if (!page_is_noted(pool->lent, i))
			continue;
		collect_page(pool, i, &look);
		if (wait)
			wait_for_lookers(pool->lent, i);
	}
	if (look.settled && wait)
		lent_settled(pool);
	else if (look.settled)
		settled_with_locks(pool);
	return look.settled;
}

/* Whether it can be released by its word still. */
static bool recall_region(struct segpool_pool *pool, struct region *region, struct look *look)
{
	u32 *word = word_of(pool, region);
	bool lent = false;
	u32 seen;

	if (!region_trylock(region))
		return true;
	look->settled += lent_settle(pool, region);
	seen = READ_ONCE(*word);
	if (lent_state(seen) != SEGPOOL_WORD_CALL &&
	    word_state(region_word(region)) == REGION_ACTIVE) {
		lent = lent_state(seen) != SEGPOOL_WORD_HELD ||
		       cmpxchg(word, seen, SEGPOOL_WORD_CALL) != seen;
		/* It may have been released and taken back since it was settled. */
		if (!lent)
			learn(pool, region, seen);
	}
	region_unlock(region);
	return lent;
}

static bool recall_page(struct segpool_pool *pool, u32 number, struct look *look)
{
	struct lent_page *page = &pool->lent->pages[number];
	u32 end = page_end(pool, number);
	struct region *region;
	bool left = false;
	u32 i;

	WRITE_ONCE(page->lent, false);
	/* Who lends one from now on sets it again. Pairs with lent_watch(). */
	smp_mb();
	for (i = number * LENT_WORDS; i < end; i++) {
		region = region_lookup(pool, i);
		if (lent_is_lent(pool, region))
			left |= recall_region(pool, region, look);
		if (!(i % 64))
			cond_resched();
	}
	if (left)
		WRITE_ONCE(page->lent, true);
	return left;
}

/* Whether some regions, which are locked, are lent still. */
static bool recall(struct segpool_pool *pool)
{
	struct look look = { .wait = false };
	bool left = false;
	u32 i;

	for (i = 0; i < pages_in_use(pool) && !fatal_signal_pending(current); i++)
		if (READ_ONCE(pool->lent->pages[i].lent))
			left |= recall_page(pool, i, &look);
	if (look.settled)
		settled_with_locks(pool);
	return left;
}

/**
 * lent_recall() - from now on regions are released by calls, until they are lent again
 * @pool: the pool.
 *
 * Those that are locked are left: who calls this looks again after a while.
 *
 * Context: may sleep; killable; the admission may be held.
 */
void lent_recall(struct segpool_pool *pool)
{
	if (pool->lent)
		recall(pool);
}

/**
 * lent_limits_changed() - after the limits are others
 * @pool: the pool.
 *
 * Context: may sleep; killable; no locks held.
 */
void lent_limits_changed(struct segpool_pool *pool)
{
	if (!pool->lent)
		return;
	/* Else what is released would exceed them until somebody looks. */
	if (account_excess(&pool->account) || READ_ONCE(pool->retain_limit) < pool->region_pages)
		recall(pool);
	if (delayed_work_pending(&pool->lent->scan))
		retain_queue(pool, &pool->lent->scan,
			     lent_period(READ_ONCE(pool->retain_age), 0));
}

/* --- the scan --- */

/* One word under the hand. Returns whether it is idle still. */
static bool scan_word(struct segpool_pool *pool, u32 *word, u32 index, struct look *look)
{
	u32 seen = READ_ONCE(*word);

	if (!lent_is_idle(seen))
		return false;
	if (lent_state(seen) == SEGPOOL_WORD_IDLE) {
		/* Who has taken it back meanwhile has it. */
		cmpxchg(word, seen, seen - SEGPOOL_WORD_IDLE + SEGPOOL_WORD_SEEN);
		return true;
	}
	look_at(pool, region_lookup(pool, index), look);
	return look->left;
}

static void scan_page(struct segpool_pool *pool, u32 number, struct look *look)
{
	u32 end = page_end(pool, number);
	bool left = false;
	u32 i;

	look_begin(pool->lent, number);
	for (i = number * LENT_WORDS; i < end; i++) {
		look->left = false;
		left |= scan_word(pool, &pool->lent->pages[number].words[i % LENT_WORDS], i, look);
		if (!(i % 64))
			cond_resched();
	}
	look_end(pool->lent, number, left);
}

static void scan(struct work_struct *work)
{
	struct lent *lent = container_of(to_delayed_work(work), struct lent, scan);
	struct segpool_pool *pool = lent->pool;
	unsigned long begun = jiffies;
	struct look look = { .wait = false };
	bool noted = false;
	u32 i;

	for (i = 0; i < pages_in_use(pool); i++) {
		if (!page_is_noted(lent, i))
			continue;
		noted = true;
		scan_page(pool, i, &look);
	}
	if (look.settled)
		lent_settled(pool);
	lent->quiet = noted ? 0 : lent->quiet + 1;
	/* Who lends a region from now on finds that no scan is pending. */
	if (lent->quiet >= QUIET_SCANS && !recall(pool)) {
		lent->quiet = 0;
		return;
	}
	retain_queue(pool, &lent->scan,
		     lent_period(READ_ONCE(pool->retain_age), jiffies - begun));
}

/* --- a pool's --- */

static size_t lent_bytes(u32 nr_pages)
{
	return struct_size((struct lent *)NULL, pages, nr_pages);
}

/**
 * lent_create() - prepare to lend regions
 * @pool: the pool; nothing is done for one that does not.
 * @nr_regions: of its reservation.
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM.
 */
int lent_create(struct segpool_pool *pool, u32 nr_regions)
{
	u32 nr_pages = SEGPOOL_WORDS_LENGTH(nr_regions) >> PAGE_SHIFT;
	struct lent *lent;

	BUILD_BUG_ON(LENT_WORDS * sizeof(u32) != PAGE_SIZE);

	if (!pool->lends)
		return 0;
	if (!metadata_charge(lent_bytes(nr_pages)))
		return -ENOMEM;
	lent = kvzalloc(lent_bytes(nr_pages), SEGPOOL_GFP);
	if (!lent) {
		metadata_uncharge(lent_bytes(nr_pages));
		return -ENOMEM;
	}
	lent->pool = pool;
	lent->nr_words = DIV_ROUND_UP(nr_regions, LENT_WORDS);
	lent->nr_pages = nr_pages;
	INIT_DELAYED_WORK(&lent->scan, scan);
	pool->lent = lent;
	return 0;
}

/* No scan from now on; the pool has ended, or its mapping has. */
void lent_end(struct segpool_pool *pool)
{
	if (pool->lent)
		cancel_delayed_work_sync(&pool->lent->scan);
}

/**
 * lent_destroy() - free all words
 * @pool: the pool; nobody has them mapped any more.
 */
void lent_destroy(struct segpool_pool *pool)
{
	struct lent *lent = pool->lent;
	u32 i;

	if (!lent)
		return;
	for (i = 0; i < lent->nr_pages; i++) {
		if (!lent->pages[i].words)
			continue;
		/* Somebody may hold one still. */
		put_page(virt_to_page(lent->pages[i].words));
		metadata_uncharge(PAGE_SIZE);
	}
	metadata_uncharge(lent_bytes(lent->nr_pages));
	pool->lent = NULL;
	kvfree(lent);
}
