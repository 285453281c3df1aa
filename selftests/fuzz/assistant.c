// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second thread: makes calls beside those of the main one, or changes memory
 * under them.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>

#include "world.h"

/* Bytes of a structure or array that change while the module looks at them. */
#define SHIFTING_WORDS 10

static void write_word(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void shift(struct assistant *assistant)
{
	uint32_t *words = (uint32_t *)assistant->address;
	uint32_t old[SHIFTING_WORDS], i, turn;

	memcpy(old, words, sizeof(old));
	for (turn = 0; !atomic_load(&assistant->stop); turn++) {
		i = turn % SHIFTING_WORDS;
		write_word(&words[i], turn & 64 ? old[i] ^ (1U << (turn >> 7 & 31)) : old[i] + 1);
		write_word(&words[i], old[i]);
	}
}

static void vanish(struct assistant *assistant)
{
	bool there = true;

	while (!atomic_load(&assistant->stop)) {
		there = !there;
		mprotect(assistant->address, ARENA_BYTES,
			 there ? PROT_READ | PROT_WRITE : PROT_NONE);
	}
	mprotect(assistant->address, ARENA_BYTES, PROT_READ | PROT_WRITE);
}

static void work(struct world *world)
{
	struct assistant *assistant = &world->assistant;

	if (assistant->job == JOB_STEP)
		step_run(world, ACTOR_ASSISTANT, assistant->step);
	else if (assistant->job == JOB_SHIFT)
		shift(assistant);
	else
		vanish(assistant);
}

static void *assistant_main(void *argument)
{
	struct world *world = argument;
	struct assistant *assistant = &world->assistant;

	pthread_mutex_lock(&assistant->lock);
	for (;;) {
		while (assistant->job == JOB_NONE)
			pthread_cond_wait(&assistant->changed, &assistant->lock);
		pthread_mutex_unlock(&assistant->lock);
		work(world);
		pthread_mutex_lock(&assistant->lock);
		assistant->job = JOB_NONE;
		pthread_cond_signal(&assistant->changed);
	}
	return NULL;
}

int assistant_start(struct world *world)
{
	struct assistant *assistant = &world->assistant;

	pthread_mutex_init(&assistant->lock, NULL);
	pthread_cond_init(&assistant->changed, NULL);
	return pthread_create(&assistant->thread, NULL, assistant_main, world);
}

/* Sets it to work; what it did before is ended first. */
void assistant_begin(struct world *world, enum job job, const struct step *step, char *address)
{
	struct assistant *assistant = &world->assistant;

	assistant_end(world);
	pthread_mutex_lock(&assistant->lock);
	assistant->step = step;
	assistant->address = address;
	atomic_store(&assistant->stop, false);
	assistant->job = job;
	pthread_cond_signal(&assistant->changed);
	pthread_mutex_unlock(&assistant->lock);
}

/* Waits until it is idle; a call of its that waits is interrupted. */
void assistant_end(struct world *world)
{
	struct assistant *assistant = &world->assistant;
	struct timespec end;

	atomic_store(&assistant->stop, true);
	pthread_mutex_lock(&assistant->lock);
	while (assistant->job != JOB_NONE) {
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_nsec += 5000000;
		if (end.tv_nsec >= 1000000000) {
			end.tv_nsec -= 1000000000;
			end.tv_sec++;
		}
		if (pthread_cond_timedwait(&assistant->changed, &assistant->lock, &end))
			pthread_kill(assistant->thread, SIGUSR1);
	}
	pthread_mutex_unlock(&assistant->lock);
}
