// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mapping: the only file that knows page tables. Everything that changes
 * them does so under the owner's mmap lock (for reading), having looked the
 * mapping up under that lock: while an munmap() is under way the pool still
 * exists and its VMA is already detached.
 */

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>

#include "segpool.h"

/**
 * map_lock() - look the mapping up and keep it there
 * @pool: the pool of the calling process.
 *
 * Context: may sleep; takes the mmap lock for reading.
 * Return: the VMA, or ERR_PTR() of -EINTR (killed) or -ENXIO (no mapping).
 */
struct vm_area_struct *map_lock(struct segpool_pool *pool)
{
	struct vm_area_struct *vma;

	if (!pool_nr_regions(pool))
		return ERR_PTR(-ENXIO);
	if (mmap_read_lock_killable(pool->mm))
		return ERR_PTR(-EINTR);
	vma = find_vma(pool->mm, pool->base);
	/* No other file has the pool's address space. */
	if (vma && vma->vm_start == pool->base && vma->vm_file &&
	    vma->vm_file->f_mapping == pool->inode->i_mapping)
		return vma;
	mmap_read_unlock(pool->mm);
	return ERR_PTR(-ENXIO);
}

void map_unlock(struct segpool_pool *pool)
{
	mmap_read_unlock(pool->mm);
}

static unsigned long map_address(const struct segpool_pool *pool, u32 index, u32 page)
{
	return pool->base + ((unsigned long)index << pool->region_shift) +
	       ((unsigned long)page << PAGE_SHIFT);
}

/**
 * map_zap() - unmap pages of a region; the addresses stay
 * @vma: from map_lock().
 * @pool: the pool.
 * @index: of the region.
 * @first: first page in the region.
 * @nr: number of pages.
 *
 * When it returns, no processor has a translation for the range any more.
 */
void map_zap(struct vm_area_struct *vma, struct segpool_pool *pool, u32 index, u32 first, u32 nr)
{
	unsigned long address = map_address(pool, index, first);

	lockdep_assert_held(&pool->mm->mmap_lock);
	/*
	 * The other way covers all mappings of the pool's own address space.
	 * Where it is taken, a pinnable pool needs that should its owner have
	 * shared it with a child (madvise(MADV_DOFORK)).
	 */
	if (!compat_zap_vma(vma, address, (unsigned long)nr << PAGE_SHIFT))
		unmap_mapping_range(pool->inode->i_mapping, address - pool->base,
				    (loff_t)nr << PAGE_SHIFT, 1);
}

/**
 * map_zap_all() - unmap what a child of MADV_DOFORK still has mapped
 * @pool: the pool, whose own mapping is gone.
 */
void map_zap_all(struct segpool_pool *pool)
{
	unmap_mapping_range(pool->inode->i_mapping, 0, 0, 1);
}

/* Is there a page table already for the page of a fault? */
bool map_has_table(const struct vm_fault *vmf)
{
	return !pmd_none(READ_ONCE(*vmf->pmd));
}

/* The second is enough, unless the owner goes on throwing its page tables away. */
#define INSERT_TRIES 8

/**
 * map_insert() - map pages into a region: all or none
 * @vma: from map_lock(), or a fault's.
 * @pool: the pool.
 * @index: of the region, which the caller owns or has locked.
 * @first: where in the region, in pages; nothing may be mapped there.
 * @pages: the pages.
 * @nr: how many.
 *
 * From Linux 6.14 on madvise(MADV_DONTNEED) frees page tables that it has
 * emptied, also between our finding one and locking it: that is -EFAULT, and
 * worth another try.
 *
 * Return: 0; -EBUSY: something is mapped there; -ENOMEM, -EFAULT: no page table.
 */
int map_insert(struct vm_area_struct *vma, struct segpool_pool *pool, u32 index, u32 first,
	       struct page **pages, u32 nr)
{
	unsigned long left = nr;
	u32 tries = INSERT_TRIES;
	int err;

	do {
		err = vm_insert_pages(vma, map_address(pool, index, first + nr - left),
				      pages + nr - left, &left);
	} while (err == -EFAULT && --tries);
	if (err && left < nr)
		map_zap(vma, pool, index, first, nr - left);
	return err;
}
