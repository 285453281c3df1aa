// SPDX-License-Identifier: GPL-2.0-only
/* Handles of segments: good as long as the segment is the same. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "pool.h"
#include "testing_memory.h"
#include "testing_harness.h"

#define BYTES	(16 * SP_KIB)

FIXTURE(ref) {
	struct segpool *pool;
};

FIXTURE_SETUP(ref)
{
	ASSERT_EQ(0, small_pool(&self->pool));
}

FIXTURE_TEARDOWN(ref)
{
	segpool_close(self->pool);
}

/* The address is given out again, to somebody whom the old handle does not concern. */
TEST_F(ref, given_again)
{
	char *segment = segpool_alloc(self->pool, BYTES), *again;
	segpool_ref_t ref, fresh;

	ASSERT_NE(NULL, segment);
	ref = segpool_ref(self->pool, segment);
	ASSERT_NE(0, ref);
	EXPECT_EQ(ref, segpool_ref(self->pool, segment));
	EXPECT_EQ(segment, segpool_ref_address(self->pool, ref));
	EXPECT_EQ(0, segpool_ref_validate(self->pool, ref));
	EXPECT_EQ(0, segpool_ref_free(self->pool, ref));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(-EALREADY, segpool_ref_free(self->pool, ref));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EALREADY), "freed already"));
	EXPECT_EQ(-ESTALE, segpool_ref_validate(self->pool, ref));
	again = segpool_alloc(self->pool, BYTES);
	ASSERT_EQ(segment, again);
	sp_pattern_write(again, BYTES, 8);
	fresh = segpool_ref(self->pool, again);
	EXPECT_NE(ref, fresh);
	EXPECT_EQ(-ESTALE, segpool_ref_free(self->pool, ref));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -ESTALE), "new owner"));
	EXPECT_EQ(-ESTALE, segpool_ref_validate(self->pool, ref));
	errno = 0;
	EXPECT_EQ(NULL, segpool_ref_address(self->pool, ref));
	EXPECT_EQ(ESTALE, errno);
	errno = 0;
	EXPECT_EQ(NULL, segpool_ref_hold(self->pool, ref));
	EXPECT_EQ(ESTALE, errno);
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_STALE_FREES));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(0, sp_pattern_check(again, BYTES, 8));
	EXPECT_EQ(0, segpool_free(self->pool, again));
	EXPECT_EQ(-EALREADY, segpool_ref_free(self->pool, fresh));
	EXPECT_EQ(-ESTALE, segpool_ref_free(self->pool, ref));
}

TEST_F(ref, held)
{
	char *segment = segpool_alloc(self->pool, BYTES);
	segpool_ref_t ref = segpool_ref(self->pool, segment);

	ASSERT_NE(NULL, segment);
	EXPECT_EQ(segment, segpool_ref_hold(self->pool, ref));
	EXPECT_EQ(0, segpool_ref_free(self->pool, ref));
	EXPECT_EQ(-EALREADY, segpool_ref_free(self->pool, ref));
	EXPECT_EQ(-ESTALE, segpool_ref_validate(self->pool, ref));
	EXPECT_EQ(NULL, segpool_ref_hold(self->pool, ref));
	EXPECT_EQ(ESTALE, errno);
	EXPECT_EQ(NULL, segpool_ref_address(self->pool, ref));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
}

struct errand {
	struct segpool *pool;
	segpool_ref_t ref;
	int error;
};

static void *do_free(void *argument)
{
	struct errand *errand = argument;

	errand->error = segpool_ref_free(errand->pool, errand->ref);
	return NULL;
}

static int elsewhere(struct segpool *pool, segpool_ref_t ref)
{
	struct errand errand = { .pool = pool, .ref = ref };
	pthread_t thread;

	if (pthread_create(&thread, NULL, do_free, &errand) || pthread_join(thread, NULL))
		return -EAGAIN;
	return errand.error;
}

TEST_F(ref, by_another_thread)
{
	char *segment = segpool_alloc(self->pool, BYTES);
	segpool_ref_t ref = segpool_ref(self->pool, segment);
	void *held[4];

	ASSERT_NE(NULL, segment);
	EXPECT_EQ(0, elsewhere(self->pool, ref));
	EXPECT_EQ(-EALREADY, elsewhere(self->pool, ref));
	EXPECT_EQ(-EALREADY, segpool_ref_free(self->pool, ref));
	EXPECT_EQ(-ESTALE, segpool_ref_validate(self->pool, ref));
	EXPECT_EQ(0, segpool_ref(self->pool, segment));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	ASSERT_EQ(4, segpool_alloc_batch(self->pool, BYTES, held, 4));
	EXPECT_EQ(-ESTALE, elsewhere(self->pool, ref));
	EXPECT_EQ(4, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_free_batch(self->pool, held, 4));
	EXPECT_EQ(2, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_STALE_FREES));
}

TEST_F(ref, large_piece)
{
	char *large = segpool_alloc(self->pool, 2 * REGION);
	segpool_ref_t ref = segpool_ref(self->pool, large);

	ASSERT_NE(NULL, large);
	EXPECT_EQ(large, segpool_ref_address(self->pool, ref));
	EXPECT_EQ(large, segpool_ref_hold(self->pool, ref));
	EXPECT_EQ(0, segpool_release(self->pool, large));
	EXPECT_EQ(0, segpool_ref(self->pool, large + REGION));
	EXPECT_EQ(0, elsewhere(self->pool, ref));
	EXPECT_EQ(-EALREADY, segpool_ref_free(self->pool, ref));
	ASSERT_EQ(large, segpool_alloc(self->pool, 2 * REGION));
	EXPECT_EQ(-ESTALE, segpool_ref_free(self->pool, ref));
	EXPECT_EQ(2 * REGION, segpool_usable_size(self->pool, large));
	EXPECT_EQ(0, segpool_free(self->pool, large));
}

/* A region comes back in another shape: what is at the address is another's. */
TEST_F(ref, region_in_another_shape)
{
	struct segpool_limits limits = { .virtual_budget = REGION };
	segpool_ref_t refs[REGION / SP_PAGE];
	void *held[REGION / SP_PAGE], *large;
	unsigned int i;

	ASSERT_EQ(0, segpool_set_budget(self->pool, SEGPOOL_SET_VIRTUAL, &limits));
	ASSERT_EQ(16, segpool_alloc_batch(self->pool, SP_PAGE, held, 16));
	for (i = 0; i < 16; i++) {
		refs[i] = segpool_ref(self->pool, held[i]);
		EXPECT_EQ(held[i], segpool_ref_address(self->pool, refs[i]));
	}
	EXPECT_EQ(0, segpool_free_batch(self->pool, held, 16));
	ASSERT_EQ(2, segpool_alloc_batch(self->pool, 32 * SP_KIB, held, 2));
	for (i = 0; i < 16; i++)
		EXPECT_GT(0, segpool_ref_free(self->pool, refs[i]));
	EXPECT_EQ(2, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(2, all(self->pool, SEGPOOL_S_STALE_FREES));
	EXPECT_EQ(0, segpool_free_batch(self->pool, held, 2));
	large = segpool_alloc(self->pool, REGION);
	ASSERT_NE(NULL, large);
	for (i = 0; i < 16; i++)
		EXPECT_GT(0, segpool_ref_free(self->pool, refs[i]));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_free(self->pool, large));
}

TEST_F(ref, wrong)
{
	struct segpool *pool = self->pool;
	segpool_ref_t ref;
	char *segment;
	int local;

	EXPECT_EQ(-EINVAL, segpool_ref_free(pool, 1));
	EXPECT_EQ(-EINVAL, segpool_ref_validate(NULL, 1));
	EXPECT_EQ(-EINVAL, segpool_ref_free(NULL, 1));
#define REFUSED(error, nothing, call) \
	do { errno = 0; EXPECT_EQ(nothing, call); EXPECT_EQ(error, errno); } while (0)
	REFUSED(EINVAL, 0, segpool_ref(NULL, &local));
	REFUSED(EINVAL, 0, segpool_ref(pool, &local));
	REFUSED(EINVAL, NULL, segpool_ref_address(NULL, 1));
	REFUSED(EINVAL, NULL, segpool_ref_hold(NULL, 1));
	segment = segpool_alloc(pool, BYTES);
	ASSERT_NE(NULL, segment);
	ref = segpool_ref(pool, segment);
	REFUSED(EINVAL, 0, segpool_ref(pool, segment + 1));
	REFUSED(EINVAL, NULL, segpool_ref_address(pool, 0));
	REFUSED(EINVAL, NULL, segpool_ref_hold(pool, 0));
	EXPECT_EQ(-EINVAL, segpool_ref_free(pool, 0));
	EXPECT_NE(NULL, strstr(sentence(pool, -EINVAL), "no handle"));
	EXPECT_EQ(-EINVAL, segpool_ref_free(pool, ref & ~1ULL));
	EXPECT_EQ(-EINVAL, segpool_ref_validate(pool, UINT64_MAX));
	/* Of a life that is still to come. */
	EXPECT_EQ(-ESTALE, segpool_ref_free(pool, ref + (1ULL << 63)));
#undef REFUSED
	EXPECT_EQ(1, all(pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_ref_free(pool, ref));
}

/* Each place of a reservation has a handle, the last one, too. */
TEST(ref_of_every_place)
{
	struct segpool_options options;
	static void *held[REGIONS * REGION / SP_PAGE];
	struct segpool *pool;
	unsigned int i, wrong = 0;

	small_options(&options);
	options.reservation = REGIONS * REGION;
	ASSERT_EQ(0, segpool_open(&options, &pool));
	ASSERT_EQ(256, segpool_alloc_batch(pool, SP_PAGE, held, 256));
	for (i = 0; i < 256; i++)
		wrong += segpool_ref_address(pool, segpool_ref(pool, held[i])) != held[i];
	for (i = 0; i < 256; i++)
		wrong += segpool_ref_free(pool, segpool_ref(pool, held[i])) != 0;
	EXPECT_EQ(0, wrong);
	segpool_close(pool);
}

/* In a long reservation there are bits enough for both. */
TEST(ref_in_a_large_pool)
{
	struct segpool_options options;
	segpool_ref_t refs[8], last = 0;
	struct segpool *pool;
	void *held[8];
	int i, n;

	segpool_options_init(&options);
	options.backend = BACKEND;
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.region_size = SP_MIB;
	options.reservation = 8ULL << 40;
	options.limits.virtual_budget = 4 * SP_MIB;
	options.limits.physical_budget = 4 * SP_MIB;
	n = segpool_open(&options, &pool);
	if (n == -ENOMEM)
		SKIP(return, "no such range of addresses here");
	ASSERT_EQ(0, n);
	held[0] = segpool_alloc(pool, 1);
	if (!held[0] && errno == ENOMEM) {
		segpool_close(pool);
		SKIP(return, "no addresses for what is noted about so many segments");
	}
	ASSERT_NE(NULL, held[0]);
	ASSERT_EQ(7, segpool_alloc_batch(pool, 300 * SP_KIB, held + 1, 3) + 4);
	for (i = 0; i < 4; i++) {
		refs[i] = segpool_ref(pool, held[i]);
		EXPECT_EQ(held[i], segpool_ref_address(pool, refs[i]));
	}
	for (i = 0; i < 1000; i++) {
		EXPECT_NE(last, refs[0]);
		last = refs[0];
		ASSERT_EQ(0, segpool_ref_free(pool, refs[0]));
		ASSERT_EQ(-EALREADY, segpool_ref_free(pool, refs[0]));
		held[0] = segpool_alloc(pool, 1);
		refs[0] = segpool_ref(pool, held[0]);
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, segpool_ref_free(pool, refs[i]));
	segpool_close(pool);
}

/* --- readers who look afterwards --- */

#define THREADS		6
#define ROUNDS		4000
#define PLACES		12
#define WORDS		(BYTES / 8)

struct storm {
	struct segpool *pool;
	_Atomic segpool_ref_t places[PLACES];
	_Atomic int evicting;
	_Atomic unsigned long bad, read, held;
	bool may_touch;
};

/* Each 64th word has the segment's handle. */
static void evict(struct storm *storm, uint64_t *random)
{
	uint64_t *words = segpool_alloc(storm->pool, BYTES);
	segpool_ref_t ref;
	int i, error;

	if (!words) {
		storm->bad++;
		return;
	}
	ref = segpool_ref(storm->pool, words);
	for (i = 0; i < (int)WORDS; i += 64)
		__atomic_store_n(&words[i], ref, __ATOMIC_RELAXED);
	ref = atomic_exchange(&storm->places[sp_random(random) % PLACES], ref);
	if (!ref)
		return;
	storm->bad += segpool_ref_free(storm->pool, ref) != 0;
	error = segpool_ref_free(storm->pool, ref);
	storm->bad += error != -EALREADY && error != -ESTALE;
}

static bool is_whole(const uint64_t *words, segpool_ref_t ref)
{
	bool whole = true;
	unsigned int i;

	for (i = 0; i < WORDS; i += 64)
		whole &= __atomic_load_n(&words[i], __ATOMIC_RELAXED) == ref;
	return whole;
}

static void read_one(struct storm *storm, uint64_t *random)
{
	segpool_ref_t ref = storm->places[sp_random(random) % PLACES];
	uint64_t *words;
	bool whole;

	if (!ref)
		return;
	words = storm->may_touch ? segpool_ref_address(storm->pool, ref) : NULL;
	if (words) {
		whole = is_whole(words, ref);
		if (!segpool_ref_validate(storm->pool, ref)) {
			storm->bad += !whole;
			storm->read++;
		}
	}
	words = segpool_ref_hold(storm->pool, ref);
	if (words) {
		storm->bad += !is_whole(words, ref);
		sched_yield();
		storm->bad += !is_whole(words, ref);
		storm->bad += segpool_release(storm->pool, words) != 0;
		storm->held++;
	}
}

static void work(void *argument, unsigned int member)
{
	struct storm *storm = argument;
	uint64_t random = member + 1;
	unsigned int i;

	if (member % 2) {
		while (storm->evicting || !storm->held || (storm->may_touch && !storm->read))
			read_one(storm, &random);
		return;
	}
	for (i = 0; i < ROUNDS; i++)
		evict(storm, &random);
	storm->evicting--;
}

TEST(readers_and_evictions)
{
	struct storm storm = { .evicting = THREADS / 2 };
	unsigned long wrong;
	int i, left = 0;

	ASSERT_EQ(0, small_pool(&storm.pool));
	storm.may_touch = !can(storm.pool, SEGPOOL_CAN_STOP_TOUCHES);
	sp_team_run(THREADS, work, &storm);
	EXPECT_EQ(0, storm.bad);
	for (i = 0; i < PLACES; i++) {
		left += storm.places[i] != 0;
		if (storm.places[i])
			EXPECT_EQ(0, segpool_ref_free(storm.pool, storm.places[i]));
	}
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, all(storm.pool, SEGPOOL_S_DEFERRED));
	wrong = all(storm.pool, SEGPOOL_S_STALE_FREES) + all(storm.pool, SEGPOOL_S_DOUBLE_FREES);
	EXPECT_EQ(THREADS / 2 * ROUNDS - left, wrong);
	EXPECT_EQ(0, segpool_trim(storm.pool, 0, NULL));
	EXPECT_EQ(0, counter(storm.pool, SEGPOOL_C_PHYSICAL_BYTES));
	segpool_close(storm.pool);
}

/* --- one segment, and nothing but frees and holds --- */

#define TIGHT_ROUNDS	100000

struct tight {
	struct segpool *pool;
	_Atomic segpool_ref_t ref;
	_Atomic int done;
	unsigned long bad, held;
};

static void give_and_take(struct tight *tight)
{
	uint64_t random = 1;
	uint64_t *words;
	uint32_t pause;
	int i;

	for (i = 0; i < TIGHT_ROUNDS; i++) {
		words = segpool_alloc(tight->pool, SP_PAGE);
		if (!words)
			continue;
		__atomic_store_n(words, segpool_ref(tight->pool, words), __ATOMIC_RELAXED);
		tight->ref = __atomic_load_n(words, __ATOMIC_RELAXED);
		for (pause = sp_random(&random) % 256; pause; pause--)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
		segpool_free(tight->pool, words);
	}
	tight->done = 1;
}

static void hold_tight(struct tight *tight)
{
	segpool_ref_t ref;
	uint64_t *words;
	int i;

	while (!tight->done) {
		ref = tight->ref;
		words = ref ? segpool_ref_hold(tight->pool, ref) : NULL;
		if (!words)
			continue;
		for (i = 0; i < 200; i++)
			tight->bad += __atomic_load_n(words, __ATOMIC_RELAXED) != ref;
		tight->bad += segpool_release(tight->pool, words) != 0;
		tight->held++;
	}
}

static void one_each(void *argument, unsigned int member)
{
	if (member)
		hold_tight(argument);
	else
		give_and_take(argument);
}

/* The owner frees by itself; the other one comes at any moment of that. */
TEST(owner_frees_what_is_just_held)
{
	struct tight tight = { 0 };

	ASSERT_EQ(0, small_pool(&tight.pool));
	sp_team_run(2, one_each, &tight);
	EXPECT_EQ(0, tight.bad)
		TH_LOG("%lu holds", tight.held);
	EXPECT_EQ(0, all(tight.pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, all(tight.pool, SEGPOOL_S_DEFERRED));
	segpool_close(tight.pool);
}

TEST_HARNESS_MAIN
