// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trees.h"

/* Two processes and the connection between them; without attribution's evidence but through it. */
#define A 10
#define B 20

static const char X[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
static const char Y[] = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00";

static struct conn client, server;

static int setup(void **state)
{
	struct trees *t = trees__new();

	client = make_conn(1, false);
	server = make_conn(1, true);
	trees__process(t, A, RUNTIME_NATIVE);
	trees__process(t, B, RUNTIME_NATIVE);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	trees__free(*state);
	return 0;
}

static void send_request(struct trees *t, uint64_t ns, const char *head)
{
	trees__message(t, &client, MESSAGE_REQUEST, 0, stamp_of(ns, A, 1), head);
}

static void take_request(struct trees *t, uint64_t ns, const char *head)
{
	trees__message(t, &server, MESSAGE_REQUEST, 0, stamp_of(ns, B, 2), head);
}

static void send_answer(struct trees *t, uint64_t ns)
{
	response_at(t, &server, ns, B, 2);
}

static void take_answer(struct trees *t, uint64_t ns)
{
	response_at(t, &client, ns, A, 1);
}

static void assert_joined(struct trees *t)
{
	struct out *c = find_out(t, &client, 0), *s = find_out(t, &server, 0);

	assert_non_null(c);
	assert_non_null(s);
	assert_ptr_equal(s->context->parent, c->context);
	assert_int_equal(s->context->by, PARENT_BY_CONNECTION);
	assert_memory_equal(s->context->trace_id, c->context->trace_id, 16);
	assert_true(c->exchange.request.first.ns <= s->exchange.request.first.ns);
	assert_true(s->exchange.end_ns <= c->exchange.end_ns);
}

static void ends_join_at_once(void **state)
{
	struct trees *t = *state;

	send_request(t, 10, NULL);
	take_request(t, 20, NULL);
	send_answer(t, 30);
	assert_int_equal(t->outs, 0); /* the client's end may still bound the server's */
	take_answer(t, 40);
	assert_int_equal(t->outs, 2);
	assert_joined(t);
	assert_int_equal(t->out[0].exchange.end_ns, 40);
	assert_int_equal(t->out[1].exchange.end_ns, 30);
}

static void server_first(void **state)
{
	struct trees *t = *state;

	take_request(t, 20, NULL);
	send_request(t, 25, NULL); /* a late send stamp */
	take_answer(t, 40);
	send_answer(t, 45); /* and another one */
	assert_int_equal(t->outs, 2);
	assert_joined(t);
	assert_int_equal(find_out(t, &client, 0)->exchange.request.first.ns, 20);
	assert_int_equal(find_out(t, &server, 0)->exchange.end_ns, 40);
}

static void server_done_before_the_client_is_seen(void **state)
{
	struct trees *t = *state;

	take_request(t, 20, NULL);
	send_answer(t, 25);
	trees__tick(t, 10 * MS);
	assert_int_equal(t->outs, 0);
	send_request(t, 10 * MS, NULL); /* descheduled between copy and event */
	take_answer(t, 11 * MS);
	assert_joined(t);
	assert_int_equal(find_out(t, &client, 0)->exchange.request.first.ns, 20);
}

static void client_gone_before_the_server_is_seen(void **state)
{
	struct trees *t = *state;

	send_request(t, 10, NULL);
	take_answer(t, 40);
	assert_int_equal(t->outs, 1);
	take_request(t, 5, NULL);
	send_answer(t, 50);
	assert_int_equal(t->outs, 2);
	assert_joined(t); /* the client's times are out: the server's are moved into them */
	assert_int_equal(find_out(t, &server, 0)->exchange.request.first.ns, 10);
	assert_int_equal(find_out(t, &server, 0)->exchange.end_ns, 40);
}

static void entry_after_the_hold(void **state)
{
	struct trees *t = *state;

	take_request(t, 20, NULL);
	send_answer(t, 30);
	trees__tick(t, JOIN_HOLD_NS);
	assert_int_equal(t->outs, 0);
	trees__tick(t, JOIN_HOLD_NS + 30);
	assert_int_equal(t->outs, 1);
	assert_int_equal(t->out[0].context->why, ROOT_WHY_ENTRY);
	assert_null(t->out[0].context->parent);
	assert_int_equal(t->stats.roots[ROOT_WHY_ENTRY], 1);
}

/* A long request does not keep the spans of its calls for all its time. */
static void calls_of_a_long_request_go_on(void **state)
{
	struct trees *t = *state;
	struct conn call = make_conn(9, false);

	take_request(t, 20, NULL);
	request_at(t, &call, 0, 25, B, 2);
	response_at(t, &call, 30, B, 2);
	trees__tick(t, 100 * MS);
	assert_int_equal(t->outs, 0);
	trees__tick(t, JOIN_ENTRY_HOLDS * JOIN_HOLD_NS + 20);
	assert_int_equal(t->outs, 1);
	assert_int_equal(t->out[0].context->by, PARENT_BY_THREAD);
	send_answer(t, 60000 * MS);
	trees__tick(t, 61000 * MS);
	assert_ptr_equal(t->out[0].context->parent, t->out[1].context);
}

static void three_services_one_trace(void **state)
{
	struct trees *t = *state;
	struct conn c2 = make_conn(2, false), s2 = make_conn(2, true);

	send_request(t, 10, NULL);
	take_request(t, 20, NULL);
	request_at(t, &c2, 0, 30, B, 2);
	request_at(t, &s2, 0, 40, 30, 3);
	response_at(t, &s2, 50, 30, 3);
	response_at(t, &c2, 60, B, 2);
	send_answer(t, 70);
	take_answer(t, 80);
	assert_int_equal(t->outs, 4);
	for (size_t i = 0; i < 4; i++)
		assert_memory_equal(t->out[i].context->trace_id, t->out[0].context->trace_id, 16);
	assert_ptr_equal(find_out(t, &c2, 0)->context->parent, find_out(t, &server, 0)->context);
	assert_ptr_equal(find_out(t, &s2, 0)->context->parent, find_out(t, &c2, 0)->context);
	assert_joined(t);
}

static void same_header_keeps_the_nesting(void **state)
{
	struct trees *t = *state;

	send_request(t, 10, X);
	take_request(t, 20, X);
	send_answer(t, 30);
	take_answer(t, 40);
	assert_joined(t);
	assert_int_equal(t->out[0].context->trace_id[0], 0x0a);
	assert_int_equal(find_out(t, &client, 0)->context->by, PARENT_BY_HEADER);
}

static void other_header_wins(void **state)
{
	struct trees *t = *state;
	struct out *s;

	send_request(t, 10, X);
	take_request(t, 20, Y);
	send_answer(t, 30);
	take_answer(t, 40);
	trees__tick(t, 100 * MS);
	s = find_out(t, &server, 0);
	assert_true(s->context->parent_is_remote);
	assert_int_equal(s->context->remote->span_id[1], 0xf0);
	assert_false(s->context->origin_sampled);
}

static void other_position_or_namespace_is_another_exchange(void **state)
{
	struct trees *t = *state;

	server.tuple.netns_cookie = 2;
	send_request(t, 10, NULL);
	take_request(t, 20, NULL);
	send_answer(t, 30);
	take_answer(t, 40);
	trees__tick(t, 100 * MS);
	assert_null(find_out(t, &server, 0)->context->parent);
	trees__clear(t);

	server.tuple.netns_cookie = 1;
	server.tuple.base_seq[DIR_IN]++;
	send_request(t, 200 * MS, NULL);
	take_request(t, 201 * MS, NULL);
	send_answer(t, 202 * MS);
	take_answer(t, 203 * MS);
	trees__tick(t, 300 * MS);
	assert_null(find_out(t, &server, 0)->context->parent);
}

static void midstream_joins_by_sequence_number(void **state)
{
	struct trees *t = *state;

	client.tuple.flags = server.tuple.flags = CONN_MIDSTREAM;
	client.tuple.base_seq[DIR_OUT] = 0xfffffff0; /* it wraps */
	server.tuple.base_seq[DIR_IN] = 0x10;
	trees__message(t, &client, MESSAGE_REQUEST, 0x40, stamp_of(10, A, 1), NULL);
	trees__message(t, &server, MESSAGE_REQUEST, 0x20, stamp_of(20, B, 2), NULL);
	response_at(t, &server, 30, B, 2);
	response_at(t, &client, 40, A, 1);
	assert_ptr_equal(find_out(t, &server, 0x20)->context->parent,
			 find_out(t, &client, 0x40)->context);
}

static void make_unix(struct conn *conn, uint64_t sock, uint64_t peer)
{
	memset(&conn->tuple, 0, sizeof(conn->tuple));
	conn->tuple.family = FAMILY_UNIX;
	conn->tuple.sock = sock;
	conn->tuple.peer_sock = peer;
	conn->tuple.role = conn->id & 1 ? ROLE_SERVER : ROLE_CLIENT;
}

static void unix_sockets_join_by_socks(void **state)
{
	struct trees *t = *state;

	make_unix(&client, 0xaaaa, 0xbbbb);
	make_unix(&server, 0xbbbb, 0xaaaa);
	send_request(t, 10, NULL);
	take_request(t, 20, NULL);
	send_answer(t, 30);
	take_answer(t, 40);
	assert_joined(t);
}

static void unix_addresses_used_again_do_not_join(void **state)
{
	struct trees *t = *state;
	struct conn old = make_conn(5, true), again = make_conn(6, false);

	make_unix(&old, 0xbbbb, 0xaaaa); /* its client is not traced */
	make_unix(&client, 0xaaaa, 0xbbbb);
	make_unix(&server, 0xbbbb, 0xaaaa);
	make_unix(&again, 0xaaaa, 0xbbbb);
	request_at(t, &old, 0, 10, B, 3);
	response_at(t, &old, 20, B, 3);
	send_request(t, 30, NULL);
	take_request(t, 40, NULL);
	send_answer(t, 50);
	take_answer(t, 60);
	request_at(t, &again, 0, 70, A, 1); /* and its server is not traced */
	response_at(t, &again, 80, A, 1);
	trees__tick(t, 100 * MS);
	assert_int_equal(t->outs, 4);
	assert_joined(t);
	assert_null(find_out(t, &old, 0)->context->parent);
	assert_null(find_out(t, &again, 0)->context->parent);
}

static void unix_midstream_does_not_join(void **state)
{
	struct trees *t = *state;

	make_unix(&client, 0xaaaa, 0xbbbb);
	make_unix(&server, 0xbbbb, 0xaaaa);
	server.tuple.flags = CONN_MIDSTREAM;
	send_request(t, 10, NULL);
	take_request(t, 20, NULL);
	send_answer(t, 30);
	take_answer(t, 40);
	trees__tick(t, 100 * MS);
	assert_int_equal(t->outs, 2);
	assert_null(find_out(t, &server, 0)->context->parent);
}

static void client_that_gave_up_does_not_cut_the_server(void **state)
{
	struct trees *t = *state;

	send_request(t, 10, NULL);
	take_request(t, 20, NULL);
	gone_at(t, &client, 100, 0);
	send_answer(t, 200);
	trees__tick(t, 100 * MS);
	assert_int_equal(t->outs, 2);
	assert_int_equal(find_out(t, &server, 0)->exchange.end_ns, 200);
	assert_ptr_equal(find_out(t, &server, 0)->context->parent,
			 find_out(t, &client, 0)->context);
}

/* One connection seen twice on the same side: both are told, neither is mistaken for the other's
 * end. */
static void second_end_of_one_side_stands_alone(void **state)
{
	struct trees *t = *state;
	struct conn twin = client;

	twin.id = 77;
	send_request(t, 10, NULL);
	request_at(t, &twin, 0, 11, A, 3);
	take_request(t, 20, NULL);
	send_answer(t, 30);
	take_answer(t, 40);
	response_at(t, &twin, 41, A, 3);
	trees__tick(t, 100 * MS);
	assert_int_equal(t->outs, 3);
	assert_null(find_out(t, &twin, 0)->context->parent);
}

static void fragments_are_no_requests(void **state)
{
	struct trees *t = *state;
	struct message m = make_message(MESSAGE_REQUEST, DIR_IN, 0, stamp_of(20, B, 2), "");

	t->sink.begin(t->sink.ctx, &server, &m);
	gone_at(t, &server, 30, 0);
	trees__tick(t, 100 * MS);
	assert_int_equal(t->outs, 0);
	assert_int_equal(t->stats.lost[LOSS_REQUEST_CUT], 1);
}

/* ... unless the other end is its child by then: a parent must not be missing. */
static void fragments_with_children_stay(void **state)
{
	struct trees *t = *state;
	struct message m = make_message(MESSAGE_REQUEST, DIR_OUT, 0, stamp_of(10, A, 1), "");

	t->sink.begin(t->sink.ctx, &client, &m);
	take_request(t, 20, NULL);
	send_answer(t, 30);
	gone_at(t, &client, 200 * MS, 0);
	trees__tick(t, 400 * MS);
	assert_int_equal(t->outs, 2);
	assert_joined(t);
	assert_int_equal(t->stats.lost[LOSS_REQUEST_CUT], 0);
}

static void table_is_bounded(void **state)
{
	struct trees *t = *state;
	static char head[8192];

	memset(head, 'x', sizeof(head) - 1);
	/* open requests beyond what pair holds, then answers: all go through, waiting within bytes */
	for (uint64_t i = 0; i < 20000; i++) {
		struct conn conn = make_conn(1000 + i, true);

		trees__message(t, &conn, MESSAGE_REQUEST, 0, stamp_of(i + 1, B, 2), head);
		response_at(t, &conn, i + 2, B, 2);
		gone_at(t, &conn, i + 3, 0);
	}
	assert_true(t->outs > 17000);
	trees__tick(t, 1000 * MS);
	assert_int_equal(t->outs, 20000);
	assert_true(t->stats.lost[LOSS_JOIN_TABLE_FULL] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(ends_join_at_once),
		TEST(server_first),
		TEST(server_done_before_the_client_is_seen),
		TEST(client_gone_before_the_server_is_seen),
		TEST(entry_after_the_hold),
		TEST(calls_of_a_long_request_go_on),
		TEST(three_services_one_trace),
		TEST(same_header_keeps_the_nesting),
		TEST(other_header_wins),
		TEST(other_position_or_namespace_is_another_exchange),
		TEST(midstream_joins_by_sequence_number),
		TEST(unix_sockets_join_by_socks),
		TEST(unix_addresses_used_again_do_not_join),
		TEST(unix_midstream_does_not_join),
		TEST(client_that_gave_up_does_not_cut_the_server),
		TEST(second_end_of_one_side_stands_alone),
		TEST(fragments_are_no_requests),
		TEST(fragments_with_children_stay),
		TEST(table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
