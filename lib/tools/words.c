// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

int number_parse(const char *text, uint32_t least, uint32_t most, uint32_t *value)
{
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || number < least || number > most)
		return -1;
	*value = (uint32_t)number;
	return 0;
}

int pool_parse(const char *text, uint32_t *id)
{
	return number_parse(text, 1, UINT32_MAX, id);
}

int duration_parse(const char *text, uint32_t *ms)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno)
		return -1;
	if (!number && !*end) {
		*ms = 0;
		return 0;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) || number > UINT32_MAX / units[i].ms)
			continue;
		*ms = (uint32_t)number * units[i].ms;
		return 0;
	}
	return -1;
}
