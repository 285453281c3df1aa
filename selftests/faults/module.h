/* SPDX-License-Identifier: GPL-2.0-only */
/* Unloading and loading segpool.ko, with what its parameters were. */
#ifndef SEGPOOL_FAULTS_MODULE_H
#define SEGPOOL_FAULTS_MODULE_H

#include <stdbool.h>
#include <sys/syscall.h>
#include "../testing.h"

static char module_parameters[256];

/* SEGPOOL_KO names the file; without it the guest's is taken. */
static const char *module_file(void)
{
	const char *path = getenv("SEGPOOL_KO");

	return path ? path : "/segpool/segpool.ko";
}

static SP_UNUSED void module_remember(void)
{
	static const char *const names[] = { "virtual_mib", "physical_mib", "ceiling_mib" };
	size_t length = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		length += snprintf(module_parameters + length, sizeof(module_parameters) - length,
				   "%s=%llu ", names[i],
				   (unsigned long long)sp_module_parameter(names[i]));
}

static SP_UNUSED int module_load_with(int fd, const char *parameters)
{
	return syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
}

static SP_UNUSED int module_load(void)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	error = module_load_with(fd, module_parameters);
	close(fd);
	return error;
}

static SP_UNUSED int module_unload(void)
{
	return syscall(SYS_delete_module, "segpool", O_NONBLOCK) ? -errno : 0;
}

static SP_UNUSED bool module_in_use(int error)
{
	return error == -EBUSY || error == -EWOULDBLOCK;
}

static SP_UNUSED int module_is_unloaded(void *unused SP_UNUSED)
{
	int error = module_unload();

	return !error || error == -ENOENT;
}

static int module_device_is_there(void *unused SP_UNUSED)
{
	return !access(SEGPOOL_DEVICE, F_OK);
}

/* The device node comes a moment after the module. */
static SP_UNUSED bool module_wait_device(void)
{
	return sp_wait_until(module_device_is_there, NULL, 20000);
}

static int module_leaves_nothing(void *unused SP_UNUSED)
{
	return access("/sys/module/segpool", F_OK) && access(SP_DEBUGFS, F_OK) &&
	       access("/sys/class/misc/segpool", F_OK) && !module_device_is_there(NULL);
}

/* NULL, or that an unloaded module is still to be seen. */
static SP_UNUSED const char *module_remains(void)
{
	return sp_wait_until(module_leaves_nothing, NULL, 20000) ?
	       NULL : "the module is gone, but not all that it had made";
}

/* NULL, or why it cannot be unloaded and loaded here. */
static SP_UNUSED const char *module_missing(void)
{
	if (access(module_file(), R_OK))
		return "there is no module file to load again; SEGPOOL_KO names it";
	return geteuid() ? "only root loads modules" : NULL;
}

/* A pool is made, used and ended: NULL, or what does not work. */
static SP_UNUSED const char *module_trial(void)
{
	struct segpool_region region;
	struct sp_pool pool;
	const char *wrong = NULL;

	if (!module_wait_device())
		return "there is no device although the module is loaded";
	if (sp_pool_make(&pool, SEGPOOL_MODE_STRICT, 64 * SP_KIB, SP_MIB, SP_MIB, SP_MIB))
		return "a pool cannot be made";
	if (sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL) ||
	    sp_touch_write(sp_region_at(&pool, &region)) || sp_free(pool.fd, region.handle, 0))
		wrong = "a region cannot be had, written and released";
	sp_pool_close(&pool);
	return wrong;
}

#endif /* SEGPOOL_FAULTS_MODULE_H */
