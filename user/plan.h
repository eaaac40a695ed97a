/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* plan: kernel abilities + options -> which programs to load and attach. Pure; --dry-run prints
 * it. A hook family is a row of the table in plan.c. */
#ifndef SPANPROBE_PLAN_H
#define SPANPROBE_PLAN_H

#include "base/buf.h"
#include "features.h"

#define PLAN_PROBES_MAX 48

/* What a traced process may have a use for; the rest of the time its probes are not attached. */
enum demand {
	DEMAND_NONE = 0, /* always attached */
	DEMAND_WAKES,	 /* who woke which thread */
	DEMAND_URING,	 /* the requests of io_uring */
	DEMAND_COUNT
};

struct plan_probe {
	const char *program; /* name of the BPF program */
	const char *hook;    /* what it hangs on, for people: "tp_btf/sock_send_length" */
	bool optional;	     /* a kernel without the hook still works */
	enum demand demand;
};

enum uprobes { UPROBES_NONE, UPROBES_SINGLE, UPROBES_MULTI };

struct plan {
	const char *family;   /* "tracepoint", "kprobe" */
	enum uprobes uprobes; /* how the probes of runtimes are hung up */
	unsigned int count;
	struct plan_probe probes[PLAN_PROBES_MAX];
};

struct plan_opts {
	const char *family; /* forced by --hooks; NULL: the best one that works */
	bool watch_exec;
	bool watch_listen;
	bool units;
};

/* 0; -EINVAL: no such family; -ENOTSUP: the forced one, or every one, lacks something: why says
 * what, in words for the user. */
int plan__make(const struct features *features, const struct plan_opts *opts, struct plan *ret,
	       struct buf *why);
void plan__print(const struct plan *plan, struct buf *out);
void plan__families(struct buf *out); /* "tracepoint, kprobe" */

#endif
