/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of accounting, reuse and memory share beyond testing.h. */
#ifndef SEGPOOL_TESTING_MEMORY_H
#define SEGPOOL_TESTING_MEMORY_H

#include "testing.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* The smallest region: sixteen pages, so that many of them stay cheap under emulation. */
#define SP_SMALL	(64 * SP_KIB)
#define SP_BIG		(2 * SP_MIB)

/* A fixture's two variants; its data must not need more than the mode. */
#define SP_MODE_VARIANTS(fixture) \
	FIXTURE_VARIANT(fixture) { uint32_t mode; }; \
	FIXTURE_VARIANT_ADD(fixture, strict) { .mode = SEGPOOL_MODE_STRICT, }; \
	FIXTURE_VARIANT_ADD(fixture, pinnable) { .mode = SEGPOOL_MODE_PINNABLE, }; \
	FIXTURE_VARIANT_ADD(fixture, huge) { .mode = SEGPOOL_MODE_HUGE, }

static SP_UNUSED uint32_t sp_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/*
 * Threads that start together. Results go into memory of the caller's: EXPECT
 * and ASSERT belong to the main thread.
 */
struct sp_team {
	void (*work)(void *argument, unsigned int member);
	void *argument;
	pthread_barrier_t start;
};

struct sp_member {
	struct sp_team *team;
	unsigned int number;
	pthread_t thread;
};

static void *sp_member_main(void *argument)
{
	struct sp_member *member = argument;

	pthread_barrier_wait(&member->team->start);
	member->team->work(member->team->argument, member->number);
	return NULL;
}

/* Run @count threads to their end; a program that cannot start them ends. */
static SP_UNUSED void sp_team_run(unsigned int count,
				  void (*work)(void *argument, unsigned int member),
				  void *argument)
{
	struct sp_team team = { .work = work, .argument = argument };
	struct sp_member *members = calloc(count, sizeof(*members));
	pthread_attr_t attributes;
	unsigned int i;

	if (!members)
		abort();
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 * SP_KIB);
	pthread_barrier_init(&team.start, NULL, count);
	for (i = 0; i < count; i++) {
		members[i].team = &team;
		members[i].number = i;
		if (pthread_create(&members[i].thread, &attributes, sp_member_main, &members[i])) {
			fprintf(stderr, "cannot start %u threads\n", count);
			abort();
		}
	}
	for (i = 0; i < count; i++)
		pthread_join(members[i].thread, NULL);
	pthread_barrier_destroy(&team.start);
	pthread_attr_destroy(&attributes);
	free(members);
}

/* Compares what STAT told with what a walk finds now; NULL, or which of them disagree. */
static SP_UNUSED const char *sp_drift_from(const struct sp_pool *pool, const uint64_t *values)
{
	static char text[256];
	struct sp_region_sums sums;
	long present;
	int rows;

	rows = sp_regions_walk(pool->id, &sums);
	if (rows < 0)
		return "debugfs has no table of the pool's regions";
	/* Those of a kept region may be mapped or not. */
	present = sp_present(pool->base, pool->length, NULL);
	if (present < 0 || (uint64_t)present * SP_PAGE < values[SEGPOOL_C_PHYSICAL_BYTES] ||
	    (uint64_t)present * SP_PAGE > values[SEGPOOL_C_PHYSICAL_BYTES] +
					  sums.kept_pages * SP_PAGE) {
		snprintf(text, sizeof(text),
			 "physical_bytes %llu, %llu kept pages, %ld are mapped",
			 (unsigned long long)values[SEGPOOL_C_PHYSICAL_BYTES],
			 (unsigned long long)sums.kept_pages, present);
		return text;
	}
	if (sums.kept != values[SEGPOOL_C_KEPT_REGIONS] ||
	    sums.kept_pages != sums.kept * pool->region_size / SP_PAGE ||
	    sums.kept_pages * SP_PAGE > values[SEGPOOL_C_RETAINED_BYTES]) {
		snprintf(text, sizeof(text),
			 "kept_regions %llu, retained_bytes %llu; %llu freed regions have %llu pages",
			 (unsigned long long)values[SEGPOOL_C_KEPT_REGIONS],
			 (unsigned long long)values[SEGPOOL_C_RETAINED_BYTES],
			 (unsigned long long)sums.kept, (unsigned long long)sums.kept_pages);
		return text;
	}
	if (sums.active_pages * SP_PAGE != values[SEGPOOL_C_PHYSICAL_BYTES]) {
		snprintf(text, sizeof(text), "physical_bytes %llu, the regions have %llu pages",
			 (unsigned long long)values[SEGPOOL_C_PHYSICAL_BYTES],
			 (unsigned long long)sums.active_pages);
		return text;
	}
	if (sums.rows * pool->region_size != values[SEGPOOL_C_VIRTUAL_BYTES] ||
	    sums.active != values[SEGPOOL_C_REGIONS_ACTIVE] ||
	    sums.freed != values[SEGPOOL_C_REGIONS_FREED]) {
		snprintf(text, sizeof(text),
			 "virtual_bytes %llu, active %llu, freed %llu; the table: %llu, %llu, %llu",
			 (unsigned long long)values[SEGPOOL_C_VIRTUAL_BYTES],
			 (unsigned long long)values[SEGPOOL_C_REGIONS_ACTIVE],
			 (unsigned long long)values[SEGPOOL_C_REGIONS_FREED],
			 (unsigned long long)sums.rows, (unsigned long long)sums.active,
			 (unsigned long long)sums.freed);
		return text;
	}
	if (values[SEGPOOL_C_NEW_REGIONS] * pool->region_size != values[SEGPOOL_C_VIRTUAL_BYTES])
		return "new_regions times the region size is not virtual_bytes";
	if (values[SEGPOOL_C_NEW_REGIONS] + values[SEGPOOL_C_REUSED_REGIONS] -
	    values[SEGPOOL_C_RELEASED_REGIONS] != values[SEGPOOL_C_REGIONS_ACTIVE])
		return "new + reused - released regions is not regions_active";
	return NULL;
}

/*
 * Compare the counters with what a walk finds: page tables over the whole reservation,
 * the table of regions, the budgets. The program must have come to rest; age and memory
 * pressure may go on, and what they change during a walk asks for another one.
 * Returns NULL, or which of them disagree.
 */
static SP_UNUSED const char *sp_drift(const struct sp_pool *pool)
{
	uint64_t before[SEGPOOL_NR_COUNTERS], after[SEGPOOL_NR_COUNTERS];
	const char *drift;
	int walks = 0;

	do {
		if (sp_stat(pool->fd, before))
			return "STAT failed";
		drift = sp_drift_from(pool, before);
		if (sp_stat(pool->fd, after))
			return "STAT failed";
	} while (drift && memcmp(before, after, sizeof(before)) && ++walks < 100);
	return drift;
}

static SP_UNUSED const char *sp_drift_or_none(const struct sp_pool *pool)
{
	const char *drift = sp_drift(pool);

	return drift ? drift : "none";
}

/* Prints what disagrees. */
#define EXPECT_NO_DRIFT(pool)	EXPECT_STREQ("none", sp_drift_or_none(pool))

#endif /* SEGPOOL_TESTING_MEMORY_H */
