/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * stream: events -> per-connection, per-direction byte ranges with gaps.
 * Knows positions, never content. Owns every struct conn.
 */
#ifndef SPANPROBE_STREAM_H
#define SPANPROBE_STREAM_H

#include <uthash.h>

#include "base/slice.h"
#include "event.h"
#include "process.h"
#include "settings.h"
#include "stats.h"

#define FLOW_BYTES_MAX	 (64u << 10)	     /* held per direction */
#define STREAM_BYTES_MAX (64u << 20)	     /* held in all; the idlest are dropped beyond it */
#define STREAM_CONNS_MAX (2 * CONNS_DEFAULT) /* the kernel forgets a connection first */

/* When and by whom a byte was moved. */
struct stamp {
	uint64_t ns; /* CLOCK_MONOTONIC */
	uint32_t pid;
	uint32_t tid;
	uint64_t unit;
	bool watched; /* EVENT_WATCHED */
	bool polled;  /* EVENT_POLLED */
};

struct flow; /* one direction of a connection, opaque */

struct conn {
	uint64_t id;
	struct conn_tuple tuple; /* role may be written back by decode */
	uint32_t pid;		 /* of the process that was first seen with it */
	struct process *process; /* a reference; NULL when unknown */
	struct flow *flow[DIR_COUNT];
	void *decoder;	/* decode's state; released by it in stream_sink.gone */
	uint32_t error; /* errno of the connection, once known */
	bool connected;
	bool closed;
	bool shut[DIR_COUNT]; /* that direction has ended (IN: by the peer), set before ended() */
	uint64_t opened_ns;
	uint64_t active_ns;
	struct conn *prev, *next; /* stream's list, idlest first */
	UT_hash_handle hh;
};

/* What stream tells the next stage. The conn stays valid until gone() has returned. */
struct stream_sink {
	void (*bytes)(void *ctx, struct conn *conn,
		      enum direction dir); /* new bytes or positions */
	/* no more bytes in this direction (error: errno or 0); after the last bytes() of it */
	void (*ended)(void *ctx, struct conn *conn, enum direction dir, const struct stamp *at,
		      uint32_t error);
	void (*gone)(void *ctx, struct conn *conn, const struct stamp *at); /* closed or evicted */
	void *ctx;
};

struct stream_opts {
	struct stats *stats;
	struct processes *processes;
	size_t bytes_max; /* 0: STREAM_BYTES_MAX */
	size_t conns_max; /* 0: STREAM_CONNS_MAX */
};

struct stream *stream__new(const struct stream_opts *opts, struct stream_sink next);
void stream__push(struct stream *stream, const struct event *event); /* conn events, DATA, MARK */
/* An event that is not stream's own: what it still knows of earlier ones is told first. */
void stream__settle(struct stream *stream);
void stream__tick(struct stream *stream, uint64_t now_ns);
void stream__flush(struct stream *stream, uint64_t now_ns); /* the end: every conn is gone */
void stream__free(struct stream *stream);

/* --- what decode does with a flow ------------------------------------------------------- */

/* Bytes at the read position without a gap; empty when none are held. Valid until the next call. */
struct slice flow__peek(const struct flow *flow);
uint64_t flow__position(const struct flow *flow); /* of the read position */
uint64_t
flow__known_end(const struct flow *flow); /* all bytes before it are known to have passed */
/* End of the newest call: what is not known of it yet will be, without any policy. */
uint64_t flow__call_end(const struct flow *flow);
/* Bytes missing at the read position: > 0 means peek is empty and will stay so. */
uint64_t flow__gap(const struct flow *flow);
/* Moves on by n bytes, held, missing or still to come. */
void flow__skip(struct flow *flow, uint64_t n);
/* Stamp of the call that carried the byte at position (the nearest one known). */
struct stamp flow__stamp(const struct flow *flow, uint64_t position);
/* The position of the next call's first byte after the read position, or UINT64_MAX: a place
 * where a message may begin. */
uint64_t flow__next_call(const struct flow *flow);
bool flow__at_call_start(const struct flow *flow);
/* Drops what is held and keeps nothing from now on (unknown protocol, upgrade). */
void flow__mute(struct flow *flow);

#endif
