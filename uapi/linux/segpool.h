/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * segpool: virtual address space that is kept, physical memory that comes and
 * goes. The interface of /dev/segpool.
 */
#ifndef _UAPI_LINUX_SEGPOOL_H
#define _UAPI_LINUX_SEGPOOL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: General ioctl format
 *
 * Every call passes one structure. Its first member, @size, is the size of the
 * structure that the caller was built with: a kernel that knows a shorter
 * structure accepts a longer one whose additional bytes are all zero, and a
 * kernel that knows a longer one takes the members that are missing as zero.
 * The size encoded in the ioctl number is not looked at, so a number never
 * changes when its structure grows.
 *
 * Members that are not described as set by the kernel are never written.
 * Unknown flags and reserved members that are not zero are refused.
 *
 * A pool belongs to the open file on which %SEGPOOL_IOC_SETUP was called and to
 * the address space of the process that called it.
 */

/**
 * DOC: Errors of every call
 *
 * The calls return 0 or -1 with errno set to one of these. No call that returns
 * an error has changed anything, except where the call's own description says
 * which part was done.
 *
 *  - ENOTTY: not a segpool ioctl number.
 *  - EFAULT: the structure, or an array it points to, is not accessible (arrays
 *    that receive results must be writable). Nothing was done, unless the
 *    memory was taken away during the call or lies in what the call releases:
 *    then what was done by that time stays done.
 *  - E2BIG: @size is larger than the kernel's structure and the additional
 *    bytes are not zero, or @size is larger than a page.
 *  - EINVAL: @size is smaller than the first version of the structure; an
 *    unknown flag; a reserved member that is not zero; a value outside the
 *    range that its description gives.
 *  - EPERM: the caller's address space is not the pool's (a forked child, a
 *    process that was handed the file, the same process after execve()).
 *  - ENXIO: the pool was not set up yet (%SEGPOOL_IOC_SETUP), or the call
 *    needs the mapping and there is none (not mapped yet, or unmapped).
 *  - EOPNOTSUPP: %SEGPOOL_IOC_SETUP with %SEGPOOL_WORDS, in a mode in which this kernel
 *    cannot do that.
 *  - EBUSY: %SEGPOOL_IOC_SETUP or mmap() was already done on this file, or the
 *    region named to %SEGPOOL_IOC_REUSE is taken.
 *  - ENOMEM: refused for want of memory or address space; @reason in the
 *    structure says of which (&enum segpool_reason).
 *  - ENOENT: the handle names a region that was never handed out.
 *  - EALREADY: the region is already released (a double release).
 *  - ESTALE: the region was released and handed out again since the handle was
 *    given. Its present owner is not touched.
 *  - ECANCELED: this entry of a batch was not tried, because the call ended
 *    early.
 *  - EINTR: a signal ended the call; of a batch, @done and the entries' @error
 *    say what was done.
 */

#define SEGPOOL_DEVICE		"/dev/segpool"

/* The type byte of all segpool ioctl numbers. */
#define SEGPOOL_IOC_TYPE	0xD5

/* Limits. Sizes are in bytes unless the name says otherwise. */
#define SEGPOOL_MIN_REGION_SIZE		(64ULL << 10)
#define SEGPOOL_DEFAULT_REGION_SIZE	(2ULL << 20)
#define SEGPOOL_MAX_REGION_SIZE		(32ULL << 20)
/* Regions in one reservation: 32 TiB at the default region size. */
#define SEGPOOL_MAX_REGIONS		(1ULL << 24)
/* Physical budget of one pool: 2^32 - 1 pages of 4 KiB do not overflow. */
#define SEGPOOL_MAX_PHYSICAL		(8ULL << 40)
#define SEGPOOL_MIN_CLASS_SIZE		4096U
#define SEGPOOL_MAX_CLASSES		16
#define SEGPOOL_DEFAULT_CLASSES		7
/* Entries of one batch. */
#define SEGPOOL_MAX_BATCH		1024
/* Longest wait for budget, milliseconds. */
#define SEGPOOL_MAX_WAIT_MS		10000
/* Longest retain age, milliseconds: one day. */
#define SEGPOOL_MAX_AGE_MS		86400000

/**
 * enum segpool_mode - how pages are mapped
 * @SEGPOOL_MODE_STRICT: up to Linux 7.1 nobody can pin a page by its address:
 *	direct I/O into a region, io_uring fixed buffers and process_vm_readv()
 *	get EFAULT, so a release is certain. From 7.2 on they work, and what
 *	is said of pinned pages below holds.
 * @SEGPOOL_MODE_PINNABLE: pages can be pinned, so files can be read straight
 *	into a region. A page that is still pinned when its region is released
 *	leaves the pool and is never given to anybody else.
 * @SEGPOOL_MODE_HUGE: a region of 2 MiB is backed by one huge page, mapped by
 *	one entry where the kernel can do that (from Linux 6.12 on), and by single
 *	pages where no huge page is to be had; regions of other sizes always by
 *	single pages. Nobody can pin a page by its address, on any kernel. The first
 *	touch of a region backs all of it. Pages are not part of the process's RSS.
 */
enum segpool_mode {
	SEGPOOL_MODE_STRICT = 0,
	SEGPOOL_MODE_PINNABLE = 1,
	SEGPOOL_MODE_HUGE = 2,
};

/**
 * enum segpool_reason - what a refused request was short of
 * @SEGPOOL_REASON_NONE: it was not refused.
 * @SEGPOOL_REASON_VIRTUAL: no released region is there, and the virtual budget
 *	(or the reservation, where that is shorter) has no room for a new one.
 * @SEGPOOL_REASON_PHYSICAL: the pool's physical budget is in use.
 * @SEGPOOL_REASON_CEILING: the ceiling for all pools together (a parameter of
 *	the module) is reached, by pages or by what the module needs to manage
 *	them.
 * @SEGPOOL_REASON_SYSTEM: the system, or the caller's memory cgroup, has no
 *	page to give.
 */
enum segpool_reason {
	SEGPOOL_REASON_NONE = 0,
	SEGPOOL_REASON_VIRTUAL = 1,
	SEGPOOL_REASON_PHYSICAL = 2,
	SEGPOOL_REASON_CEILING = 3,
	SEGPOOL_REASON_SYSTEM = 4,
};

/*
 * Handles: the index of a region in the low half, its generation in the high
 * half. A region's offset in the mapping is its index times the region size.
 * The generation grows each time the region is handed out and is never 0, so 0
 * is no handle. The macros are for reading only: a handle is made by the kernel.
 */
#define SEGPOOL_HANDLE_INDEX(handle)		((__u32)(handle))
#define SEGPOOL_HANDLE_GENERATION(handle)	((__u32)((handle) >> 32))

/* Which members of &struct segpool_limits a call sets. */
#define SEGPOOL_SET_VIRTUAL	(1U << 0)
#define SEGPOOL_SET_PHYSICAL	(1U << 1)
#define SEGPOOL_SET_RETAIN	(1U << 2)
#define SEGPOOL_SET_AGE		(1U << 3)
#define SEGPOOL_SET_WATERMARK	(1U << 4)
#define SEGPOOL_SET_ALL		((1U << 5) - 1)

/*
 * Flag of &struct segpool_setup: the program may release regions and take them back by itself, see
 * "Words". A kernel that does not know it answers EINVAL; EOPNOTSUPP: pages of this mode can be
 * pinned by their address on this kernel (pinnable; strict before Linux 6.10, without
 * memfd_secret() in the kernel, and from 7.2 on).
 */
#define SEGPOOL_WORDS		(1U << 8)

/**
 * struct segpool_limits - what a pool may use
 * @virtual_budget: bytes of regions that may ever be carved out of the
 *	reservation; rounded down to whole regions, at most
 *	%SEGPOOL_MAX_REGIONS of them.
 * @physical_budget: bytes of pages the pool may own, mapped and retained
 *	together; rounded down to whole pages, at most %SEGPOOL_MAX_PHYSICAL.
 * @retain_limit: bytes of released pages kept for the next reuse; 0 keeps none.
 * @retain_age_ms: milliseconds after which a retained page that nobody asked
 *	for goes back to the system; 0 keeps them until someone needs the
 *	memory, at most %SEGPOOL_MAX_AGE_MS. Rounded up to the kernel's clock
 *	tick.
 * @watermark: percentage (1 to 100) of @physical_budget from which on poll()
 *	reports pressure.
 */
struct segpool_limits {
	__u64 virtual_budget;
	__u64 physical_budget;
	__u64 retain_limit;
	__u32 retain_age_ms;
	__u32 watermark;
};

/**
 * struct segpool_setup - ioctl(SEGPOOL_IOC_SETUP)
 * @size: sizeof(struct segpool_setup).
 * @flags: SEGPOOL_SET_*: the members of @limits that the caller sets; the
 *	others must be 0 and get the module's defaults. %SEGPOOL_WORDS.
 * @limits: set by the kernel to what is in force.
 * @region_size: bytes, a power of two from %SEGPOOL_MIN_REGION_SIZE to
 *	%SEGPOOL_MAX_REGION_SIZE; 0 asks for %SEGPOOL_DEFAULT_REGION_SIZE. Set
 *	by the kernel.
 * @mode: &enum segpool_mode.
 * @nr_classes: number of entries in @classes, at most %SEGPOOL_MAX_CLASSES; 0
 *	asks for 4, 8, 16, 32, 64, 128 and 256 KiB, as far as they fit into a
 *	region. Set by the kernel.
 * @classes: segment sizes in bytes, powers of two from
 *	%SEGPOOL_MIN_CLASS_SIZE to @region_size, ascending; unused entries must
 *	be 0. Set by the kernel.
 * @pool_id: set by the kernel: the pool's number in debugfs and tracepoints,
 *	unique while the module is loaded.
 * @reserved: must be 0.
 *
 * Turns the open file into a pool of the calling process. Once per file: EBUSY
 * afterwards.
 */
struct segpool_setup {
	__u32 size;
	__u32 flags;
	struct segpool_limits limits;
	__u64 region_size;
	__u32 mode;
	__u32 nr_classes;
	__u32 classes[SEGPOOL_MAX_CLASSES];
	__u32 pool_id;
	__u32 reserved;
};

/* Flags of &struct segpool_alloc and &struct segpool_reuse. */
/* Every byte reads as zero, also where retained pages are used again. */
#define SEGPOOL_ZERO		(1U << 0)
/* Back the whole region now: no later touch faults or can be refused. */
#define SEGPOOL_POPULATE	(1U << 1)
/* Wait for budget, up to timeout_ms. */
#define SEGPOOL_WAIT		(1U << 2)
/* All regions of the call are neighbours, in ascending order, or none is given. */
#define SEGPOOL_CONTIGUOUS	(1U << 3)

/* Flags of &struct segpool_region. */
/* Carved for this call: virtual bytes have grown by one region. */
#define SEGPOOL_REGION_NEW	(1U << 0)
/* A released region, handed out again. */
#define SEGPOOL_REGION_REUSED	(1U << 1)
/* Released by another class (always together with REUSED). */
#define SEGPOOL_REGION_CROSS	(1U << 2)

/**
 * struct segpool_region - a region handed out
 * @handle: names the region until it is released.
 * @offset: of its first byte in the mapping, bytes.
 * @flags: SEGPOOL_REGION_*.
 * @reserved: 0.
 */
struct segpool_region {
	__u64 handle;
	__u64 offset;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct segpool_alloc - ioctl(SEGPOOL_IOC_ALLOC)
 * @size: sizeof(struct segpool_alloc).
 * @flags: %SEGPOOL_ZERO, %SEGPOOL_POPULATE, %SEGPOOL_WAIT,
 *	%SEGPOOL_CONTIGUOUS.
 * @class_index: index into &segpool_setup.classes.
 * @count: number of regions, 1 to %SEGPOOL_MAX_BATCH.
 * @results: pointer to @count &struct segpool_region, written by the kernel.
 * @timeout_ms: with %SEGPOOL_WAIT: milliseconds to wait, at most
 *	%SEGPOOL_MAX_WAIT_MS; otherwise 0.
 * @done: set by the kernel: how many regions were handed out.
 * @reason: set by the kernel where @done is less than @count:
 *	&enum segpool_reason; %SEGPOOL_REASON_NONE where a signal is the reason.
 * @reserved: must be 0.
 *
 * Each region is taken, in this order, from the released regions of its class,
 * from untouched reservation as far as the virtual budget allows, from the
 * released regions of other classes. With %SEGPOOL_CONTIGUOUS: from released
 * neighbours of any class, then from untouched reservation. Returns 0 when at least one region was
 * handed out (with %SEGPOOL_CONTIGUOUS: all); @done says how many. ENOMEM with
 * @reason otherwise, EINTR when a signal ended the wait.
 *
 * Without %SEGPOOL_POPULATE pages come with the first touch of each; one that
 * cannot be had then raises SIGBUS.
 */
struct segpool_alloc {
	__u32 size;
	__u32 flags;
	__u32 class_index;
	__u32 count;
	__u64 results;
	__u32 timeout_ms;
	__u32 done;
	__u32 reason;
	__u32 reserved;
};

/* Flag of &struct segpool_free and of DISCARD: retain nothing of these pages. */
#define SEGPOOL_NOW		(1U << 0)
/* Flag of &struct segpool_free: leave the pages where they are until somebody needs them. */
#define SEGPOOL_LAZY		(1U << 1)

/**
 * struct segpool_free_entry - a region to release
 * @handle: as handed out.
 * @error: set by the kernel: 0, or a negative errno value (EINVAL, ENOENT,
 *	EALREADY, ESTALE, ENXIO, EINTR, ECANCELED).
 * @reserved: must be 0.
 */
struct segpool_free_entry {
	__u64 handle;
	__s32 error;
	__u32 reserved;
};

/**
 * struct segpool_free - ioctl(SEGPOOL_IOC_FREE)
 * @size: sizeof(struct segpool_free).
 * @flags: %SEGPOOL_NOW: give the pages to the system instead of retaining them;
 *	or %SEGPOOL_LAZY; or 0.
 * @count: number of entries, 1 to %SEGPOOL_MAX_BATCH.
 * @done: set by the kernel: how many regions were released.
 * @entries: pointer to @count &struct segpool_free_entry.
 *
 * Unmaps the regions' pages and keeps their addresses for the next request.
 *
 * With %SEGPOOL_LAZY a region's pages stay with it, and stay mapped: the next request of
 * its class that asks for pages (%SEGPOOL_POPULATE) takes it back with them, which is a
 * change of its state and little more. Until then they are retained pages: they count
 * as such, age, and are taken by TRIM, a lowered limit, the system, and requests of the
 * pool that find no room in its budget. So the region may be read and written until
 * that happens, which nobody should: from then on a touch raises SIGBUS, and before it
 * changes what the next owner finds. Where a region has not all its pages, somebody holds
 * one of them, or the limits have no room for them, it is released as without the flag.
 *
 * Every entry is tried, whatever became of those before it. Returns 0 when all
 * were released, otherwise the error of the first that was not.
 */
struct segpool_free {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 done;
	__u64 entries;
};

/**
 * struct segpool_reuse - ioctl(SEGPOOL_IOC_REUSE)
 * @size: sizeof(struct segpool_reuse).
 * @flags: %SEGPOOL_ZERO, %SEGPOOL_POPULATE, %SEGPOOL_WAIT (for physical
 *	budget).
 * @handle: the handle under which the region was released.
 * @class_index: the class it shall serve now.
 * @timeout_ms: with %SEGPOOL_WAIT, as in &struct segpool_alloc; otherwise 0.
 * @reason: set by the kernel with ENOMEM: &enum segpool_reason.
 * @reserved: must be 0.
 * @region: set by the kernel: the new handle, the offset, the flags.
 *
 * Takes back one named region. Of several callers one wins; the others get
 * EBUSY, as does a caller whose region serves somebody already. ESTALE when it
 * has been handed out and released again since.
 */
struct segpool_reuse {
	__u32 size;
	__u32 flags;
	__u64 handle;
	__u32 class_index;
	__u32 timeout_ms;
	__u32 reason;
	__u32 reserved;
	struct segpool_region region;
};

/**
 * struct segpool_range - pages inside an active region
 * @handle: the region.
 * @offset: bytes from the start of the region, a multiple of the page size.
 * @length: bytes, a multiple of the page size, not 0; offset + length at most
 *	the region size.
 * @error: set by the kernel: 0, or a negative errno value (EINVAL, ENOENT,
 *	EALREADY, ESTALE, ENXIO, ENOMEM, EINTR, ECANCELED).
 * @reserved: must be 0.
 */
struct segpool_range {
	__u64 handle;
	__u64 offset;
	__u64 length;
	__s32 error;
	__u32 reserved;
};

/**
 * struct segpool_ranges - ioctl(SEGPOOL_IOC_DISCARD), ioctl(SEGPOOL_IOC_POPULATE)
 * @size: sizeof(struct segpool_ranges).
 * @flags: DISCARD: %SEGPOOL_NOW. POPULATE: %SEGPOOL_ZERO (pages that are
 *	already there keep their content), %SEGPOOL_WAIT.
 * @count: number of ranges, 1 to %SEGPOOL_MAX_BATCH.
 * @done: set by the kernel: how many ranges succeeded.
 * @ranges: pointer to @count &struct segpool_range.
 * @timeout_ms: POPULATE with %SEGPOOL_WAIT, as in &struct segpool_alloc;
 *	otherwise 0.
 * @reason: set by the kernel with ENOMEM: &enum segpool_reason of the first
 *	range that failed so.
 *
 * DISCARD releases the pages of the ranges; touching one again brings a new
 * page. (Of a region that a huge page backs a part is released only if there
 * is room for a page table and an array: ENOMEM otherwise.) POPULATE backs
 * what is missing; a range is backed whole or, on error, as it was. (Pages that the program itself unmapped, by madvise() on a
 * pinnable pool, are not missing: they come back with the next touch.) Every
 * entry is tried; the return value is as for FREE.
 */
struct segpool_ranges {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 done;
	__u64 ranges;
	__u32 timeout_ms;
	__u32 reason;
};

/**
 * struct segpool_set_budget - ioctl(SEGPOOL_IOC_SET_BUDGET)
 * @size: sizeof(struct segpool_set_budget).
 * @flags: SEGPOOL_SET_*: the members of @limits to change; the others must be
 *	0.
 * @limits: set by the kernel to what is in force.
 *
 * The physical budget may be set below what is in use: retained pages go at
 * once as far as that helps, and requests are refused or wait until the pool
 * fits. Carved regions stay for the life of the pool, so the virtual budget is
 * never set below them: asking for less sets it to what is carved, and no new
 * region is given from then on.
 */
struct segpool_set_budget {
	__u32 size;
	__u32 flags;
	struct segpool_limits limits;
};

/**
 * struct segpool_trim - ioctl(SEGPOOL_IOC_TRIM)
 * @size: sizeof(struct segpool_trim).
 * @flags: must be 0.
 * @target: bytes of retained pages that may stay.
 * @released: set by the kernel: bytes that went to the system.
 * @retained: set by the kernel: bytes still retained afterwards.
 */
struct segpool_trim {
	__u32 size;
	__u32 flags;
	__u64 target;
	__u64 released;
	__u64 retained;
};

/*
 * The counters of a pool: X(constant, name, kind, description). The one
 * definition behind debugfs, STAT and every tool. A gauge is a present value,
 * a setting a limit in force, a peak the highest a gauge has been, an event a
 * number that only grows. Names that end in _bytes are bytes, in _ms
 * milliseconds, others are numbers of things. Only ever appended to.
 */
#define SEGPOOL_COUNTERS(X) \
	X(VIRTUAL_BYTES, virtual_bytes, GAUGE, "carved regions times the region size") \
	X(VIRTUAL_BUDGET_BYTES, virtual_budget_bytes, SETTING, "limit of virtual_bytes") \
	X(RESERVATION_BYTES, reservation_bytes, GAUGE, "length of the mapping") \
	X(PHYSICAL_BYTES, physical_bytes, GAUGE, "pages in active regions, with those reserved for a request under way") \
	X(PHYSICAL_PEAK_BYTES, physical_peak_bytes, PEAK, "highest physical_bytes") \
	X(PHYSICAL_BUDGET_BYTES, physical_budget_bytes, SETTING, "limit of physical_bytes + retained_bytes") \
	X(RETAINED_BYTES, retained_bytes, GAUGE, "released pages kept for the next reuse") \
	X(RETAINED_PEAK_BYTES, retained_peak_bytes, PEAK, "highest retained_bytes") \
	X(RETAIN_LIMIT_BYTES, retain_limit_bytes, SETTING, "limit of retained_bytes") \
	X(RETAIN_AGE_MS, retain_age_ms, SETTING, "age at which retained pages go back to the system; 0: never") \
	X(REGIONS_ACTIVE, regions_active, GAUGE, "regions handed out") \
	X(REGIONS_FREED, regions_freed, GAUGE, "released regions waiting for reuse") \
	X(NEW_REGIONS, new_regions, EVENT, "regions carved out of the reservation") \
	X(REUSED_REGIONS, reused_regions, EVENT, "released regions handed out again, cross-class ones included") \
	X(CROSS_CLASS_REUSES, cross_class_reuses, EVENT, "released regions handed out to another class") \
	X(RELEASED_REGIONS, released_regions, EVENT, "regions released") \
	X(WAITS, waits, EVENT, "requests that waited for budget") \
	X(WAITERS, waiters, GAUGE, "requests waiting now") \
	X(REFUSED_VIRTUAL, refused_virtual, EVENT, "requests refused: virtual budget") \
	X(REFUSED_PHYSICAL, refused_physical, EVENT, "requests refused: physical budget") \
	X(REFUSED_CEILING, refused_ceiling, EVENT, "requests refused: ceiling of all pools") \
	X(REFUSED_SYSTEM, refused_system, EVENT, "requests refused: system memory or memory cgroup") \
	X(DOUBLE_FREES, double_frees, EVENT, "releases of a released region, refused") \
	X(STALE_FREES, stale_frees, EVENT, "releases with a handle of an earlier generation, refused") \
	X(SYSTEM_PAGES, system_pages, EVENT, "pages taken from the system") \
	X(ZEROED_PAGES, zeroed_pages, EVENT, "pages zeroed: all that came from the system, and retained ones on request") \
	X(RETAINED_REUSED_PAGES, retained_reused_pages, EVENT, "retained pages used again") \
	X(SHRUNK_PAGES, shrunk_pages, EVENT, "retained pages taken by the system's memory pressure or the ceiling") \
	X(AGED_PAGES, aged_pages, EVENT, "retained pages given back for their age") \
	X(TRIMMED_PAGES, trimmed_pages, EVENT, "retained pages given back for TRIM, a lowered limit, single pages in the place of huge ones, or the end of the pool") \
	X(FAULTS, faults, EVENT, "page faults served") \
	X(SIGBUS_FAULTS, sigbus_faults, EVENT, "page faults refused with SIGBUS") \
	X(PINNED_PAGES, pinned_pages, EVENT, "pages that somebody still held when they were released; they left the pool") \
	X(PRESSURE_EVENTS, pressure_events, EVENT, "times that pressure was signalled to pollers") \
	X(HUGE_REGIONS, huge_regions, GAUGE, "regions that are backed by a huge page: active ones, and released ones that keep it") \
	X(SPLIT_REGIONS, split_regions, EVENT, "regions whose huge page was split because a part was discarded") \
	X(HUGE_FALLBACKS, huge_fallbacks, EVENT, "times that no huge page was to be had where one would have done") \
	X(KEPT_REGIONS, kept_regions, GAUGE, "released regions that still have their pages, which count as retained") \
	X(KEPT_REUSES, kept_reuses, EVENT, "released regions handed out again with the pages they had") \
	X(WORD_REUSES, word_reuses, EVENT, "regions that the program took back by their words, as far as these say so and the kernel has looked")

/* The counters of one class of a pool, likewise. */
#define SEGPOOL_CLASS_COUNTERS(X) \
	X(SEGMENT_BYTES, segment_bytes, SETTING, "the segment size") \
	X(REGIONS_ACTIVE, regions_active, GAUGE, "regions handed out for the class") \
	X(REGIONS_FREED, regions_freed, GAUGE, "regions released by the class, waiting for reuse") \
	X(NEW_REGIONS, new_regions, EVENT, "regions carved for the class") \
	X(REUSED_REGIONS, reused_regions, EVENT, "released regions handed out to the class, cross-class ones included") \
	X(CROSS_CLASS_REUSES, cross_class_reuses, EVENT, "regions taken over from other classes") \
	X(RELEASED_REGIONS, released_regions, EVENT, "regions the class released") \
	X(REFUSALS, refusals, EVENT, "requests of the class that were refused")

#define SEGPOOL_COUNTER_ENUM_(id, name, kind, text)		SEGPOOL_C_##id,
#define SEGPOOL_CLASS_COUNTER_ENUM_(id, name, kind, text)	SEGPOOL_CC_##id,

/* Indices into the values of &struct segpool_stat. */
enum segpool_counter { SEGPOOL_COUNTERS(SEGPOOL_COUNTER_ENUM_) SEGPOOL_NR_COUNTERS };

/* The same with %SEGPOOL_STAT_CLASS. */
enum segpool_class_counter {
	SEGPOOL_CLASS_COUNTERS(SEGPOOL_CLASS_COUNTER_ENUM_) SEGPOOL_NR_CLASS_COUNTERS
};

/* Flag of &struct segpool_stat: the counters of the class @class_index. */
#define SEGPOOL_STAT_CLASS	(1U << 0)

/**
 * struct segpool_stat - ioctl(SEGPOOL_IOC_STAT)
 * @size: sizeof(struct segpool_stat).
 * @flags: 0 for the pool (&enum segpool_counter), %SEGPOOL_STAT_CLASS for one
 *	class (&enum segpool_class_counter).
 * @class_index: with %SEGPOOL_STAT_CLASS; otherwise 0.
 * @count: room in @values, at most %SEGPOOL_MAX_BATCH; set by the kernel to the
 *	number of counters there are. The smaller of the two is written.
 * @values: pointer to @count __u64.
 *
 * physical_bytes and retained_bytes of one call were true at the same instant.
 */
struct segpool_stat {
	__u32 size;
	__u32 flags;
	__u32 class_index;
	__u32 count;
	__u64 values;
};

#define SEGPOOL_IOC_SETUP	_IOWR(SEGPOOL_IOC_TYPE, 0x00, struct segpool_setup)
#define SEGPOOL_IOC_ALLOC	_IOWR(SEGPOOL_IOC_TYPE, 0x01, struct segpool_alloc)
#define SEGPOOL_IOC_FREE	_IOWR(SEGPOOL_IOC_TYPE, 0x02, struct segpool_free)
#define SEGPOOL_IOC_REUSE	_IOWR(SEGPOOL_IOC_TYPE, 0x03, struct segpool_reuse)
#define SEGPOOL_IOC_DISCARD	_IOWR(SEGPOOL_IOC_TYPE, 0x04, struct segpool_ranges)
#define SEGPOOL_IOC_POPULATE	_IOWR(SEGPOOL_IOC_TYPE, 0x05, struct segpool_ranges)
#define SEGPOOL_IOC_SET_BUDGET	_IOWR(SEGPOOL_IOC_TYPE, 0x06, struct segpool_set_budget)
#define SEGPOOL_IOC_TRIM	_IOWR(SEGPOOL_IOC_TYPE, 0x07, struct segpool_trim)
#define SEGPOOL_IOC_STAT	_IOWR(SEGPOOL_IOC_TYPE, 0x08, struct segpool_stat)

/**
 * DOC: mmap and poll
 *
 * mmap() reserves the address range: at offset 0, %MAP_SHARED, not executable,
 * a length that is a multiple of the region size and at most
 * %SEGPOOL_MAX_REGIONS regions, once per file. The range is aligned to the
 * region size unless the caller fixes an address, which must then be aligned.
 * It is not inherited by fork(), and cannot be split, moved or partly unmapped.
 * Touching a region that is not handed out raises SIGBUS.
 *
 * poll() reports EPOLLPRI while the pool is under pressure: physical bytes are
 * at or above the watermark, or a request is waiting, or retained pages were
 * taken for the system or for another pool within the last second. Only the owner should poll; there is
 * nothing to read().
 */

/**
 * DOC: Words
 *
 * In a pool that was set up with %SEGPOOL_WORDS a second mmap(), after that of the
 * reservation, at the offset %SEGPOOL_WORDS_OFFSET, %MAP_SHARED, with a length of
 * SEGPOOL_WORDS_LENGTH(regions in the reservation), maps a __u32 for each region: the region's
 * *word*, at its index. It holds the low 30 bits of the region's generation and a
 * state (&enum segpool_word_state), and is changed by compare-and-swap alone:
 *
 *  - to release a region lazily: from SEGPOOL_WORD(its generation,
 *    %SEGPOOL_WORD_HELD) to SEGPOOL_WORD(its generation, %SEGPOOL_WORD_IDLE).
 *    Then, if the region's note is 0, set it to 1: a __u32 for each
 *    %SEGPOOL_WORDS_PER_NOTE regions, SEGPOOL_WORDS_NOTES(regions in the reservation) bytes from the start.
 *    The swap must be seen before the note is read (a full barrier).
 *  - to take it back: from the same with %SEGPOOL_WORD_IDLE or
 *    %SEGPOOL_WORD_SEEN to SEGPOOL_WORD(the next generation, %SEGPOOL_WORD_HELD). The
 *    next generation is one more, and 1 after 2^32 - 1; with it the index makes the
 *    region's handle. The region has all its pages, its content is undefined, its
 *    class is the one that it had.
 *
 * Where a swap fails the region is released by FREE, or another one asked for by
 * ALLOC: the kernel has released the region itself, as FREE with
 * %SEGPOOL_LAZY does, or has not lent it. It lends what it hands out
 * with %SEGPOOL_POPULATE, while no limit is exceeded and nobody waits. A region
 * that is idle counts as retained, ages, and is taken like any lazily released one.
 *
 * The words of regions that were never handed out may not be touched (SIGBUS). What a
 * program writes there against these rules is at worst a release, or a touch, of
 * its own regions.
 */

/* Of the words in the file. */
#define SEGPOOL_WORDS_OFFSET	(1ULL << 60)
#define SEGPOOL_WORDS_PER_NOTE	1024U

/**
 * enum segpool_word_state - who may change a region's word
 * @SEGPOOL_WORD_CALL: the kernel. The region is released and taken by calls.
 * @SEGPOOL_WORD_HELD: who has the region may release it.
 * @SEGPOOL_WORD_IDLE: released: any thread of the program may take it back.
 * @SEGPOOL_WORD_SEEN: the same; the kernel has seen it so.
 */
enum segpool_word_state {
	SEGPOOL_WORD_CALL = 0,
	SEGPOOL_WORD_HELD = 1,
	SEGPOOL_WORD_IDLE = 2,
	SEGPOOL_WORD_SEEN = 3,
};

#define SEGPOOL_WORD(generation, state)	((__u32)(generation) << 2 | (__u32)(state))

/* Bytes of pages with a __u32 for each of @nr. */
#define SEGPOOL_WORDS_PAGES_(nr)	(((__u64)(nr) * 4 + 4095) / 4096 * 4096)
/* Bytes from the start of the words to the notes. */
#define SEGPOOL_WORDS_NOTES(regions)	SEGPOOL_WORDS_PAGES_(regions)
/* Bytes of words and notes. */
#define SEGPOOL_WORDS_LENGTH(regions) \
	(SEGPOOL_WORDS_NOTES(regions) + \
	 SEGPOOL_WORDS_PAGES_(((__u64)(regions) + SEGPOOL_WORDS_PER_NOTE - 1) / SEGPOOL_WORDS_PER_NOTE))

#endif /* _UAPI_LINUX_SEGPOOL_H */
