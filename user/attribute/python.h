/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the parts of the rules for Python share: cpython.c judges, cpython_events.c keeps up with what
 * the probes tell. */
#ifndef SPANPROBE_PYTHON_H
#define SPANPROBE_PYTHON_H

#include "attribute/contexts.h"
#include "attribute/handed.h"
#include "attribute/handoff.h"
#include "attribute/links.h"

struct waiting;

struct python { /* group->state */
	struct contexts *contexts;
	struct handed *handed;
	struct links *links;
	struct waiting *waiting; /* oldest first */
	unsigned int waiting_count;
};

static inline bool python__is_context(uint64_t unit)
{
	return unit && !(unit & CPYTHON_BASE) && unit != CPYTHON_NO_STATE;
}

struct python *python__of(struct group *group); /* NULL without memory */

/* For whom? ROOT_WHY_UNIT: not known (yet). */
struct verdict python__verdict(struct request *request, enum parent_by by);
struct verdict python__of_context(struct group *group, struct origin *origin);
struct verdict python__of_unit(struct group *group, uint64_t unit, uint32_t tid);

void cpython__event(struct group *group, const struct event_unit *event);

#endif
