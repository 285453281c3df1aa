/* SPDX-License-Identifier: GPL-2.0-only */
/* The system calls on the device, one wrapper each: no library in between. */
#ifndef SEGPOOL_TESTING_CALLS_H
#define SEGPOOL_TESTING_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/segpool.h>

#define SP_UNUSED	__attribute__((__unused__))
#define SP_PAGE		4096UL
#define SP_KIB		(1ULL << 10)
#define SP_MIB		(1ULL << 20)
#define SP_GIB		(1ULL << 30)
#define SP_TIB		(1ULL << 40)
#define SP_MAX_COUNTERS	128

static SP_UNUSED int sp_open(void)
{
	int fd = open(SEGPOOL_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static SP_UNUSED int sp_ioctl(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) < 0 ? -errno : 0;
}

/* A mapping of the device at the kernel's choice of address. */
static SP_UNUSED int sp_mmap(int fd, size_t length, char **base)
{
	void *address = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	*base = address == MAP_FAILED ? NULL : address;
	return address == MAP_FAILED ? -errno : 0;
}

static SP_UNUSED int sp_setup(int fd, struct segpool_setup *setup)
{
	setup->size = sizeof(*setup);
	return sp_ioctl(fd, SEGPOOL_IOC_SETUP, setup);
}

/* The whole call, for tests that look at @done and @reason. */
static SP_UNUSED int sp_alloc_call(int fd, struct segpool_alloc *call,
				   struct segpool_region *results)
{
	call->size = sizeof(*call);
	call->results = (uintptr_t)results;
	return sp_ioctl(fd, SEGPOOL_IOC_ALLOC, call);
}

/* The number of regions given, or -errno. */
static SP_UNUSED int sp_alloc(int fd, uint32_t class_index, uint32_t flags, uint32_t count,
			      struct segpool_region *results)
{
	struct segpool_alloc call = { .flags = flags, .class_index = class_index, .count = count };
	int error = sp_alloc_call(fd, &call, results);

	return error ? error : (int)call.done;
}

/* One region: 0 or -errno; @reason (may be NULL) as the kernel gave it. */
static SP_UNUSED int sp_alloc_one(int fd, uint32_t class_index, uint32_t flags, uint32_t timeout_ms,
				  struct segpool_region *region, uint32_t *reason)
{
	struct segpool_alloc call = { .flags = flags, .class_index = class_index, .count = 1,
				      .timeout_ms = timeout_ms };
	int error = sp_alloc_call(fd, &call, region);

	if (reason)
		*reason = call.reason;
	return error;
}

static SP_UNUSED int sp_free_batch(int fd, struct segpool_free_entry *entries, uint32_t count,
				   uint32_t flags, uint32_t *done)
{
	struct segpool_free call = { .size = sizeof(call), .flags = flags, .count = count,
				     .entries = (uintptr_t)entries };
	int error = sp_ioctl(fd, SEGPOOL_IOC_FREE, &call);

	if (done)
		*done = call.done;
	return error;
}

static SP_UNUSED int sp_free(int fd, uint64_t handle, uint32_t flags)
{
	struct segpool_free_entry entry = { .handle = handle };

	return sp_free_batch(fd, &entry, 1, flags, NULL);
}

/* Release up to 64 Ki regions, SEGPOOL_MAX_BATCH a call. */
static SP_UNUSED int sp_free_regions(int fd, const struct segpool_region *regions, uint32_t count,
				     uint32_t flags)
{
	struct segpool_free_entry entries[SEGPOOL_MAX_BATCH];
	uint32_t i, n;
	int error;

	for (; count; count -= n, regions += n) {
		n = count < SEGPOOL_MAX_BATCH ? count : SEGPOOL_MAX_BATCH;
		memset(entries, 0, n * sizeof(entries[0]));
		for (i = 0; i < n; i++)
			entries[i].handle = regions[i].handle;
		error = sp_free_batch(fd, entries, n, flags, NULL);
		if (error)
			return error;
	}
	return 0;
}

static SP_UNUSED int sp_reuse_call(int fd, struct segpool_reuse *call)
{
	call->size = sizeof(*call);
	return sp_ioctl(fd, SEGPOOL_IOC_REUSE, call);
}

static SP_UNUSED int sp_reuse(int fd, uint64_t handle, uint32_t class_index, uint32_t flags,
			      struct segpool_region *region)
{
	struct segpool_reuse call = { .flags = flags, .handle = handle,
				      .class_index = class_index };
	int error = sp_reuse_call(fd, &call);

	if (region)
		*region = call.region;
	return error;
}

static SP_UNUSED int sp_ranges(int fd, unsigned long command, struct segpool_range *ranges,
			       uint32_t count, uint32_t flags, uint32_t *done)
{
	struct segpool_ranges call = { .size = sizeof(call), .flags = flags, .count = count,
				       .ranges = (uintptr_t)ranges };
	int error = sp_ioctl(fd, command, &call);

	if (done)
		*done = call.done;
	return error;
}

static SP_UNUSED int sp_discard(int fd, uint64_t handle, uint64_t offset, uint64_t length,
				uint32_t flags)
{
	struct segpool_range range = { .handle = handle, .offset = offset, .length = length };

	return sp_ranges(fd, SEGPOOL_IOC_DISCARD, &range, 1, flags, NULL);
}

static SP_UNUSED int sp_populate(int fd, uint64_t handle, uint64_t offset, uint64_t length,
				 uint32_t flags)
{
	struct segpool_range range = { .handle = handle, .offset = offset, .length = length };

	return sp_ranges(fd, SEGPOOL_IOC_POPULATE, &range, 1, flags, NULL);
}

static SP_UNUSED int sp_set_budget(int fd, uint32_t flags, struct segpool_limits *limits)
{
	struct segpool_set_budget call = { .size = sizeof(call), .flags = flags,
					   .limits = *limits };
	int error = sp_ioctl(fd, SEGPOOL_IOC_SET_BUDGET, &call);

	*limits = call.limits;
	return error;
}

static SP_UNUSED int sp_trim(int fd, uint64_t target, uint64_t *released)
{
	struct segpool_trim call = { .size = sizeof(call), .target = target };
	int error = sp_ioctl(fd, SEGPOOL_IOC_TRIM, &call);

	if (released)
		*released = call.released;
	return error;
}

/* All counters of the pool, indexed by enum segpool_counter. */
static SP_UNUSED int sp_stat(int fd, uint64_t values[SEGPOOL_NR_COUNTERS])
{
	struct segpool_stat call = { .size = sizeof(call), .count = SEGPOOL_NR_COUNTERS,
				     .values = (uintptr_t)values };

	memset(values, 0, SEGPOOL_NR_COUNTERS * sizeof(values[0]));
	return sp_ioctl(fd, SEGPOOL_IOC_STAT, &call);
}

static SP_UNUSED int sp_class_stat(int fd, uint32_t class_index,
				   uint64_t values[SEGPOOL_NR_CLASS_COUNTERS])
{
	struct segpool_stat call = { .size = sizeof(call), .flags = SEGPOOL_STAT_CLASS,
				     .class_index = class_index,
				     .count = SEGPOOL_NR_CLASS_COUNTERS,
				     .values = (uintptr_t)values };

	memset(values, 0, SEGPOOL_NR_CLASS_COUNTERS * sizeof(values[0]));
	return sp_ioctl(fd, SEGPOOL_IOC_STAT, &call);
}

/* One counter; all bits set when the call fails, which no counter ever is. */
static SP_UNUSED uint64_t sp_counter(int fd, enum segpool_counter counter)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];

	return sp_stat(fd, values) ? UINT64_MAX : values[counter];
}

/* A pool that is open, set up and mapped. */
struct sp_pool {
	int fd;
	char *base;
	uint64_t length;
	uint64_t region_size;
	uint32_t id;
	struct segpool_setup setup;
};

static SP_UNUSED void sp_pool_close(struct sp_pool *pool)
{
	if (pool->base)
		munmap(pool->base, pool->length);
	if (pool->fd >= 0)
		close(pool->fd);
	pool->base = NULL;
	pool->fd = -1;
}

/*
 * @pool->setup holds what the caller wants (all zero: the defaults); @length is
 * that of the reservation, 0 for the virtual budget in force.
 */
static SP_UNUSED int sp_pool_open(struct sp_pool *pool, uint64_t length)
{
	int error;

	pool->base = NULL;
	pool->fd = sp_open();
	if (pool->fd < 0)
		return pool->fd;
	error = sp_setup(pool->fd, &pool->setup);
	if (!error) {
		pool->region_size = pool->setup.region_size;
		pool->id = pool->setup.pool_id;
		pool->length = length ? length : pool->setup.limits.virtual_budget;
		error = sp_mmap(pool->fd, pool->length, &pool->base);
	}
	if (error)
		sp_pool_close(pool);
	return error;
}

/* The usual pool of a test: @virtual_bytes reserved, both budgets given, nothing ages. */
static SP_UNUSED int sp_pool_make(struct sp_pool *pool, uint32_t mode, uint64_t region_size,
				  uint64_t virtual_bytes, uint64_t physical_bytes,
				  uint64_t retain_bytes)
{
	memset(pool, 0, sizeof(*pool));
	pool->setup.mode = mode;
	pool->setup.region_size = region_size;
	pool->setup.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN |
			    SEGPOOL_SET_AGE;
	pool->setup.limits.virtual_budget = virtual_bytes;
	pool->setup.limits.physical_budget = physical_bytes;
	pool->setup.limits.retain_limit = retain_bytes;
	return sp_pool_open(pool, virtual_bytes);
}

static SP_UNUSED char *sp_region_at(const struct sp_pool *pool, const struct segpool_region *region)
{
	return pool->base + region->offset;
}

/* --- conditions for sp_wait_until(): the argument is a struct sp_pool --- */

static SP_UNUSED int sp_has_one_waiter(void *pool)
{
	return sp_counter(((struct sp_pool *)pool)->fd, SEGPOOL_C_WAITERS) == 1;
}

static SP_UNUSED int sp_retains_nothing(void *pool)
{
	return !sp_counter(((struct sp_pool *)pool)->fd, SEGPOOL_C_RETAINED_BYTES);
}

#endif /* SEGPOOL_TESTING_CALLS_H */
