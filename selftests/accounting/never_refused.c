// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promises 4 and 5: what a request held for a moment, only to be refused for
 * something else, is not missed by others. One thread asks without end for what
 * there can never be; the other, all of whose requests fit, notices nothing.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define FOR_MS		800
#define SLOW_MS		60000
#define ENOUGH		50
#define REGIONS		4

FIXTURE(exact) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
};

SP_MODE_VARIANTS(exact);

/* One region has all of the physical budget. */
FIXTURE_SETUP(exact)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SP_SMALL, REGIONS * SP_SMALL,
				  SP_SMALL, SP_SMALL));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, self->regions));
}

FIXTURE_TEARDOWN(exact)
{
	sp_pool_close(&self->pool);
}

/* The regions after the first are carved, empty and released; the virtual budget ends there. */
static void release_empty(struct __test_metadata *_metadata, FIXTURE_DATA(exact) *self,
			  unsigned int count)
{
	struct segpool_limits limits = { .virtual_budget = (1 + count) * SP_SMALL };

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	ASSERT_EQ(count, sp_alloc(self->pool.fd, 0, 0, count, self->regions + 1));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions + 1, count, 0));
}

struct contest {
	int fd;
	/* What is refused for ever. */
	struct segpool_alloc alloc;
	uint64_t reuse;
	/* What never is: returns whether all was as it must be. */
	bool (*request)(int fd, struct segpool_region *region);
	struct segpool_region region;

	uint64_t end_ms;
	atomic_bool over;
	volatile unsigned int attempts, given, rounds, failed;
};

static int attempt(struct contest *contest)
{
	struct segpool_region results[REGIONS];
	struct segpool_alloc alloc = contest->alloc;

	if (contest->reuse)
		return sp_reuse(contest->fd, contest->reuse, 0, SEGPOOL_POPULATE, results);
	return sp_alloc_call(contest->fd, &alloc, results);
}

static void compete(void *argument, unsigned int member)
{
	struct contest *contest = argument;

	if (member) {
		while (!contest->over) {
			contest->attempts++;
			contest->given += !attempt(contest);
		}
		return;
	}
	/*
	 * After the first failure too: how often tells how likely it is. Longer
	 * where the machine is slow, so that there is a contest at all.
	 */
	while (sp_now_ms() < contest->end_ms ||
	       ((contest->rounds <= ENOUGH || contest->attempts <= ENOUGH) &&
		sp_now_ms() < contest->end_ms + SLOW_MS)) {
		contest->rounds++;
		contest->failed += !contest->request(contest->fd, &contest->region);
	}
	contest->over = true;
}

static void expect_unnoticed(struct __test_metadata *_metadata, FIXTURE_DATA(exact) *self,
			     struct contest *contest)
{
	contest->fd = self->pool.fd;
	contest->end_ms = sp_now_ms() + FOR_MS;
	sp_team_run(2, compete, contest);
	EXPECT_LT(ENOUGH, contest->rounds);
	EXPECT_LT(ENOUGH, contest->attempts);
	EXPECT_EQ(0, contest->given);
	EXPECT_EQ(0, contest->failed) {
		TH_LOG("of %u requests, against %u", contest->rounds, contest->attempts);
	}
	EXPECT_NO_DRIFT(&self->pool);
}

static bool alloc_and_free(int fd, struct segpool_region *unused)
{
	struct segpool_region region;

	return !sp_alloc_one(fd, 0, 0, 0, &region, NULL) && !sp_free(fd, region.handle, 0);
}

static bool alloc_by_another_class(int fd, struct segpool_region *unused)
{
	struct segpool_region region;

	return !sp_alloc_one(fd, 3, 0, 0, &region, NULL) && !sp_free(fd, region.handle, 0);
}

static bool alloc_two_and_free(int fd, struct segpool_region *unused)
{
	struct segpool_region regions[2];

	return sp_alloc(fd, 0, SEGPOOL_CONTIGUOUS, 2, regions) == 2 &&
	       !sp_free_regions(fd, regions, 2, 0);
}

/* Takes the one it was told, which nobody else ever gets, and releases it. */
static bool reuse_and_free(int fd, struct segpool_region *region)
{
	return !sp_reuse(fd, region->handle, 0, 0, region) && !sp_free(fd, region->handle, 0);
}

/* A region that was released is that, also while a request that will be refused looks at it. */
static bool free_again(int fd, struct segpool_region *region)
{
	return sp_free(fd, region->handle, 0) == -EALREADY;
}

/* Gives a page back and takes it again. */
static bool discard_and_populate(int fd, struct segpool_region *region)
{
	return !sp_discard(fd, region->handle, 0, SP_PAGE, 0) &&
	       !sp_populate(fd, region->handle, 0, SP_PAGE, 0);
}

static bool discard_now_and_populate(int fd, struct segpool_region *region)
{
	return !sp_discard(fd, region->handle, 0, SP_SMALL, SEGPOOL_NOW) &&
	       !sp_populate(fd, region->handle, 0, SP_SMALL, 0);
}

static bool discard_and_touch(int fd, struct segpool_region *region)
{
	char *at = (char *)(uintptr_t)region->offset;

	return !sp_discard(fd, region->handle, 0, SP_PAGE, 0) && !sp_touch_write(at);
}

/* Refused for pages, with the only released region in its hands. */
TEST_F(exact, region_against_alloc)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = alloc_and_free };

	release_empty(_metadata, self, 1);
	expect_unnoticed(_metadata, self, &contest);
}

TEST_F(exact, region_of_another_class_against_alloc)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = alloc_by_another_class };

	release_empty(_metadata, self, 1);
	expect_unnoticed(_metadata, self, &contest);
}

TEST_F(exact, region_against_alloc_of_neighbours)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS,
					      .count = 3 },
				   .request = alloc_and_free };

	release_empty(_metadata, self, 3);
	expect_unnoticed(_metadata, self, &contest);
}

/* Neighbours that can never have their pages keep no released region from who asks for one. */
TEST_F(exact, neighbours_beyond_the_budget_have_nothing_carved)
{
	struct segpool_limits limits = { .virtual_budget = REGIONS * SP_SMALL };
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS,
					      .count = 2 },
				   .request = alloc_and_free };

	release_empty(_metadata, self, 2);
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	expect_unnoticed(_metadata, self, &contest);
	EXPECT_EQ(3 * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
}

/* Nor does a request for one. */
TEST_F(exact, region_beyond_the_budget_has_nothing_carved)
{
	struct segpool_limits limits = { .virtual_budget = REGIONS * SP_SMALL };
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = alloc_and_free };

	release_empty(_metadata, self, 1);
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
	expect_unnoticed(_metadata, self, &contest);
	EXPECT_EQ(2 * SP_SMALL, sp_counter(self->pool.fd, SEGPOOL_C_VIRTUAL_BYTES));
}

TEST_F(exact, neighbours_against_alloc)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = alloc_two_and_free };

	release_empty(_metadata, self, 2);
	expect_unnoticed(_metadata, self, &contest);
}

TEST_F(exact, double_free_against_reuse)
{
	struct contest contest = { .request = free_again };

	release_empty(_metadata, self, 1);
	contest.reuse = self->regions[1].handle;
	contest.region = self->regions[1];
	expect_unnoticed(_metadata, self, &contest);
	EXPECT_EQ(contest.rounds, sp_counter(self->pool.fd, SEGPOOL_C_DOUBLE_FREES));
}

TEST_F(exact, named_region_against_alloc)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = reuse_and_free };

	release_empty(_metadata, self, 1);
	contest.region = self->regions[1];
	expect_unnoticed(_metadata, self, &contest);
}

TEST_F(exact, double_free_against_alloc)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = free_again };

	release_empty(_metadata, self, 1);
	contest.region = self->regions[1];
	expect_unnoticed(_metadata, self, &contest);
	EXPECT_EQ(contest.rounds, sp_counter(self->pool.fd, SEGPOOL_C_DOUBLE_FREES));
}

/* The other way round: refused for regions, and the pages are not missed. */
static void make_full(struct __test_metadata *_metadata, FIXTURE_DATA(exact) *self)
{
	struct segpool_limits limits = { .virtual_budget = SP_SMALL };

	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_VIRTUAL, &limits));
}

TEST_F(exact, retained_page_against_alloc)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = discard_and_populate };

	make_full(_metadata, self);
	contest.region = self->regions[0];
	expect_unnoticed(_metadata, self, &contest);
}

/* Refused for pages all the time, with the one page that was retained within reach. */
TEST_F(exact, retained_page_against_alloc_of_released_region)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = discard_and_populate };

	release_empty(_metadata, self, 1);
	contest.region = self->regions[0];
	expect_unnoticed(_metadata, self, &contest);
}

TEST_F(exact, page_of_the_budget_against_alloc_of_neighbours)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS,
					      .count = 2 },
				   .request = discard_now_and_populate };

	release_empty(_metadata, self, 2);
	contest.region = self->regions[0];
	expect_unnoticed(_metadata, self, &contest);
}

TEST_F(exact, fault_against_alloc)
{
	struct contest contest = { .alloc = { .flags = SEGPOOL_POPULATE, .count = 1 },
				   .request = discard_and_touch };

	release_empty(_metadata, self, 1);
	contest.region = self->regions[0];
	contest.region.offset = (uintptr_t)sp_region_at(&self->pool, &self->regions[0]);
	expect_unnoticed(_metadata, self, &contest);
}

/* Several threads that are to do the same at the same time, again and again. */
struct together {
	struct sp_pool pool;
	struct segpool_region region;
	pthread_barrier_t barrier;
	atomic_uint refused, ready;
};

/* At the same instant, which those that sleep at a barrier do not leave at. */
static void meet(struct together *together, unsigned int members)
{
	unsigned int last = (together->ready++ / members + 1) * members;

	while (together->ready < last)
		;
}

#define NEIGHBOURS	64U
#define CARVING_ROUNDS	30

static void carve(void *argument, unsigned int member)
{
	struct together *together = argument;
	struct segpool_region regions[NEIGHBOURS];
	unsigned int round;

	for (round = 0; round < CARVING_ROUNDS; round++) {
		if (!member)
			together->refused += sp_pool_make(&together->pool, SEGPOOL_MODE_STRICT, SP_SMALL,
							  2 * NEIGHBOURS * SP_SMALL,
							  2 * NEIGHBOURS * SP_SMALL, 0) != 0;
		meet(together, 2);
		together->refused += sp_alloc(together->pool.fd, 0,
					      SEGPOOL_CONTIGUOUS | SEGPOOL_POPULATE, NEIGHBOURS,
					      regions) != (int)NEIGHBOURS;
		pthread_barrier_wait(&together->barrier);
		if (!member)
			sp_pool_close(&together->pool);
	}
}

/* There is room for both; who comes second needs descriptors that nobody has made yet. */
TEST(new_neighbours_of_two_threads)
{
	struct together together = { .refused = 0 };

	pthread_barrier_init(&together.barrier, NULL, 2);
	sp_team_run(2, carve, &together);
	EXPECT_EQ(0, together.refused);
}

#define POPULATE_ROUNDS	200

static void populate(void *argument, unsigned int member)
{
	struct together *together = argument;
	struct segpool_range range = { .handle = together->region.handle, .length = SP_SMALL };
	int fd = together->pool.fd;
	struct segpool_ranges call;
	unsigned int round;

	for (round = 0; round < POPULATE_ROUNDS; round++) {
		if (!member)
			together->refused += sp_discard(fd, together->region.handle, 0, SP_SMALL,
							round % 2 ? SEGPOOL_NOW : 0) != 0;
		pthread_barrier_wait(&together->barrier);
		call = (struct segpool_ranges){ .size = sizeof(call), .flags = SEGPOOL_WAIT,
						.count = 1, .ranges = (uintptr_t)&range,
						.timeout_ms = round % 3 ? 0 : 10000 };
		together->refused += sp_ioctl(fd, SEGPOOL_IOC_POPULATE, &call) != 0;
		pthread_barrier_wait(&together->barrier);
	}
}

/* Two back the same pages, for which there is budget once. */
TEST_F(exact, populate_against_populate)
{
	struct together together = { .pool = self->pool, .region = self->regions[0] };

	pthread_barrier_init(&together.barrier, NULL, 2);
	sp_team_run(2, populate, &together);
	EXPECT_EQ(0, together.refused);
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_WAITS));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
