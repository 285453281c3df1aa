// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <math.h>

#include "json.h"

/* Length of the well-formed UTF-8 sequence at @text; 0: there is none. */
static int sequence(const unsigned char *text)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int length = *text < 0x80 ? 1 : *text >> 5 == 6 ? 2 : *text >> 4 == 14 ? 3 :
		     *text >> 3 == 30 ? 4 : 0;
	uint32_t value = length == 1 ? *text : *text & (0x7fU >> length);

	for (int i = 1; i < length; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (!length || (length > 1 && value < smallest[length]) || value > 0x10ffff ||
	    (value >= 0xd800 && value < 0xe000))
		return 0;
	return length;
}

static void quoted(FILE *file, const char *string)
{
	const unsigned char *text = (const unsigned char *)string;

	fputc('"', file);
	while (*text) {
		int length = sequence(text);

		if (!length)
			fputs("\\ufffd", file);
		else if (*text < 0x20 || *text == 0x7f)
			fprintf(file, "\\u%04x", *text);
		else if (text[0] == 0xc2 && text[1] < 0xa0)
			/* Terminals take these for control characters, too. */
			fprintf(file, "\\u%04x", text[1]);
		else if (*text == '"' || *text == '\\')
			fprintf(file, "\\%c", *text);
		else
			fwrite(text, 1, (size_t)length, file);
		text += length ? length : 1;
	}
	fputc('"', file);
}

static void begin(struct json *json, const char *name)
{
	if (json->filled)
		fputc(',', json->file);
	if (json->depth && !json->flat)
		fprintf(json->file, "\n%*s", 2 * json->depth, "");
	if (name) {
		quoted(json->file, name);
		fputs(": ", json->file);
	}
	json->filled = 1;
}

static void open_with(struct json *json, const char *name, char bracket)
{
	begin(json, name);
	fputc(bracket, json->file);
	json->depth++;
	json->filled = 0;
}

static void close_with(struct json *json, char bracket)
{
	json->depth--;
	if (json->filled && !json->flat)
		fprintf(json->file, "\n%*s", 2 * json->depth, "");
	fputc(bracket, json->file);
	if (!json->depth)
		fputc('\n', json->file);
	json->filled = 1;
}

void json_object(struct json *json, const char *name)
{
	open_with(json, name, '{');
}

void json_array(struct json *json, const char *name)
{
	open_with(json, name, '[');
}

void json_end_object(struct json *json)
{
	close_with(json, '}');
}

void json_end_array(struct json *json)
{
	close_with(json, ']');
}

void json_string(struct json *json, const char *name, const char *value)
{
	begin(json, name);
	quoted(json->file, value);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	begin(json, name);
	fprintf(json->file, "%" PRIu64, value);
}

void json_real(struct json *json, const char *name, double value)
{
	if (!isfinite(value)) {
		json_null(json, name);
		return;
	}
	begin(json, name);
	fprintf(json->file, "%.6f", value);
}

void json_bool(struct json *json, const char *name, int value)
{
	begin(json, name);
	fputs(value ? "true" : "false", json->file);
}

void json_null(struct json *json, const char *name)
{
	begin(json, name);
	fputs("null", json->file);
}
