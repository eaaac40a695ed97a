// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "capture.h"
#include "streams.h"

#define GET    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"		       /* 28 bytes */
#define OK5    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"     /* 43 */
#define OKHEAD "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"     /* 43 */
#define CHUNKY "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" /* 47 */

#define EXCHANGE                                                                                   \
	"begin req @0\nhead req GET /a HTTP/1.1\nend req body 0 wire 28\n"                         \
	"begin res @0\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43\n"

static void one_exchange(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig->stamps = true;
	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET);
	rig__text(rig, DIR_OUT, OK5);
	assert_log(
		rig,
		"begin req @0\nhead req GET /a HTTP/1.1\nend req body 0 wire 28 1002..1002/11\n"
		"begin res @0\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43 1003..1003/11\n");
	assert_int_equal(rig->policies, 0); /* nothing to tell the kernel */
	rig__close(rig, 0);
	assert_log(rig, "gone 0\n");
	rig__free(rig);
}

/* Either direction in two calls, cut at every byte, and byte by byte. */
static void every_segmentation(void **state)
{
	for (size_t i = 1; i < strlen(GET); i++) {
		struct rig *rig = rig__new(0, 0);

		rig__open(rig, CONN, ROLE_UNKNOWN, 0);
		rig__call(rig, DIR_IN, GET, i, i);
		rig__text(rig, DIR_IN, GET + i);
		rig__text(rig, DIR_OUT, OK5);
		assert_log(rig, EXCHANGE);
		assert_int_equal(rig->policy.role, ROLE_SERVER);
		rig__free(rig);
	}
	for (size_t i = 1; i < strlen(OK5); i++) {
		struct rig *rig = rig__new(0, 0);

		rig__open(rig, CONN, ROLE_UNKNOWN, 0);
		rig__text(rig, DIR_OUT, GET);
		rig__call(rig, DIR_IN, OK5, i, i);
		rig__text(rig, DIR_IN, OK5 + i);
		assert_log(rig, EXCHANGE);
		assert_int_equal(rig->policy.role, ROLE_CLIENT);
		rig__free(rig);
	}

	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig->stamps = true;
	for (size_t i = 0; i < strlen(GET); i++)
		rig__call(rig, DIR_IN, GET + i, 1, 1);
	for (size_t i = 0; i < strlen(OK5); i++)
		rig__call(rig, DIR_OUT, &OK5[i], 1, 1);
	assert_log(
		rig,
		"begin req @0\nhead req GET /a HTTP/1.1\nend req body 0 wire 28 1002..1029/11\n"
		"begin res @0\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43 1030..1072/11\n");
	rig__free(rig);
}

static void pipelining(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET GET GET);
	rig__text(rig, DIR_OUT, OK5 OK5);
	rig__text(rig, DIR_OUT, OK5);
	assert_log(rig, "begin req @0\nhead req GET /a HTTP/1.1\nend req body 0 wire 28\n"
			"begin req @28\nhead req GET /a HTTP/1.1\nend req body 0 wire 28\n"
			"begin req @56\nhead req GET /a HTTP/1.1\nend req body 0 wire 28\n"
			"begin res @0\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43\n"
			"begin res @43\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43\n"
			"begin res @86\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43\n");
	rig__free(rig);
}

/* A body of which nothing but the head was captured: by one call, by a mark, by the close. */
static void silent_bodies(void **state)
{
	size_t head = strlen(OKHEAD);
	struct rig *rig = rig__new(0, 0);
	char *big = calloc(1, head + 100000);

	memcpy(big, OKHEAD, head);
	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET);
	buf__clear(&rig->log);
	rig__call(rig, DIR_OUT, big, head + 100000, 4096); /* the rest may follow ... */
	assert_log(rig, "begin res @0\nhead res HTTP/1.1 200 OK\n");
	assert_int_equal(rig->policies, 0);
	stream__tick(rig->stream, rig->now); /* ... and does not */
	assert_log(rig, "end res body 100000 wire 100043\n");

	rig__text(rig, DIR_IN, GET);
	buf__clear(&rig->log);
	rig__call(rig, DIR_OUT, big, 5000, 4096);
	stream__tick(rig->stream, rig->now);
	assert_log(rig, "begin res @100043\nhead res HTTP/1.1 200 OK\n");
	assert_int_equal(rig->policies, 1); /* this call does not do it */
	assert_int_equal(rig->policy.quiet_until[DIR_OUT], 200086);
	rig__call(rig, DIR_OUT, big, 1000, 0);
	rig->stamps = true;
	rig__mark(rig, DIR_OUT, head + 100000 - 6000);
	assert_log(rig, "end res body 100000 wire 100043 1005..1007/99\n");
	rig__free(rig);
	free(big);
}

static void quiet_is_asked_for(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_CLIENT, 0);
	rig__text(rig, DIR_OUT, GET);
	rig__text(rig, DIR_IN, OKHEAD);
	assert_int_equal(rig->policies, 1);
	assert_int_equal(rig->policy.quiet_until[DIR_IN], 100043);
	assert_int_equal(rig->policy.sock, 0x5000 + CONN);
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_HEAD);
	assert_int_equal(rig->policy.head_bytes, CAPTURE_HEADS_SHORT); /* while we are at it */
	rig__mark(rig, DIR_IN, 50000);
	buf__clear(&rig->log);
	rig__close(rig, 104);
	assert_log(rig, "end res body 50000 wire 50043 c\ngone 104\n");
	rig__free(rig);
}

static void chunked(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET);
	buf__clear(&rig->log);
	rig__text(rig, DIR_OUT, CHUNKY "5\r\nhello\r\n");
	rig__text(rig, DIR_OUT, "3\r\nabc\r\n0\r\n\r\n");
	assert_log(rig, "begin res @0\nhead res HTTP/1.1 200 OK\nend res body 8 wire 70\n");
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_ALL);
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_HEAD);
	for (int i = 0; i < 3; i++) {
		rig__text(rig, DIR_IN, GET);
		rig__text(rig, DIR_OUT, CHUNKY "0\r\n\r\n");
	}
	assert_int_equal(rig->policies, 1); /* switched once, and stays */
	for (int i = 0; i < 8; i++) {
		rig__text(rig, DIR_IN, GET);
		rig__text(rig, DIR_OUT, OK5);
	}
	assert_int_equal(rig->policies, 2);
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_HEAD);
	rig__free(rig);
}

/* The chunk that would tell the end was not captured. */
static void chunked_with_a_gap(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET);
	buf__clear(&rig->log);
	rig__text(rig, DIR_OUT, CHUNKY "5\r\nhello\r\n");
	rig__mark(rig, DIR_OUT, 300);
	assert_log(rig, "begin res @0\nhead res HTTP/1.1 200 OK\n");
	rig__text(rig, DIR_IN, GET);
	assert_log(rig, "end res body 5 wire 357 i\n"
			"begin req @28\nhead req GET /a HTTP/1.1\nend req body 0 wire 28\n");
	rig__text(rig, DIR_OUT, OK5);
	assert_log(rig, "begin res @357\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43 g\n");

	/* or the same direction says so */
	rig__text(rig, DIR_OUT, CHUNKY "5\r\nhello\r\n");
	rig__mark(rig, DIR_OUT, 30);
	rig__text(rig, DIR_OUT, OK5);
	assert_log(rig, "begin res @400\nhead res HTTP/1.1 200 OK\nend res body 5 wire 87 i\n"
			"begin res @487\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43 g\n");
	rig__free(rig);
}

/* One call with a large chunk: its size line says where it ends, the end of the call that it does. */
static void chunk_ends_with_its_call(void **state)
{
	const char head[] = CHUNKY "186a0\r\n", end[] = "\r\n0\r\n\r\n";
	uint32_t n = (uint32_t)(strlen(head) + 100000 + strlen(end));
	struct rig *rig = rig__new(0, 0);
	char *call = calloc(1, n);

	memcpy(call, head, strlen(head));
	memcpy(call + n - strlen(end), end, strlen(end));
	rig__open(rig, CONN, ROLE_SERVER, 0);
	for (uint32_t captured = 2000; captured < 10000; captured += 2096) {
		uint64_t at = rig->position[DIR_OUT];

		rig__text(rig, DIR_IN, GET);
		buf__clear(&rig->log);
		rig__record(rig, CONN, DIR_OUT, at, n, 0, call, captured);
		rig__record(rig, CONN, DIR_OUT, at, n, n - TAIL_BYTES, call + n - TAIL_BYTES,
			    TAIL_BYTES);
		rig->position[DIR_OUT] += n;
		buf__append(&rig->log, "", 1);
		assert_non_null(strstr(rig->log.p, "end res body 100000 wire 100061\n"));
	}
	assert_int_equal(rig->policies, 1); /* all, and: what has passed so far? */
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_ALL);
	assert_int_equal(rig->policy.quiet_until[DIR_OUT], 2000);
	assert_int_equal(rig->stats.lost[LOSS_EVENT_LATE], 0);
	rig__free(rig);
	free(call);
}

/* A connection with one response that is captured in part, chunked or not, and a next request. */
static void large_exchange(struct rig *rig, bool with_length)
{
	static const char chunked[] = CHUNKY "5\r\nhello\r\n", measured[] = OKHEAD;
	const char *text = with_length ? measured : chunked;
	uint32_t n = (uint32_t)strlen(text);

	rig->position[DIR_IN] = rig->position[DIR_OUT] = 0;
	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET);
	rig__call(rig, DIR_OUT, text, n, n);
	rig__mark(rig, DIR_OUT, 100000); /* CAPTURE_ALL came too late */
	rig__text(rig, DIR_IN, GET);
	rig__close(rig, 0);
	buf__clear(&rig->log);
}

/* What the first chunked response could not know serves the next connections of the process. */
static void processes_learn(void **state)
{
	struct rig *rig = rig__new(0, 0);
	struct process *process = process__new(10, 1, RUNTIME_NATIVE, NULL);

	processes__add(rig->processes, process);
	large_exchange(rig, true);
	assert_int_equal(rig->process_policies, 0);
	large_exchange(rig, false);
	assert_int_equal(rig->process_policies, 1);
	assert_int_equal(rig->process_policy.conn, 0);
	assert_int_equal(rig->process_policy.pid, 10);
	assert_int_equal(rig->process_policy.head_bytes, CAPTURE_UNMEASURED);
	/* the message was lost to silence: nothing more of it; then all again */
	assert_int_equal(rig->policies, 4);
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_ALL);
	assert_int_equal(rig->policy.head_bytes, CAPTURE_UNMEASURED);
	large_exchange(rig, false);
	assert_int_equal(rig->process_policies, 1); /* known */
	for (uint64_t i = 0; i < CAPTURE_PROCESS_CALM; i++) {
		assert_int_equal(rig->process_policies, 1);
		large_exchange(rig, true);
	}
	assert_int_equal(rig->process_policies, 2);
	assert_int_equal(rig->process_policy.head_bytes, 0); /* the kernel's own */
	assert_int_equal(rig->policy.head_bytes, CAPTURE_HEADS_SHORT);
	process__unref(process);
	rig__free(rig);
}

/* A gap of one byte at every place of a request: never a wrong head, and the next one is right. */
static void gap_at_every_place(void **state)
{
	for (size_t i = 0; i < strlen(GET); i++) {
		struct rig *rig = rig__new(0, 0);

		rig__open(rig, CONN, ROLE_SERVER, 0);
		rig__text(rig, DIR_IN, GET);
		rig__text(rig, DIR_OUT, OK5);
		assert_log(rig, EXCHANGE);
		if (i)
			rig__record(rig, CONN, DIR_IN, 28, 28, 0, GET, (uint32_t)i);
		rig__record(rig, CONN, DIR_IN, 28, 28, (uint32_t)i + 1, GET + i + 1,
			    (uint32_t)(27 - i));
		rig->position[DIR_IN] += 28;
		rig__text(rig, DIR_OUT, OK5);
		buf__append(&rig->log, "", 1);
		assert_null(strstr(rig->log.p, "head req"));
		assert_non_null(strstr(rig->log.p, "head res"));
		buf__clear(&rig->log);
		rig__text(rig, DIR_IN, GET);
		assert_log(rig,
			   "begin req @56\nhead req GET /a HTTP/1.1\nend req body 0 wire 28 g\n");
		rig__free(rig);
	}
}

static void until_close(void **state)
{
	static const struct {
		bool shut, out;
		uint32_t error;
		const char *end;
	} rows[] = {
		{ true, false, 0, "end res body 103 wire 122\n" },
		{ false, false, 0, "end res body 103 wire 122 c\n" }, /* the reader gave up */
		{ false, true, 0, "end res body 103 wire 122\n" },
		{ false, true, 104, "end res body 103 wire 122 c\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig *rig = rig__new(0, 0);
		enum direction dir = rows[i].out ? DIR_OUT : DIR_IN;

		rig__open(rig, CONN, ROLE_UNKNOWN, 0);
		rig__text(rig, !dir, GET);
		rig__text(rig, dir, "HTTP/1.0 200 OK\r\n\r\nabc");
		rig__mark(rig, dir, 100);
		buf__clear(&rig->log);
		if (rows[i].shut)
			rig__shut(rig, dir, 0, 10);
		rig__close(rig, rows[i].error);
		buf__append(&rig->log, "", 1);
		assert_memory_equal(rig->log.p, rows[i].end, strlen(rows[i].end));
		rig__free(rig);
	}
}

/* The FIN has come, but the process has not read what is before it. */
static void bytes_after_fin(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_CLIENT, 0);
	rig__text(rig, DIR_OUT, GET);
	rig__shut(rig, DIR_IN, 0, 0);
	buf__clear(&rig->log);
	rig__text(rig, DIR_IN, "HTTP/1.0 200 OK\r\n\r\nabc");
	stream__tick(rig->stream, rig->now + 100 * MS);
	assert_log(rig, "begin res @0\nhead res HTTP/1.0 200 OK\n");
	stream__tick(rig->stream, rig->now + 300 * MS);
	assert_log(rig, "end res body 3 wire 22\n");
	rig__free(rig);
}

static void midstream(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, CONN_MIDSTREAM);
	rig__text(rig, DIR_IN, "rest of a body");
	rig__text(rig, DIR_OUT, "rest of a response");
	rig__text(rig, DIR_IN, GET);
	rig__text(rig, DIR_OUT, OK5);
	assert_log(rig, "begin req @14\nhead req GET /a HTTP/1.1\nend req body 0 wire 28 mg\n"
			"begin res @18\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43 mg\n");
	assert_int_equal(rig->stats.lost[LOSS_MIDSTREAM_SKIPPED], 32);
	rig__free(rig);
}

/* What no message was made of is counted when its connection ends, too. */
static void leftovers_are_counted(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, CONN_MIDSTREAM);
	rig__text(rig, DIR_IN, "rest of a body");
	rig__text(rig, DIR_OUT, "rest of a response");
	rig__close(rig, 0);
	assert_int_equal(rig->stats.lost[LOSS_MIDSTREAM_SKIPPED], 32);
	assert_int_equal(rig->stats.lost[LOSS_UNKNOWN_PROTOCOL], 0);
	rig__free(rig);

	rig = rig__new(0, 0);
	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, "\x16\x03\x01 hello");
	rig__close(rig, 0);
	assert_int_equal(rig->stats.lost[LOSS_UNKNOWN_PROTOCOL], 1);
	rig__free(rig);

	rig = rig__new(0, 0);
	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET);
	rig__text(rig, DIR_OUT, OK5);
	rig__text(rig, DIR_OUT, "and more");
	rig__close(rig, 0);
	assert_int_equal(rig->stats.lost[LOSS_RESYNC_SKIPPED], 8);
	assert_int_equal(rig->stats.lost[LOSS_UNKNOWN_PROTOCOL], 0);
	rig__free(rig);

	rig = rig__new(0, 0);
	rig__open(rig, CONN, ROLE_SERVER, 0); /* a probe of its health */
	rig__close(rig, 0);
	for (int i = 0; i < LOSS_COUNT; i++)
		assert_int_equal(rig->stats.lost[i], 0);
	rig__free(rig);
}

static void unknown_is_given_up(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	for (int i = 0; i < 5; i++) {
		rig__text(rig, DIR_IN, "\x16\x03\x01 hello");
		rig__text(rig, DIR_OUT, "\x16\x03\x03 hello");
	}
	assert_int_equal(rig->stats.lost[LOSS_UNKNOWN_PROTOCOL], 1);
	assert_int_equal(rig->policies, 1);
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_NONE);
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_NONE);
	rig__text(rig, DIR_IN, GET);
	rig__close(rig, 0);
	assert_log(rig, "");
	rig__free(rig);
}

/* Calls whose bytes nobody could read: told where a message was due, not within one. */
static void unread_is_told(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__call(rig, DIR_OUT, NULL, 9, 0); /* of which protocol? */
	rig__text(rig, DIR_IN, GET);
	rig__call(rig, DIR_OUT, NULL, 100, 0);
	rig__call(rig, DIR_OUT, NULL, 100, 0);
	assert_int_equal(rig->unread[DIR_OUT], 2);
	rig__text(rig, DIR_IN, GET);
	rig__text(rig, DIR_OUT, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
	rig__call(rig, DIR_OUT, NULL, 100, 0);
	assert_int_equal(rig->unread[DIR_OUT], 2);
	assert_int_equal(rig->unread[DIR_IN], 0);
	rig__close(rig, 0);
	rig__free(rig);
}

/* What a load balancer puts before the first request, cut anywhere, in one call or in many. */
static void proxy_protocol(void **state)
{
	static const struct slice prefaces[] = {
		SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"),
		SLICE("PROXY TCP6 ::1 ::2 1 2\r\n"),
		SLICE("PROXY UNKNOWN\r\n"),
		SLICE("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
		      "abcdefghijkl"),
		SLICE("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
	};
	char log[128];

	for (size_t i = 0; i < sizeof(prefaces) / sizeof(prefaces[0]); i++) {
		size_t n = prefaces[i].n + strlen(GET);
		char *bytes = malloc(n);

		memcpy(bytes, prefaces[i].p, prefaces[i].n);
		memcpy(bytes + prefaces[i].n, GET, strlen(GET));
		for (size_t cut = 0; cut < n; cut++) {
			struct rig *rig = rig__new(0, 0);

			rig__open(rig, CONN, ROLE_SERVER, 0);
			if (cut)
				rig__call(rig, DIR_IN, bytes, cut, cut);
			rig__call(rig, DIR_IN, bytes + cut, n - cut, n - cut);
			snprintf(log, sizeof(log),
				 "begin req @%zu\nhead req GET /a HTTP/1.1\n"
				 "end req body 0 wire %zu\n",
				 prefaces[i].n, strlen(GET));
			assert_log(rig, log);
			for (int j = 0; j < LOSS_COUNT; j++)
				assert_int_equal(rig->stats.lost[j], 0);
			rig__free(rig);
		}
		free(bytes);
	}
}

/* A method of that name, and a header that never ends. */
static void no_proxy_protocol(void **state)
{
	struct rig *rig = rig__new(0, 0);
	char line[200];

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, "PROXY /x HTTP/1.1\r\n\r\n");
	assert_log(rig, "begin req @0\nhead req PROXY /x HTTP/1.1\nend req body 0 wire 21\n");
	rig__free(rig);
	rig = rig__new(0, 0);
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY TCP4 ", 11);
	rig__open(rig, CONN, ROLE_SERVER, 0);
	for (size_t i = 0; i < sizeof(line); i++)
		rig__call(rig, DIR_IN, line + i, 1, 1);
	assert_log(rig, "");
	rig__text(rig, DIR_IN, "\r\n\r\n\0\r\nQUIT\n\x11\0\xff\xff");
	rig__close(rig, 0);
	rig__free(rig);
}

static void upgrade_leaves(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET);
	buf__clear(&rig->log);
	rig__text(rig, DIR_OUT,
		  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x81\x05hello");
	assert_log(rig, "begin res @0\nhead res HTTP/1.1 101 Switching Protocols\n"
			"end res body 0 wire 48\ngone 0\n");
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_NONE);
	assert_int_equal(rig->stats.lost[LOSS_UNKNOWN_PROTOCOL], 0);
	rig__text(rig, DIR_IN, GET);
	rig__close(rig, 0);
	assert_log(rig, "");
	rig__free(rig);
}

static void interim(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN,
		  "POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	rig__text(rig, DIR_OUT, "HTTP/1.1 100 Continue\r\n\r\n");
	rig__text(rig, DIR_IN, "abc");
	rig__text(rig, DIR_OUT, OK5);
	assert_log(rig, "begin req @0\nhead req POST / HTTP/1.1\n"
			"begin res @0\nhead int HTTP/1.1 100 Continue\nend int body 0 wire 25\n"
			"end req body 3 wire 63\n"
			"begin res @25\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43\n");
	rig__free(rig);
}

/* A malformed request is still a request: the refusal belongs to it. */
static void malformed(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, GET);
	rig__text(rig, DIR_OUT, OK5);
	assert_log(rig, EXCHANGE);
	rig__text(rig, DIR_IN, "GET /b HTTP/1.1\r\nno field\r\n\r\n");
	rig__text(rig, DIR_OUT, OK5);
	rig__text(rig, DIR_IN, GET);
	assert_log(rig, "begin req @28\nend req body 0 wire 29 i\n"
			"begin res @43\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43\n"
			"begin req @57\nhead req GET /a HTTP/1.1\nend req body 0 wire 28 g\n");
	assert_int_equal(rig->stats.lost[LOSS_MALFORMED], 1);
	rig__free(rig);
}

/* A head beyond the budget of a turn: incomplete once, then the budget is larger. */
static void long_heads(void **state)
{
	struct rig *rig = rig__new(0, 0);
	char *head = malloc(20000);

	memset(head, 'x', 20000);
	memcpy(head, "GET / HTTP/1.1\r\nCookie: ", 24);
	memcpy(head + 19996, "\r\n\r\n", 4);
	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__call(rig, DIR_IN, head, 20000, HEAD_BYTES_DEFAULT);
	rig__text(rig, DIR_OUT, OK5);
	assert_log(rig, "begin req @0\nend req body 0 wire 20000 i\n"
			"begin res @0\nhead res HTTP/1.1 200 OK\nend res body 5 wire 43\n");
	assert_int_equal(rig->policy.head_bytes, FLOW_BYTES_MAX);
	rig__call(rig, DIR_IN, head, 20000, 20000);
	assert_log(rig, "begin req @20000\nhead req GET / HTTP/1.1\nend req body 0 wire 20000 g\n");
	rig__free(rig);
	free(head);
}

/* The budget of a connection after its first policy, by the heads that it has met. */
static void budget_fits_the_heads(void **state)
{
	static const struct {
		uint32_t head, budget;
	} rows[] = {
		{ 100, CAPTURE_HEADS_SHORT },
		{ 2048, CAPTURE_HEADS_SHORT },
		{ 2049, HEAD_BYTES_DEFAULT },
		{ HEAD_BYTES_DEFAULT / 2, HEAD_BYTES_DEFAULT },
		{ HEAD_BYTES_DEFAULT / 2 + 1, FLOW_BYTES_MAX },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig *rig = rig__new(0, 0);
		char *head = malloc(rows[i].head);

		memset(head, 'x', rows[i].head);
		memcpy(head, "GET / HTTP/1.1\r\nCookie: ", 24);
		memcpy(head + rows[i].head - 4, "\r\n\r\n", 4);
		rig__open(rig, CONN, ROLE_SERVER, 0);
		rig__call(rig, DIR_IN, head, rows[i].head, rows[i].head);
		/* only what the kernel would not capture of the next one is worth a policy */
		assert_int_equal(rig->policies, rows[i].budget > HEAD_BYTES_DEFAULT);
		rig__text(rig, DIR_OUT, OKHEAD);
		assert_int_equal(rig->policy.head_bytes, rows[i].budget);
		rig__free(rig);
		free(head);
	}

	/* a large request says nothing about the heads of responses */
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
	assert_int_equal(rig->policies, 1);
	assert_int_equal(rig->policy.head_bytes, HEAD_BYTES_DEFAULT);
	rig__free(rig);
}

static void closed_in_every_state(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, "GET / HTTP/1.1\r\nHo");
	rig__close(rig, 0);
	assert_log(rig, "begin req @0\nend req body 0 wire 18 c\ngone 0\n");
	rig__free(rig);

	rig = rig__new(0, 0);
	rig__open(rig, CONN, ROLE_CLIENT, 0);
	rig__text(rig, DIR_OUT, GET);
	rig__text(rig, DIR_IN, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
	rig__shut(rig, DIR_IN, 0, 10);
	rig__close(rig, 0);
	assert_log(rig,
		   "begin req @0\nhead req GET /a HTTP/1.1\nend req body 0 wire 28\n"
		   "begin res @0\nhead res HTTP/1.1 200 OK\nend res body 2 wire 40 c\ngone 0\n");
	rig__free(rig);

	rig = rig__new(0, 0); /* the agent ends first */
	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__text(rig, DIR_IN, "GET / HTTP/1.1\r\nHo");
	stream__flush(rig->stream, rig->now);
	assert_log(rig, "begin req @0\nend req body 0 wire 18 ic\ngone 0\n");
	rig__free(rig);
}

static uint32_t rnd(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static const char *const pieces[] = {
	GET,
	OK5,
	OKHEAD,
	CHUNKY,
	"5\r\nhello\r\n",
	"0\r\n\r\n",
	"HTTP/1.0 200 OK\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
	"\r\n",
	"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
	"\x16\x03\x01garbage",
	"G",
	"HTTP/1.1 ",
};

/* Any order and cut of records of a few connections: every message that begins ends. */
static void any_order(void **state)
{
	for (uint32_t seed = 1; seed <= 1500; seed++) {
		uint32_t s = seed * 2654435761u;
		struct rig *rig = rig__new(seed % 3 ? 0 : 2000, seed % 5 ? 0 : 1);
		uint64_t at[DIR_COUNT] = { 0 };

		rig->quiet = true;
		rig__open(rig, CONN, (uint8_t)(rnd(&s) % 3), rnd(&s) % 2 ? CONN_MIDSTREAM : 0);
		for (int i = 0; i < 60; i++) {
			const char *text = pieces[rnd(&s) % (sizeof(pieces) / sizeof(pieces[0]))];
			uint32_t n = (uint32_t)strlen(text), roll = rnd(&s) % 100;
			enum direction dir = rnd(&s) % 2;
			uint32_t cut = rnd(&s) % 4 ? n : rnd(&s) % (n + 1);

			if (roll < 80) {
				rig__record(rig, CONN, dir, at[dir], n, 0, text, cut);
				at[dir] += roll % 10 ? n : cut;
				rig->position[dir] = at[dir];
			} else if (roll < 88) {
				at[dir] += rnd(&s) % 200;
				rig->position[dir] = at[dir];
				rig__mark(rig, dir, 0);
			} else if (roll < 92) {
				at[dir] = rnd(&s) % (at[dir] + 50); /* back, or again */
			} else if (roll < 94) {
				rig__shut(rig, dir, rnd(&s) % 2 * 104, rnd(&s) % 2);
			} else if (roll < 98) {
				stream__tick(rig->stream, rig->now += rnd(&s) % (300 * MS));
			} else if (roll == 98) {
				rig__open(rig, CONN + 1, ROLE_CLIENT, 0);
				rig__open(rig, CONN, ROLE_UNKNOWN, 0);
			} else {
				rig__close(rig, rnd(&s) % 2 * 104);
				rig__open(rig, CONN, ROLE_SERVER, 0);
				at[DIR_IN] = at[DIR_OUT] = 0;
			}
		}
		stream__flush(rig->stream, rig->now);
		assert_int_equal(rig->begun[DIR_IN], rig->ended[DIR_IN]);
		assert_int_equal(rig->begun[DIR_OUT], rig->ended[DIR_OUT]);
		rig__free(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_exchange),
		cmocka_unit_test(every_segmentation),
		cmocka_unit_test(pipelining),
		cmocka_unit_test(silent_bodies),
		cmocka_unit_test(quiet_is_asked_for),
		cmocka_unit_test(chunked),
		cmocka_unit_test(chunked_with_a_gap),
		cmocka_unit_test(chunk_ends_with_its_call),
		cmocka_unit_test(processes_learn),
		cmocka_unit_test(budget_fits_the_heads),
		cmocka_unit_test(gap_at_every_place),
		cmocka_unit_test(until_close),
		cmocka_unit_test(bytes_after_fin),
		cmocka_unit_test(midstream),
		cmocka_unit_test(leftovers_are_counted),
		cmocka_unit_test(unknown_is_given_up),
		cmocka_unit_test(unread_is_told),
		cmocka_unit_test(proxy_protocol),
		cmocka_unit_test(no_proxy_protocol),
		cmocka_unit_test(upgrade_leaves),
		cmocka_unit_test(interim),
		cmocka_unit_test(malformed),
		cmocka_unit_test(long_heads),
		cmocka_unit_test(closed_in_every_state),
		cmocka_unit_test(any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
