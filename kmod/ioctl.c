// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls: copy in, check, do, copy out. No lock is held across a copy, and
 * everything that will be written to is written once before anything is done,
 * so that a caller's read-only or missing memory is refused with nothing
 * changed.
 */

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "segpool.h"
#include "valid.h"

#define ALLOC_FLAGS (SEGPOOL_ZERO | SEGPOOL_POPULATE | SEGPOOL_WAIT | SEGPOOL_CONTIGUOUS)
#define REUSE_FLAGS (SEGPOOL_ZERO | SEGPOOL_POPULATE | SEGPOOL_WAIT)
#define POPULATE_FLAGS (SEGPOOL_ZERO | SEGPOOL_WAIT)

/* The index is a user's, and must not be used beyond its limit by a processor that runs ahead. */
static bool class_valid(const struct segpool_pool *pool, u32 *class)
{
	if (*class >= pool->nr_classes)
		return false;
	*class = array_index_nospec(*class, pool->nr_classes);
	return true;
}

static int ioctl_setup(struct segpool_pool *pool, void *data)
{
	return pool_setup(pool, data);
}

/*
 * The results cannot be delivered although they could be a moment ago (another
 * thread unmapped the memory): nobody knows the handles, so release the regions.
 */
static void alloc_undo(struct segpool_pool *pool, const struct segpool_region *results, u32 done)
{
	while (done--)
		region_release(pool, results[done].handle, RELEASE_RETAIN);
}

/* Results of small requests are kept on the stack: that is a tenth of what such a one costs. */
#define FEW_RESULTS 4

/* They go word by word: the call for a size that the compiler does not know costs much more. */
static int put_few(struct segpool_region __user *user, const struct segpool_region *results,
		   u32 nr)
{
	const u64 *from = (const u64 *)results;
	u64 __user *to = (u64 __user *)user;
	size_t words = nr * sizeof(*user) / sizeof(*to);
	size_t i;

	BUILD_BUG_ON(sizeof(*user) % sizeof(*to));
	if (!user_write_access_begin(user, nr * sizeof(*user)))
		return -EFAULT;
	for (i = 0; i < words; i++)
		unsafe_put_user(from[i], &to[i], efault);
	user_write_access_end();
	return 0;

efault:
	user_write_access_end();
	return -EFAULT;
}

static int clear_results(struct segpool_region __user *user, u32 nr)
{
	static const struct segpool_region none[FEW_RESULTS];

	if (nr <= FEW_RESULTS)
		return put_few(user, none, nr);
	return clear_user(user, nr * sizeof(*user)) ? -EFAULT : 0;
}

static int put_results(struct segpool_region __user *user, const struct segpool_region *results,
		       u32 nr)
{
	if (nr <= FEW_RESULTS)
		return put_few(user, results, nr);
	return copy_to_user(user, results, nr * sizeof(*user)) ? -EFAULT : 0;
}

static int ioctl_alloc(struct segpool_pool *pool, void *data)
{
	struct segpool_alloc *args = data;
	struct segpool_region __user *user = u64_to_user_ptr(args->results);
	struct segpool_region few[FEW_RESULTS];
	struct segpool_region *results = few;
	int err;

	if (args->flags & ~ALLOC_FLAGS || args->reserved || !count_valid(args->count) ||
	    !class_valid(pool, &args->class_index) || !timeout_valid(args->flags, args->timeout_ms))
		return -EINVAL;
	if (!pool_nr_regions(pool))
		return -ENXIO;

	args->done = 0;
	args->reason = SEGPOOL_REASON_NONE;
	if (clear_results(user, args->count))
		return -EFAULT;
	if (args->count > FEW_RESULTS)
		results = kvmalloc_array(args->count, sizeof(*results), SEGPOOL_GFP);
	if (!results) {
		args->reason = SEGPOOL_REASON_SYSTEM;
		return -ENOMEM;
	}

	err = request_alloc(pool, args->class_index, args->flags, args->timeout_ms, results,
			    args->count, &args->done, &args->reason);
	if (put_results(user, results, args->done)) {
		alloc_undo(pool, results, args->done);
		args->done = 0;
		err = -EFAULT;
	}
	if (results != few)
		kvfree(results);
	return err;
}

static int ioctl_reuse(struct segpool_pool *pool, void *data)
{
	struct segpool_reuse *args = data;

	if (args->flags & ~REUSE_FLAGS || args->reserved ||
	    !class_valid(pool, &args->class_index) || !timeout_valid(args->flags, args->timeout_ms))
		return -EINVAL;
	if (!pool_nr_regions(pool))
		return -ENXIO;
	args->reason = SEGPOOL_REASON_NONE;
	return request_reuse(pool, args->handle, args->class_index, args->flags, args->timeout_ms,
			     &args->region, &args->reason);
}

/*
 * Batches go through the stack, entry by entry: giving memory back must not need
 * any. First every entry is marked as not tried, which also finds out whether
 * all can be written to.
 */

static enum release_how release_how(u32 flags)
{
	if (flags & SEGPOOL_LAZY)
		return RELEASE_LAZY;
	return flags & SEGPOOL_NOW ? RELEASE_NOW : RELEASE_RETAIN;
}

static int ioctl_free(struct segpool_pool *pool, void *data)
{
	struct segpool_free *args = data;
	struct segpool_free_entry __user *user = u64_to_user_ptr(args->entries);
	struct segpool_free_entry entry;
	int first_error = 0;
	int err;
	u32 i;

	args->done = 0;
	if (!release_valid(args->flags) || !count_valid(args->count))
		return -EINVAL;
	if (!pool_nr_regions(pool))
		return -ENXIO;
	for (i = 0; i < args->count; i++)
		if (put_user(-ECANCELED, &user[i].error))
			return -EFAULT;

	for (i = 0; i < args->count && !fatal_signal_pending(current); i++) {
		if (copy_from_user(&entry, &user[i], sizeof(entry)))
			return -EFAULT;
		err = entry.reserved ? -EINVAL :
		      region_release(pool, entry.handle, release_how(args->flags));
		if (!err)
			args->done++;
		else if (!first_error)
			first_error = err;
		if (put_user(err, &user[i].error))
			return -EFAULT;
		cond_resched();
	}
	if (i < args->count && !first_error)
		first_error = -EINTR;
	return first_error;
}

/* So many ranges are done one after the other, without a copy from or to the user between. */
#define RANGES_PORTION 16U

static int range_do(struct range_walk *walk, const struct segpool_range *range, u32 flags,
		    struct budget_wait *wait, u32 *reason)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	if (wait)
		return range_populate(walk, range, flags & SEGPOOL_ZERO, wait, reason);
	return range_discard(walk, range, !(flags & SEGPOOL_NOW), reason);
}

/* Returns how many it tried: after an interruption the rest stays as it is. */
static u32 ranges_do(struct segpool_pool *pool, struct segpool_ranges *args,
		     struct segpool_range *ranges, u32 nr, struct budget_wait *wait)
{
	struct range_walk walk = { .pool = pool };
	u32 reason;
	int err;
	u32 i = 0;

	do {
		err = range_do(&walk, &ranges[i], args->flags, wait, &reason);
		if (err == -ENOMEM && !args->reason)
			args->reason = reason;
		ranges[i].error = err;
	} while (++i < nr && err != -EINTR);

	if (wait)
		range_walk_unlock(&walk);
	else
		range_discard_end(&walk, !(args->flags & SEGPOOL_NOW));
	return i;
}

/* Returns how many of the ranges can be read. */
static u32 ranges_read(struct segpool_range *ranges, const struct segpool_range __user *user,
		       u32 nr)
{
	return nr - DIV_ROUND_UP(copy_from_user(ranges, user, nr * sizeof(*ranges)),
				 sizeof(*ranges));
}

static int ioctl_ranges(struct segpool_pool *pool, struct segpool_ranges *args,
			struct budget_wait *wait)
{
	struct segpool_range __user *user = u64_to_user_ptr(args->ranges);
	struct segpool_range ranges[RANGES_PORTION];
	int first_error = 0;
	int err = 0;
	u32 nr, i, j;

	args->done = 0;
	args->reason = SEGPOOL_REASON_NONE;
	if (!count_valid(args->count))
		return -EINVAL;
	if (!pool_nr_regions(pool))
		return -ENXIO;
	for (i = 0; i < args->count; i++)
		if (put_user(-ECANCELED, &user[i].error))
			return -EFAULT;

	for (i = 0; i < args->count && err != -EINTR; i += nr) {
		nr = ranges_read(ranges, &user[i], min(args->count - i, RANGES_PORTION));
		if (!nr)
			return -EFAULT;
		nr = ranges_do(pool, args, ranges, nr, wait);
		for (j = 0; j < nr; j++) {
			err = ranges[j].error;
			if (!err)
				args->done++;
			else if (!first_error)
				first_error = err;
			if (put_user(err, &user[i + j].error))
				return -EFAULT;
		}
		cond_resched();
	}
	return first_error;
}

static int ioctl_discard(struct segpool_pool *pool, void *data)
{
	struct segpool_ranges *args = data;

	if (args->flags & ~SEGPOOL_NOW || args->timeout_ms)
		return -EINVAL;
	return ioctl_ranges(pool, args, NULL);
}

static int ioctl_populate(struct segpool_pool *pool, void *data)
{
	struct segpool_ranges *args = data;
	struct budget_wait wait;
	int err;

	if (args->flags & ~POPULATE_FLAGS || !timeout_valid(args->flags, args->timeout_ms))
		return -EINVAL;
	budget_wait_begin(&wait, pool, args->flags, args->timeout_ms);
	err = ioctl_ranges(pool, args, &wait);
	budget_wait_end(&wait);
	return err;
}

static int ioctl_set_budget(struct segpool_pool *pool, void *data)
{
	struct segpool_set_budget *args = data;

	return pool_set_limits(pool, args->flags, &args->limits);
}

static int ioctl_trim(struct segpool_pool *pool, void *data)
{
	struct segpool_trim *args = data;

	if (args->flags)
		return -EINVAL;
	lent_settle_all(pool, true);
	args->released = retain_trim(pool, args->target >> PAGE_SHIFT) << PAGE_SHIFT;
	args->retained = owned_retained(account_read(&pool->account)) << PAGE_SHIFT;
	return 0;
}

static int ioctl_stat(struct segpool_pool *pool, void *data)
{
	struct segpool_stat *args = data;
	u64 values[SEGPOOL_NR_COUNTERS];
	u32 room = args->count;

	BUILD_BUG_ON((int)SEGPOOL_NR_CLASS_COUNTERS > (int)SEGPOOL_NR_COUNTERS);

	if (args->flags & ~SEGPOOL_STAT_CLASS || room > SEGPOOL_MAX_BATCH)
		return -EINVAL;
	lent_settle_all(pool, true);
	if (args->flags & SEGPOOL_STAT_CLASS) {
		if (!class_valid(pool, &args->class_index))
			return -EINVAL;
		class_counters_read(pool, args->class_index, values);
		args->count = SEGPOOL_NR_CLASS_COUNTERS;
	} else {
		if (args->class_index)
			return -EINVAL;
		counters_read(pool, values);
		args->count = SEGPOOL_NR_COUNTERS;
	}
	if (copy_to_user(u64_to_user_ptr(args->values), values,
			 min(room, args->count) * sizeof(values[0])))
		return -EFAULT;
	return 0;
}

union ioctl_args {
	struct segpool_setup setup;
	struct segpool_alloc alloc;
	struct segpool_free free;
	struct segpool_reuse reuse;
	struct segpool_ranges ranges;
	struct segpool_set_budget set_budget;
	struct segpool_trim trim;
	struct segpool_stat stat;
};

/**
 * struct ioctl_call - one call of the interface
 * @size: of its structure as this kernel knows it.
 * @min_size: of its first version.
 * @do_call: does it; @data is the kernel's copy, copied back afterwards.
 */
struct ioctl_call {
	u32 size;
	u32 min_size;
	int (*do_call)(struct segpool_pool *pool, void *data);
};

#define CALL(cmd, function, type, last) \
	[_IOC_NR(cmd)] = { \
		.size = sizeof(struct type) + BUILD_BUG_ON_ZERO(sizeof(struct type) > PAGE_SIZE), \
		.min_size = offsetofend(struct type, last), \
		.do_call = function, \
	}

static const struct ioctl_call calls[] = {
	CALL(SEGPOOL_IOC_SETUP, ioctl_setup, segpool_setup, reserved),
	CALL(SEGPOOL_IOC_ALLOC, ioctl_alloc, segpool_alloc, reserved),
	CALL(SEGPOOL_IOC_FREE, ioctl_free, segpool_free, entries),
	CALL(SEGPOOL_IOC_REUSE, ioctl_reuse, segpool_reuse, region),
	CALL(SEGPOOL_IOC_DISCARD, ioctl_discard, segpool_ranges, reason),
	CALL(SEGPOOL_IOC_POPULATE, ioctl_populate, segpool_ranges, reason),
	CALL(SEGPOOL_IOC_SET_BUDGET, ioctl_set_budget, segpool_set_budget, limits),
	CALL(SEGPOOL_IOC_TRIM, ioctl_trim, segpool_trim, retained),
	CALL(SEGPOOL_IOC_STAT, ioctl_stat, segpool_stat, values),
};

/* The number without the size, which a longer or shorter structure changes. */
static bool cmd_known(unsigned int cmd)
{
	return _IOC_TYPE(cmd) == SEGPOOL_IOC_TYPE && _IOC_NR(cmd) < ARRAY_SIZE(calls) &&
	       _IOC_DIR(cmd) == (_IOC_READ | _IOC_WRITE);
}

/* Who may call what when. */
static int call_allowed(const struct segpool_pool *pool, const struct ioctl_call *call)
{
	bool ready = pool_is_ready(pool);

	if (call->do_call == ioctl_setup)
		return ready ? -EBUSY : 0;
	if (!ready)
		return -ENXIO;
	return current->mm == pool->mm ? 0 : -EPERM;
}

long segpool_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct segpool_pool *pool = file->private_data;
	void __user *user = (void __user *)arg;
	const struct ioctl_call *call;
	union ioctl_args args;
	u32 size;
	int err;

	if (!cmd_known(cmd))
		return -ENOTTY;
	call = &calls[array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(calls))];
	err = call_allowed(pool, call);
	if (err)
		return err;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < call->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&args, call->size, user, size);
	if (err)
		return err;
	/* It may have been changed between the two reads. */
	*(u32 *)&args = size;

	size = min(size, call->size);
	if (copy_to_user(user, &args, size))
		return -EFAULT;
	err = call->do_call(pool, &args);
	if (copy_to_user(user, &args, size))
		return -EFAULT;
	return err;
}
