/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process that does what it is told, one thing at a time, so that a test says
 * in one place in which order several processes act. What to do is a function
 * of the test, which works on the actor's own copy of the state.
 */
#ifndef SEGPOOL_SECURITY_ACTOR_H
#define SEGPOOL_SECURITY_ACTOR_H

#include "testing.h"

struct actor {
	pid_t pid;
	int orders;		/* written to by us */
	int answers;		/* read by us */
};

struct actor_order {
	long (*work)(void *state, long argument);
	long argument;
};

struct actor_stage {
	void *state;
	int orders[2];
	int answers[2];
};

static int actor_main(void *argument)
{
	struct actor_stage *stage = argument;
	struct actor_order order;
	long answer;

	close(stage->orders[1]);
	close(stage->answers[0]);
	while (read(stage->orders[0], &order, sizeof(order)) == sizeof(order)) {
		answer = order.work(stage->state, order.argument);
		if (write(stage->answers[1], &answer, sizeof(answer)) != sizeof(answer))
			return 1;
	}
	return 0;
}

/* 0 or -errno. */
static SP_UNUSED int actor_start(struct actor *actor, void *state)
{
	struct actor_stage stage = { .state = state };

	signal(SIGPIPE, SIG_IGN);
	if (pipe2(stage.orders, O_CLOEXEC) || pipe2(stage.answers, O_CLOEXEC))
		return -errno;
	actor->pid = sp_start_child(actor_main, &stage);
	close(stage.orders[0]);
	close(stage.answers[1]);
	actor->orders = stage.orders[1];
	actor->answers = stage.answers[0];
	return actor->pid < 0 ? actor->pid : 0;
}

static SP_UNUSED void actor_tell(struct actor *actor, long (*work)(void *, long), long argument)
{
	struct actor_order order = { .work = work, .argument = argument };

	if (write(actor->orders, &order, sizeof(order)) != sizeof(order))
		fprintf(stderr, "actor %d takes no more orders\n", actor->pid);
}

/* What the actor answers, or -EPIPE if it is no more. */
static SP_UNUSED long actor_answer(struct actor *actor)
{
	long answer;

	return read(actor->answers, &answer, sizeof(answer)) == sizeof(answer) ? answer : -EPIPE;
}

static SP_UNUSED long actor_ask(struct actor *actor, long (*work)(void *, long), long argument)
{
	actor_tell(actor, work, argument);
	return actor_answer(actor);
}

/* May be called more than once. */
static SP_UNUSED void actor_end(struct actor *actor)
{
	if (actor->pid <= 0)
		return;
	kill(actor->pid, SIGKILL);
	waitpid(actor->pid, NULL, 0);
	close(actor->orders);
	close(actor->answers);
	actor->pid = 0;
}

#endif /* SEGPOOL_SECURITY_ACTOR_H */
