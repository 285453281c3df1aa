// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program whose allocations are known, for host/tool_trace.sh: tool_program CASE.
 * Nothing else in it allocates 4 KiB and more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define HANDED		2000
#define THREADS		4

/* Whatever the compiler believes to know about malloc(). */
static void *used(void *block)
{
	__asm__ volatile("" : "+r"(block) : : "memory");
	return block;
}

static int sizes(void)
{
	free(used(malloc(4095)));
	free(used(malloc(4096)));
	free(used(calloc(3, 5000)));
	free(used(aligned_alloc(8192, 16384)));
	free(used(memalign(65536, 10000)));
	free(used(reallocarray(NULL, 10, 1000)));
	free(used(valloc(4097)));
	free(NULL);
	return 0;
}

/* Small, large, larger, failing, smaller, small again. */
static int chain(void)
{
	char *block = used(malloc(100));

	block = used(realloc(block, 5000));
	block[4999] = 7;
	block = used(realloc(block, 500000));
	/* The compiler does not believe that a realloc() can fail. */
	if (used(realloc(used(block), PTRDIFF_MAX)) || errno != ENOMEM || block[4999] != 7)
		return 1;
	block = used(realloc(block, 6000));
	block = used(realloc(block, 64));
	free(block);
	block = used(malloc(7000));
	return realloc(block, 0) != NULL;
}

static int mappings(void)
{
	char *first = mmap(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *second;

	mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(first + 2 * PAGE, PAGE);			/* 9 left, in two pieces */
	second = mremap(first, 2 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);	/* 27 */
	munmap(second, 20 * PAGE);			/* 7 */
	munmap(first + 3 * PAGE, 7 * PAGE);
	first = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mmap(first + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	/* What storage engines call decommitting. */
	mmap(first + 2 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	munmap(first, 4 * PAGE);
	return munmap(first, 100) == 0 && munmap(first + 1, PAGE) == 0;
}

static void *blocks[THREADS][HANDED];
static pthread_barrier_t barrier;

/* Each frees what its neighbour has allocated, and allocates meanwhile. */
static void *hand_over(void *argument)
{
	long me = (long)argument, other = (me + 1) % THREADS;

	for (int i = 0; i < HANDED; i++)
		blocks[me][i] = used(malloc(5000 + (size_t)me));
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < HANDED; i++) {
		free(blocks[other][i]);
		free(used(malloc(9000)));
	}
	return NULL;
}

static int threads(void)
{
	pthread_t ids[THREADS];

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&ids[i], NULL, hand_over, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	return 0;
}

static void *one_block(void *argument)
{
	free(used(malloc(4096)));
	return argument;
}

/* One after the other: their room is used again. */
static int short_threads(void)
{
	pthread_t id;

	for (int i = 0; i < 500; i++) {
		pthread_create(&id, NULL, one_block, NULL);
		pthread_join(id, NULL);
	}
	return 0;
}

/* By fork() and by the system call, which no library sees. */
static int children(void)
{
	void *before = used(malloc(10000));

	if (!fork()) {
		free(before);
		free(used(malloc(20000)));
		_exit(0);
	}
	wait(NULL);
	if (!syscall(SYS_fork)) {
		free(used(malloc(30000)));
		syscall(SYS_exit_group, 0);
	}
	wait(NULL);
	free(before);
	return 0;
}

static int killed(void)
{
	used(malloc(11111));
	kill(getpid(), SIGKILL);
	return 0;
}

static void *inside_handler;

static void handler(int signal)
{
	inside_handler = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(inside_handler, 3 * PAGE);
	(void)signal;
}

/* A handler that comes in anywhere, and does what it may. */
static int signals(void)
{
	struct sigaction action = { .sa_handler = handler };
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec often = { { 0, 50000 }, { 0, 50000 } }, never = { { 0, 0 }, { 0, 0 } };

	sigaction(SIGUSR1, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer))
		return 1;
	timer_settime(timer, 0, &often, NULL);
	for (int i = 0; i < 20000; i++)
		free(used(malloc(8000)));
	timer_settime(timer, 0, &never, NULL);
	return inside_handler == NULL;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(void); } cases[] = {
		{ "sizes", sizes }, { "chain", chain }, { "mappings", mappings },
		{ "threads", threads }, { "short_threads", short_threads },
		{ "children", children }, { "killed", killed }, { "signals", signals },
	};

	if (argc == 3 && !strcmp(argv[1], "exec")) {
		used(malloc(12345));
		execl(argv[0], argv[0], argv[2], NULL);
	}
	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[1], cases[i].name))
			return cases[i].run();
	return 99;
}
