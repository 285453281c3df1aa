// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 13 where the kernel grants MADV_DOFORK, on a pinnable pool: a child
 * that inherited the mapping keeps nothing of it once the owner's is gone, by
 * munmap, exit or kill. It gets SIGBUS, the pages are the system's again, and
 * the ceiling is not eaten up, though the child lives on and has the file.
 */
#include "testing.h"
#include "testing_harness.h"

#define REGION		(256 * SP_KIB)
#define REGIONS		64U
#define TOTAL		(REGIONS * REGION)
#define SLACK		(2 * SP_MIB)

/* What the test, the owner and its heir share. */
struct plan {
	int to_test[2], to_owner[2], to_child[2];
	pid_t heir;
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
};

static int say(const int pipes[2])
{
	return write(pipes[1], "x", 1) == 1 ? 0 : -1;
}

static int hear(const int pipes[2])
{
	char byte;

	return read(pipes[0], &byte, 1) == 1 ? 0 : -1;
}

static size_t refused_by_sigbus(const char *base)
{
	size_t offset, refused = 0;

	for (offset = 0; offset < TOTAL; offset += SP_PAGE)
		refused += sp_touch(base + offset) == SIGBUS;
	return refused;
}

/* The heir: sees the pages, waits until the owner's mapping is gone, and sees nothing. */
static int inherit(void *argument)
{
	struct plan *plan = argument;
	char *base = plan->pool.base;

	/* Its owner may be killed; it outlives that. */
	prctl(PR_SET_PDEATHSIG, 0);
	if (sp_count_refused(base, TOTAL))
		return 10;
	plan->heir = getpid();
	if (say(plan->to_test) || hear(plan->to_child))
		return 11;
	if (refused_by_sigbus(base) != TOTAL / SP_PAGE)
		return 12;
	/* Nor by way of its own mapping, which is still there. */
	if (madvise(base, TOTAL, MADV_POPULATE_READ) != -1)
		return 13;
	return 0;
}

static int make_inheritable_pool(struct plan *plan)
{
	if (sp_pool_make(&plan->pool, SEGPOOL_MODE_PINNABLE, REGION, TOTAL, 2 * TOTAL, TOTAL))
		return 20;
	if (madvise(plan->pool.base, plan->pool.length, MADV_DOFORK))
		return 21;
	if (sp_alloc(plan->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, plan->regions) != REGIONS)
		return 22;
	memset(plan->pool.base, 7, TOTAL);
	return 0;
}

FIXTURE(inherited) {
	struct plan *plan;
	uint64_t free_before;
};

FIXTURE_SETUP(inherited)
{
	if (!sp_kernel_before(7, 2))
		SKIP(return, "this kernel refuses MADV_DOFORK: no child inherits such a mapping");
	self->plan = mmap(NULL, sizeof(*self->plan), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->plan);
	self->plan->pool.fd = -1;
	ASSERT_EQ(0, pipe2(self->plan->to_test, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(self->plan->to_owner, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(self->plan->to_child, O_CLOEXEC));
	ASSERT_TRUE(sp_wait_module_idle(5000));
	/* An heir whose owner is gone is ours to wait for. */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	self->free_before = sp_free_bytes();
}

FIXTURE_TEARDOWN(inherited)
{
	munmap(self->plan, sizeof(*self->plan));
}

/* The owner's mapping is gone, the heir lives. */
static void expect_nothing_is_kept(struct __test_metadata *_metadata, FIXTURE_DATA(inherited) *self)
{
	EXPECT_TRUE(sp_wait_free_bytes(self->free_before - SLACK, 3000)) {
		TH_LOG("free: %llu MiB before, %llu MiB now",
		       (unsigned long long)(self->free_before / SP_MIB),
		       (unsigned long long)(sp_free_bytes() / SP_MIB));
	}
	EXPECT_EQ(0, sp_module_counter("physical_bytes"));
	EXPECT_EQ(0, sp_module_counter("retained_bytes"));
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	EXPECT_EQ(0, sp_pool_counter(self->plan->pool.id, "pinned_pages"));
	/* The file is the heir's, too. */
	EXPECT_TRUE(sp_pool_listed(self->plan->pool.id));
}

static void expect_heir_sees_nothing(struct __test_metadata *_metadata,
				     FIXTURE_DATA(inherited) *self, pid_t heir)
{
	ASSERT_EQ(0, say(self->plan->to_child));
	EXPECT_EQ(0, sp_wait_child(heir));
}

static int pool_is_gone(void *id)
{
	return !sp_pool_listed(*(uint32_t *)id);
}

TEST_F(inherited, owner_unmaps)
{
	struct plan *plan = self->plan;
	pid_t heir;

	ASSERT_EQ(0, make_inheritable_pool(plan));
	EXPECT_GT(self->free_before, sp_free_bytes() + TOTAL - SLACK);
	heir = sp_start_child(inherit, plan);
	ASSERT_LT(0, heir);
	ASSERT_EQ(0, hear(plan->to_test));
	ASSERT_EQ(0, munmap(plan->pool.base, plan->pool.length));
	expect_nothing_is_kept(_metadata, self);
	EXPECT_EQ(0, sp_counter(plan->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	expect_heir_sees_nothing(_metadata, self, heir);
	close(plan->pool.fd);
	EXPECT_TRUE(sp_wait_until(pool_is_gone, &plan->pool.id, 2000));
}

/* The same again and again does not eat up the ceiling. */
TEST_F(inherited, owner_unmaps_many_pools)
{
	uint64_t saved = sp_module_parameter("ceiling_mib");
	struct plan *plan = self->plan;
	unsigned int i, made;
	pid_t heirs[4];

	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", TOTAL / SP_MIB));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, make_inheritable_pool(plan)) break;
		heirs[i] = sp_start_child(inherit, plan);
		EXPECT_LT(0, heirs[i]) break;
		EXPECT_EQ(0, hear(plan->to_test));
		EXPECT_EQ(0, munmap(plan->pool.base, plan->pool.length));
		expect_nothing_is_kept(_metadata, self);
		close(plan->pool.fd);
	}
	sp_set_module_parameter("ceiling_mib", saved);
	for (made = 0; made < i; made++)
		EXPECT_EQ(0, say(plan->to_child));
	while (i--)
		EXPECT_EQ(0, sp_wait_child(heirs[i]));
}

/* An owner that is a process of its own and goes when it is told to. */
static int own_and_exit(void *argument)
{
	struct plan *plan = argument;
	int status = make_inheritable_pool(plan);

	if (status)
		return status;
	if (sp_start_child(inherit, plan) <= 0)
		return 23;
	return hear(plan->to_owner) ? 24 : 0;
}

static void owner_goes(struct __test_metadata *_metadata, FIXTURE_DATA(inherited) *self, int number)
{
	struct plan *plan = self->plan;
	pid_t owner;

	owner = sp_start_child(own_and_exit, plan);
	ASSERT_LT(0, owner);
	ASSERT_EQ(0, hear(plan->to_test));
	if (number) {
		ASSERT_EQ(0, kill(owner, number));
	} else {
		ASSERT_EQ(0, say(plan->to_owner));
	}
	EXPECT_EQ(number ? 128 + number : 0, sp_wait_child(owner));
	expect_nothing_is_kept(_metadata, self);
	expect_heir_sees_nothing(_metadata, self, plan->heir);
	EXPECT_TRUE(sp_wait_until(pool_is_gone, &plan->pool.id, 2000));
}

TEST_F(inherited, owner_exits)
{
	owner_goes(_metadata, self, 0);
}

TEST_F(inherited, owner_is_killed)
{
	owner_goes(_metadata, self, SIGKILL);
}

TEST_HARNESS_MAIN
