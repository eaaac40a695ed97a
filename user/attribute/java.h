/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the rules of Java keep of a process: its threads, and the classes that they park for. */
#ifndef SPANPROBE_ATTRIBUTE_JAVA_H
#define SPANPROBE_ATTRIBUTE_JAVA_H

#include "attribute/unit.h"

#define JTHREADS_MAX 8192 /* of a process */
#define JCLASSES_MAX 256

/* What a thread parks for, by the class of its blocker. */
enum blocker {
	BLOCKER_OTHER,	  /* locks and whatever is not listed */
	BLOCKER_RESULT,	  /* a future */
	BLOCKER_EXCHANGE, /* a queue that hands over from thread to thread */
	BLOCKER_IDLE	  /* the next task of a queue, most often */
};

struct jthread {
	uint32_t tid;
	enum blocker blocker; /* of its last park */
	bool parked;
	bool handed;   /* something was handed over before its park was seen */
	bool worker;   /* it waits for tasks of a pool when it has no request */
	bool unsure;   /* it may have left its request to others */
	bool selector; /* it hands over the answers that it reads */
	uint64_t park_ns;
	uint64_t unpark_ns; /* the last one that it gave */
	uint64_t home;	    /* address of what it waits for tasks with; 0: not known */
	struct hold *call;  /* its last call: a reference */

	struct hold *result; /* of a call whose answer it has; a reference, NULL: none */
	uint64_t result_ns;  /* when the answer was read ... */
	uint64_t result_since_ns;
	bool result_read; /* ... by this thread itself */

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
	bool parks;	  /* parks are told */
	uint64_t spun_ns; /* when a worker was last known to have been handed an answer unseen */
};

/* NULL: without memory. Makes room by forgetting the idlest. */
struct jthread *jthread__get(struct group *group, uint32_t tid);
struct jthread *jthread__find(const struct java *java, uint32_t tid);
void jthread__drop(struct group *group, uint32_t tid);
void jthread__set_result(struct group *group, struct jthread *thread, struct hold *call,
			 uint64_t read_ns);

enum blocker java__blocker(const struct java *java, uint64_t klass);
void java__name_class(struct java *java, uint64_t klass, const char *name);
void java__moved(struct java *java); /* addresses of objects mean nothing any more */
void java__distrust(struct group *group);
void java__release(struct group *group);

#endif
