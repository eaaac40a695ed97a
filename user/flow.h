/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One direction of a connection, private to stream.c and flow.c: which positions have passed, when
 * and by whom, and the bytes of those that were captured and not yet read.
 */
#ifndef SPANPROBE_FLOW_H
#define SPANPROBE_FLOW_H

#include "stream.h"

#define SEGS_INLINE 3
#define SEGS_MAX    64

/* Positions [start, end) that one call moved. Segments touch: the next one starts at this end. */
struct seg {
	uint64_t start;
	uint64_t end;
	struct stamp stamp;
	bool held; /* its bytes are here (those from the read position on); else a gap */
	bool call; /* start is the first byte of a call */
};

/* Memory of all flows of a stream, and those that hold some of it, idlest first. */
struct flow_store {
	struct stats *stats;
	size_t bytes;
	size_t bytes_max;
	struct flow *idlest;
};

struct flow {
	struct flow_store *store;
	struct conn *conn;
	enum direction dir;
	bool muted;
	bool ended;
	bool listed;	 /* in store->idlest */
	bool ends_later; /* the peer has closed, but the process may still be reading */
	uint64_t read;
	uint64_t known;	   /* end of the last segment */
	uint64_t call_end; /* of the newest call: bytes up to it have passed, or will be told of */
	uint64_t call_start;
	struct stamp call_stamp;
	const char *view; /* held bytes: in the event being pushed, or in buf */
	size_t held;
	char *buf;
	size_t cap;
	struct seg *segs;
	uint32_t seg_count;
	uint32_t seg_cap;
	struct seg seg_inline[SEGS_INLINE];
	struct stamp end_at; /* when ends_later */
	uint32_t end_error;
	struct flow *prev, *next;
	struct flow *later_prev, *later_next;
};

void flow__init(struct flow *flow, struct flow_store *store, struct conn *conn, enum direction dir);
void flow__release(struct flow *flow);
/* Captured bytes at start; they are borrowed until flow__settle. call: a call begins with them. */
void flow__append(struct flow *flow, uint64_t start, struct slice bytes, const struct stamp *stamp,
		  bool call);
/* All bytes before position have passed. true: that was news. */
bool flow__pass(struct flow *flow, uint64_t position, const struct stamp *stamp, bool call);
/* Keeps a copy of what the event held and nobody has read; drops the idlest beyond the limit. */
void flow__settle(struct flow *flow);

#endif
