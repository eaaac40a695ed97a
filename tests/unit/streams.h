/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the tests of stream and decode share: events of a made-up connection through both stages,
 * and what comes out as lines of text, which the tests compare whole. */
#ifndef SPANPROBE_TEST_STREAMS_H
#define SPANPROBE_TEST_STREAMS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "decode.h"
#include "stream.h"

#define MS   1000000ull
#define CONN 7

struct rig {
	struct stats stats;
	struct processes *processes;
	struct stream *stream;
	struct decode *decode;
	struct buf log;
	struct capture_policy policy; /* the newest */
	unsigned int policies;
	struct capture_policy process_policy; /* the newest for a process */
	unsigned int process_policies;
	unsigned int begun[DIR_COUNT], ended[DIR_COUNT], unread[DIR_COUNT];
	bool quiet;  /* counts only */
	bool stamps; /* lines carry first and last times */
	uint64_t now;
	uint64_t position[DIR_COUNT];
	uint32_t tid;
};

static inline const char *rig_kind(const struct message *message)
{
	return message->type == MESSAGE_REQUEST ? "req" :
	       message->type == MESSAGE_INTERIM ? "int" :
	       message->type == MESSAGE_ONEWAY	? "one" :
						  "res";
}

static inline void rig_begin(void *ctx, struct conn *conn, struct message *message)
{
	struct rig *rig = ctx;

	assert_int_equal(rig->begun[message->dir], rig->ended[message->dir]);
	rig->begun[message->dir]++;
	if (!rig->quiet)
		buf__printf(&rig->log, "begin %s @%llu\n", rig_kind(message),
			    (unsigned long long)message->position);
}

static inline void rig_head(void *ctx, struct conn *conn, struct message *message)
{
	struct rig *rig = ctx;
	const char *end = memchr(message->head.p, '\r', message->head.n);

	assert_int_equal(rig->begun[message->dir], rig->ended[message->dir] + 1);
	if (!rig->quiet)
		buf__printf(&rig->log, "head %s %.*s\n", rig_kind(message),
			    (int)(end ? end - message->head.p : 0), message->head.p);
}

static inline void rig_end(void *ctx, struct conn *conn, struct message *message)
{
	static const char letters[] = "icsmg";
	struct rig *rig = ctx;

	assert_int_equal(rig->begun[message->dir], rig->ended[message->dir] + 1);
	rig->ended[message->dir]++;
	if (rig->quiet)
		return;
	buf__printf(&rig->log, "end %s body %llu wire %llu", rig_kind(message),
		    (unsigned long long)message->body_bytes,
		    (unsigned long long)message->wire_bytes);
	if (rig->stamps)
		buf__printf(&rig->log, " %llu..%llu/%u", (unsigned long long)message->first.ns,
			    (unsigned long long)message->last.ns, message->last.tid);
	if (message->flags)
		buf__puts(&rig->log, " ");
	for (int i = 0; letters[i]; i++)
		if (message->flags & 1u << i)
			buf__printf(&rig->log, "%c", letters[i]);
	buf__puts(&rig->log, "\n");
}

static inline void rig_unread(void *ctx, struct conn *conn, enum direction dir,
			      const struct stamp *at)
{
	struct rig *rig = ctx;

	assert_int_equal(rig->begun[dir], rig->ended[dir]);
	assert_true(at->ns);
	rig->unread[dir]++;
}

static inline void rig_gone(void *ctx, struct conn *conn, const struct stamp *at, uint32_t error)
{
	struct rig *rig = ctx;

	assert_int_equal(rig->begun[DIR_IN], rig->ended[DIR_IN]);
	assert_int_equal(rig->begun[DIR_OUT], rig->ended[DIR_OUT]);
	if (!rig->quiet)
		buf__printf(&rig->log, "gone %u\n", error);
}

static inline void rig_apply(void *ctx, const struct capture_policy *policy)
{
	struct rig *rig = ctx;

	if (!policy->conn) {
		rig->process_policy = *policy;
		rig->process_policies++;
		return;
	}
	rig->policy = *policy;
	rig->policies++;
}

static inline struct rig *rig__new(size_t bytes_max, size_t conns_max)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct decode_opts decode = { .stats = &rig->stats, .policy = { rig_apply, rig } };
	struct stream_opts stream = { .stats = &rig->stats,
				      .bytes_max = bytes_max,
				      .conns_max = conns_max };

	rig->processes = processes__new();
	stream.processes = rig->processes;
	rig->decode = decode__new(&decode, (struct message_sink){ rig_begin, rig_head, rig_end,
								  rig_unread, rig_gone, rig });
	rig->stream = stream__new(&stream, decode__sink(rig->decode));
	rig->now = 1000;
	rig->tid = 11;
	return rig;
}

static inline void rig__free(struct rig *rig)
{
	stream__free(rig->stream);
	decode__free(rig->decode);
	processes__free(rig->processes);
	buf__release(&rig->log);
	free(rig);
}

static inline struct event rig__event(struct rig *rig, enum event_kind kind, size_t size)
{
	return (struct event){ .kind = kind,
			       .size = (uint32_t)size,
			       .time_ns = ++rig->now,
			       .pid = 10,
			       .tid = rig->tid };
}

static inline void rig__open(struct rig *rig, uint64_t conn, uint8_t role, uint8_t flags)
{
	struct event_conn_open open = { .event = rig__event(rig, EVENT_CONN_OPEN, sizeof(open)),
					.conn = conn,
					.tuple = { .sock = 0x5000 + conn,
						   .family = FAMILY_INET,
						   .role = role,
						   .flags = flags } };

	stream__push(rig->stream, &open.event);
}

/* One record: `captured` bytes of `bytes` at `offset` of a call of `length` bytes at `position`. */
static inline void rig__record(struct rig *rig, uint64_t conn, enum direction dir,
			       uint64_t position, uint32_t length, uint32_t offset,
			       const char *bytes, uint32_t captured)
{
	size_t size = (sizeof(struct event_data) + captured + 7) / 8 * 8;
	/* exact size: a read past its end is found */
	struct event_data *data = calloc(1, size);

	data->event = rig__event(rig, EVENT_DATA, size);
	if (offset)
		data->event.time_ns = --rig->now;
	data->conn = conn;
	data->position = position;
	data->length = length;
	data->offset = offset;
	data->captured = captured;
	data->dir = (uint8_t)dir;
	if (captured)
		memcpy(data->bytes, bytes, captured);
	stream__push(rig->stream, &data->event);
	free(data);
}

/* A call that moved n bytes, of which the first `captured` were captured. */
static inline void rig__call(struct rig *rig, enum direction dir, const char *bytes, size_t n,
			     size_t captured)
{
	size_t at = 0;

	do {
		size_t some = captured - at < DATA_BYTES_MAX ? captured - at : DATA_BYTES_MAX;

		rig__record(rig, CONN, dir, rig->position[dir], (uint32_t)n, (uint32_t)at,
			    bytes + at, (uint32_t)some);
		at += some;
	} while (at < captured);
	rig->position[dir] += n;
}

static inline void rig__text(struct rig *rig, enum direction dir, const char *text)
{
	rig__call(rig, dir, text, strlen(text), strlen(text));
}

static inline void rig__mark(struct rig *rig, enum direction dir, uint64_t n)
{
	struct event_mark mark = { .event = rig__event(rig, EVENT_MARK, sizeof(mark)),
				   .conn = CONN,
				   .position = rig->position[dir] + n,
				   .last_ns = rig->now,
				   .last_tid = 99,
				   .dir = (uint8_t)dir };

	rig->position[dir] += n;
	stream__push(rig->stream, &mark.event);
}

static inline void rig__shut(struct rig *rig, enum direction dir, uint32_t error, uint32_t pid)
{
	struct event_shut shut = { .event = rig__event(rig, EVENT_SHUT, sizeof(shut)),
				   .conn = CONN,
				   .position = rig->position[dir],
				   .error = error,
				   .dir = (uint8_t)dir };

	shut.event.pid = pid;
	stream__push(rig->stream, &shut.event);
}

static inline void rig__close(struct rig *rig, uint32_t error)
{
	struct event_conn_close close = {
		.event = rig__event(rig, EVENT_CONN_CLOSE, sizeof(close)),
		.conn = CONN,
		.position = { rig->position[DIR_IN], rig->position[DIR_OUT] },
		.last_ns = { rig->now, rig->now },
		.error = error,
		.connected = 1,
	};

	stream__push(rig->stream, &close.event);
}

#define assert_log(rig, text)                                                                      \
	do {                                                                                       \
		buf__append(&(rig)->log, "", 1);                                                   \
		assert_string_equal((rig)->log.p, text);                                           \
		buf__clear(&(rig)->log);                                                           \
	} while (0)

#endif
