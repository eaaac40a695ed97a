/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Execution units and what is known of them: the interface between attribute.c, which keeps the
 * books, and the rules of a runtime, which draw the conclusions. A group is a process, a unit one
 * of its threads, a request what one of them serves. Rules of runtimes whose unit is something
 * else (goroutine, Python context, async id) find it in stamp.unit and keep their map of it in
 * group->state.
 */
#ifndef SPANPROBE_UNIT_H
#define SPANPROBE_UNIT_H

#include <uthash.h>

#include "attribute.h"

struct group;
struct unit;

struct request { /* a server exchange from its first byte to its end */
	uint32_t refs;
	struct context *context; /* a reference */
	uint64_t conn_id;
	struct unit *unit; /* the last one that read of it; NULL: unknown or gone */
	bool open;	   /* its answer has not begun */
	bool whole;	   /* its last byte has been read: until then it waits for its own socket */
	bool looped;	   /* of a connection that a loop waits for, among others */
	bool stale;	   /* events were lost while it was open: it proves nothing any more */
	bool queued;	   /* an older request of its connection was open when it came */
	bool followed;	   /* a younger one came while it was open */
	uint32_t calls;	   /* in flight */
	uint32_t connects; /* set up for it, not used yet */
	uint64_t read_ns;  /* of the last read of it */
	struct request *prev, *next; /* all of them */
	UT_hash_handle hh;	     /* by conn_id: the youngest of a connection */
};

/* What the unit does now, by the last thing that it was seen to read. */
enum turn {
	TURN_NONE,     /* nothing was read yet */
	TURN_REQUEST,  /* it read of a request */
	TURN_RESPONSE, /* it read the answer to a call */
	TURN_UNKNOWN   /* something that no single request stands behind */
};

struct unit {
	uint32_t tid;
	bool mux; /* ever had two requests open at a time; for good */
	enum turn turn;
	struct group *group;
	struct request *cur; /* a reference, may be closed; NULL unless REQUEST or RESPONSE */
	uint32_t open;	     /* its open requests ... */
	uint32_t idle;	     /* ... of them those that wait for nothing that is seen */
	uint32_t held;	     /* requests that point here, open or not */
	uint64_t slept;	     /* stamp.unit of that read */
	uint64_t ns;	     /* of the read that began the turn */
	uint64_t seen_ns;
	struct unit *prev, *next; /* idlest first */
	UT_hash_handle hh;
};

struct group {
	uint32_t pid;
	bool migrating; /* work was seen to move between threads: they prove nothing */
	bool older; /* it served before the agent came: requests may be open that are not known */
	const struct unit_rules *rules;
	struct process *process; /* that the rules are for; a reference: its address stays its own */
	uint64_t version;	 /* of the processes that it was looked up in */
	void *state;		 /* of the rules */
	struct unit *units;
	uint64_t seen_ns;
	UT_hash_handle hh;
};

struct verdict {
	struct request *request; /* borrowed where not said otherwise; NULL: a root */
	enum parent_by by;
	enum root_why why;
};

static inline struct verdict verdict_root(enum root_why why)
{
	return (struct verdict){ NULL, PARENT_BY_NONE, why };
}

/* Every function but `who` may be NULL. The books (turn, cur, open, idle, mux) are up to date
 * when one is called. */
struct unit_rules {
	const char *name;
	bool moves_freely; /* other threads may read or write for a unit: no sign of migration */
	bool no_connect;   /* the unit that dials is not the one that the connection is for */
	/* A request was read (first and last bytes), answered, or ended otherwise. */
	void (*request)(struct unit *unit, struct request *request, const struct stamp *at);
	void (*answered)(struct unit *unit, struct request *request, const struct stamp *at);
	/* For which request does the unit act now? Asked at a call and at a connect. */
	struct verdict (*who)(struct unit *unit, const struct stamp *at);
	/* The answer to a call was read; owner: the call's request, NULL when unknown. */
	void (*response)(struct unit *unit, struct request *owner, const struct stamp *at);
	void (*event)(struct group *group, const struct event_unit *event);
	void (*release)(struct group *group); /* gives group->state back */
};

/* The thread has one request open, never had two, and acts for that one as far as it shows. */
struct verdict unit__alone(struct unit *unit);

extern const struct unit_rules threads_rules; /* threads that wait for one thing at a time */
extern const struct unit_rules nginx_rules;
const struct unit_rules *unit_rules__of(const struct process *process); /* NULL process too */

/* --- the books: attribute/unit.c ---------------------------------------------------------- */

struct units {
	struct stats *stats;
	struct processes *processes;
	struct group *groups;
	struct unit *last;   /* found; steps of one unit come in a row */
	struct unit *idlest; /* of all groups */
	uint32_t count;
	uint64_t aged_ns;
	struct request *requests;
	struct request *by_conn;
};

/* at->tid == 0 or a full table: NULL */
struct unit *units__get(struct units *units, const struct stamp *at);
void units__older(struct units *units, uint32_t pid); /* a connection of it was open before */
void units__drop_unit(struct units *units, uint32_t pid, uint32_t tid);
void units__drop_group(struct units *units, uint32_t pid);
void units__age(struct units *units, uint64_t now_ns);
void units__release(struct units *units);

struct request *request__new(struct units *units, uint64_t conn_id, struct context *context);
struct request *request__ref(struct request *request);
void request__unref(struct units *units, struct request *request); /* NULL is allowed */
struct request *request__youngest(struct units *units, uint64_t conn_id);
void request__move(struct request *request, struct unit *unit); /* to its reader */
void request__complete(struct request *request);		/* its last byte has been read */
void request__close(struct request *request);
void request__add_calls(struct request *request, int calls, int connects);
bool request__idle(const struct request *request);

void unit__read(struct unit *unit, const struct stamp *at); /* of a request or an answer */
void unit__turn(struct units *units, struct unit *unit, enum turn turn, struct request *cur);

#endif
