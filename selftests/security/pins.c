// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 10, as a table: every route past the page tables, times every way in
 * which pages leave a region, times every way in which memory is taken
 * afterwards, in every mode. Who holds a page sees the bytes of before and
 * changes nobody's memory; no byte of the next owner goes out, no byte of a
 * transfer comes in.
 *
 * A route that the kernel refuses for the mapping keeps the promise too: then
 * there is nothing to hold on to. Which kernel refuses what in which mode is
 * known (promised.h); whatever else happens is a failure.
 */
#include "routes.h"
#include <liburing.h>
#include "testing_harness.h"

FIXTURE(pin) {
	struct theft theft;
	uint64_t pinned_before;
	bool ready;
};

FIXTURE_VARIANT(pin) {
	uint32_t mode;
	const struct route *route;
};

#define ROUTE_VARIANTS(name) \
	FIXTURE_VARIANT_ADD(pin, strict_##name) { \
		.mode = SEGPOOL_MODE_STRICT, .route = &route_##name }; \
	FIXTURE_VARIANT_ADD(pin, pinnable_##name) { \
		.mode = SEGPOOL_MODE_PINNABLE, .route = &route_##name }; \
	FIXTURE_VARIANT_ADD(pin, huge_##name) { \
		.mode = SEGPOOL_MODE_HUGE, .route = &route_##name }

ROUTE_VARIANTS(pipe);
ROUTE_VARIANTS(ring_out);
ROUTE_VARIANTS(ring_in);
ROUTE_VARIANTS(direct_read);
ROUTE_VARIANTS(direct_write);
ROUTE_VARIANTS(vm_read);
ROUTE_VARIANTS(vm_write);
ROUTE_VARIANTS(ptrace);
ROUTE_VARIANTS(proc_mem);

FIXTURE_SETUP(pin)
{
	struct theft *theft = &self->theft;
	const char *missing;

	theft->at = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	theft->seen = mmap(NULL, TARGET, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, theft->at);
	ASSERT_NE(MAP_FAILED, theft->seen);
	missing = variant->route->prepare ? variant->route->prepare(theft) : NULL;
	if (missing)
		SKIP(return, "%s", missing);
	memset(theft->seen, 0, TARGET);
	theft->owner_state.mode = variant->mode;
	ASSERT_EQ(0, actor_start(&theft->owner, &theft->owner_state));
	ASSERT_EQ(0, actor_start(&theft->stranger, &theft->stranger_state));
	theft->reader_state.victim = theft->owner.pid;
	theft->reader_state.at = theft->at;
	theft->reader_state.seen = theft->seen;
	ASSERT_EQ(0, actor_start(&theft->reader, &theft->reader_state));
	ASSERT_EQ(0, actor_ask(&theft->owner, owner_opens, (long)theft->at));
	self->pinned_before = sp_module_counter("pinned_pages");
	self->ready = true;
}

FIXTURE_TEARDOWN(pin)
{
	struct theft *theft = &self->theft;

	if (theft->throttle.device[0])
		throttle_set(&theft->throttle, "max");
	actor_end(&theft->reader);
	actor_end(&theft->owner);
	actor_end(&theft->stranger);
	if (theft->has_ring)
		io_uring_queue_exit(&theft->ring);
	if (theft->throttle.device[0])
		throttle_close(&theft->throttle);
}

/* Nobody's bytes but the old ones. */
static void expect_nothing_stolen(struct __test_metadata *_metadata, const char *seen, long length,
				  bool held)
{
	EXPECT_EQ(0, mark_count(seen, length, MARK_STRANGER));
	if (held) {
		EXPECT_EQ(0, mark_missing(seen, length, MARK_OLD));
	}
}

static void expect_nobody_changed(struct __test_metadata *_metadata, struct theft *theft)
{
	long foreign = actor_ask(&theft->owner, owner_checks, 0);

	EXPECT_TRUE(foreign == 0 || foreign == -EPIPE) {
		TH_LOG("%ld words of the owner's new memory are not his", foreign);
	}
	EXPECT_EQ(0, actor_ask(&theft->stranger, stranger_checks, 0));
}

/* A route that comes afterwards shows what the owner has now: all of it, or there is none. */
static void expect_visible(struct __test_metadata *_metadata, const struct route *route,
			   const struct zap *zap, const char *bytes, long seen)
{
	if (zap->ends_the_owner) {
		EXPECT_GE(0, seen);
		return;
	}
	EXPECT_EQ(zap->unmaps ? 0 : route->visible, seen);
	if (seen > 0) {
		EXPECT_EQ(0, mark_missing(bytes, seen, MARK_OWNER));
	}
}

static void expect_shown(struct __test_metadata *_metadata, const struct route *route,
			 const struct zap *zap, struct theft *theft, long seen, long held)
{
	if (route->visible) {
		expect_visible(_metadata, route, zap, theft->seen, seen);
		return;
	}
	EXPECT_LE(0, seen);
	if (held && route->shows && !(zap->ends_the_owner && route->keeps_the_owner)) {
		EXPECT_EQ((long)TARGET, seen);
	}
	if (seen > 0)
		expect_nothing_stolen(_metadata, theft->seen, seen, held);
}

static void steal(struct __test_metadata *_metadata, FIXTURE_DATA(pin) *self,
		  const FIXTURE_VARIANT(pin) *variant, const struct zap *zap)
{
	const struct route *route = variant->route;
	struct theft *theft = &self->theft;
	long held;

	held = route->pin(theft);
	if (held == -ENOSYS)
		SKIP(return, "this kernel has no userfaultfd, or not for us");
	ASSERT_EQ(route->expected(variant->mode), held);
	if (held < 0)
		return;
	ASSERT_EQ(0, zap_do(zap, &theft->owner, theft->at, held && route->keeps_the_owner));
	if (held && !(zap->ends_the_owner && route->keeps_the_owner)) {
		EXPECT_EQ(self->pinned_before + TARGET_PAGES, sp_module_counter("pinned_pages"));
	}
	if (!zap->ends_the_owner) {
		EXPECT_EQ(!zap->unmaps, actor_ask(&theft->owner, owner_takes, 0) > 0);
	}
	ASSERT_EQ(0, actor_ask(&theft->stranger, stranger_takes, 0));
	expect_shown(_metadata, route, zap, theft, route->finish(theft), held);
	expect_nobody_changed(_metadata, theft);
}

#define ZAP_TEST(name) \
	TEST_F(pin, name) \
	{ \
		if (self->ready) \
			steal(_metadata, self, variant, &zap_##name); \
	}

FOR_EACH_ZAP(ZAP_TEST)

TEST_HARNESS_MAIN
