/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * All system calls of the library. Each returns 0 (or a descriptor) or a
 * negative errno value, and none repeats a call that a signal interrupted.
 */
#ifndef SEGPOOL_SYSCALL_H
#define SEGPOOL_SYSCALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int segpool_sys_open(const char *path);
int segpool_sys_close(int fd);
int segpool_sys_ioctl(int fd, unsigned long request, void *argument);
int segpool_sys_map(int fd, uint64_t length, void **base);
int segpool_sys_map_words(int fd, uint64_t length, void **base);
int segpool_sys_unmap(void *base, uint64_t length);
pid_t segpool_sys_getpid(void);

/* --- of the backend "user" --- */

/*
 * Addresses for anonymous memory, which nothing may touch yet. Not locked, whatever the program
 * has asked for: mlockall() would bring all of it.
 */
int segpool_sys_reserve(uint64_t length, void **base);

/* From now on it may be touched. */
int segpool_sys_allow(void *start, uint64_t length);

/* Both: memory that costs nothing until it is touched. */
int segpool_sys_book(uint64_t length, void **base);

/* What a forked child does not have. */
int segpool_sys_not_for_children(void *start, uint64_t length);

/* What a forked child finds full of zeroes. */
int segpool_sys_wipe_for_children(void *start, uint64_t length);

/* Huge pages, please, or none; a kernel that knows no huge pages gives none. */
void segpool_sys_huge(void *start, uint64_t length, bool wanted);

/* Pages go back to the system: the next touch finds zeroes. */
int segpool_sys_give(void *start, uint64_t length);

/* Pages that are missing come; -EINVAL where the kernel is too old (Linux 5.14) for that. */
int segpool_sys_bring(void *start, uint64_t length);

/*
 * Sleeps as long as *@word is @value, for at most @timeout_ms: 0 where somebody woke it,
 * -EAGAIN, -ETIMEDOUT, -EINTR for a signal.
 */
int segpool_sys_sleep(const uint32_t *word, uint32_t value, uint64_t timeout_ms);

/* Wakes all who sleep on @word. */
void segpool_sys_wake(const uint32_t *word);

/* --- of the segments --- */

/* May this process use segpool_sys_barrier()? */
int segpool_sys_barrier_register(void);

/* All threads of the process execute a full memory barrier. */
int segpool_sys_barrier(void);

void segpool_sys_yield(void);

/* Sleeps for so many microseconds, less than a second; likewise. */
void segpool_sys_pause(uint64_t us);

/* The calling thread's number. */
pid_t segpool_sys_thread(void);

/* Microseconds since some moment. */
uint64_t segpool_sys_now_us(void);

/* Sleeps for 50 microseconds; no point where a thread is cancelled. */
void segpool_sys_nap(void);

/* Bytes of a page. */
uint64_t segpool_sys_page(void);

/* Bytes of memory that the system has. */
uint64_t segpool_sys_memory(void);

#endif /* SEGPOOL_SYSCALL_H */
