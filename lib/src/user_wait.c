// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Waiting for what others do to the pool. */
#include <errno.h>
#include <limits.h>
#include <time.h>

#include "syscall.h"
#include "user.h"

uint64_t segpool_user_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The kernel reads it without the lock, on behalf of who is about to sleep. */
static void count_up(uint32_t *word, uint32_t sleepers)
{
	__atomic_add_fetch(word, 1, __ATOMIC_RELAXED);
	if (sleepers)
		segpool_sys_wake(word);
}

/* A region is not busy any more, and nothing else is new; with the lock held. */
void segpool_user_moved(struct segpool_user *user)
{
	count_up(&user->moves, user->settlers);
}

/* Budget, a region, or a region's pages have become free; with the lock held. */
void segpool_user_changed(struct segpool_user *user)
{
	segpool_user_moved(user);
	count_up(&user->changes, user->waiters);
}

/*
 * Until @word counts up; the lock is let go meanwhile. If it does between that and the system
 * call, that is not missed: it has another value then, and the call returns.
 */
static int sleep_for(struct segpool_user *user, const uint32_t *word, uint64_t timeout_ms)
{
	uint32_t seen = *word;
	int error;

	pthread_mutex_unlock(&user->lock);
	error = segpool_sys_sleep(word, seen, timeout_ms);
	pthread_mutex_lock(&user->lock);
	return error == -EAGAIN ? 0 : error;
}

/* Until the next move, which is a system call of another thread away: no signal ends this. */
void segpool_user_settle(struct segpool_user *user)
{
	uint32_t seen = user->moves;

	user->settlers++;
	while (user->moves == seen)
		sleep_for(user, &user->moves, UINT64_MAX);
	user->settlers--;
}

/* The region that @handle is about, once nobody changes its pages; NULL: there is none. */
struct segpool_user_region *segpool_user_settled(struct segpool_user *user, uint64_t handle)
{
	struct segpool_user_region *region = segpool_user_named(user, handle);

	while (region && region->busy)
		segpool_user_settle(user);
	return region;
}

void segpool_user_wait_begin(struct segpool_user_wait *wait, uint32_t flags, uint32_t timeout_ms)
{
	wait->allowed = flags & SEGPOOL_WAIT;
	wait->counted = false;
	wait->deadline = wait->allowed ? segpool_user_now_ms() + timeout_ms : 0;
}

/*
 * After a refusal, with the lock held since it looked: 0 where something has changed, -ENOMEM where
 * there is no use in waiting or the time is over, -EINTR for a signal.
 */
int segpool_user_wait(struct segpool_user *user, struct segpool_user_wait *wait, uint32_t reason)
{
	uint64_t now;
	int error;

	if (!wait->allowed || reason == SEGPOOL_REASON_SYSTEM)
		return -ENOMEM;
	now = segpool_user_now_ms();
	if (now >= wait->deadline)
		return -ENOMEM;
	if (!wait->counted) {
		wait->counted = true;
		user->events[SEGPOOL_C_WAITS]++;
		user->waiters++;
	}
	error = sleep_for(user, &user->changes, wait->deadline - now);
	/* It may have come to an end a little early; the next look tells. */
	return error == -ETIMEDOUT ? 0 : error;
}

void segpool_user_wait_end(struct segpool_user *user, const struct segpool_user_wait *wait)
{
	user->waiters -= wait->counted;
}
