/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HISTORIES_LINUX_ATOMIC_H
#define HISTORIES_LINUX_ATOMIC_H

#include <linux/types.h>

#include <stdatomic.h>

#include "../../schedule.h"

static inline s64 atomic64_read(const atomic64_t *v)
{
	scheduling_point();
	return observe(atomic_load(&v->counter));
}

static inline s64 atomic64_read_acquire(const atomic64_t *v)
{
	return atomic64_read(v);
}

static inline void atomic64_set(atomic64_t *v, s64 value)
{
	scheduling_point();
	atomic_store(&v->counter, value);
}

static inline void atomic64_set_release(atomic64_t *v, s64 value)
{
	atomic64_set(v, value);
}

static inline s64 atomic64_add_return(s64 value, atomic64_t *v)
{
	scheduling_point();
	return observe(atomic_fetch_add(&v->counter, value) + value);
}

static inline s64 atomic64_sub_return(s64 value, atomic64_t *v)
{
	scheduling_point();
	return observe(atomic_fetch_sub(&v->counter, value) - value);
}

static inline void atomic64_add(s64 value, atomic64_t *v)
{
	scheduling_point();
	atomic_fetch_add(&v->counter, value);
}

static inline void atomic64_sub(s64 value, atomic64_t *v)
{
	scheduling_point();
	atomic_fetch_sub(&v->counter, value);
}

static inline bool atomic64_try_cmpxchg(atomic64_t *v, s64 *old, s64 value)
{
	bool done;

	scheduling_point();
	done = atomic_compare_exchange_strong(&v->counter, old, value);
	observe(done ? 1 : ~*old);
	return done;
}

static inline int atomic_read(const atomic_t *v)
{
	scheduling_point();
	return observe(atomic_load(&v->counter));
}

static inline void atomic_inc(atomic_t *v)
{
	scheduling_point();
	atomic_fetch_add(&v->counter, 1);
}

static inline void atomic_dec(atomic_t *v)
{
	scheduling_point();
	atomic_fetch_sub(&v->counter, 1);
}

#endif
