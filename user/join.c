// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A *tie* is what the two ends of one exchange share: it is made by the end that is seen first and
 * lives until both have been let go, or, when only one came, for as long as the other one could
 * still come.
 *
 * Send events are written after the copy and can be late, so the server may have received, and
 * even answered, before the client has sent. Ends are therefore tied by position, in either order,
 * and times are bounded by what must be true: the client began before the server received, and
 * the server had ended when the client had the whole response. Three moments count:
 *
 * - a client's end goes on when it is done: all that precedes its last byte is known by then;
 * - a server's end waits for its client's end to be done, at most one hold;
 * - a server's end without header and client is an entry one hold after it is done. The requests
 *   that it makes meanwhile cannot wait for that when it is long: an entry it is too when it has
 *   been in service for some holds.
 */
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "join.h"

#include <stdlib.h>

#include <utlist.h>

#include "base/pool.h"
#include "join/connection.h"
#include "tally.h"

struct end {
	struct context *context;   /* a reference; NULL: not seen */
	struct exchange *exchange; /* done and waiting; NULL: in service, or let go */
	uint64_t start_ns;
	uint64_t end_ns; /* once done */
	bool headed;	 /* its own header is known */
	bool done;
	bool whole; /* done with a complete response */
	bool left;  /* let go: its times are out */
};

struct tie {
	struct join_key key;
	struct end client, server;
	uint64_t last_ns; /* of what is told of it */
	bool hashed;
	bool entry_due; /* in the list `entries`, else in `rest` or none */
	bool resting;
	struct tie *prev, *next;
	UT_hash_handle hh;
};

struct join {
	struct stats *stats;
	struct ids *ids;
	uint64_t hold_ns;
	struct exchange_sink next;
	struct tie *ties;	  /* by key */
	struct tie *entries;	  /* server's end in service and undecided, oldest first */
	struct tie *rest;	  /* one end came and has left, oldest first */
	struct exchange *waiting; /* done, not looked at since; in order of look_ns */
	struct exchange *again;	  /* looked at, but something was open still; likewise */
	size_t bytes;		  /* of those */
	uint64_t now_ns;	  /* of the last step or tick */
};

static struct pool ties_pool = { .size = sizeof(struct tie), .keep = 512 };

struct join *join__new(const struct join_opts *opts, struct exchange_sink next)
{
	struct join *join = calloc(1, sizeof(*join));

	if (!join)
		return NULL;
	join->stats = opts->stats;
	join->ids = opts->ids;
	join->hold_ns = opts->hold_ns ? opts->hold_ns : JOIN_HOLD_NS;
	join->next = next;
	return join;
}

/* --- ties ---------------------------------------------------------------------------------- */

static void tie__unlist(struct join *join, struct tie *tie)
{
	if (tie->entry_due)
		DL_DELETE(join->entries, tie);
	if (tie->resting)
		DL_DELETE(join->rest, tie); /* NOLINT(*NullDereference): it is in the list */
	tie->entry_due = tie->resting = false;
}

static void tie__unhash(struct join *join, struct tie *tie)
{
	if (tie->hashed)
		HASH_DEL(join->ties, tie);
	tie->hashed = false;
}

static void tie__free(struct join *join, struct tie *tie)
{
	tie__unlist(join, tie);
	tie__unhash(join, tie);
	context__unref(tie->client.context);
	context__unref(tie->server.context);
	pool__put(&ties_pool, tie);
}

static struct tie *tie__new(struct join *join, const struct join_key *key)
{
	struct tie *tie;

	/* what rests is worth least */
	if (HASH_COUNT(join->ties) >= JOIN_EXCHANGES_MAX && join->rest) {
		join->stats->lost[LOSS_JOIN_TABLE_FULL]++;
		tie__free(join, join->rest);
	}
	if (HASH_COUNT(join->ties) >= JOIN_EXCHANGES_MAX)
		return NULL;
	tie = pool__get(&ties_pool);
	if (!tie)
		return NULL;
	*tie = (struct tie){ .key = *key, .hashed = true };
	HASH_ADD(hh, join->ties, key, sizeof(tie->key), tie);
	if (!tie->hh.tbl) {
		pool__put(&ties_pool, tie);
		return NULL;
	}
	return tie;
}

static struct end *own_end(struct tie *tie, const struct exchange *exchange)
{
	return exchange->side == ROLE_SERVER ? &tie->server : &tie->client;
}

static struct end *other_end(struct tie *tie, const struct exchange *exchange)
{
	return exchange->side == ROLE_SERVER ? &tie->client : &tie->server;
}

/* The server belongs to the client unless its own header names somebody else. */
static void tie__decide(struct tie *tie)
{
	struct context *server = tie->server.context, *client = tie->client.context;

	if (!server || !client || server->settled)
		return;
	if (server->remote && !remote_context__same(server->remote, client->remote))
		return;
	if (context__set_parent(server, client, PARENT_BY_CONNECTION) < 0 && !server->decided)
		context__set_root(server, ROOT_WHY_DOUBT);
}

/* Two Unix sockets may get the addresses of two that are gone: what was over before this began is
 * another connection's. */
static bool is_over(const struct end *end, const struct exchange *exchange)
{
	return exchange->tuple.family == FAMILY_UNIX && end->done &&
	       end->end_ns < exchange->request.first.ns;
}

static struct tie *tie__get(struct join *join, const struct exchange *exchange)
{
	struct join_key key;
	struct tie *tie;

	if (!join_key__of(exchange, &key))
		return NULL;
	HASH_FIND(hh, join->ties, &key, sizeof(key), tie);
	if (tie &&
	    (own_end(tie, exchange)->context || is_over(other_end(tie, exchange), exchange))) {
		/* its place is taken by a younger one; what waits of it goes on alone */
		tie__unhash(join, tie);
		if (tie->resting)
			tie__free(join, tie);
		tie = NULL;
	}
	if (!tie) {
		tie = tie__new(join, &key);
		if (!tie)
			join->stats->lost[LOSS_JOIN_TABLE_FULL]++;
	}
	return tie;
}

static void on_begin(struct join *join, struct exchange *exchange)
{
	struct tie *tie = tie__get(join, exchange);
	struct end *end;

	exchange->joining = tie;
	if (!tie)
		return;
	end = own_end(tie, exchange);
	end->context = context__ref(exchange->context);
	end->start_ns = exchange->request.first.ns;
	tie->last_ns = join->now_ns;
	tie__unlist(join, tie);
	if (tie->server.context && !tie->server.left && !tie->client.context) {
		tie->entry_due = true;
		DL_APPEND(join->entries, tie);
	}
}

/* --- letting go ------------------------------------------------------------------------------ */

static void bound_times(struct tie *tie, struct exchange *exchange)
{
	uint64_t *start_ns = &exchange->request.first.ns;
	const struct end *other = other_end(tie, exchange);

	if (!other->context)
		return;
	if (exchange->side == ROLE_CLIENT) {
		if (other->start_ns < *start_ns)
			*start_ns = other->start_ns;
		return;
	}
	if (other->left && *start_ns < other->start_ns)
		*start_ns = other->start_ns;
	if (other->whole && exchange->end_ns > other->end_ns)
		exchange->end_ns = other->end_ns;
}

/* A request cut off within its head was none. */
static bool is_fragment(const struct exchange *exchange)
{
	return exchange->protocol && !exchange->has_request_head && !exchange->has_response &&
	       !exchange->context->is_parent && !(exchange->flags & MESSAGE_INCOMPLETE);
}

/* Here each span passes once, its parent final, before the sampler has its say. */
static void count(struct stats *stats, const struct exchange *exchange)
{
	const struct context *context = exchange->context;
	bool root = !context->parent && !context->parent_is_remote;

	if (root)
		stats->roots[context->why]++;
	else
		stats->parents[context->by]++;
	if (stats->tally)
		tally__count(stats->tally, exchange->process, exchange->side == ROLE_SERVER,
			     root ? PARENT_BY_NONE : context->by, context->why);
}

static void emit(struct join *join, struct exchange *exchange)
{
	struct context *context = exchange->context;

	if (exchange->end_ns <= exchange->request.first.ns)
		exchange->end_ns = exchange->request.first.ns + 1;
	if (exchange->has_response && exchange->response.last.ns > exchange->end_ns)
		exchange->response.last.ns = exchange->end_ns;
	if (is_fragment(exchange)) {
		join->stats->lost[LOSS_REQUEST_CUT]++;
		context->left_out = true;
		context__forget_parent(context);
		exchange__free(exchange);
		return;
	}
	count(join->stats, exchange);
	join->next.push(join->next.ctx, exchange, EXCHANGE_DONE);
}

static void let_go(struct join *join, struct exchange *exchange)
{
	struct tie *tie = exchange->joining;
	struct end *end;

	if (exchange->looked)
		DL_DELETE(join->again, exchange);
	else
		DL_DELETE(join->waiting, exchange);
	join->bytes -= exchange__memory(exchange);
	exchange->prev = exchange->next = NULL;
	exchange->joining = NULL;
	if (tie) {
		bound_times(tie, exchange);
		end = own_end(tie, exchange);
		end->start_ns = exchange->request.first.ns;
		end->end_ns = exchange->end_ns;
		end->exchange = NULL;
		end->left = true;
		tie__unlist(join, tie);
		if (other_end(tie, exchange)->left || !tie->hashed) {
			if (!other_end(tie, exchange)->context || other_end(tie, exchange)->left)
				tie__free(join, tie);
		} else if (!other_end(tie, exchange)->context) {
			tie->resting = true;
			tie->last_ns = join->now_ns;
			DL_APPEND(join->rest, tie);
		}
	}
	emit(join, exchange);
}

/* Is there nothing left that may yet be told of this exchange? */
static bool is_final(const struct join *join, struct exchange *exchange, uint64_t waited_ns)
{
	struct tie *tie = exchange->joining;

	if (exchange->side != ROLE_SERVER || !tie || waited_ns >= join->hold_ns)
		return true;
	return tie->client.context && tie->client.done;
}

static void decide_server(struct exchange *exchange)
{
	if (exchange->joining)
		tie__decide(exchange->joining);
	if (!exchange->context->decided)
		context__set_root(exchange->context, ROOT_WHY_ENTRY);
}

/* force: settle even over an ancestor whose own decision never came */
static bool try_to_leave(struct join *join, struct exchange *exchange, bool force)
{
	struct context *context = exchange->context;
	uint64_t since = exchange->end_ns < join->now_ns ? join->now_ns - exchange->end_ns : 0;

	if (!force && !is_final(join, exchange, since))
		return false;
	if (!context->decided && exchange->side == ROLE_CLIENT && !force)
		return false; /* held by attribute, which bounds it */
	if (!context->decided)
		decide_server(exchange);
	if (!context__settle(context, join->ids)) {
		if (!force && since < join->hold_ns * JOIN_ENTRY_HOLDS * 2)
			return false;
		while (context->parent && context->decided)
			context = context->parent;
		context__set_root(context, ROOT_WHY_ENTRY); /* a request in service */
		context__settle(exchange->context, join->ids);
	}
	let_go(join, exchange);
	return true;
}

/* An end that is done may be what the other one waits for. The client goes first: its start is
 * final by then, and the server's bounds rest on it. */
static void on_done(struct join *join, struct exchange *exchange)
{
	struct tie *tie = exchange->joining;
	struct exchange *client = exchange, *server = NULL;

	if (exchange->end_ns > join->now_ns)
		join->now_ns = exchange->end_ns;
	exchange->look_ns = join->now_ns + join->hold_ns;
	DL_APPEND(join->waiting, exchange);
	join->bytes += exchange__memory(exchange);
	if (tie) {
		struct end *end = own_end(tie, exchange);

		end->headed = end->done = true;
		end->whole = exchange->response_ended && !exchange->error;
		end->end_ns = exchange->end_ns;
		end->exchange = exchange;
		client = tie->client.exchange;
		server = tie->server.exchange;
		tie__decide(tie);
	}
	if (client)
		try_to_leave(join, client, false);
	if (server)
		try_to_leave(join, server, false);
	while (join->bytes > JOIN_BYTES_MAX && (join->again || join->waiting)) {
		join->stats->lost[LOSS_JOIN_TABLE_FULL]++;
		try_to_leave(join, join->again ? join->again : join->waiting, true);
	}
}

void join__push(struct join *join, struct exchange *exchange, enum exchange_step step)
{
	struct tie *tie;

	if (step == EXCHANGE_BEGIN) {
		if (exchange->request.first.ns > join->now_ns)
			join->now_ns = exchange->request.first.ns;
		on_begin(join, exchange);
		return;
	}
	if (step == EXCHANGE_DONE) {
		on_done(join, exchange);
		return;
	}
	tie = exchange->joining;
	if (!tie && exchange->side == ROLE_SERVER && !exchange->context->decided)
		context__set_root(exchange->context, ROOT_WHY_ENTRY); /* nobody will come */
	if (!tie || own_end(tie, exchange)->headed)
		return;
	own_end(tie, exchange)->headed = true;
	if (tie->client.headed && tie->server.headed)
		tie__decide(tie);
}

static void tick_entries(struct join *join)
{
	uint64_t entry_ns = join->hold_ns * JOIN_ENTRY_HOLDS;
	struct tie *tie, *tmp;

	DL_FOREACH_SAFE(join->entries, tie, tmp) {
		if (tie->last_ns + entry_ns > join->now_ns)
			break;
		if (!tie->server.context->decided)
			context__set_root(tie->server.context, ROOT_WHY_ENTRY);
		tie__unlist(join, tie);
	}
}

/* Thousands may wait: each is looked at when its hold is over, and now and then after that. */
static void look_again(struct join *join, struct exchange *exchange)
{
	if (try_to_leave(join, exchange, false))
		return;
	if (exchange->looked)
		DL_DELETE(join->again, exchange);
	else
		DL_DELETE(join->waiting, exchange);
	exchange->looked = true;
	exchange->look_ns = join->now_ns + join->hold_ns / 4;
	DL_APPEND(join->again, exchange);
}

void join__tick(struct join *join, uint64_t now_ns)
{
	struct tie *tie, *tmp;

	if (now_ns > join->now_ns)
		join->now_ns = now_ns;
	tick_entries(join);
	while (join->waiting && join->waiting->look_ns <= join->now_ns)
		look_again(join, join->waiting);
	while (join->again && join->again->look_ns <= join->now_ns)
		look_again(join, join->again);
	DL_FOREACH_SAFE(join->rest, tie, tmp) {
		if (tie->last_ns + join->hold_ns > join->now_ns)
			break;
		tie__free(join, tie);
	}
}

void join__flush(struct join *join, uint64_t now_ns)
{
	struct exchange *exchange;

	if (now_ns > join->now_ns)
		join->now_ns = now_ns;
	/* decided first: what is forced to leave settles over them */
	DL_CONCAT(join->again, join->waiting);
	join->waiting = NULL;
	DL_FOREACH(join->again, exchange) {
		exchange->looked = true;
		decide_server(exchange);
	}
	while (join->again)
		try_to_leave(join, join->again, true);
	while (join->rest)
		tie__free(join, join->rest);
}

void join__free(struct join *join)
{
	struct exchange *exchange, *tmp;
	struct tie *tie, *tie_tmp;

	if (!join)
		return;
	DL_CONCAT(join->again, join->waiting);
	DL_FOREACH_SAFE(join->again, exchange, tmp)
		exchange__free(exchange);
	HASH_ITER(hh, join->ties, tie, tie_tmp)
		tie__free(join, tie);
	free(join);
}
