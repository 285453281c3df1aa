// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Sentences: what happened, the numbers behind it, what can be done. */

/* Not _GNU_SOURCE: its strerror_r() is another function. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "record.h"

#define LOAD_THE_MODULE	"load the module (modprobe segpool, or insmod segpool.ko)"

struct sentence {
	char *buffer;
	size_t length;
};

#define say(sentence, ...) \
	((void)snprintf((sentence)->buffer, (sentence)->length, __VA_ARGS__))

/* The counters of @pool; false where there are none to be had. */
static bool numbers(const struct segpool *pool, uint64_t values[SEGPOOL_NR_COUNTERS])
{
	return pool && segpool_read_counters(pool, 0, 0, values, SEGPOOL_NR_COUNTERS) >= 0;
}

static void virtual_refusal(struct sentence *out, const struct segpool *pool)
{
	char limit_text[SEGPOOL_BYTES_TEXT], carved_text[SEGPOOL_BYTES_TEXT];
	uint64_t values[SEGPOOL_NR_COUNTERS];
	uint64_t limit, carved, released;
	bool short_reservation;
	const char *limited_by, *remedy;

	if (!numbers(pool, values)) {
		say(out, "virtual budget reached, and no released region to take: free a region, or raise the budget");
		return;
	}
	short_reservation = values[SEGPOOL_C_RESERVATION_BYTES] <
			    values[SEGPOOL_C_VIRTUAL_BUDGET_BYTES];
	limit = values[short_reservation ? SEGPOOL_C_RESERVATION_BYTES :
					   SEGPOOL_C_VIRTUAL_BUDGET_BYTES];
	limited_by = short_reservation ? "reservation" : "virtual budget";
	remedy = short_reservation ? "open the pool with a longer reservation" : "raise it";
	carved = values[SEGPOOL_C_VIRTUAL_BYTES];
	released = values[SEGPOOL_C_REGIONS_FREED];
	segpool_format_bytes(limit, limit_text);
	segpool_format_bytes(carved, carved_text);
	if (!released && (carved >= limit || limit - carved < pool->region_size))
		say(out, "%s of %s reached: %s carved, no released region to take; free a region, or %s",
		    limited_by, limit_text, carved_text, remedy);
	else
		/* Somebody released meanwhile, or the request was for neighbours. */
		say(out, "%s of %s had no room for the request: now %s carved, %" PRIu64 " released regions; try again, ask for fewer neighbouring regions, or %s",
		    limited_by, limit_text, carved_text, released, remedy);
}

static void physical_refusal(struct sentence *out, const struct segpool *pool)
{
	char budget_text[SEGPOOL_BYTES_TEXT], mapped_text[SEGPOOL_BYTES_TEXT];
	char retained_text[SEGPOOL_BYTES_TEXT];
	uint64_t values[SEGPOOL_NR_COUNTERS];
	uint64_t budget, used;

	if (!numbers(pool, values)) {
		say(out, "physical budget reached: trim, free, or raise it");
		return;
	}
	budget = values[SEGPOOL_C_PHYSICAL_BUDGET_BYTES];
	used = values[SEGPOOL_C_PHYSICAL_BYTES] + values[SEGPOOL_C_RETAINED_BYTES];
	say(out, "physical budget of %s %s: %s mapped, %s retained; trim, free, or raise it",
	    segpool_format_bytes(budget, budget_text),
	    used >= budget ? "reached" : "had no room for the request",
	    segpool_format_bytes(values[SEGPOOL_C_PHYSICAL_BYTES], mapped_text),
	    segpool_format_bytes(values[SEGPOOL_C_RETAINED_BYTES], retained_text));
}

/* Refusals in which the pool's own share is all the library can see. */
static void outside_refusal(struct sentence *out, const struct segpool *pool, const char *what,
			    const char *remedy)
{
	char mapped_text[SEGPOOL_BYTES_TEXT], retained_text[SEGPOOL_BYTES_TEXT];
	uint64_t values[SEGPOOL_NR_COUNTERS];

	if (!numbers(pool, values)) {
		say(out, "%s: %s", what, remedy);
		return;
	}
	say(out, "%s: this pool has %s mapped, %s retained; %s", what,
	    segpool_format_bytes(values[SEGPOOL_C_PHYSICAL_BYTES], mapped_text),
	    segpool_format_bytes(values[SEGPOOL_C_RETAINED_BYTES], retained_text), remedy);
}

static void no_memory(struct sentence *out, const struct segpool *pool)
{
	switch (segpool_record()->reason) {
	case SEGPOOL_REASON_VIRTUAL:
		virtual_refusal(out, pool);
		break;
	case SEGPOOL_REASON_PHYSICAL:
		physical_refusal(out, pool);
		break;
	case SEGPOOL_REASON_CEILING:
		outside_refusal(out, pool, "ceiling of all pools together reached",
				"free or trim in any pool (/sys/kernel/debug/segpool/counters shows the use), or raise the module's parameter ceiling_mib");
		break;
	case SEGPOOL_REASON_SYSTEM:
		outside_refusal(out, pool, "the system, or this process's memory cgroup, has no page to give",
				"free memory, or raise the cgroup's memory.max");
		break;
	default:
		say(out, "no kernel memory for the call: try again, or with fewer entries");
	}
}

static const char *const argument_rules[] = {
	[SEGPOOL_CALL_NONE] = "an argument is out of its range: segpool.h gives the ranges",
	[SEGPOOL_CALL_OPEN] = "the module refused an option: see struct segpool_options",
	[SEGPOOL_CALL_ALLOC] = "segpool_region_alloc: count must be 1 to 1024, class_index below segpool_nr_classes(), timeout_ms at most 10000 and 0 without SEGPOOL_WAIT, flags SEGPOOL_ZERO, SEGPOOL_POPULATE, SEGPOOL_WAIT, SEGPOOL_CONTIGUOUS",
	[SEGPOOL_CALL_FREE] = "segpool_region_free: count must be 1 to 1024, flags 0, SEGPOOL_NOW or SEGPOOL_LAZY, reserved members of the entries 0",
	[SEGPOOL_CALL_REUSE] = "segpool_region_reuse: class_index must be below segpool_nr_classes(), timeout_ms at most 10000 and 0 without SEGPOOL_WAIT, flags SEGPOOL_ZERO, SEGPOOL_POPULATE, SEGPOOL_WAIT",
	[SEGPOOL_CALL_DISCARD] = "segpool_discard: count must be 1 to 1024, flags 0 or SEGPOOL_NOW, each range whole pages inside its region, reserved members 0",
	[SEGPOOL_CALL_POPULATE] = "segpool_populate: count must be 1 to 1024, timeout_ms at most 10000 and 0 without SEGPOOL_WAIT, flags SEGPOOL_ZERO, SEGPOOL_WAIT, each range whole pages inside its region, reserved members 0",
	[SEGPOOL_CALL_SET_BUDGET] = "segpool_set_budget: flags must be SEGPOOL_SET_*, virtual_budget at most 2^24 regions, physical_budget at most 8 TiB, retain_age_ms at most one day, watermark 1 to 100",
	[SEGPOOL_CALL_TRIM] = "segpool_trim_retained: the module refused the arguments; it may be older than this library",
	[SEGPOOL_CALL_STAT] = "segpool_stat: class_index must be below segpool_nr_classes()",
	[SEGPOOL_CALL_CALLBACK] = "segpool_on_pressure, segpool_on_log: the pool must be one that segpool_open made",
	[SEGPOOL_CALL_SEGMENT] = "this is no segment of the pool: pass addresses as segpool_alloc gave them, to the pool that they came from",
};

static void not_opened(struct sentence *out, int error)
{
	const char *device = segpool_record()->device;

	if (!device[0])
		device = SEGPOOL_DEVICE;
	switch (error) {
	case -ENOENT:
		say(out, "no %s: " LOAD_THE_MODULE, device);
		break;
	case -ENXIO:
	case -ENODEV:
		say(out, "no driver behind %s: " LOAD_THE_MODULE, device);
		break;
	case -ENOTTY:
		say(out, "%s is not segpool's device, or the module is older than this library: load the module that belongs to it",
		    device);
		break;
	default:
		say(out, "no permission to open %s: the device is root's by default; a udev rule gives it to a group (KERNEL==\"segpool\", GROUP=\"segpool\", MODE=\"0660\"): join that group, or run as root",
		    device);
	}
}

static void no_class(struct sentence *out, const struct segpool *pool)
{
	char text[SEGPOOL_BYTES_TEXT];

	if (!pool || !pool->nr_classes)
		say(out, "no class has segments that large: open the pool with a larger class, or take whole regions");
	else
		say(out, "no class has segments that large, the largest has %s: open the pool with a larger class, or take whole regions",
		    segpool_format_bytes(pool->classes[pool->nr_classes - 1], text));
}

static void unknown(struct sentence *out, int error)
{
	char text[96];

	/* INT_MIN has no negative. */
	if (error < -4095 || strerror_r(-error, text, sizeof(text)))
		say(out, "unknown error %d: the library returns negative errno values", error);
	else
		say(out, "unexpected error %d (%s): the kernel log may say more", -error, text);
}

/* What an errno means in a call on a pool, where there are no numbers to add. */
static const struct {
	int error;
	const char *text;
} meanings[] = {
	{ -EPERM, "the pool belongs to another process (fork and exec do not pass it on): open a pool here" },
	{ -ENOENT, "the handle names a region that was never handed out: pass handles as segpool_region_alloc gave them" },
	{ -ENXIO, "the pool has no mapping any more, somebody unmapped it: close the pool and open a new one" },
	{ -EALREADY, "the region is released already: this is a second release, drop the handle" },
	{ -ESTALE, "the region was released and handed out again since: its new owner keeps it, drop the handle" },
	{ -EBUSY, "somebody else has the region: take another with segpool_region_alloc" },
	{ -ECANCELED, "this entry was not tried, because the call ended early: pass it again" },
	{ -EINTR, "a signal arrived before anything was done: call again, or give up as the signal asks" },
	{ -EFAULT, "a pointer is NULL or not accessible: arrays need room for all entries, and results must be writable" },
	{ -E2BIG, "the module is older than this library and does not know what was asked for: update the module" },
	{ -EMFILE, "too many open files: close some, or raise the limit (ulimit -n)" },
	{ -ENFILE, "too many open files in the system: close some, or raise fs.file-max (sysctl)" },
};

static void constant(struct sentence *out, int error)
{
	size_t i;

	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].error == error) {
			say(out, "%s", meanings[i].text);
			return;
		}
	}
	unknown(out, error);
}

static bool is_opening(const struct segpool *pool)
{
	return !pool && segpool_record()->call <= SEGPOOL_CALL_OPEN;
}

static void explain(struct sentence *out, const struct segpool *pool, int error)
{
	switch (error) {
	case -ENOMEM:
		no_memory(out, pool);
		return;
	case -EINVAL:
		say(out, "%s", argument_rules[segpool_record()->call]);
		return;
	case -ERANGE:
		no_class(out, pool);
		return;
	case -EACCES:
	case -ENODEV:
	case -ENOTTY:
		not_opened(out, error);
		return;
	case -EPERM:
	case -ENOENT:
	case -ENXIO:
		if (is_opening(pool)) {
			not_opened(out, error);
			return;
		}
		break;
	}
	constant(out, error);
}

const char *segpool_strerror(struct segpool *pool, int error, char *buffer, size_t length)
{
	const struct segpool_record *record = segpool_record();
	struct sentence out = { buffer, length };

	if (!buffer || !length)
		return buffer;
	if (error >= 0)
		say(&out, "no error");
	else if (record->detail && record->detail_error == error)
		say(&out, "%s", record->detail);
	else
		explain(&out, pool, error);
	return buffer;
}
