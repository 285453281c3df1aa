/* SPDX-License-Identifier: GPL-2.0-only */
/* What an input acts on: two pools, memory of all kinds, two helping threads. */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "calls.h"
#include "input.h"
#include "shared.h"

#define NR_POOLS	2
#define NR_HANDLES	64

/* Nothing but pools is ever mapped in these, so that any range of them may be given to munmap(). */
#define POOL_AREA_FIRST	0x100000000000UL
#define POOL_AREA_BYTES	(4UL << 40)

/* Bytes of each piece of memory that is passed to calls. */
#define ARENA_BYTES	(64UL << 10)

/* Who makes a call. */
enum actor { ACTOR_MAIN, ACTOR_ASSISTANT, ACTOR_SERVER, NR_ACTORS };

/**
 * struct pool_slot - what is known of a pool
 * @fd: open file, or -1.
 * @area: where it may be mapped.
 * @base: where it is mapped; NULL if it is not.
 * @length: of the mapping.
 * @set_up: SETUP has succeeded, and @id, @region_size, @mode are known.
 * @odd: page tables may have less than the pool: protected or thrown away by us.
 * @lost: its file was closed, so that what is known may be another pool's.
 * @handles: given out so far, the last NR_HANDLES of them.
 * @nr_handles: how many.
 */
struct pool_slot {
	int fd;
	char *area;
	char *base;
	uint64_t length;
	bool set_up;
	bool odd;
	bool lost;
	uint32_t id;
	uint32_t mode;
	uint64_t region_size;
	uint64_t handles[NR_HANDLES];
	unsigned int nr_handles;
};

/* Kinds of memory; see memory.c. */
enum place_kind {
	PLACE_PLAIN,
	PLACE_EDGE,
	PLACE_ACROSS,
	PLACE_READONLY,
	PLACE_UNMAPPED,
	PLACE_FILE_END,
	PLACE_ALIAS,
	PLACE_POOL,
	PLACE_SHIFTING,
	PLACE_VANISHING,
	PLACE_SLOW,
	PLACE_NOWHERE,
};

/**
 * struct place - where a structure or an array is passed to a call
 * @kind: enum place_kind.
 * @user: the address passed.
 * @fill: where its content is to be written to before the call; NULL: nowhere.
 */
struct place {
	enum place_kind kind;
	char *user;
	char *fill;
};

/* @own: for each actor, its structure and its array, each before an inaccessible page. */
struct memory {
	char *own[NR_ACTORS][2];
	char *readonly;
	char *unmapped;
	char *file;
	char *shifting;
	char *vanishing;
	char *slow;
	char *slow_image;
};

enum job { JOB_NONE, JOB_STEP, JOB_SHIFT, JOB_VANISH };

/**
 * struct assistant - the thread that works beside the calls
 * @job: what it is to do.
 * @stop: the job is to end.
 */
struct assistant {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum job job;
	const struct step *step;
	_Atomic bool stop;
	char *address;
};

/* The thread that answers for the slow memory. @uffd: -1 where there is no userfaultfd. */
struct server {
	pthread_t thread;
	int uffd;
	_Atomic(const struct step *) interlude;
};

struct world {
	struct shared *shared;
	struct pool_slot pools[NR_POOLS];
	struct memory memory;
	struct assistant assistant;
	struct server server;
	int pipe[2];
};

/* world.c */
int world_make(struct world *world, struct shared *shared);
void world_begin(struct world *world);
void world_end(struct world *world);
int pool_fd(struct pool_slot *pool);
void pool_close(struct pool_slot *pool);
struct pool_slot *step_pool(struct world *world, const struct step *step);
void pool_remember(struct pool_slot *pool, uint64_t handle);
uint64_t pool_handle(const struct pool_slot *pool, uint64_t choice);
char *pool_address(const struct pool_slot *pool, uint64_t choice);

/* memory.c */
int memory_make(struct memory *memory);
struct place memory_place(struct world *world, enum actor actor, const struct step *step,
			  uint64_t choice, size_t length, char *alias);
bool memory_write(char *address, const void *data, size_t length);
bool memory_touch(char *address, bool writes);

/* assistant.c */
int assistant_start(struct world *world);
void assistant_begin(struct world *world, enum job job, const struct step *step, char *address);
void assistant_end(struct world *world);

/* slow.c */
int slow_start(struct world *world);
void slow_arm(struct world *world);

/* sense.c */
uint64_t make_sense(const struct world *world, const struct step *step, const struct field *field,
		    uint64_t value, const void *structure);

/* step.c */
enum step_when step_when(const struct step *step);
void step_run(struct world *world, enum actor actor, const struct step *step);
void input_run(struct world *world, const struct input *input);

/* step_call.c */
int step_call(struct world *world, enum actor actor, const struct step *step);

/* check.c: each notes what is wrong in shared->problem. */
void problem_note(struct shared *shared, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void check_pool(struct world *world, const struct pool_slot *pool);
void check_baseline(void);
bool check_module(struct shared *shared);

#endif /* FUZZ_WORLD_H */
