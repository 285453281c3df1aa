/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Touch an address and learn whether the touch raised SIGBUS or SIGSEGV. Any
 * number of threads may probe at once: where to jump back to is per thread.
 */
#ifndef SEGPOOL_TESTING_PROBE_H
#define SEGPOOL_TESTING_PROBE_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include "calls.h"

/* Weak: one for all files of a program, of which any may have installed its handler last. */
__attribute__((__weak__)) __thread sigjmp_buf *volatile sp_probe_return;

static void sp_probe_signal(int signal_number, siginfo_t *info SP_UNUSED, void *context SP_UNUSED)
{
	if (sp_probe_return)
		siglongjmp(*sp_probe_return, signal_number);
	/* Not a probe: let the same access kill the program as it would have. */
	signal(signal_number, SIG_DFL);
}

static SP_UNUSED void sp_probe_install(void)
{
	struct sigaction action = { .sa_sigaction = sp_probe_signal,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

/* Run @access(@argument): 0, SIGBUS or SIGSEGV. */
static SP_UNUSED int sp_probe(void (*access)(void *argument), void *argument)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sigjmp_buf here;
	int seen;

	pthread_once(&once, sp_probe_install);
	seen = sigsetjmp(here, 1);
	if (!seen) {
		sp_probe_return = &here;
		access(argument);
	}
	sp_probe_return = NULL;
	return seen;
}

static void sp_probe_read_byte(void *argument)
{
	(void)*(volatile char *)argument;
}

static void sp_probe_write_byte(void *argument)
{
	volatile char *byte = argument;

	*byte = *byte;
}

/* Read one byte: 0, SIGBUS or SIGSEGV. */
static SP_UNUSED int sp_touch(const void *address)
{
	return sp_probe(sp_probe_read_byte, (void *)(uintptr_t)address);
}

/* Write one byte without changing it: 0, SIGBUS or SIGSEGV. */
static SP_UNUSED int sp_touch_write(void *address)
{
	return sp_probe(sp_probe_write_byte, address);
}

/* How many pages of the range raise a signal when read. */
static SP_UNUSED size_t sp_count_refused(const char *start, size_t length)
{
	size_t offset, refused = 0;

	for (offset = 0; offset < length; offset += SP_PAGE)
		refused += sp_touch(start + offset) != 0;
	return refused;
}

/* A pattern that names its place and its owner in every 8 bytes of a page's first and last word. */
static SP_UNUSED void sp_pattern_write(char *start, size_t length, uint64_t owner)
{
	size_t offset;

	for (offset = 0; offset < length; offset += SP_PAGE) {
		*(volatile uint64_t *)(start + offset) = owner ^ offset;
		*(volatile uint64_t *)(start + offset + SP_PAGE - 8) = ~(owner ^ offset);
	}
}

/* The number of pages that do not show the pattern; the range must be readable. */
static SP_UNUSED size_t sp_pattern_check(const char *start, size_t length, uint64_t owner)
{
	size_t offset, bad = 0;

	for (offset = 0; offset < length; offset += SP_PAGE)
		bad += *(volatile uint64_t *)(start + offset) != (owner ^ offset) ||
		       *(volatile uint64_t *)(start + offset + SP_PAGE - 8) != ~(owner ^ offset);
	return bad;
}

/* True where every byte is zero. */
static SP_UNUSED int sp_is_zero(const char *start, size_t length)
{
	return !length || (!start[0] && !memcmp(start, start + 1, length - 1));
}

#endif /* SEGPOOL_TESTING_PROBE_H */
