/* SPDX-License-Identifier: GPL-2.0-only */
/* The functions behind the table of operations, and helpers to print them as C. */
#ifndef SEGPOOL_MODEL_OPERATIONS_H
#define SEGPOOL_MODEL_OPERATIONS_H

#include "model.h"

#define OPERATION(name) \
	void name##_generate(struct actor *actor, struct op *op); \
	void name##_run(struct actor *actor, const struct op *op, struct answer *answer); \
	void name##_apply(struct actor *actor, const struct op *op, const struct answer *answer); \
	void name##_print(struct actor *actor, const struct op *op, FILE *file)

/* pool_operations.c */
OPERATION(open);
OPERATION(unmap);
OPERATION(close);
/* alloc_operations.c */
OPERATION(alloc);
/* region_operations.c */
OPERATION(free);
OPERATION(reuse);
/* range_operations.c */
OPERATION(discard);
OPERATION(populate);
/* memory_operations.c */
OPERATION(write);
OPERATION(read);
OPERATION(drop);
/* pin_operations.c */
OPERATION(pin);
OPERATION(unpin);
OPERATION(peek);
OPERATION(poke);
OPERATION(direct_write);
OPERATION(direct_read);
/* limit_operations.c */
OPERATION(set_budget);
OPERATION(trim);
OPERATION(class_stat);
OPERATION(poll);
/* pressure_operations.c */
OPERATION(shrink);
OPERATION(ceiling);
/* process_operations.c */
OPERATION(child);
OPERATION(pass);
OPERATION(heir);
OPERATION(owner);
OPERATION(split);
OPERATION(move);
/* bad_operations.c */
OPERATION(bad);

#undef OPERATION

/* requests.c */
uint32_t pick_request_flags(struct actor *actor);
uint32_t pick_timeout(struct actor *actor, uint32_t flags);
uint32_t pick_class(struct actor *actor);
void apply_wait(struct actor *actor, const struct op *op, uint32_t flags, uint32_t reason);
bool take_region(struct actor *actor, const struct op *op, const struct segpool_region *region,
		 uint32_t class_index, uint32_t flags);
void take_pages(struct actor *actor, const struct op *op, const struct segpool_region *regions,
		uint32_t count, uint32_t flags);

#endif /* SEGPOOL_MODEL_OPERATIONS_H */
