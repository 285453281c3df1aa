// SPDX-License-Identifier: GPL-2.0-only
/* /dev/segpool: the file operations. Root's by default; see the manual for groups. */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>

#include "segpool.h"

static int segpool_open(struct inode *inode, struct file *file)
{
	struct segpool_pool *pool = pool_create();

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	file->private_data = pool;
	/* The pool's own address space, so that unmapping finds this pool alone. */
	file->f_mapping = pool->inode->i_mapping;
	return nonseekable_open(inode, file);
}

static int segpool_release(struct inode *inode, struct file *file)
{
	pool_destroy(file->private_data);
	return 0;
}

static int mmap_words(struct segpool_pool *pool, struct vm_area_struct *vma)
{
	/* Published with the reservation. */
	if (!pool_nr_regions(pool))
		return -ENXIO;
	if (!pool->lent || !(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC ||
	    vma->vm_end - vma->vm_start != lent_length(pool))
		return -EINVAL;
	return vma_attach_words(pool, vma);
}

static int segpool_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct segpool_pool *pool = file->private_data;
	unsigned long size = vma->vm_end - vma->vm_start;
	u64 unit;

	if (!pool_is_ready(pool))
		return -ENXIO;
	if (current->mm != pool->mm)
		return -EPERM;
	if (vma->vm_pgoff == SEGPOOL_WORDS_OFFSET >> PAGE_SHIFT)
		return mmap_words(pool, vma);
	unit = pool_region_size(pool);
	if (vma->vm_pgoff || !(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_EXEC))
		return -EINVAL;
	if (!IS_ALIGNED(vma->vm_start | size, unit) ||
	    size >> pool->region_shift > SEGPOOL_MAX_REGIONS)
		return -EINVAL;
	return vma_attach(pool, vma);
}

/* Aligned to the region size; an address that the caller fixes is left to mmap. */
static unsigned long segpool_get_unmapped_area(struct file *file, unsigned long address,
					       unsigned long length, unsigned long pgoff,
					       unsigned long flags)
{
	struct segpool_pool *pool = file->private_data;
	unsigned long align = pool_is_ready(pool) ? pool_region_size(pool) : PAGE_SIZE;
	unsigned long found;

	if (address || (flags & MAP_FIXED)) {
		found = compat_get_unmapped_area(file, address, length, pgoff, flags);
		if (IS_ERR_VALUE(found) || (flags & MAP_FIXED) || IS_ALIGNED(found, align))
			return found;
	}
	if (length > TASK_SIZE - align)
		return -ENOMEM;
	found = compat_get_unmapped_area(file, 0, length + align - PAGE_SIZE, pgoff, flags);
	return IS_ERR_VALUE(found) ? found : ALIGN(found, align);
}

static __poll_t segpool_poll(struct file *file, struct poll_table_struct *table)
{
	struct segpool_pool *pool = file->private_data;

	if (!pool_is_ready(pool))
		return EPOLLERR;
	poll_wait(file, &pool->pressure_wait, table);
	if (pressure_is_on(pool))
		lent_settle_all(pool, true);
	return pressure_is_on(pool) ? EPOLLPRI : 0;
}

static const struct file_operations segpool_fops = {
	.owner = THIS_MODULE,
	.open = segpool_open,
	.release = segpool_release,
	.unlocked_ioctl = segpool_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = segpool_mmap,
	.get_unmapped_area = segpool_get_unmapped_area,
	.poll = segpool_poll,
};

static struct miscdevice segpool_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "segpool",
	.fops = &segpool_fops,
	.mode = 0600,
};

int device_init(void)
{
	return misc_register(&segpool_device);
}

void device_exit(void)
{
	misc_deregister(&segpool_device);
}
