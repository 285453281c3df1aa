// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a segment costs, and what the same costs by malloc(), whosever that is:
 *
 *   segments segpool|malloc ROW THREADS OPERATIONS SECONDS
 *
 * prints nanoseconds for each operation of a thread, and KiB: live at most (0: it depends), resident at
 * most, right after all was given back, SECONDS later, and after the library was asked to give back what it
 * can. What was resident before is not counted.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <segpool.h>
#include "clock.h"
#include "resident.h"

#define KIB		1024UL
#define PLACES		512
#define BYTES		(64 * KIB)
#define NR_SIZES	7
#define MAX_THREADS	2
/* Of an import: segments of a commit, and what its scans look at after the last. */
#define BURST		8192
#define SCANS		20
#define SCANNED		1024
#define RING		256

static struct segpool *pool;
static unsigned int nr_threads;
static uint64_t operations;
static pthread_barrier_t barrier;
/* When a thread was ready. */
static __thread uint64_t begun;
/* What a thread has given to the next one. */
static struct ring {
	_Alignas(128) _Atomic uint64_t put;
	_Alignas(128) _Atomic uint64_t got;
	_Alignas(128) void *segments[RING];
} rings[MAX_THREADS];

struct row {
	const char *name;
	/* Of thread @number; returns how many operations that were. */
	uint64_t (*work)(const struct row *row, unsigned int number);
	size_t bytes;
	/* What all threads have at most, KiB. */
	size_t live_kib;
	/* Threads that the row wants in any case. */
	unsigned int least_threads;
};

static inline void *take(size_t bytes)
{
	void *memory = pool ? segpool_alloc(pool, bytes) : malloc(bytes);

	if (!memory) {
		fprintf(stderr, "no memory\n");
		exit(1);
	}
	return memory;
}

static inline void give(void *memory)
{
	if (pool)
		segpool_free(pool, memory);
	else
		free(memory);
}

/* Of George Marsaglia: good enough to choose a place. */
static inline uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline void *take_and_touch(size_t bytes)
{
	void *memory = take(bytes);

	*(volatile uint64_t *)memory = bytes;
	return memory;
}

static inline void *take_and_fill(size_t bytes)
{
	return memset(take(bytes), 1, bytes);
}

static uint64_t pairs(const struct row *row, unsigned int number)
{
	uint64_t left = operations;

	(void)number;
	give(take_and_touch(row->bytes));
	begun = now();
	while (left--)
		give(take_and_touch(row->bytes));
	return operations;
}

/* 0 stands for all sizes of the default classes. */
static size_t size_of(const struct row *row, uint64_t random)
{
	return row->bytes ? row->bytes : 4 * KIB << (random >> 32) % NR_SIZES;
}

/* One of many is given back, and another one taken in its place. */
static uint64_t replacements(const struct row *row, unsigned int number)
{
	uint64_t state = 88172645463325252ULL + number, random, left = operations;
	void *places[PLACES];
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		places[i] = take_and_touch(size_of(row, next(&state)));
	begun = now();
	while (left--) {
		random = next(&state);
		give(places[random % PLACES]);
		places[random % PLACES] = take_and_touch(size_of(row, random));
	}
	for (i = 0; i < PLACES; i++)
		give(places[i]);
	return operations;
}

static bool put(struct ring *ring, void *segment)
{
	uint64_t at = atomic_load_explicit(&ring->put, memory_order_relaxed);

	if (at - atomic_load_explicit(&ring->got, memory_order_acquire) == RING)
		return false;
	ring->segments[at % RING] = segment;
	atomic_store_explicit(&ring->put, at + 1, memory_order_release);
	return true;
}

static void *get(struct ring *ring)
{
	uint64_t at = atomic_load_explicit(&ring->got, memory_order_relaxed);
	void *segment;

	if (at == atomic_load_explicit(&ring->put, memory_order_acquire))
		return NULL;
	segment = ring->segments[at % RING];
	atomic_store_explicit(&ring->got, at + 1, memory_order_release);
	return segment;
}

/* So many from this thread, and so many to it. */
static void exchange(const struct row *row, unsigned int number, uint64_t to_take, uint64_t to_give)
{
	struct ring *out = &rings[number], *in = &rings[1 - number];
	void *mine = NULL, *other;
	bool moved;

	while (to_take || to_give) {
		moved = false;
		if (to_take && !mine)
			mine = take_and_touch(row->bytes);
		if (mine && put(out, mine)) {
			mine = NULL;
			to_take--;
			moved = true;
		}
		other = to_give ? get(in) : NULL;
		if (other) {
			give(other);
			to_give--;
			moved = true;
		}
		if (!moved)
			sched_yield();
	}
}

/*
 * What one thread takes another gives back. Of one thread and its helper only the first takes; of two each
 * takes, and gives back what the other took.
 */
static uint64_t hand_over(const struct row *row, unsigned int number)
{
	const unsigned int takes = number < nr_threads, gives = 1 - number < nr_threads;

	exchange(row, number, takes * 4UL * RING, gives * 4UL * RING);
	begun = now();
	exchange(row, number, takes * operations, gives * operations);
	return operations;
}

/* Bursts that are given up as a whole; an operation is a burst. Then scans. Every byte is written. */
static uint64_t import(const struct row *row, unsigned int number)
{
	static const size_t sizes[] = { 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB };
	/* Percent of the scanned pages that have at most the size. */
	static const unsigned int up_to[] = { 10, 70, 98, 100 };
	const unsigned int nr = BURST / nr_threads, nr_scanned = SCANS * SCANNED / nr_threads;
	void **burst = malloc(nr * sizeof(*burst)), *buffer, *page;
	uint64_t state = 88172645463325252ULL + number, left = operations;
	unsigned int i, kind, percent;

	if (!burst)
		exit(1);
	begun = now();
	while (left--) {
		for (i = 0; i < nr; i++)
			burst[i] = take_and_fill(row->bytes);
		for (i = 0; i < nr; i++)
			give(burst[i]);
	}
	for (i = 0; i < nr_scanned; i++) {
		percent = next(&state) % 100;
		for (kind = 0; percent >= up_to[kind]; kind++)
			;
		buffer = take_and_fill(64 * KIB);
		page = take_and_fill(sizes[kind]);
		give(page);
		give(buffer);
	}
	free(burst);
	return operations * nr + 2 * nr_scanned;
}

static const struct row rows[] = {
	{ "pair4", pairs, 4 * KIB, 4, 1 },
	{ "pair16", pairs, 16 * KIB, 16, 1 },
	{ "pair64", pairs, 64 * KIB, 64, 1 },
	{ "pair256", pairs, 256 * KIB, 256, 1 },
	{ "replace", replacements, BYTES, PLACES * BYTES / KIB, 1 },
	{ "mixed", replacements, 0, 0, 1 },
	{ "handover", hand_over, BYTES, (RING + 1) * BYTES / KIB, 2 },
	{ "import", import, BYTES, BURST * BYTES / KIB, 1 },
};

static const struct row *row;
static double nanoseconds[MAX_THREADS];

static void *thread(void *argument)
{
	unsigned int number = (uintptr_t)argument;
	uint64_t done;

	pthread_barrier_wait(&barrier);
	done = row->work(row, number);
	nanoseconds[number] = (double)(now() - begun) / done;
	/* Alive until all is measured: what a thread has at hand when it does nothing is measured too. */
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static int open_pool(void)
{
	struct segpool_options options;
	char why[256];
	int error;

	segpool_options_init(&options);
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN | SEGPOOL_SET_AGE;
	options.limits.virtual_budget = options.limits.physical_budget = 1ULL << 30;
	options.limits.retain_limit = 1ULL << 30;
	options.limits.retain_age_ms = 1000;
	error = segpool_open(&options, &pool);
	if (error)
		fprintf(stderr, "%s\n", segpool_strerror(NULL, error, why, sizeof(why)));
	return error;
}

static const struct row *row_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static void measure(unsigned int seconds)
{
	unsigned int started = row->least_threads > nr_threads ? row->least_threads : nr_threads, i;
	/* Of an import the threads have the same bursts together. */
	size_t live = row->live_kib * (row->work == import ? 1 : nr_threads);
	long before, most, after, held, left;
	pthread_t threads[MAX_THREADS];
	double slowest = 0;

	pthread_barrier_init(&barrier, NULL, started + 1);
	for (i = 0; i < started; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)(uintptr_t)i))
			exit(1);
	before = status_kib("VmRSS");
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	after = status_kib("VmRSS");
	sleep(seconds);
	held = status_kib("VmRSS");
	if (pool)
		segpool_trim(pool, 0, NULL);
	else
		malloc_gives_back();
	left = status_kib("VmRSS");
	pthread_barrier_wait(&barrier);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < nr_threads; i++)
		slowest = nanoseconds[i] > slowest ? nanoseconds[i] : slowest;
	/* The kernel notes the most later than the present. */
	most = status_kib("VmHWM") > after ? status_kib("VmHWM") : after;
	printf("%.1f %zu %ld %ld %ld %ld\n", slowest, live, most - before, after - before, held - before,
	       left - before);
}

int main(int argc, char **argv)
{
	row = argc == 6 ? row_named(argv[2]) : NULL;
	nr_threads = row ? strtoul(argv[3], NULL, 10) : 0;
	operations = row ? strtoull(argv[4], NULL, 10) : 0;
	if (!operations || !nr_threads || nr_threads > MAX_THREADS ||
	    (strcmp(argv[1], "segpool") && strcmp(argv[1], "malloc"))) {
		fprintf(stderr, "usage: segments segpool|malloc ROW 1|2 OPERATIONS SECONDS\n");
		return 2;
	}
	if (!strcmp(argv[1], "segpool") && open_pool())
		return 1;
	measure(strtoul(argv[5], NULL, 10));
	segpool_close(pool);
	return 0;
}
