/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * All system calls of the library. Each returns 0 (or a descriptor) or a
 * negative errno value, and none repeats a call that a signal interrupted.
 */
#ifndef SEGPOOL_SYSCALL_H
#define SEGPOOL_SYSCALL_H

#include <stdint.h>
#include <sys/types.h>

int segpool_sys_open(const char *path);
int segpool_sys_close(int fd);
int segpool_sys_ioctl(int fd, unsigned long request, void *argument);
int segpool_sys_map(int fd, uint64_t length, void **base);
int segpool_sys_unmap(void *base, uint64_t length);
pid_t segpool_sys_getpid(void);

#endif /* SEGPOOL_SYSCALL_H */
