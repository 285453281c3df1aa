// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "array.h"

#define SMALLEST	65536U

int array_room(struct array *array, size_t count, size_t bytes)
{
	size_t need, room = array->room ? array->room : SMALLEST;
	void *entries;

	if (__builtin_mul_overflow(count, bytes, &need))
		return -1;
	if (need <= array->room)
		return 0;
	while (room < need)
		if (__builtin_mul_overflow(room, (size_t)2, &room))
			return -1;
	entries = array->entries ? mremap(array->entries, array->room, room, MREMAP_MAYMOVE) :
		  mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (entries == MAP_FAILED)
		return -1;
	array->entries = entries;
	array->room = room;
	return 0;
}

void array_drop(struct array *array)
{
	if (array->entries)
		munmap(array->entries, array->room);
	memset(array, 0, sizeof(*array));
}
