// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 10: a page that someone still pins is never given to anyone else. The
 * pins are a pipe's (vmsplice) and io_uring's registered buffers; whoever has
 * the page must go on reading the bytes of the moment of the release, after the
 * whole budget was handed out again and overwritten.
 *
 * In strict mode the kernel refuses to pin, except where its fast path does not
 * look at the mapping (6.1): then the same must hold there.
 */
#include "../testing_memory.h"
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "testing_harness.h"

#define REGIONS	16
#define BUDGET	(REGIONS * SP_SMALL)
#define PINNED	8

FIXTURE(pinned) {
	struct sp_pool pool;
	struct segpool_region first;
	struct segpool_region regions[REGIONS];
	int pipe[2];
};

/* Nobody can pin a page of a huge pool: security/pins. */
FIXTURE_VARIANT(pinned) { uint32_t mode; };
FIXTURE_VARIANT_ADD(pinned, strict) { .mode = SEGPOOL_MODE_STRICT, };
FIXTURE_VARIANT_ADD(pinned, pinnable) { .mode = SEGPOOL_MODE_PINNABLE, };

FIXTURE_SETUP(pinned)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, 2 * BUDGET, BUDGET,
				  BUDGET));
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &self->first));
	sp_pattern_write(sp_region_at(&self->pool, &self->first), SP_SMALL, 1111);
}

FIXTURE_TEARDOWN(pinned)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	sp_pool_close(&self->pool);
}

/* Put references to the region's first pages into the pipe: their number or -errno. */
static int pin_by_pipe(int pipe, char *bytes)
{
	struct iovec vector = { .iov_base = bytes, .iov_len = PINNED * SP_PAGE };
	ssize_t n = vmsplice(pipe, &vector, 1, 0);

	return n < 0 ? -errno : (int)(n / SP_PAGE);
}

/* Take all the budget gives and overwrite it: the number of regions. */
static int overwrite_everything(struct sp_pool *pool, struct segpool_region *regions)
{
	struct segpool_region *region;
	int n = 0;

	for (region = regions; n < REGIONS; region++, n++) {
		if (sp_alloc(pool->fd, 1, SEGPOOL_POPULATE, 1, region) != 1)
			break;
		sp_pattern_write(sp_region_at(pool, region), SP_SMALL, 0xdead0000 + n);
	}
	return n;
}

/* Pages of the pipe that do not show the pattern @owner. */
static int wrong_pages_in_pipe(int pipe, uint64_t owner)
{
	char bytes[PINNED * SP_PAGE];
	size_t done;
	ssize_t n;

	for (done = 0; done < sizeof(bytes); done += n) {
		n = read(pipe, bytes + done, sizeof(bytes) - done);
		if (n <= 0)
			return PINNED;
	}
	return sp_pattern_check(bytes, sizeof(bytes), owner);
}

/* A strict pool may refuse the pin: that keeps the promise too. */
#define PIN_OR_RETURN(pins) do { \
	if (variant->mode == SEGPOOL_MODE_STRICT && (pins) < 0) { \
		EXPECT_EQ(-EFAULT, (pins)); \
		return; \
	} \
	ASSERT_EQ(PINNED, (pins)); \
} while (0)

TEST_F(pinned, by_a_pipe_over_a_release)
{
	int pins = pin_by_pipe(self->pipe[1], sp_region_at(&self->pool, &self->first));

	PIN_OR_RETURN(pins);
	ASSERT_EQ(0, sp_free(self->pool.fd, self->first.handle, 0));
	EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->first)));
	EXPECT_EQ(PINNED, sp_counter(self->pool.fd, SEGPOOL_C_PINNED_PAGES));
	/* The held pages have left the pool and its budget. */
	EXPECT_EQ(SP_SMALL - PINNED * SP_PAGE,
		  sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(REGIONS, overwrite_everything(&self->pool, self->regions));
	EXPECT_EQ(0, wrong_pages_in_pipe(self->pipe[0], 1111));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(pinned, by_a_pipe_over_a_release_to_the_system)
{
	int pins = pin_by_pipe(self->pipe[1], sp_region_at(&self->pool, &self->first));

	PIN_OR_RETURN(pins);
	ASSERT_EQ(0, sp_free(self->pool.fd, self->first.handle, SEGPOOL_NOW));
	EXPECT_EQ(PINNED, sp_counter(self->pool.fd, SEGPOOL_C_PINNED_PAGES));
	EXPECT_EQ(REGIONS, overwrite_everything(&self->pool, self->regions));
	EXPECT_EQ(0, wrong_pages_in_pipe(self->pipe[0], 1111));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(pinned, by_a_pipe_over_a_discard)
{
	char *bytes = sp_region_at(&self->pool, &self->first);
	int pins = pin_by_pipe(self->pipe[1], bytes);

	PIN_OR_RETURN(pins);
	ASSERT_EQ(0, sp_discard(self->pool.fd, self->first.handle, 0, SP_SMALL, 0));
	EXPECT_EQ(PINNED, sp_counter(self->pool.fd, SEGPOOL_C_PINNED_PAGES));
	/* The owner's next touch brings another page too. */
	sp_pattern_write(bytes, SP_SMALL, 2222);
	EXPECT_EQ(REGIONS - 1, overwrite_everything(&self->pool, self->regions));
	EXPECT_EQ(0, wrong_pages_in_pipe(self->pipe[0], 1111));
	EXPECT_EQ(0, sp_pattern_check(bytes, SP_SMALL, 2222));
	EXPECT_NO_DRIFT(&self->pool);
}

/* Not released, the page is the owner's and the pipe's alike. */
TEST_F(pinned, by_a_pipe_without_a_release)
{
	char *bytes = sp_region_at(&self->pool, &self->first);
	int pins = pin_by_pipe(self->pipe[1], bytes);

	PIN_OR_RETURN(pins);
	sp_pattern_write(bytes, SP_SMALL, 3333);
	EXPECT_EQ(0, wrong_pages_in_pipe(self->pipe[0], 3333));
	/* The pin is gone by then, so the page stays in the pool. */
	ASSERT_EQ(0, sp_free(self->pool.fd, self->first.handle, 0));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PINNED_PAGES));
	EXPECT_EQ(SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
}

/* The pool goes altogether; another one and another process's memory overwrite what they get. */
TEST_F(pinned, by_a_pipe_over_a_close)
{
	int pins = pin_by_pipe(self->pipe[1], sp_region_at(&self->pool, &self->first));
	char *bytes;

	PIN_OR_RETURN(pins);
	sp_pool_close(&self->pool);
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, 2 * BUDGET, BUDGET,
				  BUDGET));
	EXPECT_EQ(REGIONS, overwrite_everything(&self->pool, self->regions));
	bytes = mmap(NULL, 8 * SP_MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, bytes);
	memset(bytes, 0x44, 8 * SP_MIB);
	EXPECT_EQ(0, wrong_pages_in_pipe(self->pipe[0], 1111));
	munmap(bytes, 8 * SP_MIB);
}

/* The ring's own file descriptor, or -errno. */
static int ring_open(void)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	return ring < 0 ? -errno : ring;
}

static int ring_register(int ring, char *bytes, size_t length)
{
	struct iovec vector = { .iov_base = bytes, .iov_len = length };

	return syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &vector, 1) < 0 ?
	       -errno : 0;
}

TEST_F(pinned, by_a_registered_buffer)
{
	char *bytes = sp_region_at(&self->pool, &self->first);
	int ring = ring_open(), error;

	if (ring < 0)
		SKIP(return, "io_uring cannot be used on this kernel: %s", strerror(-ring));
	error = ring_register(ring, bytes, SP_SMALL);
	if (variant->mode == SEGPOOL_MODE_STRICT && error) {
		EXPECT_TRUE(error == -EFAULT || error == -EOPNOTSUPP);
		close(ring);
		return;
	}
	if (error == -EOPNOTSUPP) {
		close(ring);
		SKIP(return, "io_uring of this kernel registers no buffers in file mappings");
	}
	ASSERT_EQ(0, error);
	ASSERT_EQ(0, sp_free(self->pool.fd, self->first.handle, 0));
	EXPECT_EQ(16, sp_counter(self->pool.fd, SEGPOOL_C_PINNED_PAGES));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(REGIONS, overwrite_everything(&self->pool, self->regions));
	EXPECT_EQ(REGIONS * 16 + 16, sp_counter(self->pool.fd, SEGPOOL_C_SYSTEM_PAGES));
	close(ring);
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
