// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine whose memory another pool retains: nobody is refused for the want of
 * memory that is only kept for later.
 */
#include "testing.h"
#include "testing_harness.h"

#define REGION		(2 * SP_MIB)
#define NEEDED		64
/* Filling more takes too long on an emulated processor. */
#define LARGEST_MACHINE	(4ULL << 30)
#define MOST		((uint32_t)(LARGEST_MACHINE / REGION))

FIXTURE(machine) {
	struct sp_pool keeper, needy;
	uint64_t ceiling;
	uint32_t kept;
	struct segpool_region regions[MOST];
};

FIXTURE_SETUP(machine)
{
	uint64_t total = sp_meminfo("MemTotal");

	if (total > LARGEST_MACHINE)
		SKIP(return, "this machine has %llu MiB; filling more than %llu MiB takes too long",
		     (unsigned long long)(total / SP_MIB),
		     (unsigned long long)(LARGEST_MACHINE / SP_MIB));
	ASSERT_EQ(1, sp_wait_module_idle(5000));
	self->ceiling = sp_module_parameter("ceiling_mib");
	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 4 * total / SP_MIB));
	ASSERT_EQ(0, sp_pool_make(&self->keeper, SEGPOOL_MODE_STRICT, REGION, MOST * REGION,
				  MOST * REGION, MOST * REGION));
	ASSERT_EQ(0, sp_pool_make(&self->needy, SEGPOOL_MODE_STRICT, REGION, NEEDED * REGION,
				  NEEDED * REGION, 0));
}

FIXTURE_TEARDOWN(machine)
{
	sp_pool_close(&self->needy);
	sp_pool_close(&self->keeper);
	sp_set_module_parameter("ceiling_mib", self->ceiling);
}

/* Until the system has no more. */
static uint32_t take_all(FIXTURE_DATA(machine) *self)
{
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE };

	while (self->kept < MOST) {
		call.count = 16;
		if (sp_alloc_call(self->keeper.fd, &call, self->regions + self->kept))
			break;
		self->kept += call.done;
		if (call.done < 16)
			break;
	}
	return call.reason;
}

/* The last pages of a whole machine, one by one: a debug kernel takes its time. */
TEST_F_TIMEOUT(machine, retained_pages_of_another_pool, 1000)
{
	uint64_t oom_kills = sp_vmstat("oom_kill"), retained;
	struct segpool_region *region;
	int error, tries = 20;

	/* Pages that were freed before may come to light meanwhile: those, too. */
	do {
		ASSERT_EQ(SEGPOOL_REASON_SYSTEM, take_all(self));
		ASSERT_LT(2 * NEEDED, self->kept);
		region = self->regions + self->kept;
		error = sp_alloc_one(self->needy.fd, 0, SEGPOOL_POPULATE, 0, region, NULL);
		if (!error)
			ASSERT_EQ(0, sp_free(self->needy.fd, region->handle, SEGPOOL_NOW));
	} while (!error && --tries);
	EXPECT_EQ(-ENOMEM, error);

	ASSERT_EQ(0, sp_free_regions(self->keeper.fd, self->regions, self->kept, 0));
	retained = sp_counter(self->keeper.fd, SEGPOOL_C_RETAINED_BYTES);
	ASSERT_LT(NEEDED * REGION, retained);
	EXPECT_EQ(NEEDED, sp_alloc(self->needy.fd, 0, SEGPOOL_POPULATE, NEEDED, self->regions));
	EXPECT_GT(retained, sp_counter(self->keeper.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_LT(0, sp_counter(self->keeper.fd, SEGPOOL_C_SHRUNK_PAGES));
	EXPECT_EQ(NEEDED * REGION, sp_counter(self->needy.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(oom_kills, sp_vmstat("oom_kill"));
}

TEST_HARNESS_MAIN
