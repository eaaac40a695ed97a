/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Objects of one size that come and go often. Freed objects are kept for the next one, up to
 * `keep` of them. Zeroing is the caller's business.
 */
#ifndef SPANPROBE_POOL_H
#define SPANPROBE_POOL_H

#include <stddef.h>

struct pool {
	size_t size; /* bytes of an object, >= sizeof(void *) */
	size_t keep;
	size_t kept;
	void *free_list;
};

void *pool__get(struct pool *pool);		 /* NULL without memory */
void pool__put(struct pool *pool, void *object); /* NULL is allowed */
void pool__release(struct pool *pool); /* frees the kept objects; those in use are the owner's */

#endif
