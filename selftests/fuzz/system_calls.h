/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything that is done to a pool besides the module's own calls; 0 or -errno. */
#ifndef FUZZ_SYSTEM_CALLS_H
#define FUZZ_SYSTEM_CALLS_H

struct step;
struct world;

/* step_mapping.c */
int do_mmap(struct world *world, const struct step *step);
int do_munmap(struct world *world, const struct step *step);
int do_mprotect(struct world *world, const struct step *step);
int do_madvise(struct world *world, const struct step *step);
int do_mremap(struct world *world, const struct step *step);
int do_mlock(struct world *world, const struct step *step);
int do_pages(struct world *world, const struct step *step);
int do_userfaultfd(struct world *world, const struct step *step);

/* step_access.c */
int do_touch(struct world *world, const struct step *step);
int do_pin(struct world *world, const struct step *step);
int do_debugfs(struct world *world, const struct step *step);

/* step_file.c */
int do_read_write(struct world *world, const struct step *step);
int do_poll(struct world *world, const struct step *step);
int do_file(struct world *world, const struct step *step);
int do_close(struct world *world, const struct step *step);
int do_fork(struct world *world, const struct step *step);

#endif /* FUZZ_SYSTEM_CALLS_H */
