// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "pair/line.h"

#include <stdlib.h>

#include <utlist.h>

struct line *line__find(struct pair *pair, uint64_t id)
{
	struct line *line = pair->last;

	if (line && line->id == id)
		return line;
	HASH_FIND(hh, pair->lines, &id, sizeof(id), line);
	if (line)
		pair->last = line;
	return line;
}

struct line *line__get(struct pair *pair, uint64_t id)
{
	struct line *line = line__find(pair, id);

	if (line)
		return line;
	line = calloc(1, sizeof(*line));
	if (!line)
		return NULL;
	line->id = id;
	HASH_ADD(hh, pair->lines, id, sizeof(line->id), line);
	if (!line->hh.tbl) {
		free(line);
		return NULL;
	}
	return line;
}

void line__free(struct pair *pair, struct line *line)
{
	line__drop_all_early(pair, line);
	HASH_DEL(pair->lines, line);
	if (pair->last == line)
		pair->last = NULL;
	free(line);
}

/* --- early responses ------------------------------------------------------------------------ */

void line__keep_early(struct pair *pair, struct line *line, struct exchange *exchange)
{
	DL_APPEND(line->early, exchange);
	line->early_count++;
	pair->early_count++;
	if (line->early_count == 1)
		DL_APPEND(pair->early, line);
}

static void unlist(struct pair *pair, struct line *line, struct exchange *exchange)
{
	DL_DELETE(line->early, exchange);
	line->early_count--;
	pair->early_count--;
	if (!line->early_count)
		DL_DELETE(pair->early, line);
	exchange->prev = exchange->next = NULL;
}

void line__drop_early(struct pair *pair, struct line *line, struct exchange *exchange)
{
	unlist(pair, line, exchange);
	pair->head_bytes -= exchange__head_bytes(exchange);
	exchange__free(exchange);
}

void line__drop_all_early(struct pair *pair, struct line *line)
{
	while (line->early) {
		line__drop_early(pair, line, line->early);
		pair->stats->lost[LOSS_RESPONSE_ALONE]++;
	}
}

struct exchange *line__take_early(struct pair *pair, struct line *line,
				  const struct message *request)
{
	struct exchange *exchange = line->early;

	if (!exchange)
		return NULL;
	if (request->dir != DIR_OUT || (request->flags & MESSAGE_AFTER_GAP) ||
	    request->first.ns > exchange->response.first.ns + PAIR_EARLY_NS) {
		line__drop_all_early(pair, line);
		return NULL;
	}
	unlist(pair, line, exchange);
	return exchange;
}

struct exchange *line__current_early(const struct line *line)
{
	struct exchange *newest = line && line->early ? line->early->prev : NULL;

	return newest && !newest->response_ended ? newest : NULL;
}

/* --- the end of an exchange ------------------------------------------------------------------ */

void pair__step(struct pair *pair, struct exchange *exchange, enum exchange_step which)
{
	pair->next.push(pair->next.ctx, exchange, which);
}

static void forget(struct pair *pair, struct line *line, struct exchange *exchange)
{
	DL_DELETE(line->open, exchange);
	line->count--;
	pair->open--;
	pair->head_bytes -= exchange__head_bytes(exchange);
}

void line__finish(struct pair *pair, struct line *line, struct exchange *exchange, uint64_t end_ns)
{
	uint64_t start_ns = exchange->request.first.ns;

	forget(pair, line, exchange);
	exchange->prev = exchange->next = NULL;
	exchange->flags |= exchange->request.flags | exchange->response.flags;
	exchange->end_ns = end_ns > start_ns ? end_ns : start_ns + 1;
	pair__step(pair, exchange, EXCHANGE_DONE);
}

void line__lose(struct pair *pair, struct line *line, const struct exchange *until, uint64_t end_ns)
{
	struct exchange *exchange, *tmp;

	DL_FOREACH_SAFE(line->open, exchange, tmp) {
		if (exchange == until)
			break;
		exchange->flags |= MESSAGE_INCOMPLETE;
		pair->stats->lost[LOSS_REQUEST_ALONE]++;
		line__finish(pair, line, exchange, end_ns);
	}
}
