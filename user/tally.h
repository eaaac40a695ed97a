/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How parents became known, by process: spans by evidence, roots by reason, servers' and clients'
 * ends apart. A bounded table: processes that ended stay until their place is needed, and what
 * finds no place, or loses it, is counted in one row of others.
 */
#ifndef SPANPROBE_TALLY_H
#define SPANPROBE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "parent_by.h"

#define TALLY_ROWS 64

struct buf;
struct process;
struct resource;
struct tally;

struct tally_side {
	uint64_t parents[PARENT_BY_COUNT]; /* [PARENT_BY_NONE] stays 0: those are the roots */
	uint64_t roots[ROOT_WHY_COUNT];
};

struct tally_counts {
	struct tally_side server, client;
};

struct tally *tally__new(void);
void tally__free(struct tally *tally); /* NULL is allowed */

/* One span whose parent is final, kept by the sampler or not. process: a reference is taken;
 * NULL: one of the others. by PARENT_BY_NONE: a root, why says for what reason. */
void tally__count(struct tally *tally, struct process *process, bool server, enum parent_by by,
		  enum root_why why);

/* The sum over the processes that have this resource; false: there is none. */
bool tally__of(const struct tally *tally, const struct resource *resource,
	       struct tally_counts *ret);

/* The table, two lines per process at most; nothing when nothing was counted. */
void tally__print(const struct tally *tally, struct buf *out);

#endif
