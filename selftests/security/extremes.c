// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 14 at the ends of the number range: every word of every structure and
 * of every array entry is set to values around 2^31, 2^32, 2^47, 2^63 and 2^64,
 * one at a time, in an otherwise valid call. The call succeeds or fails with a
 * documented errno, and whatever it did is accounted for. So do requests that
 * are valid and larger than any machine, mappings, and the module's parameters.
 *
 * (Which value is refused with which errno: abi/.)
 */
#include "abi/valid_call.h"
#include "testing_memory.h"
#include "testing_harness.h"

/* The last addresses a program may have end here. */
#define USER_END	((1ULL << 47) - SP_PAGE)

static const uint64_t extremes[] = {
	UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - SP_PAGE + 1, UINT64_MAX - SP_GIB + 1,
	1ULL << 63, (1ULL << 63) - 1, (1ULL << 63) - SP_PAGE, 1ULL << 52, 1ULL << 48, 1ULL << 47,
	USER_END, USER_END - 8, 1ULL << 44, 1ULL << 33, 1ULL << 32, (1ULL << 32) - 1,
	(1ULL << 32) - SP_PAGE, 1ULL << 31, (1ULL << 31) - 1, 1ULL << 24, (1ULL << 24) + 1,
	1ULL << 16, SEGPOOL_MAX_BATCH + 1,
};

/* Every errno of the interface. */
static bool documented(int error)
{
	static const int all[] = { 0, -EFAULT, -E2BIG, -EINVAL, -ENXIO, -EBUSY, -ENOMEM, -ENOENT,
				   -EALREADY, -ESTALE, -EINTR };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (error == all[i])
			return true;
	return false;
}

FIXTURE(extreme) {
	struct vc_scene scene;
	const struct vc_kind *kind;
	union vc_body body;
	uint64_t handles[2];		/* of the regions that the call was made for */
};

FIXTURE_VARIANT(extreme) {
	enum vc_index index;
};

FIXTURE_VARIANT_ADD(extreme, setup) { .index = VC_SETUP };
FIXTURE_VARIANT_ADD(extreme, alloc) { .index = VC_ALLOC };
FIXTURE_VARIANT_ADD(extreme, free) { .index = VC_FREE };
FIXTURE_VARIANT_ADD(extreme, reuse) { .index = VC_REUSE };
FIXTURE_VARIANT_ADD(extreme, discard) { .index = VC_DISCARD };
FIXTURE_VARIANT_ADD(extreme, populate) { .index = VC_POPULATE };
FIXTURE_VARIANT_ADD(extreme, set_budget) { .index = VC_SET_BUDGET };
FIXTURE_VARIANT_ADD(extreme, trim) { .index = VC_TRIM };
FIXTURE_VARIANT_ADD(extreme, stat) { .index = VC_STAT };

FIXTURE_SETUP(extreme)
{
	self->kind = &vc_kinds[variant->index];
	ASSERT_EQ(0, vc_scene_open(&self->scene));
}

FIXTURE_TEARDOWN(extreme)
{
	vc_scene_close(&self->scene);
}

/* A valid call again, in which every limit is named, and a file that is no pool yet for SETUP. */
static int refill(FIXTURE_DATA(extreme) *self)
{
	struct segpool_limits all = { .virtual_budget = VC_BUDGET, .physical_budget = VC_BUDGET,
				      .retain_limit = VC_BUDGET / 2, .retain_age_ms = 0,
				      .watermark = 90 };
	struct segpool_limits restored = all;
	int error = sp_set_budget(self->scene.pool.fd, SEGPOOL_SET_ALL, &restored);

	if (!error)
		error = self->kind->fill(&self->scene, &self->body);
	self->handles[0] = self->scene.entries[0].handle ?: self->scene.ranges[0].handle;
	self->handles[1] = self->scene.entries[1].handle;
	if (error || (self->kind->known_flags & ~SEGPOOL_WORDS) != SEGPOOL_SET_ALL)
		return error;
	memcpy((char *)&self->body + self->kind->flags_offset, &(uint32_t){ SEGPOOL_SET_ALL }, 4);
	if (self->kind->command == SEGPOOL_IOC_SET_BUDGET) {
		self->body.set_budget.limits = all;
		return 0;
	}
	self->body.setup.limits = all;
	close(self->scene.bare_fd);
	self->scene.bare_fd = sp_open();
	return self->scene.bare_fd < 0 ? self->scene.bare_fd : 0;
}

/* What is left of a call that succeeded is given back, so that the next has room. */
static void tidy(FIXTURE_DATA(extreme) *self, int error)
{
	unsigned int i;

	if (self->kind->command == SEGPOOL_IOC_ALLOC)
		for (i = 0; i < ARRAY_SIZE(self->scene.results); i++)
			sp_free(self->scene.pool.fd, self->scene.results[i].handle, 0);
	if (self->kind->command == SEGPOOL_IOC_REUSE && !error)
		sp_free(self->scene.pool.fd, self->body.reuse.region.handle, 0);
	for (i = 0; i < ARRAY_SIZE(self->handles); i++)
		sp_free(self->scene.pool.fd, self->handles[i], 0);
	memset(self->scene.entries, 0, sizeof(self->scene.entries));
	memset(self->scene.ranges, 0, sizeof(self->scene.ranges));
}

/* Has the word become the witness's handle, which is index 0, generation 1? */
static bool names_the_witness(const FIXTURE_DATA(extreme) *self, const void *memory, size_t offset)
{
	return !memcmp((const char *)memory + offset / 8 * 8, &self->scene.witness.handle, 8);
}

/* Set the @width bytes at @offset of @memory, which is part of the call, to every extreme. */
static void sweep(struct __test_metadata *_metadata, FIXTURE_DATA(extreme) *self, void *memory,
		  size_t offset, size_t width)
{
	unsigned int i;
	int error;

	for (i = 0; i < ARRAY_SIZE(extremes); i++) {
		ASSERT_EQ(0, refill(self));
		memcpy((char *)memory + offset, &extremes[i], width);
		if (names_the_witness(self, memory, offset)) {
			tidy(self, -ECANCELED);
			continue;
		}
		error = sp_ioctl(vc_fd(&self->scene, self->kind), self->kind->command, &self->body);
		EXPECT_TRUE(documented(error)) {
			TH_LOG("%s: %#llx at %zu: errno %d", self->kind->name,
			       (unsigned long long)extremes[i], offset, -error);
		}
		tidy(self, error);
	}
	EXPECT_EQ(0, sp_pattern_check(sp_region_at(&self->scene.pool, &self->scene.witness),
				      VC_REGION_SIZE, VC_PATTERN));
	EXPECT_NO_DRIFT(&self->scene.pool);
}

static void sweep_all(struct __test_metadata *_metadata, FIXTURE_DATA(extreme) *self, void *memory,
		      size_t size)
{
	size_t offset;

	for (offset = 0; offset < size; offset += 4) {
		sweep(_metadata, self, memory, offset, 4);
		if (!(offset % 8))
			sweep(_metadata, self, memory, offset, 8);
	}
}

TEST_F_TIMEOUT(extreme, words_of_the_structure, 120)
{
	sweep_all(_metadata, self, &self->body, self->kind->size);
}

TEST_F_TIMEOUT(extreme, words_of_an_entry, 120)
{
	if (self->kind->command == SEGPOOL_IOC_FREE)
		sweep_all(_metadata, self, &self->scene.entries[0], sizeof(self->scene.entries[0]));
	else if (self->kind->entry_size == sizeof(struct segpool_range))
		sweep_all(_metadata, self, &self->scene.ranges[0], sizeof(self->scene.ranges[0]));
}

/* Valid in every word, and more than there is: refused at once, with nobody harmed. */
FIXTURE(giant) {
	struct sp_pool pool;
	uint64_t oom_kills;
};

SP_MODE_VARIANTS(giant);

FIXTURE_SETUP(giant)
{
	self->oom_kills = sp_vmstat("oom_kill");
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, SEGPOOL_MAX_REGION_SIZE,
				  2 * SEGPOOL_MAX_BATCH * SEGPOOL_MAX_REGION_SIZE,
				  SEGPOOL_MAX_PHYSICAL, UINT64_MAX));
}

FIXTURE_TEARDOWN(giant)
{
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(self->oom_kills, sp_vmstat("oom_kill"));
	EXPECT_EQ(0, sp_module_counter("ceiling_used_bytes"));
	sp_pool_close(&self->pool);
}

TEST_F(giant, neighbours)
{
	static struct segpool_region regions[SEGPOOL_MAX_BATCH];
	struct segpool_alloc call = { .flags = SEGPOOL_POPULATE | SEGPOOL_CONTIGUOUS,
				      .count = SEGPOOL_MAX_BATCH };

	ASSERT_EQ(-ENOMEM, sp_alloc_call(self->pool.fd, &call, regions));
	EXPECT_TRUE(call.reason == SEGPOOL_REASON_CEILING || call.reason == SEGPOOL_REASON_SYSTEM);
	EXPECT_EQ(0, call.done);
}

/* Page by page, until somebody says no. */
TEST_F(giant, ranges)
{
	static struct segpool_region regions[SEGPOOL_MAX_BATCH];
	static struct segpool_range ranges[SEGPOOL_MAX_BATCH];
	uint64_t ceiling = sp_module_parameter("ceiling_mib");
	uint32_t done = 0, i;

	ASSERT_EQ(0, sp_set_module_parameter("ceiling_mib", 96));
	ASSERT_EQ(SEGPOOL_MAX_BATCH, sp_alloc(self->pool.fd, 0, SEGPOOL_CONTIGUOUS,
					      SEGPOOL_MAX_BATCH, regions));
	for (i = 0; i < SEGPOOL_MAX_BATCH; i++)
		ranges[i] = (struct segpool_range){ .handle = regions[i].handle,
						    .length = SEGPOOL_MAX_REGION_SIZE };
	EXPECT_EQ(-ENOMEM, sp_ranges(self->pool.fd, SEGPOOL_IOC_POPULATE, ranges,
				     SEGPOOL_MAX_BATCH, 0, &done));
	EXPECT_EQ(3, done);
	EXPECT_EQ(0, sp_free_regions(self->pool.fd, regions, SEGPOOL_MAX_BATCH, SEGPOOL_NOW));
	EXPECT_EQ(0, sp_set_module_parameter("ceiling_mib", ceiling));
}

TEST(mappings)
{
	static const uint64_t lengths[] = { UINT64_MAX, UINT64_MAX - SP_PAGE + 1,
					    UINT64_MAX - 2 * SP_MIB + 1, 1ULL << 63,
					    (1ULL << 63) - 2 * SP_MIB, 1ULL << 48, 1ULL << 47,
					    (1ULL << 47) - 2 * SP_MIB };
	static const uint64_t offsets[] = { UINT64_MAX - SP_PAGE + 1, 1ULL << 63,
					    (1ULL << 63) - SP_PAGE, 1ULL << 44, 2 * SP_MIB };
	struct segpool_setup setup = { 0 };
	int fd = sp_open();
	unsigned int i;
	char *base;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sp_setup(fd, &setup));
	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		EXPECT_GT(0, sp_mmap(fd, lengths[i], &base)) {
			TH_LOG("length %#llx", (unsigned long long)lengths[i]);
		}
	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		EXPECT_EQ(-1, syscall(SYS_mmap, NULL, 2 * SP_MIB, PROT_READ | PROT_WRITE,
				      MAP_SHARED, fd, offsets[i])) {
			TH_LOG("offset %#llx", (unsigned long long)offsets[i]);
		}
	/* None of this was the one mapping that the file may have. */
	EXPECT_EQ(0, sp_mmap(fd, 2 * SP_MIB, &base));
	munmap(base, 2 * SP_MIB);
	close(fd);
}

/* A parameter that is too large for the arithmetic is a large one, not a small one. */
FIXTURE(parameter) {
	uint64_t before;
};

FIXTURE_VARIANT(parameter) {
	const char *name;
};

FIXTURE_VARIANT_ADD(parameter, ceiling) { .name = "ceiling_mib" };
FIXTURE_VARIANT_ADD(parameter, physical) { .name = "physical_mib" };
FIXTURE_VARIANT_ADD(parameter, virtual) { .name = "virtual_mib" };

FIXTURE_SETUP(parameter)
{
	self->before = sp_module_parameter(variant->name);
}

FIXTURE_TEARDOWN(parameter)
{
	EXPECT_EQ(0, sp_set_module_parameter(variant->name, self->before));
}

TEST_F(parameter, too_large)
{
	static const uint64_t values[] = { 1ULL << 43, (1ULL << 44) - 1, 1ULL << 44, 1ULL << 52,
					   1ULL << 56, 1ULL << 63, UINT64_MAX };
	struct segpool_region region;
	struct segpool_setup setup;
	unsigned int i;
	char *base;
	int fd;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		ASSERT_EQ(0, sp_set_module_parameter(variant->name, values[i]));
		fd = sp_open();
		ASSERT_LE(0, fd);
		memset(&setup, 0, sizeof(setup));
		ASSERT_EQ(0, sp_setup(fd, &setup));
		EXPECT_LT(SP_MIB, setup.limits.physical_budget) {
			TH_LOG("%s %#llx", variant->name, (unsigned long long)values[i]);
		}
		EXPECT_LT(SP_MIB, setup.limits.virtual_budget);
		EXPECT_LT(SP_GIB / 8, sp_module_counter("ceiling_bytes"));
		ASSERT_EQ(0, sp_mmap(fd, 2 * SP_MIB, &base));
		EXPECT_EQ(1, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &region));
		munmap(base, 2 * SP_MIB);
		close(fd);
	}
}

TEST_HARNESS_MAIN
