// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "real.h"

#define EARLY_BYTES	65536U
#define EARLY_ALIGNMENT	16U

struct real_functions real;

static bool found;
static char early[EARLY_BYTES] __attribute__((aligned(EARLY_ALIGNMENT)));
static size_t early_used;

/* ISO C has no conversion from the one kind of pointer to the other. */
static void look_up(void *place, const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	memcpy(place, &function, sizeof(function));
}

#define LOOK_UP(name)	look_up(&real.name, #name)

static void find_all(void)
{
	LOOK_UP(calloc);
	LOOK_UP(realloc);
	LOOK_UP(reallocarray);
	LOOK_UP(memalign);
	LOOK_UP(aligned_alloc);
	LOOK_UP(posix_memalign);
	LOOK_UP(valloc);
	LOOK_UP(pvalloc);
	LOOK_UP(free);
	LOOK_UP(mmap);
	LOOK_UP(munmap);
	LOOK_UP(mremap);
	LOOK_UP(malloc);
}

/* The first call comes before there are other threads. */
bool real_ready(void)
{
	static bool looking;

	if (found)
		return true;
	if (looking)
		return false;
	looking = true;
	find_all();
	found = true;
	return true;
}

void *early_alloc(size_t bytes)
{
	size_t size = (bytes + EARLY_ALIGNMENT - 1) & ~(size_t)(EARLY_ALIGNMENT - 1);
	void *block = early + early_used;

	if (size < bytes || size > EARLY_BYTES - early_used)
		return NULL;
	early_used += size;
	return block;
}

bool early_block(const void *block)
{
	return (uintptr_t)block - (uintptr_t)early < EARLY_BYTES;
}

size_t early_left(const void *block)
{
	return EARLY_BYTES - ((uintptr_t)block - (uintptr_t)early);
}
