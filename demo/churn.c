// SPDX-License-Identifier: GPL-2.0-only
/*
 * The leak and its cure, side by side: the same regions taken, released and
 * taken again under the same budget, once with one counter for everything,
 * once with segpool. Each allocator runs in a process of its own, so that
 * /proc/self/status tells the truth about it alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "churn.h"
#include "process_memory.h"

#define PAGE		4096U

/* The state after an epoch; the process's own memory is subtracted. */
struct row {
	uint64_t said_mapped;
	uint64_t said_physical;
	uint64_t said_retained;
	uint64_t mapped;
	uint64_t resident;
};

struct run {
	struct row low[CHURN_EPOCHS + 1];	/* after the release */
	struct row rows[CHURN_EPOCHS + 1];	/* row 0: before the first epoch */
	int complete;
};

struct churn {
	const struct churn_allocator *allocator;
	struct process_memory before;
	struct churn_region live[CHURN_REGIONS];
	struct run *run;
};

static void use(struct churn_region *regions, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		for (uint64_t offset = 0; offset < CHURN_REGION; offset += PAGE)
			*(volatile char *)(regions[i].address + offset) = 1;
}

static int take(struct churn *churn, uint32_t first, uint32_t count)
{
	if (churn->allocator->take(churn->live + first, count))
		return -1;
	use(churn->live + first, count);
	return 0;
}

static int measure(const struct churn *churn, struct row *row)
{
	struct process_memory now;

	if (process_memory_read(&now)) {
		fprintf(stderr, "churn: /proc/self/status: %s\n", strerror(errno));
		return -1;
	}
	row->mapped = now.mapped - churn->before.mapped;
	row->resident = now.resident - churn->before.resident;
	return churn->allocator->says(&row->said_mapped, &row->said_physical, &row->said_retained);
}

/* The oldest regions are given up; the youngest stand at the end. */
static int epoch(struct churn *churn, uint32_t number)
{
	const uint32_t kept = CHURN_REGIONS - CHURN_RELEASED;

	if (churn->allocator->release(churn->live, CHURN_RELEASED))
		return -1;
	if (measure(churn, &churn->run->low[number]))
		return -1;
	memmove(churn->live, churn->live + CHURN_RELEASED, kept * sizeof(churn->live[0]));
	if (take(churn, kept, CHURN_REUSED) ||
	    take(churn, kept + CHURN_REUSED, CHURN_RELEASED - CHURN_REUSED))
		return -1;
	return measure(churn, &churn->run->rows[number]);
}

static int run_epochs(struct churn *churn)
{
	if (process_memory_read(&churn->before) || churn->allocator->open())
		return -1;
	if (take(churn, 0, CHURN_REGIONS) || measure(churn, &churn->run->rows[0]))
		return -1;
	churn->run->low[0] = churn->run->rows[0];
	for (uint32_t number = 1; number <= CHURN_EPOCHS; number++)
		if (epoch(churn, number))
			return -1;
	churn->allocator->close();
	churn->run->complete = 1;
	return 0;
}

static int run_in_child(const struct churn_allocator *allocator, struct run *run)
{
	static struct churn churn;
	int status;
	pid_t child;

	churn.allocator = allocator;
	churn.run = run;
	fflush(stdout);
	child = fork();
	if (!child)
		_exit(run_epochs(&churn) ? 1 : 0);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		fprintf(stderr, "churn: no child process: %s\n", strerror(errno));
		return -1;
	}
	if (status || !run->complete) {
		fprintf(stderr, "churn: the run with %s did not finish\n", allocator->name);
		return -1;
	}
	return 0;
}

static uint64_t mib(uint64_t bytes)
{
	return (bytes + (1 << 19)) >> 20;
}

static void table(const struct run *classic, const struct run *segpool)
{
	printf("The leak and its cure: %u regions of 2 MiB; each epoch releases %u, takes %u back at\n"
	       "once and the rest a little later. Budget %" PRIu64 " MiB. All figures in MiB.\n\n",
	       CHURN_REGIONS, CHURN_RELEASED, CHURN_REUSED, mib(CHURN_BUDGET));
	printf("  %5s | %-33s | %s\n", "", "one counter", "segpool");
	printf("  %5s | %9s %11s %11s | %9s %11s %11s\n", "epoch", "it says", "mapped", "resident",
	       "virtual", "reserved", "resident");
	for (uint32_t i = 0; i <= CHURN_EPOCHS; i++) {
		const struct row *left = &classic->rows[i], *right = &segpool->rows[i];

		printf("  %5" PRIu32 " | %9" PRIu64 " %11" PRIu64 " %11" PRIu64 " | %9" PRIu64
		       " %11" PRIu64 " %11" PRIu64 "\n", i, mib(left->said_mapped),
		       mib(left->mapped), mib(left->resident), mib(right->said_mapped),
		       mib(right->mapped), mib(right->resident));
	}
	printf("\n  \"mapped\" and \"reserved\" are VmSize, \"resident\" is VmRSS of the process,\n"
	       "  less what it had before. The one counter never passed its budget, and the\n"
	       "  process maps %.1f times it.\n",
	       (double)classic->rows[CHURN_EPOCHS].mapped / (double)CHURN_BUDGET);
}

static void csv_row(FILE *file, const char *name, double epoch_number, const struct row *row)
{
	fprintf(file, "%s,%.1f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		"\n", name, epoch_number, row->said_mapped, row->said_physical, row->said_retained,
		row->mapped, row->resident, (uint64_t)CHURN_BUDGET);
}

static void csv_run(FILE *file, const char *name, const struct run *run)
{
	csv_row(file, name, 0, &run->rows[0]);
	for (uint32_t i = 1; i <= CHURN_EPOCHS; i++) {
		csv_row(file, name, i - 0.5, &run->low[i]);
		csv_row(file, name, i, &run->rows[i]);
	}
}

static int csv(const char *name, const struct run *classic, const struct run *segpool)
{
	FILE *file = fopen(name, "w");

	if (file) {
		fputs("allocator,epoch,said_mapped_bytes,said_physical_bytes,said_retained_bytes,"
		      "mapped_bytes,resident_bytes,budget_bytes\n", file);
		csv_run(file, "classic", classic);
		csv_run(file, "segpool", segpool);
	}
	if (!file || fclose(file)) {
		fprintf(stderr, "churn: %s: %s\n", name, strerror(errno));
		return -1;
	}
	return 0;
}

static int missed(int broken, const char *sentence)
{
	if (broken)
		printf("MISSED: %s\n", sentence);
	return broken;
}

static int far(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) > process_memory_slack();
}

static int judge_row(const struct row *row)
{
	return missed(row->said_mapped > CHURN_BUDGET,
		      "segpool's virtual bytes passed the budget.") |
	       missed(row->said_physical + row->said_retained > CHURN_BUDGET,
		      "segpool's physical and retained bytes passed the budget.") |
	       missed(far(row->said_physical, row->resident),
		      "segpool's physical bytes are not what the process has resident.");
}

static int judge(const struct run *classic, const struct run *segpool)
{
	const struct row *first = &segpool->rows[0], *last = &segpool->rows[CHURN_EPOCHS];
	int broken = 0;

	for (uint32_t i = 0; i <= CHURN_EPOCHS; i++)
		broken |= judge_row(&segpool->low[i]) | judge_row(&segpool->rows[i]);
	broken |= missed(last->mapped > first->mapped, "the segpool process maps more and more.");
	broken |= missed(last->said_mapped != first->said_mapped, "segpool carved new regions.");
	broken |= missed(classic->rows[CHURN_EPOCHS].mapped < 2 * CHURN_BUDGET ||
			 classic->rows[CHURN_EPOCHS].said_mapped > CHURN_BUDGET,
			 "the one-counter allocator did not leak; the demonstration is worth nothing.");
	return broken;
}

int main(int argc, char **argv)
{
	struct run *runs;
	int broken;

	if (argc > 2) {
		fputs("usage: churn [CSV-FILE]\n", stderr);
		return 2;
	}
	runs = mmap(NULL, 2 * sizeof(*runs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		    0);
	if (runs == MAP_FAILED) {
		fprintf(stderr, "churn: mmap: %s\n", strerror(errno));
		return 1;
	}
	if (run_in_child(&churn_classic, &runs[0]) || run_in_child(&churn_segpool, &runs[1]))
		return 1;
	table(&runs[0], &runs[1]);
	broken = judge(&runs[0], &runs[1]);
	if (argc == 2 && csv(argv[1], &runs[0], &runs[1]))
		return 1;
	return broken;
}
