/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An input of the fuzzer: a short sequence of calls as bytes. Every sequence of
 * bytes of the right length is an input, so mutations need not know what they do.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>

#define STEP_BYTES	128
#define MAX_STEPS	64

/* When a step runs; the value of step.when modulo NR_WHEN. */
enum step_when {
	WHEN_NOW,
	/* On the assistant's thread, beside the steps that follow. */
	WHEN_BESIDE,
	/* In the middle of the next access of the kernel to slow memory. */
	WHEN_INSIDE,
	NR_WHEN,
};

/**
 * struct step - one call
 * @call: index into call_types, modulo its length.
 * @pool: which of the pools.
 * @when: enum step_when.
 * @place: where its structure lies (enum place_kind).
 * @command: 0: the number of the call; otherwise what is changed in it.
 * @raw: a bit for each field of the structure: its bytes are passed as they are.
 *	The others are made into something that makes sense.
 * @bytes: the structure, followed by the elements of its array.
 */
struct step {
	uint8_t call;
	uint8_t pool;
	uint8_t when;
	uint8_t place;
	uint32_t command;
	uint64_t raw;
	uint8_t bytes[STEP_BYTES];
};

struct input {
	uint32_t nr_steps;
	uint32_t unused;
	struct step steps[MAX_STEPS];
};

/* Numbers that look random and follow from a seed. */
struct dice {
	uint64_t state;
};

uint32_t dice_roll(struct dice *dice);

static inline uint32_t dice_below(struct dice *dice, uint32_t limit)
{
	return dice_roll(dice) % limit;
}

/* True one time in @n. */
static inline int dice_one_in(struct dice *dice, uint32_t n)
{
	return !dice_below(dice, n);
}

/* input.c: as text, a word of hexadecimal digits for each step, without its last zeroes. */
void input_print(FILE *file, const struct input *input, const char *prefix);
int input_parse(struct input *input, int nr_words, char **words);

/* mutate.c */
struct shared;
void input_make(struct shared *shared, struct input *input, struct dice *dice);
void input_mutate(struct shared *shared, struct input *input, struct dice *dice);

#endif /* FUZZ_INPUT_H */
