// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ceiling of all pools and pages that a pool only retains: they are no
 * reason to refuse another pool, in however many portions they are kept, and
 * taking them leaves every counter exact. So does the system's shrinker.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define CEILING_MIB	4
#define CEILING		(CEILING_MIB * SP_MIB)
/* Pages released within an eighth of the age are kept together. */
#define AGE_MS		2400
#define WINDOW_MS	(AGE_MS / 8 + 20)

/* Odd numbers, so that none is a whole portion; they and a big region are the ceiling's pages. */
static const unsigned int portions[] = { 1, 3, 7, 501 };

#define PORTIONS	(sizeof(portions) / sizeof(portions[0]))
#define RETAINED_PAGES	(1 + 3 + 7 + 501)
#define REGION_PAGES	(SP_BIG / SP_PAGE)

FIXTURE(retained) {
	struct sp_pool keeper, taker;
	struct segpool_region region, taken[CEILING_MIB];
	uint64_t ceiling;
};

SP_MODE_VARIANTS(retained);

static int retain_in_portions(const struct sp_pool *keeper, uint64_t handle)
{
	struct segpool_limits age = { .retain_age_ms = AGE_MS }, never = { .retain_age_ms = 0 };
	int error = sp_populate(keeper->fd, handle, 0, (RETAINED_PAGES + 1) * SP_PAGE, 0) ?:
		    sp_set_budget(keeper->fd, SEGPOOL_SET_AGE, &age);
	unsigned int i, first = 0;
	uint64_t until;

	for (i = 0; !error && i < PORTIONS; i++) {
		/* By the kernel's ticks, which may come late: by those it keeps them apart. */
		for (until = sp_ticks_ms() + WINDOW_MS; i && sp_ticks_ms() < until;)
			sp_sleep_ms(10);
		error = sp_discard(keeper->fd, handle, first * SP_PAGE, portions[i] * SP_PAGE, 0);
		first += portions[i];
	}
	/* From now on nothing ages. */
	return error ?: sp_set_budget(keeper->fd, SEGPOOL_SET_AGE, &never);
}

/* The keeper retains 512 pages in four portions and uses one. */
FIXTURE_SETUP(retained)
{
	unsigned int tries = 10;

	self->taker.fd = -1;
	self->ceiling = sp_module_parameter("ceiling_mib");
	ASSERT_TRUE(sp_wait_module_idle(5000));
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", CEILING_MIB));
	ASSERT_EQ(0, sp_pool_make(&self->keeper, variant->mode, 2 * SP_BIG, 4 * SP_BIG, CEILING,
				  CEILING));
	ASSERT_EQ(1, sp_alloc(self->keeper.fd, 0, 0, 1, &self->region));
	/* Where the machine is so slow that some age meanwhile, all over again. */
	do {
		ASSERT_EQ(0, sp_trim(self->keeper.fd, 0, NULL));
		ASSERT_EQ(0, retain_in_portions(&self->keeper, self->region.handle));
	} while (sp_counter(self->keeper.fd, SEGPOOL_C_RETAINED_BYTES) != RETAINED_PAGES * SP_PAGE &&
		 --tries);
	ASSERT_EQ(RETAINED_PAGES * SP_PAGE, sp_counter(self->keeper.fd, SEGPOOL_C_RETAINED_BYTES)) {
		TH_LOG("the machine was so slow that pages have aged meanwhile");
	}
	ASSERT_EQ(0, sp_pool_make(&self->taker, variant->mode, SP_MIB, CEILING, CEILING, CEILING));
}

FIXTURE_TEARDOWN(retained)
{
	sp_pool_close(&self->keeper);
	sp_pool_close(&self->taker);
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	sp_set_module_parameter("ceiling_mib", self->ceiling);
}

/* All counters agree with each other and with the page tables. */
static void expect_exact(struct __test_metadata *_metadata, FIXTURE_DATA(retained) *self)
{
	uint64_t keeper[SEGPOOL_NR_COUNTERS], taker[SEGPOOL_NR_COUNTERS];

	ASSERT_EQ(0, sp_stat(self->keeper.fd, keeper));
	ASSERT_EQ(0, sp_stat(self->taker.fd, taker));
	EXPECT_EQ(SP_PAGE, keeper[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_EQ(RETAINED_PAGES * SP_PAGE, keeper[SEGPOOL_C_RETAINED_BYTES] +
					    keeper[SEGPOOL_C_SHRUNK_PAGES] * SP_PAGE);
	EXPECT_EQ(keeper[SEGPOOL_C_PHYSICAL_BYTES] + keeper[SEGPOOL_C_RETAINED_BYTES] +
		  taker[SEGPOOL_C_PHYSICAL_BYTES] + taker[SEGPOOL_C_RETAINED_BYTES],
		  sp_module_counter("ceiling_used_bytes"));
	EXPECT_GE(CEILING, sp_module_counter("ceiling_used_bytes"));
	EXPECT_NO_DRIFT(&self->keeper);
	EXPECT_NO_DRIFT(&self->taker);
}

static void expect_rest_can_be_trimmed(struct __test_metadata *_metadata,
				       FIXTURE_DATA(retained) *self)
{
	uint64_t rest = sp_counter(self->keeper.fd, SEGPOOL_C_RETAINED_BYTES), released;

	ASSERT_EQ(0, sp_trim(self->keeper.fd, 0, &released));
	EXPECT_EQ(rest, released);
	EXPECT_EQ(0, sp_counter(self->keeper.fd, SEGPOOL_C_RETAINED_BYTES));
}

/* All but the page that is in use: nobody is refused before there is nothing retained. */
TEST_F(retained, all_of_it_gives_way)
{
	struct segpool_region last;
	unsigned int i;
	uint32_t reason;

	for (i = 0; i + 1 < CEILING_MIB; i++) {
		EXPECT_EQ(0, sp_alloc_one(self->taker.fd, 0, SEGPOOL_POPULATE, 0, &self->taken[i],
					  &reason));
		expect_exact(_metadata, self);
	}
	/* A region less a page: the very last ones. */
	ASSERT_EQ(0, sp_alloc_one(self->taker.fd, 0, 0, 0, &last, &reason));
	EXPECT_EQ(0, sp_populate(self->taker.fd, last.handle, 0, SP_MIB - SP_PAGE, 0));
	expect_exact(_metadata, self);
	EXPECT_EQ(CEILING, sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(0, sp_counter(self->keeper.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, sp_counter(self->taker.fd, SEGPOOL_C_REFUSED_CEILING));
	EXPECT_EQ(-ENOMEM, sp_populate(self->taker.fd, last.handle, 0, SP_MIB, 0));
	EXPECT_EQ(1, sp_counter(self->taker.fd, SEGPOOL_C_REFUSED_CEILING));
	expect_exact(_metadata, self);
}

/* One request for all of it at once. */
TEST_F(retained, neighbours)
{
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS, .count = 3 };

	EXPECT_EQ(0, sp_alloc_call(self->taker.fd, &call, self->taken));
	expect_exact(_metadata, self);
	expect_rest_can_be_trimmed(_metadata, self);
}

/* A request of more than a portion's pages, of which one is missing. */
TEST_F(retained, no_more_than_is_missing)
{
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS, .count = 3 };
	unsigned int mib = (3 * SP_MIB + (RETAINED_PAGES + 1) * SP_PAGE) / SP_MIB;

	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", mib));
	EXPECT_EQ(0, sp_alloc_call(self->taker.fd, &call, self->taken));
	EXPECT_EQ(portions[0], sp_counter(self->keeper.fd, SEGPOOL_C_SHRUNK_PAGES));
}

/* The same for one that has all but one of its pages in its own store. */
TEST_F(retained, no_more_than_is_missing_beside_its_own)
{
	/* 1 + 512 pages of the keeper's, 255 of the taker's. */
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 3));
	ASSERT_EQ(1, sp_alloc(self->taker.fd, 0, 0, 1, self->taken));
	ASSERT_EQ(0, sp_populate(self->taker.fd, self->taken[0].handle, 0, SP_MIB - SP_PAGE, 0));
	ASSERT_EQ(0, sp_discard(self->taker.fd, self->taken[0].handle, 0, SP_MIB - SP_PAGE, 0));
	ASSERT_EQ(0, sp_free(self->taker.fd, self->taken[0].handle, 0));
	ASSERT_EQ(0, sp_alloc_one(self->taker.fd, 0, SEGPOOL_POPULATE, 0, self->taken, NULL));
	EXPECT_EQ(portions[0], sp_counter(self->keeper.fd, SEGPOOL_C_SHRUNK_PAGES));
	EXPECT_EQ(0, sp_counter(self->taker.fd, SEGPOOL_C_SHRUNK_PAGES));
	expect_exact(_metadata, self);
}

/* By faults, page by page. */
TEST_F(retained, faults)
{
	char *at;
	uint64_t offset;

	ASSERT_EQ(3, sp_alloc(self->taker.fd, 0, SEGPOOL_POPULATE, 1, self->taken) +
		     sp_alloc(self->taker.fd, 0, SEGPOOL_POPULATE, 1, self->taken + 1) +
		     sp_alloc(self->taker.fd, 0, 0, 1, self->taken + 2));
	at = sp_region_at(&self->taker, &self->taken[2]);
	for (offset = 0; offset < SP_MIB; offset += SP_PAGE)
		ASSERT_EQ(0, sp_touch_write(at + offset));
	expect_exact(_metadata, self);
	expect_rest_can_be_trimmed(_metadata, self);
}

/* The system's own way: its shrinkers, as by pressure. */
TEST_F(retained, shrinker)
{
	ASSERT_TRUE(sp_drop_slab(self->keeper.fd));
	expect_exact(_metadata, self);
	expect_rest_can_be_trimmed(_metadata, self);
}

#define BUSY_PAGES	40
#define SLOW_MS		60000

struct busy {
	struct sp_pool *pool;
	uint64_t handle;
	atomic_bool stop;
	unsigned int rounds;
};

/* Takes single pages and retains them, so that the pool's store is hardly ever at rest. */
static void *use_and_retain(void *argument)
{
	struct busy *busy = argument;
	unsigned int i;

	while (!busy->stop) {
		busy->rounds++;
		for (i = 1; i < BUSY_PAGES; i++)
			sp_populate(busy->pool->fd, busy->handle, i * SP_PAGE, SP_PAGE, 0);
		sp_discard(busy->pool->fd, busy->handle, SP_PAGE, (BUSY_PAGES - 1) * SP_PAGE, 0);
	}
	return NULL;
}

/*
 * The keeper is at work while another pool asks. Before each request it fills
 * its store, so that the request does not fit without what is retained: 768
 * pages of the taker's and 512 of the keeper's, of which it uses at most 40.
 */
TEST_F(retained, keeper_at_work)
{
	struct busy busy = { .pool = &self->keeper, .handle = self->region.handle };
	uint64_t end = sp_now_ms() + 2500, handle = self->region.handle;
	unsigned int rounds = 0, refused = 0, refills_refused = 0;
	struct segpool_region region;
	int fd = self->keeper.fd;
	pthread_t thread;

	ASSERT_EQ(1, sp_alloc(self->taker.fd, 0, SEGPOOL_POPULATE, 1, &self->taken[0]));
	ASSERT_EQ(1, sp_alloc(self->taker.fd, 0, SEGPOOL_POPULATE, 1, &self->taken[1]));
	ASSERT_EQ(0, pthread_create(&thread, NULL, use_and_retain, &busy));
	/* Longer where the machine is slow. */
	while (sp_now_ms() < end ||
	       ((rounds <= 10 || busy.rounds <= 10) && sp_now_ms() < end + SLOW_MS)) {
		rounds++;
		refills_refused += sp_populate(fd, handle, BUSY_PAGES * SP_PAGE,
					       (REGION_PAGES - BUSY_PAGES) * SP_PAGE, 0) != 0;
		sp_discard(fd, handle, BUSY_PAGES * SP_PAGE,
			   (REGION_PAGES - BUSY_PAGES) * SP_PAGE, 0);
		if (sp_alloc_one(self->taker.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
			refused++;
		else
			sp_free(self->taker.fd, region.handle, SEGPOOL_NOW);
	}
	busy.stop = true;
	pthread_join(thread, NULL);
	EXPECT_LT(10, rounds);
	EXPECT_LT(10, busy.rounds);
	EXPECT_EQ(0, refused) {
		TH_LOG("of %u requests", rounds);
	}
	EXPECT_EQ(0, refills_refused);
	EXPECT_LT(0, sp_counter(fd, SEGPOOL_C_SHRUNK_PAGES));
	EXPECT_EQ(SP_PAGE, sp_counter(fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_NO_DRIFT(&self->keeper);
	EXPECT_NO_DRIFT(&self->taker);
}

TEST_HARNESS_MAIN
