// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may ask, change and listen: root, a user about his own pools and those of others, root
 * of a user namespace, who is in another network namespace, who has a capability that is
 * not the one, and who has somebody else send for him.
 */
#include "../security/become.h"
#include "pools.h"
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "testing_harness.h"

#define REGION	SP_SMALL
#define BUDGET	(4 * REGION)

/* What somebody got, in the order in which he asked. Shared with the children. */
struct answers {
	int own, others, dump_error, module, class_others, classes_others, set_own, set_others;
	int trim_own, trim_others;
	int join[NL_GROUPS];
	unsigned int dumped, dumped_others, dumped_classes;
	bool tells_apart;
};

struct question {
	uint32_t own, others;
	struct answers *answers;
	/* Becomes somebody. */
	int (*become)(void);
	/* Before or after the socket was opened. */
	bool opened_before;
};

struct dumped {
	struct question *question;
	unsigned int own, others, classes;
};

static void count_pools(const struct nlmsghdr *message, void *context)
{
	struct dumped *dumped = context;
	struct nl_pool pool = { 0 };

	nl_read_pool(message, &pool);
	dumped->own += pool.id == dumped->question->own;
	dumped->others += pool.id == dumped->question->others;
}

static void count_classes(const struct nlmsghdr *message, void *context)
{
	struct dumped *dumped = context;
	struct nl_class class = { 0 };

	nl_read_class(message, &class);
	dumped->classes += class.pool_id != dumped->question->own;
}

static int ask_class(struct nl *nl, uint32_t id, uint16_t flags)
{
	struct nlmsghdr *message = nl_begin(nl, SEGPOOL_CMD_CLASS_GET, flags);

	mnl_attr_put_u32(message, SEGPOOL_A_CLASS_POOL_ID, id);
	if (!flags)
		mnl_attr_put_u32(message, SEGPOOL_A_CLASS_INDEX, 0);
	return nl_ask(nl, message, NULL, NULL);
}

static void ask_all(struct nl *nl, struct question *question)
{
	struct segpool_limits limits = { .physical_budget = BUDGET / 2 };
	struct answers *answers = question->answers;
	struct dumped dumped = { .question = question };
	char sentence[sizeof(nl->sentence)];
	struct nl_pool pool;
	int i;

	answers->own = nl_get_pool(nl, question->own, &pool);
	answers->others = nl_get_pool(nl, question->others, &pool);
	strcpy(sentence, nl->sentence);
	/* Is there a difference between a pool that one must not see, and none? */
	answers->tells_apart = nl_get_pool(nl, question->others + 1000, &pool) != answers->others ||
			       strcmp(sentence, nl->sentence);
	answers->dump_error = nl_ask(nl, nl_begin(nl, SEGPOOL_CMD_POOL_GET, NLM_F_DUMP),
				     count_pools, &dumped);
	if (!answers->dump_error)
		answers->dump_error = nl_ask(nl, nl_begin(nl, SEGPOOL_CMD_CLASS_GET, NLM_F_DUMP),
					     count_classes, &dumped);
	answers->dumped = dumped.own;
	answers->dumped_others = dumped.others;
	answers->dumped_classes = dumped.classes;
	answers->module = nl_ask(nl, nl_begin(nl, SEGPOOL_CMD_MODULE_GET, 0), NULL, NULL);
	answers->class_others = ask_class(nl, question->others, 0);
	answers->classes_others = ask_class(nl, question->others, NLM_F_DUMP);
	answers->set_own = nl_set_pool(nl, question->own, SEGPOOL_SET_PHYSICAL, &limits, &pool);
	answers->set_others = nl_set_pool(nl, question->others, SEGPOOL_SET_PHYSICAL, &limits,
					  &pool);
	answers->trim_own = nl_trim_pool(nl, question->own, 0, &pool);
	answers->trim_others = nl_trim_pool(nl, question->others, 0, &pool);
	for (i = 0; i < NL_GROUPS; i++)
		answers->join[i] = nl_join(nl, i);
}

static int ask_as_somebody(void *argument)
{
	struct question *question = argument;
	struct sp_pool own;
	struct nl *nl = malloc(sizeof(*nl));

	if (!nl || (question->opened_before && nl_open(nl)))
		return 1;
	if (question->become && question->become())
		return 2;
	if (!question->opened_before && nl_open(nl))
		return 3;
	if (sp_pool_make(&own, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, BUDGET))
		return 4;
	question->own = own.id;
	ask_all(nl, question);
	return 0;
}

FIXTURE(access) {
	struct sp_pool pool;
	struct stat before;
	struct question question;
	struct answers *a;
	struct nl nl;
	int netns;
};

/* The device is everybody's here: what is tested is what comes after it. */
FIXTURE_SETUP(access)
{
	ASSERT_EQ(0, stat(SEGPOOL_DEVICE, &self->before));
	ASSERT_EQ(0, chmod(SEGPOOL_DEVICE, 0666));
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET,
				  BUDGET));
	ASSERT_EQ(0, nl_open(&self->nl));
	self->a = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->a);
	self->question.others = self->pool.id;
	self->question.answers = self->a;
	self->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->netns);
}

FIXTURE_TEARDOWN(access)
{
	EXPECT_EQ(0, chmod(SEGPOOL_DEVICE, self->before.st_mode & 07777));
	sp_pool_close(&self->pool);
	nl_close(&self->nl);
	close(self->netns);
}

static uint64_t budget_of(const struct sp_pool *pool)
{
	return sp_counter(pool->fd, SEGPOOL_C_PHYSICAL_BUDGET_BYTES);
}

TEST_F(access, root_may_all)
{
	int i;

	ASSERT_EQ(0, sp_in_child(ask_as_somebody, &self->question));
	EXPECT_EQ(0, self->a->own);
	EXPECT_EQ(0, self->a->others);
	EXPECT_EQ(0, self->a->dump_error);
	EXPECT_EQ(1, self->a->dumped);
	EXPECT_EQ(1, self->a->dumped_others);
	EXPECT_EQ(self->pool.setup.nr_classes, self->a->dumped_classes);
	EXPECT_EQ(0, self->a->module);
	EXPECT_EQ(0, self->a->class_others);
	EXPECT_EQ(0, self->a->classes_others);
	EXPECT_EQ(0, self->a->set_own);
	EXPECT_EQ(0, self->a->set_others);
	EXPECT_EQ(0, self->a->trim_own);
	EXPECT_EQ(0, self->a->trim_others);
	for (i = 0; i < NL_GROUPS; i++)
		EXPECT_EQ(0, self->a->join[i]);
	EXPECT_EQ(BUDGET / 2, budget_of(&self->pool));
}

static int as_user(void)
{
	return become_user(USER_A, GROUP_OTHER);
}

static int as_namespace_root(void)
{
	return become_namespace_root(USER_A, GROUP_OTHER);
}

/* Keeps the capabilities of @mask and no others. */
static int keep_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	int i;

	for (i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = mask >> (32 * i);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int as_user_with(uint64_t capabilities)
{
	gid_t group = GROUP_OTHER;

	if (setgroups(1, &group) || setresgid(USER_A, USER_A, USER_A) ||
	    prctl(PR_SET_KEEPCAPS, 1) || setresuid(USER_A, USER_A, USER_A))
		return -errno;
	return keep_capabilities(capabilities);
}

static int as_user_with_net_admin(void)
{
	return as_user_with(1ULL << CAP_NET_ADMIN);
}

static int as_user_with_sys_admin(void)
{
	return as_user_with(1ULL << CAP_SYS_ADMIN);
}

/* Sees his own pools, and nothing else; changes none. */
#define EXPECT_USER() do { \
	int i_; \
	EXPECT_EQ(0, self->a->own); \
	EXPECT_EQ(-ENOENT, self->a->others); \
	EXPECT_FALSE(self->a->tells_apart); \
	EXPECT_EQ(0, self->a->dump_error); \
	EXPECT_EQ(1, self->a->dumped); \
	EXPECT_EQ(0, self->a->dumped_others); \
	EXPECT_EQ(0, self->a->dumped_classes); \
	EXPECT_EQ(-EPERM, self->a->module); \
	EXPECT_EQ(-ENOENT, self->a->class_others); \
	EXPECT_EQ(-ENOENT, self->a->classes_others); \
	EXPECT_EQ(-EPERM, self->a->set_own); \
	EXPECT_EQ(-EPERM, self->a->set_others); \
	EXPECT_EQ(-EPERM, self->a->trim_own); \
	EXPECT_EQ(-EPERM, self->a->trim_others); \
	for (i_ = 0; i_ < NL_GROUPS; i_++) \
		EXPECT_EQ(-EPERM, self->a->join[i_]); \
	EXPECT_EQ(BUDGET, budget_of(&self->pool)); \
} while (0)

TEST_F(access, user_sees_his_own_and_changes_none)
{
	self->question.become = as_user;
	ASSERT_EQ(0, sp_in_child(ask_as_somebody, &self->question));
	EXPECT_USER();
}

TEST_F(access, root_of_a_user_namespace_is_a_user)
{
	self->question.become = as_namespace_root;
	ASSERT_EQ(0, sp_in_child(ask_as_somebody, &self->question));
	EXPECT_USER();
}

TEST_F(access, rights_over_networks_are_none_here)
{
	self->question.become = as_user_with_net_admin;
	ASSERT_EQ(0, sp_in_child(ask_as_somebody, &self->question));
	EXPECT_USER();
}

TEST_F(access, cap_sys_admin_is_the_right)
{
	self->question.become = as_user_with_sys_admin;
	ASSERT_EQ(0, sp_in_child(ask_as_somebody, &self->question));
	EXPECT_EQ(0, self->a->others);
	EXPECT_EQ(1, self->a->dumped_others);
	EXPECT_EQ(0, self->a->set_others);
	EXPECT_EQ(0, self->a->join[NL_MGMT]);
	EXPECT_EQ(BUDGET / 2, budget_of(&self->pool));
}

/* Whoever sends must have the right himself, though the socket is root's. */
TEST_F(access, socket_that_root_opened_gives_a_user_nothing)
{
	self->question.become = as_user;
	self->question.opened_before = true;
	ASSERT_EQ(0, sp_in_child(ask_as_somebody, &self->question));
	EXPECT_EQ(-ENOENT, self->a->others);
	/* Opener and sender are not the same user: not even that one's own. */
	EXPECT_EQ(-ENOENT, self->a->own);
	EXPECT_EQ(0, self->a->dumped + self->a->dumped_others);
	EXPECT_EQ(-EPERM, self->a->set_others);
	EXPECT_EQ(-EPERM, self->a->module);
	EXPECT_EQ(BUDGET, budget_of(&self->pool));
}

static int opens_a_socket(void *argument)
{
	struct nl *nl = malloc(sizeof(*nl));

	return as_user() || nl_open(nl) || sp_send_file(*(int *)argument, nl_fd(nl)) ? 1 : 0;
}

/* Sends a request as a program does that does not know that its output is such a socket. */
static int write_request(struct nl *nl, const struct nlmsghdr *message)
{
	if (write(nl_fd(nl), message, message->nlmsg_len) != (ssize_t)message->nlmsg_len)
		return -errno;
	return nl_answer(nl, NULL, NULL);
}

static int write_pool_request(struct nl *nl, uint8_t command, uint32_t id)
{
	struct nlmsghdr *message = nl_begin(nl, command, 0);
	struct nlattr *nest;

	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, id);
	if (command == SEGPOOL_CMD_POOL_SET) {
		nest = mnl_attr_nest_start(message, SEGPOOL_A_POOL_LIMITS);
		mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES, BUDGET / 2);
		mnl_attr_nest_end(message, nest);
	}
	return write_request(nl, message);
}

/* A program with rights that writes where it was told to, on a user's socket. */
TEST_F(access, socket_that_a_user_opened_gives_him_nothing)
{
	struct nl nl;
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	ASSERT_EQ(0, sp_in_child(opens_a_socket, &sockets[1]));
	memset(&nl, 0, sizeof(nl));
	nl.family = self->nl.family;
	nl.socket = mnl_socket_fdopen(sp_receive_file(sockets[0]));
	ASSERT_NE(NULL, nl.socket);
	EXPECT_EQ(-ENOENT, write_pool_request(&nl, SEGPOOL_CMD_POOL_GET, self->pool.id));
	EXPECT_EQ(-EPERM, write_pool_request(&nl, SEGPOOL_CMD_POOL_SET, self->pool.id));
	EXPECT_EQ(-EPERM, write_pool_request(&nl, SEGPOOL_CMD_POOL_TRIM, self->pool.id));
	EXPECT_EQ(-EPERM, write_request(&nl, nl_begin(&nl, SEGPOOL_CMD_MODULE_GET, 0)));
	EXPECT_EQ(BUDGET, budget_of(&self->pool));
	mnl_socket_close(nl.socket);
	close(sockets[0]);
	close(sockets[1]);
}

/* The family is not there: by name it is not found, by number and group it does not answer. */
static int looks_from_another_network(void *argument)
{
	struct nl *known = argument, *nl = malloc(sizeof(*nl));
	struct nl_pool pool;

	if (unshare(CLONE_NEWNET))
		return 1;
	if (nl_open_socket(nl))
		return 2;
	if (nl_find_family(nl) != -ENOENT)
		return 3;
	nl->family = known->family;
	if (nl_get_pool(nl, known->groups[0], &pool) != -ENOENT || pool.count)
		return 4;
	return nl_ask(nl, nl_begin(nl, SEGPOOL_CMD_POOL_GET, NLM_F_DUMP), NULL, NULL) != -ENOENT ?
	       5 : 0;
}

TEST_F(access, another_network_namespace_has_no_family)
{
	struct nl_pool pool;
	struct nl nl = self->nl;

	ASSERT_EQ(0, nl_get_pool(&self->nl, self->pool.id, &pool));
	/* The number of a pool that is there. */
	nl.groups[0] = self->pool.id;
	EXPECT_EQ(0, sp_in_child(looks_from_another_network, &nl));
}

/* Root of a user and a network namespace may join any group there, and hears nothing. */
static int hears_in_another_network(void *argument)
{
	struct nl *known = argument, *nl = malloc(sizeof(*nl));
	struct timeval limit = { .tv_sec = 1 };
	struct sp_pool pool;
	char byte;

	if (as_namespace_root() || unshare(CLONE_NEWNET) || nl_open_socket(nl))
		return 1;
	memcpy(nl->groups, known->groups, sizeof(nl->groups));
	if (nl_join(nl, NL_MGMT) || nl_join(nl, NL_ALERT))
		return 2;
	setsockopt(nl_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (sp_pool_make(&pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, BUDGET))
		return 3;
	sp_pool_close(&pool);
	return recv(nl_fd(nl), &byte, 1, 0) < 0 && errno == EAGAIN ? 0 : 4;
}

/* Of another network namespace's events not even root of the first one hears here. */
TEST_F(access, another_network_namespace_hears_nothing)
{
	/* There is somebody who listens, so that events are made. */
	ASSERT_EQ(0, nl_join(&self->nl, NL_MGMT));
	EXPECT_EQ(0, sp_in_child(hears_in_another_network, &self->nl));
	EXPECT_LT(0, mnl_socket_recvfrom(self->nl.socket, self->nl.buffer,
					 sizeof(self->nl.buffer)));
}

/* --- a dump that somebody else reads --- */

/* More pools of his own than one answer has room for. */
static int asks_for_a_dump(void *argument)
{
	struct nl *nl = malloc(sizeof(*nl));
	int i;

	if (as_user() || nl_open(nl))
		return 1;
	for (i = 0; i < 200; i++) {
		struct segpool_setup setup = { 0 };

		if (sp_setup(sp_open(), &setup))
			return 3;
	}
	if (nl_send(nl, nl_begin(nl, SEGPOOL_CMD_POOL_GET, NLM_F_DUMP)))
		return 4;
	return sp_send_file(*(int *)argument, nl_fd(nl)) ? 2 : 0;
}

/* Who asked decides what comes, not who reads. */
TEST_F(access, dump_is_for_who_asked)
{
	struct dumped dumped = { .question = &self->question };
	struct nl *nl = &self->nl;
	struct sp_pool late;
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	ASSERT_EQ(0, sp_in_child(asks_for_a_dump, &sockets[1]));
	nl_close(nl);
	nl->socket = mnl_socket_fdopen(sp_receive_file(sockets[0]));
	ASSERT_NE(NULL, nl->socket);
	/* To be come to by the rest of it. */
	ASSERT_EQ(0, sp_pool_make(&late, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, BUDGET));
	self->question.others = late.id;
	/* The number of the child's second request. */
	nl->seq = 2;
	EXPECT_EQ(0, nl_answer(nl, count_pools, &dumped));
	EXPECT_TRUE(nl->interrupted);
	EXPECT_EQ(0, dumped.others);
	sp_pool_close(&late);
	close(sockets[0]);
	close(sockets[1]);
}

TEST_HARNESS_MAIN
