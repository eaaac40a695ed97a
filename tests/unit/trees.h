/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the tests of pair, attribute and join share: a protocol whose head is a traceparent value,
 * connections, messages, and the three stages in a row with a list of what comes out. */
#ifndef SPANPROBE_TEST_TREES_H
#define SPANPROBE_TEST_TREES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "attribute.h"
#include "ids.h"
#include "join.h"
#include "pair.h"

#define MS 1000000ull

static inline bool fake_header(const struct message *message, struct slice name, unsigned int n,
			       struct slice *ret_value)
{
	if (n || !slice_eq(name, SLICE("traceparent")) || message->head.n < 55)
		return false;
	*ret_value = slice(message->head.p, 55);
	return true;
}

static const struct protocol fake_protocol = {
	.name = "fake",
	.id = PROTOCOL_HTTP1,
	.header = fake_header,
};

struct out { /* a finished exchange, by value; context is a reference */
	struct exchange exchange;
	struct context *context;
	uint64_t id; /* position of the request, plus the conn id in the upper half */
};

struct trees {
	struct stats stats;
	struct ids *ids;
	struct processes *processes;
	struct pair *pair;
	struct attribute *attribute;
	struct join *join;
	struct message_sink sink;
	struct out *out;
	size_t outs;
	uint64_t now;
};

static inline uint64_t exchange_id(uint64_t conn_id, uint64_t position)
{
	return conn_id << 32 | position;
}

static inline void trees__out(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	struct trees *t = ctx;
	struct out *out;

	assert_int_equal(step, EXCHANGE_DONE);
	assert_true(exchange->context->settled);
	assert_true(exchange->end_ns > exchange->request.first.ns);
	assert_null(exchange->attribution);
	if ((t->outs & (t->outs - 1)) == 0) /* doubles; ASan copies at every realloc */
		t->out = realloc(t->out, (t->outs ? 2 * t->outs : 1) * sizeof(*t->out));
	out = &t->out[t->outs++];
	memset(out, 0, sizeof(*out));
	out->exchange = *exchange;
	out->context = context__ref(exchange->context);
	out->id = exchange_id(exchange->conn_id, exchange->request.position);
	exchange__free(exchange);
}

static inline void trees__to_join(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	join__push(((struct trees *)ctx)->join, exchange, step);
}

static inline void trees__to_attribute(void *ctx, struct exchange *exchange,
				       enum exchange_step step)
{
	attribute__push(((struct trees *)ctx)->attribute, exchange, step);
}

static inline struct trees *trees__new(void)
{
	struct trees *t = calloc(1, sizeof(*t));

	t->ids = ids__new_seeded(1);
	t->processes = processes__new();
	t->join = join__new(&(struct join_opts){ .stats = &t->stats, .ids = t->ids },
			    (struct exchange_sink){ trees__out, t });
	t->attribute = attribute__new(&(struct attribute_opts){ .stats = &t->stats,
								.processes = t->processes },
				      (struct exchange_sink){ trees__to_join, t });
	t->pair = pair__new(&(struct pair_opts){ .stats = &t->stats, .ids = t->ids },
			    (struct exchange_sink){ trees__to_attribute, t });
	t->sink = pair__sink(t->pair);
	return t;
}

static inline void trees__clear(struct trees *t)
{
	for (size_t i = 0; i < t->outs; i++)
		context__unref(t->out[i].context);
	t->outs = 0;
}

static inline void trees__tick(struct trees *t, uint64_t now_ns)
{
	pair__tick(t->pair, now_ns);
	attribute__tick(t->attribute, now_ns);
	join__tick(t->join, now_ns);
	t->now = now_ns;
}

static inline void trees__free(struct trees *t)
{
	join__flush(t->join, t->now + 10000 * MS);
	trees__clear(t);
	pair__free(t->pair);
	attribute__free(t->attribute);
	join__free(t->join);
	processes__free(t->processes);
	ids__free(t->ids);
	free(t->out);
	free(t);
}

static inline void trees__process(struct trees *t, uint32_t pid, enum runtime runtime)
{
	struct process *process = process__new(pid, pid, runtime, NULL);

	processes__add(t->processes, process);
	process__unref(process);
}

/* The two ends of connection n are conn 2n (client) and 2n+1 (server). */
static inline struct conn make_conn(uint64_t n, bool server)
{
	struct conn conn = { .id = 2 * n + server, .connected = true, .closed = true };
	struct conn_tuple *tuple = &conn.tuple;

	tuple->family = FAMILY_INET;
	tuple->netns_cookie = 1;
	tuple->role = server ? ROLE_SERVER : ROLE_CLIENT;
	tuple->local_addr[0] = tuple->peer_addr[0] = 127;
	tuple->local_port = server ? 80 : 1024 + n % 60000;
	tuple->peer_port = server ? 1024 + n % 60000 : 80;
	tuple->base_seq[DIR_IN] = server ? 1000 * n : 7 * n;
	tuple->base_seq[DIR_OUT] = server ? 7 * n : 1000 * n;
	return conn;
}

static inline struct stamp stamp_of(uint64_t ns, uint32_t pid, uint32_t tid)
{
	return (struct stamp){ .ns = ns, .pid = pid, .tid = tid };
}

static inline struct message make_message(enum message_type type, enum direction dir,
					  uint64_t position, struct stamp at, const char *head)
{
	return (struct message){ .protocol = &fake_protocol,
				 .type = type,
				 .dir = dir,
				 .position = position,
				 .first = at,
				 .last = at,
				 .head = slice_of(head) };
}

/* Whole messages in one event each. */
static inline void trees__message(struct trees *t, struct conn *conn, enum message_type type,
				  uint64_t position, struct stamp at, const char *head)
{
	bool server = conn->tuple.role == ROLE_SERVER;
	enum direction dir = (type == MESSAGE_REQUEST) == server ? DIR_IN : DIR_OUT;
	struct message message = make_message(type, dir, position, at, head ? head : "x");

	t->sink.begin(t->sink.ctx, conn, &message);
	t->sink.head(t->sink.ctx, conn, &message);
	message.head = slice(NULL, 0);
	t->sink.end(t->sink.ctx, conn, &message);
}

static inline void request_at(struct trees *t, struct conn *conn, uint64_t position, uint64_t ns,
			      uint32_t pid, uint32_t tid)
{
	trees__message(t, conn, MESSAGE_REQUEST, position, stamp_of(ns, pid, tid), NULL);
}

static inline void response_at(struct trees *t, struct conn *conn, uint64_t ns, uint32_t pid,
			       uint32_t tid)
{
	trees__message(t, conn, MESSAGE_RESPONSE, 0, stamp_of(ns, pid, tid), NULL);
}

static inline void connect_at(struct trees *t, const struct conn *conn, uint64_t ns, uint32_t pid,
			      uint32_t tid)
{
	struct event_connect connect = { .event = { .size = sizeof(connect),
						    .kind = EVENT_CONNECT,
						    .time_ns = ns,
						    .pid = pid,
						    .tid = tid },
					 .conn = conn->id,
					 .tuple = conn->tuple };

	attribute__event(t->attribute, &connect.event);
}

static inline void gone_at(struct trees *t, struct conn *conn, uint64_t ns, uint32_t error)
{
	struct stamp at = stamp_of(ns, 0, 0);

	t->sink.gone(t->sink.ctx, conn, &at, error);
	attribute__conn_gone(t->attribute, conn->id);
}

static inline struct out *find_out(struct trees *t, const struct conn *conn, uint64_t position)
{
	struct out *found = NULL;

	for (size_t i = 0; i < t->outs; i++) {
		if (t->out[i].id != exchange_id(conn->id, position))
			continue;
		assert_null(found); /* never twice */
		found = &t->out[i];
	}
	return found;
}

#endif
