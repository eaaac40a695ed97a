// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

/*
 * Order is the key of HTTP/1: the oldest open request of a connection gets the next response. What
 * breaks the order must not shift it: a gap in the responses' direction (whole responses may be
 * missing), requests beyond the pipeline's limit (their responses are skipped one for one), and a
 * response whose event is stamped before its request's: send events are written after the copy, so
 * on a client whose threads write and read in parallel the answer may come first. Such an early
 * response waits for its request for a moment.
 */
#include "pair.h"

#include <stdlib.h>

#include <utlist.h>

#include "ids.h"
#include "pair/doubt.h"
#include "pair/line.h"

struct pair *pair__new(const struct pair_opts *opts, struct exchange_sink next)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	if (!pair)
		return NULL;
	pair->stats = opts->stats;
	pair->ids = opts->ids;
	pair->processes = opts->processes;
	pair->next = next;
	return pair;
}

/* Copies all but the head, which is not owned; the first byte is what it was at begin. */
static void copy_message(struct message *to, const struct message *from)
{
	struct slice head = to->head;
	struct stamp first = to->first.ns ? to->first : from->first;

	*to = *from;
	to->head = head;
	to->first = first;
}

static bool copy_head(struct pair *pair, struct exchange *exchange, struct message *to,
		      const struct message *from)
{
	bool fits = pair->head_bytes + from->head.n <= PAIR_HEADS_MAX;
	struct stamp first = to->first;

	pair->head_bytes -= to->head.n;
	if (fits && exchange__copy_head(to, from)) {
		pair->head_bytes += to->head.n;
		to->first = first;
		return true;
	}
	pair->head_bytes += to->head.n;
	copy_message(to, from);
	exchange->flags |= MESSAGE_INCOMPLETE;
	pair->stats->lost[LOSS_PAIR_FULL]++;
	return false;
}

/*
 * Whose is it? A socket may be shared by forked processes, be passed on to another one, or stay
 * open over an exec: it is not the connection that tells, but who moved the request's first byte.
 */
static struct process *process_of(const struct pair *pair, const struct conn *conn, uint32_t pid)
{
	struct process *process =
		pid && pair->processes ? processes__find(pair->processes, pid) : NULL;

	return process ? process : conn->process;
}

static struct exchange *make_exchange(struct pair *pair, const struct conn *conn, uint32_t pid)
{
	struct process *process = process_of(pair, conn, pid);
	struct exchange *exchange = exchange__new();

	if (!exchange)
		return NULL;
	exchange->context = context__new(pair->ids);
	if (!exchange->context) {
		exchange__free(exchange);
		return NULL;
	}
	exchange->conn_id = conn->id;
	exchange->tuple = conn->tuple;
	exchange->process = process__ref(process);
	if (conn->tuple.flags & CONN_MIDSTREAM)
		exchange->flags |= MESSAGE_MIDSTREAM;
	return exchange;
}

static void finish_unseen(struct pair *pair, struct line *line, struct exchange *exchange,
			  uint64_t end_ns)
{
	exchange->flags |= MESSAGE_INCOMPLETE;
	pair->stats->lost[LOSS_REQUEST_ALONE]++;
	line__finish(pair, line, exchange, end_ns);
}

static bool answered_unseen(const struct exchange *exchange)
{
	return exchange->unseen_ns && !exchange->has_response;
}

static void request_begins(struct pair *pair, struct conn *conn, const struct message *message)
{
	struct line *line = doubt__line(pair, conn, message);
	uint32_t max = message__pipelines(message) ? message->protocol->pipeline_max : PIPELINE_MAX;
	struct exchange *exchange;

	if (!line) {
		pair->stats->lost[LOSS_PAIR_FULL]++;
		return;
	}
	if (doubt__request(pair, line, message))
		return;
	/* not pipelined: the answer of the one before it has passed unread */
	if (line->count == 1 && line->open->request_ended && answered_unseen(line->open))
		finish_unseen(pair, line, line->open, line->open->unseen_ns);
	exchange = line__take_early(pair, line, message);
	/* once one is skipped all are, until the responses have caught up: order is all we have */
	if (!exchange && !line->skipped && line->count < max && pair->open < PAIR_OPEN_MAX)
		exchange = make_exchange(pair, conn, message->first.pid);
	if (!exchange) {
		line->skipped++;
		pair->stats->lost[line->count < max ? LOSS_PAIR_FULL : LOSS_PIPELINE_FULL]++;
		return;
	}
	exchange->protocol = message->protocol;
	exchange->side = message->dir == DIR_IN ? ROLE_SERVER : ROLE_CLIENT;
	exchange->conn_reused = line->seen || (conn->tuple.flags & CONN_MIDSTREAM);
	copy_message(&exchange->request, message);
	if (exchange->has_response && exchange->request.first.ns > exchange->response.first.ns)
		exchange->request.first.ns = exchange->response.first.ns;
	line->seen = true;
	line->deep = line->deep || line->count;
	line->count++;
	pair->open++;
	DL_APPEND(line->open, exchange);
	if (exchange->side == ROLE_SERVER)
		pair->stats->requests_served++;
	else
		pair->stats->requests_made++;
	pair__step(pair, exchange, EXCHANGE_BEGIN);
}

/* The exchange whose request is on its way: the newest one, or the newest one of the key. */
static struct exchange *find_request(const struct line *line, const struct message *message)
{
	struct exchange *exchange = line && line->open ? line->open->prev : NULL;

	if (line && line->skipped && !message->key)
		return NULL;
	while (exchange && (exchange->request_ended || exchange->request.key != message->key))
		exchange = exchange == line->open ? NULL : exchange->prev;
	return exchange;
}

static struct exchange *find_response(const struct line *line, uint64_t key)
{
	struct exchange *exchange;

	if (line) {
		DL_FOREACH(line->open, exchange) {
			if (!exchange->response_ended && exchange->request.key == key)
				return exchange;
		}
	}
	return NULL;
}

/*
 * After a gap whole responses may be missing. Pipelining is rare and losses end exchanges one by
 * one, so the response is taken for the newest request that was there before it; the older ones
 * have lost theirs.
 */
static struct exchange *find_after_gap(struct pair *pair, struct line *line,
				       const struct message *message)
{
	struct exchange *match = NULL, *exchange;

	if (!line)
		return NULL;
	DL_FOREACH(line->open, exchange) {
		if (!exchange->response_ended && exchange->request.first.ns <= message->first.ns)
			match = exchange;
	}
	line->skipped = 0;
	if (match)
		line__lose(pair, line, match, message->first.ns);
	return match;
}

static void keep_early(struct pair *pair, struct line *line, struct conn *conn,
		       const struct message *message)
{
	struct exchange *exchange = NULL;
	uint32_t max = message__pipelines(message) ? LINE_EARLY_MAX : 1;

	if (line->early_count >= max)
		line__drop_all_early(pair, line);
	/* a first response may answer what was sent before the agent came */
	if (message->dir == DIR_IN && (line->seen || message__pipelines(message)) &&
	    !(message->flags & MESSAGE_AFTER_GAP) && pair->early_count < PAIR_OPEN_MAX)
		exchange = make_exchange(pair, conn, message->first.pid);
	if (!exchange) {
		pair->stats->lost[LOSS_RESPONSE_ALONE]++;
		return;
	}
	copy_message(&exchange->response, message);
	exchange->has_response = true;
	line__keep_early(pair, line, exchange);
}

static void response_begins(struct pair *pair, struct conn *conn, const struct message *message)
{
	struct line *line = message__pipelines(message) ? doubt__line(pair, conn, message) :
							  line__find(pair, conn->id);
	struct exchange *exchange;

	if (line && doubt__response(pair, line, message))
		return;
	exchange = message->key == 0 && (message->flags & MESSAGE_AFTER_GAP) ?
			   find_after_gap(pair, line, message) :
			   find_response(line, message->key);
	if (exchange) {
		copy_message(&exchange->response, message);
		exchange->has_response = true;
	} else if (line && line->skipped) {
		return;
	} else if (line && message->key == 0) {
		keep_early(pair, line, conn, message);
	} else if (message->type == MESSAGE_RESPONSE) {
		pair->stats->lost[LOSS_RESPONSE_ALONE]++;
	}
}

static void on_begin(void *ctx, struct conn *conn, struct message *message)
{
	if (message->type == MESSAGE_REQUEST)
		request_begins(ctx, conn, message);
	else if (message->type == MESSAGE_RESPONSE)
		response_begins(ctx, conn, message);
}

/* The response that is on its way; *ret_early: its request is still missing. */
static struct exchange *current_response(const struct line *line, uint64_t key, bool *ret_early)
{
	struct exchange *exchange = find_response(line, key);

	*ret_early = false;
	if (exchange && exchange->has_response)
		return exchange;
	exchange = key == 0 ? line__current_early(line) : NULL;
	*ret_early = exchange;
	return exchange;
}

static void answer(struct pair *pair, struct exchange *exchange)
{
	if (exchange->answered)
		return;
	exchange->answered = true;
	pair__step(pair, exchange, EXCHANGE_ANSWER);
}

static void clear_response(struct pair *pair, struct exchange *exchange)
{
	pair->head_bytes -= exchange->response.head.n;
	exchange__drop_head(&exchange->response);
	exchange->response = (struct message){ 0 };
	exchange->has_response = false;
	exchange->has_response_head = false;
}

static void on_head(void *ctx, struct conn *conn, struct message *message)
{
	struct pair *pair = ctx;
	struct line *line = line__find(pair, conn->id);
	struct exchange *exchange;
	bool early, first;

	if (message->type == MESSAGE_ONEWAY)
		return;
	if (message->type == MESSAGE_REQUEST) {
		exchange = find_request(line, message);
		if (!exchange)
			return;
		first = !exchange->has_request_head;
		exchange->has_request_head = copy_head(pair, exchange, &exchange->request, message);
		if (exchange->has_request_head && first)
			pair__step(pair, exchange, EXCHANGE_HEAD);
		return;
	}
	exchange = current_response(line, message->key, &early);
	if (!exchange || exchange->has_response_head)
		return;
	if (message->type == MESSAGE_INTERIM) {
		clear_response(pair, exchange);
		if (early)
			line__drop_early(pair, line, exchange);
		return;
	}
	exchange->has_response_head = copy_head(pair, exchange, &exchange->response, message);
	if (!early)
		answer(pair, exchange);
}

static void request_ends(struct pair *pair, struct line *line, const struct message *message)
{
	struct exchange *exchange = find_request(line, message);

	if (!exchange)
		return;
	copy_message(&exchange->request, message);
	if (message->flags & MESSAGE_CUT)
		return; /* gone() follows and knows why */
	exchange->request_ended = true;
	pair__step(pair, exchange, EXCHANGE_REQUEST);
	if (exchange->has_response_head || exchange->response_ended)
		answer(pair, exchange); /* not yet done when the response was early */
	if (exchange->response_ended)
		line__finish(pair, line, exchange, exchange->response.last.ns);
}

static void response_ends(struct pair *pair, struct line *line, const struct message *message)
{
	bool early;
	struct exchange *exchange = current_response(line, message->key, &early);

	if (!exchange) {
		/* the response of a request that is not followed */
		if (line && line->skipped && !line->count)
			line->skipped--;
		return;
	}
	copy_message(&exchange->response, message);
	if (message->flags & MESSAGE_CUT)
		return;
	exchange->response_ended = true;
	if (early)
		return;
	answer(pair, exchange);
	if (exchange->request_ended)
		line__finish(pair, line, exchange, exchange->response.last.ns);
}

static void on_end(void *ctx, struct conn *conn, struct message *message)
{
	struct line *line = line__find(ctx, conn->id);

	if (line && line->doubt && message->last.ns > line->doubt_ns)
		line->doubt_ns = message->last.ns;
	if (message->type == MESSAGE_REQUEST)
		request_ends(ctx, line, message);
	else if (message->type == MESSAGE_RESPONSE)
		response_ends(ctx, line, message);
}

/* It may have been the answer of any that waits for one. */
static void on_unread(void *ctx, struct conn *conn, enum direction dir, const struct stamp *at)
{
	struct line *line = line__find(ctx, conn->id);
	struct exchange *exchange;

	if (!line)
		return;
	DL_FOREACH(line->open, exchange) {
		if (exchange->request.dir == dir || exchange->has_response)
			continue;
		exchange->unseen_ns = at->ns;
		if (exchange->side == ROLE_SERVER && exchange->request_ended)
			answer(ctx, exchange);
	}
}

static void on_gone(void *ctx, struct conn *conn, const struct stamp *at, uint32_t error)
{
	struct pair *pair = ctx;
	struct line *line = line__find(pair, conn->id);
	struct exchange *exchange, *tmp;

	if (!line)
		return;
	DL_FOREACH_SAFE(line->open, exchange, tmp) {
		if (exchange->response_ended) { /* only the rest of the request is missing */
			line__finish(pair, line, exchange, exchange->response.last.ns);
			continue;
		}
		if (answered_unseen(exchange)) { /* what ended the connection was later */
			finish_unseen(pair, line, exchange, exchange->unseen_ns);
			continue;
		}
		exchange->error = error;
		exchange->peer_closed = !error && conn->shut[DIR_IN];
		if (exchange->has_response)
			exchange->response.flags |= MESSAGE_CUT;
		/* neither side ended it: it is we who stop looking */
		if (!conn->closed && !error && !exchange->peer_closed) {
			exchange->flags |= MESSAGE_INCOMPLETE;
			if (!exchange->has_response)
				pair->stats->lost[LOSS_REQUEST_ALONE]++;
		}
		line__finish(pair, line, exchange, at->ns);
	}
	line__free(pair, line);
}

struct message_sink pair__sink(struct pair *pair)
{
	return (struct message_sink){ on_begin, on_head, on_end, on_unread, on_gone, pair };
}

void pair__connect_failed(struct pair *pair, const struct conn *conn, const struct stamp *at,
			  uint32_t error)
{
	struct exchange *exchange = make_exchange(pair, conn, conn->pid);

	if (!exchange) {
		pair->stats->lost[LOSS_PAIR_FULL]++;
		return;
	}
	pair->stats->connects_failed++;
	exchange->side = ROLE_CLIENT;
	exchange->error = error;
	exchange->request.dir = DIR_OUT;
	exchange->request.first = *at;
	exchange->request.first.pid = conn->pid;
	if (conn->opened_ns && conn->opened_ns < at->ns)
		exchange->request.first.ns = conn->opened_ns;
	exchange->request.last = exchange->request.first;
	pair__step(pair, exchange, EXCHANGE_BEGIN);
	exchange->end_ns =
		at->ns > exchange->request.first.ns ? at->ns : exchange->request.first.ns + 1;
	pair__step(pair, exchange, EXCHANGE_DONE);
}

void pair__tick(struct pair *pair, uint64_t now_ns)
{
	struct line *line, *next;

	DL_FOREACH_SAFE(pair->early, line, next) {
		if (doubt__early_until(line) >= now_ns)
			continue;
		line__drop_all_early(pair, line);
		if (line->deep || line->relieved) /* whose were they? */
			doubt__enter(pair, line, now_ns);
	}
}

/* After a flush no connection is left; what is here nevertheless has nowhere to go. */
void pair__free(struct pair *pair)
{
	struct line *line, *next;
	struct exchange *exchange, *tmp;

	if (!pair)
		return;
	HASH_ITER(hh, pair->lines, line, next) {
		DL_FOREACH_SAFE(line->open, exchange, tmp)
			exchange__free(exchange);
		line__free(pair, line);
	}
	free(pair);
}
