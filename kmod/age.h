/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ageing of retained pages, in jiffies, which wrap around: only differences
 * mean anything. Pure functions.
 */
#ifndef SEGPOOL_AGE_H
#define SEGPOOL_AGE_H

#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/types.h>

/*
 * Pages of one magazine age together, so a new one is begun after an eighth of
 * the age: a page stays at most that much longer than it should.
 */
static inline bool age_accepts(unsigned long begun, unsigned long age, unsigned long now)
{
	return !age || time_before(now, begun + max(age / 8, 1UL));
}

/* Must it go, with all that was last touched at @cutoff or before? */
static inline bool age_reached(unsigned long touched, unsigned long cutoff)
{
	return !time_after(touched, cutoff);
}

/* How long until it must; at least 1, since 0 means that nothing is waiting. */
static inline unsigned long age_delay(unsigned long touched, unsigned long age, unsigned long now)
{
	unsigned long delay = touched + age - now;

	/* Already due. */
	return (long)delay < 1 ? 1 : delay;
}

#endif
