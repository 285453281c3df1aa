// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 8, from the side of the thief: one process fills memory with a secret
 * and gives it up, in every way there is; another takes memory from pools, in
 * every way in which pages come, looks at all of it by every route, and must see
 * nothing but zeroes and what it wrote itself.
 *
 * Where page frame numbers can be had (pinnable pools; from 7.2 on all), a secret
 * is given up again until at least one of its pages was among those looked at:
 * else nothing would have been shown.
 *
 * (The guest runs with init_on_alloc=0: no one else zeroes for the module.)
 */
#define TARGET	(256 * SP_KIB)
#include "hunter.h"
#include <liburing.h>
#include "zaps.h"
#include "testing_harness.h"

/* The system prefers pages that were freed last; so many times it may decide otherwise. */
#define ROUNDS	40

static struct hunter hunter;

static void *map_shared_page(void)
{
	return mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* All routes have shown what is there, and there is nothing of others. */
static void expect_nothing_foreign(struct __test_metadata *_metadata, uint32_t mode)
{
	unsigned int route;
	bool works;

	for (route = 0; route < NR_LOOKS; route++) {
		works = looks[route].works(&hunter.eyes, mode);
		EXPECT_EQ(0, hunter.seen[route].foreign) {
			TH_LOG("mode %u, by %s: words that are somebody's", mode,
			       looks[route].name);
		}
		EXPECT_EQ(works ? HUNT_REGIONS : 0, hunter.seen[route].regions) {
			TH_LOG("mode %u: %s: regions shown", mode, looks[route].name);
		}
		if (works) {
			EXPECT_EQ(hunter.retained / 8, hunter.seen[route].own) {
				TH_LOG("mode %u, by %s: own words", mode, looks[route].name);
			}
		}
	}
}

/* Once: what happens between preparing and hunting, done by @give_up, is the secret's. */
static void search(struct __test_metadata *_metadata, const struct way *way, uint32_t mode,
		   long (*give_up)(void *), void *argument)
{
	int error = hunter_open(&hunter, mode);
	long given_up = -1;

	ASSERT_EQ(0, error);
	error = way->prepare(&hunter);
	EXPECT_EQ(0, error);
	EXPECT_EQ(way->own, sp_counter(hunter.pool.fd, SEGPOOL_C_RETAINED_BYTES));
	if (!error)
		given_up = give_up(argument);
	EXPECT_EQ(0, given_up);
	if (!given_up) {
		EXPECT_EQ(0, hunt(&hunter, way));
		expect_nothing_foreign(_metadata, mode);
	}
	sp_pool_close(&hunter.pool);
}

/* --- secrets in pools --- */

FIXTURE(secret) {
	struct actor owner;
	struct owner state;
	struct whereabouts *at;
	const struct zap *zap;
};

FIXTURE_VARIANT(secret) {
	uint32_t mode, hunters_mode;
	const struct way *way;
};

/* The hunter of the pinnable pool has all routes; of the strict one, those of its mode. */
#define WAY_VARIANTS(name) \
	FIXTURE_VARIANT_ADD(secret, strict_to_strict_##name) { \
		.mode = SEGPOOL_MODE_STRICT, .hunters_mode = SEGPOOL_MODE_STRICT, \
		.way = &way_##name }; \
	FIXTURE_VARIANT_ADD(secret, strict_to_pinnable_##name) { \
		.mode = SEGPOOL_MODE_STRICT, .hunters_mode = SEGPOOL_MODE_PINNABLE, \
		.way = &way_##name }; \
	FIXTURE_VARIANT_ADD(secret, pinnable_to_pinnable_##name) { \
		.mode = SEGPOOL_MODE_PINNABLE, .hunters_mode = SEGPOOL_MODE_PINNABLE, \
		.way = &way_##name }; \
	FIXTURE_VARIANT_ADD(secret, huge_to_huge_##name) { \
		.mode = SEGPOOL_MODE_HUGE, .hunters_mode = SEGPOOL_MODE_HUGE, \
		.way = &way_##name };

FOR_EACH_WAY(WAY_VARIANTS)

FIXTURE_SETUP(secret)
{
	self->at = map_shared_page();
	ASSERT_NE(MAP_FAILED, self->at);
	ASSERT_EQ(0, eyes_open(&hunter.eyes));
	self->state.mode = variant->mode;
}

FIXTURE_TEARDOWN(secret)
{
	actor_end(&self->owner);
	eyes_close(&hunter.eyes);
}

static long owner_gives_up(void *fixture)
{
	FIXTURE_DATA(secret) *self = fixture;
	long error = actor_ask(&self->owner, owner_opens, (long)self->at);

	return error ?: zap_do(self->zap, &self->owner, self->at, false);
}

/* How many pages of the secret the hunter was handed. */
static size_t one_secret(struct __test_metadata *_metadata, FIXTURE_DATA(secret) *self,
			 const FIXTURE_VARIANT(secret) *variant)
{
	ASSERT_EQ(0, actor_start(&self->owner, &self->state));
	search(_metadata, variant->way, variant->hunters_mode, owner_gives_up, self);
	actor_end(&self->owner);
	return frames_common(self->at->frames, TARGET_PAGES, hunter.frames, HUNT_PAGES);
}

static void one_pair_of_modes(struct __test_metadata *_metadata, FIXTURE_DATA(secret) *self,
			      const FIXTURE_VARIANT(secret) *variant)
{
	bool known = frames_can_be_read(variant->mode) && frames_can_be_read(variant->hunters_mode);
	size_t pages = 0;
	int round;

	for (round = 0; round < ROUNDS && !pages && __test_passed(_metadata); round++) {
		pages = one_secret(_metadata, self, variant);
		if (self->zap->keeps || !known)
			break;
	}
	if (self->zap->keeps) {
		/* They are the owner's still. */
		EXPECT_EQ(0, pages);
	} else if (known) {
		EXPECT_LT(0, pages) {
			TH_LOG("no page of the secret was handed out");
		}
	}
}

#define ZAP_TEST(name) \
	TEST_F_TIMEOUT(secret, name, 240) \
	{ \
		self->zap = &zap_##name; \
		one_pair_of_modes(_metadata, self, variant); \
	}

FOR_EACH_ZAP(ZAP_TEST)

/* --- the same owner, afterwards --- */

FIXTURE(own) {
	struct actor owner;
	struct owner state;
	struct whereabouts *at;
};

SP_MODE_VARIANTS(own);

FIXTURE_SETUP(own)
{
	self->at = map_shared_page();
	ASSERT_NE(MAP_FAILED, self->at);
	self->state.mode = variant->mode;
}

FIXTURE_TEARDOWN(own)
{
	actor_end(&self->owner);
}

/* What the owner finds in all that his pool gives. */
struct found {
	size_t old, foreign, same_pages;
};

static void owner_finds(struct owner *owner, const struct segpool_region *region,
			struct found *found)
{
	const char *bytes = sp_region_at(&owner->pool, region);
	static uint64_t frames[TARGET_PAGES];
	const uint64_t *words = (const uint64_t *)bytes;
	size_t i, not_zero = 0, old = mark_count(bytes, TARGET, MARK_OLD);

	for (i = 0; i < TARGET / sizeof(*words); i++)
		not_zero += words[i] != 0;
	sp_page_frames(bytes, TARGET_PAGES, frames);
	found->old += old;
	found->foreign += not_zero - old;
	found->same_pages += frames_common(owner->at->frames, TARGET_PAGES, frames, TARGET_PAGES);
}

/* @flags: SEGPOOL_ZERO or 0. The answer is in the shared page, in the place of the frames. */
static long owner_takes_back(void *state, long flags)
{
	struct segpool_region region;
	struct owner *owner = state;
	struct found found = { 0 };
	unsigned int i;

	for (i = 0; i < BUDGET_REGIONS; i++) {
		go_to_processor(i, BUDGET_REGIONS);
		if (!i && owner->discarded) {
			region = owner->target;
			if (sp_populate(owner->pool.fd, region.handle, 0, TARGET, flags))
				return -ENOMEM;
		} else if (sp_alloc_one(owner->pool.fd, 0, SEGPOOL_POPULATE | flags, 0, &region,
					NULL)) {
			return -ENOMEM;
		}
		owner_finds(owner, &region, &found);
	}
	memcpy(owner->at->frames, &found, sizeof(found));
	return 0;
}

static size_t own_secret(struct __test_metadata *_metadata, FIXTURE_DATA(own) *self,
			 const struct zap *zap, uint32_t flags)
{
	struct found found = { 0 };

	EXPECT_EQ(0, actor_start(&self->owner, &self->state));
	EXPECT_EQ(0, actor_ask(&self->owner, owner_opens, (long)self->at));
	EXPECT_EQ(0, zap_do(zap, &self->owner, self->at, false));
	EXPECT_EQ(0, actor_ask(&self->owner, owner_takes_back, flags));
	memcpy(&found, self->at->frames, sizeof(found));
	EXPECT_EQ(0, found.foreign);
	EXPECT_EQ(zap->keeps && !flags ? TARGET / sizeof(uint64_t) : 0, found.old);
	actor_end(&self->owner);
	return found.same_pages;
}

/* His own bytes come back only from what the pool retained, and not where he asks for zeroes. */
static void own_secret_and_again(struct __test_metadata *_metadata, FIXTURE_DATA(own) *self,
				 const FIXTURE_VARIANT(own) *variant, const struct zap *zap,
				 uint32_t flags)
{
	size_t pages = 0;
	int round;

	for (round = 0; round < ROUNDS && !pages && __test_passed(_metadata); round++) {
		pages = own_secret(_metadata, self, zap, flags);
		if (zap->keeps || !frames_can_be_read(variant->mode))
			break;
	}
	if (frames_can_be_read(variant->mode)) {
		EXPECT_LE(zap->keeps ? TARGET_PAGES : 1, pages);
	}
}

#define OWN_ZAP_TEST(name) \
	TEST_F_TIMEOUT(own, name, 240) \
	{ \
		own_secret_and_again(_metadata, self, variant, &zap_##name, 0); \
		own_secret_and_again(_metadata, self, variant, &zap_##name, SEGPOOL_ZERO); \
	}

FOR_EACH_ZAP_OF_A_POOL(OWN_ZAP_TEST)

/*
 * --- ordinary memory: a process's own, a file's in memory, a pipe's ---
 *
 * The system keeps pages that can be moved, as the first two are, apart from
 * those that cannot, so that only the pipe's are sure to come to a pool soon;
 * and of those nobody says the frames.
 */

#define ORDINARY	SP_MIB

FIXTURE(ordinary) {
	struct actor actor;
	char *anonymous, *file;
	int pipe[2];
	bool killed;
};

FIXTURE_VARIANT(ordinary) {
	uint32_t mode;
	const struct way *way;
};

#define ORDINARY_VARIANTS(name) \
	FIXTURE_VARIANT_ADD(ordinary, to_strict_##name) { \
		.mode = SEGPOOL_MODE_STRICT, .way = &way_##name }; \
	FIXTURE_VARIANT_ADD(ordinary, to_pinnable_##name) { \
		.mode = SEGPOOL_MODE_PINNABLE, .way = &way_##name }; \
	FIXTURE_VARIANT_ADD(ordinary, to_huge_##name) { \
		.mode = SEGPOOL_MODE_HUGE, .way = &way_##name };

FOR_EACH_WAY(ORDINARY_VARIANTS)

FIXTURE_SETUP(ordinary)
{
	ASSERT_EQ(0, eyes_open(&hunter.eyes));
	ASSERT_EQ(0, actor_start(&self->actor, self));
}

FIXTURE_TEARDOWN(ordinary)
{
	actor_end(&self->actor);
	eyes_close(&hunter.eyes);
}

static long has_ordinary_memory(void *state, long unused)
{
	FIXTURE_DATA(ordinary) *self = state;

	self->anonymous = map_anonymous(ORDINARY);
	self->file = map_file(ORDINARY);
	if (!self->anonymous || !self->file || pipe(self->pipe) ||
	    fcntl(self->pipe[1], F_SETPIPE_SZ, ORDINARY) < 0)
		return -ENOMEM;
	mark_fill(self->anonymous, ORDINARY, MARK_OLD);
	mark_fill(self->file, ORDINARY, MARK_OLD);
	return write(self->pipe[1], self->anonymous, ORDINARY) == (ssize_t)ORDINARY ? 0 : -EIO;
}

static long gives_ordinary_memory_up(void *state, long unused)
{
	FIXTURE_DATA(ordinary) *self = state;
	int error = munmap(self->file, ORDINARY) ||
		    madvise(self->anonymous, ORDINARY, MADV_DONTNEED);

	close(self->pipe[0]);
	close(self->pipe[1]);
	return error;
}

static long ordinary_memory_goes(void *fixture)
{
	FIXTURE_DATA(ordinary) *self = fixture;
	long error = actor_ask(&self->actor, has_ordinary_memory, 0);

	if (error || !self->killed)
		return error ?: actor_ask(&self->actor, gives_ordinary_memory_up, 0);
	actor_end(&self->actor);
	return 0;
}

TEST_F(ordinary, given_up)
{
	search(_metadata, variant->way, variant->mode, ordinary_memory_goes, self);
}

TEST_F(ordinary, of_a_killed_process)
{
	self->killed = true;
	search(_metadata, variant->way, variant->mode, ordinary_memory_goes, self);
}

/* --- the yardsticks --- */

FIXTURE(yardstick) {
	struct segpool_region region;
	char *at;
};

SP_MODE_VARIANTS(yardstick);

FIXTURE_SETUP(yardstick)
{
	ASSERT_EQ(0, eyes_open(&hunter.eyes));
	ASSERT_EQ(0, hunter_open(&hunter, variant->mode));
	ASSERT_EQ(1, sp_alloc(hunter.pool.fd, 0, SEGPOOL_POPULATE, 1, &self->region));
	self->at = sp_region_at(&hunter.pool, &self->region);
	mark_fill(self->at, LOOK_LENGTH, MARK_OLD);
}

FIXTURE_TEARDOWN(yardstick)
{
	sp_pool_close(&hunter.pool);
	eyes_close(&hunter.eyes);
}

/* What is there is found, by every route that the kernel has for the mode. */
TEST_F(yardstick, hunter_sees_what_is_there)
{
	unsigned int route;

	for (route = 0; route < NR_LOOKS; route++) {
		hunter_looks(&hunter, self->at, route);
		EXPECT_EQ(looks[route].works(&hunter.eyes, variant->mode) ? LOOK_LENGTH / 8 : 0,
			  hunter.seen[route].foreign) {
			TH_LOG("by %s", looks[route].name);
		}
	}
}

/* Page frame numbers are read where they are said to be, and nowhere else. */
TEST_F(yardstick, frames_can_be_read)
{
	uint64_t frames[LOOK_LENGTH / SP_PAGE];

	sp_page_frames(self->at, ARRAY_SIZE(frames), frames);
	EXPECT_EQ(frames_can_be_read(variant->mode) ? ARRAY_SIZE(frames) : 0,
		  frames_known(frames, ARRAY_SIZE(frames)));
	if (!frames_can_be_read(variant->mode))
		TH_LOG("no page frame numbers of strict pools: that the secret's pages are handed out is shown between pinnable pools only");
}

TEST_HARNESS_MAIN
