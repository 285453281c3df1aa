// SPDX-License-Identifier: GPL-2.0-only
/*
 * The family comes and goes with the module: listeners do not keep it, a dump that nobody
 * reads does; and who asks while it goes gets an answer or an error.
 */
#include "../testing.h"
#include "kselftest.h"
#include "../faults/module.h"
#include "listener.h"
#include "testing_harness.h"

#define REGION	SP_SMALL
#define BUDGET	(8 * REGION)
#define POOLS	300

FIXTURE(unload) {
	struct nl nl;
};

FIXTURE_SETUP(unload)
{
	module_remember();
	ASSERT_EQ(0, nl_open(&self->nl));
}

FIXTURE_TEARDOWN(unload)
{
	nl_close(&self->nl);
	if (access("/sys/module/segpool", F_OK)) {
		EXPECT_EQ(0, module_load());
	}
	EXPECT_TRUE(module_wait_device());
}

TEST_F(unload, listeners_do_not_keep_it)
{
	struct nl_pool event;
	struct nl again;
	int i;

	for (i = 0; i < NL_GROUPS; i++)
		ASSERT_EQ(0, nl_join(&self->nl, i));
	ASSERT_TRUE(sp_wait_until(module_is_unloaded, NULL, 20000));
	EXPECT_EQ(-ENOENT, nl_ask(&self->nl, nl_begin(&self->nl, SEGPOOL_CMD_MODULE_GET, 0), NULL,
				  NULL));
	EXPECT_EQ(-ENOENT, nl_find_family(&self->nl));
	ASSERT_EQ(0, module_load());
	ASSERT_TRUE(module_wait_device());
	ASSERT_EQ(0, nl_listen(&again, NL_MGMT));
	EXPECT_EQ(-ENOENT, nl_get_pool(&again, 1, &event));
	nl_close(&again);
}

/* With an event noted, and the look at all pools to come. */
TEST_F(unload, right_after_an_event)
{
	struct sp_pool pool;
	int i;

	for (i = 0; i < 20; i++) {
		nl_close(&self->nl);
		ASSERT_EQ(0, nl_listen(&self->nl, NL_MGMT));
		ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET,
					  BUDGET));
		sp_sleep_ms(i * 8);
		sp_pool_close(&pool);
		ASSERT_TRUE(sp_wait_until(module_is_unloaded, NULL, 20000));
		ASSERT_EQ(0, module_load());
		ASSERT_TRUE(module_wait_device());
	}
}

TEST_F(unload, dump_keeps_it)
{
	struct segpool_setup setup;
	int fds[POOLS], i;

	for (i = 0; i < POOLS; i++) {
		memset(&setup, 0, sizeof(setup));
		fds[i] = sp_open();
		ASSERT_EQ(0, sp_setup(fds[i], &setup));
	}
	ASSERT_EQ(0, nl_send(&self->nl, nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, NLM_F_DUMP)));
	for (i = 0; i < POOLS; i++)
		close(fds[i]);
	/* Not for want of room: it has begun, and is not at its end. */
	sp_sleep_ms(500);
	EXPECT_TRUE(module_in_use(module_unload()));
	EXPECT_EQ(0, nl_answer(&self->nl, NULL, NULL));
	EXPECT_TRUE(self->nl.interrupted);
	EXPECT_TRUE(sp_wait_until(module_is_unloaded, NULL, 20000));
}

struct storm {
	_Atomic bool stop;
	_Atomic unsigned int answers, wrong;
	_Atomic int strange;
};

/*
 * ENOENT: no family, or no such pool. A family that came back has other numbers: EOPNOTSUPP where another
 * one has its old number, EINVAL where its old groups are beyond the last. EPROTONOSUPPORT: it is just going.
 */
static bool is_normal(int error)
{
	return !error || error == -ENOENT || error == -EOPNOTSUPP || error == -EINVAL ||
	       error == -EPROTONOSUPPORT;
}

static void storm_member(void *argument, unsigned int member)
{
	struct nl *nl = malloc(sizeof(*nl));
	struct storm *storm = argument;
	struct nl_pool pool;
	int i, error;

	if (!nl)
		abort();
	for (i = 0; !member && i < 40; i++) {
		storm->wrong += !sp_wait_until(module_is_unloaded, NULL, 60000);
		storm->wrong += !!module_load();
	}
	if (!member)
		storm->stop = true;
	while (!storm->stop) {
		error = nl_open(nl);
		for (i = 0; !error && i < 10; i++) {
			error = member == 1 ? nl_join(nl, i % NL_GROUPS) :
				member == 2 ? nl_ask(nl, nl_begin(nl, SEGPOOL_CMD_POOL_GET,
								  NLM_F_DUMP), NULL, NULL) :
					      nl_get_pool(nl, 1, &pool);
			storm->answers += !error || error == -ENOENT;
			if (!is_normal(error))
				storm->strange = error;
		}
		nl_close(nl);
	}
	free(nl);
}

TEST_F(unload, while_others_ask)
{
	struct storm storm = { 0 };

	sp_team_run(4, storm_member, &storm);
	EXPECT_EQ(0, storm.wrong);
	EXPECT_EQ(0, storm.strange);
	EXPECT_LT(0, storm.answers);
	EXPECT_TRUE(module_wait_device());
}

TEST_HARNESS_MAIN
