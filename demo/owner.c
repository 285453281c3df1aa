// SPDX-License-Identifier: GPL-2.0-only
#include "owner.h"

#define PAGE	4096U

static uint64_t signature(uint64_t owner, uint64_t offset)
{
	return (owner + 1) * 0x9e3779b97f4a7c15ULL + offset;
}

void owner_sign(char *address, uint64_t bytes, uint64_t owner)
{
	for (uint64_t offset = 0; offset < bytes; offset += PAGE)
		*(volatile uint64_t *)(address + offset) = signature(owner, offset);
}

uint64_t owner_check(const char *address, uint64_t bytes, uint64_t owner)
{
	uint64_t wrong = 0;

	for (uint64_t offset = 0; offset < bytes; offset += PAGE)
		wrong += *(const volatile uint64_t *)(address + offset) !=
			 signature(owner, offset);
	return wrong;
}
