// SPDX-License-Identifier: GPL-2.0-only
/*
 * Under the kernel's lockdown, at its strictest (confidentiality): what was
 * loaded goes on working; debugfs shows what it showed, since its files can only
 * be read, by root, and tell nothing of anybody's memory; tracing is closed, and
 * so is the loading of modules that nobody has signed.
 *
 * Lockdown cannot be taken back, so this program has a guest of its own
 * (lockdown.boot).
 */
#include "become.h"
#include <sys/mount.h>
#include <sys/syscall.h>
#include "testing_harness.h"

#define SWITCH	"/sys/kernel/security/lockdown"

/* NULL, or why the machine cannot be locked down. */
static const char *lock_down(void)
{
	char text[128];

	mount("security", "/sys/kernel/security", "securityfs", 0, NULL);
	if (sp_read_file(SWITCH, text, sizeof(text)) <= 0)
		return "this kernel has no lockdown (SECURITY_LOCKDOWN_LSM)";
	if (!strstr(text, "[confidentiality]") && sp_write_file(SWITCH, "confidentiality"))
		return "this kernel refuses to be locked down";
	return NULL;
}

FIXTURE(locked_down) {
	struct sp_pool pool;
	struct segpool_region region;
	bool ready;
};

FIXTURE_SETUP(locked_down)
{
	const char *missing = lock_down();

	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_PINNABLE, 64 * SP_KIB, SP_MIB, SP_MIB,
				  SP_MIB));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &self->region));
	self->ready = true;
}

FIXTURE_TEARDOWN(locked_down)
{
	if (self->ready)
		sp_pool_close(&self->pool);
}

TEST_F(locked_down, pools_work)
{
	EXPECT_EQ(0, sp_touch_write(sp_region_at(&self->pool, &self->region)));
	EXPECT_EQ(0, sp_free(self->pool.fd, self->region.handle, 0));
	EXPECT_EQ(64 * SP_KIB, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
}

TEST_F(locked_down, debugfs_can_be_read)
{
	struct sp_region_sums sums;

	EXPECT_EQ(64 * SP_KIB, sp_module_counter("physical_bytes"));
	EXPECT_EQ(64 * SP_KIB, sp_pool_counter(self->pool.id, "physical_bytes"));
	EXPECT_EQ(1, sp_regions_walk(self->pool.id, &sums));
	EXPECT_EQ(16, sums.active_pages);
	EXPECT_EQ(1, sp_table_walk(SP_DEBUGFS "/pools", NULL, NULL));
}

/* Nothing there takes orders, so there is nothing that lockdown would have to close. */
TEST_F(locked_down, debugfs_cannot_be_written)
{
	EXPECT_NE(0, refusal_of(SP_DEBUGFS "/counters", O_WRONLY));
	EXPECT_NE(0, refusal_of(SP_DEBUGFS "/counters", O_RDWR));
	EXPECT_NE(0, refusal_of(SP_DEBUGFS "/pools", O_WRONLY));
}

TEST_F(locked_down, tracing_is_closed)
{
	EXPECT_EQ(EPERM, refusal_of("/sys/kernel/tracing/trace_pipe", O_RDONLY));
	EXPECT_EQ(EPERM, refusal_of("/sys/kernel/tracing/events/segpool/enable", O_RDONLY));
}

TEST_F(locked_down, unsigned_modules_are_refused)
{
	int file = open("/segpool/segpool.ko", O_RDONLY | O_CLOEXEC);

	if (file < 0)
		SKIP(return, "there is no module file to try");
	EXPECT_EQ(-1, syscall(SYS_finit_module, file, "", 0));
	EXPECT_EQ(EPERM, errno);
	close(file);
}

TEST_HARNESS_MAIN
