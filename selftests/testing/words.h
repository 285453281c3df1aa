/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of a pool: releasing regions and taking them back without the kernel. */
#ifndef SEGPOOL_TESTING_WORDS_H
#define SEGPOOL_TESTING_WORDS_H

#include "calls.h"

struct sp_words {
	uint32_t *words, *notes;
	uint64_t length;
	uint32_t regions;
};

static SP_UNUSED int sp_words_map(const struct sp_pool *pool, struct sp_words *words)
{
	void *address;

	words->regions = pool->length / pool->region_size;
	words->length = SEGPOOL_WORDS_LENGTH(words->regions);
	address = mmap(NULL, words->length, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd,
		       SEGPOOL_WORDS_OFFSET);
	if (address == MAP_FAILED)
		return -errno;
	words->words = address;
	words->notes = (uint32_t *)((char *)address + SEGPOOL_WORDS_NOTES(words->regions));
	return 0;
}

static SP_UNUSED void sp_words_unmap(struct sp_words *words)
{
	if (words->words)
		munmap(words->words, words->length);
	words->words = NULL;
}

static SP_UNUSED uint32_t *sp_word_of(const struct sp_words *words, uint64_t handle)
{
	return &words->words[SEGPOOL_HANDLE_INDEX(handle)];
}

static SP_UNUSED uint32_t sp_word_state(const struct sp_words *words, uint64_t handle)
{
	return __atomic_load_n(sp_word_of(words, handle), __ATOMIC_SEQ_CST) % 4;
}

static SP_UNUSED int sp_word_swap(uint32_t *word, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Whether the region is released. */
static SP_UNUSED int sp_word_release(const struct sp_words *words, uint64_t handle)
{
	uint32_t generation = SEGPOOL_HANDLE_GENERATION(handle);
	uint32_t *note = &words->notes[SEGPOOL_HANDLE_INDEX(handle) / SEGPOOL_WORDS_PER_NOTE];

	if (!sp_word_swap(sp_word_of(words, handle),
			  SEGPOOL_WORD(generation, SEGPOOL_WORD_HELD),
			  SEGPOOL_WORD(generation, SEGPOOL_WORD_IDLE)))
		return 0;
	if (!__atomic_load_n(note, __ATOMIC_SEQ_CST))
		__atomic_store_n(note, 1, __ATOMIC_SEQ_CST);
	return 1;
}

/* Whether the region, released under *@handle, is the caller's again, under *@handle. */
static SP_UNUSED int sp_word_take(const struct sp_words *words, uint64_t *handle)
{
	uint32_t generation = SEGPOOL_HANDLE_GENERATION(*handle);
	uint32_t next = generation + 1 ? generation + 1 : 1;
	uint32_t *word = sp_word_of(words, *handle);

	if (!sp_word_swap(word, SEGPOOL_WORD(generation, SEGPOOL_WORD_IDLE),
			  SEGPOOL_WORD(next, SEGPOOL_WORD_HELD)) &&
	    !sp_word_swap(word, SEGPOOL_WORD(generation, SEGPOOL_WORD_SEEN),
			  SEGPOOL_WORD(next, SEGPOOL_WORD_HELD)))
		return 0;
	*handle = (uint64_t)next << 32 | SEGPOOL_HANDLE_INDEX(*handle);
	return 1;
}

/* As sp_pool_make(), with words. -EOPNOTSUPP: not in this mode, on this kernel. */
static SP_UNUSED int sp_words_make(struct sp_pool *pool, struct sp_words *words, uint32_t mode,
				   uint64_t region_size, uint64_t bytes)
{
	int error;

	memset(words, 0, sizeof(*words));
	memset(pool, 0, sizeof(*pool));
	pool->setup.mode = mode;
	pool->setup.region_size = region_size;
	pool->setup.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_RETAIN |
			    SEGPOOL_SET_AGE | SEGPOOL_WORDS;
	pool->setup.limits.virtual_budget = bytes;
	pool->setup.limits.physical_budget = bytes;
	pool->setup.limits.retain_limit = bytes;
	error = sp_pool_open(pool, bytes);
	if (error)
		return error;
	error = sp_words_map(pool, words);
	if (error)
		sp_pool_close(pool);
	return error;
}

#endif /* SEGPOOL_TESTING_WORDS_H */
