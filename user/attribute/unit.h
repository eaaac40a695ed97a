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
#include "recipe.h"

struct group;
struct unit;

struct request { /* a server exchange from its first byte to its end */
	uint32_t refs;
	struct context *context; /* a reference */
	uint64_t conn_id;
	struct unit *unit;     /* the last one that read of it; NULL: unknown or gone */
	uint64_t runtime_unit; /* stamp.unit of that read: for the rules of runtimes */
	uint64_t first_unit;   /* ... and of the read of its first byte */
	bool open;	       /* its answer has not begun */
	bool whole;	   /* its last byte has been read: until then it waits for its own socket */
	bool looped;	   /* of a connection that a loop waits for, among others */
	bool stale;	   /* events were lost while it was open: it proves nothing any more */
	bool queued;	   /* an older request of its connection was open when it came */
	bool followed;	   /* a younger one came while it was open */
	bool early;	   /* ... while the answer to an older one was still being written */
	bool done;	   /* its answer has ended, or it never will */
	bool keyed;	   /* one of several that share the connection (streams) */
	uint32_t calls;	   /* in flight */
	uint32_t connects; /* set up for it, not used yet */
	uint64_t begun_ns; /* of the first read of it ... */
	uint64_t read_ns;  /* ... and the last one */
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
	bool mux;   /* ever had two requests open at a time; for good */
	bool gives; /* a request that it had read was answered, or its call's answer read, by another
		       thread; for good */
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
	struct units *units; /* that it is of */
	bool migrating;	     /* work was seen to move between threads: they prove nothing */
	bool older;   /* it served before the agent came: requests may be open that are not known */
	uint8_t kind; /* enum unit_kind: what stamp.unit is in its events (UNIT_MODULE) */
	uint8_t flags; /* RECIPE_* */
	const struct unit_rules *rules;
	struct process *process; /* that the rules are for; a reference: its address stays its own */
	uint64_t version;	 /* of the processes that it was looked up in */
	void *state;		 /* of the rules */
	struct unit *by_tid;	 /* its threads */
	uint64_t seen_ns;
	UT_hash_handle hh;
};

struct hold;
struct setup;
struct units;

struct verdict {
	struct request *request; /* borrowed where not said otherwise; NULL: a root */
	enum parent_by by;
	enum root_why why;
	struct hold *hold; /* not known yet (request NULL); borrowed */
	/* with a hold: whose it is as far as it looks, which therefore waits for it; borrowed */
	struct request *maybe;
};

static inline struct verdict verdict_root(enum root_why why)
{
	return (struct verdict){ .why = why };
}

/*
 * A call whose request may become known later (a result that is handed over) is *held*: its
 * verdict names a hold, which the rules settle when they know. The hold of a call that nobody
 * claims expires HOLD_NS after the call has ended; it is a root then.
 */
#define HOLD_NS (250ull * 1000 * 1000)

struct held; /* one call that waits */

struct hold {
	uint32_t refs;
	bool settled;
	uint64_t begun_ns;	/* of its call; for the rules, 0 where they do not say */
	struct verdict verdict; /* once settled; request: a reference */
	struct request
		*fallback; /* a reference: whose the call is if nobody claims it; NULL: nobody's */
	enum parent_by fallback_by;
	struct held *calls;
};

struct hold *hold__new(void); /* NULL without memory */
struct hold *hold__ref(struct hold *hold);
void hold__unref(struct units *units, struct hold *hold); /* NULL is allowed */
/* Whose its calls are when it expires. NULL: nobody's */
void hold__set_fallback(struct units *units, struct hold *hold, struct request *request,
			enum parent_by by);
/* Decides all calls that wait for it, and those that come later. Once; a request that is answered
 * by now is not looked at here: whether it was open is the rules' to know. */
void hold__settle(struct units *units, struct hold *hold, struct verdict verdict);

/* A call or a connect that wants to know whom it is for; or the answer to a call. */
struct call_site {
	const struct stamp *at;
	uint64_t conn_id;
	const struct conn_tuple *tuple;
	const struct setup *opened; /* the first call: of its connection, where that was seen */
	bool connecting;	    /* no call yet: the connection is being opened */
	bool reused;		    /* not the first call of the connection */
	bool reads;		    /* an answer: its first bytes, or all of it: `complete` */
	bool complete;
	struct hold *hold; /* an answer: that of its call, or NULL */
};

/* Every function but `who` may be NULL. The books (turn, cur, open, idle, mux) are up to date
 * when one is called. */
struct unit_rules {
	const char *name;
	bool moves_freely; /* other threads may read or write for a unit: no sign of migration */
	bool gives_whole;  /* a request that moves does so before anything is done for it: threads
			      that never gave one away are above doubt */
	bool no_connect;   /* the unit that dials is not the one that the connection is for */
	bool by_caller;	   /* a call is for whom its unit acts, whoever has dialled */
	/* A request was read (first and last bytes), answered, or ended otherwise. */
	void (*request)(struct unit *unit, struct request *request, const struct stamp *at);
	void (*answered)(struct unit *unit, struct request *request, const struct stamp *at);
	/* The head of a request is whole; at: its first byte. */
	void (*head)(struct unit *unit, struct request *request, const struct stamp *at);
	/* For which request does the unit act now? Asked at a call and at a connect; there
	 * PARENT_BY_CONNECT says that other threads may write what the connection is opened for. */
	struct verdict (*who)(struct unit *unit, const struct call_site *site);
	/* It dials; where no_connect says that nobody is asked for whom. */
	void (*connect)(struct unit *unit, const struct call_site *site);
	/* Of the answer to a call was read; owner: the call's request, NULL when unknown. */
	void (*response)(struct unit *unit, struct request *owner, const struct call_site *site);
	/* A call is over, in whatever way. site->at: its end. */
	void (*done)(struct group *group, const struct call_site *site);
	/* EVENT_UNIT; CREATE and EXIT before the books forget the thread */
	void (*event)(struct group *group, const struct event_unit *event);
	void (*named)(struct group *group, const struct event_name *event);
	/* A request ends for good (its answer has begun, or it is lost): forget it. */
	void (*gone)(struct group *group, struct request *request);
	/* Events of the process were lost: what its state says may be out of date. */
	void (*distrust)(struct group *group);
	void (*release)(struct group *group); /* gives group->state back */
};

/* Its request has been answered by now, and what it rests on does not reach beyond that. */
static inline bool verdict__is_over(const struct verdict *verdict)
{
	const struct request *request = verdict->request;

	return request && !request->open && (verdict->by != PARENT_BY_CLIENT || request->stale);
}

/* The thread of that number, if it is known. */
struct unit *group__unit(const struct group *group, uint32_t tid);

/* The thread has one request open, never had two, and acts for that one as far as it shows. */
struct verdict unit__alone(struct unit *unit);

extern const struct unit_rules threads_rules; /* threads that wait for one thing at a time */
extern const struct unit_rules ruby_rules;
extern const struct unit_rules nginx_rules;
extern const struct unit_rules go_rules;
extern const struct unit_rules cpython_rules;
extern const struct unit_rules node_rules;
extern const struct unit_rules java_rules;
/* process: NULL too; kind: enum unit_kind */
const struct unit_rules *unit_rules__of(const struct process *process, uint8_t kind);

/* --- calls that wait: attribute/hold.c ------------------------------------------------------ */

struct held *held__new(struct units *units, struct context *context, struct hold *hold);
void held__ended(struct units *units, struct held *held, uint64_t now_ns); /* it may expire now */
void held__free(struct units *units, struct held *held);		   /* NULL is allowed */
void helds__expire(struct units *units, uint64_t now_ns);		   /* UINT64_MAX: all */

/* --- the books: attribute/unit.c ---------------------------------------------------------- */

struct units {
	struct stats *stats;
	struct processes *processes;
	struct held *held;    /* whose calls have ended, first to expire first */
	struct held *running; /* whose calls have not */
	uint32_t held_count;
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
struct group *units__group(struct units *units, uint32_t pid); /* NULL: not known yet */
/* What stamp.unit means in the process from now on (UNIT_MODULE). */
void units__set_kind(struct units *units, uint32_t pid, uint8_t kind, uint8_t flags);
void units__drop_unit(struct units *units, uint32_t pid, uint32_t tid);
void units__drop_group(struct units *units, uint32_t pid);
void units__distrust(struct units *units); /* tells all rules */
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
