// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define MAX_ID		(1U << 24)
#define MAX_BYTES	(1U << 31)

struct reader {
	const char *name;
	size_t line;
	size_t room;
	uint32_t *sizes;	/* bytes of each id that is live, 0 otherwise */
	uint32_t nr_sizes;
	uint64_t live_bytes;
};

static int complain(const struct reader *reader, const char *what)
{
	fprintf(stderr, "%s, line %zu: %s\n", reader->name, reader->line, what);
	return -1;
}

static int parse(struct reader *reader, const char *line, struct trace_event *event)
{
	uint64_t us, id, bytes = 0;

	if (line[0] == 'a') {
		if (sscanf(line, "a %" SCNu64 " %" SCNu64 " %" SCNu64, &us, &id, &bytes) != 3)
			return complain(reader, "expected: a <microseconds> <id> <bytes>");
		if (!bytes || bytes > MAX_BYTES)
			return complain(reader, "an allocation must have 1 byte to 2 GiB");
	} else if (sscanf(line, "f %" SCNu64 " %" SCNu64, &us, &id) != 2) {
		return complain(reader, "expected: f <microseconds> <id>");
	}
	if (id >= MAX_ID)
		return complain(reader, "the id is too large");
	event->us = us;
	event->id = (uint32_t)id;
	event->bytes = (uint32_t)bytes;
	return 0;
}

static int grow_sizes(struct reader *reader, uint32_t id)
{
	uint32_t want = reader->nr_sizes ? reader->nr_sizes : 1024;
	uint32_t *sizes;

	while (want <= id)
		want *= 2;
	sizes = realloc(reader->sizes, want * sizeof(*sizes));
	if (!sizes)
		return complain(reader, "out of memory");
	memset(sizes + reader->nr_sizes, 0, (want - reader->nr_sizes) * sizeof(*sizes));
	reader->sizes = sizes;
	reader->nr_sizes = want;
	return 0;
}

static int account(struct reader *reader, struct trace *trace, const struct trace_event *event)
{
	if (event->us < trace->duration_us)
		return complain(reader, "time runs backwards");
	if (event->id >= reader->nr_sizes && grow_sizes(reader, event->id))
		return -1;
	if (event->bytes) {
		if (reader->sizes[event->id])
			return complain(reader, "this id is still allocated");
		reader->sizes[event->id] = event->bytes;
		reader->live_bytes += event->bytes;
		trace->allocations++;
		trace->allocated_bytes += event->bytes;
		trace->nr_left++;
	} else {
		if (!reader->sizes[event->id])
			return complain(reader, "free of an id that is not allocated");
		reader->live_bytes -= reader->sizes[event->id];
		reader->sizes[event->id] = 0;
		trace->nr_left--;
	}
	if (reader->live_bytes > trace->peak_live_bytes)
		trace->peak_live_bytes = reader->live_bytes;
	if (event->id >= trace->nr_ids)
		trace->nr_ids = event->id + 1;
	trace->duration_us = event->us;
	return 0;
}

static int append(struct reader *reader, struct trace *trace, const struct trace_event *event)
{
	if (trace->count == reader->room) {
		size_t room = reader->room ? reader->room * 2 : 4096;
		struct trace_event *events = realloc(trace->events, room * sizeof(*events));

		if (!events)
			return complain(reader, "out of memory");
		trace->events = events;
		reader->room = room;
	}
	trace->events[trace->count++] = *event;
	return 0;
}

int trace_read(FILE *file, const char *name, struct trace *trace)
{
	struct reader reader = { .name = name };
	struct trace_event event;
	char line[128];
	int error = 0;

	memset(trace, 0, sizeof(*trace));
	while (!error && fgets(line, sizeof(line), file)) {
		reader.line++;
		error = parse(&reader, line, &event);
		if (!error)
			error = account(&reader, trace, &event);
		if (!error)
			error = append(&reader, trace, &event);
	}
	if (!error && (ferror(file) || !trace->allocations))
		error = complain(&reader, "no allocation history could be read here");
	free(reader.sizes);
	if (error)
		trace_drop(trace);
	return error;
}

void trace_drop(struct trace *trace)
{
	free(trace->events);
	memset(trace, 0, sizeof(*trace));
}
