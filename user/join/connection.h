/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What both ends of an exchange on one host have in common, and nothing else has. */
#ifndef SPANPROBE_JOIN_CONNECTION_H
#define SPANPROBE_JOIN_CONNECTION_H

#include "exchange.h"

struct join_key {
	uint64_t netns;	   /* of loopback addresses; others say the same in every namespace */
	uint64_t position; /* TCP: sequence number of the request's first byte */
	uint8_t client[16];
	uint8_t server[16];
	uint16_t client_port;
	uint16_t server_port;
	uint32_t family;
};

/* false: the other end could not be recognised */
bool join_key__of(const struct exchange *exchange, struct join_key *ret);

#endif
