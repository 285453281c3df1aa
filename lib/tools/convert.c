// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recorder's records have addresses, and an order that is theirs only once they
 * are sorted; a history has ids. What a program still had when it became another one by
 * exec() is freed then.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "command.h"
#include "convert.h"
#include "history.h"
#include "places.h"
#include "recorder/raw.h"

#define PAGE		4096ULL
#define MAX_THREADS	(1U << 20)

struct converter {
	gzFile file;
	const char *output;
	struct conversion *conversion;
	uint64_t start_ns;	/* of the first program */
	uint64_t us;
	uint32_t thread;
	int broken;		/* no memory, too many ids */
	uint32_t thread_base;	/* threads of the programs before this one */
	uint32_t next_thread;
	uint32_t nr_ids;
	struct array sizes;	/* uint64_t: bytes of each id that is live, 0 otherwise */
	struct array unused;	/* uint32_t: ids that are free */
	uint64_t nr_unused;
	struct array moving;	/* uint32_t by thread: 1 + the id that it is moving */
	struct blocks blocks;
	struct pieces pieces;
};

static uint64_t *size_of(const struct converter *to, uint32_t id)
{
	return (uint64_t *)to->sizes.entries + id;
}

static uint32_t *unused_id(const struct converter *to, uint64_t index)
{
	return (uint32_t *)to->unused.entries + index;
}

static void give_up(struct converter *to, const char *what)
{
	if (!to->broken)
		complain("%s: %s", to->output, what);
	to->broken = 1;
}

static void set_time(struct converter *to, uint64_t ns)
{
	uint64_t us = ns > to->start_ns ? (ns - to->start_ns) / 1000 : 0;

	/* Two clocks were read one after the other, and counted the other way round. */
	if (us > to->us)
		to->us = us;
}

static void set_thread(struct converter *to, uint32_t thread)
{
	thread += to->thread_base;
	if (thread >= to->next_thread)
		to->next_thread = thread + 1;
	if (thread > HISTORY_MAX_THREAD)
		thread = HISTORY_MAX_THREAD;
	if (thread != to->thread)
		gzprintf(to->file, "t %" PRIu32 "\n", thread);
	to->thread = thread;
}

static void emit(struct converter *to, enum history_kind kind, uint32_t id, uint64_t alignment)
{
	to->conversion->events++;
	gzprintf(to->file, "%c %" PRIu64 " %" PRIu32, kind, to->us, id);
	if (kind != HISTORY_FREE)
		gzprintf(to->file, " %" PRIu64, *size_of(to, id));
	if (kind == HISTORY_ALIGNED)
		gzprintf(to->file, " %" PRIu64, alignment);
	gzputs(to->file, "\n");
}

static uint32_t new_id(struct converter *to, uint64_t bytes)
{
	uint32_t id;

	if (to->nr_unused) {
		id = *unused_id(to, --to->nr_unused);
	} else if (to->nr_ids > HISTORY_MAX_ID) {
		give_up(to, "the program had more than 2^24 allocations at a time");
		return NO_ID;
	} else if (array_room(&to->sizes, to->nr_ids + 1ULL, sizeof(uint64_t))) {
		give_up(to, "there is not enough memory");
		return NO_ID;
	} else {
		id = to->nr_ids++;
	}
	*size_of(to, id) = bytes;
	return id;
}

static void end_id(struct converter *to, uint32_t id)
{
	emit(to, HISTORY_FREE, id, 0);
	*size_of(to, id) = 0;
	if (array_room(&to->unused, to->nr_unused + 1, sizeof(uint32_t)))
		give_up(to, "there is not enough memory");
	else
		*unused_id(to, to->nr_unused++) = id;
}

static void place_block(struct converter *to, uint64_t address, uint32_t id)
{
	uint32_t before = blocks_take(&to->blocks, address);

	/* Its free was lost. */
	if (before != NO_ID && before != id)
		end_id(to, before);
	if (blocks_add(&to->blocks, address, id))
		give_up(to, "there is not enough memory");
}

static void take(struct converter *to, const struct raw_record *record, enum history_kind kind)
{
	uint32_t id = new_id(to, record->bytes);

	if (id == NO_ID)
		return;
	place_block(to, record->address, id);
	emit(to, kind, id, record->other);
}

static void give(struct converter *to, const struct raw_record *record)
{
	uint32_t id = blocks_take(&to->blocks, record->address);

	if (id == NO_ID)
		to->conversion->unknown++;
	else
		end_id(to, id);
}

static uint32_t *moving(struct converter *to, const struct raw_record *record)
{
	return (uint32_t *)to->moving.entries + record->thread;
}

static void begin_resize(struct converter *to, const struct raw_record *record)
{
	uint32_t id = blocks_take(&to->blocks, record->address);

	to->conversion->unknown += id == NO_ID;
	*moving(to, record) = id + 1;
}

static void end_resize(struct converter *to, const struct raw_record *record)
{
	uint32_t id = *moving(to, record) - 1;

	*moving(to, record) = 0;
	if (id == NO_ID) {
		take(to, record, HISTORY_MALLOC);
		return;
	}
	*size_of(to, id) = record->bytes;
	place_block(to, record->address, id);
	emit(to, HISTORY_RESIZE, id, 0);
}

static uint64_t end_of(const struct raw_record *record)
{
	return record->address + ((record->bytes + PAGE - 1) & ~(PAGE - 1));
}

/* What is left of an allocation of which a part is unmapped is a smaller one. */
static void shrink(struct converter *to, const struct piece *cut)
{
	*size_of(to, cut->id) -= cut->end - cut->start;
	if (*size_of(to, cut->id))
		emit(to, HISTORY_RESIZE, cut->id, 0);
	else
		end_id(to, cut->id);
}

static void unmap(struct converter *to, uint64_t start, uint64_t end)
{
	struct piece cut;
	int ret;

	while ((ret = pieces_cut(&to->pieces, start, end, &cut)) > 0)
		shrink(to, &cut);
	if (ret < 0)
		give_up(to, "there is not enough memory");
}

static void place_mapping(struct converter *to, const struct raw_record *record, uint32_t id)
{
	if (pieces_add(&to->pieces, record->address, end_of(record), id))
		give_up(to, "there is not enough memory");
}

static void map(struct converter *to, const struct raw_record *record)
{
	uint32_t id;

	unmap(to, record->address, end_of(record));
	id = new_id(to, end_of(record) - record->address);
	if (id == NO_ID)
		return;
	place_mapping(to, record, id);
	emit(to, HISTORY_MAP, id, 0);
}

/* A move can take neighbours along; what it takes of others than the first is unmapped. */
static void begin_move(struct converter *to, const struct raw_record *record)
{
	uint32_t id = NO_ID;
	struct piece cut;
	int ret;

	while ((ret = pieces_cut(&to->pieces, record->address, end_of(record), &cut)) > 0) {
		if (id == NO_ID)
			id = cut.id;
		if (cut.id == id)
			*size_of(to, id) -= cut.end - cut.start;
		else
			shrink(to, &cut);
	}
	if (ret < 0)
		give_up(to, "there is not enough memory");
	to->conversion->unknown += id == NO_ID;
	*moving(to, record) = id + 1;
}

static void end_move(struct converter *to, const struct raw_record *record)
{
	uint32_t id = *moving(to, record) - 1;

	*moving(to, record) = 0;
	if (id == NO_ID)
		return;
	unmap(to, record->address, end_of(record));
	*size_of(to, id) += end_of(record) - record->address;
	place_mapping(to, record, id);
	emit(to, HISTORY_RESIZE, id, 0);
}

static void apply(struct converter *to, const struct raw_record *record)
{
	set_time(to, record->ns);
	set_thread(to, record->thread);
	switch ((enum raw_kind)record->kind) {
	case RAW_MALLOC:
		take(to, record, HISTORY_MALLOC);
		break;
	case RAW_CALLOC:
		take(to, record, HISTORY_CALLOC);
		break;
	case RAW_ALIGNED:
		take(to, record, HISTORY_ALIGNED);
		break;
	case RAW_FREE:
		give(to, record);
		break;
	case RAW_RESIZE_OLD:
		begin_resize(to, record);
		break;
	case RAW_RESIZE_NEW:
		end_resize(to, record);
		break;
	case RAW_MAP:
		map(to, record);
		break;
	case RAW_UNMAP:
		unmap(to, record->address, end_of(record));
		break;
	case RAW_MOVE_OLD:
		begin_move(to, record);
		break;
	case RAW_MOVE_NEW:
		end_move(to, record);
		break;
	case RAW_NR_KINDS:
		break;
	}
}

static int earlier(const void *left, const void *right)
{
	uint64_t a = ((const struct raw_record *)left)->seq;
	uint64_t b = ((const struct raw_record *)right)->seq;

	return a < b ? -1 : a > b;
}

/* The program could write into its file, too: nothing in it is believed. */
static int makes_sense(const struct raw_record *record)
{
	return record->seq && record->kind && record->kind < RAW_NR_KINDS &&
	       record->thread < MAX_THREADS && record->address &&
	       record->address < HISTORY_MAX_LIVE &&
	       (record->bytes ? record->bytes <= HISTORY_MAX_BYTES :
		record->kind == RAW_FREE || record->kind == RAW_RESIZE_OLD) &&
	       (record->kind != RAW_ALIGNED ||
		(record->other && !(record->other & (record->other - 1)) &&
		 record->other <= HISTORY_MAX_BYTES));
}

/*
 * Moves the records that are there to the front. A chunk has no whole number of them:
 * they are behind where they are moved to.
 */
static size_t gather(char *chunks, size_t bytes)
{
	struct raw_record *kept = (struct raw_record *)chunks, record;
	size_t count = 0;

	for (; bytes >= RAW_CHUNK; bytes -= RAW_CHUNK, chunks += RAW_CHUNK) {
		for (size_t i = 0; i < RAW_PER_CHUNK; i++) {
			record = ((struct raw_record *)chunks)[i];
			if (makes_sense(&record))
				kept[count++] = record;
		}
	}
	return count;
}

static int room_for_threads(struct converter *to, const struct raw_record *records, size_t count)
{
	uint32_t most = 0;

	for (size_t i = 0; i < count; i++)
		if (records[i].thread > most)
			most = records[i].thread;
	return array_room(&to->moving, most + 1ULL, sizeof(uint32_t));
}

static void convert_records(struct converter *to, char *chunks, size_t bytes)
{
	struct raw_record *records = (struct raw_record *)chunks;
	size_t count = gather(chunks, bytes);

	qsort(records, count, sizeof(*records), earlier);
	if (room_for_threads(to, records, count)) {
		give_up(to, "there is not enough memory");
		return;
	}
	for (size_t i = 0; i < count && !to->broken; i++)
		apply(to, &records[i]);
}

/* A new program: its predecessor's memory is gone. */
static void begin_program(struct converter *to, const struct raw_header *header)
{
	if (!to->conversion->programs++)
		to->start_ns = header->start_ns;
	set_time(to, header->start_ns);
	for (uint32_t id = 0; id < to->nr_ids; id++)
		if (*size_of(to, id))
			end_id(to, id);
	to->thread_base = to->next_thread;
	to->conversion->lost += header->lost;
	blocks_drop(&to->blocks);
	pieces_drop(&to->pieces);
	array_drop(&to->moving);
}

/* A private copy: it is sorted in place. */
static void convert_file(struct converter *to, const char *path, int fd)
{
	struct raw_header *header;
	struct stat stat;
	size_t bytes;

	if (fstat(fd, &stat) || stat.st_size < (off_t)RAW_HEADER)
		return;
	bytes = (size_t)stat.st_size;
	header = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (header == MAP_FAILED) {
		complain("%s: %s", path, strerror(errno));
		to->broken = 1;
		return;
	}
	if (!strncmp(header->magic, RAW_MAGIC, sizeof(header->magic))) {
		begin_program(to, header);
		convert_records(to, (char *)header + RAW_HEADER, bytes - RAW_HEADER);
	}
	munmap(header, bytes);
}

static void convert_programs(struct converter *to, const char *directory, pid_t pid)
{
	char path[4096];
	int fd;

	for (int number = 0; !to->broken; number++) {
		snprintf(path, sizeof(path), "%s/%d.%d", directory, (int)pid, number);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		convert_file(to, path, fd);
		close(fd);
	}
}

/* One line, whatever is in the arguments. */
static void begin_output(struct converter *to, const char *program)
{
	int blank = 1;

	gzputs(to->file, HISTORY_FIRST_LINE "\n# program: ");
	for (; *program; program++) {
		if ((unsigned char)*program > ' ')
			gzputc(to->file, *program);
		else if (!blank)
			gzputc(to->file, ' ');
		blank = (unsigned char)*program <= ' ';
	}
	gzputs(to->file, "\n");
}

static void drop(struct converter *to)
{
	array_drop(&to->sizes);
	array_drop(&to->unused);
	array_drop(&to->moving);
	blocks_drop(&to->blocks);
	pieces_drop(&to->pieces);
}

/* Under another name first: there is never half a history. */
int convert(const char *directory, pid_t pid, const char *program, const char *output,
	    struct conversion *conversion)
{
	struct converter to = { .output = output, .conversion = conversion };
	char part[4096];
	int error;

	memset(conversion, 0, sizeof(*conversion));
	if ((size_t)snprintf(part, sizeof(part), "%s/history", directory) >= sizeof(part))
		return complain("%s: the name is too long", output);
	to.file = gzopen(part, "wb");
	if (!to.file)
		return complain("%s: %s", part, strerror(errno));
	begin_output(&to, program);
	convert_programs(&to, directory, pid);
	error = gzclose(to.file);
	drop(&to);
	if (error && !to.broken)
		return complain("%s: it could not be written: %s", output,
				error == Z_ERRNO ? strerror(errno) : zError(error));
	if (to.broken)
		return -1;
	if (rename(part, output))
		return complain("%s: %s", output, strerror(errno));
	return 0;
}
