/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How many calls are in flight, of all of a process and to each peer, and whether that is as many
 * as there ever are: only then can others wait in a queue that nobody sees.
 */
#ifndef SPANPROBE_NODE_LOAD_H
#define SPANPROBE_NODE_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "conn.h"

struct node_level {
	uint32_t pending;
	uint32_t recent;  /* the most of a while, as of recent_ns */
	uint32_t high[2]; /* the most of the last and of this one of many calls */
	uint32_t begun;	  /* calls of this one */
	uint64_t recent_ns;
};

struct node_peer {
	uint64_t key;
	struct node_level level;
	UT_hash_handle hh;
};

struct node_load { /* zeroed */
	struct node_level all;
	struct node_peer *peers;
};

void node_load__begin(struct node_load *load, const struct conn_tuple *to, uint64_t ns);
void node_load__end(struct node_load *load, const struct conn_tuple *to, uint64_t ns);
/* Could a call to that peer that begins now have waited for the end of another one? */
bool node_load__full(const struct node_load *load, const struct conn_tuple *to, uint64_t ns);
void node_load__release(struct node_load *load);

#endif
