// SPDX-License-Identifier: GPL-2.0-only
/* New inputs, from nothing and from those that were worth keeping. */

#include <string.h>

#include "shared.h"
#include "world.h"

/* To make a pool costs as much as many calls, so an input should have many. */
#define MIN_STEPS 16

static uint64_t roll64(struct dice *dice)
{
	return (uint64_t)dice_roll(dice) << 32 | dice_roll(dice);
}

static uint64_t interesting(struct shared *shared, struct dice *dice)
{
	static const uint64_t numbers[] = {
		0, 1, 2, 7, 8, 16, 64, 255, 1023, 1024, 1025, 4095, 4096, 4097, 65536, 1 << 21,
		INT32_MAX, 1ULL << 31, UINT32_MAX, 1ULL << 32, 1ULL << 40, 1ULL << 43,
		INT64_MAX, 1ULL << 63, UINT64_MAX, UINT64_MAX - 4095,
	};
	uint32_t choice = dice_below(dice, sizeof(numbers) / sizeof(numbers[0]) +
				     shared->nr_constants);

	if (choice < shared->nr_constants)
		return shared->constants[choice] + dice_below(dice, 3) - 1;
	return numbers[choice - shared->nr_constants];
}

static uint32_t weight_of_all(void)
{
	uint32_t i, total = 0;

	for (i = 0; i < nr_call_types; i++)
		total += call_types[i].weight;
	return total;
}

static unsigned int random_call(struct dice *dice)
{
	uint32_t i, choice;

	/* Dear, hence rare. */
	if (dice_one_in(dice, 1500))
		return call_named("fork");
	choice = dice_below(dice, weight_of_all());
	for (i = 0; choice >= call_types[i].weight; i++)
		choice -= call_types[i].weight;
	return i;
}

static void random_bytes(struct step *step, struct dice *dice)
{
	const struct field *pointer = field_of_kind(step_type(step)->fields, FIELD_POINTER);
	unsigned int i;

	for (i = 0; i < STEP_BYTES; i++)
		step->bytes[i] = dice_roll(dice);
	/* Plain memory, mostly. */
	if (pointer && !dice_one_in(dice, 4))
		field_set(step->bytes, pointer, 0);
}

/* As a program would make it: plain memory, the right size, the first pool. */
static void make_proper(struct step *step)
{
	const struct field *field = field_of_kind(step_type(step)->fields, FIELD_POINTER);

	if (field)
		field_set(step->bytes, field, 0);
	field = field_of_kind(step_type(step)->fields, FIELD_SIZE);
	if (field)
		field_set(step->bytes, field, 0);
	step->pool = 0;
	step->when = 0;
	step->place = 0;
	step->command = 0;
	step->raw = 0;
}

static void random_step(struct step *step, unsigned int call, struct dice *dice)
{
	memset(step, 0, sizeof(*step));
	step->call = call;
	random_bytes(step, dice);
	if (dice_one_in(dice, 2)) {
		make_proper(step);
		return;
	}
	if (dice_one_in(dice, 6))
		step->pool = 7;
	if (dice_one_in(dice, 8))
		step->when = dice_roll(dice);
	if (dice_one_in(dice, 8))
		step->place = dice_roll(dice);
	if (dice_one_in(dice, 30))
		step->command = dice_roll(dice);
	if (dice_one_in(dice, 6))
		step->raw = 1ULL << dice_below(dice, 64);
}

static void proper_step(struct step *step, const char *name, struct dice *dice)
{
	random_step(step, call_named(name), dice);
	make_proper(step);
}

static void put_word(struct step *step, unsigned int index, uint64_t word)
{
	memcpy(step->bytes + 8 * index, &word, sizeof(word));
}

static void random_input(struct input *input, struct dice *dice)
{
	uint32_t i;

	memset(input, 0, sizeof(*input));
	input->nr_steps = MIN_STEPS + dice_below(dice, MAX_STEPS - MIN_STEPS + 1);
	for (i = 0; i < input->nr_steps; i++)
		random_step(&input->steps[i], random_call(dice), dice);
}

/* A pool that is set up and mapped, without which most calls end at once. */
static void make_pool(struct input *input, struct dice *dice)
{
	struct step *steps = input->steps;

	if (input->nr_steps < 3)
		return;
	proper_step(&steps[0], "SETUP", dice);
	proper_step(&steps[1], "mmap", dice);
	put_word(&steps[1], 0, dice_below(dice, 32) << 4 | 4);
	put_word(&steps[1], 1, 0x11);
	put_word(&steps[1], 2, 1);
	if (steps[2].call != call_named("ALLOC"))
		proper_step(&steps[2], "ALLOC", dice);
}

static void mutate_field(struct shared *shared, struct step *step, struct dice *dice)
{
	const struct call_type *type = step_type(step);
	unsigned int nr = 0, choice;

	while (type->fields[nr].width)
		nr++;
	choice = dice_below(dice, nr);
	field_set(step->bytes, &type->fields[choice],
		  dice_one_in(dice, 2) ? interesting(shared, dice) : roll64(dice));
	if (dice_one_in(dice, 2))
		step->raw |= 1ULL << choice;
}

/* Bytes of the elements of its array. */
static void mutate_element(struct shared *shared, struct step *step, struct dice *dice)
{
	uint64_t value = interesting(shared, dice);
	uint32_t from = step_type(step)->size;

	if (from + 8 > STEP_BYTES)
		return;
	from += dice_below(dice, (STEP_BYTES - from) / 8) * 8;
	memcpy(step->bytes + from, &value, sizeof(value));
	step->raw |= 1ULL << (40 + dice_below(dice, 18));
}

static void mutate_header(struct step *step, struct dice *dice)
{
	switch (dice_below(dice, 6)) {
	case 0:
		step->when = dice_roll(dice);
		break;
	case 1:
		step->place = dice_roll(dice);
		break;
	case 2:
		step->command = dice_one_in(dice, 2) ? 0 : dice_roll(dice);
		break;
	case 3:
		step->raw ^= 1ULL << dice_below(dice, 64);
		break;
	case 4:
		step->pool = dice_roll(dice);
		break;
	default:
		step->call = random_call(dice);
	}
}

static void step_insert(struct input *input, uint32_t at, const struct step *step)
{
	uint32_t last = input->nr_steps < MAX_STEPS ? input->nr_steps : MAX_STEPS - 1;

	memmove(&input->steps[at + 1], &input->steps[at], (last - at) * sizeof(*step));
	input->steps[at] = *step;
	input->nr_steps = last + 1;
}

static void step_remove(struct input *input, uint32_t at)
{
	if (input->nr_steps == 1)
		return;
	input->nr_steps--;
	memmove(&input->steps[at], &input->steps[at + 1],
		(input->nr_steps - at) * sizeof(input->steps[0]));
}

/* The beginning of this one, the end of another one. */
static void splice_inputs(struct shared *shared, struct input *input, struct dice *dice)
{
	const struct input *other = &shared->corpus[dice_below(dice, shared->nr_corpus)];
	uint32_t from = dice_below(dice, other->nr_steps);
	uint32_t to = 1 + dice_below(dice, input->nr_steps);

	while (to < MAX_STEPS && from < other->nr_steps)
		input->steps[to++] = other->steps[from++];
	input->nr_steps = to;
}

static void mutate_steps(struct shared *shared, struct input *input, uint32_t at, struct dice *dice)
{
	struct step step;

	switch (dice_below(dice, 4)) {
	case 0:
		random_step(&step, random_call(dice), dice);
		step_insert(input, at, &step);
		break;
	case 1:
		step = input->steps[at];
		step_insert(input, dice_below(dice, input->nr_steps), &step);
		break;
	case 2:
		step_remove(input, at);
		break;
	default:
		splice_inputs(shared, input, dice);
	}
}

void input_mutate(struct shared *shared, struct input *input, struct dice *dice)
{
	uint32_t at = dice_below(dice, input->nr_steps);
	struct step *step = &input->steps[at];

	switch (dice_below(dice, 8)) {
	case 0:
		step->bytes[dice_below(dice, STEP_BYTES)] ^= 1U << dice_below(dice, 8);
		break;
	case 1:
	case 2:
		mutate_field(shared, step, dice);
		break;
	case 3:
		mutate_element(shared, step, dice);
		break;
	case 4:
		mutate_header(step, dice);
		break;
	case 5:
		random_bytes(step, dice);
		break;
	default:
		mutate_steps(shared, input, at, dice);
	}
}

void input_make(struct shared *shared, struct input *input, struct dice *dice)
{
	uint32_t changes;

	if (!shared->nr_corpus || dice_one_in(dice, 5)) {
		random_input(input, dice);
	} else {
		*input = shared->corpus[dice_below(dice, shared->nr_corpus)];
		for (changes = 1 + dice_below(dice, 5); changes; changes--)
			input_mutate(shared, input, dice);
	}
	if (!dice_one_in(dice, 4))
		make_pool(input, dice);
}
