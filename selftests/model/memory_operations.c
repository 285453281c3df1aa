// SPDX-License-Identifier: GPL-2.0-only
/* Touching memory: arguments region, first page, number of pages. */
#include "operations.h"

/* Often a page that is there: faults are dear on a debug kernel, contents are not. */
static uint32_t pick_page(struct actor *actor, const struct op *op)
{
	const struct ref_region *region = &actor->pool[op->pool].region[op->arg[0]];
	uint32_t page, tries = pick(actor, 6);

	do {
		page = pick(actor, REGION_PAGES);
	} while (!region->page[page].owned && tries--);
	return page;
}

static void pick_pages(struct actor *actor, struct op *op)
{
	op->arg[0] = pick_region(actor, op, ACTIVE);
	op->arg[1] = pick_page(actor, op);
	op->arg[2] = 1 + pick(actor, one_in(actor, 8) ? REGION_PAGES - op->arg[1] : 2);
	if (op->arg[1] + op->arg[2] > REGION_PAGES)
		op->arg[2] = 1;
}

/* Of shared pools an actor touches what is its own, or its touch would bring pages to others. */
static bool may_touch(const struct actor *actor, const struct op *op)
{
	return is_mapped(actor, op) &&
	       (!actor->shared || actor->pool[op->pool].region[op->arg[0]].state == ACTIVE);
}

struct access {
	const struct actor *actor;
	const struct op *op;
	struct answer *answer;
	bool write;
	volatile uint32_t at;
};

/* From page @at on; looks before it writes. */
static void access_pages(void *argument)
{
	struct access *access = argument;
	const struct op *op = access->op;
	uint64_t tag;
	char *page;

	for (; access->at < op->arg[2]; access->at++) {
		page = page_address(access->actor, op->pool, op->arg[0], op->arg[1] + access->at);
		read_words(page, access->answer->seen[access->at]);
		if (!access->write)
			continue;
		tag = new_tag(access->actor, op->pool, access->at + 1);
		*(volatile uint64_t *)page = tag;
		*(volatile uint64_t *)(page + SP_PAGE - 8) = ~tag;
	}
}

static void touch_pages(struct actor *actor, const struct op *op, bool write,
			struct answer *answer)
{
	struct access access = { .actor = actor, .op = op, .answer = answer, .write = write };
	int signal_number;

	if (!may_touch(actor, op)) {
		answer->skipped = true;
		return;
	}
	while (access.at < op->arg[2]) {
		signal_number = sp_probe(access_pages, &access);
		if (signal_number)
			answer->signals[access.at++] = signal_number;
	}
}

/* What the touch of one page must do: 0 or SIGBUS. @got decides where others have a say. */
static int apply_fault(struct actor *actor, const struct op *op, struct ref_page *page, int got,
		       uint64_t *may_be_used)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	struct ref_region *region = &pool->region[op->arg[0]];

	*may_be_used = 0;
	if (region->state == FREED && region->kept && !got)
		return 0;
	if (region->state != ACTIVE) {
		pool->events[SEGPOOL_C_SIGBUS_FAULTS]++;
		return SIGBUS;
	}
	if (page->mapped)
		return 0;
	if (!page->owned) {
		if (actor->shared ? got : !ref_fits(pool, 1)) {
			ref_refuse(pool, region->class_index, SEGPOOL_REASON_PHYSICAL);
			pool->events[SEGPOOL_C_SIGBUS_FAULTS]++;
			return SIGBUS;
		}
		*may_be_used = ref_bring(pool, 1, region->zero);
		if (region->zero)
			*may_be_used = 0;
		else if (actor->shared)
			*may_be_used = 1;
	}
	pool->events[SEGPOOL_C_FAULTS]++;
	return 0;
}

static void check_seen(struct actor *actor, const struct op *op, const struct ref_page *page,
		       uint32_t number, const uint64_t seen[2], bool may_be_used)
{
	if (page->owned || actor->pool[op->pool].region[op->arg[0]].kept)
		expect_words(actor, op->pool, op->arg[0], number, seen, page->tag);
	else if (!is_own_content(actor, op->pool, seen) || (seen[0] && !may_be_used))
		mismatch(actor, "new page %u of region %u shows %#llx ... %#llx", number,
			 op->arg[0], (unsigned long long)seen[0], (unsigned long long)seen[1]);
}

static void write_tag(struct actor *actor, const struct op *op, struct ref_page *page, uint32_t i)
{
	page->tag = new_tag(actor, op->pool, i + 1);
}

static void apply_touch(struct actor *actor, const struct op *op, bool write,
			const struct answer *answer)
{
	struct ref_region *region = &actor->pool[op->pool].region[op->arg[0]];
	struct ref_page *page;
	uint64_t may_be_used;
	uint32_t i;
	int wanted;

	actor->expected = 0;
	for (i = 0; i < op->arg[2]; i++) {
		page = &region->page[op->arg[1] + i];
		wanted = apply_fault(actor, op, page, answer->signals[i], &may_be_used);
		actor->expected += wanted != 0;
		if (answer->signals[i] != wanted)
			mismatch(actor, "touching page %u of region %u: signal %d, expected %d",
				 op->arg[1] + i, op->arg[0], answer->signals[i], wanted);
		if (wanted || answer->signals[i])
			continue;
		check_seen(actor, op, page, op->arg[1] + i, answer->seen[i], may_be_used);
		page->owned = region->state == ACTIVE;
		page->mapped = page->owned;
		page->tag = answer->seen[i][0];
		if (write)
			write_tag(actor, op, page, i);
	}
	if (write)
		actor->pool[op->pool].last_tag += op->arg[2];
	touched(actor, op->arg[0], op->arg[1], op->arg[2]);
}

void write_generate(struct actor *actor, struct op *op)
{
	pick_pages(actor, op);
}

void write_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	touch_pages(actor, op, true, answer);
}

void write_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	apply_touch(actor, op, true, answer);
}

void write_print(struct actor *actor, const struct op *op, FILE *file)
{
	fprintf(file, "touch(%u, %u, %u, %u, %#llxULL)", op->pool, op->arg[0], op->arg[1],
		op->arg[2], (unsigned long long)new_tag(actor, op->pool, 1));
}

void read_generate(struct actor *actor, struct op *op)
{
	pick_pages(actor, op);
}

void read_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	touch_pages(actor, op, false, answer);
}

void read_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	apply_touch(actor, op, false, answer);
}

void read_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "touch(%u, %u, %u, %u, 0)", op->pool, op->arg[0], op->arg[1], op->arg[2]);
}

/* --- madvise(MADV_DONTNEED): the program's own unmapping; the pages stay the pool's --- */

void drop_generate(struct actor *actor, struct op *op)
{
	pick_pages(actor, op);
}

/* Not of a kept region: what is missing in there comes when it is touched, in its next life. */
void drop_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!may_touch(actor, op) || actor->pool[op->pool].region[op->arg[0]].kept) {
		answer->skipped = true;
		return;
	}
	if (madvise(page_address(actor, op->pool, op->arg[0], op->arg[1]), op->arg[2] * SP_PAGE,
		    MADV_DONTNEED))
		answer->error = -errno;
}

void drop_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct ref_pool *pool = &actor->pool[op->pool];
	int wanted = pool->mode->dropped == ALWAYS ? 0 : -EINVAL;
	uint32_t i;

	if (pool->mode->dropped == PERHAPS && !answer->error)
		wanted = 0;
	if (!expect_error(actor, "madvise(MADV_DONTNEED)", answer->error, wanted) || wanted)
		return;
	for (i = op->arg[1]; i < op->arg[1] + op->arg[2]; i++)
		pool->region[op->arg[0]].page[i].mapped = false;
	touched(actor, op->arg[0], op->arg[1], op->arg[2]);
}

void drop_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "drop(%u, %u, %u, %u)", op->pool, op->arg[0], op->arg[1], op->arg[2]);
}
