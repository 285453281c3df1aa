/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages are these? Page frame numbers, as root reads them in
 * /proc/self/pagemap: they tell whether the pages that somebody was handed are
 * those that somebody else has given up. The file is silent about mappings with
 * VM_PFNMAP, so nothing can be said of strict pools before 7.2.
 */
#ifndef SEGPOOL_SECURITY_FRAMES_H
#define SEGPOOL_SECURITY_FRAMES_H

#include "testing_memory.h"
#include <sched.h>

static SP_UNUSED bool frames_can_be_read(uint32_t mode)
{
	return sp_kernel_knows_pages(mode);
}

static SP_UNUSED size_t frames_known(const uint64_t *frames, size_t count)
{
	size_t known = 0, i;

	for (i = 0; i < count; i++)
		known += frames[i] != 0;
	return known;
}

/* How many of @frames are among @others. */
static SP_UNUSED size_t frames_common(const uint64_t *frames, size_t count, const uint64_t *others,
				      size_t other_count)
{
	size_t common = 0, i, k;

	for (i = 0; i < count; i++) {
		for (k = 0; frames[i] && k < other_count && others[k] != frames[i]; k++)
			;
		common += frames[i] && k < other_count;
	}
	return common;
}

/*
 * Free pages wait on a list of the processor that freed them: who wants them
 * has to ask on each. Part @number of @count is this processor's share, or a
 * later one's.
 */
static SP_UNUSED void go_to_processor(unsigned int number, unsigned int count)
{
	unsigned int processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int processor = number * processors / count;
	cpu_set_t set;

	/* Going there is slow. */
	if (number && processor == (number - 1) * processors / count)
		return;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static SP_UNUSED void go_anywhere(void)
{
	cpu_set_t set;
	long i;

	CPU_ZERO(&set);
	for (i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); i++)
		CPU_SET(i, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

#endif /* SEGPOOL_SECURITY_FRAMES_H */
