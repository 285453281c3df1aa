// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 13: a module with open pools cannot be unloaded; afterwards it
 * unloads clean and can be loaded again. Who may open the device, and with what
 * defaults, is visible to the administrator.
 *
 * SEGPOOL_KO names the module's file; without it /segpool/segpool.ko is tried.
 */
#include "testing.h"
#include <sys/syscall.h>
#include <dirent.h>
#include "testing_harness.h"

#define REGION	(256 * SP_KIB)
#define BUDGET	(8 * REGION)

static const char *module_file(void)
{
	const char *path = getenv("SEGPOOL_KO");

	return path ? path : "/segpool/segpool.ko";
}

static int unload(void)
{
	return syscall(SYS_delete_module, "segpool", O_NONBLOCK) ? -errno : 0;
}

static int load(const char *parameters)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	error = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return error;
}

static int can_unload(void *unused SP_UNUSED)
{
	return !unload();
}

/* The device node appears and goes with the module (devtmpfs). */
static int device_is_there(void *unused SP_UNUSED)
{
	return !access(SEGPOOL_DEVICE, F_OK);
}

static int in_use(int error)
{
	return error == -EBUSY || error == -EWOULDBLOCK;
}

TEST(unload_is_refused_while_a_file_is_open)
{
	struct segpool_setup setup = { 0 };
	int fd = sp_open();

	ASSERT_LE(0, fd);
	EXPECT_TRUE(in_use(unload()));
	ASSERT_EQ(0, sp_setup(fd, &setup));
	EXPECT_TRUE(in_use(unload()));
	EXPECT_EQ(0, sp_trim(fd, 0, NULL));
	close(fd);
}

/* The mapping alone, and a file that only a child holds, keep it as well. */
TEST(unload_is_refused_while_mapped)
{
	struct segpool_region region;
	struct sp_pool pool;

	ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, BUDGET));
	ASSERT_EQ(0, sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	EXPECT_TRUE(in_use(unload()));
	close(pool.fd);
	pool.fd = -1;
	EXPECT_TRUE(in_use(unload()));
	EXPECT_EQ(0, sp_touch_write(sp_region_at(&pool, &region)));
	sp_pool_close(&pool);
}

static int holds_the_file(void *argument)
{
	char byte;

	return read(*(int *)argument, &byte, 1) == 0 ? 0 : 1;
}

TEST(unload_is_refused_while_a_child_has_the_file)
{
	int fd = sp_open(), pipes[2];
	pid_t child;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(pipes[1]);
		_exit(holds_the_file(&pipes[0]));
	}
	close(pipes[0]);
	close(fd);
	EXPECT_TRUE(in_use(unload()));
	close(pipes[1]);
	EXPECT_EQ(0, sp_wait_child(child));
}

/* With retained pages ageing, an event traced, and a hundred pools used and gone. */
TEST(unload_and_load_again)
{
	struct segpool_region regions[4];
	struct sp_pool pool;
	unsigned int i;
	uint64_t slab = 0;

	if (access(module_file(), R_OK))
		SKIP(return, "there is no module file %s to load again; set SEGPOOL_KO",
		     module_file());
	for (i = 0; i < 5; i++) {
		memset(&pool, 0, sizeof(pool));
		pool.setup.region_size = REGION;
		pool.setup.flags = SEGPOOL_SET_AGE | SEGPOOL_SET_VIRTUAL;
		pool.setup.limits.retain_age_ms = 50;
		pool.setup.limits.virtual_budget = BUDGET;
		ASSERT_EQ(0, sp_pool_open(&pool, BUDGET));
		ASSERT_EQ(4, sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 4, regions));
		ASSERT_EQ(0, sp_free_regions(pool.fd, regions, 3, 0));
		sp_pool_close(&pool);
		ASSERT_TRUE(sp_wait_until(can_unload, NULL, 3000));
		EXPECT_NE(0, access("/sys/module/segpool", F_OK));
		EXPECT_NE(0, access(SP_DEBUGFS, F_OK));
		EXPECT_FALSE(device_is_there(NULL));
		if (i == 1)
			slab = sp_meminfo("Slab");
		ASSERT_EQ(0, load(i % 2 ? "virtual_mib=64 physical_mib=32" : ""));
		ASSERT_TRUE(sp_wait_until(device_is_there, NULL, 3000));
		EXPECT_EQ(0, sp_module_counter("pools"));
	}
	EXPECT_GT(slab + 2 * SP_MIB, sp_meminfo("Slab"));
}

TEST(parameters_are_visible)
{
	static const char *const names[] = { "virtual_mib", "physical_mib", "ceiling_mib" };
	char path[128];
	struct stat status;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_NE(UINT64_MAX, sp_module_parameter(names[i])) {
			TH_LOG("no parameter %s", names[i]);
		}
		snprintf(path, sizeof(path), "/sys/module/segpool/parameters/%s", names[i]);
		ASSERT_EQ(0, stat(path, &status));
		EXPECT_EQ(0644, status.st_mode & 07777);
	}
}

/* The defaults of a pool follow the parameters, also after the module was loaded. */
TEST(parameters_are_the_defaults)
{
	uint64_t virtual_mib = sp_module_parameter("virtual_mib");
	uint64_t physical_mib = sp_module_parameter("physical_mib");
	struct segpool_setup setup = { 0 };
	int fd = sp_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sp_set_module_parameter("virtual_mib", 48));
	ASSERT_EQ(0, sp_set_module_parameter("physical_mib", 24));
	EXPECT_EQ(0, sp_setup(fd, &setup));
	EXPECT_EQ(48 * SP_MIB, setup.limits.virtual_budget);
	EXPECT_EQ(24 * SP_MIB, setup.limits.physical_budget);
	sp_set_module_parameter("virtual_mib", virtual_mib);
	sp_set_module_parameter("physical_mib", physical_mib);
	close(fd);
}

static int open_as_nobody(void *unused SP_UNUSED)
{
	if (setgid(65534) || setuid(65534))
		return 1;
	return sp_open() == -EACCES ? 0 : 2;
}

/* The device is root's unless the administrator decides otherwise. */
TEST(device_is_roots)
{
	struct stat status;

	ASSERT_EQ(0, stat(SEGPOOL_DEVICE, &status));
	EXPECT_TRUE(S_ISCHR(status.st_mode));
	EXPECT_EQ(0600, status.st_mode & 07777);
	EXPECT_EQ(0, status.st_uid);
	EXPECT_EQ(0, sp_in_child(open_as_nobody, NULL));
}

/* Loading a second copy is refused and does no harm to the first. */
TEST(second_load_is_refused)
{
	int fd;

	if (access(module_file(), R_OK))
		SKIP(return, "there is no module file %s to load; set SEGPOOL_KO", module_file());
	EXPECT_EQ(-EEXIST, load(""));
	fd = sp_open();
	EXPECT_LE(0, fd);
	close(fd);
}

TEST_HARNESS_MAIN
