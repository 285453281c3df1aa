/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of a range are mapped, read from the page tables without touching
 * the range.
 *
 * /proc/self/pagemap, mincore() and smaps skip VM_PFNMAP mappings, so for a
 * strict pool they always say "nothing there". move_pages() without target
 * nodes looks up single addresses and sees these; it is the one to use.
 * It holds a reference for an instant: do not race it against a release, whose
 * check for pins would notice. Nothing sees a huge pool's pages but our own
 * module, selftests/presence.
 */
#ifndef SEGPOOL_TESTING_PRESENCE_H
#define SEGPOOL_TESTING_PRESENCE_H

#include <sys/resource.h>
#include <sys/syscall.h>
#include "calls.h"

#define SP_PRESENCE_CHUNK	512

/*
 * Asks a file that has an entry of @size bytes for each page of the process, whose
 * top bit says that there is one: the number of mapped pages, or -errno.
 */
static SP_UNUSED long sp_present_in_file(const char *path, size_t size, const char *start,
					 size_t length, unsigned char *present)
{
	unsigned char entries[SP_PRESENCE_CHUNK * sizeof(uint64_t)], mapped;
	size_t done, i, n, total = length / SP_PAGE;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long count = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	for (done = 0; done < total; done += n) {
		n = total - done < SP_PRESENCE_CHUNK ? total - done : SP_PRESENCE_CHUNK;
		got = pread(fd, entries, n * size, ((uintptr_t)start / SP_PAGE + done) * size);
		if (got != (ssize_t)(n * size)) {
			count = got < 0 ? -errno : -EIO;
			break;
		}
		for (i = 0; i < n; i++) {
			mapped = entries[(i + 1) * size - 1] >> 7;
			count += mapped;
			if (present)
				present[done + i] = mapped;
		}
	}
	close(fd);
	return count;
}

/* By the module, for mappings that it knows and nobody else does; otherwise -errno. */
static SP_UNUSED long sp_present_special(const char *start, size_t length, unsigned char *present)
{
	return sp_present_in_file("/dev/segpool_presence", 1, start, length, present);
}

/* Number of mapped pages in the range, or -errno. @present (may be NULL) gets a byte a page. */
static SP_UNUSED long sp_present(const char *start, size_t length, unsigned char *present)
{
	long special = sp_present_special(start, length, present);
	const void *pages[SP_PRESENCE_CHUNK];
	int status[SP_PRESENCE_CHUNK];
	size_t done, i, n, total = length / SP_PAGE;
	long count = 0;

	if (special >= 0)
		return special;
	for (done = 0; done < total; done += n) {
		n = total - done < SP_PRESENCE_CHUNK ? total - done : SP_PRESENCE_CHUNK;
		for (i = 0; i < n; i++)
			pages[i] = start + (done + i) * SP_PAGE;
		if (syscall(SYS_move_pages, 0, n, pages, NULL, status, 0) < 0)
			return -errno;
		for (i = 0; i < n; i++) {
			if (status[i] < 0 && status[i] != -ENOENT)
				return status[i];
			count += status[i] >= 0;
			if (present)
				present[done + i] = status[i] >= 0;
		}
	}
	return count;
}

/* The same from /proc/self/pagemap: pinnable pools only. */
static SP_UNUSED long sp_pagemap_present(const char *start, size_t length)
{
	return sp_present_in_file("/proc/self/pagemap", sizeof(uint64_t), start, length, NULL);
}

/* Page frame numbers of @pages pages (needs root); 0 where nothing is mapped or in strict mode. */
static SP_UNUSED void sp_page_frames(const char *start, size_t pages, uint64_t *frames)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t length = pages * sizeof(frames[0]);
	size_t i;

	if (fd < 0 || pread(fd, frames, length, (uintptr_t)start / SP_PAGE * sizeof(frames[0])) !=
			      length)
		memset(frames, 0, length);
	if (fd >= 0)
		close(fd);
	for (i = 0; i < pages; i++)
		frames[i] = frames[i] >> 63 ? frames[i] & ((1ULL << 55) - 1) : 0;
}

static SP_UNUSED uint64_t sp_page_frame(const char *address)
{
	uint64_t frame;

	sp_page_frames(address, 1, &frame);
	return frame;
}

/* Page faults this thread has taken so far. */
static SP_UNUSED long sp_thread_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

#endif /* SEGPOOL_TESTING_PRESENCE_H */
