/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Functions of the program's that the library calls. */
#ifndef SEGPOOL_CALLBACK_H
#define SEGPOOL_CALLBACK_H

#include "internal.h"

bool segpool_tell(struct segpool *pool, const struct segpool_log *log);
void segpool_tell_of_region(struct segpool *pool, uint32_t class_index,
			    const struct segpool_region *region);
int segpool_insist(struct segpool *pool, uint32_t class_index, uint64_t bytes,
		   int (*attempt)(void *argument), void *argument);

#endif /* SEGPOOL_CALLBACK_H */
