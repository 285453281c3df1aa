// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Checked pools: who was given a segment and who freed it, poison in what is free, and reports.
 *
 * All segments of such a pool are freed with care (segment_hold.c), so one free wins, and nobody else is
 * at the segment while it is poisoned. Nothing here is called by the quick ways, which are not
 * taken in such a pool.
 */

/* For dladdr(). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "segment_check.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callback.h"
#include "segment_inside.h"
#include "syscall.h"

/* Events of a segment that are remembered. */
#define EVENTS		4U
/* Sites that a report of leaks tells apart. */
#define SITES		64U
#define POISON		0xa5
#define POISON_WORD	0xa5a5a5a5a5a5a5a5ULL

/* A library that has no symbols to look up has addresses. */
#pragma weak dladdr

struct event {
	const void *site;
	uint32_t thread;
	uint32_t what;
};

/**
 * struct trace - what is remembered of a segment; under the lock
 * @events: the last ones, in a ring.
 * @nr: how many there were.
 * @poisoned_in: generation of the region in which it was poisoned last; 0: it is not.
 */
struct trace {
	struct event events[EVENTS];
	uint32_t nr;
	uint32_t poisoned_in;
};

struct segpool_checks {
	pthread_mutex_t lock;
	struct trace *traces;
	uint64_t bytes;
	pid_t creator;
	/* 1 and the number of the last region that had segments. */
	uint32_t regions;
};

struct segpool_checks *segpool_checks_new(const struct segpool_segments *segments)
{
	uint64_t regions = segments->pool->reservation >> segments->pool->region_shift;
	struct segpool_checks *checks = calloc(1, sizeof(*checks));
	void *traces;

	if (!checks)
		return NULL;
	checks->bytes = (regions * sizeof(struct trace)) << segments->per_region;
	if (segpool_sys_book(checks->bytes, &traces)) {
		free(checks);
		return NULL;
	}
	checks->traces = traces;
	checks->creator = segpool_sys_getpid();
	pthread_mutex_init(&checks->lock, NULL);
	return checks;
}

static struct trace *trace_of(const struct segpool_segments *segments,
			      const struct segpool_slab *slab, uint32_t number)
{
	return segments->checks->traces +
	       ((size_t)segpool_slab_index(segments, slab) << segments->per_region) + number;
}

static size_t size_of(const struct segpool_slab *slab)
{
	return slab->large ? (size_t)slab->large << slab->shift : (size_t)1 << slab->shift;
}

static char *address_of(const struct segpool_segments *segments, const struct segpool_slab *slab,
			uint32_t number)
{
	return segpool_slab_address(segments->pool, segpool_slab_index(segments, slab)) +
	       ((uint64_t)number << slab->shift);
}

/* --- texts --- */

struct text {
	char text[1536];
	size_t length;
};

static void grow(struct text *text, int length)
{
	size_t room = sizeof(text->text) - text->length;

	if (length > 0)
		text->length += (size_t)length < room ? (size_t)length : room - 1;
}

#define add(to, ...) \
	grow(to, snprintf((to)->text + (to)->length, sizeof((to)->text) - (to)->length, __VA_ARGS__))

/* The call, not where it returns to. */
static void add_site(struct text *text, const void *site)
{
	const char *call = (const char *)site - 1;
	Dl_info info;

	if (dladdr && dladdr(call, &info) && info.dli_fname) {
		if (info.dli_sname)
			add(text, "%s+0x%" PRIxPTR " in ", info.dli_sname,
			    (uintptr_t)call - (uintptr_t)info.dli_saddr);
		add(text, "%s+0x%" PRIxPTR, info.dli_fname,
		    (uintptr_t)call - (uintptr_t)info.dli_fbase);
	} else {
		add(text, "%p", site);
	}
}

static void add_event(struct text *text, const struct event *event)
{
	static const char *const names[] = {
		[SEGPOOL_WAS_GIVEN] = "given", [SEGPOOL_WAS_FREED] = "freed",
	};

	add(text, "\n  %s by thread %u at ", names[event->what], event->thread);
	add_site(text, event->site);
}

/* The last first. */
static void add_events(struct text *text, const struct trace *trace)
{
	uint32_t i;

	for (i = 0; i < EVENTS && i < trace->nr; i++)
		add_event(text, &trace->events[(trace->nr - 1 - i) % EVENTS]);
}

static void report(struct segpool *pool, uint32_t kind, const void *address, uint64_t bytes,
		   const struct text *text)
{
	const struct segpool_log log = {
		.kind = kind,
		.class_index = SEGPOOL_ALL_CLASSES,
		.bytes = bytes,
		.address = address,
		.text = text->text,
	};

	if (!segpool_tell(pool, &log))
		fprintf(stderr, "segpool: %s\n", text->text);
}

/* --- events --- */

void segpool_check_note(struct segpool_segments *segments, const struct segpool_slab *slab,
			uint32_t number, uint32_t what, const void *site)
{
	struct trace *trace = trace_of(segments, slab, number);
	uint32_t region = segpool_slab_index(segments, slab) + 1;

	pthread_mutex_lock(&segments->checks->lock);
	trace->events[trace->nr % EVENTS] = (struct event){
		.site = site, .thread = (uint32_t)segpool_sys_thread(), .what = what };
	trace->nr++;
	if (segments->checks->regions < region)
		segments->checks->regions = region;
	pthread_mutex_unlock(&segments->checks->lock);
}

/* Of the trace as it is now. */
static struct trace read_trace(struct segpool_segments *segments, const struct segpool_slab *slab,
			       uint32_t number)
{
	struct trace trace;

	pthread_mutex_lock(&segments->checks->lock);
	trace = *trace_of(segments, slab, number);
	pthread_mutex_unlock(&segments->checks->lock);
	return trace;
}

/* Freed, nobody is at it, and it is not yet there for anybody else. */
void segpool_check_poison(struct segpool_segments *segments, const struct segpool_slab *slab,
			  uint32_t number)
{
	/* Who reads poison sees that it is free: the partner is in segpool_ref_validate(). */
	segpool_fence(__ATOMIC_RELEASE);
	memset(address_of(segments, slab, number), POISON, size_of(slab));
	pthread_mutex_lock(&segments->checks->lock);
	trace_of(segments, slab, number)->poisoned_in = slab->generation;
	pthread_mutex_unlock(&segments->checks->lock);
}

static void written_after_free(struct segpool_segments *segments, const struct segpool_slab *slab,
			       uint32_t number, size_t offset, uint64_t found)
{
	struct trace trace = read_trace(segments, slab, number);
	const char *address = address_of(segments, slab, number);
	struct text text = { .length = 0 };

	__atomic_add_fetch(&segments->written_after_free, 1, __ATOMIC_RELAXED);
	add(&text, "free segment %p (%zu bytes) was written to at offset %zu: there is 0x%016" PRIx64,
	    (const void *)address, size_of(slab), offset, found);
	add_events(&text, &trace);
	report(segments->pool, SEGPOOL_LOG_WRONG_USE, address + offset, size_of(slab), &text);
}

/* By who was given it, before the program has it: whether anybody wrote to it while it was free. */
void segpool_check_given(struct segpool_segments *segments, const void *address, const void *site)
{
	const struct segpool *pool = segments->pool;
	uint64_t offset = (uint64_t)((uintptr_t)address - (uintptr_t)pool->base);
	struct segpool_slab *slab = &pool->slabs[offset >> pool->region_shift];
	uint32_t number = (uint32_t)((offset & pool->region_mask) >> slab->shift);
	const uint64_t *words = address;
	size_t i, nr = size_of(slab) / sizeof(*words);

	/* A region that went home in between has other pages, or zeroes. */
	if (read_trace(segments, slab, number).poisoned_in == slab->generation) {
		for (i = 0; i < nr && words[i] == POISON_WORD; i++)
			;
		if (i < nr)
			written_after_free(segments, slab, number, i * sizeof(*words), words[i]);
	}
	segpool_check_note(segments, slab, number, SEGPOOL_WAS_GIVEN, site);
}

/* What @address is in; or was, where the region has no segments now, and may be part of a large piece. */
static void add_segment(struct text *text, struct segpool_segments *segments,
			const struct segpool_slab *slab, const void *address)
{
	bool is_cut = segpool_read(&slab->owner);
	uint32_t large = segpool_read(&slab->large);
	uint8_t shift = segpool_read(&slab->shift);
	char *start = segpool_slab_address(segments->pool, segpool_slab_index(segments, slab));
	uint32_t number = (uint32_t)((uint64_t)((const char *)address - start) >> shift);
	struct trace trace;

	if (!shift)
		return;
	trace = read_trace(segments, slab, number);
	start += (uint64_t)number << shift;
	if (is_cut || large)
		add(text, "\n  that is in the segment %p (%zu bytes)", (void *)start,
		    (size_t)(large ? large : 1) << shift);
	else
		add(text, "\n  that was once in the segment %p", (void *)start);
	add_events(text, &trace);
}

/* A free, release or realloc that was refused. */
void segpool_check_wrong(struct segpool_segments *segments, const void *address, const char *what,
			 const void *site)
{
	const struct segpool *pool = segments->pool;
	uint64_t offset = (uint64_t)((uintptr_t)address - (uintptr_t)pool->base);
	const struct event now = {
		.site = site, .thread = (uint32_t)segpool_sys_thread(), .what = SEGPOOL_WAS_FREED };
	struct text text = { .length = 0 };

	add(&text, "%s of %p by thread %u at ", what, address, now.thread);
	add_site(&text, site);
	if (offset < pool->reservation)
		add_segment(&text, segments, &pool->slabs[offset >> pool->region_shift], address);
	report(segments->pool, SEGPOOL_LOG_WRONG_USE, address, 0, &text);
}

/* --- leaks --- */

struct leak {
	const void *site, *first;
	uint64_t nr, bytes;
};

struct leaks {
	struct leak leaks[SITES];
	uint32_t nr;
};

static const void *given_at(const struct trace *trace)
{
	uint32_t i;

	for (i = 1; i <= EVENTS && i <= trace->nr; i++)
		if (trace->events[(trace->nr - i) % EVENTS].what == SEGPOOL_WAS_GIVEN)
			return trace->events[(trace->nr - i) % EVENTS].site;
	return NULL;
}

/* The last place is for all sites that there is no place for. */
static void add_leak(struct leaks *leaks, const void *site, const void *address, uint64_t bytes)
{
	uint32_t i;

	for (i = 0; i < leaks->nr && leaks->leaks[i].site != site && i < SITES - 1; i++)
		;
	if (i == leaks->nr) {
		leaks->nr++;
		leaks->leaks[i] = (struct leak){ .site = i < SITES - 1 ? site : NULL,
						 .first = address };
	}
	leaks->leaks[i].nr++;
	leaks->leaks[i].bytes += bytes;
}

static void find_leaks(struct segpool_segments *segments, struct leaks *leaks)
{
	uint32_t index, number, nr;
	struct segpool_slab *slab;

	for (index = 0; index < segments->checks->regions; index++) {
		slab = &segments->pool->slabs[index];
		if (!slab->owner && !slab->large)
			continue;
		nr = slab->large ? 1 : 1U << (segments->pool->region_shift - slab->shift);
		for (number = 0; number < nr; number++)
			if (!segpool_is_free(segpool_segment_at(segments, index, number)))
				add_leak(leaks, given_at(trace_of(segments, slab, number)),
					 address_of(segments, slab, number), size_of(slab));
	}
}

/* The pool is closed: what the program still has, by where it was given. */
void segpool_checks_end(struct segpool_segments *segments)
{
	struct segpool_checks *checks = segments->checks;
	struct leaks *leaks;
	struct text text;
	uint32_t i;

	/* A forked child has a copy, of whatever moment. */
	leaks = checks->creator == segpool_sys_getpid() ? calloc(1, sizeof(*leaks)) : NULL;
	if (leaks)
		find_leaks(segments, leaks);
	for (i = 0; leaks && i < leaks->nr; i++) {
		text.length = 0;
		add(&text, "%" PRIu64 " segments (%" PRIu64 " bytes) were never freed, the first of them %p, given at ",
		    leaks->leaks[i].nr, leaks->leaks[i].bytes, leaks->leaks[i].first);
		if (leaks->leaks[i].site)
			add_site(&text, leaks->leaks[i].site);
		else
			add(&text, "several other places");
		report(segments->pool, SEGPOOL_LOG_LEAK, leaks->leaks[i].first,
		       leaks->leaks[i].bytes, &text);
	}
	free(leaks);
	segpool_sys_unmap(checks->traces, checks->bytes);
	pthread_mutex_destroy(&checks->lock);
	free(checks);
}
