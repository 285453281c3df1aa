// SPDX-License-Identifier: GPL-2.0-only
/* The samples do what the documents say they do. */
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

#include "pool.h"
#include "testing_harness.h"

/* What build/samples/@name prints; its wait status, or -1. */
static int run_sample(const char *name, char *output, size_t size)
{
	char command[PATH_MAX + 64], here[PATH_MAX] = "";
	size_t length;
	FILE *sample;

	if (readlink("/proc/self/exe", here, sizeof(here) - 1) < 0)
		return -1;
	snprintf(command, sizeof(command), "'%.*s/../../samples/%s'",
		 (int)(strrchr(here, '/') - here), here, name);
	sample = popen(command, "re");
	if (!sample)
		return -1;
	length = fread(output, 1, size - 1, sample);
	output[length] = 0;
	return pclose(sample);
}

TEST(hello)
{
	char output[1024];

	ASSERT_EQ(0, run_sample("hello", output, sizeof(output)));
	EXPECT_STREQ("taken:    virtual 16 MiB, physical 16 MiB\n"
		     "released: virtual 16 MiB, physical  0 MiB\n"
		     "taken:    virtual 16 MiB, physical 16 MiB\n"
		     "released: virtual 16 MiB, physical  0 MiB\n"
		     "taken:    virtual 16 MiB, physical 16 MiB\n"
		     "released: virtual 16 MiB, physical  0 MiB\n", output);
}

TEST_HARNESS_MAIN
