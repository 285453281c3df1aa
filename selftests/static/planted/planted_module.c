// SPDX-License-Identifier: GPL-2.0-only
/* Mistakes on purpose: each checker of the module must report its own. Never loaded. */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

struct planted {
	struct list_head node;
	int *values;
	int number;
};

static LIST_HEAD(planted_list);
static DEFINE_SPINLOCK(planted_lock);

/* W=1: no prototype. */
int planted_without_prototype(int __user *pointer)
{
	/* sparse: user space is not to be touched directly. */
	return *pointer;
}

/* sparse, Coccinelle: one way out keeps the lock. */
static int planted_imbalance(struct planted *planted)
{
	spin_lock(&planted_lock);
	if (planted->number)
		return -EINVAL;
	spin_unlock(&planted_lock);
	return 0;
}

/**
 * planted_kernel_doc() - kernel-doc: neither all parameters nor what comes back
 * @planted: described.
 */
static int planted_kernel_doc(struct planted *planted, int undescribed)
{
	/* Coccinelle: the same test twice. */
	if (planted->number == undescribed || planted->number == undescribed)
		return 1;
	return planted_imbalance(planted);
}

/* Coccinelle: used after it was freed; used although it is NULL; used after the loop. */
static int planted_pointers(struct planted *planted)
{
	struct planted *each;
	int number;

	list_for_each_entry(each, &planted_list, node)
		if (each->number)
			break;
	number = each->number;
	kfree(planted->values);
	number += planted->values[0];
	if (!planted)
		number += planted->number;
	return number;
}

/* checkpatch: no space after if, braces of a function at the end of its line. */
static int __init planted_init(void) {
	struct planted planted = { .number = 1 };

	if(planted_kernel_doc(&planted, 1))
		return planted_pointers(&planted);
	return 0;
}
module_init(planted_init);
MODULE_DESCRIPTION("mistakes on purpose");
MODULE_LICENSE("GPL");
