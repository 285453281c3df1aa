// SPDX-License-Identifier: GPL-2.0-only
/* The samples, and the programs that the manual prints, do what the documents say they do. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

#include "pool.h"
#include "testing_harness.h"

/* The folder of this program's relatives: build/@name. */
static int beside(const char *name, char *path, size_t size)
{
	char here[PATH_MAX] = "";

	if (readlink("/proc/self/exe", here, sizeof(here) - 1) < 0)
		return -1;
	return snprintf(path, size, "%.*s/../../%s", (int)(strrchr(here, '/') - here), here, name);
}

/* What build/@name prints, errors too; its wait status, or -1. */
static int run_program(const char *name, char *output, size_t size)
{
	char path[PATH_MAX + 64], command[PATH_MAX + 128];
	size_t length;
	FILE *program;

	if (beside(name, path, sizeof(path)) < 0)
		return -1;
	setenv("SEGPOOL_BACKEND", BACKEND == SEGPOOL_BACKEND_USER ? "user" : "kernel", 1);
	snprintf(command, sizeof(command), "'%s' 2>&1", path);
	program = popen(command, "re");
	if (!program)
		return -1;
	length = fread(output, 1, size - 1, program);
	output[length] = 0;
	return pclose(program);
}

TEST(hello)
{
	char output[1024];

	ASSERT_EQ(0, run_program("samples/hello", output, sizeof(output)));
	EXPECT_STREQ("taken:    virtual 16 MiB, physical 16 MiB\n"
		     "released: virtual 16 MiB, physical  0 MiB\n"
		     "taken:    virtual 16 MiB, physical 16 MiB\n"
		     "released: virtual 16 MiB, physical  0 MiB\n"
		     "taken:    virtual 16 MiB, physical 16 MiB\n"
		     "released: virtual 16 MiB, physical  0 MiB\n", output);
}

/* Pages were given up, for want of memory: what was read again was compared with the file. */
TEST(buffer_pool)
{
	unsigned long looks, pages, hits, reads, given_up, peak, budget;
	char output[1024], backend[16];

	ASSERT_EQ(0, run_program("samples/buffer_pool", output, sizeof(output)))
		TH_LOG("%s", output);
	ASSERT_EQ(8, sscanf(output, "%lu looks at %lu pages: %lu in memory, %lu read, %lu given up\n"
			    "%15s pool: at most %lu KiB of %lu\n", &looks, &pages, &hits, &reads,
			    &given_up, backend, &peak, &budget));
	EXPECT_EQ(1024, pages);
	EXPECT_EQ(looks, hits + reads);
	EXPECT_GT(given_up, 1000);
	/* All that is not given up fits. */
	EXPECT_LE((reads - given_up) * 64, budget);
	EXPECT_LE(peak, budget);
	EXPECT_GE(peak, 256 * 64);
	EXPECT_STREQ(BACKEND == SEGPOOL_BACKEND_USER ? "user" : "kernel", backend);
}

TEST(jemalloc_arena)
{
	char output[1024];
	double allocated, purged;
	unsigned int regions;

	ASSERT_EQ(0, run_program("samples/jemalloc_arena", output, sizeof(output)))
		TH_LOG("%s", output);
	ASSERT_EQ(3, sscanf(output, "allocated %u regions, %lf MiB\npurged %*u regions, %lf MiB",
			    &regions, &allocated, &purged));
	/* Memory went back while its regions stayed. */
	EXPECT_GE(regions, 2);
	EXPECT_LT(purged, allocated);
	EXPECT_NE(NULL, strstr(output, "destroyed    0 regions,  0.0 MiB\ngood\n"));
}

TEST(mimalloc_arena)
{
	char output[1024];

	ASSERT_EQ(0, run_program("samples/mimalloc_arena", output, sizeof(output)))
		TH_LOG("%s", output);
	EXPECT_NE(NULL, strstr(output, "in 2 regions: good\n"));
}

TEST(python)
{
	const char *backend = BACKEND == SEGPOOL_BACKEND_USER ? "user pool, " : "kernel pool, ";
	char output[4096];

	ASSERT_EQ(0, run_program("samples/segpool_ctypes", output, sizeof(output)))
		TH_LOG("%s", output);
	EXPECT_NE(NULL, strstr(output, backend));
	EXPECT_NE(NULL, strstr(output, ": good\n"));
}

/* All succeed; that of the device's page wants the device. */
TEST(manual)
{
	char path[PATH_MAX + 64], output[8192];
	int status, number = 0;
	struct dirent *entry;
	DIR *folder;

	ASSERT_GT(beside("examples", path, sizeof(path)), 0);
	folder = opendir(path);
	ASSERT_NE(NULL, folder);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.' || strstr(entry->d_name, ".c"))
			continue;
		if (BACKEND == SEGPOOL_BACKEND_USER && !strcmp(entry->d_name, "segpool.4"))
			continue;
		snprintf(path, sizeof(path), "examples/%s", entry->d_name);
		status = run_program(path, output, sizeof(output));
		EXPECT_EQ(0, status)
			TH_LOG("%s: %s", path, output);
		if (!strcmp(entry->d_name, "segpool_alloc.3"))
			EXPECT_STREQ("8192 bytes\n131072 bytes, kept\n"
				     "again: Operation already in progress\n", output);
		number++;
	}
	closedir(folder);
	EXPECT_GE(number, 16);
}

TEST_HARNESS_MAIN
