// SPDX-License-Identifier: GPL-2.0-only
/*
 * What somebody who may open the device, and nothing else, can try against the
 * machine and against others: hoarding pages that the ceiling does not see,
 * crowds that wait, the kernel's log, other doors to the same calls, tools that
 * put things into page tables.
 */
#include "testing_memory.h"
#include "become.h"
#include "stranger_calls.h"
#include <linux/userfaultfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "testing_harness.h"

#define REGION		SP_SMALL
#define REGION_PAGES	(REGION / SP_PAGE)

/* --- pages that leave the pool while they are held --- */

#define HOARD_LIMIT	(16 * SP_MIB)
#define HOARD_PIPES	1000

/* Allocate, put the pages into a pipe, release: the pool and the ceiling count them no more. */
static int hoard(void *group)
{
	struct rlimit files = { .rlim_cur = 4096, .rlim_max = 4096 };
	struct iovec vector = { .iov_len = REGION };
	static int pipes[HOARD_PIPES][2];
	struct segpool_region region;
	struct sp_pool pool;
	uint32_t reason = 0;
	int i, error = 0;

	if (setrlimit(RLIMIT_NOFILE, &files))
		return 1;
	/* No more pipes: another limit of the system. Made before what is made may be too much. */
	for (i = 0; i < HOARD_PIPES; i++)
		if (pipe2(pipes[i], O_NONBLOCK))
			return 2;
	if (sp_cgroup_enter_with_all_present(group) ||
	    sp_pool_make(&pool, SEGPOOL_MODE_PINNABLE, REGION, SP_MIB, SP_MIB, 0))
		return 1;
	for (i = 0; i < HOARD_PIPES && !error; i++) {
		error = sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE, 0, &region, &reason);
		vector.iov_base = pool.base + region.offset;
		if (error)
			break;
		if (vmsplice(pipes[i][1], &vector, 1, 0) <= 0)
			return 3;
		if (sp_free(pool.fd, region.handle, SEGPOOL_NOW))
			return 4;
	}
	return error == -ENOMEM && reason == SEGPOOL_REASON_SYSTEM ? 0 : 5;
}

/* They stay the hoarder's: charged to his cgroup until the last holder lets go. */
TEST(hoarded_pages_stay_charged)
{
	uint64_t kills = sp_vmstat("oom_kill");
	struct sp_cgroup group;

	ASSERT_EQ(0, sp_cgroup_make(&group, "segpool-hoard", HOARD_LIMIT));
	sp_cgroup_set(&group, "memory.swap.max", "0");
	EXPECT_EQ(0, sp_in_child(hoard, &group));
	EXPECT_EQ(kills, sp_vmstat("oom_kill"));
	EXPECT_EQ(0, sp_cgroup_remove(&group));
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
}

/* --- a crowd that waits at the ceiling --- */

#define CROWD		100
#define CEILING_MIB	16
#define CROWD_MS	600000
#define TURNS		10

struct crowd {
	struct sp_pool full;
	atomic_bool stop;
};

static void *wait_again_and_again(void *argument)
{
	struct crowd *crowd = argument;
	struct segpool_region region;

	while (!atomic_load(&crowd->stop))
		if (!sp_alloc_one(crowd->full.fd, 0, SEGPOOL_POPULATE | SEGPOOL_WAIT, 1000, &region,
				  NULL))
			sp_free(crowd->full.fd, region.handle, SEGPOOL_NOW);
	return NULL;
}

/* Has others' memory by the rules: up to the ceiling, and waits for more with a hundred threads. */
static int crowd_main(void *pipes)
{
	static struct segpool_region regions[CEILING_MIB * SP_MIB / REGION];
	unsigned int count = ARRAY_SIZE(regions) - 4, i;
	static struct crowd crowd;
	pthread_t threads[CROWD];

	if (sp_pool_make(&crowd.full, SEGPOOL_MODE_STRICT, REGION, SP_GIB, SP_GIB, 0) ||
	    sp_alloc(crowd.full.fd, 0, SEGPOOL_POPULATE, count, regions) != (int)count)
		return 1;
	for (i = 0; i < CROWD; i++)
		if (pthread_create(&threads[i], NULL, wait_again_and_again, &crowd))
			return 2;
	if (write(((int *)pipes)[1], "r", 1) != 1)
		return 3;
	pause();
	return 0;
}

FIXTURE(ceiling) {
	uint64_t before;
};

FIXTURE_SETUP(ceiling)
{
	self->before = sp_module_parameter("ceiling_mib");
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", CEILING_MIB));
}

FIXTURE_TEARDOWN(ceiling)
{
	EXPECT_EQ(0, sp_set_module_parameter("ceiling_mib", self->before));
}

/* Somebody else's pool goes on: what he has he can release and, by waiting, have again. */
TEST_F_TIMEOUT(ceiling, crowd_stops_nobody, 700)
{
	struct segpool_region region;
	unsigned int got = 0;
	uint64_t end;
	struct sp_pool pool;
	int pipes[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	child = sp_start_child(crowd_main, pipes);
	ASSERT_LT(0, child);
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, SP_MIB, SP_MIB, 0));
	for (end = sp_now_ms() + CROWD_MS; got < TURNS && sp_now_ms() < end;) {
		if (sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE | SEGPOOL_WAIT, 1000, &region, NULL))
			continue;
		got++;
		EXPECT_EQ(0, sp_free(pool.fd, region.handle, SEGPOOL_NOW));
	}
	EXPECT_EQ(TURNS, got);
	kill(child, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, sp_wait_child(child));
	/* And the moment that they are gone, at once. */
	EXPECT_EQ(0, sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE | SEGPOOL_WAIT, 10000, &region,
				  NULL));
	sp_pool_close(&pool);
}

/* --- the kernel's log --- */

/* Lines that name the module or this program; -errno where the log cannot be read. */
static int log_lines(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), lines = 0;
	char line[8192];
	ssize_t n;

	if (log < 0)
		return -errno;
	while ((n = read(log, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		line[n < 0 ? 0 : n] = '\0';
		lines += strstr(line, "segpool") != NULL || strstr(line, "attackers") != NULL;
	}
	close(log);
	return lines;
}

static void mistakes(struct sp_pool *pool)
{
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE, .count = 1 };
	struct segpool_region region;
	unsigned int nr;

	for (nr = 0; nr < 16; nr++)
		stranger_ioctl(pool->fd, nr);
	sp_alloc_call(pool->fd, &call, NULL);
	sp_alloc(pool->fd, 0, SEGPOOL_POPULATE, 64, (void *)8);
	sp_free(pool->fd, 1ULL << 32 | 77, 0);
	sp_touch(pool->base + pool->length - SP_PAGE);
	mprotect(pool->base, SP_PAGE, PROT_EXEC);
	munmap(pool->base, SP_PAGE);
	while (!sp_alloc_one(pool->fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
		;
}

TEST(nothing_that_a_program_does_is_logged)
{
	int before = log_lines(), i;
	struct sp_pool pool;

	ASSERT_LE(0, before) {
		TH_LOG("/dev/kmsg cannot be read: %s", strerror(-before));
	}
	/* The yardstick: what is logged is counted. */
	ASSERT_EQ(0, sp_write_file("/dev/kmsg", "<7>security/attackers counts what is logged\n"));
	ASSERT_EQ(++before, log_lines());
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, sp_pool_make(&pool, i % 2, REGION, 4 * REGION, 2 * REGION, 0));
		mistakes(&pool);
		sp_pool_close(&pool);
	}
	EXPECT_EQ(before, log_lines());
}

/* --- the door of 32-bit programs --- */

static long ioctl_of_32_bits(int fd, unsigned int command, unsigned int argument)
{
	long result;

	asm volatile("int $0x80" : "=a"(result)
		     : "a"(54), "b"(fd), "c"(command), "d"(argument) : "memory", "r8", "r9", "r10",
		       "r11");
	return (int)result;
}

static void try_32_bits(void *result)
{
	*(long *)result = ioctl_of_32_bits(-1, SEGPOOL_IOC_STAT, 0);
}

static int stranger_of_32_bits(void *argument)
{
	struct sp_pool *pool = argument;
	struct segpool_stat *call = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (call == MAP_FAILED)
		return 1;
	*call = (struct segpool_stat){ .size = sizeof(*call) };
	return ioctl_of_32_bits(pool->fd, SEGPOOL_IOC_STAT, (uintptr_t)call) == -EPERM ? 0 : 2;
}

TEST(door_of_32_bit_programs_is_the_same)
{
	struct segpool_stat *call;
	struct sp_pool pool;
	uint64_t *values;
	long result;

	if (sp_probe(try_32_bits, &result) || result != -EBADF)
		SKIP(return, "this kernel has no calls of 32 bits (IA32_EMULATION)");
	call = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, call);
	values = (uint64_t *)call + 64;
	ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, SP_MIB, SP_MIB, SP_MIB));
	*call = (struct segpool_stat){ .size = sizeof(*call), .count = SEGPOOL_NR_COUNTERS,
				       .values = (uintptr_t)values };
	EXPECT_EQ(0, ioctl_of_32_bits(pool.fd, SEGPOOL_IOC_STAT, (uintptr_t)call));
	EXPECT_EQ(SP_MIB, values[SEGPOOL_C_PHYSICAL_BUDGET_BYTES]);
	call->flags = 1U << 31;
	EXPECT_EQ(-EINVAL, ioctl_of_32_bits(pool.fd, SEGPOOL_IOC_STAT, (uintptr_t)call));
	EXPECT_EQ(0, sp_in_child(stranger_of_32_bits, &pool));
	sp_pool_close(&pool);
}

/* --- tools that put things into page tables --- */

/* Newer than the headers that this may be built with. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	(1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		(1 << 15)
#endif

/* Registers the mapping for asynchronous write protection, where the kernel allows that. */
static int protect_everything(const struct sp_pool *pool)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect protect = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	range.range.start = (uintptr_t)pool->base;
	range.range.len = pool->length;
	protect.range = range.range;
	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range)) {
		close(fd);
		return -1;
	}
	ioctl(fd, UFFDIO_WRITEPROTECT, &protect);
	return fd;
}

FIXTURE(marked) {
	struct sp_pool pool;
	struct segpool_region region;
};

SP_MODE_VARIANTS(marked);

FIXTURE_SETUP(marked)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, REGION, SP_MIB, SP_MIB, SP_MIB));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &self->region));
}

FIXTURE_TEARDOWN(marked)
{
	sp_pool_close(&self->pool);
}

/* Whatever then works or does not is his own loss; the accounts stay right. */
TEST_F(marked, write_protection_by_userfaultfd_harms_nobody)
{
	struct segpool_region region;
	int error, protection = protect_everything(&self->pool);

	if (protection < 0)
		SKIP(return, "this kernel registers no special mapping with userfaultfd");
	sp_touch_write(sp_region_at(&self->pool, &self->region));
	EXPECT_EQ(0, sp_discard(self->pool.fd, self->region.handle, 0, REGION / 2, 0));
	sp_touch_write(sp_region_at(&self->pool, &self->region));
	error = sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL);
	EXPECT_TRUE(error == 0 || error == -ENOMEM);
	EXPECT_EQ(0, sp_free(self->pool.fd, self->region.handle, 0));
	EXPECT_NO_DRIFT(&self->pool);
	close(protection);
	/* Without it everything works again. */
	EXPECT_EQ(0, sp_reuse(self->pool.fd, self->region.handle, 0, SEGPOOL_POPULATE, &region));
	EXPECT_EQ(0, sp_touch_write(sp_region_at(&self->pool, &region)));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
