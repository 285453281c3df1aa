// SPDX-License-Identifier: GPL-2.0-only
/* A session's pools, and comparing them while all its actors rest. */
#include "concurrent.h"
#include "operations.h"

/* The first actor makes the pools; the others learn of them. */
static int make_pool(struct session *session, uint32_t number)
{
	struct actor *first = &session->actor[0];
	struct op op = { .pool = number };
	struct answer answer = { 0 };
	struct ref_pool *pool;
	uint32_t i, region;

	open_generate(first, &op);
	open_run(first, &op, &answer);
	open_apply(first, &op, &answer);
	if (answer.error || first->failed)
		return answer.error ? answer.error : -EINVAL;
	session->owners[number].highest_budget = op.arg[3];
	pool = &first->pool[number];
	for (region = 0; region < MAX_REGIONS; region++)
		pool->region[region].state = OTHER;
	/* Others carve them: every index may be a region's. */
	pool->carved = pool->nr_regions;
	pool->retain_limit = 0;
	for (i = 1; i < session->nr_actors; i++)
		session->actor[i].pool[number] = *pool;
	return 0;
}

int session_begin(struct session *session, const struct options *options, uint64_t seed,
		  uint32_t first_block, struct totals *totals, struct session_report *report)
{
	struct actor *actor;
	int error = 0;
	uint32_t i;

	memset(session, 0, sizeof(*session));
	session->nr_actors = options->threads;
	session->totals = totals;
	session->report = report;
	/* Not over, where one is under way: then it is asked about for ever. */
	session->disturbances_seen = disturbances_seen(UINT64_MAX);
	pthread_barrier_init(&session->rest, NULL, options->threads);
	for (i = 0; i < MAX_POOLS; i++)
		session->kernel[i].fd = -1;
	for (i = 0; i < session->nr_actors; i++) {
		actor = &session->actor[i];
		actor->number = i + 1;
		actor->shared = true;
		actor->pressed = options->pressed;
		actor->modes = options->modes;
		actor->kernel = session->kernel;
		actor->owners = session->owners;
		actor->disk = open_disk();
		actor->steps = -1;
		actor->block = first_block + i;
		if (actor_begin(actor, seed))
			mismatch(&session->actor[0], "no pipes are to be had");
	}
	for (i = 0; i < MAX_POOLS && !error; i++)
		error = make_pool(session, i);
	return error;
}

static uint64_t sum_of_events(const struct session *session, uint32_t pool, uint32_t counter)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < session->nr_actors; i++)
		sum += session->actor[i].pool[pool].events[counter];
	return sum;
}

static void add_refusals(const struct session *session, uint32_t pool)
{
	session->totals->refused[SEGPOOL_REASON_VIRTUAL] +=
		sum_of_events(session, pool, SEGPOOL_C_REFUSED_VIRTUAL);
	session->totals->refused[SEGPOOL_REASON_PHYSICAL] +=
		sum_of_events(session, pool, SEGPOOL_C_REFUSED_PHYSICAL);
	session->totals->refused[SEGPOOL_REASON_SYSTEM] +=
		sum_of_events(session, pool, SEGPOOL_C_REFUSED_SYSTEM);
}

void session_end(struct session *session)
{
	uint32_t i;

	for (i = 0; i < MAX_POOLS; i++)
		add_refusals(session, i);
	for (i = 0; i < session->nr_actors; i++)
		actor_end(&session->actor[i]);
	for (i = 0; i < MAX_POOLS; i++)
		sp_pool_close(&session->kernel[i]);
	pthread_barrier_destroy(&session->rest);
}

static uint64_t sum_of_pages(const struct session *session, uint32_t pool)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < session->nr_actors; i++)
		sum += session->actor[i].pool[pool].physical;
	return sum;
}

static void expect_number(struct session *session, uint32_t pool, const char *name, uint64_t got,
			  uint64_t wanted)
{
	if (got != wanted)
		mismatch(&session->actor[0], "pool %u: %s is %llu, the actors make it %llu", pool,
			 name, (unsigned long long)got, (unsigned long long)wanted);
}

static void expect_at_most(struct session *session, uint32_t pool, const char *name, uint64_t got,
			   uint64_t limit)
{
	if (got > limit)
		mismatch(&session->actor[0], "pool %u: %s is %llu, above %llu", pool, name,
			 (unsigned long long)got, (unsigned long long)limit);
}

/* What each actor has seen of these adds up, whatever the order was. */
static void compare_events(struct session *session, uint32_t pool, const uint64_t *values)
{
	static const enum segpool_counter counters[] = {
		SEGPOOL_C_NEW_REGIONS, SEGPOOL_C_REUSED_REGIONS, SEGPOOL_C_CROSS_CLASS_REUSES,
		SEGPOOL_C_RELEASED_REGIONS, SEGPOOL_C_DOUBLE_FREES, SEGPOOL_C_STALE_FREES,
		SEGPOOL_C_REFUSED_VIRTUAL, SEGPOOL_C_REFUSED_PHYSICAL, SEGPOOL_C_FAULTS,
		SEGPOOL_C_SIGBUS_FAULTS, SEGPOOL_C_PINNED_PAGES,
	};
	uint32_t i;

	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		expect_number(session, pool, sp_counter_name(counters[i]), values[counters[i]],
			      sum_of_events(session, pool, counters[i]));
	expect_number(session, pool, "system_pages + retained_reused_pages",
		      values[SEGPOOL_C_SYSTEM_PAGES] + values[SEGPOOL_C_RETAINED_REUSED_PAGES],
		      sum_of_events(session, pool, SEGPOOL_C_SYSTEM_PAGES));
}

/* Retained pages do not go by themselves. */
static void compare_departures(struct session *session, uint32_t pool, const uint64_t *values)
{
	if (!session->owners[pool].ages)
		expect_number(session, pool, "aged_pages, without an age",
			      values[SEGPOOL_C_AGED_PAGES], 0);
	if (!session->actor[0].pressed && !disturbed_since(session->disturbances_seen))
		expect_number(session, pool, "shrunk_pages, without a reason",
			      values[SEGPOOL_C_SHRUNK_PAGES], 0);
}

static void compare_counters(struct session *session, uint32_t pool)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];

	if (sp_stat(session->kernel[pool].fd, values)) {
		mismatch(&session->actor[0], "STAT failed");
		return;
	}
	expect_number(session, pool, "physical_bytes", values[SEGPOOL_C_PHYSICAL_BYTES],
		      sum_of_pages(session, pool) * SP_PAGE);
	expect_number(session, pool, "virtual_bytes", values[SEGPOOL_C_VIRTUAL_BYTES],
		      values[SEGPOOL_C_NEW_REGIONS] * REGION_BYTES);
	expect_number(session, pool, "regions_active + regions_freed",
		      values[SEGPOOL_C_REGIONS_ACTIVE] + values[SEGPOOL_C_REGIONS_FREED],
		      values[SEGPOOL_C_NEW_REGIONS]);
	expect_number(session, pool, "waiters", values[SEGPOOL_C_WAITERS], 0);
	expect_at_most(session, pool, "virtual_bytes", values[SEGPOOL_C_VIRTUAL_BYTES],
		       values[SEGPOOL_C_VIRTUAL_BUDGET_BYTES]);
	expect_at_most(session, pool, "retained_bytes", values[SEGPOOL_C_RETAINED_BYTES],
		       values[SEGPOOL_C_RETAIN_LIMIT_BYTES]);
	expect_at_most(session, pool, "physical_bytes + retained_bytes",
		       values[SEGPOOL_C_PHYSICAL_BYTES] + values[SEGPOOL_C_RETAINED_BYTES],
		       session->owners[pool].highest_budget * SP_PAGE);
	/* Where the system refuses, a carved region may be counted as released unused. */
	if (!session->actor[0].pressed)
		compare_events(session, pool, values);
	compare_departures(session, pool, values);
}

/* What the owner of a region, if it has one, knows of it. */
static const struct ref_region *owners_view(const struct session *session, uint32_t pool,
					    uint32_t region)
{
	uint32_t i;

	for (i = 0; i < session->nr_actors; i++)
		if (session->actor[i].pool[pool].region[region].state == ACTIVE)
			return &session->actor[i].pool[pool].region[region];
	return NULL;
}

static void compare_page(struct session *session, uint32_t pool, uint32_t region, uint32_t number,
			 const struct ref_page *page, bool present)
{
	struct actor *first = &session->actor[0];
	uint64_t seen[2];

	if (present != page->mapped) {
		mismatch(first, "pool %u: page %u of region %u (active) is %s", pool, number,
			 region, present ? "mapped" : "not mapped");
		return;
	}
	if (!present)
		return;
	read_words(page_address(first, pool, region, number), seen);
	expect_words(first, pool, region, number, seen, page->tag);
}

static void compare_pages(struct session *session, uint32_t pool)
{
	unsigned char present[MAX_REGIONS * REGION_PAGES];
	const struct sp_pool *kernel = &session->kernel[pool];
	/* Memory pressure can make it fewer, while we look. */
	uint64_t kept = sp_counter(kernel->fd, SEGPOOL_C_KEPT_REGIONS);
	uint64_t nobodys = 0;
	const struct ref_region *view;
	uint32_t i;

	if (sp_present(kernel->base, kernel->length, present) < 0)
		mismatch(&session->actor[0], "move_pages failed");
	for (i = 0; i < kernel->length / SP_PAGE && !session->actor[0].failed; i++) {
		view = owners_view(session, pool, i / REGION_PAGES);
		if (view)
			compare_page(session, pool, i / REGION_PAGES, i % REGION_PAGES,
				     &view->page[i % REGION_PAGES], present[i]);
		else
			nobodys += present[i];
	}
	expect_at_most(session, pool, "mapped pages of nobody's", nobodys, kept * REGION_PAGES);
}

static void compare_walk(struct session *session, uint32_t pool)
{
	struct sp_region_sums sums;

	if (access(SP_DEBUGFS, R_OK))
		return;
	if (sp_regions_walk(session->kernel[pool].id, &sums) < 0)
		mismatch(&session->actor[0], "debugfs has no table of the regions");
	else
		expect_number(session, pool, "the regions' pages", sums.active_pages,
			      sum_of_pages(session, pool));
}

/* All actors rest. */
void session_compare(struct session *session)
{
	uint32_t pool;

	for (pool = 0; pool < MAX_POOLS && !session->actor[0].failed; pool++) {
		compare_counters(session, pool);
		compare_pages(session, pool);
		compare_walk(session, pool);
	}
}
