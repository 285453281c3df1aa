// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for budget, bounded and interruptible, and telling pollers that it
 * runs short. No lock is held by who waits.
 */

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "segpool.h"
#include "trace.h"

/* Pressure by the system's reclaim is reported for this long. */
#define RECLAIM_PRESSURE_JIFFIES HZ

/* How often who waits for the ceiling, or where regions are lent, looks unwoken. */
#define LOOK_JIFFIES ((long)HZ / 10)

/* Requests of all pools that wait for the ceiling. */
static DECLARE_WAIT_QUEUE_HEAD(ceiling_queue);

/**
 * budget_wait_begin() - prepare for waiting; each is ended by budget_wait_end()
 * @wait: on the caller's stack.
 * @pool: the pool.
 * @flags: of the request; without SEGPOOL_WAIT nothing ever waits.
 * @timeout_ms: for the whole request.
 */
void budget_wait_begin(struct budget_wait *wait, struct segpool_pool *pool, u32 flags,
		       u32 timeout_ms)
{
	wait->pool = pool;
	wait->queue = NULL;
	wait->allowed = flags & SEGPOOL_WAIT;
	/* Not in ticks: those of a virtual machine may come late, and then many at once. */
	if (wait->allowed)
		wait->deadline = ktime_add_ms(ktime_get(), timeout_ms);
	init_wait_entry(&wait->entry, 0);
	wait->entry.func = woken_wake_function;
}

static void wait_on(struct budget_wait *wait, struct wait_queue_head *queue)
{
	struct segpool_pool *pool = wait->pool;

	if (wait->queue) {
		remove_wait_queue(wait->queue, &wait->entry);
	} else {
		count(pool, SEGPOOL_C_WAITS, 1);
		if (atomic_inc_return(&pool->nr_waiters) == 1)
			pressure_signal(pool);
	}
	wait->queue = queue;
	add_wait_queue(queue, &wait->entry);
	/*
	 * The next try must not look before others see us in the queue: pairs
	 * with the barrier in wq_has_sleeper().
	 */
	smp_mb();
}

/**
 * budget_wait() - wait until a refused request is worth another try
 * @wait: from budget_wait_begin().
 * @reason: why it was refused.
 *
 * The first call for a reason only enters the queue, so that the next try comes
 * after it and no wake-up is lost between the two. A try that is refused for a
 * budget must not wake anybody, or two waiters would wake each other for ever.
 *
 * Context: sleeps, with no lock held.
 * Return: 0: try again; -ENOMEM: no use, or the time is over; -EINTR: a signal.
 */
int budget_wait(struct budget_wait *wait, enum segpool_reason reason)
{
	bool ceiling = reason == SEGPOOL_REASON_CEILING;
	struct wait_queue_head *queue = ceiling ? &ceiling_queue : &wait->pool->wait;
	s64 left_ns;
	long ticks;

	/* Nothing wakes who waits for the system's memory. */
	if (!wait->allowed || reason == SEGPOOL_REASON_SYSTEM)
		return -ENOMEM;
	left_ns = ktime_to_ns(ktime_sub(wait->deadline, ktime_get()));
	if (left_ns <= 0)
		return -ENOMEM;
	if (signal_pending(current))
		return -EINTR;
	/* Who releases a region by its word wakes nobody. */
	lent_recall(wait->pool);
	if (wait->queue != queue) {
		wait_on(wait, queue);
		return 0;
	}
	ticks = nsecs_to_jiffies(left_ns) + 1;
	/* Nobody is woken when the ceiling is raised either, or by what was lent since. */
	if (ceiling || wait->pool->lent)
		ticks = min(ticks, LOOK_JIFFIES);
	wait_woken(&wait->entry, TASK_INTERRUPTIBLE, ticks);
	return signal_pending(current) ? -EINTR : 0;
}

void budget_wait_end(struct budget_wait *wait)
{
	if (!wait->queue)
		return;
	remove_wait_queue(wait->queue, &wait->entry);
	atomic_dec(&wait->pool->nr_waiters);
}

/* Budget, or a region, of the pool has become free. */
void budget_wake(struct segpool_pool *pool)
{
	/* Full barriers: what was freed is visible before the queues are looked at. */
	if (wq_has_sleeper(&pool->wait))
		wake_up_all(&pool->wait);
	if (wq_has_sleeper(&ceiling_queue))
		wake_up_all(&ceiling_queue);
}

static u64 watermark_pages(const struct segpool_pool *pool)
{
	return div_u64(READ_ONCE(pool->account.budget) * READ_ONCE(pool->watermark), 100);
}

/* Should the program give something up? What poll() reports. */
bool pressure_is_on(const struct segpool_pool *pool)
{
	if (owned_physical(account_read(&pool->account)) >= watermark_pages(pool))
		return true;
	if (atomic_read(&pool->nr_waiters))
		return true;
	return READ_ONCE(pool->shrunk) &&
	       time_before(jiffies, READ_ONCE(pool->last_shrink) + RECLAIM_PRESSURE_JIFFIES);
}

/* Pressure begins: wake the pollers. */
void pressure_signal(struct segpool_pool *pool)
{
	u64 owned = account_read(&pool->account);

	count(pool, SEGPOOL_C_PRESSURE_EVENTS, 1);
	trace_segpool_pressure(pool->id, owned_physical(owned), owned_retained(owned),
			       READ_ONCE(pool->account.budget));
	wake_up_interruptible_poll(&pool->pressure_wait, EPOLLPRI);
	events_pressure(pool);
}

/* After physical pages were added: has this crossed the watermark? */
void pressure_check(struct segpool_pool *pool, u64 pages_added)
{
	u64 physical = owned_physical(account_read(&pool->account));
	u64 watermark = watermark_pages(pool);

	if (physical >= watermark && physical - min(physical, pages_added) < watermark)
		pressure_signal(pool);
}
