// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of the module's code a call has run through, where the kernel has KCOV.
 * Elsewhere an input is new when it makes calls fail in an order not seen before.
 */

#include <fcntl.h>
#include <unistd.h>
#include <linux/kcov.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "shared.h"

#define TRACE_WORDS	(64UL << 10)
#define KCOV_FILE	"/sys/kernel/debug/kcov"

/* @words: the number of records, then the records. */
struct trace {
	int fd;
	uint64_t *words;
};

static struct trace places, comparisons;
static bool comparing;
static bool is_new;
static uint32_t last_call;

static int trace_open(struct trace *trace)
{
	trace->fd = open(KCOV_FILE, O_RDWR | O_CLOEXEC);
	if (trace->fd < 0)
		return -1;
	if (ioctl(trace->fd, KCOV_INIT_TRACE, TRACE_WORDS))
		return -1;
	trace->words = mmap(NULL, TRACE_WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, trace->fd,
			    0);
	return trace->words == MAP_FAILED ? -1 : 0;
}

void coverage_open(struct shared *shared)
{
	if (trace_open(&places) || ioctl(places.fd, KCOV_ENABLE, KCOV_TRACE_PC)) {
		places.words = NULL;
		return;
	}
	shared->traced = true;
	if (trace_open(&comparisons))
		comparisons.words = NULL;
}

static uint64_t *words_now(void)
{
	return comparing ? comparisons.words : places.words;
}

void coverage_begin(void)
{
	if (words_now())
		__atomic_store_n(&words_now()[0], 0, __ATOMIC_RELAXED);
}

static uint64_t scramble(uint64_t value)
{
	value *= 0x9e3779b97f4a7c15ULL;
	return value ^ value >> 32;
}

static void edge_seen(struct shared *shared, uint64_t edge)
{
	uint8_t *seen = &shared->edges[scramble(edge) & ((1U << EDGE_BITS) - 1)];

	if (*seen)
		return;
	*seen = 1;
	shared->nr_edges++;
	is_new = true;
}

static void place_seen(struct shared *shared, uint64_t pc)
{
	uint32_t i = scramble(pc) % MAX_PCS;

	while (shared->pcs[i] && shared->pcs[i] != pc)
		i = (i + 1) % MAX_PCS;
	/* Never full: the lookups would not end. */
	if (shared->pcs[i] || shared->nr_pcs >= MAX_PCS - 1)
		return;
	shared->pcs[i] = pc;
	shared->nr_pcs++;
}

static void constant_seen(struct shared *shared, uint64_t value)
{
	uint32_t i;

	if (value < 16 || shared->nr_constants == MAX_CONSTANTS)
		return;
	for (i = 0; i < shared->nr_constants; i++)
		if (shared->constants[i] == value)
			return;
	shared->constants[shared->nr_constants++] = value;
}

static void collect_places(struct shared *shared)
{
	uint64_t i, pc, last = 0;
	uint64_t nr = __atomic_load_n(&places.words[0], __ATOMIC_RELAXED);

	for (i = 1; i <= nr && i < TRACE_WORDS; i++) {
		pc = places.words[i];
		if (pc != last)
			place_seen(shared, pc);
		edge_seen(shared, pc ^ last << 7);
		last = pc;
	}
}

static void collect_constants(struct shared *shared)
{
	uint64_t i, *record;
	uint64_t nr = __atomic_load_n(&comparisons.words[0], __ATOMIC_RELAXED);

	/* A record: kind, both sides, place. */
	for (i = 0; i < nr && 1 + 4 * (i + 1) <= TRACE_WORDS; i++) {
		record = &comparisons.words[1 + 4 * i];
		if (record[0] & KCOV_CMP_CONST)
			constant_seen(shared, record[1]);
	}
}

void coverage_end(struct shared *shared)
{
	if (!words_now())
		return;
	if (comparing)
		collect_constants(shared);
	else
		collect_places(shared);
}

/*
 * Something else that an input can be the first to show: how a call ended, and
 * after which, where nothing better guides us.
 */
void coverage_feature(struct shared *shared, uint32_t call, uint32_t error)
{
	if (!comparing)
		edge_seen(shared, 1ULL << 63 | (shared->traced ? 0 : last_call << 20) |
				  call << 10 | error);
	last_call = call;
}

/* Has anything been new since the last time? */
bool coverage_is_new(void)
{
	bool result = is_new;

	is_new = false;
	last_call = 0;
	return result;
}

/* From now on, or no more, collect the numbers that the module compares with. */
void coverage_compare(bool on)
{
	struct trace *from = on ? &places : &comparisons, *to = on ? &comparisons : &places;

	if (!places.words || !comparisons.words || on == comparing)
		return;
	ioctl(from->fd, KCOV_DISABLE, 0);
	if (!ioctl(to->fd, KCOV_ENABLE, on ? KCOV_TRACE_CMP : KCOV_TRACE_PC)) {
		comparing = on;
		return;
	}
	/* A kernel without comparisons. */
	comparisons.words = NULL;
	if (ioctl(from->fd, KCOV_ENABLE, on ? KCOV_TRACE_PC : KCOV_TRACE_CMP))
		places.words = NULL;
}
