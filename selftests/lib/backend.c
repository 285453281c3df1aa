// SPDX-License-Identifier: GPL-2.0-only
/* Which backend a pool gets: by option, by what there is, by the environment. */
#include <stdlib.h>

#include "pool.h"
#include "testing_harness.h"

/* The name of the pool that these options make, or its error's. */
static const char *outcome(struct segpool_options *options)
{
	struct segpool *pool;
	const char *name;
	int error;

	error = segpool_open(options, &pool);
	if (error)
		return strerrorname_np(-error);
	name = segpool_backend_name(pool);
	segpool_close(pool);
	return name;
}

FIXTURE(backend) {
	struct segpool_options options;
};

FIXTURE_SETUP(backend)
{
	ASSERT_EQ(0, unsetenv("SEGPOOL_BACKEND"));
	small_options(&self->options);
}

FIXTURE_TEARDOWN(backend)
{
}

TEST_F(backend, as_asked_for)
{
	self->options.backend = SEGPOOL_BACKEND_AUTO;
	EXPECT_STREQ("kernel", outcome(&self->options));
	EXPECT_STREQ("kernel", outcome(NULL));
	self->options.backend = SEGPOOL_BACKEND_KERNEL;
	EXPECT_STREQ("kernel", outcome(&self->options));
	self->options.backend = SEGPOOL_BACKEND_USER;
	EXPECT_STREQ("user", outcome(&self->options));
	self->options.backend = SEGPOOL_BACKEND_USER + 1;
	EXPECT_STREQ("EINVAL", outcome(&self->options));
	EXPECT_NE(NULL, strstr(sentence(NULL, -EINVAL), "options.backend"));
}

TEST_F(backend, environment_overrides)
{
	ASSERT_EQ(0, setenv("SEGPOOL_BACKEND", "user", 1));
	EXPECT_STREQ("user", outcome(&self->options));
	ASSERT_EQ(0, setenv("SEGPOOL_BACKEND", "kernel", 1));
	self->options.backend = SEGPOOL_BACKEND_USER;
	EXPECT_STREQ("kernel", outcome(&self->options));
	ASSERT_EQ(0, setenv("SEGPOOL_BACKEND", "auto", 1));
	EXPECT_STREQ("kernel", outcome(&self->options));
	ASSERT_EQ(0, setenv("SEGPOOL_BACKEND", "", 1));
	EXPECT_STREQ("user", outcome(&self->options));
	ASSERT_EQ(0, setenv("SEGPOOL_BACKEND", "Kernel", 1));
	EXPECT_STREQ("EINVAL", outcome(&self->options));
	EXPECT_STREQ("the environment variable SEGPOOL_BACKEND must be auto, kernel or user",
		     sentence(NULL, -EINVAL));
}

/* Root's device, to somebody else: as if there were no module. */
TEST_F(backend, only_root_by_default)
{
	ASSERT_EQ(0, setuid(65534));
	EXPECT_STREQ("EACCES", outcome(&self->options));
	EXPECT_NE(NULL, strstr(sentence(NULL, -EACCES), "MODE=\"0660\""));
	self->options.backend = SEGPOOL_BACKEND_AUTO;
	EXPECT_STREQ("user", outcome(&self->options));
}

/* Who names a device means it. */
TEST_F(backend, named_device)
{
	self->options.backend = SEGPOOL_BACKEND_AUTO;
	self->options.device = "/dev/segpool-that-is-not";
	EXPECT_STREQ("ENOENT", outcome(&self->options));
	EXPECT_STREQ("no /dev/segpool-that-is-not: load the module (modprobe segpool, or insmod "
		     "segpool.ko)", sentence(NULL, -ENOENT));
	self->options.device = "/dev/null";
	EXPECT_STREQ("ENOTTY", outcome(&self->options));
	self->options.device = SEGPOOL_DEVICE;
	EXPECT_STREQ("kernel", outcome(&self->options));
	self->options.backend = SEGPOOL_BACKEND_USER;
	self->options.device = "/dev/null";
	EXPECT_STREQ("user", outcome(&self->options));
}

TEST_F(backend, capabilities)
{
	struct segpool *pool;

	ASSERT_EQ(0, segpool_open(&self->options, &pool));
	EXPECT_EQ(SEGPOOL_CAN_ALL & ~SEGPOOL_CAN_SKIP_CALLS, segpool_capabilities(pool));
	segpool_close(pool);
	self->options.backend = SEGPOOL_BACKEND_USER;
	ASSERT_EQ(0, segpool_open(&self->options, &pool));
	EXPECT_EQ(0, segpool_capabilities(pool));
	EXPECT_EQ(-EOPNOTSUPP, segpool_pressure_fd(pool));
	segpool_close(pool);
	EXPECT_EQ(0, segpool_capabilities(NULL));
	EXPECT_EQ(NULL, segpool_backend_name(NULL));
}

TEST_HARNESS_MAIN
