/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes JSON. Each function puts the comma before its value where one belongs. @name is
 * NULL for the elements of an array and for the outermost value.
 */
#ifndef SEGPOOL_JSON_H
#define SEGPOOL_JSON_H

#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *file;
	int depth;
	int flat;	/* all of it on one line */
	int filled;	/* the innermost object or array has something in it */
};

void json_object(struct json *json, const char *name);
void json_array(struct json *json, const char *name);
void json_end_object(struct json *json);
void json_end_array(struct json *json);
/* Bytes that are no UTF-8 become U+FFFD. */
void json_string(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, uint64_t value);
void json_real(struct json *json, const char *name, double value);
void json_bool(struct json *json, const char *name, int value);
void json_null(struct json *json, const char *name);

#endif
