// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mapping: the only file that knows page tables. Everything that changes
 * them does so under the owner's mmap lock (for reading), having looked the
 * mapping up under that lock: while an munmap() is under way the pool still
 * exists and its VMA is already detached. Only what unmaps by the pool's address
 * space needs no such lock: the kernel then looks at the VMAs itself.
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
	/* No other file has the pool's address space. The words are at another offset. */
	if (vma && vma->vm_start == pool->base && !vma->vm_pgoff && vma->vm_file &&
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
 * map_zap_region() - unmap a whole region, from wherever it is mapped
 * @pool: the pool.
 * @index: of the region.
 *
 * As map_zap(), for who does not hold the mmap lock. Context: may sleep; in reclaim, too,
 * which takes the same locks for any file's pages.
 */
void map_zap_region(struct segpool_pool *pool, u32 index)
{
	unmap_mapping_range(pool->inode->i_mapping, (loff_t)index << pool->region_shift,
			    pool_region_size(pool), 1);
}

/* May somebody hold a page that is mapped there, by its address? */
bool map_can_be_pinned(const struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_MIXEDMAP))
		return false;
	return !(vma->vm_flags & VM_PFNMAP) || !COMPAT_STRICT_REFUSES_PINS;
}

/* The same of a mode, before there is a mapping. */
bool map_mode_can_be_pinned(u32 mode)
{
	if (mode == SEGPOOL_MODE_STRICT)
		return !COMPAT_STRICT_FLAGS || !COMPAT_STRICT_REFUSES_PINS;
	return mode != SEGPOOL_MODE_HUGE;
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

/* The page middle directory's entry for an address; NULL where there is no such table. */
static pmd_t *find_pmd(struct mm_struct *mm, unsigned long address)
{
	pgd_t *pgd = pgd_offset(mm, address);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, address);
	if (p4d_none(*p4d))
		return NULL;
	pud = pud_offset(p4d, address);
	return pud_none(*pud) ? NULL : pmd_offset(pud, address);
}

/* Does this kernel, on this machine, map a huge page by one entry? */
static bool has_huge_entries(void)
{
	return IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) && has_transparent_hugepage();
}

/* Is there a table for the single pages of a region that one entry could map? */
bool map_has_single_table(const struct vm_area_struct *vma, const struct segpool_pool *pool,
			  u32 index)
{
	pmd_t *pmd = find_pmd(vma->vm_mm, map_address(pool, index, 0));

	return pmd && !pmd_none(*pmd) && !pmd_leaf(*pmd);
}

static u32 huge_tables(const pmd_t *pmd)
{
	u32 single = !has_huge_entries();

	if (!pmd)
		return 3 + single;
	return pmd_none(*pmd) ? single : 0;
}

/**
 * map_huge_tables() - page tables that are missing for a huge page
 * @vma: from map_lock(), or a fault's.
 * @pool: the pool.
 * @index: of the region, which the caller owns or has locked.
 *
 * Return: how many map_insert_huge() would have the kernel allocate, at most.
 */
u32 map_huge_tables(const struct vm_area_struct *vma, const struct segpool_pool *pool, u32 index)
{
	return huge_tables(find_pmd(vma->vm_mm, map_address(pool, index, 0)));
}

/* The second is enough, unless the owner goes on throwing its page tables away. */
#define INSERT_TRIES 8

/*
 * From Linux 6.14 on madvise(MADV_DONTNEED) frees page tables that it has
 * emptied, also between our finding one and locking it: that is -EFAULT, and
 * worth another try. Sets @done to how many pages were mapped.
 */
static int insert_counted(struct vm_area_struct *vma, unsigned long address, struct page **pages,
			  u32 nr, u32 *done)
{
	unsigned long left = nr;
	u32 tries = INSERT_TRIES;
	int err;

	do {
		*done = nr - left;
		err = vm_insert_pages(vma, address + ((unsigned long)*done << PAGE_SHIFT),
				      pages + *done, &left);
	} while (err == -EFAULT && --tries);
	*done = nr - left;
	return err;
}

/*
 * Entries that map pages of which the kernel counts nothing: "special". Young and
 * dirty, so that no processor has to write them back before their first use.
 */
static pte_t special_entry(const struct vm_area_struct *vma, unsigned long pfn)
{
	return pte_mkspecial(pte_mkyoung(pte_mkdirty(pfn_pte(pfn, vma->vm_page_prot))));
}

/**
 * struct special_run - pages to be mapped by special entries
 * @vma: where.
 * @pfn: the first page's number.
 * @entry: its entry. Made anew from its page each would cost twice as much.
 * @step: what to add to an entry for that of the page with the next number: negative
 *	where nothing may be accessed, since such entries hold the number inverted.
 * @pages: what; NULL: neighbours, from the first on.
 * @done: how many are.
 */
struct special_run {
	struct vm_area_struct *vma;
	unsigned long pfn;
	pteval_t entry;
	pteval_t step;
	struct page **pages;
	u32 done;
};

static void special_run_begin(struct special_run *run, struct vm_area_struct *vma,
			      const struct page *first)
{
	*run = (struct special_run){ .vma = vma, .pfn = page_to_pfn(first) };
	run->entry = pte_val(special_entry(vma, run->pfn));
	run->step = pte_val(special_entry(vma, run->pfn + 1)) - run->entry;
}

static int insert_special_page(pte_t *pte, unsigned long address, void *data)
{
	struct special_run *run = data;
	unsigned long pfn;

	if (!pte_none(ptep_get(pte)))
		return -EBUSY;
	pfn = page_to_pfn(run->pages[run->done++]);
	set_pte_at(run->vma->vm_mm, address, pte,
		   __pte(run->entry + (pfn - run->pfn) * run->step));
	return 0;
}

/* What is mapped already is this very page; a marker of userfaultfd's is not. */
static int insert_special_next(pte_t *pte, unsigned long address, void *data)
{
	struct special_run *run = data;

	if (pte_none(ptep_get(pte)))
		set_pte_at(run->vma->vm_mm, address, pte, __pte(run->entry));
	else if (!pte_present(ptep_get(pte)))
		return -EBUSY;
	run->entry += run->step;
	run->done++;
	return 0;
}

/**
 * map_insert() - map pages into a region: all or none
 * @vma: from map_lock(), or a fault's.
 * @pool: the pool.
 * @index: of the region, which the caller owns or has locked.
 * @first: where in the region, in pages; nothing may be mapped there.
 * @pages: the pages.
 * @nr: how many.
 *
 * Return: 0; -EBUSY: something is mapped there; -ENOMEM, -EFAULT: no page table.
 */
int map_insert(struct vm_area_struct *vma, struct segpool_pool *pool, u32 index, u32 first,
	       struct page **pages, u32 nr)
{
	unsigned long address = map_address(pool, index, first);
	struct special_run run;
	u32 done;
	int err;

	if (vma->vm_flags & VM_MIXEDMAP) {
		err = insert_counted(vma, address, pages, nr, &done);
	} else {
		special_run_begin(&run, vma, pages[0]);
		run.pages = pages;
		err = apply_to_page_range(vma->vm_mm, address, (unsigned long)nr << PAGE_SHIFT,
					  insert_special_page, &run);
		done = run.done;
	}
	if (err && done)
		map_zap(vma, pool, index, first, done);
	return err;
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
/*
 * What allocates these tables is not exported, but a fault does it on its way to
 * us. The reservation is never executable, so for one that is about to execute
 * something nobody needs an answer: not us, and not a program that jumps there.
 */
#define OWN_FAULT FAULT_FLAG_INSTRUCTION

bool map_fault_is_own(const struct vm_fault *vmf)
{
	return vmf->flags & OWN_FAULT;
}

/*
 * Maps a huge page by one entry, and lets it be written to where it is mapped
 * already and the VMA allows that. Returns whether it is mapped so: not where
 * the region has a table for single entries, which stays once it is there.
 */
static bool insert_huge_entry(struct vm_area_struct *vma, unsigned long address, pmd_t *pmd,
			      struct page *huge)
{
	struct vm_fault vmf = { .vma = vma, .address = address };

	if (!has_huge_entries())
		return false;
	if (!pmd) {
		handle_mm_fault(vma, address, OWN_FAULT, NULL);
		pmd = find_pmd(vma->vm_mm, address);
	}
	if (!pmd)
		return false;
	if (!pmd_none(*pmd) && !pmd_leaf(*pmd))
		return false;
	vmf.pmd = pmd;
	compat_insert_pfn_pmd(&vmf, page_to_pfn(huge));
	/* It does not say so where somebody else's table was faster (userfaultfd). */
	return pmd_leaf(READ_ONCE(*pmd));
}
#else
bool map_fault_is_own(const struct vm_fault *vmf)
{
	return false;
}

static bool insert_huge_entry(struct vm_area_struct *vma, unsigned long address, pmd_t *pmd,
			      struct page *huge)
{
	return false;
}
#endif

/**
 * map_insert_huge() - map a huge page as a whole region
 * @vma: from map_lock(), or a fault's.
 * @pool: the pool.
 * @index: of the region, which the caller owns or has locked.
 * @huge: the page; parts of it may be mapped there already, and nothing else.
 * @tables: page tables may be allocated.
 *
 * By one entry where the kernel and the region's tables allow it, by single ones
 * otherwise.
 *
 * Return: 0; -ENOMEM: no page table; -EBUSY: something else is in its place; -EAGAIN:
 * @tables is needed.
 */
int map_insert_huge(struct vm_area_struct *vma, struct segpool_pool *pool, u32 index,
		    struct page *huge, bool tables)
{
	unsigned long address = map_address(pool, index, 0);
	pmd_t *pmd = find_pmd(vma->vm_mm, address);
	struct special_run run;
	int err;

	if (!tables && huge_tables(pmd))
		return -EAGAIN;
	if (insert_huge_entry(vma, address, pmd, huge))
		return 0;
	special_run_begin(&run, vma, huge);
	err = apply_to_page_range(vma->vm_mm, address, pool_region_size(pool),
				  insert_special_next, &run);
	if (err && run.done)
		map_zap(vma, pool, index, 0, run.done);
	return err;
}
