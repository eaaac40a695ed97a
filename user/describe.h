/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* describe: an exchange whose identity is settled -> the span that exporters take. */
#ifndef SPANPROBE_DESCRIBE_H
#define SPANPROBE_DESCRIBE_H

#include "exchange.h"
#include "span.h"
#include "stats.h"

struct describe_stage_opts {
	struct stats *stats;
	struct resource *fallback;     /* for an exchange whose process is unknown */
	struct describe_opts describe; /* copied shallowly; lists are borrowed */
};

struct describe *describe__new(const struct describe_stage_opts *opts, struct span_sink next);
/* CLOCK_MONOTONIC + offset = Unix time; may change between spans, never within one */
void describe__set_wall_offset(struct describe *describe, int64_t offset_ns);
void describe__push(struct describe *describe, struct exchange *exchange, enum exchange_step step);
void describe__free(struct describe *describe);

/* Attributes every protocol shares: network.*, server and client ends. Used by protocol units. */
void describe__network(const struct exchange *exchange, struct span *span);
/* "10.0.0.1", "::1", "/run/x.sock"; text of at least 110 bytes. Returns text. */
const char *describe__address(const struct conn_tuple *tuple, bool peer, char text[110]);
/* error.type of an exchange whose response tells none: how it failed, of the fixed list of
 * docs/protocols.md; NULL: it did not, or nobody knows. */
const char *describe__failure(const struct exchange *exchange);
/* "ECONNRESET"; "_OTHER" for a number outside the fixed list of docs/protocols.md */
const char *describe__errno(uint32_t error);

#endif
