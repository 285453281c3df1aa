/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's integer types, and atomics as C11 has them: each is a scheduling point. */
#ifndef HISTORIES_LINUX_TYPES_H
#define HISTORIES_LINUX_TYPES_H

#include_next <linux/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;

#define U32_MAX UINT32_MAX

typedef struct {
	_Atomic int counter;
} atomic_t;

typedef struct {
	_Atomic int64_t counter;
} atomic64_t;

struct list_head {
	struct list_head *next, *prev;
};

#endif
