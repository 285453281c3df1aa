// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Limits: what they may be, what they are where nobody says, what is in force. */
#include "syscall.h"
#include "user.h"

/* As the module's. */
#define DEFAULT_AGE_MS		10000
#define DEFAULT_WATERMARK	90

/* Named by @flag and in its range, or else 0. */
static bool is_valid(uint32_t flags, uint32_t flag, uint64_t value, uint64_t least, uint64_t most)
{
	return (flags & flag) ? value >= least && value <= most : !value;
}

bool segpool_user_limits_valid(const struct segpool_user *user, uint32_t flags,
			       const struct segpool_limits *limits)
{
	return !(flags & ~SEGPOOL_SET_ALL) &&
	       is_valid(flags, SEGPOOL_SET_VIRTUAL, limits->virtual_budget, 0,
			SEGPOOL_MAX_REGIONS * user->region_size) &&
	       is_valid(flags, SEGPOOL_SET_PHYSICAL, limits->physical_budget, 0,
			SEGPOOL_MAX_PHYSICAL) &&
	       is_valid(flags, SEGPOOL_SET_RETAIN, limits->retain_limit, 0, UINT64_MAX) &&
	       is_valid(flags, SEGPOOL_SET_AGE, limits->retain_age_ms, 0, SEGPOOL_MAX_AGE_MS) &&
	       is_valid(flags, SEGPOOL_SET_WATERMARK, limits->watermark, 1, 100);
}

/* A quarter of the memory, as the module's. */
static uint64_t default_physical(void)
{
	uint64_t bytes = segpool_sys_memory() / 4;

	return bytes < SEGPOOL_MAX_PHYSICAL ? bytes : SEGPOOL_MAX_PHYSICAL;
}

/* Those without a flag. */
void segpool_user_limits_default(uint32_t flags, uint64_t region_size,
				 struct segpool_limits *limits)
{
	uint64_t physical = default_physical();

	if (!(flags & SEGPOOL_SET_PHYSICAL))
		limits->physical_budget = physical;
	if (!(flags & SEGPOOL_SET_VIRTUAL))
		limits->virtual_budget = physical > region_size ? physical : region_size;
	if (!(flags & SEGPOOL_SET_VIRTUAL) &&
	    limits->virtual_budget > SEGPOOL_MAX_REGIONS * region_size)
		limits->virtual_budget = SEGPOOL_MAX_REGIONS * region_size;
	if (!(flags & SEGPOOL_SET_RETAIN))
		limits->retain_limit = limits->physical_budget / 2;
	if (!(flags & SEGPOOL_SET_AGE))
		limits->retain_age_ms = DEFAULT_AGE_MS;
	if (!(flags & SEGPOOL_SET_WATERMARK))
		limits->watermark = DEFAULT_WATERMARK;
}

/* Those with a flag. What is carved stays, so the virtual budget is at least that. */
void segpool_user_limits_set(struct segpool_user *user, uint32_t flags,
			     const struct segpool_limits *limits)
{
	uint32_t budget;

	if (flags & SEGPOOL_SET_VIRTUAL) {
		budget = (uint32_t)(limits->virtual_budget / user->region_size);
		user->virtual_budget = budget > user->carved ? budget : user->carved;
	}
	if (flags & SEGPOOL_SET_PHYSICAL)
		user->limits.physical_budget = limits->physical_budget & ~(SEGPOOL_PAGE - 1ULL);
	if (flags & SEGPOOL_SET_RETAIN)
		user->limits.retain_limit = limits->retain_limit & ~(SEGPOOL_PAGE - 1ULL);
	if (flags & SEGPOOL_SET_AGE)
		user->limits.retain_age_ms = limits->retain_age_ms;
	if (flags & SEGPOOL_SET_WATERMARK)
		user->limits.watermark = limits->watermark;
}

void segpool_user_limits_read(const struct segpool_user *user, struct segpool_limits *limits)
{
	*limits = user->limits;
	limits->virtual_budget = user->virtual_budget * user->region_size;
}
