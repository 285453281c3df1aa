/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A terminal, as far as the command needs one: what a program at the other end of a
 * pseudo-terminal has written becomes lines of characters. What it does not know is an error.
 */
#ifndef SEGPOOL_TOOL_SCREEN_H
#define SEGPOOL_TOOL_SCREEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCREEN_WIDTH	200
#define SCREEN_HEIGHT	60

/* A character is a byte here; one that has several is shown by the last of these. */
struct screen {
	unsigned int width, height, column, row, normal_column, normal_row;
	int alternate, hidden, unknown, overflowed;
	unsigned int drawn, wide;
	char normal[SCREEN_HEIGHT][SCREEN_WIDTH + 1];
	char cells[SCREEN_HEIGHT][SCREEN_WIDTH + 1];
	char sequence[32];
	size_t length;
};

static inline void screen_erase(struct screen *screen, unsigned int row, unsigned int column)
{
	memset(&screen->cells[row][column], ' ', SCREEN_WIDTH - column);
	screen->cells[row][SCREEN_WIDTH] = '\0';
}

static inline void screen_clear(struct screen *screen, unsigned int from)
{
	for (unsigned int row = from; row < SCREEN_HEIGHT; row++)
		screen_erase(screen, row, 0);
}

static inline void screen_init(struct screen *screen, unsigned int width, unsigned int height)
{
	memset(screen, 0, sizeof(*screen));
	screen->width = width;
	screen->height = height;
	screen_clear(screen, 0);
}

static inline void screen_switch(struct screen *screen, int alternate)
{
	if (alternate && !screen->alternate) {
		screen->normal_row = screen->row;
		screen->normal_column = screen->column;
		memcpy(screen->normal, screen->cells, sizeof(screen->normal));
		screen_clear(screen, 0);
	}
	if (!alternate && screen->alternate) {
		screen->row = screen->normal_row;
		screen->column = screen->normal_column;
		memcpy(screen->cells, screen->normal, sizeof(screen->cells));
	}
	screen->alternate = alternate;
}

static inline void screen_obey(struct screen *screen, const char *sequence)
{
	if (!strcmp(sequence, "[?1049h") || !strcmp(sequence, "[?1049l")) {
		screen_switch(screen, sequence[6] == 'h');
	} else if (!strcmp(sequence, "[?25l") || !strcmp(sequence, "[?25h")) {
		screen->hidden = sequence[4] == 'l';
	} else if (!strcmp(sequence, "[H")) {
		screen->row = screen->column = 0;
		screen->drawn++;
	} else if (!strcmp(sequence, "[K")) {
		/* What was written last, where the line is full. */
		screen_erase(screen, screen->row, screen->column < screen->width ?
			     screen->column : screen->width - 1);
	} else if (!strcmp(sequence, "[J")) {
		screen_erase(screen, screen->row, screen->column);
		screen_clear(screen, screen->row + 1);
	} else {
		screen->unknown++;
	}
}

static inline void screen_put(struct screen *screen, char byte)
{
	if (screen->column >= screen->width || screen->row >= screen->height) {
		screen->overflowed++;
		return;
	}
	screen->cells[screen->row][screen->column++] = byte;
}

static inline void screen_take(struct screen *screen, unsigned char byte)
{
	if (screen->length) {
		screen->sequence[screen->length++ - 1] = (char)byte;
		if (screen->length < sizeof(screen->sequence) && (byte == '[' || byte < '@'))
			return;
		screen->sequence[screen->length - 1] = '\0';
		screen->length = 0;
		screen_obey(screen, screen->sequence);
	} else if (byte == 033) {
		screen->length = 1;
	} else if (byte == '\r') {
		screen->column = 0;
	} else if (byte == '\n') {
		if (screen->row + 1 < screen->height)
			screen->row++;
		else
			screen->overflowed++;
	} else if (byte >= 0xc0) {
		screen->wide++;
		screen_put(screen, '?');
	} else if (byte >= 0x80) {
		screen->cells[screen->row][screen->column - 1] = (char)('0' + (byte & 0xf));
	} else {
		screen_put(screen, (char)byte);
	}
}

/* The line without what is empty at its end. */
static inline const char *screen_line(const struct screen *screen, unsigned int row)
{
	static char text[SCREEN_WIDTH + 1];
	size_t length = SCREEN_WIDTH;

	memcpy(text, screen->cells[row], sizeof(text));
	while (length && text[length - 1] == ' ')
		length--;
	text[length] = '\0';
	return text;
}

#endif
