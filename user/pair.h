/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * pair: requests + responses -> exchanges, in order of the connection or by key. Also makes an
 * exchange without protocol of a connect that failed.
 *
 * Steps of an exchange come as BEGIN [HEAD] [REQUEST] [ANSWER] DONE; REQUEST may follow ANSWER (a
 * server may answer before it has read everything), HEAD never follows REQUEST, and every exchange
 * that began is DONE once: by its last byte, or by the end of its connection.
 */
#ifndef SPANPROBE_PAIR_H
#define SPANPROBE_PAIR_H

#include "exchange.h"
#include "stats.h"

#define PIPELINE_MAX   256		     /* open exchanges of one connection */
#define PAIR_OPEN_MAX  32768		     /* of all connections */
#define PAIR_HEADS_MAX (16u << 20)	     /* bytes of heads copied for open exchanges */
#define PAIR_EARLY_NS  (50ull * 1000 * 1000) /* a response waits so long for its request's event */
#define PAIR_QUIET_NS  (5ull * 1000 * 1000)  /* silence that ends doubt about what is open */

struct pair_opts {
	struct stats *stats;
	struct ids *ids;	     /* borrowed; every exchange gets its context here */
	struct processes *processes; /* borrowed; NULL: an exchange is its connection's process's */
};

struct pair *pair__new(const struct pair_opts *opts, struct exchange_sink next);
struct message_sink pair__sink(struct pair *pair);
/* A connect that failed before any byte: gives a client exchange with protocol == NULL. */
void pair__connect_failed(struct pair *pair, const struct conn *conn, const struct stamp *at,
			  uint32_t error);
void pair__tick(struct pair *pair, uint64_t now_ns);
void pair__free(struct pair *pair);

#endif
