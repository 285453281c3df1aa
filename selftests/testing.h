/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests share, header only so that every program stays one file.
 * The names begin with sp_; functions return 0 or a result, or -errno.
 */
#ifndef SEGPOOL_TESTING_H
#define SEGPOOL_TESTING_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "testing/calls.h"
#include "testing/cgroup.h"
#include "testing/debugfs.h"
#include "testing/presence.h"
#include "testing/probe.h"
#include "testing/process.h"
#include "testing/system.h"
#include "testing/tracing.h"
#include "testing/words.h"

#endif /* SEGPOOL_TESTING_H */
