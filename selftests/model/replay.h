/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a program that the model prints is made of: each function makes one call
 * and returns what step() compares. Reports go to standard output.
 */
#ifndef SEGPOOL_MODEL_REPLAY_H
#define SEGPOOL_MODEL_REPLAY_H

#include "attempts.h"
#include "bad_calls.h"
#include "dirty.h"
#include "owners.h"
#include "poke.h"
#include "scarcity.h"
#include <poll.h>
#include <stdarg.h>

#define REPLAY_POOLS	3
#define REPLAY_PIPES	4

static struct sp_pool pools[REPLAY_POOLS] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
static int pipes[REPLAY_PIPES][2];
static int disk = -1;
static unsigned int differences;

static SP_UNUSED void step(unsigned int number, long got, long expected)
{
	if (got == expected)
		return;
	printf("step %u: %ld, expected %ld\n", number, got, expected);
	differences++;
}

static SP_UNUSED long open_pool(unsigned int pool, uint32_t mode, uint32_t regions,
				uint32_t virtual_regions, uint32_t pages, uint32_t retained_pages)
{
	struct sp_pool *at = &pools[pool];

	memset(at, 0, sizeof(*at));
	at->setup.mode = mode;
	at->setup.region_size = SP_SMALL;
	at->setup.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN |
			  SEGPOOL_SET_AGE;
	at->setup.limits.virtual_budget = virtual_regions * SP_SMALL;
	at->setup.limits.physical_budget = pages * SP_PAGE;
	at->setup.limits.retain_limit = retained_pages * SP_PAGE;
	return sp_pool_open(at, regions * SP_SMALL);
}

static SP_UNUSED long unmap_pool(unsigned int pool)
{
	int error = munmap(pools[pool].base, pools[pool].length) ? -errno : 0;

	pools[pool].base = NULL;
	return error;
}

static SP_UNUSED long close_pool(unsigned int pool)
{
	int error = close(pools[pool].fd) ? -errno : 0;

	pools[pool].fd = -1;
	return error;
}

static char *page_at(unsigned int pool, uint32_t region, uint32_t page)
{
	return pools[pool].base + region * SP_SMALL + page * SP_PAGE;
}

static void show_page(unsigned int pool, uint32_t region, uint32_t page)
{
	const char *at = page_at(pool, region, page);
	uint64_t first = *(volatile uint64_t *)at;

	if (first)
		printf("pool %u, region %u, page %u: %#llx\n", pool, region, page,
		       (unsigned long long)first);
}

static void show_region(unsigned int pool, const struct segpool_region *region, uint32_t flags)
{
	uint32_t page, index = SEGPOOL_HANDLE_INDEX(region->handle);

	printf("pool %u: handle %#llx, flags %#x\n", pool, (unsigned long long)region->handle,
	       region->flags);
	for (page = 0; flags & SEGPOOL_POPULATE && page < SP_SMALL / SP_PAGE; page++)
		show_page(pool, index, page);
}

static SP_UNUSED long alloc(unsigned int pool, uint32_t class_index, uint32_t flags, uint32_t count,
			    uint32_t timeout_ms)
{
	struct segpool_alloc call = { .class_index = class_index, .flags = flags, .count = count,
				      .timeout_ms = timeout_ms };
	struct segpool_region regions[8];
	int error = sp_alloc_call(pools[pool].fd, &call, regions);
	uint32_t i;

	for (i = 0; i < call.done; i++)
		show_region(pool, &regions[i], flags);
	if (call.reason)
		printf("pool %u: alloc refused, reason %u\n", pool, call.reason);
	return error;
}

/* @count pairs: a handle (64 bits), and what to put into the reserved member. */
static SP_UNUSED long release(unsigned int pool, uint32_t flags, uint32_t count, ...)
{
	struct segpool_free_entry entries[8] = { 0 };
	va_list arguments;
	uint32_t i;

	va_start(arguments, count);
	for (i = 0; i < count; i++) {
		entries[i].handle = va_arg(arguments, unsigned long long);
		entries[i].reserved = va_arg(arguments, unsigned int);
	}
	va_end(arguments);
	return sp_free_batch(pools[pool].fd, entries, count, flags, NULL);
}

static SP_UNUSED long reuse(unsigned int pool, uint64_t handle, uint32_t class_index,
			    uint32_t flags, uint32_t timeout_ms, uint32_t reserved)
{
	struct segpool_reuse call = { .handle = handle, .class_index = class_index, .flags = flags,
				      .timeout_ms = timeout_ms, .reserved = reserved };
	int error = sp_reuse_call(pools[pool].fd, &call);

	if (!error)
		show_region(pool, &call.region, flags);
	return error;
}

/* @count times: a handle (64 bits), first page, number of pages, the reserved member. */
static SP_UNUSED long ranges(unsigned int pool, unsigned long command, uint32_t flags,
			     uint32_t count, uint32_t timeout_ms, ...)
{
	struct segpool_range entries[8] = { 0 };
	struct segpool_ranges call = { .size = sizeof(call), .flags = flags, .count = count,
				       .ranges = (uintptr_t)entries, .timeout_ms = timeout_ms };
	va_list arguments;
	uint32_t i;

	va_start(arguments, timeout_ms);
	for (i = 0; i < count; i++) {
		entries[i].handle = va_arg(arguments, unsigned long long);
		entries[i].offset = va_arg(arguments, unsigned int) * SP_PAGE;
		entries[i].length = va_arg(arguments, unsigned int) * SP_PAGE;
		entries[i].reserved = va_arg(arguments, unsigned int);
	}
	va_end(arguments);
	return sp_ioctl(pools[pool].fd, command, &call);
}

/* Shows what is there, then writes @tag, @tag + 1, ... unless it is 0: how many pages refused. */
static SP_UNUSED long touch(unsigned int pool, uint32_t region, uint32_t first, uint32_t nr,
			    uint64_t tag)
{
	long refused = 0;
	uint32_t i;
	char *page;

	for (i = 0; i < nr; i++) {
		page = page_at(pool, region, first + i);
		if (sp_touch(page)) {
			refused++;
			continue;
		}
		show_page(pool, region, first + i);
		if (!tag)
			continue;
		*(volatile uint64_t *)page = tag + i;
		*(volatile uint64_t *)(page + SP_PAGE - 8) = ~(tag + i);
	}
	return refused;
}

static SP_UNUSED long drop(unsigned int pool, uint32_t region, uint32_t first, uint32_t nr)
{
	return madvise(page_at(pool, region, first), nr * SP_PAGE, MADV_DONTNEED) ? -errno : 0;
}

static SP_UNUSED long pin(unsigned int pool, uint32_t region, uint32_t page, unsigned int pipe_nr)
{
	struct iovec vector = { .iov_base = page_at(pool, region, page), .iov_len = SP_PAGE };

	if (!pipes[pipe_nr][1] && pipe(pipes[pipe_nr]))
		return -errno;
	return vmsplice(pipes[pipe_nr][1], &vector, 1, SPLICE_F_NONBLOCK) < 0 ? -errno : 0;
}

/* 0 where the held page shows @tag. */
static SP_UNUSED long unpin(unsigned int pipe_nr, uint64_t tag)
{
	static char page[SP_PAGE];

	if (read(pipes[pipe_nr][0], page, sizeof(page)) != (ssize_t)sizeof(page))
		return -errno;
	return *(uint64_t *)page == tag ? 0 : -EIO;
}

static SP_UNUSED long peek(unsigned int pool, uint32_t region, uint32_t page)
{
	static char bytes[SP_PAGE];
	struct iovec local = { .iov_base = bytes, .iov_len = SP_PAGE };
	struct iovec remote = { .iov_base = page_at(pool, region, page), .iov_len = SP_PAGE };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
}

static SP_UNUSED long poke(unsigned int pool, uint32_t region, uint32_t page, uint64_t tag)
{
	return poke_page(page_at(pool, region, page), tag);
}

static void open_replay_disk(void)
{
	if (disk < 0)
		disk = open("/dev/ram0", O_RDWR | O_DIRECT | O_CLOEXEC);
}

static SP_UNUSED long direct_write(unsigned int pool, uint32_t region, uint32_t page)
{
	open_replay_disk();
	return pwrite(disk, page_at(pool, region, page), SP_PAGE, 0) < 0 ? -errno : 0;
}

static SP_UNUSED long direct_read(unsigned int pool, uint32_t region, uint32_t page)
{
	open_replay_disk();
	return pread(disk, page_at(pool, region, page), SP_PAGE, 0) < 0 ? -errno : 0;
}

static SP_UNUSED long set_budget(unsigned int pool, uint32_t flags, uint64_t virtual_budget,
				 uint64_t physical_budget, uint64_t retain_limit, uint32_t age_ms,
				 uint32_t watermark)
{
	struct segpool_limits limits = { .virtual_budget = virtual_budget,
					 .physical_budget = physical_budget,
					 .retain_limit = retain_limit, .retain_age_ms = age_ms,
					 .watermark = watermark };

	return sp_set_budget(pools[pool].fd, flags, &limits);
}

static SP_UNUSED long trim(unsigned int pool, uint32_t pages)
{
	return sp_trim(pools[pool].fd, pages * SP_PAGE, NULL);
}

static SP_UNUSED long class_stat(unsigned int pool, uint32_t class_index)
{
	uint64_t values[SEGPOOL_NR_CLASS_COUNTERS];

	return sp_class_stat(pools[pool].fd, class_index, values);
}

static SP_UNUSED long poll_pool(unsigned int pool)
{
	struct pollfd entry = { .fd = pools[pool].fd, .events = POLLPRI };

	return poll(&entry, 1, 0);
}

static SP_UNUSED long child(unsigned int pool, uint32_t ending)
{
	struct child child = { .pool = &pools[pool], .ending = ending };

	return sp_in_child(be_a_child, &child);
}

static SP_UNUSED long pass(unsigned int pool)
{
	return try_to_pass(&pools[pool]);
}

static SP_UNUSED long heir(unsigned int pool, uint32_t region)
{
	struct heir heir = { .region = page_at(pool, region, 0) };

	return try_to_inherit(&pools[pool], &heir);
}

static SP_UNUSED long split(unsigned int pool, uint32_t how, uint32_t region)
{
	return try_to_split(page_at(pool, region, 0), how) ? -errno : 0;
}

static SP_UNUSED long move(unsigned int pool, uint32_t how)
{
	return try_to_move(&pools[pool], how) == MAP_FAILED ? -errno : 0;
}

static SP_UNUSED long bad(unsigned int pool, const char *name)
{
	size_t i;

	for (i = 0; i < NR_BAD_CALLS; i++)
		if (!strcmp(bad_calls[i].name, name))
			return bad_calls[i].call(pools[pool].fd);
	return 1;
}

/* Shows the counters that are not 0, for comparison; the exit status. */
static SP_UNUSED int finish(void)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];
	unsigned int pool, i;

	for (pool = 0; pool < REPLAY_POOLS; pool++) {
		if (pools[pool].fd < 0 || sp_stat(pools[pool].fd, values))
			continue;
		for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
			if (values[i])
				printf("pool %u: %s %llu\n", pool, sp_counter_name(i),
				       (unsigned long long)values[i]);
		if (pools[pool].base)
			printf("pool %u: drift: %s\n", pool, sp_drift_or_none(&pools[pool]));
	}
	printf("%u steps differ\n", differences);
	return differences != 0;
}

#endif /* SEGPOOL_MODEL_REPLAY_H */
