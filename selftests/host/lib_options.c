// SPDX-License-Identifier: GPL-2.0-only
/* What the library itself decides about options, before and after SETUP. */
#include "tap.h"
#include "fake_kernel.h"

#define MIB(n)	((uint64_t)(n) << 20)

static struct segpool_options options;
static struct segpool *pool;

static void start(void)
{
	fake_reset();
	segpool_options_init(&options);
}

/* The error of opening with the present options; what was made is closed again. */
static int outcome(void)
{
	int error;

	pool = (struct segpool *)&options;
	error = segpool_open(&options, &pool);
	if (error)
		check(!pool);
	else
		segpool_close(pool);
	check_equal(fake.open_files, 0);
	return error;
}

/* Refused with @error by the library alone, with a sentence that has @word. */
static void refused(int error, const char *word)
{
	char text[256];

	check_equal(outcome(), error);
	check_equal(fake.calls, 0);
	segpool_strerror(NULL, error, text, sizeof(text));
	check(strlen(text) < sizeof(text) - 1);
	if (!strstr(text, word)) {
		tap_failed = true;
		printf("# \"%s\" does not name %s\n", text, word);
	}
	start();
}

static void defaults_reach_the_kernel(void)
{
	start();
	check_equal(segpool_open(NULL, &pool), 0);
	check_equal(fake.setup.size, sizeof(struct segpool_setup));
	check_equal(fake.setup.flags, 0);
	check_equal(fake.setup.region_size, SEGPOOL_DEFAULT_REGION_SIZE);
	check_equal(fake.setup.mode, SEGPOOL_MODE_STRICT);
	check_equal(fake.setup.nr_classes, 0);
	check_equal(fake.setup.limits.virtual_budget, 0);
	check_equal(segpool_nr_classes(pool), 7);
	check_equal(segpool_class_size(pool, 0), 4096);
	check_equal(segpool_class_size(pool, 6), 262144);
	check_equal(segpool_class_size(pool, 7), 0);
	check_equal(segpool_class_size(pool, UINT32_MAX), 0);
	check_equal(segpool_pool_id(pool), 42);
	check_equal(segpool_pressure_fd(pool), FAKE_FD);
	segpool_close(pool);
}

static void every_option_reaches_the_kernel(void)
{
	start();
	options.flags = SEGPOOL_SET_ALL;
	options.limits = (struct segpool_limits){
		.virtual_budget = MIB(100), .physical_budget = MIB(50),
		.retain_limit = MIB(10), .retain_age_ms = 500, .watermark = 80,
	};
	options.region_size = 64 << 10;
	options.mode = SEGPOOL_MODE_PINNABLE;
	options.nr_classes = 2;
	options.classes[0] = 4096;
	options.classes[1] = 65536;
	check_equal(outcome(), 0);
	check_equal(fake.setup.flags, SEGPOOL_SET_ALL);
	check(!memcmp(&fake.setup.limits, &options.limits, sizeof(options.limits)));
	check_equal(fake.setup.region_size, 64 << 10);
	check_equal(fake.setup.mode, SEGPOOL_MODE_PINNABLE);
	check_equal(fake.setup.nr_classes, 2);
	check_equal(fake.setup.classes[1], 65536);
	check_equal(fake.setup.classes[2], 0);
	check_equal(fake.setup.reserved, 0);
}

static void limits_without_a_flag_are_ignored(void)
{
	start();
	options.flags = SEGPOOL_SET_RETAIN;
	options.limits = (struct segpool_limits){ 1, UINT64_MAX, 3, UINT32_MAX, 1000 };
	check_equal(outcome(), 0);
	check_equal(fake.setup.limits.virtual_budget, 0);
	check_equal(fake.setup.limits.physical_budget, 0);
	check_equal(fake.setup.limits.retain_limit, 3);
	check_equal(fake.setup.limits.retain_age_ms, 0);
	check_equal(fake.setup.limits.watermark, 0);
}

static void bad_options_are_refused_by_name(void)
{
	start();
	options.flags = SEGPOOL_SET_ALL + 1;
	refused(-EINVAL, "options.flags");
	options.region_size = SEGPOOL_MIN_REGION_SIZE / 2;
	refused(-EINVAL, "region_size");
	options.region_size = SEGPOOL_MAX_REGION_SIZE * 2;
	refused(-EINVAL, "region_size");
	options.region_size = SEGPOOL_DEFAULT_REGION_SIZE + 4096;
	refused(-EINVAL, "region_size");
	options.mode = SEGPOOL_MODE_HUGE + 1;
	refused(-EINVAL, "options.mode");
	options.backend = SEGPOOL_BACKEND_USER + 1;
	refused(-EINVAL, "options.backend");
	options.reserved = 1;
	refused(-EINVAL, "options.reserved");
	options.wait_ms = SEGPOOL_MAX_WAIT_MS + 1;
	refused(-EINVAL, "options.wait_ms");
	options.words = SEGPOOL_WORDS_ALWAYS + 1;
	refused(-EINVAL, "options.words");
	options.flags = SEGPOOL_SET_VIRTUAL;
	options.limits.virtual_budget = UINT64_MAX;
	refused(-EINVAL, "virtual_budget");
	options.flags = SEGPOOL_SET_VIRTUAL;
	options.region_size = SEGPOOL_MIN_REGION_SIZE;
	options.limits.virtual_budget = SEGPOOL_MAX_REGIONS * SEGPOOL_MIN_REGION_SIZE + 1;
	refused(-EINVAL, "virtual_budget");
	options.flags = SEGPOOL_SET_PHYSICAL;
	options.limits.physical_budget = SEGPOOL_MAX_PHYSICAL + 1;
	refused(-EINVAL, "physical_budget");
	options.flags = SEGPOOL_SET_AGE;
	options.limits.retain_age_ms = SEGPOOL_MAX_AGE_MS + 1;
	refused(-EINVAL, "retain_age_ms");
	options.flags = SEGPOOL_SET_WATERMARK;
	options.limits.watermark = 0;
	refused(-EINVAL, "watermark");
	options.flags = SEGPOOL_SET_WATERMARK;
	options.limits.watermark = 101;
	refused(-EINVAL, "watermark");
}

static void bad_classes_are_refused_by_name(void)
{
	start();
	options.nr_classes = SEGPOOL_MAX_CLASSES + 1;
	refused(-EINVAL, "nr_classes");
	options.classes[0] = 4096;
	refused(-EINVAL, "nr_classes");
	options.nr_classes = 1;
	options.classes[0] = 2048;
	refused(-EINVAL, "powers of two");
	options.nr_classes = 1;
	options.classes[0] = 12288;
	refused(-EINVAL, "powers of two");
	options.nr_classes = 1;
	options.classes[0] = 4 << 20;
	refused(-EINVAL, "powers of two");
	options.nr_classes = 2;
	options.classes[0] = 8192;
	options.classes[1] = 8192;
	refused(-EINVAL, "ascend");
	options.nr_classes = 2;
	options.classes[0] = 8192;
	options.classes[1] = 4096;
	refused(-EINVAL, "ascend");
}

static void size_of_the_options(void)
{
	struct {
		struct segpool_options options;
		uint64_t newer;
	} longer = { .newer = 0 };

	start();
	options.size = 0;
	refused(-EINVAL, "options.size");
	options.size = sizeof(options) - 1;
	refused(-EINVAL, "options.size");
	options.size = UINT32_MAX;
	refused(-E2BIG, "options.size");

	segpool_options_init(&longer.options);
	longer.options.size = sizeof(longer);
	check_equal(segpool_open(&longer.options, &pool), 0);
	segpool_close(pool);
	longer.newer = 1ULL << 63;
	check_equal(segpool_open(&longer.options, &pool), -E2BIG);
	check(!pool);
}

/* The length asked of mmap for @wanted with regions of 2 MiB. */
static uint64_t reserved(uint64_t wanted, uint64_t virtual_budget)
{
	start();
	options.reservation = wanted;
	options.flags = SEGPOOL_SET_VIRTUAL;
	options.limits.virtual_budget = virtual_budget;
	check_equal(segpool_open(&options, &pool), 0);
	check_equal(segpool_reservation(pool), fake.mapped_length);
	segpool_close(pool);
	check_equal(fake.unmaps, 1);
	return fake.mapped_length;
}

static void length_of_the_reservation(void)
{
	const uint64_t all = SEGPOOL_MAX_REGIONS * SEGPOOL_DEFAULT_REGION_SIZE;

	check_equal(reserved(0, MIB(64)), MIB(1024));
	check_equal(reserved(0, MIB(64) + 4096), MIB(1024));
	check_equal(reserved(0, 0), MIB(2));
	check_equal(reserved(0, all / 16), all);
	check_equal(reserved(0, all / 16 + MIB(2)), all);
	check_equal(reserved(0, all), all);
	check_equal(reserved(1, MIB(64)), MIB(2));
	check_equal(reserved(MIB(2), MIB(64)), MIB(2));
	check_equal(reserved(MIB(2) + 1, MIB(64)), MIB(4));
	check_equal(reserved(all, 0), all);

	start();
	options.reservation = all + 1;
	refused(-EINVAL, "options.reservation");
	options.reservation = UINT64_MAX;
	refused(-EINVAL, "options.reservation");
	/* The module's default, where the caller gave no budget. */
	check_equal(segpool_open(NULL, &pool), 0);
	check_equal(fake.mapped_length, MIB(1024));
	segpool_close(pool);
}

static void failures_of_the_kernel(void)
{
	char text[256];

	start();
	options.backend = SEGPOOL_BACKEND_KERNEL;
	fake.open_error = -EACCES;
	check_equal(outcome(), -EACCES);
	start();
	fake.setup_error = -EINVAL;
	check_equal(outcome(), -EINVAL);
	start();
	fake.map_error = -ENOMEM;
	check_equal(outcome(), -ENOMEM);
	check_equal(fake.unmaps, 0);
	segpool_strerror(NULL, -ENOMEM, text, sizeof(text));
	check(strstr(text, "RLIMIT_AS"));
	start();
	fake.map_error = -EINTR;
	check_equal(outcome(), -EINTR);
	check_equal(segpool_open(&options, NULL), -EINVAL);
}

static void classes_for_sizes(void)
{
	start();
	check_equal(segpool_open(NULL, &pool), 0);
	check_equal(segpool_class_for(pool, 0), 0);
	check_equal(segpool_class_for(pool, 4096), 0);
	check_equal(segpool_class_for(pool, 4097), 1);
	check_equal(segpool_class_for(pool, 262144), 6);
	check_equal(segpool_class_for(pool, 262145), -ERANGE);
	check_equal(segpool_class_for(pool, UINT64_MAX), -ERANGE);
	segpool_close(pool);
}

static void addresses_of_handles(void)
{
	char *base;

	start();
	check_equal(segpool_open(NULL, &pool), 0);
	base = segpool_base(pool);
	check(segpool_region_address(pool, 1ULL << 32) == base);
	check(segpool_region_address(pool, 9ULL << 32 | 511) == base + 511 * MIB(2));
	check(!segpool_region_address(pool, 9ULL << 32 | 512));
	check(!segpool_region_address(pool, UINT64_MAX));
	check(!segpool_region_address(pool, 0));
	check(!segpool_region_address(pool, 5));
	segpool_close(pool);
}

static const struct tap_test tests[] = {
	TAP(defaults_reach_the_kernel),
	TAP(every_option_reaches_the_kernel),
	TAP(limits_without_a_flag_are_ignored),
	TAP(bad_options_are_refused_by_name),
	TAP(bad_classes_are_refused_by_name),
	TAP(size_of_the_options),
	TAP(length_of_the_reservation),
	TAP(failures_of_the_kernel),
	TAP(classes_for_sizes),
	TAP(addresses_of_handles),
};

TAP_MAIN(tests)
