// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "ids.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* getrandom() never returns short up to this size, and one call serves many spans. */
#define BLOCK 256

struct ids {
	bool seeded;
	uint64_t state; /* of the seeded generator */
	size_t left;	/* unused bytes at the end of block */
	uint8_t block[BLOCK];
};

/* splitmix64: full period, well mixed from any seed; for replays only */
static uint64_t next_seeded(struct ids *ids)
{
	uint64_t z = ids->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Should the kernel ever refuse, what it gave before seeds the bytes: unequal ids are all we need */
static void fill_random(struct ids *ids)
{
	if (getrandom(ids->block, BLOCK, 0) == BLOCK)
		return;
	for (size_t i = 0; i < BLOCK; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, ids->block + i, sizeof(word));
		ids->state ^= word;
		word ^= next_seeded(ids);
		memcpy(ids->block + i, &word, sizeof(word));
	}
}

static void take(struct ids *ids, uint8_t *ret, size_t n)
{
	if (ids->left < n) {
		if (ids->seeded) {
			for (size_t i = 0; i < BLOCK; i += sizeof(uint64_t)) {
				uint64_t word = next_seeded(ids);

				memcpy(ids->block + i, &word, sizeof(word));
			}
		} else {
			fill_random(ids);
		}
		ids->left = BLOCK;
	}
	memcpy(ret, ids->block + BLOCK - ids->left, n);
	ids->left -= n;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return !any;
}

struct ids *ids__new(void)
{
	struct ids *ids = calloc(1, sizeof(*ids));

	/* the first block is read here, so that a kernel without random bytes is known at start */
	if (ids && getrandom(ids->block, BLOCK, 0) != BLOCK) {
		free(ids);
		return NULL;
	}
	if (ids)
		ids->left = BLOCK;
	return ids;
}

struct ids *ids__new_seeded(uint64_t seed)
{
	struct ids *ids = calloc(1, sizeof(*ids));

	if (ids) {
		ids->seeded = true;
		ids->state = seed;
	}
	return ids;
}

void ids__free(struct ids *ids)
{
	free(ids);
}

void ids__trace_id(struct ids *ids, uint8_t ret_id[16])
{
	do
		take(ids, ret_id, 16);
	while (all_zero(ret_id, 16));
}

void ids__span_id(struct ids *ids, uint8_t ret_id[8])
{
	do
		take(ids, ret_id, 8);
	while (all_zero(ret_id, 8));
}
