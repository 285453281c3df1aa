// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever is in a file, reading it as a history ends with one that makes sense or with
 * a sentence. With AddressSanitizer and UBSan.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "history.h"
#include "tap.h"

#define ROUNDS		20000
#define ROOM		(1 << 16)

/* Standard error is looked at. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "log_path=stdout";
}

static int messages, file;
static char path[64];
static uint64_t seed = 1;

static uint64_t random_below(uint64_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

static void setup(void)
{
	if (path[0])
		return;
	messages = memfd_create("messages", 0);
	file = memfd_create("history", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	dup2(messages, STDERR_FILENO);
}

static void write_file(const void *bytes, size_t length)
{
	check(!ftruncate(file, 0));
	check(pwrite(file, bytes, length, 0) == (ssize_t)length);
}

static const char *message(void)
{
	static char text[1024];
	ssize_t length = pread(messages, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	check(!ftruncate(messages, 0));
	lseek(messages, 0, SEEK_SET);
	return text;
}

/* What the reader promises of what it accepts. */
static void check_history(const struct history *history)
{
	uint64_t *sizes = calloc(history->nr_ids, sizeof(*sizes));
	uint64_t live = 0, peak = 0, us = 0, left = 0;

	for (size_t i = 0; i < history->count; i++) {
		const struct history_event *event = &history->events[i];
		bool old = event->kind == HISTORY_FREE || event->kind == HISTORY_RESIZE;

		check(event->id < history->nr_ids && event->us >= us);
		check(event->thread < history->nr_threads);
		check((event->kind == HISTORY_FREE) == !event->bytes);
		check(old == !!sizes[event->id]);
		live += event->bytes - sizes[event->id];
		sizes[event->id] = event->bytes;
		us = event->us;
		if (live > peak)
			peak = live;
	}
	for (uint32_t id = 0; id < history->nr_ids; id++)
		left += !!sizes[id];
	check_equal(left, history->left);
	check_equal(peak, history->peak_live_bytes);
	check_equal(history->allocations - history->frees, left);
	free(sizes);
}

/* Returns what history_read() did. */
static int attempt(void)
{
	struct history history;
	int error = history_read(path, &history);
	const char *text = message();

	if (error) {
		check_equal(error, -1);
		check(!strncmp(text, "segpool: /proc/self/fd/", 23) && strchr(text, '\n') &&
		      !strchr(text, '\n')[1]);
	} else {
		check_text(text, "");
		check_history(&history);
		history_drop(&history);
	}
	return error;
}

/* A sentence that has @expected in it. */
static void refused(const char *text, const char *expected)
{
	struct history history;
	const char *sentence;

	setup();
	write_file(text, strlen(text));
	check_equal(history_read(path, &history), -1);
	sentence = message();
	check(strstr(sentence, expected));
	if (!strstr(sentence, expected))
		printf("# of \"%s\": \"%s\"\n", text, sentence);
}

#define FIRST	HISTORY_FIRST_LINE "\n"

static void sentences(void)
{
	refused("", "this is no allocation history");
	refused("a 0 0 4096\n", "this is no allocation history");
	refused("segpool-trace 2\n", "reads \"segpool-trace 1\" only, and not \"segpool-trace 2\"");
	refused("segpool-trace 1", "this is no allocation history");
	refused(FIRST, "there is no allocation in this history");
	refused(FIRST "a 0 0 4096", "cut off");
	refused(FIRST "b 0 0 4096\n", "line 2: expected a, z, l, m, r, f, t or #");
	refused(FIRST "a 0 0\n", "line 2: expected: KIND MICROSECONDS ID BYTES");
	refused(FIRST "a 0 0 4096 1\n", "line 2: expected: KIND MICROSECONDS ID BYTES");
	refused(FIRST "a 0  0 4096\n", "line 2: expected: KIND");
	refused(FIRST "a 0 0 -1\n", "line 2: expected: KIND");
	refused(FIRST "a 0 16777216 4096\n", "below 2^24");
	refused(FIRST "a 99999999999999999999 0 4096\n", "line 2: expected: KIND");
	refused(FIRST "a 0 0 0\n", "1 byte to 1 TiB");
	refused(FIRST "a 0 0 1099511627777\n", "1 byte to 1 TiB");
	refused(FIRST "l 0 0 4096 3\n", "a power of two");
	refused(FIRST "l 0 0 4096 0\n", "a power of two");
	refused(FIRST "l 0 0 4096\n", "expected: l MICROSECONDS ID BYTES ALIGNMENT");
	refused(FIRST "a 0 0 4096\na 0 0 4096\n", "line 3: this id is still allocated");
	refused(FIRST "f 0 0\n", "line 2: this id is not allocated");
	refused(FIRST "r 0 0 1\n", "line 2: this id is not allocated");
	refused(FIRST "a 0 0 1\nf 0 0\nf 0 0\n", "line 4: this id is not allocated");
	refused(FIRST "f 0 0 1\n", "expected: f MICROSECONDS ID");
	refused(FIRST "a 5 0 1\nf 4 0\n", "line 3: time runs backwards");
	refused(FIRST "t 65536\n", "expected: t THREAD");
}

/* More than an address space holds, in allocations that are each allowed. */
static void too_much(void)
{
	static char text[ROOM];
	size_t length = (size_t)sprintf(text, FIRST);

	for (int id = 0; id <= 128; id++)
		length += (size_t)sprintf(text + length, "a 0 %d 1099511627776\n", id);
	refused(text, "line 130: more is allocated than a process can have");
}

static size_t make_history(char text[ROOM])
{
	size_t length = (size_t)sprintf(text, FIRST "# program: something --with 'arguments'\n");
	bool live[32] = { false };

	for (int i = 0; i < 300; i++) {
		unsigned int id = (unsigned int)random_below(32);

		if (i % 50 == 49)
			length += (size_t)sprintf(text + length, "t %d\n", i / 50);
		if (!live[id] && id % 5 == 4)
			length += (size_t)sprintf(text + length, "l %d %u %d 8192\n", i, id, 4096 + i);
		else if (!live[id])
			length += (size_t)sprintf(text + length, "%c %d %u %d\n", "azm"[id % 3], i, id, 4096 + i);
		else if (i % 3)
			length += (size_t)sprintf(text + length, "r %d %u %d\n", i, id, 9000 + i);
		else
			length += (size_t)sprintf(text + length, "f %d %u\n", i, id);
		live[id] = !live[id] || i % 3;
	}
	return length;
}

static size_t compressed(const char *text, size_t length, char packed[ROOM])
{
	gzFile out = gzdopen(dup(file), "wb");

	check(!ftruncate(file, 0));
	lseek(file, 0, SEEK_SET);
	check(gzwrite(out, text, (unsigned int)length) == (int)length && !gzclose(out));
	return (size_t)pread(file, packed, ROOM, 0);
}

static size_t mutate(char *bytes, size_t length)
{
	switch (random_below(5)) {
	case 0:
		return random_below(length);
	case 1:
		for (uint64_t n = 1 + random_below(8); n; n--)
			bytes[random_below(length)] ^= (char)(1 << random_below(8));
		return length;
	case 2:
		bytes[random_below(length)] = (char)random_below(256);
		return length;
	case 3:
		/* Digits for digits: often still a history, with other numbers. */
		bytes[random_below(length)] = (char)('0' + random_below(10));
		return length;
	}
	memmove(bytes + random_below(length / 2), bytes + length / 2, random_below(length / 2));
	return length;
}

static void mutated(const char *good, size_t length)
{
	static char bad[ROOM];
	unsigned int accepted = 0;

	write_file(good, length);
	check_equal(attempt(), 0);
	for (int i = 0; i < ROUNDS && !tap_failed; i++) {
		memcpy(bad, good, length);
		write_file(bad, mutate(bad, length));
		accepted += !attempt();
	}
	/* Most are refused, and not all: both ways were gone. */
	check(accepted > ROUNDS / 1000 && accepted < ROUNDS / 2);
}

static void mutated_text(void)
{
	static char text[ROOM];

	setup();
	mutated(text, make_history(text));
}

static void mutated_gzip(void)
{
	static char text[ROOM], packed[ROOM];
	size_t length;

	setup();
	length = make_history(text);
	mutated(packed, compressed(text, length, packed));
}

static void noise(void)
{
	static char bytes[4096];

	setup();
	for (int i = 0; i < ROUNDS / 10 && !tap_failed; i++) {
		for (size_t at = 0; at < sizeof(bytes); at++)
			bytes[at] = (char)random_below(256);
		/* Now and then behind a first line, or as gzip. */
		if (i % 3 == 0)
			memcpy(bytes, FIRST, sizeof(FIRST) - 1);
		else if (i % 3 == 1)
			memcpy(bytes, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
		write_file(bytes, random_below(sizeof(bytes)));
		check(attempt());
	}
}

static const struct tap_test tests[] = {
	TAP(sentences), TAP(too_much), TAP(mutated_text), TAP(mutated_gzip), TAP(noise),
};

TAP_MAIN(tests)
