// SPDX-License-Identifier: GPL-2.0-only
/* segpool plot: a picture of what "segpool record" has written. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "command.h"
#include "gnuplot.h"
#include "words.h"

#define MAX_FIELDS	128
/* More than that nobody can see on one picture. */
#define MAX_PANELS	6
#define PANEL_HEIGHT	320

/* What is drawn, by its column's name. */
enum { COLUMN_MS, COLUMN_POOL, COLUMN_COMM, COLUMN_VIRTUAL, COLUMN_PHYSICAL, COLUMN_RETAINED,
       COLUMN_VIRTUAL_BUDGET, COLUMN_PHYSICAL_BUDGET, NR_COLUMNS };

static const char *const column_names[NR_COLUMNS] = {
	"ms", "pool", "comm", "virtual_bytes", "physical_bytes", "retained_bytes",
	"virtual_budget_bytes", "physical_budget_bytes",
};

struct row {
	uint32_t pool;
	double seconds, mib[NR_COLUMNS];
};

struct plot {
	const char *input;
	uint32_t wanted;
	int columns[NR_COLUMNS];
	struct array array;
	struct row *rows;
	size_t nr_rows;
	struct {
		uint32_t pool;
		char title[160];
	} panels[MAX_PANELS];
	int nr_panels, left_out;
};

/* Ends the fields of a line where their commas were; those in quotes lose them. Returns how many. */
static int split(char *line, char **fields)
{
	int count = 0;
	char *to;

	for (;;) {
		fields[count++] = to = line;
		for (int quoted = 0; *line && (quoted || *line != ','); line++) {
			if (*line != '"')
				*to++ = *line;
			else if (quoted && line[1] == '"')
				*to++ = *line++;
			else
				quoted = !quoted;
		}
		if (!*line || count == MAX_FIELDS) {
			*to = '\0';
			return count;
		}
		*to = '\0';
		line++;
	}
}

static int read_head(struct plot *plot, char **fields, int count)
{
	for (int column = 0; column < NR_COLUMNS; column++) {
		plot->columns[column] = -1;
		for (int i = 0; i < count; i++)
			if (!strcmp(fields[i], column_names[column]))
				plot->columns[column] = i;
		if (plot->columns[column] < 0)
			return complain("%s: no column %s: is it from segpool record?", plot->input,
					column_names[column]);
	}
	return 0;
}

static void note_panel(struct plot *plot, uint32_t pool, const char *comm)
{
	for (int i = 0; i < plot->nr_panels; i++)
		if (plot->panels[i].pool == pool)
			return;
	if (plot->nr_panels == MAX_PANELS) {
		plot->left_out = 1;
		return;
	}
	plot->panels[plot->nr_panels].pool = pool;
	snprintf(plot->panels[plot->nr_panels].title, sizeof(plot->panels[0].title),
		 "pool %u: %s", pool, comm);
	plot->nr_panels++;
}

static int read_row(struct plot *plot, char **fields, int count)
{
	struct row *row;
	uint32_t pool;

	for (int i = 0; i < NR_COLUMNS; i++)
		if (plot->columns[i] >= count)
			return -1;
	if (pool_parse(fields[plot->columns[COLUMN_POOL]], &pool))
		return -1;
	if (plot->wanted && pool != plot->wanted)
		return 0;
	if (array_room(&plot->array, plot->nr_rows + 1, sizeof(*row)))
		return -1;
	plot->rows = plot->array.entries;
	row = &plot->rows[plot->nr_rows++];
	row->pool = pool;
	row->seconds = strtod(fields[plot->columns[COLUMN_MS]], NULL) / 1000;
	for (int i = COLUMN_VIRTUAL; i < NR_COLUMNS; i++)
		row->mib[i] = strtod(fields[plot->columns[i]], NULL) / 1048576;
	note_panel(plot, pool, fields[plot->columns[COLUMN_COMM]]);
	return 0;
}

static int read_table(struct plot *plot, FILE *file)
{
	char *line = NULL, *fields[MAX_FIELDS];
	uint64_t number = 0;
	size_t room = 0;
	int error = 0, count;

	while (!error && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		count = split(line, fields);
		if (!number++)
			error = read_head(plot, fields, count);
		else if (read_row(plot, fields, count))
			error = complain("%s: line %" PRIu64 " is no row of the table", plot->input,
					 number);
	}
	free(line);
	if (!error && !plot->nr_rows)
		return complain("%s: there is %s in it", plot->input,
				plot->wanted ? "nothing of that pool" : "no pool");
	return error;
}

static void write_data(FILE *script, const struct plot *plot, int panel)
{
	fprintf(script, "$pool%d << END_OF_POOL\n", panel);
	for (size_t i = 0; i < plot->nr_rows; i++) {
		const struct row *row = &plot->rows[i];

		if (row->pool == plot->panels[panel].pool)
			fprintf(script, "%.3f %.6f %.6f %.6f %.6f %.6f\n", row->seconds,
				row->mib[COLUMN_VIRTUAL], row->mib[COLUMN_PHYSICAL],
				row->mib[COLUMN_RETAINED], row->mib[COLUMN_VIRTUAL_BUDGET],
				row->mib[COLUMN_PHYSICAL_BUDGET]);
	}
	fputs("END_OF_POOL\n", script);
}

/* A budget is drawn where it is near enough to be of interest. */
static void write_panel(FILE *script, const struct plot *plot, int panel)
{
	double highest = 0;

	for (size_t i = 0; i < plot->nr_rows; i++)
		if (plot->rows[i].pool == plot->panels[panel].pool &&
		    plot->rows[i].mib[COLUMN_VIRTUAL] > highest)
			highest = plot->rows[i].mib[COLUMN_VIRTUAL];
	fputs("set title ", script);
	gnuplot_quoted(script, plot->panels[panel].title);
	fprintf(script, "\nset yrange [0:%f]\nplot "
		"$pool%d using 1:($3+$4) with filledcurves x1 linecolor rgb '#a8c8e8' title 'retained', "
		"'' using 1:3 with filledcurves x1 linecolor rgb '#3070b0' title 'physical', "
		"'' using 1:2 with steps linewidth 2 linecolor rgb '#c06000' title 'virtual', "
		"'' using 1:6 with steps dashtype 2 linecolor rgb '#b00000' title 'physical budget', "
		"'' using 1:5 with steps dashtype 3 linecolor rgb '#808080' title 'virtual budget'\n",
		highest > 0 ? 1.5 * highest : 1, panel);
}

static int draw(const struct plot *plot, const char *output)
{
	FILE *script = gnuplot_begin(output, 900, PANEL_HEIGHT * plot->nr_panels);

	if (!script)
		return STATUS_FAILED;
	for (int i = 0; i < plot->nr_panels; i++)
		write_data(script, plot, i);
	fprintf(script, "set multiplot layout %d,1\nset ylabel 'MiB'\nset xlabel 'seconds'\n"
		"set key outside right top\nset grid ytics linecolor rgb '#eeeeee'\n",
		plot->nr_panels);
	for (int i = 0; i < plot->nr_panels; i++)
		write_panel(script, plot, i);
	fputs("unset multiplot\n", script);
	return gnuplot_end(script, output) ? STATUS_FAILED : STATUS_OK;
}

static int plot_file(struct plot *plot, const char *output)
{
	FILE *file = strcmp(plot->input, "-") ? fopen(plot->input, "re") : stdin;
	int error;

	if (!file)
		return failed("%s: %s", plot->input, strerror(errno));
	error = read_table(plot, file);
	if (file != stdin)
		fclose(file);
	if (error)
		return STATUS_FAILED;
	if (plot->left_out)
		complain("only the first %d pools are drawn: --pool N chooses one", MAX_PANELS);
	return draw(plot, output);
}

static int run(int argc, char **argv)
{
	static const struct option names[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "pool", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *output = NULL;
	struct plot plot = { .nr_rows = 0 };
	int option, status;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:h", names, NULL)) != -1) {
		if (option == 'h')
			return helped(&command_plot);
		if (option == '?' || option == ':')
			return misused_option(&command_plot, argv, option);
		if (option == 'o')
			output = optarg;
		else if (pool_parse(optarg, &plot.wanted))
			return misused(&command_plot, "\"%s\" is no number of a pool", optarg);
	}
	if (optind + 1 != argc)
		return misused(&command_plot, optind == argc ? "name the table to draw" :
			       "one table at a time");
	if (!output)
		return misused(&command_plot, "name a file for the picture with -o");
	plot.input = argv[optind];
	status = plot_file(&plot, output);
	array_drop(&plot.array);
	return status;
}

const struct command command_plot = {
	.name = "plot",
	.summary = "draw what was recorded",
	.run = run,
	.help =
"Usage: segpool plot FILE -o PICTURE [OPTION]...\n"
"\n"
"Draws what segpool record has written to FILE (- for standard input), a panel for each\n"
"pool: virtual, physical and retained bytes over time, and its budgets. Needs gnuplot.\n"
"\n"
"  -o, --output PICTURE  its name says what it becomes: .svg, .png or .txt\n"
"      --pool N          only that pool\n",
};
