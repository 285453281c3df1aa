/* SPDX-License-Identifier: GPL-2.0-only */
/* One workload, two allocators: what the leak and its cure have in common. */
#ifndef DEMO_CHURN_H
#define DEMO_CHURN_H

#include <stdint.h>

#define CHURN_REGION	(2ULL << 20)
#define CHURN_REGIONS	250U		/* live when an epoch begins and ends */
#define CHURN_RELEASED	100U		/* given up in each epoch */
#define CHURN_REUSED	50U		/* wanted back at once; the rest a little later */
#define CHURN_EPOCHS	12U
#define CHURN_BUDGET	(512ULL << 20)

/* A region as its allocator knows it. */
struct churn_region {
	char *address;
	uint64_t handle;	/* segpool only */
};

/* An allocator under test. Functions return 0, or -1 after a message on stderr. */
struct churn_allocator {
	const char *name;
	int (*open)(void);
	int (*take)(struct churn_region *regions, uint32_t count);
	int (*release)(struct churn_region *regions, uint32_t count);
	/* What the allocator believes: bytes mapped, bytes of pages in use and kept. */
	int (*says)(uint64_t *mapped, uint64_t *physical, uint64_t *retained);
	void (*close)(void);
};

extern const struct churn_allocator churn_classic;
extern const struct churn_allocator churn_segpool;

#endif
