// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to give memory back and to have it again, by every way there is
 * (ways.h), beside each other in one run. With --instructions the clock of the
 * (emulated) machine counts executed instructions. What those do not price stands
 * beside them: faults, system calls, interrupts of other processors, zeroed bytes.
 *
 * Prints comma-separated values; the script tables makes readable ones of them.
 */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include "clock.h"
#include "ways.h"

#define ROUNDS		15
#define SETTLE_MS	30000
/* For threads: so long in each turn, so many turns of each way, one way after the other. */
#define TURN_MS		150
#define TURNS		7
#define THREADS_MOST	16

static const struct shape shapes[] = {
	{ "2 MiB", SP_BIG, 1 },
	{ "64 KiB", 16 * SP_PAGE, 1 },
	{ "16 x 64 KiB", 16 * SP_PAGE, 16 },
	{ "4 KiB", SP_PAGE, 1 },
	{ "16 x 4 KiB", SP_PAGE, 16 },
	{ "64 x 4 KiB", SP_PAGE, 64 },
};

#define NR_SHAPES	(sizeof(shapes) / sizeof(shapes[0]))

enum step { RELEASE, REUSE, TOUCH, NR_STEPS };

/* Of all rounds, or of one range. */
struct events {
	uint64_t faults, calls, interrupts, zeroed;
};

/* Other processors were told so often to forget translations. */
static uint64_t shootdowns(void)
{
	FILE *file = fopen("/proc/interrupts", "re");
	char line[1024], *at, *end;
	uint64_t sum = 0;

	while (file && fgets(line, sizeof(line), file)) {
		at = strstr(line, "TLB:");
		for (at = at ? at + 4 : NULL; at && *at; at = end) {
			sum += strtoull(at, &end, 10);
			if (end == at)
				break;
		}
	}
	if (file)
		fclose(file);
	return sum;
}

static struct events events_now(const struct place *place)
{
	struct events events = { .calls = place->calls, .interrupts = shootdowns() };
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	events.faults = usage.ru_minflt;
	/* All that the kernel allocates for its own ways it zeroes; a few are page tables. */
	if (place->way->pool)
		events.zeroed = sp_counter(place->pool.fd, SEGPOOL_C_ZEROED_PAGES) * SP_PAGE;
	else
		events.zeroed = (sp_vmstat("pgalloc_dma") + sp_vmstat("pgalloc_dma32") +
				 sp_vmstat("pgalloc_normal")) * SP_PAGE;
	return events;
}

static bool suits(const struct way *way, const struct shape *shape, bool have_pools)
{
	if (way->pool && (!have_pools || way->regions != (shape->length == SP_BIG)))
		return false;
	return !way->whole || shape->length == SP_BIG;
}

static void place_open(struct place *place, const struct way *way, const struct shape *shape,
		       const struct sp_pool *shared)
{
	*place = (struct place){ .way = way, .shape = shape, .shared = shared, .fd = -1 };
	way->open(place);
	write_ranges(place);
}

static void turn(struct place *place, uint64_t spent[NR_STEPS])
{
	uint64_t start = now(), released, reused;

	place->way->release(place);
	released = now();
	if (place->way->reuse)
		place->way->reuse(place);
	reused = now();
	write_ranges(place);
	spent[RELEASE] = released - start;
	spent[REUSE] = reused - released;
	spent[TOUCH] = now() - reused;
}

/* One row: per range. */
static void print_row(const struct way *way, const struct shape *shape, const char *unit,
		      const uint64_t spent[NR_STEPS], const struct events *events)
{
	double ranges = (double)shape->nr * ROUNDS;

	printf("%s,%s,%u,%llu,%s,%llu,%llu,%llu,%llu,%.2f,%.2f,%.2f,%.0f\n", way->name,
	       shape->name, shape->nr, (unsigned long long)shape->length, unit,
	       (unsigned long long)spent[RELEASE] / shape->nr,
	       (unsigned long long)spent[REUSE] / shape->nr,
	       (unsigned long long)spent[TOUCH] / shape->nr,
	       (unsigned long long)(spent[RELEASE] + spent[REUSE] + spent[TOUCH]) / shape->nr,
	       events->faults / ranges, events->calls / ranges, events->interrupts / ranges,
	       events->zeroed / ranges);
	fflush(stdout);
}

static void measure(const struct way *way, const struct shape *shape, const char *unit)
{
	uint64_t spent[NR_STEPS][ROUNDS], one[NR_STEPS], middle[NR_STEPS];
	struct events before, after;
	struct place place;
	unsigned int round, step;

	place_open(&place, way, shape, NULL);
	/* The first turns make what stays: arrays, page tables, single pages of a huge one. */
	for (round = 0; round < 3; round++)
		turn(&place, one);
	before = events_now(&place);
	for (round = 0; round < ROUNDS; round++) {
		turn(&place, one);
		for (step = 0; step < NR_STEPS; step++)
			spent[step][round] = one[step];
	}
	after = events_now(&place);
	after.faults -= before.faults;
	after.calls -= before.calls;
	after.interrupts -= before.interrupts;
	after.zeroed -= before.zeroed;
	for (step = 0; step < NR_STEPS; step++)
		middle[step] = median(spent[step], ROUNDS);
	print_row(way, shape, unit, middle, &after);
	way->close(&place);
}

static void measure_all(const char *unit, bool have_pools)
{
	unsigned int i, k;

	printf("way,ranges,vector,bytes,unit,release,reuse,touch,all,faults,calls,"
	       "interrupts,zeroed_bytes\n");
	for (i = 0; i < NR_SHAPES; i++)
		for (k = 0; k < NR_WAYS; k++)
			if (suits(&ways[k], &shapes[i], have_pools))
				measure(&ways[k], &shapes[i], unit);
}

/* --- several threads, each with memory of its own --- */

struct crowd {
	const struct way *way;
	struct sp_pool pool;
	pthread_barrier_t ready;
	atomic_ulong turns;
};

static void take_turns(void *argument, unsigned int member SP_UNUSED)
{
	struct crowd *crowd = argument;
	uint64_t spent[NR_STEPS];
	unsigned long turns = 0;
	struct place place;
	uint64_t end;

	place_open(&place, crowd->way, &shapes[0], &crowd->pool);
	/* Nobody maps anything new while somebody has a hole where his memory was. */
	pthread_barrier_wait(&crowd->ready);
	for (end = now() + TURN_MS * 1000000ULL; now() < end;) {
		turn(&place, spent);
		turns++;
	}
	crowd->turns += turns;
	pthread_barrier_wait(&crowd->ready);
	crowd->way->close(&place);
}

static uint64_t turns_a_second(const struct way *way, unsigned int threads)
{
	struct crowd crowd = { .way = way };

	/* One pool: threads that work on different regions. */
	if (way->pool)
		make_pool(way, &crowd.pool, threads);
	pthread_barrier_init(&crowd.ready, NULL, threads);
	sp_team_run(threads, take_turns, &crowd);
	pthread_barrier_destroy(&crowd.ready);
	if (way->pool)
		sp_pool_close(&crowd.pool);
	return crowd.turns * 1000 / TURN_MS;
}

/* As ratios within this run: a machine that is emulated differs from boot to boot. */
static void measure_threads(unsigned int threads, bool have_pools)
{
	uint64_t rates[NR_WAYS][TURNS], yardstick = 0;
	unsigned int i, turn_number;

	for (turn_number = 0; turn_number < TURNS; turn_number++)
		for (i = 0; i < NR_WAYS; i++)
			rates[i][turn_number] = suits(&ways[i], &shapes[0], have_pools) ?
						turns_a_second(&ways[i], threads) : 0;
	for (i = 0; i < NR_WAYS; i++)
		if (!strcmp(ways[i].name, "MADV_DONTNEED"))
			yardstick = median(rates[i], TURNS);
	printf("way,threads,turns_a_second,least,most,times_madv_dontneed\n");
	for (i = 0; i < NR_WAYS; i++) {
		uint64_t middle = median(rates[i], TURNS);

		if (middle)
			printf("%s,%u,%llu,%llu,%llu,%.2f\n", ways[i].name, threads,
			       (unsigned long long)middle, (unsigned long long)rates[i][0],
			       (unsigned long long)rates[i][TURNS - 1],
			       yardstick ? (double)middle / yardstick : 0);
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: peers [--instructions] [--threads N]\n"
		"  --instructions  the clock of this (emulated) machine counts instructions\n"
		"  --threads N     turns a second of N threads at a time (1 to %d), 2 MiB each\n",
		THREADS_MOST);
	return 2;
}

int main(int argc, char **argv)
{
	const char *unit = "ns";
	struct utsname name;
	bool have_pools;
	int threads = 0, i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--instructions"))
			unit = "instructions";
		else if (!strcmp(argv[i], "--threads") && i + 1 < argc)
			threads = atoi(argv[++i]);
		else
			return usage();
		if (threads < 0 || threads > THREADS_MOST)
			return usage();
	}
	have_pools = !access("/dev/segpool", R_OK | W_OK);
	if (!have_pools)
		fprintf(stderr, "peers: no /dev/segpool here: only what the kernel has itself\n");
	/* On one processor what the kernel still does after its boot would be counted. */
	if (!strcmp(unit, "instructions"))
		sp_sleep_ms(SETTLE_MS);
	uname(&name);
	printf("# Linux %s\n", name.release);
	if (threads)
		measure_threads(threads, have_pools);
	else
		measure_all(unit, have_pools);
	return 0;
}
