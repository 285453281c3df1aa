/* SPDX-License-Identifier: GPL-2.0-only */
/* Words of the command line, other than sizes. */
#ifndef SEGPOOL_WORDS_H
#define SEGPOOL_WORDS_H

#include <stdint.h>

/* Of functions that read options: --help was one; others are exit statuses. */
#define WORDS_HELP	(-1)

/* These return 0, or -1 for anything else. */
int number_parse(const char *text, uint32_t least, uint32_t most, uint32_t *value);
/* A pool's number is never 0. */
int pool_parse(const char *text, uint32_t *id);
/* A number with ms, s, m, h or d behind it, or 0. */
int duration_parse(const char *text, uint32_t *ms);

#endif
