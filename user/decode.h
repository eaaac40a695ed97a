/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * decode: byte streams -> messages, through the protocol table. Detects the protocol by content in
 * both directions, never by port; tells the kernel how much it still wants of each connection.
 */
#ifndef SPANPROBE_DECODE_H
#define SPANPROBE_DECODE_H

#include "exchange.h"
#include "settings.h"
#include "stats.h"

#define UNKNOWN_BYTES_MAX 4096 /* looked at in each direction before a connection is given up */

/* Where capture policies go: the kernel, or nowhere in a replay. */
struct policy_sink {
	void (*apply)(void *ctx, const struct capture_policy *policy);
	void *ctx;
};

struct decode_opts {
	struct stats *stats;
	struct policy_sink policy;
	uint32_t head_bytes; /* the kernel's budget per turn of a new connection; 0: the default */
};

struct decode *decode__new(const struct decode_opts *opts, struct message_sink next);
struct stream_sink decode__sink(struct decode *decode); /* what stream pushes into */
void decode__tick(struct decode *decode, uint64_t now_ns);
void decode__free(struct decode *decode);

#endif
