// SPDX-License-Identifier: GPL-2.0-only
/* The sentences, with the numbers that a fake kernel gives. */
#include "tap.h"
#include "fake_kernel.h"
#include "internal.h"

#define MIB(n)	((uint64_t)(n) << 20)

static struct segpool *pool;
static char buffer[256];

static void start(void)
{
	fake_reset();
	check_equal(segpool_open(NULL, &pool), 0);
	fake.counters[SEGPOOL_C_VIRTUAL_BUDGET_BYTES] = MIB(1024);
	fake.counters[SEGPOOL_C_RESERVATION_BYTES] = MIB(16384);
	fake.counters[SEGPOOL_C_VIRTUAL_BYTES] = MIB(1024);
	fake.counters[SEGPOOL_C_PHYSICAL_BUDGET_BYTES] = MIB(512);
	fake.counters[SEGPOOL_C_PHYSICAL_BYTES] = MIB(510);
	fake.counters[SEGPOOL_C_RETAINED_BYTES] = MIB(2);
}

static const char *sentence(struct segpool *of, int error)
{
	memset(buffer, 'x', sizeof(buffer));
	check(segpool_strerror(of, error, buffer, sizeof(buffer)) == buffer);
	check(memchr(buffer, 0, sizeof(buffer) - 1));
	return buffer;
}

/* The sentence after a request that was refused for @reason. */
static const char *refusal(uint32_t reason)
{
	struct segpool_region region;

	fake.error = -ENOMEM;
	fake.reason = reason;
	check_equal(segpool_region_alloc(pool, 0, 0, 0, &region, 1), -ENOMEM);
	return sentence(pool, -ENOMEM);
}

static void physical_budget(void)
{
	start();
	check_text(refusal(SEGPOOL_REASON_PHYSICAL),
		   "physical budget of 512 MiB reached: 510 MiB mapped, 2 MiB retained; trim, free, or raise it");
	fake.counters[SEGPOOL_C_PHYSICAL_BYTES] = MIB(511) + MIB(1) / 2;
	fake.counters[SEGPOOL_C_RETAINED_BYTES] = 0;
	check_text(sentence(pool, -ENOMEM),
		   "physical budget of 512 MiB had no room for the request: 511.5 MiB mapped, 0 bytes retained; trim, free, or raise it");
	check_equal(segpool_last_reason(), SEGPOOL_REASON_PHYSICAL);
	fake.stat_error = -EPERM;
	check_text(sentence(pool, -ENOMEM), "physical budget reached: trim, free, or raise it");
	fake.stat_error = 0;
	check_text(sentence(NULL, -ENOMEM), "physical budget reached: trim, free, or raise it");
	segpool_close(pool);
}

static void virtual_budget(void)
{
	start();
	check_text(refusal(SEGPOOL_REASON_VIRTUAL),
		   "virtual budget of 1 GiB reached: 1 GiB carved, no released region to take; free a region, or raise it");
	fake.counters[SEGPOOL_C_REGIONS_FREED] = 3;
	check_text(sentence(pool, -ENOMEM),
		   "virtual budget of 1 GiB had no room for the request: now 1 GiB carved, 3 released regions; try again, ask for fewer neighbouring regions, or raise it");
	fake.counters[SEGPOOL_C_REGIONS_FREED] = 0;
	fake.counters[SEGPOOL_C_RESERVATION_BYTES] = MIB(64);
	fake.counters[SEGPOOL_C_VIRTUAL_BYTES] = MIB(64);
	check_text(sentence(pool, -ENOMEM),
		   "reservation of 64 MiB reached: 64 MiB carved, no released region to take; free a region, or open the pool with a longer reservation");
	check_text(sentence(NULL, -ENOMEM),
		   "virtual budget reached, and no released region to take: free a region, or raise the budget");
	segpool_close(pool);
}

static void ceiling(void)
{
	start();
	check_text(refusal(SEGPOOL_REASON_CEILING),
		   "ceiling of all pools together reached: this pool has 510 MiB mapped, 2 MiB retained; free or trim in any pool (/sys/kernel/debug/segpool/counters shows the use), or raise the module's parameter ceiling_mib");
	segpool_close(pool);
}

static void system_memory(void)
{
	start();
	check_text(refusal(SEGPOOL_REASON_SYSTEM),
		   "the system, or this process's memory cgroup, has no page to give: this pool has 510 MiB mapped, 2 MiB retained; free memory, or raise the cgroup's memory.max");
	check_text(refusal(SEGPOOL_REASON_NONE),
		   "no kernel memory for the call: try again, or with fewer entries");
	segpool_close(pool);
}

/* After each function EINVAL names that function, and what it takes. */
static void bad_arguments(void)
{
	struct segpool_limits limits = { 0 };
	struct segpool_region region;
	struct segpool_range range = { 0 };

	start();
	fake.error = -EINVAL;
	segpool_region_alloc(pool, 0, 0, 0, &region, 0);
	check(strstr(sentence(pool, -EINVAL), "segpool_region_alloc: count must be 1 to 1024"));
	segpool_region_free(pool, 1, ~0U);
	check(strstr(sentence(pool, -EINVAL), "segpool_region_free: "));
	segpool_region_reuse(pool, 1, 0, ~0U, 0, &region);
	check(strstr(sentence(pool, -EINVAL), "segpool_region_reuse: "));
	segpool_discard(pool, &range, 1, 0);
	check(strstr(sentence(pool, -EINVAL), "segpool_discard: "));
	segpool_populate(pool, &range, 1, 0, 0);
	check(strstr(sentence(pool, -EINVAL), "segpool_populate: "));
	segpool_set_budget(pool, ~0U, &limits);
	check(strstr(sentence(pool, -EINVAL), "segpool_set_budget: "));
	segpool_trim_retained(pool, 0, NULL);
	check(strstr(sentence(pool, -EINVAL), "segpool_trim_retained: "));
	fake.stat_error = -EINVAL;
	segpool_class_stat(pool, 99, NULL, 0);
	check(strstr(sentence(pool, -EINVAL), "class_index must be below"));
	fake.stat_error = 0;
	segpool_region_free(NULL, 1, 0);
	check_text(sentence(NULL, -EINVAL), "the pool is NULL: segpool_open() makes one");
	segpool_close(pool);
}

/* Without a pool, and after a failed segpool_open(), errors are the device's. */
static void device(void)
{
	struct segpool_options options;

	fake_reset();
	segpool_options_init(&options);
	options.backend = SEGPOOL_BACKEND_KERNEL;
	fake.open_error = -ENOENT;
	check_equal(segpool_open(&options, &pool), -ENOENT);
	check_text(sentence(NULL, -ENOENT),
		   "no /dev/segpool: load the module (modprobe segpool, or insmod segpool.ko)");
	check_text(sentence(NULL, -ENXIO),
		   "no driver behind /dev/segpool: load the module (modprobe segpool, or insmod segpool.ko)");
	check_text(sentence(NULL, -EACCES),
		   "no permission to open /dev/segpool: the device is root's by default; a udev rule gives it to a group (KERNEL==\"segpool\", GROUP=\"segpool\", MODE=\"0660\"): join that group, or run as root");
	check(strstr(sentence(NULL, -EPERM), "no permission to open"));
	check(strstr(sentence(NULL, -ENOTTY), "/dev/segpool is not segpool's device"));
	options.device = "/tmp/other";
	check_equal(segpool_open(&options, &pool), -ENOENT);
	check(strstr(sentence(NULL, -ENOENT), "no /tmp/other: load"));
}

static void handles(void)
{
	start();
	check_text(sentence(pool, -ENOENT),
		   "the handle names a region that was never handed out: pass handles as segpool_region_alloc gave them");
	check_text(sentence(pool, -EALREADY),
		   "the region is released already: this is a second release, drop the handle");
	check_text(sentence(pool, -ESTALE),
		   "the region was released and handed out again since: its new owner keeps it, drop the handle");
	check_text(sentence(pool, -EBUSY),
		   "somebody else has the region: take another with segpool_region_alloc");
	check_text(sentence(pool, -EPERM),
		   "the pool belongs to another process (fork and exec do not pass it on): open a pool here");
	check_text(sentence(pool, -ENXIO),
		   "the pool has no mapping any more, somebody unmapped it: close the pool and open a new one");
	check_text(sentence(pool, -ERANGE),
		   "no class has segments that large, the largest has 256 KiB: open the pool with a larger class, or take whole regions");
	segpool_close(pool);
}

/* Every errno of the contract has a sentence of its own, with and without a pool. */
static void whole_contract(void)
{
	static const int contract[] = {
		-ENOTTY, -EFAULT, -E2BIG, -EINVAL, -EPERM, -ENXIO, -EBUSY, -ENOMEM, -ENOENT,
		-EALREADY, -ESTALE, -ECANCELED, -EINTR, -EACCES, -ENODEV, -EMFILE, -ERANGE,
	};
	char seen[2][sizeof(contract) / sizeof(contract[0])][sizeof(buffer)];
	size_t i, j;

	start();
	for (i = 0; i < sizeof(contract) / sizeof(contract[0]); i++) {
		strcpy(seen[0][i], sentence(pool, contract[i]));
		strcpy(seen[1][i], sentence(NULL, contract[i]));
		check(!strstr(seen[0][i], "unexpected") && !strstr(seen[1][i], "unexpected"));
		for (j = 0; j < i; j++) {
			/* Without a pool ENODEV is ENXIO, and EPERM is EACCES: of the device. */
			check(strcmp(seen[0][i], seen[0][j]));
			check(contract[i] == -ENODEV || contract[i] == -EACCES ||
			      strcmp(seen[1][i], seen[1][j]));
		}
	}
	segpool_close(pool);
}

/* segpool.h promises that 256 bytes hold every sentence. */
static void longest_sentences(void)
{
	char text[1024];
	size_t i;
	int error;

	start();
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		fake.counters[i] = UINT64_MAX;
	for (uint32_t reason = SEGPOOL_REASON_NONE; reason <= SEGPOOL_REASON_SYSTEM; reason++) {
		refusal(reason);
		check(strlen(segpool_strerror(pool, -ENOMEM, text, sizeof(text))) < 256);
	}
	fake.counters[SEGPOOL_C_REGIONS_FREED] = 0;
	refusal(SEGPOOL_REASON_VIRTUAL);
	fake.counters[SEGPOOL_C_RESERVATION_BYTES]--;
	check(strlen(segpool_strerror(pool, -ENOMEM, text, sizeof(text))) < 256);
	for (error = -4096; error < 0; error++) {
		check(strlen(segpool_strerror(pool, error, text, sizeof(text))) < 256);
		check(strlen(segpool_strerror(NULL, error, text, sizeof(text))) < 256);
	}
	segpool_close(pool);
}

/* The device's name is cut off where it is too long, and so the sentence stays short. */
static void long_device_name(void)
{
	struct segpool_options options;
	char name[1000], text[1024];
	static const int errors[] = { -ENOENT, -ENXIO, -EACCES, -EPERM, -ENOTTY };
	size_t i;

	fake_reset();
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	segpool_options_init(&options);
	options.device = name;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fake.open_error = errors[i];
		check_equal(segpool_open(&options, &pool), errors[i]);
		check(strlen(segpool_strerror(NULL, errors[i], text, sizeof(text))) < 256);
		check(strstr(text, "nnn"));
	}
}

static void odd_arguments(void)
{
	char small[8] = "xxxxxxx";

	fake_reset();
	check_text(sentence(NULL, 0), "no error");
	check_text(sentence(NULL, 3), "no error");
	check(strstr(sentence(NULL, -EXDEV), "unexpected error 18 ("));
	check_text(sentence(NULL, INT32_MIN),
		   "unknown error -2147483648: the library returns negative errno values");
	check(segpool_strerror(NULL, -EBUSY, small, sizeof(small)) == small);
	check_text(small, "somebod");
	check(segpool_strerror(NULL, -EBUSY, small, 0) == small);
	check_text(small, "somebod");
	check_text(segpool_strerror(NULL, -EBUSY, small, 1), "");
	check(!segpool_strerror(NULL, -EBUSY, NULL, 10));
}

static const char *bytes(uint64_t value)
{
	static char text[SEGPOOL_BYTES_TEXT];

	return segpool_format_bytes(value, text);
}

static void sizes_are_exact(void)
{
	check_text(bytes(0), "0 bytes");
	check_text(bytes(1), "1 byte");
	check_text(bytes(1023), "1023 bytes");
	check_text(bytes(1024), "1 KiB");
	check_text(bytes(1025), "1025 bytes");
	check_text(bytes(1024 + 128), "1.125 KiB");
	check_text(bytes(1024 + 64), "1088 bytes");
	check_text(bytes(4096), "4 KiB");
	check_text(bytes(MIB(2)), "2 MiB");
	check_text(bytes(MIB(510) + MIB(1) / 2), "510.5 MiB");
	check_text(bytes(MIB(510) + MIB(1) / 4), "510.25 MiB");
	check_text(bytes(MIB(510) + 4096), "522244 KiB");
	check_text(bytes(MIB(1536)), "1.5 GiB");
	check_text(bytes(MIB(1024) * 1000), "1000 GiB");
	check_text(bytes(MIB(1024) * 1024 * 8), "8 TiB");
	check_text(bytes(1ULL << 60), "1 EiB");
	check_text(bytes(1ULL << 63), "8 EiB");
	check_text(bytes(UINT64_MAX), "18446744073709551615 bytes");
}

static const struct tap_test tests[] = {
	TAP(physical_budget),
	TAP(virtual_budget),
	TAP(ceiling),
	TAP(system_memory),
	TAP(bad_arguments),
	TAP(device),
	TAP(handles),
	TAP(whole_contract),
	TAP(longest_sentences),
	TAP(long_device_name),
	TAP(odd_arguments),
	TAP(sizes_are_exact),
};

TAP_MAIN(tests)
