// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "owner.h"

#define PAGE	4096U

static uint64_t signature(uint64_t owner, uint64_t offset)
{
	return (owner + 1) * 0x9e3779b97f4a7c15ULL + offset;
}

/* A block need not have the 8 bytes of a word in its last page. */
static uint64_t word_bytes(uint64_t bytes, uint64_t offset)
{
	return bytes - offset < sizeof(uint64_t) ? bytes - offset : sizeof(uint64_t);
}

void owner_sign(char *address, uint64_t from, uint64_t to, uint64_t owner)
{
	uint64_t word;

	for (uint64_t offset = from / PAGE * PAGE; offset < to; offset += PAGE) {
		word = signature(owner, offset);
		memcpy(address + offset, &word, word_bytes(to, offset));
	}
}

uint64_t owner_check(const char *address, uint64_t bytes, uint64_t owner)
{
	uint64_t wrong = 0, word;

	for (uint64_t offset = 0; offset < bytes; offset += PAGE) {
		word = signature(owner, offset);
		wrong += memcmp(address + offset, &word, word_bytes(bytes, offset)) != 0;
	}
	return wrong;
}
