/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * receive: records from the rings or a recording -> events in time order, sizes checked.
 * Stamps are taken before the ring is reserved, on several CPUs: the order is restored within a
 * bounded window.
 */
#ifndef SPANPROBE_RECEIVE_H
#define SPANPROBE_RECEIVE_H

#include "base/slice.h"
#include "event.h"
#include "stats.h"

#define RECEIVE_WINDOW_NS (2ull * 1000 * 1000)
#define RECEIVE_BYTES_MAX                                                                          \
	(32u << 20) /* held in the window; beyond it the oldest are let go early */

struct event_sink {
	void (*push)(void *ctx, const struct event *event); /* valid during the call */
	void *ctx;
};

/* Pushes what has come meanwhile. */
struct receive_source {
	void (*read)(void *ctx); /* NULL is allowed */
	void *ctx;
};

struct receive_opts {
	struct stats *stats;
	uint64_t window_ns; /* 0: RECEIVE_WINDOW_NS */
	/* Asked now and then while events are let go: what the later stages do with them takes longer
	 * than a ring takes to fill. */
	struct receive_source source;
};

struct receive *receive__new(const struct receive_opts *opts, struct event_sink next);
/* One record, copied. 0, -EBADMSG for an impossible one (counted), -ENOMEM. */
int receive__push(struct receive *receive, const void *record, size_t size);
/* Lets go what is older than now - window. */
void receive__tick(struct receive *receive, uint64_t now_ns);
void receive__flush(struct receive *receive); /* lets everything go */
void receive__free(struct receive *receive);

/* Is this a whole record that may be looked at? Checks size, kind, body, payload bounds. */
bool event__valid(const void *record, size_t size);

#endif
