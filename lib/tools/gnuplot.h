/* SPDX-License-Identifier: GPL-2.0-only */
/* Pictures by gnuplot, which reads a script from us. */
#ifndef SEGPOOL_GNUPLOT_H
#define SEGPOOL_GNUPLOT_H

#include <stdio.h>

/*
 * Starts gnuplot for a picture in @output, of these pixels; its kind by the name: .png, .txt
 * (80 columns), or else SVG. NULL after a complaint.
 */
FILE *gnuplot_begin(const char *output, int width, int height);
/* Ends the script. 0, or -1 after a complaint. */
int gnuplot_end(FILE *script, const char *output);
/* A string of gnuplot's. */
void gnuplot_quoted(FILE *script, const char *text);

#endif
