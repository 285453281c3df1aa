// SPDX-License-Identifier: GPL-2.0-only
/* The inputs that are worth keeping. */

#include <sys/mman.h>

#include "shared.h"

struct shared *shared_make(void)
{
	void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void corpus_add(struct shared *shared, const struct input *input, struct dice *dice)
{
	uint32_t place = shared->nr_corpus;

	if (place < MAX_CORPUS)
		shared->nr_corpus++;
	else
		place = dice_below(dice, MAX_CORPUS);
	shared->corpus[place] = *input;
}
