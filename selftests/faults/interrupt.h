/* SPDX-License-Identifier: GPL-2.0-only */
/* A call that a signal meets after a delay that grows from 0 past its end. */
#ifndef SEGPOOL_FAULTS_INTERRUPT_H
#define SEGPOOL_FAULTS_INTERRUPT_H

#include <signal.h>
#include <time.h>
#include "case_signal.h"
#include "gauges.h"

/* A sweep that no signal has met in the middle goes on, so often at most. */
#define INTERRUPT_EXTRA	200
#define INTERRUPT_MEASURED	3

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct interrupt_sweep {
	char wrong[256];
	unsigned int calls, interrupted;
};

static void interrupt_handler(int signal_number SP_UNUSED)
{
	signals_seen++;
}

static void interrupt_install(int flags)
{
	struct sigaction action = { .sa_handler = interrupt_handler, .sa_flags = flags };

	sigaction(SIGUSR1, &action, NULL);
}

static uint64_t interrupt_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* To the calling thread, once. */
static timer_t interrupt_arm(int signal_number, uint64_t delay_ns)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal_number };
	struct itimerspec when = { .it_value = { .tv_sec = delay_ns / 1000000000,
						 .tv_nsec = delay_ns % 1000000000 + !delay_ns } };
	timer_t timer;

	event.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &when, NULL))
		abort();
	return timer;
}

static void interrupt_note(struct interrupt_sweep *sweep, uint64_t delay_ns, int result,
			   const char *wrong)
{
	snprintf(sweep->wrong, sizeof(sweep->wrong), "signal after %llu us, result %d: %s",
		 (unsigned long long)delay_ns / 1000, result, wrong);
}

static const char *interrupt_judge(struct scene *scene, int result)
{
	unsigned int i;
	bool allowed = result >= 0;

	for (i = 0; i < ARRAY_SIZE(scene->what->errors); i++)
		allowed |= scene->what->errors[i] && result == -scene->what->errors[i];
	if (!allowed)
		return "this error is not documented for it";
	return scene->what->check(scene, result);
}

/* Room for the trial, if the scene had taken it away. */
static void interrupt_restore_limits(struct scene *scene)
{
	struct segpool_limits limits = { .physical_budget = scene->pool.length + SP_MIB };

	sp_set_module_parameter("ceiling_mib", 0);
	sp_set_budget(scene->pool.fd, SEGPOOL_SET_PHYSICAL, &limits);
	sp_free(scene->pool.fd, scene->regions[0].handle, 0);
}

static const char *interrupt_judge_pool(struct scene *scene)
{
	const char *wrong;

	if (scene->what->ends_pool)
		return NULL;
	wrong = sp_drift(&scene->pool);
	interrupt_restore_limits(scene);
	return wrong ?: scene_trial(scene);
}

/* One call; returns how long it took, 0 where something is wrong. */
static uint64_t interrupt_once(const struct fault_case *what, uint32_t mode, bool with_signal,
			       uint64_t delay_ns, struct interrupt_sweep *sweep)
{
	static struct scene scene;
	const char *wrong = NULL;
	uint64_t begun, spent;
	timer_t timer;
	int result = scene_make(&scene, what, mode, 0);

	if (result) {
		interrupt_note(sweep, delay_ns, result, "the scene cannot be made");
		scene_end(&scene);
		return 0;
	}
	scene_remember(&scene);
	signals_seen = 0;
	if (with_signal)
		timer = interrupt_arm(SIGUSR1, delay_ns);
	begun = interrupt_now_ns();
	result = what->call(&scene);
	spent = interrupt_now_ns() - begun;
	if (with_signal)
		timer_delete(timer);
	sweep->calls++;
	sweep->interrupted += result == -EINTR || (signals_seen && !result);
	wrong = interrupt_judge(&scene, result);
	wrong = wrong ?: interrupt_judge_pool(&scene);
	scene_end(&scene);
	wrong = wrong ?: gauges_left();
	if (wrong)
		interrupt_note(sweep, delay_ns, result, wrong);
	return wrong ? 0 : spent + 1;
}

/* From 0 to past the end of the undisturbed call, and on until it was interrupted. */
static SP_UNUSED void interrupt_sweep(const struct fault_case *what, uint32_t mode, int flags,
				      unsigned int steps, struct interrupt_sweep *sweep)
{
	uint64_t span = UINT64_MAX, spent, delay;
	unsigned int i;

	interrupt_install(flags);
	/* The shortest of some: a machine that stood still meanwhile would make it too long. */
	for (i = 0; !sweep->wrong[0] && i < INTERRUPT_MEASURED; i++) {
		spent = interrupt_once(what, mode, false, 0, sweep);
		span = spent < span ? spent : span;
	}
	for (i = 0; !sweep->wrong[0] && i < steps + INTERRUPT_EXTRA; i++) {
		if (i >= steps && sweep->interrupted)
			break;
		delay = span * 5 / 4 * (i % steps) / steps;
		interrupt_once(what, (mode + i) % 2, true, delay, sweep);
	}
	if (!sweep->interrupted && !sweep->wrong[0])
		interrupt_note(sweep, 0, 0, "no signal has ever met it");
}

#endif /* SEGPOOL_FAULTS_INTERRUPT_H */
