/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is memory lost? What a child had charged to a memory cgroup that is then
 * removed falls to the cgroup above unless it was given back. And kmemleak.
 */
#ifndef SEGPOOL_FAULTS_LEAK_H
#define SEGPOOL_FAULTS_LEAK_H

#include <sched.h>
#include <stdbool.h>
#include "../testing.h"
#include "run.h"

#define LEAK_WAIT_MS	60000

struct leak {
	struct sp_cgroup above, below, other;
	/* Charged at leak_mark(). */
	uint64_t before;
	bool works;
};

/* For a child that is to be watched. */
static SP_UNUSED int leak_enter(struct leak *leak)
{
	if (!leak->works)
		return 0;
	if (mkdir(leak->below.path, 0755) && errno != EEXIST)
		return -errno;
	return sp_cgroup_enter(&leak->below);
}

/* What stays cached for the file names that the child used is nobody's loss. */
static uint64_t leak_charged(const struct leak *leak)
{
	sp_write_file("/proc/sys/vm/drop_caches", "2");
	return sp_cgroup_value(&leak->above, "memory.current");
}

/*
 * After the end of a child, so that the next one has a cgroup of its own: what a
 * cgroup leaves is at least a page, even if that is one object of a few bytes.
 */
static SP_UNUSED void leak_next(struct leak *leak)
{
	if (leak->works)
		sp_cgroup_remove(&leak->below);
}

/* What the kernel keeps ready from now on is there: only growth is counted. */
static SP_UNUSED void leak_mark(struct leak *leak)
{
	leak_next(leak);
	if (leak->works)
		leak->before = leak_charged(leak);
}

/* A page for the other cgroup on each processor. */
static int leak_charge_other(void *argument)
{
	struct leak *leak = argument;
	long cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;
	char *page;

	if (sp_cgroup_enter(&leak->other))
		return 1;
	for (cpu = 0; cpu < cpus; cpu++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
		page = mmap(NULL, SP_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (page != MAP_FAILED)
			munmap(page, SP_PAGE);
	}
	return 0;
}

/*
 * Bytes that the children since leak_mark() have left charged. Waits while they are
 * more than @tolerated: the last charges are brought up from work queues. And a
 * processor keeps up to 64 pages' charge ready for the cgroup that it served last,
 * until it serves another one.
 */
static SP_UNUSED uint64_t leak_bytes(struct leak *leak, uint64_t tolerated)
{
	uint64_t charged, end = sp_now_ms() + LEAK_WAIT_MS;

	if (!leak->works)
		return 0;
	leak_next(leak);
	for (charged = leak_charged(leak); charged > leak->before + tolerated && sp_now_ms() < end;
	     charged = leak_charged(leak)) {
		sp_in_child(leak_charge_other, leak);
		sp_sleep_ms(20);
	}
	return charged > leak->before ? charged - leak->before : 0;
}

static int leak_nothing(void *leak)
{
	return leak_enter(leak) ? 1 : 0;
}

/* Without memory cgroups nothing is looked at. */
static SP_UNUSED void leak_begin(struct leak *leak)
{
	char path[256];

	leak->works = false;
	/* Without a line in the kernel's log each time. */
	sp_write_file("/proc/sys/vm/drop_caches", "4");
	if (sp_cgroup_make(&leak->above, "faults", 0) ||
	    sp_cgroup_make(&leak->other, "faults-other", 0))
		return;
	snprintf(leak->below.path, sizeof(leak->below.path), "%.100s/below", leak->above.path);
	sp_cgroup_file(&leak->above, "cgroup.subtree_control", path);
	leak->works = !sp_write_file(path, "+memory") && !sp_in_child(leak_nothing, leak);
	leak_mark(leak);
}

static SP_UNUSED void leak_end(struct leak *leak)
{
	sp_cgroup_remove(&leak->above);
	sp_cgroup_remove(&leak->other);
}

#define LEAK_FILE	"/sys/kernel/debug/kmemleak"
/* Younger objects are not reported. */
#define LEAK_AGE_MS	6000

/* NULL, or why there is no kmemleak. What it knows already is forgotten. */
static SP_UNUSED const char *leak_scan_begin(void)
{
	if (access(LEAK_FILE, W_OK))
		return "the kernel has no kmemleak";
	/* As it is by default; refused where kmemleak is off. A scan would take long. */
	if (sp_write_file(LEAK_FILE, "stack=on"))
		return "kmemleak is off; boot with kmemleak=on";
	return sp_write_file(LEAK_FILE, "clear") ? "kmemleak cannot be cleared" : NULL;
}

/* Twice: the first scan may have met an object between two owners. */
static SP_UNUSED void leak_scan(void)
{
	/* Not by the kernel's log, which says how many there are, but not whose: leak_found(). */
	sp_write_file("/dev/kmsg", "selftests: kmemleak is being judged\n");
	sp_sleep_ms(LEAK_AGE_MS);
	sp_write_file(LEAK_FILE, "scan");
	sp_sleep_ms(LEAK_AGE_MS);
	sp_write_file(LEAK_FILE, "scan");
	sp_write_file("/dev/kmsg", "selftests: kmemleak has been judged\n");
}

/*
 * A kernel's own: up to 6.12 a cache that gets no directory in sysfs, because its making
 * failed half-way, loses its name.
 */
#define LEAK_OF_KERNEL	"sysfs_slab_add"

/* How many lost objects there are with @who among their callers; the first one is printed. */
static SP_UNUSED unsigned int leak_found(const char *who)
{
	static char object[8192];
	char line[256];
	FILE *file = fopen(LEAK_FILE, "re");
	unsigned int found = 0;
	bool ours = false, others = false;

	if (!file)
		return 1;
	object[0] = '\0';
	do {
		if (!fgets(line, sizeof(line), file))
			line[0] = '\0';
		if (!line[0] || !strncmp(line, "unreferenced", 12)) {
			if (ours && !others && !found++)
				fprintf(stderr, "%s", object);
			object[0] = '\0';
			ours = false;
			others = false;
		}
		ours |= strstr(line, who) != NULL;
		others |= strstr(line, LEAK_OF_KERNEL) != NULL;
		if (strlen(object) + strlen(line) < sizeof(object))
			strcat(object, line);
	} while (line[0]);
	fclose(file);
	return found;
}

/*
 * The test "kmemleak": nothing was lost with @who among its callers. @missing is what
 * leak_scan_begin() returned.
 */
static SP_UNUSED void leak_result(const char *missing, const char *who)
{
	unsigned int found;
	char text[64];

	if (missing) {
		ksft_test_result_skip("kmemleak: %s\n", missing);
		return;
	}
	leak_scan();
	found = leak_found(who);
	snprintf(text, sizeof(text), "%u objects are lost", found);
	run_result("kmemleak", found ? text : NULL);
}

#endif /* SEGPOOL_FAULTS_LEAK_H */
