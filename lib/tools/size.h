/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers of bytes, as people write and read them. */
#ifndef SEGPOOL_SIZE_H
#define SEGPOOL_SIZE_H

#include <stdint.h>

#define SIZE_TEXT	32	/* holds every size_text() */

enum size_style {
	SIZE_HUMAN,	/* 1.5 MiB */
	SIZE_EXACT,	/* 1572864 */
};

/*
 * A number with K, M, G or T (or KiB ... TiB) behind it: powers of 1024. A fraction is
 * allowed where there is a unit: 1.5G. Returns 0, or -1 for anything else, and for 2^63 and more.
 */
int size_parse(const char *text, uint64_t *bytes);
const char *size_text(uint64_t bytes, enum size_style style, char text[SIZE_TEXT]);

#endif
