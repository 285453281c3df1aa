// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process_memory.h"

#define PAGE		4096U
#define COUNTER_BATCH	32U	/* percpu_counter_batch in the kernel: this, or twice the CPUs */

/*
 * Linux 6.1 keeps a thread's latest changes of VmRSS in the thread, until it
 * faults often enough or unmaps something. So unmap something.
 */
static int settle_rss(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -1;
	*(volatile char *)page = 1;
	return munmap(page, PAGE);
}

int process_memory_read(struct process_memory *memory)
{
	char line[256];
	int found = 0;
	FILE *file;

	if (settle_rss())
		return -1;
	file = fopen("/proc/self/status", "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		found += sscanf(line, "VmSize: %" SCNu64, &memory->mapped) == 1;
		found += sscanf(line, "VmRSS: %" SCNu64, &memory->resident) == 1;
	}
	fclose(file);
	if (found != 2) {
		errno = EPROTO;
		return -1;
	}
	memory->mapped <<= 10;
	memory->resident <<= 10;
	return 0;
}

/* Later kernels count VmRSS per CPU and add up a batch at a time. */
uint64_t process_memory_slack(void)
{
	uint64_t cpus = (uint64_t)sysconf(_SC_NPROCESSORS_CONF);
	uint64_t batch = 2 * cpus > COUNTER_BATCH ? 2 * cpus : COUNTER_BATCH;

	return (1 << 20) + cpus * batch * PAGE;
}
