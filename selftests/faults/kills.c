// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes whose threads do everything there is to do with a pool, killed at
 * random points: nothing is in use afterwards, no page is lost.
 *
 *   kills [--kills N] [--seed N]
 */
#include "run.h"
#include "../testing_memory.h"
#include "gauges.h"
#include "leak.h"

#define THREADS		3
#define REGIONS		12
#define BATCH		4
/* Most kills hit a process at work, some one that is just beginning. */
#define LONGEST_MS	60
/* So many kills come before those after which is counted what is left. */
#define WARM_UP		4

static unsigned long kills = 24, seed = 1;

static const struct run_option options[] = {
	{ "--kills", &kills, "how many processes are killed", NULL },
	{ "--seed", &seed, "of the random choices", NULL },
	{ NULL, NULL, NULL, NULL },
};

/* In memory that it shares with the one that kills it. */
struct victim {
	struct sp_pool pool;
	uint64_t seed, region;
	atomic_int begun;
};

static uint32_t random_alloc_flags(uint64_t *random)
{
	static const uint32_t flags[] = {
		0, SEGPOOL_POPULATE, SEGPOOL_POPULATE | SEGPOOL_ZERO, SEGPOOL_WAIT,
		SEGPOOL_POPULATE | SEGPOOL_WAIT, SEGPOOL_CONTIGUOUS | SEGPOOL_POPULATE,
	};

	return flags[sp_random(random) % ARRAY_SIZE(flags)];
}

static int take(struct victim *victim, uint64_t *random, struct segpool_region *regions)
{
	struct segpool_alloc call = {
		.flags = random_alloc_flags(random), .class_index = sp_random(random) % 5,
		.count = 1 + sp_random(random) % BATCH,
	};

	if (call.flags & SEGPOOL_WAIT)
		call.timeout_ms = 20;
	return sp_alloc_call(victim->pool.fd, &call, regions) ? 0 : call.done;
}

static void use(struct victim *victim, uint64_t *random, const struct segpool_region *region)
{
	char *bytes = sp_region_at(&victim->pool, region);
	uint64_t offset = sp_random(random) % 8 * SP_PAGE, length = 8 * SP_PAGE;

	switch (sp_random(random) % 5) {
	case 0:
		sp_touch_write(bytes + offset);
		break;
	case 1:
		sp_populate(victim->pool.fd, region->handle, offset, length, SEGPOOL_ZERO);
		break;
	case 2:
		sp_discard(victim->pool.fd, region->handle, offset, length, 0);
		break;
	case 3:
		sp_discard(victim->pool.fd, region->handle, offset, length, SEGPOOL_NOW);
		break;
	default:
		sp_touch(bytes + victim->region - SP_PAGE);
	}
}

static void limit(struct victim *victim, uint64_t *random)
{
	uint64_t bytes = (4 + sp_random(random) % REGIONS) * victim->region;
	struct segpool_limits limits = { .physical_budget = bytes, .retain_limit = bytes / 2,
					 .retain_age_ms = sp_random(random) % 20 };

	sp_set_budget(victim->pool.fd, SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN | SEGPOOL_SET_AGE,
		      &limits);
}

static void look(struct victim *victim, uint64_t *random)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct sp_region_sums sums;

	switch (sp_random(random) % 4) {
	case 0:
		sp_stat(victim->pool.fd, values);
		break;
	case 1:
		sp_regions_walk(victim->pool.id, &sums);
		break;
	case 2:
		sp_trim(victim->pool.fd, sp_random(random) % 4 * victim->region, NULL);
		break;
	default:
		limit(victim, random);
	}
}

static void give_back(struct victim *victim, uint64_t *random, struct segpool_region *regions,
		      int count)
{
	static const uint32_t flags[] = { 0, SEGPOOL_LAZY, SEGPOOL_LAZY, SEGPOOL_NOW };
	struct segpool_region again;
	int i;

	for (i = 0; i < count; i++) {
		sp_free(victim->pool.fd, regions[i].handle, flags[sp_random(random) % 4]);
		if (!(sp_random(random) % 4) &&
		    !sp_reuse(victim->pool.fd, regions[i].handle, 0, SEGPOOL_POPULATE, &again))
			sp_free(victim->pool.fd, again.handle, 0);
	}
}

static void work(void *argument, unsigned int member)
{
	struct victim *victim = argument;
	struct segpool_region regions[BATCH];
	uint64_t random = victim->seed + member;
	int got, i;

	for (;;) {
		got = take(victim, &random, regions);
		for (i = 0; i < got; i++)
			use(victim, &random, &regions[i]);
		look(victim, &random);
		give_back(victim, &random, regions, got);
	}
}

static struct leak leak;

/* A second pool now and then, so that one is being made or ended as well. */
static int victim_main(void *argument)
{
	struct victim *victim = argument;
	struct sp_pool other;
	uint32_t mode = victim->seed % 3;

	if (leak_enter(&leak))
		return 1;
	/* Where huge pages are at work: whole regions come, and the parts that go split them. */
	victim->region = mode == SEGPOOL_MODE_HUGE ? SP_BIG : SP_SMALL;
	victim->begun = 1;
	if (!sp_pool_make(&other, (mode + 1) % 3, SP_SMALL, REGIONS * SP_SMALL, REGIONS * SP_SMALL,
			  0))
		sp_pool_close(&other);
	if (sp_pool_make(&victim->pool, mode, victim->region, REGIONS * victim->region,
			 REGIONS * victim->region, 4 * victim->region))
		return 1;
	sp_team_run(THREADS, work, victim);
	return 0;
}

static int has_begun(void *victim)
{
	return ((struct victim *)victim)->begun;
}

/* NULL, or what is wrong; the victim never ends by itself. */
static const char *kill_one(struct victim *victim, uint64_t *random)
{
	uint32_t delay_us = sp_random(random) % (LONGEST_MS * 1000);
	pid_t child;
	int status;

	victim->begun = 0;
	victim->seed = sp_random(random);
	child = sp_start_child(victim_main, victim);
	if (child < 0)
		return "fork fails";
	sp_wait_until(has_begun, victim, 60000);
	usleep(delay_us);
	kill(child, SIGKILL);
	status = sp_wait_child(child);
	leak_next(&leak);
	if (status != 128 + SIGKILL)
		return "the process ended before it was killed";
	return gauges_left();
}

static const char *kill_some(struct victim *victim, uint64_t *random, unsigned long count)
{
	const char *wrong = NULL;
	unsigned long i;

	for (i = 0; i < count && !wrong; i++)
		wrong = kill_one(victim, random);
	if (wrong)
		ksft_print_msg("kill %lu: %s\n", i, wrong);
	return wrong;
}

int main(int argc, char **argv)
{
	uint64_t begun, before, tolerated, lost, random;
	struct victim *victim;
	const char *wrong;
	char text[96];

	run_options(argc, argv, options);
	ksft_print_header();
	victim = mmap(NULL, sizeof(*victim), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (victim == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	ksft_set_plan(3);
	random = seed;
	/* Each has a cgroup of its own: one page, or one object, lost by each is twice this. */
	tolerated = kills * SP_PAGE / 2;
	leak_begin(&leak);
	begun = sp_now_ms();
	before = sp_free_bytes();

	wrong = kill_some(victim, &random, WARM_UP);
	leak_mark(&leak);
	wrong = wrong ?: kill_some(victim, &random, kills);
	lost = leak_bytes(&leak, tolerated);
	snprintf(text, sizeof(text), "%llu bytes are lost", (unsigned long long)lost);
	ksft_print_msg("seed %lu: %lu kills in %llu ms; %s\n", seed, WARM_UP + kills,
		       (unsigned long long)(sp_now_ms() - begun), text);
	run_result("nothing_is_in_use_after_each_kill", wrong);
	run_result("no_charge_is_left", lost > tolerated ? text : NULL);
	run_result("free_memory_is_back", gauges_memory(before));
	leak_end(&leak);
	ksft_finished();
}
