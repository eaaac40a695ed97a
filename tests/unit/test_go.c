// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Whose call was it, in Go: by scripted events. */
#include "trees.h"

#include "attribute/goroutine.h"

#define PID 10

enum {		/* goroutines */
       S = 100, /* serve requests ... */
       T,
       READER, /* net/http's, of one byte */
       C,      /* created while S serves */
       P,      /* writes for a connection */
       W,      /* works for others */
       V,
       B /* of the program's own */
};

static struct conn in[4], out[8];

static struct event head_of(uint64_t ns, uint64_t unit)
{
	/* any thread: goroutines move */
	return (struct event){ .kind = EVENT_UNIT,
			       .pid = PID,
			       .tid = 1 + (uint32_t)(ns % 3),
			       .time_ns = ns,
			       .unit = unit };
}

static struct stamp at(uint64_t ns, uint64_t unit)
{
	return (struct stamp){ .ns = ns, .pid = PID, .tid = 1 + (uint32_t)(ns % 3), .unit = unit };
}

static void tell(struct trees *t, enum unit_change change, uint64_t ns, uint64_t unit,
		 uint64_t other, uint64_t arg)
{
	struct event_unit event = {
		.event = head_of(ns, unit), .change = change, .other_unit = other, .arg = arg
	};

	attribute__event(t->attribute, &event.event);
}

static int setup(void **state)
{
	struct trees *t = trees__new();

	for (int i = 0; i < 4; i++)
		in[i] = make_conn(100 + i, true);
	for (int i = 0; i < 8; i++)
		out[i] = make_conn(200 + i, false);
	trees__process(t, PID, RUNTIME_GO);
	tell(t, UNIT_MODULE, 1, 0, 0, UNITS_GO);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	trees__free(*state);
	return 0;
}

/* A request at position ns: its first byte by one goroutine, the last by another one. */
static void request_by(struct trees *t, int conn, uint64_t ns, uint64_t first, uint64_t last)
{
	struct message message = make_message(MESSAGE_REQUEST, DIR_IN, ns, at(ns, first), "x");

	t->sink.begin(t->sink.ctx, &in[conn], &message);
	t->sink.head(t->sink.ctx, &in[conn], &message);
	message.head = slice(NULL, 0);
	message.last = at(first == last ? ns : ns + 1, last);
	t->sink.end(t->sink.ctx, &in[conn], &message);
}

static void request(struct trees *t, int conn, uint64_t ns, uint64_t unit)
{
	request_by(t, conn, ns, unit, unit);
}

static void answer(struct trees *t, int conn, uint64_t ns, uint64_t unit)
{
	trees__message(t, &in[conn], MESSAGE_RESPONSE, 0, at(ns, unit), NULL);
}

static void call(struct trees *t, int conn, uint64_t ns, uint64_t unit)
{
	trees__message(t, &out[conn], MESSAGE_REQUEST, ns, at(ns, unit), NULL);
}

static void result(struct trees *t, int conn, uint64_t ns, uint64_t unit)
{
	trees__message(t, &out[conn], MESSAGE_RESPONSE, 0, at(ns, unit), NULL);
}

static void create(struct trees *t, uint64_t ns, uint64_t unit, uint64_t other)
{
	tell(t, UNIT_BIND, ns, unit, other, 0);
}

static void wake(struct trees *t, uint64_t ns, uint64_t unit, uint64_t other, enum go_wait wait)
{
	tell(t, UNIT_WAKE, ns, unit, other, wait);
}

static void hand_over(struct trees *t, uint64_t ns, uint64_t unit, int conn, enum go_wait waited)
{
	tell(t, UNIT_PUT, ns, unit, waited, out[conn].id);
}

static void dial(struct trees *t, int conn, uint64_t ns, uint64_t unit)
{
	struct event_connect connect = { .event = head_of(ns, unit),
					 .conn = out[conn].id,
					 .tuple = out[conn].tuple };

	connect.event.kind = EVENT_CONNECT;
	connect.event.size = sizeof(connect);
	attribute__event(t->attribute, &connect.event);
}

static void finish(struct trees *t)
{
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], 900, 0);
	for (int i = 0; i < 4; i++)
		gone_at(t, &in[i], 901, 0);
	attribute__flush(t->attribute);
	join__flush(t->join, 1000);
}

static void assert_parent(struct trees *t, int conn, uint64_t ns, int parent, uint64_t parent_ns,
			  enum parent_by by)
{
	struct out *child = find_out(t, &out[conn], ns);
	struct out *mother = find_out(t, &in[parent], parent_ns);

	assert_non_null(child);
	assert_non_null(mother);
	assert_ptr_equal(child->context->parent, mother->context);
	assert_int_equal(child->context->by, by);
}

static void assert_root(struct trees *t, int conn, uint64_t ns, enum root_why why)
{
	struct out *child = find_out(t, &out[conn], ns);

	assert_non_null(child);
	assert_null(child->context->parent);
	assert_int_equal(child->context->why, why);
}

/* --- those that serve, and what they create ----------------------------------------------------- */

static void a_call_is_for_whom_its_caller_serves(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	request(t, 1, 11, T);
	hand_over(t, 20, S, 0, GO_WAIT_NONE);
	hand_over(t, 21, T, 1, GO_WAIT_NONE);
	call(t, 1, 22, P); /* the same goroutine writes both, and it knows nothing */
	call(t, 0, 23, P);
	call(t, 2, 24, T); /* another library: who calls writes */
	finish(t);
	assert_parent(t, 0, 23, 0, 10, PARENT_BY_GOROUTINE);
	assert_parent(t, 1, 22, 1, 11, PARENT_BY_GOROUTINE);
	assert_parent(t, 2, 24, 1, 11, PARENT_BY_GOROUTINE);
}

static void a_handover_is_for_one_call(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	hand_over(t, 20, S, 0, GO_WAIT_NONE);
	call(t, 0, 21, P);
	result(t, 0, 22, V);
	call(t, 0, 30, P); /* whose, nobody has said */
	finish(t);
	assert_parent(t, 0, 21, 0, 10, PARENT_BY_GOROUTINE);
	assert_root(t, 0, 30, ROOT_WHY_EXPIRED);
}

static void what_it_creates_inherits_while_the_request_is_open(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	create(t, 12, S, C);
	create(t, 13, C, V);
	hand_over(t, 14, V, 0, GO_WAIT_OTHER);
	call(t, 0, 15, P);
	hand_over(t, 16, C, 1, GO_WAIT_NONE);
	answer(t, 0, 20, S);
	call(t, 1, 21, P); /* handed over before, written after the answer */
	request(t, 0, 30, S);
	hand_over(t, 31, C, 2, GO_WAIT_NONE); /* not its request */
	call(t, 2, 32, P);
	call(t, 3, 33, S);
	answer(t, 0, 40, S);
	call(t, 4, 41, S);
	finish(t);
	assert_parent(t, 0, 15, 0, 10, PARENT_BY_GOROUTINE);
	assert_root(t, 1, 21, ROOT_WHY_CLOSED);
	assert_root(t, 2, 32, ROOT_WHY_EXPIRED);
	assert_parent(t, 3, 33, 0, 30, PARENT_BY_GOROUTINE);
	assert_root(t, 4, 41, ROOT_WHY_CLOSED);
}

static void the_first_byte_is_read_by_a_helper(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	create(t, 11, S, READER);
	answer(t, 0, 20, S);
	request_by(t, 0, 30, READER, S);
	create(t, 32, S, C);
	call(t, 0, 33, C);
	call(t, 1, 34, S);
	finish(t);
	assert_parent(t, 0, 33, 0, 30, PARENT_BY_GOROUTINE);
	assert_parent(t, 1, 34, 0, 30, PARENT_BY_GOROUTINE);
}

static void who_sends_the_body_on_does_not_serve(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	request_by(t, 1, 20, T, P); /* a proxy's writer reads the body */
	hand_over(t, 22, S, 0, GO_WAIT_NONE);
	call(t, 0, 23, P);
	call(t, 1, 24, T);
	call(t, 2, 25, P);
	finish(t);
	assert_parent(t, 0, 23, 0, 10, PARENT_BY_GOROUTINE);
	assert_parent(t, 1, 24, 1, 20, PARENT_BY_GOROUTINE);
	assert_root(t, 2, 25, ROOT_WHY_EXPIRED);
}

static void a_loop_over_connections_proves_nothing(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	request(t, 1, 11, S); /* while the other one is open */
	create(t, 12, S, C);
	call(t, 0, 13, S);
	call(t, 1, 14, C);
	answer(t, 0, 20, S);
	answer(t, 1, 21, S);
	request(t, 0, 30, S);
	call(t, 2, 31, S); /* once is for good */

	request(t, 2, 40, T); /* two in turns, never both open */
	answer(t, 2, 41, T);
	request(t, 3, 42, T);
	answer(t, 3, 43, T);
	request(t, 2, 44, T);
	call(t, 3, 45, T);
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_DOUBT);
	assert_root(t, 1, 14, ROOT_WHY_EXPIRED);
	assert_root(t, 2, 31, ROOT_WHY_DOUBT);
	assert_root(t, 3, 45, ROOT_WHY_DOUBT);
}

static void a_goroutine_may_serve_one_connection_after_the_other(void **state)
{
	struct trees *t = *state;

	for (int i = 0; i < 4; i++) {
		request(t, i, 10 + 10 * i, S);
		call(t, i, 12 + 10 * i, S);
		answer(t, i, 13 + 10 * i, S);
	}
	finish(t);
	for (int i = 0; i < 4; i++)
		assert_parent(t, i, 12 + 10 * i, i, 10 + 10 * i, PARENT_BY_GOROUTINE);
}

static void pipelined_requests_are_served_in_turn(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	request(t, 0, 11, S);
	request(t, 0, 12, S);
	call(t, 0, 20, S);
	answer(t, 0, 21, S);
	call(t, 1, 22, S);
	answer(t, 0, 23, S);
	call(t, 2, 24, S);
	answer(t, 0, 25, S);
	call(t, 3, 26, S);
	finish(t);
	assert_parent(t, 0, 20, 0, 10, PARENT_BY_GOROUTINE);
	assert_parent(t, 1, 22, 0, 11, PARENT_BY_GOROUTINE);
	assert_parent(t, 2, 24, 0, 12, PARENT_BY_GOROUTINE);
	assert_root(t, 3, 26, ROOT_WHY_CLOSED);
}

/* --- connections ---------------------------------------------------------------------------------- */

static void whoever_is_made_after_dialling_works_for_the_connection(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	create(t, 11, S, C);
	dial(t, 0, 12, C);
	create(t, 13, C, P); /* the connection's */
	call(t, 0, 14, P);
	create(t, 15, S, T); /* dials several addresses in goroutines of their own */
	create(t, 16, T, V);
	dial(t, 1, 17, V);
	create(t, 18, T, W);
	call(t, 1, 19, W);
	call(t, 2, 20, W); /* opened before: nobody knows by whom */
	request(t, 1, 21, B);
	dial(t, 3, 22, B);
	call(t, 3, 23, B);
	result(t, 3, 24, B);
	call(t, 3, 25, W); /* from a pool */
	finish(t);
	assert_root(t, 0, 14, ROOT_WHY_DOUBT);
	assert_root(t, 1, 19, ROOT_WHY_DOUBT);
	assert_root(t, 2, 20, ROOT_WHY_DOUBT);
	assert_parent(t, 3, 23, 1, 21, PARENT_BY_GOROUTINE);
	assert_parent(t, 3, 25, 0, 10, PARENT_BY_GOROUTINE);
}

/* Writes and reads for all, and tells each of its result: made before anything was seen. */
static void a_connections_goroutine_claims_for_nobody(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	request(t, 1, 11, T);
	call(t, 0, 12, P);
	result(t, 0, 13, V); /* another one reads */
	wake(t, 14, P, T, GO_WAIT_OTHER);
	call(t, 1, 20, W); /* one does both, for two */
	call(t, 2, 21, W);
	result(t, 2, 22, W);
	wake(t, 23, W, S, GO_WAIT_RECEIVE);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 20, ROOT_WHY_EXPIRED);
	assert_root(t, 2, 21, ROOT_WHY_EXPIRED);
}

static void what_works_for_a_connection_has_no_results(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	create(t, 11, S, C);
	dial(t, 0, 12, C);
	create(t, 13, C, P);
	hand_over(t, 14, B, 0, GO_WAIT_NONE); /* the program's own call on it */
	call(t, 0, 15, P);
	result(t, 0, 16, V);
	wake(t, 17, B, P, GO_WAIT_OTHER); /* B has read the body, says net/http */
	wake(t, 18, B, C, GO_WAIT_OTHER);
	wake(t, 19, P, B, GO_WAIT_OTHER);
	finish(t);
	assert_root(t, 0, 15, ROOT_WHY_EXPIRED);
}

/* --- those that work for others ------------------------------------------------------------------ */

static void the_one_that_gets_the_result_claims_the_call(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	request(t, 1, 11, T);
	hand_over(t, 12, W, 0, GO_WAIT_RECEIVE);
	call(t, 0, 13, P);
	hand_over(t, 14, V, 1, GO_WAIT_RECEIVE);
	call(t, 1, 15, P);
	result(t, 0, 16, C);
	result(t, 1, 17, C);
	wake(t, 18, W, T, GO_WAIT_RECEIVE); /* T has waited in its receive */
	wake(t, 19, S, V, GO_WAIT_SEND);    /* V in its send */
	finish(t);
	assert_parent(t, 0, 13, 1, 11, PARENT_BY_RESULT_WAKE);
	assert_parent(t, 1, 15, 0, 10, PARENT_BY_RESULT_WAKE);
}

static void work_that_is_taken_is_no_result(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	hand_over(t, 11, W, 0, GO_WAIT_RECEIVE);
	call(t, 0, 12, P);
	result(t, 0, 13, C);
	wake(t, 14, W, S, GO_WAIT_SEND);    /* W takes what S has waited to send: the next piece */
	wake(t, 15, W, S, GO_WAIT_RECEIVE); /* that one's result */
	hand_over(t, 20, V, 1, GO_WAIT_RECEIVE);
	call(t, 1, 21, P);
	result(t, 1, 22, C);
	wake(t, 23, S, V, GO_WAIT_RECEIVE); /* S gives V work */
	wake(t, 24, V, S, GO_WAIT_RECEIVE);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 21, ROOT_WHY_EXPIRED);
}

static void what_cannot_be_its_result_is_not_claimed(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	hand_over(t, 11, W, 0, GO_WAIT_RECEIVE);
	call(t, 0, 12, P);
	wake(t, 13, W, S, GO_WAIT_RECEIVE); /* not answered yet */
	hand_over(t, 20, V, 1, GO_WAIT_RECEIVE);
	call(t, 1, 21, P);
	result(t, 1, 22, C);
	request(t, 1, 23, T);
	wake(t, 24, V, T, GO_WAIT_RECEIVE); /* T's request came later than the call */
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 21, ROOT_WHY_EXPIRED);
}

static void all_calls_of_a_piece_of_work_have_one_owner(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	request(t, 1, 11, T);
	for (uint64_t i = 0; i < 2; i++) {
		hand_over(t, 20 + 10 * i, W, i, GO_WAIT_OTHER);
		call(t, i, 21 + 10 * i, P);
		result(t, i, 22 + 10 * i, C);
	}
	/* the first may be of an older piece of work: only the last one is sure */
	wake(t, 33, W, S, GO_WAIT_RECEIVE);
	hand_over(t, 39, V, 5, GO_WAIT_OTHER);
	wake(t, 40, S, V, GO_WAIT_RECEIVE); /* S gives V work: two calls */
	for (uint64_t i = 2; i < 4; i++) {
		hand_over(t, 30 + 10 * i, V, i, GO_WAIT_OTHER);
		call(t, i, 31 + 10 * i, P);
		result(t, i, 32 + 10 * i, C);
	}
	wake(t, 65, V, S, GO_WAIT_RECEIVE);
	wake(t, 70, S, V, GO_WAIT_RECEIVE); /* from S, but T gets the result */
	hand_over(t, 71, V, 4, GO_WAIT_RECEIVE);
	call(t, 4, 72, P);
	result(t, 4, 73, C);
	wake(t, 74, V, T, GO_WAIT_RECEIVE);
	finish(t);
	assert_root(t, 0, 21, ROOT_WHY_EXPIRED);
	assert_parent(t, 1, 31, 0, 10, PARENT_BY_RESULT_WAKE);
	assert_parent(t, 2, 51, 0, 10, PARENT_BY_RESULT_WAKE);
	assert_parent(t, 3, 61, 0, 10, PARENT_BY_RESULT_WAKE);
	assert_root(t, 4, 72, ROOT_WHY_DOUBT);
}

static void a_timers_call_is_nobodys(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	wake(t, 11, GO_OUTSIDE | 7, B, GO_WAIT_TIME);
	hand_over(t, 12, B, 0, GO_WAIT_TIME);
	call(t, 0, 13, P);
	result(t, 0, 14, C);
	wake(t, 15, B, S, GO_WAIT_RECEIVE); /* whoever waits for news of it */
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_NO_REQUEST);
}

/* A pool may make its goroutines within a request, and they take any work. */
static void a_child_that_waits_for_work_is_in_doubt(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	create(t, 11, S, C);
	hand_over(t, 12, C, 0, GO_WAIT_NONE);
	call(t, 0, 13, P);
	result(t, 0, 14, V);
	hand_over(t, 20, C, 1, GO_WAIT_RECEIVE);
	call(t, 1, 21, P);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_GOROUTINE);
	assert_root(t, 1, 21, ROOT_WHY_EXPIRED);
}

/* --- what is not known --------------------------------------------------------------------------- */

static void units_that_are_none(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 0);
	call(t, 0, 11, 0);
	request(t, 1, 12, GO_OUTSIDE | 3);
	call(t, 1, 13, GO_OUTSIDE | 3);
	create(t, 14, 0, C);
	create(t, 15, GO_OUTSIDE, C);
	hand_over(t, 16, 0, 2, 0);
	hand_over(t, 17, GO_OUTSIDE, 2, 0);
	call(t, 2, 18, C);
	finish(t);
	assert_root(t, 0, 11, ROOT_WHY_UNIT);
	assert_root(t, 1, 13, ROOT_WHY_NO_REQUEST);
	assert_root(t, 2, 18, ROOT_WHY_EXPIRED);
}

static void lost_events_end_all_knowledge(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, S);
	create(t, 11, S, C);
	hand_over(t, 12, S, 0, GO_WAIT_NONE);
	t->stats.lost[LOSS_RING_UNIT]++;
	attribute__tick(t->attribute, 13);
	call(t, 0, 14, P);
	call(t, 1, 15, C);
	call(t, 2, 16, S);
	answer(t, 0, 20, S);
	request(t, 0, 30, S);
	call(t, 3, 31, S);
	finish(t);
	for (int i = 0; i < 3; i++)
		assert_root(t, i, 14 + i, ROOT_WHY_EXPIRED);
	assert_parent(t, 3, 31, 0, 30, PARENT_BY_GOROUTINE);
}

static void goroutines_beyond_the_limit_are_not_known(void **state)
{
	struct trees *t = *state;
	uint64_t ns = 100;

	request(t, 0, 10, S);
	create(t, 11, S, C);
	for (uint64_t i = 0; i < 2 * GOROUTINES_MAX; i++)
		create(t, ++ns, S, 1000 + i);
	assert_true(t->stats.lost[LOSS_UNIT_TABLE_FULL] > 0);
	call(t, 0, ++ns, C);
	call(t, 1, ++ns, S);
	for (uint64_t i = 0; i < 2 * GIFTS_MAX; i++)
		tell(t, UNIT_PUT, ++ns, S, 0, 1u << 20 | i);
	call(t, 2, ++ns, 1000 + 2 * GOROUTINES_MAX - 1);
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], ns + 1, 0);
	gone_at(t, &in[0], ns + 2, 0);
	attribute__flush(t->attribute);
	join__flush(t->join, ns + 3);
	assert_root(t, 0, 100 + 2 * GOROUTINES_MAX + 1, ROOT_WHY_EXPIRED);
	assert_parent(t, 1, 100 + 2 * GOROUTINES_MAX + 2, 0, 10, PARENT_BY_GOROUTINE);
	assert_parent(t, 2, 100 + 2 * GOROUTINES_MAX + 3 + 2 * GIFTS_MAX, 0, 10,
		      PARENT_BY_GOROUTINE);
}

/* Any events in any order: never a parent that was not there, or answered, when the call began. */
static void random_events(void **state)
{
	struct trees *t = *state;
	uint64_t opened[4] = { 0 }, ns = 10;
	bool calling[8] = { false };

	srand(7);
	for (int i = 0; i < 60000; i++) {
		uint64_t unit = rand() % 12 == 0 ? (rand() % 2 ? 0 : GO_OUTSIDE) :
						   (uint64_t)(S + rand() % 10);
		uint64_t other = (uint64_t)(S + rand() % 10);
		int conn = rand() % 8;

		ns += 2;
		switch (rand() % 9) {
		case 0:
			if (opened[conn % 4])
				answer(t, conn % 4, ns, unit);
			else
				request_by(t, conn % 4, ns, other, unit);
			opened[conn % 4] = opened[conn % 4] ? 0 : ns;
			break;
		case 1:
		case 2:
			if (calling[conn])
				result(t, conn, ns, unit);
			else
				call(t, conn, ns, unit);
			calling[conn] = !calling[conn];
			break;
		case 3:
			create(t, ns, unit, rand() % 40 ? other : 0);
			break;
		case 4:
			hand_over(t, ns, unit, conn, rand() % 7);
			break;
		case 5:
			dial(t, conn, ns, unit);
			break;
		default:
			wake(t, ns, unit, other, rand() % 7);
		}
		if (rand() % 5000 == 0)
			t->stats.lost[LOSS_RING_UNIT]++;
		if (rand() % 50 == 0)
			trees__tick(t, ns);
	}
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], ns + 1, 0);
	for (int i = 0; i < 4; i++)
		gone_at(t, &in[i], ns + 2, 0);
	attribute__flush(t->attribute);
	join__flush(t->join, ns + 3);
	size_t parents = 0;

	for (size_t i = 0; i < t->outs; i++) {
		const struct exchange *child = &t->out[i].exchange, *mother = NULL;

		if (!t->out[i].context->parent)
			continue;
		parents++;
		for (size_t j = 0; j < t->outs && !mother; j++)
			if (t->out[j].context == t->out[i].context->parent)
				mother = &t->out[j].exchange;
		assert_non_null(mother);
		assert_int_equal(mother->side, ROLE_SERVER);
		assert_true(mother->request.first.ns <= child->request.first.ns);
		if (mother->has_response)
			assert_true(mother->response.first.ns > child->request.first.ns);
	}
	assert_true(parents > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_call_is_for_whom_its_caller_serves),
		TEST(a_handover_is_for_one_call),
		TEST(what_it_creates_inherits_while_the_request_is_open),
		TEST(the_first_byte_is_read_by_a_helper),
		TEST(who_sends_the_body_on_does_not_serve),
		TEST(a_loop_over_connections_proves_nothing),
		TEST(a_goroutine_may_serve_one_connection_after_the_other),
		TEST(pipelined_requests_are_served_in_turn),
		TEST(whoever_is_made_after_dialling_works_for_the_connection),
		TEST(what_works_for_a_connection_has_no_results),
		TEST(a_connections_goroutine_claims_for_nobody),
		TEST(the_one_that_gets_the_result_claims_the_call),
		TEST(work_that_is_taken_is_no_result),
		TEST(what_cannot_be_its_result_is_not_claimed),
		TEST(all_calls_of_a_piece_of_work_have_one_owner),
		TEST(a_timers_call_is_nobodys),
		TEST(a_child_that_waits_for_work_is_in_doubt),
		TEST(units_that_are_none),
		TEST(lost_events_end_all_knowledge),
		TEST(goroutines_beyond_the_limit_are_not_known),
		TEST(random_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
