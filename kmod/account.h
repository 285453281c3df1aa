/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages a pool owns, physical and retained, in one 64-bit word: a page that
 * moves from one to the other does so in one step, and whoever reads the word
 * sees two numbers that were true together and never above the budget. Reserve
 * first, roll back on failure, no lock. Needs nothing of the kernel but atomics.
 */
#ifndef SEGPOOL_ACCOUNT_H
#define SEGPOOL_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include <linux/segpool.h>

/**
 * struct account - pages of one pool
 * @owned: physical pages in the low half, retained pages in the high half.
 * @budget: limit of their sum, pages. Written by SET_BUDGET, read anywhere.
 * @physical_peak: highest number of physical pages.
 * @retained_peak: highest number of retained pages.
 *
 * All functions may be called in any context.
 */
struct account {
	atomic64_t owned;
	u64 budget;
	atomic64_t physical_peak;
	atomic64_t retained_peak;
};

static inline u64 owned_physical(u64 owned)
{
	return (u32)owned;
}

static inline u64 owned_retained(u64 owned)
{
	return owned >> 32;
}

static inline u64 owned_total(u64 owned)
{
	return owned_physical(owned) + owned_retained(owned);
}

static inline u64 account_read(const struct account *account)
{
	return atomic64_read(&account->owned);
}

/* How far the pool is above its budget: only after the budget was lowered. */
static inline u64 account_excess(const struct account *account)
{
	u64 total = owned_total(account_read(account));
	u64 budget = READ_ONCE(account->budget);

	return total > budget ? total - budget : 0;
}

static inline bool amount_fits(u64 used, u64 amount, u64 limit)
{
	return used <= limit && amount <= limit - used;
}

static inline void peak_raise(atomic64_t *peak, u64 value)
{
	s64 old = atomic64_read(peak);

	while (value > old)
		if (atomic64_try_cmpxchg(peak, &old, value))
			break;
}

/**
 * account_charge() - reserve physical pages before they are there
 * @account: the pool's.
 * @pages: how many, at least 1.
 *
 * Return: what the pool owns then; 0: the budget has no room, nothing is charged.
 */
static inline u64 account_charge(struct account *account, u64 pages)
{
	s64 owned = account_read(account);

	do {
		if (!amount_fits(owned_total(owned), pages, READ_ONCE(account->budget)))
			return 0;
	} while (!atomic64_try_cmpxchg(&account->owned, &owned, owned + pages));

	return owned + pages;
}

/* Physical pages have left the pool, or a reservation is rolled back. */
static inline void account_uncharge(struct account *account, u64 pages)
{
	atomic64_sub(pages, &account->owned);
}

/* Retained pages become physical ones. */
static inline void account_unretain(struct account *account, u64 pages)
{
	u64 owned = atomic64_sub_return((pages << 32) - pages, &account->owned);

	peak_raise(&account->physical_peak, owned_physical(owned));
}

/**
 * account_try_retain() - physical pages become retained ones, all or none
 * @account: the pool's.
 * @pages: how many, at least 1.
 * @limit: of the retained pages.
 *
 * Return: whether they are retained now: not where that would exceed @limit, or the
 * pool is above its budget.
 */
static inline bool account_try_retain(struct account *account, u64 pages, u64 limit)
{
	s64 owned = account_read(account);

	do {
		if (!amount_fits(owned_retained(owned), pages, limit) ||
		    owned_total(owned) > READ_ONCE(account->budget))
			return false;
	} while (!atomic64_try_cmpxchg(&account->owned, &owned, owned + (pages << 32) - pages));
	peak_raise(&account->retained_peak, owned_retained(owned) + pages);
	return true;
}

/**
 * account_try_unretain() - retained pages become physical ones, all or none
 * @account: the pool's.
 * @pages: how many, at least 1; that many are retained.
 *
 * Return: whether they are physical now: not where the physical ones alone would exceed
 * the budget, which happens only after it was lowered.
 */
static inline bool account_try_unretain(struct account *account, u64 pages)
{
	s64 owned = account_read(account);

	do {
		if (!amount_fits(owned_physical(owned), pages, READ_ONCE(account->budget)))
			return false;
	} while (!atomic64_try_cmpxchg(&account->owned, &owned, owned - (pages << 32) + pages));
	peak_raise(&account->physical_peak, owned_physical(owned) + pages);
	return true;
}

/* Retained pages have left the pool. */
static inline void account_drop_retained(struct account *account, u64 pages)
{
	atomic64_sub(pages << 32, &account->owned);
}

/* Would @pages fit, if no page were retained? */
static inline bool account_could_fit(const struct account *account, u64 pages)
{
	return amount_fits(owned_physical(account_read(account)), pages,
			   READ_ONCE(account->budget));
}

/* How many more pages may be retained, with @limit as their limit. */
static inline u64 account_retain_room(const struct account *account, u64 limit)
{
	u64 retained = owned_retained(account_read(account));

	if (account_excess(account))
		return 0;
	return limit > retained ? limit - retained : 0;
}

/**
 * account_surplus() - how many retained pages must go
 * @account: the pool's.
 * @kept: retained pages that are there to be given back.
 * @leaving: those that are on their way already, and still accounted.
 * @target: how many may stay; fewer do if the budget asks for it.
 *
 * Return: at most @kept.
 */
static inline u64 account_surplus(const struct account *account, u64 kept, u64 leaving, u64 target)
{
	u64 excess = account_excess(account);
	u64 surplus = 0;

	if (kept > target)
		surplus = kept - target;
	if (excess > leaving)
		surplus = max(surplus, excess - leaving);
	return min(surplus, kept);
}

/* Adds to a counter, unless that would bring it above @limit. */
static inline bool charge_below(atomic64_t *counter, u64 amount, u64 limit)
{
	s64 used = atomic64_read(counter);

	do {
		if (!amount_fits(used, amount, limit))
			return false;
	} while (!atomic64_try_cmpxchg(counter, &used, used + amount));
	return true;
}

/**
 * account_charge_both() - reserve physical pages of the pool and of all pools
 * @account: the pool's.
 * @pages: how many; none always fit.
 * @shared: counter of the pages of all pools.
 * @limit: of @shared.
 *
 * Return: SEGPOOL_REASON_NONE; _PHYSICAL or _CEILING, with nothing charged.
 */
static inline enum segpool_reason account_charge_both(struct account *account, u64 pages,
						      atomic64_t *shared, u64 limit)
{
	u64 charged;

	if (!pages)
		return SEGPOOL_REASON_NONE;
	charged = account_charge(account, pages);
	if (!charged)
		return SEGPOOL_REASON_PHYSICAL;
	if (!charge_below(shared, pages, limit)) {
		account_uncharge(account, pages);
		return SEGPOOL_REASON_CEILING;
	}
	/* Not before: what the ceiling refuses was never there. */
	peak_raise(&account->physical_peak, owned_physical(charged));
	return SEGPOOL_REASON_NONE;
}

#endif
