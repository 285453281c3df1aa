/* SPDX-License-Identifier: GPL-2.0-only */
/* The time series of a replay, as comma-separated values. */
#ifndef DEMO_SERIES_H
#define DEMO_SERIES_H

#include <stdio.h>

#include "sample.h"

void series_start(FILE *file);
void series_add(FILE *file, const struct sample *sample);

#endif
