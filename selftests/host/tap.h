/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP for host tests: they need no kernel source, so they do not use the
 * kselftest harness. A test is a function; check() notes a failure and goes on.
 */
#ifndef SEGPOOL_HOST_TAP_H
#define SEGPOOL_HOST_TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

#define TAP(function)	{ #function, function }

static bool tap_failed;

#define check(condition)							\
	do {									\
		if (!(condition)) {						\
			tap_failed = true;					\
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);	\
		}								\
	} while (0)

#define check_equal(seen, expected)						\
	do {									\
		long long seen_ = (long long)(seen);				\
		long long expected_ = (long long)(expected);			\
										\
		if (seen_ != expected_) {					\
			tap_failed = true;					\
			printf("# %s:%d: %s is %lld, not %lld\n", __FILE__,	\
			       __LINE__, #seen, seen_, expected_);		\
		}								\
	} while (0)

#define check_text(seen, expected)						\
	do {									\
		const char *text_ = (seen);					\
										\
		if (!text_ || strcmp(text_, (expected))) {			\
			tap_failed = true;					\
			printf("# %s:%d: \"%s\", not \"%s\"\n", __FILE__,	\
			       __LINE__, text_ ? text_ : "(null)", (expected));	\
		}								\
	} while (0)

static inline int tap_run(const struct tap_test *tests, size_t count)
{
	size_t failures = 0;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%zu\n", count);
	for (i = 0; i < count; i++) {
		tap_failed = false;
		tests[i].run();
		failures += tap_failed;
		printf("%sok %zu %s\n", tap_failed ? "not " : "", i + 1, tests[i].name);
	}
	return failures ? 1 : 0;
}

#define TAP_MAIN(tests)								\
	int main(void)								\
	{									\
		return tap_run(tests, sizeof(tests) / sizeof((tests)[0]));	\
	}

#endif /* SEGPOOL_HOST_TAP_H */
