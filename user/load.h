/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* load: the BPF object: opens it, sets rodata, sizes maps, loads the programs of a plan, and is
 * the only way to its maps afterwards. attach.h hangs the programs up. */
#ifndef SPANPROBE_LOAD_H
#define SPANPROBE_LOAD_H

#include <stdint.h>

#include "base/buf.h"
#include "plan.h"
#include "recipe.h"
#include "settings.h"
#include "stats.h"

struct load_opts {
	struct settings settings; /* ring_* and wake_bytes 0: defaults by CPU count */
	uint32_t conns_max;	  /* 0: CONNS_DEFAULT */
	const struct plan *plan;
};

struct load;

/* 0, -EPERM (no rights), -ENOTSUP (the verifier or kernel refused), other negative errno; why
 * tells the program and the kernel's words. */
int load__new(const struct load_opts *opts, struct load **ret, struct buf *why);
void load__free(struct load *load);

int load__trace(struct load *load, uint32_t pid); /* this process's events from now on */
void load__untrace(struct load *load, uint32_t pid);
/* Finds the sockets that the process has open (after load__trace): gives CONN_OPEN with
 * CONN_MIDSTREAM for each, notes its listening ports. -ENOTSUP without iterators. */
int load__bootstrap(struct load *load, uint32_t pid);
int load__apply(struct load *load, const struct capture_policy *policy);
/* From now on the units of recipe->pid are read so; kind and flags 0: no longer. Gives UNIT_MODULE.
 * -E2BIG: too many processes, -ENOBUFS: the ring is full, try again. */
int load__recipe(struct load *load, const struct recipe *recipe);
/* The process's recipe with its counts; -ENOENT: none. */
int load__recipe_counts(const struct load *load, uint32_t pid, struct recipe *ret);

/* Hands every queued record to push; returns how many, or a negative errno. Never sleeps. */
int load__drain(struct load *load, int (*push)(void *ctx, void *record, size_t size), void *ctx);
/* Has a traced process been seen with an io_uring? */
bool load__uring(const struct load *load);
int load__epoll_fd(const struct load *load); /* readable on a forced wake-up (fill threshold) */
uint64_t load__records_lost(const struct load *load); /* of all rings so far; costs nothing */
void load__losses(const struct load *load, struct stats *stats); /* sets the kernel's counters */
size_t load__kernel_bytes(const struct load *load); /* memory of all maps, as the kernel tells it */

struct bpf_object;
struct bpf_object *load__object(struct load *load);

#endif
