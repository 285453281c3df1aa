// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the region calls cost. Meant for a guest whose clock counts executed
 * instructions (--instructions: nanoseconds of CLOCK_MONOTONIC are
 * instructions, and the limits are checked); elsewhere the figures are
 * nanoseconds, good for nothing but a rough look.
 */
#include "../testing.h"
#include "clock.h"
#include <segpool.h>
#include <stdbool.h>
#include <sys/utsname.h>

#define REGION		(2 * SP_MIB)
#define BATCH		64
#define ROUNDS		15
#define SETTLE_MS	30000
#define FEW_REGIONS	500
#define MANY_REGIONS	500000

/* Limits of what each may cost: in pools of single pages, in huge ones with one entry or many. */
#define RELEASE_LIMIT		235000
#define REUSE_LIMIT		165000
#define HUGE_PAIR_LIMIT		8000
#define HUGE_TABLE_PAIR_LIMIT	80000
#define LAZY_PAIR_LIMIT		6500
#define WORD_LIMIT		300
#define WORD_PAIR_LIMIT		3500
#define CARVED_LIMIT_PERCENT	5
#define RESERVATION_LIMIT	SP_MIB
#define NO_LIMIT		INT64_MAX

#define NR_MODES	3
static const char *const mode_names[NR_MODES] = { "strict", "pinnable", "huge" };

struct figures {
	uint64_t release, reuse, alloc, write_pages, pair;
	uint64_t lazy_release, lazy_alloc, lazy_pair;
	uint64_t word_calls, word_pair;
	uint64_t batch_release, batch_alloc;
	uint64_t first_alloc;
	uint64_t few_release, few_reuse, many_release, many_reuse;
};

static void fail(const char *what, int error)
{
	fprintf(stderr, "region: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static void must(const char *what, int result)
{
	if (result < 0)
		fail(what, result);
}

static void make_pool(struct sp_pool *pool, uint32_t mode, uint64_t regions, uint64_t physical)
{
	must("cannot make a pool", sp_pool_make(pool, mode, REGION, regions * REGION, physical,
						physical));
}

static uint64_t write_pages(char *bytes)
{
	uint64_t start = now();
	size_t offset;

	for (offset = 0; offset < REGION; offset += SP_PAGE)
		*(volatile char *)(bytes + offset) = 1;
	return now() - start;
}

/* Release and take back, by name, one populated region whose pages are retained. */
static void measure_pair(struct sp_pool *pool, struct segpool_region *region, uint64_t *release,
			 uint64_t *reuse, uint64_t *writes)
{
	uint64_t released[ROUNDS], reused[ROUNDS], written[ROUNDS], start;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		written[round] = write_pages(sp_region_at(pool, region));
		start = now();
		must("FREE", sp_free(pool->fd, region->handle, 0));
		released[round] = now() - start;
		start = now();
		must("REUSE", sp_reuse(pool->fd, region->handle, 0, SEGPOOL_POPULATE, region));
		reused[round] = now() - start;
	}
	*release = median(released, ROUNDS);
	*reuse = median(reused, ROUNDS);
	if (writes)
		*writes = median(written, ROUNDS);
}

/* The same through ALLOC, which finds the region by its class. */
static void measure_alloc(struct sp_pool *pool, struct segpool_region *region, uint32_t flags,
			  uint64_t *release, uint64_t *alloc)
{
	uint64_t released[ROUNDS], taken[ROUNDS], start;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		write_pages(sp_region_at(pool, region));
		start = now();
		must("FREE", sp_free(pool->fd, region->handle, flags));
		released[round] = now() - start;
		start = now();
		must("ALLOC", sp_alloc(pool->fd, 0, SEGPOOL_POPULATE, 1, region));
		taken[round] = now() - start;
	}
	if (release)
		*release = median(released, ROUNDS);
	*alloc = median(taken, ROUNDS);
}

/*
 * The same through the library, by the region's word: no system call. Where pages of the mode can
 * be pinned it is one each. To read the clock takes as long as what is measured, so many at a time.
 */
static void measure_words(uint32_t mode, struct figures *figures)
{
	enum { PAIRS = 64 };
	uint64_t calls[ROUNDS], pair[ROUNDS], start;
	struct segpool_options options;
	struct segpool_region region;
	struct segpool *pool;
	int round, i;

	segpool_options_init(&options);
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN |
			SEGPOOL_SET_AGE;
	options.limits = (struct segpool_limits){ .virtual_budget = REGION,
						  .physical_budget = REGION,
						  .retain_limit = REGION };
	options.backend = SEGPOOL_BACKEND_KERNEL;
	options.mode = mode;
	options.words = SEGPOOL_WORDS_IF_POSSIBLE;
	must("segpool_open", segpool_open(&options, &pool));
	must("alloc", segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
	for (round = 0; round < ROUNDS; round++) {
		start = now();
		for (i = 0; i < PAIRS; i++) {
			must("free", segpool_region_free(pool, region.handle, SEGPOOL_LAZY));
			must("alloc", segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
		}
		calls[round] = (now() - start) / PAIRS;
		start = now();
		for (i = 0; i < PAIRS; i++) {
			write_pages(segpool_region_address(pool, region.handle));
			must("free", segpool_region_free(pool, region.handle, SEGPOOL_LAZY));
			must("alloc", segpool_region_alloc(pool, 0, SEGPOOL_POPULATE, 0, &region, 1));
		}
		pair[round] = (now() - start) / PAIRS;
	}
	segpool_close(pool);
	figures->word_calls = median(calls, ROUNDS);
	figures->word_pair = median(pair, ROUNDS);
}

static void measure_batch(struct sp_pool *pool, struct figures *figures)
{
	struct segpool_region regions[BATCH];
	uint64_t released[ROUNDS], taken[ROUNDS], start;
	int round, i;

	must("ALLOC", sp_alloc(pool->fd, 0, SEGPOOL_POPULATE, BATCH, regions));
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < BATCH; i++)
			write_pages(sp_region_at(pool, &regions[i]));
		start = now();
		must("FREE", sp_free_regions(pool->fd, regions, BATCH, 0));
		released[round] = (now() - start) / BATCH;
		start = now();
		if (sp_alloc(pool->fd, 0, SEGPOOL_POPULATE, BATCH, regions) != BATCH)
			fail("ALLOC of a batch", ENOMEM);
		taken[round] = (now() - start) / BATCH;
	}
	must("FREE", sp_free_regions(pool->fd, regions, BATCH, SEGPOOL_NOW));
	figures->batch_release = median(released, ROUNDS);
	figures->batch_alloc = median(taken, ROUNDS);
}

static uint64_t measure_first_alloc(uint32_t mode)
{
	uint64_t taken[ROUNDS], start;
	struct segpool_region region;
	struct sp_pool pool;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		make_pool(&pool, mode, 1, REGION);
		start = now();
		must("ALLOC", sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 1, &region));
		taken[round] = now() - start;
		sp_pool_close(&pool);
	}
	return median(taken, ROUNDS);
}

/* The pair in a pool where @count regions are carved, all others handed out and empty. */
static void measure_carved(uint32_t mode, uint32_t count, uint64_t *release, uint64_t *reuse)
{
	struct segpool_region regions[SEGPOOL_MAX_BATCH], last;
	struct sp_pool pool;
	uint32_t left, n;

	make_pool(&pool, mode, count, 4 * REGION);
	for (left = count - 1; left; left -= n) {
		n = left < SEGPOOL_MAX_BATCH ? left : SEGPOOL_MAX_BATCH;
		if (sp_alloc(pool.fd, 0, 0, n, regions) != (int)n)
			fail("ALLOC of many regions", ENOMEM);
	}
	must("ALLOC", sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 1, &last));
	measure_pair(&pool, &last, release, reuse, NULL);
	sp_pool_close(&pool);
}

static void measure_mode(uint32_t mode, struct figures *figures)
{
	struct segpool_region region;
	struct sp_pool pool;

	make_pool(&pool, mode, BATCH + 1, (BATCH + 1) * REGION);
	must("ALLOC", sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 1, &region));
	measure_pair(&pool, &region, &figures->release, &figures->reuse, &figures->write_pages);
	measure_alloc(&pool, &region, 0, NULL, &figures->alloc);
	figures->pair = figures->release + figures->alloc + figures->write_pages;
	measure_alloc(&pool, &region, SEGPOOL_LAZY, &figures->lazy_release, &figures->lazy_alloc);
	figures->lazy_pair = figures->lazy_release + figures->lazy_alloc + figures->write_pages;
	measure_batch(&pool, figures);
	sp_pool_close(&pool);

	measure_words(mode, figures);
	figures->first_alloc = measure_first_alloc(mode);
	measure_carved(mode, FEW_REGIONS, &figures->few_release, &figures->few_reuse);
	measure_carved(mode, MANY_REGIONS, &figures->many_release, &figures->many_reuse);
}

/* Bytes of the machine's memory that a mapped reservation of 1 TiB takes. */
static int64_t measure_reservation(void)
{
	uint64_t before = sp_free_bytes(), after;
	struct sp_pool pool;

	memset(&pool, 0, sizeof(pool));
	must("cannot reserve 1 TiB", sp_pool_open(&pool, SP_TIB));
	after = sp_free_bytes();
	sp_pool_close(&pool);
	return (int64_t)(before - after);
}

struct report {
	bool json, check, all_hold;
	const char *unit;
	int rows;
};

/*
 * One row: a figure for each mode, and perhaps a limit for each. One that counts
 * instructions is checked only where the clock does.
 */
static void row(struct report *report, const char *name, const char *unit,
		const int64_t values[NR_MODES], const int64_t limits[NR_MODES], bool any_clock)
{
	bool judged = false, holds = true;
	int mode;

	for (mode = 0; mode < NR_MODES; mode++) {
		if (limits[mode] == NO_LIMIT || !(report->check || any_clock))
			continue;
		judged = true;
		holds &= values[mode] <= limits[mode];
	}
	report->all_hold &= holds;
	if (report->json) {
		printf("%s\n    {\"name\": \"%s\", \"unit\": \"%s\"", report->rows++ ? "," : "",
		       name, unit);
		for (mode = 0; mode < NR_MODES; mode++) {
			printf(", \"%s\": %lld", mode_names[mode], (long long)values[mode]);
			if (judged && limits[mode] != NO_LIMIT)
				printf(", \"%s_limit\": %lld", mode_names[mode],
				       (long long)limits[mode]);
		}
		if (judged)
			printf(", \"holds\": %s", holds ? "true" : "false");
		printf("}");
		return;
	}
	printf("%-46s", name);
	for (mode = 0; mode < NR_MODES; mode++)
		printf(" %10lld", (long long)values[mode]);
	if (judged) {
		printf("  %s:", holds ? "holds" : "BROKEN");
		for (mode = 0; mode < NR_MODES; mode++)
			if (limits[mode] != NO_LIMIT)
				printf(" %s %lld", mode_names[mode], (long long)limits[mode]);
	}
	printf("\n");
}

/* How much more @many is than @few, in hundredths of a percent. */
static int64_t growth(uint64_t few, uint64_t many)
{
	return ((int64_t)many - (int64_t)few) * 10000 / (int64_t)few;
}

#define FIGURE(field) ((const int64_t[NR_MODES]){ (int64_t)f[0].field, (int64_t)f[1].field, \
						  (int64_t)f[2].field })
#define MORE(field, than) ((const int64_t[NR_MODES]){ \
	(int64_t)f[0].field - (int64_t)f[0].than, (int64_t)f[1].field - (int64_t)f[1].than, \
	(int64_t)f[2].field - (int64_t)f[2].than })
#define GROWTH(few, many) ((const int64_t[NR_MODES]){ growth(f[0].few, f[0].many), \
	growth(f[1].few, f[1].many), growth(f[2].few, f[2].many) })
#define LIMITS(single, huge) ((const int64_t[NR_MODES]){ single, single, huge })
#define LIMIT(limit) LIMITS(limit, limit)
/* Pages of pinnable pools can be held, and those of strict ones on some kernels. */
#define WORD_LIMITS(limit) ((const int64_t[NR_MODES]){ NO_LIMIT, NO_LIMIT, limit })

static void print_rows(struct report *report, const struct figures f[NR_MODES], int64_t reservation)
{
	const char *unit = report->unit;
	int64_t pair_limit = sp_kernel_maps_huge() ? HUGE_PAIR_LIMIT : HUGE_TABLE_PAIR_LIMIT;

	row(report, "release 2 MiB, pages retained", unit, FIGURE(release),
	    LIMITS(RELEASE_LIMIT, NO_LIMIT), false);
	row(report, "reuse 2 MiB by name, populated", unit, FIGURE(reuse),
	    LIMITS(REUSE_LIMIT, NO_LIMIT), false);
	row(report, "alloc of a released region, populated", unit, FIGURE(alloc),
	    LIMITS(REUSE_LIMIT, NO_LIMIT), false);
	row(report, "write to each of its 512 pages", unit, FIGURE(write_pages), LIMIT(NO_LIMIT),
	    false);
	row(report, "  release, alloc and the writes", unit, FIGURE(pair),
	    LIMITS(NO_LIMIT, pair_limit), false);
	row(report, "lazy release 2 MiB", unit, FIGURE(lazy_release), LIMIT(NO_LIMIT), false);
	row(report, "alloc of a lazily released region", unit, FIGURE(lazy_alloc), LIMIT(NO_LIMIT),
	    false);
	row(report, "  lazy release, alloc and the writes", unit, FIGURE(lazy_pair),
	    LIMIT(LAZY_PAIR_LIMIT), false);
	row(report, "lazy release and alloc by words, library", unit, FIGURE(word_calls),
	    WORD_LIMITS(WORD_LIMIT), false);
	row(report, "  with the writes", unit, FIGURE(word_pair), WORD_LIMITS(WORD_PAIR_LIMIT),
	    false);
	row(report, "first alloc, pages from the system, zeroed", unit, FIGURE(first_alloc),
	    LIMIT(NO_LIMIT), false);
	row(report, "release, batch of 64, per region", unit, FIGURE(batch_release), LIMIT(NO_LIMIT),
	    false);
	row(report, "alloc, batch of 64, per region", unit, FIGURE(batch_alloc), LIMIT(NO_LIMIT),
	    false);
	row(report, "  batch release, more than alone", unit, MORE(batch_release, release),
	    LIMIT(0), false);
	row(report, "  batch alloc, more than alone", unit, MORE(batch_alloc, alloc), LIMIT(0),
	    false);
	row(report, "release with 500 regions carved", unit, FIGURE(few_release), LIMIT(NO_LIMIT),
	    false);
	row(report, "release with 500,000 regions carved", unit, FIGURE(many_release),
	    LIMIT(NO_LIMIT), false);
	row(report, "  more, hundredths of a percent", "0.01 %", GROWTH(few_release, many_release),
	    LIMIT(CARVED_LIMIT_PERCENT * 100), false);
	row(report, "reuse with 500 regions carved", unit, FIGURE(few_reuse), LIMIT(NO_LIMIT),
	    false);
	row(report, "reuse with 500,000 regions carved", unit, FIGURE(many_reuse), LIMIT(NO_LIMIT),
	    false);
	row(report, "  more, hundredths of a percent", "0.01 %", GROWTH(few_reuse, many_reuse),
	    LIMIT(CARVED_LIMIT_PERCENT * 100), false);
	row(report, "reservation of 1 TiB, unused, bytes of memory", "bytes",
	    (const int64_t[NR_MODES]){ reservation, reservation, reservation },
	    LIMIT(RESERVATION_LIMIT), true);
}

static bool parse_arguments(struct report *report, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			report->json = true;
		} else if (!strcmp(argv[i], "--instructions")) {
			report->check = true;
			report->unit = "instructions";
		} else {
			fprintf(stderr, "usage: region [--json] [--instructions]\n"
				"  --instructions  the clock of this (emulated) machine counts "
				"executed instructions\n");
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct report report = { .all_hold = true, .unit = "ns" };
	struct figures figures[NR_MODES];
	struct utsname name;
	int64_t reservation;

	if (!parse_arguments(&report, argc, argv))
		return 2;
	/*
	 * On one processor what the kernel still does in the background after
	 * its boot would be counted too. Where the clock counts instructions an
	 * idle second takes no time.
	 */
	if (report.check)
		sp_sleep_ms(SETTLE_MS);
	reservation = measure_reservation();
	measure_mode(SEGPOOL_MODE_STRICT, &figures[0]);
	measure_mode(SEGPOOL_MODE_PINNABLE, &figures[1]);
	measure_mode(SEGPOOL_MODE_HUGE, &figures[2]);
	uname(&name);
	if (report.json)
		printf("{\n  \"kernel\": \"%s\",\n  \"clock\": \"%s\",\n  \"rows\": [",
		       name.release, report.check ? "emulated instruction count" : "nanoseconds");
	else
		printf("Linux %s, %s\n%-46s %10s %10s %10s%s\n", name.release,
		       report.check ? "emulated instruction counts (not silicon)" : "nanoseconds",
		       "", mode_names[0], mode_names[1], mode_names[2],
		       report.check ? "  limits" : "");
	print_rows(&report, figures, reservation);
	if (report.json)
		printf("\n  ],\n  \"all_hold\": %s\n}\n", report.all_hold ? "true" : "false");
	return report.all_hold ? 0 : 1;
}
