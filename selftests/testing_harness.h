/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kselftest's harness, with more time: a test is ended because it hangs, not
 * because a machine that emulates others with sanitizers is slow.
 */
#ifndef SEGPOOL_TESTING_HARNESS_H
#define SEGPOOL_TESTING_HARNESS_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

#endif /* SEGPOOL_TESTING_HARNESS_H */
