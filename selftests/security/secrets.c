// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 8, from the side of the thief: one process fills memory with a secret
 * and gives it up, in every way there is; another takes memory from pools, by
 * every path, looks at it by every route, and must see nothing but zeroes.
 *
 * (The guest runs with init_on_alloc=0: no one else zeroes for the module.)
 */
#define TARGET	SP_MIB
#include "hunter.h"
#include <liburing.h>
#include "zaps.h"
#include "kselftest_harness.h"

FIXTURE(secret) {
	struct actor owner;
	struct owner state;
	struct whereabouts *at;
};

SP_MODE_VARIANTS(secret);

FIXTURE_SETUP(secret)
{
	self->at = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->at);
	self->state.mode = variant->mode;
	ASSERT_EQ(0, actor_start(&self->owner, &self->state));
}

FIXTURE_TEARDOWN(secret)
{
	actor_end(&self->owner);
}

/* Search in pools of both modes. */
static void expect_only_zeroes(struct __test_metadata *_metadata)
{
	static struct hunter hunter;
	uint32_t mode;

	for (mode = SEGPOOL_MODE_STRICT; mode <= SEGPOOL_MODE_PINNABLE; mode++) {
		memset(&hunter, 0, sizeof(hunter));
		ASSERT_EQ(0, hunter_open(&hunter, mode));
		EXPECT_EQ(0, hunt(&hunter));
		EXPECT_EQ(0, hunter.foreign) {
			TH_LOG("mode %u: words that are somebody's", mode);
		}
		hunter_close(&hunter);
	}
}

static void give_up_and_search(struct __test_metadata *_metadata, FIXTURE_DATA(secret) *self,
			       const struct zap *zap)
{
	ASSERT_EQ(0, actor_ask(&self->owner, owner_opens, (long)self->at));
	ASSERT_EQ(0, zap_do(zap, &self->owner, self->at, false));
	expect_only_zeroes(_metadata);
}

#define ZAP_TEST(name) \
	TEST_F(secret, name) { give_up_and_search(_metadata, self, &zap_##name); }

FOR_EACH_ZAP(ZAP_TEST)

/* Allocates, writes secrets and gives up for ever, until it is killed at some point of that. */
static long owner_never_stops(void *state, long unused)
{
	struct owner *owner = state;
	struct segpool_region region;
	unsigned int i;

	for (i = 0;; i++) {
		if (sp_alloc_one(owner->pool.fd, 0, i % 2 ? SEGPOOL_POPULATE : 0, 0, &region, NULL))
			continue;
		mark_fill(sp_region_at(&owner->pool, &region), TARGET, MARK_OLD);
		sp_discard(owner->pool.fd, region.handle, 0, TARGET / 2, i % 3 ? 0 : SEGPOOL_NOW);
		sp_free(owner->pool.fd, region.handle, i % 5 ? 0 : SEGPOOL_NOW);
	}
	return 0;
}

#define KILLS	4

TEST_F(secret, killed_half_way)
{
	uint64_t random = 20240611 + variant->mode;
	unsigned int i;

	for (i = 0; i < KILLS; i++) {
		ASSERT_EQ(0, actor_ask(&self->owner, owner_opens, (long)self->at));
		actor_tell(&self->owner, owner_never_stops, 0);
		sp_sleep_ms(sp_random(&random) % 40);
		ASSERT_EQ(0, zap_do(&zap_kill, &self->owner, self->at, false));
		expect_only_zeroes(_metadata);
		actor_end(&self->owner);
		ASSERT_EQ(0, actor_start(&self->owner, &self->state));
	}
}

/* Ordinary memory: a process's own, a file's in memory, a pipe's. */

#define ORDINARY	(4 * SP_MIB)

struct ordinary {
	char *anonymous, *file;
	int pipe[2];
};

static long has_ordinary_memory(void *state, long unused)
{
	struct ordinary *ordinary = state;

	ordinary->anonymous = map_anonymous(ORDINARY);
	ordinary->file = map_file(ORDINARY);
	if (!ordinary->anonymous || !ordinary->file || pipe(ordinary->pipe))
		return -ENOMEM;
	mark_fill(ordinary->anonymous, ORDINARY, MARK_OLD);
	mark_fill(ordinary->file, ORDINARY, MARK_OLD);
	return write(ordinary->pipe[1], ordinary->anonymous, SP_SMALL) == SP_SMALL ? 0 : -EIO;
}

static long gives_ordinary_memory_up(void *state, long unused)
{
	struct ordinary *ordinary = state;

	close(ordinary->pipe[0]);
	close(ordinary->pipe[1]);
	return munmap(ordinary->file, ORDINARY) ||
	       madvise(ordinary->anonymous, ORDINARY, MADV_DONTNEED);
}

TEST(ordinary_memory_given_up)
{
	struct ordinary ordinary;
	struct actor actor;

	ASSERT_EQ(0, actor_start(&actor, &ordinary));
	ASSERT_EQ(0, actor_ask(&actor, has_ordinary_memory, 0));
	ASSERT_EQ(0, actor_ask(&actor, gives_ordinary_memory_up, 0));
	expect_only_zeroes(_metadata);
	actor_end(&actor);
}

TEST(ordinary_memory_of_a_killed_process)
{
	struct ordinary ordinary;
	struct actor actor;

	ASSERT_EQ(0, actor_start(&actor, &ordinary));
	ASSERT_EQ(0, actor_ask(&actor, has_ordinary_memory, 0));
	actor_end(&actor);
	expect_only_zeroes(_metadata);
}

/* The yardstick: what is there is found, by every route that the mode allows. */
TEST(hunter_sees_what_is_there)
{
	static struct hunter hunter;
	struct segpool_region region;
	unsigned int route;

	ASSERT_EQ(0, hunter_open(&hunter, SEGPOOL_MODE_PINNABLE));
	ASSERT_EQ(1, sp_alloc(hunter.pool.fd, 0, SEGPOOL_POPULATE, 1, &region));
	mark_fill(sp_region_at(&hunter.pool, &region), HUNT_REGION, MARK_OLD);
	for (route = 0; route < NR_LOOKS; route++) {
		hunter.foreign = 0;
		hunter_looks(&hunter, &region);
		EXPECT_EQ(HUNT_REGION / 8, hunter.foreign) {
			TH_LOG("route %u", route);
		}
	}
	/* What this kernel or machine has not cannot be gone through. */
	for (route = 0; route < NR_LOOKS; route++)
		if (!(looks[route] == look_by_direct_io && hunter.disk < 0) &&
		    !(route >= 5 && !hunter.has_ring) &&
		    looks[route] != look_by_registered_buffer) {
			EXPECT_EQ(1, hunter.looks[route]) {
				TH_LOG("route %u was refused", route);
			}
		}
	hunter_close(&hunter);
}

TEST_HARNESS_MAIN
