// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions that are released and taken back by their words, through the library: without a
 * system call, under the same rules as with one, and where it cannot be, by calls.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define WITH_WORDS
#include "pool.h"
#include "testing_harness.h"

#define POPULATE	SEGPOOL_POPULATE
#define LAZY		SEGPOOL_LAZY
#define ROUNDS		20000

FIXTURE(words) {
	struct segpool *pool;
};

FIXTURE_SETUP(words)
{
	ASSERT_EQ(0, small_pool(&self->pool));
}

FIXTURE_TEARDOWN(words)
{
	segpool_close(self->pool);
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

static int take(struct segpool *pool, struct segpool_region *regions, uint32_t count)
{
	return segpool_region_alloc(pool, 0, POPULATE, 0, regions, count);
}

TEST_F(words, newest_first)
{
	struct segpool_region regions[3], again[4];
	int i;

	ASSERT_EQ(3, take(self->pool, regions, 3));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, segpool_region_free(self->pool, regions[i].handle, LAZY));
	/* The rest comes from the kernel. */
	ASSERT_EQ(4, take(self->pool, again, 4));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(regions[2 - i].offset, again[i].offset);
		EXPECT_EQ(regions[2 - i].handle + (1ULL << 32), again[i].handle);
		EXPECT_EQ(SEGPOOL_REGION_REUSED, again[i].flags);
	}
	EXPECT_EQ(SEGPOOL_REGION_NEW, again[3].flags);
	EXPECT_EQ(4 * REGION, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, segpool_region_free(self->pool, again[i].handle, 0));
	EXPECT_EQ(3, counter(self->pool, SEGPOOL_C_WORD_REUSES));
}

TEST_F(words, wrong_releases)
{
	struct segpool_region first, second;

	ASSERT_EQ(1, take(self->pool, &first, 1));
	ASSERT_EQ(0, segpool_region_free(self->pool, first.handle, LAZY));
	EXPECT_EQ(-EALREADY, segpool_region_free(self->pool, first.handle, LAZY));
	ASSERT_EQ(1, take(self->pool, &second, 1));
	EXPECT_EQ(first.offset, second.offset);
	EXPECT_EQ(-ESTALE, segpool_region_free(self->pool, first.handle, LAZY));
	EXPECT_EQ(-ENOENT, segpool_region_free(self->pool, 1ULL << 32 | 5, LAZY));
	EXPECT_EQ(-ENOENT, segpool_region_free(self->pool, 1ULL << 32 | 100000, LAZY));
	EXPECT_EQ(-ENOENT, segpool_region_free(self->pool, 0, LAZY));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_DOUBLE_FREES));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_STALE_FREES));
	EXPECT_EQ(1, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
}

/* The kernel has taken it, or given it to another class: what the library remembers is passed over. */
TEST_F(words, taken_meanwhile)
{
	struct segpool_region regions[REGIONS], other, again;

	ASSERT_EQ(REGIONS, take(self->pool, regions, REGIONS));
	ASSERT_EQ(0, segpool_region_free(self->pool, regions[3].handle, LAZY));
	EXPECT_EQ(REGION, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 1, POPULATE, 0, &other, 1));
	EXPECT_EQ(regions[3].offset, other.offset);
	EXPECT_EQ(-ENOMEM, take(self->pool, &again, 1));
	EXPECT_EQ(SEGPOOL_REASON_VIRTUAL, segpool_last_reason());
	/* Released by the other class, it is that one's first. */
	ASSERT_EQ(0, segpool_region_free(self->pool, other.handle, LAZY));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 1, POPULATE, 0, &again, 1));
	EXPECT_EQ(other.handle + (1ULL << 32), again.handle);
	ASSERT_EQ(0, segpool_region_free(self->pool, again.handle, LAZY));
	ASSERT_EQ(1, take(self->pool, &other, 1));
	EXPECT_EQ(SEGPOOL_REGION_REUSED | SEGPOOL_REGION_CROSS, other.flags);
}

TEST_F(words, zeroes_and_no_pages_are_the_kernels)
{
	struct segpool_region region, again;
	char *bytes;

	ASSERT_EQ(1, take(self->pool, &region, 1));
	bytes = segpool_region_address(self->pool, region.handle);
	memset(bytes, 7, REGION);
	ASSERT_EQ(0, segpool_region_free(self->pool, region.handle, LAZY));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, POPULATE | SEGPOOL_ZERO, 0, &again, 1));
	EXPECT_EQ(region.offset, again.offset);
	EXPECT_EQ(1, sp_is_zero(bytes, REGION));
	ASSERT_EQ(0, segpool_region_free(self->pool, again.handle, LAZY));
	ASSERT_EQ(1, segpool_region_alloc(self->pool, 0, 0, 0, &again, 1));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_PHYSICAL_BYTES));
}

static int use_in_child(void *argument)
{
	struct segpool *pool = argument;
	struct segpool_region region;

	if (take(pool, &region, 1) != -EPERM)
		return 1;
	if (segpool_region_free(pool, 1ULL << 32, LAZY) != -EPERM)
		return 2;
	segpool_close(pool);
	return 0;
}

TEST_F(words, not_for_children)
{
	struct segpool_region region, again;

	ASSERT_EQ(1, take(self->pool, &region, 1));
	ASSERT_EQ(0, segpool_region_free(self->pool, region.handle, LAZY));
	EXPECT_EQ(0, sp_in_child(use_in_child, self->pool));
	ASSERT_EQ(1, take(self->pool, &again, 1));
	EXPECT_EQ(region.handle + (1ULL << 32), again.handle);
}

/* --- no system call: one that is made kills --- */

static int forbid_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ? -errno : 0;
}

struct steady {
	struct segpool *pool;
	int error, rounds;
	volatile bool done;
};

static void *regions_without_calls(void *argument)
{
	struct steady *steady = argument;
	struct segpool_region region[2];

	/* Before, so that they, and what the library notes, are there. */
	if (take(steady->pool, region, 2) != 2 ||
	    segpool_region_free(steady->pool, region[1].handle, LAZY))
		return NULL;
	steady->error = forbid_calls();
	for (; !steady->error && steady->rounds < ROUNDS; steady->rounds++) {
		steady->error = segpool_region_free(steady->pool, region[0].handle, LAZY);
		if (!steady->error && take(steady->pool, region, 1) != 1)
			steady->error = -ENOMEM;
		*(volatile char *)segpool_region_address(steady->pool, region[0].handle) = 1;
	}
	return NULL;
}

/* Four such segments are at hand, and four are a region: of so many some go home each time. */
#define LARGE		(256 * SP_KIB)
#define MANY		16

static void *segments_without_calls(void *argument)
{
	struct steady *steady = argument;
	void *segments[MANY];
	int round, i;

	for (round = -2; round < ROUNDS / MANY && !steady->error; round++) {
		for (i = 0; i < MANY; i++)
			segments[i] = segpool_alloc(steady->pool, LARGE);
		for (i = 0; i < MANY; i++)
			steady->error |= segpool_free(steady->pool, segments[i]);
		if (round == -1)
			steady->error |= forbid_calls();
		steady->rounds += round >= 0;
	}
	steady->done = true;
	/* A thread that ends makes calls: it leaves its heap to others. */
	while (steady->done)
		;
	return NULL;
}

static struct steady run(struct segpool *pool, void *(*work)(void *argument))
{
	struct steady steady = { .pool = pool };
	pthread_t thread;

	if (pthread_create(&thread, NULL, work, &steady))
		abort();
	pthread_join(thread, NULL);
	return steady;
}

TEST_F(words, no_system_call)
{
	struct steady steady = run(self->pool, regions_without_calls);

	EXPECT_EQ(0, steady.error);
	EXPECT_EQ(ROUNDS, steady.rounds);
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_REUSED_REGIONS));
}

/* --- where it cannot be --- */

TEST(if_possible)
{
	struct segpool_options options;
	struct segpool *pool;

	small_options(&options);
	options.mode = SEGPOOL_MODE_PINNABLE;
	EXPECT_EQ(-EOPNOTSUPP, segpool_open(&options, &pool));
	EXPECT_NE(NULL, strstr(sentence(NULL, -EOPNOTSUPP), "options.words"));
	options.words = SEGPOOL_WORDS_IF_POSSIBLE;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	EXPECT_EQ(false, can(pool, SEGPOOL_CAN_SKIP_CALLS));
	segpool_close(pool);
	options.mode = SEGPOOL_MODE_HUGE;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	EXPECT_EQ(SEGPOOL_CAN_ALL, segpool_capabilities(pool));
	segpool_close(pool);
	options.words = SEGPOOL_WORDS_NEVER;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	EXPECT_EQ(false, can(pool, SEGPOOL_CAN_SKIP_CALLS));
	segpool_close(pool);
	options.backend = SEGPOOL_BACKEND_USER;
	options.words = SEGPOOL_WORDS_ALWAYS;
	EXPECT_EQ(-EOPNOTSUPP, segpool_open(&options, &pool));
	EXPECT_NE(NULL, strstr(sentence(NULL, -EOPNOTSUPP), "options.words"));
	options.words = SEGPOOL_WORDS_IF_POSSIBLE;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	EXPECT_EQ(0, segpool_capabilities(pool));
	segpool_close(pool);
}

static int is_done(void *argument)
{
	return ((struct steady *)argument)->done;
}

/* Segments' regions come and go by words, too. */
TEST(segments)
{
	static struct steady steady;
	struct segpool_options options;
	pthread_t thread;

	small_options(&options);
	options.region_size = 4 * LARGE;
	options.limits.virtual_budget = 16 * options.region_size;
	options.limits.physical_budget = 16 * options.region_size;
	options.limits.retain_limit = 16 * options.region_size;
	ASSERT_EQ(0, segpool_open(&options, &steady.pool));
	ASSERT_EQ(0, pthread_create(&thread, NULL, segments_without_calls, &steady));
	EXPECT_EQ(1, sp_wait_until(is_done, &steady, 100000));
	EXPECT_EQ(0, steady.error);
	EXPECT_EQ(ROUNDS / MANY, steady.rounds);
	EXPECT_EQ(0, counter(steady.pool, SEGPOOL_C_REUSED_REGIONS));
	/* Who is asked what is retained tells the kernel of the takes. */
	EXPECT_LT(ROUNDS / MANY, counter(steady.pool, SEGPOOL_C_WORD_REUSES));
}

TEST_HARNESS_MAIN
