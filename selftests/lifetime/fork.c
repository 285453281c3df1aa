// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 13: a pool belongs to one open file and one address space. A forked
 * child, a process that was handed the file, and the same process after
 * execve() have no mapping and no say; the owner notices nothing.
 */
#include "testing.h"
#include <sys/socket.h>
#include "testing_harness.h"

#define REGION		(256 * SP_KIB)
#define REGIONS		4
#define BUDGET		(16 * REGION)
#define OWNER		0xf0f0000000000001ULL

FIXTURE(owner) {
	struct sp_pool pool;
	struct segpool_region regions[REGIONS];
	uint64_t freed;		/* handle of a released region */
	uint64_t before[SEGPOOL_NR_COUNTERS];
};

FIXTURE_VARIANT(owner) {
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(owner, strict) { .mode = SEGPOOL_MODE_STRICT };
FIXTURE_VARIANT_ADD(owner, pinnable) { .mode = SEGPOOL_MODE_PINNABLE };
FIXTURE_VARIANT_ADD(owner, huge) { .mode = SEGPOOL_MODE_HUGE };

FIXTURE_SETUP(owner)
{
	struct segpool_region region;
	unsigned int i;

	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, REGION, BUDGET, BUDGET, BUDGET));
	ASSERT_EQ(REGIONS, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS, self->regions));
	ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL));
	self->freed = region.handle;
	ASSERT_EQ(0, sp_free(self->pool.fd, self->freed, 0));
	for (i = 0; i < REGIONS; i++)
		sp_pattern_write(sp_region_at(&self->pool, &self->regions[i]), REGION, OWNER + i);
	ASSERT_EQ(0, sp_stat(self->pool.fd, self->before));
}

FIXTURE_TEARDOWN(owner)
{
	uint32_t id = self->pool.id;

	sp_pool_close(&self->pool);
	EXPECT_FALSE(sp_pool_listed(id));
}

/* Bytes, page tables and counters of the owner are what they were. */
static void expect_unaffected(struct __test_metadata *_metadata, FIXTURE_DATA(owner) *self)
{
	uint64_t after[SEGPOOL_NR_COUNTERS];
	unsigned int i;

	ASSERT_EQ(0, sp_stat(self->pool.fd, after));
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		EXPECT_EQ(self->before[i], after[i]) {
			TH_LOG("%s", sp_counter_name(i));
		}
	for (i = 0; i < REGIONS; i++) {
		char *at = sp_region_at(&self->pool, &self->regions[i]);

		EXPECT_EQ(REGION / SP_PAGE, sp_present(at, REGION, NULL));
		EXPECT_EQ(0, sp_pattern_check(at, REGION, OWNER + i));
	}
}

/* And it can go on working. */
static void expect_usable(struct __test_metadata *_metadata, FIXTURE_DATA(owner) *self)
{
	struct segpool_region region;

	ASSERT_EQ(0, sp_reuse(self->pool.fd, self->freed, 1, SEGPOOL_ZERO | SEGPOOL_POPULATE,
			      &region));
	EXPECT_TRUE(sp_is_zero(sp_region_at(&self->pool, &region), REGION));
	EXPECT_EQ(0, sp_free(self->pool.fd, region.handle, 0));
	EXPECT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	EXPECT_EQ(SIGBUS, sp_touch(sp_region_at(&self->pool, &self->regions[0])));
}

/* Every call of a stranger on the file: the number of the first that was not refused, or 0. */
static int strangers_calls(int fd, uint64_t active, uint64_t freed)
{
	struct segpool_limits limits = { .physical_budget = SP_MIB };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct segpool_setup setup = { 0 };
	struct segpool_region region;
	char *base;

	if (sp_alloc_one(fd, 0, SEGPOOL_POPULATE, 0, &region, NULL) != -EPERM)
		return 1;
	if (sp_free(fd, active, 0) != -EPERM)
		return 2;
	if (sp_reuse(fd, freed, 0, 0, &region) != -EPERM)
		return 3;
	if (sp_discard(fd, active, 0, SP_PAGE, 0) != -EPERM)
		return 4;
	if (sp_populate(fd, active, 0, SP_PAGE, 0) != -EPERM)
		return 5;
	if (sp_set_budget(fd, SEGPOOL_SET_PHYSICAL, &limits) != -EPERM)
		return 6;
	if (sp_trim(fd, 0, NULL) != -EPERM)
		return 7;
	if (sp_stat(fd, values) != -EPERM)
		return 8;
	if (sp_class_stat(fd, 0, values) != -EPERM)
		return 9;
	if (sp_mmap(fd, BUDGET, &base) != -EPERM)
		return 10;
	if (sp_setup(fd, &setup) >= 0)
		return 11;
	return 0;
}

static int child_of_fork(void *argument)
{
	FIXTURE_DATA(owner) *self = argument;
	unsigned int i;

	for (i = 0; i < REGIONS; i++)
		if (sp_touch(sp_region_at(&self->pool, &self->regions[i])) != SIGSEGV)
			return 20;
	return strangers_calls(self->pool.fd, self->regions[0].handle, self->freed);
}

TEST_F(owner, forked_child_has_no_mapping_and_no_say)
{
	EXPECT_EQ(0, sp_in_child(child_of_fork, self));
	expect_unaffected(_metadata, self);
	expect_usable(_metadata, self);
}

/* What the child does to its copies of address space and file stays its own affair. */
static int child_tears_down(void *argument)
{
	FIXTURE_DATA(owner) *self = argument;

	munmap(self->pool.base, self->pool.length);
	close(self->pool.fd);
	return 0;
}

TEST_F(owner, child_that_tears_down_harms_nobody)
{
	EXPECT_EQ(0, sp_in_child(child_tears_down, self));
	expect_unaffected(_metadata, self);
	expect_usable(_metadata, self);
}

/* The child outlives the parent's use of the file: the pool's pages go with the parent's mapping. */
static int child_waits(void *argument)
{
	char byte;

	return read(*(int *)argument, &byte, 1) == 0 ? 0 : 1;
}

TEST_F(owner, file_kept_by_a_child_keeps_no_pages)
{
	uint64_t held;
	pid_t child;
	int pipes[2];

	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	fflush(NULL);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(pipes[1]);
		_exit(child_waits(&pipes[0]));
	}
	close(pipes[0]);
	held = sp_module_counter("physical_bytes") + sp_module_counter("retained_bytes");
	EXPECT_LE(self->before[SEGPOOL_C_PHYSICAL_BYTES], held);
	munmap(self->pool.base, self->pool.length);
	self->pool.base = NULL;
	close(self->pool.fd);
	self->pool.fd = -1;
	/* The child still has the file open: the pool is there, but owns nothing. */
	EXPECT_TRUE(sp_pool_listed(self->pool.id));
	EXPECT_EQ(0, sp_pool_counter(self->pool.id, "physical_bytes"));
	EXPECT_EQ(0, sp_pool_counter(self->pool.id, "retained_bytes"));
	close(pipes[1]);
	EXPECT_EQ(0, sp_wait_child(child));
}

/*
 * MADV_DOFORK asks for inheritance. Where the kernel grants it, a child may see
 * the pages that were there, but never what another region gets later.
 */
struct dofork {
	struct sp_pool *pool;
	struct segpool_region *region;
	int ready[2], go[2];
};

#define OLD_BYTES	0x0101010101010101ULL
#define NEW_BYTES	0x2e2e2e2e2e2e2e2eULL

static int child_after_dofork(void *argument)
{
	struct dofork *plan = argument;
	volatile uint64_t *at = (void *)sp_region_at(plan->pool, plan->region);
	size_t page;
	char byte;

	close(plan->ready[0]);
	close(plan->go[1]);
	if (write(plan->ready[1], "x", 1) != 1 || read(plan->go[0], &byte, 1) != 1)
		return 2;
	for (page = 0; page < REGION / SP_PAGE; page++) {
		if (sp_touch((char *)at + page * SP_PAGE))
			continue;
		if (at[page * SP_PAGE / 8] == NEW_BYTES)
			return 3;
	}
	return strangers_calls(plan->pool->fd, plan->region->handle, plan->region->handle);
}

TEST_F(owner, dofork_never_shows_a_child_later_bytes)
{
	struct segpool_region *region = &self->regions[1];
	struct dofork plan = { .pool = &self->pool, .region = region };
	char *at = sp_region_at(&self->pool, region), byte;
	struct segpool_region others[REGIONS + 1];
	uint64_t free_before;
	unsigned int i, n;
	size_t page;
	pid_t child;
	int granted;

	granted = !madvise(self->pool.base, self->pool.length, MADV_DOFORK);
	if (variant->mode != SEGPOOL_MODE_PINNABLE) {
		EXPECT_FALSE(granted);
	}
	for (page = 0; page < REGION / SP_PAGE; page++)
		*(volatile uint64_t *)(at + page * SP_PAGE) = OLD_BYTES;
	free_before = sp_free_bytes();
	ASSERT_EQ(0, pipe2(plan.ready, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(plan.go, O_CLOEXEC));
	child = sp_start_child(child_after_dofork, &plan);
	ASSERT_LT(0, child);
	close(plan.ready[1]);
	close(plan.go[0]);
	ASSERT_EQ(1, read(plan.ready[0], &byte, 1));

	/* Release it, let everything else have the pages, and fill those. */
	ASSERT_EQ(0, sp_free(self->pool.fd, region->handle, 0));
	n = sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, REGIONS + 1, others);
	ASSERT_EQ(REGIONS + 1, n);
	for (i = 0; i < n; i++)
		for (page = 0; page < REGION; page += 8)
			*(volatile uint64_t *)(sp_region_at(&self->pool, &others[i]) + page) =
				NEW_BYTES;
	ASSERT_EQ(1, write(plan.go[1], "x", 1));
	EXPECT_EQ(0, sp_wait_child(child));
	close(plan.ready[0]);
	close(plan.go[1]);
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, sp_free(self->pool.fd, others[i].handle, SEGPOOL_NOW));
	/* Nothing of what the child shared is lost when both are done. */
	EXPECT_EQ(3 * REGION, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(0, sp_trim(self->pool.fd, 0, NULL));
	EXPECT_TRUE(sp_wait_free_bytes(free_before - 2 * SP_MIB, 3000));
}

struct handover {
	int sockets[2];
	uint64_t active, freed;
};

static int process_that_is_handed_the_file(void *argument)
{
	struct handover *plan = argument;
	int fd;

	fd = sp_receive_file(plan->sockets[1]);
	if (fd < 0)
		return 30;
	return strangers_calls(fd, plan->active, plan->freed);
}

TEST_F(owner, file_passed_over_a_socket_gives_no_say)
{
	struct handover plan = { .active = self->regions[0].handle, .freed = self->freed };
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plan.sockets));
	child = sp_start_child(process_that_is_handed_the_file, &plan);
	ASSERT_LT(0, child);
	ASSERT_EQ(0, sp_send_file(plan.sockets[0], self->pool.fd));
	EXPECT_EQ(0, sp_wait_child(child));
	close(plan.sockets[0]);
	close(plan.sockets[1]);
	expect_unaffected(_metadata, self);
	expect_usable(_metadata, self);
}

/* A file that was opened by one process and set up by another is the second one's. */
static int child_sets_up(void *argument)
{
	int fd = *(int *)argument;
	struct segpool_setup setup = { 0 };
	char *base;

	if (sp_setup(fd, &setup))
		return 1;
	if (sp_mmap(fd, setup.limits.virtual_budget, &base))
		return 2;
	return 0;
}

TEST(the_caller_of_setup_is_the_owner)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];
	int fd = sp_open();
	char *base;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, sp_in_child(child_sets_up, &fd));
	EXPECT_EQ(-EPERM, sp_stat(fd, values));
	EXPECT_EQ(-EPERM, sp_mmap(fd, 2 * SP_MIB, &base));
	close(fd);
}

static int exec_self(void *argument)
{
	FIXTURE_DATA(owner) *self = argument;
	char fd[16], active[32], freed[32];
	int copy = dup(self->pool.fd);	/* without O_CLOEXEC */

	snprintf(fd, sizeof(fd), "%d", copy);
	snprintf(active, sizeof(active), "%llu", (unsigned long long)self->regions[0].handle);
	snprintf(freed, sizeof(freed), "%llu", (unsigned long long)self->freed);
	execl("/proc/self/exe", "inherited", "--inherited", fd, active, freed, NULL);
	return 40;
}

TEST_F(owner, exec_of_a_child_gives_no_say)
{
	EXPECT_EQ(0, sp_in_child(exec_self, self));
	expect_unaffected(_metadata, self);
	expect_usable(_metadata, self);
}

/* The owner itself, after exec: the address space that owned the pool is gone. */
static int owner_execs(void *argument)
{
	FIXTURE_DATA(owner) own = { .freed = 0 };
	uint32_t mode = *(uint32_t *)argument;

	if (sp_pool_make(&own.pool, mode, REGION, BUDGET, BUDGET, BUDGET) ||
	    sp_alloc(own.pool.fd, 0, SEGPOOL_POPULATE, 2, own.regions) != 2 ||
	    sp_free(own.pool.fd, own.regions[1].handle, 0))
		return 50;
	own.freed = own.regions[1].handle;
	return exec_self(&own);
}

TEST_F(owner, exec_of_the_owner_gives_the_pages_back)
{
	uint32_t mode = variant->mode;
	uint64_t owned = sp_module_memory();

	EXPECT_EQ(0, sp_in_child(owner_execs, &mode));
	EXPECT_EQ(owned, sp_module_memory());
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "--inherited"))
		return strangers_calls(atoi(argv[2]), strtoull(argv[3], NULL, 10),
				       strtoull(argv[4], NULL, 10));
	return test_harness_run(argc, argv);
}
