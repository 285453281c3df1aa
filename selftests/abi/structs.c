// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 14: every call refuses a structure of a wrong size, unknown flags,
 * reserved members that are not zero and inaccessible memory, with the
 * documented errno, and changes nothing; and accepts a longer structure whose
 * tail is zero, so that old and new programs and modules go together.
 */
#include "valid_call.h"
#include "testing_harness.h"

/* Room for a structure with a long tail, between pages that cannot be touched. */
#define ROOM	(2 * SP_PAGE)

FIXTURE(call) {
	struct vc_scene scene;
	const struct vc_kind *kind;
	union vc_body body;
	char *room;
};

FIXTURE_VARIANT(call) {
	enum vc_index index;
};

FIXTURE_VARIANT_ADD(call, setup) { .index = VC_SETUP };
FIXTURE_VARIANT_ADD(call, alloc) { .index = VC_ALLOC };
FIXTURE_VARIANT_ADD(call, free) { .index = VC_FREE };
FIXTURE_VARIANT_ADD(call, reuse) { .index = VC_REUSE };
FIXTURE_VARIANT_ADD(call, discard) { .index = VC_DISCARD };
FIXTURE_VARIANT_ADD(call, populate) { .index = VC_POPULATE };
FIXTURE_VARIANT_ADD(call, set_budget) { .index = VC_SET_BUDGET };
FIXTURE_VARIANT_ADD(call, trim) { .index = VC_TRIM };
FIXTURE_VARIANT_ADD(call, stat) { .index = VC_STAT };

FIXTURE_SETUP(call)
{
	char *guarded;

	self->kind = &vc_kinds[variant->index];
	ASSERT_EQ(0, vc_scene_open(&self->scene));
	guarded = mmap(NULL, ROOM + 2 * SP_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, guarded);
	self->room = guarded + SP_PAGE;
	ASSERT_EQ(0, mprotect(self->room, ROOM, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, self->kind->fill(&self->scene, &self->body));
}

FIXTURE_TEARDOWN(call)
{
	munmap(self->room - SP_PAGE, ROOM + 2 * SP_PAGE);
	vc_scene_close(&self->scene);
}

#define ISSUE(address)	sp_ioctl(vc_fd(&self->scene, self->kind), self->kind->command, (address))

/* The call on @address fails with @expected and leaves everything as it was. */
static void expect_refused(struct __test_metadata *_metadata, FIXTURE_DATA(call) *self,
			   void *address, int expected, const char *what, uint64_t value)
{
	struct vc_snapshot before, after;
	const char *difference;

	vc_snapshot_take(&self->scene, &before);
	EXPECT_EQ(expected, ISSUE(address)) {
		TH_LOG("%s: %s %#llx", self->kind->name, what, (unsigned long long)value);
	}
	vc_snapshot_take(&self->scene, &after);
	difference = vc_snapshot_difference(&before, &after);
	EXPECT_EQ(NULL, difference) {
		TH_LOG("%s: %s %#llx changed %s", self->kind->name, what,
		       (unsigned long long)value, difference);
	}
}

/* The same for the valid call of the fixture, spoilt by the test. */
static void expect_body_refused(struct __test_metadata *_metadata, FIXTURE_DATA(call) *self,
				int expected, const char *what, uint64_t value)
{
	memset(self->room, 0, ROOM);
	memcpy(self->room, &self->body, self->kind->size);
	expect_refused(_metadata, self, self->room, expected, what, value);
}

/* The yardstick of all the others: what is not spoilt is accepted. */
TEST_F(call, exact_structure_is_accepted)
{
	EXPECT_EQ(0, ISSUE(&self->body));
}

TEST_F(call, short_structures_are_refused)
{
	uint32_t size;

	for (size = 0; size < self->kind->size; size += size < 8 ? 1 : 4) {
		self->body.size = size;
		expect_body_refused(_metadata, self, -EINVAL, "size", size);
	}
	self->body.size = self->kind->size - 1;
	expect_body_refused(_metadata, self, -EINVAL, "size", self->body.size);
}

TEST_F(call, long_structure_with_zero_tail_is_accepted)
{
	memset(self->room, 0, ROOM);
	self->body.size = self->kind->size + 64;
	memcpy(self->room, &self->body, self->kind->size);
	EXPECT_EQ(0, ISSUE(self->room));
	EXPECT_TRUE(sp_is_zero(self->room + self->kind->size, ROOM - self->kind->size));
}

TEST_F(call, page_sized_structure_with_zero_tail_is_accepted)
{
	memset(self->room, 0, ROOM);
	self->body.size = SP_PAGE;
	memcpy(self->room, &self->body, self->kind->size);
	EXPECT_EQ(0, ISSUE(self->room));
}

/* The caller asked for something that this module does not know: it must hear so. */
TEST_F(call, garbage_in_the_tail_is_refused)
{
	static const uint32_t extra[] = { 1, 4, 8, 64, 1000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(extra); i++) {
		memset(self->room, 0, ROOM);
		self->body.size = self->kind->size + extra[i];
		memcpy(self->room, &self->body, self->kind->size);
		self->room[self->body.size - 1] = 1;
		expect_refused(_metadata, self, self->room, -E2BIG, "tail of", extra[i]);
	}
}

/* Bytes behind the stated size are not the module's to read. */
TEST_F(call, bytes_behind_the_structure_are_ignored)
{
	memset(self->room, 0xff, ROOM);
	memcpy(self->room, &self->body, self->kind->size);
	EXPECT_EQ(0, ISSUE(self->room));
}

TEST_F(call, oversized_structures_are_refused)
{
	static const uint32_t sizes[] = { SP_PAGE + 1, SP_PAGE + 8, 1U << 20, INT32_MAX,
					  0x80000000U, UINT32_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->body.size = sizes[i];
		expect_body_refused(_metadata, self, -E2BIG, "size", sizes[i]);
	}
}

TEST_F(call, unknown_flags_are_refused_bit_by_bit)
{
	union vc_body good = self->body;
	uint32_t flags;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		if (self->kind->known_flags & (1U << bit))
			continue;
		self->body = good;
		memcpy(&flags, (char *)&good + self->kind->flags_offset, sizeof(flags));
		flags |= 1U << bit;
		memcpy((char *)&self->body + self->kind->flags_offset, &flags, sizeof(flags));
		expect_body_refused(_metadata, self, -EINVAL, "flag", 1U << bit);
	}
}

TEST_F(call, inaccessible_structure_is_refused)
{
	expect_refused(_metadata, self, NULL, -EFAULT, "structure at NULL", 0);
	expect_refused(_metadata, self, (void *)8, -EFAULT, "structure at", 8);
	expect_refused(_metadata, self, self->room - SP_PAGE, -EFAULT, "PROT_NONE structure", 0);
	expect_refused(_metadata, self, self->room + ROOM, -EFAULT, "PROT_NONE structure", 1);
	expect_refused(_metadata, self, (void *)0xffff800000000000UL, -EFAULT, "kernel address",
		       0);
	expect_refused(_metadata, self, (void *)-8L, -EFAULT, "address", -8);
}

/* Only the first bytes are readable: nothing may come of the rest. */
TEST_F(call, structure_across_the_end_of_memory_is_refused)
{
	char *start = self->room + ROOM - self->kind->size + 4;

	memcpy(start, &self->body, self->kind->size - 4);
	expect_refused(_metadata, self, start, -EFAULT, "structure cut by", 4);
	start = self->room + ROOM - 4;
	memcpy(start, &self->body, 4);
	expect_refused(_metadata, self, start, -EFAULT, "only size readable", 0);
}

/* A result that cannot be told must not happen. */
TEST_F(call, read_only_structure_is_refused)
{
	memcpy(self->room, &self->body, self->kind->size);
	ASSERT_EQ(0, mprotect(self->room, ROOM, PROT_READ));
	expect_refused(_metadata, self, self->room, -EFAULT, "read-only structure", 0);
}

/* Unaligned structures are legal on this architecture and must not confuse anything. */
TEST_F(call, unaligned_structure_is_accepted)
{
	memset(self->room, 0, ROOM);
	memcpy(self->room + 1, &self->body, self->kind->size);
	EXPECT_EQ(0, ISSUE(self->room + 1));
}

/* The number stays the same when a structure grows: its size part says nothing. */
TEST_F(call, size_in_the_number_is_not_looked_at)
{
	unsigned long command = _IOC(_IOC_READ | _IOC_WRITE, SEGPOOL_IOC_TYPE,
				     _IOC_NR(self->kind->command), self->kind->size + 64);

	EXPECT_EQ(0, sp_ioctl(vc_fd(&self->scene, self->kind), command, &self->body));
}

/* The calls whose structure has a reserved member. */
FIXTURE(reserved) {
	struct vc_scene scene;
	const struct vc_kind *kind;
};

FIXTURE_VARIANT(reserved) {
	enum vc_index index;
};

FIXTURE_VARIANT_ADD(reserved, setup) { .index = VC_SETUP };
FIXTURE_VARIANT_ADD(reserved, alloc) { .index = VC_ALLOC };
FIXTURE_VARIANT_ADD(reserved, reuse) { .index = VC_REUSE };

FIXTURE_SETUP(reserved)
{
	self->kind = &vc_kinds[variant->index];
	ASSERT_EQ(0, vc_scene_open(&self->scene));
}

FIXTURE_TEARDOWN(reserved)
{
	vc_scene_close(&self->scene);
}

TEST_F(reserved, must_be_zero)
{
	struct vc_snapshot before, after;
	union vc_body body;
	uint32_t value;
	int bit;

	for (bit = 0; bit < 32; bit += 5) {
		ASSERT_EQ(0, self->kind->fill(&self->scene, &body));
		value = 1U << bit;
		memcpy((char *)&body + self->kind->reserved_offset, &value, sizeof(value));
		vc_snapshot_take(&self->scene, &before);
		EXPECT_EQ(-EINVAL, sp_ioctl(vc_fd(&self->scene, self->kind), self->kind->command,
					    &body)) {
			TH_LOG("%s: reserved %#x", self->kind->name, value);
		}
		vc_snapshot_take(&self->scene, &after);
		EXPECT_EQ(NULL, vc_snapshot_difference(&before, &after));
	}
}

FIXTURE(numbers) {
	struct vc_scene scene;
};

FIXTURE_SETUP(numbers)
{
	ASSERT_EQ(0, vc_scene_open(&self->scene));
}

FIXTURE_TEARDOWN(numbers)
{
	vc_scene_close(&self->scene);
}

/* Promise 14: other commands are refused, on a pool and on a bare file. */
TEST_F(numbers, unknown_commands_are_refused)
{
	static const unsigned int types[] = { 0xD4, 0xD6, 0x55, 0x2A, 0xFF };
	struct vc_snapshot before, after;
	char room[256] = { 0 };
	unsigned int nr, i;
	int fds[2] = { self->scene.pool.fd, self->scene.bare_fd };

	*(__u32 *)room = sizeof(struct segpool_alloc);
	vc_snapshot_take(&self->scene, &before);
	for (nr = _IOC_NR(SEGPOOL_IOC_STAT) + 1; nr < 256; nr++)
		for (i = 0; i < 2; i++)
			EXPECT_EQ(-ENOTTY, sp_ioctl(fds[i], _IOC(_IOC_READ | _IOC_WRITE,
								 SEGPOOL_IOC_TYPE, nr, 64), room)) {
				TH_LOG("command %#x", nr);
			}
	for (i = 0; i < ARRAY_SIZE(types); i++)
		for (nr = 0; nr <= _IOC_NR(SEGPOOL_IOC_STAT); nr++)
			EXPECT_EQ(-ENOTTY, sp_ioctl(fds[0], _IOC(_IOC_READ | _IOC_WRITE, types[i],
								 nr, 64), room)) {
				TH_LOG("type %#x command %#x", types[i], nr);
			}
	EXPECT_EQ(-ENOTTY, sp_ioctl(fds[0], 0x7fffffffUL, room));
	vc_snapshot_take(&self->scene, &after);
	EXPECT_EQ(NULL, vc_snapshot_difference(&before, &after));
}

/* There is nothing to read or write; a program that tries hears so. */
TEST_F(numbers, read_and_write_are_refused)
{
	char byte = 0;

	EXPECT_GT(0, read(self->scene.pool.fd, &byte, 1));
	EXPECT_GT(0, write(self->scene.pool.fd, &byte, 1));
}

TEST_HARNESS_MAIN
