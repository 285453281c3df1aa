/* SPDX-License-Identifier: GPL-2.0-only */
/* Too little memory for all pools together: by the model, and by what it prints. */
#ifndef SEGPOOL_MODEL_SCARCITY_H
#define SEGPOOL_MODEL_SCARCITY_H

#include "../testing_memory.h"
#include <dirent.h>

#define SHRINKERS	"/sys/kernel/debug/shrinker"

/* Of all pools. The module may have an eighth of it for itself, which tens of pools do not need. */
#define CEILING_MIB	4
#define CEILING_PAGES	((uint32_t)(CEILING_MIB * SP_MIB / SP_PAGE))
/* More than the ceiling. */
#define CEILING_REGIONS	80U

static int shrinker_scan_file(char *path, size_t size)
{
	DIR *directory = opendir(SHRINKERS);
	struct dirent *entry;
	int found = -ENOENT;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory)))
		if (!strncmp(entry->d_name, "segpool", strlen("segpool"))) {
			snprintf(path, size, SHRINKERS "/%s/scan", entry->d_name);
			found = 0;
		}
	closedir(directory);
	return found;
}

enum { SHRINK_BY_SHRINKER, SHRINK_BY_CACHES, SHRINK_BY_RECLAIM, NR_SHRINK_WAYS };

/* The module's shrinker, where the kernel lets us call it; all of them; all of reclaim. */
static SP_UNUSED long shrink(uint32_t how)
{
	char path[512];

	/* The root memory cgroup, the first node, as many as there are. */
	if (how == SHRINK_BY_SHRINKER && !shrinker_scan_file(path, sizeof(path)) &&
	    !sp_write_file(path, "1 0 65536"))
		return 0;
	/* It says so where less was to be had, or where it cannot do it at all. */
	if (how == SHRINK_BY_RECLAIM &&
	    sp_write_file("/sys/fs/cgroup/memory.reclaim", "256K") != -ENOENT)
		return 0;
	sp_write_file("/proc/sys/vm/drop_caches", "2");
	return 0;
}

/* A new pool wants more than the ceiling: how many regions it gets, and why no more. */
static SP_UNUSED long try_ceiling(uint32_t mode, uint32_t *reason)
{
	uint64_t saved = sp_module_parameter("ceiling_mib");
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE, .count = CEILING_REGIONS };
	struct segpool_region regions[CEILING_REGIONS];
	struct sp_pool pool;
	int error;

	error = sp_pool_make(&pool, mode, SP_SMALL, CEILING_REGIONS * SP_SMALL,
			     CEILING_REGIONS * SP_SMALL, 0);
	if (error)
		return error;
	error = sp_set_module_parameter("ceiling_mib", CEILING_MIB);
	if (!error)
		error = sp_alloc_call(pool.fd, &call, regions);
	if (sp_set_module_parameter("ceiling_mib", saved))
		error = -EIO;
	*reason = call.reason;
	sp_pool_close(&pool);
	return error && error != -ENOMEM ? error : (long)call.done;
}

/* The same, for a program that compares one number. */
static SP_UNUSED long ceiling(uint32_t mode)
{
	uint32_t reason;

	return try_ceiling(mode, &reason);
}

#endif /* SEGPOOL_MODEL_SCARCITY_H */
