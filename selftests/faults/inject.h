/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Failing the n-th allocation, or copy to or from user space, of a system call
 * of the calling thread: /proc/thread-self/fail-nth.
 */
#ifndef SEGPOOL_FAULTS_INJECT_H
#define SEGPOOL_FAULTS_INJECT_H

#include <stdbool.h>
#include "../testing.h"

#define INJECT_DEBUGFS	"/sys/kernel/debug/"
#define INJECT_FAIL_NTH	"/proc/thread-self/fail-nth"

/* What the kernel can be made to fail; a capability counts down @left from INJECT_TIMES. */
enum inject_kind { INJECT_SLAB, INJECT_PAGE, INJECT_USERCOPY, INJECT_KINDS };

#define INJECT_TIMES	1000000000ULL

static const char *const inject_dirs[INJECT_KINDS] = {
	"failslab", "fail_page_alloc", "fail_usercopy",
};

static int inject_fd = -1;

static void inject_path(char path[128], enum inject_kind kind, const char *file)
{
	snprintf(path, 128, INJECT_DEBUGFS "%s/%s", inject_dirs[kind], file);
}

static int inject_set(enum inject_kind kind, const char *file, unsigned long long value)
{
	char path[128], text[32];

	inject_path(path, kind, file);
	snprintf(text, sizeof(text), "%llu", value);
	return sp_write_file(path, text);
}

static bool inject_has(enum inject_kind kind)
{
	char path[128];

	inject_path(path, kind, "times");
	return !access(path, W_OK);
}

/* How many failures of a kind there were since inject_begin(), as the kernel counts them. */
static SP_UNUSED uint64_t inject_count(enum inject_kind kind)
{
	char path[128], text[32];

	inject_path(path, kind, "times");
	if (!inject_has(kind) || sp_read_file(path, text, sizeof(text)) <= 0)
		return 0;
	return INJECT_TIMES - strtoull(text, NULL, 10);
}

static SP_UNUSED uint64_t inject_count_all(void)
{
	uint64_t sum = 0;
	int kind;

	for (kind = 0; kind < INJECT_KINDS; kind++)
		sum += inject_count(kind);
	return sum;
}

/* By default the kernel spares nearly all allocations that may sleep, and prints each failure. */
static int inject_configure(void)
{
	int error = 0, kind;

	for (kind = 0; kind < INJECT_KINDS; kind++) {
		if (!inject_has(kind))
			continue;
		error = error ?: inject_set(kind, "times", INJECT_TIMES);
		error = error ?: inject_set(kind, "verbose", 0);
	}
	error = error ?: sp_write_file(INJECT_DEBUGFS "failslab/ignore-gfp-wait", "N");
	error = error ?: sp_write_file(INJECT_DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	error = error ?: sp_write_file(INJECT_DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	return error ?: inject_set(INJECT_PAGE, "min-order", 0);
}

/* For the calling thread, and again for a child that wants it for itself. */
static int inject_open(void)
{
	if (inject_fd >= 0)
		close(inject_fd);
	inject_fd = open(INJECT_FAIL_NTH, O_RDWR | O_CLOEXEC);
	return inject_fd < 0 ? -errno : 0;
}

/* NULL, or why this kernel cannot do it. */
static SP_UNUSED const char *inject_begin(void)
{
	if (inject_open())
		return "the kernel has no " INJECT_FAIL_NTH " (CONFIG_FAULT_INJECTION)";
	if (!inject_has(INJECT_SLAB) || !inject_has(INJECT_PAGE))
		return "the kernel has no failslab or fail_page_alloc in debugfs";
	if (inject_configure())
		return "failslab and fail_page_alloc in debugfs cannot be written";
	return NULL;
}

/* From now on the @nth chance to fail is taken. */
static SP_UNUSED void inject_arm(unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(inject_fd, text, length, 0) != length) {
		perror("writing " INJECT_FAIL_NTH);
		abort();
	}
}

/*
 * Ends it; returns whether something failed. Reading and writing the file are
 * chances themselves: they fail where the call before left only one or two.
 */
static SP_UNUSED bool inject_disarm(void)
{
	int saved = errno;
	char text[16] = "";
	bool failed;

	failed = pread(inject_fd, text, sizeof(text) - 1, 0) > 0 && !strtoul(text, NULL, 10);
	if (pwrite(inject_fd, "0", 1, 0) < 0)
		pwrite(inject_fd, "0", 1, 0);
	errno = saved;
	return failed;
}

/* Ends it where the chance number @nth was not reached; returns how many there were. */
static SP_UNUSED unsigned int inject_disarm_unreached(unsigned int nth)
{
	char text[16] = "";
	unsigned int left = 0;

	if (pread(inject_fd, text, sizeof(text) - 1, 0) > 0)
		left = strtoul(text, NULL, 10);
	inject_disarm();
	return left && left < nth ? nth - left : 0;
}

#endif /* SEGPOOL_FAULTS_INJECT_H */
