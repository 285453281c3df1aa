/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who takes a lock that is held is not scheduled until it is free. Freeing it is
 * no scheduling point: only what follows can be seen by others, or what came
 * before, and both are.
 */
#ifndef HISTORIES_LINUX_SPINLOCK_H
#define HISTORIES_LINUX_SPINLOCK_H

#include <linux/types.h>

#include "../../schedule.h"

typedef struct {
	u64 held;
} spinlock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->held = 0;
}

static inline void spin_lock(spinlock_t *lock)
{
	wait_until_zero(&lock->held);
	lock->held = 1;
}

static inline void spin_unlock(spinlock_t *lock)
{
	lock->held = 0;
}

#endif
