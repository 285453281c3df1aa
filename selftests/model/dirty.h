/* SPDX-License-Identifier: GPL-2.0-only */
/* Free memory that is not zero: what a module that forgets to zero would hand out. */
#ifndef SEGPOOL_MODEL_DIRTY_H
#define SEGPOOL_MODEL_DIRTY_H

#include "../testing_memory.h"

static SP_UNUSED void dirty_free_memory(size_t length)
{
	char *bytes = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);

	if (bytes == MAP_FAILED)
		return;
	madvise(bytes, length, MADV_NOHUGEPAGE);
	memset(bytes, 0xc5, length);
	munmap(bytes, length);
}

#endif /* SEGPOOL_MODEL_DIRTY_H */
