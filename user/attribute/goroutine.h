/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is known of the goroutines of a process; the rules are in go.c. All tables are bounded: what is
 * forgotten is not known, and what is not known is no evidence. */
#ifndef SPANPROBE_GOROUTINE_H
#define SPANPROBE_GOROUTINE_H

#include "attribute/unit.h"

#define GOROUTINES_MAX 16384 /* of a process */
#define GIFTS_MAX      8192
#define WORKS_MAX      16 /* calls of a goroutine that wait to be claimed */

struct goroutine;

/* A call of a goroutine that serves nobody: whoever gets its result may claim it. */
struct work {
	struct goroutine *of;
	struct hold *hold;
	uint64_t begun_ns;
	bool direct; /* it writes itself, so it must read the answer, too */
	bool called; /* its first byte was written */
	bool answered;
	struct work *prev, *next;
	UT_hash_handle hh; /* by hold */
};

struct goroutine {
	uint64_t id;
	uint64_t creator;	 /* 0: not known */
	struct request *request; /* a reference: that it has read, or that its creator had then */
	bool serves;		 /* it reads requests itself */
	bool mixed;		 /* ... of several connections in turns: it proves nothing */
	bool dialled;		 /* it, or what it has created, has opened connections */
	bool after_dial;	 /* created by such a one: may work for a connection */
	bool timed;		 /* woken by a timer last */
	uint64_t conns[2];	 /* that it has read requests of last */
	struct request *from;	 /* a reference: that of the goroutine which handed work to it */
	struct work *works;	 /* oldest first */
	unsigned int count;
	struct goroutine *prev, *next; /* idlest first */
	UT_hash_handle hh;
};

/* A connection: who has opened it, and whom its next call is for. */
struct gift {
	uint64_t conn_id;
	uint64_t dialler, maker; /* and by whom that one was created; 0: not known */
	struct verdict verdict;	 /* request, hold: references */
	bool given;
	struct gift *prev, *next; /* oldest first */
	UT_hash_handle hh;
};

struct goroutines {
	struct units *units;
	struct goroutine *by_id, *idlest;
	struct gift *gifts, *oldest;
	struct work *works; /* by hold */
};

struct goroutines *goroutines__of(struct group *group); /* made when it is not there; or NULL */
void goroutines__free(struct goroutines *goroutines);	/* NULL is allowed; settles what waits */

struct goroutine *goroutine__find(struct goroutines *all, uint64_t id);
struct goroutine *goroutine__get(struct goroutines *all, uint64_t id); /* NULL: no memory */
void goroutine__set_request(struct goroutines *all, struct goroutine *g, struct request *request);
/* What it works for now, open or not; NULL: not known. */
struct request *goroutine__request(struct goroutines *all, struct goroutine *g);

/* A call that waits; its hold is borrowed. NULL: too many. */
struct hold *goroutine__wait(struct goroutines *all, struct goroutine *g, uint64_t now_ns);
struct work *work__of(struct goroutines *all, const struct hold *hold);
/* Decides it and forgets it. */
void work__settle(struct goroutines *all, struct work *work, struct verdict verdict);
/* The goroutine has taken new work, of `from` or (NULL) of nobody known. */
void goroutine__begin(struct goroutines *all, struct goroutine *g, struct request *from);

void gift__dialled(struct goroutines *all, uint64_t conn_id, const struct goroutine *dialler);
/* g, or what it has created, has opened the connection; also when that is not known. */
bool gift__may_be_of(struct goroutines *all, uint64_t conn_id, uint64_t g);
void gift__put(struct goroutines *all, uint64_t conn_id, struct verdict verdict);
/* Once. NULL: there is none; borrowed until the connection's next one. */
const struct verdict *gift__take(struct goroutines *all, uint64_t conn_id);

#endif
