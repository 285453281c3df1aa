// SPDX-License-Identifier: GPL-2.0-only
/*
 * Design 4.1, mapping modes: files are read straight into a pinnable region, and
 * from 7.2 on into a strict one. Before, that refuses; where the kernel's fast
 * path pins all the same, promise 10 is what protects the page.
 *
 * The disk is the RAM disk /dev/ram0 (module brd), or a loop device over a file.
 */
#include "../testing_memory.h"
#include <linux/loop.h>
#include <sys/stat.h>
#include "testing_harness.h"

#define LENGTH	(256 * SP_KIB)

FIXTURE(direct_io) {
	struct sp_pool pool;
	struct segpool_region region;
	char *bytes;
	int disk;
};

SP_MODE_VARIANTS(direct_io);

static int fill_disk(const char *path)
{
	char *bytes = aligned_alloc(SP_PAGE, LENGTH);
	int disk = open(path, O_RDWR | O_CLOEXEC);
	bool good = false;

	if (disk < 0 || !bytes)
		return -1;
	sp_pattern_write(bytes, LENGTH, 4711);
	good = pwrite(disk, bytes, LENGTH, 0) == (ssize_t)LENGTH && !fsync(disk);
	free(bytes);
	close(disk);
	return good ? open(path, O_RDWR | O_DIRECT | O_CLOEXEC) : -1;
}

static int open_ram_disk(void)
{
	if (access("/dev/ram0", F_OK) && system("modprobe brd rd_nr=1 rd_size=4096 2>/dev/null"))
		return -1;
	return fill_disk("/dev/ram0");
}

static int open_loop_disk(void)
{
	char path[32], backing[] = "/tmp/segpool-disk.XXXXXX";
	int control, number, file = mkstemp(backing), disk;

	if (access("/dev/loop-control", F_OK) && system("modprobe loop 2>/dev/null"))
		return -1;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	if (file < 0 || number < 0 || ftruncate(file, 4 * SP_MIB))
		return -1;
	unlink(backing);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	disk = open(path, O_RDWR | O_CLOEXEC);
	if (disk < 0 || ioctl(disk, LOOP_SET_FD, file))
		return -1;
	close(disk);
	close(control);
	return fill_disk(path);
}

static int open_disk(void)
{
	int disk = open_ram_disk();

	return disk < 0 ? open_loop_disk() : disk;
}

FIXTURE_SETUP(direct_io)
{
	self->disk = open_disk();
	if (self->disk < 0)
		SKIP(return, "neither a RAM disk nor a loop device can be had");
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_BIG, 4 * SP_BIG, 4 * SP_BIG,
				  4 * SP_BIG));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &self->region));
	self->bytes = sp_region_at(&self->pool, &self->region);
}

FIXTURE_TEARDOWN(direct_io)
{
	close(self->disk);
	sp_pool_close(&self->pool);
}

/* From 6.12 on, where there is memfd_secret(): it looks for pages that belong to no file. */
static bool fast_path_refuses(void)
{
	return !sp_kernel_before(6, 12) && sp_kernel_has("secretmem_fault");
}

TEST_F(direct_io, read_into_a_region)
{
	ssize_t n;

	memset(self->bytes, 0x11, SP_BIG);
	n = pread(self->disk, self->bytes, LENGTH, 0);
	if (!sp_kernel_knows_pages(variant->mode) &&
	    (variant->mode == SEGPOOL_MODE_HUGE || n < 0 || fast_path_refuses())) {
		EXPECT_EQ(-1, n);
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(0x11, self->bytes[0]);
		return;
	}
	ASSERT_EQ((ssize_t)LENGTH, n);
	EXPECT_EQ(0, sp_pattern_check(self->bytes, LENGTH, 4711));
	EXPECT_EQ(0x11, self->bytes[LENGTH]);
	/* The pages are the pool's alone again, so a release retains them all. */
	ASSERT_EQ(0, sp_free(self->pool.fd, self->region.handle, 0));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PINNED_PAGES));
	EXPECT_EQ(SP_BIG, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
}

/* Into a released region: refused, and nothing is written anywhere. */
TEST_F(direct_io, released_region_is_refused)
{
	ASSERT_EQ(0, sp_free(self->pool.fd, self->region.handle, 0));
	EXPECT_EQ(-1, pread(self->disk, self->bytes, LENGTH, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
}

/* What a strict pool refuses. */
FIXTURE(pinnable) {
	struct sp_pool pool;
	struct segpool_region region;
	char *bytes;
	int disk;
};

FIXTURE_SETUP(pinnable)
{
	self->disk = open_disk();
	if (self->disk < 0)
		SKIP(return, "neither a RAM disk nor a loop device can be had");
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_PINNABLE, SP_BIG, 4 * SP_BIG,
				  4 * SP_BIG, 4 * SP_BIG));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &self->region));
	self->bytes = sp_region_at(&self->pool, &self->region);
}

FIXTURE_TEARDOWN(pinnable)
{
	close(self->disk);
	sp_pool_close(&self->pool);
}

TEST_F(pinnable, write_from_a_region)
{
	ssize_t n;

	sp_pattern_write(self->bytes, LENGTH, 815);
	n = pwrite(self->disk, self->bytes, LENGTH, 0);
	ASSERT_EQ((ssize_t)LENGTH, n);
	memset(self->bytes, 0, LENGTH);
	ASSERT_EQ((ssize_t)LENGTH, pread(self->disk, self->bytes, LENGTH, 0));
	EXPECT_EQ(0, sp_pattern_check(self->bytes, LENGTH, 815));
}

/* Into pages that are not there yet: the kernel faults them in. */
TEST_F(pinnable, read_faults_pages_in)
{
	ASSERT_EQ(0, sp_discard(self->pool.fd, self->region.handle, 0, SP_BIG, SEGPOOL_NOW));
	ASSERT_EQ((ssize_t)LENGTH, pread(self->disk, self->bytes, LENGTH, 0));
	EXPECT_EQ(LENGTH, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_pattern_check(self->bytes, LENGTH, 4711));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
