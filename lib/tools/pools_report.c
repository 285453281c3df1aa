// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <linux/segpool_netlink.h>

#include "pools_report.h"

const char *const reason_names[NR_REASONS] = { "none", "virtual", "physical", "ceiling", "system" };

/* What somebody can do about it. */
static const char *const remedies[NR_REASONS] = {
	[SEGPOOL_REASON_VIRTUAL] = "no addresses left: segpool set POOL --virtual SIZE",
	[SEGPOOL_REASON_PHYSICAL] = "its budget is in use: segpool set POOL --physical SIZE",
	[SEGPOOL_REASON_CEILING] = "all pools together: parameter ceiling_mib of the module",
	[SEGPOOL_REASON_SYSTEM] = "no memory in the machine, or in the program's cgroup",
};

static const enum segpool_counter refused[NR_REASONS] = {
	[SEGPOOL_REASON_VIRTUAL] = SEGPOOL_C_REFUSED_VIRTUAL,
	[SEGPOOL_REASON_PHYSICAL] = SEGPOOL_C_REFUSED_PHYSICAL,
	[SEGPOOL_REASON_CEILING] = SEGPOOL_C_REFUSED_CEILING,
	[SEGPOOL_REASON_SYSTEM] = SEGPOOL_C_REFUSED_SYSTEM,
};

const char *name_text(const char *name, char text[NAME_TEXT])
{
	char *end = text;

	for (; *name && end - text < NAME_TEXT - 5; name++) {
		if (*name == '\\')
			end += sprintf(end, "\\\\");
		else if (*name >= 0x20 && *name < 0x7f)
			*end++ = *name;
		else
			end += sprintf(end, "\\x%02x", (unsigned char)*name);
	}
	*end = '\0';
	return text;
}

const char *mode_text(uint32_t mode)
{
	static const char *const names[] = { "strict", "pinnable", "huge" };

	return mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "unknown";
}

double reuse_ratio_of(uint64_t reused, uint64_t carved)
{
	uint64_t all = reused + carved;

	return all ? (double)reused / (double)all : -1;
}

static const char *ratio_text(uint64_t reused, uint64_t carved, char text[SIZE_TEXT])
{
	double ratio = reuse_ratio_of(reused, carved);

	if (ratio < 0)
		return "-";
	snprintf(text, SIZE_TEXT, "%.1f%%", 100 * ratio);
	return text;
}

static uint64_t refusals_of(const struct pool *pool)
{
	uint64_t sum = 0;

	for (int reason = SEGPOOL_REASON_VIRTUAL; reason < NR_REASONS; reason++)
		sum += pool->counters[refused[reason]];
	return sum;
}

/* --- for people --- */

void report_list(const struct pool_list *list, enum size_style style)
{
	char name[NAME_TEXT], ratio[SIZE_TEXT], sizes[5][SIZE_TEXT];

	printf("%6s %7s %-8s %12s %12s %12s %12s %12s %6s %9s  %s\n", "POOL", "PID", "MODE",
	       "VIRTUAL", "BUDGET", "PHYSICAL", "RETAINED", "BUDGET", "REUSE", "REFUSED", "COMMAND");
	for (size_t i = 0; i < list->count; i++) {
		const struct pool *pool = &list->items[i];
		const uint64_t *now = pool->counters;

		printf("%6u %7u %-8s %12s %12s %12s %12s %12s %6s %9" PRIu64 "  %s%s\n", pool->id,
		       pool->pid, mode_text(pool->mode),
		       size_text(now[SEGPOOL_C_VIRTUAL_BYTES], style, sizes[0]),
		       size_text(now[SEGPOOL_C_VIRTUAL_BUDGET_BYTES], style, sizes[1]),
		       size_text(now[SEGPOOL_C_PHYSICAL_BYTES], style, sizes[2]),
		       size_text(now[SEGPOOL_C_RETAINED_BYTES], style, sizes[3]),
		       size_text(now[SEGPOOL_C_PHYSICAL_BUDGET_BYTES], style, sizes[4]),
		       ratio_text(now[SEGPOOL_C_REUSED_REGIONS], now[SEGPOOL_C_NEW_REGIONS], ratio),
		       refusals_of(pool), name_text(pool->comm, name),
		       pool->pressure ? "  (pressure)" : "");
	}
}

void report_state(const struct pool *pool, enum size_style style)
{
	const uint64_t *now = pool->counters;
	char size[5][SIZE_TEXT];

	printf("virtual %s of %s, physical %s and retained %s of %s",
	       size_text(now[SEGPOOL_C_VIRTUAL_BYTES], style, size[0]),
	       size_text(now[SEGPOOL_C_VIRTUAL_BUDGET_BYTES], style, size[1]),
	       size_text(now[SEGPOOL_C_PHYSICAL_BYTES], style, size[2]),
	       size_text(now[SEGPOOL_C_RETAINED_BYTES], style, size[3]),
	       size_text(now[SEGPOOL_C_PHYSICAL_BUDGET_BYTES], style, size[4]));
}

static void show_memory(const struct pool *pool, enum size_style style)
{
	const struct segpool_limits *limits = &pool->limits;
	const uint64_t *now = pool->counters;
	char size[4][SIZE_TEXT];

	printf("  virtual   %s of %s, in a reservation of %s\n",
	       size_text(now[SEGPOOL_C_VIRTUAL_BYTES], style, size[0]),
	       size_text(limits->virtual_budget, style, size[1]),
	       size_text(now[SEGPOOL_C_RESERVATION_BYTES], style, size[2]));
	printf("  physical  %s, with what is retained %s of %s; at most %s so far\n",
	       size_text(now[SEGPOOL_C_PHYSICAL_BYTES], style, size[0]),
	       size_text(now[SEGPOOL_C_PHYSICAL_BYTES] + now[SEGPOOL_C_RETAINED_BYTES], style,
			 size[1]),
	       size_text(limits->physical_budget, style, size[2]),
	       size_text(now[SEGPOOL_C_PHYSICAL_PEAK_BYTES], style, size[3]));
	printf("  retained  %s of %s, ", size_text(now[SEGPOOL_C_RETAINED_BYTES], style, size[0]),
	       size_text(limits->retain_limit, style, size[1]));
	if (limits->retain_age_ms)
		printf("for %.1f s\n", limits->retain_age_ms / 1000.0);
	else
		printf("until somebody needs the memory\n");
}

static void show_regions(const struct pool *pool)
{
	const uint64_t *now = pool->counters;
	char ratio[SIZE_TEXT];

	printf("  regions   %" PRIu64 " handed out, %" PRIu64 " wait for reuse; so far %" PRIu64
	       " were carved, %" PRIu64 " reused (%s)\n", now[SEGPOOL_C_REGIONS_ACTIVE],
	       now[SEGPOOL_C_REGIONS_FREED], now[SEGPOOL_C_NEW_REGIONS],
	       now[SEGPOOL_C_REUSED_REGIONS],
	       ratio_text(now[SEGPOOL_C_REUSED_REGIONS], now[SEGPOOL_C_NEW_REGIONS], ratio));
	printf("  pressure  %s, from %u%% of the physical budget on; signalled %" PRIu64 " times\n",
	       pool->pressure ? "yes" : "no", pool->limits.watermark,
	       now[SEGPOOL_C_PRESSURE_EVENTS]);
	printf("  waiting   %" PRIu64 " requests now, %" PRIu64 " so far\n",
	       now[SEGPOOL_C_WAITERS], now[SEGPOOL_C_WAITS]);
}

static void show_refusals(const struct pool *pool)
{
	printf("  refused   %" PRIu64 " requests\n", refusals_of(pool));
	for (int reason = SEGPOOL_REASON_VIRTUAL; reason < NR_REASONS; reason++)
		if (pool->counters[refused[reason]])
			printf("            %" PRIu64 " %s: %s\n", pool->counters[refused[reason]],
			       reason_names[reason], remedies[reason]);
	if (pool->counters[SEGPOOL_C_SIGBUS_FAULTS])
		printf("            %" PRIu64 " touches of pages, with SIGBUS\n",
		       pool->counters[SEGPOOL_C_SIGBUS_FAULTS]);
	if (pool->counters[SEGPOOL_C_DOUBLE_FREES] || pool->counters[SEGPOOL_C_STALE_FREES])
		printf("            %" PRIu64 " double and %" PRIu64
		       " stale releases: a mistake in the program\n",
		       pool->counters[SEGPOOL_C_DOUBLE_FREES],
		       pool->counters[SEGPOOL_C_STALE_FREES]);
}

static void show_class(const struct pool *pool, const struct pool_class *item,
		       enum size_style style)
{
	char size[2][SIZE_TEXT], ratio[SIZE_TEXT];
	const uint64_t *now = item->counters;
	uint64_t segment = now[SEGPOOL_CC_SEGMENT_BYTES];

	printf("  %5u %10s %8" PRIu64 " %10" PRIu64 " %12s %8" PRIu64 " %10" PRIu64 " %10" PRIu64
	       " %8" PRIu64 " %7s %9" PRIu64 "\n", item->index, size_text(segment, style, size[0]),
	       now[SEGPOOL_CC_REGIONS_ACTIVE],
	       segment ? now[SEGPOOL_CC_REGIONS_ACTIVE] * (pool->region_bytes / segment) : 0,
	       size_text(now[SEGPOOL_CC_REGIONS_ACTIVE] * pool->region_bytes, style, size[1]),
	       now[SEGPOOL_CC_REGIONS_FREED], now[SEGPOOL_CC_NEW_REGIONS],
	       now[SEGPOOL_CC_REUSED_REGIONS], now[SEGPOOL_CC_CROSS_CLASS_REUSES],
	       ratio_text(now[SEGPOOL_CC_REUSED_REGIONS], now[SEGPOOL_CC_NEW_REGIONS], ratio),
	       now[SEGPOOL_CC_REFUSALS]);
}

void report_pool(const struct pool *pool, const struct class_list *classes, enum size_style style)
{
	char name[NAME_TEXT], size[SIZE_TEXT];

	printf("pool %u of %s (process %u), %s, regions of %s\n", pool->id,
	       name_text(pool->comm, name), pool->pid, mode_text(pool->mode),
	       size_text(pool->region_bytes, style, size));
	show_memory(pool, style);
	show_regions(pool);
	show_refusals(pool);
	if (!classes)
		return;
	printf("\n  %5s %10s %8s %10s %12s %8s %10s %10s %8s %7s %9s\n", "CLASS", "SEGMENT",
	       "REGIONS", "SEGMENTS", "BYTES", "FREED", "CARVED", "REUSED", "CROSS", "REUSE",
	       "REFUSED");
	for (size_t i = 0; i < classes->count; i++)
		if (classes->items[i].pool == pool->id)
			show_class(pool, &classes->items[i], style);
}

/* --- JSON --- */

void report_counters_json(struct json *json, const struct counter_kind *kinds,
			  const uint64_t *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		json_number(json, kinds[i].name, values[i]);
}

static void json_ratio(struct json *json, uint64_t reused, uint64_t carved)
{
	double ratio = reuse_ratio_of(reused, carved);

	if (ratio < 0)
		json_null(json, "reuse_ratio");
	else
		json_real(json, "reuse_ratio", ratio);
}

static void json_limits(struct json *json, const struct segpool_limits *limits)
{
	json_object(json, "limits");
	json_number(json, "virtual_budget_bytes", limits->virtual_budget);
	json_number(json, "physical_budget_bytes", limits->physical_budget);
	json_number(json, "retain_limit_bytes", limits->retain_limit);
	json_number(json, "retain_age_ms", limits->retain_age_ms);
	json_number(json, "watermark", limits->watermark);
	json_end_object(json);
}

static void json_classes(struct json *json, const struct pool *pool,
			 const struct class_list *classes)
{
	json_array(json, "classes");
	for (size_t i = 0; i < classes->count; i++) {
		const struct pool_class *item = &classes->items[i];

		if (item->pool != pool->id)
			continue;
		json_object(json, NULL);
		json_number(json, "index", item->index);
		report_counters_json(json, class_counters, item->counters,
				     SEGPOOL_NR_CLASS_COUNTERS);
		json_number(json, "active_bytes",
			    item->counters[SEGPOOL_CC_REGIONS_ACTIVE] * pool->region_bytes);
		json_ratio(json, item->counters[SEGPOOL_CC_REUSED_REGIONS],
			   item->counters[SEGPOOL_CC_NEW_REGIONS]);
		json_end_object(json);
	}
	json_end_array(json);
}

void report_pool_json(struct json *json, const struct pool *pool, const struct class_list *classes)
{
	json_object(json, NULL);
	json_number(json, "id", pool->id);
	json_number(json, "pid", pool->pid);
	json_string(json, "comm", pool->comm);
	json_string(json, "mode", mode_text(pool->mode));
	json_number(json, "region_bytes", pool->region_bytes);
	json_bool(json, "pressure", pool->pressure);
	json_ratio(json, pool->counters[SEGPOOL_C_REUSED_REGIONS],
		   pool->counters[SEGPOOL_C_NEW_REGIONS]);
	if (pool->command == SEGPOOL_CMD_POOL_TRIM)
		json_number(json, "released_bytes", pool->released_bytes);
	json_limits(json, &pool->limits);
	json_object(json, "counters");
	report_counters_json(json, pool_counters, pool->counters, SEGPOOL_NR_COUNTERS);
	json_end_object(json);
	if (classes)
		json_classes(json, pool, classes);
	json_end_object(json);
}
