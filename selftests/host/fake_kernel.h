/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel that says what the test wants: it takes the place of the library's
 * syscall.c, so that the library's own part can be tested without the module.
 */
#ifndef SEGPOOL_HOST_FAKE_KERNEL_H
#define SEGPOOL_HOST_FAKE_KERNEL_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "segpool.h"
#include "syscall.h"

static struct {
	int open_error;
	int map_error;
	/* What every ioctl but SETUP and STAT returns, and SETUP and STAT. */
	int error;
	int setup_error;
	int stat_error;
	uint32_t reason;
	uint32_t done;
	uint64_t default_virtual_budget;
	uint64_t counters[SEGPOOL_NR_COUNTERS];
	/* What was seen. */
	int open_files;
	int unmaps;
	int calls;
	uint64_t mapped_length;
	pid_t pid;
	struct segpool_setup setup;
	struct segpool_alloc alloc;
	struct segpool_free free;
	struct segpool_reuse reuse;
	struct segpool_ranges ranges;
	struct segpool_set_budget budget;
	struct segpool_trim trim;
} fake;

#define FAKE_FD		1000

static void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.default_virtual_budget = 64ULL << 20;
}

int segpool_sys_open(const char *path)
{
	(void)path;
	if (fake.open_error)
		return fake.open_error;
	fake.open_files++;
	return FAKE_FD;
}

int segpool_sys_close(int fd)
{
	(void)fd;
	fake.open_files--;
	return 0;
}

/* One page stands for the reservation: the library never touches it. */
int segpool_sys_map(int fd, uint64_t length, void **base)
{
	void *address;

	(void)fd;
	fake.mapped_length = length;
	if (fake.map_error)
		return fake.map_error;
	address = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (address == MAP_FAILED)
		abort();
	*base = address;
	return 0;
}

/* The fake knows no words. */
int segpool_sys_map_words(int fd, uint64_t length, void **base)
{
	(void)fd;
	(void)length;
	(void)base;
	abort();
}

int segpool_sys_unmap(void *base, uint64_t length)
{
	(void)length;
	fake.unmaps++;
	return munmap(base, 4096);
}

/* --- of the backend "user" and of segments, which none of these tests takes --- */

int segpool_sys_barrier_register(void)
{
	abort();
}

int segpool_sys_barrier(void)
{
	abort();
}

void segpool_sys_nap(void)
{
	abort();
}

void segpool_sys_pause(uint64_t us)
{
	(void)us;
}

pid_t segpool_sys_thread(void)
{
	return 1;
}

uint64_t segpool_sys_now_us(void)
{
	return 0;
}

void segpool_sys_yield(void)
{
	abort();
}

int segpool_sys_reserve(uint64_t length, void **base)
{
	(void)length;
	(void)base;
	abort();
}

int segpool_sys_allow(void *start, uint64_t length)
{
	(void)start;
	(void)length;
	abort();
}

int segpool_sys_book(uint64_t length, void **base)
{
	(void)length;
	(void)base;
	abort();
}

uint64_t segpool_sys_page(void)
{
	abort();
}

int segpool_sys_not_for_children(void *start, uint64_t length)
{
	(void)start;
	(void)length;
	abort();
}

int segpool_sys_wipe_for_children(void *start, uint64_t length)
{
	(void)start;
	(void)length;
	abort();
}

void segpool_sys_huge(void *start, uint64_t length, bool wanted)
{
	(void)start;
	(void)length;
	(void)wanted;
	abort();
}

int segpool_sys_give(void *start, uint64_t length)
{
	(void)start;
	(void)length;
	abort();
}

int segpool_sys_bring(void *start, uint64_t length)
{
	(void)start;
	(void)length;
	abort();
}

int segpool_sys_sleep(const uint32_t *word, uint32_t value, uint64_t timeout_ms)
{
	(void)word;
	(void)value;
	(void)timeout_ms;
	abort();
}

void segpool_sys_wake(const uint32_t *word)
{
	(void)word;
	abort();
}

uint64_t segpool_sys_memory(void)
{
	abort();
}

pid_t segpool_sys_getpid(void)
{
	return fake.pid ? fake.pid : getpid();
}

static int fake_setup(struct segpool_setup *setup)
{
	fake.setup = *setup;
	if (fake.setup_error)
		return fake.setup_error;
	if (!(setup->flags & SEGPOOL_SET_VIRTUAL))
		setup->limits.virtual_budget = fake.default_virtual_budget;
	if (!setup->nr_classes) {
		for (uint32_t i = 0; i < SEGPOOL_DEFAULT_CLASSES; i++)
			setup->classes[i] = 4096U << i;
		setup->nr_classes = SEGPOOL_DEFAULT_CLASSES;
	}
	setup->pool_id = 42;
	return 0;
}

static int fake_stat(struct segpool_stat *stat)
{
	uint64_t *values = (uint64_t *)(uintptr_t)stat->values;
	uint32_t i;

	if (fake.stat_error)
		return fake.stat_error;
	for (i = 0; i < stat->count && i < SEGPOOL_NR_COUNTERS; i++)
		values[i] = fake.counters[i];
	stat->count = SEGPOOL_NR_COUNTERS;
	return 0;
}

int segpool_sys_ioctl(int fd, unsigned long request, void *argument)
{
	(void)fd;
	fake.calls++;
	switch (request) {
	case SEGPOOL_IOC_SETUP:
		return fake_setup(argument);
	case SEGPOOL_IOC_STAT:
		return fake_stat(argument);
	case SEGPOOL_IOC_ALLOC:
		memcpy(&fake.alloc, argument, sizeof(fake.alloc));
		((struct segpool_alloc *)argument)->done = fake.done;
		((struct segpool_alloc *)argument)->reason = fake.reason;
		return fake.error;
	case SEGPOOL_IOC_FREE:
		memcpy(&fake.free, argument, sizeof(fake.free));
		return fake.error;
	case SEGPOOL_IOC_REUSE:
		memcpy(&fake.reuse, argument, sizeof(fake.reuse));
		((struct segpool_reuse *)argument)->reason = fake.reason;
		((struct segpool_reuse *)argument)->region.handle = 7ULL << 32;
		return fake.error;
	case SEGPOOL_IOC_DISCARD:
	case SEGPOOL_IOC_POPULATE:
		memcpy(&fake.ranges, argument, sizeof(fake.ranges));
		((struct segpool_ranges *)argument)->reason = fake.reason;
		return fake.error;
	case SEGPOOL_IOC_SET_BUDGET:
		memcpy(&fake.budget, argument, sizeof(fake.budget));
		((struct segpool_set_budget *)argument)->limits.virtual_budget = 11;
		((struct segpool_set_budget *)argument)->limits.watermark = 99;
		return fake.error;
	case SEGPOOL_IOC_TRIM:
		memcpy(&fake.trim, argument, sizeof(fake.trim));
		((struct segpool_trim *)argument)->released = 12345;
		return fake.error;
	default:
		return -ENOTTY;
	}
}

#endif /* SEGPOOL_HOST_FAKE_KERNEL_H */
