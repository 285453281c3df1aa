/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Before everything else of each source of the library, where a test makes it so: each compare and
 * exchange tells the test that it is about to be made, and that it was made.
 */
#ifndef SEGPOOL_SELFTESTS_LIB_STOPS_H
#define SEGPOOL_SELFTESTS_LIB_STOPS_H

#include <stdbool.h>

/* @function: in which the exchange is. */
void stop_before(const char *function);
void stop_after(const char *function);

/* The name within is the compiler's: a macro is not replaced in itself. */
#define __atomic_compare_exchange_n(pointer, expected, desired, is_weak, success, failure) \
	({ \
		bool stop_done; \
		stop_before(__func__); \
		stop_done = __atomic_compare_exchange_n(pointer, expected, desired, is_weak, \
							success, failure); \
		stop_after(__func__); \
		stop_done; \
	})

#endif /* SEGPOOL_SELFTESTS_LIB_STOPS_H */
