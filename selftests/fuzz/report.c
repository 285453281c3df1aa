// SPDX-License-Identifier: GPL-2.0-only
/* What was done, in lines that begin with #. */

#include <stdio.h>
#include <string.h>

#include "shared.h"

static void report_call(const struct shared *shared, unsigned int call)
{
	const char *name;
	unsigned int i;

	printf("#   %-10s", call_types[call].name);
	for (i = 0; i < MAX_ERRNO; i++) {
		if (!shared->errnos[call][i])
			continue;
		name = i ? strerrorname_np(i) : "ok";
		printf(" %s %u", name ? name : "?", shared->errnos[call][i]);
	}
	printf("\n");
}

void report(const struct shared *shared)
{
	unsigned int i;

	printf("# %llu calls in %llu inputs; corpus %u, features %u\n",
	       (unsigned long long)shared->calls, (unsigned long long)shared->nr_inputs,
	       shared->nr_corpus, shared->nr_edges);
	if (shared->traced)
		printf("# %u places of the module's code, %u constants learnt\n", shared->nr_pcs,
		       shared->nr_constants);
	else
		printf("# not guided: the kernel has no KCOV\n");
	for (i = 0; i < nr_call_types; i++)
		report_call(shared, i);
	fflush(stdout);
}
