// SPDX-License-Identifier: GPL-2.0-only
/* Inputs as text, and dice. */

#include <string.h>

#include "input.h"

uint32_t dice_roll(struct dice *dice)
{
	uint64_t value;

	/* splitmix64 */
	dice->state += 0x9e3779b97f4a7c15ULL;
	value = dice->state;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
	return (value ^ (value >> 31)) >> 16;
}

static size_t step_length(const struct step *step)
{
	const uint8_t *bytes = (const uint8_t *)step;
	size_t length = sizeof(*step);

	while (length > 1 && !bytes[length - 1])
		length--;
	return length;
}

void input_print(FILE *file, const struct input *input, const char *prefix)
{
	const uint8_t *bytes;
	size_t j, length;
	uint32_t i;

	fputs(prefix, file);
	for (i = 0; i < input->nr_steps; i++) {
		bytes = (const uint8_t *)&input->steps[i];
		length = step_length(&input->steps[i]);
		fputc(' ', file);
		for (j = 0; j < length; j++)
			fprintf(file, "%02x", bytes[j]);
	}
	fputc('\n', file);
}

static int step_parse(struct step *step, const char *word)
{
	size_t length = strlen(word) / 2;
	unsigned int value;
	size_t i;

	memset(step, 0, sizeof(*step));
	if (strlen(word) % 2 || length > sizeof(*step))
		return -1;
	for (i = 0; i < length; i++) {
		if (sscanf(word + 2 * i, "%2x", &value) != 1)
			return -1;
		((uint8_t *)step)[i] = value;
	}
	return 0;
}

/* 0, or -1 where @words are no input. */
int input_parse(struct input *input, int nr_words, char **words)
{
	memset(input, 0, sizeof(*input));
	if (nr_words < 1 || nr_words > MAX_STEPS)
		return -1;
	for (; (int)input->nr_steps < nr_words; input->nr_steps++)
		if (step_parse(&input->steps[input->nr_steps], words[input->nr_steps]))
			return -1;
	return 0;
}
