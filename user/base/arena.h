/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Memory of many small pieces with one life: taken piece by piece, given back all at once.
 * Zero-initialised is empty and valid. */
#ifndef SPANPROBE_ARENA_H
#define SPANPROBE_ARENA_H

#include "slice.h"

struct arena {
	struct arena_block *blocks; /* the newest first: the one that is filled */
	size_t bytes;		    /* allocated in all */
};

/* Aligned to 8 when n is a multiple of 8, else to 1. NULL without memory. */
void *arena__take(struct arena *arena, size_t n);
/* A copy of text; invalid UTF-8 becomes U+FFFD. Returns false without memory. */
bool arena__text(struct arena *arena, struct slice text, struct slice *ret);
void arena__clear(struct arena *arena);	  /* keeps one block for the next use */
void arena__release(struct arena *arena); /* gives the memory back; empty and valid */

#endif
