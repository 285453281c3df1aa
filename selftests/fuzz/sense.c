// SPDX-License-Identifier: GPL-2.0-only
/* Makes sense of bytes: what a member could hold in a program that is nearly right. */

#include <linux/segpool.h>

#include "helpers.h"
#include "world.h"

static uint64_t pick(uint64_t value, const uint64_t *choices, unsigned int nr)
{
	return choices[value % nr];
}

#define PICK(value, ...) \
	pick(value, (const uint64_t[]){ __VA_ARGS__ }, \
	     sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static uint64_t size_of(const struct call_type *type, uint64_t value)
{
	return PICK(value & 31, type->size, type->size, type->size, type->size, type->size,
		    type->size, type->size, type->size, type->size, type->size, type->size,
		    type->size, type->size, type->size, type->size, type->size, type->size,
		    type->size, type->size, type->size, type->size, type->size, type->size,
		    type->size, type->size + 8, type->size + 4, type->size - 1, type->size - 8,
		    4, 0, SP_PAGE, SP_PAGE + 1);
}

static uint64_t count_of(uint64_t value)
{
	if (value & 15)
		return 1 + (value >> 4 & 3);
	return PICK(value >> 4 & 15, 6, 7, 8, 8, 10, 12, 16, 17, 20, 32, 64, SEGPOOL_MAX_BATCH,
		    SEGPOOL_MAX_BATCH + 1, 0, 1U << 31, UINT32_MAX);
}

static uint64_t flags_of(const struct call_type *type, uint64_t value)
{
	/* To wait costs time: half as often as the other flags. */
	if (type->flags & SEGPOOL_WAIT && value & 16)
		value &= ~(uint64_t)SEGPOOL_WAIT;
	return value & type->flags;
}

/* Small, since every page costs time, but regions and pages enough for most calls. */
static uint64_t budget_of(const struct field *field, uint64_t value)
{
	if (field->needs == SEGPOOL_SET_VIRTUAL)
		return value % 41 * 64 * SP_KIB;
	return (value & 7 ? value % 40 + 1 : value % 257) * SP_PAGE;
}

static uint64_t class_size_of(const struct call_type *type, const struct field *field,
			      const void *structure)
{
	const struct field *number = field_of_kind(type->fields, FIELD_CLASSES);
	unsigned int index = (field->offset - offsetof(struct segpool_setup, classes)) / 4;

	return index < field_get(structure, number) ? SP_PAGE << index : 0;
}

/* A field that means something only with a flag. */
static bool is_meaningless(const struct call_type *type, const struct field *field,
			   const void *structure)
{
	const struct field *flags = field_of_kind(type->fields, FIELD_FLAGS);

	if (!field->needs || !structure)
		return false;
	if (!flags)
		flags = field_of_kind(type->fields, FIELD_SET_FLAGS);
	return flags && !(field_get(structure, flags) & field->needs);
}

/**
 * make_sense() - a value for a member
 * @world: the world.
 * @step: whose member it is.
 * @field: the member.
 * @value: its bytes.
 * @structure: made so far; NULL for a member of an array's element.
 */
uint64_t make_sense(const struct world *world, const struct step *step, const struct field *field,
		    uint64_t value, const void *structure)
{
	const struct pool_slot *pool = &world->pools[step->pool % 8 == 7];
	const struct call_type *type = step_type(step);

	if (is_meaningless(type, field, structure))
		return 0;
	switch (field->kind) {
	case FIELD_ZERO:
		return 0;
	case FIELD_SIZE:
		return size_of(type, value);
	case FIELD_FLAGS:
		return flags_of(type, value);
	case FIELD_SET_FLAGS:
		return value & SEGPOOL_SET_ALL;
	case FIELD_COUNT:
		return count_of(value);
	case FIELD_CLASS:
		return value & 7 ? 0 : value >> 3 & 7;
	case FIELD_HANDLE:
		return pool_handle(pool, value);
	case FIELD_BUDGET:
		return budget_of(field, value);
	case FIELD_AGE:
		return value & 1 ? value >> 1 & 31 : 0;
	case FIELD_WATERMARK:
		return value % 100 + 1;
	case FIELD_TIMEOUT:
		return value & 3;
	case FIELD_REGION_SIZE:
		return PICK(value & 7, SP_KIB * 64, SP_KIB * 64, SP_KIB * 64, SP_KIB * 64,
			    SP_KIB * 64, SP_KIB * 128, SP_MIB * 2, 0);
	case FIELD_MODE:
		return value % 3;
	case FIELD_CLASSES:
		return value & 3 ? 0 : (value >> 2) % 6;
	case FIELD_CLASS_SIZE:
		return class_size_of(type, field, structure);
	case FIELD_PAGE_OFFSET:
		return (value & 0x100 ? value % 17 : value % 13) * SP_PAGE;
	case FIELD_PAGE_LENGTH:
		return (value & 0x100 ? value % 18 : value % 4 + 1) * SP_PAGE;
	default:
		return value;
	}
}
