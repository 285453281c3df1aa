// SPDX-License-Identifier: GPL-2.0-only
/* Memory of all kinds, for the module to read from and to write to. */

#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "helpers.h"
#include "world.h"

/* Sixteen choices, of which most are harmless: else no call would get far. */
static const uint8_t place_kinds[16] = {
	PLACE_PLAIN, PLACE_PLAIN, PLACE_PLAIN, PLACE_PLAIN, PLACE_PLAIN,
	PLACE_EDGE, PLACE_ACROSS, PLACE_READONLY, PLACE_UNMAPPED, PLACE_FILE_END,
	PLACE_ALIAS, PLACE_POOL, PLACE_SHIFTING, PLACE_VANISHING, PLACE_SLOW, PLACE_NOWHERE,
};

static char *arena(int protection)
{
	char *start = mmap(NULL, ARENA_BYTES + SP_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (start == MAP_FAILED || mprotect(start, ARENA_BYTES, protection))
		return NULL;
	return start;
}

/* Pages of a file that ends after the first of them. */
static char *file_arena(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	char *start;

	if (fd < 0 || ftruncate(fd, SP_PAGE))
		return NULL;
	start = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return start == MAP_FAILED ? NULL : start;
}

int memory_make(struct memory *memory)
{
	const int both = PROT_READ | PROT_WRITE;
	unsigned int i;

	for (i = 0; i < NR_ACTORS; i++) {
		memory->own[i][0] = arena(both);
		memory->own[i][1] = arena(both);
		if (!memory->own[i][0] || !memory->own[i][1])
			return -1;
	}
	memory->readonly = arena(PROT_READ);
	memory->unmapped = arena(PROT_NONE);
	memory->shifting = arena(both);
	memory->vanishing = arena(both);
	memory->slow = arena(both);
	memory->slow_image = arena(both);
	memory->file = file_arena();
	return memory->readonly && memory->unmapped && memory->shifting && memory->vanishing &&
	       memory->slow && memory->slow_image && memory->file ? 0 : -1;
}

static char *nowhere(uint64_t choice)
{
	static const uint64_t addresses[] = {
		0, 8, 0x7fffffffe000, 0x7ffffffffff8, 0x800000000000, 0xffff800000000000,
		0xffff888000000000, 0xffffffff81000000, 0xfffffffffffff000, 0xfffffffffffffff8,
	};

	return (char *)(uintptr_t)addresses[choice % (sizeof(addresses) / sizeof(addresses[0]))];
}

static struct place place_in(enum place_kind kind, char *address, char *fill)
{
	return (struct place){ .kind = kind, .user = address, .fill = fill };
}

/**
 * memory_place() - where to pass a structure or an array
 * @world: the world.
 * @actor: who calls.
 * @step: for its pool.
 * @choice: the kind, and where in it.
 * @length: bytes that will be used.
 * @alias: for an array: the structure; NULL: this is the structure.
 */
struct place memory_place(struct world *world, enum actor actor, const struct step *step,
			  uint64_t choice, size_t length, char *alias)
{
	enum place_kind kind = place_kinds[choice & 15];
	struct memory *memory = &world->memory;
	char *own = memory->own[actor][!!alias];
	size_t within = choice >> 4 & 0xff8;
	char *address;

	if (length > ARENA_BYTES)
		length = ARENA_BYTES;
	/* Who answers for the slow memory must not need it, nor wait for others. */
	if (actor != ACTOR_MAIN && kind >= PLACE_SHIFTING && kind <= PLACE_SLOW)
		kind = PLACE_PLAIN;
	switch (kind) {
	case PLACE_EDGE:
		return place_in(kind, own + ARENA_BYTES - length, own + ARENA_BYTES - length);
	case PLACE_ACROSS:
		address = own + ARENA_BYTES - (length ? within % length : 0);
		return place_in(kind, address, NULL);
	case PLACE_READONLY:
		return place_in(kind, memory->readonly + within, NULL);
	case PLACE_UNMAPPED:
		return place_in(kind, memory->unmapped + within, NULL);
	case PLACE_FILE_END:
		address = memory->file + SP_PAGE - (length ? within % length : 0);
		return place_in(kind, address, NULL);
	case PLACE_ALIAS:
		if (alias)
			return place_in(kind, alias + within % 128, NULL);
		break;
	case PLACE_POOL:
		address = pool_address(step_pool(world, step), choice >> 4);
		return place_in(kind, address, address);
	case PLACE_SHIFTING:
		return place_in(kind, memory->shifting, memory->shifting);
	case PLACE_VANISHING:
		return place_in(kind, memory->vanishing, memory->vanishing);
	case PLACE_SLOW:
		address = memory->slow + SP_PAGE - (length && alias ? within % length : length);
		return place_in(kind, address, memory->slow_image + (address - memory->slow));
	case PLACE_NOWHERE:
		return place_in(kind, nowhere(choice >> 4), NULL);
	default:
		break;
	}
	return place_in(PLACE_PLAIN, own, own);
}

struct write_job {
	char *address;
	const void *data;
	size_t length;
};

static void write_now(void *argument)
{
	struct write_job *job = argument;

	memcpy(job->address, job->data, job->length);
}

/* To memory that may not be there; whether it was. */
bool memory_write(char *address, const void *data, size_t length)
{
	struct write_job job = { .address = address, .data = data, .length = length };

	return !sp_probe(write_now, &job);
}

/*
 * Reads or writes a byte; whether it was there. All probing is done in this
 * file: each file that does it would have handlers of its own (testing/probe.h).
 */
bool memory_touch(char *address, bool writes)
{
	return !(writes ? sp_touch_write(address) : sp_touch(address));
}
