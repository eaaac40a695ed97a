/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * attribute: which open request of this process made this call? Decided on evidence (thread,
 * turn, connection set-up), never on time; doubt gives a root. Exchanges pass through unchanged
 * but for their context's decision.
 */
#ifndef SPANPROBE_ATTRIBUTE_H
#define SPANPROBE_ATTRIBUTE_H

#include "event.h"
#include "exchange.h"
#include "stats.h"

#define ATTRIBUTE_UNITS_MAX 65536

struct attribute_opts {
	struct stats *stats;
	struct processes *processes;
};

struct attribute *attribute__new(const struct attribute_opts *opts, struct exchange_sink next);
void attribute__push(struct attribute *attribute, struct exchange *exchange,
		     enum exchange_step step);
/* EVENT_CONN_OPEN, EVENT_CONNECT, EVENT_TASK, EVENT_UNIT, EVENT_NAME, in time order with the exchanges' steps */
void attribute__event(struct attribute *attribute, const struct event *event);
void attribute__conn_gone(struct attribute *attribute, uint64_t conn_id);
/* Have events been lost? Requests that began until now_ns are not believed in then. */
void attribute__check_losses(struct attribute *attribute, uint64_t now_ns);
void attribute__tick(struct attribute *attribute, uint64_t now_ns);
void attribute__flush(struct attribute *attribute); /* what is held is decided now */
void attribute__free(struct attribute *attribute);

#endif
