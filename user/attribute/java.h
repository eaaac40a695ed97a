/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the rules of Java keep of a process: its threads, and the classes that they park for. */
#ifndef SPANPROBE_ATTRIBUTE_JAVA_H
#define SPANPROBE_ATTRIBUTE_JAVA_H

#include "attribute/unit.h"

#define JTHREADS_MAX 8192 /* of a process */
#define JCLASSES_MAX 256
#define JTASK_CALLS  16 /* of one task that wait to be claimed; older ones are not */

/* What a thread parks for, by the class of its blocker. */
enum blocker {
	BLOCKER_OTHER,	  /* locks and whatever is not listed */
	BLOCKER_RESULT,	  /* a future */
	BLOCKER_EXCHANGE, /* a queue that hands over from thread to thread */
	BLOCKER_IDLE	  /* the next task of a queue, most often */
};

/*
 * A task is what a thread does for one purpose: from one count of ended tasks to the next in a
 * ThreadPoolExecutor (stamp.unit tells), all its life in a thread that was made for it. Other
 * threads have no tasks that can be told apart.
 */
struct jtask {
	uint64_t unit; /* of the thread while it works on it; 0: none has been seen */
	bool whole;    /* the thread's only one: seen since it was made */
	struct hold *calls[JTASK_CALLS]; /* made in it, or completed by it; references */
	unsigned int count;
	/* whom it has completed a future for: */
	struct request *request; /* a reference, or NULL and ... */
	uint32_t tid;		 /* ... a thread that works on a task itself */
	uint64_t tid_unit;
	bool several; /* more than one: nothing can be said */
};

struct jthread {
	uint32_t tid;
	enum blocker blocker; /* of its last park */
	bool parked;
	bool handed;	     /* something was handed over before its park was seen */
	bool worker;	     /* it waits for tasks of a pool when it has no request */
	bool unsure;	     /* it may have left its request to others */
	uint64_t seen_ns;    /* the last thing that it did */
	uint64_t unpark_ns;  /* the last one that it gave */
	uint64_t home;	     /* address of what it waits for tasks with; 0: not known */
	struct hold *call;   /* its last call: a reference */
	struct hold *result; /* of a call whose answer it has read or was handed; a reference */
	struct jtask task;
	struct jthread *prev, *next; /* idlest first */
	UT_hash_handle hh;
};

struct jclass {
	uint64_t klass;
	enum blocker blocker;
	UT_hash_handle hh;
};

struct java {			 /* group->state */
	struct jthread *threads; /* by tid */
	struct jthread *idlest;
	struct jclass *classes;
	bool parks; /* parks are told */
};

/* NULL: without memory. Makes room by forgetting the idlest. */
struct jthread *jthread__get(struct group *group, uint32_t tid);
struct jthread *jthread__find(const struct java *java, uint32_t tid);
void jthread__drop(struct group *group, uint32_t tid);
void jthread__set_result(struct group *group, struct jthread *thread, struct hold *call);

static inline bool junit__has_task(uint64_t unit)
{
	return unit >> JAVA_UNIT_TASK_SHIFT != 0;
}

/* Can the thread's work be told apart at all? */
static inline bool jtask__known(const struct jtask *task)
{
	return task->whole || junit__has_task(task->unit);
}

void jtask__add(struct group *group, struct jtask *task, struct hold *call);
void jtask__clear(struct group *group, struct jtask *task); /* its calls are nobody's */
/* It has completed a future that somebody waits for; request: NULL, then that thread's task. */
void jtask__claim(struct group *group, struct jtask *task, struct request *request,
		  const struct jthread *waiting);
/* It has ended: its calls belong to whom it has completed a future for, if that was only one. */
void jtask__end(struct group *group, struct jtask *task);

enum blocker java__blocker(const struct java *java, uint64_t klass);
void java__name_class(struct java *java, uint64_t klass, const char *name);
void java__moved(struct java *java); /* addresses of objects mean nothing any more */
void java__distrust(struct group *group);
void java__release(struct group *group);

#endif
