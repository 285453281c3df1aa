/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libsegpool: address ranges that stay, physical memory that comes and goes.
 *
 * The region layer: one function for each call of /dev/segpool, which a pool
 * of plain memory (SEGPOOL_BACKEND_USER) answers in the same way. Unless stated
 * otherwise every function returns 0 or a negative errno value, may be called
 * by any thread of the process that created the pool, and sleeps where the
 * kernel does. A call that a signal ended returns -EINTR and is not repeated.
 * Where the pool is NULL, functions that return an error return -EINVAL, others
 * 0 or NULL. Sizes, offsets and budgets are bytes.
 */
#ifndef SEGPOOL_H
#define SEGPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <linux/segpool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** struct segpool - a pool: a reservation with its budgets. Opaque. */
struct segpool;

/**
 * enum segpool_backend_kind - what a pool is made of
 * @SEGPOOL_BACKEND_AUTO: the module where it is loaded and this process may open
 *	its device, otherwise plain memory; the module in any case where
 *	options.device is set. segpool_backend_name() says which it was.
 * @SEGPOOL_BACKEND_KERNEL: the module, through /dev/segpool.
 * @SEGPOOL_BACKEND_USER: anonymous memory of the process, for machines without
 *	the module. Regions, handles, budgets and counters are the same; what it
 *	cannot do segpool_capabilities() tells.
 *
 * The environment variable SEGPOOL_BACKEND (auto, kernel or user) overrides
 * what the program asks for, unless it runs with more rights than its user.
 */
enum segpool_backend_kind {
	SEGPOOL_BACKEND_AUTO = 0,
	SEGPOOL_BACKEND_KERNEL = 1,
	SEGPOOL_BACKEND_USER = 2,
};

/*
 * What a pool can do: segpool_capabilities(). The backend "kernel" can do all of it
 * (the last only if it was asked for), the backend "user" nothing of it, and says instead what
 * follows each.
 */
/*
 * A touch of a released region raises SIGBUS, unless it was released lazily.
 * Otherwise it finds old bytes or zeroes, and the page that it brings is not counted.
 */
#define SEGPOOL_CAN_STOP_TOUCHES	(1U << 0)
/*
 * Physical bytes are pages that are there: one that comes with a touch is counted
 * then, and refused with SIGBUS beyond the budget. Otherwise a region counts whole
 * from the moment it is handed out, except for what is discarded, which counts
 * again when it is populated: populate before you touch it.
 */
#define SEGPOOL_CAN_COUNT_TOUCHES	(1U << 1)
/* Retained pages age by themselves. Otherwise calls on the pool give old ones back. */
#define SEGPOOL_CAN_AGE_ALONE		(1U << 2)
/* Under memory pressure the system takes retained pages. Otherwise it swaps them. */
#define SEGPOOL_CAN_SHRINK		(1U << 3)
/*
 * Retained pages serve any region, and discarded ones are retained. Otherwise they
 * stay with their region, and discarded ones go to the system.
 */
#define SEGPOOL_CAN_MOVE_PAGES		(1U << 4)
/*
 * A page that somebody else still holds (direct I/O under way) is given to nobody.
 * Otherwise release nothing that a transfer is under way in.
 */
#define SEGPOOL_CAN_SEE_PINS		(1U << 5)
/* The system's want of memory is an error of the call. Otherwise the OOM killer may come. */
#define SEGPOOL_CAN_REFUSE_EARLY	(1U << 6)
/* segpool_pressure_fd() gives a descriptor. Otherwise -EOPNOTSUPP. */
#define SEGPOOL_CAN_POLL_PRESSURE	(1U << 7)
/* Others see the pool: debugfs, tracepoints, the ceiling of all pools. */
#define SEGPOOL_CAN_BE_WATCHED		(1U << 8)
/*
 * A region that is released lazily, and the next one of its class that is asked for, need no
 * system call (options.words). Otherwise each is one.
 */
#define SEGPOOL_CAN_SKIP_CALLS		(1U << 9)
#define SEGPOOL_CAN_ALL			((1U << 10) - 1)

/**
 * enum segpool_words_use - may regions be released and taken back without a system call?
 * @SEGPOOL_WORDS_NEVER: each is one.
 * @SEGPOOL_WORDS_IF_POSSIBLE: they are where the kernel, and the mode, can do it:
 *	segpool_capabilities() says whether they can (SEGPOOL_CAN_SKIP_CALLS).
 * @SEGPOOL_WORDS_ALWAYS: segpool_open() fails where they cannot (-EOPNOTSUPP; -EINVAL: the
 *	kernel does not know of it).
 *
 * It applies to segpool_region_free() with SEGPOOL_LAZY, to segpool_region_alloc() with
 * SEGPOOL_POPULATE and neither SEGPOOL_ZERO nor SEGPOOL_CONTIGUOUS, and so to segments.
 * segpool_stat() and all who look at the pool from elsewhere see no difference, but for the counters
 * released_regions, reused_regions and word_reuses.
 */
enum segpool_words_use {
	SEGPOOL_WORDS_NEVER = 0,
	SEGPOOL_WORDS_IF_POSSIBLE = 1,
	SEGPOOL_WORDS_ALWAYS = 2,
};

/*
 * In options.flags, beside SEGPOOL_SET_*: wrong uses of segments are found, refused and reported, at
 * the cost of speed and memory; for tests. A report says what was wrong and where, and where the segment was
 * given and freed the last times. It goes to the function given to segpool_on_log(), or to stderr
 * where there is none. Of each free segment every byte is 0xa5 until it is given again; somebody
 * who wrote to it is found then. A region without a segment in use gives its pages to the system at once,
 * so that a touch raises SIGBUS where the pool can stop touches; otherwise it is not found. What was not
 * freed when the pool is closed is reported by where it was given. Do not discard parts of segments there.
 */
#define SEGPOOL_CHECKED		(1U << 31)

/**
 * struct segpool_options - how to create a pool
 * @size: sizeof(struct segpool_options); set by segpool_options_init().
 * @flags: SEGPOOL_SET_*: members of @limits that are set; the others are
 *	ignored and get the module's defaults. SEGPOOL_CHECKED.
 * @limits: budgets, retain limit and age, watermark.
 * @reservation: length of the address range, rounded up to whole regions; 0:
 *	sixteen times the virtual budget in force, as far as
 *	SEGPOOL_MAX_REGIONS allows (address space is free; nothing is backed,
 *	and the budget can be raised up to it).
 * @region_size: 0: 2 MiB.
 * @mode: enum segpool_mode.
 * @nr_classes: number of @classes; 0: the default seven, 4 to 256 KiB.
 * @classes: segment sizes, ascending.
 * @device: path of the device; NULL: SEGPOOL_DEVICE.
 * @backend: enum segpool_backend_kind; 0: SEGPOOL_BACKEND_AUTO.
 * @words: enum segpool_words_use; 0: SEGPOOL_WORDS_NEVER.
 * @wait_ms: milliseconds that a request for a segment may wait before it is refused for want of
 *	memory; at most SEGPOOL_MAX_WAIT_MS; 0: it does not wait.
 * @reserved: must be 0.
 */
struct segpool_options {
	uint32_t size;
	uint32_t flags;
	struct segpool_limits limits;
	uint64_t reservation;
	uint64_t region_size;
	uint32_t mode;
	uint32_t nr_classes;
	uint32_t classes[SEGPOOL_MAX_CLASSES];
	const char *device;
	uint32_t backend;
	uint32_t words;
	uint32_t wait_ms;
	uint32_t reserved;
};

/**
 * segpool_options_init() - fill options with the defaults
 * @options: every member is set.
 */
void segpool_options_init(struct segpool_options *options);

/**
 * segpool_open() - open, set up and map a pool
 * @options: how; NULL for all defaults.
 * @pool: set to the pool on success, NULL otherwise.
 *
 * Return: 0; -EINVAL: an option, or the environment variable, is out of its range;
 * -EOPNOTSUPP: options.words asks for what cannot be done;
 * -E2BIG: an option is set that this version of the library does not know; -ENOMEM:
 * the reservation does not fit into the address space (RLIMIT_AS), or no memory for
 * the pool itself. Of the backend "kernel" also -ENOENT or -ENXIO: no module loaded;
 * -EACCES: no permission on the device; -ENOTTY: the device is not segpool's; -EMFILE
 * or -ENFILE: this process, or the system, has too many files open.
 * segpool_strerror(NULL, ...) says which.
 */
int segpool_open(const struct segpool_options *options, struct segpool **pool);

/**
 * segpool_close() - unmap and close a pool
 * @pool: the pool, or NULL: then nothing is done.
 *
 * Every page goes back to the system. No other thread may use the pool or its
 * memory any more. In a forked child it frees the child's copy of the handle
 * and leaves alone the parent's pool and whatever the child has mapped since.
 */
void segpool_close(struct segpool *pool);

/*
 * What is in force. These do not enter the kernel.
 */

/**
 * segpool_backend_name() - what the pool is made of
 * @pool: the pool.
 *
 * Return: "kernel" or "user"; NULL where @pool is NULL.
 */
const char *segpool_backend_name(const struct segpool *pool);

/**
 * segpool_capabilities() - what the pool can do that not every pool can
 * @pool: the pool.
 *
 * Return: SEGPOOL_CAN_*; 0 where @pool is NULL.
 */
uint32_t segpool_capabilities(const struct segpool *pool);

/**
 * segpool_base() - where the reservation starts
 * @pool: the pool.
 *
 * Return: the address; NULL where @pool is NULL.
 */
void *segpool_base(const struct segpool *pool);

/**
 * segpool_reservation() - how long the reservation is
 * @pool: the pool.
 *
 * Return: bytes, a multiple of the region size; 0 where @pool is NULL.
 */
uint64_t segpool_reservation(const struct segpool *pool);

/**
 * segpool_region_size() - how large a region is
 * @pool: the pool.
 *
 * Return: bytes; 0 where @pool is NULL.
 */
uint64_t segpool_region_size(const struct segpool *pool);

/**
 * segpool_pool_id() - the pool's number in debugfs and tracepoints
 * @pool: the pool.
 *
 * Pools of the backend "user" are counted in their process.
 *
 * Return: the number; 0, which no pool has, where @pool is NULL.
 */
uint32_t segpool_pool_id(const struct segpool *pool);

/**
 * segpool_nr_classes() - how many classes the pool has
 * @pool: the pool.
 *
 * Return: 1 to SEGPOOL_MAX_CLASSES; 0 where @pool is NULL.
 */
uint32_t segpool_nr_classes(const struct segpool *pool);

/**
 * segpool_class_size() - segment size of a class
 * @pool: the pool.
 * @class_index: the class; the smallest is 0.
 *
 * Return: bytes; 0 where there is no such class.
 */
uint32_t segpool_class_size(const struct segpool *pool, uint32_t class_index);

/**
 * segpool_class_for() - the smallest class with segments that are large enough
 * @pool: the pool.
 * @bytes: how large they must be.
 *
 * Return: the class's index; -ERANGE: no class has such segments; -EINVAL:
 * @pool is NULL.
 */
int segpool_class_for(const struct segpool *pool, uint64_t bytes);

/**
 * segpool_region_alloc() - take regions
 * @pool: the pool.
 * @class_index: class that they will serve.
 * @flags: SEGPOOL_ZERO, SEGPOOL_POPULATE, SEGPOOL_WAIT, SEGPOOL_CONTIGUOUS.
 * @count: 1 to SEGPOOL_MAX_BATCH.
 * @timeout_ms: with SEGPOOL_WAIT; otherwise 0.
 * @regions: @count entries to be filled.
 *
 * Return: the number of regions taken, at least 1, or a negative errno value:
 * -ENOMEM (segpool_strerror() tells of what), -EINTR, -EINVAL, -EFAULT (@regions
 * cannot be written), -EPERM (not the process that created the pool), -ENXIO (the
 * reservation was unmapped). Where it is less than @count, segpool_last_reason()
 * tells why; SEGPOOL_REASON_NONE then means that a signal came.
 */
int segpool_region_alloc(struct segpool *pool, uint32_t class_index, uint32_t flags,
			 uint32_t timeout_ms, struct segpool_region *regions, uint32_t count);

/**
 * segpool_region_address() - where a region starts
 * @pool: the pool.
 * @handle: of the region, as it was handed out.
 *
 * Return: NULL for what cannot be a handle of this pool (generation 0, or
 * outside the reservation). Whether it is one, only the kernel knows.
 */
void *segpool_region_address(const struct segpool *pool, uint64_t handle);

/**
 * segpool_region_free() - release one region
 * @pool: the pool.
 * @handle: of the region, as it was handed out.
 * @flags: 0, SEGPOOL_NOW or SEGPOOL_LAZY.
 *
 * Return: 0, -EALREADY (double release), -ESTALE (somebody else's by now),
 * -ENOENT (never handed out), -EINVAL, -EPERM, -ENXIO, -EINTR.
 */
int segpool_region_free(struct segpool *pool, uint64_t handle, uint32_t flags);

/**
 * segpool_region_free_batch() - release regions in one system call
 * @pool: the pool.
 * @entries: one for each region; the @error of each is set.
 * @count: 1 to SEGPOOL_MAX_BATCH.
 * @flags: 0, SEGPOOL_NOW or SEGPOOL_LAZY.
 *
 * Return: 0 if all were released, otherwise the
 * error of the first that was not; every entry was tried, unless a signal ended
 * the call (-EINTR; -ECANCELED in those that were not). Where the call as a whole
 * is refused, nothing was released: -EINVAL, -EFAULT, -ENOMEM, -EPERM, -ENXIO.
 */
int segpool_region_free_batch(struct segpool *pool, struct segpool_free_entry *entries,
			      uint32_t count, uint32_t flags);

/**
 * segpool_region_reuse() - take back one named released region
 * @pool: the pool.
 * @handle: under which it was released.
 * @class_index: class that it will serve.
 * @flags: SEGPOOL_ZERO, SEGPOOL_POPULATE, SEGPOOL_WAIT.
 * @timeout_ms: with SEGPOOL_WAIT; otherwise 0.
 * @region: to be filled.
 *
 * Return: 0 and @region filled; -EBUSY: it is in use; -ESTALE: somebody had it
 * since; -ENOENT: never handed out; -ENOMEM; -EINTR; -EINVAL; -EFAULT:
 * @region is NULL; -EPERM; -ENXIO.
 */
int segpool_region_reuse(struct segpool *pool, uint64_t handle, uint32_t class_index,
			 uint32_t flags, uint32_t timeout_ms, struct segpool_region *region);

/**
 * segpool_discard() - release page ranges inside active regions
 * @pool: the pool.
 * @ranges: whole pages, each range inside its region; the @error of each is set.
 * @count: 1 to SEGPOOL_MAX_BATCH.
 * @flags: 0 or SEGPOOL_NOW.
 *
 * Return: as segpool_region_free_batch(); also -ENOMEM, for a part of a region
 * whose huge page there is no room to split.
 */
int segpool_discard(struct segpool *pool, struct segpool_range *ranges, uint32_t count,
		    uint32_t flags);

/**
 * segpool_populate() - back page ranges inside active regions
 * @pool: the pool.
 * @ranges: whole pages, each range inside its region; the @error of each is set.
 * @count: 1 to SEGPOOL_MAX_BATCH.
 * @flags: SEGPOOL_ZERO, SEGPOOL_WAIT.
 * @timeout_ms: with SEGPOOL_WAIT; otherwise 0.
 *
 * Return: as segpool_region_free_batch().
 */
int segpool_populate(struct segpool *pool, struct segpool_range *ranges, uint32_t count,
		     uint32_t flags, uint32_t timeout_ms);

/**
 * segpool_set_budget() - change limits of a living pool
 * @pool: the pool.
 * @flags: SEGPOOL_SET_*: the members of @limits to change.
 * @limits: the new values, members without a flag ignored; set to what is in
 *	force. With @flags 0 this only reads.
 *
 * Return: 0, -EINVAL (a flag or value out of its range), -EFAULT (@limits is
 * NULL), -EPERM.
 */
int segpool_set_budget(struct segpool *pool, uint32_t flags, struct segpool_limits *limits);

/**
 * segpool_trim_retained() - give retained pages back to the system
 * @pool: the pool.
 * @target: bytes that may stay.
 * @released: bytes that went, or NULL.
 *
 * Return: 0, -EINVAL, -EPERM.
 */
int segpool_trim_retained(struct segpool *pool, uint64_t target, uint64_t *released);

/**
 * segpool_stat() - counters of the pool
 * @pool: the pool.
 * @values: filled, indexed by enum segpool_counter; those beyond what the kernel
 *	knows are 0.
 * @count: room in @values.
 *
 * Return: the number of counters the kernel knows, or -EINVAL, -EFAULT (@values
 * cannot be written), -EPERM.
 */
int segpool_stat(struct segpool *pool, uint64_t *values, uint32_t count);

/**
 * segpool_class_stat() - counters of one class
 * @pool: the pool.
 * @class_index: the class.
 * @values: filled, indexed by enum segpool_class_counter; those beyond what the
 *	kernel knows are 0.
 * @count: room in @values.
 *
 * Return: as segpool_stat(); -EINVAL also where there is no such class.
 */
int segpool_class_stat(struct segpool *pool, uint32_t class_index, uint64_t *values,
		       uint32_t count);

/**
 * segpool_counter_name() - a counter's name, as in debugfs
 * @counter: enum segpool_counter.
 *
 * Return: the name; NULL where there is no such counter.
 */
const char *segpool_counter_name(uint32_t counter);

/**
 * segpool_class_counter_name() - the name of a class's counter, as in debugfs
 * @counter: enum segpool_class_counter.
 *
 * Return: the name; NULL where there is no such counter.
 */
const char *segpool_class_counter_name(uint32_t counter);

/*
 * Segments: memory of any size from 1 byte on. A segment has the size of the smallest class that
 * it fits into, and is aligned to that; what is larger than the largest class has whole
 * neighbouring regions. All pages are there: no touch of a segment can be refused.
 *
 * Any thread may free what any other was given. A thread that frees what it was given, and takes
 * again what it freed, needs neither a lock nor a system call for it. It keeps some free segments at
 * hand (1 MiB of each class, or four, of regions that are in use) and one region of each class
 * without any segment in use. What is beyond that is released as soon as it is free; what other
 * threads have freed, when the thread that it was given to runs short of segments, or ends. All of
 * it goes with segpool_trim(), and before a request for a segment is refused.
 *
 * Regions of the pool that were taken with segpool_region_alloc() are no segments. Do not release
 * by their handles regions that were not. A forked child has none of its parent's segments, and may
 * only close the pool.
 */

/**
 * segpool_alloc() - take a segment
 * @pool: the pool.
 * @bytes: how large; at most 1024 regions.
 *
 * Return: its address, with undefined content; NULL with errno set to EINVAL (@bytes is 0 or too
 * large, @pool is NULL), ENOMEM (segpool_strerror() tells of what) or what
 * segpool_region_alloc() has to say.
 */
void *segpool_alloc(struct segpool *pool, size_t bytes);

/**
 * segpool_calloc() - take a segment that is full of zeroes
 * @pool: the pool.
 * @count: how many times @bytes.
 * @bytes: how large.
 *
 * Return: as segpool_alloc(); EINVAL also where the product overflows.
 */
void *segpool_calloc(struct segpool *pool, size_t count, size_t bytes);

/**
 * segpool_aligned_alloc() - take a segment with an alignment
 * @pool: the pool.
 * @alignment: a power of two, at most the region size.
 * @bytes: how large.
 *
 * A segment is aligned to its size anyhow; an @alignment larger than @bytes takes a larger one.
 *
 * Return: as segpool_alloc(); EINVAL also for any other alignment.
 */
void *segpool_aligned_alloc(struct segpool *pool, size_t alignment, size_t bytes);

/**
 * segpool_realloc() - change the size of a segment
 * @pool: the pool.
 * @segment: the segment; NULL: as segpool_alloc().
 * @bytes: how large it shall be.
 *
 * It stays where it is if another one would have the same size. Otherwise its content, as far as it
 * fits, is in another one afterwards, and it is free.
 *
 * Return: as segpool_alloc(), and @segment is as it was where that is NULL; EINVAL also where
 * the program does not have @segment.
 */
void *segpool_realloc(struct segpool *pool, void *segment, size_t bytes);

/**
 * segpool_free() - give a segment back
 * @pool: the pool.
 * @segment: as it was given; NULL: nothing is done.
 *
 * A second free of a segment is counted and changes nothing, from whatever thread and at whatever
 * moment, as long as nobody was given the segment in between.
 *
 * Return: 0; -EALREADY: it is free, or was a segment once; -EINVAL: it is no segment of @pool.
 * Where another thread frees it at the same time, both may get 0; one of them is counted as wrong.
 */
int segpool_free(struct segpool *pool, void *segment);

/**
 * segpool_usable_size() - how large a segment really is
 * @pool: the pool.
 * @segment: the segment.
 *
 * Return: bytes that may be used; 0 where the program does not have @segment.
 */
size_t segpool_usable_size(struct segpool *pool, const void *segment);

/**
 * segpool_alloc_batch() - take segments of one size
 * @pool: the pool.
 * @bytes: how large each is.
 * @segments: set to their addresses.
 * @count: how many.
 *
 * Return: how many were taken, at least 1 (0 where @count is 0), or a negative errno value.
 */
int segpool_alloc_batch(struct segpool *pool, size_t bytes, void **segments, uint32_t count);

/**
 * segpool_free_batch() - give segments back
 * @pool: the pool.
 * @segments: the segments, of any sizes.
 * @count: how many.
 *
 * Return: 0, or the error of the first that segpool_free() refused; all were tried.
 */
int segpool_free_batch(struct segpool *pool, void *const *segments, uint32_t count);

/*
 * Holds, for who reads a segment that somebody else may free meanwhile: a free of a segment that is
 * held is right, and returns 0, but the segment is there, with its content, until it has been
 * released as often as it was held. Meanwhile nobody can hold it any more, and for the counters it is
 * live. Any thread may release what any other holds.
 *
 * An address alone says nothing about what was freed and given again before it was held: look
 * again where it came from, or hold it by a handle.
 */

/**
 * segpool_hold() - keep a segment from going
 * @pool: the pool.
 * @segment: as it was given.
 *
 * The first hold of a segment in a region makes the region's owner take notice (a few microseconds), and frees
 * of all its segments take a little longer from then on. All others cost one atomic instruction.
 *
 * Return: 0; -ENOENT: it is free, or has been freed and only waits for others that hold it;
 * -EINVAL: no segment of @pool; -EOVERFLOW: it is held 2^29 times.
 */
int segpool_hold(struct segpool *pool, const void *segment);

/**
 * segpool_release() - let a segment go
 * @pool: the pool.
 * @segment: as it was held.
 *
 * What has been freed meanwhile goes with the last release.
 *
 * Return: 0; -EALREADY: nobody holds it, which is counted and changes nothing; -EINVAL: no
 * segment of @pool. A release too many while somebody else holds it cannot be told from his.
 */
int segpool_release(struct segpool *pool, const void *segment);

/*
 * Handles, for who keeps the name of a segment longer than the segment may live. A handle is good
 * from the moment when the segment is given until it is freed; afterwards it is told from the
 * handles of all that are given the same address later (until the segment has been given 2^31 times in
 * between; 2^26 times in the largest possible reservation). It is good in its pool only.
 */

/* A segment's name: 0 is nobody's. */
typedef uint64_t segpool_ref_t;

/**
 * segpool_ref() - the handle of a segment
 * @pool: the pool.
 * @segment: as it was given. The calling thread must be certain that it is not freed meanwhile.
 *
 * Return: the handle; 0 with errno set to ENOENT (it is free) or EINVAL (no segment of @pool).
 */
segpool_ref_t segpool_ref(struct segpool *pool, const void *segment);

/**
 * segpool_ref_free() - give a segment back, if it still is the one
 * @pool: the pool.
 * @ref: its handle.
 *
 * Return: 0; -ESTALE: it has been freed, and was given again since: its new owner keeps it, which
 * is counted; -EALREADY: it has been freed; -EINVAL: nothing that @pool gave has that handle. Of two
 * threads that free it at the same time both may get 0, as with segpool_free().
 */
int segpool_ref_free(struct segpool *pool, segpool_ref_t ref);

/**
 * segpool_ref_hold() - keep a segment from going, if it still is the one
 * @pool: the pool.
 * @ref: its handle.
 *
 * Return: its address, to be released with segpool_release(); NULL with errno set to ESTALE (it has
 * been freed), EINVAL or EOVERFLOW (as segpool_hold()).
 */
void *segpool_ref_hold(struct segpool *pool, segpool_ref_t ref);

/**
 * segpool_ref_address() - where a segment is
 * @pool: the pool.
 * @ref: its handle.
 *
 * For an optimistic reader: take the address, read, and then ask segpool_ref_validate() whether that
 * was the segment all the time. Where the pool can stop touches (SEGPOOL_CAN_STOP_TOUCHES, as
 * with the module), a read of what has been released may raise SIGBUS: hold it there, unless it is certain
 * that the region stays (because a segment in it is held, for example). What was read is nothing to rely on,
 * not even as an address, before it is validated.
 *
 * Return: the address; NULL with errno set to ESTALE (it has been freed) or EINVAL.
 */
void *segpool_ref_address(struct segpool *pool, segpool_ref_t ref);

/**
 * segpool_ref_validate() - whether a handle is still good
 * @pool: the pool.
 * @ref: the handle.
 *
 * Reads that come before the call are done before it looks: if it returns 0, they found what
 * the program itself had in the segment, nothing that was written to it after it was freed. Whether its own
 * threads wrote meanwhile is the program's business.
 *
 * Return: 0; -ESTALE: it has been freed; -EINVAL: nothing that @pool gave has that handle.
 */
int segpool_ref_validate(struct segpool *pool, segpool_ref_t ref);

/**
 * segpool_trim() - give back what the program does not have
 * @pool: the pool.
 * @target: bytes of retained pages that may stay.
 * @released: bytes that went to the system, or NULL.
 *
 * First all threads' free segments and regions without a segment in use are released, then
 * retained pages go, as with segpool_trim_retained().
 *
 * Return: as segpool_trim_retained().
 */
int segpool_trim(struct segpool *pool, uint64_t target, uint64_t *released);

/**
 * typedef segpool_pressure_fn - the program is asked to free something
 * @pool: the pool.
 * @bytes: size of the segment that is wanted.
 * @context: as it was given to segpool_on_pressure().
 *
 * Called by the thread whose request for a segment is about to be refused (-ENOMEM), when nothing
 * without a user is left in any class, cache or region. No lock is held: it may call whatever the
 * library has but segpool_close(). Where it asks for segments itself, those requests ask nobody and do not wait:
 * they are refused at once. Several threads may be in it at the same time. Other requests may come first to
 * what it frees; then it is called again, eight times at most for one request.
 *
 * Return: bytes that it freed, roughly; 0: nothing, the request waits (options.wait_ms) or is
 * refused.
 */
typedef uint64_t (*segpool_pressure_fn)(struct segpool *pool, uint64_t bytes, void *context);

/**
 * segpool_on_pressure() - whom to ask before a request for a segment is refused
 * @pool: the pool.
 * @pressure: the function; NULL: nobody.
 * @context: passed to it.
 *
 * Not while other threads use the pool.
 *
 * Return: 0 or -EINVAL.
 */
int segpool_on_pressure(struct segpool *pool, segpool_pressure_fn pressure, void *context);

/**
 * enum segpool_log_kind - what is told
 * @SEGPOOL_LOG_NEW_REGION: a class has a region that was never used before.
 * @SEGPOOL_LOG_REUSE: a class has a region that was released before.
 * @SEGPOOL_LOG_PRESSURE: the program is about to be asked to free something.
 * @SEGPOOL_LOG_REFUSAL: a request was refused for want of memory.
 * @SEGPOOL_LOG_WRONG_USE: of a checked pool: a wrong free, release or realloc, or a write to a free segment.
 * @SEGPOOL_LOG_LEAK: of a checked pool that is being closed: segments that were not freed.
 */
enum segpool_log_kind {
	SEGPOOL_LOG_NEW_REGION = 0,
	SEGPOOL_LOG_REUSE = 1,
	SEGPOOL_LOG_PRESSURE = 2,
	SEGPOOL_LOG_REFUSAL = 3,
	SEGPOOL_LOG_WRONG_USE = 4,
	SEGPOOL_LOG_LEAK = 5,
};

/**
 * struct segpool_log - what happened
 * @kind: enum segpool_log_kind; there may be more than are known here.
 * @class_index: the class, or SEGPOOL_ALL_CLASSES for what is larger than the largest, and of WRONG_USE and LEAK.
 * @bytes: of the region, or of the segment that was asked for; of WRONG_USE: of the segment that was written to, or
 *	0; of LEAK: of all that @text tells of.
 * @address: the region, or what was used wrongly, or the first that was not freed, or NULL.
 * @text: the same in words, of one line or more; valid during the call.
 */
struct segpool_log {
	uint32_t kind;
	uint32_t class_index;
	uint64_t bytes;
	const void *address;
	const char *text;
};

/**
 * typedef segpool_log_fn - the program is told what happened
 * @pool: the pool.
 * @log: what; valid during the call.
 * @context: as it was given to segpool_on_log().
 *
 * Called by the thread to which it happens, with no lock held. It may call whatever the library has but
 * segpool_close(); what happens to these calls is not told.
 */
typedef void (*segpool_log_fn)(struct segpool *pool, const struct segpool_log *log, void *context);

/**
 * segpool_on_log() - whom to tell what happens to the segments
 * @pool: the pool.
 * @log: the function; NULL: nobody.
 * @context: passed to it.
 *
 * Not while other threads use the pool.
 *
 * Return: 0 or -EINVAL.
 */
int segpool_on_log(struct segpool *pool, segpool_log_fn log, void *context);

/*
 * The counters of the segments: X(constant, name, description). They are exact where no other
 * thread uses the pool meanwhile. Only ever appended to.
 */
#define SEGPOOL_SEGMENT_COUNTERS(X) \
	X(LIVE, live, "segments that the program has") \
	X(LIVE_BYTES, live_bytes, "bytes of these") \
	X(ASKED_BYTES, asked_bytes, "bytes that the program asked for when it was given these") \
	X(REGIONS, regions, "regions that they, and free ones, are in") \
	X(ALLOCS, allocs, "segments given so far") \
	X(FREES, frees, "segments taken back so far") \
	X(DOUBLE_FREES, double_frees, "frees of what was free: in the sum of all classes only") \
	X(FOREIGN_FREES, foreign_frees, "frees of what is no segment: in the sum of all classes only") \
	X(DEFERRED, deferred, "live ones that are free but for who holds them: in the sum only") \
	X(WRONG_RELEASES, wrong_releases, "releases of what nobody held: in the sum only") \
	X(STALE_FREES, stale_frees, "frees by handles of what has been given again: in the sum only") \
	X(CACHE_HITS, cache_hits, "segments that were at hand when they were asked for") \
	X(REGIONS_NEW, regions_new, "regions that had never been used, so far") \
	X(REGIONS_REUSED, regions_reused, "released regions that were taken again, so far") \
	X(REGIONS_RELEASED, regions_released, "regions that went home, so far") \
	X(REGIONS_HOT, regions_hot, "regions that stay, without a segment in use") \
	X(REFUSALS, refusals, "requests refused for want of memory, so far") \
	X(WRITTEN_AFTER_FREE, written_after_free, "free ones written to: checked pools, in the sum only")

#define SEGPOOL_SEGMENT_COUNTER_ENUM_(id, name, text)	SEGPOOL_S_##id,

/* Indices into the values of segpool_segment_stat(). */
enum segpool_segment_counter {
	SEGPOOL_SEGMENT_COUNTERS(SEGPOOL_SEGMENT_COUNTER_ENUM_) SEGPOOL_NR_SEGMENT_COUNTERS
};

/* Not one class: all of them, and what is larger than the largest. */
#define SEGPOOL_ALL_CLASSES	UINT32_MAX

/**
 * segpool_segment_stat() - counters of the segments
 * @pool: the pool.
 * @class_index: the class, or SEGPOOL_ALL_CLASSES.
 * @values: filled, indexed by enum segpool_segment_counter; those beyond what the library knows
 *	are 0.
 * @count: room in @values.
 *
 * Return: the number of counters the library knows, or -EINVAL (no such class), -EFAULT (@values
 * is NULL).
 */
int segpool_segment_stat(struct segpool *pool, uint32_t class_index, uint64_t *values,
			 uint32_t count);

/**
 * segpool_segment_counter_name() - a counter's name
 * @counter: enum segpool_segment_counter.
 *
 * Return: the name; NULL where there is no such counter.
 */
const char *segpool_segment_counter_name(uint32_t counter);

/**
 * segpool_pressure_fd() - a descriptor that polls POLLPRI while the pool is under pressure
 * @pool: the pool.
 *
 * It belongs to the pool: do not close, read or map it.
 *
 * Return: the descriptor; -EINVAL: @pool is NULL; -EOPNOTSUPP: the pool has none
 * (SEGPOOL_CAN_POLL_PRESSURE).
 */
int segpool_pressure_fd(const struct segpool *pool);

/**
 * segpool_last_reason() - why this thread's last call on any pool was refused
 *
 * A segment that was given at once does not change it.
 *
 * Return: enum segpool_reason: of the last call's -ENOMEM, or of the part of it
 * that was refused (fewer regions than asked for, a range of a batch);
 * SEGPOOL_REASON_NONE where nothing was.
 */
uint32_t segpool_last_reason(void);

/**
 * segpool_strerror() - a sentence that says what happened and what to do
 * @pool: the pool, for its numbers; NULL before there is one.
 * @error: a negative errno value from this thread's last call of this library,
 *	returned or set in an entry.
 * @buffer: where to write; always terminated. 256 bytes hold every sentence.
 * @length: of @buffer; a sentence that does not fit is cut off.
 *
 * The numbers are those of the present moment, read by a call to the kernel.
 *
 * Return: @buffer.
 */
const char *segpool_strerror(struct segpool *pool, int error, char *buffer, size_t length);

#ifdef __cplusplus
}
#endif

#endif /* SEGPOOL_H */
