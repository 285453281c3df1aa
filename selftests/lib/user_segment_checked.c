// SPDX-License-Identifier: GPL-2.0-only
/* The same with plain memory instead of the module. */
#define PLAIN_MEMORY
#include "segment_checked.c"
