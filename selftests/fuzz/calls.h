/* SPDX-License-Identifier: GPL-2.0-only */
/* What can be called, and what its bytes mean. */
#ifndef FUZZ_CALLS_H
#define FUZZ_CALLS_H

#include <stddef.h>
#include <stdint.h>

#include "input.h"

struct world;

/* What a member of a structure is, so that sense can be made of its bytes. */
enum field_kind {
	FIELD_OUT = 1,		/* set by the kernel; what it held does not matter */
	FIELD_ZERO,		/* reserved */
	FIELD_SIZE,
	FIELD_FLAGS,
	FIELD_SET_FLAGS,	/* SEGPOOL_SET_* */
	FIELD_COUNT,
	FIELD_CLASS,
	FIELD_POINTER,
	FIELD_HANDLE,
	FIELD_BUDGET,		/* bytes */
	FIELD_AGE,
	FIELD_WATERMARK,
	FIELD_TIMEOUT,
	FIELD_REGION_SIZE,
	FIELD_MODE,
	FIELD_CLASSES,		/* their number */
	FIELD_CLASS_SIZE,
	FIELD_PAGE_OFFSET,
	FIELD_PAGE_LENGTH,
	FIELD_WORD,		/* an argument of another system call */
};

/**
 * struct field - a member
 * @offset: in the structure.
 * @width: bytes: 4 or 8; 0 ends a list.
 * @kind: enum field_kind.
 * @needs: bit of the flags without which the member must be 0.
 * @set: the kernel writes to it.
 */
struct field {
	uint8_t offset;
	uint8_t width;
	uint8_t kind;
	uint8_t needs;
	uint8_t set;
};

#define MAX_FIELDS 28

/**
 * struct call_type - a call
 * @name: for the reader.
 * @weight: how often it is chosen.
 * @command: ioctl number, or 0.
 * @size: of the structure.
 * @flags: those that the call knows.
 * @fields: of the structure.
 * @element: fields of an element of the array that FIELD_POINTER points to.
 * @element_size: bytes of it.
 * @errnos: that the call may give, besides those of every call; ends with 0.
 * @run: for what is no call through a transport: does it and returns 0 or -errno.
 */
struct call_type {
	const char *name;
	unsigned int weight;
	uint32_t command;
	uint32_t size;
	uint32_t flags;
	struct field fields[MAX_FIELDS];
	struct field element[6];
	uint32_t element_size;
	int errnos[12];
	int (*run)(struct world *world, const struct step *step);
};

#define MAX_CALL_TYPES 64

extern const struct call_type call_types[];
extern const unsigned int nr_call_types;

static inline const struct call_type *step_type(const struct step *step)
{
	return &call_types[step->call % nr_call_types];
}

/* Index of the call with that name. */
unsigned int call_named(const char *name);
/* The field of @kind, or NULL. */
const struct field *field_of_kind(const struct field *fields, enum field_kind kind);

uint64_t field_get(const void *data, const struct field *field);
void field_set(void *data, const struct field *field, uint64_t value);

/* The ways to the module. */
struct transport {
	const char *name;
	int (*call)(int fd, uint32_t command, void *data);
};

extern const struct transport transports[];

#endif /* FUZZ_CALLS_H */
