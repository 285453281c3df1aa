// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Which blocks are large, so that a free() of any other costs two loads. At most one
 * block of a page or more begins in a page, so an entry for each page is enough: the
 * place in the page where it begins. Who has a block owns its entry, hence no lock.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorder.h"

#define ADDRESS_BITS	47
#define PAGE_BITS	12
#define LEAF_BITS	17
#define GRAIN_BITS	3	/* no allocator aligns to less */
#define NR_LEAVES	(1UL << (ADDRESS_BITS - PAGE_BITS - LEAF_BITS))
#define LEAF_BYTES	((1UL << LEAF_BITS) * sizeof(uint16_t))

_Static_assert(RAW_SMALLEST >= 1 << PAGE_BITS, "two recorded blocks begin in one page");

static uint16_t *leaves[NR_LEAVES];

static uint16_t code_of(uintptr_t address)
{
	return (uint16_t)(1 + ((address & ((1UL << PAGE_BITS) - 1)) >> GRAIN_BITS));
}

static uint16_t *new_leaf(uint16_t **place)
{
	uint16_t *leaf, *other = NULL;
	long address = syscall(SYS_mmap, NULL, LEAF_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (address == -1)
		return NULL;
	leaf = (uint16_t *)address;
	if (__atomic_compare_exchange_n(place, &other, leaf, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return leaf;
	syscall(SYS_munmap, leaf, LEAF_BYTES);
	return other;
}

static uint16_t *entry_of(uintptr_t address, bool make)
{
	uintptr_t page = address >> PAGE_BITS;
	uint16_t **place, *leaf;

	if (address >> ADDRESS_BITS)
		return NULL;
	place = &leaves[page >> LEAF_BITS];
	leaf = __atomic_load_n(place, __ATOMIC_ACQUIRE);
	if (!leaf && make)
		leaf = new_leaf(place);
	return leaf ? &leaf[page & ((1UL << LEAF_BITS) - 1)] : NULL;
}

bool table_put(const void *block)
{
	uint16_t *entry = entry_of((uintptr_t)block, true);

	if (!entry)
		return false;
	__atomic_store_n(entry, code_of((uintptr_t)block), __ATOMIC_RELAXED);
	return true;
}

bool table_take(const void *block)
{
	uint16_t *entry = entry_of((uintptr_t)block, false);

	if (!entry || __atomic_load_n(entry, __ATOMIC_RELAXED) != code_of((uintptr_t)block))
		return false;
	__atomic_store_n(entry, 0, __ATOMIC_RELAXED);
	return true;
}
