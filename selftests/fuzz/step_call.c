// SPDX-License-Identifier: GPL-2.0-only
/* One call of the module: makes its structure and its array, calls, looks at what came back. */

#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include "helpers.h"
#include "world.h"

/* Bytes behind the structure, and behind the array, that must not change. */
#define GUARD_BYTES	64
#define GUARD_BYTE	0xa5
#define STRUCTURE_ROOM	(STEP_BYTES + GUARD_BYTES)

/* Elements of an array that differ; a multiple of what make_element() counts modulo. */
#define MADE_ELEMENTS	24

/**
 * struct call - a call that is being made
 * @type: which.
 * @pool: of which pool.
 * @step: from this.
 * @structure: where the structure lies.
 * @array: where its array lies.
 * @array_bytes: as many as the call may write to the array.
 * @sent: what the structure was, with the guard behind it.
 * @elements: what the array was.
 */
struct call {
	const struct call_type *type;
	struct pool_slot *pool;
	const struct step *step;
	struct place structure;
	struct place array;
	size_t array_bytes;
	char sent[STRUCTURE_ROOM];
	char *elements;
};

static __thread char element_buffers[ARENA_BYTES];

static bool is_raw(const struct step *step, unsigned int bit)
{
	return step->raw >> (bit & 63) & 1;
}

static uint32_t command_of(const struct step *step, uint32_t command)
{
	uint32_t change = step->command >> 3;

	switch (step->command ? step->command & 7 : 0) {
	case 1:
	case 2:
		return (command & ~IOCSIZE_MASK) | (change << IOCSIZE_SHIFT & IOCSIZE_MASK);
	case 3:
		return command ^ 1U << (change & 31);
	case 4:
		return command + (change & 0xff);
	case 5:
		return step->command;
	default:
		return command;
	}
}

static void call_array(struct world *world, enum actor actor, struct call *call, uint64_t choice)
{
	const struct field *count = field_of_kind(call->type->fields, FIELD_COUNT);
	uint64_t nr = count ? field_get(call->sent, count) : 0;

	/* No call looks at more. */
	call->array_bytes = nr <= SEGPOOL_MAX_BATCH ? nr * call->type->element_size : 0;
	call->array = memory_place(world, actor, call->step, choice, call->array_bytes,
				   call->structure.user);
}

static void make_structure(struct world *world, enum actor actor, struct call *call)
{
	const struct field *field;
	unsigned int i;
	uint64_t value;

	memset(call->sent, GUARD_BYTE, sizeof(call->sent));
	memcpy(call->sent, call->step->bytes, call->type->size);
	for (i = 0; call->type->fields[i].width; i++) {
		field = &call->type->fields[i];
		value = field_get(call->sent, field);
		if (field->kind == FIELD_POINTER) {
			call_array(world, actor, call, value);
			if (!is_raw(call->step, i))
				field_set(call->sent, field, (uintptr_t)call->array.user);
			else
				call->array.kind = PLACE_NOWHERE;
		} else if (!is_raw(call->step, i)) {
			field_set(call->sent, field,
				  make_sense(world, call->step, field, value, call->sent));
		}
	}
}

/* A structure that is longer than the kernel's, with nothing in what the kernel does not know. */
static void make_tail(struct call *call)
{
	const struct field *field = field_of_kind(call->type->fields, FIELD_SIZE);
	uint64_t size = field_get(call->sent, field);

	if (size > call->type->size && size <= STRUCTURE_ROOM && call->step->bytes[0] & 1)
		memset(call->sent + call->type->size, 0, size - call->type->size);
}

/* Nobody would interrupt the other threads in time. */
static void limit_wait(struct call *call, enum actor actor)
{
	const struct field *timeout = field_of_kind(call->type->fields, FIELD_TIMEOUT);

	if (actor != ACTOR_MAIN && timeout && field_get(call->sent, timeout) > 8)
		field_set(call->sent, timeout, 3);
}

/* The elements come from the bytes behind the structure, again and again. */
static void make_element(const struct world *world, struct call *call, uint32_t number)
{
	const struct call_type *type = call->type;
	char *element = call->elements + number * type->element_size;
	uint32_t templates = (STEP_BYTES - type->size) / type->element_size;
	const struct field *field;
	uint64_t value;
	unsigned int i;

	if (templates)
		memcpy(element, call->step->bytes + type->size +
		       number % templates * type->element_size, type->element_size);
	for (i = 0; type->element[i].width; i++) {
		field = &type->element[i];
		value = field_get(element, field) + (field->kind == FIELD_HANDLE ? number : 0);
		if (!is_raw(call->step, 40 + i + number % 3 * 6))
			field_set(element, field,
				  make_sense(world, call->step, field, value, NULL));
	}
}

/* The first ones, over and over. */
static void make_elements(const struct world *world, struct call *call)
{
	size_t made = 0, part;
	uint32_t i;

	call->elements = element_buffers;
	for (i = 0; i < MADE_ELEMENTS && made < call->array_bytes; i++) {
		make_element(world, call, i);
		made += call->type->element_size;
	}
	for (; made < call->array_bytes; made += part) {
		part = call->array_bytes - made < made ? call->array_bytes - made : made;
		memcpy(call->elements + made, call->elements, part);
	}
}

/* How much of the structure, and of the guard behind it, is written to @place. */
static size_t structure_bytes(const struct call *call, const struct place *place)
{
	return place->kind == PLACE_PLAIN ? STRUCTURE_ROOM : call->type->size;
}

static void fill(struct call *call)
{
	char guard[GUARD_BYTES];

	if (call->array.fill) {
		memory_write(call->array.fill, call->elements, call->array_bytes);
		memset(guard, GUARD_BYTE, sizeof(guard));
		if (call->array.kind == PLACE_PLAIN && call->array_bytes <= ARENA_BYTES - GUARD_BYTES)
			memory_write(call->array.fill + call->array_bytes, guard, sizeof(guard));
	}
	if (call->structure.fill)
		memory_write(call->structure.fill, call->sent,
			     structure_bytes(call, &call->structure));
}

static bool is_at(const struct call *call, enum place_kind kind)
{
	return call->structure.kind == kind || call->array.kind == kind;
}

static void disturb(struct world *world, const struct call *call)
{
	if (is_at(call, PLACE_SLOW))
		slow_arm(world);
	if (is_at(call, PLACE_SHIFTING))
		assistant_begin(world, JOB_SHIFT, NULL, world->memory.shifting);
	else if (is_at(call, PLACE_VANISHING))
		assistant_begin(world, JOB_VANISH, NULL, world->memory.vanishing);
}

static void calm(struct world *world, const struct call *call)
{
	if (is_at(call, PLACE_SHIFTING) || is_at(call, PLACE_VANISHING))
		assistant_end(world);
}

/* A call that waits long is interrupted by a signal, again and again until it ends. */
static void alarm_set(suseconds_t microseconds)
{
	struct itimerval timer = { .it_interval.tv_usec = microseconds,
				   .it_value.tv_usec = microseconds };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static bool may_wait_long(const struct call *call)
{
	const struct field *timeout = field_of_kind(call->type->fields, FIELD_TIMEOUT);

	return timeout && (is_at(call, PLACE_SHIFTING) || field_get(call->sent, timeout) > 8);
}

static int do_the_call(struct world *world, enum actor actor, struct call *call)
{
	uint32_t command = command_of(call->step, call->type->command);
	bool alarmed = actor == ACTOR_MAIN && may_wait_long(call);
	int error;

	disturb(world, call);
	if (alarmed)
		alarm_set(2000);
	error = transports[0].call(pool_fd(call->pool), command, call->structure.user);
	if (alarmed)
		alarm_set(0);
	calm(world, call);
	return error;
}

/* Does nobody but the kernel write to the structure, and can we read it? */
static bool structure_is_ours(const struct call *call)
{
	bool own = call->structure.kind == PLACE_PLAIN || call->structure.kind == PLACE_EDGE;

	return own && call->array.kind != PLACE_ALIAS && !call->step->command;
}

static bool array_is_ours(const struct call *call)
{
	return structure_is_ours(call) && call->type->element_size &&
	       (call->array.kind == PLACE_PLAIN || call->array.kind == PLACE_EDGE);
}

static bool byte_is_set_by_kernel(const struct field *fields, size_t at)
{
	for (; fields->width; fields++)
		if (at >= fields->offset && at < fields->offset + fields->width)
			return fields->set;
	return false;
}

static void check_structure(struct world *world, const struct call *call)
{
	size_t length = structure_bytes(call, &call->structure), i;

	for (i = 0; i < length; i++)
		if (call->structure.user[i] != call->sent[i] &&
		    (i >= call->type->size || !byte_is_set_by_kernel(call->type->fields, i)))
			return problem_note(world->shared,
					    "%s wrote to byte %zu of its structure of %u",
					    call->type->name, i, call->type->size);
}

static void check_guard(struct world *world, const struct call *call)
{
	size_t i;

	if (call->array.kind != PLACE_PLAIN || call->array_bytes > ARENA_BYTES - GUARD_BYTES)
		return;
	for (i = 0; i < GUARD_BYTES; i++)
		if ((uint8_t)call->array.user[call->array_bytes + i] != GUARD_BYTE)
			return problem_note(world->shared, "%s wrote behind its array",
					    call->type->name);
}

static void check_inputs(struct world *world, const struct call *call)
{
	size_t size = call->type->element_size, i;

	if (!memcmp(call->array.user, call->elements, call->array_bytes))
		return;
	for (i = 0; i < call->array_bytes; i++)
		if (call->array.user[i] != call->elements[i] &&
		    !byte_is_set_by_kernel(call->type->element, i % size))
			return problem_note(world->shared,
					    "%s wrote to byte %zu of element %zu of its array",
					    call->type->name, i % size, i / size);
}

/* What ALLOC gave: sound up to @done, zero behind it. */
static void check_results(struct world *world, const struct call *call, int error)
{
	const struct segpool_alloc *alloc = (const void *)call->structure.user;
	const struct segpool_region *regions = (const void *)call->array.user;
	uint32_t known = SEGPOOL_REGION_NEW | SEGPOOL_REGION_REUSED | SEGPOOL_REGION_CROSS;
	uint32_t done = error ? 0 : alloc->done;

	if (error && error != -ENOMEM && error != -EINTR)
		return;
	if (done > alloc->count || (!error && !done) || (error && alloc->done))
		return problem_note(world->shared, "ALLOC says that %u of %u were done, errno %d",
				    alloc->done, alloc->count, -error);
	for (uint32_t i = 0; i < done; i++)
		if (regions[i].reserved || regions[i].flags & ~known || !regions[i].handle)
			return problem_note(world->shared, "ALLOC gave an unsound result %u", i);
	if (!sp_is_zero((const char *)(regions + done), call->array_bytes - done * sizeof(*regions)))
		problem_note(world->shared, "ALLOC wrote behind its %u results", done);
}

static void remember_results(const struct call *call)
{
	const struct segpool_alloc *alloc = (const void *)call->structure.user;
	const struct segpool_region *regions = (const void *)call->array.user;
	uint32_t i;

	for (i = 0; i < alloc->done && i < NR_HANDLES; i++)
		pool_remember(call->pool, regions[i].handle);
}

static void remember_setup(struct pool_slot *pool, const struct segpool_setup *setup)
{
	pool->id = setup->pool_id;
	pool->mode = setup->mode;
	pool->region_size = setup->region_size;
	pool->set_up = true;
}

static void check_call(struct world *world, struct call *call, int error)
{
	if (!structure_is_ours(call))
		return;
	check_structure(world, call);
	if (!error && call->type->command == SEGPOOL_IOC_SETUP)
		remember_setup(call->pool, (const void *)call->structure.user);
	if (!error && call->type->command == SEGPOOL_IOC_REUSE)
		pool_remember(call->pool,
			      ((const struct segpool_reuse *)call->structure.user)->region.handle);
	if (!array_is_ours(call))
		return;
	check_guard(world, call);
	check_inputs(world, call);
	if (call->type->command != SEGPOOL_IOC_ALLOC)
		return;
	check_results(world, call, error);
	if (!error)
		remember_results(call);
}

/* Does the call; 0 or -errno. */
int step_call(struct world *world, enum actor actor, const struct step *step)
{
	struct call call = { .type = step_type(step), .pool = step_pool(world, step),
			     .step = step };
	int error;

	call.structure = memory_place(world, actor, step, step->place, call.type->size, NULL);
	make_structure(world, actor, &call);
	make_tail(&call);
	limit_wait(&call, actor);
	make_elements(world, &call);
	fill(&call);
	error = do_the_call(world, actor, &call);
	check_call(world, &call, error);
	return error;
}
