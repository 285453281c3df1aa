// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one process does to the pools of all: the shrinker and the ceiling take
 * retained pages wherever they are. Who finds some gone must know that it was so.
 */
#include "model.h"
#include <sys/file.h>

struct disturbances *disturbances;

void disturb_begin(void)
{
	disturbances->under_way++;
	disturbances->begun++;
}

void disturb_end(void)
{
	disturbances->under_way--;
}

/* Is there one that was not over when @seen was noted? To be asked after looking at the pool. */
bool disturbed_since(uint64_t seen)
{
	return disturbances->begun != seen || disturbances->under_way;
}

/* To be noted before looking at the pools: @seen as before while one is under way. */
uint64_t disturbances_seen(uint64_t seen)
{
	/* In this order: one that begins in between is not taken for one that is over. */
	uint64_t begun = disturbances->begun;

	return disturbances->under_way ? seen : begun;
}

/*
 * A lock on this program's file, so that the kernel releases it for who dies.
 * Each process needs an open file of its own.
 */
int open_steps(void)
{
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static void lock(int steps, int how)
{
	while (steps >= 0 && flock(steps, how) && errno == EINTR)
		;
}

void step_with_others(int steps)
{
	lock(steps, LOCK_SH);
}

/* Until step_over() no other process of the run makes a step. */
void step_alone(int steps)
{
	lock(steps, LOCK_EX);
}

void step_over(int steps)
{
	lock(steps, LOCK_UN);
}
