/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Regions that are released and taken back without a system call, by their words. */
#ifndef SEGPOOL_WORDS_H
#define SEGPOOL_WORDS_H

#include "internal.h"

int segpool_words_open(struct segpool *pool);
void segpool_words_close(struct segpool *pool, bool mapping_is_ours);

/* Whether the region is released. Not: then it takes a call, which says what is wrong, if anything. */
bool segpool_words_release(const struct segpool *pool, uint64_t handle);

/* One of the class, with all its pages; whether there was one. */
bool segpool_words_take(const struct segpool *pool, uint32_t class_index,
			struct segpool_region *region);

/* The class that regions serve which the kernel has just handed out. */
void segpool_words_note(const struct segpool *pool, uint32_t class_index,
			const struct segpool_region *regions, uint32_t count);

#endif /* SEGPOOL_WORDS_H */
