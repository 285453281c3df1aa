/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HISTORIES_LINUX_LOCKDEP_H
#define HISTORIES_LINUX_LOCKDEP_H

#include "../../schedule.h"

#define lockdep_assert_held(lock)						\
	do {									\
		if (!(lock)->held)						\
			found("a lock is not held in %s()", __func__);		\
	} while (0)

#endif
