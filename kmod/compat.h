/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels; the only place that asks for a version. Used
 * with 6.1, 6.12 and 7.2; where the change came between two of these, the
 * version is the one that the kernel's history names.
 */
#ifndef SEGPOOL_COMPAT_H
#define SEGPOOL_COMPAT_H

#include <linux/list_lru.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/version.h>
#include <net/genetlink.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
/* The item's memory cgroup and node are found from its address. */
static inline bool list_lru_add_obj(struct list_lru *lru, struct list_head *item)
{
	return list_lru_add(lru, item);
}

static inline bool list_lru_del_obj(struct list_lru *lru, struct list_head *item)
{
	return list_lru_del(lru, item);
}
#endif

/* The lock became the walker's own in 6.13. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define COMPAT_LRU_WALK_LOCK , spinlock_t *lock
#else
#define COMPAT_LRU_WALK_LOCK
#endif

static inline unsigned long compat_get_unmapped_area(struct file *file, unsigned long addr,
						     unsigned long len, unsigned long pgoff,
						     unsigned long flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	return current->mm->get_unmapped_area(file, addr, len, pgoff, flags);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
	return mm_get_unmapped_area(current->mm, file, addr, len, pgoff, flags);
#else
	return mm_get_unmapped_area(file, addr, len, pgoff, flags);
#endif
}

/*
 * Strict mode. Up to 7.1 what zaps one VMA serves VM_PFNMAP alone, which also
 * keeps anybody from pinning pages by their address; VM_IO refuses
 * MADV_DOFORK. From 7.2 on it serves VM_MIXEDMAP, too, for which MADV_DOFORK
 * is refused and direct I/O works.
 *
 * compat_zap_vma() unmaps a range of @vma and flushes; false where this kernel
 * cannot do it to such a VMA, and nothing was done.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define COMPAT_STRICT_FLAGS (VM_PFNMAP | VM_IO)

static inline bool compat_zap_vma(struct vm_area_struct *vma, unsigned long address,
				  unsigned long size)
{
	if (!(vma->vm_flags & VM_PFNMAP))
		return false;
	zap_vma_ptes(vma, address, size);
	return true;
}
#else
#define COMPAT_STRICT_FLAGS 0

static inline bool compat_zap_vma(struct vm_area_struct *vma, unsigned long address,
				  unsigned long size)
{
	zap_special_vma_range(vma, address, size);
	return true;
}
#endif

/*
 * Does the fast path of get_user_pages(), which sees no VMA, leave the pages of a strict
 * pool alone? From 6.10 on it does where it must take care of secret memory: it then
 * takes no page of which it does not know whose it is.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define COMPAT_STRICT_REFUSES_PINS IS_ENABLED(CONFIG_SECRETMEM)
#else
#define COMPAT_STRICT_REFUSES_PINS 0
#endif

/* The attributes of a request for a dump. */
static inline struct nlattr **compat_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return genl_dumpit_info(cb)->attrs;
#else
	return genl_info_dump(cb)->attrs;
#endif
}

/* One entry for a huge page that nobody can pin. */
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
#include <linux/huge_mm.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>

static inline vm_fault_t compat_insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_pmd(vmf, pfn_to_pfn_t(pfn), true);
}
#else
static inline vm_fault_t compat_insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_pmd(vmf, pfn, true);
}
#endif
#endif

/*
 * Shrinkers became objects of the kernel's in 6.7. compat_shrinker_alloc()
 * makes one that is aware of memory cgroups, compat_shrinker_start() lets the
 * kernel call it, compat_shrinker_free() ends it in either state.
 *
 * Before 6.7 it is called from its allocation on, since what prepares one
 * without starting it is not exported: its functions must bear that.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#include <linux/slab.h>

static inline struct shrinker *
compat_shrinker_alloc(unsigned long (*count)(struct shrinker *, struct shrink_control *),
		      unsigned long (*scan)(struct shrinker *, struct shrink_control *),
		      int seeks, long batch)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = seeks;
	shrinker->batch = batch;
	shrinker->flags = SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE;
	if (register_shrinker(shrinker, "segpool")) {
		kfree(shrinker);
		return NULL;
	}
	return shrinker;
}

static inline void compat_shrinker_start(struct shrinker *shrinker)
{
}

static inline void compat_shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#else
static inline struct shrinker *
compat_shrinker_alloc(unsigned long (*count)(struct shrinker *, struct shrink_control *),
		      unsigned long (*scan)(struct shrinker *, struct shrink_control *),
		      int seeks, long batch)
{
	struct shrinker *shrinker;

	shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE, "segpool");
	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = seeks;
	shrinker->batch = batch;
	return shrinker;
}

static inline void compat_shrinker_start(struct shrinker *shrinker)
{
	shrinker_register(shrinker);
}

static inline void compat_shrinker_free(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#endif

#endif
