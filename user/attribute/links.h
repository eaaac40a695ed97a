/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * links: connections of Python event loops that read and send outside of contexts (uvloop): when one
 * was accepted, and which context has written what will be sent next.
 */
#ifndef SPANPROBE_LINKS_H
#define SPANPROBE_LINKS_H

#include "attribute/contexts.h"

#define LINKS_MAX 16384 /* of a process; the one longest untouched is forgotten */

struct link {
	uint64_t conn;
	uint64_t accepted_ns;	/* 0: not seen */
	uint64_t read_ns;	/* of its first request; 0: not yet */
	struct origin *written; /* a reference; NULL: none that is known */
	struct link *prev, *next;
	UT_hash_handle hh;
};

struct links;

struct links *links__new(struct units *units);
void links__free(struct links *links);			      /* NULL is allowed */
struct link *links__find(struct links *links, uint64_t conn); /* NULL: nothing known */
struct link *links__get(struct links *links, uint64_t conn);  /* NULL without memory */
void links__wrote(struct links *links, struct link *link, struct origin *origin);
void links__sent(struct links *links, uint64_t conn); /* what was written is out */

#endif
