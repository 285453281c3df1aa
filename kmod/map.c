// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mapping: the only file that knows page tables. Everything that changes
 * them does so under the owner's mmap lock (for reading), having looked the
 * mapping up under that lock: while an munmap() is under way the pool still
 * exists and its VMA is already detached.
 */

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>

#include "segpool.h"

static const struct vm_operations_struct map_ops;

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
	if (vma && vma->vm_start == pool->base && vma->vm_ops == &map_ops &&
	    vma->vm_private_data == pool)
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

	mmap_assert_locked(pool->mm);
	/*
	 * zap_vma_ptes() does nothing to a mapping that is not VM_PFNMAP. The
	 * other way covers all mappings of the pool's own address space, which
	 * is what a pinnable pool needs should its owner have shared it with a
	 * child (madvise(MADV_DOFORK)).
	 */
	if (vma->vm_flags & VM_PFNMAP)
		zap_vma_ptes(vma, address, (unsigned long)nr << PAGE_SHIFT);
	else
		unmap_mapping_range(pool->inode->i_mapping, address - pool->base,
				    (loff_t)nr << PAGE_SHIFT, 1);
}

/**
 * map_insert() - map pages into a region: all or none
 * @vma: from map_lock().
 * @pool: the pool.
 * @index: of the region, which the caller owns or has locked.
 * @first: where in the region, in pages; nothing may be mapped there.
 * @pages: the pages.
 * @nr: how many.
 *
 * Return: 0, or a negative errno value (-ENOMEM: no page table).
 */
int map_insert(struct vm_area_struct *vma, struct segpool_pool *pool, u32 index, u32 first,
	       struct page **pages, u32 nr)
{
	unsigned long left = nr;
	int err;

	mmap_assert_locked(pool->mm);
	err = vm_insert_pages(vma, map_address(pool, index, first), pages, &left);
	if (err && left < nr)
		map_zap(vma, pool, index, first, nr - left);
	return err;
}

static struct page *fault_page(struct segpool_pool *pool, struct region *region)
{
	struct page *page;
	u32 reason;

	if (pages_get(pool, &page, 1, test_bit(REGION_ZERO, &region->flags), &reason)) {
		count_refusal(pool, word_class(region_word(region)), reason);
		return NULL;
	}
	return page;
}

static vm_fault_t fault_active(struct vm_fault *vmf, struct segpool_pool *pool,
			       struct region *region, u32 index)
{
	struct page *page;
	u32 reason;
	int err;

	region_assert_locked(region);
	if (!region->pages)
		region->pages = pages_array_alloc(pool->region_pages, &reason);
	if (!region->pages) {
		count_refusal(pool, word_class(region_word(region)), reason);
		return VM_FAULT_SIGBUS;
	}

	page = region->pages[index];
	if (!page)
		page = fault_page(pool, region);
	if (!page)
		return VM_FAULT_SIGBUS;

	err = vm_insert_page(vmf->vma, vmf->address, page);
	if (err && err != -EBUSY) {
		if (!region->pages[index])
			pages_put(pool, &page, 1, true);
		return VM_FAULT_SIGBUS;
	}
	/* -EBUSY: the page was there already; another thread's fault was first. */
	if (!region->pages[index]) {
		region->pages[index] = page;
		region->nr_pages++;
	}
	return VM_FAULT_NOPAGE;
}

static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct segpool_pool *pool = vmf->vma->vm_private_data;
	u32 region_page = vmf->pgoff & (pool->region_pages - 1);
	vm_fault_t ret = VM_FAULT_SIGBUS;
	struct region *region;

	/* A child that was given the mapping with MADV_DOFORK gets no pages. */
	region = vmf->vma->vm_mm == pool->mm ?
		 region_lookup(pool, vmf->pgoff / pool->region_pages) : NULL;
	if (region) {
		/*
		 * Not killable: who holds the lock maps or unmaps one region.
		 * The address may lie in the VMA's copy that a failing mremap()
		 * had made; only the original may be filled.
		 */
		region_lock(region);
		if (word_state(region_word(region)) == REGION_ACTIVE &&
		    vmf->vma->vm_start == pool->base)
			ret = fault_active(vmf, pool, region, region_page);
		region_unlock(region);
	}
	count(pool, ret == VM_FAULT_NOPAGE ? SEGPOOL_C_FAULTS : SEGPOOL_C_SIGBUS_FAULTS, 1);
	return ret;
}

/* Copies between @buffer and one page; returns how many bytes. */
static int access_page(struct page *page, unsigned int offset, void *buffer, int len, int write)
{
	void *address = kmap_local_page(page);

	if (write)
		memcpy(address + offset, buffer, len);
	else
		memcpy(buffer, address + offset, len);
	kunmap_local(address);
	return len;
}

/*
 * For debuggers, which cannot get at the pages of a strict pool. Reads and
 * writes what is there; a page that is not is an error, and stays away.
 */
static int map_access(struct vm_area_struct *vma, unsigned long address, void *buffer, int len,
		      int write)
{
	struct segpool_pool *pool = vma->vm_private_data;
	unsigned long offset = address - vma->vm_start;
	struct region *region;
	unsigned int part;
	struct page *page;
	int done = 0;

	if (vma->vm_mm != pool->mm || (write && !(vma->vm_flags & VM_WRITE)))
		return -EACCES;

	while (done < len && address + done < vma->vm_end) {
		region = region_lookup(pool, (offset + done) >> pool->region_shift);
		if (!region || region_lock_killable(region))
			break;
		page = NULL;
		if (word_state(region_word(region)) == REGION_ACTIVE && region->pages)
			page = region->pages[((offset + done) >> PAGE_SHIFT) &
					     (pool->region_pages - 1)];
		if (page) {
			part = offset_in_page(offset + done);
			done += access_page(page, part, buffer + done,
					    min_t(int, len - done, PAGE_SIZE - part), write);
		}
		region_unlock(region);
		if (!page)
			break;
	}
	return done ?: -EIO;
}

/*
 * Called for the pool's own VMA, and for the copies that a failing mremap() or
 * a child of MADV_DOFORK had. Its page-table entries are gone by now.
 */
static void map_close(struct vm_area_struct *vma)
{
	struct segpool_pool *pool = vma->vm_private_data;

	if (vma->vm_mm == pool->mm && vma->vm_start == pool->base)
		pool_drain(pool);
}

/* The book-keeping knows one range, which stays where and as long as it is. */
static int map_may_split(struct vm_area_struct *vma, unsigned long address)
{
	return -EINVAL;
}

static int map_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static const struct vm_operations_struct map_ops = {
	.close = map_close,
	.may_split = map_may_split,
	.mremap = map_mremap,
	.fault = map_fault,
	.access = map_access,
};

/**
 * map_attach() - make a new VMA the pool's reservation
 * @pool: the pool.
 * @vma: new; checked by the caller.
 *
 * Context: mmap lock held for writing.
 * Return: 0, -EBUSY (there was a mapping already), -ENOMEM.
 */
int map_attach(struct segpool_pool *pool, struct vm_area_struct *vma)
{
	int err;

	err = pool_reserve(pool, vma->vm_start, vma_pages(vma) / pool->region_pages);
	if (err)
		return err;

	/*
	 * VM_MIXEDMAP before the first insertion: vm_insert_page() would set it
	 * itself, which needs the mmap lock for writing. VM_SEQ_READ keeps
	 * unmapping from marking each page accessed: they are on no LRU list.
	 * VM_IO in strict mode refuses MADV_DOFORK besides what VM_PFNMAP does.
	 * VM_DONTDUMP: a core dump would look at every page of the reservation.
	 */
	vm_flags_set(vma, VM_MIXEDMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP | VM_SEQ_READ);
	if (pool->mode == SEGPOOL_MODE_STRICT)
		vm_flags_set(vma, VM_PFNMAP | VM_IO);
	vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_private_data = pool;
	vma->vm_ops = &map_ops;
	return 0;
}
