/* SPDX-License-Identifier: GPL-2.0-only */
/* What all pools together may own, and what the module may use to manage it. */
#ifndef SEGPOOL_CEILING_H
#define SEGPOOL_CEILING_H

#include <linux/types.h>

#include <linux/segpool.h>

struct account;

enum segpool_reason ceiling_charge(struct account *account, u64 pages);
void ceiling_uncharge(u64 pages);
u64 ceiling_used(void);
u64 ceiling_limit(void);

bool metadata_charge(u64 bytes);
void metadata_uncharge(u64 bytes);
u64 metadata_used(void);

#endif
