// SPDX-License-Identifier: GPL-2.0-only
/* Looking at pages, and holding them, by the kernel's other ways (GUP). */
#include "operations.h"
#include "poke.h"

static struct ref_page *ref_page_of(struct actor *actor, const struct op *op)
{
	return &actor->pool[op->pool].region[op->arg[0] % MAX_REGIONS].page[op->arg[1]];
}

/* Only pages that are there: an absent one would be brought, or not, as the kernel likes. */
static bool page_is_there(struct actor *actor, const struct op *op)
{
	return is_mapped(actor, op) &&
	       actor->pool[op->pool].region[op->arg[0]].state == ACTIVE &&
	       ref_page_of(actor, op)->mapped;
}

static void pick_mapped_page(struct actor *actor, struct op *op)
{
	uint32_t tries;

	for (tries = 0; tries < 8; tries++) {
		op->arg[0] = pick_region(actor, op, ACTIVE);
		op->arg[1] = pick(actor, REGION_PAGES);
		if (page_is_there(actor, op))
			break;
	}
}

static void check_words(struct actor *actor, const char *what, const uint64_t seen[2], uint64_t tag)
{
	if (seen[0] != tag || seen[1] != (tag ? ~tag : 0))
		mismatch(actor, "%s shows %#llx ... %#llx, expected %#llx", what,
			 (unsigned long long)seen[0], (unsigned long long)seen[1],
			 (unsigned long long)tag);
}

/* Did it work, and was it allowed to? */
static bool gup_worked(struct actor *actor, const struct op *op, const char *what, int error)
{
	enum can pinned = actor->pool[op->pool].mode->pinned;

	if (actor->pressed && error == -ENOMEM)
		return false;
	if (pinned == PERHAPS && (!error || error == -EFAULT)) {
		actor->expected = error;
		return !error;
	}
	return expect_error(actor, what, error, pinned == ALWAYS ? 0 : -EFAULT) && !error;
}

/* --- pin: arguments region, page, number of the pipe --- */

void pin_generate(struct actor *actor, struct op *op)
{
	pick_mapped_page(actor, op);
	op->arg[2] = pick(actor, MAX_PINS);
}

void pin_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	struct iovec vector = { .iov_len = SP_PAGE };

	if (!page_is_there(actor, op) || actor->pin[op->arg[2]].used) {
		answer->skipped = true;
		return;
	}
	vector.iov_base = page_address(actor, op->pool, op->arg[0], op->arg[1]);
	if (vmsplice(actor->pin[op->arg[2]].pipe[1], &vector, 1, SPLICE_F_NONBLOCK) < 0)
		answer->error = -errno;
}

void pin_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct pin *pin = &actor->pin[op->arg[2]];

	if (!gup_worked(actor, op, "vmsplice", answer->error))
		return;
	pin->used = true;
	pin->attached = true;
	pin->pool = op->pool;
	pin->region = op->arg[0];
	pin->page = op->arg[1];
	ref_page_of(actor, op)->pins++;
	touched(actor, op->arg[0], op->arg[1], 1);
}

void pin_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "pin(%u, %u, %u, %u)", op->pool, op->arg[0], op->arg[1], op->arg[2]);
}

/* --- unpin: argument number of the pipe, in the third place as above --- */

void unpin_generate(struct actor *actor, struct op *op)
{
	op->arg[2] = pick(actor, MAX_PINS);
}

void unpin_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	static __thread char page[SP_PAGE];

	if (!actor->pin[op->arg[2]].used) {
		answer->skipped = true;
		return;
	}
	if (read(actor->pin[op->arg[2]].pipe[0], page, sizeof(page)) != (ssize_t)sizeof(page))
		answer->error = -EIO;
	read_words(page, answer->seen[0]);
}

void unpin_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	struct pin *pin = &actor->pin[op->arg[2]];
	struct ref_page *page = &actor->pool[pin->pool].region[pin->region].page[pin->page];

	expect_error(actor, "read from the pipe", answer->error, 0);
	check_words(actor, "a held page", answer->seen[0], pin->attached ? page->tag : pin->tag);
	if (pin->attached)
		page->pins--;
	pin->used = false;
}

void unpin_print(struct actor *actor, const struct op *op, FILE *file)
{
	const struct pin *pin = &actor->pin[op->arg[2]];
	const struct ref_page *page = &actor->pool[pin->pool].region[pin->region].page[pin->page];

	fprintf(file, "unpin(%u, %#llxULL)", op->arg[2],
		(unsigned long long)(pin->attached ? page->tag : pin->tag));
}

/* --- peek: process_vm_readv() of the own memory --- */

void peek_generate(struct actor *actor, struct op *op)
{
	pick_mapped_page(actor, op);
}

void peek_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	static __thread char page[SP_PAGE];
	struct iovec local = { .iov_base = page, .iov_len = SP_PAGE };
	struct iovec remote = { .iov_len = SP_PAGE };

	if (!page_is_there(actor, op)) {
		answer->skipped = true;
		return;
	}
	remote.iov_base = page_address(actor, op->pool, op->arg[0], op->arg[1]);
	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)SP_PAGE)
		answer->error = -errno;
	read_words(page, answer->seen[0]);
}

void peek_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	if (gup_worked(actor, op, "process_vm_readv", answer->error))
		check_words(actor, "process_vm_readv", answer->seen[0],
			    ref_page_of(actor, op)->tag);
}

void peek_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "peek(%u, %u, %u)", op->pool, op->arg[0], op->arg[1]);
}

/* --- poke: process_vm_writev() to the own memory --- */

void poke_generate(struct actor *actor, struct op *op)
{
	pick_mapped_page(actor, op);
}

void poke_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (!page_is_there(actor, op)) {
		answer->skipped = true;
		return;
	}
	answer->error = poke_page(page_address(actor, op->pool, op->arg[0], op->arg[1]),
				  new_tag(actor, op->pool, 1));
}

void poke_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	if (gup_worked(actor, op, "process_vm_writev", answer->error))
		ref_page_of(actor, op)->tag = new_tag(actor, op->pool, 1);
	actor->pool[op->pool].last_tag++;
	touched(actor, op->arg[0], op->arg[1], 1);
}

void poke_print(struct actor *actor, const struct op *op, FILE *file)
{
	fprintf(file, "poke(%u, %u, %u, %#llxULL)", op->pool, op->arg[0], op->arg[1],
		(unsigned long long)new_tag(actor, op->pool, 1));
}

/* --- direct I/O: a page to the disk, a page from there; each actor has a block of its own --- */

static off_t disk_block(const struct actor *actor)
{
	return (off_t)actor->block * SP_PAGE;
}

void direct_write_generate(struct actor *actor, struct op *op)
{
	pick_mapped_page(actor, op);
}

void direct_write_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (actor->disk < 0 || !page_is_there(actor, op)) {
		answer->skipped = true;
		return;
	}
	if (pwrite(actor->disk, page_address(actor, op->pool, op->arg[0], op->arg[1]), SP_PAGE,
		   disk_block(actor)) != (ssize_t)SP_PAGE)
		answer->error = -errno;
}

void direct_write_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	if (gup_worked(actor, op, "write with O_DIRECT", answer->error))
		actor->disk_tag = ref_page_of(actor, op)->tag;
}

void direct_write_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "direct_write(%u, %u, %u)", op->pool, op->arg[0], op->arg[1]);
}

/* Another pool's bytes are no content of this one's pages: those stay on the disk. */
static bool disk_suits(const struct actor *actor, const struct op *op)
{
	return actor->disk_tag && actor->disk_tag >> 36 == actor->pool[op->pool].id;
}

void direct_read_generate(struct actor *actor, struct op *op)
{
	pick_mapped_page(actor, op);
}

void direct_read_run(struct actor *actor, const struct op *op, struct answer *answer)
{
	if (actor->disk < 0 || !page_is_there(actor, op) || !disk_suits(actor, op)) {
		answer->skipped = true;
		return;
	}
	if (pread(actor->disk, page_address(actor, op->pool, op->arg[0], op->arg[1]), SP_PAGE,
		  disk_block(actor)) != (ssize_t)SP_PAGE)
		answer->error = -errno;
}

void direct_read_apply(struct actor *actor, const struct op *op, const struct answer *answer)
{
	if (gup_worked(actor, op, "read with O_DIRECT", answer->error))
		ref_page_of(actor, op)->tag = actor->disk_tag;
	touched(actor, op->arg[0], op->arg[1], 1);
}

void direct_read_print(struct actor *actor, const struct op *op, FILE *file)
{
	(void)actor;
	fprintf(file, "direct_read(%u, %u, %u)", op->pool, op->arg[0], op->arg[1]);
}
