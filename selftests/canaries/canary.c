// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bugs on purpose, one for each thing that a debug kernel is to notice: loading
 * the module with bug=NAME commits that one. Never load it but in a guest.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static char *bug = "";
module_param(bug, charp, 0);
MODULE_PARM_DESC(bug, "which bug to commit");

/* Values that no compiler can follow. */
static volatile int forty = 40;
static volatile char sink;

/* --- wrong addresses --- */

static void slab_use_after_free(void)
{
	volatile char *bytes = kmalloc(64, GFP_KERNEL);

	if (!bytes)
		return;
	kfree((void *)bytes);
	sink = bytes[8];
}

static void slab_out_of_bounds(void)
{
	volatile char *bytes = kmalloc(40, GFP_KERNEL);

	if (!bytes)
		return;
	bytes[forty] = 1;
	kfree((void *)bytes);
}

static void slab_double_free(void)
{
	void *volatile bytes = kmalloc(64, GFP_KERNEL);

	kfree(bytes);
	kfree(bytes);
}

static void page_use_after_free(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	volatile char *bytes;

	if (!page)
		return;
	bytes = page_address(page);
	__free_page(page);
	sink = bytes[8];
}

static void stack_out_of_bounds(void)
{
	volatile char bytes[40], *at = bytes;

	bytes[0] = 0;
	sink = at[forty];
}

static void vmalloc_out_of_bounds(void)
{
	volatile char *bytes = vmalloc(PAGE_SIZE - 64);

	if (!bytes)
		return;
	sink = bytes[PAGE_SIZE - 64 + (forty - 40)];
	vfree((void *)bytes);
}

/* Unseen by KASAN, as a device or assembly would be. */
static __no_sanitize_address void write_unseen(volatile char *at)
{
	*at = 1;
}

static void page_write_after_free(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return;
	__free_page(page);
	write_unseen((volatile char *)page_address(page) + 8);
	/* The page that was freed last is the next one given. */
	page = alloc_page(GFP_KERNEL);
	if (page)
		__free_page(page);
}

/* --- arithmetic --- */

static void index_out_of_bounds(void)
{
	static struct {
		int entries[4];
		int behind[60];
	} table;

	sink = table.entries[forty];
}

static void shift_out_of_bounds(void)
{
	sink = 1 << forty;
}

/* --- locks and contexts --- */

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void lock_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void sleep_in_atomic(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
}

static void rcu_without_lock(void)
{
	static int value;
	static int __rcu *pointer = (int __rcu *)&value;

	sink = *rcu_dereference(pointer);
}

static int sleeper(void *unused)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule();
	return 0;
}

static void hung_task(void)
{
	kthread_run(sleeper, NULL, "canary_sleeper");
}

/* --- objects --- */

static void leak(void)
{
	int i;

	/* Single objects may be seen from a stale register or stack slot. */
	for (i = 0; i < 100; i++)
		sink = !kmalloc(96, GFP_KERNEL);
}

static void refcount_underflow(void)
{
	refcount_t count = REFCOUNT_INIT(1);

	refcount_dec(&count);
	sink = refcount_dec_and_test(&count);
}

static void list_corruption(void)
{
	struct list_head head, entry;

	INIT_LIST_HEAD(&head);
	list_add(&entry, &head);
	WRITE_ONCE(head.next, &head);
	list_del(&entry);
}

static void nothing(struct timer_list *unused)
{
}

static void active_timer_freed(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, nothing, 0);
	mod_timer(timer, jiffies + 100 * HZ);
	kfree(timer);
}

/* --- pages of a process --- */

static void mapped_page_freed(void)
{
	unsigned long address = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
					MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, 0);
	struct page *page;

	if (IS_ERR_VALUE(address) || get_user_pages_fast(address, 1, FOLL_WRITE, &page) != 1)
		return;
	while (page_ref_count(page) > 1)
		put_page(page);
	put_page(page);
}

/* --- races --- */

static int shared;

static int racer(void *unused)
{
	while (!kthread_should_stop()) {
		shared++;
		cond_resched();
	}
	return 0;
}

static void racing_writes(void)
{
	struct task_struct *other = kthread_run(racer, NULL, "canary_racer");
	unsigned long end = jiffies + 20 * HZ;

	if (IS_ERR(other))
		return;
	while (time_before(jiffies, end)) {
		shared++;
		cond_resched();
	}
	kthread_stop(other);
}

#define BUG_NAMED(function)	{ #function, function }

static const struct {
	const char *name;
	void (*commit)(void);
} bugs[] = {
	BUG_NAMED(slab_use_after_free),
	BUG_NAMED(slab_out_of_bounds),
	BUG_NAMED(slab_double_free),
	BUG_NAMED(page_use_after_free),
	BUG_NAMED(page_write_after_free),
	BUG_NAMED(stack_out_of_bounds),
	BUG_NAMED(vmalloc_out_of_bounds),
	BUG_NAMED(index_out_of_bounds),
	BUG_NAMED(shift_out_of_bounds),
	BUG_NAMED(lock_inversion),
	BUG_NAMED(sleep_in_atomic),
	BUG_NAMED(rcu_without_lock),
	BUG_NAMED(hung_task),
	BUG_NAMED(leak),
	BUG_NAMED(refcount_underflow),
	BUG_NAMED(list_corruption),
	BUG_NAMED(active_timer_freed),
	BUG_NAMED(mapped_page_freed),
	BUG_NAMED(racing_writes),
};

static int __init canary_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (strcmp(bugs[i].name, bug))
			continue;
		pr_info("canary: %s\n", bug);
		bugs[i].commit();
		pr_info("canary: over\n");
		return 0;
	}
	return -EINVAL;
}

static void __exit canary_exit(void)
{
}

module_init(canary_init);
module_exit(canary_exit);
MODULE_DESCRIPTION("bugs on purpose, for the checks of debug kernels");
MODULE_LICENSE("GPL");
