// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program frees a gigabyte of segments and does nothing any more: the machine has the memory back when
 * it has reached its age, while none of the program's threads runs. The truth is what /proc/meminfo says,
 * watched by another process.
 */
#include <pthread.h>
#include <signal.h>

#include "pool.h"
#include "testing_harness.h"

#define TOTAL		(1ULL << 30)
#define SEGMENT		(64 * SP_KIB)
#define AGE_MS		3000
/* What an emulated machine that others use too may be late, and take to give the pages back. */
#define LATE_MS		60000
/*
 * Of the gigabyte: free pages that are parked for each processor, page tables, and what the thread may keep (one
 * region without a segment in use).
 */
#define SLACK		(TOTAL / 16)

/* The program and who watches it talk by a byte for each step. */
struct talk {
	int to_watcher[2], to_program[2];
};

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static int tell(int fd)
{
	return write(fd, "", 1) == 1 ? 0 : -1;
}

static int wait_for(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1 ? 0 : -1;
}

static struct segpool *open_large_pool(void)
{
	struct segpool_options options;
	struct segpool *pool;

	segpool_options_init(&options);
	options.backend = BACKEND;
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN | SEGPOOL_SET_AGE;
	options.limits.virtual_budget = 2 * TOTAL;
	options.limits.physical_budget = options.limits.retain_limit = TOTAL + SLACK;
	options.limits.retain_age_ms = AGE_MS;
	return segpool_open(&options, &pool) ? NULL : pool;
}

static uint64_t went_for_age(struct segpool *pool)
{
	return counter(pool, SEGPOOL_C_AGED_PAGES) * SP_PAGE;
}

/* The program. Its exit status tells the line that went wrong; it ends by being killed. */
static int allocate_free_and_sleep(void *argument)
{
	static void *segments[TOTAL / SEGMENT];
	struct talk *talk = argument;
	struct segpool *pool = open_large_pool();
	const size_t nr = TOTAL / SEGMENT;
	pthread_t other;
	size_t i;

	if (!pool || pthread_create(&other, NULL, sleep_for_ever, NULL))
		return 1;
	for (i = 0; i < nr; i++) {
		segments[i] = segpool_alloc(pool, SEGMENT);
		if (!segments[i])
			return 2;
		memset(segments[i], (int)i, SEGMENT);
	}
	if (tell(talk->to_watcher[1]) || wait_for(talk->to_program[0]))
		return 3;
	for (i = 0; i < nr; i++)
		if (segpool_free(pool, segments[i]))
			return 4;
	/* Nothing but its age has it go to the system, or had on a machine that is slow. */
	if (went_for_age(pool) + counter(pool, SEGPOOL_C_RETAINED_BYTES) < TOTAL - SLACK)
		return 5;
	if (tell(talk->to_watcher[1]))
		return 6;
	sleep_for_ever(NULL);
	return 7;
}

/* Processor time that all threads of @pid have had, in the kernel's ticks. */
static uint64_t ticks_of(pid_t pid)
{
	unsigned long long user = 0, system = 0;
	char path[64], text[1024], *fields;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (sp_read_file(path, text, sizeof(text)) <= 0)
		return UINT64_MAX;
	fields = strrchr(text, ')');
	if (!fields || sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
			      &system) != 2)
		return UINT64_MAX;
	return user + system;
}

/* How often its threads have been switched away from: none of them runs without that. */
static uint64_t switches_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return sp_file_value(path, "voluntary_ctxt_switches") +
	       sp_file_value(path, "nonvoluntary_ctxt_switches");
}

struct goal {
	uint64_t free, available;
};

static int memory_is_back(void *argument)
{
	const struct goal *goal = argument;

	return sp_meminfo("MemFree") >= goal->free && sp_meminfo("MemAvailable") >= goal->available;
}

FIXTURE(idle) {
	struct talk talk;
	pid_t program;
	struct goal goal;
};

FIXTURE_VARIANT(idle) {
	bool stopped;
};

FIXTURE_VARIANT_ADD(idle, asleep) { .stopped = false, };
FIXTURE_VARIANT_ADD(idle, stopped) { .stopped = true, };

/* The program has freed everything, and does nothing any more. */
FIXTURE_SETUP(idle)
{
	uint64_t free = sp_meminfo("MemFree"), available = sp_meminfo("MemAvailable");
	/* KASAN has what the kernel has freed of its own in quarantine: up to a 32nd of the machine. */
	uint64_t kept = sp_kernel_has("kasan_quarantine_put") ? TOTAL / 4 : SLACK;

	ASSERT_EQ(0, pipe(self->talk.to_watcher));
	ASSERT_EQ(0, pipe(self->talk.to_program));
	self->program = sp_start_child(allocate_free_and_sleep, &self->talk);
	ASSERT_GT(self->program, 0);
	close(self->talk.to_watcher[1]);
	ASSERT_EQ(0, wait_for(self->talk.to_watcher[0]))
		TH_LOG("the program ended with %d", sp_wait_child(self->program));
	/* It is really gone, by both of the system's own numbers. */
	ASSERT_LT(sp_meminfo("MemFree"), free - TOTAL + SLACK);
	ASSERT_LT(sp_meminfo("MemAvailable"), available - TOTAL + SLACK);
	self->goal = (struct goal){ .free = free - kept, .available = available - kept };
	ASSERT_EQ(0, tell(self->talk.to_program[1]));
	ASSERT_EQ(0, wait_for(self->talk.to_watcher[0]))
		TH_LOG("the program ended with %d", sp_wait_child(self->program));
	if (variant->stopped) {
		ASSERT_EQ(0, kill(self->program, SIGSTOP));
		ASSERT_EQ(self->program, waitpid(self->program, NULL, WUNTRACED));
	} else {
		/* From its last write to pause(). */
		sp_sleep_ms(200);
	}
}

FIXTURE_TEARDOWN(idle)
{
	kill(self->program, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, sp_wait_child(self->program));
}

TEST_F(idle, memory_goes_back_while_no_thread_runs)
{
	uint64_t ticks = ticks_of(self->program), switches = switches_of(self->program);

	ASSERT_TRUE(sp_wait_until(memory_is_back, &self->goal, AGE_MS + LATE_MS))
		TH_LOG("free: %llu MiB of %llu", (unsigned long long)(sp_meminfo("MemFree") >> 20),
		       (unsigned long long)(self->goal.free >> 20));
	EXPECT_EQ(ticks, ticks_of(self->program));
	EXPECT_EQ(switches, switches_of(self->program));
}

TEST_HARNESS_MAIN
