// SPDX-License-Identifier: GPL-2.0-only
/*
 * A debugger sees and changes the bytes of a region in both modes, through
 * ptrace and through /proc/pid/mem, and gets an error, not stale bytes, where
 * nothing is handed out.
 */
#include "testing.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
#include "testing_harness.h"

#define REGION		(256 * SP_KIB)
#define BUDGET		(4 * REGION)
#define WORD_A		0x1122334455667788L
#define WORD_B		0x0badcafe0badcafeL

/* What the traced child tells us of its pool. */
struct shared {
	char *active;
	char *freed;
	char *unbacked;
};

FIXTURE(debugger) {
	struct shared *shared;
	pid_t child;
};

FIXTURE_VARIANT(debugger) {
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(debugger, strict) { .mode = SEGPOOL_MODE_STRICT };
FIXTURE_VARIANT_ADD(debugger, pinnable) { .mode = SEGPOOL_MODE_PINNABLE };
FIXTURE_VARIANT_ADD(debugger, huge) { .mode = SEGPOOL_MODE_HUGE };

struct plan {
	struct shared *shared;
	uint32_t mode;
};

/* The traced child: makes a pool, stops, and afterwards checks what the tracer wrote. */
static int traced(void *argument)
{
	struct plan *plan = argument;
	struct segpool_region regions[3];
	struct sp_pool pool;

	if (sp_pool_make(&pool, plan->mode, REGION, BUDGET, BUDGET, BUDGET) ||
	    sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 2, regions) != 2 ||
	    sp_alloc(pool.fd, 0, SEGPOOL_ZERO, 1, &regions[2]) != 1)
		return 2;
	plan->shared->active = sp_region_at(&pool, &regions[0]);
	plan->shared->freed = sp_region_at(&pool, &regions[1]);
	plan->shared->unbacked = sp_region_at(&pool, &regions[2]);
	*(volatile long *)plan->shared->active = WORD_A;
	/* Across the border of two pages. */
	memset(plan->shared->active + SP_PAGE - 4, 0x5a, 8);
	memset(plan->shared->freed, 0x77, REGION);
	if (sp_free(pool.fd, regions[1].handle, 0))
		return 3;
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	return *(volatile long *)plan->shared->active == WORD_B ? 0 : 4;
}

FIXTURE_SETUP(debugger)
{
	struct plan plan;
	int status;

	self->shared = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	plan = (struct plan){ .shared = self->shared, .mode = variant->mode };
	self->child = sp_start_child(traced, &plan);
	ASSERT_LT(0, self->child);
	ASSERT_EQ(self->child, waitpid(self->child, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status)) {
		TH_LOG("the child ended with %#x instead of stopping", status);
	}
}

FIXTURE_TEARDOWN(debugger)
{
	if (self->child > 0) {
		kill(self->child, SIGKILL);
		waitpid(self->child, NULL, 0);
	}
	munmap(self->shared, SP_PAGE);
}

TEST_F(debugger, ptrace_reads_and_writes_regions)
{
	int status;

	errno = 0;
	EXPECT_EQ(WORD_A, ptrace(PTRACE_PEEKDATA, self->child, self->shared->active, NULL));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aL, ptrace(PTRACE_PEEKDATA, self->child,
					      self->shared->active + SP_PAGE - 4, NULL));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, self->child, self->shared->active, (void *)WORD_B));
	EXPECT_EQ(WORD_B, ptrace(PTRACE_PEEKDATA, self->child, self->shared->active, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->child, NULL, NULL));
	ASSERT_EQ(self->child, waitpid(self->child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	self->child = -1;
}

TEST_F(debugger, proc_mem_reads_a_whole_region)
{
	static char copy[REGION];
	char path[64];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", self->child);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	length = pread(fd, copy, REGION, (off_t)(uintptr_t)self->shared->active);
	EXPECT_EQ(REGION, length);
	EXPECT_EQ(WORD_A, *(long *)copy);
	EXPECT_EQ(0x5a, copy[SP_PAGE]);
	/* Behind the end of the region lies the released one: none of its bytes. */
	length = pread(fd, copy, SP_PAGE,
		       (off_t)(uintptr_t)self->shared->active + REGION - SP_PAGE / 2);
	EXPECT_GE((ssize_t)SP_PAGE / 2, length);
	close(fd);
}

/* Not even the module's own memory, which would be charged to the debugger's cgroup. */
TEST_F(debugger, looking_allocates_nothing)
{
	uint64_t metadata = sp_module_counter("metadata_bytes");
	struct iovec to = { .iov_base = self->shared, .iov_len = sizeof(long) };
	struct iovec from = { .iov_base = self->shared->unbacked, .iov_len = sizeof(long) };

	EXPECT_EQ(-1, ptrace(PTRACE_PEEKDATA, self->child, self->shared->unbacked, NULL));
	EXPECT_EQ(-1, process_vm_readv(self->child, &to, 1, &from, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(metadata, sp_module_counter("metadata_bytes"));
}

/* Who looks at its own memory in the way of a debugger gets what a touch would get. */
TEST(own_look_brings_a_page)
{
	struct segpool_region region;
	struct iovec from, to;
	struct sp_pool pool;
	long word = WORD_A;

	ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_PINNABLE, REGION, BUDGET, BUDGET, BUDGET));
	ASSERT_EQ(1, sp_alloc(pool.fd, 0, SEGPOOL_ZERO, 1, &region));
	from = (struct iovec){ .iov_base = &word, .iov_len = sizeof(word) };
	to = (struct iovec){ .iov_base = sp_region_at(&pool, &region), .iov_len = sizeof(word) };
	EXPECT_EQ(sizeof(word), process_vm_writev(getpid(), &from, 1, &to, 1, 0));
	EXPECT_EQ(SP_PAGE, sp_counter(pool.fd, SEGPOOL_C_PHYSICAL_BYTES));
	EXPECT_EQ(WORD_A, *(volatile long *)to.iov_base);
	sp_pool_close(&pool);
}

TEST_F(debugger, released_regions_are_not_readable)
{
	char byte[64], path[64];
	int fd;

	memset(byte, 1, sizeof(byte));
	errno = 0;
	EXPECT_EQ(-1, ptrace(PTRACE_PEEKDATA, self->child, self->shared->freed, NULL));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, self->child, self->shared->freed, (void *)WORD_B));
	EXPECT_EQ(-1, ptrace(PTRACE_PEEKDATA, self->child, self->shared->active + BUDGET - REGION,
			     NULL));
	snprintf(path, sizeof(path), "/proc/%d/mem", self->child);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_GE(0, pread(fd, byte, sizeof(byte), (off_t)(uintptr_t)self->shared->freed));
	EXPECT_EQ(1, byte[0]);
	close(fd);
}

/*
 * A page that is not there yet reads as an error, or comes in by the read; in a
 * region that was asked for with zeroes then as zeroes, also when it is one of
 * the released region's.
 */
TEST_F(debugger, unbacked_pages_show_no_old_bytes)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, self->child, self->shared->unbacked, NULL);
	EXPECT_TRUE(errno ? errno == EIO : word == 0) {
		TH_LOG("read %#lx, errno %d", word, errno);
	}
}

TEST_HARNESS_MAIN
