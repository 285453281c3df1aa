/* SPDX-License-Identifier: GPL-2.0-only */
/* What the system says about its memory: the truth behind the counters. */
#ifndef SEGPOOL_TESTING_SYSTEM_H
#define SEGPOOL_TESTING_SYSTEM_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include "calls.h"

/* The number after @name in a file of "name value" lines; all bits set if it is not there. */
static SP_UNUSED uint64_t sp_file_value(const char *path, const char *name)
{
	size_t length = strlen(name);
	uint64_t value = UINT64_MAX;
	char line[512];
	FILE *file = fopen(path, "re");

	if (!file)
		return UINT64_MAX;
	while (value == UINT64_MAX && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length) && strchr(" \t:=", line[length]))
			value = strtoull(line + length + strspn(line + length, " \t:="), NULL, 0);
	fclose(file);
	return value;
}

/* A field of /proc/meminfo, in bytes. */
static SP_UNUSED uint64_t sp_meminfo(const char *name)
{
	uint64_t kib = sp_file_value("/proc/meminfo", name);

	return kib == UINT64_MAX ? kib : kib * SP_KIB;
}

static SP_UNUSED uint64_t sp_vmstat(const char *name)
{
	return sp_file_value("/proc/vmstat", name);
}

/* Bytes in the buddy lists of all zones. */
static SP_UNUSED uint64_t sp_buddy_bytes(void)
{
	uint64_t bytes = 0;
	char line[1024], *at, *end;
	FILE *file = fopen("/proc/buddyinfo", "re");
	unsigned long long blocks;
	int order, skip;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, "zone");
		if (!at)
			continue;
		skip = 0;
		sscanf(at, "zone %*s%n", &skip);
		at += skip;
		for (order = 0;; order++, at = end) {
			blocks = strtoull(at, &end, 10);
			if (end == at)
				break;
			bytes += blocks * (SP_PAGE << order);
		}
	}
	fclose(file);
	return bytes;
}

/*
 * Free bytes: the buddy lists and the free pages parked for each CPU. A page
 * given back to the system is in one of them at once.
 */
static SP_UNUSED uint64_t sp_free_bytes(void)
{
	unsigned long long pages, total = 0;
	char line[512];
	FILE *file = fopen("/proc/zoneinfo", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " pages free %llu", &pages) == 1 ||
		    sscanf(line, " count: %llu", &pages) == 1)
			total += pages;
	fclose(file);
	return total * SP_PAGE;
}

static SP_UNUSED uint64_t sp_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The clock that the kernel moves on with its ticks, late ones included. */
static SP_UNUSED uint64_t sp_ticks_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static SP_UNUSED void sp_sleep_ms(unsigned int ms)
{
	struct timespec span = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L };

	while (nanosleep(&span, &span) && errno == EINTR)
		;
}

/* Poll @condition(@argument) until it is true (1) or @timeout_ms have passed (0). */
static SP_UNUSED int sp_wait_until(int (*condition)(void *argument), void *argument,
				   unsigned int timeout_ms)
{
	uint64_t end = sp_now_ms() + timeout_ms;

	while (!condition(argument)) {
		if (sp_now_ms() >= end)
			return condition(argument);
		sp_sleep_ms(5);
	}
	return 1;
}

/* Wait until at least @bytes are free: 1, or 0 after @timeout_ms. */
static SP_UNUSED int sp_wait_free_bytes(uint64_t bytes, unsigned int timeout_ms)
{
	uint64_t end = sp_now_ms() + timeout_ms;

	while (sp_free_bytes() < bytes) {
		if (sp_now_ms() >= end)
			return sp_free_bytes() >= bytes;
		/* Each look costs memory that a debug kernel is slow to use again. */
		sp_sleep_ms(50);
	}
	return 1;
}

/* Write a string to a file: 0 or -errno. */
static SP_UNUSED int sp_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* Read a small file whole and end it with a NUL: its length, or -errno. */
static SP_UNUSED ssize_t sp_read_file(const char *path, char *buffer, size_t size)
{
	ssize_t n, length = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while ((size_t)length < size - 1) {
		n = read(fd, buffer + length, size - 1 - length);
		if (n <= 0)
			break;
		length += n;
	}
	close(fd);
	buffer[length] = '\0';
	return length;
}

/* A parameter of the loaded module; all bits set if there is none of that name. */
static SP_UNUSED uint64_t sp_module_parameter(const char *name)
{
	char path[256], text[64];

	snprintf(path, sizeof(path), "/sys/module/segpool/parameters/%s", name);
	if (sp_read_file(path, text, sizeof(text)) <= 0)
		return UINT64_MAX;
	return strtoull(text, NULL, 0);
}

static SP_UNUSED int sp_set_module_parameter(const char *name, uint64_t value)
{
	char path[256], text[32];

	snprintf(path, sizeof(path), "/sys/module/segpool/parameters/%s", name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return sp_write_file(path, text);
}

/*
 * Has the kernel's shrinkers take what they can, until the pool's shrunk_pages
 * grow. Up to 6.6 one round does nothing where a shrinker comes or goes at that
 * moment, as with a file system that was just unmounted.
 */
static SP_UNUSED bool sp_drop_slab(int fd)
{
	uint64_t before = sp_counter(fd, SEGPOOL_C_SHRUNK_PAGES);
	int i;

	for (i = 0; i < 200; i++) {
		if (sp_write_file("/proc/sys/vm/drop_caches", "2"))
			return false;
		if (sp_counter(fd, SEGPOOL_C_SHRUNK_PAGES) > before)
			return true;
		usleep(10000);
	}
	return false;
}

/* Whether the running kernel is older than this. */
static SP_UNUSED bool sp_kernel_before(unsigned int major, unsigned int minor)
{
	unsigned int has_major = 0, has_minor = 0;
	struct utsname name;

	if (uname(&name))
		return false;
	sscanf(name.release, "%u.%u", &has_major, &has_minor);
	return has_major < major || (has_major == major && has_minor < minor);
}

/*
 * Does the kernel know the pages of a mapping in this mode, so that it can pin
 * them by their address, unmap them and tell their frames?
 */
static SP_UNUSED bool sp_kernel_knows_pages(uint32_t mode)
{
	return mode == SEGPOOL_MODE_PINNABLE ||
	       (mode == SEGPOOL_MODE_STRICT && !sp_kernel_before(7, 2));
}

/* Does it map a huge page by one entry? */
static SP_UNUSED bool sp_kernel_maps_huge(void)
{
	return !sp_kernel_before(6, 12);
}

/* Whether the running kernel has a function of this name. */
static SP_UNUSED bool sp_kernel_has(const char *function)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char line[512], name[256];
	bool found = false;

	while (symbols && !found && fgets(line, sizeof(line), symbols))
		found = sscanf(line, "%*s %*s %255s", name) == 1 && !strcmp(name, function);
	if (symbols)
		fclose(symbols);
	return found;
}

#endif /* SEGPOOL_TESTING_SYSTEM_H */
