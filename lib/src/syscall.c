// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* For syscall() and madvise(). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/segpool.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of Linux 5.14 and 5.18: the C library may be older. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif

static int result(int returned)
{
	return returned < 0 ? -errno : returned;
}

int segpool_sys_open(const char *path)
{
	return result(open(path, O_RDWR | O_CLOEXEC));
}

int segpool_sys_close(int fd)
{
	return result(close(fd));
}

int segpool_sys_ioctl(int fd, unsigned long request, void *argument)
{
	return result(ioctl(fd, request, argument));
}

static int map_at(int fd, uint64_t length, off_t offset, void **base)
{
	void *address;

	if (length > SIZE_MAX)
		return -ENOMEM;
	address = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (address == MAP_FAILED)
		return -errno;
	*base = address;
	return 0;
}

int segpool_sys_map(int fd, uint64_t length, void **base)
{
	return map_at(fd, length, 0, base);
}

int segpool_sys_map_words(int fd, uint64_t length, void **base)
{
	return map_at(fd, length, (off_t)SEGPOOL_WORDS_OFFSET, base);
}

int segpool_sys_unmap(void *base, uint64_t length)
{
	return result(munmap(base, (size_t)length));
}

pid_t segpool_sys_getpid(void)
{
	return getpid();
}

int segpool_sys_reserve(uint64_t length, void **base)
{
	void *address;

	if (length > SIZE_MAX)
		return -ENOMEM;
	address = mmap(NULL, (size_t)length, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (address == MAP_FAILED)
		return -errno;
	munlock(address, (size_t)length);
	*base = address;
	return 0;
}

int segpool_sys_allow(void *start, uint64_t length)
{
	return result(mprotect(start, (size_t)length, PROT_READ | PROT_WRITE));
}

int segpool_sys_book(uint64_t length, void **base)
{
	int error = segpool_sys_reserve(length, base);

	if (error)
		return error;
	error = segpool_sys_allow(*base, length);
	if (error)
		segpool_sys_unmap(*base, length);
	return error;
}

int segpool_sys_not_for_children(void *start, uint64_t length)
{
	return result(madvise(start, (size_t)length, MADV_DONTFORK));
}

int segpool_sys_wipe_for_children(void *start, uint64_t length)
{
	return result(madvise(start, (size_t)length, MADV_WIPEONFORK));
}

void segpool_sys_huge(void *start, uint64_t length, bool wanted)
{
	madvise(start, (size_t)length, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int segpool_sys_give(void *start, uint64_t length)
{
	int error = result(madvise(start, (size_t)length, MADV_DONTNEED));

	/* After mlockall(); the advice is for exactly that. */
	if (error == -EINVAL)
		error = result(madvise(start, (size_t)length, MADV_DONTNEED_LOCKED));
	return error;
}

int segpool_sys_bring(void *start, uint64_t length)
{
	return result(madvise(start, (size_t)length, MADV_POPULATE_WRITE));
}

int segpool_sys_sleep(const uint32_t *word, uint32_t value, uint64_t timeout_ms)
{
	/* What the kernel takes for a time in this call has two of these, whatever time_t has. */
	long timeout[2];

	/* A day is as good as for ever to who looks again. */
	timeout[0] = timeout_ms / 1000 < 86400 ? (long)(timeout_ms / 1000) : 86400;
	timeout[1] = (long)(timeout_ms % 1000) * 1000000;
	return result((int)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout, NULL, 0));
}

void segpool_sys_wake(const uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

uint64_t segpool_sys_page(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t segpool_sys_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages < 0 || size < 0 ? 0 : (uint64_t)pages * (uint64_t)size;
}

int segpool_sys_barrier_register(void)
{
	return result((int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
}

int segpool_sys_barrier(void)
{
	return result((int)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
}

void segpool_sys_pause(uint64_t us)
{
	long time[2] = { 0, (long)us * 1000 };

	syscall(SYS_nanosleep, time, NULL);
}

void segpool_sys_nap(void)
{
	segpool_sys_pause(50);
}

pid_t segpool_sys_thread(void)
{
	return (pid_t)syscall(SYS_gettid);
}

uint64_t segpool_sys_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void segpool_sys_yield(void)
{
	sched_yield();
}
