// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions that are released and taken back by their words, under everybody who wants
 * them meanwhile: requests of the class and of others, REUSE by name, age, TRIM, the
 * limits, the system's shrinker, who reads numbers. Of two one wins each time, no
 * region has two owners, no byte of an owner's changes, and budgets with room for
 * exactly what the threads hold refuse nobody.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define WORKERS		4
#define TAKERS		2
#define CLASSES		2
#define SPAN_MS		3000
#define LONGEST_MS	120000
/* Of each kind, before it is over. */
#define ENOUGH		20

struct race {
	struct sp_pool pool;
	struct sp_words words;
	uint64_t start_ms;
	_Atomic uint64_t owner[WORKERS];
	/* Released by its word under that handle, for whoever is the first. */
	_Atomic uint64_t idle[WORKERS];
	atomic_ulong rounds, by_word, lost, lost_bytes, two_owners, not_zero, errors, refused;
	atomic_int running;
	int last_error;
};

static uint64_t counter(const struct race *race, enum segpool_counter which)
{
	return sp_counter(race->pool.fd, which);
}

/* Everybody has won now and then. */
static bool goes_on(const struct race *race)
{
	uint64_t spent_ms = sp_now_ms() - race->start_ms;

	return spent_ms < SPAN_MS ||
	       (spent_ms < LONGEST_MS && (race->by_word < ENOUGH || race->lost < ENOUGH ||
					  counter(race, SEGPOOL_C_KEPT_REUSES) < ENOUGH ||
					  counter(race, SEGPOOL_C_TRIMMED_PAGES) < ENOUGH ||
					  counter(race, SEGPOOL_C_SHRUNK_PAGES) < ENOUGH ||
					  counter(race, SEGPOOL_C_AGED_PAGES) < ENOUGH));
}

static void failed(struct race *race, int error)
{
	race->last_error = error;
	race->errors++;
}

static void is_at(const struct race *race, uint64_t handle, struct segpool_region *region)
{
	region->handle = handle;
	region->offset = SEGPOOL_HANDLE_INDEX(handle) * race->pool.region_size;
}

/* One that was released by its word; it may not be there any more. */
static bool take_by_word(struct race *race, uint64_t *random, struct segpool_region *region)
{
	uint64_t handle = atomic_exchange(&race->idle[sp_random(random) % WORKERS], 0);

	if (!handle)
		return false;
	if (!sp_word_take(&race->words, &handle)) {
		race->lost++;
		return false;
	}
	race->by_word++;
	is_at(race, handle, region);
	return true;
}

static int take(struct race *race, uint64_t *random, struct segpool_region *region)
{
	uint32_t flags = sp_random(random) % 8 ? SEGPOOL_POPULATE : 0;
	uint64_t old = region->handle;
	int error;

	if (sp_random(random) % 4 && take_by_word(race, random, region))
		return 0;
	if (!(sp_random(random) % 8))
		flags |= SEGPOOL_ZERO;
	if (old && !(sp_random(random) % 4)) {
		error = sp_reuse(race->pool.fd, old, sp_random(random) % CLASSES, flags, region);
		if (!error)
			goto taken;
		if (error != -EBUSY && error != -ESTALE)
			return error;
	}
	error = sp_alloc_one(race->pool.fd, sp_random(random) % CLASSES, flags, 0, region, NULL);
	if (error)
		return error;
taken:
	if (flags & SEGPOOL_ZERO &&
	    !sp_is_zero(sp_region_at(&race->pool, region), race->pool.region_size))
		race->not_zero++;
	return 0;
}

static void use(struct race *race, uint64_t *random, const struct segpool_region *region)
{
	_Atomic uint64_t *owner = &race->owner[region->offset / race->pool.region_size];
	char *bytes = sp_region_at(&race->pool, region);
	uint64_t nobody = 0;

	if (!atomic_compare_exchange_strong(owner, &nobody, region->handle))
		race->two_owners++;
	sp_pattern_write(bytes, race->pool.region_size, region->handle);
	if (!(sp_random(random) % 8) &&
	    sp_discard(race->pool.fd, region->handle, 0, SP_PAGE, 0) == 0 &&
	    sp_populate(race->pool.fd, region->handle, 0, SP_PAGE, 0) == 0)
		sp_pattern_write(bytes, race->pool.region_size, region->handle);
	if (sp_random(random) % 2)
		sched_yield();
	race->lost_bytes += sp_pattern_check(bytes, race->pool.region_size, region->handle);
	atomic_store(owner, 0);
}

static int release(struct race *race, uint64_t *random, uint64_t handle)
{
	uint32_t how = sp_random(random) % 16;

	if (how > 2 && sp_word_release(&race->words, handle)) {
		atomic_store(&race->idle[SEGPOOL_HANDLE_INDEX(handle)], handle);
		return 0;
	}
	return sp_free(race->pool.fd, handle, how == 0 ? SEGPOOL_NOW : how == 1 ? 0 : SEGPOOL_LAZY);
}

static void work(struct race *race, unsigned int member)
{
	struct segpool_region region = { .handle = 0 };
	uint64_t random = member * 7919 + 3;
	int error;

	while (goes_on(race)) {
		error = take(race, &random, &region);
		if (error) {
			failed(race, error);
			race->refused += error == -ENOMEM;
			continue;
		}
		use(race, &random, &region);
		error = release(race, &random, region.handle);
		if (error)
			failed(race, error);
		race->rounds++;
	}
}

static void take_pages(struct race *race, unsigned int member)
{
	struct segpool_limits limits;
	uint64_t random = member * 104729 + 1;
	struct sp_region_sums sums;
	int error = 0;

	while (race->running > 0) {
		memset(&limits, 0, sizeof(limits));
		switch (sp_random(&random) % 6) {
		case 0:
			error = sp_trim(race->pool.fd, sp_random(&random) % 4 * race->pool.region_size,
					NULL);
			break;
		case 1:
			limits.retain_age_ms = 1 + sp_random(&random) % 10;
			error = sp_set_budget(race->pool.fd, SEGPOOL_SET_AGE, &limits);
			break;
		case 2:
			limits.retain_limit = (1 + sp_random(&random) % (2 * WORKERS)) *
					      (race->pool.region_size / 2);
			error = sp_set_budget(race->pool.fd, SEGPOOL_SET_RETAIN, &limits);
			break;
		case 3:
			error = sp_write_file("/proc/sys/vm/drop_caches", "2");
			break;
		case 4:
			error = sp_regions_walk(race->pool.id, &sums) < 0 ? -EIO : 0;
			break;
		default:
			/* A while in which nothing is taken. */
			limits.retain_limit = WORKERS * race->pool.region_size;
			error = sp_set_budget(race->pool.fd, SEGPOOL_SET_RETAIN, &limits);
			usleep(3000);
		}
		if (error)
			failed(race, error);
	}
}

static void race_member(void *argument, unsigned int member)
{
	struct race *race = argument;

	if (member >= WORKERS) {
		take_pages(race, member);
		return;
	}
	work(race, member);
	race->running--;
}

FIXTURE(race) {
	struct race *race;
	bool open;
};

FIXTURE_VARIANT(race) {
	uint32_t mode;
	uint64_t region_size;
};
FIXTURE_VARIANT_ADD(race, strict) { .mode = SEGPOOL_MODE_STRICT, .region_size = SP_SMALL, };
FIXTURE_VARIANT_ADD(race, huge) { .mode = SEGPOOL_MODE_HUGE, .region_size = SP_BIG, };
FIXTURE_VARIANT_ADD(race, huge_single) { .mode = SEGPOOL_MODE_HUGE, .region_size = SP_SMALL, };

FIXTURE_SETUP(race)
{
	int error;

	self->race = calloc(1, sizeof(*self->race));
	ASSERT_NE(NULL, self->race);
	self->race->running = WORKERS;
	error = sp_words_make(&self->race->pool, &self->race->words, variant->mode,
			      variant->region_size, WORKERS * variant->region_size);
	if (error == -EOPNOTSUPP && variant->mode == SEGPOOL_MODE_STRICT)
		SKIP(return, "pages of a strict pool can be pinned on this kernel");
	ASSERT_EQ(0, error);
	self->open = true;
}

FIXTURE_TEARDOWN(race)
{
	if (self->open) {
		sp_words_unmap(&self->race->words);
		sp_pool_close(&self->race->pool);
	}
	free(self->race);
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
}

TEST_F_TIMEOUT(race, everybody_at_once, 200)
{
	struct race *race = self->race;

	race->start_ms = sp_now_ms();
	sp_team_run(WORKERS + TAKERS, race_member, race);
	EXPECT_LT(ENOUGH, race->rounds);
	EXPECT_LE(ENOUGH, race->by_word);
	EXPECT_LE(ENOUGH, race->lost);
	EXPECT_EQ(0, race->two_owners);
	EXPECT_EQ(0, race->lost_bytes);
	EXPECT_EQ(0, race->not_zero);
	EXPECT_EQ(0, race->refused);
	EXPECT_EQ(0, race->errors) TH_LOG("the last error was %d", race->last_error);
	EXPECT_LE(ENOUGH, counter(race, SEGPOOL_C_KEPT_REUSES));
	EXPECT_LE(ENOUGH, counter(race, SEGPOOL_C_TRIMMED_PAGES));
	EXPECT_LE(ENOUGH, counter(race, SEGPOOL_C_SHRUNK_PAGES));
	EXPECT_LE(ENOUGH, counter(race, SEGPOOL_C_AGED_PAGES));
	/* All regions are released: the kernel has learnt of each. */
	EXPECT_EQ(race->by_word, counter(race, SEGPOOL_C_WORD_REUSES));
	EXPECT_EQ(0, counter(race, SEGPOOL_C_DOUBLE_FREES));
	EXPECT_EQ(0, counter(race, SEGPOOL_C_STALE_FREES));
	EXPECT_NO_DRIFT(&race->pool);
	/* What is retained can still be given back, and is all there is. */
	ASSERT_EQ(0, sp_trim(race->pool.fd, 0, NULL));
	EXPECT_EQ(0, counter(race, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(0, counter(race, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_present(race->pool.base, race->pool.length, NULL));
}

TEST_HARNESS_MAIN
