// SPDX-License-Identifier: GPL-2.0-only
/* What the operations share: choosing operands, contents of pages, expectations. */
#include "model.h"
#include <stdarg.h>

uint32_t pick(struct actor *actor, uint32_t n)
{
	return sp_random(&actor->random) % n;
}

bool one_in(struct actor *actor, uint32_t n)
{
	return !pick(actor, n);
}

/* A region: mostly one in that state, where there is one. */
uint32_t pick_region(struct actor *actor, const struct op *op, enum region_state state)
{
	const struct ref_pool *pool = &actor->pool[op->pool];
	uint32_t candidates[MAX_REGIONS], i, n = 0;

	for (i = 0; i < pool->nr_regions; i++)
		if (pool->region[i].state == state)
			candidates[n++] = i;
	if (n && !one_in(actor, 32))
		return candidates[pick(actor, n)];
	return pick(actor, pool->nr_regions ? pool->nr_regions : 1);
}

/* A handle of such a region: now and then one that is no good. */
uint32_t pick_handle(struct actor *actor, const struct op *op, enum region_state state)
{
	uint32_t kind = one_in(actor, 16) ? 1 + pick(actor, BAD_RESERVED) : PRESENT_HANDLE;
	uint32_t index = one_in(actor, 256) ? 5000 : pick_region(actor, op, state);

	return kind << 16 | index;
}

uint64_t handle_of(const struct actor *actor, const struct op *op, uint32_t operand)
{
	uint32_t index = operand_index(operand), generation = 0;

	if (index < MAX_REGIONS)
		generation = actor->pool[op->pool].region[index].generation;
	switch (operand_kind(operand)) {
	case PREVIOUS_HANDLE:
		generation = generation ? generation - 1 : 0;
		break;
	case NO_GENERATION:
		generation = 0;
		break;
	case FUTURE_HANDLE:
		generation += 0x40000000;
		break;
	default:
		break;
	}
	return (uint64_t)generation << 32 | index;
}

/* Is there a file to make a call on? */
bool takes_calls(const struct actor *actor, const struct op *op)
{
	enum pool_life life = actor->pool[op->pool].life;

	return life == OPEN || life == UNMAPPED;
}

bool is_mapped(const struct actor *actor, const struct op *op)
{
	enum pool_life life = actor->pool[op->pool].life;

	return life == OPEN || life == ORPHAN;
}

char *page_address(const struct actor *actor, uint32_t pool, uint32_t region, uint32_t page)
{
	return actor->kernel[pool].base + region * REGION_BYTES + page * SP_PAGE;
}

void touched(struct actor *actor, uint32_t region, uint32_t first, uint32_t nr)
{
	if (region < MAX_REGIONS)
		actor->touched[region] |= ((1U << nr) - 1) << first;
}

/* What nobody else ever writes: the pool, the actor, and a number. */
uint64_t new_tag(const struct actor *actor, uint32_t pool, uint32_t number)
{
	return (uint64_t)actor->pool[pool].id << 36 | (uint64_t)(actor->number & 63) << 30 |
	       ((actor->pool[pool].last_tag + number) & ((1 << 30) - 1));
}

/* Zeroes, or what this pool's actors have written. */
bool is_own_content(const struct actor *actor, uint32_t pool, const uint64_t seen[2])
{
	if (!seen[0])
		return !seen[1];
	return seen[1] == ~seen[0] && seen[0] >> 36 == actor->pool[pool].id;
}

void read_words(const char *page, uint64_t words[2])
{
	words[0] = *(volatile uint64_t *)page;
	words[1] = *(volatile uint64_t *)(page + SP_PAGE - 8);
}

/* A page shows @tag, and its complement at the end. */
void expect_words(struct actor *actor, uint32_t pool, uint32_t region, uint32_t page,
		  const uint64_t seen[2], uint64_t tag)
{
	if (seen[0] == tag && seen[1] == (tag ? ~tag : 0))
		return;
	mismatch(actor, "pool %u: page %u of region %u shows %#llx ... %#llx, not %#llx", pool,
		 page, region, (unsigned long long)seen[0], (unsigned long long)seen[1],
		 (unsigned long long)tag);
}

/*
 * Pages have come and are mapped: they show zeroes, or, as many as may have been
 * retained (@may_be_used), what this pool had in them before.
 */
void found_new_pages(struct actor *actor, uint32_t pool, uint32_t region, uint32_t first,
		     uint32_t nr, uint64_t may_be_used)
{
	uint64_t words[2], used = 0;
	struct ref_page *page;
	uint32_t i;

	for (i = first; i < first + nr; i++) {
		page = &actor->pool[pool].region[region].page[i];
		if (page->owned)
			continue;
		read_words(page_address(actor, pool, region, i), words);
		if (!is_own_content(actor, pool, words))
			mismatch(actor, "new page %u of region %u shows %#llx ... %#llx", i,
				 region, (unsigned long long)words[0],
				 (unsigned long long)words[1]);
		used += words[0] != 0;
		page->owned = true;
		page->mapped = true;
		page->tag = words[0];
	}
	if (used > may_be_used)
		mismatch(actor, "%llu new pages of region %u are not zero, %llu may be",
			 (unsigned long long)used, region, (unsigned long long)may_be_used);
	touched(actor, region, first, nr);
}

/* Who holds the page keeps what is in it now. */
static void detach_pins(struct actor *actor, uint32_t pool, uint32_t region, uint32_t page)
{
	struct pin *pin;

	for (pin = actor->pin; pin < actor->pin + MAX_PINS; pin++) {
		if (!pin->used || !pin->attached || pin->pool != pool || pin->region != region ||
		    pin->page != page)
			continue;
		pin->attached = false;
		pin->tag = actor->pool[pool].region[region].page[page].tag;
	}
}

/* The region's pages of that range are released; pinned ones leave the pool. */
void give_pages_back(struct actor *actor, uint32_t pool, uint32_t region, uint32_t first,
		     uint32_t nr, bool retain)
{
	struct ref_pool *ref = &actor->pool[pool];
	uint64_t pages = 0, pinned = 0;
	struct ref_page *page;
	uint32_t i;

	for (i = first; i < first + nr; i++) {
		page = &ref->region[region].page[i];
		if (!page->owned)
			continue;
		if (page->pins) {
			detach_pins(actor, pool, region, i);
			pinned++;
		} else {
			pages++;
		}
		*page = (struct ref_page){ .tag = ref->region[region].kept ? page->tag : 0 };
	}
	ref->physical -= pinned;
	ref->events[SEGPOOL_C_PINNED_PAGES] += pinned;
	ref_put(ref, pages, retain);
	touched(actor, region, first, nr);
}

/* Only the first one counts: what follows may be its consequence. */
void mismatch(struct actor *actor, const char *format, ...)
{
	va_list arguments;

	if (actor->failed)
		return;
	actor->failed = true;
	actor->kind_of_mismatch = format;
	va_start(arguments, format);
	vsnprintf(actor->mismatch, sizeof(actor->mismatch), format, arguments);
	va_end(arguments);
}

bool expect_error(struct actor *actor, const char *what, int got, int wanted)
{
	actor->expected = wanted;
	if (got == wanted)
		return true;
	mismatch(actor, "%s: %s, expected %s", what, got ? strerrorname_np(-got) : "success",
		 wanted ? strerrorname_np(-wanted) : "success");
	return false;
}

/* May a request for shared memory have been refused for that reason? */
bool refusal_allowed(struct actor *actor, uint32_t reason)
{
	if (reason == SEGPOOL_REASON_VIRTUAL || reason == SEGPOOL_REASON_PHYSICAL ||
	    (reason == SEGPOOL_REASON_SYSTEM && actor->pressed))
		return true;
	mismatch(actor, "refused for reason %u", reason);
	return false;
}
