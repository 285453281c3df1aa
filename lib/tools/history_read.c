// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "command.h"
#include "history.h"

#define LINE_BYTES	4096
#define MAX_ALIGNMENT	40

struct reader {
	const char *name;
	gzFile file;
	size_t line;
	struct array sizes;	/* uint64_t: bytes of each id that is live, 0 otherwise */
	uint64_t live_bytes;
	uint16_t thread;
	struct history *history;
};

static int wrong(const struct reader *reader, const char *what)
{
	return complain("%s, line %zu: %s", reader->name, reader->line, what);
}

static int no_history(const struct reader *reader)
{
	return complain("%s: this is no allocation history: its first line is not \""
			HISTORY_FIRST_LINE "\" (segpool trace records one)", reader->name);
}

/* The number that comes next, with a blank before it. */
static int field(const char **text, uint64_t *value)
{
	const char *digit = *text;

	if (*digit++ != ' ' || *digit < '0' || *digit > '9')
		return -1;
	for (*value = 0; *digit >= '0' && *digit <= '9'; digit++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, *digit - '0', value))
			return -1;
	*text = digit;
	return 0;
}

static int end_of_line(const char *text)
{
	return *text ? -1 : 0;
}

/* us, id and, as @kind has them, bytes and alignment. */
static int parse_fields(const char *text, char kind, struct history_event *event, uint64_t *shift)
{
	uint64_t id;

	*shift = 0;
	event->bytes = 0;
	if (field(&text, &event->us) || field(&text, &id) || id > HISTORY_MAX_ID)
		return -1;
	event->id = (uint32_t)id;
	if (kind != HISTORY_FREE && field(&text, &event->bytes))
		return -1;
	if (kind == HISTORY_ALIGNED && field(&text, shift))
		return -1;
	return end_of_line(text);
}

static int parse_event(struct reader *reader, const char *line, struct history_event *event)
{
	uint64_t alignment;

	if (parse_fields(line + 1, line[0], event, &alignment))
		return wrong(reader, line[0] == HISTORY_FREE ?
			     "expected: f MICROSECONDS ID, with an id below 2^24" :
			     line[0] == HISTORY_ALIGNED ?
			     "expected: l MICROSECONDS ID BYTES ALIGNMENT, with an id below 2^24" :
			     "expected: KIND MICROSECONDS ID BYTES, with an id below 2^24");
	if (line[0] != HISTORY_FREE && (!event->bytes || event->bytes > HISTORY_MAX_BYTES))
		return wrong(reader, "an allocation has 1 byte to 1 TiB");
	if (line[0] == HISTORY_ALIGNED && (!alignment || alignment & (alignment - 1) ||
					   alignment > 1ULL << MAX_ALIGNMENT))
		return wrong(reader, "an alignment is a power of two");
	event->kind = (uint8_t)line[0];
	event->alignment = alignment ? (uint8_t)__builtin_ctzll(alignment) : 0;
	event->thread = reader->thread;
	return 0;
}

static uint64_t *size_of_id(struct reader *reader, uint32_t id)
{
	if (array_room(&reader->sizes, (size_t)id + 1, sizeof(uint64_t)))
		return NULL;
	return (uint64_t *)reader->sizes.entries + id;
}

static int count(struct reader *reader, const struct history_event *event, uint64_t old)
{
	struct history *history = reader->history;

	history->allocations += !old;
	history->resizes += old && event->bytes;
	history->frees += !event->bytes;
	history->left += (uint64_t)!old - !event->bytes;
	reader->live_bytes += event->bytes - old;
	if (reader->live_bytes > HISTORY_MAX_LIVE ||
	    __builtin_add_overflow(history->allocated_bytes, event->bytes,
				   &history->allocated_bytes))
		return wrong(reader, "more is allocated than a process can have");
	if (reader->live_bytes > history->peak_live_bytes)
		history->peak_live_bytes = reader->live_bytes;
	if (event->id >= history->nr_ids)
		history->nr_ids = event->id + 1;
	if (event->thread >= history->nr_threads)
		history->nr_threads = event->thread + 1U;
	history->duration_us = event->us;
	return 0;
}

/* Does it fit to what was there before? */
static int account(struct reader *reader, const struct history_event *event)
{
	uint64_t *size = size_of_id(reader, event->id), old;
	int needs = event->kind == HISTORY_FREE || event->kind == HISTORY_RESIZE;

	if (!size)
		return wrong(reader, "not enough memory for this history");
	old = *size;
	if (event->us < reader->history->duration_us)
		return wrong(reader, "time runs backwards");
	if (needs && !old)
		return wrong(reader, "this id is not allocated");
	if (!needs && old)
		return wrong(reader, "this id is still allocated");
	*size = event->bytes;
	return count(reader, event, old);
}

static int append(struct reader *reader, const struct history_event *event)
{
	struct history *history = reader->history;

	if (array_room(&history->room, history->count + 1, sizeof(*event)))
		return wrong(reader, "not enough memory for this history");
	((struct history_event *)history->room.entries)[history->count++] = *event;
	history->events = history->room.entries;
	return 0;
}

static int take_event(struct reader *reader, const char *line)
{
	struct history_event event = { 0 };

	if (parse_event(reader, line, &event) || account(reader, &event))
		return -1;
	return append(reader, &event);
}

static int take_thread(struct reader *reader, const char *line)
{
	const char *text = line + 1;
	uint64_t thread;

	if (field(&text, &thread) || end_of_line(text) || thread > HISTORY_MAX_THREAD)
		return wrong(reader, "expected: t THREAD, a number below 65536");
	reader->thread = (uint16_t)thread;
	return 0;
}

static void take_remark(struct reader *reader, const char *line)
{
	static const char program[] = "# program: ";

	if (!strncmp(line, program, sizeof(program) - 1))
		snprintf(reader->history->program, sizeof(reader->history->program), "%s",
			 line + sizeof(program) - 1);
}

static int take_line(struct reader *reader, const char *line)
{
	switch (line[0]) {
	case HISTORY_MALLOC:
	case HISTORY_CALLOC:
	case HISTORY_ALIGNED:
	case HISTORY_MAP:
	case HISTORY_RESIZE:
	case HISTORY_FREE:
		return take_event(reader, line);
	case 't':
		return take_thread(reader, line);
	case '#':
		take_remark(reader, line);
		return 0;
	}
	return wrong(reader, "expected a, z, l, m, r, f, t or #");
}

/* Why there is no more, or no whole line: 0 at the end of the file, -1 after a message. */
static int ended(const struct reader *reader)
{
	int error;

	gzerror(reader->file, &error);
	if (error == Z_OK || error == Z_STREAM_END)
		return 0;
	return complain("%s: %s after line %zu: copy or record it again", reader->name,
			error == Z_BUF_ERROR ? "it is cut off" :
			error == Z_ERRNO ? strerror(errno) :
			error == Z_MEM_ERROR ? "there is not enough memory to read it" :
			"it is damaged", reader->line);
}

/* 1: a line, without its end; 0: there is no more; -1 after a message. */
static int next_line(struct reader *reader, char line[LINE_BYTES])
{
	size_t length;

	if (!gzgets(reader->file, line, LINE_BYTES))
		return ended(reader);
	length = strlen(line);
	if (!length || line[length - 1] != '\n')
		return ended(reader) ? -1 : !reader->line ? no_history(reader) :
		       complain("%s: it is cut off, or no history any more, after line %zu",
				reader->name, reader->line);
	reader->line++;
	line[length - 1] = '\0';
	return 1;
}

static int read_lines(struct reader *reader)
{
	char line[LINE_BYTES];
	int ret = next_line(reader, line);

	if (ret < 0)
		return ret;
	if (!ret || strcmp(line, HISTORY_FIRST_LINE)) {
		if (ret && !strncmp(line, "segpool-trace ", 14))
			return complain("%s: this version reads \"" HISTORY_FIRST_LINE
					"\" only, and not \"%.40s\"", reader->name, line);
		return no_history(reader);
	}
	while ((ret = next_line(reader, line)) > 0)
		if (take_line(reader, line))
			return -1;
	if (!ret && !reader->history->allocations)
		return complain("%s: there is no allocation in this history", reader->name);
	return ret;
}

static gzFile open_file(const char *name)
{
	int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	gzFile file;

	if (fd < 0) {
		complain("%s: %s", name, strerror(errno));
		return NULL;
	}
	file = gzdopen(fd, "r");
	if (!file) {
		close(fd);
		complain("%s: there is not enough memory to read it", name);
	}
	return file;
}

int history_read(const char *name, struct history *history)
{
	struct reader reader = { .name = name, .history = history };
	int error;

	memset(history, 0, sizeof(*history));
	reader.file = open_file(name);
	if (!reader.file)
		return -1;
	error = read_lines(&reader);
	gzclose(reader.file);
	array_drop(&reader.sizes);
	if (error)
		history_drop(history);
	return error;
}

void history_drop(struct history *history)
{
	array_drop(&history->room);
	memset(history, 0, sizeof(*history));
}
