// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "size.h"

static const char units[] = "KMGT";

/* Bits that the unit at @text stands for; -1: it is none. */
static int unit_shift(const char *text)
{
	const char *unit;

	if (!*text || !strcmp(text, "B"))
		return 0;
	unit = strchr(units, toupper((unsigned char)*text));
	if (!unit || (text[1] && strcasecmp(text + 1, "iB") && strcasecmp(text + 1, "B")))
		return -1;
	return 10 * (int)(unit - units + 1);
}

/* The digits behind a point, of 2^@shift. */
static int parse_fraction(const char **text, int shift, uint64_t *bytes)
{
	double value = 0, digit = 0.1;

	if (!isdigit((unsigned char)**text))
		return -1;
	for (; isdigit((unsigned char)**text); ++*text, digit /= 10)
		value += (**text - '0') * digit;
	*bytes = (uint64_t)(value * (double)(1ULL << shift) + 0.5);
	return 0;
}

static int find_unit(const char *text)
{
	return unit_shift(text + strspn(text, "0123456789"));
}

int size_parse(const char *text, uint64_t *bytes)
{
	uint64_t whole, fraction = 0;
	int shift;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	whole = strtoull(text, &end, 10);
	if (errno)
		return -1;
	text = end;
	shift = *text == '.' ? find_unit(text + 1) : unit_shift(text);
	if (shift < 0 || whole > (uint64_t)INT64_MAX >> shift)
		return -1;
	if (*text == '.') {
		text++;
		if (!shift || parse_fraction(&text, shift, &fraction))
			return -1;
	}
	*bytes = (whole << shift) + fraction;
	return *bytes > INT64_MAX ? -1 : 0;
}

const char *size_text(uint64_t bytes, enum size_style style, char text[SIZE_TEXT])
{
	double value = (double)bytes;
	size_t unit = 0;

	if (style == SIZE_EXACT || bytes < 1024) {
		snprintf(text, SIZE_TEXT, "%" PRIu64 "%s", bytes, style == SIZE_EXACT ? "" : " B");
		return text;
	}
	/* What would be shown as 1024.0 is 1.0 of the next unit. */
	for (value /= 1024; value >= 1023.95 && unit + 1 < strlen(units); unit++)
		value /= 1024;
	snprintf(text, SIZE_TEXT, "%.1f %ciB", value, units[unit]);
	return text;
}
