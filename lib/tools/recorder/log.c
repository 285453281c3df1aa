// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Writes records into a shared mapping of the program's own file. A thread has one
 * chunk; that of one that has ended goes to the next that begins. No descriptor stays
 * open: a program may close all that it does not know.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "recorder.h"

#define MAX_PROGRAMS	1000	/* that one process becomes by exec() */
#define PATH_BYTES	4096
#define MAX_PATH	(PATH_BYTES - 64)

enum state { NEW, OFF, ON };

struct chunk {
	struct chunk *next;	/* unused ones */
	struct raw_record *records;
	uint32_t used;
};

/*
 * What a thread fills. @busy: it is in the middle of something here, and a signal's
 * handler that comes in then may use the chunk's room but not change chunks.
 */
struct own {
	struct raw_record *records;
	uint32_t used;
	uint32_t thread;
	uint32_t busy;
	uint32_t generation;	/* 0: nothing yet */
};

static __thread struct own own __attribute__((tls_model("initial-exec")));

static int state;
static char directory[PATH_BYTES];
static char path[PATH_BYTES];
static struct raw_header *header;
/* In a page that the kernel empties in a forked child, by whatever call it was forked. */
static uint32_t *alive;
static uint32_t generation;
static pthread_key_t at_end;
static int has_key;

/*
 * Threads that have ended leave what is free of their chunks here; a chunk is described in
 * its own last record's place.
 */
static int spare_lock;
static struct chunk *spare;

#define RECORDS	(RAW_PER_CHUNK - 1)

static void *map(size_t length, int flags, int fd, off_t offset)
{
	long address = syscall(SYS_mmap, NULL, length, PROT_READ | PROT_WRITE, flags, fd, offset);

	return address == -1 ? NULL : (void *)address;
}

static void lock_spare(void)
{
	while (__atomic_exchange_n(&spare_lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock_spare(void)
{
	__atomic_store_n(&spare_lock, 0, __ATOMIC_RELEASE);
}

/* The chunk's own description: its seq stays 0, so it is no record. */
static struct chunk *chunk_of(struct raw_record *records)
{
	return (struct chunk *)&records[RECORDS].ns;
}

_Static_assert(sizeof(struct chunk) <= sizeof(struct raw_record) - sizeof(uint64_t),
	       "a chunk's description does not fit into a record");

/* A thread ends: as pthread_key_create() has it. */
static void leave(void *value)
{
	struct chunk *chunk;

	(void)value;
	if (own.generation != generation || !own.records)
		return;
	own.busy++;
	if (own.used < RECORDS) {
		chunk = chunk_of(own.records);
		chunk->records = own.records;
		chunk->used = own.used;
		lock_spare();
		chunk->next = spare;
		spare = chunk;
		unlock_spare();
	} else {
		syscall(SYS_munmap, own.records, RAW_CHUNK);
	}
	own.records = NULL;
	own.used = RECORDS;
	own.busy--;
}

static bool take_spare(void)
{
	struct chunk *chunk;

	if (!__atomic_load_n(&spare, __ATOMIC_RELAXED))
		return false;
	lock_spare();
	chunk = spare;
	if (chunk)
		spare = chunk->next;
	unlock_spare();
	if (!chunk)
		return false;
	own.records = chunk->records;
	own.used = chunk->used;
	return true;
}

/* Room on the disk first: a write into a mapping without it would be a SIGBUS. */
static bool make_room(int fd, uint64_t offset)
{
	static const char zeroes[RAW_HEADER];
	struct rlimit limit;
	uint64_t done;

	if (!getrlimit(RLIMIT_FSIZE, &limit) && offset + RAW_CHUNK > limit.rlim_cur)
		return false;
	if (!fallocate(fd, 0, (off_t)offset, RAW_CHUNK))
		return true;
	if (errno != EOPNOTSUPP)
		return false;
	for (done = 0; done < RAW_CHUNK; done += sizeof(zeroes))
		if (pwrite(fd, zeroes, sizeof(zeroes), (off_t)(offset + done)) !=
		    (ssize_t)sizeof(zeroes))
			return false;
	return true;
}

static bool take_new(void)
{
	uint64_t number = __atomic_fetch_add(&header->next_chunk, 1, __ATOMIC_RELAXED);
	uint64_t offset = RAW_HEADER + number * RAW_CHUNK;
	struct raw_record *records = NULL;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (make_room(fd, offset))
		records = map(RAW_CHUNK, MAP_SHARED, fd, (off_t)offset);
	close(fd);
	if (!records)
		return false;
	if (own.records)
		syscall(SYS_munmap, own.records, RAW_CHUNK);
	own.records = records;
	own.used = 0;
	return true;
}

/* The thread's first record, or the first after a fork: whatever it had was the parent's. */
static void join(void)
{
	own.records = NULL;
	own.used = RECORDS;
	own.thread = __atomic_fetch_add(&header->next_thread, 1, __ATOMIC_RELAXED);
	own.generation = generation;
}

static bool next_chunk(void)
{
	if (__atomic_load_n(&header->stopped, __ATOMIC_RELAXED))
		return false;
	if (!(!own.records && take_spare()) && !take_new()) {
		__atomic_store_n(&header->stopped, 1, __ATOMIC_RELAXED);
		return false;
	}
	if (has_key)
		pthread_setspecific(at_end, own.records);
	return true;
}

static struct raw_record *next_record(void)
{
	uint32_t used = __atomic_fetch_add(&own.used, 1, __ATOMIC_RELAXED);

	if (used < RECORDS)
		return &own.records[used];
	__atomic_store_n(&own.used, RECORDS, __ATOMIC_RELAXED);
	if (own.busy > 1 || !next_chunk())
		return NULL;
	return &own.records[__atomic_fetch_add(&own.used, 1, __ATOMIC_RELAXED)];
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool create(void)
{
	int fd = -1, number;

	for (number = 0; fd < 0 && number < MAX_PROGRAMS; number++) {
		snprintf(path, sizeof(path), "%.*s/%d.%d", MAX_PATH, directory, (int)getpid(),
			 number);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			return false;
	}
	if (fd < 0)
		return false;
	header = ftruncate(fd, RAW_HEADER) || !make_room(fd, RAW_HEADER) ? NULL :
		 map(RAW_HEADER, MAP_SHARED, fd, 0);
	close(fd);
	if (!header)
		return false;
	header->pid = (uint64_t)getpid();
	header->start_ns = clock_ns();
	header->next_seq = 1;
	memcpy(header->magic, RAW_MAGIC, sizeof(RAW_MAGIC));
	return true;
}

static void forget_parent(void)
{
	spare = NULL;
	spare_lock = 0;
	generation++;
}

static bool start_in(void)
{
	if (!alive) {
		alive = map(RAW_HEADER, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!alive || madvise(alive, RAW_HEADER, MADV_WIPEONFORK))
			return false;
		has_key = !pthread_key_create(&at_end, leave);
	}
	forget_parent();
	if (!create())
		return false;
	*alive = 1;
	return true;
}

/* The first call comes before there are other threads, and so does that in a forked child. */
static void start(void)
{
	const char *name = state == NEW ? secure_getenv(RAW_DIR_VARIABLE) : directory;
	int saved = errno;

	state = OFF;
	if (name && *name == '/' && strlen(name) < MAX_PATH) {
		if (name != directory)
			strcpy(directory, name);
		if (start_in())
			state = ON;
	}
	errno = saved;
}

bool log_on(void)
{
	if (state == NEW || (state == ON && !__atomic_load_n(alive, __ATOMIC_RELAXED)))
		start();
	return state == ON;
}

void log_lost(void)
{
	__atomic_fetch_add(&header->lost, 1, __ATOMIC_RELAXED);
}

struct moment log_now(void)
{
	return (struct moment) {
		.seq = __atomic_fetch_add(&header->next_seq, 1, __ATOMIC_SEQ_CST),
		.ns = clock_ns(),
	};
}

void log_write(enum raw_kind kind, struct moment moment, const void *address, uint64_t bytes,
	       uint64_t other)
{
	struct raw_record *record;
	int saved = errno;

	own.busy++;
	if (own.generation != generation)
		join();
	record = next_record();
	if (record) {
		record->ns = moment.ns;
		record->address = (uintptr_t)address;
		record->bytes = bytes;
		record->other = other;
		record->thread = own.thread;
		record->kind = kind;
		/* What is not whole has no number, wherever the program is killed. */
		__atomic_store_n(&record->seq, moment.seq, __ATOMIC_RELEASE);
	} else {
		log_lost();
	}
	own.busy--;
	errno = saved;
}
