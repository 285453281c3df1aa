/* SPDX-License-Identifier: GPL-2.0-only */
/* The terminal, as long as a command has all of it. */
#ifndef SEGPOOL_TERMINAL_H
#define SEGPOOL_TERMINAL_H

/* The alternate screen without a cursor, and keys as they are pressed. Left at exit, too. */
void terminal_enter(void);
/* As it was. Does nothing where it was not entered. */
void terminal_leave(void);
/* What ioctl(TIOCGWINSZ) says, or 80 columns and 24 lines. */
void terminal_size(unsigned int *width, unsigned int *height);
/* @text is all that is there now; it fits. -1: the terminal is gone. */
int terminal_show(const char *text);

#endif
