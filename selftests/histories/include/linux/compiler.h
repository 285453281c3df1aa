/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HISTORIES_LINUX_COMPILER_H
#define HISTORIES_LINUX_COMPILER_H

#include "../../schedule.h"

#define READ_ONCE(x)								\
	({									\
		scheduling_point();						\
		(typeof(x))observe(*(volatile typeof(x) *)&(x));		\
	})

#define smp_load_acquire(p) READ_ONCE(*(p))

#define WRITE_ONCE(x, value)							\
	({									\
		typeof(x) value_ = (value);					\
										\
		scheduling_point();						\
		*(volatile typeof(x) *)&(x) = value_;				\
	})

#endif
