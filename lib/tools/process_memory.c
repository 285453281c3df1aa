// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process_memory.h"

#define PAGE		4096U
#define STATUS_BYTES	8192
#define COUNTER_BATCH	32U	/* percpu_counter_batch in the kernel: this, or twice the CPUs */

/*
 * Linux 6.1 keeps a thread's latest changes of VmRSS in the thread, until it
 * faults often enough or pages are taken out of its tables. So take one out, one
 * that has always been mapped: there may be a limit to what can be.
 */
static int settle_rss(void)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));

	*(volatile char *)page = 1;
	return madvise(page, PAGE, MADV_DONTNEED);
}

/* The whole file at once, and without the allocator, which may be what is measured. */
static ssize_t read_status(char *text, size_t room)
{
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -1;
	length = read(fd, text, room - 1);
	close(fd);
	if (length >= 0)
		text[length] = '\0';
	return length;
}

static int find(const char *text, const char *name, uint64_t *bytes)
{
	const char *line = strstr(text, name);

	if (!line || sscanf(line + strlen(name), " %" SCNu64, bytes) != 1) {
		errno = EPROTO;
		return -1;
	}
	*bytes <<= 10;
	return 0;
}

int process_memory_read(struct process_memory *memory)
{
	char text[STATUS_BYTES];

	if (settle_rss() || read_status(text, sizeof(text)) < 0)
		return -1;
	if (find(text, "\nVmSize:", &memory->mapped) || find(text, "\nVmRSS:", &memory->resident) ||
	    find(text, "\nVmHWM:", &memory->peak) || find(text, "\nVmData:", &memory->data))
		return -1;
	return 0;
}

int process_memory_forget_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return -1;
	written = write(fd, "5", 1);
	close(fd);
	return written == 1 ? 0 : -1;
}

/* Later kernels count VmRSS per CPU and add up a batch at a time. */
uint64_t process_memory_slack(void)
{
	uint64_t cpus = (uint64_t)sysconf(_SC_NPROCESSORS_CONF);
	uint64_t batch = 2 * cpus > COUNTER_BATCH ? 2 * cpus : COUNTER_BATCH;

	return (1 << 20) + cpus * batch * PAGE;
}
