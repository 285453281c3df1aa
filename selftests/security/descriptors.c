// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways to get hold of another process's file of /dev/segpool, and that the file
 * gives no say over its pool: passed over a socket to another user, taken with
 * pidfd_getfd(), opened again through /proc. (What is inherited by fork and
 * exec: lifetime/fork.)
 */
#include "become.h"
#include "actor.h"
#include "marks.h"
#include "stranger_calls.h"
#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "testing_harness.h"

#define REGION	SP_SMALL
#define BUDGET	(8 * REGION)

FIXTURE(pool) {
	struct sp_pool pool;
	struct segpool_region region;
	uint64_t before[SEGPOOL_NR_COUNTERS];
};

SP_MODE_VARIANTS(pool);

FIXTURE_SETUP(pool)
{
	ASSERT_EQ(0, sp_pool_make(&self->pool, variant->mode, REGION, BUDGET, BUDGET, BUDGET));
	ASSERT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &self->region));
	mark_fill(sp_region_at(&self->pool, &self->region), REGION, MARK_OWNER);
	ASSERT_EQ(0, sp_stat(self->pool.fd, self->before));
}

/* Whatever somebody tried, the owner has noticed nothing and goes on. */
FIXTURE_TEARDOWN(pool)
{
	uint64_t after[SEGPOOL_NR_COUNTERS];
	struct segpool_region region;

	EXPECT_EQ(0, sp_stat(self->pool.fd, after));
	EXPECT_EQ(0, memcmp(self->before, after, sizeof(after)));
	EXPECT_EQ(0, mark_missing(sp_region_at(&self->pool, &self->region), REGION, MARK_OWNER));
	EXPECT_EQ(1, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 1, &region));
	EXPECT_NO_DRIFT(&self->pool);
	sp_pool_close(&self->pool);
}

/* Run @work as another user, who receives @fd and hands it to @work. */
struct receiver {
	int socket;
	int (*work)(int fd);
};

static int receiver_main(void *argument)
{
	struct receiver *receiver = argument;
	int fd;

	/* What fork gave is not what is tested. */
	if (become_user(USER_B, GROUP_OTHER))
		return 1;
	fd = sp_receive_file(receiver->socket);
	return fd < 0 ? 2 : receiver->work(fd);
}

static int pass_to_another_user(int fd, int (*work)(int fd))
{
	struct receiver receiver = { .work = work };
	int sockets[2], status;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	receiver.socket = sockets[1];
	child = sp_start_child(receiver_main, &receiver);
	status = child < 0 ? child : sp_send_file(sockets[0], fd);
	if (!status)
		status = sp_wait_child(child);
	close(sockets[0]);
	close(sockets[1]);
	return status;
}

TEST_F(pool, passed_to_another_user_gives_no_say)
{
	EXPECT_EQ(0, pass_to_another_user(self->pool.fd, stranger_has_no_say));
}

/* A right to use one file is no right to open the device. */
static int cannot_reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return refusal_of(path, O_RDWR) == EACCES && refusal_of(path, O_RDONLY) == EACCES ? 0 : 3;
}

TEST_F(pool, passed_file_cannot_be_opened_again)
{
	EXPECT_EQ(0, pass_to_another_user(self->pool.fd, cannot_reopen));
}

/* Who may open the device gets a file of his own by that, and nothing of the pool. */
static int opens_again_through_proc(void *argument)
{
	struct segpool_setup setup = { 0 };
	uint64_t values[SEGPOOL_NR_COUNTERS];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getppid(), *(int *)argument);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || sp_stat(fd, values) != -ENXIO)
		return 1;
	if (sp_setup(fd, &setup) || sp_stat(fd, values))
		return 2;
	return values[SEGPOOL_C_PHYSICAL_BYTES] ? 3 : 0;
}

TEST_F(pool, opened_through_proc_is_another_pool)
{
	EXPECT_EQ(0, sp_in_child(opens_again_through_proc, &self->pool.fd));
}

/* The same for the link that each mapping has. */
static int opens_the_mapping(void *argument)
{
	const struct sp_pool *pool = argument;
	uint64_t values[SEGPOOL_NR_COUNTERS];
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", getppid(),
		 (unsigned long)pool->base, (unsigned long)pool->base + pool->length);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 1;
	return sp_stat(fd, values) == -ENXIO ? 0 : 2;
}

TEST_F(pool, opened_through_map_files_is_another_pool)
{
	EXPECT_EQ(0, sp_in_child(opens_the_mapping, &self->pool));
}

static int gets_by_pidfd(void *argument)
{
	int pidfd = syscall(SYS_pidfd_open, getppid(), 0), fd;

	fd = pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, *(int *)argument, 0);
	return fd < 0 ? 1 : stranger_has_no_say(fd);
}

/* By root: whoever may debug the owner may have the file, and has no say either. */
TEST_F(pool, taken_by_pidfd_getfd_gives_no_say)
{
	EXPECT_EQ(0, sp_in_child(gets_by_pidfd, &self->pool.fd));
}

static int user_gets_nothing(void *argument)
{
	const struct sp_pool *pool = argument;
	int pidfd, fd = pool->fd;
	char path[96];

	/* What was inherited aside. */
	close(pool->fd);
	if (become_user(USER_B, GROUP_OTHER))
		return 1;
	pidfd = syscall(SYS_pidfd_open, getppid(), 0);
	if (pidfd < 0 || syscall(SYS_pidfd_getfd, pidfd, fd, 0) != -1 || errno != EPERM)
		return 2;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getppid(), fd);
	if (refusal_of(path, O_RDWR) != EACCES)
		return 3;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", getppid(),
		 (unsigned long)pool->base, (unsigned long)pool->base + pool->length);
	return refusal_of(path, O_RDWR) ? 0 : 4;
}

TEST_F(pool, another_user_gets_at_it_by_no_way)
{
	EXPECT_EQ(0, sp_in_child(user_gets_nothing, &self->pool));
}

/* An open file that is no pool yet is the right to make one: it passes with the file. */
static int makes_a_pool(int fd)
{
	struct segpool_setup setup = { 0 };
	struct segpool_region region;
	char *base;

	if (sp_setup(fd, &setup) || sp_mmap(fd, setup.region_size, &base) ||
	    sp_alloc(fd, 0, SEGPOOL_POPULATE | SEGPOOL_ZERO, 1, &region) != 1)
		return 5;
	return sp_touch_write(base + region.offset);
}

TEST(open_file_without_pool_is_the_right_to_one)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];
	int fd = sp_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, pass_to_another_user(fd, makes_a_pool));
	/* His from then on, and his only. */
	EXPECT_EQ(-EPERM, sp_stat(fd, values));
	EXPECT_EQ(0, sp_module_counter("physical_bytes"));
	close(fd);
}

/* Another task of the same address space is the owner, whatever else it shares. */
struct sharer {
	struct sp_pool *pool;
	int error;
};

static int shares_the_memory(void *argument)
{
	struct sharer *sharer = argument;
	struct segpool_region region;

	sharer->error = sp_alloc_one(sharer->pool->fd, 0, SEGPOOL_POPULATE, 0, &region, NULL);
	if (!sharer->error)
		sharer->error = sp_touch_write(sp_region_at(sharer->pool, &region)) ? -EIO :
				sp_free(sharer->pool->fd, region.handle, SEGPOOL_NOW);
	return 0;
}

TEST(sharing_the_address_space_is_owning)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	struct sp_pool pool;
	struct sharer sharer = { .pool = &pool, .error = 1 };
	pid_t child;

	ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, BUDGET));
	child = clone(shares_the_memory, stack + sizeof(stack), CLONE_VM | SIGCHLD, &sharer);
	ASSERT_LT(0, child);
	EXPECT_EQ(0, sp_wait_child(child));
	EXPECT_EQ(0, sharer.error);
	sp_pool_close(&pool);
}

TEST_HARNESS_MAIN
