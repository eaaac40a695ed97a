// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One test per way in which a thread or a turn could lie: the parent is right or there is none. */
#include "trees.h"

#include "recipe.h"

#define PID   10
#define OTHER 11

static const char X[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
static const char Y[] = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

static struct conn in[4], out[8]; /* accepted and connected ones of PID; never joined */

static int setup(void **state)
{
	struct trees *t = trees__new();

	for (int i = 0; i < 4; i++)
		in[i] = make_conn(100 + i, true);
	for (int i = 0; i < 8; i++)
		out[i] = make_conn(200 + i, false);
	trees__process(t, PID, RUNTIME_NATIVE);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	trees__free(*state);
	return 0;
}

static void request(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	request_at(t, &in[conn], ns, ns, PID, tid);
}

static void answer(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	response_at(t, &in[conn], ns, PID, tid);
}

static void call(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	request_at(t, &out[conn], ns, ns, PID, tid);
}

static void result(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	response_at(t, &out[conn], ns, PID, tid);
}

static void dial(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	connect_at(t, &out[conn], ns, PID, tid);
}

static void finish(struct trees *t)
{
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], 900, 0);
	for (int i = 0; i < 4; i++)
		gone_at(t, &in[i], 901, 0);
	join__flush(t->join, 1000);
}

/* The call at `ns` on out[conn] has the request at `parent_ns` on in[parent] as its parent. */
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
	assert_false(child->context->parent_is_remote);
	assert_int_equal(child->context->why, why);
}

static void thread_per_request(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1);
	request(t, 1, 11, 2);
	dial(t, 0, 12, 1);
	call(t, 0, 13, 1);
	result(t, 0, 14, 1);
	call(t, 0, 15, 1);
	dial(t, 1, 16, 2);
	call(t, 1, 17, 2);
	result(t, 1, 18, 2);
	result(t, 0, 19, 1);
	answer(t, 0, 20, 1);
	answer(t, 1, 21, 2);
	request(t, 0, 30, 1); /* keep-alive: the next request, the same pooled connection */
	call(t, 0, 31, 1);
	result(t, 0, 32, 1);
	answer(t, 0, 33, 1);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_THREAD);
	assert_parent(t, 0, 15, 0, 10, PARENT_BY_THREAD);
	assert_parent(t, 1, 17, 1, 11, PARENT_BY_THREAD);
	assert_parent(t, 0, 31, 0, 30, PARENT_BY_THREAD);
	assert_int_equal(t->stats.parents[PARENT_BY_THREAD], 4);
	assert_int_equal(t->stats.roots[ROOT_WHY_ENTRY], 3);
}

static void answered_request_is_no_parent(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1);
	answer(t, 0, 20, 1);
	call(t, 0, 25, 1);
	finish(t);
	assert_root(t, 0, 25, ROOT_WHY_CLOSED);
}

static void unknown_thread_has_no_request(void **state)
{
	struct trees *t = *state;

	in[0].tuple.flags = out[0].tuple.flags = CONN_MIDSTREAM;
	call(t, 0, 5, 1); /* the agent came in the middle of a request */
	result(t, 0, 6, 1);
	answer(t, 0, 7, 1);
	request(t, 0, 10, 1);
	call(t, 0, 11, 1);
	result(t, 0, 12, 1);
	answer(t, 0, 13, 1);
	finish(t);
	assert_root(t, 0, 5, ROOT_WHY_NO_REQUEST);
	assert_parent(t, 0, 11, 0, 10, PARENT_BY_THREAD);
}

static void two_open_requests_are_doubt_for_good(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1);
	call(t, 0, 11, 1); /* right: it was alone until now */
	request(t, 1, 12, 1);
	call(t, 1, 13, 1);
	answer(t, 0, 14, 1);
	call(t, 2, 15, 1); /* one is left, but nobody knows whose turn it is */
	answer(t, 1, 16, 1);
	request(t, 2, 20, 1);
	call(t, 3, 21, 1);
	finish(t);
	assert_parent(t, 0, 11, 0, 10, PARENT_BY_THREAD);
	assert_root(t, 1, 13, ROOT_WHY_DOUBT);
	assert_root(t, 2, 15, ROOT_WHY_DOUBT);
	assert_root(t, 3, 21, ROOT_WHY_DOUBT);
}

static void pipelined_requests_are_doubt(void **state)
{
	struct trees *t = *state;

	request_at(t, &in[0], 0, 10, PID, 1);
	request_at(t, &in[0], 1, 10, PID, 1); /* in the same read */
	call(t, 0, 11, 1);
	answer(t, 0, 12, 1);
	call(t, 1, 13, 1);
	answer(t, 0, 14, 1);
	request(t, 1, 20, 1);
	call(t, 2, 21, 1);
	finish(t);
	assert_root(t, 0, 11, ROOT_WHY_DOUBT);
	assert_root(t, 1, 13, ROOT_WHY_DOUBT);
	assert_root(t, 2, 21, ROOT_WHY_DOUBT); /* such a thread is mux */
}

/* The answer's event was lost; then the thread must not be spoilt for ever. */
static void lost_answer_ends_with_the_next_request(void **state)
{
	struct trees *t = *state;
	struct message m;

	request_at(t, &in[0], 0, 10, PID, 1);
	request_at(t, &in[0], 1, 20, PID, 1);
	call(t, 0, 21, 1);
	result(t, 0, 22, 1);
	m = make_message(MESSAGE_RESPONSE, DIR_OUT, 9, stamp_of(23, PID, 1), "x");
	m.flags = MESSAGE_AFTER_GAP;
	t->sink.begin(t->sink.ctx, &in[0], &m);
	t->sink.head(t->sink.ctx, &in[0], &m);
	t->sink.end(t->sink.ctx, &in[0], &m);
	request_at(t, &in[0], 2, 30, PID, 1);
	call(t, 0, 31, 1);
	result(t, 0, 32, 1);
	answer(t, 0, 33, 1);
	finish(t);
	assert_root(t, 0, 21, ROOT_WHY_DOUBT);
	assert_parent(t, 0, 31, 0, 2, PARENT_BY_THREAD);
}

static void closed_connection_closes_its_request(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1);
	gone_at(t, &in[0], 12, 104);
	call(t, 0, 15, 1);
	request(t, 1, 20, 1);
	call(t, 1, 21, 1); /* it never counted as a second open one */
	finish(t);
	assert_root(t, 0, 15, ROOT_WHY_CLOSED);
	assert_parent(t, 1, 21, 1, 20, PARENT_BY_THREAD);
}

static void lost_events_make_open_requests_stale(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1);
	t->stats.lost[LOSS_RING_DATA]++;
	attribute__tick(t->attribute, 11);
	call(t, 0, 12, 1);
	request(t, 1, 20, 1);
	attribute__tick(t->attribute, 21);
	call(t, 1, 22, 1);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_DOUBT);
	assert_parent(t, 1, 22, 1, 20, PARENT_BY_THREAD);
}

static void work_that_moves_proves_nothing(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1);
	call(t, 0, 11, 2); /* a worker: it has read nothing */
	result(t, 0, 12, 2);
	answer(t, 0, 13, 2); /* another thread answers */
	request(t, 0, 20, 1);
	call(t, 1, 21, 1);
	result(t, 1, 22, 1);
	finish(t);
	assert_root(t, 0, 11, ROOT_WHY_NO_REQUEST);
	assert_root(t, 1, 21, ROOT_WHY_DOUBT);
}

static void answer_read_elsewhere_is_migration(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1);
	request(t, 1, 11, 2);
	call(t, 0, 12, 1);
	result(t, 0, 13, 2);
	call(t, 1, 14, 1);
	call(t, 2, 15, 2);
	finish(t);
	assert_root(t, 1, 14, ROOT_WHY_DOUBT);
	assert_root(t, 2, 15, ROOT_WHY_DOUBT);
}

static void owner_is_who_read_the_last_byte(void **state)
{
	struct trees *t = *state;
	struct message m = make_message(MESSAGE_REQUEST, DIR_IN, 10, stamp_of(10, PID, 1), "x");

	t->sink.begin(t->sink.ctx, &in[0], &m);
	t->sink.head(t->sink.ctx, &in[0], &m);
	m.last = stamp_of(12, PID, 2);
	t->sink.end(t->sink.ctx, &in[0], &m);
	call(t, 0, 13, 1);
	call(t, 1, 14, 2);
	result(t, 1, 15, 2);
	answer(t, 0, 16, 2);
	request(t, 1, 20, 1);
	call(t, 2, 21, 1);
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_NO_REQUEST);
	assert_parent(t, 1, 14, 0, 10, PARENT_BY_THREAD);
	assert_parent(t, 2, 21, 1, 20, PARENT_BY_THREAD);
}

static void loops_may_call_for_themselves(void **state)
{
	struct trees *t = *state;
	struct stamp at = stamp_of(10, PID, 1);

	at.watched = true;
	trees__message(t, &in[0], MESSAGE_REQUEST, 10, at, NULL);
	dial(t, 0, 11, 1);
	call(t, 0, 12, 1);
	result(t, 0, 13, 1);
	call(t, 0, 14, 1);
	answer(t, 0, 15, 1);
	request(t, 1, 20, 1); /* not so when this is how it waits for one connection */
	call(t, 1, 21, 1);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_LOOP);
	assert_root(t, 0, 14, ROOT_WHY_DOUBT);
	assert_parent(t, 1, 21, 1, 20, PARENT_BY_THREAD);
}

/* A socket that may block, but is in epoll while it is read: a loop in C, perhaps not one in Java. */
static void loops_on_sockets_that_block(void **state)
{
	struct trees *t = *state;
	struct stamp at = stamp_of(10, PID, 1);

	at.polled = true;
	trees__message(t, &in[0], MESSAGE_REQUEST, 10, at, NULL);
	call(t, 0, 12, 1);
	result(t, 0, 13, 1);
	answer(t, 0, 15, 1);
	trees__process(t, PID, RUNTIME_JAVA);
	at.ns = 20;
	trees__message(t, &in[1], MESSAGE_REQUEST, 20, at, NULL);
	call(t, 1, 22, 1);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_LOOP);
	assert_parent(t, 1, 22, 1, 20, PARENT_BY_THREAD);
}

/* A loss is noticed before the events around it are looked at: they may rest on what is lost. */
static void a_request_from_before_a_loss(void **state)
{
	struct trees *t = *state;

	t->stats.lost[LOSS_RING_DATA]++;
	attribute__check_losses(t->attribute, 15);
	request(t, 0, 10, 1); /* its answer may be lost, and the next request too */
	call(t, 0, 12, 1);
	result(t, 0, 13, 1);
	answer(t, 0, 14, 1);
	request(t, 0, 16, 1);
	call(t, 0, 17, 1);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_DOUBT);
	assert_parent(t, 0, 17, 0, 16, PARENT_BY_THREAD);
}

static void answer_of_unknown_owner_clears(void **state)
{
	struct trees *t = *state;

	call(t, 0, 5, 1); /* a background call, before the request */
	request(t, 0, 10, 1);
	result(t, 0, 11, 1);
	call(t, 1, 12, 1); /* goes on with the background work */
	finish(t);
	assert_root(t, 0, 5, ROOT_WHY_NO_REQUEST);
	assert_root(t, 1, 12, ROOT_WHY_DOUBT);
}

static void connection_belongs_to_who_opened_it(void **state)
{
	struct trees *t = *state;

	dial(t, 0, 5, 1); /* for nobody */
	request(t, 0, 10, 1);
	call(t, 0, 11, 1);
	dial(t, 1, 12, 1);
	answer(t, 0, 13, 1);
	request(t, 1, 20, 1);
	call(t, 1, 21, 1); /* opened for a request that is answered by now */
	request(t, 2, 30, 2);
	dial(t, 2, 31, 2);
	call(t, 2, 32, 1); /* opened by another thread for its request */
	dial(t, 3, 33, 3);
	call(t, 3, 34, 2); /* opened by another thread for nobody */
	finish(t);
	assert_root(t, 0, 11, ROOT_WHY_NO_REQUEST);
	assert_root(t, 1, 21, ROOT_WHY_CLOSED);
	assert_root(t, 2, 32, ROOT_WHY_DOUBT);
	assert_parent(t, 3, 34, 2, 30, PARENT_BY_THREAD);
}

static void thread_number_used_again(void **state)
{
	struct trees *t = *state;
	struct event_unit unit = {
		.event = { .size = sizeof(unit), .kind = EVENT_UNIT, .pid = PID, .tid = 1 },
		.change = UNIT_EXIT
	};

	request(t, 0, 10, 1);
	attribute__event(t->attribute, &unit.event);
	call(t, 0, 12, 1);
	request(t, 1, 20, 2);
	unit.change = UNIT_CREATE;
	unit.other_tid = 2;
	attribute__event(t->attribute, &unit.event);
	call(t, 1, 22, 2);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_NO_REQUEST);
	assert_root(t, 1, 22, ROOT_WHY_NO_REQUEST);
}

static void process_number_used_again(void **state)
{
	struct trees *t = *state;
	struct event_task task = {
		.event = { .size = sizeof(task), .kind = EVENT_TASK, .pid = PID, .tid = PID }
	};

	for (int change = TASK_FORK; change <= TASK_EXIT; change++) {
		request(t, change - 1, 10 * change, 1);
		task.change = change;
		task.child_pid = change == TASK_FORK ? PID : 0;
		attribute__event(t->attribute, &task.event);
		call(t, change, 10 * change + 1, 1);
	}
	finish(t);
	for (int change = TASK_FORK; change <= TASK_EXIT; change++)
		assert_root(t, change, 10 * change + 1, ROOT_WHY_NO_REQUEST);
}

static void runtimes_without_threads_give_roots(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_GO);
	request(t, 0, 10, 1);
	dial(t, 0, 11, 1);
	call(t, 0, 12, 1);
	answer(t, 0, 13, 1);
	request_at(t, &in[1], 20, 20, OTHER, 1); /* not described yet */
	request_at(t, &out[1], 21, 21, OTHER, 1);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_RUNTIME);
	assert_root(t, 1, 21, ROOT_WHY_RUNTIME);
}

static void nginx_calls_in_the_turn_of_the_read(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_NGINX);
	request(t, 0, 10, 1);
	dial(t, 0, 11, 1);
	request(t, 1, 12, 1);
	dial(t, 1, 13, 1);
	call(t, 0, 14, 1);
	call(t, 1, 15, 1);
	request(t, 2, 16, 1);
	dial(t, 2, 17, 1);
	result(t, 0, 18, 1); /* a sub-request: the answer asks for another call */
	call(t, 0, 18, 1);
	result(t, 1, 19, 1);
	answer(t, 1, 19, 1);
	call(t, 2, 20, 1);
	result(t, 0, 21, 1);
	answer(t, 0, 21, 1);
	result(t, 2, 22, 1);
	answer(t, 2, 23, 1);
	request(t, 1, 30, 1);
	call(t, 1, 30, 1); /* an idle upstream connection */
	result(t, 1, 31, 1);
	answer(t, 1, 31, 2); /* sendfile in the thread pool */
	request(t, 1, 40, 1);
	call(t, 1, 41, 1);
	finish(t);
	assert_parent(t, 0, 14, 0, 10, PARENT_BY_CONNECT);
	assert_parent(t, 1, 15, 1, 12, PARENT_BY_CONNECT);
	assert_parent(t, 0, 18, 0, 10, PARENT_BY_TURN);
	assert_parent(t, 2, 20, 2, 16, PARENT_BY_CONNECT);
	assert_parent(t, 1, 30, 1, 30, PARENT_BY_TURN);
	assert_parent(t, 1, 41, 1, 40, PARENT_BY_TURN);
}

/* A request that waits for something that no socket shows may be the one that calls. */
static void nginx_doubts_when_a_request_is_idle(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_NGINX);
	request(t, 0, 10, 1); /* delayed by a limit */
	request(t, 1, 12, 1);
	call(t, 0, 13, 1); /* in truth of request 0: its timer went off */
	dial(t, 1, 14, 1);
	call(t, 1, 15, 1);
	answer(t, 0, 16, 1);
	answer(t, 1, 17, 1);
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_DOUBT);
	assert_root(t, 1, 15, ROOT_WHY_DOUBT);
}

/* A body that is still to come is waited for on its own socket: it casts no doubt on others. */
static void nginx_lets_a_body_wait(void **state)
{
	struct trees *t = *state;
	struct message upload =
		make_message(MESSAGE_REQUEST, DIR_IN, 10, stamp_of(10, PID, 1), "x");

	trees__process(t, PID, RUNTIME_NGINX);
	request(t, 1, 5, 1);
	t->sink.begin(t->sink.ctx, &in[0], &upload);
	t->sink.head(t->sink.ctx, &in[0], &upload);
	call(t, 2, 11, 1); /* of neither in particular */
	answer(t, 1, 12, 1);
	request(t, 1, 13, 1);
	dial(t, 1, 13, 1);
	call(t, 1, 13, 1);
	result(t, 1, 14, 1);
	answer(t, 1, 15, 1);
	upload.last = stamp_of(16, PID, 1);
	t->sink.end(t->sink.ctx, &in[0], &upload);
	dial(t, 0, 16, 1);
	call(t, 0, 16, 1);
	result(t, 0, 17, 1);
	answer(t, 0, 18, 1);
	finish(t);
	assert_root(t, 2, 11, ROOT_WHY_DOUBT);
	assert_parent(t, 1, 13, 1, 13, PARENT_BY_CONNECT);
	assert_parent(t, 0, 16, 0, 10, PARENT_BY_CONNECT);
}

/* A script's timer goes off while the request of the last read has its call under way. */
static void nginx_doubts_a_second_call(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_NGINX);
	request(t, 0, 10, 1);
	dial(t, 0, 10, 1);
	dial(t, 1, 15, 1); /* the timer */
	call(t, 0, 16, 1);
	call(t, 1, 17, 1);
	call(t, 2, 18, 1); /* it again */
	result(t, 0, 20, 1);
	call(t, 3, 20, 1); /* a try at another server */
	answer(t, 0, 30, 1);
	finish(t);
	assert_parent(t, 0, 16, 0, 10, PARENT_BY_CONNECT);
	assert_root(t, 1, 17, ROOT_WHY_DOUBT);
	assert_root(t, 2, 18, ROOT_WHY_DOUBT);
	assert_parent(t, 3, 20, 0, 10, PARENT_BY_THREAD);
}

/* The worker reads, calls, reads the answer, sleeps, calls again. */
static void nginx_sleeps_in_a_turn(struct trees *t)
{
	struct stamp at = stamp_of(10, PID, 1);

	at.unit = 5;
	trees__message(t, &in[0], MESSAGE_REQUEST, 10, at, NULL);
	at.ns = 11;
	trees__message(t, &out[0], MESSAGE_REQUEST, 11, at, NULL);
	at.ns = 12;
	at.unit = 6;
	trees__message(t, &out[0], MESSAGE_RESPONSE, 0, at, NULL);
	at.ns = 13;
	at.unit = 7;
	trees__message(t, &out[1], MESSAGE_REQUEST, 13, at, NULL);
	answer(t, 0, 20, 1);
	finish(t);
}

/* It served before the agent came: an older request, unknown to us, may have timed out. */
static void nginx_turns_end_when_it_sleeps(void **state)
{
	struct trees *t = *state;
	struct event_conn_open open = { .event = { .size = sizeof(open),
						   .kind = EVENT_CONN_OPEN,
						   .time_ns = 1,
						   .pid = PID,
						   .tid = PID },
					.conn = 77,
					.tuple = { .flags = CONN_MIDSTREAM } };

	trees__process(t, PID, RUNTIME_NGINX);
	attribute__event(t->attribute, &open.event);
	nginx_sleeps_in_a_turn(t);
	assert_parent(t, 0, 11, 0, 10, PARENT_BY_THREAD);
	assert_root(t, 1, 13, ROOT_WHY_DOUBT);
}

/* All its requests are known: it has slept for something else (a page, a lock). */
static void nginx_may_sleep_in_a_turn(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_NGINX);
	nginx_sleeps_in_a_turn(t);
	assert_parent(t, 0, 11, 0, 10, PARENT_BY_THREAD);
	assert_parent(t, 1, 13, 0, 10, PARENT_BY_THREAD);
}

/* Two uploads at a time: the rest of the older one is read in silence, and then it calls. */
static void nginx_doubts_beside_uploads(void **state)
{
	struct trees *t = *state;
	struct message m = make_message(MESSAGE_REQUEST, DIR_IN, 12, stamp_of(12, PID, 1), "x");

	trees__process(t, PID, RUNTIME_NGINX);
	request(t, 0, 10, 1);
	call(t, 0, 10, 1);
	t->sink.begin(t->sink.ctx, &in[1], &m);
	t->sink.head(t->sink.ctx, &in[1], &m);
	call(t, 1, 13, 1);
	m.last = stamp_of(14, PID, 1);
	t->sink.end(t->sink.ctx, &in[1], &m);
	dial(t, 2, 14, 1);
	call(t, 2, 14, 1);
	finish(t);
	assert_root(t, 1, 13, ROOT_WHY_DOUBT);
	assert_parent(t, 2, 14, 1, 12, PARENT_BY_CONNECT);
}

static void nginx_clears_on_merged_answers(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_NGINX);
	request(t, 0, 10, 1);
	call(t, 0, 10, 1);
	request(t, 1, 12, 1);
	call(t, 1, 12, 1);
	result(t, 0, 20, 1);
	result(t, 1, 20, 1); /* the same read */
	call(t, 2, 20, 1);
	finish(t);
	assert_root(t, 2, 20, ROOT_WHY_DOUBT);
}

static void headers_win(void **state)
{
	struct trees *t = *state;
	struct out *child;

	trees__message(t, &in[0], MESSAGE_REQUEST, 10, stamp_of(10, PID, 1), X);
	trees__message(t, &out[0], MESSAGE_REQUEST, 11, stamp_of(11, PID, 1), X); /* passed on */
	result(t, 0, 12, 1);
	trees__message(t, &out[0], MESSAGE_REQUEST, 13, stamp_of(13, PID, 1), Y); /* a span's own */
	result(t, 0, 14, 1);
	call(t, 0, 15, 1); /* none */
	result(t, 0, 16, 1);
	answer(t, 0, 20, 1);
	finish(t);
	assert_parent(t, 0, 11, 0, 10, PARENT_BY_THREAD);
	assert_parent(t, 0, 15, 0, 10, PARENT_BY_THREAD);
	child = find_out(t, &out[0], 13);
	assert_true(child->context->parent_is_remote);
	assert_int_equal(child->context->by, PARENT_BY_HEADER);
	assert_int_equal(child->context->remote->span_id[1], 0xf0);
	for (size_t i = 0; i < t->outs; i++) {
		assert_int_equal(t->out[i].context->trace_id[0], 0x0a);
		assert_true(t->out[i].context->origin_sampled);
	}
}

static void failed_connect_has_its_request(void **state)
{
	struct trees *t = *state;
	struct stamp at = stamp_of(12, 0, 0);

	request(t, 0, 10, 1);
	dial(t, 0, 11, 1);
	out[0].pid = PID;
	out[0].opened_ns = 11;
	pair__connect_failed(t->pair, &out[0], &at, 111);
	attribute__conn_gone(t->attribute, out[0].id);
	answer(t, 0, 13, 1);
	finish(t);
	assert_parent(t, 0, 0, 0, 10, PARENT_BY_THREAD);
	assert_int_equal(find_out(t, &out[0], 0)->exchange.error, 111);
}

static void many_threads_are_forgotten_in_bounds(void **state)
{
	struct trees *t = *state;

	for (uint32_t tid = 1; tid <= ATTRIBUTE_UNITS_MAX + 100; tid++)
		dial(t, 0, tid, tid);
	assert_int_equal(t->stats.lost[LOSS_UNIT_TABLE_FULL], 100);
	attribute__tick(t->attribute, 1200000 * MS);
	finish(t);
}

/* What the agent says of a process's units is said once, long before or after anything happens. */
static void kind_of_units_stays(void **state)
{
	struct trees *t = *state;
	struct event_unit module = { .change = UNIT_MODULE, .arg = UNITS_GO };
	const uint64_t up = 100ull * 24 * 3600 * 1000 * MS;

	module.event = (struct event){ .kind = EVENT_UNIT, .pid = PID, .time_ns = up };
	attribute__event(t->attribute, &module.event);
	for (uint64_t hour = 0; hour < 5; hour++)
		attribute__tick(t->attribute, up + hour * 3600 * 1000 * MS);
	request(t, 0, up + 1, 1);
	call(t, 0, up + 2, 1); /* for the rules of threads it would be that one's */
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], up + 3, 0);
	gone_at(t, &in[0], up + 4, 0);
	join__flush(t->join, up + 1000 * MS);
	assert_null(find_out(t, &out[0], up + 2)->context->parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(thread_per_request),
		TEST(answered_request_is_no_parent),
		TEST(unknown_thread_has_no_request),
		TEST(two_open_requests_are_doubt_for_good),
		TEST(pipelined_requests_are_doubt),
		TEST(lost_answer_ends_with_the_next_request),
		TEST(closed_connection_closes_its_request),
		TEST(lost_events_make_open_requests_stale),
		TEST(work_that_moves_proves_nothing),
		TEST(answer_read_elsewhere_is_migration),
		TEST(owner_is_who_read_the_last_byte),
		TEST(loops_may_call_for_themselves),
		TEST(loops_on_sockets_that_block),
		TEST(a_request_from_before_a_loss),
		TEST(answer_of_unknown_owner_clears),
		TEST(connection_belongs_to_who_opened_it),
		TEST(thread_number_used_again),
		TEST(process_number_used_again),
		TEST(runtimes_without_threads_give_roots),
		TEST(nginx_calls_in_the_turn_of_the_read),
		TEST(nginx_doubts_when_a_request_is_idle),
		TEST(nginx_lets_a_body_wait),
		TEST(nginx_doubts_a_second_call),
		TEST(nginx_doubts_beside_uploads),
		TEST(nginx_turns_end_when_it_sleeps),
		TEST(nginx_may_sleep_in_a_turn),
		TEST(nginx_clears_on_merged_answers),
		TEST(headers_win),
		TEST(failed_connect_has_its_request),
		TEST(many_threads_are_forgotten_in_bounds),
		TEST(kind_of_units_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
