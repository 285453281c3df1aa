// SPDX-License-Identifier: GPL-2.0-only
/* Checked pools: wrong uses are found, refused and reported. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "pool.h"
#include "testing_memory.h"
#include "testing_harness.h"

#define BYTES	(16 * SP_KIB)

struct reports {
	int wrong, leaks;
	uint64_t leaked;
	char text[2048];
	const void *address;
};

static void note(struct segpool *pool, const struct segpool_log *log, void *context)
{
	struct reports *reports = context;

	if (log->kind == SEGPOOL_LOG_LEAK) {
		reports->leaks++;
		reports->leaked += log->bytes;
	} else if (log->kind == SEGPOOL_LOG_WRONG_USE) {
		reports->wrong++;
	} else {
		return;
	}
	reports->address = log->address;
	snprintf(reports->text, sizeof(reports->text), "%s", log->text);
}

static int checked_pool(struct segpool **pool)
{
	struct segpool_options options;

	small_options(&options);
	options.flags |= SEGPOOL_CHECKED;
	return segpool_open(&options, pool);
}

FIXTURE(checked) {
	struct segpool *pool;
	struct reports reports;
};

FIXTURE_SETUP(checked)
{
	memset(&self->reports, 0, sizeof(self->reports));
	ASSERT_EQ(0, checked_pool(&self->pool));
	ASSERT_EQ(0, segpool_on_log(self->pool, note, &self->reports));
}

FIXTURE_TEARDOWN(checked)
{
	segpool_close(self->pool);
}

struct errand {
	struct segpool *pool;
	void *segment;
	int error;
};

static void *do_free(void *argument)
{
	struct errand *errand = argument;

	errand->error = segpool_free(errand->pool, errand->segment);
	return NULL;
}

/* How often @word is in what was reported last. */
static int times(const struct reports *reports, const char *word)
{
	const char *found = reports->text;
	int n;

	for (n = 0; (found = strstr(found, word)); n++)
		found++;
	return n;
}

TEST_F(checked, double_free)
{
	struct errand errand = { .pool = self->pool };
	pthread_t thread;

	errand.segment = segpool_alloc(self->pool, BYTES);
	ASSERT_NE(NULL, errand.segment);
	ASSERT_EQ(0, pthread_create(&thread, NULL, do_free, &errand));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, errand.error);
	EXPECT_EQ(0, self->reports.wrong);
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, errand.segment));
	EXPECT_EQ(1, self->reports.wrong);
	EXPECT_EQ(errand.segment, self->reports.address);
	/* All three places: this free, the one before, and where it was given. */
	EXPECT_EQ(1, times(&self->reports, "double free of"));
	EXPECT_EQ(1, times(&self->reports, "\n  freed by thread"));
	EXPECT_EQ(1, times(&self->reports, "\n  given by thread"));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
}

/* Each of a place of its own. */
static __attribute__((__noinline__)) void *take_here(struct segpool *pool)
{
	void *segment = segpool_alloc(pool, BYTES);

	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return segment;
}

static __attribute__((__noinline__)) int free_here(struct segpool *pool, void *segment)
{
	int error = segpool_free_batch(pool, &segment, 1);

	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return error;
}

static __attribute__((__noinline__)) int free_there(struct segpool *pool, void *segment)
{
	int error = segpool_free(pool, segment);

	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return error;
}

/* Whether what is reported behind @word is in @function: its file, and how far from its start. */
static bool is_in(const struct reports *reports, const char *word, const void *function)
{
	const char *found = strstr(reports->text, word);
	uintptr_t there;
	Dl_info info;

	found = found ? strstr(found, " at ") : NULL;
	found = found ? strstr(found, "+0x") : NULL;
	if (!found || !dladdr(function, &info))
		return false;
	if (info.dli_sname)
		found = strstr(found + 1, "+0x");
	there = (uintptr_t)info.dli_fbase + strtoul(found + 3, NULL, 16);
	return there - (uintptr_t)function < 1024;
}

/* Not places in the library: the caller's. */
TEST_F(checked, sites)
{
	void *segment = take_here(self->pool);

	ASSERT_NE(NULL, segment);
	EXPECT_EQ(0, free_here(self->pool, segment));
	EXPECT_EQ(-EALREADY, free_there(self->pool, segment));
	EXPECT_TRUE(is_in(&self->reports, "double free of", free_there))
		TH_LOG("%s", self->reports.text);
	EXPECT_TRUE(is_in(&self->reports, "\n  freed by", free_here));
	EXPECT_TRUE(is_in(&self->reports, "\n  given by", take_here));
	EXPECT_EQ(3, times(&self->reports, " by thread "));
}

TEST_F(checked, wrong_frees)
{
	char *segment = segpool_alloc(self->pool, BYTES);
	segpool_ref_t ref;
	int local;

	ASSERT_NE(NULL, segment);
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, segment + SP_PAGE));
	EXPECT_EQ(1, self->reports.wrong);
	EXPECT_EQ(1, times(&self->reports, "free of no segment"));
	EXPECT_EQ(1, times(&self->reports, "given by thread"));
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, &local));
	EXPECT_EQ(2, self->reports.wrong);
	EXPECT_EQ(0, times(&self->reports, "given by thread"));
	EXPECT_EQ(-EALREADY, segpool_release(self->pool, segment));
	EXPECT_EQ(3, self->reports.wrong);
	EXPECT_EQ(1, times(&self->reports, "release too many"));
	ref = segpool_ref(self->pool, segment);
	EXPECT_EQ(0, segpool_ref_free(self->pool, ref));
	EXPECT_EQ(-EALREADY, segpool_ref_free(self->pool, ref));
	EXPECT_EQ(4, self->reports.wrong);
	EXPECT_EQ(1, times(&self->reports, "double free"));
	EXPECT_EQ(2, all(self->pool, SEGPOOL_S_FOREIGN_FREES));
}

TEST_F(checked, wrong_release_and_realloc)
{
	char *segment = segpool_alloc(self->pool, BYTES);
	int local;

	ASSERT_NE(NULL, segment);
	EXPECT_EQ(-EINVAL, segpool_release(self->pool, &local));
	EXPECT_EQ(1, self->reports.wrong);
	EXPECT_EQ(1, times(&self->reports, "release of no segment"));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_WRONG_RELEASES));
	EXPECT_EQ(0, segpool_free(self->pool, segment));
	EXPECT_EQ(NULL, segpool_realloc(self->pool, segment, 2 * BYTES));
	EXPECT_EQ(2, self->reports.wrong);
	EXPECT_EQ(segment, self->reports.address);
	EXPECT_EQ(1, times(&self->reports, "realloc of"));
	EXPECT_EQ(1, times(&self->reports, "that is in the segment"));
	EXPECT_EQ(1, times(&self->reports, "freed by thread"));
}

/* What a region was cut into is not what it is, and a large piece's is noted with its first one only. */
TEST_F(checked, region_that_was_something_else)
{
	struct segpool_limits limits = { .virtual_budget = 3 * REGION };
	void *held[3 * REGION / BYTES];
	const int nr = 3 * REGION / BYTES;
	char *large;

	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_VIRTUAL, &limits));
	ASSERT_EQ(nr, segpool_alloc_batch(self->pool, BYTES, held, nr));
	EXPECT_EQ(0, segpool_free_batch(self->pool, held, nr));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, held[0]));
	EXPECT_EQ(1, times(&self->reports, "that was once in the segment"));
	EXPECT_EQ(1, times(&self->reports, "given by thread"));
	large = segpool_alloc(self->pool, 3 * REGION);
	ASSERT_NE(NULL, large);
	EXPECT_NE(0, segpool_free(self->pool, large + REGION + BYTES));
	EXPECT_EQ(0, times(&self->reports, "that is in the segment"));
	EXPECT_EQ(1, times(&self->reports, "that was once in the segment"));
	EXPECT_EQ(-EINVAL, segpool_free(self->pool, large + SP_PAGE));
	EXPECT_EQ(1, times(&self->reports, "that is in the segment"));
	EXPECT_EQ(1, times(&self->reports, "(196608 bytes)"));
	EXPECT_EQ(0, segpool_free(self->pool, large));
}

/* Whoever writes to it is found when it is given again. */
TEST_F(checked, written_after_free)
{
	unsigned char *segment, *again, *keep = segpool_alloc(self->pool, BYTES);
	unsigned int i;

	segment = segpool_alloc(self->pool, BYTES);
	ASSERT_TRUE(keep && segment);
	memset(segment, 1, BYTES);
	EXPECT_EQ(0, segpool_free(self->pool, segment));
	for (i = 0; i < BYTES; i++)
		ASSERT_EQ(0xa5, segment[i]);
	/* Nobody wrote: it is given again without a word. */
	for (i = 0, again = NULL; i < 4 && again != segment; i++)
		again = segpool_alloc(self->pool, BYTES);
	ASSERT_EQ(segment, again);
	EXPECT_EQ(0, self->reports.wrong);
	EXPECT_EQ(0xa5, segment[BYTES - 1]);
	EXPECT_EQ(0, segpool_free(self->pool, again));
	segment[BYTES - 1] = 0;
	for (i = 0, again = NULL; i < 4 && again != segment; i++)
		again = segpool_alloc(self->pool, BYTES);
	ASSERT_EQ(segment, again);
	EXPECT_EQ(1, self->reports.wrong);
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_WRITTEN_AFTER_FREE));
	EXPECT_EQ(segment + BYTES - 8, self->reports.address);
	EXPECT_EQ(1, times(&self->reports, "0x00a5a5a5a5a5a5a5"));
	EXPECT_EQ(2, times(&self->reports, "freed by thread"));
}

/* What somebody holds keeps its content; it is poisoned when it goes. */
TEST_F(checked, held)
{
	unsigned char *segment = segpool_alloc(self->pool, BYTES), *keep;

	keep = segpool_alloc(self->pool, BYTES);
	ASSERT_TRUE(keep && segment);
	memset(segment, 7, BYTES);
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	EXPECT_EQ(0, segpool_free(self->pool, segment));
	EXPECT_EQ(7, segment[0]);
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, segment));
	EXPECT_EQ(1, times(&self->reports, "freed by thread"));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	EXPECT_EQ(0xa5, segment[0]);
	EXPECT_EQ(0xa5, segment[BYTES - 1]);
}

static sigjmp_buf back;

static void jump(int signal)
{
	siglongjmp(back, signal);
}

/* Of a region that went home nothing is left to touch, where the pool can stop that. */
TEST_F(checked, region_that_went_home)
{
	volatile char *large = segpool_alloc(self->pool, 2 * REGION);

	ASSERT_NE(NULL, large);
	large[0] = 1;
	EXPECT_EQ(0, segpool_free(self->pool, (void *)large));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_RETAINED_BYTES));
	if (!can(self->pool, SEGPOOL_CAN_STOP_TOUCHES)) {
		EXPECT_EQ(0, large[0]);
		return;
	}
	signal(SIGBUS, jump);
	if (!sigsetjmp(back, 1)) {
		large[0] = 2;
		EXPECT_TRUE(false);
	}
	signal(SIGBUS, SIG_DFL);
}

TEST(leaks)
{
	struct reports reports = { 0 };
	struct segpool *pool;
	void *held[6];
	int i;

	ASSERT_EQ(0, checked_pool(&pool));
	ASSERT_EQ(0, segpool_on_log(pool, note, &reports));
	for (i = 0; i < 6; i++)
		held[i] = segpool_alloc(pool, i < 4 ? 1 : BYTES);
	EXPECT_EQ(0, segpool_free(pool, held[0]));
	ASSERT_NE(NULL, segpool_calloc(pool, 1, 3 * REGION));
	segpool_close(pool);
	/* By where they were given. */
	EXPECT_EQ(2, reports.leaks);
	EXPECT_EQ(3 * 4 * SP_KIB + 2 * BYTES + 3 * REGION, reports.leaked);
	EXPECT_EQ(0, reports.wrong);
	EXPECT_EQ(1, times(&reports, "never freed"));
	/* And none where there are none. */
	memset(&reports, 0, sizeof(reports));
	ASSERT_EQ(0, checked_pool(&pool));
	ASSERT_EQ(0, segpool_on_log(pool, note, &reports));
	EXPECT_EQ(0, segpool_free(pool, segpool_alloc(pool, 1)));
	segpool_close(pool);
	EXPECT_EQ(0, reports.leaks);
}

/* Without a function they go to stderr; a child that closes its copy says nothing. */
TEST(reports_without_a_function)
{
	struct segpool *pool;
	char text[4096] = "";
	int ends[2], status;
	ssize_t n;
	pid_t child;

	ASSERT_EQ(0, pipe(ends));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		dup2(ends[1], 2);
		if (checked_pool(&pool) || !segpool_alloc(pool, 1))
			_exit(1);
		child = fork();
		if (!child) {
			segpool_close(pool);
			_exit(0);
		}
		waitpid(child, &status, 0);
		segpool_close(pool);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	EXPECT_LT(0, n);
	EXPECT_EQ(&text[0], strstr(text, "segpool: 1 segments (4096 bytes) were never freed"));
	EXPECT_EQ(NULL, strstr(text + 1, "segpool: 1 segments"));
}

/* --- threads: of two frees one wins, and all is poisoned that is free --- */

#define THREADS	4
#define ROUNDS	600

struct storm {
	struct segpool *pool;
	_Atomic uintptr_t places[8];
	_Atomic int bad, twice;
};

static void work(void *argument, unsigned int member)
{
	struct storm *storm = argument;
	uint64_t random = member + 1;
	uintptr_t address;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		address = (uintptr_t)segpool_alloc(storm->pool, 1 + sp_random(&random) % BYTES);
		if (!address) {
			storm->bad++;
			continue;
		}
		*(volatile uint64_t *)address = i;
		address = atomic_exchange(&storm->places[sp_random(&random) % 8], address);
		if (address)
			storm->bad += segpool_free(storm->pool, (void *)address) != 0;
	}
}

TEST(threads)
{
	struct storm storm = { 0 };
	struct reports reports = { 0 };
	int i;

	ASSERT_EQ(0, checked_pool(&storm.pool));
	ASSERT_EQ(0, segpool_on_log(storm.pool, note, &reports));
	sp_team_run(THREADS, work, &storm);
	EXPECT_EQ(0, storm.bad);
	for (i = 0; i < 8; i++)
		if (storm.places[i])
			EXPECT_EQ(0, segpool_free(storm.pool, (void *)storm.places[i]));
	EXPECT_EQ(0, reports.wrong);
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_WRITTEN_AFTER_FREE));
	segpool_close(storm.pool);
	EXPECT_EQ(0, reports.leaks);
}

TEST_HARNESS_MAIN
