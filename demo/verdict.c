// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdarg.h>

#include "verdict.h"

static uint64_t value(const struct sample *sample, enum segpool_counter counter)
{
	return sample->counters[counter];
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static double reuse_percent(uint64_t new_regions, uint64_t reused_regions)
{
	uint64_t sum = new_regions + reused_regions;

	return sum ? 100.0 * (double)reused_regions / (double)sum : 0;
}

static uint64_t since_half(const struct verdict *verdict, enum segpool_counter counter)
{
	return value(&verdict->last, counter) - value(&verdict->half, counter);
}

static double last_half_reuse(const struct verdict *verdict)
{
	return reuse_percent(since_half(verdict, SEGPOOL_C_NEW_REGIONS),
			     since_half(verdict, SEGPOOL_C_REUSED_REGIONS));
}

static double last_half_growth(const struct verdict *verdict)
{
	uint64_t before = value(&verdict->half, SEGPOOL_C_VIRTUAL_BYTES);

	return before ? 100.0 * (double)since_half(verdict, SEGPOOL_C_VIRTUAL_BYTES) /
			(double)before : 0;
}

void verdict_look(struct verdict *verdict, const struct sample *sample)
{
	uint64_t pages = value(sample, SEGPOOL_C_PHYSICAL_BYTES) +
			 value(sample, SEGPOOL_C_RETAINED_BYTES);

	if (value(sample, SEGPOOL_C_VIRTUAL_BYTES) > value(sample, SEGPOOL_C_VIRTUAL_BUDGET_BYTES))
		verdict->over_virtual++;
	if (pages > value(sample, SEGPOOL_C_PHYSICAL_BUDGET_BYTES))
		verdict->over_physical++;
	if (value(sample, SEGPOOL_C_VIRTUAL_BYTES) <
	    value(&verdict->last, SEGPOOL_C_VIRTUAL_BYTES))
		verdict->shrunk_virtual++;
	if (sample->live_bytes > verdict->live_peak)
		verdict->live_peak = sample->live_bytes;
	verdict->last = *sample;
	verdict->samples++;
}

void verdict_half(struct verdict *verdict, const struct sample *sample)
{
	verdict->half = *sample;
}

void verdict_resident(struct verdict *verdict, const struct sample *sample, uint64_t resident,
		      uint64_t tolerance)
{
	int64_t difference = (int64_t)(resident - value(sample, SEGPOOL_C_PHYSICAL_BYTES));
	uint64_t distance = (uint64_t)(difference < 0 ? -difference : difference);

	if (distance > verdict->resident_difference)
		verdict->resident_difference = distance;
	if (distance > tolerance)
		verdict->resident_wrong++;
}

static void row(FILE *file, const char *name, uint64_t whole, uint64_t last_half)
{
	fprintf(file, "  %-34s %10" PRIu64 " %14" PRIu64 "\n", name, whole, last_half);
}

static void row_counter(const struct verdict *verdict, FILE *file, const char *name,
			enum segpool_counter counter)
{
	row(file, name, value(&verdict->last, counter), since_half(verdict, counter));
}

static void row_peak(FILE *file, const char *name, uint64_t peak, uint64_t limit)
{
	fprintf(file, "  %-34s %10.1f %14.1f\n", name, mib(peak), mib(limit));
}

void verdict_table(const struct verdict *verdict, FILE *file)
{
	const struct sample *last = &verdict->last;

	fprintf(file, "\n  %-34s %10s %14s\n", "regions", "whole", "last half");
	row_counter(verdict, file, "new", SEGPOOL_C_NEW_REGIONS);
	row_counter(verdict, file, "reused", SEGPOOL_C_REUSED_REGIONS);
	row_counter(verdict, file, "  of these, from another class", SEGPOOL_C_CROSS_CLASS_REUSES);
	row_counter(verdict, file, "released", SEGPOOL_C_RELEASED_REGIONS);
	row(file, "refused", sample_refused(last), sample_refused(last) -
	    sample_refused(&verdict->half));
	fprintf(file, "  %-34s %9.1f%% %13.1f%%\n", "reuse ratio",
		reuse_percent(value(last, SEGPOOL_C_NEW_REGIONS),
			      value(last, SEGPOOL_C_REUSED_REGIONS)), last_half_reuse(verdict));
	fprintf(file, "  %-34s %10s %13.2f%%\n", "growth of virtual bytes", "",
		last_half_growth(verdict));

	fprintf(file, "\n  %-34s %10s %14s\n", "MiB", "peak", "limit");
	row_peak(file, "virtual", value(last, SEGPOOL_C_VIRTUAL_BYTES),
		 value(last, SEGPOOL_C_VIRTUAL_BUDGET_BYTES));
	row_peak(file, "physical", value(last, SEGPOOL_C_PHYSICAL_PEAK_BYTES),
		 value(last, SEGPOOL_C_PHYSICAL_BUDGET_BYTES));
	row_peak(file, "retained", value(last, SEGPOOL_C_RETAINED_PEAK_BYTES),
		 value(last, SEGPOOL_C_RETAIN_LIMIT_BYTES));
	fprintf(file, "  %-34s %10.1f\n", "live, as the program asked for",
		mib(verdict->live_peak));
	fprintf(file, "  %-34s %10.1f\n", "VmRSS differs from physical by",
		mib(verdict->resident_difference));

	fprintf(file, "\n  %-34s %10s %14s\n", "pages", "whole", "last half");
	row_counter(verdict, file, "from the system, zeroed", SEGPOOL_C_SYSTEM_PAGES);
	row_counter(verdict, file, "retained ones used again", SEGPOOL_C_RETAINED_REUSED_PAGES);
	row_counter(verdict, file, "given back for their age", SEGPOOL_C_AGED_PAGES);
	fprintf(file, "  %-34s %10" PRIu64 "\n", "with a wrong owner's signature",
		verdict->owner_errors);
}

static int __attribute__((format(printf, 4, 5)))
missed(FILE *file, int broken, int *count, const char *format, ...)
{
	va_list args;

	if (!broken)
		return 0;
	fputs("MISSED: ", file);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fputc('\n', file);
	++*count;
	return 1;
}

static void judge_budgets(const struct verdict *verdict, FILE *file, int *count)
{
	missed(file, verdict->over_virtual > 0, count,
	       "virtual bytes were above their budget in %" PRIu64 " of %" PRIu64 " samples.",
	       verdict->over_virtual, verdict->samples);
	missed(file, verdict->shrunk_virtual > 0, count,
	       "virtual bytes went down in %" PRIu64 " of %" PRIu64 " samples.",
	       verdict->shrunk_virtual, verdict->samples);
	missed(file, verdict->over_physical > 0, count,
	       "physical and retained bytes were above the physical budget in %" PRIu64
	       " of %" PRIu64 " samples.", verdict->over_physical, verdict->samples);
	missed(file, sample_refused(&verdict->last) > 0, count,
	       "%" PRIu64 " requests were refused.", sample_refused(&verdict->last));
}

static void judge_last_half(const struct verdict *verdict, FILE *file, int *count)
{
	missed(file, last_half_growth(verdict) >= VERDICT_MAX_GROWTH, count,
	       "virtual bytes grew by %.2f%% in the last half; less than %.0f%% is flat.",
	       last_half_growth(verdict), VERDICT_MAX_GROWTH);
	missed(file, last_half_reuse(verdict) <= VERDICT_MIN_REUSE, count,
	       "%.1f%% of the last half's regions were reused ones; it must be more than %.0f%%.",
	       last_half_reuse(verdict), VERDICT_MIN_REUSE);
}

static void judge_end(const struct verdict *verdict, FILE *file, int *count)
{
	const struct sample *last = &verdict->last;

	missed(file, verdict->owner_errors > 0, count,
	       "%" PRIu64 " pages did not carry their owner's signature.", verdict->owner_errors);
	missed(file, verdict->resident_wrong > 0, count,
	       "VmRSS differed from physical bytes by up to %.1f MiB.",
	       mib(verdict->resident_difference));
	missed(file, value(last, SEGPOOL_C_DOUBLE_FREES) + value(last, SEGPOOL_C_STALE_FREES) > 0,
	       count, "releases were refused as double or stale.");
	missed(file, value(last, SEGPOOL_C_REGIONS_ACTIVE) > 0, count,
	       "%" PRIu64 " regions are still active after everything was freed.",
	       value(last, SEGPOOL_C_REGIONS_ACTIVE));
	missed(file, value(last, SEGPOOL_C_PHYSICAL_BYTES) > 0, count,
	       "%" PRIu64 " physical bytes are left after everything was freed.",
	       value(last, SEGPOOL_C_PHYSICAL_BYTES));
	missed(file, value(last, SEGPOOL_C_RETAINED_BYTES) > 0, count,
	       "%" PRIu64 " retained bytes did not age out while the program slept.",
	       value(last, SEGPOOL_C_RETAINED_BYTES));
}

int verdict_crossed(const struct verdict *verdict)
{
	const struct sample *last = &verdict->last;

	return value(last, SEGPOOL_C_VIRTUAL_BYTES) == value(last, SEGPOOL_C_VIRTUAL_BUDGET_BYTES) &&
	       since_half(verdict, SEGPOOL_C_CROSS_CLASS_REUSES) > 0;
}

int verdict_judge(const struct verdict *verdict, FILE *file)
{
	int count = 0;

	judge_budgets(verdict, file, &count);
	judge_last_half(verdict, file, &count);
	judge_end(verdict, file, &count);
	return count;
}
