// SPDX-License-Identifier: GPL-2.0-only
/* /sys/kernel/debug/segpool: everything the module knows, as text. */

#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "segpool.h"

static struct dentry *root_dir;
static struct dentry *pools_dir;

/* The whole module: live pools, and the events of those that are closed. */
static int counters_show(struct seq_file *seq, void *unused)
{
	u64 totals[SEGPOOL_NR_COUNTERS];
	u32 i;

	pools_totals(totals);
	seq_printf(seq, "pools %u\n", pools_count());
	seq_printf(seq, "pools_created %u\n", pools_created());
	seq_printf(seq, "ceiling_bytes %llu\n", ceiling_limit() << PAGE_SHIFT);
	seq_printf(seq, "ceiling_used_bytes %llu\n", ceiling_used() << PAGE_SHIFT);
	seq_printf(seq, "metadata_bytes %llu\n", metadata_used());
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		if (!counter_is_setting(i) && !counter_is_peak(i))
			seq_printf(seq, "%s %llu\n", counter_names[i], totals[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static void show_pool(struct segpool_pool *pool, void *context)
{
	static const enum segpool_counter columns[] = {
		SEGPOOL_C_VIRTUAL_BYTES, SEGPOOL_C_VIRTUAL_BUDGET_BYTES,
		SEGPOOL_C_PHYSICAL_BYTES, SEGPOOL_C_RETAINED_BYTES,
		SEGPOOL_C_PHYSICAL_BUDGET_BYTES, SEGPOOL_C_REGIONS_ACTIVE,
		SEGPOOL_C_REGIONS_FREED,
	};
	static const char *const modes[] = {
		[SEGPOOL_MODE_STRICT] = "strict",
		[SEGPOOL_MODE_PINNABLE] = "pinnable",
		[SEGPOOL_MODE_HUGE] = "huge",
	};
	u64 values[SEGPOOL_NR_COUNTERS];
	struct seq_file *seq = context;
	u32 i;

	counters_read(pool, values);
	seq_printf(seq, "%u %d %s %llu", pool->id, pool->owner_pid, modes[pool->mode],
		   pool_region_size(pool));
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		seq_printf(seq, " %llu", values[columns[i]]);
	/*
	 * Last, since a program may have spaces in its name; and escaped, since
	 * it may have anything else, meant for root's terminal.
	 */
	seq_putc(seq, ' ');
	seq_escape_str(seq, pool->owner_comm, ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, "\\");
	seq_putc(seq, '\n');
}

static int pools_show(struct seq_file *seq, void *unused)
{
	seq_puts(seq, "id pid mode region_bytes virtual_bytes virtual_budget_bytes physical_bytes ");
	seq_puts(seq, "retained_bytes physical_budget_bytes regions_active regions_freed comm\n");
	pools_settle();
	pools_for_each(show_pool, seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pools);

static int pool_counters_show(struct seq_file *seq, void *unused)
{
	u64 values[SEGPOOL_NR_COUNTERS];
	u32 i;

	lent_settle_all(seq->private, true);
	counters_read(seq->private, values);
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		seq_printf(seq, "%s %llu\n", counter_names[i], values[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pool_counters);

static int pool_classes_show(struct seq_file *seq, void *unused)
{
	struct segpool_pool *pool = seq->private;
	u64 values[SEGPOOL_NR_CLASS_COUNTERS];
	u32 class;
	u32 i;

	lent_settle_all(pool, true);
	seq_puts(seq, "class");
	for (i = 0; i < SEGPOOL_NR_CLASS_COUNTERS; i++)
		seq_printf(seq, " %s", class_counter_names[i]);
	seq_putc(seq, '\n');
	for (class = 0; class < pool->nr_classes; class++) {
		class_counters_read(pool, class, values);
		seq_printf(seq, "%u", class);
		for (i = 0; i < SEGPOOL_NR_CLASS_COUNTERS; i++)
			seq_printf(seq, " %llu", values[i]);
		seq_putc(seq, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pool_classes);

/* A region a line; position 0 is the heading. */
static void *pool_regions_start(struct seq_file *seq, loff_t *position)
{
	if (!*position)
		return SEQ_START_TOKEN;
	return region_lookup(seq->private, *position - 1);
}

static void *pool_regions_next(struct seq_file *seq, void *unused, loff_t *position)
{
	++*position;
	return region_lookup(seq->private, *position - 1);
}

static void pool_regions_stop(struct seq_file *seq, void *unused)
{
}

/* Counts the pages there really are, for comparison with the counters. */
static u32 walk_pages(const struct segpool_pool *pool, const struct region *region)
{
	u32 found = 0;
	u32 i;

	region_assert_locked(region);
	for (i = 0; i < pool->region_pages; i++)
		found += !!region_page(region, i);
	return found;
}

static int pool_regions_show(struct seq_file *seq, void *item)
{
	static const char *const states[] = { "unused", "claimed", "active", "freed" };
	struct segpool_pool *pool = seq->private;
	struct region *region = item;
	bool settled;
	u32 pages = 0;
	u64 word;
	int err;

	if (item == SEQ_START_TOKEN) {
		seq_puts(seq, "region state generation class pages\n");
		return 0;
	}
	/* A seek comes here for every line up to its target, of which there may be millions. */
	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	err = region_lock_killable(region);
	if (err)
		return err;
	settled = lent_settle(pool, region);
	word = region_word(region);
	/* A claimed one's are its claimer's. */
	if (word_state(word) == REGION_ACTIVE || region_is_kept(region))
		pages = walk_pages(pool, region);
	region_unlock(region);
	if (settled)
		lent_settled(pool);
	seq_printf(seq, "%u %s %u %u %u\n", region->index, states[word_state(word) & 3],
		   word_generation(word), word_class(word), pages);
	return 0;
}

static const struct seq_operations pool_regions_sops = {
	.start = pool_regions_start,
	.next = pool_regions_next,
	.stop = pool_regions_stop,
	.show = pool_regions_show,
};
DEFINE_SEQ_ATTRIBUTE(pool_regions);

void debugfs_add_pool(struct segpool_pool *pool)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", pool->id);
	pool->debugfs = debugfs_create_dir(name, pools_dir);
	debugfs_create_file("counters", 0400, pool->debugfs, pool, &pool_counters_fops);
	debugfs_create_file("classes", 0400, pool->debugfs, pool, &pool_classes_fops);
	debugfs_create_file("regions", 0400, pool->debugfs, pool, &pool_regions_fops);
}

/* Waits for readers; afterwards nobody looks at the pool from here. */
void debugfs_remove_pool(struct segpool_pool *pool)
{
	debugfs_remove(pool->debugfs);
}

void debugfs_init(void)
{
	root_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	pools_dir = debugfs_create_dir("pool", root_dir);
	debugfs_create_file("counters", 0400, root_dir, NULL, &counters_fops);
	debugfs_create_file("pools", 0400, root_dir, NULL, &pools_fops);
}

void debugfs_exit(void)
{
	debugfs_remove(root_dir);
}
