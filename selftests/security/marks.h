/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose bytes are these? Everybody fills what he has with a mark of his own, a
 * word of eight bytes, and whoever looks counts the marks that he sees.
 */
#ifndef SEGPOOL_SECURITY_MARKS_H
#define SEGPOOL_SECURITY_MARKS_H

#include "testing_memory.h"

enum mark {
	MARK_NONE,
	MARK_OLD,		/* what was in the pages before they were given up */
	MARK_OWNER,		/* what the same owner wrote into what he took afterwards */
	MARK_STRANGER,		/* what another process wrote into what it took */
	MARK_TRANSFER,		/* what a transfer that was under way brings */
};

/* No pointer, no small number, no text. */
static inline uint64_t mark_word(enum mark mark)
{
	return 0x9e3779b97f4a7c15ULL * (mark + 1) | 1;
}

static inline void mark_fill(void *start, size_t length, enum mark mark)
{
	uint64_t *word = start, *end = word + length / sizeof(*word);

	while (word < end)
		*word++ = mark_word(mark);
}

/* How many words of the range, which must be readable, are this mark. */
static inline size_t mark_count(const void *start, size_t length, enum mark mark)
{
	const uint64_t *word = start, *end = word + length / sizeof(*word);
	uint64_t wanted = mark_word(mark);
	size_t found = 0;

	for (; word < end; word++)
		found += *word == wanted;
	return found;
}

/* How many words of the range are not this mark. */
static inline size_t mark_missing(const void *start, size_t length, enum mark mark)
{
	return length / sizeof(uint64_t) - mark_count(start, length, mark);
}

#endif /* SEGPOOL_SECURITY_MARKS_H */
