// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* A pool of the backend "user" from its beginning to its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "record.h"
#include "syscall.h"
#include "user.h"

/* What a huge page is for; smaller regions would share one. */
#define HUGE_BYTES	(2ULL << 20)

/* Pools of this process so far. */
static uint32_t last_id;

static void default_classes(struct segpool_setup *setup)
{
	uint32_t i;

	for (i = 0; i < SEGPOOL_DEFAULT_CLASSES && (4096ULL << i) <= setup->region_size; i++)
		setup->classes[i] = 4096U << i;
	setup->nr_classes = i;
}

static void init(struct segpool_user *user, struct segpool_setup *setup)
{
	const struct segpool_user_list empty = { SEGPOOL_NO_REGION, SEGPOOL_NO_REGION };
	uint32_t i;

	pthread_mutex_init(&user->lock, NULL);
	user->region_size = setup->region_size;
	user->region_pages = (uint32_t)(setup->region_size / SEGPOOL_PAGE);
	user->nr_classes = setup->nr_classes;
	memcpy(user->segment_bytes, setup->classes, sizeof(user->segment_bytes));
	user->ages = empty;
	for (i = 0; i < SEGPOOL_MAX_CLASSES; i++) {
		user->classes[i].kept = empty;
		user->classes[i].bare = empty;
	}
	segpool_user_limits_set(user, SEGPOOL_SET_ALL, &setup->limits);
	segpool_user_limits_read(user, &setup->limits);
}

/* A page that tells a forked child from the process that made the pool. */
static int mark_here(struct segpool_user *user)
{
	void *page;
	int error;

	error = segpool_sys_book(SEGPOOL_PAGE, &page);
	if (error)
		return error;
	error = segpool_sys_wipe_for_children(page, SEGPOOL_PAGE);
	if (error) {
		segpool_sys_unmap(page, SEGPOOL_PAGE);
		return segpool_record_fault(error,
			"a pool of the backend \"user\" needs Linux 4.14 or newer");
	}
	user->here = page;
	*user->here = 1;
	return 0;
}

/* The options have been checked: they are the kernel's rules for SETUP, too. */
static int user_open(struct segpool *pool, const struct segpool_options *options,
		     struct segpool_setup *setup)
{
	struct segpool_user *user = calloc(1, sizeof(*user));
	int error;

	if (!user)
		return segpool_record_fault(-ENOMEM, "no memory for the pool's own structure");
	if (options->words == SEGPOOL_WORDS_ALWAYS) {
		free(user);
		return segpool_record_fault(-EOPNOTSUPP,
			"options.words is SEGPOOL_WORDS_ALWAYS, which a pool of the backend \"user\" cannot do");
	}
	if (segpool_sys_page() != SEGPOOL_PAGE) {
		free(user);
		return segpool_record_fault(-EINVAL,
			"a pool of the backend \"user\" needs a system with pages of 4 KiB");
	}
	if (!setup->nr_classes)
		default_classes(setup);
	segpool_user_limits_default(setup->flags, setup->region_size, &setup->limits);
	init(user, setup);
	error = mark_here(user);
	if (error) {
		pthread_mutex_destroy(&user->lock);
		free(user);
		return error;
	}
	setup->pool_id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	pool->user = user;
	pool->fd = -1;
	return 0;
}

/* At a multiple of the region size: what is in front of it and behind it goes. */
static int reserve_aligned(uint64_t length, uint64_t alignment, char **base)
{
	void *start;
	uint64_t before;
	int error;

	error = segpool_sys_reserve(length + alignment, &start);
	if (error)
		return error;
	before = -(uint64_t)(uintptr_t)start & (alignment - 1);
	*base = (char *)start + before;
	if (before)
		segpool_sys_unmap(start, before);
	segpool_sys_unmap(*base + length, alignment - before);
	return 0;
}

static uint64_t regions_bytes(const struct segpool_user *user)
{
	return user->nr_regions * (uint64_t)sizeof(*user->regions);
}

static uint64_t discarded_bytes(const struct segpool_user *user)
{
	return (uint64_t)user->nr_regions * ((user->region_pages + 63) / 64) *
	       sizeof(*user->discarded);
}

static int make_book(struct segpool_user *user)
{
	void *regions, *discarded;
	int error;

	error = segpool_sys_book(regions_bytes(user), &regions);
	if (error)
		return error;
	error = segpool_sys_book(discarded_bytes(user), &discarded);
	if (error) {
		segpool_sys_unmap(regions, regions_bytes(user));
		return error;
	}
	user->regions = regions;
	user->discarded = discarded;
	return 0;
}

static void free_book(struct segpool_user *user)
{
	segpool_sys_unmap(user->discarded, discarded_bytes(user));
	segpool_sys_unmap(user->regions, regions_bytes(user));
	user->regions = NULL;
}

static int user_map(struct segpool *pool, uint64_t length)
{
	struct segpool_user *user = pool->user;
	char *base;
	int error;

	user->nr_regions = (uint32_t)(length / user->region_size);
	error = make_book(user);
	if (error)
		return error;
	error = reserve_aligned(length, user->region_size, &base);
	if (error)
		goto err_free_book;
	error = segpool_sys_not_for_children(base, length);
	if (error)
		goto err_unmap;
	segpool_sys_huge(base, length, pool->mode == SEGPOOL_MODE_HUGE &&
			 user->region_size >= HUGE_BYTES);
	pool->base = base;
	return 0;

err_unmap:
	segpool_sys_unmap(base, length);
err_free_book:
	free_book(user);
	return error;
}

/* In a forked child there is no reservation, and something else may be in its place. */
static void user_close(struct segpool *pool)
{
	struct segpool_user *user = pool->user;

	if (pool->base && *user->here)
		segpool_sys_unmap(pool->base, pool->reservation);
	if (user->regions)
		free_book(user);
	segpool_sys_unmap((void *)user->here, SEGPOOL_PAGE);
	pthread_mutex_destroy(&user->lock);
	free(user);
}

static int user_pressure_fd(const struct segpool *pool)
{
	(void)pool;
	return -EOPNOTSUPP;
}

const struct segpool_backend segpool_user_backend = {
	.name = "user",
	.capabilities = 0,
	.open = user_open,
	.map = user_map,
	.call = segpool_user_call,
	.close = user_close,
	.pressure_fd = user_pressure_fd,
};
