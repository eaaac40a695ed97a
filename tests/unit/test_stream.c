// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "flow.h"
#include "stream.h"

#define MS 1000000ull

/* A reader that takes what it is told to and writes down what it saw. */
struct reader {
	struct stats stats;
	struct processes *processes;
	struct stream *stream;
	struct conn *conn; /* of the newest call */
	bool reads;	   /* bytes are skipped as they are seen */
	char text[256];	   /* of DIR_IN; '.' for a missing byte */
	size_t n;
	unsigned int told, ended, gone;
	uint32_t error;
	bool connected, closed;
	struct stamp at;
	uint64_t now;
};

static void take(struct reader *reader, struct flow *flow)
{
	uint64_t gap;
	struct slice bytes;

	while ((gap = flow__gap(flow)) || flow__peek(flow).n) {
		bytes = flow__peek(flow);
		assert_false(gap && bytes.n);
		for (size_t i = 0; i < gap + bytes.n && reader->n < sizeof(reader->text) - 1; i++)
			reader->text[reader->n++] = gap ? '.' : bytes.p[i];
		flow__skip(flow, gap + bytes.n);
	}
}

static void on_bytes(void *ctx, struct conn *conn, enum direction dir)
{
	struct reader *reader = ctx;

	reader->conn = conn;
	reader->told++;
	if (reader->reads && dir == DIR_IN)
		take(reader, conn->flow[dir]);
}

static void on_ended(void *ctx, struct conn *conn, enum direction dir, const struct stamp *at,
		     uint32_t error)
{
	struct reader *reader = ctx;

	reader->ended++;
	reader->error = error;
	reader->at = *at;
}

static void on_gone(void *ctx, struct conn *conn, const struct stamp *at)
{
	struct reader *reader = ctx;

	reader->gone++;
	reader->error = conn->error;
	reader->connected = conn->connected;
	reader->closed = conn->closed;
	reader->conn = NULL;
}

static struct reader *reader__new(size_t bytes_max, size_t conns_max)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	struct stream_opts opts = { .stats = &reader->stats,
				    .bytes_max = bytes_max,
				    .conns_max = conns_max };

	reader->processes = opts.processes = processes__new();
	reader->stream =
		stream__new(&opts, (struct stream_sink){ on_bytes, on_ended, on_gone, reader });
	reader->reads = true;
	reader->now = 100;
	return reader;
}

static void reader__free(struct reader *reader)
{
	stream__free(reader->stream);
	processes__free(reader->processes);
	free(reader);
}

static void open_conn(struct reader *reader, enum event_kind kind, uint64_t id)
{
	struct event_conn_open open = { .event = { .kind = (uint8_t)kind,
						   .size = sizeof(open),
						   .time_ns = ++reader->now,
						   .pid = 10 },
					.conn = id,
					.tuple = { .local_port = kind == EVENT_CONNECT ? 0 : 80,
						   .family = FAMILY_INET } };

	stream__push(reader->stream, &open.event);
}

/* A call of `length` bytes of which `bytes`, at offset, were captured. */
static void record(struct reader *reader, uint64_t id, uint64_t position, uint32_t length,
		   uint32_t offset, struct slice bytes)
{
	struct event_data *data = calloc(1, sizeof(*data) + bytes.n);

	*data = (struct event_data){ .event = { .kind = EVENT_DATA,
						.size = (uint32_t)(sizeof(*data) + bytes.n),
						.time_ns = offset ? reader->now : ++reader->now,
						.pid = 10,
						.tid = 11 },
				     .conn = id,
				     .position = position,
				     .length = length,
				     .offset = offset,
				     .captured = (uint32_t)bytes.n,
				     .dir = DIR_IN };
	if (bytes.n)
		memcpy(data->bytes, bytes.p, bytes.n);
	stream__push(reader->stream, &data->event);
	free(data); /* whatever was borrowed of it is found */
}

static void text(struct reader *reader, uint64_t position, const char *bytes)
{
	record(reader, 1, position, (uint32_t)strlen(bytes), 0, slice_of(bytes));
}

static void mark(struct reader *reader, uint64_t position, uint64_t last_ns)
{
	struct event_mark event = {
		.event = { .kind = EVENT_MARK, .size = sizeof(event), .time_ns = ++reader->now },
		.conn = 1,
		.position = position,
		.last_ns = last_ns,
		.last_tid = 77,
		.dir = DIR_IN
	};

	stream__push(reader->stream, &event.event);
}

static void close_conn(struct reader *reader, uint64_t id, uint64_t in, uint32_t error,
		       bool connected)
{
	struct event_conn_close event = { .event = { .kind = EVENT_CONN_CLOSE,
						     .size = sizeof(event),
						     .time_ns = ++reader->now },
					  .conn = id,
					  .position = { in, 0 },
					  .error = error,
					  .connected = connected };

	stream__push(reader->stream, &event.event);
}

static void gaps_and_repeats(void **state)
{
	struct reader *reader = reader__new(0, 0);

	open_conn(reader, EVENT_CONN_OPEN, 1);
	text(reader, 0, "abc");
	text(reader, 5, "fgh");
	text(reader, 5, "XYZ");			  /* again: the first is believed */
	text(reader, 3, "DE");			  /* late: the gap has been told of */
	text(reader, 6, "ghij");		  /* overlaps: only what is new */
	record(reader, 1, 10, 6, 0, SLICE("kl")); /* the rest was not captured */
	mark(reader, 20, 50);
	text(reader, 20, "u");
	assert_string_equal(reader->text, "abc..fghijkl........u");
	assert_int_equal(reader->stats.lost[LOSS_EVENT_LATE], 3);
	close_conn(reader, 1, 23, 0, true);
	assert_string_equal(reader->text, "abc..fghijkl........u..");
	assert_int_equal(reader->ended, 2);
	assert_int_equal(reader->gone, 1);
	assert_true(reader->closed);
	text(reader, 23, "x");
	assert_int_equal(reader->stats.lost[LOSS_CONN_UNKNOWN], 1);
	reader__free(reader);
}

/* Bytes wait over many events, and the buffer moves under them. */
static void bytes_are_kept(void **state)
{
	struct reader *reader = reader__new(0, 0);
	struct flow *flow;
	char byte[2] = "a";

	reader->reads = false;
	open_conn(reader, EVENT_CONN_OPEN, 1);
	for (int i = 0; i < 3000; i++) {
		byte[0] = (char)('a' + i % 26);
		text(reader, (uint64_t)i, byte);
	}
	flow = reader->conn->flow[DIR_IN];
	assert_int_equal(flow__peek(flow).n, 3000);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(flow__peek(flow).p[i], 'a' + i % 26);
	flow__skip(flow, 2900);
	assert_int_equal(flow__peek(flow).p[0], 'a' + 2900 % 26);
	for (int i = 3000; i < 5000; i++) {
		byte[0] = (char)('a' + i % 26);
		text(reader, (uint64_t)i, byte);
	}
	assert_int_equal(flow__peek(flow).n, 2100);
	for (int i = 2900; i < 5000; i++)
		assert_int_equal(flow__peek(flow).p[i - 2900], 'a' + i % 26);
	assert_true(flow->seg_count <= SEGS_MAX);
	flow__skip(flow, 2100);
	assert_int_equal(flow->store->bytes, 0); /* an idle flow holds nothing */
	reader__free(reader);
}

static void overflow_is_a_gap(void **state)
{
	struct reader *reader = reader__new(0, 0);
	char *big = malloc(4096);
	struct flow *flow;

	memset(big, 'x', 4096);
	reader->reads = false;
	open_conn(reader, EVENT_CONN_OPEN, 1);
	for (uint64_t i = 0; i < 20; i++)
		record(reader, 1, i * 4096, 4096, 0, slice(big, 4096));
	flow = reader->conn->flow[DIR_IN];
	assert_int_equal(flow__peek(flow).n, FLOW_BYTES_MAX);
	assert_int_equal(flow__known_end(flow), 20 * 4096);
	assert_int_equal(reader->stats.lost[LOSS_STREAM_OVERFLOW], 4 * 4096);
	flow__skip(flow, FLOW_BYTES_MAX);
	assert_int_equal(flow__gap(flow), 4 * 4096);
	reader__free(reader);
	free(big);
}

/* Held, gap, held, gap ...: the list of segments is bounded and no byte is wrong. */
static void segments_are_bounded(void **state)
{
	struct reader *reader = reader__new(0, 0);
	struct flow *flow;

	reader->reads = false;
	open_conn(reader, EVENT_CONN_OPEN, 1);
	for (uint64_t i = 0; i < 500; i++)
		text(reader, i * 10, "abc");
	flow = reader->conn->flow[DIR_IN];
	assert_true(flow->seg_count <= SEGS_MAX);
	assert_true(reader->stats.lost[LOSS_STREAM_OVERFLOW] > 0);
	take(reader, flow);
	for (size_t i = 0; i < reader->n; i++)
		if (reader->text[i] != '.')
			assert_int_equal(reader->text[i], i % 10 < 3 ? "abc"[i % 10] : '.');
	assert_int_equal(flow->held, 0);
	reader__free(reader);
}

static void skipping_ahead(void **state)
{
	struct reader *reader = reader__new(0, 0);
	struct flow *flow;

	reader->reads = false;
	open_conn(reader, EVENT_CONN_OPEN, 1);
	text(reader, 0, "abc");
	flow = reader->conn->flow[DIR_IN];
	flow__skip(flow, 10);
	assert_int_equal(flow__position(flow), 10);
	assert_int_equal(flow__known_end(flow), 3);
	text(reader, 3, "def");
	assert_int_equal(flow->store->bytes, 0);
	text(reader, 6, "ghijKL");
	assert_true(slice_eq(flow__peek(flow), SLICE("KL")));
	assert_int_equal(reader->told, 3); /* of every step */
	flow__skip(flow, UINT64_MAX);	   /* until the end, whatever comes */
	text(reader, 12, "m");
	assert_int_equal(flow__known_end(flow), 13);
	assert_int_equal(flow__peek(flow).n, 0);
	reader__free(reader);
}

static void stamps_and_calls(void **state)
{
	struct reader *reader = reader__new(0, 0);
	struct flow *flow;

	reader->reads = false;
	open_conn(reader, EVENT_CONN_OPEN, 1);
	text(reader, 0, "abc");
	text(reader, 3, "def");
	mark(reader, 20, 55);
	flow = reader->conn->flow[DIR_IN];
	assert_true(flow__at_call_start(flow));
	assert_int_equal(flow__next_call(flow), 3);
	assert_int_equal(flow__stamp(flow, 2).ns, 102);
	assert_int_equal(flow__stamp(flow, 3).ns, 103);
	assert_int_equal(flow__stamp(flow, 3).tid, 11);
	assert_int_equal(flow__stamp(flow, 6).ns, 55);
	assert_int_equal(flow__stamp(flow, 6).tid, 77);
	assert_int_equal(flow__stamp(flow, 6).pid, 10);
	flow__skip(flow, 4);
	assert_false(flow__at_call_start(flow));
	assert_int_equal(flow__next_call(flow), UINT64_MAX);
	flow__skip(flow, 16);
	assert_int_equal(flow__stamp(flow, 19).ns, 55); /* the byte just passed */
	assert_true(flow__at_call_start(flow));
	reader__free(reader);
}

/* Records of one call come together; their uncaptured rest is told when something else comes. */
static void one_call_in_records(void **state)
{
	struct reader *reader = reader__new(0, 0);
	char *big = malloc(DATA_BYTES_MAX);
	struct flow *flow;

	memset(big, 'x', DATA_BYTES_MAX);
	reader->reads = false;
	open_conn(reader, EVENT_CONN_OPEN, 1);
	record(reader, 1, 0, 10000, 0, slice(big, DATA_BYTES_MAX));
	flow = reader->conn->flow[DIR_IN];
	assert_int_equal(flow__known_end(flow), 4096);
	assert_int_equal(flow__call_end(flow), 10000);
	record(reader, 1, 0, 10000, 4096, slice(big, DATA_BYTES_MAX));
	assert_int_equal(flow__known_end(flow), 8192);
	assert_int_equal(flow__peek(flow).n, 8192);
	open_conn(reader, EVENT_CONN_OPEN, 2);
	assert_int_equal(flow__known_end(flow), 10000);
	assert_int_equal(reader->stats.lost[LOSS_EVENT_LATE], 0);
	reader__free(reader);
	free(big);
}

static void connects(void **state)
{
	struct reader *reader = reader__new(0, 0);

	open_conn(reader, EVENT_CONNECT, 1);
	close_conn(reader, 1, 0, 111, false); /* refused */
	assert_int_equal(reader->gone, 1);
	assert_int_equal(reader->error, 111);
	assert_false(reader->connected);
	open_conn(reader, EVENT_CONNECT, 2);
	open_conn(reader, EVENT_CONN_OPEN, 2);
	record(reader, 2, 0, 1, 0, SLICE("x"));
	assert_true(reader->conn->connected);
	assert_int_equal(reader->conn->tuple.role, ROLE_CLIENT);
	assert_int_equal(reader->conn->tuple.local_port, 80);
	assert_int_equal(reader->conn->opened_ns, 103);
	assert_int_equal(reader->conn->pid, 10);
	assert_null(reader->conn->process);
	reader__free(reader);
}

static void processes_are_found(void **state)
{
	struct reader *reader = reader__new(0, 0);
	struct process *process = process__new(10, 1, RUNTIME_NATIVE, NULL);

	open_conn(reader, EVENT_CONN_OPEN, 1);
	processes__add(reader->processes, process);
	text(reader, 0, "x");
	assert_ptr_equal(reader->conn->process, process);
	processes__remove(reader->processes, 10);
	process__unref(process);
	assert_int_equal(reader->conn->process->pid, 10); /* held by the connection */
	reader__free(reader);
}

static void idlest_go_first(void **state)
{
	struct reader *reader = reader__new(4096, 3);
	char bytes[1000];

	memset(bytes, 'x', sizeof(bytes));
	reader->reads = false;
	for (uint64_t id = 1; id <= 3; id++) {
		open_conn(reader, EVENT_CONN_OPEN, id);
		record(reader, id, 0, 1000, 0, slice(bytes, 1000));
	}
	record(reader, 1, 1000, 1000, 0, slice(bytes, 1000)); /* 2 is the idlest now */
	record(reader, 1, 2000, 1000, 0, slice(bytes, 1000));
	assert_int_equal(reader->stats.lost[LOSS_STREAM_EVICTED], 2000); /* of 2 and 3 */
	assert_int_equal(flow__peek(reader->conn->flow[DIR_IN]).n, 3000);
	record(reader, 2, 1000, 1, 0, slice(bytes, 1));
	assert_int_equal(flow__gap(reader->conn->flow[DIR_IN]), 1000);
	assert_int_equal(reader->stats.lost[LOSS_CONN_EVICTED], 0);
	open_conn(reader, EVENT_CONN_OPEN, 4);
	assert_int_equal(reader->stats.lost[LOSS_CONN_EVICTED], 1);
	assert_int_equal(reader->gone, 1);
	assert_false(reader->closed);
	record(reader, 3, 1000, 1, 0, slice(bytes, 1)); /* it was 3 */
	assert_int_equal(reader->stats.lost[LOSS_CONN_UNKNOWN], 1);
	stream__flush(reader->stream, 1 * MS);
	assert_int_equal(reader->gone, 4);
	assert_int_equal(reader->stats.conns_closed, 4);
	reader__free(reader);
}

static void muted_holds_nothing(void **state)
{
	struct reader *reader = reader__new(0, 0);
	struct flow *flow;

	reader->reads = false;
	open_conn(reader, EVENT_CONN_OPEN, 1);
	text(reader, 0, "abc");
	flow = reader->conn->flow[DIR_IN];
	flow__mute(flow);
	for (uint64_t i = 1; i < 100; i++)
		text(reader, i * 10, "abc");
	assert_int_equal(flow__peek(flow).n, 0);
	assert_int_equal(flow->store->bytes, 0);
	reader__free(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaps_and_repeats),    cmocka_unit_test(bytes_are_kept),
		cmocka_unit_test(overflow_is_a_gap),   cmocka_unit_test(segments_are_bounded),
		cmocka_unit_test(skipping_ahead),      cmocka_unit_test(stamps_and_calls),
		cmocka_unit_test(one_call_in_records), cmocka_unit_test(connects),
		cmocka_unit_test(processes_are_found), cmocka_unit_test(idlest_go_first),
		cmocka_unit_test(muted_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
