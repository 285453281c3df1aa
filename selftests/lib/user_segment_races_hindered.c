// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread is held up just before, or just after, a compare and exchange about a segment, while others
 * do what makes it come too late (stops.h).
 */
#define PLAIN_MEMORY
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

#include "pool.h"
#include "testing_harness.h"
#include "segment.h"

#define BYTES		(16 * SP_KIB)
#define LARGE_REGION	(2 * SP_MIB)
#define PIECE		(256 * SP_KIB)
#define PIECES		16
#define OTHERS		256

/* --- a thread that stops where it is told to --- */

struct stop {
	const char *function;
	bool after;
};

struct walker {
	struct segpool *pool;
	void *segment;
	segpool_ref_t ref;
	const struct stop *stops;
	int nr, next, error;
	bool is_done;
	pthread_t thread;
	/* At a stop, or at the end. */
	sem_t is_there, may_go;
};

static _Thread_local struct walker *me;

static void stop(const char *function, bool after)
{
	struct walker *walker = me;

	if (!walker || walker->next == walker->nr ||
	    walker->stops[walker->next].after != after ||
	    strcmp(walker->stops[walker->next].function, function))
		return;
	walker->next++;
	sem_post(&walker->is_there);
	sem_wait(&walker->may_go);
}

void stop_before(const char *function)
{
	stop(function, false);
}

void stop_after(const char *function)
{
	stop(function, true);
}

static void *walk(void *argument)
{
	struct walker *walker = argument;

	me = walker;
	walker->error = walker->ref ? segpool_ref_free(walker->pool, walker->ref) :
				      segpool_free(walker->pool, walker->segment);
	__atomic_store_n(&walker->is_done, true, __ATOMIC_RELEASE);
	sem_post(&walker->is_there);
	return NULL;
}

static void *hold(void *argument)
{
	struct walker *walker = argument;

	me = walker;
	walker->error = segpool_hold(walker->pool, walker->segment);
	__atomic_store_n(&walker->is_done, true, __ATOMIC_RELEASE);
	sem_post(&walker->is_there);
	return NULL;
}

/* Until its first stop. */
static int start(struct walker *walker, void *(*function)(void *), const struct stop *stops, int nr)
{
	walker->stops = stops;
	walker->nr = nr;
	sem_init(&walker->is_there, 0, 0);
	sem_init(&walker->may_go, 0, 0);
	if (pthread_create(&walker->thread, NULL, function, walker))
		return -EAGAIN;
	if (nr)
		sem_wait(&walker->is_there);
	return 0;
}

/* Until the next stop, or its end. */
static void go_on(struct walker *walker)
{
	sem_post(&walker->may_go);
	sem_wait(&walker->is_there);
}

static int finish(struct walker *walker)
{
	while (!__atomic_load_n(&walker->is_done, __ATOMIC_ACQUIRE))
		go_on(walker);
	pthread_join(walker->thread, NULL);
	return walker->error;
}

/* --- the same address once more --- */

static void *take(struct segpool *pool, size_t bytes, const void *wanted)
{
	void *segment = NULL, *others[OTHERS];
	int i, n = 0;

	while (segment != wanted && n < OTHERS) {
		segment = segpool_alloc(pool, bytes);
		if (!segment)
			break;
		if (segment != wanted)
			others[n++] = segment;
	}
	for (i = 0; i < n; i++)
		segpool_free(pool, others[i]);
	return segment == wanted ? segment : NULL;
}

FIXTURE(races) {
	struct segpool *pool;
};

FIXTURE_SETUP(races)
{
	struct segpool_options options;

	small_options(&options);
	options.region_size = LARGE_REGION;
	options.limits.virtual_budget = 16 * LARGE_REGION;
	options.limits.physical_budget = 32 * LARGE_REGION;
	options.limits.retain_limit = 16 * LARGE_REGION;
	ASSERT_EQ(0, segpool_open(&options, &self->pool));
}

FIXTURE_TEARDOWN(races)
{
	segpool_close(self->pool);
}

static const struct stop before_exchange = { "exchange", false };
static const struct stop around_exchange[] = { { "exchange", false }, { "exchange", true } };
static const struct stop around_mark[] = { { "mark", false }, { "mark", true } };

/* As many hold it as when the free looked; but it is somebody else's. */
TEST_F(races, stale_handle_while_the_new_one_is_held)
{
	void *segment = segpool_alloc(self->pool, BYTES);
	struct walker late = { .pool = self->pool, .ref = segpool_ref(self->pool, segment) };
	segpool_ref_t ref;

	ASSERT_NE(0, late.ref);
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	ASSERT_EQ(0, start(&late, walk, &before_exchange, 1));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	EXPECT_EQ(0, segpool_ref_free(self->pool, late.ref));
	ASSERT_EQ(segment, take(self->pool, BYTES, segment));
	ref = segpool_ref(self->pool, segment);
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	EXPECT_EQ(-ESTALE, finish(&late));
	EXPECT_EQ(0, segpool_ref_validate(self->pool, ref));
	EXPECT_EQ(BYTES, segpool_usable_size(self->pool, segment));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	EXPECT_EQ(NULL, take(self->pool, BYTES, segment));
	EXPECT_EQ(0, segpool_ref_free(self->pool, ref));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_STALE_FREES));
}

/* As many hold it as when the free looked; but it is free, and he who holds it has not yet seen that. */
TEST_F(races, second_free_while_a_late_hold_is_let_go)
{
	void *segment, *keep = segpool_alloc(self->pool, BYTES);
	struct walker late = { .pool = self->pool }, holder = { .pool = self->pool };

	segment = segpool_alloc(self->pool, BYTES);
	ASSERT_TRUE(keep && segment);
	late.segment = segment;
	holder.segment = segment;
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	ASSERT_EQ(0, start(&late, walk, &before_exchange, 1));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	ASSERT_EQ(0, start(&holder, hold, around_exchange, 2));
	EXPECT_EQ(0, segpool_free(self->pool, segment));
	go_on(&holder);
	EXPECT_EQ(-EALREADY, finish(&late));
	EXPECT_EQ(-ENOENT, finish(&holder));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(1, all(self->pool, SEGPOOL_S_FREES));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, segment));
	EXPECT_EQ(2, all(self->pool, SEGPOOL_S_DOUBLE_FREES));
	EXPECT_EQ(0, segpool_free(self->pool, keep));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
}

/* The region is a large piece by the time that the free comes to it, and that is freed in between. */
TEST_F(races, late_free_in_what_became_a_large_piece)
{
	struct walker late = { .pool = self->pool }, owner = { .pool = self->pool };
	char *base = segpool_base(self->pool), *kept = NULL;
	void *pieces[PIECES];
	int i;

	ASSERT_EQ(PIECES, segpool_alloc_batch(self->pool, PIECE, pieces, PIECES));
	for (i = 0; i < PIECES; i++) {
		if (pieces[i] == base + LARGE_REGION)
			kept = pieces[i];
		else
			EXPECT_EQ(0, segpool_free(self->pool, pieces[i]));
	}
	late.ref = segpool_ref(self->pool, kept);
	ASSERT_NE(0, late.ref);
	ASSERT_EQ(0, start(&late, walk, around_mark, 2));
	/* With it the region goes home; the other one stays. */
	EXPECT_EQ(0, segpool_ref_free(self->pool, late.ref));
	owner.segment = segpool_alloc(self->pool, LARGE_REGION / 2);
	ASSERT_EQ(kept, owner.segment);
	go_on(&late);
	ASSERT_EQ(0, start(&owner, walk, NULL, 0));
	/* If it does not wait for the late one, here it is done. */
	usleep(100000);
	finish(&late);
	EXPECT_EQ(0, finish(&owner));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_REGIONS));
	EXPECT_EQ(0, counter(self->pool, SEGPOOL_C_REGIONS_ACTIVE));
}

/* What a late free does until it sees that it is late is nothing to who has the segment now. */
TEST_F(races, owner_between_a_late_frees_steps)
{
	void *segment = segpool_alloc(self->pool, LARGE_REGION / 2);
	struct walker late = { .pool = self->pool, .ref = segpool_ref(self->pool, segment) };

	ASSERT_NE(0, late.ref);
	ASSERT_EQ(0, start(&late, walk, around_exchange, 2));
	EXPECT_EQ(0, segpool_ref_free(self->pool, late.ref));
	ASSERT_EQ(segment, take(self->pool, PIECE, segment));
	go_on(&late);
	EXPECT_EQ(PIECE, segpool_usable_size(self->pool, segment));
	EXPECT_EQ(segment, segpool_realloc(self->pool, segment, PIECE));
	EXPECT_NE(0, segpool_ref(self->pool, segment));
	EXPECT_EQ(0, segpool_free(self->pool, segment));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, segment));
	EXPECT_NE(0, finish(&late));
	EXPECT_EQ(0, segpool_usable_size(self->pool, segment));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, segpool_trim(self->pool, 0, NULL));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_REGIONS));
}

/* The last release comes between any two steps of the free: it is counted before it ends. */
TEST_F(races, release_between_a_frees_steps)
{
	static const struct stop stops[] = {
		{ "exchange", true }, { "exchange", true }, { "exchange", true },
	};
	struct walker freer;
	void *segment;
	int i, n;

	for (n = 1; n <= 3; n++) {
		segment = segpool_alloc(self->pool, BYTES);
		ASSERT_NE(NULL, segment);
		freer = (struct walker){ .pool = self->pool, .segment = segment };
		EXPECT_EQ(0, segpool_hold(self->pool, segment));
		ASSERT_EQ(0, start(&freer, walk, stops, n));
		for (i = 1; i < n && !freer.is_done; i++)
			go_on(&freer);
		EXPECT_EQ(0, segpool_release(self->pool, segment));
		EXPECT_GE(1, all(self->pool, SEGPOOL_S_DEFERRED));
		EXPECT_EQ(0, finish(&freer));
		EXPECT_EQ(0, all(self->pool, SEGPOOL_S_DEFERRED));
		EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	}
}

/* A release too many takes the hold that a free has for a moment: the free does without. */
TEST_F(races, release_too_many_between_a_frees_steps)
{
	static const struct stop after = { "exchange", true };
	void *segment = segpool_alloc(self->pool, BYTES);
	struct walker freer = { .pool = self->pool, .segment = segment };

	ASSERT_NE(NULL, segment);
	/* The region is one whose segments others may hold. */
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	ASSERT_EQ(0, start(&freer, walk, &after, 1));
	segpool_release(self->pool, segment);
	EXPECT_EQ(0, finish(&freer));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_DEFERRED));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, segment));
}

/* The most that may hold it: noted, since holding it so often takes a while. */
TEST_F(races, held_as_often_as_can_be)
{
	void *segment = segpool_alloc(self->pool, BYTES);
	struct segpool_place place;
	uint32_t *remote;

	ASSERT_NE(NULL, segment);
	ASSERT_EQ(0, segpool_find(self->pool, segment, &place));
	remote = &segpool_segment_at(self->pool->segments,
				     segpool_slab_index(self->pool->segments, place.slab),
				     place.number)->remote;
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	EXPECT_EQ(SEGPOOL_HOLD, *remote);
	*remote = (SEGPOOL_MOST_HOLDS - 1) * SEGPOOL_HOLD;
	EXPECT_EQ(0, segpool_hold(self->pool, segment));
	EXPECT_EQ(-EOVERFLOW, segpool_hold(self->pool, segment));
	EXPECT_NE(NULL, strstr(sentence(self->pool, -EOVERFLOW), "536870912 times"));
	EXPECT_EQ(NULL, segpool_ref_hold(self->pool, segpool_ref(self->pool, segment)));
	EXPECT_EQ(EOVERFLOW, errno);
	/* A free is not refused for that. */
	EXPECT_EQ(0, segpool_free(self->pool, segment));
	EXPECT_EQ(-EALREADY, segpool_free(self->pool, segment));
	EXPECT_EQ(SEGPOOL_MOST_HOLDS * SEGPOOL_HOLD | SEGPOOL_FREED, *remote);
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	*remote = SEGPOOL_HOLD | SEGPOOL_FREED;
	EXPECT_EQ(0, segpool_release(self->pool, segment));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_LIVE));
	EXPECT_EQ(0, all(self->pool, SEGPOOL_S_DEFERRED));
}

TEST_HARNESS_MAIN
