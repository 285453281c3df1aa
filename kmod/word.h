/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state word of a region: generation, class and state in 64 bits, so that
 * each change is one atomic step with one winner. Needs nothing of the kernel
 * but atomics.
 *
 *   63 ........ 32 | 31 ... 16 | 15 ... 8 | 7 ... 0
 *     generation   |     0     |  class   |  state
 */
#ifndef SEGPOOL_WORD_H
#define SEGPOOL_WORD_H

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/types.h>

/**
 * enum region_state - what a region is doing
 * @REGION_UNUSED: in the reservation, never handed out.
 * @REGION_CLAIMED: taken by a request that is still backing it; that request
 *	owns it alone. The generation is still the old one, so that a request
 *	that fails can put everything back as it was.
 * @REGION_ACTIVE: handed out.
 * @REGION_FREED: released, waiting in the queue of its class.
 */
enum region_state {
	REGION_UNUSED = 0,
	REGION_CLAIMED = 1,
	REGION_ACTIVE = 2,
	REGION_FREED = 3,
};

static inline u64 word_make(u32 generation, u8 class, enum region_state state)
{
	return (u64)generation << 32 | (u64)class << 8 | state;
}

static inline u32 word_generation(u64 word)
{
	return word >> 32;
}

static inline u8 word_class(u64 word)
{
	return word >> 8;
}

static inline enum region_state word_state(u64 word)
{
	return word & 0xff;
}

static inline u64 word_with_state(u64 word, enum region_state state)
{
	return (word & ~0xffULL) | state;
}

/* Generation 0 is "never handed out"; a wrap skips it. */
static inline u32 generation_after(u32 generation)
{
	return generation + 1 ? generation + 1 : 1;
}

static inline u32 handle_index(u64 handle)
{
	return handle;
}

static inline u32 handle_generation(u64 handle)
{
	return handle >> 32;
}

static inline u64 handle_make(u32 index, u32 generation)
{
	return (u64)generation << 32 | index;
}

/* May the holder of @handle use the region? 0 or the errno of the contract. */
static inline int word_check_active(u64 word, u64 handle)
{
	u32 generation = word_generation(word);

	if (!generation || !handle_generation(handle))
		return -ENOENT;
	if (generation != handle_generation(handle))
		return -ESTALE;
	return word_state(word) == REGION_ACTIVE ? 0 : -EALREADY;
}

/* May the holder of @handle, who released the region, take it back? */
static inline int word_check_freed(u64 word, u64 handle)
{
	u32 generation = word_generation(word);
	u32 named = handle_generation(handle);

	if (!generation || !named)
		return -ENOENT;
	if (generation == named)
		return word_state(word) == REGION_FREED ? 0 : -EBUSY;
	/* Lost the race: the winner has made it the next generation. */
	if (generation == generation_after(named) && word_state(word) == REGION_ACTIVE)
		return -EBUSY;
	return -ESTALE;
}

static inline u64 word_read(const atomic64_t *word)
{
	/* Pairs with the changes below: releases, or full barriers. */
	return atomic64_read_acquire(word);
}

static inline bool word_move(atomic64_t *word, u64 from, u64 to)
{
	return atomic64_try_cmpxchg(word, (s64 *)&from, to);
}

/* UNUSED to CLAIMED: a region that was never handed out. */
static inline bool word_carve(atomic64_t *word, u8 class)
{
	return word_move(word, 0, word_make(0, class, REGION_CLAIMED));
}

/* FREED to CLAIMED, if it is still as it was @seen. Of all who try one wins. */
static inline bool word_claim(atomic64_t *word, u64 seen)
{
	return word_state(seen) == REGION_FREED &&
	       word_move(word, seen, word_with_state(seen, REGION_CLAIMED));
}

/*
 * To FREED: from CLAIMED by who claimed it, from ACTIVE by who holds its region
 * lock. Nobody else changes the word meanwhile.
 */
static inline void word_free(atomic64_t *word)
{
	atomic64_set_release(word, word_with_state(word_read(word), REGION_FREED));
}

/* The program has begun other generations of an active region; by who holds its region lock. */
static inline void word_advance(atomic64_t *word, u32 generation)
{
	u64 seen = word_read(word);

	atomic64_set_release(word, word_make(generation, word_class(seen), word_state(seen)));
}

/* CLAIMED to ACTIVE, by who claimed it; returns the generation that begins. */
static inline u32 word_activate(atomic64_t *word, u8 class)
{
	u32 generation = generation_after(word_generation(word_read(word)));

	/* Release: whoever sees it active sees its pages. */
	atomic64_set_release(word, word_make(generation, class, REGION_ACTIVE));
	return generation;
}

#endif
