/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Work that one thread hands to another one of its process and waits for: pools, futures, a thread
 * per call. Rests on thread creation and on the scheduler's wakes between threads that sleep in
 * futex (UNIT_WAKE); neither needs to know the runtime.
 */
#ifndef SPANPROBE_HANDOFF_H
#define SPANPROBE_HANDOFF_H

#include "attribute/unit.h"

/* As unit__alone, but never for a request of an event loop. */
struct verdict unit__own(struct unit *unit);

/* A call or connect of a thread without a request of its own; otherwise: the verdict when nothing
 * is known that could tell more. */
struct verdict handoff__who(struct unit *unit, const struct call_site *site,
			    struct verdict otherwise);
void handoff__response(struct unit *unit, const struct call_site *site); /* the whole answer */
void handoff__event(struct group *group, const struct event_unit *event);
void handoff__release(struct group *group);

#endif
