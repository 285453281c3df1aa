// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replays the allocation history of a real program in a segpool. The program
 * is run several times in the same pool, as a server that is restarted: the
 * first run warms up, whatever grows afterwards is a leak.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <inttypes.h>

#include "history.h"
#include "live.h"
#include "owner.h"
#include "placer.h"
#include "process_memory.h"
#include "series.h"
#include "verdict.h"

/* Small enough for regions of a cache to become empty, large enough to be worth a call. */
#define DEFAULT_REGION_SIZE	(512ULL << 10)
#define RETAIN_AGE_MS		2000
#define IDLE_MS			10000	/* by then retained pages must be gone */
#define IDLE_STEP_MS		50
#define IDLE_TAIL_MS		500	/* shown after they are gone */
#define SERIES_POINTS		800
#define STAT_EVERY		16	/* events */

struct options {
	const char *history;
	const char *csv;
	const char *name;
	uint32_t rounds;
	uint64_t region_size;
	uint64_t virtual_budget;
	uint64_t physical_budget;
	enum live_mode live;
};

struct replay {
	const struct options *options;
	struct history history;
	struct segpool *pool;
	struct placer *placer;
	struct placement *placements;	/* by id; bytes 0: not allocated */
	struct verdict verdict;
	struct sample sample;
	uint64_t resident_before;	/* VmRSS with an empty pool */
	FILE *csv;
	uint64_t done;			/* events, over all rounds */
	uint64_t events;		/* to do, over all rounds */
	uint64_t base_ms;		/* when this round began */
	uint64_t next_point;		/* event at which the series gets its next row */
};

static int failed(struct replay *replay, const char *what, int error)
{
	char text[512];

	live_end(replay->options->live);
	fprintf(stderr, "replay: %s: %s\n", what,
		segpool_strerror(replay->pool, error, text, sizeof(text)));
	return -1;
}

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

/*
 * Virtual: somewhat more than twice what the program ever has live, for rounding
 * to powers of two and for classes whose peaks do not coincide. The shipped
 * history reaches it in its first run; from then on released regions of other
 * classes are taken, which keeps virtual bytes flat. Without that limit each run
 * would carve some more (2.7 % in the second one): an allocation larger than a
 * region takes neighbours of whatever class, they serve the largest class
 * afterwards, and the class that they came from carves new ones.
 *
 * Physical: a quarter more than the program ever has live.
 */
static void set_limits(const struct replay *replay, struct segpool_options *pool)
{
	uint64_t peak = replay->history.peak_live_bytes;
	const struct options *options = replay->options;

	pool->limits.virtual_budget = options->virtual_budget ? options->virtual_budget :
				      round_up(2 * peak + peak / 4, options->region_size);
	pool->limits.physical_budget = options->physical_budget ? options->physical_budget :
				       round_up(peak + peak / 4, options->region_size);
	pool->limits.retain_limit = round_up(peak / 8, PLACER_PAGE);
	pool->limits.retain_age_ms = RETAIN_AGE_MS;
	pool->flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN |
		      SEGPOOL_SET_AGE;
	pool->reservation = pool->limits.virtual_budget;
}

static int resident(uint64_t *bytes)
{
	struct process_memory memory;

	if (process_memory_read(&memory)) {
		fprintf(stderr, "replay: /proc/self/status: %s\n", strerror(errno));
		return -1;
	}
	*bytes = memory.resident;
	return 0;
}

static int open_pool(struct replay *replay)
{
	struct segpool_options pool;
	int ret;

	segpool_options_init(&pool);
	placer_classes(&pool, replay->options->region_size);
	set_limits(replay, &pool);
	ret = segpool_open(&pool, &replay->pool);
	if (ret)
		return failed(replay, "no pool", ret);
	replay->placer = placer_new(replay->pool);
	replay->placements = calloc(replay->history.nr_ids, sizeof(*replay->placements));
	if (!replay->placer || !replay->placements)
		return failed(replay, "no room for the replay's own records", -ENOMEM);
	return resident(&replay->resident_before);
}

static void close_pool(struct replay *replay)
{
	placer_drop(replay->placer);
	segpool_close(replay->pool);
	free(replay->placements);
}

static uint64_t owner_of(const struct replay *replay, uint32_t id)
{
	return (uint64_t)replay->sample.round << 32 | id;
}

static int take(struct replay *replay, uint32_t id, uint64_t bytes)
{
	struct placement *placement = &replay->placements[id];
	int ret = placer_alloc(replay->placer, bytes, placement);

	if (ret)
		return failed(replay, "an allocation was refused", ret);
	owner_sign(placement->address, 0, bytes, owner_of(replay, id));
	replay->sample.live_bytes += bytes;
	return 0;
}

static int give(struct replay *replay, uint32_t id)
{
	struct placement *placement = &replay->placements[id];
	int ret;

	replay->verdict.owner_errors += owner_check(placement->address, placement->bytes,
						    owner_of(replay, id));
	ret = placer_free(replay->placer, placement);
	if (ret)
		return failed(replay, "a free was refused", ret);
	replay->sample.live_bytes -= placement->bytes;
	placement->bytes = 0;
	return 0;
}

/* The place is a simple one: what changes its size is freed, and taken again. */
static int apply(struct replay *replay, const struct history_event *event)
{
	int ret = 0;

	if (event->kind == HISTORY_FREE || event->kind == HISTORY_RESIZE)
		ret = give(replay, event->id);
	if (!ret && event->kind != HISTORY_FREE)
		ret = take(replay, event->id, event->bytes);
	return ret;
}

/* Does the kernel's book on this process agree with the pool's? */
static int compare_resident(struct replay *replay)
{
	uint64_t now, own = replay->history.nr_ids * sizeof(*replay->placements);

	if (resident(&now))
		return -1;
	verdict_resident(&replay->verdict, &replay->sample, now - replay->resident_before,
			 own + process_memory_slack());
	return 0;
}

static int look(struct replay *replay, int record)
{
	int ret = sample_take(replay->pool, &replay->sample);

	if (ret)
		return failed(replay, "no counters", ret);
	verdict_look(&replay->verdict, &replay->sample);
	if (record && compare_resident(replay))
		return -1;
	if (record && replay->csv)
		series_add(replay->csv, &replay->sample);
	live_show(replay->options->live, &replay->sample, 0);
	return 0;
}

static int after_event(struct replay *replay)
{
	int record, half = ++replay->done == replay->events / 2;

	record = half || replay->done >= replay->next_point;
	if (record)
		replay->next_point = replay->done + replay->events / SERIES_POINTS;
	if ((record || replay->done % STAT_EVERY == 0) && look(replay, record))
		return -1;
	if (half)
		verdict_half(&replay->verdict, &replay->sample);
	return 0;
}

/* The end of the program: what it left is freed. */
static int exit_program(struct replay *replay)
{
	for (uint32_t id = 0; id < replay->history.nr_ids; id++) {
		if (!replay->placements[id].bytes)
			continue;
		if (give(replay, id) || after_event(replay))
			return -1;
	}
	return 0;
}

/* Where nothing happened for a while, the series shows so, and no slope. */
static int advance(struct replay *replay, uint64_t ms)
{
	uint64_t pause = replay->history.duration_us / 1000 / SERIES_POINTS * 4;
	int paused = ms > replay->sample.ms + pause;

	if (paused && look(replay, 1))
		return -1;
	replay->sample.ms = ms;
	return paused ? look(replay, 1) : 0;
}

static int run_program(struct replay *replay)
{
	const struct history *history = &replay->history;

	for (size_t i = 0; i < history->count; i++) {
		const struct history_event *event = &history->events[i];

		if (advance(replay, replay->base_ms + event->us / 1000))
			return -1;
		if (apply(replay, event) || after_event(replay))
			return -1;
	}
	return exit_program(replay);
}

/* The program sleeps; the kernel alone gives its retained pages back. */
static int sleep_until_aged(struct replay *replay)
{
	const struct timespec step = { .tv_nsec = IDLE_STEP_MS * 1000000L };

	for (int ms = 0, tail_ms = 0; ms < IDLE_MS && tail_ms < IDLE_TAIL_MS; ms += IDLE_STEP_MS) {
		if (look(replay, 1))
			return -1;
		if (!replay->sample.counters[SEGPOOL_C_RETAINED_BYTES])
			tail_ms += IDLE_STEP_MS;
		nanosleep(&step, NULL);
		replay->sample.ms += IDLE_STEP_MS;
	}
	live_show(replay->options->live, &replay->sample, 1);
	live_end(replay->options->live);
	return 0;
}

static int run_rounds(struct replay *replay)
{
	const struct options *options = replay->options;

	replay->events = (replay->history.count + replay->history.left) * options->rounds;
	for (uint32_t round = 1; round <= options->rounds; round++) {
		replay->sample.round = round;
		if (run_program(replay))
			return -1;
		replay->base_ms = replay->sample.ms;
	}
	return sleep_until_aged(replay);
}

static void conclude(const struct replay *replay)
{
	printf("\n  Never above a budget, flat after warm-up, nothing refused, "
	       "nothing left behind.\n");
	if (verdict_crossed(&replay->verdict))
		printf("  Once the virtual budget was reached, regions of other classes were taken:\n"
		       "  virtual stayed flat and nothing was refused.\n");
}

static int report(const struct replay *replay)
{
	const struct history *history = &replay->history;
	int count;

	printf("%s: %" PRIu64 " allocations, %.1f MiB in all, at most %.1f MiB at a time;"
	       "\nregions of %" PRIu64 " KiB; runs of the program, one after the other in one pool: %"
	       PRIu32 "\n",
	       replay->options->name, history->allocations,
	       (double)history->allocated_bytes / (1 << 20),
	       (double)history->peak_live_bytes / (1 << 20), replay->options->region_size >> 10,
	       replay->options->rounds);
	verdict_table(&replay->verdict, stdout);
	count = verdict_judge(&replay->verdict, stdout);
	if (!count)
		conclude(replay);
	return count ? -1 : 0;
}

static int open_series(struct replay *replay)
{
	if (!replay->options->csv)
		return 0;
	replay->csv = fopen(replay->options->csv, "w");
	if (!replay->csv) {
		fprintf(stderr, "replay: %s: %s\n", replay->options->csv, strerror(errno));
		return -1;
	}
	series_start(replay->csv);
	return 0;
}

static int close_series(struct replay *replay)
{
	if (replay->csv && fclose(replay->csv)) {
		fprintf(stderr, "replay: %s: %s\n", replay->options->csv, strerror(errno));
		return -1;
	}
	return 0;
}

static int replay_history(const struct options *options)
{
	struct replay replay = { .options = options };
	int ret = -1;

	if (history_read(options->history, &replay.history))
		return -1;
	if (!open_series(&replay)) {
		if (!open_pool(&replay) && !run_rounds(&replay))
			ret = 0;
		if (close_series(&replay))
			ret = -1;
		if (!ret)
			ret = report(&replay);
	}
	close_pool(&replay);
	history_drop(&replay.history);
	return ret;
}

static int usage(void)
{
	fputs("usage: replay [OPTION]... HISTORY\n"
	      "Replays an allocation history (- for standard input) in a segpool.\n"
	      "  --name NAME        what the history is called in the report\n"
	      "  --rounds N         run the program N times in the same pool (2)\n"
	      "  --region KIB       region size (512)\n"
	      "  --virtual MIB      virtual budget (2.25 times the peak of live bytes)\n"
	      "  --physical MIB     physical budget (1.25 times that peak)\n"
	      "  --csv FILE         write the time series there\n"
	      "  --live MODE        none, line, lines or auto\n", stderr);
	return 2;
}

static int number(const char *text, uint64_t unit, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10) * unit;
	return errno || *end || !*value || *value > 1ULL << 40 ? -1 : 0;
}

static int set_option(struct options *options, int option, const char *text)
{
	uint64_t value;
	int mode;

	switch (option) {
	case 'n':
		options->name = text;
		return 0;
	case 'o':
		if (number(text, 1, &value) || value > 1000)
			return -1;
		options->rounds = (uint32_t)value;
		return 0;
	case 'r':
		return number(text, 1 << 10, &options->region_size);
	case 'v':
		return number(text, 1 << 20, &options->virtual_budget);
	case 'p':
		return number(text, 1 << 20, &options->physical_budget);
	case 'c':
		options->csv = text;
		return 0;
	case 'l':
		mode = live_mode_named(text);
		options->live = mode < 0 ? LIVE_NONE : (enum live_mode)mode;
		return mode < 0 ? -1 : 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "rounds", required_argument, NULL, 'o' },
		{ "region", required_argument, NULL, 'r' },
		{ "virtual", required_argument, NULL, 'v' },
		{ "physical", required_argument, NULL, 'p' },
		{ "csv", required_argument, NULL, 'c' },
		{ "live", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = {
		.rounds = 2,
		.region_size = DEFAULT_REGION_SIZE,
		.live = (enum live_mode)live_mode_named("auto"),
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (option == '?' || set_option(&options, option, optarg))
			return usage();
	if (optind + 1 != argc)
		return usage();
	options.history = argv[optind];
	if (!options.name)
		options.name = options.history;
	return replay_history(&options) ? 1 : 0;
}
