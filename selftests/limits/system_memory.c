// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request that the system, or the caller's memory cgroup, cannot back fails
 * with the reason "system memory": the OOM killer is not called, the caller and
 * its neighbours live on, and what had been taken for the request is given
 * back.
 */
#include "testing.h"
#include "testing_harness.h"

#define REGION		(2 * SP_MIB)
#define GROUP_LIMIT	(64 * SP_MIB)
#define ASKED		(64U)		/* regions: twice the group's limit */
/* Filling more than this would take too long where memory is cleared by an emulator. */
#define LARGEST_MACHINE	(6 * SP_GIB)

/* What the child in the cgroup or on the full machine reports. */
struct report {
	int error;
	uint32_t reason;
	uint32_t done;
	uint64_t physical;
	uint64_t refused;
	uint64_t free_after;
	int touches_ok;
	int sigbus;
	int reached_end;
};

FIXTURE(group) {
	struct sp_cgroup cgroup;
	struct report *report;
	uint64_t oom_kills;
};

FIXTURE_VARIANT(group) {
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(group, strict) { .mode = SEGPOOL_MODE_STRICT };
FIXTURE_VARIANT_ADD(group, pinnable) { .mode = SEGPOOL_MODE_PINNABLE };
FIXTURE_VARIANT_ADD(group, huge) { .mode = SEGPOOL_MODE_HUGE };

FIXTURE_SETUP(group)
{
	self->report = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			    0);
	ASSERT_NE(MAP_FAILED, self->report);
	ASSERT_EQ(0, sp_cgroup_make(&self->cgroup, "segpool-limits", GROUP_LIMIT)) {
		TH_LOG("a cgroup v2 with the memory controller is needed at " SP_CGROUP_ROOT);
	}
	sp_cgroup_set(&self->cgroup, "memory.swap.max", "0");
	self->oom_kills = sp_vmstat("oom_kill");
}

FIXTURE_TEARDOWN(group)
{
	EXPECT_EQ(0, sp_cgroup_remove(&self->cgroup));
	munmap(self->report, SP_PAGE);
}

struct plan {
	struct sp_cgroup *cgroup;
	struct report *report;
	uint32_t mode;
	uint32_t flags;
};

static int ask_for_too_much(void *argument)
{
	struct plan *plan = argument;
	struct report *report = plan->report;
	static struct segpool_region regions[ASKED];
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE | plan->flags, .count = ASKED };
	struct sp_pool pool;

	if (sp_cgroup_enter_with_all_present(plan->cgroup))
		return 1;
	if (sp_pool_make(&pool, plan->mode, REGION, ASKED * REGION, ASKED * REGION, 0))
		return 2;
	report->error = sp_alloc_call(pool.fd, &call, regions);
	report->reason = call.reason;
	report->done = call.done;
	report->physical = sp_counter(pool.fd, SEGPOOL_C_PHYSICAL_BYTES);
	report->refused = sp_counter(pool.fd, SEGPOOL_C_REFUSED_SYSTEM);
	if (call.done && sp_free_regions(pool.fd, regions, call.done, SEGPOOL_NOW))
		return 3;
	report->reached_end = 1;
	return 0;
}

static void expect_no_oom_kill(struct __test_metadata *_metadata, FIXTURE_DATA(group) *self)
{
	EXPECT_EQ(0, sp_cgroup_field(&self->cgroup, "memory.events", "oom_kill"));
	EXPECT_EQ(self->oom_kills, sp_vmstat("oom_kill"));
	/* The limit was really met, or nothing was tested. */
	EXPECT_LT(0, sp_cgroup_field(&self->cgroup, "memory.events", "max"));
}

TEST_F(group, batch_stops_at_the_limit)
{
	struct plan plan = { .cgroup = &self->cgroup, .report = self->report,
			     .mode = variant->mode };

	ASSERT_EQ(0, sp_in_child(ask_for_too_much, &plan));
	EXPECT_TRUE(self->report->reached_end);
	EXPECT_EQ(0, self->report->error);
	EXPECT_EQ(SEGPOOL_REASON_SYSTEM, self->report->reason);
	EXPECT_LT(GROUP_LIMIT / REGION / 2, self->report->done);
	EXPECT_GT(GROUP_LIMIT / REGION, self->report->done);
	EXPECT_EQ(self->report->done * REGION, self->report->physical);
	EXPECT_EQ(1, self->report->refused);
	expect_no_oom_kill(_metadata, self);
}

/* All or nothing: refused whole, and nothing kept of the attempt. */
TEST_F(group, contiguous_request_is_refused_whole)
{
	struct plan plan = { .cgroup = &self->cgroup, .report = self->report,
			     .mode = variant->mode, .flags = SEGPOOL_CONTIGUOUS };

	ASSERT_EQ(0, sp_in_child(ask_for_too_much, &plan));
	EXPECT_TRUE(self->report->reached_end);
	EXPECT_EQ(-ENOMEM, self->report->error);
	EXPECT_EQ(SEGPOOL_REASON_SYSTEM, self->report->reason);
	EXPECT_EQ(0, self->report->done);
	EXPECT_EQ(0, self->report->physical);
	EXPECT_EQ(1, self->report->refused);
	expect_no_oom_kill(_metadata, self);
}

/* Pages that come by touch: SIGBUS for the one that cannot be had, not a dead process. */
static int touch_too_much(void *argument)
{
	struct plan *plan = argument;
	struct report *report = plan->report;
	static struct segpool_region regions[ASKED];
	struct sp_pool pool;
	unsigned int round, i;
	uint64_t offset;

	if (sp_cgroup_enter_with_all_present(plan->cgroup))
		return 1;
	if (sp_pool_make(&pool, plan->mode, REGION, ASKED * REGION, ASKED * REGION, 0))
		return 2;
	if (sp_alloc(pool.fd, 0, SEGPOOL_CONTIGUOUS, ASKED, regions) != ASKED)
		return 3;
	/* The page tables, which are the process's own, too. */
	for (offset = 0; offset < ASKED * REGION; offset += REGION)
		if (sp_touch_write(pool.base + regions[0].offset + offset))
			return 4;
	for (offset = 0; offset < ASKED * REGION && report->sigbus < 4; offset += SP_PAGE)
		switch (sp_touch_write(pool.base + regions[0].offset + offset)) {
		case 0:
			report->touches_ok++;
			break;
		case SIGBUS:
			report->sigbus++;
			break;
		default:
			return 4;
		}
	/* The first pages of the regions that were not come to. */
	report->touches_ok += (int)(ASKED - (offset + REGION - 1) / REGION);
	report->physical = sp_counter(pool.fd, SEGPOOL_C_PHYSICAL_BYTES);
	report->refused = sp_counter(pool.fd, SEGPOOL_C_SIGBUS_FAULTS);
	/* Giving back works however full it is: each time the touches fill it again. */
	for (round = 0; round < 64; round++) {
		if (sp_discard(pool.fd, regions[0].handle, round * SP_PAGE, SP_PAGE, SEGPOOL_NOW))
			return 5;
		for (i = 0; i < 4; i++)
			sp_touch_write(pool.base + regions[0].offset + offset - i * SP_PAGE);
	}
	/* After giving something back the touch succeeds. */
	if (sp_discard(pool.fd, regions[0].handle, 0, REGION, SEGPOOL_NOW))
		return 5;
	if (sp_touch_write(pool.base + regions[0].offset + offset - SP_PAGE))
		return 6;
	report->reached_end = 1;
	return 0;
}

TEST_F(group, touch_beyond_the_limit_raises_sigbus)
{
	struct plan plan = { .cgroup = &self->cgroup, .report = self->report,
			     .mode = variant->mode };

	if (variant->mode == SEGPOOL_MODE_HUGE)
		SKIP(return, "page tables cannot be had beforehand: a touch brings all of a region");
	ASSERT_EQ(0, sp_in_child(touch_too_much, &plan));
	EXPECT_TRUE(self->report->reached_end);
	EXPECT_LT(0, self->report->sigbus);
	EXPECT_LT((int)(GROUP_LIMIT / SP_PAGE / 2), self->report->touches_ok);
	EXPECT_EQ(self->report->touches_ok * SP_PAGE, self->report->physical);
	EXPECT_EQ(self->report->sigbus, self->report->refused);
	expect_no_oom_kill(_metadata, self);
}

/* The whole machine. */
FIXTURE(machine) {
	struct report *report;
	uint64_t ceiling;
	pid_t bystander;
	int ready[2], leave[2];		/* pipes */
};

/* A neighbour with memory of its own, which must still be there and whole afterwards. */
static int bystander(void *argument)
{
	FIXTURE_DATA(machine) *self = argument;
	size_t length = 48 * SP_MIB, bad;
	char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	char byte;

	close(self->leave[1]);
	if (memory == MAP_FAILED)
		return 2;
	sp_pattern_write(memory, length, 4711);
	if (write(self->ready[1], "r", 1) != 1 || read(self->leave[0], &byte, 1) != 0)
		return 3;
	bad = sp_pattern_check(memory, length, 4711);
	return bad ? 4 : 0;
}

FIXTURE_SETUP(machine)
{
	char byte;

	self->report = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			    0);
	ASSERT_NE(MAP_FAILED, self->report);
	self->ceiling = sp_module_parameter("ceiling_mib");
	ASSERT_EQ(0, pipe2(self->ready, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(self->leave, O_CLOEXEC));
	self->bystander = sp_start_child(bystander, self);
	ASSERT_LT(0, self->bystander);
	close(self->leave[0]);
	ASSERT_EQ(1, read(self->ready[0], &byte, 1));
}

FIXTURE_TEARDOWN(machine)
{
	sp_set_module_parameter("ceiling_mib", self->ceiling);
	if (self->bystander > 0) {
		kill(self->bystander, SIGKILL);
		sp_wait_child(self->bystander);
	}
	munmap(self->report, SP_PAGE);
}

static int take_the_machine(void *argument)
{
	struct plan *plan = argument;
	struct report *report = plan->report;
	uint64_t total = sp_meminfo("MemTotal");
	uint32_t count = total / REGION + 64;
	static struct segpool_region regions[SEGPOOL_MAX_BATCH];
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE };
	uint32_t got = 0, released;
	struct sp_pool pool;

	if (sp_pool_make(&pool, plan->mode, REGION, 2 * count * REGION, 2 * total, 0))
		return 2;
	while (got < 2 * count) {
		call.count = 16;
		report->error = sp_alloc_call(pool.fd, &call, regions);
		if (report->error)
			break;
		got += call.done;
		if (call.done < call.count)
			break;
	}
	report->reason = call.reason;
	report->done = got;
	report->free_after = sp_free_bytes();
	/* The mapping goes, and with it everything. */
	released = munmap(pool.base, pool.length) == 0;
	pool.base = NULL;
	report->refused = sp_counter(pool.fd, SEGPOOL_C_REFUSED_SYSTEM);
	report->reached_end = released;
	return 0;
}

/* A whole machine, page by page: a debug kernel takes its time. */
TEST_F_TIMEOUT(machine, request_beyond_all_memory_is_refused, 1000)
{
	struct plan plan = { .report = self->report, .mode = SEGPOOL_MODE_STRICT };
	uint64_t total = sp_meminfo("MemTotal"), oom_kills = sp_vmstat("oom_kill");
	uint64_t free_before = sp_free_bytes();

	if (total > LARGEST_MACHINE)
		SKIP(return, "this machine has %llu MiB; filling more than %llu MiB takes too long",
		     (unsigned long long)(total / SP_MIB),
		     (unsigned long long)(LARGEST_MACHINE / SP_MIB));
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 4 * total / SP_MIB));
	ASSERT_EQ(0, sp_in_child(take_the_machine, &plan));
	EXPECT_TRUE(self->report->reached_end);
	EXPECT_EQ(SEGPOOL_REASON_SYSTEM, self->report->reason);
	EXPECT_LE(1, self->report->refused);
	/* It took most of what was free, so the limit was the system and nothing else. */
	EXPECT_LT(free_before * 8 / 10, self->report->done * REGION);
	EXPECT_EQ(oom_kills, sp_vmstat("oom_kill"));
	EXPECT_TRUE(sp_wait_free_bytes(free_before - 16 * SP_MIB, 5000));
	close(self->leave[1]);
	EXPECT_EQ(0, sp_wait_child(self->bystander));
	self->bystander = -1;
}

/* With the defaults the ceiling says no long before the machine is in need. */
TEST_F(machine, default_ceiling_is_half_the_memory)
{
	uint64_t total = sp_meminfo("MemTotal");
	uint64_t ceiling;

	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 0));
	ceiling = sp_module_counter("ceiling_bytes");
	EXPECT_GE(total / 2 + SP_MIB, ceiling);
	EXPECT_LE(total / 2 - SP_MIB, ceiling);
}

TEST_HARNESS_MAIN
