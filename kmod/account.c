// SPDX-License-Identifier: GPL-2.0-only
/* Budgets: reserve first, roll back on failure, no lock. */

#include <linux/mm.h>
#include <linux/moduleparam.h>

#include "segpool.h"

static unsigned long ceiling_mib;
module_param(ceiling_mib, ulong, 0644);
MODULE_PARM_DESC(ceiling_mib,
		 "Limit for the pages of all pools together, MiB (0: half of the memory)");

/* Pages that all pools own together. */
static atomic64_t ceiling_pages;

/*
 * Bytes of what the module keeps to manage them. Without a limit a program
 * could have a large array made for each single page it touches.
 */
static atomic64_t metadata_bytes;

/* Well above the 1/512 that regions in normal use need. */
#define METADATA_SHARE 8

static void peak_raise(atomic64_t *peak, u64 value)
{
	s64 old = atomic64_read(peak);

	while (value > old)
		if (atomic64_try_cmpxchg(peak, &old, value))
			break;
}

/**
 * account_charge() - reserve physical pages before they are there
 * @account: the pool's.
 * @pages: how many.
 *
 * Return: whether the budget had room; nothing is charged otherwise.
 */
bool account_charge(struct account *account, u64 pages)
{
	s64 owned = account_read(account);

	do {
		if (owned_total(owned) + pages > READ_ONCE(account->budget))
			return false;
	} while (!atomic64_try_cmpxchg(&account->owned, &owned, owned + pages));

	peak_raise(&account->physical_peak, owned_physical(owned + pages));
	return true;
}

/* Physical pages have left the pool, or a reservation is rolled back. */
void account_uncharge(struct account *account, u64 pages)
{
	atomic64_sub(pages, &account->owned);
}

/* Physical pages become retained ones. */
void account_retain(struct account *account, u64 pages)
{
	u64 owned = atomic64_add_return((pages << 32) - pages, &account->owned);

	peak_raise(&account->retained_peak, owned_retained(owned));
}

/* Retained pages become physical ones. */
void account_unretain(struct account *account, u64 pages)
{
	u64 owned = atomic64_sub_return((pages << 32) - pages, &account->owned);

	peak_raise(&account->physical_peak, owned_physical(owned));
}

/* Retained pages have left the pool. */
void account_drop_retained(struct account *account, u64 pages)
{
	atomic64_sub(pages << 32, &account->owned);
}

/* Pages all pools may own together. */
u64 ceiling_limit(void)
{
	unsigned long mib = READ_ONCE(ceiling_mib);

	return mib ? (u64)mib << (20 - PAGE_SHIFT) : totalram_pages() / 2;
}

u64 ceiling_used(void)
{
	return atomic64_read(&ceiling_pages);
}

static bool charge_below(atomic64_t *counter, u64 amount, u64 limit)
{
	s64 used = atomic64_read(counter);

	do {
		if (used + amount > limit)
			return false;
	} while (!atomic64_try_cmpxchg(counter, &used, used + amount));
	return true;
}

/**
 * ceiling_charge() - reserve pages under the ceiling of all pools
 * @pages: how many.
 *
 * Return: whether there was room; nothing is charged otherwise.
 */
bool ceiling_charge(u64 pages)
{
	return charge_below(&ceiling_pages, pages, ceiling_limit());
}

void ceiling_uncharge(u64 pages)
{
	atomic64_sub(pages, &ceiling_pages);
}

u64 metadata_used(void)
{
	return atomic64_read(&metadata_bytes);
}

/**
 * metadata_charge() - reserve memory of the module's own
 * @bytes: how many.
 *
 * Return: whether the module may have it: an eighth of the ceiling in all.
 */
bool metadata_charge(u64 bytes)
{
	u64 limit = (ceiling_limit() << PAGE_SHIFT) / METADATA_SHARE;

	return charge_below(&metadata_bytes, bytes, limit);
}

void metadata_uncharge(u64 bytes)
{
	atomic64_sub(bytes, &metadata_bytes);
}
