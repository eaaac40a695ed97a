/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Calls of a Node process whose request is not certain yet, and what is learned from them. */
#ifndef SPANPROBE_NODE_TASK_H
#define SPANPROBE_NODE_TASK_H

#include "attribute/node_load.h"
#include "attribute/node_turns.h"

#define NODE_TRUST 4

/* How a task came about. */
#define NODE_TASK_LIKELY 0x01 /* it is the request's if its answer goes on for it */
#define NODE_TASK_WAITED 0x02 /* another request waited, which may have queued it */
#define NODE_TASK_DRAIN	 0x04 /* answers that are nobody's were followed by calls */
#define NODE_TASK_BESIDE 0x08 /* the request had other calls in flight */
#define NODE_TASK_AMONG	 0x10 /* another request was open */
#define NODE_TASK_BRANCH 0x20 /* it may be the last call of its branch of the request's work */

/* One call, or a connect and its call. */
struct node_task {
	struct hold *hold;     /* a reference; the key */
	struct request *maybe; /* whose it is as far as it looks: a reference, or NULL */
	enum root_why why;     /* it is a root, if nobody turns up */
	unsigned int flags;    /* NODE_TASK_* */
	bool answered;
	uint64_t ended_ns;	       /* 0: in flight */
	struct node_task *prev, *next; /* node->running or node->ended */
	UT_hash_handle hh;
};

struct node {			     /* group->state */
	struct node_thread *threads; /* busiest first */
	uint32_t thread_count;
	struct node_task *tasks;	   /* by hold */
	struct node_task *running, *ended; /* oldest first */
	uint32_t branches;		   /* of them NODE_TASK_BRANCH */
	struct node_load load;
	/* the last 64 of: answers that are for nobody who could go on (0), and calls that began behind
	 * such an answer (1) */
	uint64_t odd;
	uint64_t odd_ns; /* of the last of these calls */
	uint64_t own_ns; /* ... and answers: the program makes calls of its own */
	/* requests whose answers have confirmed what was in doubt ... */
	uint32_t trust_waiting; /* ... because another request waited */
	uint32_t trust_drain;	/* ... because there seemed to be a queue */
	uint32_t trust_beside;	/* ... because it had other calls in flight */
	uint32_t suspect; /* answers still to come as expected before an answer is believed again */
	/* the call of this hold is the request's, if no other one is answered in the same turn */
	struct hold *claimed;	 /* a reference or NULL */
	struct request *claimer; /* a reference */
};

struct node *node__get(struct group *group); /* made when there is none; NULL: no memory */
void node__free(struct group *group);	     /* all but its threads */

/* NULL: of no task, or one that is settled */
struct node_task *node_task__of(const struct node *node, const struct hold *hold);
/* A held call, and its verdict; flags: NODE_TASK_* */
struct verdict node_task__new(struct group *group, struct request *maybe, unsigned int flags);
struct verdict node_task__none(struct group *group, enum root_why why);
void node_task__settle(struct group *group, struct node_task *task, struct verdict verdict);
void node_task__ended(struct group *group, struct node_task *task, uint64_t ns); /* NULL is fine */
void node_tasks__expire(struct group *group, uint64_t now_ns);
/* The request's answer has begun. */
void node_tasks__answered(struct group *group, struct request *request);

/* For whom a turn is, as far as it looks; task: its, unsettled. NULL: nobody. */
struct request *node_turn__request(const struct node_turn *turn, const struct node_task *task);
/* The request's answer was written in the turn of an answer. going_on: the turn is not over yet. */
void node__learn(struct group *group, const struct node_turn *turn, struct request *request,
		 bool going_on);
void node__claim(struct group *group); /* ... it is over now */
/* Might there be a queue? Does it look as if there were one? */
bool node__crowded(const struct node *node, const struct conn_tuple *to, uint64_t ns);
bool node__drains(const struct node *node);
void node__odd(struct node *node, uint64_t ns);
void node__unclaimed(struct node *node, uint64_t ns); /* NULL is fine */
/* Has an answer been nobody's lately? */
bool node__has_own_calls(const struct node *node, uint64_t ns);

#endif
