/* SPDX-License-Identifier: GPL-2.0-only */
/* How much memory a program has, and how it asks its malloc library to give some back. */
#ifndef SEGPOOL_BENCH_RESIDENT_H
#define SEGPOOL_BENCH_RESIDENT_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* KiB of a line of /proc/self/status: VmRSS is what is resident, VmHWM the most that was. */
static long status_kib(const char *name)
{
	size_t length = strlen(name);
	char line[256];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && kib < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length) && line[length] == ':')
			sscanf(line + length + 1, "%ld", &kib);
	if (file)
		fclose(file);
	return kib;
}

/* Whichever library it is: by the call that it has for this. */
static void malloc_gives_back(void)
{
	void (*mimalloc)(bool force) = dlsym(RTLD_DEFAULT, "mi_collect");
	int (*jemalloc)(const char *, void *, size_t *, void *, size_t) = dlsym(RTLD_DEFAULT, "mallctl");
	void (*tcmalloc)(void) = dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory");
	int (*glibc)(size_t) = dlsym(RTLD_DEFAULT, "malloc_trim");

	if (mimalloc) {
		mimalloc(true);
	} else if (jemalloc) {
		jemalloc("thread.tcache.flush", NULL, NULL, NULL, 0);
		/* 4096 stands for all arenas. */
		jemalloc("arena.4096.purge", NULL, NULL, NULL, 0);
	} else if (tcmalloc) {
		tcmalloc();
	} else if (glibc) {
		glibc(0);
	}
}

#endif /* SEGPOOL_BENCH_RESIDENT_H */
