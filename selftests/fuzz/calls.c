// SPDX-License-Identifier: GPL-2.0-only
/* The table of calls. A call of a new transport is one more entry. */

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/segpool.h>

#include "calls.h"
#include "system_calls.h"

#define WIDTH(type, member)	sizeof(((struct type *)0)->member)
#define FIELD(type, member, kind_) \
	{ .offset = offsetof(struct type, member), .width = WIDTH(type, member), .kind = kind_ }
/* Used and set by the kernel. */
#define FIELD_BOTH(type, member, kind_) \
	{ .offset = offsetof(struct type, member), .width = WIDTH(type, member), .kind = kind_, \
	  .set = 1 }
#define FIELD_LIMIT(type, member, kind_, flag) \
	{ .offset = offsetof(struct type, member), .width = WIDTH(type, member), .kind = kind_, \
	  .needs = flag, .set = 1 }

#define LIMITS(type) \
	FIELD_LIMIT(type, limits.virtual_budget, FIELD_BUDGET, SEGPOOL_SET_VIRTUAL), \
	FIELD_LIMIT(type, limits.physical_budget, FIELD_BUDGET, SEGPOOL_SET_PHYSICAL), \
	FIELD_LIMIT(type, limits.retain_limit, FIELD_BUDGET, SEGPOOL_SET_RETAIN), \
	FIELD_LIMIT(type, limits.retain_age_ms, FIELD_AGE, SEGPOOL_SET_AGE), \
	FIELD_LIMIT(type, limits.watermark, FIELD_WATERMARK, SEGPOOL_SET_WATERMARK)

#define CLASS_SIZE(i) \
	{ .offset = offsetof(struct segpool_setup, classes) + 4 * (i), .width = 4, \
	  .kind = FIELD_CLASS_SIZE, .set = 1 }
#define CLASS_SIZES(i)	CLASS_SIZE(i), CLASS_SIZE((i) + 1), CLASS_SIZE((i) + 2), CLASS_SIZE((i) + 3)

#define RANGES_FIELDS \
	FIELD(segpool_ranges, flags, FIELD_FLAGS), FIELD(segpool_ranges, size, FIELD_SIZE), \
	FIELD(segpool_ranges, count, FIELD_COUNT), FIELD_BOTH(segpool_ranges, done, FIELD_OUT), \
	FIELD(segpool_ranges, ranges, FIELD_POINTER), \
	FIELD_LIMIT(segpool_ranges, reason, FIELD_OUT, 0)

#define RANGE_FIELDS \
	FIELD(segpool_range, handle, FIELD_HANDLE), \
	FIELD(segpool_range, offset, FIELD_PAGE_OFFSET), \
	FIELD(segpool_range, length, FIELD_PAGE_LENGTH), \
	FIELD_BOTH(segpool_range, error, FIELD_OUT), FIELD(segpool_range, reserved, FIELD_ZERO)

#define RANGE_ERRNOS	ENOENT, EALREADY, ESTALE, ENOMEM, EINTR

const struct call_type call_types[] = {
	{
		.name = "SETUP", .weight = 16, .command = SEGPOOL_IOC_SETUP,
		.size = sizeof(struct segpool_setup), .flags = SEGPOOL_SET_ALL,
		.fields = {
			FIELD(segpool_setup, flags, FIELD_SET_FLAGS),
			FIELD(segpool_setup, size, FIELD_SIZE), LIMITS(segpool_setup),
			FIELD_BOTH(segpool_setup, region_size, FIELD_REGION_SIZE),
			FIELD(segpool_setup, mode, FIELD_MODE),
			FIELD_BOTH(segpool_setup, nr_classes, FIELD_CLASSES),
			CLASS_SIZES(0), CLASS_SIZES(4), CLASS_SIZES(8), CLASS_SIZES(12),
			FIELD_BOTH(segpool_setup, pool_id, FIELD_OUT),
			FIELD(segpool_setup, reserved, FIELD_ZERO),
		},
		.errnos = { EBUSY },
	},
	{
		.name = "ALLOC", .weight = 96, .command = SEGPOOL_IOC_ALLOC,
		.size = sizeof(struct segpool_alloc),
		.flags = SEGPOOL_ZERO | SEGPOOL_POPULATE | SEGPOOL_WAIT | SEGPOOL_CONTIGUOUS,
		.fields = {
			FIELD(segpool_alloc, flags, FIELD_FLAGS),
			FIELD(segpool_alloc, size, FIELD_SIZE),
			FIELD(segpool_alloc, class_index, FIELD_CLASS),
			FIELD(segpool_alloc, count, FIELD_COUNT),
			FIELD(segpool_alloc, results, FIELD_POINTER),
			{ .offset = offsetof(struct segpool_alloc, timeout_ms), .width = 4,
			  .kind = FIELD_TIMEOUT, .needs = SEGPOOL_WAIT },
			FIELD_BOTH(segpool_alloc, done, FIELD_OUT),
			FIELD_BOTH(segpool_alloc, reason, FIELD_OUT),
			FIELD(segpool_alloc, reserved, FIELD_ZERO),
		},
		.element = { FIELD_BOTH(segpool_region, handle, FIELD_OUT),
			     FIELD_BOTH(segpool_region, offset, FIELD_OUT),
			     FIELD_BOTH(segpool_region, flags, FIELD_OUT),
			     FIELD_BOTH(segpool_region, reserved, FIELD_OUT) },
		.element_size = sizeof(struct segpool_region),
		.errnos = { ENOMEM, EINTR },
	},
	{
		.name = "FREE", .weight = 64, .command = SEGPOOL_IOC_FREE,
		.size = sizeof(struct segpool_free), .flags = SEGPOOL_NOW | SEGPOOL_LAZY,
		.fields = {
			FIELD(segpool_free, flags, FIELD_FLAGS),
			FIELD(segpool_free, size, FIELD_SIZE),
			FIELD(segpool_free, count, FIELD_COUNT),
			FIELD_BOTH(segpool_free, done, FIELD_OUT),
			FIELD(segpool_free, entries, FIELD_POINTER),
		},
		.element = { FIELD(segpool_free_entry, handle, FIELD_HANDLE),
			     FIELD_BOTH(segpool_free_entry, error, FIELD_OUT),
			     FIELD(segpool_free_entry, reserved, FIELD_ZERO) },
		.element_size = sizeof(struct segpool_free_entry),
		.errnos = { ENOENT, EALREADY, ESTALE, EINTR },
	},
	{
		.name = "REUSE", .weight = 40, .command = SEGPOOL_IOC_REUSE,
		.size = sizeof(struct segpool_reuse),
		.flags = SEGPOOL_ZERO | SEGPOOL_POPULATE | SEGPOOL_WAIT,
		.fields = {
			FIELD(segpool_reuse, flags, FIELD_FLAGS),
			FIELD(segpool_reuse, size, FIELD_SIZE),
			FIELD(segpool_reuse, handle, FIELD_HANDLE),
			FIELD(segpool_reuse, class_index, FIELD_CLASS),
			{ .offset = offsetof(struct segpool_reuse, timeout_ms), .width = 4,
			  .kind = FIELD_TIMEOUT, .needs = SEGPOOL_WAIT },
			FIELD_BOTH(segpool_reuse, reason, FIELD_OUT),
			FIELD(segpool_reuse, reserved, FIELD_ZERO),
			FIELD_BOTH(segpool_reuse, region.handle, FIELD_OUT),
			FIELD_BOTH(segpool_reuse, region.offset, FIELD_OUT),
			FIELD_BOTH(segpool_reuse, region.flags, FIELD_OUT),
			FIELD_BOTH(segpool_reuse, region.reserved, FIELD_OUT),
		},
		.errnos = { EBUSY, ENOENT, ESTALE, ENOMEM, EINTR },
	},
	{
		.name = "DISCARD", .weight = 40, .command = SEGPOOL_IOC_DISCARD,
		.size = sizeof(struct segpool_ranges), .flags = SEGPOOL_NOW,
		.fields = { RANGES_FIELDS, FIELD(segpool_ranges, timeout_ms, FIELD_ZERO) },
		.element = { RANGE_FIELDS }, .element_size = sizeof(struct segpool_range),
		.errnos = { RANGE_ERRNOS },
	},
	{
		.name = "POPULATE", .weight = 48, .command = SEGPOOL_IOC_POPULATE,
		.size = sizeof(struct segpool_ranges), .flags = SEGPOOL_ZERO | SEGPOOL_WAIT,
		.fields = {
			RANGES_FIELDS,
			{ .offset = offsetof(struct segpool_ranges, timeout_ms), .width = 4,
			  .kind = FIELD_TIMEOUT, .needs = SEGPOOL_WAIT },
		},
		.element = { RANGE_FIELDS }, .element_size = sizeof(struct segpool_range),
		.errnos = { RANGE_ERRNOS },
	},
	{
		.name = "SET_BUDGET", .weight = 20, .command = SEGPOOL_IOC_SET_BUDGET,
		.size = sizeof(struct segpool_set_budget), .flags = SEGPOOL_SET_ALL,
		.fields = { FIELD(segpool_set_budget, flags, FIELD_SET_FLAGS),
			    FIELD(segpool_set_budget, size, FIELD_SIZE),
			    LIMITS(segpool_set_budget) },
	},
	{
		.name = "TRIM", .weight = 12, .command = SEGPOOL_IOC_TRIM,
		.size = sizeof(struct segpool_trim),
		.fields = { FIELD(segpool_trim, flags, FIELD_ZERO),
			    FIELD(segpool_trim, size, FIELD_SIZE),
			    FIELD(segpool_trim, target, FIELD_BUDGET),
			    FIELD_BOTH(segpool_trim, released, FIELD_OUT),
			    FIELD_BOTH(segpool_trim, retained, FIELD_OUT) },
	},
	{
		.name = "STAT", .weight = 16, .command = SEGPOOL_IOC_STAT,
		.size = sizeof(struct segpool_stat), .flags = SEGPOOL_STAT_CLASS,
		.fields = {
			FIELD(segpool_stat, flags, FIELD_FLAGS),
			FIELD(segpool_stat, size, FIELD_SIZE),
			{ .offset = offsetof(struct segpool_stat, class_index), .width = 4,
			  .kind = FIELD_CLASS, .needs = SEGPOOL_STAT_CLASS },
			FIELD_BOTH(segpool_stat, count, FIELD_COUNT),
			FIELD(segpool_stat, values, FIELD_POINTER),
		},
		.element = { { .offset = 0, .width = 8, .kind = FIELD_OUT, .set = 1 } },
		.element_size = sizeof(uint64_t),
	},
	/* No call at all, with a structure of some size. */
	{
		.name = "unknown", .weight = 4, .command = _IOWR(SEGPOOL_IOC_TYPE, 0x40, uint64_t),
		.size = 64, .fields = { { .offset = 0, .width = 4, .kind = FIELD_SIZE } },
		.errnos = { ENOTTY },
	},
#define SYSTEM(name_, weight_, function) \
	{ .name = name_, .weight = weight_, .size = 32, \
	  .fields = { { .offset = 0, .width = 8, .kind = FIELD_WORD }, \
		      { .offset = 8, .width = 8, .kind = FIELD_WORD }, \
		      { .offset = 16, .width = 8, .kind = FIELD_WORD }, \
		      { .offset = 24, .width = 8, .kind = FIELD_WORD } }, .run = function }
	/* What ends a pool is rare, else most calls would come after the end. */
	SYSTEM("mmap", 6, do_mmap),
	SYSTEM("munmap", 2, do_munmap),
	SYSTEM("mprotect", 4, do_mprotect),
	SYSTEM("madvise", 12, do_madvise),
	SYSTEM("mremap", 8, do_mremap),
	SYSTEM("mlock", 4, do_mlock),
	SYSTEM("touch", 48, do_touch),
	SYSTEM("pin", 8, do_pin),
	SYSTEM("read", 4, do_read_write),
	SYSTEM("poll", 4, do_poll),
	SYSTEM("file", 4, do_file),
	SYSTEM("pages", 4, do_pages),
	SYSTEM("uffd", 4, do_userfaultfd),
	SYSTEM("debugfs", 4, do_debugfs),
	SYSTEM("close", 1, do_close),
	SYSTEM("fork", 0, do_fork),
};

const unsigned int nr_call_types = sizeof(call_types) / sizeof(call_types[0]);

static int transport_ioctl(int fd, uint32_t command, void *data)
{
	return ioctl(fd, command, data) < 0 ? -errno : 0;
}

const struct transport transports[] = {
	{ .name = "ioctl", .call = transport_ioctl },
};

unsigned int call_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_call_types - 1; i++)
		if (!strcmp(call_types[i].name, name))
			break;
	return i;
}

const struct field *field_of_kind(const struct field *fields, enum field_kind kind)
{
	for (; fields->width; fields++)
		if (fields->kind == kind)
			return fields;
	return NULL;
}

uint64_t field_get(const void *data, const struct field *field)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)data + field->offset, field->width);
	return value;
}

void field_set(void *data, const struct field *field, uint64_t value)
{
	memcpy((char *)data + field->offset, &value, field->width);
}
