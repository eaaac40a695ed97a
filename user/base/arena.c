// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "utf8.h"

#define BLOCK_FIRST 512
#define BLOCK_MAX   (256u << 10)

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t size;
	_Alignas(8) char bytes[];
};

static struct arena_block *grow(struct arena *arena, size_t n)
{
	size_t size = arena->blocks ? arena->blocks->size * 2 : BLOCK_FIRST;

	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	if (size < n)
		size = n;
	if (size > SIZE_MAX - sizeof(struct arena_block))
		return NULL;
	struct arena_block *block = malloc(sizeof(*block) + size);

	if (!block)
		return NULL;
	block->next = arena->blocks;
	block->used = 0;
	block->size = size;
	arena->blocks = block;
	arena->bytes += sizeof(*block) + size;
	return block;
}

void *arena__take(struct arena *arena, size_t n)
{
	struct arena_block *block = arena->blocks;
	size_t pad = block && n % 8 == 0 ? -block->used & 7 : 0;

	if (!block || block->size - block->used < pad || block->size - block->used - pad < n) {
		block = grow(arena, n);
		pad = 0;
	}
	if (!block)
		return NULL;
	void *p = block->bytes + block->used + pad;

	block->used += pad + n;
	return p;
}

bool arena__text(struct arena *arena, struct slice text, struct slice *ret)
{
	size_t good = utf8__valid(text);
	size_t room = text.n;

	if (good != text.n) {
		if (text.n > SIZE_MAX / UTF8_CLEAN_GROWTH)
			return false;
		room = text.n * UTF8_CLEAN_GROWTH;
	}
	char *to = arena__take(arena, room);

	if (!to)
		return false;
	if (good == text.n && text.n)
		memcpy(to, text.p, text.n);
	*ret = slice(to, good == text.n ? text.n : utf8__clean(text, to));
	return true;
}

void arena__clear(struct arena *arena)
{
	struct arena_block *keep = arena->blocks;

	if (!keep)
		return;
	struct arena rest = { .blocks = keep->next };

	arena__release(&rest);
	keep->next = NULL;
	keep->used = 0;
	arena->bytes = sizeof(*keep) + keep->size;
}

void arena__release(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	arena->bytes = 0;
}
