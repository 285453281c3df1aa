// SPDX-License-Identifier: GPL-2.0-only
/* A pool: its lifetime, its set-up, its limits. */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "segpool.h"
#include "valid.h"

static unsigned long virtual_mib;
module_param(virtual_mib, ulong, 0644);
MODULE_PARM_DESC(virtual_mib, "Default virtual budget of a pool, MiB (0: as the physical one)");

static unsigned long physical_mib;
module_param(physical_mib, ulong, 0644);
MODULE_PARM_DESC(physical_mib, "Default physical budget of a pool, MiB (0: a quarter of the memory)");

/* As jemalloc's default decay time. */
#define DEFAULT_AGE_MS 10000
#define DEFAULT_WATERMARK 90

/* Shown by stat -f of nothing; it only has to be somebody's. */
#define SEGPOOL_SUPER_MAGIC 0x53504f4c

static struct vfsmount *pool_mount;

/*
 * A pool with its file, inode and directory in debugfs takes 9 KiB, and a
 * program may have a file open as often as it likes.
 */
#define POOL_BYTES (3 * PAGE_SIZE)

/**
 * pool_create() - make the pool of a newly opened file
 *
 * Context: may sleep.
 * Return: the pool, to be ended by pool_destroy(), or ERR_PTR(-ENOMEM).
 */
struct segpool_pool *pool_create(void)
{
	struct segpool_pool *pool;
	struct inode *inode;

	if (!metadata_charge(POOL_BYTES))
		return ERR_PTR(-ENOMEM);
	pool = kvzalloc(sizeof(*pool), SEGPOOL_GFP);
	if (!pool)
		goto err_uncharge;
	inode = alloc_anon_inode(pool_mount->mnt_sb);
	if (IS_ERR(inode))
		goto err_free_pool;

	pool->inode = inode;
	mutex_init(&pool->setup_lock);
	mutex_init(&pool->limits_lock);
	init_rwsem(&pool->admission);
	init_waitqueue_head(&pool->wait);
	init_waitqueue_head(&pool->pressure_wait);
	region_queues_init(pool);
	retain_init(pool);
	refcount_set(&pool->users, 1);
	init_completion(&pool->unused);
	INIT_LIST_HEAD(&pool->node);
	events_pool_init(pool);
	return pool;

err_free_pool:
	kvfree(pool);
err_uncharge:
	metadata_uncharge(POOL_BYTES);
	return ERR_PTR(-ENOMEM);
}

static void region_drain(struct segpool_pool *pool, struct region *region)
{
	/* For debuggers and readers of debugfs, who may be looking at the pages. */
	region_lock(region);
	/* A kept one's went with all that was retained, or go when it is: kept_limits(). */
	if (word_state(region_word(region)) != REGION_FREED)
		region_unback(pool, region, false);
	lent_forget(pool, region);
	region_unlock(region);
}

/**
 * pool_drain() - give all pages back: the mapping is gone
 * @pool: the pool; nothing is mapped any more, nor can be.
 *
 * Requests that were under way find no mapping and put back what they had;
 * nothing is retained from now on. May be called more than once.
 *
 * Context: may sleep; the mmap lock may be held.
 */
void pool_drain(struct segpool_pool *pool)
{
	u32 i;

	WRITE_ONCE(pool->gone, true);
	/* Pairs with kept_limits(). */
	smp_mb();
	retain_close(pool);
	lent_end(pool);
	for (i = 0; i < regions_carved(pool); i++) {
		region_drain(pool, region_lookup(pool, i));
		cond_resched();
	}
	/* What was settled until we had its region locked is retained. */
	if (pool->lent)
		retain_close(pool);
	/* Who waits finds that it is over. */
	budget_wake(pool);
}

/**
 * pool_destroy() - end a pool: the last reference to its file is gone
 * @pool: from pool_create(), set up or not.
 *
 * Context: may sleep.
 */
void pool_destroy(struct segpool_pool *pool)
{
	if (pool->ready) {
		debugfs_remove_pool(pool);
		pool_drain(pool);
		pool_put(pool);
		/* A shrinker may still be freeing pages that were the pool's; and see netlink.c. */
		wait_for_completion(&pool->unused);
		WARN_ON_ONCE(account_read(&pool->account));
		pools_remove(pool);
		events_pool_gone(pool);
		if (pool->nr_regions)
			region_chunks_destroy(pool);
		lent_destroy(pool);
		mmdrop(pool->mm);
	}
	iput(pool->inode);
	kvfree(pool);
	metadata_uncharge(POOL_BYTES);
}

static u64 parameter_bytes(u64 mib)
{
	return min(mib, U64_MAX >> 20) << 20;
}

static u64 default_physical(void)
{
	u64 bytes = parameter_bytes(READ_ONCE(physical_mib));

	return min_t(u64, bytes ?: (u64)totalram_pages() / 4 << PAGE_SHIFT, SEGPOOL_MAX_PHYSICAL);
}

static void limits_default(struct segpool_limits *limits, u32 flags, u64 region_size)
{
	u64 virtual = parameter_bytes(READ_ONCE(virtual_mib));

	if (!(flags & SEGPOOL_SET_PHYSICAL))
		limits->physical_budget = default_physical();
	if (!(flags & SEGPOOL_SET_VIRTUAL)) {
		virtual = virtual ?: max(default_physical(), region_size);
		limits->virtual_budget = min(virtual, SEGPOOL_MAX_REGIONS * region_size);
	}
	if (!(flags & SEGPOOL_SET_RETAIN))
		limits->retain_limit = limits->physical_budget / 2;
	if (!(flags & SEGPOOL_SET_AGE))
		limits->retain_age_ms = DEFAULT_AGE_MS;
	if (!(flags & SEGPOOL_SET_WATERMARK))
		limits->watermark = DEFAULT_WATERMARK;
}

/* What is in force. */
void pool_limits(const struct segpool_pool *pool, struct segpool_limits *limits)
{
	limits->virtual_budget = (u64)regions_budget(pool) << pool->region_shift;
	limits->physical_budget = READ_ONCE(pool->account.budget) << PAGE_SHIFT;
	limits->retain_limit = READ_ONCE(pool->retain_limit) << PAGE_SHIFT;
	limits->retain_age_ms = jiffies_to_msecs(READ_ONCE(pool->retain_age));
	limits->watermark = READ_ONCE(pool->watermark);
}

static void limits_apply(struct segpool_pool *pool, const struct segpool_limits *limits, u32 flags)
{
	lockdep_assert_held(&pool->limits_lock);

	if (flags & SEGPOOL_SET_VIRTUAL)
		carved_set_budget(&pool->carved, limits->virtual_budget >> pool->region_shift);
	if (flags & SEGPOOL_SET_PHYSICAL)
		WRITE_ONCE(pool->account.budget, limits->physical_budget >> PAGE_SHIFT);
	if (flags & SEGPOOL_SET_RETAIN)
		WRITE_ONCE(pool->retain_limit, limits->retain_limit >> PAGE_SHIFT);
	if (flags & SEGPOOL_SET_AGE)
		WRITE_ONCE(pool->retain_age, msecs_to_jiffies(limits->retain_age_ms));
	if (flags & SEGPOOL_SET_WATERMARK)
		WRITE_ONCE(pool->watermark, limits->watermark);
}

/**
 * pool_set_limits() - SET_BUDGET
 * @pool: set up.
 * @flags: SEGPOOL_SET_*.
 * @limits: from user space, unchecked; set to what is in force.
 *
 * Context: may sleep; killable.
 * Return: 0, -EINVAL or -EINTR.
 */
int pool_set_limits(struct segpool_pool *pool, u32 flags, struct segpool_limits *limits)
{
	if (!limits_valid(limits, flags, pool_region_size(pool)))
		return -EINVAL;

	/* What is released already is not what the new limits refuse. */
	lent_settle_all(pool, true);
	if (mutex_lock_killable(&pool->limits_lock))
		return -EINTR;
	limits_apply(pool, limits, flags);
	pool_limits(pool, limits);
	mutex_unlock(&pool->limits_lock);

	/* Without the lock: who changes them from outside must not wait for that. */
	lent_limits_changed(pool);
	retain_limits_changed(pool);
	events_pool_changed(pool);
	budget_wake(pool);
	if (pressure_is_on(pool))
		pressure_signal(pool);
	return 0;
}

static const u32 default_classes[SEGPOOL_DEFAULT_CLASSES] = {
	SZ_4K, SZ_8K, SZ_16K, SZ_32K, SZ_64K, SZ_128K, SZ_256K,
};

static void classes_default(struct segpool_setup *setup)
{
	u32 i;

	for (i = 0; i < SEGPOOL_DEFAULT_CLASSES && default_classes[i] <= setup->region_size; i++)
		setup->classes[i] = default_classes[i];
	setup->nr_classes = i;
}

/* Fills in what the caller left to the module. */
static void setup_default(struct segpool_setup *setup)
{
	setup->region_size = setup->region_size ?: SEGPOOL_DEFAULT_REGION_SIZE;
	if (!setup->nr_classes)
		classes_default(setup);
	limits_default(&setup->limits, setup->flags, setup->region_size);
}

static void setup_apply(struct segpool_pool *pool, const struct segpool_setup *setup)
{
	lockdep_assert_held(&pool->setup_lock);

	mmgrab(current->mm);
	pool->mm = current->mm;
	pool->mode = setup->mode;
	pool->region_shift = ilog2(setup->region_size);
	pool->region_pages = setup->region_size >> PAGE_SHIFT;
	pool->lends = setup->flags & SEGPOOL_WORDS;
	pool->huge = setup->mode == SEGPOOL_MODE_HUGE && setup->region_size == PMD_SIZE;
	pool->nr_classes = setup->nr_classes;
	memcpy(pool->class_size, setup->classes, sizeof(pool->class_size));
	pool->owner_pid = task_tgid_nr(current);
	pool->owner_uid = current_euid();
	get_task_comm(pool->owner_comm, current->group_leader);

	mutex_lock(&pool->limits_lock);
	limits_apply(pool, &setup->limits, SEGPOOL_SET_ALL);
	mutex_unlock(&pool->limits_lock);
}

/**
 * pool_setup() - SETUP
 * @pool: of the file.
 * @setup: from user space, unchecked; set to what is in force.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL, -EOPNOTSUPP (regions cannot be lent in that mode), -EBUSY (done
 * before).
 */
int pool_setup(struct segpool_pool *pool, struct segpool_setup *setup)
{
	int err = 0;

	if (!setup_valid(setup))
		return -EINVAL;
	if (setup->flags & SEGPOOL_WORDS && map_mode_can_be_pinned(setup->mode))
		return -EOPNOTSUPP;

	mutex_lock(&pool->setup_lock);
	if (pool->ready) {
		err = -EBUSY;
	} else {
		setup_default(setup);
		setup_apply(pool, setup);
		pools_add(pool);
		events_pool_added(pool);
		debugfs_add_pool(pool);
		/* Pairs with the acquire in pool_is_ready(). */
		smp_store_release(&pool->ready, true);
		setup->pool_id = pool->id;
		pool_limits(pool, &setup->limits);
	}
	mutex_unlock(&pool->setup_lock);
	return err;
}

/**
 * pool_reserve() - note where the reservation is
 * @pool: set up.
 * @base: its address.
 * @nr_regions: its length.
 *
 * Context: mmap lock held for writing; may sleep.
 * Return: 0, -EBUSY (there is, or was, one), -ENOMEM.
 */
int pool_reserve(struct segpool_pool *pool, unsigned long base, u32 nr_regions)
{
	int err;

	lockdep_assert_held_write(&pool->mm->mmap_lock);
	if (pool->nr_regions)
		return -EBUSY;
	err = lent_create(pool, nr_regions);
	if (err)
		return err;
	err = region_chunks_create(pool, nr_regions);
	if (err) {
		lent_destroy(pool);
		return err;
	}
	pool->base = base;
	/* Pairs with the acquire in pool_nr_regions(). */
	smp_store_release(&pool->nr_regions, nr_regions);
	events_pool_changed(pool);
	return 0;
}

static int pool_fs_init(struct fs_context *context)
{
	return init_pseudo(context, SEGPOOL_SUPER_MAGIC) ? 0 : -ENOMEM;
}

/*
 * Inodes of the pools' address spaces. Without an owner: a mounted file system
 * would keep its own module from ever being unloaded.
 */
static struct file_system_type pool_fs = {
	.name = "segpool",
	.init_fs_context = pool_fs_init,
	.kill_sb = kill_anon_super,
};

int pool_mount_init(void)
{
	pool_mount = kern_mount(&pool_fs);
	return PTR_ERR_OR_ZERO(pool_mount);
}

void pool_mount_exit(void)
{
	kern_unmount(pool_mount);
}
