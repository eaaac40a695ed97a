/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Private to pair: is it known how many responses of a pipelining connection are due? */
#ifndef SPANPROBE_PAIR_DOUBT_H
#define SPANPROBE_PAIR_DOUBT_H

#include "pair/line.h"

static inline bool message__pipelines(const struct message *message)
{
	return message->protocol && message->protocol->pipeline_max;
}

/* The connection's line, made if missing: in doubt when it was met in the middle. */
struct line *doubt__line(struct pair *pair, const struct conn *conn, const struct message *message);
/* All that is open has lost its response. */
void doubt__enter(struct pair *pair, struct line *line, uint64_t ns);
/* line->early is not empty: its request would have been told of by then. */
uint64_t doubt__early_until(const struct line *line);
/* A message begins that may end the doubt, or be its reason. true: it is not to be followed. */
bool doubt__request(struct pair *pair, struct line *line, const struct message *message);
bool doubt__response(struct pair *pair, struct line *line, const struct message *message);

#endif
