// SPDX-License-Identifier: GPL-2.0-only
/*
 * For the tests: which addresses of a mapping without page structures (VM_PFNMAP)
 * have an entry in the page tables. Everything that the kernel itself offers
 * passes over such mappings. read() of /dev/segpool_presence at the number of a
 * page gives a byte for each page of the calling process from there on, with its
 * top bit set where it is mapped, as in pagemap. Knows nothing of segpool.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/version.h>

/* Called with the mmap lock held. */
static bool is_mapped(struct vm_area_struct *vma, unsigned long address)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	spinlock_t *lock;
	pte_t *entry;

	if (follow_pte(vma->vm_mm, address, &entry, &lock))
		return false;
	pte_unmap_unlock(entry, lock);
#else
	struct follow_pfnmap_args args = { .vma = vma, .address = address };

	if (follow_pfnmap_start(&args))
		return false;
	follow_pfnmap_end(&args);
#endif
	return true;
}

/* -EOPNOTSUPP: the kernel knows the pages of this mapping, and move_pages() tells. */
static int look(unsigned long address)
{
	struct vm_area_struct *vma;
	int found = 0;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	vma = find_vma(current->mm, address);
	if (vma && vma->vm_start <= address)
		found = (vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP)) == VM_PFNMAP ?
			is_mapped(vma, address) : -EOPNOTSUPP;
	mmap_read_unlock(current->mm);
	return found;
}

static ssize_t presence_read(struct file *file, char __user *buffer, size_t count, loff_t *position)
{
	size_t done;
	int found;

	for (done = 0; done < count; done++) {
		if (*position > (loff_t)(ULONG_MAX >> PAGE_SHIFT))
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		found = look((unsigned long)*position << PAGE_SHIFT);
		if (found < 0)
			return found;
		if (put_user((char)(found << 7), buffer + done))
			return -EFAULT;
		++*position;
		cond_resched();
	}
	return done;
}

static const struct file_operations presence_fops = {
	.owner = THIS_MODULE,
	.read = presence_read,
	.llseek = default_llseek,
};

static struct miscdevice presence_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "segpool_presence",
	.fops = &presence_fops,
	.mode = 0444,
};
module_misc_device(presence_device);

MODULE_DESCRIPTION("tells the tests of segpool which pages are mapped");
MODULE_LICENSE("GPL");
