// SPDX-License-Identifier: GPL-2.0-only
/* The same where regions are released and taken back by their words. */
#define WITH_WORDS
#include "segment_storm.c"
