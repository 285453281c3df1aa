// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 14 for the arrays that calls point to: counts and pointers out of
 * range are refused and change nothing. Promise 7: entries are judged one by
 * one.
 */
#include "valid_call.h"
#include "testing_harness.h"

FIXTURE(array) {
	struct vc_scene scene;
	const struct vc_kind *kind;
	union vc_body body;
	char *room;		/* one page, between pages that cannot be touched */
};

FIXTURE_VARIANT(array) {
	enum vc_index index;
};

FIXTURE_VARIANT_ADD(array, alloc) { .index = VC_ALLOC };
FIXTURE_VARIANT_ADD(array, free) { .index = VC_FREE };
FIXTURE_VARIANT_ADD(array, discard) { .index = VC_DISCARD };
FIXTURE_VARIANT_ADD(array, populate) { .index = VC_POPULATE };
FIXTURE_VARIANT_ADD(array, stat) { .index = VC_STAT };

FIXTURE_SETUP(array)
{
	char *guarded;

	self->kind = &vc_kinds[variant->index];
	ASSERT_EQ(0, vc_scene_open(&self->scene));
	guarded = mmap(NULL, 3 * SP_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, guarded);
	self->room = guarded + SP_PAGE;
	ASSERT_EQ(0, mprotect(self->room, SP_PAGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, self->kind->fill(&self->scene, &self->body));
}

FIXTURE_TEARDOWN(array)
{
	munmap(self->room - SP_PAGE, 3 * SP_PAGE);
	vc_scene_close(&self->scene);
}

static void set_pointer(FIXTURE_DATA(array) *self, const void *pointer)
{
	__u64 value = (uintptr_t)pointer;

	memcpy((char *)&self->body + self->kind->array_offset, &value, sizeof(value));
}

static void set_count(FIXTURE_DATA(array) *self, uint32_t count)
{
	memcpy((char *)&self->body + self->kind->count_offset, &count, sizeof(count));
}

static uint32_t get_count(const FIXTURE_DATA(array) *self)
{
	uint32_t count;

	memcpy(&count, (const char *)&self->body + self->kind->count_offset, sizeof(count));
	return count;
}

static const void *get_pointer(const FIXTURE_DATA(array) *self)
{
	__u64 value;

	memcpy(&value, (const char *)&self->body + self->kind->array_offset, sizeof(value));
	return (const void *)(uintptr_t)value;
}

static void expect_refused(struct __test_metadata *_metadata, FIXTURE_DATA(array) *self,
			   int expected, const char *what)
{
	struct vc_snapshot before, after;
	union vc_body body = self->body;
	const char *difference;

	vc_snapshot_take(&self->scene, &before);
	EXPECT_EQ(expected, sp_ioctl(self->scene.pool.fd, self->kind->command, &body)) {
		TH_LOG("%s: %s", self->kind->name, what);
	}
	vc_snapshot_take(&self->scene, &after);
	difference = vc_snapshot_difference(&before, &after);
	EXPECT_EQ(NULL, difference) {
		TH_LOG("%s: %s changed %s", self->kind->name, what, difference);
	}
}

TEST_F(array, counts_out_of_range_are_refused)
{
	static const uint32_t counts[] = { 0, SEGPOOL_MAX_BATCH + 1, 1U << 16, 1U << 24,
					   0x10000001U, 0x80000000U, UINT32_MAX };
	unsigned int i;
	char what[32];

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		/* STAT with room for nothing asks how many there are. */
		if (variant->index == VC_STAT && !counts[i])
			continue;
		set_count(self, counts[i]);
		snprintf(what, sizeof(what), "count %u", counts[i]);
		expect_refused(_metadata, self, -EINVAL, what);
	}
}

TEST_F(array, inaccessible_arrays_are_refused)
{
	set_pointer(self, NULL);
	expect_refused(_metadata, self, -EFAULT, "array at NULL");
	set_pointer(self, self->room + SP_PAGE);
	expect_refused(_metadata, self, -EFAULT, "PROT_NONE array");
	set_pointer(self, (void *)0xffff800000000000UL);
	expect_refused(_metadata, self, -EFAULT, "array at a kernel address");
	set_pointer(self, (void *)(-8L));
	expect_refused(_metadata, self, -EFAULT, "array that wraps around");
	set_pointer(self, (void *)0x8000000000000001UL);
	expect_refused(_metadata, self, -EFAULT, "array at a non-canonical address");
}

/* The last entry is out of reach: the first may not be handled either. */
TEST_F(array, array_across_the_end_of_memory_is_refused)
{
	uint32_t count = get_count(self);
	uint32_t bytes = (count - 1) * self->kind->entry_size;
	char *start = self->room + SP_PAGE - bytes;

	memcpy(start, get_pointer(self), bytes);
	set_pointer(self, start);
	expect_refused(_metadata, self, -EFAULT, "last entry out of reach");
	start -= self->kind->entry_size - 4;
	set_pointer(self, start);
	memset(start, 0, bytes);
	expect_refused(_metadata, self, -EFAULT, "last entry cut");
}

/* Results that cannot be told must not happen. */
TEST_F(array, read_only_arrays_are_refused)
{
	memcpy(self->room, get_pointer(self), get_count(self) * self->kind->entry_size);
	set_pointer(self, self->room);
	ASSERT_EQ(0, mprotect(self->room, SP_PAGE, PROT_READ));
	expect_refused(_metadata, self, -EFAULT, "read-only array");
}

/* The reservation as its own result array: odd, but no reason to hang or to oops. */
TEST_F(array, array_inside_the_reservation_works)
{
	char *inside = sp_region_at(&self->scene.pool, &self->scene.witness);

	memcpy(inside, get_pointer(self), get_count(self) * self->kind->entry_size);
	set_pointer(self, inside);
	EXPECT_EQ(0, sp_ioctl(self->scene.pool.fd, self->kind->command, &self->body));
}

/* Nor an array in pages that still have to come in by a fault on the same pool. */
TEST_F(array, array_in_unbacked_pages_of_the_reservation_is_safe)
{
	struct segpool_region region;
	int error;

	ASSERT_EQ(0, sp_alloc_one(self->scene.pool.fd, 2, 0, 0, &region, NULL));
	set_pointer(self, sp_region_at(&self->scene.pool, &region));
	error = sp_ioctl(self->scene.pool.fd, self->kind->command, &self->body);
	switch (variant->index) {
	case VC_ALLOC:
	case VC_STAT:
		EXPECT_EQ(0, error);
		break;
	default:	/* entries that read as zero: no handle, no range */
		EXPECT_GT(0, error);
		EXPECT_NE(-EFAULT, error);
	}
}

/* Nor one in a part of the reservation that nobody was given; that touch is counted. */
TEST_F(array, array_in_an_untouched_region_is_refused)
{
	struct vc_snapshot before, after;

	set_pointer(self, self->scene.pool.base + VC_BUDGET - VC_REGION_SIZE);
	vc_snapshot_take(&self->scene, &before);
	EXPECT_EQ(-EFAULT, sp_ioctl(self->scene.pool.fd, self->kind->command, &self->body));
	vc_snapshot_take(&self->scene, &after);
	EXPECT_LT(before.counters[SEGPOOL_C_SIGBUS_FAULTS],
		  after.counters[SEGPOOL_C_SIGBUS_FAULTS]);
	after.counters[SEGPOOL_C_SIGBUS_FAULTS] = before.counters[SEGPOOL_C_SIGBUS_FAULTS];
	EXPECT_EQ(NULL, vc_snapshot_difference(&before, &after));
}

TEST_HARNESS_MAIN
