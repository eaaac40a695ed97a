/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * contexts: what is known of the contextvars.Context objects of a process, by address. An address is
 * used again as soon as its context is gone, so what a context means is kept apart, in its origin:
 * which request it acts for, or which connection, or from what it was copied.
 */
#ifndef SPANPROBE_CONTEXTS_H
#define SPANPROBE_CONTEXTS_H

#include "attribute/unit.h"

#define CONTEXTS_MAX	   65536 /* of a process; the one longest unseen is forgotten */
#define CONTEXTS_DEPTH_MAX 8	 /* origins that are remembered above one */

struct origin {
	uint32_t refs;
	uint8_t depth; /* of origins above it */
	bool doubt;    /* it acts for whom nobody can tell; for good */
	bool server;   /* reads of all connections are worked on in it */
	bool nobody;   /* it was made between two requests of a connection: for none of them */
	bool answered; /* it has written an answer while it was not known for whom it acts */
	struct origin
		*up; /* a reference: that of what it was copied from, while that may tell more */
	uint64_t made_ns;	 /* 0: before it was seen first */
	struct request *request; /* a reference: it acts for that one alone, open or not */
	uint64_t conn;	    /* it acts for whatever request is open on that connection; 0: none */
	uint64_t served_ns; /* ... when the first one was read there; 0: not yet */
};

struct contexts;

struct contexts *contexts__new(struct units *units);
void contexts__free(struct contexts *contexts); /* NULL is allowed */
/* What the context at that address means: borrowed; NULL without memory. */
struct origin *contexts__at(struct contexts *contexts, uint64_t address);
/* A context was made at that address: as a copy of what `from` is of, for a request (may be NULL);
 * from NULL: of nothing known. Gives its origin, borrowed. */
struct origin *contexts__made(struct contexts *contexts, uint64_t address, struct origin *from,
			      struct request *request, uint64_t now_ns);

struct origin *origin__ref(struct origin *origin);
void origin__unref(struct units *units, struct origin *origin); /* NULL is allowed */
void origin__set_request(struct units *units, struct origin *origin, struct request *request);
/* The nearest one that acts for a connection, itself included. NULL: none, or one between acts for
 * something else, or this one was made when a request had been read there: for that one alone, or for
 * none. */
struct origin *origin__of_conn(struct origin *origin);

#endif
