/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns a page: the owner signs each page of its allocation and checks the
 * signatures before it frees it. Two owners of one address do not go unnoticed.
 */
#ifndef SEGPOOL_OWNER_H
#define SEGPOOL_OWNER_H

#include <stdint.h>

/* The pages that begin in [@from, @to) of the allocation at @address. */
void owner_sign(char *address, uint64_t from, uint64_t to, uint64_t owner);
/* The number of pages of the first @bytes that carry somebody else's signature, or none. */
uint64_t owner_check(const char *address, uint64_t bytes, uint64_t owner);

#endif
