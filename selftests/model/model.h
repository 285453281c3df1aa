/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model: random operations on real pools, compared with a small reference
 * that is kept here.
 *
 * An actor carries out operations, one after the other. Each is an entry of one
 * table (operations.c): it is generated, run against the kernel, and applied to
 * the reference, which says what the kernel must have answered. An actor that is
 * alone knows everything about its pools. Actors that share pools each know
 * what is theirs; what must be true of all together is compared when all of them
 * pause (session.c).
 */
#ifndef SEGPOOL_MODEL_H
#define SEGPOOL_MODEL_H

#include "../testing_memory.h"

#define REGION_BYTES	SP_SMALL
#define REGION_PAGES	((uint32_t)(REGION_BYTES / SP_PAGE))
#define MAX_POOLS	3
#define MAX_REGIONS	32
/* The default classes that fit into a region of that size. */
#define NR_CLASSES	5
/* Entries of a batch. */
#define MAX_COUNT	4
#define MAX_PINS	4
#define MAX_KINDS	40
#define MAX_THREADS	16

enum can { NEVER, PERHAPS, ALWAYS };

/**
 * struct mapping_mode - a mapping mode of the ABI, and what is special about it
 * @name: for people and --mode.
 * @constant: for the printed program.
 * @mode: for SETUP.
 * @pinned: can a page be pinned by its address?
 * @dropped: does madvise(MADV_DONTNEED) unmap pages?
 */
struct mapping_mode {
	const char *name;
	const char *constant;
	uint32_t mode;
	enum can pinned;
	enum can dropped;
};

extern const struct mapping_mode mapping_modes[];
extern const unsigned int nr_mapping_modes;

/* --- the reference (reference.c) --- */

/* OTHER: of shared pools: not this actor's; it knows no more. */
enum region_state { UNUSED, ACTIVE, FREED, OTHER };

/* CLOSED; mapped and open; unmapped and open; mapped and closed. */
enum pool_life { CLOSED, OPEN, UNMAPPED, ORPHAN };

struct ref_page {
	bool owned, mapped;
	uint8_t pins;
	/* Its first word; the last is the complement, or 0 as well. */
	uint64_t tag;
};

/* @kept: released lazily, so its pages may still be there, with what they had in them. */
struct ref_region {
	enum region_state state;
	uint32_t generation;
	uint32_t class_index;
	bool zero, kept;
	struct ref_page page[REGION_PAGES];
};

/* Pages that came to be retained at the same time: @condemned where their age was reached. */
struct kept_batch {
	uint64_t since, pages;
	bool condemned;
};

#define MAX_KEPT 96

/* Retained pages, the oldest first. */
struct kept {
	uint32_t nr;
	struct kept_batch batch[MAX_KEPT];
};

/* Budgets and numbers of pages in pages, of regions in regions. */
struct ref_pool {
	enum pool_life life;
	const struct mapping_mode *mode;
	uint32_t id;
	uint32_t nr_regions, carved, virtual_budget;
	uint64_t physical, retained, budget, retain_limit;
	uint64_t physical_peak, retained_peak;
	/* Pages that were counted as shrunk, and not seen to be missing yet. */
	int64_t departing;
	uint64_t age_ms;
	/* When the last operation began, by the clock that goes with the kernel's ticks. */
	uint64_t now;
	/* The retained pages by age, now and before the last operation. */
	struct kept kept, kept_before;
	uint32_t watermark;
	uint32_t last_tag;
	uint64_t events[SEGPOOL_NR_COUNTERS];
	uint64_t class_events[NR_CLASSES][SEGPOOL_NR_CLASS_COUNTERS];
	struct ref_region region[MAX_REGIONS];
};

uint32_t ref_carvable(const struct ref_pool *pool);
int ref_find(const struct ref_pool *pool, enum region_state state, int class_index);
uint32_t ref_count(const struct ref_pool *pool, enum region_state state, int class_index);
bool ref_fits(const struct ref_pool *pool, uint64_t pages);
uint64_t ref_bring(struct ref_pool *pool, uint64_t pages, bool zero);
void ref_put(struct ref_pool *pool, uint64_t pages, bool retain);
uint64_t ref_trim(struct ref_pool *pool, uint64_t target);
void ref_refuse(struct ref_pool *pool, uint32_t class_index, uint32_t reason);
void ref_hand_out(struct ref_pool *pool, uint32_t index, uint32_t class_index, bool zero);
bool ref_can_be_kept(const struct ref_region *region);
void ref_retire(struct ref_pool *pool, uint32_t index, bool shared);
void ref_counters(const struct ref_pool *pool, uint64_t values[SEGPOOL_NR_COUNTERS]);
void ref_class_counters(const struct ref_pool *pool, uint32_t class_index,
			uint64_t values[SEGPOOL_NR_CLASS_COUNTERS]);
int ref_check_active(const struct ref_pool *pool, uint64_t handle);
int ref_check_freed(const struct ref_pool *pool, uint64_t handle);

/* --- which retained pages are old (kept.c) --- */

void kept_note(struct ref_pool *pool, uint64_t now);
void kept_add(struct ref_pool *pool, uint64_t pages);
void kept_take_newest(struct ref_pool *pool, uint64_t pages);
void kept_take_oldest(struct ref_pool *pool, uint64_t pages);
void kept_condemn(struct ref_pool *pool);
uint64_t kept_old(const struct ref_pool *pool);

/* --- reasons for retained pages to go that are no operation on their pool (disturb.c) --- */

struct disturbances {
	_Atomic uint64_t begun;
	_Atomic uint32_t under_way;
};

/* In memory that all processes of the run share. */
extern struct disturbances *disturbances;

void disturb_begin(void);
void disturb_end(void);
bool disturbed_since(uint64_t seen);
uint64_t disturbances_seen(uint64_t seen);
int open_steps(void);
void step_with_others(int steps);
void step_alone(int steps);
void step_over(int steps);

/* --- actors and operations --- */

/* A page that this program holds in a pipe. */
struct pin {
	int pipe[2];
	bool used, attached;
	uint32_t pool, region, page;
	uint64_t tag;
};

struct op {
	uint8_t kind, pool;
	uint32_t arg[8];
};

/* What the kernel answered; operations use what they need. */
struct answer {
	bool skipped;
	int error;
	uint32_t done, reason;
	int errors[MAX_COUNT];
	struct segpool_region regions[MAX_COUNT];
	struct segpool_limits limits;
	uint64_t released, retained;
	uint64_t values[SEGPOOL_NR_COUNTERS];
	/* First and last word of each page as it was found, and the signal. */
	uint64_t seen[REGION_PAGES][2];
	int signals[REGION_PAGES];
};

/* Who has which region: of shared pools only, for all their actors. */
struct ownership {
	_Atomic uint32_t owner[MAX_REGIONS];
	_Atomic uint32_t generation[MAX_REGIONS];
	_Atomic uint64_t highest_budget;
	/* An age was set that pages of this run can reach. */
	_Atomic bool ages;
};

struct actor {
	uint64_t random;
	uint32_t number;
	bool shared;
	/* The system may refuse memory. */
	bool pressed;
	/* Which modes pools are made in: a bit each. */
	uint32_t modes;
	struct sp_pool *kernel;
	struct ownership *owners;
	struct ref_pool pool[MAX_POOLS];
	struct pin pin[MAX_PINS];
	/* A disk for direct I/O, or -1; which block of it is this actor's. */
	int disk;
	uint32_t block;
	uint64_t disk_tag;
	/* Which disturbances are known to be over, with all they did. */
	uint64_t disturbances_seen;
	/* Held by each step in turn, or by one that wants to be alone with the module; or -1. */
	int steps;
	/* Pages of each region that the last operation had to do with: a bit each. */
	uint16_t touched[MAX_REGIONS];
	long expected;
	bool failed;
	char mismatch[512];
	/* What it says, without the numbers. */
	const char *kind_of_mismatch;
};

/* Not for actors that share their pools. */
#define OP_ALONE	1
/* Everything is compared afterwards: a process ended, or all pools were meant. */
#define OP_CHECK_ALL	2

struct op_kind {
	const char *name;
	uint32_t weight, flags;
	void (*generate)(struct actor *actor, struct op *op);
	void (*run)(struct actor *actor, const struct op *op, struct answer *answer);
	void (*apply)(struct actor *actor, const struct op *op, const struct answer *answer);
	/* A C expression of what @run does, with the values of this moment. */
	void (*print)(struct actor *actor, const struct op *op, FILE *file);
};

extern const struct op_kind op_kinds[];
extern const unsigned int nr_op_kinds;

void actor_generate(struct actor *actor, struct op *op);
bool actor_step(struct actor *actor, const struct op *op, struct answer *answer);
int actor_begin(struct actor *actor, uint64_t seed);
void actor_end(struct actor *actor);
void mismatch(struct actor *actor, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/* --- what operations share (operands.c) --- */

/* Which handle of a region: in the high half of an operand, the index in the low half. */
enum handle_kind { PRESENT_HANDLE, PREVIOUS_HANDLE, NO_GENERATION, FUTURE_HANDLE, BAD_RESERVED };

uint32_t pick(struct actor *actor, uint32_t n);
bool one_in(struct actor *actor, uint32_t n);
uint32_t pick_region(struct actor *actor, const struct op *op, enum region_state state);
uint32_t pick_handle(struct actor *actor, const struct op *op, enum region_state state);
uint64_t handle_of(const struct actor *actor, const struct op *op, uint32_t operand);

static inline uint32_t operand_index(uint32_t operand)
{
	return operand & 0xffff;
}

static inline enum handle_kind operand_kind(uint32_t operand)
{
	return operand >> 16;
}

bool takes_calls(const struct actor *actor, const struct op *op);
bool is_mapped(const struct actor *actor, const struct op *op);
char *page_address(const struct actor *actor, uint32_t pool, uint32_t region, uint32_t page);
void touched(struct actor *actor, uint32_t region, uint32_t first, uint32_t nr);
uint64_t new_tag(const struct actor *actor, uint32_t pool, uint32_t number);
bool is_own_content(const struct actor *actor, uint32_t pool, const uint64_t seen[2]);
void read_words(const char *page, uint64_t words[2]);
void expect_words(struct actor *actor, uint32_t pool, uint32_t region, uint32_t page,
		  const uint64_t seen[2], uint64_t tag);
void found_new_pages(struct actor *actor, uint32_t pool, uint32_t region, uint32_t first,
		     uint32_t nr, uint64_t may_be_used);
void give_pages_back(struct actor *actor, uint32_t pool, uint32_t region, uint32_t first,
		     uint32_t nr, bool retain);
bool expect_error(struct actor *actor, const char *what, int got, int wanted);
bool refusal_allowed(struct actor *actor, uint32_t reason);

/* --- comparing (check.c, departures.c) --- */

/* An age that no page of a run reaches. */
#define AGE_OF_A_DAY 86400000

bool read_counters(struct actor *actor, uint32_t number, uint64_t *got);

void check_counters(struct actor *actor);
void check_touched(struct actor *actor, uint32_t pool);
void check_all(struct actor *actor);

/* --- running (single.c, shrink.c, emit.c, concurrent.c) --- */

struct options {
	uint64_t operations, seed;
	uint32_t threads, processes, modes;
	const char *replay;
	bool kill, pressed;
};

#define MAX_HISTORY	512

/* One history of one actor, in memory that its process shares with its parent. */
struct history {
	uint32_t length;
	struct op ops[MAX_HISTORY];
	/* As far as it got; the step that failed, or @length. */
	uint32_t done;
	bool failed;
	char mismatch[512];
	/* Tells one failure from another: what was said of which operation. */
	const char *kind_of_mismatch;
	int failed_kind;
	uint64_t ran[MAX_KINDS], skipped[MAX_KINDS];
};

void history_run(struct history *history, uint64_t seed, uint32_t modes, FILE *program);
void history_shrink(struct history *history, uint64_t seed, uint32_t modes);
void history_print(struct history *history, uint64_t seed, uint32_t modes);
int history_read(struct history *history, const char *path);
void emit_prologue(FILE *file);
void emit_epilogue(FILE *file);

struct totals {
	_Atomic uint64_t ran[MAX_KINDS], skipped[MAX_KINDS];
	_Atomic uint64_t operations, histories, pauses, kills, mismatches;
	/* By enum segpool_reason; of shared pools. */
	_Atomic uint64_t refused[SEGPOOL_REASON_SYSTEM + 1];
};

int run_single(const struct options *options, struct totals *totals);
int run_concurrent(const struct options *options, struct totals *totals);
void *shared_memory(size_t size);
int open_disk(void);

/* --- the system before and afterwards (leftovers.c) --- */

struct leftovers {
	uint64_t pages, vmalloc_areas, directories;
};

void leftovers_before(struct leftovers *before);
bool leftovers_none(const struct leftovers *before, unsigned int timeout_ms);

#endif /* SEGPOOL_MODEL_H */
