/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * targets: the processes that are traced right now. Found at the start and by TASK and LISTEN
 * events; each is looked at by discover, entered into processes, the recording and the kernel.
 */
#ifndef SPANPROBE_TARGETS_H
#define SPANPROBE_TARGETS_H

#include "event.h"
#include "load.h"
#include "options.h"
#include "record.h"
#include "runtimes.h"

#define TARGETS_MAX	16384
#define TARGET_GRACE_NS (1000ull * 1000 * 1000) /* an ended process is remembered so long */
#define TARGET_CHECK_NS (1000ull * 1000 * 1000) /* between looks for ends that had no event */

struct targets;

struct targets_opts {
	const struct options *options;
	struct processes *processes;
};

struct targets *targets__new(const struct targets_opts *opts);
void targets__free(struct targets *targets);

/* Once known; NULL: not (a dry run, no recording). */
void targets__set_load(struct targets *targets, struct load *load, struct runtimes *runtimes);
void targets__set_recorder(struct targets *targets, struct recorder *recorder);

/* 0, also for one that is known already; -ESRCH, -EINVAL with why as discover__process; -E2BIG */
int targets__add(struct targets *targets, uint32_t pid, struct buf *why);
/* --pid with their children, --exe and --port: all that run now. The first error of a --pid. */
int targets__find(struct targets *targets, struct buf *why);
/* Tells the kernel about all of them; from now on additions go there at once. */
void targets__trace(struct targets *targets);

void targets__event(struct targets *targets, const struct event *event); /* TASK, UNIT, LISTEN */
void targets__tick(struct targets *targets, uint64_t now_ns);
unsigned int targets__alive(const struct targets *targets);
/* When the last one ended, 0: one is alive or there never was one */
uint64_t targets__empty_since(const struct targets *targets);
void targets__print(const struct targets *targets, struct buf *out);

#endif
