// SPDX-License-Identifier: GPL-2.0-only
/* Each function makes one call with its arguments in the right members. */
#include <pthread.h>
#include <sys/wait.h>

#include "tap.h"
#include "fake_kernel.h"

static struct segpool *pool;

static void start(void)
{
	fake_reset();
	check_equal(segpool_open(NULL, &pool), 0);
}

static void region_alloc(void)
{
	struct segpool_region regions[3];

	start();
	fake.done = 2;
	fake.reason = SEGPOOL_REASON_VIRTUAL;
	check_equal(segpool_region_alloc(pool, 5, SEGPOOL_WAIT | SEGPOOL_ZERO, 70, regions, 3), 2);
	check_equal(fake.alloc.size, sizeof(fake.alloc));
	check_equal(fake.alloc.class_index, 5);
	check_equal(fake.alloc.flags, SEGPOOL_WAIT | SEGPOOL_ZERO);
	check_equal(fake.alloc.timeout_ms, 70);
	check_equal(fake.alloc.count, 3);
	check_equal(fake.alloc.results, (uintptr_t)regions);
	check_equal(segpool_last_reason(), SEGPOOL_REASON_VIRTUAL);
	fake.error = -EINTR;
	fake.reason = SEGPOOL_REASON_NONE;
	check_equal(segpool_region_alloc(pool, 5, 0, 0, regions, 3), -EINTR);
	check_equal(segpool_last_reason(), SEGPOOL_REASON_NONE);
	segpool_close(pool);
}

static void region_free(void)
{
	struct segpool_free_entry entries[2] = { { .handle = 3ULL << 32 } };

	start();
	check_equal(segpool_region_free(pool, 9ULL << 32, SEGPOOL_NOW), 0);
	check_equal(fake.free.size, sizeof(fake.free));
	check_equal(fake.free.flags, SEGPOOL_NOW);
	check_equal(fake.free.count, 1);
	check_equal(segpool_region_free_batch(pool, entries, 2, 0), 0);
	check_equal(fake.free.flags, 0);
	check_equal(fake.free.count, 2);
	check_equal(fake.free.entries, (uintptr_t)entries);
	fake.error = -ESTALE;
	check_equal(segpool_region_free(pool, 9ULL << 32, 0), -ESTALE);
	segpool_close(pool);
}

static void region_reuse(void)
{
	struct segpool_region region = { .handle = 1 };

	start();
	check_equal(segpool_region_reuse(pool, 6ULL << 32, 4, SEGPOOL_WAIT, 20, &region), 0);
	check_equal(region.handle, 7ULL << 32);
	check_equal(fake.reuse.size, sizeof(fake.reuse));
	check_equal(fake.reuse.handle, 6ULL << 32);
	check_equal(fake.reuse.class_index, 4);
	check_equal(fake.reuse.flags, SEGPOOL_WAIT);
	check_equal(fake.reuse.timeout_ms, 20);
	region.handle = 1;
	fake.error = -ENOMEM;
	fake.reason = SEGPOOL_REASON_PHYSICAL;
	check_equal(segpool_region_reuse(pool, 6ULL << 32, 4, 0, 0, &region), -ENOMEM);
	check_equal(region.handle, 1);
	check_equal(segpool_last_reason(), SEGPOOL_REASON_PHYSICAL);
	fake.calls = 0;
	check_equal(segpool_region_reuse(pool, 6ULL << 32, 4, 0, 0, NULL), -EFAULT);
	check_equal(fake.calls, 0);
	segpool_close(pool);
}

static void ranges(void)
{
	struct segpool_range range[4] = { { .length = 4096 } };

	start();
	check_equal(segpool_discard(pool, range, 4, SEGPOOL_NOW), 0);
	check_equal(fake.ranges.size, sizeof(fake.ranges));
	check_equal(fake.ranges.flags, SEGPOOL_NOW);
	check_equal(fake.ranges.count, 4);
	check_equal(fake.ranges.ranges, (uintptr_t)range);
	check_equal(fake.ranges.timeout_ms, 0);
	fake.error = -ENOMEM;
	fake.reason = SEGPOOL_REASON_CEILING;
	check_equal(segpool_discard(pool, range, 1, 0), -ENOMEM);
	check_equal(segpool_last_reason(), SEGPOOL_REASON_CEILING);
	fake.error = -ESTALE;
	fake.reason = SEGPOOL_REASON_SYSTEM;
	check_equal(segpool_populate(pool, range, 2, SEGPOOL_WAIT, 33), -ESTALE);
	check_equal(fake.ranges.flags, SEGPOOL_WAIT);
	check_equal(fake.ranges.count, 2);
	check_equal(fake.ranges.timeout_ms, 33);
	check_equal(segpool_last_reason(), SEGPOOL_REASON_SYSTEM);
	segpool_close(pool);
}

static void budget(void)
{
	const struct segpool_limits given = { 1, 2, 3, 4, 5 };
	struct segpool_limits limits = given;

	start();
	check_equal(segpool_set_budget(pool, SEGPOOL_SET_PHYSICAL | SEGPOOL_SET_AGE, &limits), 0);
	check_equal(fake.budget.size, sizeof(fake.budget));
	check_equal(fake.budget.limits.virtual_budget, 0);
	check_equal(fake.budget.limits.physical_budget, 2);
	check_equal(fake.budget.limits.retain_limit, 0);
	check_equal(fake.budget.limits.retain_age_ms, 4);
	check_equal(fake.budget.limits.watermark, 0);
	check_equal(limits.virtual_budget, 11);
	check_equal(limits.watermark, 99);
	limits = given;
	check_equal(segpool_set_budget(pool, SEGPOOL_SET_ALL, &limits), 0);
	check(!memcmp(&fake.budget.limits, &given, sizeof(given)));
	limits = given;
	fake.error = -EINVAL;
	check_equal(segpool_set_budget(pool, SEGPOOL_SET_ALL, &limits), -EINVAL);
	check(!memcmp(&limits, &given, sizeof(given)));
	check_equal(segpool_set_budget(pool, 0, NULL), -EFAULT);
	segpool_close(pool);
}

static void trim(void)
{
	uint64_t released = 0;

	start();
	check_equal(segpool_trim_retained(pool, 4096, &released), 0);
	check_equal(fake.trim.target, 4096);
	check_equal(released, 12345);
	check_equal(segpool_trim_retained(pool, 0, NULL), 0);
	check_equal(fake.trim.target, 0);
	segpool_close(pool);
}

static void stat(void)
{
	/* Longer than one call may carry: the rest reads as 0. */
	static uint64_t values[SEGPOOL_MAX_BATCH + 8];
	uint32_t i;

	start();
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		fake.counters[i] = 1000 + i;
	memset(values, 0xff, sizeof(values));
	check_equal(segpool_stat(pool, values, SEGPOOL_MAX_BATCH + 8), SEGPOOL_NR_COUNTERS);
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		check_equal(values[i], 1000 + i);
	for (; i < SEGPOOL_MAX_BATCH + 8; i++)
		check_equal(values[i], 0);
	memset(values, 0xff, sizeof(values));
	check_equal(segpool_stat(pool, values, 2), SEGPOOL_NR_COUNTERS);
	check_equal(values[1], 1001);
	check_equal(values[2], -1);
	check_equal(segpool_stat(pool, NULL, 0), SEGPOOL_NR_COUNTERS);
	fake.stat_error = -EPERM;
	check_equal(segpool_stat(pool, values, 2), -EPERM);
	check_equal(segpool_class_stat(pool, 0, values, 2), -EPERM);
	segpool_close(pool);
}

static void counter_names(void)
{
	uint32_t i;

	check_text(segpool_counter_name(0), "virtual_bytes");
	check_text(segpool_counter_name(SEGPOOL_C_PRESSURE_EVENTS), "pressure_events");
	check_text(segpool_class_counter_name(SEGPOOL_CC_REFUSALS), "refusals");
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		check(segpool_counter_name(i));
	check(!segpool_counter_name(SEGPOOL_NR_COUNTERS));
	check(!segpool_counter_name(UINT32_MAX));
	check(!segpool_class_counter_name(SEGPOOL_NR_CLASS_COUNTERS));
}

static void without_a_pool(void)
{
	struct segpool_region region;
	struct segpool_free_entry entry;
	struct segpool_range range;
	struct segpool_limits limits;
	uint64_t value;

	fake_reset();
	check_equal(segpool_region_alloc(NULL, 0, 0, 0, &region, 1), -EINVAL);
	check_equal(segpool_region_free(NULL, 1, 0), -EINVAL);
	check_equal(segpool_region_free_batch(NULL, &entry, 1, 0), -EINVAL);
	check_equal(segpool_region_reuse(NULL, 1, 0, 0, 0, &region), -EINVAL);
	check_equal(segpool_discard(NULL, &range, 1, 0), -EINVAL);
	check_equal(segpool_populate(NULL, &range, 1, 0, 0), -EINVAL);
	check_equal(segpool_set_budget(NULL, 0, &limits), -EINVAL);
	check_equal(segpool_trim_retained(NULL, 0, &value), -EINVAL);
	check_equal(segpool_stat(NULL, &value, 1), -EINVAL);
	check_equal(segpool_class_stat(NULL, 0, &value, 1), -EINVAL);
	check_equal(segpool_class_for(NULL, 1), -EINVAL);
	check_equal(segpool_pressure_fd(NULL), -EINVAL);
	check_equal(segpool_nr_classes(NULL), 0);
	check_equal(segpool_class_size(NULL, 0), 0);
	check_equal(segpool_region_size(NULL), 0);
	check_equal(segpool_reservation(NULL), 0);
	check_equal(segpool_pool_id(NULL), 0);
	check(!segpool_base(NULL));
	check(!segpool_region_address(NULL, 1ULL << 32));
	segpool_close(NULL);
	check_equal(fake.calls, 0);
}

/* The child has something of its own where the parent has its pool. */
static void close_in_a_child(void)
{
	int status = -1;
	pid_t child;

	start();
	child = fork();
	if (child == 0) {
		char *mine = mmap(segpool_base(pool), 4096, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		strcpy(mine, "mine");
		segpool_close(pool);
		_exit(strcmp(mine, "mine") || fake.unmaps || fake.open_files);
	}
	check(child > 0);
	check(waitpid(child, &status, 0) == child && status == 0);
	segpool_close(pool);
	check_equal(fake.unmaps, 1);
	check_equal(fake.open_files, 0);
}

/* The child's number is its parent's, in a pid namespace of its own. */
static void close_in_a_child_with_the_same_pid(void)
{
	fake_reset();
	fake.pid = 1;
	check_equal(segpool_open(NULL, &pool), 0);
	munmap(segpool_base(pool), 4096);
	fake.stat_error = -EPERM;
	segpool_close(pool);
	check_equal(fake.unmaps, 0);
	check_equal(fake.open_files, 0);
}

static void *other_thread(void *unused)
{
	(void)unused;
	return (void *)(uintptr_t)(segpool_last_reason() + 1);
}

static void reason_is_the_threads_own(void)
{
	struct segpool_region region;
	pthread_t thread;
	void *seen = NULL;

	start();
	fake.error = -ENOMEM;
	fake.reason = SEGPOOL_REASON_CEILING;
	check_equal(segpool_region_alloc(pool, 0, 0, 0, &region, 1), -ENOMEM);
	check_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
	check_equal(pthread_join(thread, &seen), 0);
	check_equal((uintptr_t)seen, SEGPOOL_REASON_NONE + 1);
	check_equal(segpool_last_reason(), SEGPOOL_REASON_CEILING);
	fake.error = 0;
	check_equal(segpool_region_free(pool, 1ULL << 32, 0), 0);
	check_equal(segpool_last_reason(), SEGPOOL_REASON_NONE);
	segpool_close(pool);
}

static const struct tap_test tests[] = {
	TAP(region_alloc),
	TAP(region_free),
	TAP(region_reuse),
	TAP(ranges),
	TAP(budget),
	TAP(trim),
	TAP(stat),
	TAP(counter_names),
	TAP(without_a_pool),
	TAP(close_in_a_child),
	TAP(close_in_a_child_with_the_same_pid),
	TAP(reason_is_the_threads_own),
};

TAP_MAIN(tests)
