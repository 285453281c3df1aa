// SPDX-License-Identifier: GPL-2.0-only
#include "world.h"

#include <string.h>

struct world world;

static void begin_region(u32 index, char letter, const struct beginning *beginning)
{
	struct region *region = &world.regions[index];
	u32 class = letter == 'g';

	atomic64_set(&region->word, word_make(beginning->generation, class, REGION_ACTIVE));
	world.truth.generation[index] = beginning->generation;
	if (letter == 'f' || letter == 'g') {
		class_queue_put(&world.queues[class], region, false);
		return;
	}
	world.page_of[index] = page_from_system();
	region->nr_pages = 1;
	atomic64_add(1, &world.account.owned);
	if (letter == 'k') {
		page_moves(world.page_of[index], ON_THE_WAY, IN_RETAIN);
		class_queue_put_kept(&world.queues[class], region, &world.account, UINT64_MAX, 0);
		return;
	}
	atomic_inc(&world.queues[class].nr_active);
	world.truth.holder[index] = HANDED_OUT;
	page_moves(world.page_of[index], ON_THE_WAY, IN_REGION);
}

void world_begin(const struct beginning *beginning)
{
	u32 carved = strlen(beginning->regions);
	u32 i;

	memset(&world, 0, sizeof(world));
	world.reserved = NR_REGIONS;
	world.account.budget = beginning->physical;
	world.highest_budget = beginning->physical;
	world.ceiling_limit = beginning->ceiling;
	world.retain_limit = beginning->retain;
	for (i = 0; i < NR_CLASSES; i++)
		class_queue_init(&world.queues[i]);
	for (i = 0; i < NR_REGIONS; i++)
		world.regions[i].index = i;
	for (i = 0; i < carved; i++)
		begin_region(i, beginning->regions[i], beginning);
	for (i = 0; i < beginning->retained; i++) {
		world.store.pages[i] = page_from_system();
		page_moves(world.store.pages[i], ON_THE_WAY, IN_RETAIN);
	}
	world.store.nr = beginning->retained;
	atomic64_add((u64)beginning->retained << 32, &world.account.owned);
	atomic64_set(&world.ceiling, owned_total(account_read(&world.account)));
	atomic64_set(&world.carved, carved_make(carved, beginning->virtual));
	world.truth.carved = carved;
}

/* --- the truth --- */

void region_taken(u32 index)
{
	if (world.truth.holder[index] != NOBODY)
		found("region %u has two owners", index);
	world.truth.holder[index] = ACTOR;
}

void region_given_back(u32 index)
{
	world.truth.holder[index] = NOBODY;
}

void region_handed_out(u32 index, u32 generation)
{
	u32 older = world.truth.generation[index];

	/* Across the wrap-around, which leaves 0 out. */
	if (!generation || (s32)(generation - older) <= 0)
		found("region %u has generation %u after %u", index, generation, older);
	world.truth.generation[index] = generation;
	world.truth.holder[index] = HANDED_OUT;
}

void region_released(u32 index, u32 generation)
{
	if (world.truth.holder[index] != HANDED_OUT || world.truth.generation[index] != generation)
		found("a release of region %u with generation %u was not refused", index,
		      generation);
	world.truth.holder[index] = ACTOR;
}

/* The release was not done after all. */
void region_handed_out_again(u32 index)
{
	world.truth.holder[index] = HANDED_OUT;
}

u32 page_from_system(void)
{
	u32 page;

	for (page = 1; page <= NR_PAGES; page++)
		if (world.truth.place[page] == IN_SYSTEM) {
			world.truth.place[page] = ON_THE_WAY;
			return observe(page);
		}
	found("more than %u pages are in use", NR_PAGES);
	return 0;
}

void page_moves(u32 page, enum place from, enum place to)
{
	if (world.truth.place[page] != from)
		found("page %u is in two places", page);
	world.truth.place[page] = to;
}

/* --- what must be so --- */

static u32 pages_in(enum place place)
{
	u32 nr = 0;
	u32 page;

	for (page = 1; page <= NR_PAGES; page++)
		nr += world.truth.place[page] == place;
	return nr;
}

static void check_virtual(void)
{
	u64 carved = atomic64_read(&world.carved);

	if (carved_count(carved) > carved_budget(carved))
		found("%u regions are carved, above the budget of %u", carved_count(carved),
		      carved_budget(carved));
	if (carved_count(carved) > world.reserved)
		found("%u regions are carved, more than there are", carved_count(carved));
	if (carved_count(carved) < world.truth.carved)
		found("%u regions are carved, and %u were before", carved_count(carved),
		      world.truth.carved);
	world.truth.carved = carved_count(carved);
}

static void check_physical(void)
{
	u64 total = owned_total(account_read(&world.account));
	u64 used = atomic64_read(&world.ceiling);
	u32 owned = NR_PAGES - pages_in(IN_SYSTEM);

	if (total > world.highest_budget)
		found("%u pages are accounted, above the budget of %u", (u32)total,
		      (u32)world.highest_budget);
	if (used > world.ceiling_limit)
		found("%u pages are accounted, above the ceiling of %u", (u32)used,
		      (u32)world.ceiling_limit);
	if (total < owned || used < owned)
		found("%u pages are owned, but only %u and %u accounted", owned, (u32)total,
		      (u32)used);
}

static void check_generations(void)
{
	u32 i, generation;

	for (i = 0; i < NR_REGIONS; i++) {
		generation = word_generation(region_word(&world.regions[i]));
		if ((s32)(generation - world.truth.generation[i]) < 0)
			found("the generation of region %u went back to %u", i, generation);
	}
}

void world_check(void)
{
	check_virtual();
	check_physical();
	check_generations();
}

static void check_region(u32 index, u32 *active)
{
	u64 word = region_word(&world.regions[index]);
	enum region_state state = word_state(word);
	bool carved = index < carved_count(atomic64_read(&world.carved));
	bool handed_out = world.truth.holder[index] == HANDED_OUT;

	if (carved ? state != REGION_ACTIVE && state != REGION_FREED : state != REGION_UNUSED)
		found("region %u was left in state %u", index, state);
	if (handed_out != (state == REGION_ACTIVE))
		found("region %u is in state %u, and its holder is %u", index, state,
		      world.truth.holder[index]);
	if (!world.page_of[index] == (handed_out || world.regions[index].nr_pages) ||
	    (handed_out && (!world.regions[index].nr_pages || world.unmapped[index])))
		found("region %u in state %u has page %u", index, state, world.page_of[index]);
	if (state == REGION_ACTIVE)
		active[word_class(word)]++;
}

static u32 check_list(const struct list_head *list, u32 class, bool kept)
{
	struct list_head *item;
	struct region *region;
	u32 nr = 0;

	for (item = list->next; item != list && nr <= NR_REGIONS; nr++) {
		region = list_entry(item, struct region, node);
		if (word_with_state(region_word(region), REGION_UNUSED) !=
			    word_make(world.truth.generation[region->index], class, 0) ||
		    word_state(region_word(region)) != REGION_FREED || !region->nr_pages == kept)
			found("region %u waits in the queue of class %u", region->index, class);
		item = item->next;
	}
	return nr;
}

static void check_queue(u32 class, u32 active)
{
	struct class_queue *queue = &world.queues[class];
	u32 kept = check_list(&queue->kept, class, true);
	u32 nr = check_list(&queue->freed, class, false) + kept;

	if (nr != queue->nr_freed || kept != queue->nr_kept)
		found("%u regions wait in class %u, %u are kept; %u and %u are counted", nr, class,
		      kept, queue->nr_freed, queue->nr_kept);
	if ((u32)atomic_read(&queue->nr_active) != active)
		found("%u regions of class %u are active, and %u counted", active, class,
		      atomic_read(&queue->nr_active));
}

static u32 nr_waiting(void)
{
	return world.queues[0].nr_freed + world.queues[1].nr_freed;
}

/* Retained pages, with those of kept regions. */
static u32 nr_retained(void)
{
	return world.store.nr + world.queues[0].nr_kept + world.queues[1].nr_kept;
}

void world_check_quiet(void)
{
	u64 owned = account_read(&world.account);
	u32 active[NR_CLASSES] = { 0 };
	u32 i;

	for (i = 0; i < NR_REGIONS; i++)
		check_region(i, active);
	for (i = 0; i < NR_CLASSES; i++)
		check_queue(i, active[i]);
	if (active[0] + active[1] + nr_waiting() != carved_count(atomic64_read(&world.carved)))
		found("a carved region is neither active nor waiting");
	if (owned_physical(owned) != pages_in(IN_REGION) ||
	    owned_retained(owned) != pages_in(IN_RETAIN) ||
	    (u64)atomic64_read(&world.ceiling) != owned_total(owned))
		found("%u and %u pages are accounted, %u and %u are there",
		      (u32)owned_physical(owned), (u32)owned_retained(owned), pages_in(IN_REGION),
		      pages_in(IN_RETAIN));
	if (pages_in(ON_THE_WAY) || world.store.leaving || nr_retained() != pages_in(IN_RETAIN))
		found("a page was lost");
	if (nr_retained() > world.retain_limit)
		found("%u pages are retained above the limit", nr_retained());
	if (owned_total(owned) > world.account.budget &&
	    (nr_retained() || world.account.budget == world.highest_budget))
		found("%u pages are still retained above the budget", nr_retained());
}
