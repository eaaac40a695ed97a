/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * join: the two ends of one connection on this host make one tree. Both ends of an exchange share
 * the network namespace, the tuple and the sequence number of the request's first byte (Unix
 * sockets: the two socks and the position). Settles contexts, bounds times by what must be true,
 * and lets an exchange go once its identity is final.
 */
#ifndef SPANPROBE_JOIN_H
#define SPANPROBE_JOIN_H

#include "exchange.h"
#include "stats.h"

#define JOIN_EXCHANGES_MAX 65536		 /* pairs of ends known at a time */
#define JOIN_BYTES_MAX	   (16u << 20)		 /* of exchanges that wait */
#define JOIN_HOLD_NS	   (50ull * 1000 * 1000) /* a server's end waits for its client's end */
#define JOIN_ENTRY_HOLDS                                                                           \
	4 /* holds after which a request in service is known to come from outside */

struct join_opts {
	struct stats *stats;
	struct ids *ids;  /* borrowed; new trace ids */
	uint64_t hold_ns; /* 0: JOIN_HOLD_NS */
};

/* next gets each exchange once, as EXCHANGE_DONE with a settled context, and owns it */
struct join *join__new(const struct join_opts *opts, struct exchange_sink next);
void join__push(struct join *join, struct exchange *exchange, enum exchange_step step);
void join__tick(struct join *join, uint64_t now_ns);
void join__flush(struct join *join, uint64_t now_ns); /* lets everything go */
void join__free(struct join *join);

#endif
