// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"

/* Alternate screen, cursor; ECMA-48 and what all terminals have of xterm. */
#define ENTER		"\033[?1049h\033[?25l"
#define LEAVE		"\033[?25h\033[?1049l"
#define HOME		"\033[H"
#define ERASE_LINE	"\033[K"
#define ERASE_BELOW	"\033[J"

static struct termios before;
static int entered, has_keys;

void terminal_enter(void)
{
	static int registered;
	struct termios keys;

	has_keys = !tcgetattr(STDIN_FILENO, &before);
	if (has_keys) {
		keys = before;
		/* ^C and ^Z stay signals. */
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 1;
		keys.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	}
	fputs(ENTER, stdout);
	fflush(stdout);
	entered = 1;
	if (!registered)
		atexit(terminal_leave);
	registered = 1;
}

void terminal_leave(void)
{
	if (!entered)
		return;
	entered = 0;
	fputs(LEAVE, stdout);
	fflush(stdout);
	/* Keys that were pressed meanwhile were not for a shell. */
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

void terminal_size(unsigned int *width, unsigned int *height)
{
	struct winsize size;

	*width = 80;
	*height = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		return;
	*width = size.ws_col;
	*height = size.ws_row;
}

/* A line is erased before it is written: behind its last column the cursor would still be on it. */
int terminal_show(const char *text)
{
	const char *end = strchrnul(text, '\n');

	fputs(HOME, stdout);
	for (; *end; text = end + 1, end = strchrnul(text, '\n')) {
		fputs(ERASE_LINE, stdout);
		fwrite(text, 1, (size_t)(end - text), stdout);
		fputs("\r\n", stdout);
	}
	fputs(ERASE_BELOW, stdout);
	fputs(text, stdout);
	return fflush(stdout) || ferror(stdout) ? -1 : 0;
}
