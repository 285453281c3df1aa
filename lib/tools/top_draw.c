// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <string.h>

#include "top_draw.h"

#define CELL		24
#define LINE		1024
#define LEAST_CHART	8
#define LEVELS		8

enum column {
	COLUMN_POOL, COLUMN_NAME, COLUMN_VIRTUAL, COLUMN_VIRTUAL_BUDGET, COLUMN_PHYSICAL,
	COLUMN_RETAINED, COLUMN_BUDGET, NR_COLUMNS
};

static const struct {
	const char *title;
	int width;	/* below 0: to the left */
} columns[NR_COLUMNS] = {
	[COLUMN_POOL] = { "POOL ", 6 },
	[COLUMN_NAME] = { "COMMAND", -15 },
	[COLUMN_VIRTUAL] = { "VIRTUAL", 8 },
	[COLUMN_VIRTUAL_BUDGET] = { "BUDGET", 8 },
	[COLUMN_PHYSICAL] = { "PHYSICAL", 8 },
	[COLUMN_RETAINED] = { "RETAINED", 8 },
	[COLUMN_BUDGET] = { "BUDGET", 8 },
};

/* Where there is no room, these go first. What is left is cut off. */
static const enum column dispensable[] = {
	COLUMN_VIRTUAL_BUDGET, COLUMN_VIRTUAL, COLUMN_NAME, COLUMN_RETAINED, COLUMN_BUDGET,
};

/**
 * struct layout - what fits into a line
 * @shown: by enum column.
 * @physical: columns of the chart of physical bytes; 0: none.
 * @retained: the same of retained ones.
 */
struct layout {
	int shown[NR_COLUMNS];
	unsigned int physical, retained;
	unsigned int width;
	enum top_charset charset;
};

static unsigned int cell_width(enum column column)
{
	return (unsigned int)(columns[column].width < 0 ? -columns[column].width :
						       columns[column].width);
}

static unsigned int columns_width(const struct layout *layout)
{
	unsigned int width = 0;

	for (int i = 0; i < NR_COLUMNS; i++)
		if (layout->shown[i])
			width += cell_width(i) + 1;
	return width;
}

static void lay_out(struct layout *layout)
{
	unsigned int taken, rest;

	for (int i = 0; i < NR_COLUMNS; i++)
		layout->shown[i] = 1;
	for (size_t i = 0; i < sizeof(dispensable) / sizeof(dispensable[0]); i++)
		if (columns_width(layout) + LEAST_CHART > layout->width)
			layout->shown[dispensable[i]] = 0;
	taken = columns_width(layout);
	rest = layout->width > taken ? layout->width - taken : 0;
	layout->retained = rest > 2 * LEAST_CHART ? (rest - 1) / 2 : 0;
	layout->physical = layout->retained ? rest - 1 - layout->retained : rest;
	if (layout->physical > TOP_SAMPLES)
		layout->physical = TOP_SAMPLES;
	if (layout->retained > TOP_SAMPLES)
		layout->retained = TOP_SAMPLES;
}

/* At most 7 characters: 1023B, 1.5M, 1023G. */
static const char *short_size(uint64_t bytes, char text[CELL])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(text, CELL, "%" PRIu64 "B", bytes);
		return text;
	}
	/* What would be shown as 1024 is 1.0 of the next unit. */
	for (; value >= 1023.5 && unit + 1 < strlen(units); unit++)
		value /= 1024;
	snprintf(text, CELL, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return text;
}

/* Nothing is empty only if it is nothing; full is the budget and what is above. */
static int level_of(uint64_t bytes, uint64_t budget)
{
	int level;

	if (!bytes)
		return 0;
	if (bytes >= budget)
		return LEVELS;
	level = (int)((double)bytes / (double)budget * LEVELS + 0.5);
	return level < 1 ? 1 : level > LEVELS ? LEVELS : level;
}

/* Of the sample so many intervals ago. */
static int level_at(const uint64_t *samples, uint64_t taken, uint64_t age, uint64_t budget)
{
	if (age > taken || age > TOP_SAMPLES)
		return 0;
	return level_of(samples[(taken - age) % TOP_SAMPLES], budget);
}

/* The newest is on the right. */
static void chart(FILE *file, const uint64_t *samples, uint64_t taken, uint64_t budget,
		  unsigned int width, enum top_charset charset)
{
	static const char *const blocks[LEVELS + 1] = {
		" ", "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588",
	};
	static const char letters[] = " .:-=+*%#";

	for (uint64_t age = width; age > 0; age--) {
		int level = level_at(samples, taken, age, budget);

		if (charset == TOP_UTF8)
			fputs(blocks[level], file);
		else
			fputc(letters[level], file);
	}
}

/* Cut off at the edge; ASCII. */
static void line(FILE *file, unsigned int width, const char *text)
{
	fprintf(file, "%.*s", (int)width, text);
}

static size_t cell(const struct layout *layout, enum column column, const char *text, char *end,
		   size_t room)
{
	int width = (int)cell_width(column);

	if (!layout->shown[column])
		return 0;
	return (size_t)snprintf(end, room, columns[column].width < 0 ? "%-*.*s " : "%*.*s ", width,
				width, text);
}

static void draw_titles(FILE *file, const struct layout *layout)
{
	char text[LINE];
	size_t length = 0;

	for (int i = 0; i < NR_COLUMNS; i++)
		length += cell(layout, i, columns[i].title, text + length, sizeof(text) - length);
	if (layout->retained)
		snprintf(text + length, sizeof(text) - length, "%-*.*s %.*s",
			 (int)layout->physical, (int)layout->physical, "PHYSICAL/BUDGET",
			 (int)layout->retained, "RETAINED/BUDGET");
	else
		snprintf(text + length, sizeof(text) - length, "%.*s", (int)layout->physical,
			 "PHYSICAL/BUDGET");
	line(file, layout->width, text);
}

static void draw_row(FILE *file, const struct layout *layout, const struct top_row *row)
{
	const struct top_history *history = row->history;
	char text[LINE], value[CELL];
	size_t length = 0;

	snprintf(value, sizeof(value), "%u%s", row->id, row->pressure ? "!" : " ");
	length += cell(layout, COLUMN_POOL, value, text, sizeof(text));
	length += cell(layout, COLUMN_NAME, row->name, text + length, sizeof(text) - length);
	length += cell(layout, COLUMN_VIRTUAL, short_size(row->virtual_bytes, value),
		       text + length, sizeof(text) - length);
	length += cell(layout, COLUMN_VIRTUAL_BUDGET, short_size(row->virtual_budget, value),
		       text + length, sizeof(text) - length);
	length += cell(layout, COLUMN_PHYSICAL, short_size(row->physical_bytes, value),
		       text + length, sizeof(text) - length);
	length += cell(layout, COLUMN_RETAINED, short_size(row->retained_bytes, value),
		       text + length, sizeof(text) - length);
	cell(layout, COLUMN_BUDGET, short_size(row->physical_budget, value), text + length,
	     sizeof(text) - length);
	line(file, layout->width, text);
	chart(file, history->physical, history->taken, row->physical_budget, layout->physical,
	      layout->charset);
	if (!layout->retained)
		return;
	fputc(' ', file);
	chart(file, history->retained, history->taken, row->physical_budget, layout->retained,
	      layout->charset);
}

static void draw_head(FILE *file, const struct top_view *view, unsigned int width)
{
	const struct top_sums *sums = view->sums;
	char text[LINE], size[6][CELL];

	if (sums)
		snprintf(text, sizeof(text), "segpool: %u pool%s, %s of a ceiling of %s and %s of its "
			 "own; virtual %s, physical %s, retained %s", sums->pools, sums->pools == 1 ? "" : "s",
			 short_size(sums->ceiling_used, size[0]), short_size(sums->ceiling, size[1]),
			 short_size(sums->metadata, size[2]), short_size(sums->virtual_bytes, size[3]),
			 short_size(sums->physical_bytes, size[4]),
			 short_size(sums->retained_bytes, size[5]));
	else
		snprintf(text, sizeof(text), "segpool: only your own pools: root sees all");
	line(file, width, text);
}

/* Where not all fit, the last line says so. */
static void draw_rows(FILE *file, const struct top_view *view, const struct layout *layout,
		      unsigned int room)
{
	size_t shown = view->count <= room ? view->count : room - 1;
	char text[LINE];

	for (size_t i = 0; i < shown; i++) {
		fputc('\n', file);
		draw_row(file, layout, &view->rows[i]);
	}
	if (view->count && shown == view->count)
		return;
	fputc('\n', file);
	if (view->count)
		snprintf(text, sizeof(text), "and %zu more: --pool shows one", view->count - shown);
	else
		snprintf(text, sizeof(text), "there are no pools");
	line(file, layout->width, text);
}

void top_draw(FILE *file, const struct top_view *view, struct top_size size,
	      enum top_charset charset)
{
	struct layout layout = { .width = size.width, .charset = charset };

	if (!size.width || !size.height)
		return;
	lay_out(&layout);
	draw_head(file, view, size.width);
	if (size.height < 2)
		return;
	fputc('\n', file);
	draw_titles(file, &layout);
	if (size.height > 2)
		draw_rows(file, view, &layout, size.height - 2);
}
