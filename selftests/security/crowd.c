// SPDX-License-Identifier: GPL-2.0-only
/*
 * Very many of everything, and the limits that the system sets: a million
 * regions, two thousand pools, no more files, no more address space, a small
 * memory cgroup. Each ends with a clean errno, nothing is lost, and others do
 * not notice.
 */
#include "testing_memory.h"
#include "become.h"
#include <sys/resource.h>
#include "testing_harness.h"

#define REGION	SP_SMALL

/* --- a million regions --- */

#define MILLION	(1U << 20)

FIXTURE(million) {
	struct sp_pool pool;
	struct segpool_region *regions;
};

FIXTURE_SETUP(million)
{
	self->regions = mmap(NULL, MILLION * sizeof(self->regions[0]), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, self->regions);
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, MILLION * REGION,
				  SP_MIB, SP_MIB));
}

FIXTURE_TEARDOWN(million)
{
	sp_pool_close(&self->pool);
	munmap(self->regions, MILLION * sizeof(self->regions[0]));
	EXPECT_EQ(0, sp_module_counter("virtual_bytes"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

static unsigned int take_all(FIXTURE_DATA(million) *self)
{
	unsigned int n = 0;
	int got;

	while (n < MILLION) {
		got = sp_alloc(self->pool.fd, 0, 0, SEGPOOL_MAX_BATCH, self->regions + n);
		if (got <= 0)
			break;
		n += got;
	}
	return n;
}

/* The last of them is a region like the first. */
static void expect_usable(struct __test_metadata *_metadata, FIXTURE_DATA(million) *self,
			  const struct segpool_region *region)
{
	char *at = sp_region_at(&self->pool, region);

	EXPECT_EQ(0, sp_populate(self->pool.fd, region->handle, 0, REGION, 0));
	sp_pattern_write(at, REGION, 77);
	EXPECT_EQ(0, sp_pattern_check(at, REGION, 77));
}

TEST_F_TIMEOUT(million, regions, 600)
{
	struct segpool_region extra;
	uint32_t reason;

	ASSERT_EQ(MILLION, take_all(self));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, 0, 0, &extra, &reason));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, reason);
	EXPECT_EQ(MILLION, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_ACTIVE));
	EXPECT_EQ(MILLION * REGION, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_EQ((MILLION - 1) * REGION, self->regions[MILLION - 1].offset);
	expect_usable(_metadata, self, &self->regions[MILLION - 1]);
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, MILLION, 0));
	EXPECT_EQ(MILLION, sp_counter(self->pool.fd, SEGPOOL_C_REGIONS_FREED));
	EXPECT_EQ(0, sp_alloc_one(self->pool.fd, 3, SEGPOOL_POPULATE, 0, &extra, NULL));
}

/* --- thousands of pools --- */

#define POOLS	2000

FIXTURE(pools) {
	struct sp_pool *pools;
	uint64_t free_before;
};

FIXTURE_SETUP(pools)
{
	struct rlimit files = { .rlim_cur = POOLS + 100, .rlim_max = POOLS + 100 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(1, sp_wait_module_idle(30000));
	self->pools = calloc(POOLS, sizeof(self->pools[0]));
	ASSERT_NE(NULL, self->pools);
	self->free_before = sp_free_bytes();
}

FIXTURE_TEARDOWN(pools)
{
	free(self->pools);
}

static int open_with_a_page(struct sp_pool *pool, unsigned int number)
{
	struct segpool_region region;
	int error = sp_pool_make(pool, number % 2, REGION, SP_MIB, SP_MIB, SP_MIB);

	if (!error)
		error = sp_alloc_one(pool->fd, 0, 0, 0, &region, NULL);
	if (!error)
		*(volatile uint64_t *)sp_region_at(pool, &region) = number;
	return error;
}

/* Somebody else's pool works as if it were alone. */
static int other_works(void *unused SP_UNUSED)
{
	struct segpool_region regions[16];
	struct sp_pool pool;

	if (sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, SP_MIB, SP_MIB, SP_MIB) ||
	    sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 16, regions) != 16)
		return 1;
	sp_pattern_write(pool.base, SP_MIB, 5);
	if (sp_pattern_check(pool.base, SP_MIB, 5) || sp_free_regions(pool.fd, regions, 16, 0))
		return 2;
	return sp_counter(pool.fd, SEGPOOL_C_RETAINED_BYTES) == SP_MIB ? 0 : 3;
}

static unsigned int open_all(struct sp_pool *pools)
{
	unsigned int n = 0;

	while (n < POOLS && !open_with_a_page(&pools[n], n))
		n++;
	return n;
}

TEST_F_TIMEOUT(pools, thousands, 600)
{
	unsigned int i, wrong = 0;
	uint64_t end;

	ASSERT_EQ(POOLS, open_all(self->pools));
	EXPECT_EQ(POOLS, sp_module_counter("pools"));
	EXPECT_EQ(POOLS * SP_PAGE, sp_module_counter("physical_bytes"));
	EXPECT_EQ(POOLS, sp_table_walk(SP_DEBUGFS "/pools", NULL, NULL));
	EXPECT_EQ(0, sp_in_child(other_works, NULL));
	for (i = 0; i < POOLS; i++)
		wrong += *(volatile uint64_t *)self->pools[i].base != i;
	EXPECT_EQ(0, wrong);
	for (i = 0; i < POOLS; i++)
		sp_pool_close(&self->pools[i]);
	EXPECT_EQ(0, sp_module_counter("pools"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
	/* Names and files of debugfs go after a grace period, which a busy machine puts off. */
	for (end = sp_now_ms() + 60000; sp_free_bytes() < self->free_before - 8 * SP_MIB &&
	     sp_now_ms() < end; sp_sleep_ms(200))
		sp_write_file("/proc/sys/vm/drop_caches", "2");
	EXPECT_LE(self->free_before - 8 * SP_MIB, sp_free_bytes());
}

/* --- who opens files without end --- */

#define CEILING_MIB	32

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
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

/* Open files, pools or not, count against the module's own share of the ceiling. */
TEST_F_TIMEOUT(ceiling, bounds_the_number_of_files, 120)
{
	struct rlimit files = { .rlim_cur = 4096, .rlim_max = 4096 };
	struct segpool_setup setup;
	int *fds = calloc(4096, sizeof(*fds)), error = 0, n = 0;
	uint64_t slab = sp_meminfo("Slab");

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	for (; n < 4096; n++) {
		fds[n] = sp_open();
		memset(&setup, 0, sizeof(setup));
		error = fds[n] < 0 ? fds[n] : n % 2 ? sp_setup(fds[n], &setup) : 0;
		if (error)
			break;
	}
	EXPECT_EQ(-ENOMEM, error);
	EXPECT_LT(100, n);
	EXPECT_GE(CEILING_MIB * SP_MIB / 8, sp_module_counter("metadata_bytes"));
	/* What the count stands for is about what the system has less. */
	EXPECT_GT(slab + CEILING_MIB * SP_MIB / 4, sp_meminfo("Slab"));
	while (n--)
		close(fds[n]);
	/* And it is given back. */
	EXPECT_EQ(0, sp_in_child(other_works, NULL));
	free(fds);
}

TEST(files_run_out)
{
	struct rlimit files = { .rlim_cur = 64, .rlim_max = 64 };
	uint32_t created = sp_module_counter("pools_created");
	int fds[64], n = 0, error;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	do {
		fds[n] = sp_open();
		error = fds[n];
	} while (error >= 0 && ++n < 64);
	EXPECT_EQ(-EMFILE, error);
	while (n--)
		close(fds[n]);
	EXPECT_EQ(created, sp_module_counter("pools_created"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

/* --- no more address space --- */

TEST(address_space_runs_out)
{
	struct rlimit space = { .rlim_cur = 256 * SP_MIB, .rlim_max = 256 * SP_MIB };
	struct segpool_setup setup = { .flags = SEGPOOL_SET_VIRTUAL };
	struct segpool_region region;
	int fd = sp_open();
	char *base;

	setup.limits.virtual_budget = SP_GIB;
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sp_setup(fd, &setup));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &space));
	EXPECT_EQ(-ENOMEM, sp_mmap(fd, SP_GIB, &base));
	EXPECT_EQ(0, sp_counter(fd, SEGPOOL_C_RESERVATION_BYTES));
	/* A smaller one fits, and is used up to its end. */
	ASSERT_EQ(0, sp_mmap(fd, 64 * SP_MIB, &base));
	EXPECT_EQ(64 * SP_MIB, sp_counter(fd, SEGPOOL_C_RESERVATION_BYTES));
	EXPECT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &region));
	EXPECT_EQ(0, sp_touch_write(base + region.offset));
	munmap(base, 64 * SP_MIB);
	close(fd);
}

/* --- a small memory cgroup --- */

#define GROUP_MEMORY	(12 * SP_MIB)

FIXTURE(group) {
	struct sp_cgroup cgroup;
	uint64_t kills;
};

FIXTURE_SETUP(group)
{
	ASSERT_EQ(0, sp_cgroup_make(&self->cgroup, "segpool-crowd", GROUP_MEMORY));
	sp_cgroup_set(&self->cgroup, "memory.swap.max", "0");
	self->kills = sp_vmstat("oom_kill");
}

FIXTURE_TEARDOWN(group)
{
	EXPECT_TRUE(sp_wait_module_idle(30000));
	EXPECT_EQ(0, sp_cgroup_remove(&self->cgroup));
	EXPECT_EQ(0, sp_module_counter("pools"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

/*
 * Newer kernels (7.2 does, 6.12 does not) give back in a work item what a vmalloc() that failed
 * had: until that ran the cgroup is full, and what open() or mmap() need for themselves would call
 * the OOM killer. @current is the cgroup's memory.current, read before, so that it has its buffer.
 */
static int wait_until_there_is_room(int current)
{
	uint64_t end = sp_now_ms() + 60000;
	char text[32];

	for (;;) {
		ssize_t n = pread(current, text, sizeof(text) - 1, 0);

		if (n <= 0 || sp_now_ms() >= end)
			return -1;
		text[n] = '\0';
		if (strtoull(text, NULL, 10) + 64 * SP_KIB <= GROUP_MEMORY)
			return 0;
		sp_sleep_ms(1);
	}
}

/*
 * Reservations are charged: their tables stop fitting. Each takes a little less than 1 MiB, that
 * is about as much from kmalloc(), which rounds it up, as from vmalloc(), which the kernel tries
 * next: half a MiB is left beside the last one that fits, for what the kernel needs itself.
 */
#define TABLE_REGIONS	(SEGPOOL_MAX_REGIONS / 32 * 21)

static int reserve_without_end(void *group)
{
	struct segpool_region region;
	struct sp_pool pools[64];
	int error = 0, i, done, current;
	char path[256];

	sp_cgroup_file(group, "memory.current", path);
	current = open(path, O_RDONLY | O_CLOEXEC);
	if (current < 0 || sp_cgroup_enter_with_all_present(group) ||
	    wait_until_there_is_room(current))
		return 1;
	for (done = 0; done < 64; done++) {
		error = sp_pool_make(&pools[done], SEGPOOL_MODE_STRICT, REGION,
				     TABLE_REGIONS * REGION, SP_MIB, 0);
		if (error)
			break;
	}
	if (error != -ENOMEM || !done || wait_until_there_is_room(current))
		return 2;
	/* Those that were made work; with less of them there is room again. */
	sp_pool_close(&pools[--done]);
	for (i = 0; i < done; i++) {
		if (!i && sp_alloc_one(pools[i].fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
			return 3;
		sp_pool_close(&pools[i]);
	}
	return 0;
}

TEST_F_TIMEOUT(group, reservations_are_refused, 120)
{
	EXPECT_EQ(0, sp_in_child(reserve_without_end, &self->cgroup));
	EXPECT_EQ(0, sp_cgroup_field(&self->cgroup, "memory.events", "oom_kill"));
	EXPECT_EQ(self->kills, sp_vmstat("oom_kill"));
}

/*
 * Files and pools without end: the kernel's own memory for an open file, which
 * is not ours to refuse, ends the program; and nobody else.
 */
static int open_without_end(void *group)
{
	struct rlimit files = { .rlim_cur = 16384, .rlim_max = 16384 };
	struct segpool_setup setup;
	int fd, n = 0;

	if (sp_cgroup_enter(group) || setrlimit(RLIMIT_NOFILE, &files))
		return 1;
	do {
		memset(&setup, 0, sizeof(setup));
		fd = sp_open();
		n++;
	} while (fd >= 0 && !sp_setup(fd, &setup));
	return n < 100 ? 2 : 0;
}

TEST_F_TIMEOUT(group, greed_harms_nobody_else, 120)
{
	int status = sp_in_child(open_without_end, &self->cgroup);

	EXPECT_TRUE(status == 0 || status == 128 + SIGKILL) {
		TH_LOG("status %d", status);
	}
	EXPECT_GE(1, sp_vmstat("oom_kill") - self->kills);
	EXPECT_EQ(sp_vmstat("oom_kill") - self->kills,
		  sp_cgroup_field(&self->cgroup, "memory.events", "oom_kill"));
	EXPECT_EQ(0, sp_in_child(other_works, NULL));
}

TEST_HARNESS_MAIN
