/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages a pool owns, physical and retained, in one 64-bit word: a page that
 * moves from one to the other does so in one step, and whoever reads the word
 * sees two numbers that were true together and never above the budget.
 */
#ifndef SEGPOOL_ACCOUNT_H
#define SEGPOOL_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/types.h>

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

bool account_charge(struct account *account, u64 pages);
void account_uncharge(struct account *account, u64 pages);
void account_retain(struct account *account, u64 pages);
void account_unretain(struct account *account, u64 pages);
void account_drop_retained(struct account *account, u64 pages);

bool ceiling_charge(u64 pages);
void ceiling_uncharge(u64 pages);
u64 ceiling_used(void);
u64 ceiling_limit(void);

bool metadata_charge(u64 bytes);
void metadata_uncharge(u64 bytes);
u64 metadata_used(void);

#endif
