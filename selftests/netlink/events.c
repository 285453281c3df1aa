// SPDX-License-Identifier: GPL-2.0-only
/*
 * What listeners are told, and when: each change, in order and numbered; how many were told
 * as one; what is lost on who does not read, without anybody waiting for him.
 */
#include "listener.h"
#include "testing_harness.h"

#define REGION	SP_SMALL
#define BUDGET	(8 * REGION)
#define PEAK	(9 * BUDGET / 10)

FIXTURE(events) {
	struct sp_pool pool;
	struct nl nl;
	struct nl_pool event;
};

FIXTURE_SETUP(events)
{
}

FIXTURE_TEARDOWN(events)
{
	sp_pool_close(&self->pool);
	nl_close(&self->nl);
}

static int make(struct sp_pool *pool)
{
	return sp_pool_make(pool, SEGPOOL_MODE_STRICT, REGION, 2 * BUDGET, BUDGET, BUDGET);
}

static int set_age(int fd, uint32_t ms)
{
	struct segpool_limits limits = { .retain_age_ms = ms };

	return sp_set_budget(fd, SEGPOOL_SET_AGE, &limits);
}

/* --- mgmt --- */

TEST_F(events, pool_comes_changes_and_goes)
{
	struct nl_pool *event = &self->event;
	uint32_t id;

	ASSERT_EQ(0, nl_listen(&self->nl, NL_MGMT));
	ASSERT_EQ(0, make(&self->pool));
	id = self->pool.id;
	ASSERT_EQ(0, nl_hear(&self->nl, event));
	EXPECT_EQ(SEGPOOL_CMD_POOL_ADD_NTF, event->command);
	EXPECT_EQ(id, event->id);
	EXPECT_EQ(getpid(), event->pid);
	EXPECT_EQ(1, event->seq);
	EXPECT_EQ(SEGPOOL_NR_COUNTERS, event->nr_counters);
	EXPECT_EQ(0, memcmp(&self->pool.setup.limits, &event->limits, sizeof(event->limits)));
	/* The mapping that came at once is told with it, or else by itself. */
	if (!event->suppressed) {
		ASSERT_EQ(0, nl_hear(&self->nl, event));
		EXPECT_EQ(SEGPOOL_CMD_POOL_CHANGE_NTF, event->command);
		EXPECT_EQ(2, event->seq);
	}
	EXPECT_EQ(self->pool.length, event->counters[SEGPOOL_C_RESERVATION_BYTES]);

	ASSERT_EQ(0, set_age(self->pool.fd, 4321));
	ASSERT_EQ(0, nl_hear(&self->nl, event));
	EXPECT_EQ(SEGPOOL_CMD_POOL_CHANGE_NTF, event->command);
	EXPECT_EQ(0, event->suppressed);
	EXPECT_LE(4321, event->limits.retain_age_ms);
	EXPECT_GE(4331, event->limits.retain_age_ms);

	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1,
			      &(struct segpool_region){ 0 }));
	sp_pool_close(&self->pool);
	id = event->seq;
	ASSERT_EQ(0, nl_hear(&self->nl, event));
	EXPECT_EQ(SEGPOOL_CMD_POOL_DEL_NTF, event->command);
	EXPECT_EQ(id + 1, event->seq);
	EXPECT_EQ(0, event->suppressed);
	EXPECT_EQ(1, event->counters[SEGPOOL_C_NEW_REGIONS]);
	EXPECT_EQ(0, event->counters[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_TRUE(nl_is_silent(&self->nl, 300));
}

TEST_F(events, change_by_netlink)
{
	struct segpool_limits limits = { .watermark = 17 };
	struct nl_pool reply;

	ASSERT_EQ(0, make(&self->pool));
	ASSERT_EQ(0, nl_listen(&self->nl, NL_MGMT));
	ASSERT_EQ(0, nl_set_pool(&self->nl, self->pool.id, SEGPOOL_SET_WATERMARK, &limits, &reply));
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(SEGPOOL_CMD_POOL_CHANGE_NTF, self->event.command);
	EXPECT_EQ(17, self->event.limits.watermark);
}

/* Numbers without a gap, and each change told once: as events and as what they suppressed. */
TEST_F(events, many_changes_are_few_events)
{
	uint64_t told = 0, events = 0, seq, begun, lasted;
	unsigned int i;

	ASSERT_EQ(0, make(&self->pool));
	ASSERT_EQ(0, nl_listen(&self->nl, NL_MGMT));
	begun = sp_now_ms();
	for (i = 0; i < 20000; i++)
		ASSERT_EQ(0, set_age(self->pool.fd, 1000 + i));
	lasted = sp_now_ms() - begun;
	for (seq = 0; told < 20000; seq = self->event.seq) {
		ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
		EXPECT_EQ(seq ? seq + 1 : self->event.seq, self->event.seq);
		told += self->event.suppressed + 1;
		events++;
	}
	EXPECT_EQ(20000, told);
	/* The last one has the last state. */
	EXPECT_LE(20999, self->event.limits.retain_age_ms);
	/* One each 100 ms, and one that was under way. */
	EXPECT_GE(lasted / 100 + 3, events);
	EXPECT_TRUE(nl_is_silent(&self->nl, 300));
}

/* A pool that went before anybody could be told that it came. */
TEST_F(events, short_lived_pools)
{
	uint64_t told = 0, gone = 0;
	unsigned int i;
	int fd;

	ASSERT_EQ(0, nl_listen(&self->nl, NL_MGMT));
	for (i = 0; i < 50; i++) {
		struct segpool_setup setup = { 0 };

		fd = sp_open();
		ASSERT_EQ(0, sp_setup(fd, &setup));
		close(fd);
	}
	while (gone < 50) {
		ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
		gone += self->event.command == SEGPOOL_CMD_POOL_DEL_NTF;
		told += 1 + self->event.suppressed;
	}
	EXPECT_EQ(100, told);
}

/* --- alert --- */

static int fill(struct sp_pool *pool, struct segpool_region *regions)
{
	return sp_alloc(pool->fd, 0, SEGPOOL_POPULATE, 8, regions);
}

TEST_F(events, pressure_begins_and_ends)
{
	struct segpool_region regions[8];
	uint64_t seq;

	ASSERT_EQ(0, nl_listen(&self->nl, NL_ALERT));
	ASSERT_EQ(0, make(&self->pool));
	ASSERT_EQ(8, fill(&self->pool, regions));
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(SEGPOOL_CMD_PRESSURE_NTF, self->event.command);
	EXPECT_EQ(self->pool.id, self->event.id);
	EXPECT_EQ(1, self->event.pressure);
	EXPECT_LE(PEAK, self->event.counters[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_TRUE(nl_is_silent(&self->nl, 500));
	seq = self->event.seq;

	ASSERT_EQ(0, sp_free_regions(self->pool.fd, regions, 4, 0));
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(SEGPOOL_CMD_PRESSURE_NTF, self->event.command);
	EXPECT_EQ(0, self->event.pressure);
	EXPECT_EQ(seq + 1, self->event.seq);
	EXPECT_GE(4 * REGION, self->event.counters[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_TRUE(nl_is_silent(&self->nl, 500));

	ASSERT_EQ(4, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 4, regions));
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(1, self->event.pressure);
	EXPECT_EQ(seq + 2, self->event.seq);
}

/* Who comes later is told of what there is already. */
TEST_F(events, pressure_that_was_there_before)
{
	struct segpool_region regions[8];

	ASSERT_EQ(0, make(&self->pool));
	ASSERT_EQ(8, fill(&self->pool, regions));
	ASSERT_EQ(0, nl_listen(&self->nl, NL_ALERT));
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(SEGPOOL_CMD_PRESSURE_NTF, self->event.command);
	EXPECT_EQ(1, self->event.pressure);
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, regions, 8, 0));
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(0, self->event.pressure);
}

/* Many times within a tenth of a second: both ends are told, and how often it was. */
TEST_F(events, pressure_that_flickers)
{
	uint64_t signals, told = 0, before;
	struct segpool_region regions[8];
	unsigned int i;

	ASSERT_EQ(0, make(&self->pool));
	ASSERT_EQ(0, nl_listen(&self->nl, NL_ALERT));
	before = sp_counter(self->pool.fd, SEGPOOL_C_PRESSURE_EVENTS);
	for (i = 0; i < 2000; i++) {
		ASSERT_EQ(8, fill(&self->pool, regions));
		ASSERT_EQ(0, sp_free_regions(self->pool.fd, regions, 8, 0));
	}
	signals = sp_counter(self->pool.fd, SEGPOOL_C_PRESSURE_EVENTS) - before;
	EXPECT_EQ(2000, signals);
	while (told < signals) {
		ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
		told += self->event.suppressed + self->event.pressure;
	}
	EXPECT_LE(signals, told);
}

TEST_F(events, refusals_by_reason)
{
	struct segpool_region regions[16];
	struct segpool_region region;
	unsigned int i;

	ASSERT_EQ(0, make(&self->pool));
	ASSERT_EQ(8, fill(&self->pool, regions));
	ASSERT_EQ(0, nl_listen(&self->nl, NL_ALERT));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	ASSERT_EQ(8, sp_alloc(self->pool.fd, 0, 0, 8, regions + 8));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, 0, 0, &region, NULL));
	{
		uint64_t physical = 0, virtual = 0, told = 0;

		while (physical < 5 || virtual < 3) {
			ASSERT_EQ(0, nl_hear_of(&self->nl, SEGPOOL_CMD_REFUSAL_NTF, self->pool.id,
						&self->event));
			physical += self->event.refusals[SEGPOOL_REASON_PHYSICAL];
			virtual += self->event.refusals[SEGPOOL_REASON_VIRTUAL];
			told += 1 + self->event.suppressed;
			EXPECT_EQ(0, self->event.refusals[SEGPOOL_REASON_CEILING]);
			EXPECT_EQ(0, self->event.refusals[SEGPOOL_REASON_SYSTEM]);
		}
		EXPECT_EQ(5, physical);
		EXPECT_EQ(3, virtual);
		EXPECT_EQ(8, told);
	}
	EXPECT_EQ(5, self->event.counters[SEGPOOL_C_REFUSED_PHYSICAL]);
	EXPECT_EQ(3, self->event.counters[SEGPOOL_C_REFUSED_VIRTUAL]);
}

TEST_F(events, ceiling)
{
	uint64_t before = sp_module_parameter("ceiling_mib");
	struct segpool_region regions[32];
	struct segpool_region region;
	uint32_t reason;

	ASSERT_EQ(0, nl_listen(&self->nl, NL_ALERT));
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, 4 * SP_MIB, 4 * SP_MIB,
				  0));
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 2));
	EXPECT_EQ(32, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 32, regions));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, &reason));
	EXPECT_EQ(SEGPOOL_REASON_CEILING, reason);
	EXPECT_EQ(0, sp_set_module_parameter("ceiling_mib", before));
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(SEGPOOL_CMD_CEILING_NTF, self->event.command);
	EXPECT_EQ(1, self->event.refusals[SEGPOOL_REASON_CEILING]);
	EXPECT_EQ(0, self->event.refusals[SEGPOOL_REASON_PHYSICAL]);
	EXPECT_EQ(0, self->event.suppressed);
}

/* What happened while nobody listened is not told as if it were new. */
TEST_F(events, nothing_old_is_told)
{
	struct segpool_region regions[8], region;

	ASSERT_EQ(0, make(&self->pool));
	ASSERT_EQ(8, fill(&self->pool, regions));
	ASSERT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, regions, 8, 0));
	ASSERT_EQ(0, nl_listen(&self->nl, NL_ALERT));
	ASSERT_EQ(0, nl_join(&self->nl, NL_MGMT));
	EXPECT_TRUE(nl_is_silent(&self->nl, 2500));
}

/* --- stats --- */

TEST_F(events, summaries)
{
	struct segpool_region region;
	uint64_t seq;
	unsigned int i;

	ASSERT_EQ(0, make(&self->pool));
	ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	ASSERT_EQ(0, nl_listen(&self->nl, NL_STATS));
	/* Its state, since nobody was told of that. */
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(SEGPOOL_CMD_STATS_NTF, self->event.command);
	EXPECT_EQ(self->pool.id, self->event.id);
	EXPECT_EQ(1000, self->event.window_ms);
	EXPECT_EQ(1, self->event.seq);
	EXPECT_EQ(REGION, self->event.counters[SEGPOOL_C_PHYSICAL_BYTES]);
	/* Nothing happens: nothing is told. */
	EXPECT_TRUE(nl_is_silent(&self->nl, 3500));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, sp_free(self->pool.fd, region.handle, 0));
		ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	}
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(2, self->event.seq);
	/* So many windows passed without any. */
	EXPECT_LE(2, self->event.suppressed);
	for (seq = 2; self->event.counters[SEGPOOL_C_REUSED_REGIONS] < 100; seq++) {
		ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
		EXPECT_EQ(seq + 1, self->event.seq);
	}
	EXPECT_EQ(100, self->event.counters[SEGPOOL_C_RELEASED_REGIONS]);
}

/* --- who does not read --- */

TEST_F(events, nobody_waits_for_who_does_not_read)
{
	struct segpool_setup setup = { 0 };
	uint64_t heard = 0, last = 0;
	unsigned int i;
	int fd, lost = 0, small = 1;

	ASSERT_EQ(0, nl_listen(&self->nl, NL_MGMT));
	ASSERT_EQ(0, nl_join(&self->nl, NL_ALERT));
	/* The least there is. */
	ASSERT_EQ(0, setsockopt(nl_fd(&self->nl), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	ASSERT_EQ(0, make(&self->pool));
	for (i = 0; i < 1000; i++) {
		memset(&setup, 0, sizeof(setup));
		fd = sp_open();
		ASSERT_EQ(0, sp_setup(fd, &setup));
		close(fd);
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, set_age(self->pool.fd, 1000 + i));
		sp_sleep_ms(150);
	}
	/* Now it reads: is told that it lost some, and what comes is the old. */
	for (;;) {
		int error = recv(nl_fd(&self->nl), self->nl.buffer, NL_ROOM, MSG_DONTWAIT) < 0 ?
			    -errno : 0;

		if (error == -EAGAIN)
			break;
		lost += error == -ENOBUFS;
		heard += !error;
	}
	EXPECT_LE(1, lost);
	EXPECT_GT(500, heard);
	/* From then on it hears again; the number says that some are missing. */
	ASSERT_EQ(0, set_age(self->pool.fd, 5000));
	ASSERT_EQ(0, nl_hear_of(&self->nl, SEGPOOL_CMD_POOL_CHANGE_NTF, self->pool.id,
				&self->event));
	last = self->event.seq;
	EXPECT_LE(10, last);
	ASSERT_EQ(0, set_age(self->pool.fd, 6000));
	ASSERT_EQ(0, nl_hear(&self->nl, &self->event));
	EXPECT_EQ(last + 1, self->event.seq);
}

/* --- at once with everything else --- */

struct storm {
	_Atomic bool stop;
	_Atomic unsigned int wrong, heard;
};

static void storm_member(void *argument, unsigned int member)
{
	struct segpool_region regions[8], region;
	struct nl *nl = malloc(sizeof(*nl));
	struct storm *storm = argument;
	struct sp_pool pool;
	unsigned int i, j;

	if (!nl)
		abort();
	if (member) {
		/* Listeners that come, hear a little, and go. */
		while (!storm->stop) {
			storm->wrong += !!nl_listen(nl, member % NL_GROUPS);
			for (i = 0; i < 20; i++)
				storm->heard += recv(nl_fd(nl), nl->buffer, NL_ROOM,
						     MSG_DONTWAIT) > 0;
			sp_sleep_ms(1);
			nl_close(nl);
		}
	} else {
		for (i = 0; i < 16; i++) {
			if (make(&pool)) {
				storm->wrong++;
				break;
			}
			for (j = 0; j < 10; j++) {
				storm->wrong += fill(&pool, regions) != 8;
				sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL);
				set_age(pool.fd, j);
				storm->wrong += !!sp_free_regions(pool.fd, regions, 8, 0);
			}
			if (i % 4 == 0)
				sp_sleep_ms(120);
			sp_pool_close(&pool);
		}
		storm->stop = true;
	}
	free(nl);
}

TEST_F(events, listeners_come_and_go)
{
	struct storm storm = { 0 };

	sp_team_run(4, storm_member, &storm);
	EXPECT_EQ(0, storm.wrong);
	EXPECT_EQ(0, sp_module_counter("pools"));
}

TEST_HARNESS_MAIN
