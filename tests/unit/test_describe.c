// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Golden spans: two heads of bytes in, the whole attribute set out, in order, with types. A row's
 * text is "name kind status" and one line per attribute.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "describe.h"
#include "ids.h"
#include "redact.h"
#include "resource.h"

static struct stats stats;
static struct describe_stage_opts stage_opts;
static struct span *taken;

static void take(void *ctx, struct span *span)
{
	assert_null(taken);
	taken = span__ref(span);
}

static void put_message(struct message *message, const char *head, bool request, const char *method)
{
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX] = { 0 };
	_Alignas(8) uint8_t facts[PROTOCOL_FACTS_MAX];
	struct slice bytes = slice_of(head);
	struct message parsed = { .protocol = &http1_protocol };
	struct frame frame;

	if (!request) {
		char text[64];
		int n = snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n\r\n", method);

		http1_protocol.frame(slice(text, (size_t)n), true, state, facts, &frame);
	}
	assert_int_equal(http1_protocol.frame(bytes, request, state, parsed.facts, &frame),
			 FRAME_OK);
	parsed.head = slice(head, frame.head);
	parsed.flags = frame.flags;
	assert_true(exchange__copy_head(message, &parsed));
}

static struct exchange *make(enum conn_role side, const char *request, const char *response)
{
	struct exchange *exchange = exchange__new();
	struct ids *ids = ids__new_seeded(1);

	exchange->protocol = &http1_protocol;
	exchange->side = side;
	exchange->tuple = (struct conn_tuple){
		.family = FAMILY_INET,
		.local_addr = { 10, 0, 0, 1 },
		.local_port = 8080,
		.peer_addr = { 10, 0, 0, 2 },
		.peer_port = 40000,
	};
	if (request) {
		put_message(&exchange->request, request, true, "");
		exchange->has_request_head = true;
	}
	if (response) {
		put_message(&exchange->response, response, false, "GET");
		exchange->has_response = exchange->has_response_head = true;
	}
	exchange->flags = exchange->request.flags | exchange->response.flags;
	exchange->request.first.ns = 1000;
	exchange->request.last.ns = 1500;
	exchange->response.first.ns = 2000;
	exchange->response.last.ns = exchange->end_ns = 3000;
	exchange->context = context__new(ids);
	context__set_root(exchange->context, ROOT_WHY_ENTRY);
	context__settle(exchange->context, ids);
	ids__free(ids);
	return exchange;
}

/* Runs the exchange through the stage; the span comes out, the exchange is gone. */
static int64_t wall_offset = 1000000;

static struct span *describe_it(struct exchange *exchange)
{
	struct describe *describe = describe__new(&stage_opts, (struct span_sink){ .push = take });
	struct span *span;

	describe__set_wall_offset(describe, wall_offset);
	describe__push(describe, exchange, EXCHANGE_ANSWER); /* not its business */
	assert_null(taken);
	describe__push(describe, exchange, EXCHANGE_DONE);
	assert_non_null(taken);
	span = taken;
	taken = NULL;
	describe__free(describe);
	return span;
}

static void show(const struct span *span, struct buf *out)
{
	static const char *const statuses[] = { "unset", "ok", "error" };
	static const char *const kinds[] = { "", "internal", "server", "client" };

	buf__clear(out);
	buf__printf(out, "%.*s %s %s\n", (int)span->name.n, span->name.p, kinds[span->kind],
		    statuses[span->status]);
	for (uint32_t i = 0; i < span->attr_count; i++) {
		const struct attr *a = &span->attrs[i];

		if (slice_starts(a->key, SLICE("spanprobe.parent")) ||
		    slice_starts(a->key, SLICE("spanprobe.root")))
			continue;
		buf__printf(out, "%.*s", (int)a->key.n, a->key.p);
		if (a->type == ATTR_STRING)
			buf__printf(out, "=%.*s", (int)a->s.n, a->s.p);
		else if (a->type == ATTR_INT)
			buf__printf(out, ":%lld", (long long)a->i);
		else if (a->type == ATTR_BOOL)
			buf__printf(out, ":%s", a->b ? "true" : "false");
		for (uint32_t k = 0; a->type == ATTR_STRINGS && k < a->count; k++)
			buf__printf(out, "[%.*s]", (int)a->list[k].n, a->list[k].p);
		buf__puts(out, "\n");
	}
	buf__append(out, "", 1);
}

static void expect_span(struct exchange *exchange, const char *want)
{
	struct span *span = describe_it(exchange);
	struct buf text = { 0 };

	show(span, &text);
	if (strcmp(text.p, want))
		fail_msg("\n%s\nis not\n%s", text.p, want);
	buf__release(&text);
	span__unref(span);
}

#define PEER  "network.peer.address=10.0.0.2\nnetwork.peer.port:40000\n"
#define SIZES "http.request.body.size:0\nhttp.response.body.size:0\n"
#define OK    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static void served(void **state)
{
	struct exchange *exchange = make(
		ROLE_SERVER,
		"POST /a/b?q=1&sig=abc#f HTTP/1.1\r\nHost: shop:81\r\nUser-Agent: curl/8\r\n\r\n",
		"HTTP/1.1 201 Created\r\n\r\n");

	exchange->request.body_bytes = 7;
	exchange->response.body_bytes = 5000000000;
	expect_span(exchange, "POST server unset\n"
			      "http.request.method=POST\n"
			      "url.path=/a/b\n"
			      "url.query=q=1&sig=REDACTED\n"
			      "url.scheme=http\n"
			      "server.address=shop\n"
			      "server.port:81\n"
			      "client.address=10.0.0.2\n"
			      "client.port:40000\n"
			      "user_agent.original=curl/8\n"
			      "http.response.status_code:201\n"
			      "network.protocol.version=1.1\n" PEER "http.request.body.size:7\n"
			      "http.response.body.size:5000000000\n");
}

static void made(void **state)
{
	expect_span(
		make(ROLE_CLIENT,
		     "GET /x?token=1&a=2 HTTP/1.0\r\nHost: u:p@shop\r\nUser-Agent: curl/8\r\n\r\n",
		     OK),
		"GET client unset\n"
		"http.request.method=GET\n"
		"url.full=http://REDACTED:REDACTED@shop/x?token=REDACTED&a=2\n"
		"server.address=shop\n"
		"server.port:80\n"
		"http.response.status_code:200\n"
		"network.protocol.version=1.0\n" PEER SIZES);
	/* without Host: the socket's other end */
	expect_span(make(ROLE_CLIENT, "GET /x HTTP/1.0\r\n\r\n", OK),
		    "GET client unset\n"
		    "http.request.method=GET\n"
		    "url.full=http://10.0.0.2:40000/x\n"
		    "server.address=10.0.0.2\n"
		    "server.port:40000\n"
		    "http.response.status_code:200\n"
		    "network.protocol.version=1.0\n" PEER SIZES);
}

static struct span *one(enum conn_role side, const char *request, const char *response)
{
	return describe_it(make(side, request, response));
}

/* The attribute as text, "-" when it is absent. */
static const char *value(const struct span *span, const char *key)
{
	static char text[9000];
	const struct attr *attr = span__get(span, key);

	if (!attr)
		return "-";
	if (attr->type == ATTR_INT)
		snprintf(text, sizeof(text), "%lld", (long long)attr->i);
	else
		snprintf(text, sizeof(text), "%.*s", (int)attr->s.n, attr->s.p);
	return text;
}

static void expect_attr(enum conn_role side, const char *request, const char *key, const char *want)
{
	struct span *span = one(side, request, OK);

	if (strcmp(value(span, key), want))
		fail_msg("%s: %s is %s, not %s", request, key, value(span, key), want);
	span__unref(span);
}

static void urls_of_clients(void **state)
{
	static const struct {
		const char *request, *url, *address, *port;
	} rows[] = {
		{ "GET http://u@h:81/p?sig=1#f HTTP/1.1\r\nHost: x\r\n\r\n",
		  "http://REDACTED@h:81/p?sig=REDACTED#f", "h", "81" },
		{ "GET https://h?a HTTP/1.1\r\n\r\n", "https://h?a", "h", "443" },
		{ "CONNECT h:443 HTTP/1.1\r\nHost: x\r\n\r\n", "http://h:443", "h", "443" },
		{ "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "http://h", "h", "80" },
		{ "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "http://[::1]:8080/", "::1",
		  "8080" },
		{ "GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n", "http://h:99999/", "h", "80" },
		{ "GET / HTTP/1.1\r\nHost: h:9090\r\n\r\n", "http://h:9090/", "h", "9090" },
		{ "GET / HTTP/1.1\r\nHost: h:80x\r\n\r\n", "http://h:80x/", "h", "80" },
		{ "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "http://10.0.0.2:40000/", "10.0.0.2",
		  "40000" },
		{ "GET h9+x://h/ HTTP/1.1\r\n\r\n", "h9+x://h/", "h", "80" },
		{ "GET / HTTP/1.1\r\nHost: \r\n\r\n", "http://10.0.0.2:40000/", "10.0.0.2",
		  "40000" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect_attr(ROLE_CLIENT, rows[i].request, "url.full", rows[i].url);
		expect_attr(ROLE_CLIENT, rows[i].request, "server.address", rows[i].address);
		expect_attr(ROLE_CLIENT, rows[i].request, "server.port", rows[i].port);
	}
}

static void what_proxies_say(void **state)
{
#define GET_WITH(fields) "GET /p HTTP/1.1\r\nHost: inner:8080\r\n" fields "\r\n"
	static const struct {
		const char *request, *scheme, *address, *port, *client, *client_port;
	} rows[] = {
		{ GET_WITH(""), "http", "inner", "8080", "10.0.0.2", "40000" },
		{ GET_WITH(
			  "Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43;host=Shop.example\r\n"),
		  "https", "Shop.example", "443", "192.0.2.60", "-" },
		{ GET_WITH(
			  "forwarded: For=\"[2001:db8::1]:4711\" ; Host = \"s:82\", for=1.1.1.1\r\n"),
		  "http", "s", "82", "2001:db8::1", "4711" },
		{ GET_WITH("Forwarded: by=\"a,b;for=x\";for=_hidden\r\n"), "http", "inner", "8080",
		  "_hidden", "-" },
		{ GET_WITH("Forwarded: for=unknown\r\n"), "http", "inner", "8080", "10.0.0.2",
		  "40000" },
		{ GET_WITH("Forwarded: for=\"1.1.1.1\r\n"), "http", "inner", "8080", "\"1.1.1.1",
		  "-" },
		{ GET_WITH("Forwarded: ;;=,for=\r\nX-Forwarded-For: \r\n"), "http", "inner", "8080",
		  "10.0.0.2", "40000" },
		{ GET_WITH(
			  "X-Forwarded-For: 192.0.2.1:555, 10.0.0.9\r\nX-Forwarded-Proto: https\r\n"
			  "X-Forwarded-Host: a.example, b\r\n"),
		  "https", "a.example", "443", "192.0.2.1", "555" },
		{ GET_WITH("X-Forwarded-For: 2001:db8::2\r\nX-Forwarded-Proto: ht tp\r\n"), "http",
		  "inner", "8080", "2001:db8::2", "-" },
		{ "GET http://outer/p HTTP/1.1\r\nHost: inner\r\n\r\n", "http", "outer", "80",
		  "10.0.0.2", "40000" },
		{ "GET /p HTTP/1.0\r\n\r\n", "http", "10.0.0.1", "8080", "10.0.0.2", "40000" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect_attr(ROLE_SERVER, rows[i].request, "url.scheme", rows[i].scheme);
		expect_attr(ROLE_SERVER, rows[i].request, "server.address", rows[i].address);
		expect_attr(ROLE_SERVER, rows[i].request, "server.port", rows[i].port);
		expect_attr(ROLE_SERVER, rows[i].request, "client.address", rows[i].client);
		expect_attr(ROLE_SERVER, rows[i].request, "client.port", rows[i].client_port);
		expect_attr(ROLE_SERVER, rows[i].request, "url.path", "/p");
	}
	expect_attr(ROLE_SERVER, "GET http://h?q HTTP/1.1\r\n\r\n", "url.path", "/");
	expect_attr(ROLE_SERVER, "GET http://h?q HTTP/1.1\r\n\r\n", "url.query", "q");
	expect_attr(ROLE_SERVER, "GET /? HTTP/1.1\r\n\r\n", "url.query", "-");
	expect_attr(ROLE_SERVER, "GET a:b HTTP/1.1\r\n\r\n", "url.path", "a:b");
	expect_attr(ROLE_SERVER, "GET 1x://h/p HTTP/1.1\r\n\r\n", "url.path", "1x://h/p");
	expect_attr(ROLE_SERVER, "OPTIONS * HTTP/1.1\r\n\r\n", "url.path", "*");
}

static void methods(void **state)
{
	static const struct slice only_get[] = { SLICE("GET") };
	struct span *span = one(ROLE_SERVER, "BREW /pot HTTP/1.1\r\n\r\n", OK);

	assert_true(slice_eq(span->name, SLICE("HTTP")));
	assert_string_equal(value(span, "http.request.method"), "_OTHER");
	assert_string_equal(value(span, "http.request.method_original"), "BREW");
	span__unref(span);
	expect_attr(ROLE_SERVER, "get / HTTP/1.1\r\n\r\n", "http.request.method", "_OTHER");
	expect_attr(ROLE_SERVER, "QUERY / HTTP/1.1\r\n\r\n", "http.request.method", "QUERY");
	expect_attr(ROLE_SERVER, "QUERY / HTTP/1.1\r\n\r\n", "http.request.method_original", "-");
	stage_opts.describe.known_methods = only_get;
	stage_opts.describe.known_method_count = 1;
	expect_attr(ROLE_SERVER, "POST / HTTP/1.1\r\n\r\n", "http.request.method", "_OTHER");
	stage_opts.describe.known_methods = NULL;
}

static void outcomes(void **state)
{
	enum { NONE, CUT = MESSAGE_CUT };
	static const struct {
		enum conn_role side;
		int code; /* 0: no response */
		uint32_t cut;
		uint32_t error;
		bool peer_closed;
		enum span_status status;
		const char *type;
	} rows[] = {
		{ ROLE_SERVER, 200, NONE, 0, false, STATUS_UNSET, "-" },
		{ ROLE_CLIENT, 399, NONE, 0, false, STATUS_UNSET, "-" },
		{ ROLE_SERVER, 404, NONE, 0, false, STATUS_UNSET, "-" },
		{ ROLE_CLIENT, 404, NONE, 0, false, STATUS_ERROR, "404" },
		{ ROLE_CLIENT, 400, NONE, 0, false, STATUS_ERROR, "400" },
		{ ROLE_SERVER, 503, NONE, 0, false, STATUS_ERROR, "503" },
		{ ROLE_CLIENT, 500, NONE, 0, false, STATUS_ERROR, "500" },
		{ ROLE_SERVER, 999, NONE, 0, false, STATUS_ERROR, "999" },
		{ ROLE_CLIENT, 101, NONE, 0, false, STATUS_UNSET, "-" },
		{ ROLE_CLIENT, 200, CUT, 0, true, STATUS_ERROR, "connection_closed" },
		{ ROLE_SERVER, 201, CUT, 0, true, STATUS_ERROR, "connection_closed" },
		{ ROLE_CLIENT, 200, CUT, ECONNRESET, true, STATUS_ERROR, "ECONNRESET" },
		{ ROLE_SERVER, 200, CUT, EPIPE, false, STATUS_ERROR, "EPIPE" },
		{ ROLE_SERVER, 200, CUT, 0, false, STATUS_ERROR, "response_incomplete" },
		{ ROLE_SERVER, 500, CUT, ECONNRESET, false, STATUS_ERROR, "500" },
		{ ROLE_CLIENT, 0, NONE, 0, true, STATUS_ERROR, "connection_closed" },
		{ ROLE_CLIENT, 0, NONE, ETIMEDOUT, false, STATUS_ERROR, "ETIMEDOUT" },
		{ ROLE_CLIENT, 0, NONE, 9999, false, STATUS_ERROR, "_OTHER" },
		{ ROLE_SERVER, 0, NONE, 0, false, STATUS_ERROR, "no_response" },
		{ ROLE_SERVER, 200, CUT | MESSAGE_INCOMPLETE, 0, false, STATUS_UNSET, "-" },
		{ ROLE_SERVER, 200, CUT | MESSAGE_INCOMPLETE, 0, true, STATUS_ERROR,
		  "connection_closed" },
		{ ROLE_SERVER, 0, MESSAGE_INCOMPLETE, 0, false, STATUS_UNSET, "-" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char response[64];
		struct exchange *exchange;
		struct span *span;

		snprintf(response, sizeof(response), "HTTP/1.1 %d x\r\n\r\n", rows[i].code);
		exchange = make(rows[i].side, "GET / HTTP/1.1\r\n\r\n",
				rows[i].code ? response : NULL);
		exchange->flags |= rows[i].cut;
		if (rows[i].code)
			exchange->response.flags |= rows[i].cut;
		exchange->error = rows[i].error;
		exchange->peer_closed = rows[i].peer_closed;
		span = describe_it(exchange);
		if (span->status != rows[i].status ||
		    strcmp(value(span, "error.type"), rows[i].type))
			fail_msg("row %zu: status %d, %s", i, span->status,
				 value(span, "error.type"));
		assert_int_equal(span__get(span, "spanprobe.incomplete") != NULL,
				 (rows[i].cut & MESSAGE_INCOMPLETE) != 0);
		span__unref(span);
	}
}

static void headers_by_list_only(void **state)
{
	static const struct slice request[] = { SLICE("x-a"), SLICE("host"), SLICE("x-none") };
	static const struct slice response[] = { SLICE("set-cookie") };
	struct span *span;
	const struct attr *attr;

	stage_opts.describe.request_headers = request;
	stage_opts.describe.request_header_count = 3;
	stage_opts.describe.response_headers = response;
	stage_opts.describe.response_header_count = 1;
	span = one(ROLE_SERVER,
		   "GET / HTTP/1.1\r\nX-A: 1\r\nHost: h\r\nx-a:  2, 3 \r\nX-B: no\r\n\r\n",
		   "HTTP/1.1 200 OK\r\nSet-Cookie: a=\xff\r\n\r\n");
	attr = span__get(span, "http.request.header.x-a");
	assert_int_equal(attr->type, ATTR_STRINGS);
	assert_int_equal(attr->count, 2);
	assert_true(slice_eq(attr->list[0], SLICE("1")));
	assert_true(slice_eq(attr->list[1], SLICE("2, 3")));
	assert_int_equal(span__get(span, "http.request.header.host")->count, 1);
	assert_null(span__get(span, "http.request.header.x-none"));
	assert_null(span__get(span, "http.request.header.x-b"));
	attr = span__get(span, "http.response.header.set-cookie");
	assert_true(slice_eq(attr->list[0], SLICE("a=\xef\xbf\xbd")));
	span__unref(span);
	memset(&stage_opts.describe, 0, sizeof(stage_opts.describe));
}

static void hostile_values_are_bounded(void **state)
{
	struct buf head = { 0 };
	struct span *span;

	buf__puts(&head, "GET /");
	for (int i = 0; i < 9000; i++)
		buf__puts(&head, "\xc3\xa9");
	buf__puts(&head, "?q=\xff\xfe HTTP/1.1\r\nHost: ");
	for (int i = 0; i < 20000; i++)
		buf__puts(&head, "h");
	buf__puts(&head, "\r\nUser-Agent: ");
	for (int i = 0; i < 20000; i++)
		buf__puts(&head, "u");
	buf__append(&head, "\r\n\r\n", 5);
	span = one(ROLE_SERVER, head.p, OK);
	/* 8191: "/" and 4095 whole characters */
	assert_int_equal(span__get(span, "url.path")->s.n, 8191);
	assert_true(slice_eq(span__get(span, "url.query")->s, SLICE("q=\xef\xbf\xbd\xef\xbf\xbd")));
	assert_int_equal(span__get(span, "server.address")->s.n, 8192);
	assert_int_equal(span__get(span, "user_agent.original")->s.n, 8192);
	span__unref(span);
	span = one(ROLE_CLIENT, head.p, OK);
	assert_true(span__get(span, "url.full")->s.n <= 8192 + 3);
	span__unref(span);
	buf__release(&head);
}

static void lengths_that_contradict(void **state)
{
	struct span *span = one(ROLE_SERVER,
				"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
				"HTTP/1.1 400 Bad Request\r\n\r\n");

	assert_true(span__get(span, "spanprobe.http.conflicting_length")->b);
	span__unref(span);
}

static void lost_heads(void **state)
{
	struct exchange *exchange = make(ROLE_SERVER, NULL, OK);

	exchange->flags |= MESSAGE_INCOMPLETE;
	expect_span(exchange, "HTTP server unset\n"
			      "http.request.method=_OTHER\n"
			      "url.scheme=http\n"
			      "server.address=10.0.0.1\n"
			      "server.port:8080\n"
			      "client.address=10.0.0.2\n"
			      "client.port:40000\n"
			      "http.response.status_code:200\n"
			      "network.protocol.version=1.1\n" PEER "http.response.body.size:0\n"
			      "spanprobe.incomplete:true\n");
}

static void failed_connects(void **state)
{
	struct exchange *exchange = make(ROLE_CLIENT, NULL, NULL);
	struct stats before = stats;

	exchange->protocol = NULL;
	exchange->error = ECONNREFUSED;
	exchange->tuple = (struct conn_tuple){ .family = FAMILY_INET6, .peer_port = 9 };
	exchange->tuple.peer_addr[15] = 1;
	expect_span(exchange, "socket connect client error\n"
			      "server.address=::1\n"
			      "server.port:9\n"
			      "error.type=ECONNREFUSED\n"
			      "network.peer.address=::1\n"
			      "network.peer.port:9\n"
			      "network.transport=tcp\n"
			      "network.type=ipv6\n");
	assert_int_equal(stats.spans_made, before.spans_made + 1);
}

static void identity_and_times(void **state)
{
	struct ids *ids = ids__new_seeded(2);
	struct context *parent = context__new(ids);
	struct remote_context *remote = calloc(1, sizeof(*remote));
	struct exchange *exchange = make(ROLE_CLIENT, "GET / HTTP/1.1\r\n\r\n", OK);
	struct span *span;

	memset(remote->trace_id, 7, 16);
	memset(remote->span_id, 8, 8);
	remote->trace_flags = 0x03;
	remote->sampled_known = true;
	remote->trace_state_len = 3;
	memcpy(remote->trace_state, "a=1", 3);
	parent->remote = remote;
	context__set_remote(parent);
	context__unref(exchange->context);
	exchange->context = context__new(ids);
	context__set_parent(exchange->context, parent, PARENT_BY_THREAD);
	assert_true(context__settle(exchange->context, ids));
	span = describe_it(exchange);
	assert_memory_equal(span->trace_id, remote->trace_id, 16);
	assert_true(span->has_parent);
	assert_false(span->remote_parent);
	assert_memory_equal(span->parent_id, parent->span_id, 8);
	assert_int_equal(span->trace_flags, 0x03);
	assert_true(slice_eq(span->trace_state, SLICE("a=1")));
	assert_string_equal(value(span, "spanprobe.parent.by"), "thread");
	assert_null(span__get(span, "spanprobe.root.why"));
	assert_int_equal(span->start_ns, 1001000);
	assert_int_equal(span->end_ns, 1003000);
	span__unref(span);

	/* the parent itself: its parent came in a header; its end is not after its start */
	exchange = make(ROLE_SERVER, "GET / HTTP/1.1\r\n\r\n", OK);
	context__unref(exchange->context);
	exchange->context = parent;
	exchange->end_ns = 1000;
	span = describe_it(exchange);
	assert_true(span->has_parent && span->remote_parent);
	assert_int_equal(span->parent_id[0], 8);
	assert_string_equal(value(span, "spanprobe.parent.by"), "header");
	assert_int_equal(span->end_ns, span->start_ns + 1);
	span__unref(span);

	/* a root */
	span = one(ROLE_SERVER, "GET / HTTP/1.1\r\n\r\n", OK);
	assert_false(span->has_parent);
	assert_string_equal(value(span, "spanprobe.parent.by"), "none");
	assert_string_equal(value(span, "spanprobe.root.why"), "entry");
	span__unref(span);
	ids__free(ids);
}

static void addresses(void **state)
{
	static const char *const texts[] = {
		"0.0.0.0", "1.9.10.11", "99.100.101.109", "199.200.255.254", "127.0.0.1",
	};
	char text[110];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct conn_tuple tuple = { .family = FAMILY_INET };

		inet_pton(AF_INET, texts[i], tuple.peer_addr);
		assert_string_equal(describe__address(&tuple, true, text), texts[i]);
		assert_string_equal(describe__address(&tuple, false, text), "0.0.0.0");
	}
	assert_string_equal(
		describe__address(&(struct conn_tuple){ .family = FAMILY_UNIX }, true, text), "");
}

static void redaction(void **state)
{
#define LONG_KEY                                                                                   \
	"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"        \
	"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
	static const struct slice own[] = { SLICE("mine") };
	static const struct slice decoded[] = { SLICE("jO"), SLICE("\x01") };
	static const struct {
		const char *query, *want;
		struct redact_keys keys;
	} rows[] = {
		{ "", "", { 0 } },
		{ "a=1&b=2", "a=1&b=2", { 0 } },
		{ "sig=1&sig=2", "sig=REDACTED&sig=REDACTED", { 0 } },
		{ "sig=", "sig=REDACTED", { 0 } },
		{ "sig", "sig", { 0 } },
		{ "sig=a=b&", "sig=REDACTED&", { 0 } },
		{ "%73i%67=1", "%73i%67=REDACTED", { 0 } },
		{ "Sig=1", "Sig=1", { 0 } },
		{ "AWSAccessKeyId=1&Signature=2&X-Amz-Signature=3&X-Amz-Credential=4",
		  "AWSAccessKeyId=REDACTED&Signature=REDACTED&X-Amz-Signature=REDACTED&"
		  "X-Amz-Credential=REDACTED",
		  { 0 } },
		{ "X-Amz-Security-Token=1&X-Goog-Signature=2",
		  "X-Amz-Security-Token=REDACTED&X-Goog-Signature=REDACTED",
		  { 0 } },
		{ "password=1&API_KEY=2&x=3", "password=REDACTED&API_KEY=REDACTED&x=3", { 0 } },
		{ "&&=&=sig", "&&=&=sig", { 0 } },
		{ "mine=1&sig=2", "mine=REDACTED&sig=2", { own, 1 } },
		{ "mine=1&sig=2", "mine=1&sig=2", { own, 0 } },
		{ "%6", "%6", { 0 } },
		{ "si%67=1&si%6=1&si%67", "si%67=REDACTED&si%6=1&si%67", { 0 } },
		{ "s%69g%=1&%zzsig=1&%s%69g=1", "s%69g%=1&%zzsig=1&%s%69g=1", { 0 } },
		{ "%6bey=1&t%6Fken=2&%70wd=3&api%5fke%79=4&%kkey=5",
		  "%6bey=REDACTED&t%6Fken=REDACTED&%70wd=REDACTED&api%5fke%79=REDACTED&%kkey=5",
		  { 0 } },
		{ "%6a%4f=1&%g1=2&J%4F=3", "%6a%4f=REDACTED&%g1=2&J%4F=3", { decoded, 2 } },
		{ LONG_KEY "%=1", LONG_KEY "%=1", { 0 } },
	};
	char buf[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t room = 0; room <= sizeof(buf); room++) {
			struct text text = { buf, 0, room };
			size_t n = strlen(rows[i].want);

			memset(buf, '#', sizeof(buf));
			redact__query(&text, slice_of(rows[i].query), rows[i].keys);
			n = n < room ? n : room;
			assert_int_equal(text.n, n);
			assert_memory_equal(buf, rows[i].want, n);
			assert_true(room == sizeof(buf) || buf[room] == '#');
		}
	}
}

static int setup(void **state)
{
	stage_opts.stats = &stats;
	stage_opts.fallback = resource__new();
	return 0;
}

static int teardown(void **state)
{
	resource__unref(stage_opts.fallback);
	return 0;
}

/* A recording may hold any. */
static void offsets_do_not_wrap(void **state)
{
	static const int64_t offsets[] = { INT64_MIN, -2000, INT64_MAX - 2000, INT64_MAX };

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		wall_offset = offsets[i];
		struct span *span =
			describe_it(make(ROLE_SERVER, "GET / HTTP/1.1\r\n\r\n",
					 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));

		assert_true(span->end_ns > span->start_ns);
		assert_in_range(span->end_ns, 1, 1ull << 63);
		span__unref(span);
	}
	wall_offset = 1000000;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(served),
		cmocka_unit_test(offsets_do_not_wrap),
		cmocka_unit_test(made),
		cmocka_unit_test(urls_of_clients),
		cmocka_unit_test(what_proxies_say),
		cmocka_unit_test(methods),
		cmocka_unit_test(outcomes),
		cmocka_unit_test(headers_by_list_only),
		cmocka_unit_test(hostile_values_are_bounded),
		cmocka_unit_test(lengths_that_contradict),
		cmocka_unit_test(lost_heads),
		cmocka_unit_test(failed_connects),
		cmocka_unit_test(identity_and_times),
		cmocka_unit_test(addresses),
		cmocka_unit_test(redaction),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
