// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for one budget and then lacks another goes on waiting, for that one:
 * one wait, and it ends soon after the second is to be had, or by a signal.
 */
#include "testing_harness.h"
#include "case_signal.h"
#include "interrupt.h"

/* Longer than anything here takes, and than the wait itself may take. */
#define PATIENCE_MS	(SEGPOOL_MAX_WAIT_MS + 10000)

FIXTURE(moved_wait)
{
	struct sp_pool pool;
	struct segpool_alloc call;
	struct segpool_region first, second;
	pthread_t thread;
	atomic_int thread_id;
	int result;
};

FIXTURE_SETUP(moved_wait)
{
	interrupt_install(0);
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, SP_MIB, 4 * SP_MIB, SP_MIB, 0));
	ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &self->first, NULL));
}

FIXTURE_TEARDOWN(moved_wait)
{
	sp_set_module_parameter("ceiling_mib", 0);
	sp_pool_close(&self->pool);
}

static void *ask(void *data)
{
	FIXTURE_DATA(moved_wait) *self = data;

	self->thread_id = gettid();
	self->call = (struct segpool_alloc){ .flags = SEGPOOL_POPULATE | SEGPOOL_WAIT, .count = 1,
					     .timeout_ms = SEGPOOL_MAX_WAIT_MS };
	self->result = sp_alloc_call(self->pool.fd, &self->call, &self->second);
	return NULL;
}

/* How often the thread has gone to sleep. */
static uint64_t sleeps(FIXTURE_DATA(moved_wait) *self)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", self->thread_id);
	return sp_file_value(path, "voluntary_ctxt_switches");
}

static int waits(void *data)
{
	FIXTURE_DATA(moved_wait) *self = data;

	return self->thread_id && sp_counter(self->pool.fd, SEGPOOL_C_WAITERS) == 1;
}

struct sleeper {
	FIXTURE_DATA(moved_wait) *self;
	uint64_t before;
};

static int slept_again(void *data)
{
	struct sleeper *sleeper = data;

	return sleeps(sleeper->self) > sleeper->before + 1;
}

/* It lacks physical budget, sleeps, gets that, lacks the ceiling, and sleeps again. */
static void move_wait(struct __test_metadata *_metadata, FIXTURE_DATA(moved_wait) *self)
{
	struct segpool_limits limits = { .physical_budget = 4 * SP_MIB };
	struct sleeper sleeper = { .self = self };

	ASSERT_EQ(0, pthread_create(&self->thread, NULL, ask, self));
	ASSERT_TRUE(sp_wait_until(waits, self, PATIENCE_MS));
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 1));
	sleeper.before = sleeps(self);
	ASSERT_EQ(0, sp_set_budget(self->pool.fd, SEGPOOL_SET_PHYSICAL, &limits));
	ASSERT_TRUE(sp_wait_until(slept_again, &sleeper, PATIENCE_MS));
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_WAITERS));
}

static void expect_end(struct __test_metadata *_metadata, FIXTURE_DATA(moved_wait) *self,
		       int result)
{
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	EXPECT_EQ(result, self->result);
	EXPECT_EQ(0, self->call.reason);
	EXPECT_EQ(1, sp_counter(self->pool.fd, SEGPOOL_C_WAITS));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_WAITERS));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_F(moved_wait, ends_when_the_ceiling_is_raised)
{
	move_wait(_metadata, self);
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 0));
	expect_end(_metadata, self, 0);
	EXPECT_EQ(0, sp_touch_write(sp_region_at(&self->pool, &self->second)));
}

TEST_F(moved_wait, ends_with_a_signal)
{
	move_wait(_metadata, self);
	ASSERT_EQ(0, pthread_kill(self->thread, SIGUSR1));
	expect_end(_metadata, self, -EINTR);
}

TEST_HARNESS_MAIN
