// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random words, written by one thread into the words of a pool while others work with
 * it. What becomes of that pool's own bytes is its program's business; but it sees
 * nobody else's, the kernel's numbers stay what a walk finds, calls end, with errors
 * that they are documented to have, and another pool does not notice.
 */
#include "../testing_memory.h"
#include "testing_harness.h"

#define REGIONS		8
#define WORKERS		3
#define OTHERS		1
#define SCRIBBLER	(WORKERS + OTHERS)
#define SPAN_MS		3000
#define LONGEST_MS	120000
#define ENOUGH		200

/* What is in the bytes: one of these, with anything in the lower half, or zeroes. */
#define MARK_HERE	0x4845524500000000ULL
#define MARK_OTHERS	0x4f54484500000000ULL
#define MARK_MASK	0xffffffff00000000ULL

struct garbage {
	struct sp_pool pool, others;
	struct sp_words words, others_words;
	uint64_t start_ms;
	_Atomic uint64_t handles[REGIONS];
	atomic_ulong rounds, others_rounds, scribbles, foreign, lost_bytes, errors;
	atomic_int running;
	int last_error;
};

static uint64_t counter(const struct garbage *garbage, enum segpool_counter which)
{
	return sp_counter(garbage->pool.fd, which);
}

static bool goes_on(struct garbage *garbage)
{
	uint64_t spent_ms = sp_now_ms() - garbage->start_ms;

	return spent_ms < SPAN_MS ||
	       (spent_ms < LONGEST_MS && (garbage->rounds < ENOUGH ||
					  garbage->others_rounds < ENOUGH ||
					  garbage->scribbles < ENOUGH ||
					  counter(garbage, SEGPOOL_C_WORD_REUSES) < ENOUGH));
}

static void failed(struct garbage *garbage, int error)
{
	garbage->last_error = error;
	garbage->errors++;
}

/* A thread's look at a region that may be taken from it at any moment. */
struct visit {
	uint64_t *bytes;
	size_t nr;
	uint64_t mark;
	unsigned long foreign;
};

static void visit(void *argument)
{
	struct visit *visit = argument;
	uint64_t seen;
	size_t i;

	for (i = 0; i < visit->nr; i += 64) {
		seen = ((volatile uint64_t *)visit->bytes)[i];
		visit->foreign += seen && (seen & MARK_MASK) != MARK_HERE;
		((volatile uint64_t *)visit->bytes)[i] = visit->mark;
	}
}

static bool documented(int error)
{
	return !error || error == -ENOMEM || error == -ENOENT || error == -EALREADY ||
	       error == -ESTALE || error == -EBUSY;
}

static int any_call(struct garbage *garbage, uint64_t *random, uint64_t handle,
		    struct segpool_region *region)
{
	struct segpool_limits limits = { .retain_age_ms = sp_random(random) % 8 };
	uint64_t offset = sp_random(random) % (garbage->pool.region_size / SP_PAGE) * SP_PAGE;
	int fd = garbage->pool.fd;

	switch (sp_random(random) % 16) {
	case 0:
		return sp_free(fd, handle, SEGPOOL_NOW);
	case 1:
	case 2:
	case 3:
		return sp_free(fd, handle, SEGPOOL_LAZY);
	case 4:
		return sp_discard(fd, handle, offset, SP_PAGE, 0);
	case 5:
		return sp_populate(fd, handle, 0, garbage->pool.region_size, 0);
	case 6:
		return sp_reuse(fd, handle, 0, SEGPOOL_POPULATE, region);
	case 7:
		return sp_trim(fd, 0, NULL);
	case 8:
		return sp_set_budget(fd, SEGPOOL_SET_AGE, &limits);
	case 9:
		return sp_write_file("/proc/sys/vm/drop_caches", "2");
	case 10:
		sp_word_release(&garbage->words, handle);
		return 0;
	case 11:
		return sp_alloc_one(fd, 1, SEGPOOL_POPULATE | SEGPOOL_WAIT, 20, region, NULL);
	default:
		return sp_alloc_one(fd, sp_random(random) % 2, SEGPOOL_POPULATE, 0, region, NULL);
	}
}

static void work(struct garbage *garbage, unsigned int member)
{
	uint64_t random = member * 7919 + 3;
	struct segpool_region region;
	struct visit look;
	uint32_t number;
	int error;

	while (goes_on(garbage)) {
		number = sp_random(&random) % REGIONS;
		region = (struct segpool_region){ .handle = 0 };
		error = any_call(garbage, &random, garbage->handles[number], &region);
		if (!documented(error))
			failed(garbage, error);
		if (region.handle)
			garbage->handles[SEGPOOL_HANDLE_INDEX(region.handle)] = region.handle;
		look = (struct visit){
			.bytes = (uint64_t *)(garbage->pool.base + number * garbage->pool.region_size),
			.nr = garbage->pool.region_size / 8, .mark = MARK_HERE | member };
		sp_probe(visit, &look);
		garbage->foreign += look.foreign;
		garbage->rounds++;
	}
}

/* The other pool keeps to the rules, and loses nothing. */
static void work_aside(struct garbage *garbage)
{
	struct sp_pool *pool = &garbage->others;
	struct segpool_region region;
	uint64_t *bytes, mark, round = 0, handle;
	size_t i, nr = pool->region_size / 8;
	bool taken;
	int error;

	while (goes_on(garbage)) {
		error = sp_alloc_one(pool->fd, 0, SEGPOOL_POPULATE, 0, &region, NULL);
		if (error) {
			failed(garbage, error);
			continue;
		}
		handle = region.handle;
		bytes = (uint64_t *)sp_region_at(pool, &region);
		do {
			mark = MARK_OTHERS | (round++ & ~MARK_MASK);
			for (i = 0; i < nr; i++) {
				garbage->foreign += bytes[i] && (bytes[i] & MARK_MASK) != MARK_OTHERS;
				bytes[i] = mark;
			}
			sched_yield();
			for (i = 0; i < nr; i++)
				garbage->lost_bytes += bytes[i] != mark;
			taken = round % 4 && sp_word_release(&garbage->others_words, handle) &&
				sp_word_take(&garbage->others_words, &handle);
		} while (taken);
		/* It is released, unless that was left to a call. */
		error = sp_free(pool->fd, handle, round % 2 ? SEGPOOL_NOW : SEGPOOL_LAZY);
		if (error && error != -EALREADY && error != -ESTALE)
			failed(garbage, error);
		garbage->others_rounds++;
	}
}

/* Half of what it writes could be true. */
static void scribble(struct garbage *garbage)
{
	uint32_t *words = garbage->words.words, *notes = garbage->words.notes;
	uint64_t random = 1;
	uint32_t number, generation;

	while (garbage->running > 0) {
		number = sp_random(&random) % REGIONS;
		generation = SEGPOOL_HANDLE_GENERATION(garbage->handles[number]);
		switch (sp_random(&random) % 8) {
		case 0:
			__atomic_store_n(&words[number], sp_random(&random) << 1 ^ sp_random(&random),
					 __ATOMIC_RELAXED);
			break;
		case 1:
			__atomic_store_n(&words[number], words[sp_random(&random) % REGIONS],
					 __ATOMIC_RELAXED);
			break;
		case 2:
			__atomic_store_n(&notes[0], sp_random(&random), __ATOMIC_RELAXED);
			break;
		case 3:
			__atomic_xor_fetch(&words[number], 1U << sp_random(&random) % 32,
					   __ATOMIC_RELAXED);
			break;
		case 4:
			/* Beyond the regions that there are. */
			__atomic_store_n(&words[REGIONS + sp_random(&random) % 1016],
					 sp_random(&random), __ATOMIC_RELAXED);
			__atomic_store_n(&notes[1 + sp_random(&random) % 1023], sp_random(&random),
					 __ATOMIC_RELAXED);
			break;
		default:
			generation += sp_random(&random) % 3;
			__atomic_store_n(&words[number],
					 SEGPOOL_WORD(generation, sp_random(&random) % 4),
					 __ATOMIC_RELAXED);
			__atomic_store_n(&notes[0], 1, __ATOMIC_RELAXED);
		}
		if (++garbage->scribbles % 64 == 0)
			sched_yield();
	}
}

static void member(void *argument, unsigned int number)
{
	struct garbage *garbage = argument;

	if (number == SCRIBBLER) {
		scribble(garbage);
		return;
	}
	if (number < WORKERS)
		work(garbage, number);
	else
		work_aside(garbage);
	garbage->running--;
}

FIXTURE(garbage) {
	struct garbage *garbage;
	bool open;
};

FIXTURE_VARIANT(garbage) {
	uint32_t mode;
	uint64_t region_size;
};
FIXTURE_VARIANT_ADD(garbage, strict) { .mode = SEGPOOL_MODE_STRICT, .region_size = SP_SMALL, };
FIXTURE_VARIANT_ADD(garbage, huge) { .mode = SEGPOOL_MODE_HUGE, .region_size = SP_BIG, };
FIXTURE_VARIANT_ADD(garbage, huge_single) {
	.mode = SEGPOOL_MODE_HUGE, .region_size = SP_SMALL, };

FIXTURE_SETUP(garbage)
{
	struct segpool_limits limits = { .retain_age_ms = 50 };
	struct segpool_region region;
	int error;

	self->garbage = calloc(1, sizeof(*self->garbage));
	ASSERT_NE(NULL, self->garbage);
	self->garbage->running = SCRIBBLER;
	error = sp_words_make(&self->garbage->pool, &self->garbage->words, variant->mode,
			      variant->region_size, REGIONS * variant->region_size);
	if (error == -EOPNOTSUPP && variant->mode == SEGPOOL_MODE_STRICT)
		SKIP(return, "pages of a strict pool can be pinned on this kernel");
	ASSERT_EQ(0, error);
	ASSERT_EQ(0, sp_words_make(&self->garbage->others, &self->garbage->others_words,
				   variant->mode, variant->region_size, 2 * variant->region_size));
	self->open = true;
	ASSERT_EQ(0, sp_set_budget(self->garbage->pool.fd, SEGPOOL_SET_AGE, &limits));
	/* Now there are words. */
	ASSERT_EQ(0, sp_alloc_one(self->garbage->pool.fd, 0, 0, 0, &region, NULL));
	self->garbage->handles[0] = region.handle;
}

FIXTURE_TEARDOWN(garbage)
{
	struct garbage *garbage = self->garbage;

	if (self->open) {
		sp_words_unmap(&garbage->words);
		sp_words_unmap(&garbage->others_words);
		sp_pool_close(&garbage->pool);
		sp_pool_close(&garbage->others);
	}
	free(garbage);
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(0, sp_module_counter("metadata_bytes"));
	EXPECT_EQ(0, sp_module_memory());
}

TEST_F_TIMEOUT(garbage, harms_nobody_else, 200)
{
	struct garbage *garbage = self->garbage;

	garbage->start_ms = sp_now_ms();
	sp_team_run(SCRIBBLER + 1, member, garbage);
	EXPECT_LE(ENOUGH, garbage->rounds);
	EXPECT_LE(ENOUGH, garbage->others_rounds);
	EXPECT_LE(ENOUGH, garbage->scribbles);
	/* It has been read, too. */
	EXPECT_LE(ENOUGH, counter(garbage, SEGPOOL_C_WORD_REUSES));
	EXPECT_EQ(0, garbage->foreign);
	EXPECT_EQ(0, garbage->lost_bytes);
	EXPECT_EQ(0, garbage->errors) TH_LOG("the last error was %d", garbage->last_error);
	EXPECT_NO_DRIFT(&garbage->pool);
	EXPECT_NO_DRIFT(&garbage->others);
	/* What is retained can be given back, and regions can be had that nobody knows of. */
	ASSERT_EQ(0, sp_trim(garbage->pool.fd, 0, NULL));
	EXPECT_EQ(0, counter(garbage, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_GE(REGIONS * garbage->pool.region_size,
		  counter(garbage, SEGPOOL_C_PHYSICAL_PEAK_BYTES));
	EXPECT_GE(REGIONS * garbage->pool.region_size,
		  counter(garbage, SEGPOOL_C_VIRTUAL_BYTES));
	EXPECT_NO_DRIFT(&garbage->pool);
}

TEST_HARNESS_MAIN
