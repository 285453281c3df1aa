// SPDX-License-Identifier: GPL-2.0-only
/* Refusing a request only for what others have. */

#include <linux/errno.h>
#include <linux/rwsem.h>

#include "segpool.h"

/**
 * admit() - try a request among others, and once more alone
 * @pool: the pool.
 * @try: takes all that the request needs, or nothing; -ENOMEM or -EBUSY where
 *	something is not to be had; other errors are not tried again here. Must
 *	not wake anybody who waits for what it was refused for: see budget_wait().
 * @request: handed on to @try.
 *
 * Another request may have held, for a moment, what this one needed, only to
 * put it back because something else was missing. So a refusal counts only if
 * no other request is in that moment.
 *
 * Context: may sleep; killable.
 * Return: what @try returned; -EINTR.
 */
int admit(struct segpool_pool *pool, int (*try)(void *request), void *request)
{
	int err;

	if (down_read_killable(&pool->admission))
		return -EINTR;
	err = try(request);
	up_read(&pool->admission);
	if (err != -ENOMEM && err != -EBUSY)
		return err;

	if (down_write_killable(&pool->admission))
		return -EINTR;
	/* Words that move while we look for an idle one could each be in use when looked at. */
	if (err == -ENOMEM)
		lent_recall(pool);
	err = try(request);
	up_write(&pool->admission);
	return err;
}
