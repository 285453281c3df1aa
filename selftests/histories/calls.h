/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's calls, as far as they concern the core: the same functions of it
 * in the same order and under the same locks as kmod/'s request.c, release.c and
 * retain.c.
 */
#ifndef HISTORIES_CALLS_H
#define HISTORIES_CALLS_H

#include <linux/types.h>

#define NO_HANDLE 0

/* Set @handle where they return 0. -ENOMEM: refused. */
int call_alloc(u32 class, u64 *handle);
int call_reuse(u64 handle, u32 class, u64 *new_handle);

int call_free(u64 handle, bool lazily);
int call_trim(void);
int call_set_virtual(u32 regions);
int call_set_physical(u32 pages);

#endif
