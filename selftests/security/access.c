// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may open what: the device, the parameters, debugfs, the tracepoints, for
 * root, a member of the administrator's group, another user, and root of a user
 * namespace; and that what root reads tells no kernel address and nothing that
 * an owner wrote for root's terminal.
 */
#include "become.h"
#include <ctype.h>
#include <ftw.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "testing_harness.h"

#define REGION		(64 * SP_KIB)
#define PARAMETERS	"/sys/module/segpool/parameters/"
#define TRACING		"/sys/kernel/tracing/events/segpool/"

FIXTURE(device) {
	struct stat before;
};

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, stat(SEGPOOL_DEVICE, &self->before));
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, chown(SEGPOOL_DEVICE, self->before.st_uid, self->before.st_gid));
	EXPECT_EQ(0, chmod(SEGPOOL_DEVICE, self->before.st_mode & 07777));
}

/* As Documentation/admin-guide/segpool.rst has udev do it. */
static int give_to_the_group(void)
{
	return chown(SEGPOOL_DEVICE, 0, GROUP_ALLOWED) || chmod(SEGPOOL_DEVICE, 0660);
}

static int cannot_open(void)
{
	return refusal_of(SEGPOOL_DEVICE, O_RDWR) != EACCES ||
	       refusal_of(SEGPOOL_DEVICE, O_RDONLY) != EACCES ||
	       refusal_of(SEGPOOL_DEVICE, O_WRONLY) != EACCES;
}

static int user_is_refused(void *group)
{
	if (become_user(USER_A, *(gid_t *)group))
		return 1;
	if (cannot_open())
		return 2;
	/* Nor can he change that. */
	return chmod(SEGPOOL_DEVICE, 0666) != -1 || chown(SEGPOOL_DEVICE, USER_A, USER_A) != -1 ?
	       3 : 0;
}

TEST_F(device, is_roots_by_default)
{
	gid_t group = GROUP_ALLOWED;

	EXPECT_EQ(0600, self->before.st_mode & 07777);
	EXPECT_EQ(0, self->before.st_uid);
	EXPECT_EQ(0, self->before.st_gid);
	EXPECT_EQ(0, sp_in_child(user_is_refused, &group));
}

/* A pool from end to end. */
static int works(void)
{
	struct segpool_region region;
	struct sp_pool pool;

	if (sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, SP_MIB, SP_MIB, SP_MIB))
		return 10;
	if (sp_alloc_one(pool.fd, 0, SEGPOOL_POPULATE, 0, &region, NULL) ||
	    sp_touch_write(sp_region_at(&pool, &region)) || sp_free(pool.fd, region.handle, 0))
		return 11;
	sp_pool_close(&pool);
	return 0;
}

static int member_works(void *group)
{
	return become_user(USER_A, *(gid_t *)group) ? 1 : works();
}

TEST_F(device, members_of_the_chosen_group_may_use_it)
{
	gid_t group = GROUP_ALLOWED;

	ASSERT_EQ(0, give_to_the_group());
	EXPECT_EQ(0, sp_in_child(member_works, &group));
}

TEST_F(device, others_may_not)
{
	gid_t group = GROUP_OTHER;

	ASSERT_EQ(0, give_to_the_group());
	EXPECT_EQ(0, sp_in_child(user_is_refused, &group));
}

/* Without the right to write there is nothing to map, hence nothing to have. */
TEST_F(device, opened_for_reading_only_gives_no_mapping)
{
	struct segpool_setup setup = { 0 };
	struct segpool_region region;
	char *base;
	int fd = open(SEGPOOL_DEVICE, O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sp_setup(fd, &setup));
	EXPECT_EQ(-EACCES, sp_mmap(fd, setup.limits.virtual_budget, &base));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, setup.limits.virtual_budget, PROT_READ, MAP_SHARED, fd,
				   0));
	EXPECT_EQ(-ENXIO, sp_alloc(fd, 0, SEGPOOL_POPULATE, 1, &region));
	close(fd);
}

static int namespace_root_is_refused(void *unused SP_UNUSED)
{
	struct stat node;

	if (stat(SEGPOOL_DEVICE, &node) || become_namespace_root(USER_A, GROUP_OTHER))
		return 1;
	if (getuid() || cannot_open())
		return 2;
	if (chmod(SEGPOOL_DEVICE, 0666) != -1 || chown(SEGPOOL_DEVICE, 0, 0) != -1)
		return 3;
	/* A node of his own for the same device. */
	if (mknod("/tmp/segpool-node", S_IFCHR | 0666, node.st_rdev) != -1 || errno != EPERM)
		return 4;
	if (refusal_of(PARAMETERS "ceiling_mib", O_WRONLY) != EACCES)
		return 5;
	if (refusal_of(SP_DEBUGFS "/counters", O_RDONLY) != EACCES)
		return 6;
	if (!mount("debug", "/tmp", "debugfs", 0, NULL) ||
	    !mount("trace", "/tmp", "tracefs", 0, NULL))
		return 7;
	if (syscall(SYS_delete_module, "segpool", O_NONBLOCK) != -1 || errno != EPERM)
		return 8;
	return syscall(SYS_finit_module, STDIN_FILENO, "", 0) != -1 || errno != EPERM ? 9 : 0;
}

TEST_F(device, root_of_a_user_namespace_is_nobody)
{
	int status = sp_in_child(namespace_root_is_refused, NULL);

	EXPECT_EQ(0, status);
}

static int namespace_member_works(void *unused SP_UNUSED)
{
	return become_namespace_root(USER_A, GROUP_ALLOWED) ? 1 : works();
}

/* The group he has outside is what counts. */
TEST_F(device, a_user_namespace_takes_no_right_away)
{
	ASSERT_EQ(0, give_to_the_group());
	EXPECT_EQ(0, sp_in_child(namespace_member_works, NULL));
}

static int user_reads_parameters_and_no_more(void *unused SP_UNUSED)
{
	static const char *const names[] = { "ceiling_mib", "physical_mib", "virtual_mib" };
	unsigned int i;

	if (become_user(USER_A, GROUP_ALLOWED))
		return 1;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (sp_module_parameter(names[i]) == UINT64_MAX)
			return 2;
		if (sp_set_module_parameter(names[i], 1) != -EACCES)
			return 3;
	}
	return 0;
}

TEST(parameters_are_roots_to_write)
{
	EXPECT_EQ(0, sp_in_child(user_reads_parameters_and_no_more, NULL));
}

static int cannot_look(void *unused SP_UNUSED)
{
	if (become_user(USER_A, GROUP_ALLOWED))
		return 1;
	if (refusal_of(SP_DEBUGFS "/counters", O_RDONLY) != EACCES ||
	    refusal_of(SP_DEBUGFS "/pools", O_RDONLY) != EACCES)
		return 2;
	return refusal_of(TRACING "enable", O_RDONLY) != EACCES ||
	       refusal_of(TRACING "enable", O_WRONLY) != EACCES ? 3 : 0;
}

TEST(debugfs_and_tracepoints_are_roots)
{
	EXPECT_EQ(0, sp_in_child(cannot_look, NULL));
}

/* An administrator who opens the whole of debugfs to users has not opened our files. */
TEST(debugfs_files_refuse_by_themselves)
{
	struct stat before;

	ASSERT_EQ(0, stat("/sys/kernel/debug", &before));
	ASSERT_EQ(0, chmod("/sys/kernel/debug", 0755));
	EXPECT_EQ(0, sp_in_child(cannot_look, NULL));
	EXPECT_EQ(0, chmod("/sys/kernel/debug", before.st_mode & 07777));
}

/* Is there a number in the line that can only be an address of the kernel? */
static bool shows_an_address(char *line)
{
	static const unsigned long long kernel = 0xffff800000000000ULL;
	char *word, *end, *save;
	unsigned long long value;

	for (; (word = strtok_r(line, " \t\n=,:", &save)); line = NULL) {
		value = strtoull(word, &end, 10);
		if (!*end && value >= kernel)
			return true;
		value = strtoull(word, &end, 16);
		if (!*end && end - word >= 16 && value >= kernel)
			return true;
	}
	return false;
}

static int files_seen, addresses_seen;

static int look_for_addresses(const char *path, const struct stat *status, int type,
			      struct FTW *unused)
{
	char line[1024];
	FILE *file;

	if (type != FTW_F || !(status->st_mode & 0400))
		return 0;
	file = fopen(path, "re");
	files_seen += file != NULL;
	while (file && fgets(line, sizeof(line), file))
		addresses_seen += shows_an_address(line);
	if (file)
		fclose(file);
	return 0;
}

TEST(what_root_reads_shows_no_kernel_address)
{
	struct segpool_region region;
	struct sp_pool pool;
	char known[] = "at=ffff888012345678";

	EXPECT_TRUE(shows_an_address(known));
	ASSERT_EQ(0, sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, SP_MIB, SP_MIB, SP_MIB));
	ASSERT_EQ(1, sp_alloc(pool.fd, 0, SEGPOOL_POPULATE, 1, &region));
	EXPECT_EQ(0, nftw(SP_DEBUGFS, look_for_addresses, 8, FTW_PHYS));
	EXPECT_EQ(0, nftw("/sys/module/segpool/parameters", look_for_addresses, 8, FTW_PHYS));
	EXPECT_EQ(0, nftw("/sys/kernel/tracing/events/segpool", look_for_addresses, 8, FTW_PHYS));
	EXPECT_LE(8, files_seen);
	EXPECT_EQ(0, addresses_seen);
	sp_pool_close(&pool);
}

/* A program's name may hold anything: root's terminal must not obey it. */
static int owner_with_a_name(void *pipes)
{
	struct segpool_setup setup = { 0 };
	int fd = sp_open();
	char byte;

	prctl(PR_SET_NAME, "\033[2J\r\n\\ \x7f\x9bx");
	if (fd < 0 || sp_setup(fd, &setup))
		return 1;
	if (write(((int *)pipes)[1], "r", 1) != 1)
		return 2;
	return read(((int *)pipes)[2], &byte, 1) == 1;
}

TEST(names_of_owners_are_escaped)
{
	char text[4096], byte;
	int pipes[4];
	ssize_t n, i;
	pid_t child;

	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(pipes + 2, O_CLOEXEC));
	child = sp_start_child(owner_with_a_name, pipes);
	ASSERT_LT(0, child);
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	n = sp_read_file(SP_DEBUGFS "/pools", text, sizeof(text));
	EXPECT_LT(0, n);
	for (i = 0; i < n; i++)
		EXPECT_TRUE(text[i] == '\n' || isprint((unsigned char)text[i])) {
			TH_LOG("byte %#x of %s", text[i] & 0xff, text);
		}
	/* Two lines: the name has not made a third. */
	EXPECT_STREQ("\n", strrchr(text, '\n'));
	EXPECT_EQ(1, strchr(strchr(text, '\n') + 1, '\n') == strrchr(text, '\n'));
	kill(child, SIGKILL);
	sp_wait_child(child);
}

TEST_HARNESS_MAIN
