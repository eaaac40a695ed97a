/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* discover: which processes, and what they are: /proc, ELF files, cgroups. */
#ifndef SPANPROBE_DISCOVER_H
#define SPANPROBE_DISCOVER_H

#include "base/buf.h"
#include "process.h"
#include "resource.h"

struct port_range {
	uint16_t first, last;
};

struct discover_opts {
	const char *const *exe_globs; /* fnmatch() over the path of /proc/PID/exe */
	uint32_t exe_count;
	const struct port_range *ports; /* listened on by the process */
	uint32_t port_count;
	const char *service_name;	 /* --service-name, or NULL: per process */
	const char *resource_attributes; /* "k=v,..." added to every resource, or NULL */
};

/* Everything about one process. 0; -ESRCH: no such process (or it went away); -EINVAL: it cannot
 * be traced (a kernel thread, a zombie, this agent): why says which and what to do. */
int discover__process(uint32_t pid, const struct discover_opts *opts, struct process **ret,
		      struct buf *why);
/* A child of `parent`, which may be gone already: until it calls exec all but its number is its
 * parent's. born_ns: CLOCK_MONOTONIC. NULL: no memory. */
struct process *discover__fork(const struct process *parent, uint32_t pid, uint64_t born_ns);
/* What `before` became by an exec, when it is gone already: its name is all that is known. */
struct process *discover__exec(const struct process *before, const char *name);
/* Calls found(ctx, pid) for each running process that a glob or port matches. */
int discover__scan(const struct discover_opts *opts, void (*found)(void *ctx, uint32_t pid),
		   void *ctx);
bool discover__matches_exe(const struct discover_opts *opts, uint32_t pid);
bool discover__matches_port(const struct discover_opts *opts, uint16_t port);
/* pids of all descendants of `parents`, at most max, without the parents; returns how many */
int discover__children(const uint32_t *parents, int count, uint32_t *ret_pids, int max);
/* The agent's own resource, also the fallback of spans without a known process. */
struct resource *discover__host_resource(void);

#endif
