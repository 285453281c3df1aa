/* SPDX-License-Identifier: GPL-2.0-only */
/* The helpers of all selftests, with what they need and kselftest_harness.h would have brought. */
#ifndef FUZZ_HELPERS_H
#define FUZZ_HELPERS_H

#include <stdbool.h>
#include <sys/utsname.h>

#include "testing.h"

#endif /* FUZZ_HELPERS_H */
