/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which route past the page tables goes through, on which kernel, in which mode:
 * what a test may take for an answer. What is not said to work must be refused.
 */
#ifndef SEGPOOL_SECURITY_PROMISED_H
#define SEGPOOL_SECURITY_PROMISED_H

#include "testing_memory.h"

/* Pages that the kernel looks up by their mapping, as process_vm_readv() does. */
static SP_UNUSED bool mapping_can_be_pinned(uint32_t mode)
{
	return sp_kernel_knows_pages(mode);
}

/* From 6.12 on, where there is memfd_secret(): it looks for pages that belong to no file. */
static bool fast_path_refuses;

/* Once, before the harness forks for each test: the list of symbols is long. */
static __attribute__((__constructor__)) void learn_of_the_fast_path(void)
{
	fast_path_refuses = !sp_kernel_before(6, 12) && sp_kernel_has("secretmem_fault");
}

/* Pages that are there and that the kernel looks up by page tables alone: pipes, direct I/O. */
static SP_UNUSED bool page_can_be_pinned(uint32_t mode)
{
	return mapping_can_be_pinned(mode) ||
	       (mode == SEGPOOL_MODE_STRICT && !fast_path_refuses);
}

/* Older kernels let no mapping of a file be registered. */
static SP_UNUSED bool ring_takes_file_mappings(void)
{
	return !sp_kernel_before(6, 5);
}

/* What an attempt to hold the pages must come to: 1, or -errno. */

static SP_UNUSED long hold_by_page(uint32_t mode)
{
	return page_can_be_pinned(mode) ? 1 : -EFAULT;
}

static SP_UNUSED long hold_by_mapping(uint32_t mode)
{
	return mapping_can_be_pinned(mode) ? 1 : -EFAULT;
}

static SP_UNUSED long hold_by_ring(uint32_t mode)
{
	if (!mapping_can_be_pinned(mode))
		return -EFAULT;
	return ring_takes_file_mappings() ? 1 : -EOPNOTSUPP;
}

static SP_UNUSED long hold_nothing(uint32_t mode SP_UNUSED)
{
	return 0;
}

#endif /* SEGPOOL_SECURITY_PROMISED_H */
