/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * runtimes: makes the execution units of traced processes readable: finds each one's module
 * (runtime/module.h), hands its recipe to the kernel and its probes to attach, and takes both back
 * when the process ends, becomes another program, or what is read is wrong.
 */
#ifndef SPANPROBE_RUNTIMES_H
#define SPANPROBE_RUNTIMES_H

#include "attach.h"
#include "event.h"
#include "process.h"
#include "stats.h"

struct runtimes_opts {
	struct load *load;
	struct attach *attach;
	struct processes *processes;
	struct stats *stats;
};

struct runtimes;

struct runtimes *runtimes__new(const struct runtimes_opts *opts);
void runtimes__free(struct runtimes *runtimes); /* NULL is allowed; detaches nothing */
/* The process is traced from now on, or is another program by now. */
void runtimes__enter(struct runtimes *runtimes, uint32_t pid);
void runtimes__leave(struct runtimes *runtimes, uint32_t pid);
void runtimes__event(struct runtimes *runtimes, const struct event *event); /* new threads */
void runtimes__tick(struct runtimes *runtimes, uint64_t now_ns);

#endif
