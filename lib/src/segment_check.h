/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What is done in checked pools only. */
#ifndef SEGPOOL_SEGMENT_CHECK_H
#define SEGPOOL_SEGMENT_CHECK_H

#include "segment.h"

enum segpool_happening {
	SEGPOOL_WAS_GIVEN,
	SEGPOOL_WAS_FREED,
};

/* NULL: no memory. */
struct segpool_checks *segpool_checks_new(const struct segpool_segments *segments);
void segpool_checks_end(struct segpool_segments *segments);

/* @site: where the program called from. */
void segpool_check_note(struct segpool_segments *segments, const struct segpool_slab *slab,
			uint32_t number, uint32_t what, const void *site);
void segpool_check_poison(struct segpool_segments *segments, const struct segpool_slab *slab,
			  uint32_t number);
void segpool_check_given(struct segpool_segments *segments, const void *address, const void *site);
void segpool_check_wrong(struct segpool_segments *segments, const void *address, const char *what,
			 const void *site);

#endif /* SEGPOOL_SEGMENT_CHECK_H */
