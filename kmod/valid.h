/* SPDX-License-Identifier: GPL-2.0-only */
/* What the members of the ABI's structures may be. Pure functions. */
#ifndef SEGPOOL_VALID_H
#define SEGPOOL_VALID_H

#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/types.h>

#include <linux/segpool.h>

/* Is @value, within its range, named by @flag, or else 0? */
static inline bool limit_valid(u32 flags, u32 flag, u64 value, u64 min, u64 max)
{
	return flags & flag ? value >= min && value <= max : !value;
}

static inline bool limits_valid(const struct segpool_limits *limits, u32 flags, u64 region_size)
{
	return !(flags & ~SEGPOOL_SET_ALL) &&
	       limit_valid(flags, SEGPOOL_SET_VIRTUAL, limits->virtual_budget, 0,
			   SEGPOOL_MAX_REGIONS * region_size) &&
	       limit_valid(flags, SEGPOOL_SET_PHYSICAL, limits->physical_budget, 0,
			   SEGPOOL_MAX_PHYSICAL) &&
	       limit_valid(flags, SEGPOOL_SET_RETAIN, limits->retain_limit, 0, U64_MAX) &&
	       limit_valid(flags, SEGPOOL_SET_AGE, limits->retain_age_ms, 0, SEGPOOL_MAX_AGE_MS) &&
	       limit_valid(flags, SEGPOOL_SET_WATERMARK, limits->watermark, 1, 100);
}

static inline bool classes_valid(const struct segpool_setup *setup, u64 region_size)
{
	u32 last = SEGPOOL_MIN_CLASS_SIZE - 1;
	u32 i;

	if (setup->nr_classes > SEGPOOL_MAX_CLASSES)
		return false;
	for (i = 0; i < setup->nr_classes; i++) {
		if (setup->classes[i] <= last || setup->classes[i] > region_size ||
		    !is_power_of_2(setup->classes[i]))
			return false;
		last = setup->classes[i];
	}
	for (; i < SEGPOOL_MAX_CLASSES; i++)
		if (setup->classes[i])
			return false;
	return true;
}

static inline bool setup_valid(const struct segpool_setup *setup)
{
	u64 region_size = setup->region_size ?: SEGPOOL_DEFAULT_REGION_SIZE;

	return !setup->reserved && setup->mode <= SEGPOOL_MODE_HUGE &&
	       is_power_of_2(region_size) && region_size >= SEGPOOL_MIN_REGION_SIZE &&
	       region_size <= SEGPOOL_MAX_REGION_SIZE && classes_valid(setup, region_size) &&
	       limits_valid(&setup->limits, setup->flags & ~SEGPOOL_WORDS, region_size);
}

static inline bool range_valid(const struct segpool_range *range, u64 region_size)
{
	return !range->reserved && range->length && PAGE_ALIGNED(range->offset) &&
	       PAGE_ALIGNED(range->length) && range->offset < region_size &&
	       range->length <= region_size - range->offset;
}

/* Flags of FREE. */
static inline bool release_valid(u32 flags)
{
	return !flags || flags == SEGPOOL_NOW || flags == SEGPOOL_LAZY;
}

static inline bool timeout_valid(u32 flags, u32 timeout_ms)
{
	return timeout_ms <= (flags & SEGPOOL_WAIT ? SEGPOOL_MAX_WAIT_MS : 0);
}

static inline bool count_valid(u32 count)
{
	return count && count <= SEGPOOL_MAX_BATCH;
}

#endif
