/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HISTORIES_LINUX_MINMAX_H
#define HISTORIES_LINUX_MINMAX_H

#define min(a, b)								\
	({									\
		typeof(a) a_ = (a);						\
		typeof(b) b_ = (b);						\
										\
		a_ < b_ ? a_ : b_;						\
	})

#define max(a, b)								\
	({									\
		typeof(a) a_ = (a);						\
		typeof(b) b_ = (b);						\
										\
		a_ > b_ ? a_ : b_;						\
	})

#endif
