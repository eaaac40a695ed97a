// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a hostile workload can make the agent hold: the pipeline under endless patterns, with the
 * heap measured all the time. HOSTILE_SCALE multiplies the number of rounds (default 1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline.h"
#include "process.h"

size_t __sanitizer_get_current_allocated_bytes(void); /* gcc has it without its header */

#define MIB	     (1ull << 20)
#define US	     1000ull
#define PIDS	     3
#define CONN_MAX_MIB 80 /* STREAM_CONNS_MAX connections with their decoders */

static const char GET[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

struct bench {
	struct stats stats;
	struct processes *processes;
	struct export *export;
	struct pipeline *pipeline;
	uint64_t now_ns;
	uint64_t ticked_ns;
	uint64_t events;
	uint64_t scale;
	size_t start;
	size_t high;
	uint32_t pid; /* who does all that; 0: one of three by the connection */
};

static void drop(void *ctx, struct span *span)
{
}

static void no_policy(void *ctx, const struct capture_policy *policy)
{
}

static void bench_new(struct bench *b, bool ordered, struct span_sink next)
{
	const char *scale = getenv("HOSTILE_SCALE");
	struct pipeline_opts opts = {
		.stats = &b->stats,
		.policy = { no_policy, NULL },
		.sampler = { true, SAMPLER_ALWAYS_ON, 1 },
		.ordered = ordered,
		.seeded = true,
		.next = next.push ? next : (struct span_sink){ drop, NULL },
	};

	memset(b, 0, sizeof(*b));
	b->scale = scale ? strtoull(scale, NULL, 10) : 1;
	b->now_ns = b->ticked_ns = NSEC_PER_SEC;
	b->start = __sanitizer_get_current_allocated_bytes();
	opts.processes = b->processes = processes__new();
	for (uint32_t pid = 1; pid <= PIDS; pid++) {
		struct process *process = process__new(pid, 1, RUNTIME_NATIVE, NULL);

		processes__add(b->processes, process);
		process__unref(process);
	}
	b->pipeline = pipeline__new(&opts);
}

/* The end: everything is given back but for the pools, and every request came to something. */
static void bench_free(struct bench *b, uint64_t most_mib)
{
	const uint64_t *lost = b->stats.lost;

	pipeline__flush(b->pipeline, b->now_ns);
	assert_int_equal(b->stats.requests_served + b->stats.requests_made +
				 b->stats.connects_failed,
			 b->stats.spans_made + lost[LOSS_REQUEST_CUT] + lost[LOSS_UNSAMPLED] +
				 lost[LOSS_NO_MEMORY]);
	pipeline__free(b->pipeline);
	export__free(b->export);
	processes__free(b->processes);
	printf("           %" PRIu64 " events, %.1f MiB at most, %.1f MiB kept\n", b->stats.events,
	       b->high / (double)MIB,
	       ((double)__sanitizer_get_current_allocated_bytes() - b->start) / MIB);
	assert_in_range(b->high, 0, most_mib * MIB);
	assert_in_range(__sanitizer_get_current_allocated_bytes(), 0, b->start + 16 * MIB);
}

static void measure(struct bench *b)
{
	size_t now = __sanitizer_get_current_allocated_bytes();

	if (now > b->start && now - b->start > b->high)
		b->high = now - b->start;
}

static void push(struct bench *b, struct event *event, size_t size, enum event_kind kind,
		 uint32_t pid, uint32_t tid)
{
	event->size = (uint32_t)(size + 7) & ~7u;
	event->kind = kind;
	event->pid = pid;
	event->tid = tid;
	event->time_ns = b->now_ns += US;
	pipeline__push(b->pipeline, event, event->size);
	if (++b->events % 64 == 0)
		measure(b);
	if (b->now_ns - b->ticked_ns < 10 * NSEC_PER_MSEC)
		return;
	b->ticked_ns = b->now_ns;
	pipeline__tick(b->pipeline, b->now_ns);
}

static void open_conn(struct bench *b, uint64_t conn, enum conn_role role, enum event_kind kind)
{
	bool server = role == ROLE_SERVER;
	struct event_conn_open open = {
		.conn = conn,
		.tuple = { .family = FAMILY_INET,
			   .role = role,
			   .base_seq = { (uint32_t)conn >> 1, (uint32_t)conn >> 1 },
			   .local_port = server ? 80 : 1000 + (conn >> 1) % 50000,
			   .peer_port = server ? 1000 + (conn >> 1) % 50000 : 80 },
	};

	push(b, &open.event, sizeof(open), kind, b->pid ? b->pid : 1 + conn % PIDS, 1);
}

/* position NULL: the first bytes */
static void data(struct bench *b, uint64_t conn, enum direction dir, uint64_t *position,
		 uint32_t tid, const char *text, size_t n)
{
	static union {
		struct event_data data;
		char room[sizeof(struct event_data) + DATA_BYTES_MAX + 8];
	} u;
	struct event_data *to = &u.data;

	*to = (struct event_data){ .conn = conn,
				   .position = position ? *position : 0,
				   .length = n,
				   .captured = n,
				   .dir = dir };
	memcpy(to->bytes, text, n);
	if (position)
		*position += n;
	push(b, &to->event, sizeof(*to) + n, EVENT_DATA, b->pid ? b->pid : 1 + conn % PIDS, tid);
}

static void shut_conn(struct bench *b, uint64_t conn)
{
	struct event_conn_close close = { .conn = conn, .connected = 1 };

	push(b, &close.event, sizeof(close), EVENT_CONN_CLOSE, 0, 0);
}

static void connections_never_closed(void **state)
{
	uint64_t n;
	struct bench b;

	bench_new(&b, true, (struct span_sink){ 0 });
	n = 150000 * b.scale;
	for (uint64_t conn = 1; conn <= n; conn++) {
		open_conn(&b, conn, ROLE_SERVER, EVENT_CONN_OPEN);
		data(&b, conn, DIR_IN, NULL, 1, GET, 20); /* half a head */
	}
	assert_int_equal(b.stats.lost[LOSS_CONN_EVICTED], n - STREAM_CONNS_MAX);
	bench_free(&b, CONN_MAX_MIB + 64);
}

static void connects_never_used(void **state)
{
	struct bench b;

	bench_new(&b, true, (struct span_sink){ 0 });
	for (uint64_t conn = 1; conn <= 150000 * b.scale; conn++)
		open_conn(&b, conn, ROLE_CLIENT, EVENT_CONNECT);
	assert_true(b.stats.lost[LOSS_UNIT_TABLE_FULL] > 0);
	bench_free(&b, CONN_MAX_MIB);
}

/* 64 KiB of a head that never ends, on each of many connections */
static void heads_without_end(void **state)
{
	static char field[DATA_BYTES_MAX];
	struct bench b;

	memset(field, 'x', sizeof(field));
	memcpy(field, "\r\nX: ", 5);
	bench_new(&b, true, (struct span_sink){ 0 });
	for (uint64_t conn = 1; conn <= 3000 * b.scale; conn++) {
		uint64_t position = 0;

		open_conn(&b, conn, ROLE_SERVER, EVENT_CONN_OPEN);
		data(&b, conn, DIR_IN, &position, 1, GET, 24);
		for (int i = 0; i < 15; i++)
			data(&b, conn, DIR_IN, &position, 1, field, sizeof(field));
	}
	assert_true(b.stats.lost[LOSS_STREAM_EVICTED] > 0);
	bench_free(&b, 64 + 40 + 30 * b.scale);
}

/* Whole requests with long heads that nobody answers: pair holds some of the heads. */
static void heads_never_answered(void **state)
{
	static char head[3500];
	uint64_t n;
	struct bench b;

	memset(head, 'x', sizeof(head));
	memcpy(head, GET, 24);
	memcpy(head + 24, "\r\nX: ", 5);
	memcpy(head + sizeof(head) - 4, "\r\n\r\n", 4);
	bench_new(&b, true, (struct span_sink){ 0 });
	n = 60000 * b.scale;
	for (uint64_t conn = 1; conn <= n; conn++) {
		open_conn(&b, conn, ROLE_SERVER, EVENT_CONN_OPEN);
		data(&b, conn, DIR_IN, NULL, 1, head, sizeof(head));
	}
	assert_true(b.stats.lost[LOSS_PAIR_FULL] > 0);
	assert_true(b.stats.requests_served >= PAIR_OPEN_MAX);
	bench_free(&b, CONN_MAX_MIB + 64);
}

static void pipeline_never_answered(void **state)
{
	uint64_t n, position = 0;
	struct bench b;

	bench_new(&b, true, (struct span_sink){ 0 });
	n = 200000 * b.scale;
	open_conn(&b, 1, ROLE_SERVER, EVENT_CONN_OPEN);
	for (uint64_t i = 0; i < n; i++)
		data(&b, 1, DIR_IN, &position, 1, GET, sizeof(GET) - 1);
	assert_int_equal(b.stats.requests_served, PIPELINE_MAX);
	assert_int_equal(b.stats.lost[LOSS_PIPELINE_FULL], n - PIPELINE_MAX);
	bench_free(&b, 8);
}

static void responses_without_requests(void **state)
{
	uint64_t n, in = 0, out = 0;
	struct bench b;

	bench_new(&b, true, (struct span_sink){ 0 });
	n = 100000 * b.scale;
	open_conn(&b, 1, ROLE_CLIENT, EVENT_CONN_OPEN);
	data(&b, 1, DIR_OUT, &out, 1, GET, sizeof(GET) - 1);
	for (uint64_t i = 0; i <= n; i++)
		data(&b, 1, DIR_IN, &in, 1, OK, sizeof(OK) - 1);
	pipeline__tick(b.pipeline, b.now_ns + NSEC_PER_SEC);
	assert_int_equal(b.stats.lost[LOSS_RESPONSE_ALONE], n);
	assert_int_equal(b.stats.spans_made, 1);
	bench_free(&b, 8);
}

static void chunks_without_end(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	uint64_t in = 0, out = 0;
	struct bench b;

	bench_new(&b, true, (struct span_sink){ 0 });
	open_conn(&b, 1, ROLE_CLIENT, EVENT_CONN_OPEN);
	data(&b, 1, DIR_OUT, &out, 1, GET, sizeof(GET) - 1);
	data(&b, 1, DIR_IN, &in, 1, head, sizeof(head) - 1);
	for (uint64_t i = 0; i < 200000 * b.scale; i++) {
		data(&b, 1, DIR_IN, &in, 1, "5;x=y\r\nhel", 10);
		data(&b, 1, DIR_IN, &in, 1, "lo\r\n", 4);
	}
	bench_free(&b, 8);
	assert_int_equal(b.stats.spans_made, 1);
}

static void protocols_not_known(void **state)
{
	static char garbage[1024];
	uint64_t n;
	struct bench b;

	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (char)(i * 37 + 129);
	bench_new(&b, true, (struct span_sink){ 0 });
	n = 20000 * b.scale;
	for (uint64_t conn = 1; conn <= n; conn++) {
		uint64_t in = 0, out = 0;

		open_conn(&b, conn, ROLE_SERVER, EVENT_CONN_OPEN);
		for (int i = 0; i < 6; i++) {
			data(&b, conn, DIR_IN, &in, 1, garbage, sizeof(garbage));
			data(&b, conn, DIR_OUT, &out, 1, garbage, sizeof(garbage));
		}
	}
	assert_int_equal(b.stats.lost[LOSS_UNKNOWN_PROTOCOL], n);
	bench_free(&b, CONN_MAX_MIB);
}

static void threads_without_end(void **state)
{
	struct bench b;

	bench_new(&b, true, (struct span_sink){ 0 });
	for (uint32_t i = 1; i <= 200000 * b.scale; i++) {
		struct event_connect connect = {
			.conn = i, .tuple = { .family = FAMILY_INET, .role = ROLE_CLIENT }
		};

		push(&b, &connect.event, sizeof(connect), EVENT_CONNECT, i % 2 ? 1 : i, i);
	}
	assert_true(b.stats.lost[LOSS_UNIT_TABLE_FULL] > 0);
	bench_free(&b, 80);
}

/* Every request is made within the one before, which is over soon after: one trace for ever. */
static void chain_of_contexts(void **state)
{
	uint64_t n;
	struct bench b;

	bench_new(&b, true, (struct span_sink){ 0 });
	n = 50000 * b.scale;
	b.pid = 2;
	open_conn(&b, 1, ROLE_SERVER, EVENT_CONN_OPEN);
	data(&b, 1, DIR_IN, NULL, 2, GET, sizeof(GET) - 1);
	for (uint64_t i = 1; i <= n; i++) {
		/* out and next are the two ends of one connection */
		uint64_t server = 2 * i - 1, out = 2 * i, next = 2 * i + 1;
		uint32_t tid = 1 + i % 64, pid = 1 + i % PIDS;

		open_conn(&b, out, ROLE_CLIENT, EVENT_CONN_OPEN);
		data(&b, out, DIR_OUT, NULL, tid, GET, sizeof(GET) - 1);
		b.pid = 1 + (i + 1) % PIDS;
		open_conn(&b, next, ROLE_SERVER, EVENT_CONN_OPEN);
		data(&b, next, DIR_IN, NULL, 1 + (i + 1) % 64, GET, sizeof(GET) - 1);
		b.pid = pid;
		data(&b, out, DIR_IN, NULL, tid, OK, sizeof(OK) - 1);
		data(&b, server, DIR_OUT, NULL, tid, OK, sizeof(OK) - 1);
		shut_conn(&b, out);
		shut_conn(&b, server);
		b.pid = 1 + (i + 1) % PIDS;
	}
	assert_int_equal(b.stats.requests_served, n + 1);
	pipeline__flush(b.pipeline, b.now_ns);
	assert_int_equal(b.stats.parents[PARENT_BY_THREAD], n);
	assert_int_equal(b.stats.parents[PARENT_BY_CONNECTION], n);
	bench_free(&b, 22);
}

static void ends_never_matched(void **state)
{
	uint64_t n;
	struct bench b;

	bench_new(&b, true, (struct span_sink){ 0 });
	n = 100000 * b.scale;
	for (uint64_t i = 1; i <= n; i++) {
		open_conn(&b, i, ROLE_SERVER, EVENT_CONN_OPEN);
		data(&b, i, DIR_IN, NULL, i % 64, GET, sizeof(GET) - 1);
		data(&b, i, DIR_OUT, NULL, i % 64, OK, sizeof(OK) - 1);
		shut_conn(&b, i);
		b.now_ns -= 39 * US / 10; /* ten a microsecond: most are within the hold */
	}
	assert_int_equal(b.stats.requests_served, n);
	bench_free(&b, 64);
}

/* Rings that are read, but never a tick that lets their events go. */
static void window_never_closed(void **state)
{
	struct bench b;

	bench_new(&b, false, (struct span_sink){ 0 });
	for (uint64_t i = 1; i <= 600000 * b.scale; i++) {
		struct event_shut shut = { .conn = i };

		shut.event = (struct event){ .size = sizeof(shut), .kind = EVENT_SHUT };
		shut.event.time_ns = b.now_ns;
		pipeline__push(b.pipeline, &shut, sizeof(shut));
		if (i % 64 == 0)
			measure(&b);
	}
	bench_free(&b, 80);
}

static int stuck_send(void *self, struct span *const *spans, uint32_t count, bool again)
{
	return 0;
}

static struct export_result stuck_poll(void *self, uint64_t now_ns)
{
	return (struct export_result){ .verdict = EXPORT_PENDING };
}

static void stuck_end(void *self)
{
}

static void exporter_stuck(void **state)
{
	static const struct exporter stuck = { .name = "stuck",
					       .where = "nowhere",
					       .send = stuck_send,
					       .poll = stuck_poll,
					       .cancel = stuck_end,
					       .free = stuck_end };
	uint64_t n, in = 0, out = 0;
	struct bench b;
	struct export_opts opts = { .stats = &b.stats };
	struct export *export = export__new(&opts);

	assert_int_equal(export__adopt(export, &stuck), 0);
	bench_new(&b, true, export__sink(export));
	b.export = export;
	n = 50000 * b.scale;
	open_conn(&b, 1, ROLE_SERVER, EVENT_CONN_OPEN);
	for (uint64_t i = 0; i < n; i++) {
		data(&b, 1, DIR_IN, &in, 1, GET, sizeof(GET) - 1);
		data(&b, 1, DIR_OUT, &out, 1, OK, sizeof(OK) - 1);
		export__tick(export, b.now_ns);
	}
	pipeline__flush(b.pipeline, b.now_ns);
	assert_int_equal(b.stats.spans_made, n);
	assert_in_range(n - b.stats.lost[LOSS_QUEUE_FULL], 1000, 8192);
	bench_free(&b, 48);
	assert_int_equal(b.stats.lost[LOSS_QUEUE_FULL] + b.stats.lost[LOSS_EXPORT_SHUTDOWN], n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_never_closed),
		cmocka_unit_test(connects_never_used),
		cmocka_unit_test(heads_without_end),
		cmocka_unit_test(heads_never_answered),
		cmocka_unit_test(pipeline_never_answered),
		cmocka_unit_test(responses_without_requests),
		cmocka_unit_test(chunks_without_end),
		cmocka_unit_test(protocols_not_known),
		cmocka_unit_test(threads_without_end),
		cmocka_unit_test(chain_of_contexts),
		cmocka_unit_test(ends_never_matched),
		cmocka_unit_test(window_never_closed),
		cmocka_unit_test(exporter_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
