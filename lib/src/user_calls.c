// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The calls: what their arguments may be, as the module has it, and who does them. */
#include <errno.h>
#include <string.h>

#include "user.h"

#define ALLOC_FLAGS	(SEGPOOL_ZERO | SEGPOOL_POPULATE | SEGPOOL_WAIT | SEGPOOL_CONTIGUOUS)
#define REUSE_FLAGS	(SEGPOOL_ZERO | SEGPOOL_POPULATE | SEGPOOL_WAIT)
#define POPULATE_FLAGS	(SEGPOOL_ZERO | SEGPOOL_WAIT)

static bool timeout_valid(uint32_t flags, uint32_t timeout_ms)
{
	return timeout_ms <= ((flags & SEGPOOL_WAIT) ? SEGPOOL_MAX_WAIT_MS : 0);
}

static bool count_valid(uint32_t count)
{
	return count && count <= SEGPOOL_MAX_BATCH;
}

static int call_alloc(const struct segpool *pool, struct segpool_alloc *call)
{
	if (call->flags & ~ALLOC_FLAGS || !count_valid(call->count) ||
	    call->class_index >= pool->user->nr_classes ||
	    !timeout_valid(call->flags, call->timeout_ms))
		return -EINVAL;
	if (!call->results)
		return -EFAULT;
	return segpool_user_alloc(pool, call);
}

static int call_reuse(const struct segpool *pool, struct segpool_reuse *call)
{
	if (call->flags & ~REUSE_FLAGS || call->class_index >= pool->user->nr_classes ||
	    !timeout_valid(call->flags, call->timeout_ms))
		return -EINVAL;
	return segpool_user_reuse(pool, call);
}

static int call_free(const struct segpool *pool, const struct segpool_free *call)
{
	struct segpool_free_entry *entries = (struct segpool_free_entry *)(uintptr_t)call->entries;
	int first_error = 0;
	uint32_t i;

	if ((call->flags && call->flags != SEGPOOL_NOW && call->flags != SEGPOOL_LAZY) ||
	    !count_valid(call->count))
		return -EINVAL;
	if (!entries)
		return -EFAULT;
	for (i = 0; i < call->count; i++) {
		entries[i].error = entries[i].reserved ? -EINVAL :
				   segpool_user_free(pool, entries[i].handle, call->flags);
		if (!first_error)
			first_error = entries[i].error;
	}
	return first_error;
}

static bool range_valid(const struct segpool_range *range, uint64_t region_size)
{
	return !range->reserved && range->length && range->offset % SEGPOOL_PAGE == 0 &&
	       range->length % SEGPOOL_PAGE == 0 && range->offset < region_size &&
	       range->length <= region_size - range->offset;
}

/* @wait: NULL for DISCARD. */
static int each_range(const struct segpool *pool, struct segpool_ranges *call,
		      struct segpool_user_wait *wait)
{
	struct segpool_range *ranges = (struct segpool_range *)(uintptr_t)call->ranges;
	int error = 0, first_error = 0;
	uint32_t reason;
	uint32_t i;

	if (!count_valid(call->count))
		return -EINVAL;
	if (!ranges)
		return -EFAULT;
	for (i = 0; i < call->count; i++) {
		/* After a signal the rest stays as it is: not tried. */
		if (error == -EINTR) {
			ranges[i].error = -ECANCELED;
			continue;
		}
		reason = SEGPOOL_REASON_NONE;
		if (!range_valid(&ranges[i], pool->user->region_size))
			error = -EINVAL;
		else if (wait)
			error = segpool_user_populate(pool, &ranges[i], wait, &reason);
		else
			error = segpool_user_discard(pool, &ranges[i], &reason);
		if (error == -ENOMEM && !call->reason)
			call->reason = reason;
		ranges[i].error = error;
		if (!first_error)
			first_error = error;
	}
	return first_error;
}

static int call_discard(const struct segpool *pool, struct segpool_ranges *call)
{
	if (call->flags & ~SEGPOOL_NOW)
		return -EINVAL;
	return each_range(pool, call, NULL);
}

static int call_populate(const struct segpool *pool, struct segpool_ranges *call)
{
	struct segpool_user_wait wait;
	int error;

	if (call->flags & ~POPULATE_FLAGS || !timeout_valid(call->flags, call->timeout_ms))
		return -EINVAL;
	segpool_user_wait_begin(&wait, call->flags, call->timeout_ms);
	error = each_range(pool, call, &wait);
	pthread_mutex_lock(&pool->user->lock);
	segpool_user_wait_end(pool->user, &wait);
	pthread_mutex_unlock(&pool->user->lock);
	return error;
}

static int call_set_budget(const struct segpool *pool, struct segpool_set_budget *call)
{
	struct segpool_user *user = pool->user;

	if (!segpool_user_limits_valid(user, call->flags, &call->limits))
		return -EINVAL;
	pthread_mutex_lock(&user->lock);
	segpool_user_limits_set(user, call->flags, &call->limits);
	segpool_user_drop_above(pool, user->limits.retain_limit / SEGPOOL_PAGE);
	segpool_user_limits_read(user, &call->limits);
	segpool_user_changed(user);
	pthread_mutex_unlock(&user->lock);
	return 0;
}

static int call_trim(const struct segpool *pool, struct segpool_trim *call)
{
	struct segpool_user *user = pool->user;

	pthread_mutex_lock(&user->lock);
	call->released = segpool_user_drop_above(pool, call->target / SEGPOOL_PAGE) * SEGPOOL_PAGE;
	call->retained = user->retained * SEGPOOL_PAGE;
	pthread_mutex_unlock(&user->lock);
	return 0;
}

static int call_stat(const struct segpool *pool, struct segpool_stat *call)
{
	bool of_class = call->flags & SEGPOOL_STAT_CLASS;
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct segpool_user *user = pool->user;
	uint32_t nr, room = call->count;

	if (of_class && call->class_index >= user->nr_classes)
		return -EINVAL;
	nr = of_class ? SEGPOOL_NR_CLASS_COUNTERS : SEGPOOL_NR_COUNTERS;
	call->count = nr;
	if (room > nr)
		room = nr;
	if (room && !call->values)
		return -EFAULT;
	pthread_mutex_lock(&user->lock);
	segpool_user_age(pool);
	if (of_class)
		segpool_user_class_counters(user, call->class_index, values);
	else
		segpool_user_counters(user, values);
	pthread_mutex_unlock(&user->lock);
	if (room)
		memcpy((void *)(uintptr_t)call->values, values, room * sizeof(values[0]));
	return 0;
}

/* What the module's ioctl of that number does. */
int segpool_user_call(const struct segpool *pool, unsigned long request, void *argument)
{
	/* Not for a forked child: the pool is its parent's. */
	if (!*pool->user->here)
		return -EPERM;
	switch (request) {
	case SEGPOOL_IOC_ALLOC:
		return call_alloc(pool, argument);
	case SEGPOOL_IOC_FREE:
		return call_free(pool, argument);
	case SEGPOOL_IOC_REUSE:
		return call_reuse(pool, argument);
	case SEGPOOL_IOC_DISCARD:
		return call_discard(pool, argument);
	case SEGPOOL_IOC_POPULATE:
		return call_populate(pool, argument);
	case SEGPOOL_IOC_SET_BUDGET:
		return call_set_budget(pool, argument);
	case SEGPOOL_IOC_TRIM:
		return call_trim(pool, argument);
	case SEGPOOL_IOC_STAT:
		return call_stat(pool, argument);
	default:
		return -ENOTTY;
	}
}
