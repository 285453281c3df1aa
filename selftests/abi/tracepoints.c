// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints segpool:* exist, fire when their thing happens, once each,
 * and name the pool: what people used to look for in a program's log.
 */
#include "testing.h"
#include "testing_harness.h"

#define REGION		(256 * SP_KIB)
#define BUDGET		(4 * REGION)

static const char *const names[] = {
	"segpool_region_new", "segpool_region_reuse", "segpool_region_release",
	"segpool_region_cross_class", "segpool_pressure", "segpool_refusal", "segpool_shrink",
};

FIXTURE(trace) {
	struct sp_pool pool;
	struct segpool_region regions[4];
};

FIXTURE_SETUP(trace)
{
	ASSERT_EQ(0, sp_trace_begin());
	ASSERT_EQ(0, sp_trace_enable("segpool")) {
		TH_LOG("tracefs must be mounted at " SP_TRACEFS);
	}
	ASSERT_EQ(0, sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET,
				  BUDGET));
	ASSERT_EQ(0, sp_write_file(SP_TRACE "/trace", ""));
}

FIXTURE_TEARDOWN(trace)
{
	sp_pool_close(&self->pool);
	sp_trace_end();
}

/* How often the event has fired for this pool since the trace was emptied. */
static int fired(uint32_t pool, const char *name)
{
	char line[1024], event[80], by_id[32];
	FILE *file = fopen(SP_TRACE "/trace", "re");
	char *at;
	int n = 0;

	if (!file)
		return -errno;
	snprintf(event, sizeof(event), " %s: ", name);
	snprintf(by_id, sizeof(by_id), "pool=%u ", pool);
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, event);
		n += at && strstr(at, by_id);
	}
	fclose(file);
	return n;
}

TEST_F(trace, all_tracepoints_exist)
{
	char path[256];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), SP_TRACEFS "/events/segpool/%s/format", names[i]);
		EXPECT_EQ(0, access(path, R_OK)) {
			TH_LOG("there is no tracepoint segpool:%s", names[i]);
		}
	}
}

/* Programs that read the format know the numbers, and not the header's names. */
TEST_F(trace, formats_have_no_identifiers)
{
	char path[256], format[4096];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), SP_TRACEFS "/events/segpool/%s/format", names[i]);
		ASSERT_LT(0, sp_read_file(path, format, sizeof(format)));
		EXPECT_EQ(NULL, strstr(format, "SEGPOOL_")) {
			TH_LOG("%s", format);
		}
	}
}

TEST_F(trace, new_release_and_reuse)
{
	ASSERT_EQ(3, sp_alloc(self->pool.fd, 0, 0, 3, self->regions));
	EXPECT_EQ(3, fired(self->pool.id, "segpool_region_new"));
	EXPECT_EQ(0, fired(self->pool.id, "segpool_region_reuse"));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, 2, 0));
	EXPECT_EQ(2, fired(self->pool.id, "segpool_region_release"));
	ASSERT_EQ(0, sp_reuse(self->pool.fd, self->regions[0].handle, 0, 0, NULL));
	EXPECT_EQ(1, fired(self->pool.id, "segpool_region_reuse"));
	ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 0, 0, 0, self->regions, NULL));
	EXPECT_EQ(2, fired(self->pool.id, "segpool_region_reuse"));
	EXPECT_EQ(3, fired(self->pool.id, "segpool_region_new"));
	EXPECT_EQ(0, fired(self->pool.id, "segpool_region_cross_class"));
	EXPECT_EQ(0, fired(self->pool.id, "segpool_refusal"));
}

TEST_F(trace, cross_class)
{
	ASSERT_EQ(4, sp_alloc(self->pool.fd, 0, 0, 4, self->regions));
	ASSERT_EQ(0, sp_free(self->pool.fd, self->regions[0].handle, 0));
	ASSERT_EQ(0, sp_alloc_one(self->pool.fd, 3, 0, 0, self->regions, NULL));
	EXPECT_EQ(SEGPOOL_REGION_REUSED | SEGPOOL_REGION_CROSS, self->regions[0].flags);
	EXPECT_EQ(1, fired(self->pool.id, "segpool_region_cross_class"));
}

TEST_F(trace, refusal_and_pressure)
{
	struct segpool_region region;

	ASSERT_EQ(4, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 4, self->regions));
	EXPECT_EQ(1, fired(self->pool.id, "segpool_pressure"));
	EXPECT_EQ(-ENOMEM, sp_alloc_one(self->pool.fd, 0, 0, 0, &region, NULL));
	EXPECT_EQ(1, fired(self->pool.id, "segpool_refusal"));
}

/* drop_caches asks every shrinker until it has nothing left. */
TEST_F(trace, shrink)
{
	ASSERT_EQ(4, sp_alloc(self->pool.fd, 0, SEGPOOL_POPULATE, 4, self->regions));
	ASSERT_EQ(0, sp_free_regions(self->pool.fd, self->regions, 4, 0));
	ASSERT_EQ(BUDGET, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	ASSERT_TRUE(sp_drop_slab(self->pool.fd));
	EXPECT_EQ(0, sp_counter(self->pool.fd, SEGPOOL_C_RETAINED_BYTES));
	EXPECT_EQ(BUDGET / SP_PAGE, sp_counter(self->pool.fd, SEGPOOL_C_SHRUNK_PAGES));
	EXPECT_LE(1, fired(self->pool.id, "segpool_shrink"));
}

TEST_HARNESS_MAIN
