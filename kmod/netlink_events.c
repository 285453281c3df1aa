// SPDX-License-Identifier: GPL-2.0-only
/*
 * What listeners are told. Like the tracepoints this is called from everywhere, but only
 * where something rare happens, and only notes it: the pool goes into a list, and a work
 * item tells what has become of the pools in it, ten times a second at most. Where nobody
 * listens it does not even note.
 *
 * Pressure may have begun before somebody listened, and summaries are of each second: while
 * there are pools a second work item looks once a second whether somebody listens, and notes
 * those that have something to tell.
 */

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "netlink.h"

#define TELL_JIFFIES	(HZ / 10)
#define WINDOW_JIFFIES	HZ

/* Bits of pool_events.due. */
enum { DUE_ADDED, DUE_SUMMARY };

/* Lost rather than waited for: who closes a pool waits for who tells of it. */
#define EVENT_GFP (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/* Pools with something to tell, by pool_events.node. */
static LIST_HEAD(noted);
static DEFINE_SPINLOCK(events_lock);

static void tell_all(struct work_struct *work);
static void look_at_all(struct work_struct *work);
static DECLARE_DELAYED_WORK(tell_work, tell_all);
static DECLARE_DELAYED_WORK(look_work, look_at_all);

static bool is_listened_to(enum events_group group)
{
	return genl_has_listeners(&netlink_family, &init_net, group);
}

/* --- noting --- */

static void note(struct segpool_pool *pool)
{
	spin_lock(&events_lock);
	if (list_empty(&pool->event.node))
		list_add_tail(&pool->event.node, &noted);
	spin_unlock(&events_lock);
	schedule_delayed_work(&tell_work, TELL_JIFFIES);
}

void events_pool_init(struct segpool_pool *pool)
{
	INIT_LIST_HEAD(&pool->event.node);
}

void events_pool_added(struct segpool_pool *pool)
{
	schedule_delayed_work(&look_work, WINDOW_JIFFIES);
	if (!is_listened_to(EVENTS_MGMT))
		return;
	set_bit(DUE_ADDED, &pool->event.due);
	note(pool);
}

void events_pool_changed(struct segpool_pool *pool)
{
	if (!is_listened_to(EVENTS_MGMT))
		return;
	atomic_inc(&pool->event.changes);
	note(pool);
}

void events_pressure(struct segpool_pool *pool)
{
	if (!is_listened_to(EVENTS_ALERT))
		return;
	atomic_inc(&pool->event.signals);
	note(pool);
}

void events_refusal(struct segpool_pool *pool, enum segpool_reason reason)
{
	if (!is_listened_to(EVENTS_ALERT))
		return;
	atomic_inc(&pool->event.refusals[reason]);
	note(pool);
}

/* --- telling --- */

/**
 * struct event - an event about to be told
 * @skb: the message.
 * @header: the family's part of it.
 * @group: who hears it.
 */
struct event {
	struct sk_buff *skb;
	void *header;
	enum events_group group;
};

/* A number is used up also where there is no memory: the listener sees that one is missing. */
static bool event_begin(struct event *event, struct segpool_pool *pool, enum events_group group,
			u8 command, u64 suppressed)
{
	u64 seq = ++pool->event.seq[group];

	event->group = group;
	event->skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, EVENT_GFP);
	if (!event->skb)
		return false;
	event->header = genlmsg_put(event->skb, 0, 0, &netlink_family, 0, command);
	if (event->header && !put_u64(event->skb, SEGPOOL_A_POOL_SEQ, seq) &&
	    !put_u64(event->skb, SEGPOOL_A_POOL_SUPPRESSED, suppressed))
		return true;
	nlmsg_free(event->skb);
	return false;
}

/*
 * Nobody is waited for: who has no room in his buffer loses it. Returns whether somebody is
 * there to hear it: one who listens in another network namespace is not.
 */
static bool event_end(struct event *event, int err)
{
	if (WARN_ON_ONCE(err)) {
		nlmsg_free(event->skb);
		return false;
	}
	genlmsg_end(event->skb, event->header);
	return genlmsg_multicast_netns(&netlink_family, &init_net, event->skb, 0, event->group,
				       EVENT_GFP) != -ESRCH;
}

static int put_name_and_counters(struct sk_buff *skb, const struct segpool_pool *pool)
{
	return put_pool_name(skb, pool) ?: put_pool_counters(skb, pool);
}

static void tell_state(struct segpool_pool *pool, u8 command, u64 suppressed)
{
	struct event event;

	if (event_begin(&event, pool, EVENTS_MGMT, command, suppressed))
		event_end(&event, put_pool(event.skb, pool));
}

static void tell_management(struct segpool_pool *pool)
{
	u32 changes = atomic_xchg(&pool->event.changes, 0);

	/* What came with it, or soon after, is in its state. */
	if (test_and_clear_bit(DUE_ADDED, &pool->event.due))
		tell_state(pool, SEGPOOL_CMD_POOL_ADD_NTF, changes);
	else if (changes)
		tell_state(pool, SEGPOOL_CMD_POOL_CHANGE_NTF, changes - 1);
}

/* What nobody was there to hear is told once more when somebody is. */
static void tell_pressure(struct segpool_pool *pool, bool on, u64 suppressed)
{
	bool heard = true;
	struct event event;

	if (event_begin(&event, pool, EVENTS_ALERT, SEGPOOL_CMD_PRESSURE_NTF, suppressed))
		heard = event_end(&event, put_name_and_counters(event.skb, pool) ?:
					  nla_put_u8(event.skb, SEGPOOL_A_POOL_PRESSURE, on));
	WRITE_ONCE(pool->event.pressure, on && heard);
}

/* Signals that came while it was on are told with its end. */
static void tell_pressure_changes(struct segpool_pool *pool)
{
	struct pool_events *told = &pool->event;
	bool on = pressure_is_on(pool);
	u32 signals = atomic_xchg(&told->signals, 0);

	told->signals_suppressed += signals;
	if (!READ_ONCE(told->pressure) && (on || signals)) {
		tell_pressure(pool, true, signals ? signals - 1 : 0);
		told->signals_suppressed = 0;
	}
	if (READ_ONCE(told->pressure) && !on) {
		tell_pressure(pool, false, told->signals_suppressed);
		told->signals_suppressed = 0;
	}
}

static int put_refusals(struct sk_buff *skb, const u32 *numbers)
{
	struct nlattr *nest = nla_nest_start(skb, SEGPOOL_A_POOL_REFUSALS);
	u32 reason;

	/* In the order of the reasons, behind the pad. */
	static_assert(SEGPOOL_A_REFUSALS_VIRTUAL ==
		      SEGPOOL_A_REFUSALS_PAD + SEGPOOL_REASON_VIRTUAL);
	static_assert(SEGPOOL_A_REFUSALS_SYSTEM ==
		      SEGPOOL_A_REFUSALS_PAD + SEGPOOL_REASON_SYSTEM);
	if (!nest)
		return -EMSGSIZE;
	for (reason = SEGPOOL_REASON_VIRTUAL; reason <= SEGPOOL_REASON_SYSTEM; reason++)
		if (numbers[reason] &&
		    put_u64(skb, SEGPOOL_A_REFUSALS_PAD + reason, numbers[reason]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static void tell_refusals(struct segpool_pool *pool, u8 command, const u32 *numbers)
{
	struct event event;
	u64 sum = 0;
	u32 reason;

	for (reason = 0; reason < NR_REASONS; reason++)
		sum += numbers[reason];
	if (!sum || !event_begin(&event, pool, EVENTS_ALERT, command, sum - 1))
		return;
	event_end(&event, put_name_and_counters(event.skb, pool) ?:
			  put_refusals(event.skb, numbers));
}

static void tell_alerts(struct segpool_pool *pool)
{
	u32 ceiling[NR_REASONS] = { 0 };
	u32 numbers[NR_REASONS];
	u32 reason;

	tell_pressure_changes(pool);
	for (reason = 0; reason < NR_REASONS; reason++)
		numbers[reason] = atomic_xchg(&pool->event.refusals[reason], 0);
	swap(numbers[SEGPOOL_REASON_CEILING], ceiling[SEGPOOL_REASON_CEILING]);
	tell_refusals(pool, SEGPOOL_CMD_REFUSAL_NTF, numbers);
	tell_refusals(pool, SEGPOOL_CMD_CEILING_NTF, ceiling);
}

static void tell_summary(struct segpool_pool *pool)
{
	struct event event;
	u32 left_out = atomic_xchg(&pool->event.windows, 0);

	if (!event_begin(&event, pool, EVENTS_STATS, SEGPOOL_CMD_STATS_NTF, left_out))
		return;
	event_end(&event, put_name_and_counters(event.skb, pool) ?:
			  nla_put_u32(event.skb, SEGPOOL_A_POOL_WINDOW_MS,
				      jiffies_to_msecs(WINDOW_JIFFIES)) ?:
			  nla_put_u8(event.skb, SEGPOOL_A_POOL_PRESSURE, pressure_is_on(pool)));
}

static void tell(struct segpool_pool *pool)
{
	/* Before its numbers are told. */
	lent_settle_all(pool, false);
	tell_management(pool);
	if (is_listened_to(EVENTS_ALERT))
		tell_alerts(pool);
	if (test_and_clear_bit(DUE_SUMMARY, &pool->event.due))
		tell_summary(pool);
}

/* The next noted pool, with a reference; those that have ended are told of by who ends them. */
static struct segpool_pool *take_noted(struct list_head *from)
{
	struct segpool_pool *pool;
	struct segpool_pool *taken = NULL;

	spin_lock(&events_lock);
	while (!taken && !list_empty(from)) {
		pool = list_first_entry(from, struct segpool_pool, event.node);
		list_del_init(&pool->event.node);
		if (pool_tryget(pool))
			taken = pool;
	}
	spin_unlock(&events_lock);
	return taken;
}

/* Those that are noted meanwhile are for the next time. */
static void tell_all(struct work_struct *work)
{
	struct segpool_pool *pool;
	LIST_HEAD(now);

	spin_lock(&events_lock);
	list_splice_init(&noted, &now);
	spin_unlock(&events_lock);

	while ((pool = take_noted(&now))) {
		tell(pool);
		/* Nobody says when it ends. */
		if (READ_ONCE(pool->event.pressure))
			note(pool);
		pool_put(pool);
		cond_resched();
	}
}

/* Each change of a pool is an event of some kind, or a change of its limits. */
static u64 activity(const struct segpool_pool *pool)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		sum += atomic64_read(&pool->events[i]);
	return sum;
}

static bool is_due_for_summary(struct segpool_pool *pool)
{
	u64 now = activity(pool);

	if (now == pool->event.activity) {
		atomic_inc(&pool->event.windows);
		return false;
	}
	pool->event.activity = now;
	return true;
}

/* What is told of it was told to those who listened then. */
static void forget_alerts(struct segpool_pool *pool)
{
	u32 reason;

	WRITE_ONCE(pool->event.pressure, false);
	atomic_set(&pool->event.signals, 0);
	for (reason = 0; reason < NR_REASONS; reason++)
		atomic_set(&pool->event.refusals[reason], 0);
}

static bool look(struct segpool_pool *pool, void *context)
{
	const bool *listened = context;
	bool due = false;

	if (!listened[EVENTS_ALERT])
		forget_alerts(pool);
	else if (pressure_is_on(pool) != READ_ONCE(pool->event.pressure))
		due = true;
	if (listened[EVENTS_STATS] && is_due_for_summary(pool)) {
		set_bit(DUE_SUMMARY, &pool->event.due);
		due = true;
	}
	if (due)
		note(pool);
	return true;
}

static void look_at_all(struct work_struct *work)
{
	bool listened[NR_EVENTS_GROUPS];
	u32 generation;
	u32 i;

	for (i = 0; i < NR_EVENTS_GROUPS; i++)
		listened[i] = is_listened_to(i);
	pools_visit(0, &generation, look, listened);
	if (pools_count())
		schedule_delayed_work(&look_work, WINDOW_JIFFIES);
}

/**
 * events_pool_gone() - tell that a pool has ended, and forget it
 * @pool: no longer in the list of pools; nobody has a reference.
 *
 * By who closes it, since there will be nothing left to tell of.
 *
 * Context: may sleep.
 */
void events_pool_gone(struct segpool_pool *pool)
{
	u32 untold = atomic_read(&pool->event.changes) + test_bit(DUE_ADDED, &pool->event.due);

	spin_lock(&events_lock);
	list_del_init(&pool->event.node);
	spin_unlock(&events_lock);
	if (is_listened_to(EVENTS_MGMT))
		tell_state(pool, SEGPOOL_CMD_POOL_DEL_NTF, untold);
}

/* There are no pools any more. */
void events_exit(void)
{
	cancel_delayed_work_sync(&look_work);
	cancel_delayed_work_sync(&tell_work);
}
