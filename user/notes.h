/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * notes: what a connection was told under a name and will be referred to by it (prepared
 * statements). Equal texts of many connections are kept once. Bounded in all and per connection; what finds
 * no room is counted and not remembered.
 */
#ifndef SPANPROBE_NOTES_H
#define SPANPROBE_NOTES_H

#include "base/slice.h"
#include "stats.h"

#define NOTES_TEXT_MAX	(8u << 10) /* of one text; more is cut */
#define NOTES_NAME_MAX	128
#define NOTES_OF_CONN	1024
#define NOTES_BYTES_MAX (16u << 20) /* of all connections */

struct note_text;

/* One of decode, for all its connections */
struct note_store {
	struct stats *stats;
	struct note_text *texts;
	size_t bytes;
	size_t bytes_max; /* 0: NOTES_BYTES_MAX */
};

struct notes; /* of one connection */

struct notes *notes__new(struct note_store *store); /* NULL without memory */
void notes__free(struct notes *notes);		    /* NULL is allowed */
/* Replaces what was there under that name. A name beyond NOTES_NAME_MAX is forgotten. */
void notes__put(struct notes *notes, struct slice name, struct slice text);
/* Empty: nothing is known under that name. Valid until the next put or drop. notes: NULL is
 * allowed. */
struct slice notes__get(const struct notes *notes, struct slice name);
void notes__drop(struct notes *notes, struct slice name);

#endif
