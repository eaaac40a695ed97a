/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * handed: whose work the threads of a Python process do, other than that of the request which they
 * have read themselves: by the queue that a pool takes its work from, or by who made the thread.
 */
#ifndef SPANPROBE_HANDED_H
#define SPANPROBE_HANDED_H

#include "attribute/unit.h"

#define HANDED_THREADS_MAX 8192	 /* of a process */
#define HANDED_ITEMS_MAX   16384 /* queued and not taken; the oldest is forgotten */

struct worker {
	uint32_t tid;
	struct request *request; /* a reference: whose work it does; NULL: nobody's that is known */
	enum parent_by by;
	uint64_t since_ns; /* it took work or was made: a request that it read before is not its */
	struct request *read; /* a reference: its last event outside of contexts, when it read one */
	uint64_t accepted;    /* its last event of all, when it accepted that connection */
	uint64_t unit;	      /* ... in that context */
	UT_hash_handle hh;
};

struct handed;

struct handed *handed__new(struct units *units);
void handed__free(struct handed *handed);			  /* NULL is allowed */
struct worker *handed__find(struct handed *handed, uint32_t tid); /* NULL: nothing known */
struct worker *handed__get(struct handed *handed, uint32_t tid);  /* NULL without memory */
void handed__drop(struct handed *handed, uint32_t tid);		  /* the thread has ended */
void worker__works_for(struct handed *handed, struct worker *worker, struct request *request,
		       enum parent_by by, uint64_t now_ns);
/* Another event came. NULL is allowed */
void worker__moves_on(struct handed *handed, struct worker *worker, bool in_context);
void worker__has_read(struct handed *handed, struct worker *worker, struct request *request);

/* An item is put into a queue for the request (NULL: nobody's); and taken out: a reference for the
 * caller, or NULL. The same one may be queued more than once: it is nobody's then. */
void handed__put(struct handed *handed, uint64_t item, struct request *request);
struct request *handed__take(struct handed *handed, uint64_t item);

#endif
