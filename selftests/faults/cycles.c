// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 13: the module is unloaded and loaded again and again, while
 * processes hold it open or mapped, open it at that very moment, or are killed.
 *
 *   cycles [--cycles N] [--seed N]
 *
 * SEGPOOL_KO names the module's file; without it /segpool/segpool.ko is tried.
 */
#include "run.h"
#include "../testing_memory.h"
#include "gauges.h"
#include "module.h"

#define OPENERS		2
#define REGION		SP_SMALL
#define POOL		(8 * REGION)

static unsigned long cycles = 8, seed = 1;

static const struct run_option options[] = {
	{ "--cycles", &cycles, "how often the module is unloaded and loaded", NULL },
	{ "--seed", &seed, "of the random choices", NULL },
	{ NULL, NULL, NULL, NULL },
};

/* What the processes and the one that unloads tell each other. */
struct stage {
	atomic_int ready, over;
	atomic_ulong opened, absent, refused;
	uint64_t random;
	unsigned int kind;
};

static struct stage *stage;

/* --- who holds it: a file, a pool, a mapping without its file --- */

static int hold(void *unused SP_UNUSED)
{
	struct segpool_region region;
	struct sp_pool pool = { .fd = -1 };

	if (stage->kind == 0) {
		pool.fd = sp_open();
		if (pool.fd < 0)
			return 1;
	} else {
		if (sp_pool_make(&pool, stage->kind % 2, REGION, POOL, POOL, POOL) ||
		    sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL))
			return 2;
		if (stage->kind == 2)
			close(pool.fd);
	}
	stage->ready = 1;
	while (!stage->over)
		pause();
	return 0;
}

static int is_ready(void *unused SP_UNUSED)
{
	return stage->ready;
}

/* While somebody has it, it stays; once he is killed it goes. */
static const char *cycle_held(void)
{
	pid_t child;
	int error;

	stage->ready = 0;
	stage->kind = sp_random(&stage->random) % 3;
	child = sp_start_child(hold, NULL);
	if (child < 0)
		return "fork fails";
	if (!sp_wait_until(is_ready, NULL, 60000))
		return "the process that holds the module does not get ready";
	error = module_unload();
	if (stage->kind != 0)
		usleep(sp_random(&stage->random) % 2000);
	kill(child, SIGKILL);
	if (sp_wait_child(child) != 128 + SIGKILL)
		return "the process that held the module has failed";
	return module_in_use(error) ? NULL : "the module is unloaded under its user";
}

/* --- who opens it at that very moment --- */

static void open_once(void)
{
	struct sp_pool pool;
	int error;

	error = sp_pool_make(&pool, SEGPOOL_MODE_PINNABLE, REGION, POOL, POOL, POOL);
	if (!error) {
		stage->opened++;
		sp_pool_close(&pool);
	} else if (error == -ENOENT || error == -ENODEV || error == -ENXIO) {
		stage->absent++;
	} else {
		stage->refused++;
	}
}

static int open_for_ever(void *unused SP_UNUSED)
{
	while (!stage->over)
		open_once();
	return 0;
}

static int is_opened(void *before)
{
	return stage->opened != *(unsigned long *)before;
}

/* As often as it is in use meanwhile, it is tried again. */
static const char *cycle_raced(void)
{
	unsigned long opened = stage->opened;
	pid_t children[OPENERS];
	const char *wrong = NULL;
	int i;

	for (i = 0; i < OPENERS; i++)
		children[i] = sp_start_child(open_for_ever, NULL);
	if (!sp_wait_until(is_opened, &opened, 60000))
		wrong = "nobody can open it";
	if (!wrong && !sp_wait_until(module_is_unloaded, NULL, 60000))
		wrong = "the module cannot be unloaded while others open it";
	usleep(sp_random(&stage->random) % 5000);
	if (!wrong && module_load())
		wrong = "the module cannot be loaded while others open it";
	usleep(sp_random(&stage->random) % 5000);
	for (i = 0; i < OPENERS; i++) {
		kill(children[i], SIGKILL);
		if (sp_wait_child(children[i]) != 128 + SIGKILL)
			wrong = "a process that opened the device has failed";
	}
	return wrong;
}

static const char *cycle_once(unsigned long number)
{
	const char *wrong = number % 2 ? cycle_raced() : cycle_held();

	if (!wrong && !sp_wait_until(module_is_unloaded, NULL, 60000))
		wrong = "the module cannot be unloaded although nobody uses it";
	wrong = wrong ?: module_remains();
	if (!wrong && module_load())
		wrong = "the module cannot be loaded again";
	return wrong ?: module_trial();
}

static const char *cycle_all(void)
{
	uint64_t begun = sp_now_ms();
	const char *wrong = NULL;
	unsigned long i;

	for (i = 0; i < cycles && !wrong; i++)
		wrong = cycle_once(i);
	ksft_print_msg("seed %lu: %lu cycles in %llu ms; %lu pools made, %lu times absent\n", seed, i,
		       (unsigned long long)(sp_now_ms() - begun), stage->opened, stage->absent);
	return wrong;
}

int main(int argc, char **argv)
{
	const char *missing = module_missing();
	uint64_t before;

	run_options(argc, argv, options);
	ksft_print_header();
	if (missing)
		ksft_exit_skip("%s\n", missing);
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stage == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	ksft_set_plan(4);
	stage->random = seed;
	module_remember();
	before = sp_free_bytes();

	run_result("users_keep_it_and_nobody_else_does", cycle_all());
	run_result("open_while_unloading", stage->refused ? "an error other than that it is absent" :
		   NULL);
	run_result("free_memory_is_back", gauges_memory(before));
	if (!module_device_is_there(NULL))
		module_load();
	run_result("loaded_again", module_trial());
	ksft_finished();
}
