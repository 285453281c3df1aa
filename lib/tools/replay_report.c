// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "gnuplot.h"
#include "json.h"
#include "replay.h"

#define NAME_WIDTH	30
#define WIDTH		14

static const char *const reasons[NR_REFUSED] = {
	[REFUSED_VIRTUAL] = "virtual",
	[REFUSED_PHYSICAL] = "physical",
	[REFUSED_CEILING] = "ceiling",
	[REFUSED_SYSTEM] = "system",
};

static uint64_t refused(const struct replay_result *result)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < NR_REFUSED; reason++)
		sum += result->refused[reason];
	return sum;
}

/* Of what was taken; negative: the place does not know. */
static double reuse_ratio(const struct replay_result *result)
{
	uint64_t sum = result->numbers.fresh + result->numbers.reused;

	return result->numbers.unit && sum ? (double)result->numbers.reused / (double)sum : -1;
}

struct table {
	const struct replay_result *const *results;
	int count;
	enum size_style style;
};

static void begin_row(const char *name)
{
	printf("%-*s", NAME_WIDTH, name);
}

#define ROW(table, name, call) do {						\
	begin_row(name);							\
	for (int i_ = 0; i_ < (table)->count; i_++) {				\
		const struct replay_result *result = (table)->results[i_];	\
		call;								\
	}									\
	putchar('\n');								\
} while (0)

static void cell_bytes(const struct table *table, uint64_t bytes)
{
	char text[SIZE_TEXT];

	printf("%*s", WIDTH, size_text(bytes, table->style, text));
}

static void cell_ratio(double ratio)
{
	if (ratio < 0)
		printf("%*s", WIDTH, "-");
	else
		printf("%*.1f %%", WIDTH - 2, 100 * ratio);
}

static void cell_owned(const struct table *table, const struct replay_result *result)
{
	if (result->numbers.has_owned)
		cell_bytes(table, result->owned_peak);
	else
		printf("%*s", WIDTH, "-");
}

static void rows_of_memory(const struct table *table)
{
	ROW(table, "live, peak", cell_bytes(table, result->live_peak));
	ROW(table, "virtual, peak", cell_bytes(table, result->virtual_peak));
	ROW(table, "virtual, steady", cell_bytes(table, result->virtual_steady));
	ROW(table, "physical, peak", cell_bytes(table, result->physical_peak));
	ROW(table, "physical, steady", cell_bytes(table, result->physical_steady));
	ROW(table, "physical, all freed", cell_bytes(table, result->physical_freed));
	ROW(table, "physical, after a rest", cell_bytes(table, result->physical_settled));
	ROW(table, "owned by the pool, peak", cell_owned(table, result));
	ROW(table, "reuse ratio", cell_ratio(reuse_ratio(result)));
}

static void rows_of_events(const struct table *table)
{
	ROW(table, "allocations", printf("%*" PRIu64, WIDTH, result->allocations));
	ROW(table, "resizes", printf("%*" PRIu64, WIDTH, result->resizes));
	ROW(table, "refused", printf("%*" PRIu64, WIDTH, refused(result)));
	ROW(table, "page faults", printf("%*" PRIu64, WIDTH,
					 result->minor_faults + result->major_faults));
	ROW(table, "time", printf("%*.3f s", WIDTH - 2, (double)result->elapsed_ns / 1e9));
	ROW(table, "  of the program", printf("%*.3f s", WIDTH - 2, (double)result->user_ns / 1e9));
	ROW(table, "  of the kernel", printf("%*.3f s", WIDTH - 2,
					     (double)result->system_ns / 1e9));
}

static void row_of_damage(const struct table *table)
{
	uint64_t sum = 0;

	for (int i = 0; i < table->count; i++)
		sum += table->results[i]->wrong_pages + table->results[i]->wrong_frees;
	if (!sum)
		return;
	ROW(table, "PAGES WITH WRONG CONTENT", printf("%*" PRIu64, WIDTH, result->wrong_pages));
	ROW(table, "FREES THAT WERE REFUSED", printf("%*" PRIu64, WIDTH, result->wrong_frees));
}

void report_table(const struct history *history, const struct replay_result *const *results,
		  int count, enum size_style style)
{
	struct table table = { .results = results, .count = count, .style = style };
	char all[SIZE_TEXT], peak[SIZE_TEXT];

	if (history->program[0])
		printf("%s: ", history->program);
	printf("%" PRIu64 " allocations and %" PRIu64 " resizes by %" PRIu32 " %s in %.1f s,\n"
	       "%s, at most %s at a time\n\n", history->allocations, history->resizes,
	       history->nr_threads, history->nr_threads == 1 ? "thread" : "threads",
	       (double)history->duration_us / 1e6, size_text(history->allocated_bytes, style, all),
	       size_text(history->peak_live_bytes, style, peak));
	ROW(&table, "", printf("%*s", WIDTH, result->backend));
	rows_of_memory(&table);
	rows_of_events(&table);
	row_of_damage(&table);
}

static void json_history(struct json *json, const char *name, const struct history *history)
{
	json_object(json, "history");
	json_string(json, "file", name);
	json_string(json, "program", history->program);
	json_number(json, "threads", history->nr_threads);
	json_number(json, "allocations", history->allocations);
	json_number(json, "resizes", history->resizes);
	json_number(json, "frees", history->frees);
	json_number(json, "allocated_bytes", history->allocated_bytes);
	json_number(json, "peak_live_bytes", history->peak_live_bytes);
	json_number(json, "duration_us", history->duration_us);
	json_end_object(json);
}

static void json_options(struct json *json, const struct replay_options *options)
{
	json_object(json, "options");
	if (options->limits.budget)
		json_number(json, "budget", options->limits.budget);
	else
		json_null(json, "budget");
	if (options->limits.virtual_budget)
		json_number(json, "virtual_budget", options->limits.virtual_budget);
	else
		json_null(json, "virtual_budget");
	json_string(json, "speed", options->real_time ? "real" : "max");
	json_string(json, "write", options->write_all ? "all" : "page");
	json_number(json, "rounds", options->rounds);
	json_number(json, "settle_ms", options->settle_ms);
	json_end_object(json);
}

static void json_memory(struct json *json, const struct replay_result *result)
{
	json_number(json, "live_peak_bytes", result->live_peak);
	json_number(json, "virtual_peak_bytes", result->virtual_peak);
	json_number(json, "virtual_steady_bytes", result->virtual_steady);
	json_number(json, "physical_peak_bytes", result->physical_peak);
	json_number(json, "physical_steady_bytes", result->physical_steady);
	json_number(json, "physical_freed_bytes", result->physical_freed);
	json_number(json, "physical_settled_bytes", result->physical_settled);
	if (result->numbers.has_owned)
		json_number(json, "owned_peak_bytes", result->owned_peak);
	else
		json_null(json, "owned_peak_bytes");
	if (reuse_ratio(result) < 0)
		json_null(json, "reuse_ratio");
	else
		json_real(json, "reuse_ratio", reuse_ratio(result));
}

static void json_events(struct json *json, const struct replay_result *result)
{
	json_number(json, "allocations", result->allocations);
	json_number(json, "resizes", result->resizes);
	json_number(json, "frees", result->frees);
	json_object(json, "refused");
	for (int reason = 0; reason < NR_REFUSED; reason++)
		json_number(json, reasons[reason], result->refused[reason]);
	json_end_object(json);
	json_number(json, "wrong_pages", result->wrong_pages);
	json_number(json, "wrong_frees", result->wrong_frees);
	json_number(json, "minor_faults", result->minor_faults);
	json_number(json, "major_faults", result->major_faults);
	json_real(json, "seconds", (double)result->elapsed_ns / 1e9);
	json_real(json, "user_seconds", (double)result->user_ns / 1e9);
	json_real(json, "system_seconds", (double)result->system_ns / 1e9);
}

static void json_samples(struct json *json, const struct replay_result *result)
{
	json_array(json, "samples");
	for (uint32_t i = 0; i < result->nr_samples; i++) {
		json_object(json, NULL);
		json_number(json, "us", result->samples[i].us);
		json_number(json, "live_bytes", result->samples[i].live_bytes);
		json_number(json, "virtual_bytes", result->samples[i].virtual_bytes);
		json_number(json, "physical_bytes", result->samples[i].physical_bytes);
		json_end_object(json);
	}
	json_end_array(json);
}

void report_json(const char *name, const struct history *history,
		 const struct replay_options *options, const struct replay_result *const *results,
		 int count)
{
	struct json json = { .file = stdout };

	json_object(&json, NULL);
	json_history(&json, name, history);
	json_options(&json, options);
	json_array(&json, "runs");
	for (int i = 0; i < count; i++) {
		json_object(&json, NULL);
		json_string(&json, "backend", results[i]->backend);
		json_memory(&json, results[i]);
		json_events(&json, results[i]);
		json_samples(&json, results[i]);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
}

static void plot_data(FILE *file, const struct replay_result *result, int number)
{
	fprintf(file, "$run%d << END_OF_RUN\n", number);
	for (uint32_t i = 0; i < result->nr_samples; i++) {
		const struct replay_sample *sample = &result->samples[i];

		fprintf(file, "%.6f %.6f %.6f %.6f\n", (double)sample->us / 1e6,
			(double)sample->live_bytes / 1048576, (double)sample->virtual_bytes / 1048576,
			(double)sample->physical_bytes / 1048576);
	}
	fputs("END_OF_RUN\n", file);
}

static void plot_panel(FILE *file, const char *title, int column,
		       const struct replay_result *const *results, int count)
{
	fprintf(file, "set title '%s'\nplot $run0 using 1:2 with filledcurves x1 linecolor rgb "
		"'#dddddd' title 'live'", title);
	for (int i = 0; i < count; i++)
		fprintf(file, ", $run%d using 1:%d with steps linewidth 1.5 title '%s'", i, column,
			results[i]->backend);
	fputc('\n', file);
}

static void plot_script(FILE *file, const char *name, const struct history *history,
			const struct replay_result *const *results, int count)
{
	for (int i = 0; i < count; i++)
		plot_data(file, results[i], i);
	fputs("set multiplot layout 2,1 title ", file);
	gnuplot_quoted(file, history->program[0] ? history->program : name);
	fputs("\nset yrange [0:*]\nset ylabel 'MiB'\nset xlabel 'seconds of the history'\n"
	      "set key outside right top\nset grid ytics linecolor rgb '#eeeeee'\n", file);
	plot_panel(file, "physical memory", 4, results, count);
	plot_panel(file, "virtual memory", 3, results, count);
	fputs("unset multiplot\n", file);
}

int report_plot(const char *output, const char *name, const struct history *history,
		const struct replay_result *const *results, int count)
{
	FILE *file = gnuplot_begin(output, 900, 700);

	if (!file)
		return -1;
	plot_script(file, name, history, results, count);
	return gnuplot_end(file, output);
}
