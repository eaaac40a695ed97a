/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * pair: requests + responses -> exchanges, in order of the connection or by key. Also makes an
 * exchange without protocol of a connect that failed.
 */
#ifndef SPANPROBE_PAIR_H
#define SPANPROBE_PAIR_H

#include "exchange.h"
#include "stats.h"

#define PIPELINE_MAX 256 /* open exchanges of one connection */

struct pair_opts {
	struct stats *stats;
	struct ids *ids; /* borrowed; every exchange gets its context here */
};

struct pair *pair__new(const struct pair_opts *opts, struct exchange_sink next);
struct message_sink pair__sink(struct pair *pair);
/* A connect that failed before any byte: gives a client exchange with protocol == NULL. */
void pair__connect_failed(struct pair *pair, const struct conn *conn, const struct stamp *at,
			  uint32_t error);
void pair__tick(struct pair *pair, uint64_t now_ns);
void pair__free(struct pair *pair);

#endif
