/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many regions are carved, and how many may ever be: one word, so that the
 * first number can never pass the second. Needs nothing of the kernel but
 * atomics.
 *
 *   63 ........ 32 | 31 ......... 0
 *   virtual budget | carved regions
 */
#ifndef SEGPOOL_CARVED_H
#define SEGPOOL_CARVED_H

#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/types.h>

static inline u64 carved_make(u32 count, u32 budget)
{
	return (u64)budget << 32 | count;
}

static inline u32 carved_count(u64 carved)
{
	return carved;
}

static inline u32 carved_budget(u64 carved)
{
	return carved >> 32;
}

/* Do @nr more fit into the budget, and into a reservation of @reserved? */
static inline bool carved_has_room(u64 carved, u32 reserved, u32 nr)
{
	return (u64)carved_count(carved) + nr <= min(carved_budget(carved), reserved);
}

/* Takes @nr more if nobody was faster; sets @seen to what is there otherwise. */
static inline bool carved_advance(atomic64_t *carved, s64 *seen, u32 nr)
{
	return atomic64_try_cmpxchg(carved, seen, *seen + nr);
}

/**
 * carved_set_budget() - change the virtual budget
 * @carved: the word.
 * @regions: the budget asked for.
 *
 * Carved regions never go away, so a budget below their number would only be a
 * number: what is set is at least that.
 *
 * Return: the budget set.
 */
static inline u32 carved_set_budget(atomic64_t *carved, u32 regions)
{
	s64 seen = atomic64_read(carved);
	u32 count, budget;

	do {
		count = carved_count(seen);
		budget = max(regions, count);
	} while (!atomic64_try_cmpxchg(carved, &seen, carved_make(count, budget)));
	return budget;
}

#endif
