// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests as no client would make them: each attribute of each operation missing, of a
 * wrong type or length, twice, where it does not belong; unknown ones and unknown commands;
 * headers cut short; and what the kernel says about all this in advance, the policy.
 */
#include "pools.h"
#include "testing_harness.h"

#define REGION	SP_SMALL
#define BUDGET	(4 * REGION)

static const struct operation {
	uint8_t command;
	/* Attributes that the kernel takes, with their lengths; those that must be there first. */
	struct { uint16_t type, length; } attributes[3];
	unsigned int required;
	bool dumps;
} operations[] = {
	{ SEGPOOL_CMD_POOL_GET, { { SEGPOOL_A_POOL_ID, 4 } }, 1, true },
	{ SEGPOOL_CMD_POOL_SET, { { SEGPOOL_A_POOL_ID, 4 }, { SEGPOOL_A_POOL_LIMITS, 12 } }, 2,
	  false },
	{ SEGPOOL_CMD_POOL_TRIM, { { SEGPOOL_A_POOL_ID, 4 }, { SEGPOOL_A_POOL_TARGET_BYTES, 8 } },
	  1, false },
	{ SEGPOOL_CMD_CLASS_GET, { { SEGPOOL_A_CLASS_POOL_ID, 4 }, { SEGPOOL_A_CLASS_INDEX, 4 } },
	  2, true },
	{ SEGPOOL_CMD_MODULE_GET, { { 0, 0 } }, 0, false },
};

static const struct { uint16_t type, length; } limits[] = {
	{ SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES, 8 }, { SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES, 8 },
	{ SEGPOOL_A_LIMITS_RETAIN_LIMIT_BYTES, 8 }, { SEGPOOL_A_LIMITS_RETAIN_AGE_MS, 4 },
	{ SEGPOOL_A_LIMITS_WATERMARK, 4 },
};

FIXTURE(messages) {
	struct sp_pool pool;
	struct nl nl;
	struct nl_pool before;
};

FIXTURE_SETUP(messages)
{
	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET,
				  BUDGET));
	ASSERT_EQ(0, nl_get_pool(&self->nl, self->pool.id, &self->before));
}

/* Whatever was refused has changed nothing. */
FIXTURE_TEARDOWN(messages)
{
	struct nl_pool after;

	EXPECT_EQ(0, nl_get_pool(&self->nl, self->pool.id, &after));
	EXPECT_EQ(0, memcmp(&self->before.limits, &after.limits, sizeof(after.limits)));
	sp_pool_close(&self->pool);
	nl_close(&self->nl);
}

/* An attribute that is right: the pool, its first class, its budget as it is. */
static void put_right(struct nlmsghdr *message, const struct sp_pool *pool, uint16_t type,
		      uint16_t length)
{
	char bytes[64] = { 0 };
	struct nlattr *nest;

	if (length == 12) {
		nest = mnl_attr_nest_start(message, type);
		mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES, BUDGET);
		mnl_attr_nest_end(message, nest);
		return;
	}
	/* In both sets the pool's number comes first. */
	if (type == SEGPOOL_A_POOL_ID)
		memcpy(bytes, &pool->id, sizeof(pool->id));
	mnl_attr_put(message, type, length, bytes);
}

/* Puts all attributes of an operation but number @but, which @length bytes are put of, if any. */
static struct nlmsghdr *with_one_different(struct nl *nl, const struct operation *operation,
					   const struct sp_pool *pool, int but, int length)
{
	struct nlmsghdr *message = nl_begin(nl, operation->command, 0);
	char bytes[64] = { 1 };
	int i;

	for (i = 0; i < 3 && operation->attributes[i].type; i++) {
		if (i != but)
			put_right(message, pool, operation->attributes[i].type,
				  operation->attributes[i].length);
		else if (length >= 0)
			mnl_attr_put(message, operation->attributes[i].type, length, bytes);
	}
	return message;
}

TEST_F(messages, complete)
{
	unsigned int o;

	for (o = 0; o < ARRAY_SIZE(operations); o++)
		/* The class is asked for with the type that the pool has its own number under. */
		EXPECT_EQ(0, nl_ask(&self->nl, with_one_different(&self->nl, &operations[o],
								  &self->pool, -1, 0), NULL, NULL)) {
			TH_LOG("command %u: %s", operations[o].command, self->nl.sentence);
		}
}

TEST_F(messages, attribute_missing)
{
	unsigned int o, i;
	int error;

	for (o = 0; o < ARRAY_SIZE(operations); o++) {
		for (i = 0; i < 3 && operations[o].attributes[i].type; i++) {
			error = nl_ask(&self->nl, with_one_different(&self->nl, &operations[o],
								     &self->pool, i, -1), NULL,
				       NULL);
			EXPECT_EQ(i < operations[o].required ? -EINVAL : 0, error);
			if (i >= operations[o].required)
				continue;
			EXPECT_NE('\0', self->nl.sentence[0]);
			EXPECT_EQ(operations[o].attributes[i].type, self->nl.missing);
		}
	}
}

TEST_F(messages, attribute_of_a_wrong_length)
{
	static const int lengths[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 64 };
	const struct operation *operation;
	unsigned int o, i, l;
	int error;

	for (o = 0; o < ARRAY_SIZE(operations); o++) {
		operation = &operations[o];
		for (i = 0; i < 3 && operation->attributes[i].type; i++) {
			for (l = 0; l < ARRAY_SIZE(lengths); l++) {
				if (lengths[l] == operation->attributes[i].length)
					continue;
				error = nl_ask(&self->nl, with_one_different(&self->nl, operation,
						&self->pool, i, lengths[l]), NULL, NULL);
				EXPECT_TRUE(error == -EINVAL || error == -ERANGE) {
					TH_LOG("command %u, attribute %u of %d bytes: %d",
					       operation->command, operation->attributes[i].type,
					       lengths[l], error);
				}
				EXPECT_NE('\0', self->nl.sentence[0]);
			}
		}
	}
}

/* All attributes that are there are right, and one is added. */
static int ask_with(struct nl *nl, const struct operation *operation, const struct sp_pool *pool,
		    uint16_t type, uint16_t length)
{
	struct nlmsghdr *message = with_one_different(nl, operation, pool, -1, 0);
	char bytes[64] = { 1 };

	mnl_attr_put(message, type, length, bytes);
	return nl_ask(nl, message, NULL, NULL);
}

TEST_F(messages, attribute_that_does_not_belong_there)
{
	unsigned int o, i;
	uint16_t type;
	bool known;

	for (o = 0; o < ARRAY_SIZE(operations); o++) {
		for (type = 0; type < 40; type++) {
			for (known = false, i = 0; i < 3; i++)
				known |= operations[o].attributes[i].type == type && type;
			if (known)
				continue;
			EXPECT_EQ(-EINVAL, ask_with(&self->nl, &operations[o], &self->pool, type, 4)) {
				TH_LOG("command %u, attribute %u", operations[o].command, type);
			}
			EXPECT_NE('\0', self->nl.sentence[0]);
		}
		EXPECT_EQ(-EINVAL, ask_with(&self->nl, &operations[o], &self->pool, 0x3fff, 4));
	}
}

/* The number in the wrong byte order, or said to be a nest; a nest said to be none. */
TEST_F(messages, attribute_of_a_wrong_type)
{
	struct nlmsghdr *message;

	message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, 0);
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID | NLA_F_NESTED, self->pool.id);
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));
	EXPECT_NE('\0', self->nl.sentence[0]);
	message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_SET, 0);
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, self->pool.id);
	mnl_attr_put(message, SEGPOOL_A_POOL_LIMITS, 0, NULL);
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));
	EXPECT_NE('\0', self->nl.sentence[0]);
	message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, 0);
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, 0);
	EXPECT_EQ(-ERANGE, nl_ask(&self->nl, message, NULL, NULL));
}

static int set_with(struct nl *nl, const struct sp_pool *pool, uint16_t type, uint16_t length)
{
	struct nlmsghdr *message = nl_begin(nl, SEGPOOL_CMD_POOL_SET, 0);
	char bytes[64] = { 1 };
	struct nlattr *nest;

	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, pool->id);
	nest = mnl_attr_nest_start(message, SEGPOOL_A_POOL_LIMITS);
	/* What is right comes first, and must not be done either. */
	mnl_attr_put_u64(message, SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES, SP_PAGE);
	mnl_attr_put(message, type, length, bytes);
	mnl_attr_nest_end(message, nest);
	return nl_ask(nl, message, NULL, NULL);
}

TEST_F(messages, limits_of_a_wrong_length_or_type)
{
	static const int lengths[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 64 };
	unsigned int i, l;
	uint16_t type;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		for (l = 0; l < ARRAY_SIZE(lengths); l++) {
			if (lengths[l] == limits[i].length)
				continue;
			EXPECT_GT(0, set_with(&self->nl, &self->pool, limits[i].type, lengths[l])) {
				TH_LOG("limit %u of %d bytes", limits[i].type, lengths[l]);
			}
			EXPECT_NE('\0', self->nl.sentence[0]);
		}
	for (type = 0; type < 40; type++)
		if (type < SEGPOOL_A_LIMITS_VIRTUAL_BUDGET_BYTES || type > SEGPOOL_A_LIMITS_MAX) {
			EXPECT_EQ(-EINVAL, set_with(&self->nl, &self->pool, type, 8));
		}
}

TEST_F(messages, unknown_commands_and_ways)
{
	unsigned int command, o;
	bool known, dumps;

	for (command = 0; command < 256; command++) {
		for (known = dumps = false, o = 0; o < ARRAY_SIZE(operations); o++) {
			known |= operations[o].command == command;
			dumps |= operations[o].command == command && operations[o].dumps;
		}
		if (!known) {
			EXPECT_EQ(-EOPNOTSUPP, nl_ask(&self->nl, nl_begin(&self->nl, command, 0), NULL,
						      NULL));
		}
		if (!dumps) {
			EXPECT_EQ(-EOPNOTSUPP, nl_ask(&self->nl, nl_begin(&self->nl, command,
									  NLM_F_DUMP), NULL,
						      NULL));
		}
	}
}

TEST_F(messages, header_that_is_wrong)
{
	struct nlmsghdr *message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, 0);
	struct genlmsghdr *header = mnl_nlmsg_get_payload(message);

	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, self->pool.id);
	header->reserved = 1;
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));

	message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, 0);
	message->nlmsg_len = sizeof(*message) + 2;
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));

	/* An attribute that is longer than the message, and bytes behind the last one. */
	message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, 0);
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, self->pool.id);
	((struct nlattr *)mnl_nlmsg_get_payload_offset(message, sizeof(*header)))->nla_len = 60;
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));
	message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, 0);
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, self->pool.id);
	message->nlmsg_len += 3;
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));
}

/* A dump takes no attribute but the pool of CLASS_GET. */
TEST_F(messages, dump_with_attributes)
{
	struct nlmsghdr *message;

	message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, NLM_F_DUMP);
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_ID, self->pool.id);
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));
	EXPECT_STREQ("a dump is of all pools: ask without it", self->nl.sentence);
	message = nl_begin(&self->nl, SEGPOOL_CMD_CLASS_GET, NLM_F_DUMP);
	mnl_attr_put_u32(message, SEGPOOL_A_CLASS_INDEX, 0);
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));
	EXPECT_STREQ("a dump is of all classes: ask without it", self->nl.sentence);
	message = nl_begin(&self->nl, SEGPOOL_CMD_POOL_GET, NLM_F_DUMP);
	mnl_attr_put_u32(message, SEGPOOL_A_POOL_MODE, 0);
	EXPECT_EQ(-EINVAL, nl_ask(&self->nl, message, NULL, NULL));
}

/* --- policy --- */

struct policies {
	/* By command: number of the policy of the request, and of the dump. */
	uint32_t requests[16], dumps[16];
	/* By number and attribute: its type, NL_ATTR_TYPE_*; its bounds. */
	uint32_t types[16][16];
	uint64_t largest[16][16];
	uint32_t nested[16][16];
	unsigned int operations;
};

static void note_operation_policy(const struct nlattr *operation, struct policies *policies)
{
	uint16_t command = mnl_attr_get_type(operation);
	const struct nlattr *attribute;

	policies->operations++;
	mnl_attr_for_each_nested(attribute, operation) {
		if (command < 16 && mnl_attr_get_type(attribute) == CTRL_ATTR_POLICY_DO)
			policies->requests[command] = mnl_attr_get_u32(attribute);
		if (command < 16 && mnl_attr_get_type(attribute) == CTRL_ATTR_POLICY_DUMP)
			policies->dumps[command] = mnl_attr_get_u32(attribute);
	}
}

static void note_type(const struct nlattr *type, uint32_t policy, uint32_t number,
		      struct policies *policies)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, type) {
		switch (mnl_attr_get_type(attribute)) {
		case NL_POLICY_TYPE_ATTR_TYPE:
			policies->types[policy][number] = mnl_attr_get_u32(attribute);
			break;
		case NL_POLICY_TYPE_ATTR_MAX_VALUE_U:
			policies->largest[policy][number] = mnl_attr_get_u64(attribute);
			break;
		case NL_POLICY_TYPE_ATTR_POLICY_IDX:
			policies->nested[policy][number] = mnl_attr_get_u32(attribute);
			break;
		}
	}
}

static void note_policies(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute, *policy, *type;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_OP_POLICY)
			mnl_attr_for_each_nested(policy, attribute)
				note_operation_policy(policy, context);
		if (mnl_attr_get_type(attribute) != CTRL_ATTR_POLICY)
			continue;
		mnl_attr_for_each_nested(policy, attribute)
			mnl_attr_for_each_nested(type, policy)
				if (mnl_attr_get_type(policy) < 16 && mnl_attr_get_type(type) < 16)
					note_type(type, mnl_attr_get_type(policy),
						  mnl_attr_get_type(type), context);
	}
}

TEST_F(messages, policy_tells_what_is_taken)
{
	struct policies p = { 0 };
	struct nlmsghdr *message = nl_begin(&self->nl, CTRL_CMD_GETPOLICY, NLM_F_DUMP);
	uint32_t set, trim, inner;

	message->nlmsg_type = GENL_ID_CTRL;
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, SEGPOOL_FAMILY_NAME);
	ASSERT_EQ(0, nl_ask(&self->nl, message, note_policies, &p));
	EXPECT_EQ(ARRAY_SIZE(operations), p.operations);
	EXPECT_EQ(NL_ATTR_TYPE_U32, p.types[p.requests[SEGPOOL_CMD_POOL_GET]][SEGPOOL_A_POOL_ID]);
	EXPECT_EQ(0, p.types[p.requests[SEGPOOL_CMD_POOL_GET]][SEGPOOL_A_POOL_LIMITS]);
	EXPECT_EQ(p.requests[SEGPOOL_CMD_POOL_GET], p.dumps[SEGPOOL_CMD_POOL_GET]);
	set = p.requests[SEGPOOL_CMD_POOL_SET];
	EXPECT_EQ(NL_ATTR_TYPE_NESTED, p.types[set][SEGPOOL_A_POOL_LIMITS]);
	inner = p.nested[set][SEGPOOL_A_POOL_LIMITS];
	EXPECT_EQ(NL_ATTR_TYPE_U64, p.types[inner][SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES]);
	EXPECT_EQ(SEGPOOL_MAX_PHYSICAL, p.largest[inner][SEGPOOL_A_LIMITS_PHYSICAL_BUDGET_BYTES]);
	EXPECT_EQ(SEGPOOL_MAX_AGE_MS, p.largest[inner][SEGPOOL_A_LIMITS_RETAIN_AGE_MS]);
	EXPECT_EQ(100, p.largest[inner][SEGPOOL_A_LIMITS_WATERMARK]);
	trim = p.requests[SEGPOOL_CMD_POOL_TRIM];
	EXPECT_EQ(NL_ATTR_TYPE_U64, p.types[trim][SEGPOOL_A_POOL_TARGET_BYTES]);
	EXPECT_EQ(NL_ATTR_TYPE_U32, p.types[p.requests[SEGPOOL_CMD_CLASS_GET]][SEGPOOL_A_CLASS_INDEX]);
}

TEST_HARNESS_MAIN
