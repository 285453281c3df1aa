// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What the program is told, and asked for, by functions of its own. They are called with no lock
 * held and outside of all heaps, so they may use the pool.
 */
#include "callback.h"

#include <errno.h>

#include "record.h"
#include "segment.h"
#include "syscall.h"

/* So often a request asks for memory before it is refused. */
#define MOST_QUESTIONS	8
/* Between two looks of a request that waits: from this on, twice as long each time. */
#define FIRST_PAUSE_US	50
#define LONGEST_PAUSE_US	5000

/* The thread is in a function of the program's, of whatever pool. */
static _Thread_local bool is_telling, is_asking;

int segpool_on_log(struct segpool *pool, segpool_log_fn log, void *context)
{
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_CALLBACK);

	if (error)
		return error;
	pool->log_context = context;
	__atomic_store_n(&pool->log, log, __ATOMIC_RELEASE);
	return 0;
}

int segpool_on_pressure(struct segpool *pool, segpool_pressure_fn pressure, void *context)
{
	int error = segpool_record_start_on(pool, SEGPOOL_CALL_CALLBACK);

	if (error)
		return error;
	pool->pressure_context = context;
	__atomic_store_n(&pool->pressure, pressure, __ATOMIC_RELEASE);
	return 0;
}

/* Whether anybody listened. What the thread's last call was, and its error, stay what they are. */
bool segpool_tell(struct segpool *pool, const struct segpool_log *log)
{
	segpool_log_fn function = __atomic_load_n(&pool->log, __ATOMIC_ACQUIRE);
	struct segpool_record record = *segpool_record();
	int error = errno;

	if (!function)
		return false;
	if (is_telling)
		return true;
	is_telling = true;
	function(pool, log, pool->log_context);
	is_telling = false;
	*segpool_record() = record;
	errno = error;
	return true;
}

void segpool_tell_of_region(struct segpool *pool, uint32_t class_index,
			    const struct segpool_region *region)
{
	bool is_new = region->flags & SEGPOOL_REGION_NEW;
	const struct segpool_log log = {
		.kind = is_new ? SEGPOOL_LOG_NEW_REGION : SEGPOOL_LOG_REUSE,
		.class_index = class_index,
		.bytes = pool->region_size,
		.address = pool->base + region->offset,
		.text = is_new ? "a new region for segments" : "a released region is used again for segments",
	};

	segpool_tell(pool, &log);
}

/* How much the program says that it has freed. */
static uint64_t ask(struct segpool *pool, uint32_t class_index, uint64_t bytes)
{
	segpool_pressure_fn function = __atomic_load_n(&pool->pressure, __ATOMIC_ACQUIRE);
	const struct segpool_log log = {
		.kind = SEGPOOL_LOG_PRESSURE,
		.class_index = class_index,
		.bytes = bytes,
		.text = "a request for a segment finds nothing free",
	};
	struct segpool_record record = *segpool_record();
	uint64_t freed;

	if (!function || is_asking)
		return 0;
	segpool_tell(pool, &log);
	is_asking = true;
	freed = function(pool, bytes, pool->pressure_context);
	is_asking = false;
	*segpool_record() = record;
	return freed;
}

/* Until it works, or has taken as long as a request may take. */
static int wait_for(const struct segpool *pool, int (*attempt)(void *argument), void *argument)
{
	uint64_t end, pause = FIRST_PAUSE_US;
	int error = -ENOMEM;

	if (!pool->wait_ms || is_asking)
		return error;
	end = segpool_sys_now_us() + pool->wait_ms * 1000ULL;
	while (error == -ENOMEM && segpool_sys_now_us() < end) {
		segpool_sys_pause(pause);
		pause = 2 * pause < LONGEST_PAUSE_US ? 2 * pause : LONGEST_PAUSE_US;
		error = attempt(argument);
	}
	return error;
}

/*
 * A request for a segment finds nothing in what is there without the program's help, which is what
 * @attempt tries. Then the program is asked, then it waits, then it is refused.
 */
int segpool_insist(struct segpool *pool, uint32_t class_index, uint64_t bytes,
		    int (*attempt)(void *argument), void *argument)
{
	const struct segpool_log log = {
		.kind = SEGPOOL_LOG_REFUSAL,
		.class_index = class_index,
		.bytes = bytes,
		.text = "a request for a segment was refused",
	};
	int error = -ENOMEM, questions;

	for (questions = 0; error == -ENOMEM && questions < MOST_QUESTIONS; questions++) {
		if (!ask(pool, class_index, bytes))
			break;
		error = attempt(argument);
	}
	if (error == -ENOMEM)
		error = wait_for(pool, attempt, argument);
	if (error == -ENOMEM)
		segpool_tell(pool, &log);
	return error;
}
