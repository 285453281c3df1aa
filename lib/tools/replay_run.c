// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "owner.h"
#include "process_memory.h"
#include "replay.h"

#define NS_PER_S	1000000000ULL
#define NS_PER_US	1000ULL
#define MOST_SAMPLES	(REPLAY_SAMPLES - 8)	/* the last ones are of the time after it */
#define PROGRESS_NS	(2 * NS_PER_S)

/* What the program has; address NULL: nothing, or it was refused. */
struct object {
	char *address;
	uint64_t bytes;
	uint64_t owner;
};

struct run {
	const struct history *history;
	const struct place *place;
	const struct replay_options *options;
	struct replay_result *result;
	struct array objects;		/* struct object by id */
	struct process_memory before;
	uint64_t live_bytes;
	uint64_t done, events;		/* in all rounds */
	uint64_t next_sample;		/* event, or microsecond of the history where time is real */
	uint64_t owner;
	uint64_t round_us;		/* when this round began */
	uint64_t virtual_sum, physical_sum, nr_steady;
	uint64_t started_ns;
	uint64_t shown_ns;
	uint64_t resumed_ns;		/* since when the time counts */
	struct rusage resumed;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t ns_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_usec * NS_PER_US;
}

/* The measuring itself takes time and page faults; they are not counted. */
static void resume(struct run *run)
{
	getrusage(RUSAGE_SELF, &run->resumed);
	run->resumed_ns = now_ns();
}

static void pause_counting(struct run *run)
{
	struct replay_result *result = run->result;
	uint64_t ns = now_ns();
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	result->elapsed_ns += ns - run->resumed_ns;
	result->user_ns += ns_of(&usage.ru_utime) - ns_of(&run->resumed.ru_utime);
	result->system_ns += ns_of(&usage.ru_stime) - ns_of(&run->resumed.ru_stime);
	result->minor_faults += (uint64_t)(usage.ru_minflt - run->resumed.ru_minflt);
	result->major_faults += (uint64_t)(usage.ru_majflt - run->resumed.ru_majflt);
}

static uint64_t difference(uint64_t value, uint64_t before)
{
	return value > before ? value - before : 0;
}

static void raise_to(uint64_t *peak, uint64_t value)
{
	if (value > *peak)
		*peak = value;
}

static void add_sample(struct run *run, uint64_t us, uint64_t virtual_bytes, uint64_t physical)
{
	struct replay_result *result = run->result;

	if (result->nr_samples == REPLAY_SAMPLES)
		return;
	result->samples[result->nr_samples++] = (struct replay_sample) {
		.us = us,
		.live_bytes = run->live_bytes,
		.virtual_bytes = virtual_bytes,
		.physical_bytes = physical,
	};
}

/* Returns what is resident for the replay. */
static uint64_t look(struct run *run, uint64_t us)
{
	struct replay_result *result = run->result;
	struct place_numbers numbers = { 0 };
	struct process_memory memory = { 0 };
	uint64_t virtual_bytes, physical;

	process_memory_read(&memory);
	run->place->numbers(&numbers);
	physical = difference(memory.resident, run->before.resident);
	virtual_bytes = numbers.has_virtual ? numbers.virtual_bytes :
			difference(memory.mapped, run->before.mapped);
	raise_to(&result->virtual_peak, virtual_bytes);
	raise_to(&result->physical_peak, difference(memory.peak, run->before.resident));
	raise_to(&result->owned_peak, numbers.owned_bytes);
	result->numbers = numbers;
	add_sample(run, us, virtual_bytes, physical);
	if (run->done < run->events && run->done >= run->events / 2) {
		run->virtual_sum += virtual_bytes;
		run->physical_sum += physical;
		run->nr_steady++;
	}
	return physical;
}

static void show_progress(struct run *run)
{
	uint64_t ns = now_ns();

	if (!run->options->progress || ns - run->shown_ns < PROGRESS_NS)
		return;
	run->shown_ns = ns;
	fprintf(stderr, "\r%s: %3u %% ", run->place->name,
		(unsigned int)(100 * run->done / run->events));
	fflush(stderr);
}

static void sample(struct run *run, uint64_t us)
{
	pause_counting(run);
	look(run, us);
	show_progress(run);
	resume(run);
}

static struct object *object(const struct run *run, uint32_t id)
{
	return (struct object *)run->objects.entries + id;
}

/* What the program would do with its memory, at least: a word in each page is written. */
static void fill(const struct run *run, const struct object *object, uint64_t from)
{
	if (run->options->write_all)
		memset(object->address + from, (int)object->owner, object->bytes - from);
	owner_sign(object->address, from, object->bytes, object->owner);
}

static void changed(struct run *run, uint64_t bytes, uint64_t old_bytes)
{
	run->live_bytes += bytes - old_bytes;
	raise_to(&run->result->live_peak, run->live_bytes);
}

static void take(struct run *run, const struct history_event *event)
{
	struct object *new = object(run, event->id);
	enum place_reason reason = REFUSED_SYSTEM;

	new->address = run->place->alloc((char)event->kind, event->bytes,
					 event->kind == HISTORY_ALIGNED ?
					 1ULL << event->alignment : 0, &reason);
	if (!new->address) {
		run->result->refused[reason]++;
		return;
	}
	new->bytes = event->bytes;
	new->owner = ++run->owner;
	run->result->allocations++;
	changed(run, event->bytes, 0);
	fill(run, new, 0);
}

static void check(struct run *run, const struct object *object, uint64_t bytes)
{
	run->result->wrong_pages += owner_check(object->address, bytes, object->owner);
}

static void give(struct run *run, uint32_t id)
{
	struct object *old = object(run, id);

	if (!old->address)
		return;
	check(run, old, old->bytes);
	run->result->wrong_frees += run->place->free(old->address, old->bytes) != 0;
	run->result->frees++;
	changed(run, 0, old->bytes);
	old->address = NULL;
}

/* A page that a smaller size cuts off in the middle of its word is signed anew. */
static void resize(struct run *run, const struct history_event *event)
{
	struct object *old = object(run, event->id);
	enum place_reason reason = REFUSED_SYSTEM;
	uint64_t kept;
	char *address;

	if (!old->address) {
		take(run, event);
		return;
	}
	address = run->place->resize(old->address, old->bytes, event->bytes, &reason);
	if (!address) {
		run->result->refused[reason]++;
		return;
	}
	kept = event->bytes < old->bytes ? event->bytes : old->bytes;
	changed(run, event->bytes, old->bytes);
	old->address = address;
	old->bytes = event->bytes;
	run->result->resizes++;
	check(run, old, kept);
	if (event->bytes > kept)
		fill(run, old, kept);
}

static void apply(struct run *run, const struct history_event *event)
{
	switch (event->kind) {
	case HISTORY_FREE:
		give(run, event->id);
		break;
	case HISTORY_RESIZE:
		resize(run, event);
		break;
	default:
		take(run, event);
	}
}

static void sleep_until(uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
		;
}

/* Samples on the way, so that a pause of the program's is seen. */
static void wait_for(struct run *run, uint64_t us)
{
	uint64_t step = run->history->duration_us * run->options->rounds / MOST_SAMPLES + 1;

	while (run->next_sample <= us) {
		sleep_until(run->started_ns + run->next_sample * NS_PER_US);
		sample(run, run->next_sample);
		run->next_sample += step;
	}
	sleep_until(run->started_ns + us * NS_PER_US);
}

static void after_event(struct run *run, uint64_t us)
{
	run->done++;
	if (run->options->real_time || run->done < run->next_sample)
		return;
	sample(run, us);
	run->next_sample = run->done + run->events / MOST_SAMPLES + 1;
}

/* The end of the program: what it left is freed. */
static void exit_program(struct run *run, uint64_t us)
{
	for (uint32_t id = 0; id < run->history->nr_ids; id++) {
		if (!object(run, id)->address)
			continue;
		give(run, id);
		after_event(run, us);
	}
}

static void run_program(struct run *run)
{
	const struct history *history = run->history;

	for (size_t i = 0; i < history->count; i++) {
		uint64_t us = run->round_us + history->events[i].us;

		if (run->options->real_time)
			wait_for(run, us);
		apply(run, &history->events[i]);
		after_event(run, us);
	}
	run->round_us += history->duration_us;
	exit_program(run, run->round_us);
}

/* The program sleeps. */
static void settle(struct run *run)
{
	uint64_t begin = now_ns(), ns = run->options->settle_ms * (NS_PER_S / 1000);

	for (unsigned int part = 1; part <= 4; part++) {
		sleep_until(begin + ns * part / 4);
		run->result->physical_settled = look(run, run->round_us + ns * part / 4 / NS_PER_US);
	}
}

static void conclude(struct run *run)
{
	struct replay_result *result = run->result;

	result->virtual_steady = run->nr_steady ? run->virtual_sum / run->nr_steady : 0;
	result->physical_steady = run->nr_steady ? run->physical_sum / run->nr_steady : 0;
}

static void measure(struct run *run)
{
	run->events = (run->history->count + run->history->left) * run->options->rounds;
	run->started_ns = now_ns();
	run->shown_ns = run->started_ns;
	resume(run);
	for (uint32_t round = 0; round < run->options->rounds; round++)
		run_program(run);
	pause_counting(run);
	run->result->physical_freed = look(run, run->round_us);
	settle(run);
	conclude(run);
	if (run->shown_ns != run->started_ns)
		fputs("\r\033[K", stderr);
}

static int prepare(struct run *run)
{
	struct replay_result *result = run->result;
	size_t bytes = run->history->nr_ids * sizeof(struct object);

	if (array_room(&run->objects, run->history->nr_ids, sizeof(struct object))) {
		snprintf(result->error, sizeof(result->error), "not enough memory for the replay");
		return -1;
	}
	/* So that they are resident from the start, as the results are. */
	memset(run->objects.entries, 1, bytes);
	memset(run->objects.entries, 0, bytes);
	memset(result->samples, 1, sizeof(result->samples));
	if (process_memory_forget_peak() || process_memory_read(&run->before)) {
		snprintf(result->error, sizeof(result->error), "/proc/self: %s", strerror(errno));
		return -1;
	}
	return 0;
}

void replay_run(const struct history *history, const struct place *place,
		const struct replay_options *options, struct replay_result *result)
{
	struct run run = {
		.history = history, .place = place, .options = options, .result = result,
	};
	const char *backend;

	if (prepare(&run) || place->open(&options->limits, result->error, sizeof(result->error)))
		return;
	backend = place_pool_backend();
	snprintf(result->backend, sizeof(result->backend), "%s", backend ? backend : place->name);
	measure(&run);
	place->close();
	array_drop(&run.objects);
}
