// SPDX-License-Identifier: GPL-2.0-only
/*
 * A region is as private as any other memory of its process: whoever may debug
 * the process gets at it, in strict mode up to 7.1 by ptrace and /proc/PID/mem
 * only, and nobody else does.
 */
#include "become.h"
#include "actor.h"
#include "marks.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
#include "testing_harness.h"

struct victim_plan {
	int fd;			/* opened by root, not set up */
	uint32_t mode;
	bool undumpable, read_only;
	char **target;		/* shared */
};

/* The victim is USER_A, who was given an open file. */
static long victim_opens(void *state, long unused)
{
	struct victim_plan *plan = state;
	struct segpool_setup setup = { .mode = plan->mode, .region_size = SP_SMALL,
				       .flags = SEGPOOL_SET_VIRTUAL };
	struct segpool_region region;
	char *base;

	setup.limits.virtual_budget = SP_MIB;
	if (become_user(USER_A, GROUP_OTHER))
		return -EACCES;
	if (sp_setup(plan->fd, &setup) || sp_mmap(plan->fd, SP_MIB, &base) ||
	    sp_alloc(plan->fd, 0, SEGPOOL_POPULATE, 1, &region) != 1)
		return -ENOMEM;
	*plan->target = base + region.offset;
	mark_fill(*plan->target, SP_SMALL, MARK_OWNER);
	if (plan->read_only && mprotect(base, SP_MIB, PROT_READ))
		return -errno;
	return prctl(PR_SET_DUMPABLE, !plan->undumpable) ? -errno : 0;
}

static long victim_checks(void *state, long unused)
{
	struct victim_plan *plan = state;

	return mark_missing(*plan->target, SP_SMALL, MARK_OWNER);
}

FIXTURE(victim) {
	struct victim_plan plan;
	struct actor actor;
};

SP_MODE_VARIANTS(victim);

FIXTURE_SETUP(victim)
{
	self->plan.target = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->plan.target);
	self->plan.fd = sp_open();
	ASSERT_LE(0, self->plan.fd);
	self->plan.mode = variant->mode;
}

FIXTURE_TEARDOWN(victim)
{
	actor_end(&self->actor);
	close(self->plan.fd);
}

#define START_VICTIM() do { \
	ASSERT_EQ(0, actor_start(&self->actor, &self->plan)); \
	ASSERT_EQ(0, actor_ask(&self->actor, victim_opens, 0)); \
} while (0)

/* Ways to the bytes; bits of what went through. */
enum way { BY_PTRACE = 1, BY_MEM_READ = 2, BY_MEM_WRITE = 4, BY_VM_READ = 8, BY_VM_WRITE = 16 };

static int by_ptrace(pid_t pid, char *target)
{
	int ways = 0;

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) || waitpid(pid, NULL, __WALL) != pid)
		return 0;
	errno = 0;
	if ((uint64_t)ptrace(PTRACE_PEEKDATA, pid, target, NULL) == mark_word(MARK_OWNER) && !errno)
		ways = BY_PTRACE;
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return ways;
}

static int by_proc_mem(pid_t pid, char *target, uint64_t word)
{
	char path[64];
	int fd, ways = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (pread(fd, &word, sizeof(word), (off_t)(uintptr_t)target) == sizeof(word))
		ways |= BY_MEM_READ;
	if (pwrite(fd, &word, sizeof(word), (off_t)(uintptr_t)target) == sizeof(word))
		ways |= BY_MEM_WRITE;
	close(fd);
	return ways;
}

/* All ways; what is written is what is there. */
static int ways_in(pid_t pid, char *target)
{
	uint64_t word = mark_word(MARK_OWNER);
	struct iovec near = { .iov_base = &word, .iov_len = sizeof(word) };
	struct iovec far = { .iov_base = target, .iov_len = sizeof(word) };
	int ways = by_ptrace(pid, target) | by_proc_mem(pid, target, word);

	if (process_vm_readv(pid, &near, 1, &far, 1, 0) == sizeof(word))
		ways |= BY_VM_READ;
	if (process_vm_writev(pid, &near, 1, &far, 1, 0) == sizeof(word))
		ways |= BY_VM_WRITE;
	return ways;
}

struct attacker_plan {
	pid_t victim;
	char *target;
	uid_t user;
	bool namespace_root;
};

static int attacker(void *argument)
{
	struct attacker_plan *plan = argument;
	int error = plan->namespace_root ? become_namespace_root(plan->user, GROUP_ALLOWED) :
					   become_user(plan->user, GROUP_ALLOWED);

	return error ? 100 : ways_in(plan->victim, plan->target);
}

#define ATTACK(...) ({ \
	struct attacker_plan attack = { .victim = self->actor.pid, \
					.target = *self->plan.target, __VA_ARGS__ }; \
	sp_in_child(attacker, &attack); \
})

/* What a debugger with the right to may do in each mode. */
static int allowed_ways(uint32_t mode)
{
	int ways = BY_PTRACE | BY_MEM_READ | BY_MEM_WRITE;

	return sp_kernel_knows_pages(mode) ? ways | BY_VM_READ | BY_VM_WRITE : ways;
}

TEST_F(victim, root_may_debug)
{
	START_VICTIM();
	EXPECT_EQ(allowed_ways(variant->mode), ways_in(self->actor.pid, *self->plan.target));
	EXPECT_EQ(0, actor_ask(&self->actor, victim_checks, 0));
}

TEST_F(victim, another_user_may_not)
{
	START_VICTIM();
	EXPECT_EQ(0, ATTACK(.user = USER_B));
	EXPECT_EQ(0, actor_ask(&self->actor, victim_checks, 0));
}

/* All capabilities, but not over processes outside. */
TEST_F(victim, root_of_a_user_namespace_may_not)
{
	START_VICTIM();
	EXPECT_EQ(0, ATTACK(.user = USER_B, .namespace_root = true));
}

static bool yama_is_off(void)
{
	char text[8];

	return sp_read_file("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) <= 0 ||
	       text[0] == '0';
}

/* The same user: as with all his memory, what the system's policy says. */
TEST_F(victim, the_same_user_may_as_with_all_memory)
{
	START_VICTIM();
	EXPECT_EQ(yama_is_off() ? allowed_ways(variant->mode) : 0, ATTACK(.user = USER_A));
	EXPECT_EQ(0, actor_ask(&self->actor, victim_checks, 0));
}

TEST_F(victim, not_dumpable_is_left_alone)
{
	self->plan.undumpable = true;
	START_VICTIM();
	EXPECT_EQ(0, ATTACK(.user = USER_A));
}

/* Not even root's debugger writes to what its owner has made read only. */
TEST_F(victim, read_only_stays_read_only)
{
	self->plan.read_only = true;
	START_VICTIM();
	EXPECT_EQ(allowed_ways(variant->mode) & ~(BY_MEM_WRITE | BY_VM_WRITE),
		  ways_in(self->actor.pid, *self->plan.target));
	EXPECT_EQ(0, actor_ask(&self->actor, victim_checks, 0));
}

TEST_HARNESS_MAIN
