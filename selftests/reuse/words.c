// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions that the program releases and takes back by their words, without the
 * kernel, which treats them as lazily released ones as soon as anything depends on
 * it: every number, budget, age, and promise about handles is kept.
 */
#include "../testing_memory.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "testing_harness.h"

#define REGIONS	8
#define POPULATE SEGPOOL_POPULATE

FIXTURE(words) {
	struct sp_pool pool;
	struct sp_words words;
	struct segpool_region regions[REGIONS];
	uint64_t size;
	int fd;
};

FIXTURE_VARIANT(words) {
	uint32_t mode;
	uint64_t region_size;
};
FIXTURE_VARIANT_ADD(words, strict) { .mode = SEGPOOL_MODE_STRICT, .region_size = SP_SMALL, };
FIXTURE_VARIANT_ADD(words, huge) { .mode = SEGPOOL_MODE_HUGE, .region_size = SP_BIG, };
FIXTURE_VARIANT_ADD(words, huge_single) { .mode = SEGPOOL_MODE_HUGE, .region_size = SP_SMALL, };

/* The reservation and all limits: so many regions; nothing ages. */
FIXTURE_SETUP(words)
{
	int error;

	self->size = variant->region_size;
	error = sp_words_make(&self->pool, &self->words, variant->mode, self->size,
			      REGIONS * self->size);
	if (error == -EOPNOTSUPP && variant->mode == SEGPOOL_MODE_STRICT)
		SKIP(return, "pages of a strict pool can be pinned on this kernel");
	ASSERT_EQ(0, error);
	self->fd = self->pool.fd;
}

FIXTURE_TEARDOWN(words)
{
	if (!self->size || !self->pool.base)
		return;
	EXPECT_NO_DRIFT(&self->pool);
	sp_words_unmap(&self->words);
	sp_pool_close(&self->pool);
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

#define EXPECT_BYTES(physical, retained) do { \
	EXPECT_EQ((physical) * self->size, sp_counter(self->fd, SEGPOOL_C_PHYSICAL_BYTES)); \
	EXPECT_EQ((retained) * self->size, sp_counter(self->fd, SEGPOOL_C_RETAINED_BYTES)); \
} while (0)

static long present(const struct sp_pool *pool, const struct segpool_region *region)
{
	return sp_present(sp_region_at(pool, region), pool->region_size, NULL);
}

static int take(struct sp_pool *pool, struct segpool_region *regions, int n)
{
	return sp_alloc(pool->fd, 0, POPULATE, n, regions) == n ? 0 : -1;
}

/* Back and forth by words, as often as one likes, with the bytes and generations that belong to it. */
TEST_F(words, back_and_forth)
{
	uint64_t handle;
	int i;

	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	handle = self->regions[0].handle;
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, sp_word_release(&self->words, handle));
		EXPECT_EQ(0, sp_word_release(&self->words, handle));
		ASSERT_EQ(1, sp_word_take(&self->words, &handle));
	}
	EXPECT_EQ(SEGPOOL_HANDLE_GENERATION(self->regions[0].handle) + 100,
		  SEGPOOL_HANDLE_GENERATION(handle));
	EXPECT_BYTES(1, 0);
	EXPECT_EQ(-ESTALE, sp_free(self->fd, handle - (1ULL << 32), 0));
	EXPECT_EQ(-ESTALE, sp_discard(self->fd, self->regions[0].handle, 0, SP_PAGE, 0));
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_STALE_FREES));
	EXPECT_EQ(100, sp_counter(self->fd, SEGPOOL_C_WORD_REUSES));
	EXPECT_EQ(SEGPOOL_WORD_HELD, sp_word_state(&self->words, handle));
	ASSERT_EQ(0, sp_free(self->fd, handle, SEGPOOL_LAZY));
	EXPECT_EQ(SEGPOOL_WORD_CALL, sp_word_state(&self->words, handle));
	EXPECT_EQ(0, sp_word_release(&self->words, handle));
}

/* Whoever asks for numbers gets those of a lazy release. */
TEST_F(words, is_retained)
{
	uint64_t handle, values[SEGPOOL_NR_CLASS_COUNTERS];

	ASSERT_EQ(0, take(&self->pool, self->regions, 3));
	sp_pattern_write(sp_region_at(&self->pool, &self->regions[1]), self->size, 7);
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[1].handle));
	EXPECT_EQ(self->size, sp_pool_counter(self->pool.id, "retained_bytes"));
	EXPECT_BYTES(2, 1);
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_KEPT_REGIONS));
	EXPECT_EQ(2, sp_counter(self->fd, SEGPOOL_C_REGIONS_ACTIVE));
	handle = self->regions[1].handle;
	EXPECT_EQ(0, sp_word_take(&self->words, &handle));
	EXPECT_EQ((long)(self->size / SP_PAGE), present(&self->pool, &self->regions[1]));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[2].handle));
	EXPECT_EQ(2 * self->size, sp_module_counter("retained_bytes"));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, sp_class_stat(self->fd, 0, values));
	EXPECT_EQ(3, values[SEGPOOL_CC_REGIONS_FREED]);
	/* By name, and with what it had. */
	ASSERT_EQ(0, sp_reuse(self->fd, self->regions[1].handle, 0, POPULATE, &self->regions[3]));
	EXPECT_EQ(self->regions[1].handle + (1ULL << 32), self->regions[3].handle);
	EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->pool, &self->regions[3]), self->size, 7));
	EXPECT_EQ(SEGPOOL_WORD_HELD, sp_word_state(&self->words, self->regions[3].handle));
}

/* Of two releases of one handle one is refused, whichever way it came. */
TEST_F(words, double_release)
{
	ASSERT_EQ(0, take(&self->pool, self->regions, 2));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[0].handle));
	EXPECT_EQ(-EALREADY, sp_free(self->fd, self->regions[0].handle, SEGPOOL_LAZY));
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_DOUBLE_FREES));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[1].handle));
	EXPECT_EQ(-EALREADY, sp_discard(self->fd, self->regions[1].handle, 0, SP_PAGE, 0));
	EXPECT_BYTES(0, 2);
}

/* The order of taking: before anything new, and before a refusal. */
TEST_F(words, taken_by_requests)
{
	struct segpool_region again;

	ASSERT_EQ(0, take(&self->pool, self->regions, 2));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 0, POPULATE, 0, &again, NULL));
	EXPECT_EQ(self->regions[0].handle + (1ULL << 32), again.handle);
	EXPECT_EQ(2, sp_counter(self->fd, SEGPOOL_C_NEW_REGIONS));
	/* A region of another class once nothing new is to be had. */
	ASSERT_EQ(0, take(&self->pool, self->regions + 2, REGIONS - 2));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[3].handle));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 1, POPULATE, 0, &again, NULL));
	EXPECT_EQ(self->regions[3].offset, again.offset);
	EXPECT_EQ(SEGPOOL_REGION_REUSED | SEGPOOL_REGION_CROSS, again.flags);
	/* Neighbours. */
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[4].handle));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[5].handle));
	ASSERT_EQ(2, sp_alloc(self->fd, 1, POPULATE | SEGPOOL_CONTIGUOUS, 2, self->regions));
	/* A refusal is certain: from then on words do not move, until regions are lent again. */
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->fd, 0, POPULATE, 0, &again, NULL));
	EXPECT_EQ(0, sp_word_release(&self->words, self->regions[6].handle));
	ASSERT_EQ(0, sp_free(self->fd, self->regions[6].handle, SEGPOOL_LAZY));
}

/* A budget full of idle regions is no reason to refuse a page fault or a POPULATE. */
TEST_F(words, taken_by_touches)
{
	struct segpool_limits limits = { .physical_budget = 2 * self->size };
	struct segpool_region other;

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 1, 0, 0, &other, NULL));
	EXPECT_EQ(0, sp_word_release(&self->words, other.handle));
	ASSERT_EQ(0, take(&self->pool, self->regions, 2));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[0].handle));
	EXPECT_EQ(0, sp_touch_write(sp_region_at(&self->pool, &other)));
	ASSERT_EQ(0, sp_populate(self->fd, other.handle, 0, self->size, 0));
	EXPECT_BYTES(2, 0);
}

TEST_F(words, trimmed)
{
	uint64_t handle, released;

	ASSERT_EQ(0, take(&self->pool, self->regions, 2));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, sp_trim(self->fd, 0, &released));
	EXPECT_EQ(self->size, released);
	EXPECT_EQ(0, present(&self->pool, &self->regions[0]));
	EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->regions[0])));
	handle = self->regions[0].handle;
	EXPECT_EQ(0, sp_word_take(&self->words, &handle));
	EXPECT_BYTES(1, 0);
}

TEST_F(words, shrunk)
{
	int i;

	ASSERT_EQ(0, take(&self->pool, self->regions, 4));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, sp_word_release(&self->words, self->regions[i].handle));
	/* Those it has not noted, too: the shrinker looks at all. */
	self->words.notes[0] = 0;
	for (i = 0; i < 20 && present(&self->pool, &self->regions[0]); i++)
		ASSERT_EQ(0, sp_write_file("/proc/sys/vm/drop_caches", "2"));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, present(&self->pool, &self->regions[i]));
	EXPECT_EQ((long)(self->size / SP_PAGE), present(&self->pool, &self->regions[3]));
	EXPECT_BYTES(1, 0);
	EXPECT_EQ(3 * self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_SHRUNK_PAGES));
}

struct gone {
	const struct sp_pool *pool;
	const struct segpool_region *region;
};

static int is_gone(void *argument)
{
	struct gone *gone = argument;

	return !present(gone->pool, gone->region);
}

/* It goes while no thread of the program enters the kernel with the pool. */
TEST_F(words, ages)
{
	struct segpool_limits limits = { .retain_age_ms = 200 };
	struct gone gone = { &self->pool, &self->regions[0] };

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_AGE, &limits));
	ASSERT_EQ(0, take(&self->pool, self->regions, 2));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[0].handle));
	EXPECT_EQ(1, sp_wait_until(is_gone, &gone, 60000));
	EXPECT_EQ((long)(self->size / SP_PAGE), present(&self->pool, &self->regions[1]));
	EXPECT_BYTES(1, 0);
	EXPECT_EQ(self->size / SP_PAGE, sp_counter(self->fd, SEGPOOL_C_AGED_PAGES));
}

/* The scan marks what is idle, and who comes before the next one takes it back all the same. */
static int is_seen(void *argument)
{
	return *(volatile uint32_t *)argument % 4 != SEGPOOL_WORD_IDLE;
}

TEST_F(words, seen_and_taken)
{
	/* A scan each two seconds. */
	struct segpool_limits limits = { .retain_age_ms = 32000 };
	uint64_t handle;
	int tries = 10, taken;

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_AGE, &limits));
	do {
		ASSERT_EQ(0, take(&self->pool, self->regions, 1));
		handle = self->regions[0].handle;
		ASSERT_EQ(1, sp_word_release(&self->words, handle));
		EXPECT_EQ(1, sp_wait_until(is_seen, sp_word_of(&self->words, handle), 60000));
		/* Unless this machine was busy elsewhere until then. */
		taken = sp_word_take(&self->words, &handle);
	} while (!taken && --tries);
	EXPECT_EQ(1, taken);
	ASSERT_EQ(0, sp_free(self->fd, handle, 0));
	EXPECT_EQ(1, sp_counter(self->fd, SEGPOOL_C_WORD_REUSES));
}

/* A pool whose regions nobody releases is left alone; then the first release is a call. */
static int is_called(void *argument)
{
	return *(volatile uint32_t *)argument % 4 == SEGPOOL_WORD_CALL;
}

TEST_F(words, withdrawn_when_quiet)
{
	struct segpool_limits limits = { .retain_age_ms = 50 };
	struct segpool_region again;

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_AGE, &limits));
	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	EXPECT_EQ(1, sp_wait_until(is_called, sp_word_of(&self->words, self->regions[0].handle),
				   60000));
	EXPECT_EQ(0, sp_word_release(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, sp_free(self->fd, self->regions[0].handle, SEGPOOL_LAZY));
	ASSERT_EQ(0, sp_alloc_one(self->fd, 0, POPULATE, 0, &again, NULL));
	EXPECT_EQ(SEGPOOL_WORD_HELD, sp_word_state(&self->words, again.handle));
}

/* What is taken back by its word has all its pages, so one without them has none. */
TEST_F(words, parts)
{
	ASSERT_EQ(0, sp_alloc_one(self->fd, 0, 0, 0, &self->regions[0], NULL));
	EXPECT_EQ(SEGPOOL_WORD_CALL, sp_word_state(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, sp_populate(self->fd, self->regions[0].handle, 0, self->size, 0));
	EXPECT_EQ(SEGPOOL_WORD_HELD, sp_word_state(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, sp_discard(self->fd, self->regions[0].handle, SP_PAGE, SP_PAGE, 0));
	EXPECT_EQ(SEGPOOL_WORD_CALL, sp_word_state(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, sp_populate(self->fd, self->regions[0].handle, SP_PAGE, SP_PAGE, 0));
	EXPECT_EQ(SEGPOOL_WORD_HELD, sp_word_state(&self->words, self->regions[0].handle));
}

struct late_release {
	struct sp_pool *pool;
	const struct sp_words *words;
	uint64_t handle;
	int by_word;
};

static void *release_late(void *argument)
{
	struct late_release *late = argument;

	sp_wait_until(sp_has_one_waiter, late->pool, 60000);
	late->by_word = sp_word_release(late->words, late->handle);
	if (!late->by_word)
		sp_free(late->pool->fd, late->handle, SEGPOOL_LAZY);
	return NULL;
}

/* While somebody waits a release is a call, which wakes. */
TEST_F(words, waited_for)
{
	struct late_release late = { .pool = &self->pool, .words = &self->words, .by_word = 1 };
	struct segpool_region other;
	pthread_t thread;

	ASSERT_EQ(0, take(&self->pool, self->regions, REGIONS));
	late.handle = self->regions[2].handle;
	ASSERT_EQ(0, pthread_create(&thread, NULL, release_late, &late));
	EXPECT_EQ(0, sp_alloc_one(self->fd, 1, POPULATE | SEGPOOL_WAIT, 10000, &other, NULL));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, late.by_word);
	EXPECT_EQ(self->regions[2].offset, other.offset);
}

/* A budget below what is in use: what is released from then on is no longer there to be taken. */
TEST_F(words, lowered_budget)
{
	struct segpool_limits limits = { .physical_budget = 2 * self->size };

	ASSERT_EQ(0, take(&self->pool, self->regions, 4));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_PHYSICAL, &limits));
	EXPECT_BYTES(3, 0);
	EXPECT_EQ(0, sp_word_release(&self->words, self->regions[1].handle));
	ASSERT_EQ(0, sp_free(self->fd, self->regions[1].handle, SEGPOOL_LAZY));
	EXPECT_BYTES(2, 0);
}

/* What the limits have no room for is not retained. */
TEST_F(words, retain_limit)
{
	struct segpool_limits limits = { .retain_limit = 2 * self->size };
	int i;

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_RETAIN, &limits));
	ASSERT_EQ(0, take(&self->pool, self->regions, 4));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, sp_word_release(&self->words, self->regions[i].handle));
	EXPECT_BYTES(0, 2);
	EXPECT_GE(2 * self->size, sp_counter(self->fd, SEGPOOL_C_RETAINED_PEAK_BYTES));
	limits = (struct segpool_limits){ .retain_limit = self->size - 1 };
	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_RETAIN, &limits));
	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	EXPECT_EQ(0, sp_word_release(&self->words, self->regions[0].handle));
}

/* From here on every system call but those that end a thread kills. */
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

#define ROUNDS	20000

struct steady {
	const struct sp_pool *pool;
	const struct sp_words *words;
	struct segpool_region region;
	int error, rounds;
};

static void *without_calls(void *argument)
{
	struct steady *steady = argument;
	uint64_t handle = steady->region.handle;
	char *bytes = sp_region_at(steady->pool, &steady->region);

	steady->error = forbid_calls();
	for (; !steady->error && steady->rounds < ROUNDS; steady->rounds++) {
		bytes[(uint64_t)steady->rounds * SP_PAGE % steady->pool->region_size] = 1;
		if (!sp_word_release(steady->words, handle) || !sp_word_take(steady->words, &handle))
			break;
	}
	return NULL;
}

/* Nor do the scans of the same time make one necessary: they take only what stays idle. */
TEST_F(words, no_system_call)
{
	struct segpool_limits limits = { .retain_age_ms = 20 };
	struct steady steady = { .pool = &self->pool, .words = &self->words };
	pthread_t thread;

	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_AGE, &limits));
	limits = (struct segpool_limits){ .retain_age_ms = 0 };
	ASSERT_EQ(0, sp_set_budget(self->fd, SEGPOOL_SET_AGE, &limits));
	ASSERT_EQ(0, take(&self->pool, &steady.region, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, without_calls, &steady));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, steady.error);
	EXPECT_EQ(ROUNDS, steady.rounds);
	EXPECT_EQ(0, sp_counter(self->fd, SEGPOOL_C_RELEASED_REGIONS));
	ASSERT_EQ(0, sp_free(self->fd, steady.region.handle + ((uint64_t)ROUNDS << 32), 0));
	EXPECT_EQ(ROUNDS, sp_counter(self->fd, SEGPOOL_C_WORD_REUSES));
}

static int map_words(const struct sp_pool *pool, uint64_t length, int protection, int flags,
		     uint64_t offset)
{
	void *address = mmap(NULL, length, protection, flags, pool->fd, offset);

	if (address == MAP_FAILED)
		return -errno;
	munmap(address, length);
	return 0;
}

TEST_F(words, mapping)
{
	uint64_t length = self->words.length;
	const int rw = PROT_READ | PROT_WRITE;
	struct sp_pool without, unmapped;

	EXPECT_EQ(0, map_words(&self->pool, length, rw, MAP_SHARED, SEGPOOL_WORDS_OFFSET));
	EXPECT_EQ(0, map_words(&self->pool, length, PROT_READ, MAP_SHARED, SEGPOOL_WORDS_OFFSET));
	EXPECT_EQ(-EINVAL, map_words(&self->pool, length + SP_PAGE, rw, MAP_SHARED,
				     SEGPOOL_WORDS_OFFSET));
	EXPECT_EQ(-EINVAL, map_words(&self->pool, length - SP_PAGE, rw, MAP_SHARED,
				     SEGPOOL_WORDS_OFFSET));
	EXPECT_EQ(-EINVAL, map_words(&self->pool, length, rw, MAP_PRIVATE, SEGPOOL_WORDS_OFFSET));
	EXPECT_EQ(-EINVAL, map_words(&self->pool, length, PROT_READ | PROT_EXEC, MAP_SHARED,
				     SEGPOOL_WORDS_OFFSET));
	EXPECT_EQ(-EINVAL, map_words(&self->pool, length, rw, MAP_SHARED,
				     SEGPOOL_WORDS_OFFSET + SP_PAGE));
	/* Not before a region was carved; no part of the notes or words beyond those. */
	EXPECT_EQ(SIGBUS, sp_touch(self->words.words));
	EXPECT_EQ(SIGBUS, sp_touch(self->words.notes));
	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	EXPECT_EQ(0, sp_touch(self->words.words));
	EXPECT_EQ(0, sp_touch(self->words.notes));
	EXPECT_EQ(-1, madvise(self->words.words, length, MADV_DOFORK));

	ASSERT_EQ(0, sp_pool_make(&without, self->pool.setup.mode, self->size, self->size,
				  self->size, self->size));
	EXPECT_EQ(-EINVAL, map_words(&without, 2 * SP_PAGE, rw, MAP_SHARED, SEGPOOL_WORDS_OFFSET));
	sp_pool_close(&without);
	unmapped = self->pool;
	unmapped.fd = sp_open();
	ASSERT_LE(0, unmapped.fd);
	EXPECT_EQ(-ENXIO, map_words(&unmapped, length, rw, MAP_SHARED, SEGPOOL_WORDS_OFFSET));
	unmapped.setup.limits.watermark = 0;
	ASSERT_EQ(0, sp_setup(unmapped.fd, &unmapped.setup));
	EXPECT_EQ(-ENXIO, map_words(&unmapped, length, rw, MAP_SHARED, SEGPOOL_WORDS_OFFSET));
	close(unmapped.fd);
}

struct inherited {
	struct sp_pool *pool;
	struct sp_words *words;
};

static int look_in_child(void *argument)
{
	struct inherited *inherited = argument;

	if (sp_touch(inherited->words->words) != SIGSEGV)
		return 1;
	return map_words(inherited->pool, inherited->words->length, PROT_READ | PROT_WRITE,
			 MAP_SHARED, SEGPOOL_WORDS_OFFSET) == -EPERM ? 0 : 2;
}

TEST_F(words, not_for_children)
{
	struct inherited inherited = { &self->pool, &self->words };

	uint64_t handle;

	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	handle = self->regions[0].handle;
	ASSERT_EQ(1, sp_word_release(&self->words, handle));
	EXPECT_EQ(0, sp_in_child(look_in_child, &inherited));
	EXPECT_EQ(1, sp_word_take(&self->words, &handle));
}

/* The words in the place of the reservation are no reservation. */
TEST_F(words, outlive_the_reservation)
{
	char *base = self->pool.base;
	void *there;

	ASSERT_EQ(0, take(&self->pool, self->regions, 2));
	ASSERT_EQ(1, sp_word_release(&self->words, self->regions[0].handle));
	ASSERT_EQ(0, munmap(base, self->pool.length));
	EXPECT_BYTES(0, 0);
	EXPECT_EQ(SIGBUS, sp_touch(self->words.words));
	sp_words_unmap(&self->words);
	there = mmap(base, self->words.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		     self->fd, SEGPOOL_WORDS_OFFSET);
	ASSERT_EQ((void *)base, there);
	EXPECT_EQ(-ENXIO, sp_free(self->fd, self->regions[1].handle, 0));
	EXPECT_EQ(-ENXIO, sp_alloc_one(self->fd, 0, POPULATE, 0, &self->regions[2], NULL));
	EXPECT_EQ(-ENXIO, sp_populate(self->fd, self->regions[1].handle, 0, self->size, 0));
	ASSERT_EQ(0, munmap(base, self->words.length));
	self->pool.base = NULL;
	close(self->fd);
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

/* 4 bytes for a region. */
TEST_F(words, cost)
{
	uint64_t before = sp_module_counter("metadata_bytes");

	ASSERT_EQ(0, take(&self->pool, self->regions, 1));
	EXPECT_GE(before + 4 * SP_PAGE, sp_module_counter("metadata_bytes"));
}

/* Where somebody may hold a page by its address, the kernel has to look at each release. */
TEST(not_where_pages_can_be_pinned)
{
	struct sp_words words;
	struct sp_pool pool;

	EXPECT_EQ(-EOPNOTSUPP, sp_words_make(&pool, &words, SEGPOOL_MODE_PINNABLE, SP_SMALL,
					     SP_SMALL));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

TEST_HARNESS_MAIN
