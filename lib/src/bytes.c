// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include <inttypes.h>
#include <stdio.h>

#include "internal.h"

static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

/*
 * The largest unit of which @bytes is a multiple of an eighth: at most three
 * decimals, and never a rounded number.
 */
const char *segpool_format_bytes(uint64_t bytes, char text[SEGPOOL_BYTES_TEXT])
{
	unsigned int unit = sizeof(units) / sizeof(units[0]) - 1;
	unsigned int thousandths;
	uint64_t whole;
	char *end;

	while (unit && (bytes < 1ULL << (10 * unit) ||
			bytes & ((1ULL << (10 * unit - 3)) - 1)))
		unit--;
	if (!unit) {
		snprintf(text, SEGPOOL_BYTES_TEXT, "%" PRIu64 " %s", bytes,
			 bytes == 1 ? "byte" : "bytes");
		return text;
	}
	whole = bytes >> (10 * unit);
	thousandths = (unsigned int)(bytes >> (10 * unit - 3) & 7) * 125;
	end = text + snprintf(text, SEGPOOL_BYTES_TEXT, "%" PRIu64, whole);
	if (thousandths) {
		end += snprintf(end, 5, ".%03u", thousandths % 1000);
		while (end[-1] == '0')
			end--;
	}
	snprintf(end, (size_t)(text + SEGPOOL_BYTES_TEXT - end), " %s", units[unit]);
	return text;
}
