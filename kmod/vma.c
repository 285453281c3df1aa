// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool's VMA as the kernel sees it: faults, debuggers, and what is refused.
 */

#include <linux/highmem.h>
#include <linux/mm.h>

#include "segpool.h"

static struct page *fault_page(struct segpool_pool *pool, struct region *region)
{
	struct page *page;
	u32 reason;

	if (pages_get(pool, &page, 1, 0, test_bit(REGION_ZERO, &region->flags), &reason)) {
		count_refusal(pool, word_class(region_word(region)), reason);
		return NULL;
	}
	return page;
}

/* An entry of the page table that is there, but maps nothing. */
static bool fault_meets_marker(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_ORIG_PTE_VALID && !pte_none(vmf->orig_pte);
}

/* A huge page for a region that has no page yet; whether it has one now. */
static bool fault_backs_huge(struct segpool_pool *pool, struct region *region)
{
	struct page *huge;
	u32 reason;

	if (!pool->huge || region->pages)
		return false;
	if (pages_get(pool, &huge, 1, HUGE_ORDER, test_bit(REGION_ZERO, &region->flags),
		      &reason)) {
		count(pool, SEGPOOL_C_HUGE_FALLBACKS, 1);
		return false;
	}
	region_back_huge(pool, region, huge);
	return true;
}

static vm_fault_t fault_single(struct vm_fault *vmf, struct segpool_pool *pool,
			       struct region *region, u32 index)
{
	struct page *page = region_page(region, index);
	u32 reason;
	int err;

	region_assert_locked(region);
	if (!map_has_table(vmf) && !table_headroom(1)) {
		count_refusal(pool, word_class(region_word(region)), SEGPOOL_REASON_SYSTEM);
		return VM_FAULT_SIGBUS;
	}

	if (!region->pages)
		region->pages = pages_array_alloc(pool->region_pages, &reason);
	if (!region->pages) {
		count_refusal(pool, word_class(region_word(region)), reason);
		return VM_FAULT_SIGBUS;
	}
	if (!page)
		page = fault_page(pool, region);
	if (!page)
		return VM_FAULT_SIGBUS;

	err = map_insert(vmf->vma, pool, region->index, index, &page, 1);
	/*
	 * Another thread's fault has mapped it again before us; unless there is
	 * a marker of userfaultfd's, which no try would ever get past.
	 */
	if (err == -EBUSY && region->pages[index] && !fault_meets_marker(vmf))
		return VM_FAULT_NOPAGE;
	if (err) {
		if (!region->pages[index])
			pages_put(pool, &page, 1, 0, true);
		return VM_FAULT_SIGBUS;
	}
	if (!region->pages[index]) {
		region->pages[index] = page;
		region->nr_pages++;
		/* There is one more of its tables; it has no other. */
		if (pool_region_size(pool) <= PMD_SIZE)
			set_bit(REGION_TABLE, &region->flags);
	}
	return VM_FAULT_NOPAGE;
}

static vm_fault_t fault_active(struct vm_fault *vmf, struct segpool_pool *pool,
			       struct region *region, u32 index)
{
	region_assert_locked(region);

	/*
	 * Somebody else who looks at the owner's memory brings nothing: it
	 * would be charged to the wrong memory cgroup.
	 */
	if (!region_page(region, index) && current->mm != pool->mm)
		return VM_FAULT_SIGBUS;
	if (!region_is_huge(region) && !fault_backs_huge(pool, region))
		return fault_single(vmf, pool, region, index);
	if (!region_map_huge(pool, vmf->vma, region, region->huge))
		return VM_FAULT_NOPAGE;
	count_refusal(pool, word_class(region_word(region)), SEGPOOL_REASON_SYSTEM);
	return VM_FAULT_SIGBUS;
}

static vm_fault_t vma_fault(struct vm_fault *vmf)
{
	struct segpool_pool *pool = vmf->vma->vm_private_data;
	u32 index = vmf->pgoff & (pool->region_pages - 1);
	vm_fault_t ret = VM_FAULT_SIGBUS;
	struct region *region;

	if (pool->huge && map_fault_is_own(vmf))
		return VM_FAULT_SIGBUS;
	/* A child that was given the mapping with MADV_DOFORK gets no pages. */
	region = vmf->vma->vm_mm == pool->mm ?
		 region_lookup(pool, vmf->pgoff / pool->region_pages) : NULL;
	if (region) {
		/*
		 * Not killable: who holds the lock maps or unmaps one region,
		 * or is another fault that brings one page, or a huge one.
		 * The address may lie in the VMA's copy that a failing mremap()
		 * had made; only the original may be filled.
		 */
		region_lock(region);
		if (word_state(region_word(region)) == REGION_ACTIVE &&
		    vmf->vma->vm_start == pool->base)
			ret = fault_active(vmf, pool, region, index);
		region_unlock(region);
	}
	count(pool, ret == VM_FAULT_NOPAGE ? SEGPOOL_C_FAULTS : SEGPOOL_C_SIGBUS_FAULTS, 1);
	return ret;
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
/*
 * Before the kernel makes a table for single pages, or where the one entry allows
 * less than the VMA. With the VMA's lock only, unlike ->fault(): what follows then
 * asks for the mmap lock and comes again.
 */
static vm_fault_t vma_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct segpool_pool *pool = vmf->vma->vm_private_data;

	if (!pool->huge || order != HUGE_ORDER || vmf->flags & FAULT_FLAG_VMA_LOCK)
		return VM_FAULT_FALLBACK;
	return vma_fault(vmf);
}
#endif

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
static int vma_access(struct vm_area_struct *vma, unsigned long address, void *buffer, int len,
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
		if (word_state(region_word(region)) == REGION_ACTIVE)
			page = region_page(region, ((offset + done) >> PAGE_SHIFT) &
						   (pool->region_pages - 1));
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
 * a child of MADV_DOFORK had. Its page-table entries are gone by now; a child's
 * may not be, and would keep pages from being the system's again.
 */
static void vma_close(struct vm_area_struct *vma)
{
	struct segpool_pool *pool = vma->vm_private_data;

	if (vma->vm_mm != pool->mm || vma->vm_start != pool->base)
		return;
	map_zap_all(pool);
	pool_drain(pool);
}

/* The book-keeping knows one range, which stays where and as long as it is. */
static int vma_may_split(struct vm_area_struct *vma, unsigned long address)
{
	return -EINVAL;
}

static int vma_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static const struct vm_operations_struct vma_ops = {
	.close = vma_close,
	.may_split = vma_may_split,
	.mremap = vma_mremap,
	.fault = vma_fault,
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	.huge_fault = vma_huge_fault,
#endif
	.access = vma_access,
};

/* The words: what there is of them, for the owner. */
static vm_fault_t words_fault(struct vm_fault *vmf)
{
	struct segpool_pool *pool = vmf->vma->vm_private_data;
	struct page *page = NULL;

	if (vmf->vma->vm_mm == pool->mm && !READ_ONCE(pool->gone))
		page = lent_page(pool, vmf->pgoff - (SEGPOOL_WORDS_OFFSET >> PAGE_SHIFT));
	if (!page)
		return VM_FAULT_SIGBUS;
	/* For the mapping. */
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct words_vma_ops = {
	.fault = words_fault,
};

/**
 * vma_attach_words() - make a new VMA a mapping of the pool's words
 * @pool: the pool, which has its reservation.
 * @vma: new; checked by the caller.
 *
 * Any number of them, and any part: they show the same pages, and nothing is written
 * down about them. VM_IO refuses MADV_DOFORK. Who pins a page all the same
 * (get_user_pages_fast() looks at no VMA) has it for as long as he likes: see lent_destroy().
 *
 * Context: mmap lock held for writing.
 * Return: 0.
 */
int vma_attach_words(struct segpool_pool *pool, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_IO | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP | VM_SEQ_READ);
	vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_private_data = pool;
	vma->vm_ops = &words_vma_ops;
	return 0;
}

/* Of a huge page there is no entry in a VMA that has single pages counted. */
static const unsigned long mode_flags[] = {
	[SEGPOOL_MODE_STRICT] = VM_MIXEDMAP | COMPAT_STRICT_FLAGS,
	[SEGPOOL_MODE_PINNABLE] = VM_MIXEDMAP,
	[SEGPOOL_MODE_HUGE] = VM_PFNMAP | VM_IO,
};

/**
 * vma_attach() - make a new VMA the pool's reservation
 * @pool: the pool.
 * @vma: new; checked by the caller.
 *
 * Context: mmap lock held for writing.
 * Return: 0, -EBUSY (there was a mapping already), -ENOMEM.
 */
int vma_attach(struct segpool_pool *pool, struct vm_area_struct *vma)
{
	int err;

	err = pool_reserve(pool, vma->vm_start, vma_pages(vma) / pool->region_pages);
	if (err)
		return err;

	/*
	 * VM_MIXEDMAP before the first insertion: vm_insert_page() would set it
	 * itself, which needs the mmap lock for writing. VM_SEQ_READ keeps
	 * unmapping from marking each page accessed: they are on no LRU list.
	 * VM_DONTDUMP: a core dump would look at every page of the reservation.
	 */
	vm_flags_set(vma, mode_flags[pool->mode] | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP |
			  VM_SEQ_READ);
	vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_private_data = pool;
	vma->vm_ops = &vma_ops;
	return 0;
}
