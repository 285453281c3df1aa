/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HISTORIES_LINUX_BUG_H
#define HISTORIES_LINUX_BUG_H

#include "../../schedule.h"

#define WARN_ON_ONCE(condition)							\
	({									\
		bool condition_ = (condition);					\
										\
		if (condition_)							\
			found("a warning in %s()", __func__);			\
		condition_;							\
	})

#endif
