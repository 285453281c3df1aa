// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Regions that are released and taken back without a system call: the words that the kernel
 * shares say whose they are (linux/segpool.h), and a stack for each class where to look.
 *
 * A stack is only a hint: the kernel takes regions without telling anybody. So an entry may be of
 * a region that is in use or the kernel's, and is passed over. But a region is in one stack at
 * a time: who releases one that is listed still leaves it there; who takes an entry out says first
 * that it is not listed, and looks at the word then.
 */
#include <errno.h>
#include <stdlib.h>

#include "syscall.h"
#include "words.h"

/**
 * struct idle - what is noted about a region
 * @next: in its stack: index and 1; 0: the last.
 * @generation: under which it was released; written by who has the region.
 * @listed: it is in a stack, or on its way there.
 * @class_index: that it serves; written by who has the region.
 */
struct idle {
	uint32_t next;
	uint32_t generation;
	uint32_t listed;
	uint32_t class_index;
};

/* Index and 1 of the newest region in the lower half, how often it has changed in the upper. */
struct stack {
	uint64_t head;
} __attribute__((__aligned__(64)));

/**
 * struct segpool_words - the words of a pool's regions
 * @words: shared with the kernel, for each region.
 * @notes: likewise, for each %SEGPOOL_WORDS_PER_NOTE of them.
 * @here: 1; 0 in a forked child, which has neither.
 * @idle: for each region.
 * @regions: in the reservation.
 * @stacks: of each class.
 */
struct segpool_words {
	uint32_t *words, *notes;
	const volatile uint32_t *here;
	struct idle *idle;
	uint32_t regions;
	struct stack stacks[SEGPOOL_MAX_CLASSES];
};

#define HERE_BYTES	4096

/* Others may look at it at any time. */
#define look(pointer)		__atomic_load_n(pointer, __ATOMIC_RELAXED)
#define put(pointer, value)	__atomic_store_n(pointer, value, __ATOMIC_RELAXED)

static uint64_t idle_bytes(const struct segpool_words *words)
{
	return (uint64_t)words->regions * sizeof(struct idle);
}

/* A page that tells a forked child from the process that made the pool. */
static int mark_here(struct segpool_words *words)
{
	void *page;
	int error = segpool_sys_book(HERE_BYTES, &page);

	if (error)
		return error;
	error = segpool_sys_wipe_for_children(page, HERE_BYTES);
	if (error) {
		segpool_sys_unmap(page, HERE_BYTES);
		return error;
	}
	*(uint32_t *)page = 1;
	words->here = page;
	return 0;
}

static int map(struct segpool *pool, struct segpool_words *words)
{
	void *mapped, *idle;
	int error;

	error = segpool_sys_book(idle_bytes(words), &idle);
	if (error)
		return error;
	error = mark_here(words);
	if (error)
		goto err_idle;
	error = segpool_sys_map_words(pool->fd, SEGPOOL_WORDS_LENGTH(words->regions), &mapped);
	if (error)
		goto err_here;
	words->idle = idle;
	words->words = mapped;
	words->notes = (uint32_t *)((char *)mapped + SEGPOOL_WORDS_NOTES(words->regions));
	return 0;

err_here:
	segpool_sys_unmap((void *)words->here, HERE_BYTES);
err_idle:
	segpool_sys_unmap(idle, idle_bytes(words));
	return error;
}

/* After the reservation is mapped. */
int segpool_words_open(struct segpool *pool)
{
	struct segpool_words *words = aligned_alloc(64, sizeof(*words));
	int error;

	if (!words)
		return -ENOMEM;
	*words = (struct segpool_words){
		.regions = (uint32_t)(pool->reservation >> __builtin_ctzll(pool->region_size)) };
	error = map(pool, words);
	if (error) {
		free(words);
		return error;
	}
	pool->words = words;
	return 0;
}

void segpool_words_close(struct segpool *pool, bool mapping_is_ours)
{
	struct segpool_words *words = pool->words;

	if (!words)
		return;
	if (mapping_is_ours)
		segpool_sys_unmap(words->words, SEGPOOL_WORDS_LENGTH(words->regions));
	segpool_sys_unmap((void *)words->here, HERE_BYTES);
	segpool_sys_unmap(words->idle, idle_bytes(words));
	free(words);
	pool->words = NULL;
}

/* --- the stacks --- */

static void push(struct segpool_words *words, uint32_t index)
{
	struct idle *idle = &words->idle[index];
	struct stack *stack = &words->stacks[look(&idle->class_index)];
	uint64_t head = __atomic_load_n(&stack->head, __ATOMIC_RELAXED);
	uint64_t next;

	do {
		__atomic_store_n(&idle->next, (uint32_t)head, __ATOMIC_RELAXED);
		next = ((head >> 32) + 1) << 32 | (index + 1);
	} while (!__atomic_compare_exchange_n(&stack->head, &head, next, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/* What is read of an entry that somebody else has taken meanwhile is not used: the head has changed. */
static bool pop(struct segpool_words *words, uint32_t class_index, uint32_t *index)
{
	struct stack *stack = &words->stacks[class_index];
	uint64_t head = __atomic_load_n(&stack->head, __ATOMIC_ACQUIRE);
	uint64_t next;

	do {
		if (!(uint32_t)head)
			return false;
		*index = (uint32_t)head - 1;
		next = ((head >> 32) + 1) << 32 |
		       __atomic_load_n(&words->idle[*index].next, __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&stack->head, &head, next, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return true;
}

/* Who finds it listed leaves it to who takes the entry out, and looks at the word afterwards. */
static void list(struct segpool_words *words, uint32_t index)
{
	if (!__atomic_exchange_n(&words->idle[index].listed, 1, __ATOMIC_SEQ_CST))
		push(words, index);
}

static void unlisted(struct segpool_words *words, uint32_t index)
{
	__atomic_exchange_n(&words->idle[index].listed, 0, __ATOMIC_SEQ_CST);
}

/* --- the words --- */

bool segpool_words_release(const struct segpool *pool, uint64_t handle)
{
	struct segpool_words *words = pool->words;
	uint32_t index = SEGPOOL_HANDLE_INDEX(handle), *word, *note, held;

	/* The words of what was never handed out are not there. */
	if (index >= words->regions || !*words->here || !look(&words->idle[index].generation))
		return false;
	word = &words->words[index];
	note = &words->notes[index / SEGPOOL_WORDS_PER_NOTE];
	held = SEGPOOL_WORD(SEGPOOL_HANDLE_GENERATION(handle), SEGPOOL_WORD_HELD);
	if (look(word) != held)
		return false;
	/* Before it is released: who takes it back begins the next one. */
	put(&words->idle[index].generation, SEGPOOL_HANDLE_GENERATION(handle));
	if (!__atomic_compare_exchange_n(word, &held,
					 SEGPOOL_WORD(SEGPOOL_HANDLE_GENERATION(handle),
						      SEGPOOL_WORD_IDLE),
					 false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	/* After it: the kernel clears the note and looks at the words then. */
	if (!__atomic_load_n(note, __ATOMIC_SEQ_CST))
		__atomic_store_n(note, 1, __ATOMIC_SEQ_CST);
	list(words, index);
	return true;
}

static bool is_idle(uint32_t word)
{
	return word % 4 >= SEGPOOL_WORD_IDLE;
}

/* Whether the region is the caller's, with the generation that begins. */
static bool take(struct segpool_words *words, uint32_t index, uint32_t class_index,
		 uint32_t *generation)
{
	struct idle *idle = &words->idle[index];
	uint32_t *word = &words->words[index];
	uint32_t seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);

	while (is_idle(seen)) {
		/* It served another one when it was listed. */
		if (look(&idle->class_index) != class_index) {
			list(words, index);
			return false;
		}
		*generation = look(&idle->generation);
		/* A wrong release is on its way, or somebody writes what he likes there. */
		if ((*generation & (UINT32_MAX >> 2)) != seen >> 2)
			return false;
		*generation = *generation + 1 ? *generation + 1 : 1;
		if (__atomic_compare_exchange_n(word, &seen,
						SEGPOOL_WORD(*generation, SEGPOOL_WORD_HELD), false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

bool segpool_words_take(const struct segpool *pool, uint32_t class_index,
			struct segpool_region *region)
{
	struct segpool_words *words = pool->words;
	uint32_t index, generation;

	if (!*words->here)
		return false;
	while (pop(words, class_index, &index)) {
		unlisted(words, index);
		if (!take(words, index, class_index, &generation))
			continue;
		*region = (struct segpool_region){
			.handle = (uint64_t)generation << 32 | index,
			.offset = (uint64_t)index << pool->region_shift,
			.flags = SEGPOOL_REGION_REUSED,
		};
		return true;
	}
	return false;
}

void segpool_words_note(const struct segpool *pool, uint32_t class_index,
			const struct segpool_region *regions, uint32_t count)
{
	struct idle *idle;
	uint32_t i;

	for (i = 0; i < count; i++) {
		idle = &pool->words->idle[SEGPOOL_HANDLE_INDEX(regions[i].handle)];
		put(&idle->class_index, class_index);
		put(&idle->generation, SEGPOOL_HANDLE_GENERATION(regions[i].handle));
	}
}
