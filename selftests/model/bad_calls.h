/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls with one fault each, that are refused whatever the pool looks like. */
#ifndef SEGPOOL_MODEL_BAD_CALLS_H
#define SEGPOOL_MODEL_BAD_CALLS_H

#include "../testing_memory.h"

static struct segpool_region bad_results[8];

/* A good call, and how one member of it is spoilt. */
#define BAD_CALL(name, command, type, spoil, ...) \
	static int name(int fd) \
	{ \
		struct type call = { .size = sizeof(call), ##__VA_ARGS__ }; \
	\
		spoil; \
		return sp_ioctl(fd, command, &call); \
	}

#define BAD_ALLOC(name, spoil) \
	BAD_CALL(alloc_##name, SEGPOOL_IOC_ALLOC, segpool_alloc, spoil, .count = 1, \
		 .results = (uintptr_t)bad_results)

BAD_ALLOC(flag, call.flags = 1U << 31)
BAD_ALLOC(reserved, call.reserved = 1)
BAD_ALLOC(no_count, call.count = 0)
BAD_ALLOC(large_count, call.count = SEGPOOL_MAX_BATCH + 1)
BAD_ALLOC(class, call.class_index = 1000)
BAD_ALLOC(timeout, call.timeout_ms = 1)
BAD_ALLOC(pointer, call.results = 8)
BAD_ALLOC(short, call.size = 8)
BAD_ALLOC(huge, call.size = 1U << 20)

#define BAD_FREE(name, spoil) \
	BAD_CALL(free_##name, SEGPOOL_IOC_FREE, segpool_free, spoil, .count = 1, \
		 .entries = (uintptr_t)bad_results)

BAD_FREE(flag, call.flags = 1U << 2)
BAD_FREE(both_flags, call.flags = SEGPOOL_NOW | SEGPOOL_LAZY)
BAD_FREE(no_count, call.count = 0)
BAD_FREE(large_count, call.count = SEGPOOL_MAX_BATCH + 1)
BAD_FREE(pointer, call.entries = 8)

#define BAD_REUSE(name, spoil) \
	BAD_CALL(reuse_##name, SEGPOOL_IOC_REUSE, segpool_reuse, spoil, .handle = 1ULL << 32)

BAD_REUSE(flag, call.flags = SEGPOOL_CONTIGUOUS)
BAD_REUSE(class, call.class_index = 1000)
BAD_REUSE(timeout, (call.flags = SEGPOOL_WAIT, call.timeout_ms = SEGPOOL_MAX_WAIT_MS + 1))

#define BAD_RANGES(name, command, spoil) \
	BAD_CALL(name, command, segpool_ranges, spoil, .count = 1, \
		 .ranges = (uintptr_t)bad_results)

BAD_RANGES(discard_flag, SEGPOOL_IOC_DISCARD, call.flags = SEGPOOL_WAIT)
BAD_RANGES(discard_timeout, SEGPOOL_IOC_DISCARD, call.timeout_ms = 1)
BAD_RANGES(discard_pointer, SEGPOOL_IOC_DISCARD, call.ranges = 8)
BAD_RANGES(populate_flag, SEGPOOL_IOC_POPULATE, call.flags = SEGPOOL_CONTIGUOUS)
BAD_RANGES(populate_count, SEGPOOL_IOC_POPULATE, call.count = 0)
BAD_RANGES(populate_pointer, SEGPOOL_IOC_POPULATE, call.ranges = 8)

BAD_CALL(setup_again, SEGPOOL_IOC_SETUP, segpool_setup, (void)call)
BAD_CALL(budget_flag, SEGPOOL_IOC_SET_BUDGET, segpool_set_budget, call.flags = 1U << 20)
BAD_CALL(budget_unnamed, SEGPOOL_IOC_SET_BUDGET, segpool_set_budget,
	 call.limits.physical_budget = SP_PAGE)
BAD_CALL(budget_watermark, SEGPOOL_IOC_SET_BUDGET, segpool_set_budget,
	 (call.flags = SEGPOOL_SET_WATERMARK, call.limits.watermark = 101))
BAD_CALL(budget_age, SEGPOOL_IOC_SET_BUDGET, segpool_set_budget,
	 (call.flags = SEGPOOL_SET_AGE, call.limits.retain_age_ms = SEGPOOL_MAX_AGE_MS + 1))
BAD_CALL(trim_flag, SEGPOOL_IOC_TRIM, segpool_trim, call.flags = 1)
BAD_CALL(stat_flag, SEGPOOL_IOC_STAT, segpool_stat, call.flags = 2)
BAD_CALL(stat_class, SEGPOOL_IOC_STAT, segpool_stat, call.class_index = 1)
BAD_CALL(stat_count, SEGPOOL_IOC_STAT, segpool_stat, call.count = SEGPOOL_MAX_BATCH + 1)
BAD_CALL(stat_pointer, SEGPOOL_IOC_STAT, segpool_stat, call.count = 4)

static int no_structure(int fd)
{
	return sp_ioctl(fd, SEGPOOL_IOC_TRIM, NULL);
}

static int longer_structure(int fd)
{
	struct { struct segpool_trim call; uint64_t more; } longer = {
		.call.size = sizeof(longer), .more = 1 };

	return sp_ioctl(fd, SEGPOOL_IOC_TRIM, &longer);
}

static int unknown_call(int fd)
{
	return sp_ioctl(fd, _IOWR(SEGPOOL_IOC_TYPE, 0x7f, struct segpool_trim), bad_results);
}

static int map_again(int fd)
{
	return mmap(NULL, SP_SMALL, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0;
}

static int map_executable(int fd)
{
	return mmap(NULL, SP_SMALL, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED ?
	       -errno : 0;
}

static const struct bad_call {
	const char *name;
	int (*call)(int fd);
	int error;
} bad_calls[] = {
	{ "alloc: unknown flag", alloc_flag, -EINVAL },
	{ "alloc: reserved member", alloc_reserved, -EINVAL },
	{ "alloc: no count", alloc_no_count, -EINVAL },
	{ "alloc: count too large", alloc_large_count, -EINVAL },
	{ "alloc: no such class", alloc_class, -EINVAL },
	{ "alloc: timeout without WAIT", alloc_timeout, -EINVAL },
	{ "alloc: bad pointer", alloc_pointer, -EFAULT },
	{ "alloc: structure too short", alloc_short, -EINVAL },
	{ "alloc: structure above a page", alloc_huge, -E2BIG },
	{ "free: unknown flag", free_flag, -EINVAL },
	{ "free: flags that exclude each other", free_both_flags, -EINVAL },
	{ "free: no count", free_no_count, -EINVAL },
	{ "free: count too large", free_large_count, -EINVAL },
	{ "free: bad pointer", free_pointer, -EFAULT },
	{ "reuse: flag of another call", reuse_flag, -EINVAL },
	{ "reuse: no such class", reuse_class, -EINVAL },
	{ "reuse: timeout too long", reuse_timeout, -EINVAL },
	{ "discard: flag of another call", discard_flag, -EINVAL },
	{ "discard: timeout", discard_timeout, -EINVAL },
	{ "discard: bad pointer", discard_pointer, -EFAULT },
	{ "populate: flag of another call", populate_flag, -EINVAL },
	{ "populate: no count", populate_count, -EINVAL },
	{ "populate: bad pointer", populate_pointer, -EFAULT },
	{ "setup: again", setup_again, -EBUSY },
	{ "set_budget: unknown flag", budget_flag, -EINVAL },
	{ "set_budget: member without its flag", budget_unnamed, -EINVAL },
	{ "set_budget: watermark", budget_watermark, -EINVAL },
	{ "set_budget: age", budget_age, -EINVAL },
	{ "trim: flag", trim_flag, -EINVAL },
	{ "stat: unknown flag", stat_flag, -EINVAL },
	{ "stat: class without its flag", stat_class, -EINVAL },
	{ "stat: count too large", stat_count, -EINVAL },
	{ "stat: bad pointer", stat_pointer, -EFAULT },
	{ "no structure", no_structure, -EFAULT },
	{ "a longer structure with more in it", longer_structure, -E2BIG },
	{ "unknown call", unknown_call, -ENOTTY },
	{ "mmap: again", map_again, -EBUSY },
	{ "mmap: executable", map_executable, -EINVAL },
};

#define NR_BAD_CALLS (sizeof(bad_calls) / sizeof(bad_calls[0]))

#endif /* SEGPOOL_MODEL_BAD_CALLS_H */
