// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* A kept object holds the next one's address in its first bytes. */
void *pool__get(struct pool *pool)
{
	void *object = pool->free_list;

	if (!object)
		return malloc(pool->size);
	memcpy(&pool->free_list, object, sizeof(void *));
	pool->kept--;
	return object;
}

void pool__put(struct pool *pool, void *object)
{
	if (!object)
		return;
	if (pool->kept >= pool->keep) {
		free(object);
		return;
	}
	memcpy(object, &pool->free_list, sizeof(void *));
	pool->free_list = object;
	pool->kept++;
}

void pool__release(struct pool *pool)
{
	pool->keep = 0;
	while (pool->free_list)
		free(pool__get(pool));
}
