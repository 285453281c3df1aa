/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The word of a region that the program shares (enum segpool_word_state): what it
 * says, as far as anybody may believe it. Pure functions.
 *
 *   31 ................. 2 | 1 .. 0
 *   generation, its low 30 | state
 */
#ifndef SEGPOOL_LENT_H
#define SEGPOOL_LENT_H

#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include <linux/segpool.h>

/* So many words, and one note, for each page of them. */
#define LENT_WORDS SEGPOOL_WORDS_PER_NOTE

static inline enum segpool_word_state lent_state(u32 word)
{
	return word % 4;
}

static inline bool lent_is_idle(u32 word)
{
	return lent_state(word) >= SEGPOOL_WORD_IDLE;
}

/**
 * lent_generation() - the generation that a word names
 * @word: read once, from where anybody may write anything.
 * @known: the region's, when the kernel last knew it.
 *
 * Return: @known or the next one after it with these bits, and never 0.
 */
static inline u32 lent_generation(u32 word, u32 known)
{
	u32 steps = ((word >> 2) - known) & (U32_MAX >> 2);

	return known + steps ?: 1;
}

/* Ticks between two scans, of which the last took @spent: a sixteenth of the age. */
static inline unsigned long lent_period(unsigned long age, unsigned long spent)
{
	unsigned long period = age ? max(age / 16, HZ / 50UL) : HZ;

	/* However many words there are: an eighth of a processor at most. */
	return max3(period, spent * 8, 1UL);
}

#endif
