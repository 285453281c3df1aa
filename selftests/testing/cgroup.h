/* SPDX-License-Identifier: GPL-2.0-only */
/* One memory cgroup (version 2) for a test. */
#ifndef SEGPOOL_TESTING_CGROUP_H
#define SEGPOOL_TESTING_CGROUP_H

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "system.h"

#define SP_CGROUP_ROOT	"/sys/fs/cgroup"

struct sp_cgroup {
	char path[128];
};

static SP_UNUSED void sp_cgroup_file(const struct sp_cgroup *group, const char *file, char path[256])
{
	snprintf(path, 256, "%s/%s", group->path, file);
}

/* Make a cgroup; @memory_max 0: no limit. Returns 0 or -errno. */
static SP_UNUSED int sp_cgroup_make(struct sp_cgroup *group, const char *name, uint64_t memory_max)
{
	char path[256], text[32];
	int error;

	snprintf(group->path, sizeof(group->path), SP_CGROUP_ROOT "/%s.%d", name, getpid());
	error = sp_write_file(SP_CGROUP_ROOT "/cgroup.subtree_control", "+memory");
	if (error)
		return error;
	if (mkdir(group->path, 0755) && errno != EEXIST)
		return -errno;
	if (!memory_max)
		return 0;
	sp_cgroup_file(group, "memory.max", path);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)memory_max);
	return sp_write_file(path, text);
}

/* Move the calling process into the cgroup. */
static SP_UNUSED int sp_cgroup_enter(const struct sp_cgroup *group)
{
	char path[256];

	sp_cgroup_file(group, "cgroup.procs", path);
	return sp_write_file(path, "0");
}

/*
 * The same, with everything that the process has mapped present: in a full cgroup a page of its own
 * (of its stack that the frame of a signal is the first to reach, of its errno) calls the OOM killer.
 */
static SP_UNUSED int sp_cgroup_enter_with_all_present(const struct sp_cgroup *group)
{
	return sp_cgroup_enter(group) ? -1 : mlockall(MCL_CURRENT);
}

/* Move the calling process back to the root cgroup. */
static SP_UNUSED int sp_cgroup_leave(void)
{
	return sp_write_file(SP_CGROUP_ROOT "/cgroup.procs", "0");
}

/* A file that holds one number, for example memory.current; all bits set on failure. */
static SP_UNUSED uint64_t sp_cgroup_value(const struct sp_cgroup *group, const char *file)
{
	char path[256], text[64];

	sp_cgroup_file(group, file, path);
	return sp_read_file(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* A named number in a file, for example "oom_kill" in memory.events. */
static SP_UNUSED uint64_t sp_cgroup_field(const struct sp_cgroup *group, const char *file,
					  const char *name)
{
	char path[256];

	sp_cgroup_file(group, file, path);
	return sp_file_value(path, name);
}

static SP_UNUSED int sp_cgroup_set(const struct sp_cgroup *group, const char *file,
				   const char *text)
{
	char path[256];

	sp_cgroup_file(group, file, path);
	return sp_write_file(path, text);
}

/* Remove the cgroup once its last process has left it; waits up to a minute for that. */
static SP_UNUSED int sp_cgroup_remove(const struct sp_cgroup *group)
{
	uint64_t end = sp_now_ms() + 60000;

	while (rmdir(group->path)) {
		if (errno != EBUSY || sp_now_ms() >= end)
			return -errno;
		sp_sleep_ms(10);
	}
	return 0;
}

#endif /* SEGPOOL_TESTING_CGROUP_H */
