// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The book of regions: which state each is in, and who gets which next. Under the pool's lock. */
#include <errno.h>

#include "user.h"

uint32_t segpool_user_index(const struct segpool_user *user,
			    const struct segpool_user_region *region)
{
	return (uint32_t)(region - user->regions);
}

/* The region that a handle of any generation is about, or NULL. */
struct segpool_user_region *segpool_user_named(struct segpool_user *user, uint64_t handle)
{
	uint32_t index = SEGPOOL_HANDLE_INDEX(handle);

	if (index >= user->carved || !SEGPOOL_HANDLE_GENERATION(handle) ||
	    !user->regions[index].generation)
		return NULL;
	return &user->regions[index];
}

/* Is it in use under that handle? */
int segpool_user_check_active(const struct segpool_user_region *region, uint64_t handle)
{
	if (!region)
		return -ENOENT;
	if (region->generation != SEGPOOL_HANDLE_GENERATION(handle))
		return -ESTALE;
	return region->state == SEGPOOL_ACTIVE ? 0 : -EALREADY;
}

/* 0 is no generation. */
uint32_t segpool_user_generation_after(uint32_t generation)
{
	return generation + 1 ? generation + 1 : 1;
}

/* Was it released under that handle, and has nobody had it since? */
int segpool_user_check_freed(const struct segpool_user_region *region, uint64_t handle)
{
	uint32_t generation = SEGPOOL_HANDLE_GENERATION(handle);

	if (!region)
		return -ENOENT;
	if (region->generation == generation)
		return region->state == SEGPOOL_FREED ? 0 : -EBUSY;
	/* Whoever was faster has it. */
	if (region->generation == segpool_user_generation_after(generation) &&
	    region->state == SEGPOOL_ACTIVE)
		return -EBUSY;
	return -ESTALE;
}

static void list_append(struct segpool_user *user, struct segpool_user_list *list, uint32_t index)
{
	struct segpool_user_region *region = &user->regions[index];

	region->next = SEGPOOL_NO_REGION;
	region->previous = list->last;
	if (list->last == SEGPOOL_NO_REGION)
		list->first = index;
	else
		user->regions[list->last].next = index;
	list->last = index;
}

static void list_remove(struct segpool_user *user, struct segpool_user_list *list,
			const struct segpool_user_region *region)
{
	if (region->previous == SEGPOOL_NO_REGION)
		list->first = region->next;
	else
		user->regions[region->previous].next = region->next;
	if (region->next == SEGPOOL_NO_REGION)
		list->last = region->previous;
	else
		user->regions[region->next].previous = region->previous;
}

static void ages_append(struct segpool_user *user, uint32_t index)
{
	struct segpool_user_region *region = &user->regions[index];

	region->newer = SEGPOOL_NO_REGION;
	region->older = user->ages.last;
	if (user->ages.last == SEGPOOL_NO_REGION)
		user->ages.first = index;
	else
		user->regions[user->ages.last].newer = index;
	user->ages.last = index;
}

static void ages_remove(struct segpool_user *user, const struct segpool_user_region *region)
{
	if (region->older == SEGPOOL_NO_REGION)
		user->ages.first = region->newer;
	else
		user->regions[region->older].newer = region->newer;
	if (region->newer == SEGPOOL_NO_REGION)
		user->ages.last = region->older;
	else
		user->regions[region->newer].older = region->older;
}

/* A released region waits for its next owner, with its retained pages if it has any. */
void segpool_user_enqueue(struct segpool_user *user, struct segpool_user_region *region)
{
	struct segpool_user_class *queue = &user->classes[region->class_index];
	uint32_t index = segpool_user_index(user, region);

	list_append(user, region->pages ? &queue->kept : &queue->bare, index);
	if (!region->pages)
		return;
	ages_append(user, index);
	user->nr_kept++;
}

/* It is somebody's: to be handed out, or to have its pages taken. */
void segpool_user_dequeue(struct segpool_user *user, struct segpool_user_region *region)
{
	struct segpool_user_class *queue = &user->classes[region->class_index];

	list_remove(user, region->pages ? &queue->kept : &queue->bare, region);
	if (!region->pages)
		return;
	ages_remove(user, region);
	user->nr_kept--;
}

/* The released region that the class gets next, or SEGPOOL_NO_REGION. */
uint32_t segpool_user_waiting(const struct segpool_user *user, uint32_t class_index)
{
	const struct segpool_user_class *queue = &user->classes[class_index];

	return queue->kept.last != SEGPOOL_NO_REGION ? queue->kept.last : queue->bare.first;
}

/*
 * The first of @nr neighbouring released regions, or SEGPOOL_NO_REGION. It looks at all
 * carved regions: neighbours are for buffers larger than a region, which are few.
 * @leaving: set where the pages of some are leaving, so that it takes another moment.
 */
uint32_t segpool_user_run(const struct segpool_user *user, uint32_t nr, bool *leaving)
{
	const struct segpool_user_region *region;
	uint32_t i, length = 0, nr_leaving = 0;

	for (i = 0; i < user->carved && length < nr; i++) {
		region = &user->regions[i];
		if (region->state != SEGPOOL_FREED || (region->busy && !region->leaving)) {
			length = 0;
			nr_leaving = 0;
			continue;
		}
		length++;
		nr_leaving += region->leaving;
	}
	*leaving = nr_leaving;
	return length == nr ? i - nr : SEGPOOL_NO_REGION;
}

/* It is released. Its pages are gone or retained. */
void segpool_user_retire(struct segpool_user *user, struct segpool_user_region *region)
{
	struct segpool_user_class *queue = &user->classes[region->class_index];

	if (region->state == SEGPOOL_ACTIVE)
		queue->nr_active--;
	region->state = SEGPOOL_FREED;
	queue->nr_freed++;
	segpool_user_count(user, region->class_index, SEGPOOL_C_RELEASED_REGIONS,
			   SEGPOOL_CC_RELEASED_REGIONS);
	segpool_user_enqueue(user, region);
}

uint64_t segpool_user_owned(const struct segpool_user *user)
{
	return user->physical + user->retained;
}

/* More pages are in use; the caller knows that the budget has room. */
void segpool_user_use_pages(struct segpool_user *user, uint64_t pages)
{
	user->physical += pages;
	if (user->physical > user->physical_peak)
		user->physical_peak = user->physical;
}

/* Pages in use become retained ones. */
void segpool_user_retain_pages(struct segpool_user *user, uint64_t pages)
{
	user->physical -= pages;
	user->retained += pages;
	if (user->retained > user->retained_peak)
		user->retained_peak = user->retained;
}

void segpool_user_count(struct segpool_user *user, uint32_t class_index,
			enum segpool_counter counter, enum segpool_class_counter class_counter)
{
	user->events[counter]++;
	user->classes[class_index].events[class_counter]++;
}
