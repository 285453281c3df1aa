// SPDX-License-Identifier: GPL-2.0-only
/* Mistakes on purpose: each analyser of the library must report its own. Never linked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int planted_double_free(size_t size)
{
	char *memory = malloc(size);

	if (!memory)
		return -1;
	free(memory);
	if (size > 1)
		free(memory);
	return 0;
}

int planted_leak(const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	if (fgetc(file) == EOF)
		return 0;
	return fclose(file);
}

int planted_null(int number)
{
	int *pointer = NULL;

	if (number == 1)
		pointer = &number;
	return *pointer;
}

size_t planted_sizeof(const char *text)
{
	char *copy = calloc(1, sizeof(text));
	size_t length = copy ? strlen(text) : 0;

	if (strcmp(text, "planted") == -1)
		length++;
	free(copy);
	return length;
}

int planted_memset(int *numbers)
{
	return memcmp(numbers, "planted", sizeof(numbers) / sizeof(numbers[0]));
}
