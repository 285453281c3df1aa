// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel can be asked to do with a pool's mapping. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "helpers.h"
#include "step_words.h"
#include "system_calls.h"
#include "world.h"

static int result(long value)
{
	return value < 0 ? -errno : 0;
}

/* A length near that of the mapping, or of a part of it. */
static size_t length_of(const struct pool_slot *pool, uint64_t value)
{
	switch (value & 7) {
	case 0:
		return SP_PAGE * (1 + (value >> 3 & 31));
	case 1:
		return pool->region_size;
	case 2:
		return pool->length ? pool->length - SP_PAGE : SP_PAGE;
	case 3:
		return pool->length + SP_PAGE;
	default:
		return pool->length;
	}
}

/* An address in the mapping, mostly its first; never outside the pool's area. */
static char *address_of(const struct pool_slot *pool, uint64_t value)
{
	char *base = pool->base ? pool->base : pool->area;

	return value & 3 ? base : base + (value >> 2 & 0xff) * SP_PAGE;
}

static size_t map_length(const struct pool_slot *pool, uint64_t value)
{
	size_t unit = pool->set_up ? pool->region_size : 64 * SP_KIB;

	switch (value & 15) {
	case 0:
		return unit << (value >> 4 & 15);
	case 1:
		return value >> 4 & (POOL_AREA_BYTES - 1);
	case 2:
		return SP_PAGE;
	case 3:
		return unit * (SEGPOOL_MAX_REGIONS - 1);
	default:
		return unit * (1 + (value >> 4 & 63));
	}
}

static void mapped(struct pool_slot *pool, char *address, size_t length)
{
	/* Where the kernel chose: others may get these addresses later, so give them back. */
	if (address < pool->area || address + length > pool->area + POOL_AREA_BYTES) {
		munmap(address, length);
		return;
	}
	pool->base = address;
	pool->length = length;
}

int do_mmap(struct world *world, const struct step *step)
{
	static const int protections[] = { PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE,
					   PROT_READ | PROT_WRITE | PROT_EXEC };
	static const int kinds[] = { MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE,
				     MAP_SHARED | MAP_FIXED, MAP_SHARED | MAP_POPULATE,
				     MAP_SHARED | MAP_LOCKED, MAP_SHARED | MAP_NORESERVE };
	struct pool_slot *pool = step_pool(world, step);
	uint64_t how = step_word(step, 1);
	size_t length = map_length(pool, step_word(step, 0));
	char *where = pool->area + (how & 0x70 ? 0 : (how >> 8 & 0xff) * SP_PAGE);
	char *address;

	/* Touching a page to fill it in could go on for ever in a large one. */
	if (how & 8 && length > 4 * SP_MIB)
		length = 4 * SP_MIB;
	address = mmap(how & 0x80 && !(how & 8) ? NULL : where, length,
		       how & 7 ? PROT_READ | PROT_WRITE : protections[how >> 16 & 3],
		       how & 8 ? kinds[(how >> 18) % 7] : MAP_SHARED, pool_fd(pool),
		       step_word(step, 2) & 15 ? 0 : (step_word(step, 2) >> 4) * SP_PAGE);
	/* A fixed mapping that fails has removed what was there. */
	pool->odd |= address == MAP_FAILED;
	if (address == MAP_FAILED)
		return -errno;
	mapped(pool, address, length);
	return 0;
}

int do_munmap(struct world *world, const struct step *step)
{
	struct pool_slot *pool = step_pool(world, step);
	char *address = address_of(pool, step_word(step, 0));
	size_t length = length_of(pool, step_word(step, 1));

	if (munmap(address, length))
		return -errno;
	if (pool->base && address <= pool->base && address + length > pool->base)
		pool->base = NULL;
	return 0;
}

int do_mprotect(struct world *world, const struct step *step)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
					   PROT_READ | PROT_WRITE | PROT_EXEC };
	struct pool_slot *pool = step_pool(world, step);

	pool->odd = true;
	return result(mprotect(address_of(pool, step_word(step, 0)),
			       length_of(pool, step_word(step, 1)),
			       protections[step_word(step, 2) & 3]));
}

int do_madvise(struct world *world, const struct step *step)
{
	/* Not 100 and 101: they take pages from the machine for ever. */
	struct pool_slot *pool = step_pool(world, step);
	uint64_t value = step_word(step, 2);

	pool->odd = true;
	return result(madvise(address_of(pool, step_word(step, 0)),
			      length_of(pool, step_word(step, 1)), value & 15 ? value & 31 : 102));
}

/* A pool's mapping can neither move nor change its length. */
int do_mremap(struct world *world, const struct step *step)
{
	struct pool_slot *pool = step_pool(world, step);
	char *old = address_of(pool, step_word(step, 0));
	size_t old_length = length_of(pool, step_word(step, 1));
	size_t new_length = length_of(pool, step_word(step, 2));
	uint64_t how = step_word(step, 3);
	char *target = pool->area + POOL_AREA_BYTES / 2 + (how >> 4 & 0xff) * SP_PAGE;
	char *moved = mremap(old, old_length, new_length, how & 7, target);

	if (moved == MAP_FAILED)
		return -errno;
	/* What lies behind the mapping, which is nothing, may be cut off. */
	if (moved == old && (!pool->base || new_length == old_length ||
			     (new_length < old_length &&
			      old + new_length >= pool->base + pool->length)))
		return 0;
	problem_note(world->shared, "mremap() has changed a pool's mapping");
	return 0;
}

int do_mlock(struct world *world, const struct step *step)
{
	struct pool_slot *pool = step_pool(world, step);
	char *address = address_of(pool, step_word(step, 0));
	size_t length = length_of(pool, step_word(step, 1));

	if (length > 4 * SP_MIB)
		length = 4 * SP_MIB;
	if (step_word(step, 2) & 1)
		return result(munlock(address, length));
	return result(mlock2(address, length, step_word(step, 2) >> 1 & 1));
}

/* Calls that look at pages, or would move them. */
int do_pages(struct world *world, const struct step *step)
{
	struct pool_slot *pool = step_pool(world, step);
	char *address = address_of(pool, step_word(step, 0) | 1);
	void *pages[4] = { address, address + SP_PAGE, address + 2 * SP_PAGE, pool->area };
	int nodes[4] = { 0 }, status[4];
	unsigned char resident[64];
	unsigned long mask = 1;

	switch (step_word(step, 1) % 6) {
	case 0:
		return result(syscall(SYS_move_pages, 0, 4UL, pages, nodes, status, 2));
	case 1:
		return result(mincore(address, 64 * SP_PAGE, resident));
	case 2:
		return result(syscall(SYS_mbind, address, pool->length, 2, &mask, 64UL, 3));
	case 3:
		return result(msync(address, pool->length, MS_SYNC | MS_INVALIDATE));
	case 4:
		pool->odd = true;
		return result(syscall(SYS_remap_file_pages, address,
				      length_of(pool, step_word(step, 2)), 0, 0, 0));
	default:
		return result(syscall(SYS_migrate_pages, 0, 64UL, &mask, &mask));
	}
}

/* Tries to be told of the pool's page faults. */
int do_userfaultfd(struct world *world, const struct step *step)
{
	struct pool_slot *pool = step_pool(world, step);
	struct uffdio_api api = { .api = UFFD_API, .features = step_word(step, 0) & 0xffff };
	struct uffdio_register area = {
		.range = { .start = (uintptr_t)address_of(pool, 1),
			   .len = length_of(pool, step_word(step, 1)) },
		.mode = step_word(step, 2) & 7,
	};
	struct uffdio_writeprotect protect = { .range = area.range, .mode = step_word(step, 3) & 3 };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &area)) {
		error = -errno;
	} else {
		pool->odd = true;
		if (ioctl(fd, UFFDIO_WRITEPROTECT, &protect))
			error = -errno;
	}
	close(fd);
	return error;
}
