/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Connections between connect() and their first call: they belong to whoever opened them. */
#ifndef SPANPROBE_SETUP_H
#define SPANPROBE_SETUP_H

#include "attribute/unit.h"

#define SETUPS_MAX CONNS_DEFAULT

struct setup {
	uint64_t conn_id;
	uint32_t tid;		   /* that connected */
	struct verdict verdict;	   /* for whom it acted then; request: a reference */
	struct hold *hold;	   /* which was not known then: a reference */
	struct request *waiting;   /* the request that waits for it; a reference */
	struct setup *prev, *next; /* oldest first */
	UT_hash_handle hh;
};

struct setups { /* zeroed but for units */
	struct units *units;
	struct setup *by_conn;
	struct setup *oldest;
};

void setups__add(struct setups *setups, uint64_t conn_id, uint32_t tid, struct verdict verdict);
struct setup *setups__find(struct setups *setups, uint64_t conn_id);
void setups__drop(struct setups *setups, uint64_t conn_id);
void setups__release(struct setups *setups);

/* For whom is the first call on the connection, made by tid? now: for whom tid acts by now. */
struct verdict setup__first_use(const struct setup *setup, uint32_t tid, struct verdict now);

#endif
