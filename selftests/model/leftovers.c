// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is left when all pools are gone, by what the system says: the module's own
 * counters would not show a page, an array or a pool that it has forgotten.
 */
#include "model.h"
#include <dirent.h>

#define POOLS		SP_DEBUGFS "/pool"

/*
 * Pages come to be counted for their purpose with some delay. KASAN keeps the
 * shadow of each stack and of all that vmalloc() ever gave.
 */
#define SLACK_PAGES		128
#define SLACK_PAGES_KASAN	8192

/* The sum of all numbers that follow @name. */
static uint64_t sum_of(const char *path, const char *format)
{
	FILE *file = fopen(path, "re");
	unsigned long long value;
	uint64_t sum = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, format, &value) == 1)
			sum += value;
	if (file)
		fclose(file);
	return sum;
}

/* Neither free nor counted by the kernel for a purpose: pages of modules are what is left. */
static uint64_t unaccounted_pages(void)
{
	static const char *const purposes[] = {
		"nr_slab_reclaimable %llu", "nr_slab_unreclaimable %llu", "nr_anon_pages %llu",
		"nr_file_pages %llu", "nr_page_table_pages %llu",
	};
	uint64_t pages = sum_of("/proc/zoneinfo", " present %llu");
	uint32_t i;

	pages -= sp_free_bytes() / SP_PAGE;
	for (i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++)
		pages -= sum_of("/proc/vmstat", purposes[i]);
	return pages - (sp_meminfo("Percpu") + sp_meminfo("VmallocUsed")) / SP_PAGE;
}

static uint64_t vmalloc_areas(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "re");
	char line[512];
	uint64_t n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += strstr(line, "[segpool]") != NULL;
	if (file)
		fclose(file);
	return n;
}

static uint64_t pool_directories(void)
{
	DIR *directory = opendir(POOLS);
	struct dirent *entry;
	uint64_t n = 0;

	while (directory && (entry = readdir(directory)))
		n += entry->d_name[0] != '.';
	if (directory)
		closedir(directory);
	return n;
}

/* What the kernel merely keeps goes; some is freed after a grace period. */
static void settle(void)
{
	sp_write_file("/proc/sys/vm/drop_caches", "3");
	sp_write_file("/proc/sys/vm/drop_caches", "3");
	sp_sleep_ms(100);
	sp_write_file("/proc/sys/vm/stat_refresh", "1");
}

static void measure(struct leftovers *now)
{
	settle();
	now->pages = unaccounted_pages();
	now->vmalloc_areas = vmalloc_areas();
	now->directories = pool_directories();
}

void leftovers_before(struct leftovers *before)
{
	/* The first one changes what it measures. */
	measure(before);
	measure(before);
}

static bool is_as_before(const struct leftovers *before, struct leftovers *now)
{
	static uint64_t slack;

	if (!slack)
		slack = sp_kernel_has("kasan_report") ? SLACK_PAGES_KASAN : SLACK_PAGES;
	if (sp_gauge_left())
		return false;
	measure(now);
	return (int64_t)(now->pages - before->pages) <= (int64_t)slack &&
	       now->vmalloc_areas <= before->vmalloc_areas &&
	       now->directories <= before->directories;
}

/* Is the system as it was @before? Waits for what is on its way out, and says what is left. */
bool leftovers_none(const struct leftovers *before, unsigned int timeout_ms)
{
	uint64_t end = sp_now_ms() + timeout_ms;
	struct leftovers now = *before;
	const char *gauge;

	while (!is_as_before(before, &now)) {
		if (sp_now_ms() < end) {
			sp_sleep_ms(20);
			continue;
		}
		gauge = sp_gauge_left();
		printf("# MISMATCH: the pools are gone, but %s; pages that nobody accounts for: "
		       "%lld before, %lld now; vmalloc areas: %llu, %llu; pools in debugfs: "
		       "%llu, %llu\n",
		       gauge ?: "no gauge shows it", (long long)before->pages,
		       (long long)now.pages, (unsigned long long)before->vmalloc_areas,
		       (unsigned long long)now.vmalloc_areas,
		       (unsigned long long)before->directories,
		       (unsigned long long)now.directories);
		return false;
	}
	return true;
}
