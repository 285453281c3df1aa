// SPDX-License-Identifier: GPL-2.0-only
/* The ceiling of all pools, and of the module's own memory. */

#include <linux/mm.h>
#include <linux/moduleparam.h>

#include "account.h"
#include "ceiling.h"

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

/* Pages all pools may own together; as bytes the number still fits. */
u64 ceiling_limit(void)
{
	u64 mib = min_t(u64, READ_ONCE(ceiling_mib), U64_MAX >> 20);

	return mib ? mib << (20 - PAGE_SHIFT) : totalram_pages() / 2;
}

u64 ceiling_used(void)
{
	return atomic64_read(&ceiling_pages);
}

/**
 * ceiling_charge() - reserve physical pages, under a pool's budget and the ceiling
 * @account: the pool's.
 * @pages: how many.
 *
 * Return: SEGPOOL_REASON_NONE; _PHYSICAL or _CEILING, with nothing charged.
 */
enum segpool_reason ceiling_charge(struct account *account, u64 pages)
{
	return account_charge_both(account, pages, &ceiling_pages, ceiling_limit());
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
