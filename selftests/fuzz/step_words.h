/* SPDX-License-Identifier: GPL-2.0-only */
/* The arguments of a step that is no call of the module: four numbers. */
#ifndef FUZZ_STEP_WORDS_H
#define FUZZ_STEP_WORDS_H

#include <string.h>

#include "input.h"

static inline uint64_t step_word(const struct step *step, unsigned int index)
{
	uint64_t word;

	memcpy(&word, step->bytes + 8 * index, sizeof(word));
	return word;
}

#endif /* FUZZ_STEP_WORDS_H */
