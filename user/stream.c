// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

/*
 * Connections and the order in which their bytes are told.
 *
 * A call that moved more than was captured of it may be followed by more records of the same call,
 * at least by that of its end: what is not captured of it is known only when something else comes
 * (`tail`).
 *
 * The peer's FIN may arrive while bytes before it wait to be read: an end that was not met by the
 * process itself is told when the connection closes or after a while (`later`).
 */
#include "stream.h"

#include <stdlib.h>

#include <utlist.h>

#include "base/pool.h"
#include "flow.h"

#define END_LATER_NS (200ull * 1000 * 1000)
#define CONNS_POOLED 256

struct conn_box {
	struct conn conn; /* first: the one is the other */
	struct flow flow[DIR_COUNT];
};

struct stream {
	struct stats *stats;
	struct processes *processes;
	struct stream_sink next;
	size_t conns_max;
	struct flow_store store;
	struct pool pool;
	struct conn *by_id;
	struct conn *idlest; /* all, by last activity */
	struct conn *last;   /* found last */
	struct flow *tail;   /* whose newest call may go on */
	struct flow *later;  /* flows that end later */
	size_t count;
};

struct stream *stream__new(const struct stream_opts *opts, struct stream_sink next)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->stats = opts->stats;
	stream->processes = opts->processes;
	stream->next = next;
	stream->conns_max = opts->conns_max ? opts->conns_max : STREAM_CONNS_MAX;
	stream->store.stats = opts->stats;
	stream->store.bytes_max = opts->bytes_max ? opts->bytes_max : STREAM_BYTES_MAX;
	stream->pool = (struct pool){ .size = sizeof(struct conn_box), .keep = CONNS_POOLED };
	return stream;
}

static struct stamp stamp_of(const struct event *event)
{
	return (struct stamp){
		.ns = event->time_ns,
		.pid = event->pid,
		.tid = event->tid,
		.unit = event->unit,
		.watched = event->flags & EVENT_WATCHED,
		.polled = event->flags & EVENT_POLLED,
	};
}

/* --- connections -------------------------------------------------------------------------- */

static struct conn *conn__find(struct stream *stream, uint64_t id)
{
	struct conn *conn = stream->last;

	if (conn && conn->id == id)
		return conn;
	HASH_FIND(hh, stream->by_id, &id, sizeof(id), conn);
	if (conn)
		stream->last = conn;
	return conn;
}

static void unlist_later(struct stream *stream, struct flow *flow)
{
	if (!flow->ends_later)
		return;
	DL_DELETE2(stream->later, flow, later_prev, later_next);
	flow->ends_later = false;
}

/* The last that anyone hears of it. */
static void conn__end(struct stream *stream, struct conn *conn, const struct stamp *at)
{
	stream->next.gone(stream->next.ctx, conn, at);
	if (stream->last == conn)
		stream->last = NULL;
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		struct flow *flow = &((struct conn_box *)conn)->flow[dir];

		if (stream->tail == flow)
			stream->tail = NULL;
		unlist_later(stream, flow);
		flow__release(flow);
	}
	HASH_DEL(stream->by_id, conn);
	DL_DELETE(stream->idlest, conn);
	stream->count--;
	stream->stats->conns_closed++;
	process__unref(conn->process);
	pool__put(&stream->pool, conn);
}

static void conn__evict(struct stream *stream, struct conn *conn)
{
	struct stamp at = { .ns = conn->active_ns, .pid = conn->pid };

	stream->stats->lost[LOSS_CONN_EVICTED]++;
	conn__end(stream, conn, &at);
}

static struct conn *conn__new(struct stream *stream, uint64_t id, const struct event *event)
{
	struct conn_box *box;
	struct conn *conn;

	if (stream->count >= stream->conns_max)
		conn__evict(stream, stream->idlest);
	box = pool__get(&stream->pool);
	if (!box)
		return NULL;
	conn = &box->conn;
	*conn = (struct conn){ .id = id, .opened_ns = event->time_ns };
	HASH_ADD(hh, stream->by_id, id, sizeof(conn->id), conn);
	if (!conn->hh.tbl) {
		pool__put(&stream->pool, box);
		return NULL;
	}
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		conn->flow[dir] = &box->flow[dir];
		flow__init(conn->flow[dir], &stream->store, conn, dir);
	}
	DL_APPEND(stream->idlest, conn);
	stream->count++;
	stream->stats->conns_opened++;
	return conn;
}

/* Every event of a connection makes it the least idle and may tell whose it is. */
static void conn__touch(struct stream *stream, struct conn *conn, const struct event *event)
{
	if (event->time_ns > conn->active_ns)
		conn->active_ns = event->time_ns;
	if (conn->next) {
		DL_DELETE(stream->idlest, conn);
		DL_APPEND(stream->idlest, conn);
	}
	if (!conn->pid)
		conn->pid = event->pid;
	if (!conn->process && conn->pid) {
		struct process *process = processes__find(stream->processes, conn->pid);

		conn->process = process ? process__ref(process) : NULL;
	}
}

static struct conn *conn__met(struct stream *stream, uint64_t id, const struct event *event)
{
	struct conn *conn = conn__find(stream, id);

	if (conn)
		conn__touch(stream, conn, event);
	return conn;
}

/* --- ends --------------------------------------------------------------------------------- */

static void tell_bytes(struct stream *stream, struct flow *flow)
{
	stream->next.bytes(stream->next.ctx, flow->conn, flow->dir);
	flow__settle(flow);
}

static void pass(struct stream *stream, struct flow *flow, uint64_t position,
		 const struct stamp *stamp)
{
	if (!flow->ended && flow__pass(flow, position, stamp, false))
		tell_bytes(stream, flow);
}

/* Nothing more of the newest call will come: the rest of it has passed uncaptured. */
static void settle_tail(struct stream *stream)
{
	struct flow *flow = stream->tail;

	stream->tail = NULL;
	if (flow)
		pass(stream, flow, flow->call_end, &flow->call_stamp);
}

static void end(struct stream *stream, struct flow *flow, const struct stamp *at, uint32_t error)
{
	unlist_later(stream, flow);
	if (flow->ended)
		return;
	flow->ended = true;
	stream->next.ended(stream->next.ctx, flow->conn, flow->dir, at, error);
}

static void end_later(struct stream *stream, struct flow *flow, const struct stamp *at)
{
	if (flow->ended || flow->ends_later)
		return;
	flow->ends_later = true;
	flow->end_at = *at;
	DL_APPEND2(stream->later, flow, later_prev, later_next);
}

/* --- events ------------------------------------------------------------------------------- */

static void on_open(struct stream *stream, const struct event_conn_open *open)
{
	bool connecting = open->event.kind == EVENT_CONNECT;
	struct conn *conn = conn__find(stream, open->conn);
	uint8_t role = conn ? conn->tuple.role : ROLE_UNKNOWN;

	if (!conn)
		conn = conn__new(stream, open->conn, &open->event);
	if (!conn)
		return;
	conn__touch(stream, conn, &open->event);
	conn->tuple = open->tuple;
	if (connecting)
		role = ROLE_CLIENT;
	else
		conn->connected = true;
	if (conn->tuple.role == ROLE_UNKNOWN)
		conn->tuple.role = role;
}

static void on_data(struct stream *stream, const struct event_data *data)
{
	struct conn *conn = conn__met(stream, data->conn, &data->event);
	uint64_t call_end = data->position + data->length;
	struct flow *flow;

	stream->stats->payload_bytes += data->captured;
	if (!conn) {
		stream->stats->lost[LOSS_CONN_UNKNOWN]++;
		return;
	}
	flow = conn->flow[data->dir];
	if (flow->ended) {
		stream->stats->lost[LOSS_EVENT_LATE]++;
		return;
	}
	conn->connected = true;
	flow->call_start = data->position;
	flow->call_stamp = stamp_of(&data->event);
	if (call_end > flow->call_end)
		flow->call_end = call_end;
	flow__append(flow, data->position + data->offset, slice(data->bytes, data->captured),
		     &flow->call_stamp, data->offset == 0 && data->captured);
	if (data->captured && flow->known < call_end)
		stream->tail = flow;
	else
		flow__pass(flow, call_end, &flow->call_stamp, !data->captured && !data->offset);
	tell_bytes(stream, flow);
}

static void on_mark(struct stream *stream, const struct event_mark *mark)
{
	struct conn *conn = conn__met(stream, mark->conn, &mark->event);
	struct stamp stamp = { .ns = mark->last_ns, .tid = mark->last_tid };

	if (!conn)
		return;
	stamp.pid = conn->pid;
	pass(stream, conn->flow[mark->dir], mark->position, &stamp);
}

static void on_shut(struct stream *stream, const struct event_shut *shut)
{
	struct conn *conn = conn__met(stream, shut->conn, &shut->event);
	struct stamp at = stamp_of(&shut->event);
	struct flow *flow;

	if (!conn)
		return;
	flow = conn->flow[shut->dir];
	conn->shut[shut->dir] = true;
	if (shut->error)
		conn->error = shut->error;
	pass(stream, flow, shut->position, &at);
	/* pid 0: the stack saw the end, not the process */
	if (shut->dir == DIR_IN && !shut->error && !shut->event.pid)
		end_later(stream, flow, &at);
	else
		end(stream, flow, &at, shut->error);
}

static void on_close(struct stream *stream, const struct event_conn_close *close)
{
	struct conn *conn = conn__met(stream, close->conn, &close->event);
	struct stamp at = stamp_of(&close->event);

	if (!conn)
		return;
	conn->closed = true;
	if (close->connected)
		conn->connected = true;
	if (close->error)
		conn->error = close->error;
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		struct stamp last = { .ns = close->last_ns[dir], .pid = conn->pid };

		pass(stream, conn->flow[dir], close->position[dir], last.ns ? &last : &at);
	}
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		struct flow *flow = conn->flow[dir];

		end(stream, flow, flow->ends_later ? &flow->end_at : &at, close->error);
	}
	conn__end(stream, conn, &at);
}

/* Is this the next record of the call that the newest one belongs to? */
static bool goes_on(const struct stream *stream, const struct event *event)
{
	const struct event_data *data = (const void *)event;
	const struct flow *flow = stream->tail;

	return event->kind == EVENT_DATA && data->conn == flow->conn->id &&
	       data->dir == flow->dir && data->position == flow->call_start && data->offset &&
	       event->time_ns == flow->call_stamp.ns;
}

void stream__push(struct stream *stream, const struct event *event)
{
	if (stream->tail && !goes_on(stream, event))
		settle_tail(stream);
	stream->tail = NULL;
	switch (event->kind) {
	case EVENT_CONN_OPEN:
	case EVENT_CONNECT:
		on_open(stream, (const void *)event);
		break;
	case EVENT_DATA:
		on_data(stream, (const void *)event);
		break;
	case EVENT_MARK:
		on_mark(stream, (const void *)event);
		break;
	case EVENT_SHUT:
		on_shut(stream, (const void *)event);
		break;
	case EVENT_CONN_CLOSE:
		on_close(stream, (const void *)event);
		break;
	default:
		break;
	}
}

void stream__settle(struct stream *stream)
{
	settle_tail(stream);
}

void stream__tick(struct stream *stream, uint64_t now_ns)
{
	struct flow *flow, *tmp;

	settle_tail(stream);
	DL_FOREACH_SAFE2(stream->later, flow, tmp, later_next)
	{
		uint64_t quiet_since = flow->end_at.ns > flow->call_stamp.ns ? flow->end_at.ns :
									       flow->call_stamp.ns;

		if (quiet_since + END_LATER_NS < now_ns)
			end(stream, flow, &flow->end_at, 0);
	}
}

void stream__flush(struct stream *stream, uint64_t now_ns)
{
	settle_tail(stream);
	while (stream->idlest) {
		struct conn *conn = stream->idlest;
		struct stamp at = { .ns = now_ns, .pid = conn->pid };

		conn__end(stream, conn, &at);
	}
}

/* Whoever has state at a connection gives it back in gone(). */
void stream__free(struct stream *stream)
{
	if (!stream)
		return;
	stream->tail = NULL;
	while (stream->idlest) {
		struct stamp at = { .ns = stream->idlest->active_ns, .pid = stream->idlest->pid };

		conn__end(stream, stream->idlest, &at);
	}
	pool__release(&stream->pool);
	free(stream);
}
