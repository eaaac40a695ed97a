/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Private to pair: a connection's open exchanges, and responses that came before their requests. */
#ifndef SPANPROBE_PAIR_LINE_H
#define SPANPROBE_PAIR_LINE_H

#include <uthash.h>

#include "pair.h"

#define LINE_EARLY_MAX 256 /* early responses of one connection */

struct line { /* a connection with exchanges */
	uint64_t id;
	struct exchange *open;	/* oldest first */
	struct exchange *early; /* responses without requests, not begun for the next stage */
	uint32_t count;
	uint32_t early_count;
	uint32_t skipped; /* newest requests that are not followed; their responses are due */
	uint32_t owed;	  /* in doubt: responses that are due, at least */
	bool seen;
	bool deep;		  /* several requests were open at a time */
	bool doubt;		  /* requests that nobody knows of may be open */
	bool relieved;		  /* it was in doubt: a response too many tells that it should be */
	uint64_t doubt_ns;	  /* something has passed then */
	struct line *prev, *next; /* of those with early responses, oldest first */
	UT_hash_handle hh;
};

struct pair {
	struct stats *stats;
	struct ids *ids;
	struct processes *processes;
	struct exchange_sink next;
	struct line *lines;
	struct line *last; /* found; a message asks three times */
	uint32_t open;
	size_t head_bytes;
	struct line *early;
	uint32_t early_count;
};

struct line *line__find(struct pair *pair, uint64_t id);
struct line *line__get(struct pair *pair, uint64_t id); /* made if missing; NULL without memory */
/* Nothing must be open any more. */
void line__free(struct pair *pair, struct line *line);

/* exchange: its response has begun; owned by the line until taken. */
void line__keep_early(struct pair *pair, struct line *line, struct exchange *exchange);
/* The one that this can be the request of: the caller's; else NULL, and none is kept. */
struct exchange *line__take_early(struct pair *pair, struct line *line,
				  const struct message *request);
/* The newest one, when its last byte has not come; borrowed */
struct exchange *line__current_early(const struct line *line);
void line__drop_early(struct pair *pair, struct line *line, struct exchange *exchange);
void line__drop_all_early(struct pair *pair, struct line *line);

void pair__step(struct pair *pair, struct exchange *exchange, enum exchange_step which);
/* Takes it off the line and passes it on. */
void line__finish(struct pair *pair, struct line *line, struct exchange *exchange, uint64_t end_ns);
/* What is open and older than `until` (NULL: all) has lost its response. */
void line__lose(struct pair *pair, struct line *line, const struct exchange *until,
		uint64_t end_ns);

static inline size_t exchange__head_bytes(const struct exchange *exchange)
{
	return exchange->request.head.n + exchange->response.head.n;
}

#endif
