// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the family says about pools, classes and the module, beside what STAT and debugfs
 * say; one by one and in dumps, while pools come and go, and with many of them.
 */
#include "pools.h"
#include <poll.h>
#include <sys/resource.h>
#include "testing_harness.h"

#define REGION	SP_SMALL
#define BUDGET	(8 * REGION)
#define MANY	3000

FIXTURE(get) {
	struct sp_pool pool;
	struct nl nl;
};

FIXTURE_SETUP(get)
{
	struct segpool_region regions[4];

	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET,
				  BUDGET / 2));
	ASSERT_EQ(3, sp_alloc(self->pool.fd, 1, SEGPOOL_POPULATE, 3, regions));
	ASSERT_EQ(0, sp_free(self->pool.fd, regions[0].handle, 0));
}

FIXTURE_TEARDOWN(get)
{
	sp_pool_close(&self->pool);
	nl_close(&self->nl);
}

TEST_F(get, pool_as_stat_has_it)
{
	uint64_t values[SEGPOOL_NR_COUNTERS];
	struct nl_pool pool;
	unsigned int i;

	ASSERT_EQ(0, sp_stat(self->pool.fd, values));
	ASSERT_EQ(0, nl_get_pool(&self->nl, self->pool.id, &pool));
	EXPECT_EQ(1, pool.count);
	EXPECT_EQ(SEGPOOL_CMD_POOL_GET, pool.command);
	EXPECT_EQ(self->pool.id, pool.id);
	EXPECT_EQ(getpid(), pool.pid);
	EXPECT_EQ(0, strncmp(program_invocation_short_name, pool.comm, 15));
	EXPECT_EQ(SEGPOOL_MODE_STRICT, pool.mode);
	EXPECT_EQ(REGION, pool.region_bytes);
	EXPECT_EQ(self->pool.setup.nr_classes, pool.nr_classes);
	EXPECT_EQ(0, pool.pressure);
	EXPECT_EQ(SEGPOOL_NR_COUNTERS, pool.nr_counters);
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++)
		EXPECT_EQ(values[i], pool.counters[i]) {
			TH_LOG("%s", sp_counter_name(i));
		}
	EXPECT_EQ(2 * REGION, pool.counters[SEGPOOL_C_PHYSICAL_BYTES]);
	EXPECT_EQ(REGION, pool.counters[SEGPOOL_C_RETAINED_BYTES]);
	EXPECT_EQ(5, pool.nr_limits);
	EXPECT_EQ(0, memcmp(&pool.limits, &self->pool.setup.limits, sizeof(pool.limits)));
	EXPECT_EQ(0, pool.has >> SEGPOOL_A_POOL_NR_CLASSES >> 1);
	EXPECT_EQ(0, pool.has & (1ULL << SEGPOOL_A_POOL_SEQ));
}

TEST_F(get, pool_that_is_not_there)
{
	struct nl_pool pool;

	EXPECT_EQ(-ENOENT, nl_get_pool(&self->nl, self->pool.id + 1, &pool));
	EXPECT_STREQ("there is no such pool", self->nl.sentence);
	EXPECT_NE(0, self->nl.about);
	EXPECT_EQ(-ENOENT, nl_get_pool(&self->nl, UINT32_MAX, &pool));
	sp_pool_close(&self->pool);
	EXPECT_EQ(-ENOENT, nl_get_pool(&self->nl, self->pool.id, &pool));
	EXPECT_EQ(0, pool.count);
}

TEST_F(get, pressure)
{
	struct segpool_region regions[8];
	struct nl_pool pool;

	ASSERT_EQ(6, sp_alloc(self->pool.fd, 1, SEGPOOL_POPULATE, 6, regions));
	ASSERT_EQ(0, nl_get_pool(&self->nl, self->pool.id, &pool));
	EXPECT_EQ(1, pool.pressure);
}

static int get_class(struct nl *nl, uint32_t pool, uint32_t index, struct nl_class *class)
{
	struct nlmsghdr *message = nl_begin(nl, SEGPOOL_CMD_CLASS_GET, 0);

	memset(class, 0, sizeof(*class));
	mnl_attr_put_u32(message, SEGPOOL_A_CLASS_POOL_ID, pool);
	mnl_attr_put_u32(message, SEGPOOL_A_CLASS_INDEX, index);
	return nl_ask(nl, message, nl_read_class, class);
}

TEST_F(get, class_as_stat_has_it)
{
	uint64_t values[SEGPOOL_NR_CLASS_COUNTERS];
	struct nl_class class;
	uint32_t index, i;

	for (index = 0; index < self->pool.setup.nr_classes; index++) {
		ASSERT_EQ(0, sp_class_stat(self->pool.fd, index, values));
		ASSERT_EQ(0, get_class(&self->nl, self->pool.id, index, &class));
		EXPECT_EQ(self->pool.id, class.pool_id);
		EXPECT_EQ(index, class.index);
		EXPECT_EQ(SEGPOOL_NR_CLASS_COUNTERS, class.nr_counters);
		for (i = 0; i < SEGPOOL_NR_CLASS_COUNTERS; i++)
			EXPECT_EQ(values[i], class.counters[i]) {
				TH_LOG("%s", sp_class_counter_name(i));
		}
	}
	EXPECT_EQ(-ENOENT, get_class(&self->nl, self->pool.id, index, &class));
	EXPECT_STREQ("the pool has no such class", self->nl.sentence);
	EXPECT_EQ(-ENOENT, get_class(&self->nl, self->pool.id + 1, 0, &class));
	EXPECT_STREQ("there is no such pool", self->nl.sentence);
	EXPECT_EQ(-ERANGE, get_class(&self->nl, self->pool.id, SEGPOOL_MAX_CLASSES, &class));
}

struct module_state {
	uint64_t values[SEGPOOL_A_MODULE_MAX + 1];
	uint64_t counters[SEGPOOL_NR_COUNTERS];
	uint32_t nr_counters;
};

static void read_module(const struct nlmsghdr *message, void *context)
{
	struct module_state *module = context;
	const struct nlattr *attribute;
	uint16_t type;

	memset(module->counters, 0xff, sizeof(module->counters));
	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) {
		type = mnl_attr_get_type(attribute);
		if (type == SEGPOOL_A_MODULE_COUNTERS)
			module->nr_counters = nl_counters(attribute, module->counters,
							  SEGPOOL_NR_COUNTERS);
		else if (type <= SEGPOOL_A_MODULE_MAX)
			module->values[type] = type <= SEGPOOL_A_MODULE_POOLS_CREATED ?
					       mnl_attr_get_u32(attribute) :
					       mnl_attr_get_u64(attribute);
	}
}

TEST_F(get, module_as_debugfs_has_it)
{
	static const struct {
		int attribute;
		const char *name;
	} values[] = {
		{ SEGPOOL_A_MODULE_POOLS, "pools" },
		{ SEGPOOL_A_MODULE_POOLS_CREATED, "pools_created" },
		{ SEGPOOL_A_MODULE_CEILING_BYTES, "ceiling_bytes" },
		{ SEGPOOL_A_MODULE_CEILING_USED_BYTES, "ceiling_used_bytes" },
		{ SEGPOOL_A_MODULE_METADATA_BYTES, "metadata_bytes" },
	};
	struct module_state module = { 0 };
	unsigned int i, seen = 0;
	uint64_t value;

	ASSERT_EQ(0, nl_ask(&self->nl, nl_begin(&self->nl, SEGPOOL_CMD_MODULE_GET, 0), read_module,
			    &module));
	for (i = 0; i < ARRAY_SIZE(values); i++)
		EXPECT_EQ(sp_module_counter(values[i].name), module.values[values[i].attribute]) {
			TH_LOG("attribute %d", values[i].attribute);
		}
	EXPECT_EQ(1, module.values[SEGPOOL_A_MODULE_POOLS]);
	/* Those that debugfs does not have either are not there: all bits set. */
	for (i = 0; i < SEGPOOL_NR_COUNTERS; i++) {
		value = sp_module_counter(sp_counter_name(i));
		seen += value != UINT64_MAX;
		EXPECT_EQ(value, module.counters[i]) {
			TH_LOG("%s", sp_counter_name(i));
		}
	}
	EXPECT_EQ(seen, module.nr_counters);
	EXPECT_LT(20, seen);
	EXPECT_GT(SEGPOOL_NR_COUNTERS, seen);
}

/* --- dumps --- */

static struct nlmsghdr *pool_dump(struct nl *nl)
{
	return nl_begin(nl, SEGPOOL_CMD_POOL_GET, NLM_F_DUMP);
}

/* What a dump has brought. */
struct seen {
	unsigned int pools;
	uint32_t last_id;
	bool in_order;
	uint64_t counters_missing;
};

static void see(const struct nlmsghdr *message, void *context)
{
	struct nl_pool pool = { 0 };
	struct seen *seen = context;

	nl_read_pool(message, &pool);
	seen->in_order = (!seen->pools || seen->in_order) && pool.id > seen->last_id;
	seen->last_id = pool.id;
	seen->pools++;
	seen->counters_missing += SEGPOOL_NR_COUNTERS - pool.nr_counters;
}

static int open_pools(int *fds, int nr)
{
	struct segpool_setup setup;
	int i, error;

	for (i = 0; i < nr; i++) {
		memset(&setup, 0, sizeof(setup));
		fds[i] = sp_open();
		error = fds[i] < 0 ? fds[i] : sp_setup(fds[i], &setup);
		if (error)
			return error;
	}
	return 0;
}

static void close_pools(const int *fds, int nr)
{
	while (nr--)
		close(fds[nr]);
}

/* Each of a batch may use many files. */
static void more_files(void)
{
	struct rlimit limit = { MANY + 64, MANY + 64 };

	setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_F(get, dump_has_each_of_many_pools_once)
{
	struct seen seen = { 0 };
	static int fds[MANY];

	more_files();
	ASSERT_EQ(0, open_pools(fds, MANY));
	ASSERT_EQ(0, nl_ask(&self->nl, pool_dump(&self->nl), see, &seen));
	EXPECT_EQ(MANY + 1, seen.pools);
	EXPECT_TRUE(seen.in_order);
	EXPECT_EQ(self->pool.id + MANY, seen.last_id);
	EXPECT_EQ(0, seen.counters_missing);
	EXPECT_FALSE(self->nl.interrupted);
	close_pools(fds, MANY);
}

TEST_F(get, dump_without_pools)
{
	struct seen seen = { 0 };

	sp_pool_close(&self->pool);
	EXPECT_EQ(0, nl_ask(&self->nl, pool_dump(&self->nl), see, &seen));
	EXPECT_EQ(0, seen.pools);
}

/* One answer of a dump has some of 300 pools; then one goes, or comes, and it is read on. */
static int dump_with_change(struct nl *nl, const struct nlmsghdr *request, int *fds, bool comes,
			    struct seen *seen)
{
	int error = nl_send(nl, request);

	if (error)
		return error;
	if (comes)
		error = open_pools(&fds[300], 1);
	else
		close(fds[150]);
	return error ? error : nl_answer(nl, see, seen);
}

TEST_F(get, dump_says_that_a_pool_went)
{
	struct seen seen = { 0 };
	int fds[301];

	ASSERT_EQ(0, open_pools(fds, 300));
	ASSERT_EQ(0, dump_with_change(&self->nl, pool_dump(&self->nl), fds, false, &seen));
	EXPECT_TRUE(self->nl.interrupted);
	EXPECT_TRUE(seen.in_order);
	EXPECT_LE(300, seen.pools);
	memset(&seen, 0, sizeof(seen));
	ASSERT_EQ(0, nl_ask(&self->nl, pool_dump(&self->nl), see, &seen));
	EXPECT_FALSE(self->nl.interrupted);
	EXPECT_EQ(300, seen.pools);
	fds[150] = fds[299];
	close_pools(fds, 299);
}

TEST_F(get, dump_says_that_a_pool_came)
{
	struct seen seen = { 0 };
	int fds[301];

	ASSERT_EQ(0, open_pools(fds, 300));
	ASSERT_EQ(0, dump_with_change(&self->nl, pool_dump(&self->nl), fds, true, &seen));
	EXPECT_TRUE(self->nl.interrupted);
	EXPECT_EQ(302, seen.pools);
	close_pools(fds, 301);
}

static void see_class(const struct nlmsghdr *message, void *context)
{
	struct nl_class class = { 0 }, *sum = context;

	nl_read_class(message, &class);
	sum->count++;
	/* Each class of a pool comes after the one before it. */
	sum->nr_counters += class.nr_counters == SEGPOOL_NR_CLASS_COUNTERS &&
			    (class.index ? class.pool_id == sum->pool_id &&
					   class.index == sum->index + 1 :
					   class.pool_id > sum->pool_id);
	sum->pool_id = class.pool_id;
	sum->index = class.index;
}

TEST_F(get, dump_of_classes)
{
	uint32_t nr = self->pool.setup.nr_classes;
	struct nl_class sum = { 0 };
	struct nlmsghdr *message;
	int fds[200];

	ASSERT_EQ(0, open_pools(fds, 200));
	message = nl_begin(&self->nl, SEGPOOL_CMD_CLASS_GET, NLM_F_DUMP);
	ASSERT_EQ(0, nl_ask(&self->nl, message, see_class, &sum));
	EXPECT_EQ(nr + 200 * SEGPOOL_DEFAULT_CLASSES, sum.count);
	EXPECT_EQ(sum.count, sum.nr_counters);

	memset(&sum, 0, sizeof(sum));
	message = nl_begin(&self->nl, SEGPOOL_CMD_CLASS_GET, NLM_F_DUMP);
	mnl_attr_put_u32(message, SEGPOOL_A_CLASS_POOL_ID, self->pool.id);
	ASSERT_EQ(0, nl_ask(&self->nl, message, see_class, &sum));
	EXPECT_EQ(nr, sum.count);
	EXPECT_EQ(nr, sum.nr_counters);
	EXPECT_EQ(self->pool.id, sum.pool_id);

	message = nl_begin(&self->nl, SEGPOOL_CMD_CLASS_GET, NLM_F_DUMP);
	mnl_attr_put_u32(message, SEGPOOL_A_CLASS_POOL_ID, self->pool.id + 1000);
	EXPECT_EQ(-ENOENT, nl_ask(&self->nl, message, see_class, &sum));
	close_pools(fds, 200);
}

/* A dump that is given up half-way keeps nothing: the pools can go, and so can the module. */
TEST_F(get, dump_given_up)
{
	struct pollfd readable;
	struct nl_pool pool;
	int fds[300];

	ASSERT_EQ(0, open_pools(fds, 300));
	ASSERT_EQ(0, nl_send(&self->nl, pool_dump(&self->nl)));
	readable = (struct pollfd){ .fd = nl_fd(&self->nl), .events = POLLIN };
	EXPECT_EQ(1, poll(&readable, 1, 60000));
	close_pools(fds, 300);
	nl_close(&self->nl);
	ASSERT_EQ(0, nl_open(&self->nl));
	EXPECT_EQ(0, nl_get_pool(&self->nl, self->pool.id, &pool));
	EXPECT_EQ(1, sp_module_counter("pools"));
}

struct churn {
	_Atomic bool stop;
	_Atomic unsigned int rounds, wrong;
	uint32_t id;
};

/* Members 0 and 1 open and close pools; the others dump, and ask for one that stays. */
static void churn_member(void *argument, unsigned int member)
{
	struct churn *churn = argument;
	struct nl *nl = malloc(sizeof(*nl));
	struct nl_pool pool;
	struct seen seen;
	int i, fds[8];

	if (!nl || nl_open(nl))
		abort();
	if (member < 2) {
		while (!churn->stop) {
			if (open_pools(fds, 8))
				churn->wrong++;
			close_pools(fds, 8);
		}
	} else {
		for (i = 0; i < 300; i++) {
			memset(&seen, 0, sizeof(seen));
			churn->wrong += nl_ask(nl, pool_dump(nl), see, &seen) || !seen.in_order;
			churn->wrong += nl_get_pool(nl, churn->id, &pool) || pool.id != churn->id;
			/* May be there, or not. */
			nl_get_pool(nl, seen.last_id, &pool);
		}
		if (++churn->rounds == 2)
			churn->stop = true;
	}
	nl_close(nl);
	free(nl);
}

TEST_F(get, dumps_while_pools_come_and_go)
{
	struct churn churn = { .id = self->pool.id };

	sp_team_run(4, churn_member, &churn);
	EXPECT_EQ(0, churn.wrong);
	EXPECT_EQ(1, sp_module_counter("pools"));
	EXPECT_NO_DRIFT(&self->pool);
}

TEST_HARNESS_MAIN
