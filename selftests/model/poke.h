/* SPDX-License-Identifier: GPL-2.0-only */
/* Writing to a page by way of the kernel: by the model, and by the programs that it prints. */
#ifndef SEGPOOL_MODEL_POKE_H
#define SEGPOOL_MODEL_POKE_H

#include "../testing_memory.h"
#include <sys/uio.h>

/* @tag at the beginning, its complement at the end: 0 or -errno. */
static SP_UNUSED int poke_page(char *page, uint64_t tag)
{
	uint64_t bytes[SP_PAGE / sizeof(uint64_t)] = { tag };
	struct iovec local = { .iov_base = bytes, .iov_len = SP_PAGE };
	struct iovec remote = { .iov_base = page, .iov_len = SP_PAGE };
	ssize_t n;

	bytes[SP_PAGE / sizeof(uint64_t) - 1] = ~tag;
	n = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
	return n == (ssize_t)SP_PAGE ? 0 : n < 0 ? -errno : -EIO;
}

#endif /* SEGPOOL_MODEL_POKE_H */
