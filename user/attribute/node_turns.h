/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a thread that runs Node's event loop does, in turns. A turn begins where a socket is read or
 * where a callback of something else begins; it has the async ids that were made in it. Whoever
 * acts under an id acts for whom the turn was that made it.
 */
#ifndef SPANPROBE_NODE_TURNS_H
#define SPANPROBE_NODE_TURNS_H

#include "attribute/unit.h"

enum node_cause {
	NODE_OTHER,   /* a timer, a file, a socket that is not followed; for nobody */
	NODE_REQUEST, /* a request was read */
	NODE_ANSWER   /* the answer to a call was */
};

struct node_turn {
	uint64_t number; /* of all turns of the thread */
	uint64_t ns;	 /* when it began */
	uint64_t from;	 /* ids above it, up to that of the next turn, were made in this one */
	uint64_t scope;	 /* id of its first callback, plus 1; 0: none yet */
	struct request *request; /* it is for this one: a reference; or NULL ... */
	struct hold *hold;	 /* ... and for the one that this will tell: a reference, or NULL */
	enum node_cause cause;
	bool mixed;    /* one read, for several */
	uint64_t conn; /* NODE_ANSWER: that it came on */
};

/* Of one socket call (UNIT_AT). */
struct node_ids {
	uint64_t ns;
	uint64_t execution, trigger, counter;
};

#define NODE_IDS_KEPT 64
#define NODE_STREAMS  8192 /* a power of two */

struct node_thread {
	uint32_t tid;
	struct units *units;
	struct node_turn *turns; /* ascending; the last one is going on */
	uint32_t count, room;
	uint64_t read_ns; /* of the read that began it; 0: something else did, or it is over */
	uint64_t counter; /* newest */
	uint64_t begun;	  /* turns */
	struct node_ids ids[NODE_IDS_KEPT];
	uint32_t next_ids;
	uint64_t *streams; /* by id modulo their number: ids whose callbacks may come again */
	struct node_thread *prev, *next;
};

enum node_how {
	NODE_NOT,     /* of an id from before all turns that are known */
	NODE_DIRECT,  /* in the turn itself, or by something that it has made */
	NODE_ASIDE,   /* ... that was made by something else that it has made */
	NODE_TRIGGER, /* by something that was made by something that the turn has made */
};

struct node_thread *node_thread__new(struct units *units, uint32_t tid); /* NULL: no memory */
void node_thread__free(struct node_thread *thread);

/* UNIT_AT, UNIT_SCOPE. true: a new turn has begun. */
bool node_thread__at(struct node_thread *thread, const struct event_unit *at);
bool node_thread__scope(struct node_thread *thread, const struct event_unit *scope);
/* The read at that time was for this one; a read that is not the last one stays for nobody. */
void node_thread__read(struct node_thread *thread, uint64_t ns, enum node_cause cause,
		       struct request *request, struct hold *hold, uint64_t conn);
/* Those of the socket call at that time; NULL: not known (any more). */
const struct node_ids *node_thread__ids(const struct node_thread *thread, uint64_t ns);
/* The turn that those ids lead to; NULL with NODE_NOT. Valid until the next event. */
struct node_turn *node_thread__find(const struct node_thread *thread, const struct node_ids *ids,
				    enum node_how *ret_how);
/* The one that goes on; NULL: none is known. */
struct node_turn *node_thread__now(const struct node_thread *thread);

#endif
