// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The options of segpool_open(). The kernel checks again what it is given; the
 * library checks first because an errno alone cannot say which option it was.
 */
#include <errno.h>
#include <string.h>

#include "record.h"

/* The structure as of LIBSEGPOOL_0.1: a caller may know less of it only later. */
#define OPTIONS_SIZE_0_1	sizeof(struct segpool_options)
#define OPTIONS_SIZE_MAX	4096

#define RESERVATION_PER_BUDGET	16

void segpool_options_init(struct segpool_options *options)
{
	memset(options, 0, sizeof(*options));
	options->size = sizeof(*options);
}

static bool power_of_two(uint64_t value)
{
	return value && !(value & (value - 1));
}

static int take(const struct segpool_options *given, struct segpool_options *options)
{
	const char *bytes = (const char *)given;
	size_t known = given->size < sizeof(*options) ? given->size : sizeof(*options);
	size_t i;

	if (given->size < OPTIONS_SIZE_0_1)
		return segpool_record_fault(-EINVAL,
			"options.size is too small: begin with segpool_options_init()");
	if (given->size > OPTIONS_SIZE_MAX)
		return segpool_record_fault(-E2BIG,
			"options.size is too large: begin with segpool_options_init()");
	for (i = known; i < given->size; i++)
		if (bytes[i])
			return segpool_record_fault(-E2BIG,
				"an option is set that this version of the library does not know");
	segpool_options_init(options);
	memcpy(options, given, known);
	return 0;
}

/* A limit without its flag is ignored, so that a structure can be passed around. */
static int check_limits(struct segpool_options *options)
{
	struct segpool_limits *limits = &options->limits;

	if (options->flags & ~(SEGPOOL_SET_ALL | SEGPOOL_CHECKED))
		return segpool_record_fault(-EINVAL,
			"options.flags has bits other than SEGPOOL_SET_* and SEGPOOL_CHECKED");
	if (!(options->flags & SEGPOOL_SET_VIRTUAL))
		limits->virtual_budget = 0;
	else if (limits->virtual_budget > SEGPOOL_MAX_REGIONS * options->region_size)
		return segpool_record_fault(-EINVAL,
			"limits.virtual_budget is above 2^24 regions (SEGPOOL_MAX_REGIONS)");
	if (!(options->flags & SEGPOOL_SET_PHYSICAL))
		limits->physical_budget = 0;
	else if (limits->physical_budget > SEGPOOL_MAX_PHYSICAL)
		return segpool_record_fault(-EINVAL,
			"limits.physical_budget is above 8 TiB (SEGPOOL_MAX_PHYSICAL)");
	if (!(options->flags & SEGPOOL_SET_RETAIN))
		limits->retain_limit = 0;
	if (!(options->flags & SEGPOOL_SET_AGE))
		limits->retain_age_ms = 0;
	else if (limits->retain_age_ms > SEGPOOL_MAX_AGE_MS)
		return segpool_record_fault(-EINVAL,
			"limits.retain_age_ms is above one day (SEGPOOL_MAX_AGE_MS)");
	if (!(options->flags & SEGPOOL_SET_WATERMARK))
		limits->watermark = 0;
	else if (limits->watermark < 1 || limits->watermark > 100)
		return segpool_record_fault(-EINVAL,
			"limits.watermark is a percentage: 1 to 100");
	return 0;
}

static int check_classes(const struct segpool_options *options)
{
	uint32_t i;

	if (options->nr_classes > SEGPOOL_MAX_CLASSES)
		return segpool_record_fault(-EINVAL,
			"options.nr_classes is above 16 (SEGPOOL_MAX_CLASSES)");
	for (i = 0; i < SEGPOOL_MAX_CLASSES; i++) {
		uint32_t bytes = options->classes[i];

		if (i >= options->nr_classes) {
			if (bytes)
				return segpool_record_fault(-EINVAL,
					"options.classes has more entries than options.nr_classes says");
			continue;
		}
		if (!power_of_two(bytes) || bytes < SEGPOOL_MIN_CLASS_SIZE ||
		    bytes > options->region_size)
			return segpool_record_fault(-EINVAL,
				"options.classes must be powers of two from 4 KiB to the region size");
		if (i && bytes <= options->classes[i - 1])
			return segpool_record_fault(-EINVAL,
				"options.classes must ascend");
	}
	return 0;
}

/*
 * The length of the reservation: @wanted, or a multiple of the budget where
 * that is 0, in whole regions. No step can overflow: it counts regions.
 */
int segpool_options_length(uint64_t wanted, uint64_t region_size, uint64_t virtual_budget,
			   uint64_t *length)
{
	uint64_t regions;

	if (wanted) {
		regions = wanted / region_size + !!(wanted % region_size);
		if (regions > SEGPOOL_MAX_REGIONS)
			return segpool_record_fault(-EINVAL,
				"options.reservation is longer than 2^24 regions (SEGPOOL_MAX_REGIONS)");
	} else {
		regions = virtual_budget / region_size;
		if (regions > SEGPOOL_MAX_REGIONS / RESERVATION_PER_BUDGET)
			regions = SEGPOOL_MAX_REGIONS;
		else
			regions *= RESERVATION_PER_BUDGET;
		if (!regions)
			regions = 1;
	}
	*length = regions * region_size;
	return 0;
}

int segpool_options_check(const struct segpool_options *given, struct segpool_options *options)
{
	uint64_t length;
	int error;

	segpool_options_init(options);
	if (given) {
		error = take(given, options);
		if (error)
			return error;
	}
	if (!options->region_size)
		options->region_size = SEGPOOL_DEFAULT_REGION_SIZE;
	if (!power_of_two(options->region_size) ||
	    options->region_size < SEGPOOL_MIN_REGION_SIZE ||
	    options->region_size > SEGPOOL_MAX_REGION_SIZE)
		return segpool_record_fault(-EINVAL,
			"options.region_size must be a power of two from 64 KiB to 32 MiB");
	if (options->mode > SEGPOOL_MODE_HUGE)
		return segpool_record_fault(-EINVAL,
			"options.mode is none of enum segpool_mode");
	if (options->backend > SEGPOOL_BACKEND_USER)
		return segpool_record_fault(-EINVAL,
			"options.backend is none of enum segpool_backend_kind");
	if (options->reserved)
		return segpool_record_fault(-EINVAL, "options.reserved must be 0");
	if (options->wait_ms > SEGPOOL_MAX_WAIT_MS)
		return segpool_record_fault(-EINVAL,
			"options.wait_ms is above ten seconds (SEGPOOL_MAX_WAIT_MS)");
	if (options->words > SEGPOOL_WORDS_ALWAYS)
		return segpool_record_fault(-EINVAL,
			"options.words is none of enum segpool_words_use");
	error = check_limits(options);
	if (error)
		return error;
	error = check_classes(options);
	if (error)
		return error;
	if (options->reservation)
		error = segpool_options_length(options->reservation, options->region_size, 0,
					       &length);
	if (!options->device)
		options->device = SEGPOOL_DEVICE;
	return error;
}
